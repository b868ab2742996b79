"""When sweeps make their messages: a kernel over arrays (see :mod:`hwmodels.compiling`)."""

from __future__ import annotations


def count(active, cells, units, unit, visits, begin, end):  # type: ignore[no-untyped-def]
    """Updated circuits of the places from ``begin`` up to ``end``; all have ``unit``, if not 0."""
    if not len(active):
        return visits[end] - visits[begin]
    if unit:  # these places then hold neighbouring cells
        n = 0
        for cell in active[cells[0] + begin : cells[0] + end]:
            n += cell
        return n * unit
    n = 0
    for place in range(begin, end):
        if active[cells[place]]:
            n += units[place]
    return n


def sweep(  # type: ignore[no-untyped-def]
    starts, fired, active, place, cells, units, unit, first, visits, indptr, visit_ps, update_ps,
    spike_ps, spiking_ps, message_ps, spiking, axon, sent_ps, sweep_ps, spikes,
):  # fmt: skip
    """One message for each axon of each cell that fires: those of the host, then core by core.

    A message is made when the sweep is through with its cell and with the messages before it.
    Returns how many circuits were updated.

    Parameters
    ----------
    starts, fired : int64, shapes (steps + 1,) and (n,)
        Cells that spike in each step, those on cores by place; one that stands twice has both
        spikes behind it.
    active : bool, shape (steps, cells) or (steps, 0)
        Without columns where all cells are active.
    place : int64, shape (cells,)
        Position of each cell in the order of all sweeps; -1 off-chip.
    cells, units : int64, shape (places,)
        Cell at each place, and its circuits.
    unit : int
        The circuits of every cell where all have as many and lie one beside the other; else 0.
    first : int64, shape (cores + 1,)
        First place of each core, and the end.
    visits : int64, shape (places + 1,)
        Circuits before each place.
    indptr : int64, shape (cells + 1,)
        Axons of each cell.
    visit_ps, update_ps, spike_ps, message_ps : int
        Times before a message is made.
    spiking_ps : int
        Time of a spike that counts for the length of the sweep.
    spiking : int64, shape (n,)
        Room for the places that spike in one step.
    axon, sent_ps : int64, shape (messages,)
        Filled, step after step.
    sweep_ps : int64, shape (steps, cores)
        Filled: how long each sweep takes.
    spikes : int64, shape (cells,)
        One is added for each spike.
    """
    n, updates = 0, 0
    for k in range(len(starts) - 1):
        row = active[k]
        sent, waiting = 0, 0
        for cell in fired[starts[k] : starts[k + 1]]:
            spikes[cell] += 1
            if place[cell] >= 0:
                spiking[waiting] = place[cell]
                waiting += 1
                continue
            for a in range(indptr[cell], indptr[cell + 1]):
                sent += message_ps
                axon[n], sent_ps[n] = a, sent
                n += 1
        j = 0
        for core in range(len(first) - 1):
            begin, end = first[core], first[core + 1]
            updated, at, waited, behind, through = 0, begin, 0, 0, j
            while j < waiting and spiking[j] < end:
                here = spiking[j]
                while through < waiting and spiking[through] <= here:
                    through += 1
                    behind += 1
                updated += count(row, cells, units, unit, visits, at, here + 1)
                at = here + 1
                sent = (visits[at] - visits[begin]) * visit_ps
                sent += updated * update_ps + behind * spike_ps
                cell = cells[here]
                for a in range(indptr[cell], indptr[cell + 1]):
                    waited += message_ps
                    axon[n], sent_ps[n] = a, sent + waited
                    n += 1
                j += 1
            updated += count(row, cells, units, unit, visits, at, end)
            updates += updated
            sweep_ps[k, core] = (
                (visits[end] - visits[begin]) * visit_ps
                + updated * update_ps + behind * spiking_ps + waited
            )  # fmt: skip
    return updates
