"""What a mapper needs and gives: limits of cores, the routers, and the placement."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.compiling import can_compile, compiled
from hwmodels.mapping.gathering import BLOCK_BITS, gather
from hwmodels.network import Network
from hwmodels.result import PACKET

NO_LIMIT = sys.maxsize
#: Synapses of which the axons are sought at once.
_AT_ONCE = 1 << 18


#: One row a format in which synapses are stored on a core: how many lists, the synapses they
#: serve, the words they take and what plain lists, each for itself, would take.
LISTS = np.dtype(
    [
        ("format", "U16"),
        ("lists", np.int64),
        ("synapses", np.int64),
        ("words", np.int64),
        ("plain_words", np.int64),
    ]
)


@dataclass(frozen=True, eq=False)
class Axons:
    """Who sends packets where: one axon for each source cell and core with targets of it.

    Attributes
    ----------
    indptr : int64, shape (cells + 1,)
        Axons of cell ``g`` (global number) are ``indptr[g]:indptr[g + 1]``, by core.
    core : int32, shape (axons,)
    synapses : int32, shape (axons,)
        How many synapses a packet over this axon serves.
    contiguous : bool, shape (axons,)
        Whether the targets are a run of neighbouring cells, each hit once; a chip with formats of
        its own says for which axons no index has to be read.
    shared : bool, shape (axons,), or None
        Whether all synapses are in lists that other axons use too; None where none are.
    """

    indptr: NDArray[np.int64]
    core: NDArray[np.int32]
    synapses: NDArray[np.int32]
    contiguous: NDArray[np.bool_]
    shared: NDArray[np.bool_] | None = None

    def of(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """Indices of all axons of some cells, cell after cell."""
        starts = self.indptr[cells]
        lengths = self.indptr[cells + 1] - starts
        before = np.cumsum(lengths) - lengths
        return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))


@dataclass(frozen=True, eq=False)
class Placement:
    """Where everything of a network is.

    Attributes
    ----------
    core_of : int32, shape (cells,)
        Core of each cell by global number; -1 for spike sources, which are off-chip.
    position : int16, shape (cores, 2)
        Column and row of the router of each used core.
    neurons, synapses, memory : int64, shape (cores,)
        Use of each core; memory in the chip's own words.
    axons : Axons
    lists : structured array of :data:`LISTS`
        How the synapses of each core are stored, core after core; empty where a chip has one way.
    """

    core_of: NDArray[np.int32]
    position: NDArray[np.int16]
    neurons: NDArray[np.int64]
    synapses: NDArray[np.int64]
    memory: NDArray[np.int64]
    axons: Axons
    lists: NDArray = field(default_factory=partial(np.empty, 0, LISTS))

    @property
    def n_cores(self) -> int:
        """Number of cores in use."""
        return len(self.neurons)

    def packets(self, step: int, fired: NDArray[np.int64], now_ps: int) -> NDArray:
        """One packet for each axon of each spike, sent now and not yet arrived.

        Parameters
        ----------
        step : int
        fired : int64, shape (n,)
            Global numbers of the cells that spike.
        now_ps : int
            Time of sending, from the start of the run.

        Returns
        -------
        structured array of :data:`hwmodels.result.PACKET`
            Spike after spike; ``hops`` is 0 and for the fabric to fill in.
        """
        axons = self.axons.of(fired)
        sent = np.zeros(len(axons), dtype=PACKET)
        sent["source"] = np.repeat(fired, np.diff(self.axons.indptr)[fired])
        sent["source_core"] = self.core_of[sent["source"]]
        sent["destination_core"] = self.axons.core[axons]
        sent["synapses"] = self.axons.synapses[axons]
        sent["step"], sent["inject_ps"], sent["arrive_ps"] = step, now_ps, -1
        return sent


class Rows(NamedTuple):
    """The synapses that some cells have together on a core, by source and then by target.

    Attributes
    ----------
    axon, place, synapse : int64, shape (n,)
        Number of the source among all that these cells listen to, position of the target on the
        core, and which synapse of the network it is (projection after projection).
    counts : int64, shape (axons,)
        Synapses of each source.
    """

    axon: NDArray[np.int64]
    place: NDArray[np.int64]
    synapse: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def contiguous(self) -> NDArray[np.bool_]:
        """Whether the targets of each source are a run of neighbouring cells, each hit once."""
        return unbroken(self.axon, self.place, len(self.counts))


class Lists(NamedTuple):
    """How a core stores its synapses.

    Attributes
    ----------
    words : int
        Memory they take.
    contiguous, shared : bool, shape (axons,), or None
        For :class:`Axons`; None leaves what the mapper found, and none shared.
    slots : int64, shape (axons,), or None
        Output axons that each takes at its sender; one each by default.
    table : structured array of :data:`LISTS` or None
    inputs : int or None
        Input axons that they take together; one for each source by default.
    formats : int
        Distinct synapse formats among them.
    """

    words: int
    contiguous: NDArray[np.bool_] | None = None
    shared: NDArray[np.bool_] | None = None
    slots: NDArray[np.int64] | None = None
    table: NDArray | None = None
    inputs: int | None = None
    formats: int = 0


@dataclass(frozen=True, eq=False)
class CoreLimits:
    """What one core can hold, as a mapper asks for it; what is left out has no limit.

    Attributes
    ----------
    cores : int
        On the whole hardware.
    units : int
        Neuron circuits (compartments) a core has.
    input_axons, output_axons : int
        Lists of synapses by which a core listens (one for each source, unless
        :attr:`Lists.inputs` says otherwise), and (cell, core) pairs its cells can send to.
    memory : int
        Words of synaptic memory a core has.
    profiles : int
        Distinct parameter sets a core can hold.
    formats : int
        Distinct synapse formats a core can hold.
    inputs_shared : bool
        Whether :attr:`Lists.inputs` may be fewer than the sources.
    memory_of : callable
        From the synapses of some cells on one core (:class:`Rows`) to the words they take together
        (:class:`Lists`); a word a synapse by default.
    way_out, way_out_alone : str
        What a user can do about a network that is too large, and a cell that no core holds.
    """

    cores: int
    units: int
    input_axons: int = NO_LIMIT
    output_axons: int = NO_LIMIT
    memory: int = NO_LIMIT
    profiles: int = NO_LIMIT
    formats: int = NO_LIMIT
    inputs_shared: bool = False
    memory_of: Callable[[Rows], Lists] = lambda rows: Lists(int(rows.counts.sum()))
    way_out: str = "use fewer neurons or synapses, or hardware with more cores"
    way_out_alone: str = "give it fewer inputs, or split it"


class Routers(NamedTuple):
    """Where cores are; a graph of NetworkX with such nodes serves as well.

    Attributes
    ----------
    nodes : mapping
        From column and row of a router to what it has: the numbers of its ``cores``.
    """

    nodes: Mapping[tuple[int, int], Mapping[str, range]]


def mesh_graph(
    columns: int, rows: int, cores_per_router: int, chips: tuple[int, int] = (1, 1)
) -> Routers:
    """Routers of a mesh; cores are numbered down a column, as on Loihi, and chip after chip.

    Parameters
    ----------
    columns, rows : int
        Of a chip.
    cores_per_router : int
    chips : tuple of int
        Chips from west to east and from south to north.
    """
    nodes = {}
    for column, row in product(range(columns * chips[0]), range(rows * chips[1])):
        (chip_x, x), (chip_y, y) = divmod(column, columns), divmod(row, rows)
        router = ((chip_x * chips[1] + chip_y) * columns + x) * rows + y
        first = router * cores_per_router
        nodes[column, row] = {"cores": range(first, first + cores_per_router)}
    return Routers(nodes)


def core_positions(graph: Routers) -> NDArray[np.int16]:
    """Column and row of the router of each core, int16, shape (cores, 2)."""
    pairs = [(core, node) for node in graph.nodes for core in graph.nodes[node]["cores"]]
    return np.array([node for _, node in sorted(pairs)], dtype=np.int16)


def build_axons(network: Network, core_of: NDArray[np.int32], first: NDArray[np.int64]) -> Axons:
    """All axons of a placed network.

    Parameters
    ----------
    network : Network
    core_of : int32, shape (cells,)
    first : int64, shape (cells,)
        Position of each cell on its core, to tell contiguous targets.
    """
    n_cells, n_cores = int(network.offsets[-1]), int(core_of.max(initial=-1)) + 1
    seen, hit = np.full(n_cores, -1, dtype=np.int64), np.full(n_cells, -1, dtype=np.int32)
    near = np.full((n_cores >> BLOCK_BITS) + 1, -1, dtype=np.int64)
    count, low, high, twice = np.zeros((4, n_cores), dtype=np.int64)
    indptr = np.zeros(n_cells + 1, dtype=np.int64)
    none = (np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32), np.empty(0, dtype=bool))
    parts = [none]
    function = compiled(gather, allocates=False) if can_compile() else gather
    for begin, rows, target in _outgoing(network):
        room = min(len(target), (len(rows) - 1) * n_cores)
        core, synapses = np.empty((2, room), dtype=np.int32)
        contiguous = np.empty(room, dtype=bool)
        n = function(
            begin, rows, target, core_of, first, seen, near, hit, count, low, high, twice,
            indptr[begin + 1 : begin + len(rows)], core, synapses, contiguous,
        )  # fmt: skip
        parts.append((core[:n].copy(), synapses[:n].copy(), contiguous[:n].copy()))
    columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Axons(np.cumsum(indptr), *columns)


def _outgoing(network: Network) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int32]]]:
    """The targets of some neighbouring cells after the other: first cell, rows, global numbers."""
    offsets = network.offsets
    for population in range(len(network.populations)):
        own = [p for p in network.projections if p.pre == population and p.n_synapses]
        if not own:
            continue
        total = np.sum([p.indptr for p in own], axis=0)
        first, size = 0, len(total) - 1
        while first < size:
            last = int(np.searchsorted(total, total[first] + _AT_ONCE, side="right")) - 1
            last = max(last, first + 1)
            pieces = [p.target[p.indptr[first] : p.indptr[last]] + offsets[p.post] for p in own]
            target = np.concatenate(pieces, dtype=np.int32, casting="same_kind")
            if len(own) > 1:
                cells = np.arange(last - first)
                sources = [np.repeat(cells, np.diff(p.indptr[first : last + 1])) for p in own]
                target = target[np.argsort(np.concatenate(sources), kind="stable")]
            yield int(offsets[population]) + first, total[first : last + 1] - total[first], target
            first = last


def unbroken(axon: NDArray[np.int64], target: NDArray[np.int64], axons: int) -> NDArray[np.bool_]:
    """Whether the targets of each axon are a run of neighbouring cells, each hit once.

    Synapses are sorted by axon and then by target.
    """
    gap = (axon[1:] == axon[:-1]) & (target[1:] != target[:-1] + 1)
    return np.bincount(axon[1:][gap], minlength=axons) == 0


def synapse_ends(network: Network) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Global source and target cell of every synapse, projection after projection."""
    offsets = network.offsets
    empty = np.empty(0, dtype=np.int64)
    sources = [p.source + offsets[p.pre] for p in network.projections]
    targets = [p.target + offsets[p.post] for p in network.projections]
    return np.concatenate([empty, *sources]), np.concatenate([empty, *targets])
