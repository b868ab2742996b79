"""The senders of :mod:`hwmodels.fabric.mesh_kernel`: when their messages enter the mesh.

A sender makes its messages one after another and waits while its injection port is full. A message
that nothing holds up comes when the schedule says; for any other there is an entry in a heap.
"""

from __future__ import annotations

from hwmodels.fabric.mesh_tables import (
    EARLIEST,
    ENDS,
    FAR,
    FLIT,
    FOLLOWING,
    HEAD,
    INJECT,
    LEFT,
    PAST,
    PORT,
    REST,
    REST_UNTIL,
    SERVICE,
    SINCE,
    TAIL,
    WORK,
)


def heap_push(heap_ps, heap_what, size, time_ps, what):  # type: ignore[no-untyped-def]
    """Add an entry to a binary heap with ``size[0]`` entries."""
    place = size[0]
    size[0] = place + 1
    while place > 0:
        above = (place - 1) >> 1
        if heap_ps[above] <= time_ps:
            break
        heap_ps[place] = heap_ps[above]
        heap_what[place] = heap_what[above]
        place = above
    heap_ps[place] = time_ps
    heap_what[place] = what


def heap_pop(heap_ps, heap_what, size):  # type: ignore[no-untyped-def]
    """Take the earliest entry off a heap; returns what it is about."""
    what = heap_what[0]
    last = size[0] - 1
    size[0] = last
    time_ps, moved = heap_ps[last], heap_what[last]
    place, below = 0, 1
    while below < last:
        if below + 1 < last and heap_ps[below + 1] < heap_ps[below]:
            below += 1
        if heap_ps[below] >= time_ps:
            break
        heap_ps[place] = heap_ps[below]
        heap_what[place] = heap_what[below]
        place, below = below, 2 * below + 1
    heap_ps[place] = time_ps
    heap_what[place] = moved
    return what


def enter(shape, state, traffic, sender):  # type: ignore[no-untyped-def]
    """Let the message a sender is at enter its port, all before it being gone; returns when."""
    row = sender << 3
    message, port = traffic.senders[row + HEAD] << 3, traffic.senders[row + PORT]
    made = traffic.senders[row + SINCE] + traffic.messages[message + WORK]
    # Its place is that of the message which stood there ``link_depth`` messages ago.
    place = (state.ports[(port << 3) + LEFT] - shape.link_depth) & (shape.link_room - 1)
    free = state.fifo[port * shape.link_room + place] + 1
    made = max(made, traffic.messages[message + EARLIEST], free)
    traffic.messages[message + INJECT] = made
    traffic.senders[row + SINCE] = made
    return made


def submit(shape, state, traffic, slots, axon, paths, sent_ps, start_ps, sweep_ps, scheduled):  # type: ignore[no-untyped-def]
    """Give the messages of a step, and the sweeps that make them, to the senders.

    ``slots`` are the messages' numbers, sorted by sender, and ``axon`` their rows in ``paths``;
    ``sent_ps`` counts from ``start_ps`` if nothing blocks them. ``sweep_ps`` is the length of each
    core's sweep. Where messages are not ``scheduled``, an overrun delays the next sweep.
    """
    senders, messages = traffic.senders, traffic.messages
    n, first = len(slots), 0
    if not scheduled:
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
        messages[message + FLIT] = slot << 32 | paths[path + FLIT]
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
            at = enter(shape, state, traffic, s)
            if not (scheduled and at == messages[message + EARLIEST]):
                heap_push(state.heap_ps, state.heap_what, state.size, at, s)
        else:
            messages[(senders[row + TAIL] << 3) + FOLLOWING] = slot
        senders[row + TAIL] = slot
        # The host has no sweep: its work ends with its last message.
        senders[row + REST] = max(sweep_ps[s - 1] - sent_ps[k], 0) if s else 0


def follow(shape, state, traffic, sender, now, scheduled):  # type: ignore[no-untyped-def]
    """The next message of a sender whose first one left; whether it competes at once."""
    row = sender << 3
    slot = traffic.messages[(traffic.senders[row + HEAD] << 3) + FOLLOWING]
    traffic.senders[row + HEAD] = slot
    if slot < 0:
        return False
    at = enter(shape, state, traffic, sender)
    if at <= now + 1:
        return True
    if not (scheduled and at == traffic.messages[(slot << 3) + EARLIEST]):
        heap_push(state.heap_ps, state.heap_what, state.size, at, sender)
    return False


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
        left = state.ports[(port << 3) + LEFT]
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
                    place = port * shape.link_room + (before & (shape.link_room - 1))
                    at = max(at, state.fifo[place] + 1)
            head = False
            if at >= until_ps:
                break
            inject_ps[message] = at
            message = messages[(message << 3) + FOLLOWING]
        while message >= 0:
            inject_ps[message] = -1
            message = messages[(message << 3) + FOLLOWING]
