"""The mesh of :mod:`hwmodels.fabric.mesh` with its senders and receivers, over flat tables.

In: messages, each with its sender, its path and what it costs its receiver. Out: when each entered
the mesh and when it arrived. The rules are those of the SimPy model, to the picosecond; this file
says how they are computed without a process for each router. Its functions work on lists as well
as on arrays (:mod:`hwmodels.fabric.mesh_tables`), and are written so that Numba can compile them.

Routers act on one another only by packets, after the latency of a link, and by credits, after
the credit time. So within a window of time that is no longer than either, each router is computed
on its own, whatever the others do meanwhile (*bounded lag*: B. D. Lubachevsky, Efficient
distributed event-driven simulations of multiple-loop networks, Communications of the ACM 32,
1989, 111-123). What makes it fast:

* There are no events. A packet takes its place in the FIFO behind a link when it is sent, with
  the time from which it is there; a router looks for the output that may grant first, until none
  may within the window (:func:`visit`).
* A packet that arrives where nothing else happens in the window is passed on at once
  (:func:`pass_on`).
* Only routers that may grant in a window are looked at; what waits for a place downstream is
  forgotten until a packet leaves there.
* A place in a FIFO that was left keeps the time of leaving, which is all that the credit of this
  place is about: credits are counted when an output may need one, not when they fly.
* Receivers serve in order of arrival, so a service begins when the packet is there and the one
  before it is done; likewise a message enters its injection port when its sender has made it and
  a place is free. Neither needs an event of its own.
"""

from __future__ import annotations

from hwmodels.compiling import lowest_bit
from hwmodels.fabric.mesh_ports import (
    arrive,
    compete,
    count,
    eject,
    expected_at,
    give_back,
    launch,
    place_of,
    port_of,
    put_in_order,
    wait,
    wanted,
)
from hwmodels.fabric.mesh_senders import all_done_ps, enter, entries, follow, submit
from hwmodels.fabric.mesh_tables import (
    ARRIVALS,
    ARRIVING,
    AT,
    AWAITED,
    CYCLE,
    CYCLE_BITS,
    DUE,
    FAR,
    FLIT_THERE,
    FREE,
    GRANTED,
    INDEX,
    INPUT_BITS,
    INPUTS,
    LEFT,
    LINE,
    LINK,
    MASK,
    MASK_BITS,
    NEVER,
    NEXT,
    NOW,
    POINTER,
    READY,
    ROUTER_WINDOWS,
    ROUTERS,
    SURE,
    WANTED,
    WANTS,
    WHAT,
    WHEN,
    WHERE,
    WINDOW,
    WINDOWS,
)
from hwmodels.fabric.mesh_wheel import ahead, heap_put, heap_take, next_window, unlink, unmark, wake


def least_of_line(mesh, k):  # type: ignore[no-untyped-def]
    """The least of eight numbers."""
    one, two = min(mesh[k], mesh[k + 1]), min(mesh[k + 2], mesh[k + 3])
    three, four = min(mesh[k + 4], mesh[k + 5]), min(mesh[k + 6], mesh[k + 7])
    return min(min(one, two), min(three, four))


def earliest(mesh, router, inputs):  # type: ignore[no-untyped-def]
    """The output of a router that may grant first, and when: see ``DUE``."""
    first = (router + DUE) & INDEX
    least = least_of_line(mesh, first)
    if inputs > LINE:
        least = min(least, least_of_line(mesh, first + LINE))
        if inputs > 2 * LINE:
            least = min(least, least_of_line(mesh, first + 2 * LINE))
            least = min(least, least_of_line(mesh, first + 3 * LINE))
    return least


