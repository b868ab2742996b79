"""The row pipeline of a core: a packet looked up, its row fetched, its words added.

Columns of the kernel's tables, and the plain functions that it calls for what interrupts the work
of a tick (datasheet 3.5, 3.6). The processor does the most urgent of what there is to do: the
interrupts of packets, one after another (they end at ``INTERRUPTED``), then the job of the row
pipeline, then the tick. Whatever interrupts another pushes its end later by as much.
"""

from __future__ import annotations

from hwmodels.chips.spinnaker.arithmetic import FULL
from hwmodels.fabric.torus_tables import (
    OWN_KINDS,
    push_event,
)

#: Rules of units that are told which cells fire: exact neurons, and spike sources; and of delay
#: extensions.
EXTERNAL, SOURCE, DELAY = -1, -2, -3
#: Kinds of events beside those of the fabric, in the order in which those of one instant happen.
PIPELINE, FETCHED, TIMER, WORK = range(OWN_KINDS, OWN_KINDS + 4)
#: Columns of the table of units (cores in use).
(
    SLOT, RULE, FIRST_CELL, CELLS, PADDED, SHIFT_E, SHIFT_I, PROBES, NEXT_TIMER, TICK, LAST_TICK,
    STAGE, BASE, SENT, FIRED, END_OFFSET, PENDING, OVERRUNS, JOB_END, JOB, JOB_ROW, NEXT_ROW,
    INTERRUPTED, FETCH_END, FETCH_ROW, Q_HEAD, Q_N, Q_MOST, BUSY, OVERFLOWS, DROPPED_LATE,
    LATE_WORDS, SATURATIONS, WORDS, PHASE, NOT_YET, DELAYED_AT, DELAYED_STAGES, SENDS_AS, CHIP,
    REPEATS, SHARED, WAITED, UNIT,
) = range(44)  # fmt: skip
#: Stages of a tick's work, and jobs of the row pipeline.
IDLE, WAITING, RUNNING = range(3)
NO_JOB, LOOK_UP, ROW = range(3)
#: Entries of the constants, times in ps.
(
    TICK_PS, RECEIVE_BUSY, RECEIVE_IDLE, FIRST_LOOK_UP, NEXT_LOOK_UP, PROBE, ROW_FIXED, WORD,
    DISPATCH, DMA_SETUP, DMA_WORD, DRAIN, DRAIN_SLOT, REFRACTORY, SPIKE, SEND, IZHIKEVICH_SPIKE,
    UPDATE, QUEUE, COLOURS, SLOTS, SPARE, IDEAL_CORES, NO_FABRIC, DROP_LATE, DMA_HEADER, BACKOFF,
    DELAY_SPIKE, DELAY_CELL, STAGE_STEPS, ROW_AGAIN, SDRAM_WORD, COSTS,
) = range(33)  # fmt: skip
#: Update times of the rules follow the other constants.
#: Columns of packets beside those of the fabric, and of the table of copies.
BASE_ROW, CELL, SENT_TICK, PACKET_COLUMNS = 3, 4, 5, 6
OF_PACKET, LOCAL, SENT_PS, ARRIVED_PS, LATE, STATE_OF, SAME_ROW, COPY_COLUMNS = range(8)
#: What can become of a copy.
UNDER_WAY, DONE, LOST, REFUSED, CLEARED = range(5)
#: Counters: packets, copies, spikes, and when anything was last at work.
PACKETS, COPIES, SPIKES, LAST_PS = range(4)


def starts_at(unit, u, now):
    """When the work of a tick can begin: after what is more urgent."""
    begin = max(now, unit[u, INTERRUPTED])
    if unit[u, JOB] != NO_JOB:
        begin = max(begin, unit[u, JOB_END])
    return begin


def _interrupt(unit, u, now, took):
    """A packet takes the processor for so long, from everything else."""
    unit[u, BUSY] += took
    unit[u, INTERRUPTED] = max(unit[u, INTERRUPTED], now) + took
    if unit[u, JOB] != NO_JOB:
        unit[u, JOB_END] += took
    if unit[u, STAGE] == RUNNING:
        unit[u, BASE] += took


def _begin_job(heap, count, unit, u, now, took, job):
    """A job takes the processor from the tick."""
    unit[u, JOB], unit[u, JOB_END] = job, max(unit[u, INTERRUPTED], now) + took
    unit[u, BUSY] += took
    if unit[u, STAGE] == RUNNING:
        unit[u, BASE] += took
    push_event(heap, count, unit[u, JOB_END], PIPELINE, u)


