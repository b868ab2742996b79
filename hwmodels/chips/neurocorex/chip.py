"""The board: what it makes of a network, when spikes come and go, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Neurons, Transit, Translation, postponed
from hwmodels.chips.neurocorex.datapath import NeurocorexNeurons
from hwmodels.chips.neurocorex.formats import (
    Board,
    array_of,
    check_cells,
    check_room,
    decays,
    native_obstacle,
    parameter_rows,
    quantise,
    scale_population,
    summed_pairs,
    without_delays,
)
from hwmodels.chips.neurocorex.learning import learning_rule
from hwmodels.chips.neurocorex.spec import NeurocorexSpec
from hwmodels.chips.neurocorex.uart import InputLine, Line, SimPyLine
from hwmodels.errors import UnsupportedError
from hwmodels.fabric.multicore import FIDELITIES
from hwmodels.lockstep import SteppedChip
from hwmodels.mapping import CoreLimits, Placement
from hwmodels.network import STDP_PAIR, Network
from hwmodels.options import choice, optional_number
from hwmodels.result import CORE, LINK, PACKET, QUANTISATION, HardwareReport

#: Where spikes go that are read out: the host, as a core beside the board's own.
HOST = 1
_LATEST = int(np.iinfo(PACKET["late_steps"]).max)


class Neurocorex(SteppedChip):
    """NeuroCoreX-style: one LIF pipeline for 90 neurons, all-to-all weights, STDP, a serial line.

    Parameters
    ----------
    spec, effects, **changes
        See :class:`hwmodels.chip.Chip`; ``docs/fpga.md`` says what each effect is.
    fidelity : {"compiled", "reference", "analytic"}
        The line in closed form event after event, the SimPy processes that equals, or every event
        as if it were the only one.
    step_ms : float, optional
        Biological time of one step; the script's own time step by default.
    """

    name = "neurocorex"
    spec_type = NeurocorexSpec
    parameter_sets = ("neurocorex",)
    plasticity = (STDP_PAIR,)
    part_of: ClassVar[Mapping[str, str]] = {"stdp": "arithmetic"}
    all_effects = ("time_step", "delays", "weight_precision", "arithmetic", "stdp", "uart")

    fidelity = choice(*FIDELITIES)
    step_ms = optional_number()

    def absent_effects(self) -> set[str]:
        """Learning is in the board's own arithmetic; see :class:`hwmodels.chip.Chip`."""
        learns = "arithmetic" in self.effects
        return super().absent_effects() | (set() if learns else {"stdp"})

    def function(self) -> Mapping[str, Any] | None:
        """See :class:`hwmodels.chip.Chip`; the line decides when inputs act."""
        if "uart" in self.effects:
            return None
        return {
            "effects": list(self.effects),
            "step_ms": self.step_ms,
            **self.spec.number_formats(),
        }

    # A network in the board's numbers

    def translate(self, network: Network, since: Translation | None = None) -> Translation:
        """The network as it is loaded; see :class:`hwmodels.chip.Chip`."""
        spec, given = self.spec, network
        rows: list[tuple] = []
        network, counts = self.on_own_grid(network)
        if since is not None:
            return self._again(network, since)
        if "arithmetic" in self.effects:
            check_cells(network, spec)
        if "delays" in self.effects:
            network, changed, rows = without_delays(network)
            if changed:
                counts["synaptic delays that no delay element holds"] = changed
        u, v = decays(network, spec)
        scales = {
            index: scale_population(population, network.timestep_ms, u, v, spec)
            for index, population in enumerate(network.populations)
            if not population.is_source
            and population.size
            and ("arithmetic" in self.effects or native_obstacle(population) is None)
        }
        weights, shared, own = summed_pairs(network)
        amplitude, mantissas, made, quantised = quantise(network, weights, scales, spec)
        if "weight_precision" in self.effects:
            counts["synapses that share one weight"] = shared
            counts["synapses from a neuron to itself left out"] = own
            rows += quantised
            network = replace(
                network,
                projections=tuple(
                    replace(p, weight=w) for p, w in zip(network.projections, made, strict=True)
                ),
            )
        plastic = tuple(
            p.dynamics.kind == STDP_PAIR and "stdp" in self.effects for p in network.projections
        )
        board = Board(scales, u, v, amplitude, tuple(mantissas), plastic, None, given)
        rule, learned, clipped = learning_rule(network, board, spec)
        rows += learned
        counts["STDP windows clipped"] = clipped
        if "arithmetic" in self.effects:
            rows += parameter_rows(network, board, spec)
        counts = {name: count for name, count in counts.items() if count}
        table = np.array(rows, dtype=QUANTISATION)
        return Translation(network, table, counts, replace(board, rule=rule))

    def _again(self, network: Network, since: Translation) -> Translation:
        """A network that changed between two runs; weights are loaded once."""
        board: Any = since.formats
        for old, new in zip(board.given.projections, network.projections, strict=True):
            if old.weight is not new.weight or old.delay_ms is not new.delay_ms:
                raise UnsupportedError(
                    f"projection {new.label!r}: weights and delays cannot be changed between runs "
                    "on NeuroCoreX, which is loaded once; use one run"
                )
        return since._replace(network=replace(network, projections=since.network.projections))

    # Where everything goes

    mapper = "sequential"  # there is but one core

    def limits(self) -> CoreLimits:
        """One core of all slots."""
        return CoreLimits(cores=1, units=self.spec.neurons)

    def map(self, translation: Translation) -> Placement:
        """All cells into slots, in their order."""
        check_room(translation.network, self.spec)
        return super().map(translation)

    # Arithmetic and time

    def neurons(self, translation: Translation) -> Neurons:
        """The pipeline for a translated network."""
        self.require_arithmetic()
        return NeurocorexNeurons(self.spec, translation)

    def transport(self, translation: Translation, placement: Placement) -> NeurocorexTransport:
        """The line, the slots and the read-out."""
        return NeurocorexTransport(self, translation, placement)


