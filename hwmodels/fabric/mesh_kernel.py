"""The mesh of :mod:`hwmodels.fabric.mesh` with its senders and receivers, over flat tables.

In: messages, each with its sender, its path and what it costs its receiver. Out: when each entered
the mesh and when it arrived. The rules are those of the SimPy model, to the picosecond; this file
says how they are computed without a process for each router. Its functions work on lists as well
as on arrays (:mod:`hwmodels.fabric.mesh_tables`), and are written so that Numba can compile them.

What makes it fast:

* Everything that a grant brings about comes after one of a few fixed delays (latency and cycle of
  rows and columns, credit, one picosecond). What comes after the same delay comes in the order
  in which it was set off, so each delay has a queue (a *lane*) and only what waits longer needs a
  heap. Senders that nothing holds up follow a schedule that is sorted once.
* A packet that arrives alone at a router where nothing is in its way is granted at once
  (:func:`advance`); only what meets takes the two phases of an instant.
* Only outputs that may grant are looked at. A blocked one is forgotten until a packet leaves the
  FIFO in front of it.
* A place in a FIFO that was left keeps the time of leaving, which is all that the credit of this
  place is about: credits are counted when an output may need one, not when they fly.
* Receivers serve in order of arrival, so a service begins when the packet is there and the one
  before it is done; likewise a message enters its injection port when its sender has made it and
  a place is free. Neither needs an event of its own.
"""

from __future__ import annotations

from hwmodels.fabric.mesh_ports import (
    compete,
    count,
    eject,
    launch,
    push,
    receiver_at,
    release,
    wait,
    want,
    wanted,
)
from hwmodels.fabric.mesh_senders import (
    all_done_ps,
    enter,
    follow,
    heap_pop,
    heap_push,
    submit,
)
from hwmodels.fabric.mesh_tables import (
    AHEAD,
    APART,
    AWAITED,
    BUSY,
    DUE,
    ENDS,
    ENTERED,
    FAR,
    FIRST,
    FLIT,
    GRANTED,
    HEAD,
    IDLE,
    INDEX,
    INJECT,
    LANES,
    LAST,
    LEFT,
    MASK,
    OUTPUT,
    OUTPUT_BITS,
    POINTER,
    PORT,
    READY,
    SPREAD,
    STATE,
    STUCK,
    SURE,
)


def first_due(lanes):  # type: ignore[no-untyped-def]
    """When the earliest event of all lanes is due, and the first lane that has it."""
    due, lane = lanes[DUE], 0
    for other in range(1, len(lanes) >> 2):
        if lanes[(other << 2) + DUE] < due:
            due, lane = lanes[(other << 2) + DUE], other
    return due, lane


def pass_on(shape, state, traffic, now, lane, until_ps, n_delivered):  # type: ignore[no-untyped-def]
    """Arrivals, and links that become free, while nothing else happens at the same time.

    The first event of all is that of ``lane`` at ``now``. Stops before ``until_ps``, and before
    what must go through both phases of an instant; returns when that is, its lane, and how many
    messages have arrived.
    """
    link_room, lane_room, across, way = shape.link_room, shape.lane_room, shape.across, shape.way
    fifo, ports, lanes, events = state.fifo, state.ports, state.lanes, state.events
    ports_mask, in_lane, in_link = (1 << shape.shift) - 1, lane_room - 1, link_room - 1
    while now < until_ps:
        row = lane << 2
        first = lanes[row + FIRST]
        place = ((lane * lane_room + (first & in_lane)) << 1) & INDEX
        event = events[place]
        output = (event >> 1) & OUTPUT
        record = output << 3
        arrives, frees = event & 1, not (event & 1 and ports[record + LANES] & APART)
        if frees and ports[record + STATE] != BUSY:
            break
        # When the next event is due, of this lane and of all.
        first += 1
        coming = FAR
        if first < lanes[row + LAST]:
            following = ((lane * lane_room + (first & in_lane)) << 1) & INDEX
            coming = now + (((events[following] >> OUTPUT_BITS) - now) & AHEAD)
        lanes[row + DUE] = coming
        coming, after = first_due(lanes)
        if coming == now:
            lanes[row + DUE] = now
            break
        if not arrives:
            ports[record + STATE] = IDLE
            lanes[row + FIRST] = first
            now, lane = coming, after
            continue
        flit = events[place + 1]
        there = (output + across[output & ports_mask]) & INDEX
        behind = there << 3
        entered = ports[behind + ENTERED]
        mine = there & ports_mask
        place = (there * link_room + (entered & in_link)) & INDEX
        if entered != ports[behind + LEFT]:
            fifo[place] = flit
        else:
            output = (there - mine + wanted(way, flit)) & INDEX
            head = output << 3
            doing, number = ports[head + STATE], ports[head + GRANTED]
            if doing > MASK:
                fifo[place] = flit
                ports[head + STATE] = doing | 1 << mine
            else:
                if ports[behind + AWAITED] or (
                    number == ports[head + SURE] and not count(shape, state, output, number, now)
                ):
                    lanes[row + DUE] = now
                    break
                fifo[place] = now
                ports[behind + LEFT] = entered + 1
                ports[head + GRANTED] = number + 1
                ports[head + POINTER] = mine + 1  # a link is never the last input
                if output & ports_mask < 4:
                    ports[head + STATE] = BUSY
                    launch(shape, state, output, flit, now)
                    coming, after = first_due(lanes)
                else:
                    eject(shape, state, traffic, output, number, flit, now, n_delivered)
                    n_delivered += 1
        ports[behind + ENTERED] = entered + 1
        if frees:
            ports[record + STATE] = IDLE
        lanes[row + FIRST] = first
        now, lane = coming, after
    return now, lane, n_delivered