def _next_row(cost, unit, queue, copies, pool, cell_rows, row_start, u):
    """The next queued copy that has a row; those without only cost their look-up."""
    took = 0
    while unit[u, Q_N]:
        row = queue[u, unit[u, Q_HEAD]]
        unit[u, Q_HEAD] = (unit[u, Q_HEAD] + 1) % cost[QUEUE]
        unit[u, Q_N] -= 1
        took += cost[NEXT_LOOK_UP] + cost[PROBE] * unit[u, PROBES]
        at = cell_rows[pool[copies[row, OF_PACKET], CELL]] + copies[row, LOCAL]
        if row_start[at + 1] > row_start[at]:
            return row, took
        copies[row, STATE_OF] = DONE
    return -1, took


def _row_length(copies, pool, cell_rows, row_start, row):
    at = cell_rows[pool[copies[row, OF_PACKET], CELL]] + copies[row, LOCAL]
    return row_start[at + 1] - row_start[at]


def _look_up(cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, u, now, fixed):
    """Begin to find the row of the next copy, after a fixed part."""
    row, took = _next_row(cost, unit, queue, copies, pool, cell_rows, row_start, u)
    unit[u, NEXT_ROW] = row
    _begin_job(heap, count, unit, u, now, fixed + took, LOOK_UP)


def process(cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, u, now):
    """A row is in memory: before it is worked off the next one is looked up.

    Spikes with the very same key that come next are worked off with the same row.
    """
    row = unit[u, JOB_ROW] = unit[u, FETCH_ROW]
    unit[u, FETCH_END], unit[u, REPEATS] = -1, 0
    first, last = copies[row, OF_PACKET], row
    while unit[u, Q_N]:
        other = queue[u, unit[u, Q_HEAD]]
        of = copies[other, OF_PACKET]
        if pool[of, CELL] != pool[first, CELL] or pool[of, SENT_TICK] != pool[first, SENT_TICK]:
            break
        unit[u, Q_HEAD] = (unit[u, Q_HEAD] + 1) % cost[QUEUE]
        unit[u, Q_N] -= 1
        unit[u, REPEATS] += 1
        unit[u, SHARED] += 1
        copies[last, SAME_ROW] = other
        last = other
    fixed = cost[DISPATCH]
    _look_up(cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, u, now, fixed)


def _add_row(
    cost, unit, copies, pool, cell_rows, row_start, word_target, word_kind, word_delay, word_weight,
    ring, u, row,
):  # fmt: skip
    """The words of a row enter the ring buffer, by the rule of the packet's colour."""
    packet = copies[row, OF_PACKET]
    tick, sent = unit[u, TICK], pool[packet, SENT_TICK]
    behind = _behind(cost, unit, u, sent)
    copies[row, LATE] = max(tick - sent, 0)
    copies[row, STATE_OF] = DONE
    at = cell_rows[pool[packet, CELL]] + copies[row, LOCAL]
    slots = cost[SLOTS] - 1
    for k in range(row_start[at], row_start[at + 1]):
        delay = word_delay[k]
        if delay <= 16:
            if delay < 16 and delay <= behind:
                unit[u, LATE_WORDS] += 1
                continue
            slot = (tick - behind + delay) & slots
        else:  # a delay-extension core has sent it again, so that only the rest counts
            if sent + delay <= tick:
                unit[u, LATE_WORDS] += 1
                continue
            slot = (sent + delay) & slots
        total = ring[u, slot, word_kind[k], word_target[k]] + word_weight[k]
        if not cost[SPARE] and total > FULL:
            total = FULL
            unit[u, SATURATIONS] += 1
        ring[u, slot, word_kind[k], word_target[k]] = total
    unit[u, WORDS] += row_start[at + 1] - row_start[at]


def _behind(cost, unit, u, sent):
    """By how many ticks a core takes a spike for late, by its colour."""
    tick = unit[u, TICK]
    if tick < sent:
        unit[u, NOT_YET] += 1
        if cost[IDEAL_CORES]:
            return tick - sent
    return (tick - sent) & (cost[COLOURS] - 1)


def _note_spike(cost, unit, copies, pool, delayed, u, row):
    """A delay extension counts a spike in the slot of its tick."""
    packet = copies[row, OF_PACKET]
    tick, sent = unit[u, TICK], pool[packet, SENT_TICK]
    slot = (tick - _behind(cost, unit, u, sent)) % delayed.shape[1]
    copies[row, LATE], copies[row, STATE_OF] = max(tick - sent, 0), DONE
    delayed[unit[u, DELAYED_AT], slot, pool[packet, CELL] - unit[u, FIRST_CELL]] += 1


