"""The compiled engine of pulse circuits: the same rules over flat arrays, with Numba.

The cache of compiled code follows this file alone: who changes ``draw`` or ``decay`` in
:mod:`hwmodels.fabric.pulse` must touch it (or remove ``__pycache__``).
"""

from __future__ import annotations

import heapq
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.compiling import can_compile, compiled
from hwmodels.fabric.pulse import (
    ALWAYS,
    BLOCKED,
    DEAF,
    DECAY,
    FLAGGED,
    FLOOR,
    LEFT,
    LOG,
    NEVER,
    NORMAL,
    RESET_ONE,
    RESET_ZERO,
    SCALE_BITS,
    TAKEN,
    TOO_CLOSE,
    WATCH_INPUTS,
    WATCH_OUTPUTS,
    Circuit,
    Conditions,
    decay,
    draw,
)
from hwmodels.fabric.pulse_cells import ABSORB, BURST, GATE, INPUTS, OUTPUTS, SOMA, Tables

#: When the next pulse is taken where there is none.
NEVER_MORE = -NEVER


class _State(NamedTuple):
    """Of all cells; ``taken_fs`` by input."""

    state: NDArray[np.int64]
    taken_fs: NDArray[np.int64]
    total: NDArray[np.float64]
    total_fs: NDArray[np.int64]
    fired_fs: NDArray[np.int64]
    drawn: NDArray[np.int64]
    fired: NDArray[np.int64]
    flips: NDArray[np.int64]


class CompiledPulses:
    """Implements :class:`hwmodels.fabric.pulse.PulseEngine`.

    Parameters
    ----------
    circuit : Circuit
    tables : Tables
    conditions : Conditions
    """

    def __init__(self, circuit: Circuit, tables: Tables, conditions: Conditions) -> None:
        n = len(circuit.type)
        self._circuit, self._tables, self._conditions = circuit, tables, conditions
        zeros = np.zeros(n, dtype=np.int64)
        self._state = _State(
            circuit.state.copy(), np.full(n * INPUTS, NEVER), circuit.held.copy(),
            zeros.copy(), np.full(n, NEVER), zeros.copy(), zeros.copy(), zeros.copy(),
        )  # fmt: skip
        #: Pulses on their way: time, pin, spike, synapse.
        self._waiting = np.empty((0, 4), dtype=np.int64)
        self._next_fs = NEVER_MORE
        self._kernel = compiled(_run, draw, decay) if can_compile() else _run

    def run(
        self, pins: NDArray[np.int64], times_fs: NDArray[np.int64], spikes: NDArray[np.int64],
        until_fs: int,
    ) -> NDArray:  # fmt: skip
        """See :class:`hwmodels.fabric.pulse.PulseEngine`."""
        if len(pins):
            columns = (times_fs, pins, spikes, np.full(len(pins), -1))
            given = np.stack(columns, axis=1).astype(np.int64)
            self._waiting = np.concatenate((self._waiting, given))
            self._next_fs = min(self._next_fs, int(times_fs.min()))
        if not len(self._waiting) or self._next_fs >= until_fs:
            return np.empty(0, dtype=LOG)
        c = self._conditions
        rows, self._waiting = self._kernel(
            self._circuit, self._tables, self._state, self._waiting, c.collisions, c.jitter,
            c.seed, until_fs, NORMAL, DECAY,
        )  # fmt: skip
        self._next_fs = int(self._waiting[:, 0].min()) if len(self._waiting) else NEVER_MORE
        # Columns are the fields of the log, the last one the least of the sort's keys.
        return rows[np.lexsort(rows.T[::-1])].view(LOG)[:, 0]

    @property
    def flips(self) -> NDArray[np.int64]:
        """See :class:`hwmodels.fabric.pulse.PulseEngine`."""
        return self._state.flips

    @property
    def under_way(self) -> int:
        """See :class:`hwmodels.fabric.pulse.PulseEngine`."""
        return len(self._waiting)

    def charges(self, cells: NDArray[np.int64], now_fs: int) -> NDArray[np.float64]:
        """See :class:`hwmodels.fabric.pulse.PulseEngine`."""
        s, tau = self._state, self._circuit.tau_fs
        return np.array(
            [
                s.total[k] * decay(now_fs - int(s.total_fs[k]), float(tau[k]), DECAY)
                for k in np.asarray(cells).tolist()
            ]
        )


