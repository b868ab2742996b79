"""The rules of :mod:`hwmodels.fabric.torus` over flat arrays, one instant at a time.

Plain functions, which :mod:`hwmodels.compiling` makes machine code of; other kernels call
:func:`settle` to run the fabric inside a loop of their own.
"""

from __future__ import annotations

from hwmodels.fabric.torus import ARBITERS, LINKS, ROOT
from hwmodels.fabric.torus_router import ROUTER_PARTS, expired, output, read_dump, send_again
from hwmodels.fabric.torus_tables import (
    A_FROM,
    A_HEAD,
    A_LAST,
    A_N,
    A_RING,
    ARBITER_ROOM,
    AT_END,
    BUSY,
    CARRIED,
    CYCLE,
    DELIVERY,
    DONE,
    ENTRIES,
    ENTRY,
    ENTRY_SET,
    EXPIRED,
    FEEDS,
    FIRST,
    FOLLOWING,
    GIVEN_UP,
    GIVES_UP,
    HEAD,
    IN_HEAD,
    IN_N,
    INPUT_OF,
    INPUT_ROOM,
    INPUTS_OF,
    KIND_SHIFT,
    LAST,
    LAST_ENTRY,
    LAUNCH,
    LISTED,
    M_PACKET,
    M_PLACE,
    M_QUEUED,
    NUMBER_MASK,
    OF_CORES,
    OUTPUT,
    OUTPUT_ROOM,
    P_HEAD,
    P_N,
    P_RING,
    PHASE,
    PIPELINE_PS,
    POLL,
    POLL_PS,
    POLLING,
    PORTS,
    QUEUED,
    READ,
    READY,
    RECEIVED,
    RECEIVING,
    REFUSED,
    RINGS,
    ROWS,
    SEND,
    SEND_PS,
    SOURCE_ROOM,
    STAGES,
    STALLED,
    STALLS,
    TRANSFER,
    TREE,
    TRIES,
    TURNS,
    UNTIL,
    WAITS,
    WIRE,
    WIRE_PS,
    WIRES,
    N,
    before,
    next_event,
    note,
    pop_event,
    push_event,
    report,
)


