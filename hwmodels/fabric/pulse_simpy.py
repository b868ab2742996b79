"""The reference engine of pulse circuits: every cell a SimPy process.

Its time counts half femtoseconds: pulses arrive at even instants, cells take them at odd ones
(rule 1 of :mod:`hwmodels.fabric.pulse`).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import simpy
from numpy.typing import NDArray

from hwmodels.fabric import pulse
from hwmodels.fabric.mesh import Process
from hwmodels.fabric.pulse import Circuit, Conditions
from hwmodels.fabric.pulse_cells import ABSORB, BURST, GATE, INPUTS, OUTPUTS, SOMA, Tables


class _Pulse(NamedTuple):
    """What a cell's inbox holds; sorted, it is the order in which pulses are taken."""

    port: int
    spike: int
    synapse: int


class SimPyPulses:
    """Cells as processes; implements :class:`hwmodels.fabric.pulse.PulseEngine`.

    Parameters
    ----------
    circuit : Circuit
    tables : Tables
    conditions : Conditions
    """

    def __init__(self, circuit: Circuit, tables: Tables, conditions: Conditions) -> None:
        self.env = simpy.Environment()
        self.circuit, self.tables, self.conditions = circuit, tables, conditions
        self.log: list[tuple[int, int, int, int, int, int]] = []
        self.travelling = 0
        self._cells = [_Cell(self, number) for number in range(len(circuit.type))]

    def run(
        self, pins: NDArray[np.int64], times_fs: NDArray[np.int64], spikes: NDArray[np.int64],
        until_fs: int,
    ) -> NDArray:  # fmt: skip
        """See :class:`hwmodels.fabric.pulse.PulseEngine`."""
        self.log = []
        for pin, time, spike in zip(pins.tolist(), times_fs.tolist(), spikes.tolist(), strict=True):
            self.send(pin, time, spike, -1)
        if 2 * until_fs > self.env.now:
            self.env.run(until=2 * until_fs)
        return np.array(sorted(self.log), dtype=pulse.LOG)

    def send(self, pin: int, time_fs: int, spike: int, synapse: int) -> None:
        """A pulse that reaches an input at some time."""
        self.travelling += 1
        cell, port = divmod(pin, INPUTS)
        arrival = self.env.timeout(2 * time_fs - self.env.now)
        arrives = partial(self._cells[cell].arrive, _Pulse(port, spike, synapse))
        arrival.callbacks.append(lambda _: arrives())

    @property
    def flips(self) -> NDArray[np.int64]:
        """See :class:`hwmodels.fabric.pulse.PulseEngine`."""
        return np.array([cell.flips for cell in self._cells], dtype=np.int64)

    @property
    def under_way(self) -> int:
        """See :class:`hwmodels.fabric.pulse.PulseEngine`."""
        return self.travelling

    def charges(self, cells: NDArray[np.int64], now_fs: int) -> NDArray[np.float64]:
        """See :class:`hwmodels.fabric.pulse.PulseEngine`."""
        return np.array([self._cells[cell].charge(now_fs) for cell in cells.tolist()])


