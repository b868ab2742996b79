"""The wiring of an SFQ chip for neurons on a time grid: trees, delay lines, collisions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Transit, Translation, at_once
from hwmodels.chips.sfq.counts import count_ends
from hwmodels.chips.sfq.wiring import Lines, port_ends, source_ends, wire
from hwmodels.errors import UnsupportedError
from hwmodels.fabric.pulse import TAKEN, pulse_engine
from hwmodels.fabric.pulse_netlist import DELAY_PER_BIAS, Netlist
from hwmodels.mapping import Placement
from hwmodels.mapping.placement import synapse_ends
from hwmodels.network import to_delay_steps
from hwmodels.result import PACKET, HardwareReport

if TYPE_CHECKING:
    from hwmodels.chips.sfq.chip import Sfq

#: What the column ``late_steps`` can hold.
_LATEST = int(np.iinfo(PACKET["late_steps"]).max)
#: A pulse that takes its way with all that can stretch it, and this, was absorbed.
_SLACK_FS = 200_000
_NONE = np.empty(0, dtype=np.int64)
_NEVER = int(np.iinfo(np.int64).max)


class SfqTransport:
    """One line for each pair of cells that are joined; implements :class:`hwmodels.chip.Transport`.

    A delay line makes a pulse arrive in the middle of the step before its synapse is due; what
    arrives later acts in the step after its arrival.
    """

    late = staticmethod(at_once)

    def __init__(self, chip: Sfq, translation: Translation, placement: Placement) -> None:
        from hwmodels.chips.sfq.chip import step_starts_fs

        self._chip, self._translation, self._placement = chip, translation, placement
        network = translation.network
        real = {"stochastic", "fabric", "collisions", "jitter", "spread"}
        self._real = bool(real & set(chip.effects))
        self._step_fs = int(step_starts_fs(network, chip.spec, 1)[1])
        axons, n_cells = placement.axons, int(network.offsets[-1])
        self._net = Netlist(chip.library)
        source = np.repeat(np.arange(n_cells), np.diff(axons.indptr))
        neurons = np.flatnonzero(placement.core_of >= 0)
        timed = "fabric" in chip.effects
        begin = source_ends(self._net, n_cells, np.arange(n_cells), timed)
        end = port_ends(self._net, n_cells, neurons)
        n = len(source)
        lines = Lines(
            source, neurons[axons.core], np.zeros(n, dtype=bool), self._delays(source),
            np.ones(n, dtype=np.int64), np.zeros(n, dtype=np.int64), np.ones(n),
            self._currents(source),
        )  # fmt: skip
        self._wired = wire(
            self._net, begin, end, lines, chip.spec,
            "stochastic" if "stochastic" in chip.effects else None,
            chip.style(timed, lead_fs=(self._step_fs + 1) // 2),
        )  # fmt: skip
        chip.check(self._net, network)
        self._circuit = self._net.build(chip.conditions)
        self._engine = pulse_engine(
            self._circuit, chip.library.tables(), chip.conditions, chip.fidelity
        )
        # A weak bias slows all cells; spread and pushes by others, some.
        self._stretch = 1.1 * max(1.0, 1 + DELAY_PER_BIAS * (chip.conditions.bias - 1))
        self._entry, self._n_cores = begin.entry, max(placement.n_cores, 1)
        self._core = np.full(self._net.size, -1, dtype=np.int64)
        self._core[end.cell[neurons]] = np.arange(len(neurons))
        self._packets = [np.empty(0, dtype=PACKET)]
        #: Packets under way: rows of one table, which pulse each is, when sent, latest arrival.
        self._open = np.empty(0, dtype=PACKET)
        self._open_key = np.empty(0, dtype=np.int64)
        self._open_fs = np.empty(0, dtype=np.int64)
        self._deadline = np.empty(0, dtype=np.int64)
        self._first_deadline = _NEVER
        self._steps_fs: list[int] = []
        self._now_fs = self._spikes = 0
        self._counts: dict[str, int] = {}

    def _delays(self, source: NDArray[np.int64]) -> NDArray[np.int64]:
        """Shortest delay of the synapses behind each axon, in fs."""
        network = self._translation.network
        none = np.empty(0, dtype=np.int64)
        steps = np.concatenate(
            [none] + [to_delay_steps(p.delay_ms, network.timestep_ms) for p in network.projections]
        )
        shortest = np.full(len(source), _NEVER)
        np.minimum.at(shortest, self._axon_of(source), steps)
        return shortest * self._step_fs

    def _axon_of(self, source: NDArray[np.int64]) -> NDArray[np.int64]:
        """Axon of each synapse, projection after projection."""
        pre, post = synapse_ends(self._translation.network)
        n_cores = self._placement.n_cores
        key = source * n_cores + self._placement.axons.core
        return np.searchsorted(key, pre * n_cores + self._placement.core_of[post])

    def _currents(self, source: NDArray[np.int64]) -> NDArray[np.float64]:
        """Weight current of each axon in uA; none where nothing is left to chance."""
        chip, network = self._chip, self._translation.network
        if "stochastic" not in chip.effects:
            return np.empty(0)
        always = chip.spec.weight_half_uA + 4 * chip.spec.weight_grey_uA
        weights: Any = self._translation.formats.weights  # type: ignore[attr-defined]
        currents = np.concatenate(
            [np.empty(0)]
            + [
                np.full(p.n_synapses, always) if made is None else made.current_uA
                for p, made in zip(network.projections, weights, strict=True)
            ]
        )
        at = self._axon_of(source)
        least, most = np.full(len(source), np.inf), np.full(len(source), -np.inf)
        np.minimum.at(least, at, currents)
        np.maximum.at(most, at, currents)
        if np.any(least < most):
            axon = int(np.argmax(least < most))
            edges = np.cumsum([0, *(p.n_synapses for p in network.projections)])
            synapse = int(np.argmax(at == axon))
            label = network.projections[int(np.searchsorted(edges, synapse, "right")) - 1].label
            raise UnsupportedError(
                f"projection {label!r}: a pair of cells has several synapses of different weight, "
                "and exact neurons have one stochastic line for each pair; join them to one "
                "synapse, or use neurons=chip"
            )
        if "spread" in chip.effects:
            generator = np.random.default_rng((chip.chip_seed, 2))
            most = most + generator.normal(0, chip.spec.weight_spread_uA, len(most))
        return most

    def step(
        self, step: int, fired: NDArray[np.int64], active: NDArray[np.bool_] | None
    ) -> Transit | None:
        """Carry the spikes of one step; see :class:`hwmodels.chip.Transport`."""
        from hwmodels.chips.sfq.chip import whole_ps

        # Time 0 is the initial state: it takes time only where a source spikes at once.
        self._steps_fs.append(self._step_fs if step > 0 or len(fired) else 0)
        now = self._now_fs
        self._now_fs += self._steps_fs[-1]
        if len(fired):
            self._send(step, fired, now)
        if not self._real:
            self._close(np.ones(len(self._open), dtype=bool))
            return None
        if not (len(self._open) or self._engine.under_way):
            return None
        if len(fired):
            spikes = np.arange(self._spikes - len(fired), self._spikes)
            times = np.full(len(fired), now)
            log = self._engine.run(self._entry[fired], times, spikes, self._now_fs)
        else:
            log = self._engine.run(_NONE, _NONE, _NONE, self._now_fs)
            if not (len(log) or self._first_deadline < self._now_fs):
                return None
        overdue = self._deadline < self._now_fs
        count_ends(log, self._circuit.type, self._chip.library, self._counts)
        taken = log[log["what"] == TAKEN]
        found_key = taken["spike"] * self._n_cores + self._core[taken["cell"]]
        # Keys ascend: spikes are numbered in order, and axons of a cell are by core.
        row = np.minimum(np.searchsorted(self._open_key, found_key), len(self._open) - 1)
        known = self._open_key[row] == found_key
        row, taken = row[known], taken[known]
        self._open["arrive_ps"][row] = whole_ps(taken["time_fs"])
        behind = (taken["time_fs"] - self._open_fs[row] - 1) // self._step_fs
        self._open["late_steps"][row] = np.minimum(behind, _LATEST)
        done = np.zeros(len(self._open), dtype=bool)
        done[row] = True
        gone = ~done & overdue
        here = self._open["step"] == step
        transit = Transit.of(
            held=self._open[here & ~done & ~gone],
            arrived=self._open[done & ~here],
            lost=self._open[gone],
        )
        self._close(done | gone)
        return transit

    def _send(self, step: int, fired: NDArray[np.int64], now: int) -> None:
        """Note the packets of spikes; ideal ones are there at once."""
        from hwmodels.chips.sfq.chip import whole_ps

        sent = self._placement.packets(step, fired, 0)
        axons = self._placement.axons.of(fired)
        sent["inject_ps"] = whole_ps(np.array(now))
        sent["hops"] = self._wired.hops[axons]
        if not self._real:
            sent["arrive_ps"] = sent["inject_ps"]
        spikes = np.arange(self._spikes, self._spikes + len(fired))
        self._spikes += len(fired)
        per_spike = np.diff(self._placement.axons.indptr)[fired]
        key = np.repeat(spikes, per_spike) * self._n_cores + sent["destination_core"]
        self._open = np.concatenate((self._open, sent))
        self._open_key = np.concatenate((self._open_key, key))
        self._open_fs = np.concatenate((self._open_fs, np.full(len(sent), now)))
        way = np.rint(self._stretch * self._wired.latency_fs[axons]).astype(np.int64)
        latest = now + way + _SLACK_FS
        self._deadline = np.concatenate((self._deadline, latest))
        self._first_deadline = int(latest.min(initial=self._first_deadline))

    def _close(self, closed: NDArray[np.bool_]) -> None:
        """Put packets aside whose fate is known."""
        if not closed.any():
            return
        self._packets.append(self._open[closed])
        kept = ~closed
        self._open, self._open_key = self._open[kept], self._open_key[kept]
        self._open_fs, self._deadline = self._open_fs[kept], self._deadline[kept]
        self._first_deadline = int(self._deadline.min(initial=_NEVER))

    def report(self, steps: int) -> HardwareReport:
        """Everything the wiring did; see :class:`hwmodels.chip.Transport`."""
        from hwmodels.chips.sfq.chip import whole_ps

        ends = np.concatenate(([0], np.cumsum(self._steps_fs[: steps + 1])))
        report = self._chip.report(
            self._translation, self._net, self._engine.flips, self._circuit.type,
            np.concatenate([*self._packets, self._open]), np.diff(whole_ps(ends)),
            self._chip.fidelity if self._real else "free", self._wired.passive_mm,
        )  # fmt: skip
        short = self._wired.short if self._real else 0
        counts = {"lines that take longer than their delay": short, **self._counts}
        return replace(report, counts={name: n for name, n in counts.items() if n})
