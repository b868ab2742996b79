"""The senders of :mod:`hwmodels.fabric.mesh_kernel`: when their messages enter the mesh.

A sender makes its messages one after another and waits while its injection port is full. When a
message enters is known as soon as the one before it has left.
"""

from __future__ import annotations

from hwmodels.fabric.mesh_ports import compete, instant, place_of
from hwmodels.fabric.mesh_tables import (
    CYCLE_BITS,
    EARLIEST,
    ENDS,
    FAR,
    FLIT,
    FOLLOWING,
    HEAD,
    INDEX,
    INJECT,
    INPUT,
    LEFT,
    LINK,
    MESSAGE_BIT,
    NO_INPUT,
    PAST,
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


def enter(shape, state, traffic, sender):  # type: ignore[no-untyped-def]
    """Let the message a sender is at enter its port, all before it being gone; returns when."""
    row = sender << 3
    message, port = (traffic.senders[row + HEAD] << 3) & INDEX, traffic.senders[row + PORT] & INDEX
    made = traffic.senders[row + SINCE] + traffic.messages[message + WORK]
    # Its place is that of the message which stood there ``link_depth`` messages ago.
    place = place_of(shape, port, state.mesh[port + LEFT] - shape.link_depth)
    free = state.mesh[place + WHEN] + 1
    made = max(made, traffic.messages[message + EARLIEST], free)
    traffic.messages[message + INJECT] = made
    traffic.senders[row + SINCE] = made
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
            while first < n and (paths[(axon[first] << 2) + ENDS] >> 32) - 1 < core:
                first += 1
            ends = paths[(axon[first] << 2) + ENDS] if first < n else -1
            if sweep_ps[core] and (ends >> 32) - 1 != core:
                row = (core + 1) << 3
                until = max(senders[row + REST_UNTIL], start_ps) + sweep_ps[core]
                senders[row + REST] += sweep_ps[core]
                senders[row + REST_UNTIL] = until
    sender, row, begins = -1, 0, 0
    for k in range(n):
        slot, path = slots[k], axon[k] << 2
        message = slot << 3
        messages[message + FLIT] = slot << MESSAGE_BIT | paths[path + FLIT]
        messages[message + ENDS] = paths[path + ENDS]
        messages[message + SERVICE] = paths[path + SERVICE]
        messages[message + FOLLOWING] = -1
        s = paths[path + ENDS] >> 32
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
            at, router = enter(shape, state, traffic, s), senders[row + ROUTER] & INDEX
            mine, flit = senders[row + INPUT] & NO_INPUT, messages[message + FLIT]
            port = senders[row + PORT] & INDEX
            compete(shape, state, router, mine, port, flit, instant(shape, at))
        else:
            messages[(senders[row + TAIL] << 3) + FOLLOWING] = slot
        senders[row + TAIL] = slot
        # The host has no sweep: its work ends with its last message.
        senders[row + REST] = max(sweep_ps[s - 1] - sent_ps[k], 0) if s else 0


def follow(shape, state, traffic, router, mine, port, now):  # type: ignore[no-untyped-def]
    """The first message of a sender leaves its port, and the next one competes when it is made.

    Returns the flit of the one that leaves.
    """
    mesh = state.mesh
    left, sender = mesh[port + LEFT], (mesh[port + LINK] >> CYCLE_BITS) & INDEX
    mesh[port + LEFT] = left + 1
    mesh[place_of(shape, port, left) + WHEN] = now * shape.clock_ps
    row = sender << 3
    message = (traffic.senders[row + HEAD] << 3) & INDEX
    slot = traffic.messages[message + FOLLOWING]
    traffic.senders[row + HEAD] = slot
    if slot >= 0:
        at = max(instant(shape, enter(shape, state, traffic, sender)), now + 1)
        flit = traffic.messages[((slot << 3) & INDEX) + FLIT]
        compete(shape, state, router, mine, port, flit, at)
    return traffic.messages[message + FLIT]


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
        message, port = senders[row + HEAD], senders[row + PORT]
        left = state.mesh[port + LEFT]
        number, at, head = left, senders[row + SINCE], True
        while message >= 0:
            if not head:
                at += messages[(message << 3) + WORK]
                at = max(at, messages[(message << 3) + EARLIEST])
                number += 1
                before = number - shape.link_depth
                if before >= left:
                    at = FAR
                else:
                    at = max(at, state.mesh[place_of(shape, port, before) + WHEN] + 1)
            head = False
            if at >= until_ps:
                break
            inject_ps[message] = at
            message = messages[(message << 3) + FOLLOWING]
        while message >= 0:
            inject_ps[message] = -1
            message = messages[(message << 3) + FOLLOWING]
