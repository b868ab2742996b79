"""Cores and fabric in one loop of events, over flat arrays (datasheet 3.5, 3.6).

A core does one of three things, the first that can: the interrupt of a packet received (never
waits), the row pipeline (look a packet up, fetch its row by DMA, add its words to the ring buffer),
and the work of a tick (drain, update, send). Whatever interrupts the work of a tick pushes all of
it later. What a tick computes is fixed when it begins; its spikes leave when its work gets to them.

Everything at one instant happens in this order: jobs of the row pipeline end, rows are in memory,
timers tick, cores work and send; then the phases of the fabric; last, cores receive.

Plain functions, which :mod:`hwmodels.compiling` makes machine code of; what they mean is written
down as SimPy processes in :mod:`hwmodels.chips.spinnaker.reference`.
"""

from __future__ import annotations

from hwmodels.chips.spinnaker.arithmetic import (
    EXC,
    EXP_E,
    IZHIKEVICH,
    LIF_ALPHA,
    RECOVERY,
    V,
    product,
    received,
    updated,
)
from hwmodels.chips.spinnaker.arithmetic import EXTERNAL as EXTERNAL_CURRENT
from hwmodels.chips.spinnaker.arithmetic import PARTS as ARITHMETIC_PARTS
from hwmodels.chips.spinnaker.pipeline import (
    ARRIVED_PS,
    BACKOFF,
    BASE,
    BASE_ROW,
    BUSY,
    CELL,
    CELLS,
    COPIES,
    COSTS,
    DELAY,
    DELAY_CELL,
    DELAYED_AT,
    DELAYED_STAGES,
    DRAIN,
    DRAIN_SLOT,
    DROP_LATE,
    END_OFFSET,
    EXTERNAL,
    FETCH_END,
    FETCHED,
    FIRED,
    FIRST_CELL,
    IDEAL_CORES,
    IDLE,
    IZHIKEVICH_SPIKE,
    JOB,
    JOB_END,
    LAST_PS,
    LAST_TICK,
    LATE,
    LOCAL,
    LOST,
    NEXT_TIMER,
    NO_FABRIC,
    NO_JOB,
    OF_PACKET,
    OVERRUNS,
    PACKETS,
    PADDED,
    PENDING,
    PIPELINE,
    PIPELINE_PARTS,
    REFRACTORY,
    RULE,
    RUNNING,
    SAME_ROW,
    SEND,
    SENDS_AS,
    SENT,
    SENT_PS,
    SENT_TICK,
    SHIFT_E,
    SLOT,
    SLOTS,
    SOURCE,
    SPARE,
    SPIKE,
    SPIKES,
    STAGE,
    STAGE_STEPS,
    STATE_OF,
    TICK,
    TICK_PS,
    TIMER,
    UNDER_WAY,
    UPDATE,
    WAITING,
    WORK,
    clear,
    job_ends,
    process,
    receive,
    starts_at,
)
from hwmodels.fabric.torus_kernel import CARRY_PARTS, end_event, hand_over, settle
from hwmodels.fabric.torus_tables import (
    ARRIVED,
    BEGIN,
    END,
    LAUNCH,
    NOWHERE,
    OWN_KINDS,
    ROUND,
    ROWS,
    TREE,
    next_event,
    pop_event,
    push_event,
    report,
)


def _drain(cost, unit, state, constants, ring, u):
    """The slot of this tick; how many of its sums were not empty."""
    occupied = 0
    slot = unit[u, TICK] & (cost[SLOTS] - 1)
    rule = unit[u, RULE]
    for kind in range(2):
        for cell in range(unit[u, CELLS]):
            total = ring[u, slot, kind, cell]
            if total:
                occupied += 1
                ring[u, slot, kind, cell] = 0
                if rule >= 0:
                    received(
                        rule, state, constants, unit[u, FIRST_CELL] + cell, kind, total,
                        unit[u, SHIFT_E + kind], cost[SPARE],
                    )  # fmt: skip
    return occupied


def _again(cost, unit, delayed, fired_cell, fired_ps, u, took):
    """A tick of a delay extension: the spikes of so many steps ago, stage by stage."""
    at, cells, n = unit[u, DELAYED_AT], unit[u, CELLS], 0
    stages, slots = unit[u, DELAYED_STAGES], delayed.shape[1]
    for stage in range(stages):
        past = unit[u, TICK] - (stage + 1) * cost[STAGE_STEPS]
        for cell in range(cells):
            took += cost[DELAY_CELL]
            for _ in range(delayed[at, past % slots, cell]):
                took += cost[SEND]
                fired_cell[u, n] = unit[u, SENDS_AS] + stage * cells + cell
                fired_ps[u, n] = took
                n += 1
    delayed[at, (unit[u, TICK] - stages * cost[STAGE_STEPS]) % slots, :] = 0
    return took, n