class _Cell:
    """One cell, or a row of equal ones."""

    def __init__(self, engine: SimPyPulses, number: int) -> None:
        self._engine, self.number = engine, number
        c, self._tables = engine.circuit, engine.tables
        self._type, self._length = int(c.type[number]), int(c.length[number])
        self._kind = int(self._tables.kind[self._type])
        self._state = int(c.state[number])
        self._taken_fs = [pulse.NEVER] * INPUTS
        self._sum, self._sum_fs = float(c.held[number]), 0
        self._fired_fs = pulse.NEVER
        self._drawn = self._fired = 0
        self.flips = 0
        self._inbox: list[_Pulse] = []
        self._wake = engine.env.event()
        engine.env.process(self._work())

    def arrive(self, one: _Pulse) -> None:
        """A pulse stands at an input."""
        self._inbox.append(one)
        if not self._wake.triggered:
            self._wake.succeed()

    def _work(self) -> Process:
        env = self._engine.env
        while True:
            yield self._wake
            yield env.timeout(1)
            here, self._inbox, self._wake = sorted(self._inbox), [], env.event()
            for one in here:
                self._engine.travelling -= 1
                self._take(one, int(env.now) // 2)

    def _draw(self) -> int:
        self._drawn += 1
        return pulse.draw(self._engine.conditions.seed, self.number, self._drawn)

    def _normal(self, sd_fs: int) -> int:
        """A normal deviate of some standard deviation, in fs."""
        return (sd_fs * int(pulse.NORMAL[self._draw() >> 20])) >> 16

    def _note(self, what: int, one: _Pulse, now: int) -> None:
        self._engine.log.append((now, self.number, one.port, what, one.spike, one.synapse))

    def _too_close(self, one: _Pulse, now: int) -> bool:
        """Whether a pulse is absorbed; notes those that break a gap."""
        t, port = self._tables, self._type * INPUTS + one.port
        for row in range(int(t.gap_start[port]), int(t.gap_start[port + 1])):
            if t.gap_state[row] not in (-1, self._state):
                continue
            since = now - self._taken_fs[int(t.gap_before[row])]
            limit = int(t.gap_fs[row])
            blur = int(t.gap_blur_fs[row])
            if self._engine.conditions.jitter and blur and since < limit + 5 * blur:
                limit += self._normal(blur)
            if since < limit:
                absorbed = t.gap_policy[row] == ABSORB
                self._note(pulse.TOO_CLOSE if absorbed else pulse.FLAGGED, one, now)
                if absorbed:
                    return True
        return False

    def _pushed(self, one: _Pulse, now: int) -> int:
        """How late a pulse is because another is before it, in fs."""
        t, port = self._tables, self._type * INPUTS + one.port
        most = 0
        for row in range(int(t.spacing_start[port]), int(t.spacing_start[port + 1])):
            since = now - self._taken_fs[int(t.spacing_before[row])]
            missing = int(t.spacing_fs[row]) - since
            if missing > 0:
                most = max(most, min(missing, missing * self._length // int(t.spacing_cells[row])))
        return most

    def _take(self, one: _Pulse, now: int) -> None:
        c, number = self._engine.circuit, self.number
        if self._kind == SOMA and now <= self._fired_fs + int(c.deaf_fs[number]):
            self._note(pulse.DEAF, one, now)
            return
        pushed = 0
        if self._engine.conditions.collisions:
            if self._too_close(one, now):
                return
            if self._kind == BURST and now < self._fired_fs:
                self._note(pulse.TOO_CLOSE, one, now)
                return
            pushed = self._pushed(one, now)
        self._taken_fs[one.port] = now
        if int(c.watch[number]) & pulse.WATCH_INPUTS:
            self._note(pulse.TAKEN, one, now)
        times, state = 1, self._state
        if self._kind == GATE:
            passes = int(c.chance[number]) >= pulse.ALWAYS or self._draw() < int(c.chance[number])
            state = 0 if passes else 1
            if not passes:
                self._note(pulse.BLOCKED, one, now)
        elif self._kind == BURST:
            times = int(c.pulses[number])
            self._fired_fs = now + times * int(c.burst_fs[number])
        elif self._kind == SOMA:
            if not self._add(one, now):
                self.flips += 1
                return
            self._fired += 1
            one = one._replace(spike=number + len(c.type) * self._fired)
        t = self._tables
        row = int(t.first_transition[self._type]) + state * INPUTS + one.port
        self.flips += int(t.flips[row]) * self._length * times
        if self._kind != GATE:
            self._state = int(t.following[row])
        for at in range(int(t.emit_start[row]), int(t.emit_start[row + 1])):
            output = int(t.emit_output[at])
            for k in range(times):
                self._emit(one, now, output, int(t.emit_fs[at]), pushed, k)

    def _emit(self, one: _Pulse, now: int, output: int, delay_fs: int, pushed: int, k: int) -> None:
        c, number = self._engine.circuit, self.number
        nominal = delay_fs * self._length + int(c.extra_fs[number])
        delay = ((nominal * int(c.scale[number])) >> pulse.SCALE_BITS) + pushed
        if int(c.jitter_fs[number]):
            delay += self._normal(int(c.jitter_fs[number]))
        leaves = now + max(1, delay) + k * int(c.burst_fs[number])
        synapse = int(c.synapse[number])
        synapse = one.synapse if synapse < 0 else synapse
        if int(c.watch[number]) & pulse.WATCH_OUTPUTS:
            self._engine.log.append((leaves, number, output, pulse.LEFT, one.spike, synapse))
        pin = number * OUTPUTS + output
        if c.sink[pin] >= 0:
            arrives = leaves + int(c.wire_fs[pin])
            self._engine.send(int(c.sink[pin]), arrives, one.spike, synapse)

    def charge(self, now_fs: int) -> float:
        """What the soma holds at a time."""
        tau = float(self._engine.circuit.tau_fs[self.number])
        return self._sum * pulse.decay(now_fs - self._sum_fs, tau, pulse.DECAY)

    def _add(self, one: _Pulse, now: int) -> bool:
        """Add a pulse to the sum; whether the soma fires."""
        c, number = self._engine.circuit, self.number
        charge = float(c.charge[one.synapse])
        total = self.charge(now) + (charge if one.port == 0 else -charge)
        self._sum_fs = now
        if total < c.floor[number]:
            total = float(c.floor[number])
            self._note(pulse.FLOOR, one, now)
        fires = total >= c.threshold[number]
        if fires:
            self._fired_fs = now
            reset = int(c.reset[number])
            if reset == pulse.RESET_ZERO:
                total = 0.0
            else:
                total -= 1.0 if reset == pulse.RESET_ONE else float(c.threshold[number])
        self._sum = total
        return fires