def contest(shape, mesh, router, wants, pointer, now):  # type: ignore[no-untyped-def]
    """Round robin: of the inputs whose head competes by now, the first at or after the pointer.

    Returns it, and when the first of all others competes.
    """
    chosen, next_ps = -1, NEVER
    rest, others = (wants >> pointer) << pointer, wants & ((1 << pointer) - 1)
    if not rest:
        rest, others = others, 0
    while rest:
        mine = lowest_bit(rest)
        ready = mesh[port_of(shape, router, mine) + READY]
        if chosen < 0 and ready <= now:
            chosen = mine
        else:
            next_ps = min(next_ps, ready)
        rest &= rest - 1
        if not rest:
            rest, others = others, 0
    return chosen, next_ps


def take(shape, state, router, mine, port, now):  # type: ignore[no-untyped-def]
    """The head of an input from a link leaves it; returns its flit."""
    mesh = state.mesh
    left = mesh[port + LEFT]
    place = place_of(shape, port, left)
    flit = mesh[place + WHAT]
    mesh[port + LEFT] = left + 1
    mesh[place + WHEN] = now
    mesh[place + WHAT] = 0
    if mesh[port + WANTS] & AWAITED:
        give_back(shape, state, router, mine, now)
    return flit


def send(shape, state, traffic, router, output, port, number, flit, now, n):  # type: ignore[no-untyped-def]
    """A granted packet leaves the router; returns how many messages have arrived."""
    if output < 4:
        launch(shape, state, router, output, port, number, flit, now)
        return n
    receiver = (state.mesh[port + LINK] >> CYCLE_BITS) & INDEX
    eject(shape, state, traffic, receiver, number, flit, now, n)
    return n + 1


def pass_on(shape, state, traffic, router, mine, output, flit, now, end_ps, n):  # type: ignore[no-untyped-def]
    """A packet arrives, and in this window nothing else happens at the output that it wants.

    Returns whether it is granted as it arrives, and how many messages have arrived.
    """
    mesh, port = state.mesh, port_of(shape, router, mine)
    out = port_of(shape, router, output)
    number, asked = mesh[out + GRANTED], mesh[out + WANTS]
    if now >= end_ps or asked & MASK or mesh[out + FREE] > now:
        return False, n
    if number == mesh[out + SURE] and not count(shape, state, router, output, number, now):
        return False, n
    mesh[out + GRANTED] = number + 1
    mesh[out + FREE] = now + (mesh[out + LINK] & CYCLE)
    # A link is never the last input.
    mesh[out + WANTS] = asked & AWAITED | (mine + 1) << MASK_BITS
    take(shape, state, router, mine, port, now)
    return True, send(shape, state, traffic, router, output, out, number, flit, now, n)


def visit(shape, state, traffic, router, end_ps, n):  # type: ignore[no-untyped-def]
    """All that a router grants before ``end_ps``.

    Returns when it will do something next, as far as this is known, and how many messages have
    arrived.
    """
    mesh = state.mesh
    while True:
        due = earliest(mesh, router, shape.inputs)
        now, output = due >> INPUT_BITS, due & INPUTS
        if now >= end_ps:
            return now, n
        out = port_of(shape, router, output)
        number, asked = mesh[out + GRANTED], mesh[out + WANTS]
        if number == mesh[out + SURE] and not count(shape, state, router, output, number, now):
            wait(shape, state, router, output)
            continue
        wants = asked & MASK
        if wants & (wants - 1):
            pointer = (asked >> MASK_BITS) & POINTER
            mine, ready = contest(shape, mesh, router, wants, pointer, now)
        else:
            mine, ready = lowest_bit(wants), NEVER
        pointer = mine + 1 if mine + 1 < shape.inputs else 0
        mesh[out + GRANTED] = number + 1
        mesh[out + WANTS] = asked & AWAITED | pointer << MASK_BITS | wants ^ (1 << mine)

        # Its link is taken for a cycle; then the first of those that want it is next.
        free = now + (mesh[out + LINK] & CYCLE)
        mesh[out + FREE] = free
        mesh[router + DUE + output] = max(ready, free) << INPUT_BITS | output

        # The head behind the one that leaves competes from the next ps on.
        into = port_of(shape, router, mine)
        if mine < 4:
            flit = take(shape, state, router, mine, into, now)
            place = place_of(shape, into, mesh[into + LEFT])
            behind = mesh[place + WHAT]
            if behind:
                compete(shape, mesh, router, mine, behind, max(mesh[place + WHEN], now + 1))
            else:
                mesh[into + READY] = FAR
        else:
            flit = follow(shape, state, traffic, router, mine, into, now)
        n = send(shape, state, traffic, router, output, out, number, flit, now, n)


