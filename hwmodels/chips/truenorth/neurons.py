"""All neurons of a network in the chip's arithmetic: on the crossbars, or cell by cell.

:class:`Crossbars` is the chip. :class:`CellNeurons` computes the same neurons from synapses one by
one, for what no crossbar holds: weights of more than four values, fan-in without limit. Where both
can compute a network without random draws, they agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Arrivals
from hwmodels.chips.truenorth import arithmetic as a
from hwmodels.chips.truenorth.configuration import Configuration
from hwmodels.chips.truenorth.cores import Cores
from hwmodels.chips.truenorth.native import CELLTYPE, RECEPTORS
from hwmodels.chips.truenorth.spec import TrueNorthSpec
from hwmodels.chips.truenorth.translation import physical_registers
from hwmodels.compiling import can_compile, compiled
from hwmodels.network import Network

#: Name of a count.
FLOORED = "potentials held at the negative threshold"


class Crossbars:
    """Cells and relays as neurons of cores.

    Parameters
    ----------
    spec : TrueNorthSpec
    network : Network
        Translated.
    configuration : Configuration
    """

    def __init__(self, spec: TrueNorthSpec, network: Network, configuration: Configuration) -> None:
        layout = configuration.layout
        self._network, self._layout = network, layout
        self.cores = Cores(spec, layout.neurons())
        placed = np.flatnonzero(layout.unit_core >= 0)
        self._core, self._slot = layout.unit_core, layout.unit_slot
        self._unit = np.full((layout.cores, spec.neurons_per_core), -1, dtype=np.int64)
        self._unit[self._core[placed], self._slot[placed]] = placed
        self._wire(configuration)
        for index in configuration:
            self._initialise(index, network.populations[index].initial_values.get("v"))

    def _wire(self, configuration: Configuration) -> None:
        """Bits, types and registers."""
        cores, layout, pairs = self.cores, configuration.layout, configuration.pairs
        self._scales = configuration
        cores.crossbar[:] = 0
        cores.axon_type[layout.axon_core, layout.axon_slot] = layout.axon_type
        table = physical_registers(self._network, configuration)
        placed = np.flatnonzero(layout.unit_core >= 0)
        cores.registers[self._core[placed], self._slot[placed]] = table[placed]
        lined = configuration.axon >= 0
        axon, target = configuration.axon[lined], pairs.target[lined]
        cores.connect(self._core[target], self._slot[target], layout.axon_slot[axon])
        # Relays and counters: a run of units for each axon.
        first, size = _first_units(configuration)
        for axons, firsts, sizes in (
            (np.arange(len(layout.axon_core)), layout.axon_first, layout.axon_relays),
            (configuration.more_axon, first, size),
        ):
            before = np.cumsum(sizes) - sizes
            units = np.repeat(firsts - before, sizes) + np.arange(int(sizes.sum()))
            slot = np.repeat(layout.axon_slot[axons], sizes)
            cores.connect(self._core[units], self._slot[units], slot)

    def _initialise(self, index: int, v: NDArray[np.float64] | None) -> None:
        scale = self._scales[index]
        if v is None:
            v = self._network.populations[index].parameters["v_reset"]
        given = np.flatnonzero(~np.isnan(v))
        cells = given + self._network.offsets[index]
        potential = np.rint((v[given] - scale.zero_mV[given]) / scale.unit_mV[given])
        self.cores.potential[self._core[cells], self._slot[cells]] = potential

    def tick(self, axons: NDArray[np.int64]) -> NDArray[np.int64]:
        """One tick with spikes on some axons; returns the units that fire, ascending."""
        layout = self._layout
        fired = self.cores.tick(layout.axon_core[axons], layout.axon_slot[axons])
        return np.sort(self._unit.reshape(-1)[fired])

    def sample(self, population: int, variable: str, cells: NDArray[np.int32]) -> NDArray:
        """Membrane potential in mV; see :class:`hwmodels.chip.Neurons`."""
        if population not in self._scales:
            return np.empty(0)  # a population without cells
        scale, at = self._scales[population], cells + self._network.offsets[population]
        potential = self.cores.potential[self._core[at], self._slot[at]]
        return scale.zero_mV[cells] + potential * scale.unit_mV[cells]

    def update(self, network: Network, configuration: Configuration) -> None:
        """Take over changed weights and state."""
        before, self._network = self._network, network
        self._wire(configuration)
        for index in configuration:
            old, new = (n.populations[index].initial_values.get("v") for n in (before, network))
            if old is not new:
                self._initialise(index, new)

    def counts(self) -> Mapping[str, int]:
        """What left its width so far."""
        return {
            "potentials saturated": self.cores.saturated,
            FLOORED: self.cores.floored,
        }


def _first_units(configuration: Configuration) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each axon from or to counters: the first unit that listens, and how many."""
    layout, part = configuration.layout, configuration.more_part
    cells = len(configuration.part_size) - len(layout.group_first)
    placed = np.flatnonzero(layout.unit_core >= 0)[:cells]
    first = np.concatenate([placed, layout.group_first])
    return first[part], configuration.part_size[part]


