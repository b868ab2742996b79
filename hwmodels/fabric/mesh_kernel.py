"""The mesh of :mod:`hwmodels.fabric.mesh` with its senders and receivers, over flat tables.

In: messages, each with its sender, its path and what it costs its receiver. Out: when each entered
the mesh and when it arrived. The rules are those of the SimPy model, to the picosecond; this file
says how they are computed without a process for each router. Its functions work on lists as well
as on arrays (:mod:`hwmodels.fabric.mesh_tables`), and are written so that Numba can compile them.

What makes it fast:

* A hop is two things on a wheel of instants: a packet heads the FIFO of an input and competes for
  an output; and, where others still want it, the output is free again. All that happens at an
  instant is gathered before any output grants, which then is independent of all others.
* A packet takes its place in the FIFO behind a link when it is sent, with the instant from which it
  is there. It is not looked at again before it heads that FIFO.
* What waits for a place downstream is forgotten until a packet leaves there.
* A place that was left keeps the instant at which its credit is home. Of an output that never had
  more than n packets under way, only the credit of the nth last one is looked at.
* Receivers serve in order of arrival, so a service begins when the packet is there and the one
  before it is done; likewise a message enters its injection port when its sender has made it and
  a place is free. Neither needs an event of its own.
* A mesh with a clock has all its instants at edges, where many outputs grant at once.
"""

from __future__ import annotations

from hwmodels.fabric import mesh_wide
from hwmodels.fabric.mesh_packets import describe
from hwmodels.fabric.mesh_ports import (
    compete,
    credit_at,
    eject,
    give_back,
    has_credit,
    home_of,
    instant,
    launch,
    look_again,
    place_of,
    port_of,
    put_in_order,
    row_of,
    wanted,
)
from hwmodels.fabric.mesh_senders import all_done_ps, enter, entries, follow, leave, submit
from hwmodels.fabric.mesh_tables import (
    ASKED,
    AWAITED,
    CYCLE,
    CYCLE_BITS,
    FAR,
    FREE,
    GRANTED,
    INDEX,
    INPUT_BIT,
    INPUTS,
    LEFT,
    LINK,
    MOST,
    NO_INPUT,
    NOW,
    PEER,
    PEER_BITS,
    PLANNED,
    POINTER,
    POINTER_BIT,
    ROW,
    ROW_BITS,
    WHAT,
    WHEN,
)
from hwmodels.fabric.mesh_wheel import (
    heap_put,
    heap_take,
    mark,
    marked_from,
    next_instant,
    plan,
    take_list,
    unmark,
)
from hwmodels.lanes import lowest_bit


def take(shape, state, router, mine, port, now):  # type: ignore[no-untyped-def]
    """The head of an input from a link leaves it; the one behind competes from the next instant.

    Returns its flit.
    """
    mesh = state.mesh
    left = mesh[port + LEFT]
    place, after = place_of(shape, port, left), place_of(shape, port, left + 1)
    flit, home = mesh[place + WHAT], now + shape.credit
    mesh[port + LEFT] = left + 1
    mesh[place + WHEN] = home
    mesh[place + WHAT] = 0
    if mesh[port + ASKED] & AWAITED:
        give_back(shape, state, port, home)
    if mesh[after + WHAT]:
        flit_behind, at = mesh[after + WHAT], max(mesh[after + WHEN], now + 1)
        compete(shape, state, router, mine, port, flit_behind, at)
    return flit


def gather(shape, state, now):  # type: ignore[no-untyped-def]
    """Which outputs may grant at an instant, in ``granting``; returns how many."""
    mesh, granting, n = state.mesh, state.granting, 0
    entry = take_list(shape, state, now)
    while entry >= 0:
        out, mine = entry & ROW, entry >> INPUT_BIT
        entry = mesh[(entry >> ROW_BITS) & ROW]
        asked, free = mesh[out + ASKED] | 1 << mine, mesh[out + FREE]
        idle = not asked & PLANNED
        granting[n & INDEX] = out
        n += (mine == NO_INPUT) | (idle & (free <= now))
        if idle:
            asked |= PLANNED if free < FAR else 0
            if now < free < FAR:
                look_again(shape, state, out, free)
        mesh[out + ASKED] = asked
    return n


