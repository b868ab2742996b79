"""The fabric of a board: spikes in, arrivals at cores out, with the packet table and the energy.

In: cells that spike, each with its time in picoseconds from the start of the run. Out: which
(routing word, core) copies arrived when. It must not know who computes the neurons, nor what a
synapse does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.dynapse.layout import Layout
from hwmodels.chips.dynapse.routing import Routing
from hwmodels.chips.dynapse.spec import DynapseSpec
from hwmodels.fabric.hierarchy import Hierarchy, HierarchyEngine, unloaded_ps
from hwmodels.mapping.placement import synapse_ends
from hwmodels.network import Network
from hwmodels.result import CORE, ENERGY, LINK, PACKET

_NONE = np.empty(0, dtype=np.int64)
#: What the column ``late_steps`` can hold.
_LATEST = int(np.iinfo(PACKET["late_steps"]).max)


class Deliveries(NamedTuple):
    """Packets that cores have now.

    Attributes
    ----------
    row : int64, shape (n,)
        In the packet table.
    copy : int64, shape (n,)
        Which pair of a routing word and a core (index into ``words.core``).
    time_ps : int64, shape (n,)
    dropped : int64, shape (k,)
        Rows of packets that the host's queue had no room for.
    """

    row: NDArray[np.int64]
    copy: NDArray[np.int64]
    time_ps: NDArray[np.int64]
    dropped: NDArray[np.int64]


class Fabric:
    """Carries the spikes of a placed network.

    Parameters
    ----------
    spec : DynapseSpec
    network : Network
        As translated: its synapses say what a packet serves.
    layout : Layout
    routing : Routing
    fidelity : {"compiled", "reference", "analytic", "free"}
        Router stations with queues (in Numba, or as SimPy processes), latencies that simply add
        up, or no time at all.
    """

    def __init__(
        self,
        spec: DynapseSpec,
        network: Network,
        layout: Layout,
        routing: Routing,
        fidelity: str,
    ) -> None:
        self.spec, self.fidelity, self.routing = spec, fidelity, routing
        self._layout = layout
        self._shape = spec.hierarchy()
        words = routing.words
        self._engine: HierarchyEngine | None = None
        self._latency_ps = np.zeros(len(words), dtype=np.int64)
        if fidelity in ("compiled", "reference"):
            self._engine = _engine(fidelity, self._shape, routing)
        elif fidelity == "analytic":
            self._latency_ps = unloaded_ps(self._shape, words)
        self._copies = np.diff(words.core_start)
        self.synapses, self.synapse_start = _synapses_of_copies(network, layout, routing)
        self._table = np.empty(1024, dtype=PACKET)
        self._n_rows = 0
        #: Which of its word's cores each core is.
        self._place = np.full((len(words), spec.cores), -1, dtype=np.int64)
        of = np.repeat(np.arange(len(words)), self._copies)
        self._place[of, words.core] = np.arange(len(of)) - words.core_start[of]
        #: First row and word of each packet, by its number in the engine.
        self._row_of = np.empty(1024, dtype=np.int64)
        self._word_of = np.empty(1024, dtype=np.int64)
        self._n_packets = 0
        self._waiting = Deliveries(_NONE, _NONE, _NONE, _NONE)
        self.spikes = 0

    def send(
        self, step: int, cells: NDArray[np.int64], time_ps: NDArray[np.int64], until_ps: int
    ) -> Deliveries:
        """Give spikes to the fabric and work until a time.

        Parameters
        ----------
        step : int
            Of the network's grid, in which all of this happens.
        cells : int64, shape (n,)
            Global numbers.
        time_ps : int64, shape (n,)
            Ascending, not before the last ``until_ps``; of equals, lower cells first.
        until_ps : int
            Arrivals before this time are returned.
        """
        if not len(cells) and not self.busy:
            return self._waiting
        self.spikes += int(np.count_nonzero(self._layout.core[cells] >= 0))
        word = self.routing.of(cells)
        counts = self.routing.start[cells + 1] - self.routing.start[cells]
        source, sent_ps = np.repeat(cells, counts), np.repeat(time_ps, counts)
        self._enter(step, word, source, sent_ps)
        if self._engine is None:
            delivered = self._carry(word, sent_ps, until_ps)
        else:
            arrived = self._engine.run(word, sent_ps, until_ps)
            place = self._place[self._word_of[arrived.packet], arrived.core]
            delivered = Deliveries(
                self._row_of[arrived.packet] + place,
                self.routing.words.core_start[self._word_of[arrived.packet]] + place,
                arrived.time_ps,
                _ranges(
                    self._row_of[arrived.dropped], self._copies[self._word_of[arrived.dropped]]
                ),
            )
        self._table["arrive_ps"][delivered.row] = delivered.time_ps
        late = step - self._table["step"][delivered.row].astype(np.int64)
        self._table["late_steps"][delivered.row] = np.minimum(late, _LATEST)
        return delivered

    @property
    def busy(self) -> bool:
        """Whether packets are under way."""
        waiting = len(self._waiting.row) if self._engine is None else self._engine.under_way
        return waiting > 0

    def _carry(
        self, word: NDArray[np.int64], sent_ps: NDArray[np.int64], until_ps: int
    ) -> Deliveries:
        """Every packet takes the time of an empty fabric."""
        copies = self._copies[word]
        first = self._n_rows - int(copies.sum())
        before = self._waiting
        row = np.concatenate((before.row, np.arange(first, self._n_rows)))
        copy = np.concatenate((before.copy, _ranges(self.routing.words.core_start[word], copies)))
        time_ps = np.concatenate(
            (before.time_ps, np.repeat(sent_ps + self._latency_ps[word], copies))
        )
        order = np.lexsort((row, time_ps))
        now, later = np.split(order, [np.count_nonzero(time_ps < until_ps)])
        self._waiting = Deliveries(row[later], copy[later], time_ps[later], _NONE)
        return Deliveries(row[now], copy[now], time_ps[now], _NONE)

    def _enter(
        self,
        step: int,
        word: NDArray[np.int64],
        source: NDArray[np.int64],
        sent_ps: NDArray[np.int64],
    ) -> None:
        """Rows of new packets in the table, one for each core of their words."""
        copies = self._copies[word]
        n, last = int(copies.sum()), self._n_packets + len(word)
        self._row_of = _with_room(self._row_of, last)
        self._word_of = _with_room(self._word_of, last)
        self._row_of[self._n_packets : last] = self._n_rows + np.cumsum(copies) - copies
        self._word_of[self._n_packets : last] = word
        self._n_packets = last
        self._table = _with_room(self._table, self._n_rows + n)
        rows = self._table[self._n_rows : self._n_rows + n]
        self._n_rows += n
        copy = _ranges(self.routing.words.core_start[word], copies)
        inject = np.repeat(sent_ps, copies)
        rows["step"] = step
        rows["source"] = np.repeat(source, copies)
        rows["source_core"] = self._layout.core[rows["source"]]
        rows["destination_core"] = self.routing.words.core[copy]
        rows["synapses"] = np.diff(self.synapse_start)[copy]
        rows["hops"] = np.repeat(self.routing.words.hops[word], copies)
        rows["late_steps"] = 0
        rows["inject_ps"] = inject
        rows["arrive_ps"] = -1

    # What it did

    @property
    def packets(self) -> NDArray:
        """All packets so far (:data:`hwmodels.result.PACKET`); those not arrived at -1."""
        return self._table[: self._n_rows]

    def links(self) -> NDArray:
        """Load of the links between chips and, as ejection, of each chip's node downwards."""
        if self._engine is None:
            return np.empty(0, dtype=LINK)
        shape, served, rows = self._shape, self._engine.served, []
        for chip in range(shape.chips):
            x, y = divmod(chip, shape.rows)
            for direction in range(4):
                neighbour = shape.neighbour(chip, direction)
                if neighbour is not None:
                    packets = int(served[shape.link(chip, direction)])
                    to = divmod(neighbour, shape.rows)
                    rows.append((x, y, *to, packets, packets * shape.hop_ps, shape.depth))
            packets = int(served[shape.down(chip)])
            rows.append((x, y, x, y, packets, packets * shape.tree_ps, shape.depth))
        return np.array([row for row in rows if row[4]], dtype=LINK)

    def cores(self, synapses: NDArray[np.int64], words: NDArray[np.int64]) -> NDArray:
        """Use of each core; busy is the time of its broadcasts, memory its CAM words."""
        spec, used = self.spec, self._layout.cores
        on_chip = self._layout.core >= 0
        table = np.zeros(used, dtype=CORE)
        table["core"] = np.arange(used)
        table["x"] = table["core"] // spec.cores_per_chip // spec.rows
        table["y"] = table["core"] // spec.cores_per_chip % spec.rows
        table["neurons"] = np.bincount(self._layout.core[on_chip], minlength=used)
        table["synapses"] = synapses
        table["memory_used"] = words
        table["memory_size"] = spec.neurons_per_core * spec.cam_words
        if self.fidelity != "free":
            arrived = self.packets[self.packets["arrive_ps"] >= 0]
            broadcasts = np.bincount(arrived["destination_core"], minlength=used)
            table["busy_ps"] = broadcasts * self._shape.broadcast_ps
        return table

    def energy(self) -> NDArray:
        """Operations so far, as :data:`hwmodels.result.ENERGY`."""
        spec, packets = self.spec, self.packets
        arrived = packets[packets["arrive_ps"] >= 0]
        words = np.bincount(self._word_of[: self._n_packets], minlength=len(self._copies))
        route_length = np.diff(self.routing.words.route_start)
        return np.array(
            [
                ("spikes generated", self.spikes, spec.spike_pJ),
                ("spikes encoded", self.spikes, spec.encode_pJ),
                ("broadcasts in a core", len(arrived), spec.broadcast_pJ),
                ("events routed to other cores", int(words[route_length > 1].sum()), spec.route_pJ),
                ("hops between chips", int(words @ self.routing.words.hops), spec.hop_pJ),
                ("synaptic pulses", int(arrived["synapses"].sum(dtype=np.int64)), spec.pulse_pJ),
            ],
            dtype=ENERGY,
        )