def start(shape, state, traffic, slot, now, n_delivered):  # type: ignore[no-untyped-def]
    """A message at the head of its port, and nothing else happens at the same time.

    Returns how many messages have arrived, and how many heads it leaves behind.
    """
    ports, messages = state.ports, traffic.messages
    message = (slot << 3) & INDEX
    ports_mask, in_link = (1 << shape.shift) - 1, shape.link_room - 1
    sender = (messages[message + ENDS] >> 32) & INDEX
    here = traffic.senders[(sender << 3) + PORT] & INDEX
    mine = here & ports_mask
    flit = messages[message + FLIT]
    output = (here - mine + wanted(shape.way, flit)) & INDEX
    record = output << 3
    doing, number = ports[record + STATE], ports[record + GRANTED]
    if doing > MASK:
        ports[record + STATE] = doing | 1 << mine
        return n_delivered, 0
    if number == ports[record + SURE] and not count(shape, state, output, number, now):
        ports[record + STATE] = 1 << mine
        wait(shape, state, output, number)
        return n_delivered, 0
    left = ports[(here << 3) + LEFT]
    state.fifo[(here * shape.link_room + (left & in_link)) & INDEX] = now
    ports[(here << 3) + LEFT] = left + 1
    ports[record + GRANTED] = number + 1
    ports[record + POINTER] = mine + 1 if mine + 1 < shape.inputs else 0
    if output & ports_mask < 4:
        ports[record + STATE] = BUSY
        launch(shape, state, output, flit, now)
    else:
        eject(shape, state, traffic, output, number, flit, now, n_delivered)
        n_delivered += 1
    state.popped[0] = here
    return n_delivered, int(follow(shape, state, traffic, sender, now, True))


def arrive(shape, state, now, lane, ready):  # type: ignore[no-untyped-def]
    """All events of an instant, none in a lane before this one; how many outputs may grant."""
    link_room, lane_room, across, way = shape.link_room, shape.lane_room, shape.across, shape.way
    fifo, ports, lanes, events = state.fifo, state.ports, state.lanes, state.events
    ports_mask = (1 << shape.shift) - 1
    in_lane, in_link, n_ready = lane_room - 1, link_room - 1, 0
    for current in range(lane, len(lanes) >> 2):
        row = current << 2
        while lanes[row + DUE] == now:
            first = lanes[row + FIRST]
            place = ((current * lane_room + (first & in_lane)) << 1) & INDEX
            event, flit = events[place], events[place + 1]
            first += 1
            lanes[row + FIRST] = first
            coming = FAR
            if first < lanes[row + LAST]:
                place = ((current * lane_room + (first & in_lane)) << 1) & INDEX
                coming = now + (((events[place] >> OUTPUT_BITS) - now) & AHEAD)
            lanes[row + DUE] = coming
            output = (event >> 1) & OUTPUT
            record = output << 3
            if event & 1:
                there = (output + across[output & ports_mask]) & INDEX
                behind = there << 3
                entered = ports[behind + ENTERED]
                fifo[(there * link_room + (entered & in_link)) & INDEX] = flit
                ports[behind + ENTERED] = entered + 1
                if entered == ports[behind + LEFT]:
                    mine = there & ports_mask
                    head = there - mine + wanted(way, flit)
                    n_ready = want(ports, head, mine, ready, n_ready)
                if ports[record + LANES] & APART:
                    continue
            n_ready = release(ports, output, ready, n_ready)
    return n_ready


