"""The tables of the mesh kernel: the mesh, and what is in it, as rows of numbers.

Numbers: output (or input) ``o`` of router ``r`` is ``r * stride + o``, with the neighbours first
and the local ports behind them; an input is named by the side it faces. What is used together
stands together: a row for each port, lane, sender and message, in lists or in arrays.
"""

from __future__ import annotations

from typing import Any, NamedTuple

#: Later than anything, and earlier.
FAR = 1 << 62
PAST = -FAR

#: A row of a port. Of its input: packets that entered the FIFO and that left it, and whether the
#: output behind it waits for one to leave. Of its output: packets granted; at how many the credits
#: must be counted anew, since more than ever may stand behind it; what it is doing, with the mask
#: of inputs that want it; the pointer of round robin; and the lanes of its events.
ENTERED, LEFT, AWAITED, GRANTED, SURE, STATE, POINTER, LANES = range(8)

#: What an output is doing: nothing; about to be looked at; occupied by a packet; waiting for a
#: credit that is on its way; waiting for one that is not. The mask of inputs is below that.
MASK_BITS = 26
IDLE, READY, BUSY, STUCK, WAITING = (doing << MASK_BITS for doing in range(5))
MASK = (1 << MASK_BITS) - 1

#: Of each output, needed seldom: credits that came home, and the most packets that were in the
#: FIFO behind it or on their way.
RETURNED, MOST = range(2)

#: The lane of the arrival behind an output is in the low bits of ``LANES``, and that of its link's
#: becoming free above them; the lowest says whether these are two.
APART, ARRIVAL, FREE, LANE = 1, 1, 8, 127

#: A row of a lane: events that left it and that entered it, when the first is due, its delay.
FIRST, LAST, DUE, DELAY = range(4)

#: A row of a sender: the first and the last message it still has (-1: none), when its last one
#: entered, work it does after all of them, but not before a time, and the port it enters at.
HEAD, TAIL, SINCE, REST, REST_UNTIL, PORT = range(6)

#: A row of a message: its flit; its sender << 32 | receiver; what it costs the receiver; it is made
#: when ``WORK`` has passed since the one before it entered, but not before ``EARLIEST``; the next
#: one of its sender, or -1; when it entered the mesh and when it arrived.
FLIT, ENDS, SERVICE, WORK, EARLIEST, FOLLOWING, INJECT, ARRIVE = range(8)

#: The first three are those of its path as well, of rows of four; there the flit has no message.
PATH = 4

#: A flit: message << 32 | port << 24 | east << 12 | north, hops left, both with an offset.
OFFSET = 2048
FIELD = 4095

#: An event is a pair: the low bits of its time, its output, and whether a packet arrives behind
#: it; and the flit of that packet.
OUTPUT_BITS = 26
OUTPUT = (1 << OUTPUT_BITS - 1) - 1
AHEAD = (1 << 63 - OUTPUT_BITS) - 1

#: A number known to be no less than 0 needs no test for an index from the end: see ``& INDEX``.
INDEX = (1 << 32) - 1

#: The number of the lowest bit of a mask, by the highest bits of its product with ``SPREAD``.
SPREAD = 0x077CB531
PLACES = [0] * 32
for _place in range(32):
    PLACES[((1 << _place) * SPREAD & INDEX) >> 27] = _place

#: The output a flit wants: none, west or east, and for each none, south or north (4: a port).
WAY = (4, 1, 0, 3, 1, 0, 2, 1, 0)

#: What a hop to the east, west, north or south adds to a flit.
HOP = (-(1 << 12), 1 << 12, -1, 1)


class Shape(NamedTuple):
    """What never changes. A ``room`` is the power of two that a depth takes in memory.

    ``shift`` is the binary logarithm of the stride; ``across`` leads by direction from an output
    to the input at the other end of its link, and from an input back to the output; ``sender`` is
    that of each injection port.
    """

    shift: int
    inputs: int
    link_depth: int
    link_room: int
    port_depth: int
    port_room: int
    credit_ps: int
    lane_room: int
    credit_lane: int
    next_lane: int
    places: Any
    across: Any
    hop: Any
    way: Any
    sender: Any


class State(NamedTuple):
    """What changes in the mesh.

    ``fifo`` holds flits, or when they left. Over receivers: when services began (``served_ps``)
    and the last one ends (``done_ps``). Then the lanes, the heap of those that wait longer (with
    its ``size``), and room for the work of one instant.
    """

    fifo: Any
    ports: Any
    seldom: Any
    served_ps: Any
    done_ps: Any
    lanes: Any
    events: Any
    heap_ps: Any
    heap_what: Any
    size: Any
    ready: Any
    soon: Any
    popped: Any


class Traffic(NamedTuple):
    """Senders and their messages.

    ``delivered`` receives the numbers of messages by time of arrival and then by receiver.
    """

    senders: Any
    messages: Any
    delivered: Any
