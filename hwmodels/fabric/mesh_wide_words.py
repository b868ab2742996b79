"""What the routers of a word do together, for :mod:`hwmodels.fabric.mesh_wide`.

What is done on each of four sides is written out rather than repeated in a loop: so the side is
known when it is compiled, which saves a tenth of the time where there is little traffic.
"""

from __future__ import annotations

from hwmodels.fabric.mesh_tables import (
    COLUMN_BIT,
    HOPS,
    INDEX,
    PORT_BIT,
    PORTS,
    SOUTH_BIT,
    WEST_BIT,
)
from hwmodels.fabric.mesh_wide_tables import RING
from hwmodels.lanes import (
    LANE_BITS,
    WORDS,
    add_to_ranks,
    first_half,
    join,
    lane,
    merge,
    move,
    take_from_ranks,
    toggle,
    with_bits,
    with_value,
    word_at,
)


def narrow(wide, path, message):  # type: ignore[no-untyped-def]
    """A flit in 32 bits."""
    flit = path & HOPS | ((path >> COLUMN_BIT) & HOPS) << wide.y_bit
    flit |= ((path >> WEST_BIT) & 1) << wide.west_bit | ((path >> SOUTH_BIT) & 1) << wide.south_bit
    flit |= (((path >> PORT_BIT) & PORTS) - 4) << wide.port_bit
    return flit | message << wide.message_bit


def offset_of(wide, side):  # type: ignore[no-untyped-def]
    """How many routers farther the neighbour on a side is."""
    far = wide.rows if side < 2 else 1
    return -far if side & 1 else far


def wake(wide, lanes, word, at):  # type: ignore[no-untyped-def]
    """Have a word looked at in an instant."""
    lanes.due[word & INDEX] |= lane(at & (wide.slots - 1))


def route_column(wide, lanes, heads, wants, some):  # type: ignore[no-untyped-def]
    """What heads want that are in the right column."""
    blocks, flits = lanes.blocks, lanes.flits
    far = some & with_bits(flits, heads, wide.y_mask)
    south = far & with_bits(flits, heads, 1 << wide.south_bit)
    blocks[(wants + 2) & INDEX] = far ^ south
    blocks[(wants + 3) & INDEX] = south
    route_port(wide, lanes, heads, wants, some ^ far)


def route_port(wide, lanes, heads, wants, some):  # type: ignore[no-untyped-def]
    """What heads want that are at their router."""
    place = wants + 4
    for port in range(wide.inputs - 5):
        here = some & with_value(lanes.flits, heads, wide.port_mask, port << wide.port_bit)
        lanes.blocks[place & INDEX] = here
        some ^= here
        place += 1
    lanes.blocks[place & INDEX] = some


def route_side(wide, lanes, side, at, wants, heads):  # type: ignore[no-untyped-def]
    """What the heads of an input from a side want; returns the bit of the input if there are."""
    some = lanes.blocks[(at + side) & INDEX]
    far = some & with_bits(lanes.flits, heads, wide.x_mask if side < 2 else wide.y_mask)
    lanes.blocks[(wants + (side ^ 1)) & INDEX] = far
    if side < 2:
        route_column(wide, lanes, heads, wants, some ^ far)
    else:
        route_port(wide, lanes, heads, wants, some ^ far)
    return (some != 0) << side


def route(wide, lanes, at, wants, first):  # type: ignore[no-untyped-def]
    """Which output each head of a word's routers wants; returns the mask of inputs with heads."""
    blocks, flits, row = lanes.blocks, lanes.flits, wide.row
    heads, stride = wide.front + first, wide.stride
    have = route_side(wide, lanes, 0, at, wants, heads)
    have |= route_side(wide, lanes, 1, at, wants + row, heads + stride)
    wants += 2 * row
    heads += 2 * stride
    have |= route_side(wide, lanes, 2, at, wants, heads)
    have |= route_side(wide, lanes, 3, at, wants + row, heads + stride)
    wants += 2 * row
    heads += 2 * stride
    for head in range(4, wide.inputs):
        some = blocks[(at + head) & INDEX]
        have |= (some != 0) << head
        far = some & with_bits(flits, heads, wide.x_mask)
        west = far & with_bits(flits, heads, 1 << wide.west_bit)
        blocks[wants & INDEX] = far ^ west
        blocks[(wants + 1) & INDEX] = west
        route_column(wide, lanes, heads, wants, some ^ far)
        wants += row
        heads += wide.stride
    return have


def send(wide, lanes, at, grants, granted, word, output, have):  # type: ignore[no-untyped-def]
    """Packets leave over links, to the first places behind these that are free; returns which."""
    blocks, row = lanes.blocks, wide.row
    left = some = blocks[(granted + output) & INDEX]
    if not some:
        return some
    heads, less = wide.front + (word << LANE_BITS), 1 if output < 2 else 1 << wide.y_bit
    to = heads + (output ^ 1) * wide.stride + offset_of(wide, output)
    placed = at + wide.placed + output
    lanes.sent[(output * wide.guarded + wide.guard + word) & INDEX] = some
    # No packet turns back, or from a column into a row.
    sources = have & (-1 << 4 | (0b1111 if output > 1 else 0b11) ^ 1 << output)
    while some:
        before = blocks[placed & INDEX]
        blocks[placed & INDEX] = before | some
        merge(
            lanes.flits, to, heads, wide.stride, blocks, grants + output, row, sources,
            some & ~before, less,
        )  # fmt: skip
        some &= before
        placed += row
        to += wide.inputs * wide.stride
    return left


