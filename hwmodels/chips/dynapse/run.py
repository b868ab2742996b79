"""A run of silicon neurons in continuous time: no step is common to neurons and fabric.

Neurons are integrated in fine steps of their own; their spikes have times within a step, go
through the fabric in picoseconds, and act at their arrival. The script's time grid only says when
sources spike, currents change and traces are sampled.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Progress, Translation
from hwmodels.chips.dynapse.analogue import arrive, constants, integrate, resting_state
from hwmodels.chips.dynapse.fabric import Deliveries, Fabric
from hwmodels.chips.dynapse.silicon import Silicon
from hwmodels.currents import CurrentSchedule
from hwmodels.mapping.placement import synapse_ends
from hwmodels.network import Network, stimulus_events
from hwmodels.recorder import Recorder, only_recorded, spikes_at
from hwmodels.result import Result, Spikes

if TYPE_CHECKING:
    from hwmodels.chips.dynapse.chip import Dynapse


class DynapseRun:
    """Implements :class:`hwmodels.chip.Run`.

    Parameters
    ----------
    chip : Dynapse
    translation : Translation
        All its computed populations have silicon neurons.
    fabric : Fabric

    Raises
    ------
    UnsupportedError
        For a recording of what a silicon neuron does not have.
    """

    def __init__(self, chip: Dynapse, translation: Translation, fabric: Fabric) -> None:
        from hwmodels.chips.dynapse.chip import step_ps

        network = translation.network
        network.check_start()
        _check_recordings(network)
        self._chip, self._fabric, self._network = chip, fabric, network
        self._step_ps = step_ps(network)
        self._fine = max(1, ceil(network.timestep_ms * 1e3 / chip.spec.integration_us - 1e-9))
        configuration: Any = translation.formats
        #: Computed cells stand in one row of arrays; where each global cell is in it.
        self._populations = [k for k in configuration if network.populations[k].size]
        self._place = np.full(int(network.offsets[-1]), -1, dtype=np.int64)
        first, self._slices = 0, {}
        for k in self._populations:
            size = network.populations[k].size
            self._slices[k] = slice(first, first + size)
            begin = int(network.offsets[k])
            self._place[begin : begin + size] = np.arange(first, first + size)
            first += size
        self._cells = np.flatnonzero(self._place >= 0)
        self._silicon: Silicon | None = None
        membrane = np.empty(0)
        if self._populations:
            self._silicon = Silicon.joined([configuration[k] for k in self._populations])
            membrane = np.concatenate([self._initial(network, k) for k in self._populations])
            step_s = network.timestep_ms * 1e-3 / self._fine
            self._constants = constants(self._silicon, chip.spec, step_s)
            self._dc = self._silicon.dc
        self._state = resting_state(membrane)
        self._spiked = np.empty(first, dtype=np.int64)
        self._offset_s = np.empty(first)
        self._wire(network, configuration.kind)
        #: Spikes that still have a delay: step of the fine grid, to synapses and times.
        self._delayed: dict[int, list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = {}
        self._recorder = Recorder(network)
        self._currents = CurrentSchedule(network)
        self._stimulus = stimulus_events(network)
        self._spike_cells: list[NDArray[np.int64]] = []
        self._spike_ps: list[NDArray[np.int64]] = []
        self._step = -1
        self._floored = self._lost = 0
        self._driven = np.zeros(first, dtype=bool)

    def _initial(self, network: Network, k: int) -> NDArray[np.float64]:
        """Membrane currents at the start, in A."""
        population, cells = network.populations[k], self._slices[k]
        assert self._silicon is not None
        potential = population.initial_values.get("v", self._silicon.low_mV[cells])
        dark = self._chip.spec.dark_pA * 1e-12
        return np.maximum(self._silicon.current(potential, cells), dark)

    def _wire(self, network: Network, kind: NDArray[np.int64]) -> None:
        """Targets, types, jumps and delays of all synapses, projection after projection."""
        _, target = synapse_ends(network)
        self._target = self._place[target]
        self._kind = kind
        weight = np.concatenate([np.empty(0), *(p.weight for p in network.projections)])
        delay = np.concatenate([np.empty(0), *(p.delay_ms for p in network.projections)])
        self._jump = np.zeros(len(weight))
        if self._silicon is not None:
            self._jump = np.abs(weight) * self._silicon.weight_gain[self._kind, self._target]
        self._delay_ps = np.rint(delay * 1e9).astype(np.int64)
        self._delays = bool(np.any(self._delay_ps))

    # Time

    def advance(self, network: Network, until_step: int, progress: Progress | None = None) -> None:
        """Execute up to and including ``until_step``; see :class:`hwmodels.chip.Run`."""
        if network is not self._network:
            self._take_over(network)
        if self._step < 0 <= until_step:
            self._step = 0
            self._recorder.samples(0, self._sample)
        while self._step < until_step:
            self._interval()
            self._step += 1
            self._recorder.samples(self._step, self._sample)
            if progress is not None and self._step % 100 == 0:
                progress(self._step)

    def _interval(self) -> None:
        """From one point of the script's grid to the next."""
        change = self._currents.change(self._step)
        if change:
            self._inject(change)
        steps, cells = self._stimulus
        first, last = np.searchsorted(steps, (self._step, self._step + 1))
        given = cells[first:last]
        fine = 0
        while fine < self._fine:
            # Nothing may arrive within steps that are done at one go.
            quiet = not (len(given) or self._delayed or self._fabric.busy)
            done, fired = 1, 0
            if self._silicon is not None:
                done, fired, floored = integrate(
                    self._state, self._constants, self._fine - fine if quiet else 1,
                    self._spiked, self._offset_s,
                )  # fmt: skip
                self._floored += floored
            fine += done
            begin_ps, end_ps = self._at(fine - 1), self._at(fine)
            spiked = self._cells[self._spiked[:fired]]
            times = begin_ps + np.rint(self._offset_s[:fired] * 1e12).astype(np.int64)
            times = np.minimum(times, end_ps - 1)
            all_cells = np.concatenate((given, spiked))
            all_times = np.concatenate((np.full(len(given), begin_ps), times))
            order = np.lexsort((all_cells, all_times))
            self._exchange(all_cells[order], all_times[order], end_ps)
            given = given[:0]

    def _at(self, fine: int) -> int:
        """Time of a point of the fine grid within this interval, in ps."""
        return self._step * self._step_ps + fine * self._step_ps // self._fine

    def _exchange(self, cells: NDArray[np.int64], times: NDArray[np.int64], end_ps: int) -> None:
        """Spikes enter the fabric, and what it delivers before the end of the step acts."""
        if len(cells):
            self._spike_cells.append(cells)
            self._spike_ps.append(times)
        if len(cells) or self._fabric.busy:
            delivered = self._fabric.send(self._step + 1, cells, times, end_ps)
            served = self._fabric.packets["synapses"][delivered.dropped]
            self._lost += int(served.sum(dtype=np.int64))
            if self._delays:
                self._delay(delivered, end_ps)
            elif len(delivered.copy):
                arrive(
                    self._state, self._constants, self._fabric.synapse_start,
                    self._fabric.synapses, self._target, self._kind, self._jump, delivered.copy,
                    (end_ps - delivered.time_ps) * 1e-12,
                )  # fmt: skip
        for synapses, acts_ps in self._delayed.pop(end_ps, ()):
            # A synapse a copy.
            arrive(
                self._state, self._constants, np.arange(len(self._kind) + 1),
                np.arange(len(self._kind)), self._target, self._kind, self._jump, synapses,
                (end_ps - acts_ps) * 1e-12,
            )  # fmt: skip

    def _delay(self, delivered: Deliveries, end_ps: int) -> None:
        """Put synapses off whose delay an ideal element holds."""
        start = self._fabric.synapse_start
        counts = start[delivered.copy + 1] - start[delivered.copy]
        before = np.cumsum(counts) - counts
        at = np.repeat(start[delivered.copy] - before, counts) + np.arange(int(counts.sum()))
        synapses = self._fabric.synapses[at]
        acts_ps = np.repeat(delivered.time_ps, counts) + self._delay_ps[synapses]
        # The end of the fine step in which each acts, this one at the earliest.
        interval, rest = np.divmod(acts_ps, self._step_ps)
        fine = rest * self._fine // self._step_ps + 1
        ends = fine * self._step_ps // self._fine
        # Points of the fine grid are rounded down, so the next one may be meant.
        ends = np.where(ends > rest, ends, (fine + 1) * self._step_ps // self._fine)
        ends += interval * self._step_ps
        for end in np.unique(ends).tolist():
            here = ends == end
            key = max(end, end_ps)
            self._delayed.setdefault(key, []).append((synapses[here], acts_ps[here]))

    def _inject(self, change: dict[int, NDArray[np.float64]]) -> None:
        if self._silicon is None:
            return
        for k, current_nA in change.items():
            cells = self._slices[k]
            self._driven[cells] |= current_nA != 0
            self._constants.dc[cells] = (
                self._dc[cells] + current_nA * self._silicon.input_gain[cells]
            )

    # What comes out

    def _sample(
        self, population: int, variable: str, cells: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """Membrane potential in mV; a refractory membrane reads as reset."""
        assert self._silicon is not None
        at = np.arange(len(self._cells))[self._slices[population]][cells]
        return self._silicon.potential(self._state.membrane[at], at)

    def _take_over(self, network: Network) -> None:
        _check_recordings(network)
        for k in self._populations:
            old, new = self._network.populations[k], network.populations[k]
            if old.initial_values.get("v") is not new.initial_values.get("v"):
                given = ~np.isnan(new.initial_values["v"])
                here = np.arange(len(self._cells))[self._slices[k]][given]
                self._state.membrane[here] = self._initial(network, k)[given]
        self._recorder.update(network)
        self._currents = CurrentSchedule(network)
        self._stimulus = stimulus_events(network)
        self._network = network

    def result(self, engine: str, translation: Translation, host_seconds: float) -> Result:
        """Everything since time 0."""
        steps = max(self._step, 0)
        taken = np.full(steps + 1, self._step_ps, dtype=np.int64)
        taken[0] = 0  # time 0 is the initial state
        hardware = replace(
            self._chip.report(translation, self._fabric, taken),
            quantisation=translation.quantisation,
        )
        packets = hardware.packets
        open_rows = packets["arrive_ps"] < 0
        counts = {
            **translation.counts,
            "cells driven by an ideal current source": int(self._driven.sum()),
            "net inputs cut off at the dark current": self._floored,
            "synaptic events lost": self._lost,
            "synaptic events under way at the end": int(
                packets["synapses"][open_rows].sum(dtype=np.int64)
            )
            - self._lost,
        }
        result = self._recorder.result(
            engine,
            self._network,
            steps,
            counts=counts,
            host_seconds=host_seconds,
            hardware=hardware,
        )
        return replace(result, spikes=self._spikes())

    def _spikes(self) -> tuple[Spikes, ...]:
        """Recorded spikes of each population, at their times in continuous time."""
        none = np.empty(0, dtype=np.int64)
        time_ms = np.concatenate([none, *self._spike_ps]) * 1e-9
        return spikes_at(self._network, np.concatenate([none, *self._spike_cells]), time_ms)


def _check_recordings(network: Network) -> None:
    only_recorded(network, ("v",), "DynapSE's silicon neurons")
