"""Cells to silicon neurons: which core, and which of its neurons.

A core has one set of biases, so its cells share all parameters; only the leak is chosen by each
neuron among a few. Cells are sorted by their parameters and fill cores in this order; two leaks
share a core only where cores would not suffice otherwise, since all else that follows from the
leak (gain, constant current) is then the first one's. With ``mapper=traffic`` cells that are alike
in this come in an order that keeps together what talks, and cores that talk share a chip or lie on
near ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.dynapse.silicon import NATIVE
from hwmodels.chips.dynapse.spec import DynapseSpec
from hwmodels.errors import CapacityError
from hwmodels.mapping.arranging import arrange
from hwmodels.mapping.placement import synapse_ends
from hwmodels.mapping.traffic import partition
from hwmodels.network import Network


@dataclass(frozen=True, eq=False)
class Layout:
    """Where each cell is.

    Attributes
    ----------
    core : int32, shape (cells,)
        Over all chips; -1 for spike sources, which are off-chip.
    slot : int32, shape (cells,)
        Number of the neuron on its core.
    cores : int
        Cores in use; they are the first ones.
    """

    core: NDArray[np.int32]
    slot: NDArray[np.int32]
    cores: int

    def neuron(self, spec: DynapseSpec) -> NDArray[np.int64]:
        """Number of each cell's neuron on the board, shape (cells,)."""
        return self.core.astype(np.int64) * spec.neurons_per_core + self.slot


def lay_out(
    network: Network, spec: DynapseSpec, shared: bool, mapper: str = "sequential"
) -> Layout:
    """Fill cores with cells of equal parameters.

    Parameters
    ----------
    network : Network
    spec : DynapseSpec
    shared : bool
        Whether the cells of a core share parameters; if not, only their cell type.
    mapper : {"sequential", "traffic"}

    Raises
    ------
    CapacityError
        When the board has too few neurons, or too few cores for so many sets of parameters.
    """
    n_cells = int(network.offsets[-1])
    profile, leak = _profiles(network, shared)
    placed = np.flatnonzero(profile >= 0)
    if len(placed) > spec.cores * spec.neurons_per_core:
        beyond = placed[spec.cores * spec.neurons_per_core]
        raise CapacityError(
            f"the network has {len(placed)} neurons, the board "
            f"{spec.cores * spec.neurons_per_core} on {spec.columns} x {spec.rows} chips; the "
            f"first one too many is {cell_name(network, int(beyond))}; use fewer neurons or more "
            f"chips (columns=, rows=; at most {spec.hops_max + 1} of each can reach one another)"
        )
    together = _communities(network, placed, spec) if mapper == "traffic" else placed
    order = placed[np.lexsort((placed, together, leak[placed], profile[placed]))]
    for leaks in range(1, spec.leaks_per_core + 1):
        core = _fill(profile[order], leak[order], spec.neurons_per_core, leaks)
        used = int(core.max(initial=-1)) + 1
        if used <= spec.cores:
            break
    else:
        sets = len(np.unique(profile[order]))
        raise CapacityError(
            f"the network takes {used} cores, the board has {spec.cores}: the cells of a core "
            f"share their biases, and there are {sets} sets of parameters (one of them is that of "
            f"{cell_name(network, int(order[np.flatnonzero(core == spec.cores)[0]]))}); give cells "
            "equal parameters, or let each population have the mean of its cells (sharing=mean)"
        )
    layout = Layout(np.full(n_cells, -1, dtype=np.int32), np.zeros(n_cells, dtype=np.int32), used)
    layout.core[order] = core
    layout.slot[order] = np.arange(len(order)) - np.searchsorted(core, core)
    if mapper == "traffic" and used > 1:
        layout.core[order] = _near(network, layout, spec)[core]
    return layout


def _communities(
    network: Network, placed: NDArray[np.int64], spec: DynapseSpec
) -> NDArray[np.int64]:
    """Number of the group of each placed cell: of a core's size, and with few others to talk to."""
    groups = -(-len(placed) // spec.neurons_per_core)
    if not 1 < groups <= len(placed) // 2:
        return placed
    units = np.zeros(int(network.offsets[-1]), dtype=np.int64)
    units[placed] = 1
    return partition(network, units, groups, spec.neurons_per_core)[placed]


def _near(network: Network, layout: Layout, spec: DynapseSpec) -> NDArray[np.int64]:
    """Where each core goes among those in use, for the fewest hops between chips."""
    source, target = synapse_ends(network)
    core = layout.core.astype(np.int64)
    # A packet for each cell and each core that it reaches.
    sent = np.unique(source * layout.cores + core[target])
    chip = np.arange(layout.cores) // spec.cores_per_chip
    places = np.stack(np.divmod(chip, spec.rows), axis=1)
    host = (spec.host_column, spec.host_row)
    to = sent % layout.cores
    return np.argsort(arrange(core[sent // layout.cores], to, places, host))


def _fill(
    profile: NDArray[np.int64], leak: NDArray[np.int64], neurons: int, leaks: int
) -> NDArray[np.int64]:
    """Core of each cell, for cells sorted by profile and leak."""
    core = np.zeros(len(profile), dtype=np.int64)
    edges = np.append(np.flatnonzero(np.diff(profile, prepend=-1)), len(profile))
    now = 0
    for first, last in pairwise(edges.tolist()):
        at = first
        while at < last:
            # The leaks of a core are the first ones from here on, as many as it has.
            end = min(at + neurons, last)
            distinct = np.cumsum(np.diff(leak[at:end], prepend=leak[at] - 1) != 0)
            end = at + int(np.count_nonzero(distinct <= leaks))
            core[at:end] = now
            now, at = now + 1, end
    return core


def _profiles(network: Network, shared: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number of the set of parameters of each cell (-1: a spike source), and of its leak."""
    n_cells = int(network.offsets[-1])
    profile, leak = np.full(n_cells, -1), np.zeros(n_cells, dtype=np.int64)
    numbers: dict[tuple, int] = {}
    for index, population in enumerate(network.populations):
        if population.is_source:
            continue
        first = int(network.offsets[index])
        distinct = shared and population.celltype in NATIVE
        names = [n for n in sorted(population.parameters) if n != "tau_m"] if distinct else []
        columns = np.stack(
            [population.parameters[n] for n in names] or [np.zeros(population.size)], axis=1
        )
        rows, inverse = np.unique(columns, axis=0, return_inverse=True)
        keys = [
            numbers.setdefault((population.celltype, row.tobytes()), len(numbers)) for row in rows
        ]
        profile[first : first + population.size] = np.array(keys, dtype=np.int64)[
            inverse.reshape(-1)
        ]
        if distinct:
            taus = population.parameters["tau_m"]
            # The order of the bits of positive floats is their own order.
            leak[first : first + population.size] = taus.view(np.int64)
    return profile, leak


def cell_name(network: Network, cell: int) -> str:
    """A cell as its user knows it."""
    population = int(np.searchsorted(network.offsets, cell, side="right")) - 1
    label = network.populations[population].label
    return f"cell {cell - int(network.offsets[population])} of population {label!r}"
