"""The mesh of :mod:`hwmodels.fabric.mesh` with a clock, 64 routers at a time.

At an edge of the clock many routers grant at once, by the same rules. Here a router is a bit of a
word, and what routers do is said in operations on words: which heads want an output, which of them
round robin grants, which FIFOs have a place. Packets are lanes of 32 bits, moved 64 at a time under
a mask (:mod:`hwmodels.lanes`). What belongs to one packet alone, entering and being served, is done
as in :mod:`hwmodels.fabric.mesh_kernel`, on the same tables: between steps either kernel may go on.
"""

from __future__ import annotations

import numpy as np

from hwmodels.fabric.mesh_ports import (
    eject,
    has_credit,
    home_of,
    look_again,
    put_in_order,
    row_of,
)
from hwmodels.fabric.mesh_senders import leave
from hwmodels.fabric.mesh_tables import (
    AFTER_INPUT,
    CYCLE_BITS,
    FAR,
    FLIT_BITS,
    GRANTED,
    HEAD,
    INDEX,
    INPUT_BIT,
    LINK,
    NO_INPUT,
    NOW,
    PATH,
    PATHS,
    PEER,
    ROW,
    ROW_BITS,
)
from hwmodels.fabric.mesh_wheel import next_instant, plan, take_list
from hwmodels.fabric.mesh_wide_words import (
    happen,
    move_up,
    narrow,
    offset_of,
    route,
    route_column,
    route_port,
    route_side,
    send,
    settle,
    settle_side,
    take_credits,
    touch,
    wake,
)
from hwmodels.lanes import (
    LANE_BITS,
    LANES,
    WORDS,
    lane,
    lowest_bit,
    merge,
    round_robin,
    take_from_ranks,
    without_lowest,
)


def enter_ports(shape, state, traffic, wide, lanes, now):  # type: ignore[no-untyped-def]
    """Messages enter their ports, and receivers have a credit again."""
    mesh, blocks = state.mesh, lanes.blocks
    entry = take_list(shape, state, now)
    while entry >= 0:
        out, mine, after = entry & ROW, entry >> INPUT_BIT, (entry >> ROW_BITS) & ROW
        entry = mesh[after]
        if mine == NO_INPUT:
            port, number = out, (mesh[out + PEER] >> ROW_BITS) & NO_INPUT
        else:
            port, number = after - AFTER_INPUT, mine
        sender = (mesh[port + LINK] >> CYCLE_BITS) & INDEX
        router = lanes.router_of[sender]
        word = router >> LANE_BITS
        at, bit = word * wide.block + number, lane(router & (LANES - 1))
        if mine == NO_INPUT:
            blocks[(at + wide.busy) & INDEX] ^= bit
        else:
            message = traffic.senders[(sender << 3) + HEAD]
            path = traffic.messages[row_of(message) + PATH] & PATHS
            place = wide.front + number * wide.stride + router
            lanes.flits[place & INDEX] = narrow(wide, path, message)
            blocks[at & INDEX] |= bit
        wake(wide, lanes, word, now)


def deliver(  # type: ignore[no-untyped-def]
    shape, state, traffic, wide, lanes, at, grants, word, port, have, some, now, n,
):  # fmt: skip
    """Packets leave to their cores; returns how many messages have arrived."""
    mesh, blocks, flits, first = state.mesh, lanes.blocks, lanes.flits, word << LANE_BITS
    merge(
        flits, wide.ejected, wide.front + first, wide.stride, blocks, grants + 4 + port, wide.row,
        have, some, 0,
    )  # fmt: skip
    while some:
        bit = lowest_bit(some)
        some = without_lowest(some)
        slot = np.int64(flits[(wide.ejected + bit) & INDEX]) >> wide.message_bit
        out = ((first + bit) * wide.router + (4 + port) * shape.row) & INDEX
        number = mesh[out + GRANTED]
        has_credit(shape, state, 4 + port, out, out, number, now)
        receiver = (mesh[out + LINK] >> CYCLE_BITS) & INDEX
        eject(shape, state, traffic, receiver, number, slot << FLIT_BITS, now * shape.clock_ps, n)
        n += 1
        mesh[out + GRANTED] = number + 1
        home = state.home[home_of(shape, mesh, out, number + 1 - shape.port_depth)]
        if home > now + 1:
            blocks[(at + wide.busy + 4 + port) & INDEX] |= lane(bit)
            look_again(shape, state, out, home)
    return n


