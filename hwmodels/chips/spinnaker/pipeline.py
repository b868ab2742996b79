"""The row pipeline of a core: a packet looked up, its row fetched, its words added.

Columns of the kernel's tables, and the plain functions that it calls for what interrupts the work
of a tick (datasheet 3.5, 3.6).
"""

from __future__ import annotations

from hwmodels.chips.spinnaker.arithmetic import FULL
from hwmodels.fabric.torus_kernel import push_event

#: Rules of units that are told which cells fire: exact neurons, and spike sources.
EXTERNAL, SOURCE = -1, -2
#: Kinds of events beside those of the fabric.
TIMER, WORK, PIPELINE, FETCHED = range(6, 10)
#: Columns of the table of units (cores in use).
(
    SLOT, RULE, FIRST_CELL, CELLS, PADDED, SHIFT_E, SHIFT_I, PROBES, NEXT_TIMER, TICK, LAST_TICK,
    STAGE, BASE, SENT, FIRED, END_OFFSET, PENDING, OVERRUNS, JOB_END, JOB, JOB_ROW, FETCH_END,
    FETCH_ROW, Q_HEAD, Q_N, Q_MOST, BUSY, OVERFLOWS, DROPPED_LATE, LATE_WORDS, SATURATIONS, WORDS,
    PHASE, NOT_YET, UNIT,
) = range(35)  # fmt: skip
#: Stages of a tick's work, and jobs of the row pipeline.
IDLE, WAITING, RUNNING = range(3)
NO_JOB, LOOK_UP, ROW = range(3)
#: Entries of the constants, times in ps.
(
    TICK_PS, RECEIVE_BUSY, RECEIVE_IDLE, FIRST_LOOK_UP, NEXT_LOOK_UP, PROBE, ROW_FIXED, WORD,
    DISPATCH, DMA_SETUP, DMA_WORD, DRAIN, DRAIN_SLOT, REFRACTORY, SPIKE, SEND, IZHIKEVICH_SPIKE,
    UPDATE, QUEUE, COLOURS, SLOTS, SPARE, IDEAL_CORES, NO_FABRIC, DROP_LATE, DMA_HEADER, BACKOFF,
    COSTS,
) = range(28)  # fmt: skip
#: Update times of the rules follow the other constants.
#: Columns of packets beside those of the fabric, and of the table of copies.
BASE_ROW, CELL, SENT_TICK, PACKET_COLUMNS = 3, 4, 5, 6
OF_PACKET, LOCAL, SENT_PS, ARRIVED_PS, LATE, STATE_OF, COPY_COLUMNS = range(7)
#: What can become of a copy.
UNDER_WAY, DONE, LOST, REFUSED, CLEARED = range(5)
#: Counters: packets, copies, spikes, and when anything was last at work.
PACKETS, COPIES, SPIKES, LAST_PS = range(4)


def _preempt(unit, u, now, took):
    """The tick's work of a core is pushed later by so much."""
    if unit[u, STAGE] == RUNNING:
        unit[u, BASE] += took
    elif unit[u, STAGE] == WAITING:
        unit[u, BASE] = max(unit[u, BASE], now + took)


def _begin_job(heap, count, unit, u, now, took, job, row):
    unit[u, JOB], unit[u, JOB_ROW], unit[u, JOB_END] = job, row, now + took
    unit[u, BUSY] += took
    _preempt(unit, u, now, took)
    push_event(heap, count, now + took, PIPELINE, u)


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


def _fetch(cost, heap, count, unit, copies, pool, cell_rows, row_start, u, start, row):
    """Begin the DMA of a row."""
    words = cost[DMA_HEADER] + _row_length(copies, pool, cell_rows, row_start, row)
    unit[u, FETCH_ROW] = row
    unit[u, FETCH_END] = start + cost[DMA_SETUP] + cost[DMA_WORD] * words
    push_event(heap, count, unit[u, FETCH_END], FETCHED, u)


def _look_up(cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, u, now, first):
    """The user event: find the row of the next copy."""
    row, took = _next_row(cost, unit, queue, copies, pool, cell_rows, row_start, u)
    if first:
        took += cost[FIRST_LOOK_UP] - cost[NEXT_LOOK_UP]
    _begin_job(heap, count, unit, u, now, took, LOOK_UP, row)


