"""What inputs and outputs of the mesh do, for :mod:`hwmodels.fabric.mesh_kernel`."""

from __future__ import annotations

from hwmodels.fabric.mesh_senders import heap_push
from hwmodels.fabric.mesh_tables import (
    AHEAD,
    APART,
    ARRIVAL,
    ARRIVE,
    AWAITED,
    DELAY,
    DUE,
    ENDS,
    FAR,
    FIELD,
    FLIT,
    FREE,
    IDLE,
    INDEX,
    LANE,
    LANES,
    LAST,
    LEFT,
    MASK,
    MOST,
    OFFSET,
    OUTPUT_BITS,
    PORT,
    READY,
    RETURNED,
    SERVICE,
    STATE,
    STUCK,
    SURE,
    WAITING,
)


def push(lanes, events, room, lane, at, event, flit):  # type: ignore[no-untyped-def]
    """Let an event come about at the end of a lane."""
    row = lane << 2
    last = lanes[row + LAST]
    lanes[row + LAST] = last + 1
    place = ((lane * room + (last & (room - 1))) << 1) & INDEX
    events[place] = (at & AHEAD) << OUTPUT_BITS | event
    events[place + 1] = flit
    if lanes[row + DUE] == FAR:
        lanes[row + DUE] = at


def wanted(way, flit):  # type: ignore[no-untyped-def]
    """The output that a flit wants, among those of a router."""
    east, north = (flit >> 12) & FIELD, flit & FIELD
    turn = 2 * (east > OFFSET) + (east < OFFSET) + 6 * (north > OFFSET) + 3 * (north < OFFSET)
    return way[turn] + (0 if turn else (flit >> 24) & 255)


def receiver_at(shape, output):  # type: ignore[no-untyped-def]
    """The row of an ejection port in the receivers' tables."""
    ports = shape.inputs - 4
    return (output >> shape.shift) * ports + (output & ((1 << shape.shift) - 1)) - 4


def want(ports, output, mine, ready, n_ready):  # type: ignore[no-untyped-def]
    """Input ``mine`` wants an output from now on; counts those that have to be looked at."""
    record = (output << 3) & INDEX
    doing = ports[record + STATE] | 1 << mine
    ready[n_ready] = record
    ports[record + STATE] = doing if doing > MASK else doing | READY
    return n_ready + (doing <= MASK)


def release(ports, output, ready, n_ready):  # type: ignore[no-untyped-def]
    """An output may grant again; counts those that have to be looked at."""
    record = (output << 3) & INDEX
    mask = ports[record + STATE] & MASK
    ports[record + STATE] = mask | READY if mask else IDLE
    ready[n_ready] = record
    return n_ready + (mask != 0)


def launch(shape, state, output, flit, now):  # type: ignore[no-untyped-def]
    """A packet leaves over a link: it arrives, and the link becomes free."""
    lanes, room, lanes_of = state.lanes, shape.lane_room, state.ports[(output << 3) + LANES]
    lane, event = (lanes_of >> ARRIVAL) & LANE, output << 1 | 1
    at = now + lanes[(lane << 2) + DELAY]
    flit += shape.hop[output & ((1 << shape.shift) - 1)]
    push(lanes, state.events, room, lane, at, event, flit)
    if lanes_of & APART:
        lane = lanes_of >> FREE
        at = now + lanes[(lane << 2) + DELAY]
        push(lanes, state.events, room, lane, at, output << 1, 0)


def eject(shape, state, traffic, output, number, flit, now, n):  # type: ignore[no-untyped-def]
    """A packet is at its port, after ``n`` others; its service is known now."""
    messages, delivered = traffic.messages, traffic.delivered
    slot = (flit >> 32) & INDEX
    message = slot << 3
    row = receiver_at(shape, output)
    begins = max(state.done_ps[row & INDEX], now)
    place = row * shape.port_room + (number & (shape.port_room - 1))
    state.served_ps[place & INDEX] = begins
    state.done_ps[row & INDEX] = begins + messages[message + SERVICE]
    messages[message + ARRIVE] = now
    receiver = messages[message + ENDS] & INDEX
    while n > 0:
        before = (delivered[n - 1] << 3) & INDEX
        if messages[before + ARRIVE] != now or messages[before + ENDS] & INDEX < receiver:
            break
        delivered[n] = delivered[n - 1]
        n -= 1
    delivered[n] = slot


def count(shape, state, output, number, now):  # type: ignore[no-untyped-def]
    """Count the credits of an output that granted ``number``; how many it has to spend."""
    seldom, fifo, served_ps = state.seldom, state.fifo, state.served_ps
    direction = output & ((1 << shape.shift) - 1)
    back, credit_ps = seldom[(output << 1) + RETURNED], shape.credit_ps
    if direction < 4:
        there = (output + shape.across[direction]) & INDEX
        first, gone = (there * shape.link_room) & INDEX, state.ports[(there << 3) + LEFT]
        in_link, depth = shape.link_room - 1, shape.link_depth
        while back < gone and fifo[(first + (back & in_link)) & INDEX] + credit_ps <= now:
            back += 1
    else:
        row = receiver_at(shape, output)
        first, in_port, depth = (
            (row * shape.port_room) & INDEX,
            shape.port_room - 1,
            shape.port_depth,
        )
        while back < number and served_ps[(first + (back & in_port)) & INDEX] + credit_ps <= now:
            back += 1
    most = max(seldom[(output << 1) + MOST], min(number + 1 - back, depth))
    seldom[(output << 1) + RETURNED] = back
    seldom[(output << 1) + MOST] = most
    state.ports[(output << 3) + SURE] = back + most
    return depth - (number - back)


def wait(shape, state, output, number):  # type: ignore[no-untyped-def]
    """Let an output that has no credit come back when it has."""
    ports, record = state.ports, output << 3
    direction = output & ((1 << shape.shift) - 1)
    mask = ports[record + STATE] & MASK
    back = state.seldom[(output << 1) + RETURNED]
    if direction < 4:
        there = output + shape.across[direction]
        if back == ports[(there << 3) + LEFT]:
            ports[record + STATE] = WAITING | mask
            ports[(there << 3) + AWAITED] = 1
            return
        at = state.fifo[there * shape.link_room + (back & (shape.link_room - 1))]
    else:
        row = receiver_at(shape, output)
        at = state.served_ps[row * shape.port_room + (back & (shape.port_room - 1))]
    ports[record + STATE] = STUCK | mask
    what = -1 - output
    heap_push(state.heap_ps, state.heap_what, state.size, at + shape.credit_ps, what)


def compete(shape, state, traffic, slot, sender, ready, n_ready):  # type: ignore[no-untyped-def]
    """The message at the head of an injection port wants its output; counts those to look at."""
    ports, here = state.ports, traffic.senders[(sender << 3) + PORT]
    mine = here & ((1 << shape.shift) - 1)
    output = here - mine + wanted(shape.way, traffic.messages[(slot << 3) + FLIT])
    if ports[((output << 3) & INDEX) + STATE] & 1 << mine:
        return n_ready  # it was behind another one, and competes already
    return want(ports, output, mine, ready, n_ready)
