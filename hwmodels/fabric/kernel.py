"""The mesh of :mod:`hwmodels.fabric.mesh` with its senders and receivers, over flat tables.

In: messages, each with its sender, its path and what it costs its receiver. Out: when each entered
the mesh and when it arrived. The rules are those of the SimPy model, to the picosecond; this file
says how they are computed without a process for each router. :func:`advance` works on lists as
well as on arrays, and is written so that Numba can compile it.

What makes it fast:

* Everything that a grant brings about comes after one of a few fixed delays (latency and cycle of
  rows and columns, credit, one picosecond). What comes after the same delay comes in the order
  in which it was set off, so each delay has a queue (a *lane*) and only senders need a heap.
* Only outputs that may grant are looked at. A blocked one is forgotten until a packet leaves the
  FIFO in front of it.
* A place in a FIFO that was left keeps the time of leaving, which is all that the credit of this
  place is about: credits are counted when an output needs one, not when they fly.
* Receivers serve in order of arrival, so a service begins when the packet is there and the one
  before it is done; likewise a message enters its injection port when its sender has made it and
  a place is free. Neither needs an event of its own.

Numbers: output (or input) ``o`` of router ``r`` is ``r * stride + o``, with the neighbours first
and the local ports behind them. ``peer`` leads from an output to the input at the other end of its
link, and from an input back to the output. A *flit* is a packet under way: its message's number,
its port and the hops left in both directions, so that a hop is one addition.
"""

from __future__ import annotations

from typing import Any, NamedTuple

#: Later than anything, and earlier.
FAR = 1 << 62
PAST = -FAR

#: What an output is doing: nothing; about to be looked at; occupied by a packet; waiting for a
#: credit that is on its way; waiting for one that is not.
IDLE, READY, BUSY, STUCK, WAITING = range(5)

#: Numbers of a port. Of its input: packets that entered the FIFO and that left it. Of its output:
#: packets granted, credits returned, what it is doing, the mask of inputs that want it, the
#: pointer of round robin, and the most packets that were in the FIFO behind it or on their way.
ENTERED, LEFT, GRANTED, RETURNED, DOING, WANT, POINTER, MOST = range(8)

#: Fields of a flit: message << 32 | port << 24 | east << 12 | north, both with an offset.
OFFSET = 2048
_FIELD = 4095

#: A number known to be no less than 0 needs no test for an index from the end: see ``& INDEX``.
INDEX = (1 << 32) - 1

#: Powers of two differ modulo 67; this table gives the exponent back.
EXPONENTS = [0] * 67
for _exponent in range(63):
    EXPONENTS[(1 << _exponent) % 67] = _exponent


class Shape(NamedTuple):
    """What never changes. A ``room`` is the power of two that a depth takes in memory.

    By direction: ``hop`` is what an output adds to a flit. By port: ``arrival_lane`` and
    ``free_lane`` are the lanes of the arrival behind an output and of its link's becoming free
    (-1: at the same time); ``receiver`` is the row of an ejection port in the receivers' tables,
    ``sender`` the sender at an injection port.
    """

    stride: int
    inputs: int
    link_depth: int
    link_room: int
    port_depth: int
    port_room: int
    credit_ps: int
    lane_room: int
    credit_lane: int
    next_lane: int
    exponents: Any
    peer: Any
    hop: Any
    arrival_lane: Any
    free_lane: Any
    receiver: Any
    sender: Any


class State(NamedTuple):
    """What changes in the mesh.

    ``fifo`` holds flits, or when they left; ``ports`` the eight numbers of each port together,
    since they are used together (see :data:`ENTERED` and those below it). Over receivers: when
    services began (``served_ps``) and the last one ends (``done_ps``). Then the lanes, the heap
    (with its ``size``) and room for the work of one instant.
    """

    fifo: Any
    ports: Any
    served_ps: Any
    done_ps: Any
    lane_delay: Any
    lane_first: Any
    lane_last: Any
    lane_ps: Any
    event_ps: Any
    event_output: Any
    event_flit: Any
    heap_ps: Any
    heap_what: Any
    size: Any
    ready: Any
    popped: Any


class Traffic(NamedTuple):
    """Senders and their messages by number.

    Over senders: the ``port`` they enter at, the first and last message that they still have
    (``head``, ``tail``; -1: none), when their last one entered (``last_ps``), and what they do
    after all of them: ``rest_ps`` of work, but not before ``rest_until_ps``. Over messages: a
    message is made when ``work_ps`` has passed since the one before it entered, but not before
    ``earliest_ps``; ``following`` is the next one of its sender, or -1. ``delivered`` receives the
    numbers of messages by time of arrival and then by ``receiver``.
    """

    port: Any
    head: Any
    tail: Any
    last_ps: Any
    rest_ps: Any
    rest_until_ps: Any
    flit: Any
    receiver: Any
    work_ps: Any
    earliest_ps: Any
    service_ps: Any
    following: Any
    inject_ps: Any
    arrive_ps: Any
    delivered: Any


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