class NeurocorexTransport:
    """Steps, slots and the serial line. Implements :class:`hwmodels.chip.Transport`."""

    #: An input event acts one step after the one that took it.
    late = staticmethod(postponed)

    def __init__(self, chip: Neurocorex, translation: Translation, placement: Placement) -> None:
        self._chip, self._placement = chip, placement
        self._translation = translation
        spec = chip.spec
        self.fidelity = chip.fidelity if "uart" in chip.effects else "free"
        self._timed = self.fidelity != "free"
        self._line: InputLine | None = None
        if self._timed:
            alone = self.fidelity == "analytic"
            reference = self.fidelity == "reference"
            self._line = SimPyLine(spec) if reference else Line(spec, alone)
        self._rows: list[NDArray] = []
        #: Rows of the table that are events, by number.
        self._events: list[tuple[NDArray, int]] = []
        placed = placement.core_of >= 0
        self._slot = np.cumsum(placed) - 1
        self._neurons = int(np.count_nonzero(placed))
        self._sent = self._spikes_out = 0

    def step(
        self, step: int, fired: NDArray[np.int64], active: NDArray[np.bool_] | None
    ) -> Transit | None:
        """Carry the spikes of one step; see :class:`hwmodels.chip.Transport`."""
        spec, begin_ps = self._chip.spec, step * self._chip.spec.step_ps
        rows = self._placement.packets(step, fired, begin_ps)
        rows["arrive_ps"] = rows["inject_ps"]
        own = rows["source_core"] >= 0
        if self._line is None:
            self._rows.append(rows)
            return None
        rows["inject_ps"][own] += self._slot_ps(rows["source"][own])
        rows["arrive_ps"][own] = rows["inject_ps"][own] + spec.pass_ps
        given = np.flatnonzero(~own)
        rows["arrive_ps"][given] = -1
        self._events += [(rows, int(row)) for row in given]
        self._rows.append(rows)
        self._rows.append(self._read_out(step, fired, begin_ps))
        held = set(given.tolist())
        arrived: list[NDArray] = []
        lost: list[NDArray] = []
        delayed: list[NDArray] = []
        for number, taken in self._line.step(step, begin_ps, len(given)):
            table, row = self._events[number]
            here = table is rows
            held -= {row} if here else set()
            if taken is None:
                (lost if here else arrived).append(table[row : row + 1])
                continue
            sent = int(table["step"][row])
            table["arrive_ps"][row] = taken * spec.step_ps + spec.pass_ps
            table["late_steps"][row] = min(taken - sent, _LATEST)
            self._sent += 1
            if taken > sent:
                (delayed if here else arrived).append(table[row : row + 1])
        return Transit.of(
            held=rows[sorted(held)],
            arrived=_joined(arrived),
            delayed=_joined(delayed),
            lost=_joined(lost),
        )

    def _slot_ps(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """When a cell has its turn in a step."""
        return (self._chip.spec.first_slot + self._slot[cells]) * self._chip.spec.cycle_ps

    def _read_out(self, step: int, fired: NDArray[np.int64], begin_ps: int) -> NDArray:
        """Spikes on their way to the host: a bit a neuron and step, eight of them a byte."""
        spec = self._chip.spec
        cells = fired[self._placement.core_of[fired] >= 0]
        rows = np.zeros(len(cells), dtype=PACKET)
        rows["step"], rows["source"], rows["destination_core"] = step, cells, HOST
        rows["inject_ps"] = begin_ps + self._slot_ps(cells)
        # The bit that completes a byte may be one of the next step.
        last = (step * spec.neurons + self._slot[cells]) // 8 * 8 + 7
        of_step, slot = np.divmod(last, spec.neurons)
        complete = of_step * spec.step_ps + (spec.first_slot + slot + 1) * spec.cycle_ps
        rows["arrive_ps"] = complete + spec.output_cycles * spec.cycle_ps + spec.transmit_byte_ps
        rows["late_steps"] = np.minimum(rows["arrive_ps"] // spec.step_ps - step, _LATEST)
        self._spikes_out += len(cells)
        return rows

    def report(self, steps: int) -> HardwareReport:
        """Everything the board did; see :class:`hwmodels.chip.Transport`."""
        chip, spec = self._chip, self._chip.spec
        board: Any = self._translation.formats
        frames = steps + 1
        learned = len(self._learning_arrays())
        load_ps = spec.load_ps if self._timed else 0
        read_out_ps = learned * spec.read_out_ps if self._timed else 0
        per_ps = spec.dynamic_mW * 1e-3  # mW is 1e-3 pJ a ps
        cores = np.zeros(self._placement.n_cores, dtype=CORE)
        cores["neurons"], cores["synapses"] = self._placement.neurons, self._placement.synapses
        cores["memory_used"] = sum(int(np.count_nonzero(m)) for m in board.mantissas)
        cores["memory_size"] = spec.slots * (spec.slots + spec.inputs)
        cores["busy_ps"] = frames * self._neurons * spec.cycle_ps
        links = []
        if self._line is not None:
            event_ps = spec.event_bytes * spec.byte_ps
            queue = self._line.longest_queue
            out = frames * self._neurons // 8
            links = [
                (1, 0, 0, 0, self._sent, self._sent * event_ps, queue),
                (0, 0, 1, 0, out, out * spec.transmit_byte_ps, 1),
            ]
        return chip.hardware_report(
            fidelity=self.fidelity,
            mesh=(2, 1),
            step_ps=np.full(frames, spec.step_ps, dtype=np.int64),
            step_ms=self._translation.network.timestep_ms,
            load_ps=load_ps,
            read_out_ps=read_out_ps,
            packets=np.concatenate([np.empty(0, PACKET), *self._rows]),
            links=np.array([row for row in links if row[4]], dtype=LINK),
            cores=cores,
            energy=[
                ("steps", frames, spec.step_ps * per_ps),
                ("load and read-out, us", (load_ps + read_out_ps) // 10**6, 1e6 * per_ps),
            ],
            sources={
                "static power": f"{spec.static_mW:g} mW, not in the energy shown "
                f"({spec.sources.get('static_mW', ('',))[0]})",
                "router (0, 0)": "the board; (1, 0) is the host at the other end of the line",
                "spike sources": "sent by the host one step ahead; the board takes "
                f"{spec.events_per_step} a step",
                "packets": "input events, spikes to all neurons, and spikes read out to the host "
                "(core 1, without synapses)",
            },
        )

    def _learning_arrays(self) -> set[int]:
        """Those to be read back, whoever computes what they learned."""
        network, effects = self._translation.network, self._chip.effects
        if "arithmetic" in effects and "stdp" not in effects:
            return set()
        return {array_of(network, p) for p in network.projections if p.dynamics.kind == STDP_PAIR}


def _joined(rows: list[NDArray]) -> NDArray | None:
    return np.concatenate(rows) if rows else None