def _engine(name: str, shape: Hierarchy, routing: Routing) -> HierarchyEngine:
    if name == "reference":
        from hwmodels.fabric.hierarchy_simpy import SimPyHierarchy

        return SimPyHierarchy(shape, routing.words)
    # Numba takes a while to load, and only this engine needs it.
    from hwmodels.fabric.hierarchy_compiled import CompiledHierarchy

    return CompiledHierarchy(shape, routing.words)


def _synapses_of_copies(
    network: Network, layout: Layout, routing: Routing
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Synapses (numbered over all projections) that each (word, core) serves, and their bounds."""
    source, target = synapse_ends(network)
    weight = np.concatenate([np.empty(0), *(p.weight for p in network.projections)])
    there = np.flatnonzero(weight)
    words = routing.words
    of = np.repeat(np.arange(len(words)), np.diff(words.core_start))
    copies = routing.cell[of] << 20 | words.core
    order = np.argsort(copies, kind="stable")
    wanted = source[there] << 20 | layout.core[target[there]]
    copy = order[np.searchsorted(copies[order], wanted)] if len(there) else there
    by_copy = np.argsort(copy, kind="stable")
    start = np.searchsorted(copy[by_copy], np.arange(len(copies) + 1))
    return there[by_copy], start.astype(np.int64)


def _ranges(first: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.int64]:
    """``first``, ``first + 1`` and so on for each length, one after the other."""
    before = np.cumsum(length) - length
    return np.repeat(first - before, length) + np.arange(int(length.sum()))


def _with_room(array: NDArray, needed: int) -> NDArray:
    """An array with at least so many places, doubled where it is too short."""
    if needed <= len(array):
        return array
    larger = np.empty(max(needed, 2 * len(array)), dtype=array.dtype)
    larger[: len(array)] = array
    return larger
