"""The rules of :mod:`hwmodels.fabric.torus` over flat arrays, one instant at a time.

Plain functions, which :mod:`hwmodels.compiling` makes machine code of; other kernels call
:func:`settle` to run the fabric inside a loop of their own. Links and input buffers are numbered
``chip * 6 + link``, arbiters ``chip * 7 + arbiter``, cores ``chip * ports + port``.

A packet under way is a number and a *place*: the node of its tree where it is (:data:`NOWHERE` on
the first leg of an emergency route), and, shifted by :data:`ROUND`, 1 more than the node to which
it brings a copy round a link.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.fabric.torus import (
    ARBITER_OF_LINK,
    ARBITERS,
    LINKS,
    ROOT,
    Timing,
    Torus,
    opposite,
    second_leg,
)
from hwmodels.fabric.torus_trees import Trees

Ints = NDArray[np.int64]
#: Kinds of events; an event is its kind and a number. A caller's own kinds begin at the last one.
WIRE, TRANSFER, AT_END, ENTRY, RECEIVED, EXPIRED, GIVEN_UP, READ, POLL, SEND, OWN_KINDS = range(11)
_SHIFT = 40
_MASK = (1 << _SHIFT) - 1
_NEVER = np.iinfo(np.int64).max
#: Work lists, one for each phase after the first.
DELIVERY, OUTPUT, WIRES, ENTRIES, TURNS = range(5)
#: Entries of :attr:`Machine.counts`: events on the heap, rows in ``out``, and the work lists.
EVENTS, ROWS, LISTED = 0, 1, 2
#: Entries of :attr:`Machine.times`.
(
    CYCLE, PIPELINE_PS, WAIT, RECEIVE, PHASE, SOURCE_ROOM, OUTPUT_ROOM, INPUT_ROOM, PORTS, STAGES,
    EMERGENCY, POLL_PS, READ_PS, SEND_PS, QUEUE_ROOM, ARBITER_ROOM,
) = range(16)  # fmt: skip
#: Columns of :attr:`Machine.link`; the output buffer and then the input buffer follow as rings of
#: (packet, node).
(
    HEAD, N, BUSY, DONE, CARRIED, LONGEST, INPUT_OF, ALIVE, AROUND, WIRE_PS, IN_HEAD, IN_N, FEEDS,
    RINGS,
) = range(14)  # fmt: skip
#: Columns of :attr:`Machine.arbiter`, before its ring.
A_HEAD, A_N, A_FROM, A_LAST, A_RING = range(5)
#: Columns of :attr:`Machine.chip`, before the ring of (packet, place, due) of its pipeline. The
#: two waits of the packet at the router's end have an end and an event each. From ``DUMPED`` on
#: they are of the dump register and the monitor, whose queue is a ring in :attr:`Machine.monitor`.
(
    P_HEAD, P_N, READY, STALLED, STALLS, LAST_ENTRY, UNTIL, WAITS, DIVERTS, GIVES_UP, TRIES,
    ENTRY_SET, VISITS, DROPS, AGED, DIVERTED, REINJECTED, OVERFLOWED, QUEUE_FULL, DUMPED, D_PACKET,
    D_PLACE, SENDING, POLLING, M_QUEUED, M_PACKET, M_PLACE, M_HEAD, M_N, P_RING,
) = range(30)  # fmt: skip
#: Columns of :attr:`Machine.core`.
FIRST, LAST, QUEUED, RECEIVING = range(4)
#: Columns of :attr:`Machine.node`, after the node behind each link: its chip, its destinations, and
#: the second leg of the way round the link that leads to it.
CHIP, BEGIN, OWN, END, LEG = 6, 7, 8, 9, 10
#: Of a place: no node, and where the node begins to which it goes round a link.
NOWHERE, ROUND = (1 << 31) - 1, 31
#: Columns of a table of packets.
TREE, LAUNCH, FOLLOWING = range(3)
#: What a row of ``out`` says in its last column: a copy arrived (with its destination), a node was
#: dropped, or a packet was refused.
ARRIVED, DROPPED, REFUSED = range(3)
#: The arbiter of the cores, and the two inputs of each of the others.
_OF_CORES = 3
_INPUTS = ((0, 5), (1, 2), (3, 4), (-1, -1), (0, 1), (2, 3), (4, 5))


class Machine(NamedTuple):
    """A machine and everything in it; rows of a part are together, for the cache's sake.

    ``times`` are the constants, ``listed`` marks what is in ``work``. ``node``, ``root`` and
    ``port`` are the trees.
    """

    times: Ints
    counts: Ints
    heap: Ints
    link: Ints
    arbiter: Ints
    core: Ints
    chip: Ints
    listed: NDArray[np.bool_]
    work: Ints
    node: Ints
    root: Ints
    port: Ints
    monitor: Ints


def machine(
    shape: Torus, timing: Timing, trees: Trees, ports: int, extra_events: int = 0
) -> Machine:
    """A machine at rest; ``extra_events`` leaves room for a caller's own on the heap."""
    chips = shape.chips
    links, arbiters, cores = chips * LINKS, chips * ARBITERS, chips * ports
    room = int(timing.arbiter_rooms.max())
    times = np.array(
        [timing.cycle_ps, timing.pipeline * timing.cycle_ps, timing.wait_ps, timing.receive_ps,
         timing.phase_ps, timing.source_room, timing.output_room, timing.input_room, ports,
         timing.pipeline, timing.emergency_ps, timing.poll_ps, timing.read_ps, timing.send_ps,
         timing.queue_room, *timing.arbiter_rooms], dtype=np.int64,
    )  # fmt: skip
    link = np.zeros(
        (links, RINGS + 2 * (timing.output_room + 1 + timing.input_room)), dtype=np.int64
    )
    link[:, INPUT_OF] = -1
    for at, there in np.argwhere(shape.neighbour >= 0).tolist():
        behind = int(shape.neighbour[at, there]) * LINKS + opposite(there)
        link[at * LINKS + there, INPUT_OF] = behind
    link[:, ALIVE], link[:, AROUND] = shape.usable.ravel(), shape.rounds.ravel()
    link[:, WIRE_PS] = np.where(
        shape.between_boards(), timing.board_link_ps, timing.link_ps
    ).ravel()
    link[:, FEEDS] = (np.arange(chips)[:, None] * ARBITERS + np.array(ARBITER_OF_LINK)).ravel()
    arbiter = np.zeros((arbiters, A_RING + 2 * room), dtype=np.int64)
    arbiter[:, A_FROM] = -1
    chip = np.zeros((chips, P_RING + 3 * timing.pipeline), dtype=np.int64)
    chip[:, STALLED], chip[:, LAST_ENTRY] = -1, -(1 << 60)
    core = np.zeros((cores, 4), dtype=np.int64)
    core[:, FIRST:QUEUED] = -1
    longest = max(links, arbiters, cores)
    events = links + arbiters + 7 * chips + cores + extra_events + 8
    leg = np.full(len(trees.chip), -1, dtype=np.int64)
    for way in range(LINKS):
        below = trees.child[:, way]
        leg[below[below >= 0]] = second_leg(way)
    node = np.column_stack((trees.child, trees.chip, trees.first, trees.own, trees.last, leg))
    monitor = np.zeros((chips, 2 * timing.queue_room if timing.poll_ps else 0), dtype=np.int64)
    return Machine(
        times, np.zeros(LISTED + 5, dtype=np.int64), np.zeros((events, 2), dtype=np.int64), link,
        arbiter, core, chip, np.zeros((5, longest), dtype=bool),
        np.zeros((5, longest), dtype=np.int64), np.ascontiguousarray(node), trees.root, trees.port,
        monitor,
    )  # fmt: skip


