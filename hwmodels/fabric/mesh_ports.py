"""What inputs and outputs of the mesh do, for :mod:`hwmodels.fabric.mesh_kernel`."""

from __future__ import annotations

from hwmodels.fabric.mesh_tables import (
    AFTER_INPUT,
    AFTER_OUTPUT,
    ARRIVE,
    ASKED,
    AWAITED,
    COLUMN_BIT,
    CYCLE_BITS,
    FAR,
    FIFO,
    FLIT_BITS,
    FREE,
    HOPS,
    INDEX,
    INPUTS,
    LEFT,
    LINK,
    MESSAGE,
    MOST,
    MOST_BIT,
    NO_INPUT,
    PEER,
    PEER_BITS,
    PLANNED,
    PORT_BIT,
    PORTS,
    RECEIVER,
    RECEIVER_BITS,
    ROW,
    SERVICE,
    SOUTH_BIT,
    WEST_BIT,
    WHAT,
    WHEN,
)
from hwmodels.fabric.mesh_wheel import plan
from hwmodels.lanes import part_of


def instant(shape, at_ps):  # type: ignore[no-untyped-def]
    """The first instant that is not before a time."""
    if shape.clock_ps == 1:
        return at_ps
    # A division takes as long as much of a hop.
    return part_of(at_ps + shape.clock_ps - 1, shape.per_clock) >> shape.clock_bits


def port_of(shape, router, number):  # type: ignore[no-untyped-def]
    """The row of a port."""
    return (router + number * shape.row) & INDEX


def place_of(shape, port, number):  # type: ignore[no-untyped-def]
    """The place in its input's FIFO that a packet takes, by how many there were before it."""
    return (port + FIFO + ((number & (shape.link_room - 1)) << 1)) & INDEX


def row_of(message):  # type: ignore[no-untyped-def]
    """The row of a message in the table."""
    return (message * MESSAGE) & INDEX


def wanted(flit):  # type: ignore[no-untyped-def]
    """The output that a flit wants."""
    output = (flit >> PORT_BIT) & PORTS
    if (flit >> COLUMN_BIT) & HOPS:
        output = 2 + ((flit >> SOUTH_BIT) & 1)
    if flit & HOPS:
        output = (flit >> WEST_BIT) & 1
    return output


def compete(shape, state, router, mine, port, flit, at):  # type: ignore[no-untyped-def]
    """A flit heads an input, and competes for its output from an instant on."""
    plan(shape, state, mine, port + AFTER_INPUT, port_of(shape, router, wanted(flit)), at)


def look_again(shape, state, port, at):  # type: ignore[no-untyped-def]
    """An output that is asked for may grant from an instant on."""
    plan(shape, state, NO_INPUT, port + AFTER_OUTPUT, port, at)


def launch(shape, state, output, port, behind, number, flit, now):  # type: ignore[no-untyped-def]
    """A packet leaves over a link, and has its place in the FIFO behind it for a later instant."""
    mesh = state.mesh
    at, place = now + (mesh[port + LINK] >> CYCLE_BITS), place_of(shape, behind, number)
    flit -= 1 << COLUMN_BIT if output > 1 else 1
    mesh[place + WHEN] = at
    mesh[place + WHAT] = flit
    if mesh[behind + LEFT] == number:
        compete(shape, state, mesh[behind + PEER] >> PEER_BITS, output ^ 1, behind, flit, at)


def eject(shape, state, traffic, receiver, number, flit, now_ps, n):  # type: ignore[no-untyped-def]
    """A packet is at its port, after ``n`` others; its service is known now."""
    slot = (flit >> FLIT_BITS) & INDEX
    message = row_of(slot)
    begins = max(state.done_ps[receiver], now_ps)
    place = receiver * shape.port_room + (number & (shape.port_room - 1))
    state.home[place & INDEX] = instant(shape, begins + shape.credit_ps)
    state.done_ps[receiver] = begins + (traffic.messages[message + SERVICE] >> RECEIVER_BITS)
    traffic.messages[message + ARRIVE] = now_ps
    traffic.delivered[n] = slot


def put_in_order(traffic, begin, end):  # type: ignore[no-untyped-def]
    """Put messages that arrived at one instant in order of receivers."""
    messages, delivered = traffic.messages, traffic.delivered
    for k in range(begin + 1, end):
        slot, n = delivered[k], k
        receiver = messages[row_of(slot) + SERVICE] & RECEIVER
        while n > begin:
            before = delivered[n - 1]
            if messages[row_of(before) + SERVICE] & RECEIVER < receiver:
                break
            delivered[n] = before
            n -= 1
        delivered[n] = slot


def has_credit(shape, state, output, port, behind, number, now):  # type: ignore[no-untyped-def]
    """Whether an output has a credit, so many packets being under way at most from now on.

    This is so if the place that was taken as many packets ago as were ever under way is free
    again, or if more may be.
    """
    mesh = state.mesh
    most = mesh[port + ASKED] >> MOST_BIT
    if output < 4:
        depth, place = shape.link_depth, place_of(shape, behind, number - most)
        free = not mesh[place + WHAT] and mesh[place + WHEN] <= now
    else:
        depth = shape.port_depth
        free = state.home[home_of(shape, mesh, port, number - most)] <= now
    if free:
        return True
    if most < depth:
        mesh[port + ASKED] += MOST
        return True
    return False


def home_of(shape, mesh, port, number):  # type: ignore[no-untyped-def]
    """Where it says when the credit of a packet to a receiver is home."""
    first = (mesh[port + LINK] >> CYCLE_BITS) * shape.port_room
    return (first + (number & (shape.port_room - 1))) & INDEX


def credit_at(shape, state, output, port, behind, number):  # type: ignore[no-untyped-def]
    """When an output that has no credit gets one; ``FAR`` if this is not known yet."""
    mesh = state.mesh
    if output > 3:
        return state.home[home_of(shape, mesh, port, number - shape.port_depth)]
    place = place_of(shape, behind, number - shape.link_depth)
    if not mesh[place + WHAT]:
        return mesh[place + WHEN]
    mesh[behind + ASKED] |= AWAITED
    return FAR


def give_back(shape, state, port, at):  # type: ignore[no-untyped-def]
    """A packet left the FIFO of an input, and the output behind it waits for its place."""
    mesh = state.mesh
    mesh[port + ASKED] ^= AWAITED
    upstream = mesh[port + PEER] & ROW
    mesh[upstream + FREE] = at
    if mesh[upstream + ASKED] & INPUTS:
        mesh[upstream + ASKED] |= PLANNED
        look_again(shape, state, upstream, at)
