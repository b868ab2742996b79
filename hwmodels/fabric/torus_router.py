"""The end of a router over flat arrays: what leaves, what waits, what is dropped and put back.

Plain functions; :mod:`hwmodels.fabric.torus_kernel` calls them.
"""

from __future__ import annotations

from hwmodels.fabric.torus import ARBITERS, LINKS
from hwmodels.fabric.torus_tables import (
    AGED,
    ALIVE,
    AROUND,
    ARRIVED,
    AT_END,
    BEGIN,
    D_PACKET,
    D_PLACE,
    DIVERTED,
    DIVERTS,
    DROPPED,
    DROPS,
    DUMPED,
    EMERGENCY,
    ENTRIES,
    EXPIRED,
    GIVEN_UP,
    GIVES_UP,
    HEAD,
    LEG,
    LONGEST,
    M_HEAD,
    M_N,
    M_PACKET,
    M_PLACE,
    M_QUEUED,
    NOWHERE,
    OF_CORES,
    OUTPUT,
    OUTPUT_ROOM,
    OVERFLOWED,
    OWN,
    P_HEAD,
    P_N,
    P_RING,
    POLL,
    POLL_PS,
    POLLING,
    PORTS,
    QUEUE_FULL,
    QUEUE_ROOM,
    READ,
    READ_PS,
    READY,
    RECEIVE,
    RECEIVED,
    RECEIVING,
    REINJECTED,
    RINGS,
    ROUND,
    SENDING,
    STAGES,
    STALLED,
    STALLS,
    TREE,
    TRIES,
    TURNS,
    UNTIL,
    VISITS,
    WAIT,
    WAITS,
    WIRES,
    N,
    note,
    push_event,
    report,
)


def expired(count, heap, chip, listed, work, here, kind, until, waits, now):
    """One of the two waits at a router's end may be over, or be that of a later packet."""
    chip[here, waits] = 0
    if chip[here, STALLED] >= 0:
        if chip[here, until] <= now:
            note(listed, work, count, OUTPUT, here)
        else:
            chip[here, waits] = 1
            push_event(heap, count, chip[here, until], kind, here)