def _before(heap, at, time, code):
    """Whether an event on the heap comes first: by time, then by kind, then by number."""
    return heap[at, 0] < time or (heap[at, 0] == time and heap[at, 1] <= code)


def push_event(heap, count, time, kind, number):
    """Put an event on the heap."""
    at = count[EVENTS]
    count[EVENTS] += 1
    code = kind << _SHIFT | number
    while at > 0:
        above = (at - 1) >> 1
        if _before(heap, above, time, code):
            break
        heap[at, 0], heap[at, 1] = heap[above, 0], heap[above, 1]
        at = above
    heap[at, 0], heap[at, 1] = time, code


def pop_event(heap, count):
    """Take the earliest event off the heap; its code."""
    code = heap[0, 1]
    count[EVENTS] -= 1
    n = count[EVENTS]
    time, last = heap[n, 0], heap[n, 1]
    at = 0
    while 2 * at + 1 < n:
        below = 2 * at + 1
        if below + 1 < n and _before(heap, below + 1, heap[below, 0], heap[below, 1]):
            below += 1
        if not _before(heap, below, time, last):
            break
        heap[at, 0], heap[at, 1] = heap[below, 0], heap[below, 1]
        at = below
    heap[at, 0], heap[at, 1] = time, last
    return code


def next_event(heap, count):
    """Time of the earliest event."""
    return heap[0, 0] if count[EVENTS] else _NEVER