def happen(wide, lanes, at, now):  # type: ignore[no-untyped-def]
    """Packets arrive at the FIFOs of a word's routers, credits at outputs; links become free."""
    blocks, row = lanes.blocks, wide.row
    ring = at + wide.ring + (now & (wide.slots - 1)) * RING * row
    for column in range(0, row, WORDS):
        here, come = at + column, ring + column
        while add_to_ranks(blocks, here & INDEX, come & INDEX):
            here += row
        here, home = at + wide.used + column, ring + row + column
        while take_from_ranks(blocks, here & INDEX, (here + row) & INDEX, home & INDEX):
            here += row
        if wide.row_cycle > 1 or wide.column_cycle > 1:
            here, free = at + wide.busy + column, ring + 2 * row + column
            toggle(blocks, here & INDEX, free & INDEX)


def take_credits(wide, lanes, at, granted, counted, word, now):  # type: ignore[no-untyped-def]
    """Credits, and links, of what outputs to neighbours granted are used."""
    blocks, row = lanes.blocks, wide.row
    first_half(blocks, counted & INDEX, granted & INDEX)
    used, most = at + wide.used, at + wide.most
    join(blocks, most & INDEX, counted & INDEX)
    while add_to_ranks(blocks, used & INDEX, counted & INDEX):
        used += row
        most += row
        join(blocks, most & INDEX, counted & INDEX)
    if wide.row_cycle > 1 or wide.column_cycle > 1:
        for output in range(4):
            cycle = wide.row_cycle if output < 2 else wide.column_cycle
            some = blocks[(granted + output) & INDEX]
            if cycle > 1 and some:
                blocks[(at + wide.busy + output) & INDEX] |= some
                slot = (now + cycle) & (wide.slots - 1)
                ring = at + wide.ring + (slot * RING + 2) * row
                blocks[(ring + output) & INDEX] = some
                wake(wide, lanes, word, now + cycle)


def touch(wide, lanes, word):  # type: ignore[no-untyped-def]
    """Something moved in a word: have it and its neighbours settled."""
    near, middle = lanes.near, wide.guard + word
    for side in range(2):
        far = middle + (offset_of(wide, side) >> LANE_BITS)
        near[far & INDEX] = near[(far + 1) & INDEX] = 1
    near[(middle - 1) & INDEX] = near[middle & INDEX] = near[(middle + 1) & INDEX] = 1


def settle(wide, lanes, word, now):  # type: ignore[no-untyped-def]
    """What neighbours of a word's routers did in an instant: FIFOs move up, packets arrive."""
    row, at, first = wide.row, word * wide.block, word << LANE_BITS
    last = wide.slots - 1
    home = at + wide.ring + (((now + wide.credit) & last) * RING + 1) * row
    by_row = at + wide.ring + ((now + wide.row_latency) & last) * RING * row
    by_column = at + wide.ring + ((now + wide.column_latency) & last) * RING * row
    east_come, east_back = settle_side(wide, lanes, 0, at, first, by_row, home)
    west_come, west_back = settle_side(wide, lanes, 1, at, first, by_row, home)
    north_come, north_back = settle_side(wide, lanes, 2, at, first, by_column, home)
    south_come, south_back = settle_side(wide, lanes, 3, at, first, by_column, home)
    if east_back | west_back | north_back | south_back:
        wake(wide, lanes, word, now + wide.credit)
    if east_come | west_come:
        wake(wide, lanes, word, now + wide.row_latency)
    if north_come | south_come:
        wake(wide, lanes, word, now + wide.column_latency)


def settle_side(wide, lanes, side, at, first, come_at, home):  # type: ignore[no-untyped-def]
    """The same for the neighbours on a side; returns what came from there, and credits."""
    offset, guarded = offset_of(wide, side), (side ^ 1) * wide.guarded + wide.guard
    bit = (guarded << LANE_BITS) + first + offset
    come, back = word_at(lanes.sent, bit), word_at(lanes.left, bit)
    lanes.blocks[(come_at + side) & INDEX] = come
    lanes.blocks[(home + side) & INDEX] = back
    to = wide.front + (side ^ 1) * wide.stride + first + offset
    move_up(wide, lanes, at + wide.placed + side, to, back)
    return come, back


def move_up(wide, lanes, placed, to, left):  # type: ignore[no-untyped-def]
    """Heads left some FIFOs behind an output: what stands behind them there moves up by a place."""
    blocks, up = lanes.blocks, wide.inputs * wide.stride
    while left:
        above = blocks[(placed + wide.row) & INDEX]
        blocks[placed & INDEX] &= above | ~left
        left &= above
        if left:
            move(lanes.flits, to, to + up, left)
        to += up
        placed += wide.row
