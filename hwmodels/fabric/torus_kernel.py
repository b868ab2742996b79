"""The rules of :mod:`hwmodels.fabric.torus` over flat arrays, one instant at a time.

Plain functions, which :mod:`hwmodels.compiling` makes machine code of; other kernels call
:func:`instant` to run the fabric inside a loop of their own. Links and input buffers are numbered
``chip * 6 + link``, arbiters ``chip * 7 + arbiter``, cores ``chip * ports + port``.
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
)
from hwmodels.fabric.torus_trees import Trees

Ints = NDArray[np.int64]
#: Kinds of events; an event is its kind and a number. A caller's own kinds begin at the last one.
WIRE, TRANSFER, AT_END, ENTRY, RECEIVED, EXPIRED, OWN_KINDS = range(7)
_SHIFT = 40
_MASK = (1 << _SHIFT) - 1
_NEVER = np.iinfo(np.int64).max
#: Work lists, one for each phase after the first.
DELIVERY, OUTPUT, WIRES, ENTRIES, TURNS = range(5)
#: Entries of :attr:`Machine.counts`: events on the heap, rows in ``out``, and the work lists.
EVENTS, ROWS, LISTED = 0, 1, 2
#: Entries of :attr:`Machine.times`.
CYCLE, PIPELINE_PS, WAIT, RECEIVE, PHASE, SOURCE_ROOM, OUTPUT_ROOM, INPUT_ROOM, PORTS, STAGES = (
    range(10)
)
ARBITER_ROOM = 10
#: Columns of :attr:`Machine.link`; the output buffer and then the input buffer follow as rings of
#: (packet, node).
(
    HEAD, N, BUSY, DONE, CARRIED, LONGEST, INPUT_OF, ALIVE, WIRE_PS, IN_HEAD, IN_N, FEEDS, RINGS
) = range(13)  # fmt: skip
#: Columns of :attr:`Machine.arbiter`, before its ring.
A_HEAD, A_N, A_FROM, A_LAST, A_RING = range(5)
#: Columns of :attr:`Machine.chip`, before the ring of (packet, node, due) of its pipeline.
(
    P_HEAD, P_N, READY, STALLED, STALLS, LAST_ENTRY, UNTIL, WAITS, ENTRY_SET, VISITS, DROPS, AGED,
    P_RING,
) = range(13)  # fmt: skip
#: Columns of :attr:`Machine.core`.
FIRST, LAST, QUEUED, RECEIVING = range(4)
#: Columns of :attr:`Machine.node`, after the node behind each link.
CHIP, BEGIN, OWN, END = 6, 7, 8, 9
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
         timing.pipeline, *timing.arbiter_rooms], dtype=np.int64,
    )  # fmt: skip
    link = np.zeros(
        (links, RINGS + 2 * (timing.output_room + 1 + timing.input_room)), dtype=np.int64
    )
    link[:, INPUT_OF] = -1
    for at, there in np.argwhere(shape.neighbour >= 0).tolist():
        behind = int(shape.neighbour[at, there]) * LINKS + opposite(there)
        link[at * LINKS + there, INPUT_OF] = behind
    link[:, ALIVE] = shape.usable.ravel()
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
    events = links + arbiters + 3 * chips + cores + extra_events + 8
    node = np.column_stack((trees.child, trees.chip, trees.first, trees.own, trees.last))
    return Machine(
        times, np.zeros(LISTED + 5, dtype=np.int64), np.zeros((events, 2), dtype=np.int64), link,
        arbiter, core, chip, np.zeros((5, longest), dtype=bool),
        np.zeros((5, longest), dtype=np.int64), np.ascontiguousarray(node), trees.root, trees.port,
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


def _transferred(times, count, link, arbiter, core, listed, work, root, pool, number):
    """An arbiter has taken a packet from below."""
    chip, which = number // ARBITERS, number % ARBITERS
    side = arbiter[number, A_FROM]
    room = (arbiter.shape[1] - A_RING) // 2
    if which == _OF_CORES:
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


def end_event(times, count, heap, link, arbiter, core, chip, listed, work, root, pool, code, now):
    """One event of the first phase."""
    kind, number = code >> _SHIFT, code & _MASK
    if kind == WIRE:
        link[number, DONE] = 1
        _note(listed, work, count, DELIVERY, number)
    elif kind == TRANSFER:
        _transferred(times, count, link, arbiter, core, listed, work, root, pool, number)
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
        chip[number, WAITS] = 0
        if chip[number, STALLED] >= 0:
            if chip[number, UNTIL] <= now:
                _note(listed, work, count, OUTPUT, number)
            else:
                chip[number, WAITS] = 1
                push_event(heap, count, chip[number, UNTIL], EXPIRED, number)


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


def _outputs_free(times, link, core, node, port, here, at):
    for way in range(LINKS):
        if node[at, way] >= 0:
            number = here * LINKS + way
            if not link[number, ALIVE] or link[number, N] > times[OUTPUT_ROOM]:
                return False
    for place in range(node[at, BEGIN], node[at, OWN]):
        if core[here * times[PORTS] + port[place], RECEIVING]:
            return False
    return True


def _output(
    times, count, heap, link, core, chip, listed, work, node, root, port, pool, out, here, now
):
    """The packet at the router's end leaves, is dropped, or stops the pipeline."""
    head = P_RING + 3 * chip[here, P_HEAD]
    packet, at = chip[here, head], chip[here, head + 1]
    stands = chip[here, STALLED] >= 0
    aged = chip[here, READY] == 2
    wait = times[WAIT]
    if not aged and _outputs_free(times, link, core, node, port, here, at):
        for way in range(LINKS):
            below = node[at, way]
            if below >= 0:
                number = here * LINKS + way
                place = (link[number, HEAD] + link[number, N]) % (times[OUTPUT_ROOM] + 1)
                place = RINGS + 2 * place
                link[number, place], link[number, place + 1] = packet, below
                link[number, N] += 1
                link[number, LONGEST] = max(link[number, LONGEST], link[number, N])
                _note(listed, work, count, WIRES, number)
        first = node[root[pool[packet, TREE]], BEGIN]
        for place in range(node[at, BEGIN], node[at, OWN]):
            receiver = here * times[PORTS] + port[place]
            core[receiver, RECEIVING] = 1
            push_event(heap, count, now + times[RECEIVE], RECEIVED, receiver)
            report(out, count, now, packet, place - first, ARRIVED)
    elif aged or wait == 0 or (stands and wait > 0 and chip[here, UNTIL] <= now):
        report(out, count, now, packet, at, DROPPED)
        chip[here, AGED if aged else DROPS] += 1
    else:
        if not stands:
            chip[here, STALLED] = now
            if wait > 0:
                chip[here, UNTIL] = now + wait
                if not chip[here, WAITS]:
                    chip[here, WAITS] = 1
                    push_event(heap, count, now + wait, EXPIRED, here)
        return
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