def _tick(
    cost, unit, state, constants, ring, delayed, given_tick, given_cell, given_at, given_end,
    drive_tick, drive_cell, drive_value, drive_at, drive_end, fired_cell, fired_ps, counts,
    spike_cell, spike_tick, trace_of, trace, u,
):  # fmt: skip
    """A tick's work begins: everything it computes, and when its spikes will be sent."""
    unit[u, TICK] += 1
    tick, rule = unit[u, TICK], unit[u, RULE]
    took, n = cost[BACKOFF], 0
    first = unit[u, FIRST_CELL]
    while drive_at[u] < drive_end[u] and drive_tick[drive_at[u]] <= tick:
        state[drive_cell[drive_at[u]], EXTERNAL_CURRENT] = drive_value[drive_at[u]]
        drive_at[u] += 1
    if rule == DELAY:
        took, n = _again(cost, unit, delayed, fired_cell, fired_ps, u, took)
    elif rule != SOURCE:
        occupied = _drain(cost, unit, state, constants, ring, u)
        took += cost[DRAIN] * unit[u, PADDED] + cost[DRAIN_SLOT] * occupied
    if rule < 0 and rule != DELAY:
        each = 0
        if rule == EXTERNAL:
            each = cost[UPDATE]
        before = first
        while given_at[u] < given_end[u] and given_tick[given_at[u]] <= tick:
            cell = given_cell[given_at[u]]
            given_at[u] += 1
            took += each * max(cell - before, 0) + cost[SPIKE] + cost[SEND]
            before = max(before, cell)
            fired_cell[u, n], fired_ps[u, n] = cell, took
            n += 1
        took += each * (first + unit[u, CELLS] - before)
    elif rule >= 0 and tick > 0:  # time 0 is the initial state
        for cell in range(first, first + unit[u, CELLS]):
            held = rule != IZHIKEVICH and state[cell, RECOVERY] > 0
            fires = updated(rule, state, constants, cell)
            took += cost[REFRACTORY] if held else cost[COSTS + rule]
            if fires:
                took += cost[SEND]
                took += cost[IZHIKEVICH_SPIKE] if rule == IZHIKEVICH else cost[SPIKE]
                fired_cell[u, n], fired_ps[u, n] = cell, took
                n += 1
    if rule >= 0 and tick < trace.shape[0]:
        for cell in range(first, first + unit[u, CELLS]):
            at = trace_of[cell]
            if at >= 0:
                trace[tick, at, 0] = state[cell, V]
                trace[tick, at, 1] = state[cell, RECOVERY]
                trace[tick, at, 2] = state[cell, EXC]
                trace[tick, at, 3] = state[cell, EXC + 1]
                if rule == LIF_ALPHA:
                    for kind in range(2):
                        trace[tick, at, 2 + kind] = product(
                            state[cell, EXC + kind], state[cell, EXP_E + kind]
                        )
    for k in range(n if rule != DELAY else 0):
        spike_cell[counts[SPIKES]], spike_tick[counts[SPIKES]] = fired_cell[u, k], tick
        counts[SPIKES] += 1
    if cost[IDEAL_CORES]:
        # As the work would be, or squeezed into half of the tick where it is longer.
        if 2 * took > cost[TICK_PS]:
            for k in range(n):
                fired_ps[u, k] = fired_ps[u, k] * cost[TICK_PS] // (2 * took)
        took = fired_ps[u, n - 1] if n else 0
    unit[u, SENT], unit[u, FIRED], unit[u, END_OFFSET] = 0, n, took
    unit[u, BUSY] += took


