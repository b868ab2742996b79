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

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
#: Kinds of events; an event is its kind and a number.
WIRE, TRANSFER, AT_END, ENTRY, RECEIVED, EXPIRED = range(6)
_SHIFT = 40
_MASK = (1 << _SHIFT) - 1
_NEVER = np.iinfo(np.int64).max
#: Counters in :attr:`State.count`.
EVENTS, ARRIVED, DROPPED, REFUSED = range(4)
#: Work lists, one for each phase after the first; each has its own length.
DELIVERY, OUTPUT, WIRES, ENTRIES, TURNS = range(5)
#: Indices into :attr:`Fixed.times`.
CYCLE, PIPELINE_PS, WAIT, RECEIVE, PHASE, SOURCE_ROOM, OUTPUT_ROOM, INPUT_ROOM, PORTS, STAGES = (
    range(10)
)


class Fixed(NamedTuple):
    """What does not change: times, and who feeds whom."""

    times: Ints
    link_ps: Ints
    #: Input buffer behind each link, and the link that feeds each input buffer; -1: none.
    input_of: Ints
    alive: Flags
    room: Ints
    #: Arbiter that each input buffer feeds.
    arbiter_of: Ints
    #: The two links, or arbiters, that feed each arbiter of a chip.
    feeds: Ints


class State(NamedTuple):
    """Everything that does. Buffers are rings of (packet, node)."""

    count: Ints
    heap_ps: Ints
    heap_code: Ints
    link: NDArray[np.int64]
    link_head: Ints
    link_n: Ints
    wire_busy: Flags
    wire_done: Flags
    entered: NDArray[np.int64]
    in_head: Ints
    in_n: Ints
    arb: NDArray[np.int64]
    arb_head: Ints
    arb_n: Ints
    arb_from: Ints
    arb_last: Ints
    src_head: Ints
    src_tail: Ints
    src_n: Ints
    pipe: NDArray[np.int64]
    pipe_head: Ints
    pipe_n: Ints
    at_end: Flags
    stalled_ps: Ints
    stall_sum_ps: Ints
    last_entry_ps: Ints
    wait_until_ps: Ints
    wait_event: Flags
    entry_event: Flags
    receiving: Flags
    listed: NDArray[np.bool_]
    work: NDArray[np.int64]
    work_n: Ints
    visits: Ints
    carried: Ints
    longest: Ints
    drops: Ints
    aged: Ints


class Out(NamedTuple):
    """Rows of what happened: (time, packet, destination) and (time, packet, node) and packet."""

    arrived: NDArray[np.int64]
    dropped: NDArray[np.int64]
    refused: Ints


class Pool(NamedTuple):
    """Packets by number: their tree, when they were launched, and the next one in a queue."""

    tree: Ints
    launch_ps: Ints
    following: Ints


def fixed_parts(shape: Torus, timing: Timing, ports: int) -> Fixed:
    """The unchanging arrays of a machine whose chips have so many cores."""
    chips = shape.chips
    links = chips * LINKS
    input_of = np.full(links, -1, dtype=np.int64)
    for chip in range(chips):
        for link in range(LINKS):
            if shape.neighbour[chip, link] >= 0:
                behind = int(shape.neighbour[chip, link]) * LINKS + opposite(link)
                input_of[chip * LINKS + link] = behind
    wire = np.where(shape.between_boards(), timing.board_link_ps, timing.link_ps)
    arbiter = np.arange(chips)[:, None] * ARBITERS + np.array(ARBITER_OF_LINK)
    feeds = np.array([(0, 5), (1, 2), (3, 4), (-1, -1), (0, 1), (2, 3), (4, 5)], dtype=np.int64)
    return Fixed(
        np.array(
            [timing.cycle_ps, timing.pipeline * timing.cycle_ps, timing.wait_ps, timing.receive_ps,
             timing.phase_ps, timing.source_room, timing.output_room, timing.input_room, ports,
             timing.pipeline], dtype=np.int64,
        ),
        wire.ravel().astype(np.int64),
        input_of,
        shape.usable.ravel(),
        timing.arbiter_rooms,
        arbiter.ravel().astype(np.int64),
        feeds,
    )  # fmt: skip