def _run(c, t, s, waiting, collisions, jitter, seed, until_fs, normal, table):
    """Work off all pulses before ``until_fs``; returns the log and the pulses that are left."""
    heap: list[Any] = [(waiting[0, 0], waiting[0, 1], waiting[0, 2], waiting[0, 3])]
    heap.pop()
    for k in range(len(waiting)):
        heap.append((waiting[k, 0], waiting[k, 1], waiting[k, 2], waiting[k, 3]))
    heapq.heapify(heap)
    log = np.empty((1024, 6), dtype=np.int64)
    n_log = 0
    while len(heap) and heap[0][0] < until_fs:
        now, pin, spike, carried = heapq.heappop(heap)
        cell, port = pin // INPUTS, pin % INPUTS
        kind = t.kind[c.type[cell]]
        # A pulse leaves at most this many rows.
        if n_log + 2 * c.pulses[cell] + 16 > len(log):
            longer = np.empty((2 * len(log) + 2 * c.pulses[cell] + 16, 6), dtype=np.int64)
            longer[:n_log] = log[:n_log]
            log = longer
        if kind == SOMA and now <= s.fired_fs[cell] + c.deaf_fs[cell]:
            log[n_log] = now, cell, port, DEAF, spike, carried
            n_log += 1
            continue
        pushed = 0
        at_port = c.type[cell] * INPUTS + port
        if collisions:
            absorbed = False
            for row in range(t.gap_start[at_port], t.gap_start[at_port + 1]):
                if t.gap_state[row] != -1 and t.gap_state[row] != s.state[cell]:
                    continue
                since = now - s.taken_fs[cell * INPUTS + t.gap_before[row]]
                limit, blur = t.gap_fs[row], t.gap_blur_fs[row]
                if jitter and blur and since < limit + 5 * blur:
                    s.drawn[cell] += 1
                    limit += (blur * normal[draw(seed, cell, s.drawn[cell]) >> 20]) >> 16
                if since < limit:
                    absorbed = t.gap_policy[row] == ABSORB
                    log[n_log] = now, cell, port, TOO_CLOSE if absorbed else FLAGGED, spike, carried
                    n_log += 1
                    if absorbed:
                        break
            if not absorbed and kind == BURST and now < s.fired_fs[cell]:
                log[n_log] = now, cell, port, TOO_CLOSE, spike, carried
                n_log += 1
                absorbed = True
            if absorbed:
                continue
            for row in range(t.spacing_start[at_port], t.spacing_start[at_port + 1]):
                since = now - s.taken_fs[cell * INPUTS + t.spacing_before[row]]
                missing = t.spacing_fs[row] - since
                if missing > 0:
                    late = min(missing, missing * c.length[cell] // t.spacing_cells[row])
                    pushed = max(pushed, late)
        s.taken_fs[cell * INPUTS + port] = now
        if c.watch[cell] & WATCH_INPUTS:
            log[n_log] = now, cell, port, TAKEN, spike, carried
            n_log += 1
        times, state = 1, s.state[cell]
        if kind == GATE:
            passes = c.chance[cell] >= ALWAYS
            if not passes:
                s.drawn[cell] += 1
                passes = draw(seed, cell, s.drawn[cell]) < c.chance[cell]
            state = 0
            if not passes:
                state = 1
                log[n_log] = now, cell, port, BLOCKED, spike, carried
                n_log += 1
        elif kind == BURST:
            times = c.pulses[cell]
            s.fired_fs[cell] = now + times * c.burst_fs[cell]
        elif kind == SOMA:
            charge = c.charge[carried]
            total = s.total[cell] * decay(now - s.total_fs[cell], c.tau_fs[cell], table)
            if port == 0:
                total += charge
            else:
                total -= charge
            s.total_fs[cell] = now
            if total < c.floor[cell]:
                total = c.floor[cell]
                log[n_log] = now, cell, port, FLOOR, spike, carried
                n_log += 1
            fires = total >= c.threshold[cell]
            if fires:
                s.fired_fs[cell] = now
                if c.reset[cell] == RESET_ZERO:
                    total = 0.0
                elif c.reset[cell] == RESET_ONE:
                    total -= 1.0
                else:
                    total -= c.threshold[cell]
            s.total[cell] = total
            if not fires:
                s.flips[cell] += 1
                continue
            s.fired[cell] += 1
            spike = cell + len(c.type) * s.fired[cell]
        row = t.first_transition[c.type[cell]] + state * INPUTS + port
        s.flips[cell] += t.flips[row] * c.length[cell] * times
        if kind != GATE:
            s.state[cell] = t.following[row]
        synapse = c.synapse[cell]
        if synapse < 0:
            synapse = carried
        for at in range(t.emit_start[row], t.emit_start[row + 1]):
            output = t.emit_output[at]
            for k in range(times):
                nominal = t.emit_fs[at] * c.length[cell] + c.extra_fs[cell]
                delay = ((nominal * c.scale[cell]) >> SCALE_BITS) + pushed
                if c.jitter_fs[cell]:
                    s.drawn[cell] += 1
                    noise = normal[draw(seed, cell, s.drawn[cell]) >> 20]
                    delay += (c.jitter_fs[cell] * noise) >> 16
                leaves = now + max(1, delay) + k * c.burst_fs[cell]
                if c.watch[cell] & WATCH_OUTPUTS:
                    log[n_log] = leaves, cell, output, LEFT, spike, synapse
                    n_log += 1
                out = cell * OUTPUTS + output
                if c.sink[out] >= 0:
                    arrives = leaves + c.wire_fs[out]
                    heapq.heappush(heap, (arrives, c.sink[out], spike, synapse))
    left = np.empty((len(heap), 4), dtype=np.int64)
    for k in range(len(heap)):
        left[k, 0], left[k, 1] = heap[k][0], heap[k][1]
        left[k, 2], left[k, 3] = heap[k][2], heap[k][3]
    return log[:n_log], left