def simulate(
    m, cost, unit, queue, pool, copies, counts, out, cell_tree, cell_rows, row_start, word_target,
    word_kind, word_delay, word_weight, ring, delayed, memory, state, constants, given_tick,
    given_cell, given_at, given_end, drive_tick, drive_cell, drive_value, drive_at, drive_end,
    fired_cell, fired_ps, spike_cell, spike_tick, trace_of, trace, unit_of, until,
):  # fmt: skip
    """Work off all events before ``until``; whether it got there (else a table is full)."""
    times, count, heap, link, arbiter = m.times, m.counts, m.heap, m.link, m.arbiter
    core, chip, listed, work = m.core, m.chip, m.listed, m.work
    node, root, port = m.node, m.root, m.port
    most = 0
    for k in range(len(root)):
        most = max(most, node[root[k], END] - node[root[k], BEGIN])
    n_units, most_fired = len(unit), fired_cell.shape[1]
    while True:
        now = next_event(heap, count)
        if now >= until:
            return True
        if (
            counts[PACKETS] + n_units > len(pool)
            or counts[COPIES] + n_units * most > len(copies)
            or counts[SPIKES] + n_units * most_fired > len(spike_cell)
        ):
            return False
        count[ROWS] = 0
        while next_event(heap, count) == now:
            code = pop_event(heap, count)
            kind, u = code >> 40, code & 0xFFFFFFFFFF
            if kind >= OWN_KINDS and kind != TIMER:
                counts[LAST_PS] = now
            if kind < OWN_KINDS:
                end_event(
                    times, count, heap, link, arbiter, core, chip, listed, work, root, pool,
                    m.monitor, out, code, now,
                )  # fmt: skip
            elif kind == PIPELINE:
                if unit[u, JOB_END] > now:
                    push_event(heap, count, unit[u, JOB_END], PIPELINE, u)
                else:
                    job_ends(
                        cost, heap, count, unit, queue, copies, pool, cell_rows, row_start,
                        word_target, word_kind, word_delay, word_weight, ring, memory, u, now,
                    )  # fmt: skip
            elif kind == FETCHED:
                if unit[u, JOB] == NO_JOB and unit[u, FETCH_END] == now:
                    process(
                        cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, u, now
                    )
            elif kind == TIMER:
                unit[u, NEXT_TIMER] += cost[TICK_PS]
                if (
                    unit[u, TICK] + unit[u, PENDING] + (unit[u, STAGE] == WAITING)
                    < unit[u, LAST_TICK]
                ):
                    push_event(heap, count, unit[u, NEXT_TIMER], TIMER, u)
                    if unit[u, STAGE] != IDLE:
                        unit[u, PENDING] += 1
                        unit[u, OVERRUNS] += 1
                    else:
                        unit[u, STAGE] = WAITING
                        push_event(heap, count, starts_at(unit, u, now), WORK, u)
            elif unit[u, STAGE] == WAITING:
                begin = starts_at(unit, u, now)
                if begin > now:
                    push_event(heap, count, begin, WORK, u)
                    continue
                unit[u, STAGE], unit[u, BASE] = RUNNING, now
                if cost[DROP_LATE]:
                    clear(cost, unit, queue, copies, u)
                _tick(
                    cost, unit, state, constants, ring, delayed, given_tick, given_cell, given_at,
                    given_end, drive_tick, drive_cell, drive_value, drive_at, drive_end, fired_cell,
                    fired_ps, counts, spike_cell, spike_tick, trace_of, trace, u,
                )  # fmt: skip
                due = fired_ps[u, 0] if unit[u, FIRED] else unit[u, END_OFFSET]
                push_event(heap, count, now + due, WORK, u)
            else:
                k = unit[u, SENT]
                ends = k == unit[u, FIRED]
                due = unit[u, BASE] + (unit[u, END_OFFSET] if ends else fired_ps[u, k])
                if due > now:
                    push_event(heap, count, due, WORK, u)
                    continue
                if ends:
                    unit[u, STAGE] = IDLE
                    if unit[u, PENDING]:
                        unit[u, PENDING] -= 1
                        unit[u, STAGE] = WAITING
                        push_event(heap, count, now, WORK, u)
                    continue
                unit[u, SENT] += 1
                k += 1
                due = unit[u, END_OFFSET] if k == unit[u, FIRED] else fired_ps[u, k]
                push_event(heap, count, max(unit[u, BASE] + due, now + 1), WORK, u)
                cell = fired_cell[u, k - 1]
                tree = cell_tree[cell]
                if tree < 0:
                    continue
                packet = counts[PACKETS]
                counts[PACKETS] += 1
                pool[packet, TREE], pool[packet, LAUNCH] = tree, now
                pool[packet, BASE_ROW], pool[packet, CELL] = counts[COPIES], cell
                pool[packet, SENT_TICK] = unit[u, TICK]
                first = node[root[tree], BEGIN]
                for local in range(node[root[tree], END] - first):
                    row = counts[COPIES]
                    counts[COPIES] += 1
                    copies[row, OF_PACKET], copies[row, LOCAL] = packet, local
                    copies[row, SENT_PS], copies[row, ARRIVED_PS] = now, -1
                    copies[row, LATE], copies[row, STATE_OF] = 0, UNDER_WAY
                    copies[row, SAME_ROW] = -1
                if cost[NO_FABRIC]:
                    for local in range(node[root[tree], END] - first):
                        report(out, count, now, packet, local, ARRIVED)
                else:
                    hand_over(
                        times, count, core, listed, work, pool, out, packet, unit[u, SLOT], now
                    )
        settle(
            times, count, heap, link, arbiter, core, chip, listed, work, node, root, port, pool,
            out, now,
        )  # fmt: skip
        if count[ROWS]:
            counts[LAST_PS] = now
        for k in range(count[ROWS]):
            packet, what = out[k, 1], out[k, 3]
            first = node[root[pool[packet, TREE]], BEGIN]
            if what == ARRIVED:
                receive(
                    cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, word_target,
                    word_kind, word_delay, word_weight, ring, delayed, unit_of[first + out[k, 2]],
                    pool[packet, BASE_ROW] + out[k, 2], now,
                )  # fmt: skip
            else:
                # A place may be two nodes, of which one is on its way round a link.
                for at in (out[k, 2] & NOWHERE, (out[k, 2] >> ROUND) - 1):
                    if 0 <= at < NOWHERE:
                        for place in range(node[at, BEGIN], node[at, END]):
                            copies[pool[packet, BASE_ROW] + place - first, STATE_OF] = LOST


#: What :func:`simulate` is made of, for :func:`hwmodels.compiling.compiled`.
SIMULATE_PARTS = (
    *CARRY_PARTS, *ARITHMETIC_PARTS, *PIPELINE_PARTS, _drain, _again, _tick,
)  # fmt: skip