def empty_state(fixed: Fixed, extra_events: int = 0) -> State:
    """A machine at rest; ``extra_events`` leaves room for a caller's own in the heap."""
    links, ports = len(fixed.link_ps), int(fixed.times[PORTS])
    chips = links // LINKS
    cores, arbiters = chips * ports, chips * ARBITERS

    def ints(*shape: int, value: int = 0) -> Ints:
        return np.full(shape, value, dtype=np.int64)

    def flags(n: int) -> Flags:
        return np.zeros(n, dtype=bool)

    events = links + arbiters + 3 * chips + cores + extra_events + 8
    longest = max(links, arbiters, cores)
    stages, room = int(fixed.times[STAGES]), int(fixed.room.max())
    return State(
        ints(4), ints(events), ints(events),
        ints(links, int(fixed.times[OUTPUT_ROOM]) + 1, 2), ints(links), ints(links),
        flags(links), flags(links),
        ints(links, int(fixed.times[INPUT_ROOM]), 2), ints(links), ints(links),
        ints(arbiters, room, 2), ints(arbiters), ints(arbiters), ints(arbiters, value=-1),
        ints(arbiters),
        ints(cores, value=-1), ints(cores, value=-1), ints(cores),
        ints(chips, stages, 3), ints(chips), ints(chips), flags(chips),
        ints(chips, value=-1), ints(chips), ints(chips, value=-(1 << 60)), ints(chips),
        flags(chips), flags(chips), flags(cores),
        np.zeros((5, longest), dtype=bool), ints(5, longest), ints(5),
        ints(chips), ints(links), ints(links), ints(chips), ints(chips),
    )  # fmt: skip


def push_event(s, time, kind, number):
    """Put an event on the heap."""
    at = s.count[EVENTS]
    s.count[EVENTS] += 1
    code = kind << _SHIFT | number
    while at > 0:
        above = (at - 1) >> 1
        if s.heap_ps[above] <= time:
            break
        s.heap_ps[at], s.heap_code[at] = s.heap_ps[above], s.heap_code[above]
        at = above
    s.heap_ps[at], s.heap_code[at] = time, code


def pop_event(s):
    """Take the earliest event off the heap; its code."""
    code = s.heap_code[0]
    s.count[EVENTS] -= 1
    n = s.count[EVENTS]
    time, last = s.heap_ps[n], s.heap_code[n]
    at = 0
    while 2 * at + 1 < n:
        below = 2 * at + 1
        if below + 1 < n and s.heap_ps[below + 1] < s.heap_ps[below]:
            below += 1
        if s.heap_ps[below] >= time:
            break
        s.heap_ps[at], s.heap_code[at] = s.heap_ps[below], s.heap_code[below]
        at = below
    s.heap_ps[at], s.heap_code[at] = time, last
    return code


def next_event(s):
    """Time of the earliest event."""
    return s.heap_ps[0] if s.count[EVENTS] else _NEVER


def _note(s, phase, number):
    """Let a later phase of this instant look at something."""
    if not s.listed[phase, number]:
        s.listed[phase, number] = True
        s.work[phase, s.work_n[phase]] = number
        s.work_n[phase] += 1


