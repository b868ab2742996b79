"""Where everything goes: cells on cores, cores on chips, rows in memory, trees over the fabric.

Each population is cut into slices of at most so many cells; a slice fills a core, spike sources
too. Cores fill the chips from the corner outwards. All cells of a core share one multicast tree, to
every core on which any of them has a target, as the toolchain has it.

Delays beyond the ring buffer go over *delay-extension cores*, one for each slice that has such
synapses: it gets the slice's spikes and sends them on as those of other cells, one more for each
16 steps, so that only the rest of a delay is left for the receiver.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.spinnaker.spec import SpinnakerSpec
from hwmodels.chips.spinnaker.tables import Entry, allocate_keys, build_tables, check_tables
from hwmodels.errors import CapacityError
from hwmodels.fabric.torus import Torus
from hwmodels.fabric.torus_trees import Branch, Trees, flat_trees
from hwmodels.mapping import Placement
from hwmodels.mapping.arranging import arrange
from hwmodels.mapping.placement import build_axons, synapse_ends
from hwmodels.mapping.torus_routes import hops_between, multicast
from hwmodels.network import Network, to_delay_steps

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Layout:
    """A placed network.

    Attributes
    ----------
    machine : Torus
    core_of : int32, shape (cells,)
        Core (in use) of each cell; those of delay extensions follow those of the network.
    origin : int64, shape (cells,)
        The network's cell that each of them sends for.
    population, first, size, chip, port : int64, shape (cores,)
        Of the slice on each core; of a delay extension the slice whose spikes it delays.
    stages : int64, shape (cores,)
        Stages of a delay extension; 0 for all other cores.
    trees : Trees
    tree_of_core : int64, shape (cores,)
        -1 for a core that sends to nobody.
    unit_of : int64, shape (destinations,)
        Core at each destination of the trees.
    rows_of_cell : int64, shape (cells,)
        First row of each cell: one for each destination of its core's tree.
    row_start : int64, shape (rows + 1,)
    synapse : int64, shape (n,)
        Synapses row after row, numbered projection after projection.
    tables : mapping of int to list of Entry
        Routing table of each chip.
    saved_entries : int
        Entries that minimising saved.
    """

    machine: Torus
    core_of: NDArray[np.int32]
    origin: Ints
    population: Ints
    first: Ints
    size: Ints
    chip: Ints
    port: Ints
    stages: Ints
    trees: Trees
    tree_of_core: Ints
    unit_of: Ints
    rows_of_cell: Ints
    row_start: Ints
    synapse: Ints
    tables: dict[int, list[Entry]]
    saved_entries: int

    @property
    def neurons(self) -> Ints:
        """Cells that each core computes or sends for; a delay extension has none."""
        return np.where(self.stages > 0, 0, self.size)

    def words_of_core(self, header: int) -> Ints:
        """Words of synaptic memory of each core, with a header for each row that is not empty."""
        length = np.diff(self.row_start)
        copies = self.trees.copies()
        tree = self.tree_of_core[self.core_of]
        rows = np.where(tree >= 0, copies[np.maximum(tree, 0)] if len(copies) else 0, 0)
        cell = np.repeat(np.arange(len(rows)), rows)
        local = np.arange(len(cell)) - np.repeat(self.rows_of_cell, rows)
        unit = self.unit_of[self.trees.first[self.trees.root[tree[cell]]] + local]
        words = np.where(length > 0, length + header, 0)
        return np.bincount(unit, words, len(self.size)).astype(np.int64)


def place(
    network: Network, spec: SpinnakerSpec, mapper: str = "sequential", extended: bool = True
) -> Layout:
    """Place a network.

    Parameters
    ----------
    network : Network
    spec : SpinnakerSpec
    mapper : {"sequential", "traffic"}
        Cores to chips in their order, or those that talk to each other near to each other.
    extended : bool
        Whether long delays take delay-extension cores, or are held by the receiver.

    Raises
    ------
    CapacityError
        For more cores, memory, routing keys or routing entries than there are.
    """
    machine = spec.machine()
    population, first, size = [], [], []
    for index, one in enumerate(network.populations):
        for start in range(0, one.size, spec.neurons_per_core):
            population.append(index)
            first.append(int(network.offsets[index]) + start)
            size.append(min(spec.neurons_per_core, one.size - start))
    slices = len(size)
    core_of = np.repeat(np.arange(slices), size).astype(np.int32)
    source, target = synapse_ends(network)
    receiver = core_of[target].astype(np.int64)
    stage = _stages(network, spec) if extended else np.zeros(len(source), dtype=np.int64)
    stages = np.zeros(slices, dtype=np.int64)
    np.maximum.at(stages, core_of[source], stage)
    delayed = np.flatnonzero(stages)
    for core in delayed.tolist():
        for of_slice in (population, first, size):
            of_slice.append(of_slice[core])
    population_, first_, size_ = (np.array(x, dtype=np.int64) for x in (population, first, size))
    stages = np.concatenate((np.zeros(slices, dtype=np.int64), stages[delayed]))
    # A delay extension sends for each of its cells as a cell of its own at each stage.
    extra = size_[slices:] * stages[slices:]
    base = np.zeros(slices, dtype=np.int64)
    base[delayed] = len(core_of) + np.cumsum(extra) - extra
    core_of = np.concatenate(
        (core_of, np.repeat(np.arange(slices, len(size)), extra)), dtype=np.int32
    )
    origin = np.concatenate(
        [np.arange(int(network.offsets[-1]))]
        + [np.tile(first_[k] + np.arange(size_[k]), stages[k]) for k in range(slices, len(size))]
    )
    home = core_of[source].astype(np.int64)
    late = stage > 0
    source = np.where(late, base[home] + (stage - 1) * size_[home] + source - first_[home], source)
    sender = core_of[source].astype(np.int64)
    n = max(len(size), 1)
    to_extension = delayed * n + np.arange(slices, len(size))
    seats = _seats(network, machine, spec, population)
    if mapper == "traffic" and len(size) > 1:
        # A packet for each cell and each core that it reaches, which all cells' extensions are.
        sent = np.unique(source * n + receiver)
        of_core = [core_of[sent // n] * n + sent % n, np.repeat(to_extension, size_[slices:])]
        flow = np.concatenate(of_core)
        at = arrange(
            flow // n, flow % n, machine.position[seats[0]], host=(0, 0), hops=hops_between(machine)
        )
        seats = seats[:, np.argsort(at)]
    chip, port = seats
    pairs = np.unique(np.concatenate((sender * n + receiver, to_extension)))
    branches: list[Branch] = []
    tree_of_core = np.full(len(size), -1, dtype=np.int64)
    starts = np.searchsorted(pairs // n, np.arange(len(size) + 1))
    for core in range(len(size)):
        reached = pairs[starts[core] : starts[core + 1]] % n
        if not len(reached):
            continue
        ports: dict[int, list[int]] = {}
        for there in reached.tolist():
            ports.setdefault(int(chip[there]), []).append(int(port[there]))
        tree_of_core[core] = len(branches)
        branches.append(multicast(machine, int(chip[core]), ports))
    trees = flat_trees(machine, branches)
    slot_unit = np.full(machine.chips * spec.application_cores, -1, dtype=np.int64)
    slot_unit[chip * spec.application_cores + port] = np.arange(len(size))
    unit_of = slot_unit[trees.destination_chips() * spec.application_cores + trees.port]
    rows_of_cell, row_start, synapse = _rows(
        core_of, tree_of_core, trees, unit_of, source, sender, receiver
    )
    senders = np.flatnonzero(tree_of_core >= 0)
    keys = allocate_keys((size_ * np.maximum(stages, 1))[senders].tolist(), spec.colour_bits)
    tables, saved = check_tables(machine, build_tables(machine, trees, keys), spec.table_entries)
    layout = Layout(
        machine, core_of, origin, population_, first_, size_, chip, port, stages, trees,
        tree_of_core, unit_of, rows_of_cell, row_start, synapse, tables, saved,
    )  # fmt: skip
    _check_memory(network, layout, spec)
    return layout


def _stages(network: Network, spec: SpinnakerSpec) -> Ints:
    """By how many stages each synapse's spikes are delayed before they are sent to it."""
    none = np.empty(0, dtype=np.int64)
    dt = network.timestep_ms
    delays = [to_delay_steps(projection.delay_ms, dt) for projection in network.projections]
    return (np.maximum(np.concatenate([none, *delays]), 1) - 1) // spec.delay_steps