class CellNeurons:
    """The same neurons from single synapses. Implements :class:`hwmodels.chip.Neurons`."""

    def __init__(self, spec: TrueNorthSpec, network: Network, configuration: Configuration) -> None:
        self._network, self._scales = network, configuration
        self._bits, self._limit = spec.draw_bits, 1 << (spec.potential_bits - 1)
        self._core = np.maximum(configuration.layout.unit_core, 0).astype(np.int64)
        self._draws = a.seeds(configuration.layout.cores, spec.prng_seed)
        self._potential: dict[int, NDArray[np.int64]] = {}
        self._clipped = np.zeros(2, dtype=np.int64)
        self._tick = compiled(a.tick_cells, *a.PARTS) if can_compile() else a.tick_cells
        for index in configuration:
            size = network.populations[index].size
            self._potential[index] = np.zeros(size, dtype=np.int64)
            self._initialise(index, network.populations[index].initial_values.get("v"))
        self._weights = [self._integer(k) for k in range(len(network.projections))]
        # Spikes by axon type, for the chip's own neurons alone.
        self._events = {
            index: np.zeros((len(v), 4 if self._own(index) else 0), dtype=np.int64)
            for index, v in self._potential.items()
        }

    def _own(self, index: int) -> bool:
        return self._network.populations[index].celltype == CELLTYPE

    def _integer(self, k: int) -> NDArray[np.int64]:
        projection = self._network.projections[k]
        scale = self._scales[projection.post]
        if self._own(projection.post):
            return np.rint(projection.weight).astype(np.int64)
        gain = (scale.gain_mV[projection.receptor] / scale.unit_mV)[projection.target]
        return np.rint(projection.weight * gain).astype(np.int64)

    def _initialise(self, index: int, v: NDArray[np.float64] | None) -> None:
        scale = self._scales[index]
        if v is None:
            v = self._network.populations[index].parameters["v_reset"]
        given = ~np.isnan(v)
        potential = (v[given] - scale.zero_mV[given]) / scale.unit_mV[given]
        self._potential[index][given] = np.rint(potential).astype(np.int64)

    def step(self, step: int, arrivals: Sequence[Arrivals]) -> NDArray[np.int64]:
        """Advance to time ``step``; see :class:`hwmodels.chip.Neurons`."""
        inputs = {index: np.zeros_like(v) for index, v in self._potential.items()}
        for k, synapses in arrivals:
            projection = self._network.projections[k]
            target = projection.target[synapses]
            if self._own(projection.post):
                kind = RECEPTORS.index(projection.receptor)
                of_type = self._events[projection.post][:, kind]
                np.add.at(of_type, target, self._weights[k][synapses])
                continue
            np.add.at(inputs[projection.post], target, self._weights[k][synapses])
        fired = []
        for index, v in self._potential.items():
            spiking = np.zeros(len(v), dtype=bool)
            first = int(self._network.offsets[index])
            core = self._core[first : first + len(v)]
            self._tick(
                v, inputs[index], self._events[index], self._scales[index].table, self._draws, core,
                self._bits, self._limit, spiking, self._clipped,
            )  # fmt: skip
            self._events[index][:] = 0
            fired.append(np.flatnonzero(spiking) + first)
        return np.concatenate(fired) if fired else np.empty(0, dtype=np.int64)

    def active(self) -> None:
        """All neurons are computed in every tick."""
        return None

    def sample(self, population: int, variable: str, cells: NDArray[np.int32]) -> NDArray:
        """Membrane potential in mV; see :class:`hwmodels.chip.Neurons`."""
        if population not in self._scales:
            return np.empty(0)  # a population without cells
        scale = self._scales[population]
        return scale.zero_mV[cells] + self._potential[population][cells] * scale.unit_mV[cells]

    def update(self, network: Network) -> None:
        """Take over changed weights and state."""
        before, self._network = self._network, network
        for index in self._potential:
            old, new = (n.populations[index].initial_values.get("v") for n in (before, network))
            if old is not new:
                self._initialise(index, new)
        for k, (old_p, new_p) in enumerate(
            zip(before.projections, network.projections, strict=True)
        ):
            if old_p.weight is not new_p.weight:
                self._weights[k] = self._integer(k)

    def counts(self) -> Mapping[str, int]:
        """What left its width so far."""
        saturated, floored = self._clipped.tolist()
        return {"potentials saturated": saturated, FLOORED: floored}