def wanted_output(flit, first):  # type: ignore[no-untyped-def]
    """The output that a flit wants at the router whose outputs begin at ``first``."""
    east, north = (flit >> 12) & _FIELD, flit & _FIELD
    if east != OFFSET:
        return first if east > OFFSET else first + 1
    if north != OFFSET:
        return first + 2 if north > OFFSET else first + 3
    return first + 4 + ((flit >> 24) & 255)


def enter(shape, state, traffic, sender):  # type: ignore[no-untyped-def]
    """Let the message a sender is at enter its port, all before it being gone; returns when."""
    message, port = traffic.head[sender], traffic.port[sender]
    made = traffic.last_ps[sender] + traffic.work_ps[message]
    if made < traffic.earliest_ps[message]:
        made = traffic.earliest_ps[message]
    # Its place is that of the message which stood there ``link_depth`` messages ago.
    place = (state.ports[(port << 3) + LEFT] - shape.link_depth) & (shape.link_room - 1)
    free = state.fifo[port * shape.link_room + place] + 1
    if made < free:
        made = free
    traffic.inject_ps[message] = made
    traffic.last_ps[sender] = made
    return made


def submit(shape, state, traffic, slots, sender, sent_ps, start_ps, sweep_ps, idle_too):  # type: ignore[no-untyped-def]
    """Give the messages of a step, and the sweeps that make them, to the senders.

    ``slots`` are the messages' numbers, sorted by ``sender``; ``sent_ps`` counts from ``start_ps``
    if nothing blocks them. ``sweep_ps`` is the length of each sender's sweep (0 for the host);
    those without messages matter only where an overrun delays the next sweep (``idle_too``).
    """
    n, senders = len(slots), len(traffic.head)
    first = 0
    if idle_too:
        for s in range(senders):
            while first < n and sender[first] < s:
                first += 1
            if sweep_ps[s] and not (first < n and sender[first] == s):
                traffic.rest_ps[s] += sweep_ps[s]
                traffic.rest_until_ps[s] = max(traffic.rest_until_ps[s], start_ps) + sweep_ps[s]
    for k in range(n):
        s, slot = sender[k], slots[k]
        traffic.following[slot] = -1
        if k == 0 or sender[k - 1] != s:
            traffic.work_ps[slot] = traffic.rest_ps[s] + sent_ps[k]
            begins = max(traffic.rest_until_ps[s], start_ps)
            traffic.earliest_ps[slot] = begins + sent_ps[k]
        else:
            traffic.work_ps[slot] = sent_ps[k] - sent_ps[k - 1]
            traffic.earliest_ps[slot] = PAST
        if traffic.head[s] < 0:
            traffic.head[s] = slot
            at = enter(shape, state, traffic, s)
            heap_push(state.heap_ps, state.heap_what, state.size, at, s)
        else:
            traffic.following[traffic.tail[s]] = slot
        traffic.tail[s] = slot
        if k + 1 == n or sender[k + 1] != s:
            traffic.rest_ps[s] = max(sweep_ps[s] - sent_ps[k], 0)
            traffic.rest_until_ps[s] = PAST


def all_done_ps(state, traffic):  # type: ignore[no-untyped-def]
    """When the last service and the last sweep end, once every message has arrived."""
    latest = PAST
    for row in range(len(state.done_ps)):
        latest = max(latest, state.done_ps[row])
    for s in range(len(traffic.head)):
        latest = max(latest, traffic.last_ps[s] + traffic.rest_ps[s])
    return latest


def entries(shape, state, traffic, until_ps, inject_ps):  # type: ignore[no-untyped-def]
    """When the messages that senders still have entered their ports; -1 for those outside."""
    for s in range(len(traffic.head)):
        message, left = traffic.head[s], state.ports[(traffic.port[s] << 3) + LEFT]
        number = left
        at, head = traffic.last_ps[s], True
        while message >= 0:
            if not head:
                at = max(at + traffic.work_ps[message], traffic.earliest_ps[message])
                number += 1
                before = number - shape.link_depth
                if before >= left:
                    at = FAR
                else:
                    place = traffic.port[s] * shape.link_room + (before & (shape.link_room - 1))
                    at = max(at, state.fifo[place] + 1)
            head = False
            if at >= until_ps:
                break
            inject_ps[message] = at
            message = traffic.following[message]
        while message >= 0:
            inject_ps[message] = -1
            message = traffic.following[message]


