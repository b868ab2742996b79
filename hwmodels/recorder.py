"""Collects what a Network asks to be recorded while an engine steps through it.

Every engine, software or chip, feeds one of these, so that sampling instants, grid times and
the order of spikes are the same everywhere. It must not know who computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import UnsupportedError
from hwmodels.network import Network, Recording
from hwmodels.result import HardwareReport, Result, Spikes, Trace, spikes_from_steps

#: From (population, variable, cells) to the values now.
Sampler = Callable[[int, str, NDArray[np.int32]], NDArray[np.float64]]


class Recorder:
    """Spikes and samples of one run.

    Parameters
    ----------
    network : Network
        Its recordings say what to keep.
    """

    def __init__(self, network: Network) -> None:
        self._steps: list[list[NDArray[np.int64]]] = [[] for _ in network.populations]
        self._cells: list[list[NDArray[np.int32]]] = [[] for _ in network.populations]
        self._kept: dict[int, NDArray[np.bool_]] = {}
        self._traces: dict[tuple[int, str, float, bytes], _Samples] = {}
        self._network = network
        self.update(network)

    def update(self, network: Network) -> None:
        """Take over changed recordings; what was recorded so far is kept."""
        self._network = network
        self._kept = {}
        self._sampled: list[tuple[Recording, int, _Samples]] = []
        for recording in network.recordings:
            population = network.populations[recording.population]
            if recording.variable == "spikes":
                mask = self._kept.setdefault(
                    recording.population, np.zeros(population.size, dtype=bool)
                )
                mask[recording.cells] = True
            elif not population.is_source:
                key = (
                    recording.population,
                    recording.variable,
                    recording.interval_ms,
                    recording.cells.tobytes(),
                )
                samples = self._traces.setdefault(key, _Samples(recording))
                every = round(recording.interval_ms / network.timestep_ms)
                self._sampled.append((recording, every, samples))

    def spikes(self, step: int, population: int, cells: NDArray[np.int32]) -> None:
        """Keep the spikes of some cells of a population at a step."""
        mask = self._kept.get(population)
        if mask is None:
            return
        kept = cells[mask[cells]]
        if len(kept):
            self._steps[population].append(np.full(len(kept), step))
            self._cells[population].append(np.asarray(kept, dtype=np.int32))

    def spikes_of_steps(self, steps: NDArray[np.int64], cells: NDArray[np.int64]) -> None:
        """Keep spikes of several steps: a step and a global cell number each."""
        offsets = self._network.offsets
        for population, mask in self._kept.items():
            first, last = offsets[population], offsets[population + 1]
            chosen = np.flatnonzero((cells >= first) & (cells < last))
            own = (cells[chosen] - first).astype(np.int32)
            if len(own) and not mask.all():
                chosen, own = chosen[mask[own]], own[mask[own]]
            if len(own):
                self._steps[population].append(steps[chosen])
                self._cells[population].append(own)

    def next_sample(self, step: int) -> float:
        """The first step from this one on in which a sample is due."""
        every = [every for _, every, _ in self._sampled]
        return min((-(-step // one) * one for one in every), default=float("inf"))

    def samples(self, step: int, sampler: Sampler) -> None:
        """Take the samples that are due at a step."""
        for recording, every, samples in self._sampled:
            if step % every == 0:
                samples.steps.append(step // every)
                samples.values.append(
                    sampler(recording.population, recording.variable, recording.cells)
                )

    def result(
        self,
        engine: str,
        network: Network,
        steps: int,
        *,
        counts: Mapping[str, int],
        host_seconds: float,
        hardware: HardwareReport | None = None,
    ) -> Result:
        """Everything recorded so far, as the Result of an engine."""
        return Result.of_run(
            engine,
            network,
            steps,
            counts,
            spikes=tuple(self._spikes(i) for i in range(len(network.populations))),
            traces=tuple(s.trace() for s in self._traces.values() if s.values),
            host_seconds=host_seconds,
            hardware=hardware,
        )

    def _spikes(self, population: int) -> Spikes:
        chunks = self._cells[population]
        if not chunks:
            return Spikes(np.empty(0, dtype=np.int32), np.empty(0))
        steps = np.concatenate(self._steps[population])
        return spikes_from_steps(steps, np.concatenate(chunks), self._network.timestep_ms)


def spikes_at(
    network: Network, cells: NDArray[np.int64], time_ms: NDArray[np.float64]
) -> tuple[Spikes, ...]:
    """Recorded spikes of each population of a run in continuous time.

    Parameters
    ----------
    network : Network
        Its recordings say what to keep.
    cells : int64, shape (n,)
        Global numbers of the cells that spiked.
    time_ms : float64, shape (n,)
    """
    recorded = np.zeros(int(network.offsets[-1]), dtype=bool)
    for recording in network.recordings:
        if recording.variable == "spikes":
            recorded[recording.cells + network.offsets[recording.population]] = True
    cells, time_ms = cells[recorded[cells]], time_ms[recorded[cells]]
    trains = []
    for k in range(len(network.populations)):
        low, high = network.offsets[k], network.offsets[k + 1]
        here = (cells >= low) & (cells < high)
        order = np.lexsort((cells[here], time_ms[here]))
        trains.append(Spikes((cells[here][order] - low).astype(np.int32), time_ms[here][order]))
    return tuple(trains)


def only_recorded(network: Network, variables: tuple[str, ...], whose: str) -> None:
    """Refuse recordings of what the chip's own neurons do not have.

    Raises
    ------
    UnsupportedError
        Names the population, the variable and whose neurons lack it.
    """
    for recording in network.recordings:
        population = network.populations[recording.population]
        if recording.variable not in ("spikes", *variables) and not population.is_source:
            raise UnsupportedError(
                f"population {population.label!r}: {recording.variable!r} cannot be recorded from "
                f"{whose}; record {' or '.join((*variables, 'spikes'))}, or run with neurons=exact"
            )


class _Samples:
    """Samples of one recording, with gaps where it was off."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.steps: list[int] = []
        self.values: list[NDArray[np.float64]] = []

    def trace(self) -> Trace:
        values = np.full((self.steps[-1] + 1, len(self.recording.cells)), np.nan)
        values[self.steps] = self.values
        return Trace(
            self.recording.population,
            self.recording.variable,
            self.recording.cells,
            self.recording.interval_ms,
            values,
        )
