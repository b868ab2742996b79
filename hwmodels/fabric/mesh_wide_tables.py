"""The tables of the wide mesh kernel: a bit, and a lane of 32 bits, for each router.

Routers are numbered column by column and stand in words of 64; a neighbour is so many bits away.
What is known of the routers of a word stands together, in rows of words with one for each input, or
for each output. How many packets a FIFO has is said in ranks: in the kth row are the routers in
whose FIFO there are more than k.
"""

from __future__ import annotations

from typing import Any, NamedTuple

#: The ring of what happens in the next instants has rows of packets that arrive, by input, of
#: credits that are home and of links that are free, by output.
RING = 3


class Wide(NamedTuple):
    """What never changes. ``latency``, ``cycle`` and ``credit`` are in instants.

    There are so many ``words`` of routers, with a ``block`` of rows for each, which begin with the
    ``ranks`` of packets that are there, by input; the last rank stays empty. A ``row`` has a word
    for each of the ``inputs``, or outputs. Then come, by output: ranks of places ``placed`` with a
    packet that is there or under way; of those ``used``, whose credit is not home; and the ``most``
    that ever were. Further, outputs that are ``busy``, as their link is, or their receiver has no
    credit; the ``pointers`` of round robin; and the ``ring`` with its ``slots``.

    In lanes, from a plane to the next there is a ``stride``; the flits that head inputs stand at
    ``front``, those behind them in further planes for all inputs, and those being ``ejected``.
    ``y_bit`` and the others are fields of a flit, each with its ``mask``.

    ``rows`` of routers in a column is how far a neighbour to the east is; words that are sent have
    a ``guard`` around them, and are ``guarded`` with it. A router takes ``router`` numbers in the
    mesh's own table.
    """

    words: int
    block: int
    ranks: int
    slots: int
    row: int
    inputs: int
    placed: int
    used: int
    most: int
    busy: int
    pointers: int
    ring: int
    stride: int
    front: int
    ejected: int
    x_mask: int
    y_bit: int
    y_mask: int
    west_bit: int
    south_bit: int
    port_bit: int
    port_mask: int
    message_bit: int
    row_latency: int
    column_latency: int
    row_cycle: int
    column_cycle: int
    credit: int
    rows: int
    guard: int
    guarded: int
    router: int


class Lanes(NamedTuple):
    """What changes.

    ``blocks`` are those of words, and behind them scratch: what heads want, what is granted, what
    left an input, and a row to be counted down. ``flits`` are lanes. In the instant at hand, what
    outputs ``sent`` and what ``left`` inputs; then the slots at which a word is ``due``, and which
    words have a neighbour where something moved (``near``). ``router_of`` senders is the number of
    their router; ``sendings`` over each axon are counted.
    """

    blocks: Any
    flits: Any
    sent: Any
    left: Any
    due: Any
    near: Any
    router_of: Any
    sendings: Any
