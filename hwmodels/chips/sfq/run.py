"""A run of the whole network as one circuit: no step is common to anything in it.

Sources put pulses on its inputs, somas fire when their quanta suffice, and the script's time grid
only says when sources spike and when traces are sampled.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Progress, Translation
from hwmodels.chips.sfq.counts import count_ends
from hwmodels.chips.sfq.devices import chance, loop_threshold
from hwmodels.chips.sfq.wiring import (
    Ends,
    Lines,
    gate_soma_ends,
    soma_ends,
    source_ends,
    wire,
    with_vetoes,
)
from hwmodels.errors import UnsupportedError
from hwmodels.fabric.pulse import LEFT, TAKEN, pulse_engine
from hwmodels.fabric.pulse_cells import FLUX_QUANTUM_UA_PH, INPUTS
from hwmodels.fabric.pulse_netlist import Netlist
from hwmodels.mapping import Placement
from hwmodels.network import Network, stimulus_events, to_delay_steps
from hwmodels.recorder import Recorder, only_recorded, spikes_at
from hwmodels.result import PACKET, Result

if TYPE_CHECKING:
    from hwmodels.chips.sfq.chip import Sfq

_LATEST = int(np.iinfo(PACKET["late_steps"]).max)
#: Steps that are run at one go where nothing is sampled.
_CHUNK = 100


class SfqRun:
    """Implements :class:`hwmodels.chip.Run`.

    Parameters
    ----------
    chip : Sfq
    translation : Translation
        All its computed populations have somas.
    placement : Placement

    Raises
    ------
    UnsupportedError
        For a recording of what a soma does not have.
    CapacityError
        When the circuit has more junctions than the chip.
    """

    def __init__(self, chip: Sfq, translation: Translation, placement: Placement) -> None:
        network = translation.network
        network.check_start()
        only_recorded(network, ("v",), "SFQ somas")
        self._chip, self._network, self._placement = chip, network, placement
        self._configuration: Any = translation.formats
        self._counts: dict[str, int] = {}
        self._build(network)
        self._recorder = Recorder(network)
        self._stimulus = stimulus_events(network)
        self._given = 0
        self._spike_cells: list[NDArray[np.int64]] = []
        self._spike_fs: list[NDArray[np.int64]] = []
        self._spike_ids: list[NDArray[np.int64]] = []
        self._arrivals: list[NDArray] = []
        self._step = -1

    def _build(self, network: Network) -> None:
        """The circuit of the network."""
        chip, n_cells = self._chip, int(network.offsets[-1])
        timed = "fabric" in chip.effects
        self._net = net = Netlist(chip.library)
        neurons = np.flatnonzero(self._placement.core_of >= 0)
        given = np.flatnonzero(self._placement.core_of < 0)
        lines = self._lines(network, timed)
        sources = source_ends(net, n_cells, given, timed)
        somas = self._soma_ends(network, lines, neurons, timed)
        on_chip = somas.cell >= 0
        begin = Ends(
            np.where(on_chip, somas.entry, sources.entry),
            somas.inhibit,
            np.where(on_chip, somas.cell, sources.cell),
            np.where(on_chip, somas.exit, sources.exit),
            sources.delay_fs,
        )
        ring = chip.synapse == "burst" and self._bursts(timed) and chip.circuits == "gates"
        synapse = "ring" if ring else chip.synapse
        self._wired = wire(net, begin, somas, lines, chip.spec, synapse, chip.style(timed))
        chip.check(net, network)
        self._begin, self._lines_made = begin, lines
        self._circuit = net.build(chip.conditions)
        self._engine = pulse_engine(
            self._circuit, chip.library.tables(), chip.conditions, chip.fidelity
        )
        #: Cell of the network behind each cell of the netlist that gives its spikes.
        self._network_cell = np.full(net.size, -1, dtype=np.int64)
        self._network_cell[begin.cell] = np.arange(n_cells)
        # Of a soma of several cells, that which takes pulses is another one.
        self._network_cell[begin.entry // INPUTS] = np.arange(n_cells)

    def _bursts(self, timed: bool) -> bool:
        """Whether weights are so many pulses, and not one of their size."""
        chip = self._chip
        return timed and "weight_precision" in chip.effects and chip.synapse == "burst"

    def _soma_ends(
        self, network: Network, lines: Lines, neurons: NDArray[np.int64], timed: bool
    ) -> Ends:
        """Somas of single cells, or of gates where these can do the same."""
        chip, n_cells = self._chip, int(network.offsets[-1])
        fields = self._somas(network)
        single = np.ones(len(neurons), dtype=bool)
        vetoed = np.empty(0, dtype=np.int64)
        if chip.inhibition == "veto":
            vetoed = np.unique(lines.target[lines.inhibitory])
            veto = int(np.count_nonzero(lines.inhibitory))
            self._counts["inhibitory synapses that veto"] = veto
        if chip.circuits == "gates" and timed and not chip.settings.leaks:
            # Toggles count up, by one, and wait no longer than they must.
            down = lines.inhibitory & (chip.inhibition == "subtract")
            other = down | (lines.charge != 1.0)
            long = fields["deaf_fs"] > round(chip.spec.soma_dead_ps * 1000)
            single = np.isin(neurons, lines.target[other]) | long
            self._counts["somas that stay single cells"] = int(np.count_nonzero(single))
            self._check_readable(network, neurons[~single])
        some = {name: values[single] for name, values in fields.items()}
        ends = soma_ends(self._net, n_cells, neurons[single], chip.soma, timed, **some)
        if np.all(single):
            return with_vetoes(self._net, ends, vetoed, timed)
        rest = {name: fields[name][~single] for name in ("threshold", "held")}
        gates = gate_soma_ends(self._net, n_cells, neurons[~single], **rest)
        made = (np.where(gates.cell >= 0, b, a) for a, b in zip(ends, gates, strict=True))
        return with_vetoes(self._net, Ends(*made), vetoed, timed)

    def _check_readable(self, network: Network, cells: NDArray[np.int64]) -> None:
        for recording in network.recordings:
            k = recording.population
            if recording.variable != "spikes" and np.any(
                np.isin(recording.cells + network.offsets[k], cells)
            ):
                raise UnsupportedError(
                    f"population {network.populations[k].label!r}: {recording.variable!r} of a "
                    "soma made of gates stands in toggles and cannot be read; record spikes, or "
                    "use circuits=macro"
                )

    def _somas(self, network: Network) -> dict[str, NDArray]:
        """Fields of all somas, in the order of the cells."""
        spec, parts = self._chip.spec, []
        for k, population in enumerate(network.populations):
            if not population.is_source and population.size:
                parts.append(self._configuration[k])
        fields: dict[str, NDArray] = {
            name: np.concatenate([np.empty(0), *(getattr(part, name) for part in parts)])
            for name in ("threshold", "floor", "held")
        }
        fields["tau_fs"] = np.concatenate([np.empty(0), *(part.tau_ps * 1000 for part in parts)])
        deaf = np.concatenate([np.empty(0), *(part.deaf_ps * 1000 for part in parts)])
        fields["deaf_fs"] = np.rint(deaf).astype(np.int64)
        if "spread" in self._chip.effects and self._chip.settings.leaks:
            generator = np.random.default_rng((self._chip.chip_seed, 1))
            drawn = generator.normal(0, spec.weight_spread_uA, len(deaf))
            per_uA = np.concatenate(
                [np.empty(0)]
                + [
                    np.full(len(part.threshold), part.inductance_pH)
                    / (spec.soma_coupling * FLUX_QUANTUM_UA_PH)
                    for part in parts
                ]
            )
            least = loop_threshold(spec.loop_pH[0][1], spec.soma_critical_uA, spec)
            fields["threshold"] = np.maximum(fields["threshold"] - drawn * per_uA, least)
        return fields

    def _lines(self, network: Network, timed: bool) -> Lines:
        """A line for each synapse that has a weight."""
        chip, spec = self._chip, self._chip.spec
        step_fs = network.timestep_ms * spec.ps_per_ms * 1000
        bursts = self._bursts(timed)
        columns: list[list[NDArray]] = [[] for _ in Lines._fields]
        for projection, made in zip(network.projections, self._configuration.weights, strict=True):
            if made is None:
                continue
            there = made.quanta != 0
            size = np.abs(made.quanta[there])
            current = made.current_uA[there] if len(made.current_uA) else made.current_uA
            if "stochastic" not in chip.effects and len(current):
                size, current = chance(current, spec), np.empty(0)
            steps = to_delay_steps(projection.delay_ms[there], network.timestep_ms)
            values = (
                projection.source[there].astype(np.int64) + network.offsets[projection.pre],
                projection.target[there].astype(np.int64) + network.offsets[projection.post],
                made.quanta[there] < 0,
                np.rint(steps * step_fs).astype(np.int64),
                np.rint(size).astype(np.int64) if bursts else np.ones(len(size), dtype=np.int64),
                np.rint(made.burst_ps[there] * 1000).astype(np.int64),
                (np.ones(len(size)) if bursts else size)
                * self._configuration[projection.post].charge,
                current,
            )
            for column, value in zip(columns, values, strict=True):
                column.append(value)
        kinds = (np.int64, np.int64, np.bool_, np.int64, np.int64, np.int64, float, float)
        lines = Lines(
            *(
                np.concatenate([np.empty(0, dtype=kind), *column]).astype(kind)
                for kind, column in zip(kinds, columns, strict=True)
            )
        )
        if len(lines.current_uA) and "spread" in chip.effects:
            generator = np.random.default_rng((chip.chip_seed, 2))
            drawn = generator.normal(0, spec.weight_spread_uA, len(lines.current_uA))
            lines = lines._replace(current_uA=lines.current_uA + drawn)
        self._net.charges(lines.charge)
        return lines

    # Time

    def _at(self, step: int) -> int:
        """Time of a step in fs of the chip."""
        return round(step * self._network.timestep_ms * self._chip.spec.ps_per_ms * 1000)

    def advance(self, network: Network, until_step: int, progress: Progress | None = None) -> None:
        """Execute up to and including ``until_step``; see :class:`hwmodels.chip.Run`."""
        if network is not self._network:
            self._take_over(network)
        sampled = any(
            r.variable != "spikes" and not network.populations[r.population].is_source
            for r in network.recordings
        )
        if self._step < 0 <= until_step:
            self._step = 0
            self._recorder.samples(0, self._sample)
        while self._step < until_step:
            last = self._step + 1 if sampled else min(self._step + _CHUNK, until_step)
            self._interval(last)
            self._step = last
            self._recorder.samples(last, self._sample)
            if progress is not None and last % _CHUNK == 0:
                progress(last)

    def _interval(self, until: int) -> None:
        """From the last step to another; what happens at its time, happens later."""
        steps, cells = self._stimulus
        first, last = np.searchsorted(steps, (self._step, until))
        times = np.array([self._at(step) for step in steps[first:last].tolist()], dtype=np.int64)
        sending = cells[first:last]
        size = self._net.size
        ids = self._begin.cell[sending] + size * (1 + self._given + np.arange(len(sending)))
        self._given += len(sending)
        log = self._engine.run(self._begin.entry[sending], times, ids, self._at(until))
        count_ends(log, self._circuit.type, self._chip.library, self._counts)
        left = log[log["what"] == LEFT]
        self._spike_cells += [sending, self._network_cell[left["cell"]]]
        self._spike_fs += [times, left["time_fs"]]
        self._spike_ids += [ids, left["spike"]]
        taken = log[log["what"] == TAKEN]
        core = self._placement.core_of[self._network_cell[taken["cell"]]]
        arrived = np.stack((taken["spike"], core.astype(np.int64), taken["time_fs"]), axis=1)
        # Rows are in order of time: the first of each spike at a core is when it is there.
        _, at = np.unique(arrived[:, :2], axis=0, return_index=True)
        self._arrivals.append(arrived[at])

    def _sample(
        self, population: int, variable: str, cells: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """Membrane potential in mV that the quanta of a soma stand for."""
        somas = self._configuration[population]
        at = self._begin.cell[cells + self._network.offsets[population]]
        held = self._engine.charges(at, self._at(self._step))
        return somas.rest_mV[cells] + held * somas.quantum_mV[cells]

    def _take_over(self, network: Network) -> None:
        only_recorded(network, ("v",), "SFQ somas")
        for old, new in zip(self._network.populations, network.populations, strict=True):
            if any(old.initial_values.get(k) is not v for k, v in new.initial_values.items()):
                raise UnsupportedError(
                    f"population {new.label!r}: the flux of SFQ somas cannot be set between runs; "
                    "use one run, or neurons=exact"
                )
        self._recorder.update(network)
        self._stimulus = stimulus_events(network)
        self._network = network

    # What comes out

    def result(self, engine: str, translation: Translation, host_seconds: float) -> Result:
        """Everything since time 0."""
        from hwmodels.chips.sfq.chip import step_starts_fs, whole_ps

        chip, network = self._chip, self._network
        steps = max(self._step, 0)
        starts = step_starts_fs(network, chip.spec, steps)
        none = np.empty(0, dtype=np.int64)
        cells = np.concatenate([none, *self._spike_cells])
        time_fs = np.concatenate([none, *self._spike_fs])
        ids = np.concatenate([none, *self._spike_ids])
        within = time_fs <= starts[-1]
        cells, time_fs, ids = cells[within], time_fs[within], ids[within]
        packets = self._packets(cells, time_fs, ids, starts)
        report = chip.report(
            translation, self._net, self._engine.flips, self._circuit.type, packets,
            np.diff(whole_ps(starts), prepend=0), chip.fidelity, self._wired.passive_mm,
        )  # fmt: skip
        counts = {
            **translation.counts,
            "lines that take longer than their delay": self._wired.short,
            **self._counts,
            "pulses under way at the end": self._engine.under_way,
        }
        result = self._recorder.result(
            engine,
            network,
            steps,
            counts=counts,
            host_seconds=host_seconds,
            hardware=replace(report, quantisation=translation.quantisation),
        )
        # Sources spike on the script's own grid.
        given = self._placement.core_of[cells] < 0
        time_ms = time_fs / (chip.spec.ps_per_ms * 1000)
        grid = np.rint(time_ms / network.timestep_ms) * network.timestep_ms
        return replace(result, spikes=spikes_at(network, cells, np.where(given, grid, time_ms)))

    def _packets(
        self,
        cells: NDArray[np.int64],
        time_fs: NDArray[np.int64],
        ids: NDArray[np.int64],
        starts: NDArray[np.int64],
    ) -> NDArray:
        """A packet for each spike and each cell it goes to; it is there with its first pulse."""
        from hwmodels.chips.sfq.chip import whole_ps

        order = np.argsort(time_fs, kind="stable")
        cells, time_fs, ids = cells[order], time_fs[order], ids[order]
        packets = self._placement.packets(0, cells, 0)
        per_spike = np.diff(self._placement.axons.indptr)[cells]
        sent_fs = np.repeat(time_fs, per_spike)
        packets["step"] = np.maximum(np.searchsorted(starts, sent_fs, side="right"), 1)
        packets["step"] = np.minimum(packets["step"], len(starts) - 1)
        packets["inject_ps"] = whole_ps(sent_fs)
        packets["hops"] = self._hops()[self._placement.axons.of(cells)]
        if not self._arrivals or not len(packets):
            return packets
        arrived = np.concatenate(self._arrivals)
        arrived = arrived[np.argsort(arrived[:, 2], kind="stable")]
        by_id = np.argsort(ids)
        place = np.minimum(np.searchsorted(ids[by_id], arrived[:, 0]), len(ids) - 1)
        known = ids[by_id][place] == arrived[:, 0]
        n_cores = self._placement.n_cores
        key = by_id[place] * n_cores + arrived[:, 1]
        key, first = np.unique(key[known], return_index=True)
        there = arrived[known][first, 2]
        own = np.repeat(np.arange(len(cells)), per_spike) * n_cores + packets["destination_core"]
        row = np.searchsorted(own, key)
        late = (there - sent_fs[row] - 1) // max(int(starts[1]) if len(starts) > 1 else 1, 1)
        packets["arrive_ps"][row] = whole_ps(there)
        packets["late_steps"][row] = np.clip(late, 0, _LATEST)
        return packets

    def _hops(self) -> NDArray[np.int64]:
        """Most splitters and mergers on the lines of each axon."""
        axons, lines = self._placement.axons, self._lines_made
        source = np.repeat(np.arange(len(axons.indptr) - 1), np.diff(axons.indptr))
        n_cores = self._placement.n_cores
        key = source * n_cores + axons.core
        at = np.searchsorted(key, lines.source * n_cores + self._placement.core_of[lines.target])
        hops = np.zeros(len(key), dtype=np.int64)
        np.maximum.at(hops, at, self._wired.hops)
        return hops