def _look(times, count, heap, chip, here, now):
    """Let the monitor look at its next time whether it can send."""
    if chip[here, M_N] and not chip[here, SENDING] and not chip[here, POLLING]:
        chip[here, POLLING] = 1
        push_event(heap, count, (now // times[POLL_PS] + 1) * times[POLL_PS], POLL, here)


def read_dump(times, count, heap, chip, monitor, out, here, now):
    """The monitor takes what is in the dump register into its queue."""
    packet, place = chip[here, D_PACKET], chip[here, D_PLACE]
    chip[here, DUMPED] = 0
    if chip[here, M_N] >= times[QUEUE_ROOM]:
        chip[here, QUEUE_FULL] += 1
        report(out, count, now, packet, place, DROPPED)
        return
    at = (chip[here, M_HEAD] + chip[here, M_N]) % times[QUEUE_ROOM]
    monitor[here, 2 * at], monitor[here, 2 * at + 1] = packet, place
    chip[here, M_N] += 1
    _look(times, count, heap, chip, here, now)


def send_again(times, count, heap, chip, monitor, listed, work, here, now):
    """The monitor puts the next packet back into the router, or stops."""
    chip[here, SENDING] = 0
    if chip[here, M_N] == 0 or chip[here, STALLED] >= 0:
        _look(times, count, heap, chip, here, now)
        return
    at = chip[here, M_HEAD]
    chip[here, M_PACKET], chip[here, M_PLACE] = monitor[here, 2 * at], monitor[here, 2 * at + 1]
    chip[here, M_HEAD] = (at + 1) % times[QUEUE_ROOM]
    chip[here, M_N] -= 1
    chip[here, SENDING] = chip[here, M_QUEUED] = 1
    chip[here, REINJECTED] += 1
    note(listed, work, count, TURNS, here * ARBITERS + OF_CORES)


def _blocked(times, link, number):
    return not link[number, ALIVE] or link[number, N] > times[OUTPUT_ROOM]


def _round(times, link, here):
    """The links that are not free, as bits, for a packet that may go round them."""
    bits = 0
    for way in range(LINKS):
        number = here * LINKS + way
        if link[number, AROUND] and _blocked(times, link, number):
            bits |= 1 << way
    return bits


def _over(node, place, way, rounds):
    """What of a packet goes over a link, as a place; -1 for nothing."""
    at, to = place & NOWHERE, (place >> ROUND) - 1
    below, other = -1, -1
    if at != NOWHERE:
        if not rounds >> way & 1:
            below = node[at, way]
        around = way + 1 if way + 1 < LINKS else 0
        if rounds >> around & 1:
            other = node[at, around]
    if to >= 0 and node[to, LEG] == way:
        below = to
    if below < 0 and other < 0:
        return -1
    if below < 0:
        below = NOWHERE
    return below | (other + 1) << ROUND


def _outputs_free(times, link, core, node, port, here, place, rounds):
    for way in range(LINKS):
        if _over(node, place, way, rounds) >= 0 and _blocked(times, link, here * LINKS + way):
            return False
    at = place & NOWHERE
    if at != NOWHERE:
        for k in range(node[at, BEGIN], node[at, OWN]):
            if core[here * times[PORTS] + port[k], RECEIVING]:
                return False
    return True


def _wait(count, heap, chip, here, kind, until, waits, end):
    """The packet at the router's end has more time."""
    chip[here, until] = end
    if not chip[here, waits]:
        chip[here, waits] = 1
        push_event(heap, count, end, kind, here)


def _leave(
    times, count, heap, link, core, chip, listed, work, node, root, port, pool, out, here, packet,
    place, rounds, now,
):  # fmt: skip
    """A copy of a packet goes to each of its outputs, which are free."""
    for way in range(LINKS):
        load = _over(node, place, way, rounds)
        if load >= 0:
            number = here * LINKS + way
            spot = (link[number, HEAD] + link[number, N]) % (times[OUTPUT_ROOM] + 1)
            spot = RINGS + 2 * spot
            link[number, spot], link[number, spot + 1] = packet, load
            link[number, N] += 1
            link[number, LONGEST] = max(link[number, LONGEST], link[number, N])
            note(listed, work, count, WIRES, number)
            if load >> ROUND:
                chip[here, DIVERTED] += 1
    at = place & NOWHERE
    if at == NOWHERE:
        return
    first = node[root[pool[packet, TREE]], BEGIN]
    for k in range(node[at, BEGIN], node[at, OWN]):
        receiver = here * times[PORTS] + port[k]
        core[receiver, RECEIVING] = 1
        push_event(heap, count, now + times[RECEIVE], RECEIVED, receiver)
        report(out, count, now, packet, k - first, ARRIVED)


def _dump(times, count, heap, chip, out, here, packet, place, now):
    """A packet that has waited in vain is dropped, into the dump register if that is read."""
    chip[here, DROPS] += 1
    if times[POLL_PS] and not chip[here, DUMPED]:
        chip[here, DUMPED] = 1
        chip[here, D_PACKET], chip[here, D_PLACE] = packet, place
        push_event(heap, count, now + times[READ_PS], READ, here)
        return
    if times[POLL_PS]:
        chip[here, OVERFLOWED] += 1
    report(out, count, now, packet, place, DROPPED)


def output(
    times, count, heap, link, core, chip, listed, work, node, root, port, pool, out, here, now
):
    """The packet at the router's end leaves, is dropped, or stops the pipeline."""
    head = P_RING + 3 * chip[here, P_HEAD]
    packet, place = chip[here, head], chip[here, head + 1]
    stands, wait = chip[here, STALLED] >= 0, times[WAIT]
    if chip[here, READY] == 2:
        report(out, count, now, packet, place, DROPPED)
        chip[here, AGED] += 1
    else:
        rounds = 0
        if chip[here, DIVERTS]:
            rounds = _round(times, link, here)
        free = _outputs_free(times, link, core, node, port, here, place, rounds)
        over = wait == 0 or (wait > 0 and stands and chip[here, UNTIL] <= now)
        if not free and over and times[EMERGENCY] and not chip[here, DIVERTS]:
            chip[here, DIVERTS], over = 1, False
            _wait(count, heap, chip, here, GIVEN_UP, GIVES_UP, TRIES, now + times[EMERGENCY])
            rounds = _round(times, link, here)
            free = _outputs_free(times, link, core, node, port, here, place, rounds)
        elif chip[here, DIVERTS]:
            over = chip[here, GIVES_UP] <= now
        if free:
            _leave(
                times, count, heap, link, core, chip, listed, work, node, root, port, pool, out,
                here, packet, place, rounds, now,
            )  # fmt: skip
        elif over:
            _dump(times, count, heap, chip, out, here, packet, place, now)
        else:
            if not stands:
                chip[here, STALLED] = now
                if wait > 0:
                    _wait(count, heap, chip, here, EXPIRED, UNTIL, WAITS, now + wait)
            return
    chip[here, DIVERTS] = 0
    chip[here, VISITS] += 1
    if stands:
        chip[here, STALLS] += now - chip[here, STALLED]
        chip[here, STALLED] = -1
        note(listed, work, count, ENTRIES, here)
    chip[here, READY] = 0
    chip[here, P_HEAD] = (chip[here, P_HEAD] + 1) % times[STAGES]
    chip[here, P_N] -= 1
    if chip[here, P_N]:
        due = chip[here, P_RING + 3 * chip[here, P_HEAD] + 2]
        push_event(heap, count, due + chip[here, STALLS], AT_END, here)


#: What :func:`output` and the monitor are made of.
ROUTER_PARTS = (
    expired, _look, read_dump, send_again, _blocked, _round, _over, _outputs_free, _wait, _leave,
    _dump, output,
)  # fmt: skip