def grant(shape, state, traffic, out, now, n):  # type: ignore[no-untyped-def]
    """An output grants at an instant, if it has a credit; returns how many messages have arrived.

    Round robin: of the inputs whose head competes, the first at or after the pointer.
    """
    mesh = state.mesh
    number, here = mesh[out + GRANTED], mesh[out + PEER]
    router, output, behind = here >> PEER_BITS, (here >> ROW_BITS) & NO_INPUT, here & ROW
    if not has_credit(shape, state, output, out, behind, number, now):
        free = credit_at(shape, state, output, out, behind, number)
        mesh[out + FREE] = free
        if free < FAR:
            look_again(shape, state, out, free)
        else:
            mesh[out + ASKED] ^= PLANNED
        return n
    asked = mesh[out + ASKED]
    pointer, wants = (asked >> POINTER_BIT) & POINTER, asked & INPUTS
    first = (wants >> pointer) << pointer
    mine = lowest_bit(first if first else wants)
    wants ^= 1 << mine
    free = now + (mesh[out + LINK] & CYCLE)
    mesh[out + GRANTED] = number + 1
    mesh[out + FREE] = free
    kept = asked & (AWAITED | -MOST)
    if wants:
        look_again(shape, state, out, free)
        kept |= PLANNED
    mesh[out + ASKED] = kept | (mine + 1) << POINTER_BIT | wants
    into = port_of(shape, router, mine)
    if mine < 4:
        flit = take(shape, state, router, mine, into, now)
    else:
        flit = follow(shape, state, traffic, router, mine, into, now)
    if output < 4:
        launch(shape, state, output, out, behind, number, flit, now)
        return n
    receiver = (mesh[out + LINK] >> CYCLE_BITS) & INDEX
    eject(shape, state, traffic, receiver, number, flit, now * shape.clock_ps, n)
    return n + 1


def advance(shape, state, traffic, until_ps, ordered):  # type: ignore[no-untyped-def]
    """Everything that happens before ``until_ps``; returns how many messages arrived.

    Their order matters only if it shall be ``ordered``.
    """
    granting, n, end = state.granting, 0, instant(shape, until_ps)
    while True:
        now, before = next_instant(shape, state, end), n
        if now >= end:
            return n
        state.wheel[NOW] = now
        for k in range(gather(shape, state, now)):
            n = grant(shape, state, traffic, granting[k] & ROW, now, n)
        state.wheel[NOW] = now + 1
        if ordered:
            put_in_order(traffic, before, n)


def carry(  # type: ignore[no-untyped-def]
    shape, state, traffic, fast, slots, axon, paths, sent_ps, start_ps, sweep_ps, ordered,
):  # fmt: skip
    """A step whose end everything waits for: how many messages arrived, and when all was done.

    See :func:`submit` and :func:`advance`; ``fast`` is what the wide kernel has, if it takes over.
    """
    submit(shape, state, traffic, slots, axon, paths, sent_ps, start_ps, sweep_ps, True)
    if fast is None:
        n = advance(shape, state, traffic, FAR, ordered)
    else:
        n = mesh_wide.advance(shape, state, traffic, fast[0], fast[1], axon, ordered)
    return n, all_done_ps(state, traffic)


#: The functions that a kernel calls.
_COMPETE = (port_of, place_of, row_of, instant, wanted, heap_put, mark, plan, compete, enter)
_ADVANCE = (
    *_COMPETE, heap_take, unmark, take_list, marked_from, next_instant, look_again, launch, eject,
    put_in_order, home_of, has_credit, credit_at, give_back, leave, follow, take, gather, grant,
)  # fmt: skip
PARTS = {
    advance: _ADVANCE,
    submit: _COMPETE,
    entries: (place_of, row_of),
    describe: (row_of,),
    carry: (
        *_ADVANCE,
        submit,
        advance,
        all_done_ps,
        *mesh_wide.PARTS,
        mesh_wide.advance,
    ),
}