def _take_turn(times, count, heap, link, arbiter, core, number, now):
    """An arbiter with room begins to take a packet."""
    chip, which = number // ARBITERS, number % ARBITERS
    if arbiter[number, A_FROM] >= 0 or arbiter[number, A_N] >= times[ARBITER_ROOM + which]:
        return
    inputs = times[PORTS] if which == _OF_CORES else 2
    side = arbiter[number, A_LAST]
    for _ in range(inputs):
        side = side + 1 if side + 1 < inputs else 0
        if which == _OF_CORES:
            waits = core[chip * inputs + side, QUEUED]
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
        _take_turn(times, count, heap, link, arbiter, core, number, now)
    count[LISTED + TURNS] = 0


def carry(m, pool, out, first, given, senders, until):
    """Everything before ``until``; packets from number ``first`` on are handed over at launch.

    Gives how many of them were handed over, or -1 when all is done; else ``out`` is to be emptied.
    """
    times, count, heap, link, arbiter = m.times, m.counts, m.heap, m.link, m.arbiter
    core, chip, listed, work = m.core, m.chip, m.listed, m.work
    node, root, port = m.node, m.root, m.port
    each = len(core) + len(chip)
    while True:
        now = next_event(heap, count)
        if given < len(senders):
            now = min(now, pool[first + given, LAUNCH])
        if now >= until:
            return -1
        # In one instant: a copy for each core, a drop a chip, and packets that are refused.
        if count[ROWS] + each + len(senders) - given > len(out):
            return given
        while next_event(heap, count) == now:
            end_event(
                times, count, heap, link, arbiter, core, chip, listed, work, root, pool,
                pop_event(heap, count), now,
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
    _before, push_event, pop_event, next_event, _note, report, hand_over, _transferred, end_event,
    _deliver, _outputs_free, _output, _enter, _take_turn, settle,
)  # fmt: skip
