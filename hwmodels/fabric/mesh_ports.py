"""What inputs and outputs of the mesh do, for :mod:`hwmodels.fabric.mesh_kernel`."""

from __future__ import annotations

from hwmodels.fabric.mesh_tables import (
    ARRIVALS,
    ARRIVE,
    ARRIVING,
    AT,
    AWAITED,
    COLUMN_BIT,
    CYCLE_BITS,
    DUE,
    ENDS,
    EXPECTED,
    FAR,
    FIFO,
    FLIT_THERE,
    FREE,
    HOPS,
    INDEX,
    INPUT_BITS,
    LEFT,
    LINK,
    MASK,
    MESSAGE_BIT,
    NEVER,
    NOW,
    PORT_BIT,
    PORTS,
    READY,
    RETURNED,
    SERVICE,
    SOUTH_BIT,
    SURE,
    WANTED,
    WANTS,
    WEST_BIT,
    WHAT,
    WHEN,
    WHERE,
    WINDOWS,
)
from hwmodels.fabric.mesh_wheel import wake


def port_of(shape, router, number):  # type: ignore[no-untyped-def]
    """The row of a port."""
    return (router + shape.ports + number * shape.row) & INDEX


def place_of(shape, port, number):  # type: ignore[no-untyped-def]
    """The place in its input's FIFO that a packet takes, by how many there were before it."""
    return (port + FIFO + ((number & (shape.link_room - 1)) << 1)) & INDEX


def expected_at(router, output):  # type: ignore[no-untyped-def]
    """Where the mask of windows is in which a packet arrives that wants an output."""
    return (router + EXPECTED + min(output, 4)) & INDEX


def wanted(flit):  # type: ignore[no-untyped-def]
    """The output that a flit wants."""
    output = (flit >> PORT_BIT) & PORTS
    if (flit >> COLUMN_BIT) & HOPS:
        output = 2 + ((flit >> SOUTH_BIT) & 1)
    if flit & HOPS:
        output = (flit >> WEST_BIT) & 1
    return output


def compete(shape, mesh, router, mine, flit, at):  # type: ignore[no-untyped-def]
    """A flit heads an input from now on, and wants its output from some time on.

    Returns when this output will grant, as far as this is known.
    """
    output = wanted(flit)
    out, first = port_of(shape, router, output), router + DUE
    mesh[port_of(shape, router, mine) + READY] = at
    mesh[out + WANTS] |= 1 << mine
    due = min(mesh[first + output], max(at, mesh[out + FREE]) << INPUT_BITS | output)
    mesh[first + output] = due
    return due >> INPUT_BITS


def arrive(shape, state, router, mine):  # type: ignore[no-untyped-def]
    """A packet is sent to an input: if there is none before it, it competes once it is there."""
    mesh = state.mesh
    port = port_of(shape, router, mine)
    if mesh[port + READY] == FAR:
        place = place_of(shape, port, mesh[port + LEFT])
        due = compete(shape, mesh, router, mine, mesh[place + WHAT], mesh[place + WHEN])
        wake(shape, state, router, due)


def launch(shape, state, router, direction, port, number, flit, now):  # type: ignore[no-untyped-def]
    """A packet leaves over a link, and has its place in the FIFO behind it for a later time."""
    mesh, wheel = state.mesh, state.wheel
    there, facing = (router + shape.across[direction]) & INDEX, direction ^ 1
    at = now + (mesh[port + LINK] >> CYCLE_BITS)
    place = place_of(shape, port_of(shape, there, facing), number)
    flit -= 1 << COLUMN_BIT if direction > 1 else 1
    mesh[place + WHEN] = at
    mesh[place + WHAT] = flit
    window = at >> shape.window
    if window - wheel[NOW] >= WINDOWS:
        arrive(shape, state, there, facing)
        return
    slot = window & (WINDOWS - 1)
    output = wanted(flit)
    expected = expected_at(there, output)
    # The second one sets the bit of windows with several.
    mesh[expected] |= 1 << slot | (mesh[expected] >> slot & 1) << (slot + WINDOWS)
    n = wheel[ARRIVALS + slot]
    row = ((slot * shape.arrivals + n) << 2) & INDEX
    state.arriving[row + WHERE] = there << INPUT_BITS | facing
    state.arriving[row + AT] = at
    state.arriving[row + FLIT_THERE] = flit
    state.arriving[row + WANTED] = output
    wheel[ARRIVALS + slot] = n + 1
    wheel[ARRIVING] |= 1 << slot