def _note(listed, work, count, phase, number):
    """Let a later phase of this instant look at something."""
    if not listed[phase, number]:
        listed[phase, number] = True
        work[phase, count[LISTED + phase]] = number
        count[LISTED + phase] += 1


def report(out, count, now, packet, number, what):
    """Say what became of a packet, or of some of it."""
    row = count[ROWS]
    count[ROWS] += 1
    out[row, 0], out[row, 1], out[row, 2], out[row, 3] = now, packet, number, what


def hand_over(times, count, core, listed, work, pool, out, packet, sender, now):
    """A core begins to send a packet, in the first phase of an instant."""
    if times[SOURCE_ROOM] and core[sender, QUEUED] >= times[SOURCE_ROOM]:
        report(out, count, now, packet, -1, REFUSED)
        return
    pool[packet, FOLLOWING] = -1
    if core[sender, QUEUED] == 0:
        core[sender, FIRST] = packet
    else:
        pool[core[sender, LAST], FOLLOWING] = packet
    core[sender, LAST] = packet
    core[sender, QUEUED] += 1
    _note(listed, work, count, TURNS, sender // times[PORTS] * ARBITERS + _OF_CORES)


def _transferred(
    times, count, heap, link, arbiter, core, chips, listed, work, root, pool, number, now
):  # fmt: skip
    """An arbiter has taken a packet from below."""
    chip, which = number // ARBITERS, number % ARBITERS
    side = arbiter[number, A_FROM]
    room = (arbiter.shape[1] - A_RING) // 2
    if which == _OF_CORES and side == times[PORTS]:
        packet, node = chips[chip, M_PACKET], chips[chip, M_PLACE]
        chips[chip, M_QUEUED] = 0
        push_event(heap, count, now + times[SEND_PS], SEND, chip)
    elif which == _OF_CORES:
        sender = chip * times[PORTS] + side
        packet = core[sender, FIRST]
        core[sender, FIRST] = pool[packet, FOLLOWING]
        core[sender, QUEUED] -= 1
        node = root[pool[packet, TREE]]
    elif which < _OF_CORES:
        at = chip * LINKS + _INPUTS[which][side]
        place = RINGS + 2 * (times[OUTPUT_ROOM] + 1 + link[at, IN_HEAD])
        packet, node = link[at, place], link[at, place + 1]
        link[at, IN_HEAD] = (link[at, IN_HEAD] + 1) % times[INPUT_ROOM]
        link[at, IN_N] -= 1
        _note(listed, work, count, DELIVERY, link[at, INPUT_OF])
    else:
        at = chip * ARBITERS + _INPUTS[which][side]
        place = A_RING + 2 * arbiter[at, A_HEAD]
        packet, node = arbiter[at, place], arbiter[at, place + 1]
        arbiter[at, A_HEAD] = (arbiter[at, A_HEAD] + 1) % room
        arbiter[at, A_N] -= 1
        _note(listed, work, count, TURNS, at)
    place = A_RING + 2 * ((arbiter[number, A_HEAD] + arbiter[number, A_N]) % room)
    arbiter[number, place], arbiter[number, place + 1] = packet, node
    arbiter[number, A_N] += 1
    arbiter[number, A_FROM] = -1
    _note(listed, work, count, TURNS, number)
    if which == ROOT:
        _note(listed, work, count, ENTRIES, chip)
    else:
        above = 4 if which < 2 else (5 if which < 4 else ROOT)
        _note(listed, work, count, TURNS, chip * ARBITERS + above)


def _expired(count, heap, chip, listed, work, here, kind, until, waits, now):
    """One of the two waits at a router's end may be over, or be that of a later packet."""
    chip[here, waits] = 0
    if chip[here, STALLED] >= 0:
        if chip[here, until] <= now:
            _note(listed, work, count, OUTPUT, here)
        else:
            chip[here, waits] = 1
            push_event(heap, count, chip[here, until], kind, here)


def _look(times, count, heap, chip, here, now):
    """Let the monitor look at its next time whether it can send."""
    if chip[here, M_N] and not chip[here, SENDING] and not chip[here, POLLING]:
        chip[here, POLLING] = 1
        push_event(heap, count, (now // times[POLL_PS] + 1) * times[POLL_PS], POLL, here)


def _read(times, count, heap, chip, monitor, out, here, now):
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


def _send_again(times, count, heap, chip, monitor, listed, work, here, now):
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
    _note(listed, work, count, TURNS, here * ARBITERS + _OF_CORES)


def end_event(
    times, count, heap, link, arbiter, core, chip, listed, work, root, pool, monitor, out, code, now
):
    """One event of the first phase."""
    kind, number = code >> _SHIFT, code & _MASK
    if kind == WIRE:
        link[number, DONE] = 1
        _note(listed, work, count, DELIVERY, number)
    elif kind == TRANSFER:
        _transferred(
            times, count, heap, link, arbiter, core, chip, listed, work, root, pool, number, now
        )
    elif kind == AT_END:
        chip[number, READY] = 1
        _note(listed, work, count, OUTPUT, number)
        phase = times[PHASE]
        if phase:
            packet = chip[number, P_RING + 3 * chip[number, P_HEAD]]
            if (now // phase - pool[packet, LAUNCH] // phase) & 3 == 2:
                # Marked so that the output phase drops it.
                chip[number, READY] = 2
    elif kind == ENTRY:
        chip[number, ENTRY_SET] = 0
        _note(listed, work, count, ENTRIES, number)
    elif kind == RECEIVED:
        core[number, RECEIVING] = 0
        _note(listed, work, count, OUTPUT, number // times[PORTS])
    elif kind == EXPIRED:
        _expired(count, heap, chip, listed, work, number, EXPIRED, UNTIL, WAITS, now)
    elif kind == GIVEN_UP:
        _expired(count, heap, chip, listed, work, number, GIVEN_UP, GIVES_UP, TRIES, now)
    elif kind == READ:
        _read(times, count, heap, chip, monitor, out, number, now)
    elif kind == POLL:
        chip[number, POLLING] = 0
        _send_again(times, count, heap, chip, monitor, listed, work, number, now)
    elif kind == SEND:
        _send_again(times, count, heap, chip, monitor, listed, work, number, now)


def _deliver(times, count, link, listed, work, number):
    """What a wire has carried enters the input buffer behind it."""
    at = link[number, INPUT_OF]
    if not link[number, DONE] or link[at, IN_N] >= times[INPUT_ROOM]:
        return
    taken = RINGS + 2 * link[number, HEAD]
    place = (link[at, IN_HEAD] + link[at, IN_N]) % times[INPUT_ROOM]
    place = RINGS + 2 * (times[OUTPUT_ROOM] + 1 + place)
    link[at, place], link[at, place + 1] = link[number, taken], link[number, taken + 1]
    link[at, IN_N] += 1
    link[number, HEAD] = (link[number, HEAD] + 1) % (times[OUTPUT_ROOM] + 1)
    link[number, N] -= 1
    link[number, BUSY] = link[number, DONE] = 0
    link[number, CARRIED] += 1
    _note(listed, work, count, OUTPUT, number // LINKS)
    _note(listed, work, count, WIRES, number)
    _note(listed, work, count, TURNS, link[at, FEEDS])


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
            _note(listed, work, count, WIRES, number)
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


def _output(
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
        _note(listed, work, count, ENTRIES, here)
    chip[here, READY] = 0
    chip[here, P_HEAD] = (chip[here, P_HEAD] + 1) % times[STAGES]
    chip[here, P_N] -= 1
    if chip[here, P_N]:
        due = chip[here, P_RING + 3 * chip[here, P_HEAD] + 2]
        push_event(heap, count, due + chip[here, STALLS], AT_END, here)


def _enter(times, count, heap, arbiter, chip, listed, work, here, now):
    """A pipeline that moves takes the next packet, one a cycle of its own time."""
    top = here * ARBITERS + ROOT
    if chip[here, STALLED] >= 0 or arbiter[top, A_N] == 0:
        return
    local = now - chip[here, STALLS]
    if local >= chip[here, LAST_ENTRY] + times[CYCLE]:
        taken = A_RING + 2 * arbiter[top, A_HEAD]
        place = P_RING + 3 * ((chip[here, P_HEAD] + chip[here, P_N]) % times[STAGES])
        chip[here, place], chip[here, place + 1] = arbiter[top, taken], arbiter[top, taken + 1]
        chip[here, place + 2] = local + times[PIPELINE_PS]
        arbiter[top, A_HEAD] = (arbiter[top, A_HEAD] + 1) % ((arbiter.shape[1] - A_RING) // 2)
        arbiter[top, A_N] -= 1
        if chip[here, P_N] == 0:
            push_event(heap, count, now + times[PIPELINE_PS], AT_END, here)
        chip[here, P_N] += 1
        chip[here, LAST_ENTRY] = local
        _note(listed, work, count, TURNS, top)
    if arbiter[top, A_N] and not chip[here, ENTRY_SET]:
        chip[here, ENTRY_SET] = 1
        again = chip[here, LAST_ENTRY] + times[CYCLE] + chip[here, STALLS]
        push_event(heap, count, again, ENTRY, here)


def _take_turn(times, count, heap, link, arbiter, core, chips, number, now):
    """An arbiter with room begins to take a packet."""
    chip, which = number // ARBITERS, number % ARBITERS
    if arbiter[number, A_FROM] >= 0 or arbiter[number, A_N] >= times[ARBITER_ROOM + which]:
        return
    inputs = 2
    if which == _OF_CORES:
        inputs = times[PORTS] + (times[POLL_PS] > 0)
    side = arbiter[number, A_LAST]
    for _ in range(inputs):
        side = side + 1 if side + 1 < inputs else 0
        if which == _OF_CORES and side == times[PORTS]:
            waits = chips[chip, M_QUEUED]
        elif which == _OF_CORES:
            waits = core[chip * times[PORTS] + side, QUEUED]
        elif which < _OF_CORES:
            waits = link[chip * LINKS + _INPUTS[which][side], IN_N]
        else:
            waits = arbiter[chip * ARBITERS + _INPUTS[which][side], A_N]
        if waits:
            arbiter[number, A_FROM] = arbiter[number, A_LAST] = side
            push_event(heap, count, now + times[CYCLE], TRANSFER, number)
            return


def settle(
    times, count, heap, link, arbiter, core, chip, listed, work, node, root, port, pool, out, now
):
    """All phases of an instant after the first."""
    for k in range(count[LISTED + DELIVERY]):
        number = work[DELIVERY, k]
        listed[DELIVERY, number] = False
        _deliver(times, count, link, listed, work, number)
    count[LISTED + DELIVERY] = 0
    for k in range(count[LISTED + OUTPUT]):
        here = work[OUTPUT, k]
        listed[OUTPUT, here] = False
        if chip[here, READY]:
            _output(
                times, count, heap, link, core, chip, listed, work, node, root, port, pool, out,
                here, now,
            )  # fmt: skip
    count[LISTED + OUTPUT] = 0
    for k in range(count[LISTED + WIRES]):
        number = work[WIRES, k]
        listed[WIRES, number] = False
        if not link[number, BUSY] and link[number, N]:
            link[number, BUSY] = 1
            push_event(heap, count, now + link[number, WIRE_PS], WIRE, number)
    count[LISTED + WIRES] = 0
    for k in range(count[LISTED + ENTRIES]):
        here = work[ENTRIES, k]
        listed[ENTRIES, here] = False
        _enter(times, count, heap, arbiter, chip, listed, work, here, now)
    count[LISTED + ENTRIES] = 0
    for k in range(count[LISTED + TURNS]):
        number = work[TURNS, k]
        listed[TURNS, number] = False
        _take_turn(times, count, heap, link, arbiter, core, chip, number, now)
    count[LISTED + TURNS] = 0


def carry(m, pool, out, first, given, senders, until):
    """Everything before ``until``; packets from number ``first`` on are handed over at launch.

    Gives how many of them were handed over, or -1 when all is done; else ``out`` is to be emptied.
    """
    times, count, heap, link, arbiter = m.times, m.counts, m.heap, m.link, m.arbiter
    core, chip, listed, work = m.core, m.chip, m.listed, m.work
    node, root, port = m.node, m.root, m.port
    each = len(core) + 2 * len(chip)
    while True:
        now = next_event(heap, count)
        if given < len(senders):
            now = min(now, pool[first + given, LAUNCH])
        if now >= until:
            return -1
        # In one instant: a copy for each core, two drops a chip, and packets that are refused.
        if count[ROWS] + each + len(senders) - given > len(out):
            return given
        while next_event(heap, count) == now:
            end_event(
                times, count, heap, link, arbiter, core, chip, listed, work, root, pool, m.monitor,
                out, pop_event(heap, count), now,
            )  # fmt: skip
        while given < len(senders) and pool[first + given, LAUNCH] == now:
            packet = first + given
            hand_over(times, count, core, listed, work, pool, out, packet, senders[given], now)
            given += 1
        settle(
            times, count, heap, link, arbiter, core, chip, listed, work, node, root, port, pool,
            out, now,
        )  # fmt: skip


#: What :func:`carry` is made of, for :func:`hwmodels.compiling.compiled`.
CARRY_PARTS = (
    _before, push_event, pop_event, next_event, _note, report, hand_over, _transferred, _expired,
    _look, _read, _send_again, end_event, _deliver, _blocked, _round, _over, _outputs_free, _wait,
    _leave, _dump, _output, _enter, _take_turn, settle,
)  # fmt: skip