def grant(shape, state, traffic, ready, n_ready, n_popped, soon, now, scheduled, n_delivered):  # type: ignore[no-untyped-def]
    """Each output that may grant, does; then new heads compete.

    Returns how many outputs have to be looked at a picosecond later, and how many messages have
    arrived.
    """
    link_room, across, inputs = shape.link_room, shape.across, shape.inputs
    fifo, ports, popped = state.fifo, state.ports, state.popped
    senders, messages = traffic.senders, traffic.messages
    ports_mask, in_link, n_soon = (1 << shape.shift) - 1, link_room - 1, 0
    for k in range(n_ready):
        record = ready[k] & INDEX
        output = record >> 3
        direction = output & ports_mask
        number = ports[record + GRANTED]
        if number == ports[record + SURE] and not count(shape, state, output, number, now):
            wait(shape, state, output, number)
            continue
        ports[record + GRANTED] = number + 1

        # Round robin: the first input at or after the pointer, or else the first.
        mask, pointer = ports[record + STATE] & MASK, ports[record + POINTER]
        beyond = (mask >> pointer) << pointer
        bit = beyond & -beyond if beyond else mask & -mask
        mine = shape.places[((bit * SPREAD) & INDEX) >> 27]
        ports[record + POINTER] = mine + 1 if mine + 1 < inputs else 0
        mask ^= bit

        # The packet leaves its FIFO, and the head behind it competes from the next ps on.
        here = (output - direction + mine) & INDEX
        source = here << 3
        left = ports[source + LEFT]
        place = (here * link_room + (left & in_link)) & INDEX
        ports[source + LEFT] = left + 1
        popped[n_popped] = here
        if mine < 4:
            flit = fifo[place]
            fifo[place] = now
            n_popped += ports[source + ENTERED] > left + 1
            if ports[source + AWAITED]:
                ports[source + AWAITED] = 0
                upstream = (here + across[mine]) & INDEX
                waiting = (upstream << 3) & INDEX
                if shape.credit_ps == 1:
                    ports[waiting + STATE] = READY | ports[waiting + STATE] & MASK
                    soon[n_soon] = waiting
                    n_soon += 1
                else:
                    ports[waiting + STATE] = STUCK | ports[waiting + STATE] & MASK
                    at, room = now + shape.credit_ps, shape.lane_room
                    push(state.lanes, state.events, room, shape.credit_lane, at, upstream << 1, 0)
        else:
            fifo[place] = now
            sender = shape.sender[here] & INDEX
            flit = messages[(senders[(sender << 3) + HEAD] << 3) + FLIT]
            n_popped += follow(shape, state, traffic, sender, now, scheduled)

        if direction < 4:
            ports[record + STATE] = BUSY | mask
            launch(shape, state, output, flit, now)
        else:
            eject(shape, state, traffic, output, number, flit, now, n_delivered)
            n_delivered += 1
            if mask:
                ports[record + STATE] = READY | mask
                soon[n_soon] = record
                n_soon += 1
            else:
                ports[record + STATE] = IDLE

    # New heads; nothing looks at them before the next picosecond.
    for k in range(n_popped):
        here = popped[k] & INDEX
        mine = here & ports_mask
        if mine < 4:
            left = ports[(here << 3) + LEFT]
            flit = fifo[(here * link_room + (left & in_link)) & INDEX]
        else:
            slot = senders[((shape.sender[here] << 3) & INDEX) + HEAD]
            flit = messages[((slot << 3) & INDEX) + FLIT]
        n_soon = want(ports, here - mine + wanted(shape.way, flit), mine, soon, n_soon)
    return n_soon, n_delivered