def eject(shape, state, traffic, receiver, number, flit, now, n):  # type: ignore[no-untyped-def]
    """A packet is at its port, after ``n`` others; its service is known now."""
    messages = traffic.messages
    slot = (flit >> MESSAGE_BIT) & INDEX
    message = slot << 3
    begins = max(state.done_ps[receiver], now)
    place = receiver * shape.port_room + (number & (shape.port_room - 1))
    state.served_ps[place & INDEX] = begins
    state.done_ps[receiver] = begins + messages[message + SERVICE]
    messages[message + ARRIVE] = now
    traffic.delivered[n] = slot


def put_in_order(traffic, begin, end):  # type: ignore[no-untyped-def]
    """Put messages that arrived in a window in order: of time, and then of receivers."""
    messages, delivered = traffic.messages, traffic.delivered
    for k in range(begin + 1, end):
        slot, n = delivered[k], k
        message = (slot << 3) & INDEX
        at, receiver = messages[message + ARRIVE], messages[message + ENDS] & INDEX
        while n > begin:
            before = (delivered[n - 1] << 3) & INDEX
            earlier = messages[before + ARRIVE]
            if earlier < at or (earlier == at and messages[before + ENDS] & INDEX < receiver):
                break
            delivered[n] = delivered[n - 1]
            n -= 1
        delivered[n] = slot


def count(shape, state, router, output, number, now):  # type: ignore[no-untyped-def]
    """Count the credits of an output that granted ``number``; how many it has to spend."""
    mesh, served_ps, port = state.mesh, state.served_ps, port_of(shape, router, output)
    back, latest = mesh[port + RETURNED], now - shape.credit_ps
    most = mesh[port + SURE] - back
    if output < 4:
        depth, there = shape.link_depth, router + shape.across[output]
        behind = port_of(shape, there, output ^ 1)
        last = place_of(shape, behind, number - 1)
        if not mesh[last + WHAT] and mesh[last + WHEN] <= latest:
            back = number  # places are left in order
        while back < number:
            place = place_of(shape, behind, back)
            if mesh[place + WHAT] or mesh[place + WHEN] > latest:
                break
            back += 1
    else:
        in_port, depth = shape.port_room - 1, shape.port_depth
        first = (mesh[port + LINK] >> CYCLE_BITS) * shape.port_room
        while back < number and served_ps[(first + (back & in_port)) & INDEX] <= latest:
            back += 1
    mesh[port + RETURNED] = back
    mesh[port + SURE] = back + max(most, min(number + 1 - back, depth))
    return depth - (number - back)


def wait(shape, state, router, output):  # type: ignore[no-untyped-def]
    """Let an output that has no credit grant when it has."""
    mesh, port = state.mesh, port_of(shape, router, output)
    back = mesh[port + RETURNED]
    if output < 4:
        behind = port_of(shape, router + shape.across[output], output ^ 1)
        place = place_of(shape, behind, back)
        at = mesh[place + WHEN] + shape.credit_ps
        if mesh[place + WHAT]:
            mesh[behind + WANTS] |= AWAITED
            at = NEVER
    else:
        first = (mesh[port + LINK] >> CYCLE_BITS) * shape.port_room
        at = state.served_ps[first + (back & (shape.port_room - 1))] + shape.credit_ps
    mesh[port + FREE] = at
    mesh[router + DUE + output] = at << INPUT_BITS | output


def give_back(shape, state, router, mine, now):  # type: ignore[no-untyped-def]
    """A packet left the FIFO of an input, and the output behind it waits for its place."""
    mesh = state.mesh
    mesh[port_of(shape, router, mine) + WANTS] ^= AWAITED
    upstream, output = (router + shape.across[mine]) & INDEX, mine ^ 1
    port, at = port_of(shape, upstream, output), now + shape.credit_ps
    mesh[port + FREE] = at
    if mesh[port + WANTS] & MASK:
        mesh[upstream + DUE + output] = at << INPUT_BITS | output
        wake(shape, state, upstream, at)
