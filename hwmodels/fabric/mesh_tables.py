"""The tables of the mesh kernel: the mesh, and what is in it, as rows of numbers.

What is used together stands together, in lists or in arrays: rows of ports, of senders and of
messages. A router is known by where the rows of its ports begin. A port is an input and an output,
the neighbours (east, west, north, south) first and the local ports behind them; an input is named
by the side it faces. Times in the mesh are counted in instants: the edges of its clock, or every
picosecond where it has none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

#: Later than anything, and earlier.
FAR = 1 << 62
PAST = -FAR

#: Numbers that stand in one line of a cache.
LINE = 8

#: A row of a port. Of its input: packets that left it. Of its output: from which instant on its
#: link is free and it has a credit, as far as this is known (``FAR``: it waits for a place);
#: latency and cycle of its link; packets granted; and who asks for it. Where the port is and which
#: one it faces; then what follows its input, and its output, on the wheel; and the places of the
#: input's FIFO.
LEFT, FREE, LINK, GRANTED, ASKED, PEER, AFTER_INPUT, AFTER_OUTPUT, FIFO = range(9)

#: The place of a row in the table, of so many bits, and the number of an input or output.
ROW_BITS, INPUT_BITS = 28, 5
ROW = (1 << ROW_BITS) - 1
#: No input: see the wheel. Of those that are one, the mask.
NO_INPUT = (1 << INPUT_BITS) - 1
INPUTS = (1 << NO_INPUT) - 1

#: ``LINK``: latency << ``CYCLE_BITS`` | cycle, in instants. An ejection port has no latency: there
#: it is the number of the core, as a sender and as a receiver.
CYCLE_BITS = 31
CYCLE = (1 << CYCLE_BITS) - 1

#: ``ASKED``: the mask of inputs whose head competes for the output; the pointer of round robin;
#: whether the output is on the wheel; whether the output behind the *input* waits for a place; and
#: above, how many packets were ever on their way behind the output or in the FIFO there.
POINTER_BIT, POINTER_BITS = 32, 6
POINTER = (1 << POINTER_BITS) - 1
PLANNED = 1 << POINTER_BIT + POINTER_BITS
AWAITED = PLANNED << 1
MOST_BIT = POINTER_BIT + POINTER_BITS + 2
MOST, DEEPEST = 1 << MOST_BIT, 1 << 20

#: ``PEER``: router << ``PEER_BITS`` | number of the port << ``ROW_BITS`` | row that it faces.
PEER_BITS = ROW_BITS + INPUT_BITS

#: A place of a FIFO: from which instant on its packet is there, or its credit home; and the flit,
#: or 0. Of an injection port: when the message left, in ps.
WHEN, WHAT = range(2)

#: A row of a sender: the first and the last message it still has (-1: none), when its last one
#: entered, work it does after all of them, but not before a time, and where it enters: router,
#: input, and the row of that port.
HEAD, TAIL, SINCE, REST, REST_UNTIL, ROUTER, INPUT, PORT = range(8)

#: A row of a message: number of its sender's next one plus 1 (0: none) << ``FLIT_BITS`` | path;
#: what it costs the receiver << ``RECEIVER_BITS`` | receiver; it is made when ``WORK`` has passed
#: since the one before it entered, but not before ``EARLIEST``. Once it is in the mesh, when it
#: entered, and when it arrived, stand in the place of these two.
PATH, SERVICE, WORK, EARLIEST = range(4)
INJECT, ARRIVE = WORK, EARLIEST
MESSAGE = 4

#: A row of an axon: sender << ``FLIT_BITS`` | path of its messages; and ``SERVICE`` as there.
AXON = 2
FLIT_BITS, RECEIVER_BITS = 32, 24
PATHS = (1 << FLIT_BITS) - 1
RECEIVER = (1 << RECEIVER_BITS) - 1
#: The most that a message may cost its receiver, in ps.
LONGEST_SERVICE = (1 << 63 - RECEIVER_BITS) - 1

#: A flit: message << ``FLIT_BITS`` | path. A path: output of its port, whether it goes south, hops
#: left there, whether it goes west, hops left there.
HOPS = 4095
WEST_BIT, COLUMN_BIT, SOUTH_BIT, PORT_BIT = 12, 13, 25, 26
PORTS = (1 << FLIT_BITS - PORT_BIT) - 1

#: An entry of the wheel: input << ``INPUT_BIT`` | where its next entry is << ``ROW_BITS`` | row of
#: an output. The head of the input competes for the output from then on; or there is no input, and
#: the output may grant again.
INPUT_BIT = 2 * ROW_BITS

#: The wheel has a list of entries for each of the next instants. Which ones have any is marked in
#: words of so many bits, which words are not 0 in further ones, and which of these in a last one.
WORD_BITS = 5
WORD = 1 << WORD_BITS
MOST_INSTANTS = WORD**3
#: The numbers of the wheel: the first instant not yet over; entries of the heap; those words, from
#: the last one down; then the first entry of each list, or -1.
NOW, SIZE, LAST_WORD, MIDDLE_WORDS, WORDS = 0, 1, 2, 8, 8 + WORD
LISTS = WORDS + WORD * WORD

#: A number known to be no less than 0 needs no test for an index from the end: see ``& INDEX``.
INDEX = (1 << 32) - 1


class Shape(NamedTuple):
    """What never changes. A ``room`` is the power of two that a depth takes in memory.

    A row of a port has so many numbers. An instant is ``clock_ps`` long: a time has as many of them
    as its part of ``per_clock`` (:func:`hwmodels.lanes.part_of`), ``2**clock_bits`` being one. The
    wheel reaches over ``instants``. A ``credit`` is home after so many of them.
    """

    row: int
    clock_ps: int
    per_clock: int
    clock_bits: int
    instants: int
    link_depth: int
    link_room: int
    port_depth: int
    port_room: int
    credit: int
    credit_ps: int


class State(NamedTuple):
    """What changes in the mesh.

    ``mesh`` are the rows of all ports, router by router. Over receivers: from which instants on
    their credits are ``home``, and when the last service ends (``done_ps``). Then the ``wheel``;
    the outputs that may grant at the instant at hand; and the heap of what is farther away than
    the wheel reaches.
    """

    mesh: Any
    home: Any
    done_ps: Any
    wheel: Any
    granting: Any
    heap_at: Any
    heap_entry: Any


class Traffic(NamedTuple):
    """Senders and their messages.

    ``delivered`` receives the numbers of messages that arrived: by time of arrival and then by
    receiver, where their order matters.
    """

    senders: Any
    messages: Any
    delivered: Any