def advance(shape, state, traffic, until_ps, schedule, bits, start_ps):  # type: ignore[no-untyped-def]
    """Everything that happens before ``until_ps``; returns how many messages arrived.

    Each turn of the loop is an instant with its two phases: what arrives, arrives; then each
    output that may grant does, on what was there. ``schedule`` are messages by the time at
    which their sender has made them if nothing holds it up: sorted words of the time from
    ``start_ps`` and, in the lowest ``bits``, the number.
    """
    lanes, ports, ready, soon = state.lanes, state.ports, state.ready, state.soon
    heap_ps, heap_what, size = state.heap_ps, state.heap_what, state.size
    messages, n_delivered, upcoming, n_schedule = traffic.messages, 0, 0, len(schedule)
    while True:
        now, lane = first_due(lanes)
        planned = start_ps + (schedule[upcoming] >> bits) if upcoming < n_schedule else FAR
        waits = heap_ps[0] if size[0] else FAR
        held = min(planned, waits, until_ps)
        if now < held:
            now, lane, n_delivered = pass_on(shape, state, traffic, now, lane, held, n_delivered)
        alone = planned < now and planned < waits
        now = min(now, planned, waits)
        if now >= until_ps:
            return n_delivered
        n_ready = n_popped = 0
        if alone and upcoming + 1 < n_schedule:
            alone = start_ps + (schedule[upcoming + 1] >> bits) > now
        if alone:
            slot = schedule[upcoming] & ((1 << bits) - 1)
            upcoming += 1
            if messages[(slot << 3) + INJECT] != now:
                continue  # its sender was held up
            n_delivered, n_popped = start(shape, state, traffic, slot, now, n_delivered)
        else:
            n_ready = arrive(shape, state, now, lane, ready)
            while size[0] and heap_ps[0] == now:
                what = heap_pop(heap_ps, heap_what, size)
                if what < 0:
                    n_ready = release(ports, -1 - what, ready, n_ready)
                else:
                    slot = traffic.senders[(what << 3) + HEAD]
                    n_ready = compete(shape, state, traffic, slot, what, ready, n_ready)
            while upcoming < n_schedule and start_ps + (schedule[upcoming] >> bits) == now:
                slot = schedule[upcoming] & ((1 << bits) - 1)
                upcoming += 1
                if messages[(slot << 3) + INJECT] == now:
                    sender = messages[(slot << 3) + ENDS] >> 32
                    n_ready = compete(shape, state, traffic, slot, sender, ready, n_ready)

        # Grants; then those of the next picosecond, at once if nothing else happens then.
        while n_ready or n_popped:
            n_soon, n_delivered = grant(
                shape, state, traffic, ready, n_ready, n_popped, soon, now, n_schedule > 0,
                n_delivered,
            )  # fmt: skip
            now, n_ready, n_popped = now + 1, 0, 0
            coming, lane = first_due(lanes)
            if size[0]:
                coming = min(coming, heap_ps[0])
            if upcoming < n_schedule:
                coming = min(coming, start_ps + (schedule[upcoming] >> bits))
            if now < coming and now < until_ps:
                ready, soon, n_ready = soon, ready, n_soon
            else:
                for k in range(n_soon):
                    output = soon[k] >> 3
                    push(lanes, state.events, shape.lane_room, shape.next_lane, now, output << 1, 0)


def carry(  # type: ignore[no-untyped-def]
    shape, state, traffic, slots, axon, paths, sent_ps, start_ps, sweep_ps, schedule, bits
):
    """A step whose end everything waits for: how many messages arrived, and when all was done.

    See :func:`submit` and :func:`advance`.
    """
    submit(shape, state, traffic, slots, axon, paths, sent_ps, start_ps, sweep_ps, True)
    n = advance(shape, state, traffic, FAR, schedule, bits, start_ps)
    return n, all_done_ps(state, traffic)


#: The functions that a kernel calls.
_ADVANCE = (
    heap_push, heap_pop, push, wanted, receiver_at, want, release, enter, eject, count, wait,
    launch, follow, compete, first_due, pass_on, start, arrive, grant,
)  # fmt: skip
PARTS = {
    advance: _ADVANCE,
    submit: (heap_push, enter),
    carry: (*_ADVANCE, submit, advance, all_done_ps),
}