def receive(
    cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, word_target, word_kind,
    word_delay, word_weight, ring, delayed, u, row, now,
):  # fmt: skip
    """A packet is in a core's receive register."""
    copies[row, ARRIVED_PS] = now
    if unit[u, RULE] == DELAY:
        if not cost[IDEAL_CORES]:
            _interrupt(unit, u, now, cost[RECEIVE_BUSY] + cost[DELAY_SPIKE])
        _note_spike(cost, unit, copies, pool, delayed, u, row)
        return
    if cost[IDEAL_CORES]:
        _add_row(
            cost, unit, copies, pool, cell_rows, row_start, word_target, word_kind, word_delay,
            word_weight, ring, u, row,
        )  # fmt: skip
        return
    idle = unit[u, JOB] == NO_JOB and unit[u, FETCH_END] < 0 and unit[u, Q_N] == 0
    _interrupt(unit, u, now, cost[RECEIVE_IDLE] if idle else cost[RECEIVE_BUSY])
    if unit[u, Q_N] >= cost[QUEUE] - 1:
        unit[u, OVERFLOWS] += 1
        copies[row, STATE_OF] = REFUSED
        return
    queue[u, (unit[u, Q_HEAD] + unit[u, Q_N]) % cost[QUEUE]] = row
    unit[u, Q_N] += 1
    unit[u, Q_MOST] = max(unit[u, Q_MOST], unit[u, Q_N])
    if idle:
        fixed = cost[FIRST_LOOK_UP] - cost[NEXT_LOOK_UP]
        _look_up(cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, u, now, fixed)


def job_ends(
    cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, word_target, word_kind,
    word_delay, word_weight, ring, memory, u, now,
):  # fmt: skip
    """A job of the row pipeline is done, and the next one begins."""
    job, row = unit[u, JOB], unit[u, JOB_ROW]
    unit[u, JOB] = NO_JOB
    fixed = 0
    if job == LOOK_UP:
        if unit[u, NEXT_ROW] >= 0:
            follows = unit[u, NEXT_ROW]
            words = cost[DMA_HEADER] + _row_length(copies, pool, cell_rows, row_start, follows)
            unit[u, FETCH_ROW] = follows
            # The chip's memory serves one core after the other.
            begin = max(now, memory[unit[u, CHIP]])
            memory[unit[u, CHIP]] = begin + cost[SDRAM_WORD] * words
            unit[u, WAITED] += begin > now
            unit[u, FETCH_END] = begin + cost[DMA_SETUP] + cost[DMA_WORD] * words
            push_event(heap, count, unit[u, FETCH_END], FETCHED, u)
        if row >= 0:
            words = _row_length(copies, pool, cell_rows, row_start, row)
            took = cost[ROW_FIXED] + cost[WORD] * words
            took += unit[u, REPEATS] * (cost[ROW_AGAIN] + cost[WORD] * words)
            _begin_job(heap, count, unit, u, now, took, ROW)
            return
    else:
        while row >= 0:
            _add_row(
                cost, unit, copies, pool, cell_rows, row_start, word_target, word_kind, word_delay,
                word_weight, ring, u, row,
            )  # fmt: skip
            row = copies[row, SAME_ROW]
        unit[u, JOB_ROW] = -1
        if 0 <= unit[u, FETCH_END] <= now:
            process(cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, u, now)
            return
        fixed = cost[FIRST_LOOK_UP] - cost[NEXT_LOOK_UP]
    if unit[u, FETCH_END] < 0 and unit[u, Q_N]:
        _look_up(cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, u, now, fixed)


def clear(cost, unit, queue, copies, u):
    """Drop what still waits from the tick before."""
    while unit[u, Q_N]:
        copies[queue[u, unit[u, Q_HEAD]], STATE_OF] = CLEARED
        unit[u, Q_HEAD] = (unit[u, Q_HEAD] + 1) % cost[QUEUE]
        unit[u, Q_N] -= 1
        unit[u, DROPPED_LATE] += 1


#: What a kernel needs of this module, for :func:`hwmodels.compiling.compiled`.
PIPELINE_PARTS = (
    starts_at, _interrupt, _begin_job, _next_row, _row_length, _look_up, process, _behind, _add_row,
    _note_spike, receive, job_ends, clear,
)  # fmt: skip
