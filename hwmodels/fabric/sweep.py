"""When a sweep makes its messages: a kernel over arrays (see :mod:`hwmodels.compiling`)."""

from __future__ import annotations


def send(  # type: ignore[no-untyped-def]
    host, spiking, cells, core, first, visits, updated, indptr, visit_ps, update_ps, spike_ps,
    spiking_ps, message_ps, axon, sent_ps, sweep_ps, used,
):  # fmt: skip
    """One message for each axon of each cell that fires: that of the host, then core by core.

    A message is made when the sweep is through with its cell and with the messages before it.

    Parameters
    ----------
    host : int64, shape (h,)
        Cells off-chip that fire.
    spiking : int64, shape (s,)
        Places (positions in the order of all sweeps) of the cells that fire, ascending.
    cells, core : int64, shape (places,)
        Cell and core of each place.
    first : int64, shape (cores,)
        First place of each core.
    visits, updated : int64, shape (places + 1,)
        Circuits, and updated circuits, before each place.
    indptr : int64, shape (cells + 1,)
        Axons of each cell.
    visit_ps, update_ps, spike_ps, message_ps : int
        Times before a message is made.
    spiking_ps : int
        Time of a spike that counts for the length of the sweep.
    axon, sent_ps : int64, shape (messages,)
        Filled.
    sweep_ps : int64, shape (cores,)
        Spikes and messages are added.
    used : int64, shape (axons,)
        One is added for each message.
    """
    n, sent = 0, 0
    for cell in host:
        for a in range(indptr[cell], indptr[cell + 1]):
            sent += message_ps
            axon[n], sent_ps[n] = a, sent
            used[a] += 1
            n += 1
    here, through, spikes, waited = -1, 0, 0, 0
    for k in range(len(spiking)):
        place = spiking[k]
        if core[place] != here:
            here, spikes, waited, through = core[place], 0, 0, k
        # All spikes up to this place: one that stands twice has both behind it.
        while through < len(spiking) and spiking[through] <= place:
            through += 1
            spikes += 1
        begin = first[here]
        sent = (visits[place + 1] - visits[begin]) * visit_ps
        sent += (updated[place + 1] - updated[begin]) * update_ps + spikes * spike_ps
        cell = cells[place]
        for a in range(indptr[cell], indptr[cell + 1]):
            waited += message_ps
            axon[n], sent_ps[n] = a, sent + waited
            used[a] += 1
            n += 1
            sweep_ps[here] += message_ps
        sweep_ps[here] += spiking_ps