def grant(shape, state, traffic, wide, lanes, word, now, n):  # type: ignore[no-untyped-def]
    """The routers of a word grant what they can; returns how many messages have arrived."""
    blocks, row, at = lanes.blocks, wide.row, word * wide.block
    wants = wide.words * wide.block
    grants = wants + wide.inputs * row
    granted = grants + wide.inputs * row
    popped, counted = granted + row, granted + 2 * row
    happen(wide, lanes, at, now)
    have = route(wide, lanes, at, wants, word << LANE_BITS)
    if not have:
        return n
    full, busy = at + wide.used + (wide.ranks - 2) * row, at + wide.busy
    round_robin(blocks, wants, at + wide.pointers, full, busy, grants, popped, wide.inputs, row)
    moved = send(wide, lanes, at, grants, granted, word, 0, have)
    moved |= send(wide, lanes, at, grants, granted, word, 1, have)
    moved |= send(wide, lanes, at, grants, granted, word, 2, have)
    moved |= send(wide, lanes, at, grants, granted, word, 3, have)
    found = moved
    for port in range(wide.inputs - 4):
        some = blocks[(granted + 4 + port) & INDEX]
        found |= some
        if some:
            n = deliver(
                shape, state, traffic, wide, lanes, at, grants, word, port, have, some, now, n
            )
    if not found:
        return n
    wake(wide, lanes, word, now + 1)
    if moved:
        take_credits(wide, lanes, at, granted, counted, word, now)
    for head in range(4):
        some = blocks[(popped + head) & INDEX]
        moved |= some
        lanes.left[(head * wide.guarded + wide.guard + word) & INDEX] = some
    for port in range(wide.inputs - 4):
        rest = blocks[(popped + 4 + port) & INDEX]
        while rest:
            router = ((word << LANE_BITS) + lowest_bit(rest)) * wide.router
            rest = without_lowest(rest)
            inlet = (router + (4 + port) * shape.row) & INDEX
            _, slot, made = leave(shape, state, traffic, inlet, now)
            if slot >= 0:
                # Which output it wants is asked when it is there.
                plan(shape, state, 4 + port, inlet + AFTER_INPUT, inlet, made)
    for column in range(0, row, WORDS):
        here = at + column
        while take_from_ranks(
            blocks, here & INDEX, (here + row) & INDEX, (popped + column) & INDEX
        ):
            here += row
    if moved:
        touch(wide, lanes, word)
    return n


def advance(shape, state, traffic, wide, lanes, axon, ordered):  # type: ignore[no-untyped-def]
    """Everything until the mesh is empty; returns how many messages arrived.

    These went over ``axon``. Their order matters only if it shall be ``ordered``.
    """
    for k in range(len(axon)):
        lanes.sendings[axon[k]] += 1
    wheel, due, near, n, active = state.wheel, lanes.due, lanes.near, 0, False
    last = wheel[NOW] - 1
    while True:
        # Nothing may be on the wheel at the next edge, and words be due all the same.
        now = wheel[NOW]
        found = next_instant(shape, state, now + 1 if active else FAR)
        if not active:
            now = found
        if now >= FAR:
            # After the last packet only credits came home: the next step may begin meanwhile.
            wheel[NOW] = last + 1
            return n
        wheel[NOW] = now
        enter_ports(shape, state, traffic, wide, lanes, now)
        before, slot = n, lane(now & (wide.slots - 1))
        for word in range(wide.words):
            if due[word] & slot:
                due[word] ^= slot
                n = grant(shape, state, traffic, wide, lanes, word, now, n)
        for word in range(wide.words):
            if near[wide.guard + word]:
                near[wide.guard + word] = 0
                settle(wide, lanes, word, now)
        active = False
        for word in range(wide.words):
            active |= due[word] != 0
        for place in range(len(lanes.sent)):
            lanes.sent[place] = 0
            lanes.left[place] = 0
        wheel[NOW] = now + 1
        if n > before:
            last = now
            if ordered:
                put_in_order(traffic, before, n)


#: The functions that :func:`advance` calls, but for those of the other kernel.
PARTS = (
    narrow, offset_of, wake, enter_ports, route_port, route_column, route_side, route, send,
    deliver, happen, take_credits, touch, grant, move_up, settle_side, settle,
)  # fmt: skip
