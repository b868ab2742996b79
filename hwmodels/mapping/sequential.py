"""The sequential mapper: cells to cores in the order in which the script made them.

In: a Network, the limits of a core and the graph of routers. Out: a Placement in which no core
exceeds any limit. A core is filled until a limit binds, then the next one begins. It is the plain
baseline that other mappers have to beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import CapacityError
from hwmodels.mapping.placement import (
    LISTS,
    NO_LIMIT,
    Axons,
    CoreLimits,
    Lists,
    Placement,
    Routers,
    Rows,
    build_axons,
    core_positions,
    synapse_ends,
)
from hwmodels.network import Network


def place_sequentially(
    network: Network,
    limits: CoreLimits,
    graph: Routers,
    units_of: NDArray[np.int64] | None = None,
    profile_of: NDArray[np.int64] | None = None,
    order: NDArray[np.int64] | None = None,
    breaks: NDArray[np.int64] | None = None,
) -> Placement:
    """Fill cores with cells in their global order, or in another one.

    Parameters
    ----------
    network : Network
    limits : CoreLimits
    graph : Routers
        Of :func:`hwmodels.mapping.placement.mesh_graph`.
    units_of : int64, shape (cells,), optional
        Neuron circuits each cell takes; 0 for cells that are not placed. One each by default, and
        none for spike sources.
    profile_of : int64, shape (cells,), optional
        Number of the parameter set each cell uses; the same for all by default.
    order : int64, shape (placed cells,), optional
        Global numbers of the cells that are placed, in the order in which they fill cores.
    breaks : int64, optional
        Positions in this order at which a new core must begin, ascending.

    Raises
    ------
    CapacityError
        When a cell alone exceeds a limit, or all cells together exceed the hardware; names the
        population, the limit, the value and the way out.
    """
    if units_of is None:
        placed = [not population.is_source for population in network.populations]
        units_of = np.repeat(np.array(placed, dtype=np.int64), np.diff(network.offsets))
    if profile_of is None:
        profile_of = np.zeros(len(units_of), dtype=np.int64)
    filling = _Filling(network, limits, units_of, profile_of, order, breaks)
    cells_per_core = limits.units
    while True:
        bounds = filling.fill(cells_per_core)
        core_of, first = filling.cores(bounds)
        lists = [limits.memory_of(filling.rows(*ends)) for ends in pairwise(bounds)]
        axons, slots = _as_stored(build_axons(network, core_of, first), lists)
        source = np.repeat(np.arange(len(core_of)), np.diff(axons.indptr))
        sender = core_of[source]
        sent = np.bincount(
            sender[sender >= 0], slots[sender >= 0], minlength=max(len(bounds) - 1, 1)
        )
        over = np.flatnonzero(sent > limits.output_axons)
        if not len(over):
            break
        # How far a cell's axons spread depends on how all others are placed, so try again with
        # emptier cores until the worst one fits.
        held = np.diff(bounds)[over]
        cells_per_core = int(np.min(held * limits.output_axons // sent[over]))
        if cells_per_core == 0:
            # A core of which not even one cell's share fits has a cell that alone takes too many.
            own = np.bincount(source, np.where(sender >= 0, slots, 0), minlength=len(core_of))
            cell = int(np.argmax(own))
            raise CapacityError(
                f"{filling.name(cell)} sends to {int(own[cell])} cores, a core has "
                f"{limits.output_axons} output axons: give it fewer targets or fewer cores"
            )
    positions = core_positions(graph)[: len(bounds) - 1]
    on_core = np.bincount(axons.core, weights=axons.synapses, minlength=len(positions))
    return Placement(
        core_of=core_of,
        position=positions,
        neurons=np.diff(bounds),
        synapses=on_core.astype(np.int64),
        memory=np.array([stored.words for stored in lists], dtype=np.int64),
        axons=axons,
        lists=np.concatenate(
            [np.empty(0, dtype=LISTS), *(s.table for s in lists if s.table is not None)]
        ),
    )


def _as_stored(axons: Axons, lists: Sequence[Lists]) -> tuple[Axons, NDArray[np.int64]]:
    """Axons as the cores store them, and the output axons that each takes."""
    by_core = np.argsort(axons.core, kind="stable")
    ends = np.searchsorted(axons.core[by_core], np.arange(len(lists) + 1))
    slots = np.ones(len(by_core), dtype=np.int64)
    contiguous, shared = axons.contiguous.copy(), np.zeros(len(by_core), dtype=bool)
    for stored, (first, last) in zip(lists, pairwise(ends), strict=True):
        here = by_core[first:last]
        if stored.contiguous is not None:
            contiguous[here] = stored.contiguous
        if stored.shared is not None:
            shared[here] = stored.shared
        if stored.slots is not None:
            slots[here] = stored.slots
    return replace(axons, contiguous=contiguous, shared=shared if shared.any() else None), slots


class _Filling:
    """Tries how many cells fit on a core."""

    def __init__(
        self,
        network: Network,
        limits: CoreLimits,
        units_of: NDArray[np.int64],
        profile_of: NDArray[np.int64],
        order: NDArray[np.int64] | None,
        breaks: NDArray[np.int64] | None,
    ) -> None:
        self._network = network
        self._limits = limits
        self.order = np.flatnonzero(units_of > 0) if order is None else order
        ends = [] if breaks is None else [*breaks]
        self._breaks = np.array([*ends, len(self.order)], dtype=np.int64)
        self._held = 0
        self._units = units_of[self.order]
        self._profiles = profile_of[self.order]
        place = np.full(int(network.offsets[-1]), -1)
        place[self.order] = np.arange(len(self.order))
        sources, targets = synapse_ends(network)
        by_target = np.argsort(place[targets], kind="stable")
        self._place = place[targets][by_target]
        # Two bytes are sorted digit by digit, which is several times as fast.
        small = len(place) <= 1 << 16
        self._source = sources[by_target].astype(np.uint16 if small else np.int64)
        self._synapse = by_target
        self._start = np.searchsorted(self._place, np.arange(len(self.order) + 1))

    def name(self, cell: int) -> str:
        """A cell as its user knows it."""
        population = int(np.searchsorted(self._network.offsets, cell, side="right")) - 1
        label = self._network.populations[population].label
        return f"cell {cell - self._network.offsets[population]} of population {label!r}"

    def fill(self, cells_per_core: int) -> NDArray[np.int64]:
        """First cell of each core (positions in :attr:`order`), and the end."""
        bounds = [0]
        total = len(self.order)
        while bounds[-1] < total:
            if len(bounds) > self._limits.cores:
                raise self._too_large(bounds)
            bounds.append(self._largest(bounds[-1], cells_per_core))
        return np.array(bounds, dtype=np.int64)

    def _largest(self, first: int, cells_per_core: int) -> int:
        """One past the last cell that still fits on a core that begins with ``first``."""
        end = self._breaks[np.searchsorted(self._breaks, first, side="right")]
        high = min(first + cells_per_core, int(end))
        room = np.cumsum(self._units[first:high]) <= self._limits.units
        high = first + int(np.count_nonzero(room))
        if high > first and self._exceeded(first, high) is None:
            return high
        low = first
        # Cores of a network are filled alike, so the next one is sought from the last one's size.
        likely, step = first + self._held, 1
        while high - low > 1:
            middle = (low + high) // 2
            if low < likely < high and not self._limits.inputs_shared:
                middle = likely
            if self._exceeded(first, middle) is None:
                low, likely = middle, middle + step
            else:
                high, likely = middle, middle - step
            step *= 2
        self._held = low - first
        if low == first:
            raise CapacityError(
                f"{self.name(self.order[first])} does not fit on a core alone: it "
                f"{self._exceeded(first, first + 1)}; {self._limits.way_out_alone}"
            )
        return low

    def _exceeded(self, first: int, last: int) -> str | None:
        """Which limit these cells exceed together, in words, or None."""
        limits = self._limits
        units = int(self._units[first:last].sum())
        if units > limits.units:
            return f"takes {units} compartments of {limits.units}"
        profiles = len(np.unique(self._profiles[first:last]))
        if profiles > limits.profiles:
            return f"takes {profiles} parameter profiles of {limits.profiles}"
        if min(limits.memory, limits.formats, limits.input_axons) == NO_LIMIT:
            return None
        rows = self.rows(first, last)
        sources = len(rows.counts)
        if sources > limits.input_axons and not limits.inputs_shared:
            return f"takes {sources} input axons of {limits.input_axons}"
        if min(limits.memory, limits.formats) < NO_LIMIT or limits.inputs_shared:
            stored = limits.memory_of(rows)
            inputs = sources if stored.inputs is None else stored.inputs
            for taken, limit, of in (
                (inputs, limits.input_axons, "input axons"),
                (stored.words, limits.memory, "words of synaptic memory"),
                (stored.formats, limits.formats, "synapse formats"),
            ):
                if taken > limit:
                    return f"takes {taken} {of} of {limit}"
        return None

    def rows(self, first: int, last: int) -> Rows:
        """The synapses onto the cells at these positions in :attr:`order`."""
        begin, end = self._start[first], self._start[last]
        # Targets ascend here already, and go on to within each source.
        order = np.argsort(self._source[begin:end], kind="stable") + begin
        source = self._source[order]
        axon = np.zeros(len(order), dtype=np.int64)
        np.cumsum(source[1:] != source[:-1], out=axon[1:])
        return Rows(axon, self._place[order] - first, self._synapse[order], np.bincount(axon))

    def _too_large(self, bounds: list[int]) -> CapacityError:
        """What filled the cores, for a network that is larger than the hardware."""
        placed = bounds[-1]
        last = bounds[-2]
        reason = self._exceeded(last, min(placed + 1, len(self.order)))
        # All other limits leave room: cores were emptied for the axons that leave them.
        reason = reason or f"needs more than its {self._limits.output_axons} output axons"
        return CapacityError(
            f"the network is larger than the hardware: {placed} of {len(self.order)} neurons fill "
            f"all {self._limits.cores} cores, the next one is {self.name(self.order[placed])} "
            f"(one more on the last core {reason}); {self._limits.way_out}"
        )

    def cores(self, bounds: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Core of every cell (-1: not placed) and its position there."""
        core_of = np.full(int(self._network.offsets[-1]), -1, dtype=np.int32)
        position = np.zeros(len(core_of), dtype=np.int64)
        held = np.diff(bounds)
        core_of[self.order] = np.repeat(np.arange(len(held), dtype=np.int32), held)
        position[self.order] = np.arange(len(self.order)) - np.repeat(bounds[:-1], held)
        return core_of, position
