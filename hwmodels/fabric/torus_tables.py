"""The torus as flat arrays: the columns of its tables, a machine at rest, and its heap of events.

Links and input buffers are numbered
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
    Counted,
    Timing,
    Torus,
    opposite,
    second_leg,
)
from hwmodels.fabric.torus_trees import Trees

Ints = NDArray[np.int64]
#: Kinds of events; an event is its kind and a number. A caller's own kinds begin at the last one.
WIRE, TRANSFER, AT_END, ENTRY, RECEIVED, EXPIRED, GIVEN_UP, READ, POLL, SEND, OWN_KINDS = range(11)
KIND_SHIFT = 40
NUMBER_MASK = (1 << KIND_SHIFT) - 1
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
OF_CORES = 3
INPUTS_OF = ((0, 5), (1, 2), (3, 4), (-1, -1), (0, 1), (2, 3), (4, 5))


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


def counted_in(machine: Machine) -> Counted:
    """The columns of a machine's tables that count, not copied."""
    of_routers = (VISITS, DROPS, AGED, DIVERTED, REINJECTED, OVERFLOWED, QUEUE_FULL)
    return Counted(
        *(machine.chip[:, column] for column in of_routers),
        *(machine.link[:, column].reshape(-1, LINKS) for column in (CARRIED, LONGEST)),
    )


def before(heap, at, time, code):
    """Whether an event on the heap comes first: by time, then by kind, then by number."""
    return heap[at, 0] < time or (heap[at, 0] == time and heap[at, 1] <= code)


def push_event(heap, count, time, kind, number):
    """Put an event on the heap."""
    at = count[EVENTS]
    count[EVENTS] += 1
    code = kind << KIND_SHIFT | number
    while at > 0:
        above = (at - 1) >> 1
        if before(heap, above, time, code):
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
        if below + 1 < n and before(heap, below + 1, heap[below, 0], heap[below, 1]):
            below += 1
        if not before(heap, below, time, last):
            break
        heap[at, 0], heap[at, 1] = heap[below, 0], heap[below, 1]
        at = below
    heap[at, 0], heap[at, 1] = time, last
    return code


def next_event(heap, count):
    """Time of the earliest event."""
    return heap[0, 0] if count[EVENTS] else _NEVER


def note(listed, work, count, phase, number):
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
