"""Which cores each cell has targets on: a kernel over arrays (see :mod:`hwmodels.compiling`)."""

from __future__ import annotations

#: Neighbouring cores that are looked at together, as a power of two.
BLOCK_BITS = 6


def gather(  # type: ignore[no-untyped-def]
    begin, indptr, target, core_of, first, seen, near, hit, count, low, high, twice, axons, core,
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
    near : int64, shape (blocks of cores,)
        The last cell with a target in each block; begins with -1. Going through the blocks finds
        a cell's cores in their order, which is faster than to sort them.
    hit : int32, shape (all cells,)
        The last cell with this target; begins with -1.
    axons : int64, shape (cells,)
        Filled: how many each has.
    core, synapses, contiguous : int32, int32 and bool
        Filled, cell after cell and by core.
    """
    n = 0
    for k in range(len(indptr) - 1):
        cell, before = begin + k, n
        for s in range(indptr[k], indptr[k + 1]):
            to = target[s]
            on, position = core_of[to], first[to]
            if on < 0:
                continue
            if seen[on] != cell:
                seen[on], near[on >> BLOCK_BITS] = cell, cell
                count[on], low[on], high[on], twice[on] = 0, position, position, 0
            count[on] += 1
            low[on], high[on] = min(low[on], position), max(high[on], position)
            if hit[to] == cell:
                twice[on] = 1
            hit[to] = cell
        for block in range(len(near)):
            if near[block] != cell:
                continue
            for on in range(block << BLOCK_BITS, min((block + 1) << BLOCK_BITS, len(seen))):
                if seen[on] == cell:
                    core[n], synapses[n] = on, count[on]
                    contiguous[n] = twice[on] == 0 and high[on] - low[on] + 1 == count[on]
                    n += 1
        axons[k] = n - before
    return n