def hand_over(times, count, core, listed, work, pool, out, packet, sender, now):
    """A core begins to send a packet, in the first phase of an instant."""
    if times[SOURCE_ROOM] and core[sender, QUEUED] >= times[SOURCE_ROOM]:
        report(out, count, now, packet, -1, REFUSED)
        return
    pool[packet, FOLLOWING] = -1
    if core[sender, QUEUED] == 0:
        core[sender, FIRST] = packet
    else:
        pool[core[sender, LAST], FOLLOWING] = packet
    core[sender, LAST] = packet
    core[sender, QUEUED] += 1
    note(listed, work, count, TURNS, sender // times[PORTS] * ARBITERS + OF_CORES)


def _transferred(
    times, count, heap, link, arbiter, core, chips, listed, work, root, pool, number, now
):  # fmt: skip
    """An arbiter has taken a packet from below."""
    chip, which = number // ARBITERS, number % ARBITERS
    side = arbiter[number, A_FROM]
    room = (arbiter.shape[1] - A_RING) // 2
    if which == OF_CORES and side == times[PORTS]:
        packet, node = chips[chip, M_PACKET], chips[chip, M_PLACE]
        chips[chip, M_QUEUED] = 0
        push_event(heap, count, now + times[SEND_PS], SEND, chip)
    elif which == OF_CORES:
        sender = chip * times[PORTS] + side
        packet = core[sender, FIRST]
        core[sender, FIRST] = pool[packet, FOLLOWING]
        core[sender, QUEUED] -= 1
        node = root[pool[packet, TREE]]
    elif which < OF_CORES:
        at = chip * LINKS + INPUTS_OF[which][side]
        place = RINGS + 2 * (times[OUTPUT_ROOM] + 1 + link[at, IN_HEAD])
        packet, node = link[at, place], link[at, place + 1]
        link[at, IN_HEAD] = (link[at, IN_HEAD] + 1) % times[INPUT_ROOM]
        link[at, IN_N] -= 1
        note(listed, work, count, DELIVERY, link[at, INPUT_OF])
    else:
        at = chip * ARBITERS + INPUTS_OF[which][side]
        place = A_RING + 2 * arbiter[at, A_HEAD]
        packet, node = arbiter[at, place], arbiter[at, place + 1]
        arbiter[at, A_HEAD] = (arbiter[at, A_HEAD] + 1) % room
        arbiter[at, A_N] -= 1
        note(listed, work, count, TURNS, at)
    place = A_RING + 2 * ((arbiter[number, A_HEAD] + arbiter[number, A_N]) % room)
    arbiter[number, place], arbiter[number, place + 1] = packet, node
    arbiter[number, A_N] += 1
    arbiter[number, A_FROM] = -1
    note(listed, work, count, TURNS, number)
    if which == ROOT:
        note(listed, work, count, ENTRIES, chip)
    else:
        above = 4 if which < 2 else (5 if which < 4 else ROOT)
        note(listed, work, count, TURNS, chip * ARBITERS + above)


def end_event(
    times, count, heap, link, arbiter, core, chip, listed, work, root, pool, monitor, out, code, now
):
    """One event of the first phase."""
    kind, number = code >> KIND_SHIFT, code & NUMBER_MASK
    if kind == WIRE:
        link[number, DONE] = 1
        note(listed, work, count, DELIVERY, number)
    elif kind == TRANSFER:
        _transferred(
            times, count, heap, link, arbiter, core, chip, listed, work, root, pool, number, now
        )
    elif kind == AT_END:
        chip[number, READY] = 1
        note(listed, work, count, OUTPUT, number)
        phase = times[PHASE]
        if phase:
            packet = chip[number, P_RING + 3 * chip[number, P_HEAD]]
            if (now // phase - pool[packet, LAUNCH] // phase) & 3 == 2:
                # Marked so that the output phase drops it.
                chip[number, READY] = 2
    elif kind == ENTRY:
        chip[number, ENTRY_SET] = 0
        note(listed, work, count, ENTRIES, number)
    elif kind == RECEIVED:
        core[number, RECEIVING] = 0
        note(listed, work, count, OUTPUT, number // times[PORTS])
    elif kind == EXPIRED:
        expired(count, heap, chip, listed, work, number, EXPIRED, UNTIL, WAITS, now)
    elif kind == GIVEN_UP:
        expired(count, heap, chip, listed, work, number, GIVEN_UP, GIVES_UP, TRIES, now)
    elif kind == READ:
        read_dump(times, count, heap, chip, monitor, out, number, now)
    elif kind == POLL:
        chip[number, POLLING] = 0
        send_again(times, count, heap, chip, monitor, listed, work, number, now)
    elif kind == SEND:
        send_again(times, count, heap, chip, monitor, listed, work, number, now)


def _deliver(times, count, link, listed, work, number):
    """What a wire has carried enters the input buffer behind it."""
    at = link[number, INPUT_OF]
    if not link[number, DONE] or link[at, IN_N] >= times[INPUT_ROOM]:
        return
    taken = RINGS + 2 * link[number, HEAD]
    place = (link[at, IN_HEAD] + link[at, IN_N]) % times[INPUT_ROOM]
    place = RINGS + 2 * (times[OUTPUT_ROOM] + 1 + place)
    link[at, place], link[at, place + 1] = link[number, taken], link[number, taken + 1]
    link[at, IN_N] += 1
    link[number, HEAD] = (link[number, HEAD] + 1) % (times[OUTPUT_ROOM] + 1)
    link[number, N] -= 1
    link[number, BUSY] = link[number, DONE] = 0
    link[number, CARRIED] += 1
    note(listed, work, count, OUTPUT, number // LINKS)
    note(listed, work, count, WIRES, number)
    note(listed, work, count, TURNS, link[at, FEEDS])


def _enter(times, count, heap, arbiter, chip, listed, work, here, now):
    """A pipeline that moves takes the next packet, one a cycle of its own time."""
    top = here * ARBITERS + ROOT
    if chip[here, STALLED] >= 0 or arbiter[top, A_N] == 0:
        return
    local = now - chip[here, STALLS]
    if local >= chip[here, LAST_ENTRY] + times[CYCLE]:
        taken = A_RING + 2 * arbiter[top, A_HEAD]
        place = P_RING + 3 * ((chip[here, P_HEAD] + chip[here, P_N]) % times[STAGES])
        chip[here, place], chip[here, place + 1] = arbiter[top, taken], arbiter[top, taken + 1]
        chip[here, place + 2] = local + times[PIPELINE_PS]
        arbiter[top, A_HEAD] = (arbiter[top, A_HEAD] + 1) % ((arbiter.shape[1] - A_RING) // 2)
        arbiter[top, A_N] -= 1
        if chip[here, P_N] == 0:
            push_event(heap, count, now + times[PIPELINE_PS], AT_END, here)
        chip[here, P_N] += 1
        chip[here, LAST_ENTRY] = local
        note(listed, work, count, TURNS, top)
    if arbiter[top, A_N] and not chip[here, ENTRY_SET]:
        chip[here, ENTRY_SET] = 1
        again = chip[here, LAST_ENTRY] + times[CYCLE] + chip[here, STALLS]
        push_event(heap, count, again, ENTRY, here)


def _take_turn(times, count, heap, link, arbiter, core, chips, number, now):
    """An arbiter with room begins to take a packet."""
    chip, which = number // ARBITERS, number % ARBITERS
    if arbiter[number, A_FROM] >= 0 or arbiter[number, A_N] >= times[ARBITER_ROOM + which]:
        return
    inputs = 2
    if which == OF_CORES:
        inputs = times[PORTS] + (times[POLL_PS] > 0)
    side = arbiter[number, A_LAST]
    for _ in range(inputs):
        side = side + 1 if side + 1 < inputs else 0
        if which == OF_CORES and side == times[PORTS]:
            waits = chips[chip, M_QUEUED]
        elif which == OF_CORES:
            waits = core[chip * times[PORTS] + side, QUEUED]
        elif which < OF_CORES:
            waits = link[chip * LINKS + INPUTS_OF[which][side], IN_N]
        else:
            waits = arbiter[chip * ARBITERS + INPUTS_OF[which][side], A_N]
        if waits:
            arbiter[number, A_FROM] = arbiter[number, A_LAST] = side
            push_event(heap, count, now + times[CYCLE], TRANSFER, number)
            return


def settle(
    times, count, heap, link, arbiter, core, chip, listed, work, node, root, port, pool, out, now
):
    """All phases of an instant after the first."""
    for k in range(count[LISTED + DELIVERY]):
        number = work[DELIVERY, k]
        listed[DELIVERY, number] = False
        _deliver(times, count, link, listed, work, number)
    count[LISTED + DELIVERY] = 0
    for k in range(count[LISTED + OUTPUT]):
        here = work[OUTPUT, k]
        listed[OUTPUT, here] = False
        if chip[here, READY]:
            output(
                times, count, heap, link, core, chip, listed, work, node, root, port, pool, out,
                here, now,
            )  # fmt: skip
    count[LISTED + OUTPUT] = 0
    for k in range(count[LISTED + WIRES]):
        number = work[WIRES, k]
        listed[WIRES, number] = False
        if not link[number, BUSY] and link[number, N]:
            link[number, BUSY] = 1
            push_event(heap, count, now + link[number, WIRE_PS], WIRE, number)
    count[LISTED + WIRES] = 0
    for k in range(count[LISTED + ENTRIES]):
        here = work[ENTRIES, k]
        listed[ENTRIES, here] = False
        _enter(times, count, heap, arbiter, chip, listed, work, here, now)
    count[LISTED + ENTRIES] = 0
    for k in range(count[LISTED + TURNS]):
        number = work[TURNS, k]
        listed[TURNS, number] = False
        _take_turn(times, count, heap, link, arbiter, core, chip, number, now)
    count[LISTED + TURNS] = 0


def carry(m, pool, out, first, given, senders, until):
    """Everything before ``until``; packets from number ``first`` on are handed over at launch.

    Gives how many of them were handed over, or -1 when all is done; else ``out`` is to be emptied.
    """
    times, count, heap, link, arbiter = m.times, m.counts, m.heap, m.link, m.arbiter
    core, chip, listed, work = m.core, m.chip, m.listed, m.work
    node, root, port = m.node, m.root, m.port
    each = len(core) + 2 * len(chip)
    while True:
        now = next_event(heap, count)
        if given < len(senders):
            now = min(now, pool[first + given, LAUNCH])
        if now >= until:
            return -1
        # In one instant: a copy for each core, two drops a chip, and packets that are refused.
        if count[ROWS] + each + len(senders) - given > len(out):
            return given
        while next_event(heap, count) == now:
            end_event(
                times, count, heap, link, arbiter, core, chip, listed, work, root, pool, m.monitor,
                out, pop_event(heap, count), now,
            )  # fmt: skip
        while given < len(senders) and pool[first + given, LAUNCH] == now:
            packet = first + given
            hand_over(times, count, core, listed, work, pool, out, packet, senders[given], now)
            given += 1
        settle(
            times, count, heap, link, arbiter, core, chip, listed, work, node, root, port, pool,
            out, now,
        )  # fmt: skip


#: What :func:`carry` is made of, for :func:`hwmodels.compiling.compiled`.
CARRY_PARTS = (
    before, push_event, pop_event, next_event, note, report, *ROUTER_PARTS, hand_over, _transferred,
    end_event, _deliver, _enter, _take_turn, settle,
)  # fmt: skip
