"""The chip: what it makes of a network, and where everything goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Neurons, Translation
from hwmodels.chips.loihi.formats import (
    WEIGHT_SHIFT,
    Scale,
    largest_mantissa,
    native_obstacle,
    noise_row,
    parameter_rows,
    quantise_payloads,
    quantise_weights,
    scale_population,
    travels_with_spike,
)
from hwmodels.chips.loihi.memory import SynapticMemory
from hwmodels.chips.loihi.neurons import LoihiNeurons
from hwmodels.chips.loihi.spec import BOARDS, CoreSettings, LoihiSpec
from hwmodels.chips.loihi.transport import LoihiTransport
from hwmodels.errors import ModelError, UnsupportedError
from hwmodels.fabric.multicore import FIDELITIES
from hwmodels.lockstep import SteppedChip
from hwmodels.mapping import CoreLimits, Placement, mesh_graph
from hwmodels.mapping.mappers import place
from hwmodels.network import Network, Projection, to_delay_steps
from hwmodels.options import (
    choice,
    optional_choice,
    optional_number,
    optional_whole,
    whole_number,
)
from hwmodels.quantisation import weight_unit
from hwmodels.result import QUANTISATION
from hwmodels.spec import one_of


class Loihi(SteppedChip):
    """Loihi-style: chips of 128 asynchronous cores of integer neurons on a mesh, barrier steps.

    Parameters
    ----------
    spec, effects, **changes
        See :class:`hwmodels.chip.Chip`. Effects: ``time_step`` (only with ``step_ms``),
        ``weight_precision``, ``arithmetic`` (integer neurons), ``noise`` (only with ``noise``, and
        in that arithmetic), ``fabric`` (sweeps and transport take time).
    fidelity : {"compiled", "reference", "analytic"}
        Timing by compiled kernels, by the SimPy processes these equal, or in closed form without
        contention.
    clocking : {"barrier", "free_running"}
        Loihi's barrier, or steps of fixed length that wait for nothing (a what-if).
    step_ms : float, optional
        Biological time of one step; the script's own time step by default, since nothing in the
        chip fixes it.
    step_ns : float, optional
        Length of a free-running step; real time by default.
    packets : {"kept", "counted"}
        Whether the report lists each packet, or only what all of them did; a run of any length
        then takes the same memory.
    mapper : {"sequential", "traffic"}
        Cells to cores in the script's order, or for the least traffic between cores.
    sharing : {"none", "auto"}
        Whether sources whose lists of synapses are equal but for a shift use one list.
    graded : {"auto", "weights", "none"}
        Whether a spike carries the weight of its synapses where they have only one, and how many
        spikes it stands for; ``auto`` where spikes can carry a number (Loihi 2).
    board : {"chip", "kapoho_bay", "nahuku", "pohoiki_springs"}
        How many chips there are, where ``chip_columns`` and ``chip_rows`` do not say it.
    noise : {"none", "current", "voltage"}
        What the pseudo-random generator of a core adds to.
    noise_exponent, noise_offset : int
        See :class:`~hwmodels.chips.loihi.spec.CoreSettings`.
    noise_seed : int
        Of the generator: another seed, another chip.
    floor_exponent, ceiling_exponent : int, optional
        Limits of the membrane; likewise.
    """

    name = "loihi"
    spec_type = LoihiSpec
    parameter_sets = ("nahuku_fit", "davies2018", "loihi2_scaled")
    all_effects = ("time_step", "weight_precision", "arithmetic", "noise", "fabric")
    part_of: ClassVar[Mapping[str, str]] = {"noise": "arithmetic"}

    fidelity = choice(*FIDELITIES)
    clocking = choice("barrier", "free_running")
    step_ms = optional_number()
    step_ns = optional_number()
    packets = choice("kept", "counted")
    sharing = choice("none", "auto")
    graded = choice("auto", "weights", "none")
    board = optional_choice(*BOARDS)
    noise = choice("none", "current", "voltage")
    noise_exponent = whole_number(7, 0, 15)
    noise_offset = whole_number(0, -64, 63)
    noise_seed = whole_number(1)
    floor_exponent = optional_whole(0, 31)
    ceiling_exponent = optional_whole(0, 7)

    def __init__(
        self,
        spec: str | Path | LoihiSpec | None = None,
        effects: str | Sequence[str] | None = None,
        **changes: Any,
    ) -> None:
        if (board := changes.get("board")) is not None:
            chips = BOARDS[one_of("board", board, tuple(BOARDS))]
            changes = dict(zip(("chip_columns", "chip_rows"), chips, strict=True)) | changes
        super().__init__(spec, effects, **changes)
        if self.graded == "weights" and not self.spec.payload_bits:
            raise ModelError(
                f"graded=weights: spikes carry no number on {self.spec.name}; use "
                "spec=loihi2_scaled, or payload_bits=32"
            )
        if "noise" in self.effects:
            self.specimen_option = "noise_seed"
        if self.step_ns is not None and self.clocking == "barrier":
            raise ModelError(
                "step_ns is the length of a free-running step: add clocking=free_running"
            )

    def absent_effects(self) -> set[str]:
        """Noise is drawn in the chip's own arithmetic; see :class:`hwmodels.chip.Chip`."""
        silent = self.noise == "none" or "arithmetic" not in self.effects
        return super().absent_effects() | ({"noise"} if silent else set())

    @property
    def settings(self) -> CoreSettings:
        """What the compartments have in common."""
        return CoreSettings(
            self.noise,
            self.noise_exponent,
            self.noise_offset,
            self.floor_exponent,
            self.ceiling_exponent,
        )

    @property
    def carries_payloads(self) -> bool:
        """Whether spikes carry numbers."""
        return self.spec.payload_bits > 0 and self.graded != "none"

    def function(self) -> Mapping[str, Any] | None:
        """See :class:`hwmodels.chip.Chip`; with a barrier, time has no say."""
        if self.clocking == "free_running" and "fabric" in self.effects:
            return None
        return {
            "effects": [effect for effect in self.effects if effect != "fabric"],
            "step_ms": self.step_ms,
            "graded": self.carries_payloads,
            "settings": astuple(self.settings),
            "noise_seed": self.noise_seed if "noise" in self.effects else None,
            **self.spec.number_formats(),
        }

    def caveats(self) -> Mapping[str, str]:
        """Left to the transport, which knows how many chips there are."""
        return {}

    # A network in the chip's numbers

    def translate(self, network: Network, since: Translation | None = None) -> Translation:
        """The network in the chip's precision; see :class:`hwmodels.chip.Chip`."""
        network, counts = self.on_own_grid(network)
        self._check_delays(network)
        scales = since.formats if since is not None else self._scales(network)
        rows: list[tuple] = []
        projections = list(network.projections)
        if "weight_precision" in self.effects:
            for k, projection in enumerate(network.projections):
                gain = self._gain(network, projection, scales)
                unit = weight_unit(network.populations[projection.post].celltype)
                in_spike = self._in_spike(network, projection, projection.weight * gain)
                quantise = quantise_payloads if in_spike else quantise_weights
                effective, row = quantise(projection, gain, unit, self.spec)
                rows.append(row)
                counts["weights clipped"] = counts.get("weights clipped", 0) + int(row[-1])
                projections[k] = replace(projection, weight=effective)
        for index, scale in scales.items() if "arithmetic" in self.effects else ():
            self._check_ceiling(network, index, scale)
            rows += parameter_rows(network, index, scale, self.spec)
            if "noise" in self.effects:
                rows.append(noise_row(network.populations[index].label, scale, self.settings))
        return Translation(
            replace(network, projections=tuple(projections)),
            np.array(rows, dtype=QUANTISATION),
            counts,
            scales,
        )

    def _scales(self, network: Network) -> dict[int, Scale]:
        """Number formats of all populations that the chip's arithmetic can compute.

        Without the effect ``arithmetic`` they still say how many compartments a cell takes and
        what its weights are multiples of, so that effects differ only by what they are.
        """
        own, dt = "arithmetic" in self.effects, network.timestep_ms
        scales = {}
        for index, population in enumerate(network.populations):
            if population.is_source or population.size == 0:
                continue
            if not own and native_obstacle(population, dt, self.spec) is not None:
                continue
            inputs = [p for p in network.projections if p.post == index]
            scales[index] = scale_population(
                population, inputs, dt, self.spec, partial(self._in_spike, network)
            )
        return scales

    def _in_spike(self, network: Network, projection: Projection, units: NDArray) -> bool:
        """Whether spikes carry the weights of a projection."""
        return self.carries_payloads and travels_with_spike(network, projection, units)

    def _gain(
        self, network: Network, projection: Projection, scales: Mapping[int, Scale]
    ) -> NDArray[np.float64]:
        """State units that a weight of 1 adds, for each synapse."""
        scale = scales.get(projection.post)
        if scale is not None:
            return scale.gain[projection.receptor][projection.target]
        peaks = [
            float(np.abs(p.weight).max()) / largest_mantissa(p, self.spec)[0]
            for p in network.projections
            if p.post == projection.post and np.any(p.weight)
        ]
        unit = min(peaks, default=1.0) / (1 << WEIGHT_SHIFT)
        return np.full(projection.n_synapses, 1 / unit)

    def _check_ceiling(self, network: Network, index: int, scale: Scale) -> None:
        """Above its ceiling no threshold is ever crossed."""
        _, ceiling = self.settings.voltage_limits(self.spec)
        if np.any(scale.threshold >= ceiling):
            raise ModelError(
                f"population {network.populations[index].label!r}: its threshold is "
                f"{scale.threshold.max()} units, the ceiling of the membrane {ceiling}, so it "
                "could not fire; choose a higher ceiling_exponent (7 is the highest)"
            )

    def _check_delays(self, network: Network) -> None:
        for projection in network.projections:
            steps = to_delay_steps(projection.delay_ms, network.timestep_ms)
            longest = int(steps.max(initial=0))
            if longest > self.spec.delay_steps_max:
                raise UnsupportedError(
                    f"projection {projection.label!r}: a delay of {projection.delay_ms.max():g} ms "
                    f"is {longest} steps of {network.timestep_ms:g} ms, Loihi holds at most "
                    f"{self.spec.delay_steps_max}; use a longer step (step_ms=...) or shorter "
                    "delays"
                )

    # Where everything goes

    def map(self, translation: Translation) -> Placement:
        """Cells to cores in order, within every limit."""
        network, spec = translation.network, self.spec
        units = [
            p.weight * self._gain(network, p, translation.formats) / (1 << WEIGHT_SHIFT)
            for p in network.projections
        ]
        # What travels with the spike is no longer in the synapse.
        units = [
            np.ones(len(unit)) if self._in_spike(network, p, unit) else unit
            for p, unit in zip(network.projections, units, strict=True)
        ]
        memory = SynapticMemory.of(
            network,
            units,
            spec,
            rounded="weight_precision" in self.effects,
            sharing=self.sharing == "auto",
        )
        joined = any(scale.joined for scale in translation.formats.values())
        limits = CoreLimits(
            cores=spec.cores,
            units=spec.compartments_per_core,
            input_axons=spec.input_axons_per_core,
            output_axons=spec.output_axons_per_core,
            memory=spec.synaptic_words_per_core,
            # A joined cell takes a profile for each of its compartments.
            profiles=spec.compartment_profiles_per_core // (2 if joined else 1),
            formats=spec.synapse_formats_per_core,
            inputs_shared=memory.sharing,
            memory_of=memory.lists,
            way_out_alone="give it fewer inputs, split it, or let sources with equal lists of "
            "synapses share one (sharing=auto)",
            way_out="use fewer neurons or synapses, store equal lists once (sharing=auto), or take "
            "more chips (board=nahuku, or chip_columns and chip_rows)",
        )
        board = (spec.chip_columns, spec.chip_rows)
        graph = mesh_graph(spec.columns, spec.rows, spec.cores_per_tile, board)
        room = self._units(translation) * self._delay_room(network)
        host = (spec.host_column, spec.host_row)
        return place(self.mapper, network, limits, graph, room, _profiles(translation), host)

    def _units(self, translation: Translation) -> NDArray[np.int64]:
        """Compartments of each cell; 0 for spike sources, which the host injects."""
        network = translation.network
        units = np.zeros(int(network.offsets[-1]), dtype=np.int64)
        for index, population in enumerate(network.populations):
            if not population.is_source:
                joined = index in translation.formats and translation.formats[index].joined
                units[network.offsets[index] : network.offsets[index + 1]] = 2 if joined else 1
        return units

    def _delay_room(self, network: Network) -> NDArray[np.int64]:
        """Compartments whose delay slots each cell takes: 1, 2, 4, ... by its longest delay."""
        longest = np.zeros(int(network.offsets[-1]), dtype=np.int64)
        for p in network.projections:
            steps = to_delay_steps(p.delay_ms, network.timestep_ms)
            np.maximum.at(longest, p.target + network.offsets[p.post], steps)
        # A slot for what is added now, and one for each step of delay.
        times = np.maximum((longest + 1) / self.spec.delay_slots, 1.0)
        return 2 ** np.ceil(np.log2(times)).astype(np.int64)

    # Arithmetic and time

    def neurons(self, translation: Translation) -> Neurons:
        """Integer compartments for a translated network."""
        self.require_arithmetic()
        settings = self.settings
        if "noise" not in self.effects:
            settings = replace(settings, noise="none")
        return LoihiNeurons(self.spec, translation, settings, self.noise_seed)

    def transport(self, translation: Translation, placement: Placement) -> LoihiTransport:
        """Sweeps, mesh, receive queues and barrier."""
        return LoihiTransport(self, translation, placement, self._units(translation))


def _profiles(translation: Translation) -> NDArray[np.int64]:
    """Number of the set of registers that each cell needs; equal numbers can share a profile."""
    network = translation.network
    registers = np.zeros((int(network.offsets[-1]), 5), dtype=np.int64)
    for index, scale in translation.formats.items():
        registers[network.offsets[index] : network.offsets[index + 1]] = np.stack(
            [
                scale.decay_u["excitatory"],
                scale.decay_u["inhibitory"],
                scale.decay_v,
                scale.threshold,
                scale.refractory,
            ],
            axis=1,
        )
    if not len(registers):
        return np.empty(0, dtype=np.int64)
    return np.unique(registers, axis=0, return_inverse=True)[1].reshape(-1)
