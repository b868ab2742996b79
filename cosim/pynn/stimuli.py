"""The spikes of source populations, drawn before any engine sees them.

In: the parameters of a SpikeSourceArray or SpikeSourcePoisson at each run. Out: one
:class:`~hwmodels.network.SpikeTrains` for the whole time since 0. What has been executed never
changes; splitting a run in two gives the same spikes, bit for bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import NetworkError
from hwmodels.network import SpikeTrains, to_steps


def _merge(past: SpikeTrains, cells: NDArray, times: NDArray[np.float64]) -> SpikeTrains:
    """Add later spikes to trains."""
    size = len(past.indptr) - 1
    cells = np.concatenate((np.repeat(np.arange(size), np.diff(past.indptr)), cells))
    times = np.concatenate((past.times_ms, times))
    order = np.lexsort((times, cells))
    indptr = np.zeros(size + 1, dtype=np.int64)
    np.cumsum(np.bincount(cells, minlength=size), out=indptr[1:])
    return SpikeTrains(indptr, times[order])


class GivenSpikes:
    """The stimulus of a SpikeSourceArray; new times set between runs replace the future only.

    Parameters
    ----------
    label : str
        Of the population, for errors.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._given: tuple[NDArray, ...] = ()
        self._trains: SpikeTrains | None = None

    def trains(self, parameters: dict, now: int, until: int, dt: float) -> SpikeTrains:
        """All spikes, including those after ``until``."""
        given = tuple(parameters.values())
        if len(given) != len(self._given) or any(
            new is not old for new, old in zip(given, self._given, strict=True)
        ):
            trains = SpikeTrains.from_lists(self._times(parameters))
            if self._trains is not None and now > 0:
                trains = _replace_future(self._trains, trains, now, dt)
            self._given, self._trains = given, trains
        assert self._trains is not None
        return self._trains

    def _times(self, parameters: dict) -> list[NDArray[np.float64]]:
        """Times of each cell; a graded spike is as many as it carries."""
        times = [
            np.asarray(sequence.value, dtype=np.float64) for sequence in parameters["spike_times"]
        ]
        for cell, sequence in enumerate(parameters.get("payloads", ())):
            payload = np.asarray(sequence.value, dtype=np.float64)
            if not len(payload):
                continue
            where = f"population {self._label!r}: payloads of cell {cell}"
            if len(payload) != len(times[cell]):
                raise NetworkError(
                    f"{where} are {len(payload)}, its spikes {len(times[cell])}; give one a spike"
                )
            if np.any((payload < 0) | (payload != np.rint(payload))):
                raise NetworkError(
                    f"{where} must be whole numbers of 0 or more, got {payload.tolist()}; let "
                    "inhibitory synapses subtract"
                )
            times[cell] = np.repeat(times[cell], payload.astype(np.int64))
        return times


def _replace_future(past: SpikeTrains, new: SpikeTrains, now: int, dt: float) -> SpikeTrains:
    size = len(past.indptr) - 1
    old_cells = np.repeat(np.arange(size), np.diff(past.indptr))
    new_cells = np.repeat(np.arange(size), np.diff(new.indptr))
    kept = to_steps(past.times_ms, dt) <= now
    later = ~(to_steps(new.times_ms, dt) <= now)
    nothing = SpikeTrains(np.zeros(size + 1, dtype=np.int64), np.empty(0))
    return _merge(
        nothing,
        np.concatenate((old_cells[kept], new_cells[later])),
        np.concatenate((past.times_ms[kept], new.times_ms[later])),
    )


class PoissonSpikes:
    """The stimulus of a SpikeSourcePoisson.

    The trains of all cells together are one Poisson process whose rate is the sum of theirs; each
    of its spikes belongs to a cell with a probability proportional to that cell's rate, and is
    dropped where the cell is not active then. So only one sequence of unit exponentials (the
    *operational* times) and one of uniform numbers are needed, however the rates differ, and a
    change of rates between two runs stretches what is left of the current interval, as it should
    for a Poisson process, without a new draw.

    Parameters
    ----------
    size : int
        Number of cells.
    generator : numpy.random.Generator
        Used by nothing else.
    """

    def __init__(self, size: int, generator: np.random.Generator) -> None:
        self._intervals, self._choices = generator.spawn(2)
        # Drawn but not yet due: operational times, and numbers in [0, 1) that choose the cell.
        self._operational = np.empty(0)
        self._choice = np.empty(0)
        self._drawn_to = 0.0
        self._covered = -1
        self._parameters: dict = {}
        # From here on the present rates hold: real time in ms, and operational time.
        self._since_ms = 0.0
        self._since = 0.0
        self._trains = SpikeTrains(np.zeros(size + 1, dtype=np.int64), np.empty(0))

    def trains(self, parameters: dict, now: int, until: int, dt: float) -> SpikeTrains:
        """All spikes up to and including the grid point ``until``."""
        if not all(parameters[name] is values for name, values in self._parameters.items()):
            # All spikes that round to ``now`` or before have been drawn by the old rates.
            change_ms = (now + 0.5) * dt
            self._since = self._clock(change_ms)
            self._since_ms = change_ms
            self._parameters = {}
        if not self._parameters:
            self._set_rates(parameters)
        if until > self._covered:
            self._draw((until + 0.5) * dt)
            self._covered = until
        return self._trains

    def _set_rates(self, parameters: dict) -> None:
        for name, values in parameters.items():
            if not np.all(np.isfinite(values)) or (name != "start" and np.any(values < 0)):
                raise NetworkError(f"SpikeSourcePoisson: {name} must be finite and >= 0")
        self._parameters = dict(parameters)
        self._start = parameters["start"]
        self._stop = parameters["start"] + parameters["duration"]
        rate = np.where(self._stop > self._start, parameters["rate"] / 1000.0, 0.0)
        active = rate > 0
        self._rate = float(rate.sum())
        self._shares = np.cumsum(rate) / self._rate if self._rate else np.zeros(len(rate))
        self._begin_ms = max(float(self._start[active].min(initial=np.inf)), self._since_ms)
        self._end_ms = float(self._stop[active].max(initial=-np.inf))

    def _clock(self, time_ms: float) -> float:
        """Operational time at a real time."""
        if not self._rate:
            return self._since
        return self._since + self._rate * max(min(time_ms, self._end_ms) - self._begin_ms, 0.0)

    def _draw(self, end_ms: float) -> None:
        clock = self._clock(end_ms)
        while self._drawn_to < clock:
            count = 64 + int(1.1 * (clock - self._drawn_to))
            steps = np.append(self._drawn_to, self._intervals.standard_exponential(count))
            # A cumulated sum adds in order, so it does not matter where it was cut.
            self._operational = np.append(self._operational, np.cumsum(steps)[1:])
            self._choice = np.append(self._choice, self._choices.random(count))
            self._drawn_to = float(self._operational[-1])
        due = int(np.searchsorted(self._operational, clock))
        if due == 0:
            return
        times = self._begin_ms + (self._operational[:due] - self._since) / self._rate
        cells = np.searchsorted(self._shares, self._choice[:due], side="right")
        active = (times >= self._start[cells]) & (times < self._stop[cells])
        self._trains = _merge(self._trains, cells[active], times[active])
        self._operational, self._choice = self._operational[due:], self._choice[due:]
