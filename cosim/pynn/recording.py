"""Recorded data: from the arrays of a Result to Neo.

In: what a script asks to record, and the Result of the engine. Out: Neo segments. Samples are at
0, interval, ... up to and including the current time; the times of spikes are those of the
engine's own grid, which on some chips is coarser than the script's.
"""

from __future__ import annotations

import math
from datetime import datetime

import neo
import numpy as np
import quantities as pq
from pyNN import recording
from pyNN.recording import Variable
from pyNN.recording import get_io as get_io

from cosim.pynn import simulator
from cosim.pynn.celltypes import state_variable
from hwmodels.errors import ModelError, NetworkError, UnsupportedError

#: Digits (of ms) that are kept of times: enough for any grid, too few for rounding errors.
_DIGITS = 9

SPIKES = Variable("spikes", None, None)


class Recorder(recording.Recorder):
    """What is recorded of one population, and the way to it."""

    _simulator = simulator

    def __init__(self, population, file=None):
        super().__init__(population, file)
        # The step from which data of a variable are wanted: since record() or the last clear.
        self._since: dict[Variable, int] = {}

    # --- Asked for by the script ----------------------------------------------------------------

    def record(self, variables, ids, sampling_interval=None, locations=None):
        """Record variables of some cells."""
        if locations is not None:
            raise UnsupportedError("cells have no locations here: all are points")
        if sampling_interval is not None:
            ratio = sampling_interval / self._simulator.state.dt
            if ratio < 0.5 or abs(ratio - round(ratio)) > 1e-6:
                raise NetworkError(
                    f"population {self.population.label!r}: sampling interval {sampling_interval} "
                    f"ms must be a multiple of the time step {self._simulator.state.dt} ms"
                )
        super().record(variables, ids, sampling_interval, locations)

    def _record(self, variable, new_ids, sampling_interval=None):
        self._since.setdefault(variable, self._simulator.state.step)
        if variable != SPIKES and sampling_interval is not None:
            self.sampling_interval = sampling_interval

    def _reset(self):
        """Forget what was asked for (``record(None)``)."""
        self._since = {}
        self.sampling_interval = self._simulator.state.dt

    def filter_recorded(self, variable, filter_ids):
        """Return the recorded cells, or those of them that are in ``filter_ids``."""
        recorded = self.recorded.get(variable, set())
        return recorded if filter_ids is None else recorded.intersection(filter_ids)

    def requests(self) -> list[tuple[str, np.ndarray, float]]:
        """For lowering: variable, cells (int32, ascending) and sampling interval."""
        first = int(self.population.first_id)
        found = []
        for variable, ids in self.recorded.items():
            if ids:
                cells = np.sort(np.fromiter(ids, dtype=np.int32, count=len(ids))) - first
                interval = self._simulator.state.dt
                if variable != SPIKES:
                    interval = self.sampling_interval
                name = state_variable(self.population.celltype, variable.name)
                found.append((name, cells.astype(np.int32), float(interval)))
        return found

    # --- Found in the result --------------------------------------------------------------------

    def get(self, *args, **kwargs):
        """Return the recorded data as a Neo block."""
        if not self._simulator.state.running and not any(self.cache):
            raise ModelError(
                f"population {self.population.label!r}: there is no data before the first run()"
            )
        return super().get(*args, **kwargs)

    def _cells(self, ids) -> np.ndarray:
        return np.fromiter(ids, dtype=np.int64, count=len(ids)) - int(self.population.first_id)

    def _spikes(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cells and times (ms) of the wanted spikes."""
        spikes = self._simulator.state.result.spikes[self.population.index]
        since = self._since.get(SPIKES, 0)
        times = np.round(spikes.time_ms, _DIGITS)
        wanted = np.isin(spikes.cell, cells) & (times <= self._simulator.state.t)
        if since:
            wanted &= times > since * self._simulator.state.dt + 10.0**-_DIGITS
        return spikes.cell[wanted], times[wanted]

    def _signal(self, variable: Variable, cells: np.ndarray):
        """Return samples (samples, cells), time of the first, interval; None if there are none."""
        name = state_variable(self.population.celltype, variable.name)
        traces = [
            trace
            for trace in self._simulator.state.result.traces
            if trace.population == self.population.index and trace.variable == name
        ]
        if not traces:
            return None
        interval = traces[0].interval_ms
        begin_ms = self._since.get(variable, 0) * self._simulator.state.dt
        first = math.ceil(begin_ms / interval - 1e-6)
        samples = max(len(trace.values) for trace in traces)
        values = np.full((max(samples - first, 0), len(cells)), np.nan)
        for trace in traces:
            _, here, there = np.intersect1d(cells, trace.cells, return_indices=True)
            part = trace.values[first:, there]
            values[: len(part), here] = part
        return values, round(first * interval, _DIGITS), interval

    def _get_current_segment(self, filter_ids=None, variables="all", clear=False):
        """Return the data since the last ``reset`` or clear."""
        segment = neo.Segment(
            name=f"segment{self._simulator.state.segment_counter:03d}",
            description=self.population.describe(),
            rec_datetime=datetime.now(),
        )
        for variable in self.recorded:
            if variables == "all" or variable in variables:
                ids = sorted(self.filter_recorded(variable, filter_ids))
                if ids:
                    add = self._add_spiketrains if variable == SPIKES else self._add_signal
                    add(segment, variable, ids)
        return segment

    def _add_spiketrains(self, segment, variable, ids) -> None:
        state = self._simulator.state
        cells, times = self._spikes(self._cells(ids))
        channels = np.array(ids, dtype=int)
        segment.spiketrains = neo.spiketrainlist.SpikeTrainList.from_spike_time_array(
            times * pq.ms,
            cells + int(self.population.first_id),
            channels,
            t_start=round(self._since[variable] * state.dt, _DIGITS) * pq.ms,
            t_stop=state.t * pq.ms,
            units="ms",
            source_population=self.population.label,
            source_index=self.population.id_to_index(channels),
        )
        segment.spiketrains.segment = segment

    def _add_signal(self, segment, variable, ids) -> None:
        found = self._signal(variable, self._cells(ids))
        if found is None:
            return
        values, start_ms, interval_ms = found
        units = self.population.find_units(variable)
        signal = neo.AnalogSignal(
            values,
            units="dimensionless" if units == "unknown" else units,
            t_start=start_ms * pq.ms,
            sampling_period=interval_ms * pq.ms,
            name=variable.name,
            channel_ids=np.fromiter(ids, dtype=int),
            source_population=self.population.label,
            array_annotations={"channel_index": self._cells(ids)},
        )
        segment.analogsignals.append(signal)
        signal.segment = segment

    def _local_count(self, variable, filter_ids=None):
        ids = sorted(self.filter_recorded(variable, filter_ids))
        if not self._simulator.state.running:
            return {int(id): 0 for id in ids}
        cells, _ = self._spikes(self._cells(ids))
        counts = np.bincount(cells, minlength=self.population.size)
        return {int(id): int(counts[cell]) for id, cell in zip(ids, self._cells(ids), strict=True)}

    # --- Clearing -------------------------------------------------------------------------------

    def _clear_simulator(self):
        """Give out no more what was recorded so far (``clear=True``)."""
        self._since = dict.fromkeys(self._since, self._simulator.state.step)

    def store_to_cache(self, annotations=None):
        """Keep what was recorded, and begin again at time 0 (``reset``)."""
        super().store_to_cache(annotations)
        self._since = dict.fromkeys(self._since, 0)