def _seats(network: Network, machine: Torus, spec: SpinnakerSpec, population: list[int]) -> Ints:
    """Chip, and place on it, of each core in use, from the corner outwards: shape (2, cores)."""
    seats, n = spec.seats(machine), len(population)
    if n > len(seats):
        label = network.populations[population[len(seats)]].label
        raise CapacityError(
            f"the network takes {n} cores of up to {spec.neurons_per_core} cells, "
            f"{machine.chips} chips have {len(seats)} for applications, the next cells are of "
            f"population {label!r}; use more boards (boards=3, 6, ...) or fewer cells"
        )
    return np.ascontiguousarray(seats[:n].T)


def _rows(
    core_of: NDArray[np.int32],
    tree_of_core: Ints,
    trees: Trees,
    unit_of: Ints,
    source: Ints,
    sender: Ints,
    receiver: Ints,
) -> tuple[Ints, Ints, Ints]:
    """First row of each cell, first synapse of each row, and the synapses in this order."""
    copies = trees.copies()
    tree = tree_of_core[core_of]
    rows = np.zeros(len(tree), dtype=np.int64)
    rows[tree >= 0] = copies[tree[tree >= 0]]
    first = np.cumsum(rows) - rows
    n_units = len(tree_of_core)
    local = {}
    for core in np.flatnonzero(tree_of_core >= 0).tolist():
        root = trees.root[tree_of_core[core]]
        units = unit_of[trees.first[root] : trees.last[root]]
        local.update({core * n_units + int(unit): k for k, unit in enumerate(units)})
    keys = np.array(sorted(local), dtype=np.int64)
    places = np.array([local[key] for key in keys.tolist()], dtype=np.int64)
    pair = sender * n_units + receiver
    row = first[source]
    if len(keys):
        row = row + places[np.searchsorted(keys, pair)]
    order = np.argsort(row, kind="stable")
    row_start = np.searchsorted(row[order], np.arange(int(rows.sum()) + 1)).astype(np.int64)
    return first, row_start, order.astype(np.int64)


