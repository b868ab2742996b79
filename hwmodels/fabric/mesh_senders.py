"""The senders of :mod:`hwmodels.fabric.mesh_kernel`: when their messages enter the mesh.

A sender makes its messages one after another and waits while its injection port is full. When a
message enters is known as soon as the one before it has left.
"""

from __future__ import annotations

from hwmodels.fabric.mesh_ports import compete, instant, place_of, row_of
from hwmodels.fabric.mesh_tables import (
    AXON,
    CYCLE_BITS,
    EARLIEST,
    FAR,
    FLIT_BITS,
    HEAD,
    INDEX,
    INJECT,
    INPUT,
    LEFT,
    LINK,
    NO_INPUT,
    PAST,
    PATH,
    PATHS,
    PORT,
    REST,
    REST_UNTIL,
    ROUTER,
    SERVICE,
    SINCE,
    TAIL,
    WHEN,
    WORK,
)


def enter(shape, state, traffic, sender, message):  # type: ignore[no-untyped-def]
    """Let a message enter the port of its sender, all before it being gone; returns when."""
    at, row, port = sender << 3, row_of(message), traffic.senders[(sender << 3) + PORT] & INDEX
    # Its place is that of the message which stood there ``link_depth`` messages ago.
    place = place_of(shape, port, state.mesh[port + LEFT] - shape.link_depth)
    free = state.mesh[place + WHEN] + 1
    made = traffic.senders[at + SINCE] + traffic.messages[row + WORK]
    made = max(made, traffic.messages[row + EARLIEST], free)
    traffic.messages[row + INJECT] = made
    traffic.senders[at + SINCE] = made
    return made


def submit(shape, state, traffic, slots, axon, paths, sent_ps, start_ps, sweep_ps, barrier):  # type: ignore[no-untyped-def]
    """Give the messages of a step, and the sweeps that make them, to the senders.

    ``slots`` are the messages' numbers, sorted by sender, and ``axon`` their rows in ``paths``;
    ``sent_ps`` counts from ``start_ps`` if nothing blocks them. ``sweep_ps`` is the length of each
    core's sweep. Without a ``barrier``, an overrun delays the next sweep.
    """
    senders, messages = traffic.senders, traffic.messages
    n, first = len(slots), 0
    if not barrier:
        for core in range(len(sweep_ps)):
            while first < n and (paths[axon[first] * AXON] >> FLIT_BITS) - 1 < core:
                first += 1
            sends = first < n and (paths[axon[first] * AXON] >> FLIT_BITS) - 1 == core
            if sweep_ps[core] and not sends:
                row = (core + 1) << 3
                until = max(senders[row + REST_UNTIL], start_ps) + sweep_ps[core]
                senders[row + REST] += sweep_ps[core]
                senders[row + REST_UNTIL] = until
    sender, row, begins = -1, 0, 0
    for k in range(n):
        slot, path = slots[k], axon[k] * AXON
        message, s = row_of(slot), paths[path] >> FLIT_BITS
        messages[message + PATH] = paths[path] & PATHS
        messages[message + SERVICE] = paths[path + SERVICE]
        if s != sender:
            sender, row = s, s << 3
            messages[message + WORK] = senders[row + REST] + sent_ps[k]
            begins = max(senders[row + REST_UNTIL], start_ps)
            senders[row + REST_UNTIL] = PAST
        else:
            messages[message + WORK] = sent_ps[k] - sent_ps[k - 1]
        # Of those behind the first this is no condition: they are never earlier.
        messages[message + EARLIEST] = begins + sent_ps[k]
        if senders[row + HEAD] < 0:
            senders[row + HEAD] = slot
            port, router = senders[row + PORT] & INDEX, senders[row + ROUTER] & INDEX
            at = instant(shape, enter(shape, state, traffic, s, slot))
            mine = senders[row + INPUT] & NO_INPUT
            compete(shape, state, router, mine, port, messages[message + PATH], at)
        else:
            messages[row_of(senders[row + TAIL]) + PATH] |= (slot + 1) << FLIT_BITS
        senders[row + TAIL] = slot
        # The host has no sweep: its work ends with its last message.
        senders[row + REST] = max(sweep_ps[s - 1] - sent_ps[k], 0) if s else 0


def leave(shape, state, traffic, port, now):  # type: ignore[no-untyped-def]
    """The first message of a sender leaves its port, and the next one enters when it is made.

    Returns the flit of the one that leaves, the next one (-1: none), and from when on it competes.
    """
    mesh = state.mesh
    left, sender = mesh[port + LEFT], (mesh[port + LINK] >> CYCLE_BITS) & INDEX
    mesh[port + LEFT] = left + 1
    mesh[place_of(shape, port, left) + WHEN] = now * shape.clock_ps
    first = traffic.senders[(sender << 3) + HEAD]
    head = traffic.messages[row_of(first) + PATH]
    slot, at = (head >> FLIT_BITS) - 1, now + 1
    traffic.senders[(sender << 3) + HEAD] = slot
    if slot >= 0:
        at = max(instant(shape, enter(shape, state, traffic, sender, slot)), at)
    return first << FLIT_BITS | head & PATHS, slot, at


def follow(shape, state, traffic, router, mine, port, now):  # type: ignore[no-untyped-def]
    """The first message of a sender leaves its port, and the next one competes when it is made.

    Returns the flit of the one that leaves.
    """
    flit, slot, at = leave(shape, state, traffic, port, now)
    if slot >= 0:
        compete(shape, state, router, mine, port, traffic.messages[row_of(slot) + PATH], at)
    return flit


def all_done_ps(state, traffic):  # type: ignore[no-untyped-def]
    """When the last service and the last sweep end, once every message has arrived."""
    latest = PAST
    for row in range(len(state.done_ps)):
        latest = max(latest, state.done_ps[row])
    for row in range(0, len(traffic.senders), 8):
        latest = max(latest, traffic.senders[row + SINCE] + traffic.senders[row + REST])
    return latest


def entries(shape, state, traffic, until_ps, inject_ps):  # type: ignore[no-untyped-def]
    """When the messages that senders still have entered their ports; -1 for those outside."""
    senders, messages = traffic.senders, traffic.messages
    for row in range(0, len(senders), 8):
        slot, port = senders[row + HEAD], senders[row + PORT]
        left = state.mesh[port + LEFT]
        number, at, first = left, senders[row + SINCE], True
        while slot >= 0:
            message = row_of(slot)
            if not first and at < until_ps:
                at = max(at + messages[message + WORK], messages[message + EARLIEST])
                number += 1
                before = number - shape.link_depth
                if before >= left:
                    at = FAR
                else:
                    at = max(at, state.mesh[place_of(shape, port, before) + WHEN] + 1)
            first = False
            inject_ps[slot] = at if at < until_ps else -1
            slot = (messages[message + PATH] >> FLIT_BITS) - 1
