"""Exact neurons for a hardware fabric: Brian2's cells, with input summed as Brian2 sums it.

The fabric says when synapses act. Synapses that learn do so by the rule of the reference
(:mod:`cosim.engines.plasticity`), from the spikes as the fabric delivers them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.engines.brian2 import Brian2Cells, choose_code_generation
from cosim.engines.cells import CellModel
from cosim.engines.plasticity import Carried, LearningPathway
from hwmodels.chip import Arrivals
from hwmodels.network import Network


class Brian2Neurons:
    """Implements :class:`hwmodels.chip.TaughtNeurons`.

    Raises
    ------
    UnsupportedError
        For a cell type or synapse dynamics without a model.
    """

    def __init__(self, network: Network, codegen: str = "auto") -> None:
        choose_code_generation(codegen)
        self._cells = Brian2Cells(network)
        self._network = network
        self._pathways = {
            k: LearningPathway(network, projection, self._cells.groups.get(projection.post))
            for k, projection in enumerate(network.projections)
            if projection.dynamics.kind != "static"
        }
        self._fired: Mapping[int, NDArray[np.int32]] = {}
        #: Where synapses learn: voltage jumps for the next step, and other input of this one.
        self._jumps: list[tuple[int, Carried]] = []
        self._static: list[tuple[int, Carried]] = []

    @property
    def learning(self) -> Sequence[int]:
        """See :class:`hwmodels.chip.TaughtNeurons`."""
        return tuple(self._pathways)

    def step(self, step: int, arrivals: Sequence[Arrivals]) -> NDArray[np.int64]:
        """Advance to time ``step`` and return who fires (global cell numbers)."""
        carried = [(k, (s, self._network.projections[k].weight[s])) for k, s in arrivals]
        jumps = [one for one in carried if self._model(one[0]).jump]
        self._static = [one for one in carried if not self._model(one[0]).jump]
        # Projection after projection, as the reference does it; a stable sort keeps their order.
        for one in sorted([*jumps, *self._jumps], key=lambda one: one[0]):
            self._add(*one)
        self._jumps = []
        fired = self._cells.advance(step) if step > 0 else {}
        if not self._pathways:
            self._add_static()
        self._fired = fired
        offsets = self._network.offsets
        if not fired:
            return np.empty(0, dtype=np.int64)
        return np.concatenate([cells + offsets[index] for index, cells in fired.items()])

    def learn(
        self, step: int, sent: Mapping[int, Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]]
    ) -> None:
        """See :class:`hwmodels.chip.TaughtNeurons`."""
        for k, pathway in self._pathways.items():
            for synapses, due in sent[k]:
                pathway.send(step, synapses, due)
            returning = self._fired.get(self._network.projections[k].post)
            due_now = [(k, carried) for carried in pathway.learn(step, returning)]
            (self._jumps if pathway.jumps else self._static).extend(due_now)
        self._static.sort(key=lambda one: one[0])
        self._add_static()
        self._fired = {}

    def weights(self) -> dict[str, NDArray[np.float64]]:
        """See :class:`hwmodels.chip.TaughtNeurons`."""
        names = self._network.projection_names
        return {names[k]: pathway.weight.copy() for k, pathway in self._pathways.items()}

    def _model(self, projection: int) -> CellModel:
        return self._cells.groups[self._network.projections[projection].post].model

    def _add_static(self) -> None:
        for one in self._static:
            self._add(*one)
        self._static = []

    def _add(self, k: int, carried: Carried) -> None:
        synapses, weight = carried
        projection = self._network.projections[k]
        group = self._cells.groups[projection.post]
        target = projection.target[synapses]
        gain = group.model.gain.get(projection.receptor)
        contribution = weight * group.arrays[gain][target] if gain else weight
        np.add.at(group.arrays[group.model.receptors[projection.receptor]], target, contribution)

    def active(self) -> None:
        """All cells are computed in every step."""
        return None

    def sample(self, population: int, variable: str, cells: NDArray[np.int32]) -> NDArray:
        """A state variable of some cells, in PyNN's units."""
        return self._cells.sample(population, variable, cells)

    def update(self, network: Network) -> None:
        """Take over what changed between two runs."""
        self._cells.update(network)
        for k, pathway in self._pathways.items():
            pathway.update(network.projections[k])
        self._network = network

    def counts(self) -> Mapping[str, int]:
        """Floating-point neurons clip nothing."""
        return {}