def advance(shape, state, traffic, until_ps, ordered):  # type: ignore[no-untyped-def]
    """Everything that happens before ``until_ps``; returns how many messages arrived.

    Their order matters only if it shall be ``ordered``.
    """
    mesh, wheel, n, length = state.mesh, state.wheel, 0, 1 << shape.window
    while True:
        window = next_window(shape, state, until_ps)
        if window == FAR or window << shape.window >= until_ps:
            return n
        slot, before = window & (WINDOWS - 1), n
        end_ps = min((window << shape.window) + length, until_ps)
        wheel[NOW] = window
        arriving, first, arrivals = state.arriving, slot * shape.arrivals, wheel[ARRIVALS + slot]
        wheel[ARRIVALS + slot] = 0
        for k in range(arrivals):
            row = ((first + k) << 2) & INDEX
            where, output = arriving[row + WHERE], arriving[row + WANTED] & INPUTS
            router, mine = (where >> INPUT_BITS) & INDEX, where & INPUTS
            expected = expected_at(router, output)
            if mesh[expected] >> (slot + WINDOWS) & 1:
                wake(shape, state, router, arriving[row + AT])
            mesh[expected] &= ~(1 << slot | 1 << slot + WINDOWS)
            if mesh[port_of(shape, router, mine) + READY] != FAR:
                continue  # it stands behind another one
            done = False
            if mesh[router + WINDOW] != window:
                flit, now = arriving[row + FLIT_THERE], arriving[row + AT]
                done, n = pass_on(shape, state, traffic, router, mine, output, flit, now, end_ps, n)
            if not done:
                arrive(shape, state, router, mine)
        wheel[ARRIVING] &= ~(1 << slot)
        slot = window & (ROUTER_WINDOWS - 1)
        router = wheel[ROUTERS + slot]
        if router >= 0:
            wheel[ROUTERS + slot] = -1
            unmark(wheel, slot)
        while router >= 0:
            mesh[router + WINDOW], behind = FAR, mesh[router + NEXT]
            due, n = visit(shape, state, traffic, router & INDEX, end_ps, n)
            wake(shape, state, router & INDEX, due)
            router = behind
        if ordered:
            put_in_order(traffic, before, n)
        if end_ps == until_ps:
            return n


def carry(shape, state, traffic, slots, axon, paths, sent_ps, start_ps, sweep_ps, ordered):  # type: ignore[no-untyped-def]
    """A step whose end everything waits for: how many messages arrived, and when all was done.

    See :func:`submit` and :func:`advance`.
    """
    submit(shape, state, traffic, slots, axon, paths, sent_ps, start_ps, sweep_ps, True)
    n = advance(shape, state, traffic, FAR, ordered)
    return n, all_done_ps(state, traffic)


#: The functions that a kernel calls.
_COMPETE = (expected_at, port_of, place_of, wanted, compete, heap_put, unmark, unlink, wake, enter)
_ADVANCE = (
    *_COMPETE, heap_take, ahead, next_window, arrive, launch, eject, put_in_order, count, wait,
    give_back, follow, least_of_line, earliest, contest, take, send, pass_on, visit,
)  # fmt: skip
PARTS = {
    advance: _ADVANCE,
    submit: _COMPETE,
    entries: (place_of,),
    carry: (*_ADVANCE, submit, advance, all_done_ps),
}