def advance(shape, state, traffic, until_ps):  # type: ignore[no-untyped-def]
    """Everything that happens before ``until_ps``; returns how many messages arrived.

    Each turn of the loop is an instant with its two phases: what arrives, arrives; then each
    output that may grant does, on what was there.
    """
    stride, link_depth, link_room = shape.stride, shape.link_depth, shape.link_room
    port_depth, port_room, credit_ps = shape.port_depth, shape.port_room, shape.credit_ps
    lane_room, credit_lane, next_lane = shape.lane_room, shape.credit_lane, shape.next_lane
    exponents, peer, inputs = shape.exponents, shape.peer, shape.inputs
    fifo, ports = state.fifo, state.ports
    lane_first, lane_last, lane_ps = state.lane_first, state.lane_last, state.lane_ps
    event_ps, event_output, event_flit = state.event_ps, state.event_output, state.event_flit
    heap_ps, heap_what, size = state.heap_ps, state.heap_what, state.size
    ready, popped, delivered = state.ready, state.popped, traffic.delivered
    arrive_ps, receiver = traffic.arrive_ps, traffic.receiver
    lanes, senders, n_delivered = len(lane_ps), len(traffic.head), 0
    while True:
        now = heap_ps[0] if size[0] else FAR
        for lane in range(lanes):
            if lane_ps[lane] < now:
                now = lane_ps[lane]
        if now >= until_ps:
            return n_delivered

        # What arrives at this instant.
        n_ready = 0
        for lane in range(lanes):
            while lane_ps[lane] == now:
                place = (lane * lane_room + (lane_first[lane] & (lane_room - 1))) & INDEX
                output, flit = event_output[place] & INDEX, event_flit[place]
                lane_first[lane] += 1
                if lane_first[lane] < lane_last[lane]:
                    place = (lane * lane_room + (lane_first[lane] & (lane_room - 1))) & INDEX
                    lane_ps[lane] = event_ps[place]
                else:
                    lane_ps[lane] = FAR
                if flit >= 0:
                    there = peer[output] & INDEX
                    record = there << 3
                    last = ports[record + ENTERED]
                    fifo[(there * link_room + (last & (link_room - 1))) & INDEX] = flit
                    ports[record + ENTERED] = last + 1
                    if last == ports[record + LEFT]:
                        mine = there & (stride - 1)
                        head = (wanted_output(flit, there - mine) & INDEX) << 3
                        ports[head + WANT] |= 1 << mine
                        if ports[head + DOING] == IDLE:
                            ports[head + DOING] = READY
                            ready[n_ready] = head
                            n_ready += 1
                    if shape.free_lane[output] >= 0:
                        continue
                record = output << 3
                if ports[record + WANT]:
                    ports[record + DOING] = READY
                    ready[n_ready] = record
                    n_ready += 1
                else:
                    ports[record + DOING] = IDLE
        while size[0] and heap_ps[0] == now:
            what = heap_pop(heap_ps, heap_what, size) & INDEX
            if what < senders:
                there = traffic.port[what] & INDEX
                flit = traffic.flit[traffic.head[what] & INDEX]
                mine = there & (stride - 1)
                record = (wanted_output(flit, there - mine) & INDEX) << 3
                ports[record + WANT] |= 1 << mine
                if ports[record + DOING] != IDLE:
                    continue
            else:
                record = (what - senders) << 3
            if ports[record + WANT]:
                ports[record + DOING] = READY
                ready[n_ready] = record
                n_ready += 1
            else:
                ports[record + DOING] = IDLE

        # Each output that may grant.
        n_popped = 0
        for k in range(n_ready):
            record = ready[k] & INDEX
            output = record >> 3
            direction = output & (stride - 1)
            number, back = ports[record + GRANTED], ports[record + RETURNED]
            if direction < 4:
                there = peer[output] & INDEX
                first, gone = (there * link_room) & INDEX, ports[(there << 3) + LEFT]
                while (
                    back < gone
                    and fifo[(first + (back & (link_room - 1))) & INDEX] + credit_ps <= now
                ):
                    back += 1
                ports[record + RETURNED] = back
                if number - back == link_depth:
                    if back < gone:
                        ports[record + DOING] = STUCK
                        at = fifo[first + (back & (link_room - 1))] + credit_ps
                        heap_push(heap_ps, heap_what, size, at, senders + output)
                    else:
                        ports[record + DOING] = WAITING
                    continue
            else:
                row = shape.receiver[output] & INDEX
                first = (row * port_room) & INDEX
                while (
                    back < number
                    and state.served_ps[(first + (back & (port_room - 1))) & INDEX] + credit_ps
                    <= now
                ):
                    back += 1
                ports[record + RETURNED] = back
                if number - back == port_depth:
                    ports[record + DOING] = STUCK
                    at = state.served_ps[first + (back & (port_room - 1))] + credit_ps
                    heap_push(heap_ps, heap_what, size, at, senders + output)
                    continue
            ports[record + GRANTED] = number + 1
            if number + 1 - back > ports[record + MOST]:
                ports[record + MOST] = number + 1 - back

            # Round robin: the first input at or after the pointer, or else the first.
            mask, pointer = ports[record + WANT], ports[record + POINTER]
            beyond = mask >> pointer
            if beyond:
                mine = pointer + exponents[(beyond & -beyond) % 67]
            else:
                mine = exponents[(mask & -mask) % 67]
            ports[record + POINTER] = mine + 1 if mine + 1 < inputs else 0
            mask &= ~(1 << mine)
            ports[record + WANT] = mask

            # The packet leaves its FIFO, and the head behind it competes from the next ps on.
            here = (output - direction + mine) & INDEX
            source = here << 3
            last = ports[source + LEFT]
            place = (here * link_room + (last & (link_room - 1))) & INDEX
            ports[source + LEFT] = last + 1
            if mine < 4:
                flit = fifo[place]
                fifo[place] = now
                upstream = peer[here] & INDEX
                if ports[(upstream << 3) + DOING] == WAITING:
                    ports[(upstream << 3) + DOING] = STUCK
                    at, place = now + credit_ps, credit_lane * lane_room
                    place = (place + (lane_last[credit_lane] & (lane_room - 1))) & INDEX
                    event_ps[place], event_output[place], event_flit[place] = at, upstream, -1
                    lane_last[credit_lane] += 1
                    if lane_ps[credit_lane] == FAR:
                        lane_ps[credit_lane] = at
                if ports[source + ENTERED] > last + 1:
                    popped[n_popped] = here
                    n_popped += 1
            else:
                fifo[place] = now
                sender = shape.sender[here] & INDEX
                message = traffic.head[sender] & INDEX
                flit = traffic.flit[message]
                message = traffic.following[message]
                traffic.head[sender] = message
                if message >= 0:
                    at = enter(shape, state, traffic, sender)
                    if at > now + 1:
                        heap_push(heap_ps, heap_what, size, at, sender)
                    else:
                        popped[n_popped] = here
                        n_popped += 1

            if direction < 4:
                ports[record + DOING] = BUSY
                lane = shape.arrival_lane[output] & INDEX
                at = now + state.lane_delay[lane]
                place = (lane * lane_room + (lane_last[lane] & (lane_room - 1))) & INDEX
                event_ps[place], event_output[place] = at, output
                event_flit[place] = flit + shape.hop[direction]
                lane_last[lane] += 1
                if lane_ps[lane] == FAR:
                    lane_ps[lane] = at
                lane = shape.free_lane[output]
                if lane < 0:
                    continue
            else:
                message = (flit >> 32) & INDEX
                begins = state.done_ps[row]
                if begins < now:
                    begins = now
                state.served_ps[(first + (number & (port_room - 1))) & INDEX] = begins
                state.done_ps[row] = begins + traffic.service_ps[message]
                arrive_ps[message] = now
                place = n_delivered
                while (
                    place > 0
                    and arrive_ps[delivered[place - 1]] == now
                    and receiver[delivered[place - 1]] > receiver[message]
                ):
                    delivered[place] = delivered[place - 1]
                    place -= 1
                delivered[place] = message
                n_delivered += 1
                if not mask:
                    ports[record + DOING] = IDLE
                    continue
                ports[record + DOING] = READY
                lane = next_lane
            # The link becomes free, or the port's next packet competes.
            at = now + state.lane_delay[lane]
            place = (lane * lane_room + (lane_last[lane] & (lane_room - 1))) & INDEX
            event_ps[place], event_output[place], event_flit[place] = at, output, -1
            lane_last[lane] += 1
            if lane_ps[lane] == FAR:
                lane_ps[lane] = at

        # New heads; nothing looks at them before the next picosecond.
        for k in range(n_popped):
            here = popped[k] & INDEX
            mine = here & (stride - 1)
            if mine < 4:
                left = ports[(here << 3) + LEFT]
                flit = fifo[(here * link_room + (left & (link_room - 1))) & INDEX]
            else:
                flit = traffic.flit[traffic.head[shape.sender[here] & INDEX] & INDEX]
            output = wanted_output(flit, here - mine) & INDEX
            record = output << 3
            ports[record + WANT] |= 1 << mine
            if ports[record + DOING] == IDLE:
                ports[record + DOING] = READY
                at = now + 1
                place = (next_lane * lane_room + (lane_last[next_lane] & (lane_room - 1))) & INDEX
                event_ps[place], event_output[place], event_flit[place] = at, output, -1
                lane_last[next_lane] += 1
                if lane_ps[next_lane] == FAR:
                    lane_ps[next_lane] = at


#: The functions that a kernel calls.
PARTS = {
    advance: (heap_push, heap_pop, wanted_output, enter),
    submit: (heap_push, enter),
}