def hand_over(f, s, pool, out, packet, core):
    """A core begins to send a packet, in the first phase of an instant."""
    limit = f.times[SOURCE_ROOM]
    if limit and s.src_n[core] >= limit:
        out.refused[s.count[REFUSED]] = packet
        s.count[REFUSED] += 1
        return
    pool.following[packet] = -1
    if s.src_n[core] == 0:
        s.src_head[core] = packet
    else:
        pool.following[s.src_tail[core]] = packet
    s.src_tail[core] = packet
    s.src_n[core] += 1
    _note(s, TURNS, core // f.times[PORTS] * ARBITERS + 3)


def end_event(f, s, trees, pool, code, now):
    """One event of the first phase."""
    kind, number = code >> _SHIFT, code & _MASK
    if kind == WIRE:
        s.wire_done[number] = True
        _note(s, DELIVERY, number)
    elif kind == TRANSFER:
        chip, which = number // ARBITERS, number % ARBITERS
        taken = s.arb_from[number]
        if which == 3:
            core = chip * f.times[PORTS] + taken
            packet = s.src_head[core]
            s.src_head[core] = pool.following[packet]
            s.src_n[core] -= 1
            node = trees.root[pool.tree[packet]]
        elif which < 3:
            at = chip * LINKS + f.feeds[which, taken]
            packet = s.entered[at, s.in_head[at], 0]
            node = s.entered[at, s.in_head[at], 1]
            s.in_head[at] = (s.in_head[at] + 1) % f.times[INPUT_ROOM]
            s.in_n[at] -= 1
            _note(s, DELIVERY, f.input_of[at])
        else:
            at = chip * ARBITERS + f.feeds[which, taken]
            packet, node = s.arb[at, s.arb_head[at], 0], s.arb[at, s.arb_head[at], 1]
            s.arb_head[at] = (s.arb_head[at] + 1) % s.arb.shape[1]
            s.arb_n[at] -= 1
            _note(s, TURNS, at)
        place = (s.arb_head[number] + s.arb_n[number]) % s.arb.shape[1]
        s.arb[number, place, 0], s.arb[number, place, 1] = packet, node
        s.arb_n[number] += 1
        s.arb_from[number] = -1
        _note(s, TURNS, number)
        if which == ROOT:
            _note(s, ENTRIES, chip)
        else:
            above = 4 if which < 2 else (5 if which < 4 else 6)
            _note(s, TURNS, chip * ARBITERS + above)
    elif kind == AT_END:
        s.at_end[number] = True
        _note(s, OUTPUT, number)
        phase = f.times[PHASE]
        if phase:
            packet = s.pipe[number, s.pipe_head[number], 0]
            if (now // phase - pool.launch_ps[packet] // phase) & 3 == 2:
                s.aged[number] += 1
                # Marked so that the output phase drops it.
                s.wait_until_ps[number] = -1
    elif kind == ENTRY:
        s.entry_event[number] = False
        _note(s, ENTRIES, number)
    elif kind == RECEIVED:
        s.receiving[number] = False
        _note(s, OUTPUT, number // f.times[PORTS])
    elif kind == EXPIRED:
        s.wait_event[number] = False
        if s.stalled_ps[number] >= 0:
            if s.wait_until_ps[number] <= now:
                _note(s, OUTPUT, number)
            else:
                s.wait_event[number] = True
                push_event(s, s.wait_until_ps[number], EXPIRED, number)


def _outputs_free(f, s, trees, chip, node):
    for link in range(LINKS):
        if trees.child[node, link] >= 0:
            number = chip * LINKS + link
            if not f.alive[number] or s.link_n[number] > f.times[OUTPUT_ROOM]:
                return False
    for place in range(trees.first[node], trees.own[node]):
        if s.receiving[chip * f.times[PORTS] + trees.port[place]]:
            return False
    return True


def _output(f, s, trees, pool, out, chip, now):
    """The packet at the router's end leaves, is dropped, or stops the pipeline."""
    head = s.pipe_head[chip]
    packet, node = s.pipe[chip, head, 0], s.pipe[chip, head, 1]
    stands = s.stalled_ps[chip] >= 0
    aged = not stands and s.wait_until_ps[chip] == -1
    wait = f.times[WAIT]
    if not aged and _outputs_free(f, s, trees, chip, node):
        for link in range(LINKS):
            below = trees.child[node, link]
            if below >= 0:
                number = chip * LINKS + link
                place = (s.link_head[number] + s.link_n[number]) % s.link.shape[1]
                s.link[number, place, 0], s.link[number, place, 1] = packet, below
                s.link_n[number] += 1
                s.longest[number] = max(s.longest[number], s.link_n[number])
                _note(s, WIRES, number)
        for place in range(trees.first[node], trees.own[node]):
            core = chip * f.times[PORTS] + trees.port[place]
            s.receiving[core] = True
            push_event(s, now + f.times[RECEIVE], RECEIVED, core)
            row = s.count[ARRIVED]
            s.count[ARRIVED] += 1
            out.arrived[row, 0], out.arrived[row, 1] = now, packet
            out.arrived[row, 2] = place - trees.first[trees.root[pool.tree[packet]]]
    elif aged or (stands and wait >= 0 and s.wait_until_ps[chip] <= now) or wait == 0:
        row = s.count[DROPPED]
        s.count[DROPPED] += 1
        out.dropped[row, 0], out.dropped[row, 1], out.dropped[row, 2] = now, packet, node
        if not aged:
            s.drops[chip] += 1
    else:
        if not stands:
            s.stalled_ps[chip] = now
            if wait > 0:
                s.wait_until_ps[chip] = now + wait
                if not s.wait_event[chip]:
                    s.wait_event[chip] = True
                    push_event(s, now + wait, EXPIRED, chip)
        return
    s.visits[chip] += 1
    if stands:
        s.stall_sum_ps[chip] += now - s.stalled_ps[chip]
        s.stalled_ps[chip] = -1
        _note(s, ENTRIES, chip)
    s.wait_until_ps[chip] = 0
    s.at_end[chip] = False
    s.pipe_head[chip] = (head + 1) % s.pipe.shape[1]
    s.pipe_n[chip] -= 1
    if s.pipe_n[chip]:
        due = s.pipe[chip, s.pipe_head[chip], 2]
        push_event(s, due + s.stall_sum_ps[chip], AT_END, chip)


def _enter(f, s, chip, now):
    """A pipeline that moves takes the next packet, one a cycle of its own time."""
    root = chip * ARBITERS + ROOT
    if s.stalled_ps[chip] >= 0 or s.arb_n[root] == 0:
        return
    local = now - s.stall_sum_ps[chip]
    if local >= s.last_entry_ps[chip] + f.times[CYCLE]:
        place = (s.pipe_head[chip] + s.pipe_n[chip]) % s.pipe.shape[1]
        head = s.arb_head[root]
        s.pipe[chip, place, 0], s.pipe[chip, place, 1] = s.arb[root, head, 0], s.arb[root, head, 1]
        s.pipe[chip, place, 2] = local + f.times[PIPELINE_PS]
        s.arb_head[root] = (head + 1) % s.arb.shape[1]
        s.arb_n[root] -= 1
        if s.pipe_n[chip] == 0:
            push_event(s, now + f.times[PIPELINE_PS], AT_END, chip)
        s.pipe_n[chip] += 1
        s.last_entry_ps[chip] = local
        _note(s, TURNS, root)
    if s.arb_n[root] and not s.entry_event[chip]:
        s.entry_event[chip] = True
        push_event(s, s.last_entry_ps[chip] + f.times[CYCLE] + s.stall_sum_ps[chip], ENTRY, chip)


def _take_turn(f, s, number, now):
    """An arbiter with room begins to take a packet."""
    chip, which = number // ARBITERS, number % ARBITERS
    if s.arb_from[number] >= 0 or s.arb_n[number] >= f.room[which]:
        return
    last = s.arb_last[number]
    chosen = -1
    if which == 3:
        ports = f.times[PORTS]
        for k in range(1, ports + 1):
            port = (last + k) % ports
            if s.src_n[chip * ports + port]:
                chosen = port
                break
    else:
        for k in range(1, 3):
            side = (last + k) % 2
            if which < 3:
                waits = s.in_n[chip * LINKS + f.feeds[which, side]]
            else:
                waits = s.arb_n[chip * ARBITERS + f.feeds[which, side]]
            if waits:
                chosen = side
                break
    if chosen < 0:
        return
    s.arb_from[number] = s.arb_last[number] = chosen
    push_event(s, now + f.times[CYCLE], TRANSFER, number)


def settle(f, s, trees, pool, out, now):
    """All phases of an instant after the first."""
    for k in range(s.work_n[DELIVERY]):
        number = s.work[DELIVERY, k]
        s.listed[DELIVERY, number] = False
        if not s.wire_done[number]:
            continue
        at = f.input_of[number]
        if s.in_n[at] >= f.times[INPUT_ROOM]:
            continue
        head = s.link_head[number]
        place = (s.in_head[at] + s.in_n[at]) % f.times[INPUT_ROOM]
        s.entered[at, place, 0] = s.link[number, head, 0]
        s.entered[at, place, 1] = s.link[number, head, 1]
        s.in_n[at] += 1
        s.link_head[number] = (head + 1) % s.link.shape[1]
        s.link_n[number] -= 1
        s.wire_busy[number] = s.wire_done[number] = False
        s.carried[number] += 1
        _note(s, OUTPUT, number // LINKS)
        _note(s, WIRES, number)
        _note(s, TURNS, f.arbiter_of[at])
    s.work_n[DELIVERY] = 0
    for k in range(s.work_n[OUTPUT]):
        chip = s.work[OUTPUT, k]
        s.listed[OUTPUT, chip] = False
        if s.at_end[chip]:
            _output(f, s, trees, pool, out, chip, now)
    s.work_n[OUTPUT] = 0
    for k in range(s.work_n[WIRES]):
        number = s.work[WIRES, k]
        s.listed[WIRES, number] = False
        if not s.wire_busy[number] and s.link_n[number]:
            s.wire_busy[number] = True
            push_event(s, now + f.link_ps[number], WIRE, number)
    s.work_n[WIRES] = 0
    for k in range(s.work_n[ENTRIES]):
        chip = s.work[ENTRIES, k]
        s.listed[ENTRIES, chip] = False
        _enter(f, s, chip, now)
    s.work_n[ENTRIES] = 0
    for k in range(s.work_n[TURNS]):
        number = s.work[TURNS, k]
        s.listed[TURNS, number] = False
        _take_turn(f, s, number, now)
    s.work_n[TURNS] = 0


def carry(f, s, trees, pool, out, first, core, until):
    """Everything before ``until``; packets from number ``first`` on are handed over at launch."""
    given = first
    while True:
        now = next_event(s)
        if given < first + len(core):
            now = min(now, pool.launch_ps[given])
        if now >= until:
            return
        while next_event(s) == now:
            end_event(f, s, trees, pool, pop_event(s), now)
        while given < first + len(core) and pool.launch_ps[given] == now:
            hand_over(f, s, pool, out, given, core[given - first])
            given += 1
        settle(f, s, trees, pool, out, now)


#: What :func:`carry` is made of, for :func:`hwmodels.compiling.compiled`.
CARRY_PARTS = (
    push_event, pop_event, next_event, _note, hand_over, end_event, _outputs_free, _output,
    _enter, _take_turn, settle,
)  # fmt: skip