def _check_memory(network: Network, layout: Layout, spec: SpinnakerSpec) -> None:
    used = np.bincount(
        layout.chip, 4 * layout.words_of_core(spec.row_header_words), layout.machine.chips
    )
    if len(used) and used.max() > spec.sdram_bytes:
        worst = int(np.argmax(used))
        index = int(layout.population[np.flatnonzero(layout.chip == worst)[0]])
        raise CapacityError(
            f"population {network.populations[index].label!r}: the synapses on the chip at "
            f"{tuple(layout.machine.position[worst].tolist())} take {int(used.max())} B of "
            f"{spec.sdram_bytes}; use fewer neurons a core (neurons_per_core=...) and more boards"
        )


def as_placement(network: Network, layout: Layout, spec: SpinnakerSpec) -> Placement:
    """What all chips of this platform have in common."""
    _, target = synapse_ends(network)
    core_of = layout.core_of[: int(network.offsets[-1])]
    within = np.arange(len(core_of)) - layout.first[core_of]
    return Placement(
        core_of=core_of,
        position=layout.machine.position[layout.chip].astype(np.int16),
        neurons=layout.neurons,
        synapses=np.bincount(core_of[target], minlength=len(layout.size)),
        memory=layout.words_of_core(spec.row_header_words),
        axons=build_axons(network, core_of, within.astype(np.int64)),
    )
