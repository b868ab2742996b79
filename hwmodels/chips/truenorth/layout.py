"""Where everything goes: cells and relays to cores, axons, and the one destination of a neuron.

A neuron of the chip sends to one axon. A cell whose targets need more axons than that sends to a
group of relays (neurons that repeat the spikes of one axon), each with a destination of its own;
what the delays allow is taken out of them, so that a relay makes a spike late only where the delay
is too short for it. Spike sources are off-chip and send what they want.

*Units* are what sends: all cells of the network by their global numbers (spike sources included),
then counters (:mod:`hwmodels.chips.truenorth.merging`), then relays. *Legs* are their destinations.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.truenorth.spec import TrueNorthSpec
from hwmodels.compiling import can_compile, compiled
from hwmodels.errors import CapacityError
from hwmodels.network import Network


@dataclass(frozen=True, eq=False)
class Layout:
    """A network on cores.

    Attributes
    ----------
    cores : int
    unit_core, unit_slot, unit_cell : int32, shape (units,)
        Core (-1: off-chip) and place on it; the cell whose spikes it sends.
    axon_core, axon_slot, axon_type : int32, shape (axons,)
    axon_events : int64, shape (axons,)
        Crossbar bits of its row.
    axon_synapses : int64, shape (axons,)
        Synapses of the network that a spike on it serves, those behind relays not counted.
    axon_first, axon_relays : int64, shape (axons,)
        Relays that repeat it, which follow each other.
    leg_start : int64, shape (units + 1,)
        Legs of unit ``u`` are ``leg_start[u]:leg_start[u + 1]``.
    leg_axon, leg_delay : int64, shape (legs,)
    position : int16, shape (cores, 2)
    relays, counters : int
    entry_axon, entry_group : int64, shape (entries,)
        Axons that groups of counters listen to, by group.
    group_first, group_counters : int64, shape (groups,)
        First unit of each group, and how many.
    added_ticks : int64, shape (axons,)
        Ticks by which relays make the spikes of an axon later than asked for.
    """

    cores: int
    unit_core: NDArray[np.int32]
    unit_slot: NDArray[np.int32]
    unit_cell: NDArray[np.int32]
    axon_core: NDArray[np.int32]
    axon_slot: NDArray[np.int32]
    axon_type: NDArray[np.int32]
    axon_events: NDArray[np.int64]
    axon_synapses: NDArray[np.int64]
    axon_first: NDArray[np.int64]
    axon_relays: NDArray[np.int64]
    leg_start: NDArray[np.int64]
    leg_axon: NDArray[np.int64]
    leg_delay: NDArray[np.int64]
    position: NDArray[np.int16]
    relays: int
    counters: int
    entry_axon: NDArray[np.int64]
    entry_group: NDArray[np.int64]
    group_first: NDArray[np.int64]
    group_counters: NDArray[np.int64]
    added_ticks: NDArray[np.int64]

    def neurons(self) -> NDArray[np.int64]:
        """Neurons in use of each core."""
        return np.bincount(self.unit_core[self.unit_core >= 0], minlength=self.cores)

    def axons(self) -> NDArray[np.int64]:
        """Axons in use of each core."""
        return np.bincount(self.axon_core, minlength=self.cores)


def fill(start, key, stamp, size, order, begins, max_axons, max_neurons, core):  # type: ignore[no-untyped-def]
    """Parts to cores in some order, until axons or neurons run out; returns the cores taken.

    ``start`` int64, shape (parts + 1,) and ``key`` say which axons a part listens to, ``size`` how
    many neurons it has; ``stamp`` int64, one a key, must be -1; ``order`` int64 and ``begins``
    bool, shape (parts,): the parts as they come, and those that begin a core in any case; ``core``
    int64, shape (parts,) is filled. A part that does not fit on a core alone gives ``-1 - part``.
    """
    current = 0
    axons = neurons = 0
    for part in order:
        first, last = start[part], start[part + 1]
        new = 0
        for k in range(first, last):
            if stamp[key[k]] != current:
                stamp[key[k]] = current
                new += 1
        if axons + new > max_axons or neurons + size[part] > max_neurons or begins[part]:
            if neurons:
                current += 1
            axons = neurons = new = 0
            for k in range(first, last):
                if stamp[key[k]] != current:
                    stamp[key[k]] = current
                    new += 1
            if new > max_axons or size[part] > max_neurons:
                return -1 - part
        axons += new
        neurons += size[part]
        core[part] = current
    return current + 1 if len(start) > 1 else 0


def fill_cores(
    start: NDArray[np.int64],
    key: NDArray[np.int64],
    size: NDArray[np.int64],
    max_axons: int,
    max_neurons: int,
    order: NDArray[np.int64] | None = None,
    begins: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], int]:
    """:func:`fill` with its tables; returns the core of each part and the number of cores."""
    core = np.zeros(len(start) - 1, dtype=np.int64)
    order = np.arange(len(core)) if order is None else order
    begins = np.zeros(len(core), dtype=bool) if begins is None else begins
    stamp = np.full(int(key.max(initial=-1)) + 1, -1, dtype=np.int64)
    run = compiled(fill) if can_compile() else fill
    return core, int(run(start, key, stamp, size, order, begins, max_axons, max_neurons, core))


class Relays:
    """Groups of relays on cores, and the legs that lead through them.

    Parameters
    ----------
    network : Network
    spec : TrueNorthSpec
    neurons, axons : int64, shape (cores,)
        What is taken of each core already.
    max_axons : int
    first_unit, first_axon : int
        Numbers of the first relay and of the first axon of one.
    """

    def __init__(
        self,
        network: Network,
        spec: TrueNorthSpec,
        neurons: NDArray[np.int64],
        axons: NDArray[np.int64],
        max_axons: int,
        first_unit: int,
        first_axon: int,
    ) -> None:
        self._network, self._spec, self._max_axons = network, spec, max_axons
        self.neurons, self.axons = neurons.tolist(), axons.tolist()
        self._roomy = [
            (n - spec.neurons_per_core, core)
            for core, n in enumerate(self.neurons)
            if self.axons[core] < max_axons and n < spec.neurons_per_core
        ]
        heapq.heapify(self._roomy)
        self._unit, self._axon = first_unit, first_axon
        #: Core, place and cell of each relay; core, place, first relay and relays of each axon.
        self.units: list[tuple[int, int, int]] = []
        self.groups: list[tuple[int, int, int, int]] = []
        #: Unit, axon and delay of each leg; ticks a destination is late.
        self.legs: list[tuple[int, int, int]] = []
        self.late: list[tuple[int, int]] = []

    def connect(self, unit: int, cell: int, axons: list[int], delays: list[int]) -> None:
        """Let a unit reach some axons, each after a delay; ascending by delay."""
        longest = self._spec.delay_ticks_max
        if len(axons) == 1 and delays[0] <= longest:
            self._leg(unit, axons[0], delays[0])
            return
        most = self._spec.neurons_per_core
        # What all of them can wait for is waited for at once, on the way to the relays.
        first = min(max(delays[0] - 1, 1), longest)
        rest = [delay - first for delay in delays]
        near = sum(delay <= longest for delay in rest)
        bundles = [([axon], [delay]) for axon, delay in zip(axons[:near], rest, strict=False)]
        if near < len(axons):
            bundles.append((axons[near:], rest[near:]))
        if len(bundles) > most:
            share = -(-len(bundles) // most)
            bundles = [
                ([a for axon, _ in part for a in axon], [d for _, delay in part for d in delay])
                for part in (bundles[k : k + share] for k in range(0, len(bundles), share))
            ]
        axon, relay = self._group(len(bundles), cell)
        self._leg(unit, axon, first)
        for number, (some, their) in enumerate(bundles):
            self.connect(relay + number, cell, some, their)

    def _leg(self, unit: int, axon: int, delay: int) -> None:
        if delay < 1:
            self.late.append((axon, 1 - delay))
        self.legs.append((unit, axon, max(delay, 1)))

    def _group(self, relays: int, cell: int) -> tuple[int, int]:
        """Place one axon with so many relays; returns the axon and the first relay."""
        size = self._spec.neurons_per_core
        core = -1
        while self._roomy:
            free, candidate = self._roomy[0]
            if self.axons[candidate] >= self._max_axons or -free != size - self.neurons[candidate]:
                heapq.heappop(self._roomy)
                continue
            if -free >= relays:
                heapq.heappop(self._roomy)
                core = candidate
            break
        if core < 0:
            core = len(self.neurons)
            if core >= self._spec.cores:
                raise self._too_many(cell)
            self.neurons.append(0)
            self.axons.append(0)
        axon, first = self._axon, self._unit
        self.groups.append((core, self.axons[core], first, relays))
        self.axons[core] += 1
        self.units += [(core, self.neurons[core] + k, cell) for k in range(relays)]
        self.neurons[core] += relays
        if self.neurons[core] < size:
            heapq.heappush(self._roomy, (self.neurons[core] - size, core))
        self._unit += relays
        self._axon += 1
        return axon, first

    def _too_many(self, cell: int) -> CapacityError:
        offsets = self._network.offsets
        population = int(np.searchsorted(offsets, cell, side="right")) - 1
        label = self._network.populations[population].label
        return CapacityError(
            f"population {label!r}: with {len(self.units)} relays for cells that send to more "
            f"than one core, cell {cell - offsets[population]} no longer fits on the "
            f"{self._spec.cores} cores; give cells fewer targets or a more local connectivity, "
            "take more chips (chip_columns=..., chip_rows=...), or leave out the effect fan_out"
        )


def positions(cores: int, spec: TrueNorthSpec) -> NDArray[np.int16]:
    """Routers of the cores in use, chip after chip.

    On the last one they take the squarest block from its south-western corner, column by column.
    """
    chip, number = np.divmod(np.arange(cores), spec.columns * spec.rows)
    rest = min(cores, spec.columns * spec.rows)
    side = min(spec.rows, max(int(np.ceil(np.sqrt(rest))), -(-rest // spec.columns), 1))
    corner = np.stack(np.divmod(chip, spec.chip_rows), axis=1) * [spec.columns, spec.rows]
    return (corner + np.stack(np.divmod(number, side), axis=1)).astype(np.int16)