def process(cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, u, now):
    """A row is in memory: begin to fetch the next one, then work this one off."""
    row = unit[u, FETCH_ROW]
    unit[u, FETCH_END] = -1
    follows, took = _next_row(cost, unit, queue, copies, pool, cell_rows, row_start, u)
    took += cost[DISPATCH]
    if follows >= 0:
        _fetch(cost, heap, count, unit, copies, pool, cell_rows, row_start, u, now + took, follows)
    words = _row_length(copies, pool, cell_rows, row_start, row)
    _begin_job(heap, count, unit, u, now, took + cost[ROW_FIXED] + cost[WORD] * words, ROW, row)


def _add_row(
    cost, unit, copies, pool, cell_rows, row_start, word_target, word_kind, word_delay, word_weight,
    ring, u, row,
):  # fmt: skip
    """The words of a row enter the ring buffer, by the rule of the packet's colour."""
    packet = copies[row, OF_PACKET]
    tick, sent = unit[u, TICK], pool[packet, SENT_TICK]
    behind = (tick - sent) & (cost[COLOURS] - 1)
    if tick < sent:
        unit[u, NOT_YET] += 1
        if cost[IDEAL_CORES]:
            behind = tick - sent
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


def receive(
    cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, word_target, word_kind,
    word_delay, word_weight, ring, u, row, now,
):  # fmt: skip
    """A packet is in a core's receive register."""
    copies[row, ARRIVED_PS] = now
    if cost[IDEAL_CORES]:
        _add_row(
            cost, unit, copies, pool, cell_rows, row_start, word_target, word_kind, word_delay,
            word_weight, ring, u, row,
        )  # fmt: skip
        return
    idle = unit[u, JOB] == NO_JOB and unit[u, FETCH_END] < 0 and unit[u, Q_N] == 0
    took = cost[RECEIVE_IDLE] if idle else cost[RECEIVE_BUSY]
    unit[u, BUSY] += took
    if unit[u, JOB] != NO_JOB:
        unit[u, JOB_END] += took
    _preempt(unit, u, now, took)
    if unit[u, Q_N] >= cost[QUEUE] - 1:
        unit[u, OVERFLOWS] += 1
        copies[row, STATE_OF] = REFUSED
        return
    queue[u, (unit[u, Q_HEAD] + unit[u, Q_N]) % cost[QUEUE]] = row
    unit[u, Q_N] += 1
    unit[u, Q_MOST] = max(unit[u, Q_MOST], unit[u, Q_N])
    if idle:
        _look_up(
            cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, u, now + took, True
        )


def job_ends(
    cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, word_target, word_kind,
    word_delay, word_weight, ring, u, now,
):  # fmt: skip
    """A job of the row pipeline is done, and the next one begins."""
    job, row = unit[u, JOB], unit[u, JOB_ROW]
    unit[u, JOB] = NO_JOB
    if job == LOOK_UP:
        if row >= 0:
            _fetch(cost, heap, count, unit, copies, pool, cell_rows, row_start, u, now, row)
    else:
        _add_row(
            cost, unit, copies, pool, cell_rows, row_start, word_target, word_kind, word_delay,
            word_weight, ring, u, row,
        )  # fmt: skip
        if 0 <= unit[u, FETCH_END] <= now:
            process(cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, u, now)
            return
    if unit[u, FETCH_END] < 0 and unit[u, Q_N]:
        _look_up(
            cost, heap, count, unit, queue, copies, pool, cell_rows, row_start, u, now, job == ROW
        )


def clear(cost, unit, queue, copies, u):
    """Drop what still waits from the tick before."""
    while unit[u, Q_N]:
        copies[queue[u, unit[u, Q_HEAD]], STATE_OF] = CLEARED
        unit[u, Q_HEAD] = (unit[u, Q_HEAD] + 1) % cost[QUEUE]
        unit[u, Q_N] -= 1
        unit[u, DROPPED_LATE] += 1


#: What a kernel needs of this module, for :func:`hwmodels.compiling.compiled`.
PIPELINE_PARTS = (
    _preempt, _begin_job, _next_row, _row_length, _fetch, _look_up, process, _add_row, receive,
    job_ends, clear,
)  # fmt: skip
