"""The tables of the mesh kernel: the mesh, and what is in it, as rows of numbers.

What is used together stands together, in lists or in arrays: a block of numbers for each router,
with a row for each of its ports, and rows of senders and of messages. A router is known by where
its block begins in the table. A port is an input and an output, the neighbours (east, west, north,
south) first and the local ports behind them; an input is named by the side it faces.
"""

from __future__ import annotations

from typing import Any, NamedTuple

#: Later than anything, and earlier.
FAR = 1 << 62
PAST = -FAR

#: Bits of the number of an input or output.
INPUT_BITS = 5
INPUTS = (1 << INPUT_BITS) - 1
#: Later than any time that is known of an output.
NEVER = FAR >> INPUT_BITS

#: The head of a router's block: the window in which it is looked at next, and its neighbours in the
#: list of that window. For each link, and for all ejection ports, the mask of windows in which a
#: packet arrives that wants it, and above that the mask of those in which several do: one alone, at
#: a router that is not looked at, is passed on as it arrives. Then its place in the heap, or -1;
#: and for each output, when it will grant, as far as this is known: time << ``INPUT_BITS`` |
#: output, so that the least of these says what comes first. Rows of ports follow.
WINDOW, NEXT, BEFORE, EXPECTED, POSITION, DUE = 0, 1, 2, 3, 8, 16

#: Numbers that stand in one line of a cache.
LINE = 8

#: A row of a port. Of its input: when the head may compete (``FAR``: there is none), and packets
#: that left it. Of its output: when it may grant again, as far as this is known; latency and cycle
#: of its link; packets granted; credits that came home, and at how many packets these must be
#: counted anew, since more than ever may then be in the FIFO behind it or on their way. ``WANTS``
#: is the mask of inputs whose head wants the output, with the pointer of round robin above it, and
#: whether the output behind the input waits for a place. Then the places of the input's FIFO.
READY, LEFT, FREE, LINK, GRANTED, RETURNED, SURE, WANTS, FIFO = range(9)
MASK_BITS, POINTER_BITS = 32, 8
MASK, POINTER = (1 << MASK_BITS) - 1, (1 << POINTER_BITS) - 1
AWAITED = 1 << MASK_BITS + POINTER_BITS

#: ``LINK`` is the latency above these bits, and the cycle in them. An ejection port has no latency:
#: there it is the number of the core, as a sender and as a receiver.
CYCLE_BITS = 31
CYCLE = (1 << CYCLE_BITS) - 1

#: A place of a FIFO: when its packet is there, or when it left; and the flit, or 0.
WHEN, WHAT = range(2)

#: A row of a sender: the first and the last message it still has (-1: none), when its last one
#: entered, work it does after all of them, but not before a time, and where it enters: router,
#: input, and the row of that port.
HEAD, TAIL, SINCE, REST, REST_UNTIL, ROUTER, INPUT, PORT = range(8)

#: A row of a message: its flit; its sender << 32 | receiver; what it costs the receiver; it is made
#: when ``WORK`` has passed since the one before it entered, but not before ``EARLIEST``; the next
#: one of its sender, or -1; when it entered the mesh and when it arrived.
FLIT, ENDS, SERVICE, WORK, EARLIEST, FOLLOWING, INJECT, ARRIVE = range(8)

#: The first three are those of its path as well, of rows of four; there the flit has no message.
PATH = 4

#: A flit: message, output of its port, whether it goes south, hops left there, whether it goes
#: west, hops left there.
HOPS = 4095
WEST_BIT, COLUMN_BIT, SOUTH_BIT, PORT_BIT, MESSAGE_BIT = 12, 13, 25, 26, 32
PORTS = (1 << MESSAGE_BIT - PORT_BIT) - 1

#: Windows ahead of which arrivals are listed, and in which routers are looked at, in words of as
#: many bits; those of routers are marked in a word for each, and these words in one.
WORD_BITS = 5
WINDOWS = 1 << WORD_BITS
ROUTER_WINDOWS = WINDOWS * WINDOWS
#: The numbers of the wheel: the window at hand; the mask of windows with arrivals; the mask of
#: words with routers; routers in the heap; then arrivals of each window; those words; and the first
#: router of each window, or -1.
NOW, ARRIVING, ACTING, SIZE, ARRIVALS = 0, 1, 2, 3, 8
WORDS = ARRIVALS + WINDOWS
ROUTERS = WORDS + WINDOWS

#: A row of an arrival: router << ``INPUT_BITS`` | input, time, flit, and the output it wants.
WHERE, AT, FLIT_THERE, WANTED = range(4)

#: A number known to be no less than 0 needs no test for an index from the end: see ``& INDEX``.
INDEX = (1 << 32) - 1


class Shape(NamedTuple):
    """What never changes. A ``room`` is the power of two that a depth takes in memory.

    A block has its first port at ``ports``, and a ``row`` for each; ``across`` leads by direction
    from a router to its neighbour. ``window`` is the binary logarithm of the length of a window in
    ps, in which there are at most ``arrivals``; there are ``routers``.
    """

    inputs: int
    ports: int
    row: int
    across: Any
    routers: int
    window: int
    arrivals: int
    link_depth: int
    link_room: int
    port_depth: int
    port_room: int
    credit_ps: int


class State(NamedTuple):
    """What changes in the mesh.

    ``mesh`` are the blocks of all routers. Over receivers: when services began (``served_ps``) and
    the last one ends (``done_ps``). Then the ``wheel``; lists of arrivals, window by window; and
    the heap of routers that are looked at later than the wheel reaches.
    """

    mesh: Any
    served_ps: Any
    done_ps: Any
    wheel: Any
    arriving: Any
    heap_ps: Any
    heap_router: Any


class Traffic(NamedTuple):
    """Senders and their messages.

    ``delivered`` receives the numbers of messages that arrived: by time of arrival and then by
    receiver, where their order matters.
    """

    senders: Any
    messages: Any
    delivered: Any
