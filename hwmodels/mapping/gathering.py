"""Which cores each cell has targets on: a kernel over arrays (see :mod:`hwmodels.compiling`)."""

from __future__ import annotations


def gather(  # type: ignore[no-untyped-def]
    begin, indptr, target, core_of, first, seen, hit, count, low, high, twice, found, axons, core,
    synapses, contiguous,
):  # fmt: skip
    """Append the axons of some neighbouring cells; returns how many there are.

    Parameters
    ----------
    begin : int
        The first of these cells.
    indptr : int64, shape (cells + 1,)
        Where each cell's targets begin.
    target : int32, shape (n,)
        Global numbers.
    core_of, first : int32 and int64
        Core of each cell (or -1), and its position there.
    seen, count, low, high, twice : int64, shape (cores,)
        For each core: the last cell with a target there, and of that cell how many there are, the
        first and last position, and whether one is hit twice. ``seen`` begins with -1.
    hit : int32, shape (all cells,)
        The last cell with this target; begins with -1.
    found : int64, shape (cores,)
        Room for the cores of one cell.
    axons : int64, shape (cells,)
        Filled: how many each has.
    core, synapses, contiguous : int32, int32 and bool
        Filled, cell after cell and by core.
    """
    n = 0
    for k in range(len(indptr) - 1):
        cell, here = begin + k, 0
        for s in range(indptr[k], indptr[k + 1]):
            to = target[s]
            on, position = core_of[to], first[to]
            if on < 0:
                continue
            if seen[on] != cell:
                seen[on] = cell
                found[here] = on
                here += 1
                count[on], low[on], high[on], twice[on] = 0, position, position, 0
            count[on] += 1
            low[on], high[on] = min(low[on], position), max(high[on], position)
            if hit[to] == cell:
                twice[on] = 1
            hit[to] = cell
        found[:here].sort()
        for on in found[:here]:
            core[n], synapses[n] = on, count[on]
            contiguous[n] = twice[on] == 0 and high[on] - low[on] + 1 == count[on]
            n += 1
        axons[k] = here
    return n
