"""A placed network on cores and fabric: the tables of the kernel, and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.spinnaker import arithmetic as a
from hwmodels.chips.spinnaker import pipeline as k
from hwmodels.chips.spinnaker.costs import costs_of
from hwmodels.chips.spinnaker.formats import KINDS, SPARE_BITS, Format, delay_words, weight_levels
from hwmodels.chips.spinnaker.kernel import SIMULATE_PARTS, simulate
from hwmodels.chips.spinnaker.layout import Layout
from hwmodels.chips.spinnaker.spec import SpinnakerSpec
from hwmodels.compiling import can_compile, compiled
from hwmodels.fabric.torus import LINKS
from hwmodels.fabric.torus_tables import counted_in, machine, push_event
from hwmodels.network import Network
from hwmodels.result import CORE, ENERGY, LINK, PACKET

Ints = NDArray[np.int64]
#: Until nothing is left to do.
FOREVER_PS = int(np.iinfo(np.int64).max)
_LATEST = int(np.iinfo(PACKET["late_steps"]).max)
_MICROSECOND = 1_000_000


@dataclass(frozen=True)
class Conditions:
    """What of the machine is ideal, and how fast its time passes.

    Attributes
    ----------
    tick_ps : int
        Wall-clock of one tick.
    native : bool
        Whether the cores compute the neurons, or are told which fire.
    exact_weights, ideal_cores, ideal_fabric : bool
    seed : int
        Of the phases of the timers.
    """

    tick_ps: int
    native: bool
    exact_weights: bool
    ideal_cores: bool
    ideal_fabric: bool
    seed: int


class Machine:
    """Cores and fabric with everything in them.

    Parameters
    ----------
    spec : SpinnakerSpec
    network : Network
        As translated.
    layout : Layout
    formats : mapping of int to Format
    conditions : Conditions
    """

    def __init__(
        self,
        spec: SpinnakerSpec,
        network: Network,
        layout: Layout,
        formats: Mapping[int, Format],
        conditions: Conditions,
    ) -> None:
        self.spec, self.layout, self.conditions = spec, layout, conditions
        self._formats = formats
        self._hops = layout.trees.hops()
        units, ports = len(layout.size), spec.application_cores
        self._fabric = machine(layout.machine, spec.timing(), layout.trees, ports, 4 * units)
        self.counted = counted_in(self._fabric)
        self._cost = costs_of(spec, conditions)
        self.unit = self._units(network)
        self._queue = np.zeros((units, spec.queue_spikes), dtype=np.int64)
        self._pool = np.zeros((4096, k.PACKET_COLUMNS), dtype=np.int64)
        self._copies = np.zeros((16384, k.COPY_COLUMNS), dtype=np.int64)
        self._counts = np.zeros(4, dtype=np.int64)
        # In one instant: a copy for each core, or all of each core's where nothing is in the way.
        slots = layout.machine.chips * ports
        if conditions.ideal_fabric:
            slots = units * int(layout.trees.copies().max(initial=0))
        self._out = np.zeros((slots + 2 * layout.machine.chips + 8, 4), dtype=np.int64)
        tree = layout.tree_of_core
        self._cell_tree = tree[layout.core_of].astype(np.int64)
        dt, size = network.timestep_ms, int(layout.size.max(initial=1))
        longest = [int(delay_words(p, dt).max(initial=0)) for p in network.projections]
        if not layout.stages.any():  # the receiver holds long delays
            while self._cost[k.SLOTS] <= max(longest, default=0) > spec.delay_steps:
                self._cost[k.SLOTS] *= 2
        delayed, stages = int(np.count_nonzero(layout.stages)), int(layout.stages.max(initial=0))
        # What a delay extension keeps, and a stage more for what has not been sent yet.
        kept = spec.delay_steps * (stages + 2) if delayed else 1
        self._delayed = np.zeros((delayed, kept, size), dtype=np.int64)
        #: Until when the memory of each chip is at work.
        self._memory = np.zeros(layout.machine.chips, dtype=np.int64)
        self._most_again = max(stages, 1)
        self._ring = np.zeros((units, int(self._cost[k.SLOTS]), 2, size), dtype=np.int64)
        self.set_words(network)
        cells = len(layout.core_of)
        self.state = np.zeros((cells, a.STATE), dtype=np.int64)
        self.constants = np.zeros((cells, a.CONSTANTS), dtype=np.int64)
        none = np.empty(0, dtype=np.int64)
        self._given_tick, self._given_cell = none, none
        self._given_at, self._given_end = np.zeros((2, units), dtype=np.int64)
        self._drive_tick, self._drive_cell, self._drive_value = none, none, none
        self._drive_at, self._drive_end = np.zeros((2, units), dtype=np.int64)
        room = self._most_again * size + 1
        self._fired_cell, self._fired_ps = np.zeros((2, units, room), dtype=np.int64)
        self._spikes = np.zeros((2, max(4096, 2 * units * room)), dtype=np.int64)
        self.trace_of = np.full(cells, -1, dtype=np.int64)
        self.trace = np.zeros((0, 0, 4), dtype=np.int64)
        self.now_ps = 0
        self._simulate = (
            compiled(simulate, *SIMULATE_PARTS, allocates=False) if can_compile() else simulate
        )

    def _units(self, network: Network) -> Ints:
        layout, spec = self.layout, self.spec
        unit = np.zeros((len(layout.size), k.UNIT), dtype=np.int64)
        unit[:, k.SLOT] = layout.chip * spec.application_cores + layout.port
        unit[:, k.CHIP] = layout.chip
        unit[:, k.FIRST_CELL], unit[:, k.CELLS] = layout.first, layout.size
        unit[:, k.PADDED] = [1 << max(int(n) - 1, 0).bit_length() for n in layout.size]
        unit[:, k.TICK] = unit[:, k.LAST_TICK] = unit[:, k.FETCH_END] = -1
        unit[:, k.JOB_ROW] = unit[:, k.NEXT_ROW] = -1
        sources = np.zeros(len(layout.size), dtype=np.int64)
        for core, tree in enumerate(layout.tree_of_core.tolist()):
            if tree >= 0:
                root = layout.trees.root[tree]
                reached = layout.unit_of[layout.trees.first[root] : layout.trees.last[root]]
                sources[reached] += 1
            index = int(layout.population[core])
            if layout.stages[core]:
                unit[core, k.RULE] = k.DELAY
                unit[core, k.DELAYED_AT] = np.count_nonzero(layout.stages[:core])
                unit[core, k.DELAYED_STAGES] = layout.stages[core]
                unit[core, k.SENDS_AS] = np.searchsorted(layout.core_of, core)
            elif network.populations[index].is_source:
                unit[core, k.RULE] = k.SOURCE
            elif self.conditions.native:
                unit[core, k.RULE] = self._formats[index].rule
            else:
                unit[core, k.RULE] = k.EXTERNAL
            if index in self._formats:
                unit[core, k.SHIFT_E : k.SHIFT_I + 1] = self._formats[index].shifts
        unit[:, k.PROBES] = [max(int(n).bit_length() - 1, 0) for n in sources]
        if self.conditions.native:
            rng = np.random.default_rng(self.conditions.seed)
            spread = self.spec.timer_spread_us * _MICROSECOND
            unit[:, k.PHASE] = (rng.random(len(unit)) * spread).astype(np.int64)
        return unit

    def set_words(self, network: Network) -> None:
        """The synaptic words of all rows, from a network with (perhaps) other weights."""
        dt, spare = network.timestep_ms, SPARE_BITS if self.conditions.exact_weights else 0
        none = np.empty(0, dtype=np.int64)
        target, kind, delay, weight = [none], [none], [none], [none]
        for p in network.projections:
            target.append(p.target + network.offsets[p.post])
            # Cells of other hardware, as exact neurons, may have receptors of their own.
            number = KINDS.index(p.receptor) if p.receptor in KINDS else 0
            kind.append(np.full(p.n_synapses, number, dtype=np.int64))
            steps = delay_words(p, dt)
            if self.layout.stages.any():  # what a delay extension leaves of a delay
                steps = (steps - 1) % self.spec.delay_steps + 1
            delay.append(steps)
            if self.conditions.native:
                weight.append(weight_levels(p, self._formats.get(p.post), spare))
            else:  # what is in a slot does not matter, only that something is
                weight.append(np.ones(p.n_synapses, dtype=np.int64))
        order, layout = self.layout.synapse, self.layout
        cell = np.concatenate(target)[order]
        self.word_target = (cell - layout.first[layout.core_of[cell]]).astype(np.int64)
        self.word_kind, self.word_delay, self.word_weight = (
            np.concatenate(part)[order].astype(np.int64) for part in (kind, delay, weight)
        )

    # Time

    def give(self, steps: Ints, cells: Ints) -> None:
        """Spikes to be sent, beside those given before and not yet sent."""
        old = [
            np.arange(at, end)
            for at, end in zip(self._given_at.tolist(), self._given_end.tolist(), strict=True)
        ]
        left = np.concatenate([np.empty(0, dtype=np.int64), *old]).astype(np.int64)
        steps = np.concatenate((self._given_tick[left], steps)).astype(np.int64)
        cells = np.concatenate((self._given_cell[left], cells)).astype(np.int64)
        order, self._given_at, self._given_end = self._by_core(steps, cells)
        self._given_tick, self._given_cell = steps[order], cells[order]
        if len(steps):
            unit = self.layout.core_of[cells].astype(np.int64)
            _, counts = np.unique(unit << 32 | steps, return_counts=True)
            # A core may be told several ticks' spikes at once when it has fallen behind.
            most = self._most_again * int(counts.max()) + 1
            if most > self._fired_cell.shape[1]:
                self._fired_cell, self._fired_ps = np.zeros((2, len(self.unit), most), np.int64)

    def _by_core(self, steps: Ints, cells: Ints) -> tuple[Ints, Ints, Ints]:
        """Order by core, step and cell, and where each core begins and ends in it."""
        unit = self.layout.core_of[cells].astype(np.int64)
        order = np.lexsort((cells, steps, unit))
        bounds = np.searchsorted(unit[order], np.arange(len(self.unit) + 1)).astype(np.int64)
        return order, bounds[:-1].copy(), bounds[1:].copy()

    def drive(self, steps: Ints, cells: Ints, values: Ints) -> None:
        """External currents in s16.15, from the steps on in which they begin to act."""
        order, self._drive_at, self._drive_end = self._by_core(steps, cells)
        self._drive_tick, self._drive_cell = steps[order], cells[order]
        self._drive_value = values[order]

    def start_ticks(self, last: int) -> None:
        """Let the timers run until tick ``last`` has begun on every core."""
        self.unit[:, k.LAST_TICK] = last
        for core in range(len(self.unit)):
            self.unit[core, k.NEXT_TIMER] = self.now_ps + self.unit[core, k.PHASE]
            push_event(
                self._fabric.heap, self._fabric.counts, self.unit[core, k.NEXT_TIMER], k.TIMER, core
            )

    def continue_ticks(self, last: int) -> None:
        """Let timers that run go on until tick ``last``."""
        self.unit[:, k.LAST_TICK] = last

    def run(self, until_ps: int = FOREVER_PS) -> None:
        """Work off everything before a time; by default until nothing is left to do."""
        layout = self.layout
        while not self._simulate(
            self._fabric, self._cost, self.unit, self._queue, self._pool, self._copies,
            self._counts, self._out, self._cell_tree, layout.rows_of_cell, layout.row_start,
            self.word_target, self.word_kind, self.word_delay, self.word_weight, self._ring,
            self._delayed, self._memory, self.state, self.constants,
            self._given_tick, self._given_cell, self._given_at, self._given_end,
            self._drive_tick, self._drive_cell, self._drive_value, self._drive_at,
            self._drive_end, self._fired_cell, self._fired_ps, self._spikes[0], self._spikes[1],
            self.trace_of, self.trace, layout.unit_of, until_ps,
        ):  # fmt: skip
            self._pool = _doubled(self._pool, len(self.unit))
            most = int(layout.trees.copies().max(initial=0))
            self._copies = _doubled(self._copies, most * len(self.unit))
            room = len(self.unit) * self._fired_cell.shape[1]
            self._spikes = np.ascontiguousarray(_doubled(self._spikes.T, room).T)

    # What happened

    @property
    def spikes(self) -> tuple[Ints, Ints]:
        """Cell and tick of every spike."""
        n = int(self._counts[k.SPIKES])
        return self._spikes[0, :n], self._spikes[1, :n]

    @property
    def copies(self) -> Ints:
        """Every copy of a packet, with the columns of the kernel."""
        return self._copies[: self._counts[k.COPIES]]

    def packets(self, first: int = 0) -> NDArray:
        """The copies from one on, as :data:`hwmodels.result.PACKET`."""
        layout, copies = self.layout, self.copies[first:]
        pool = self._pool[copies[:, k.OF_PACKET]]
        place = copies[:, k.LOCAL]
        if len(copies):
            place = place + layout.trees.first[layout.trees.root[pool[:, 0]]]
        row = layout.rows_of_cell[pool[:, k.CELL]] + copies[:, k.LOCAL]
        packets = np.zeros(len(copies), dtype=PACKET)
        packets["step"], packets["source"] = (
            pool[:, k.SENT_TICK], layout.origin[pool[:, k.CELL]],
        )  # fmt: skip
        packets["source_core"] = layout.core_of[pool[:, k.CELL]]
        packets["destination_core"] = layout.unit_of[place]
        packets["synapses"] = layout.row_start[row + 1] - layout.row_start[row]
        packets["hops"] = self._hops[place]
        packets["late_steps"] = np.minimum(copies[:, k.LATE], _LATEST)
        packets["inject_ps"] = copies[:, k.SENT_PS]
        lost = np.isin(copies[:, k.STATE_OF], (k.LOST, k.REFUSED, k.CLEARED))
        packets["arrive_ps"] = np.where(lost, -1, copies[:, k.ARRIVED_PS])
        return packets

    def counts(self) -> dict[str, int]:
        """What was dropped, late, saturated or overrun."""
        state, synapses = self.copies[:, k.STATE_OF], self.packets()["synapses"].astype(np.int64)
        lost = np.isin(state, (k.LOST, k.REFUSED, k.CLEARED))
        under_way = state == k.UNDER_WAY
        of = self.counted
        of_routers = {"packets dumped by routers": of.drops} if self.spec.reinjection else {}
        of_routers |= {
            "packets re-injected": of.reinjected,
            "packets lost at a full dump register": of.overflowed,
            "packets lost at a full monitor queue": of.queue_full,
            "packets killed by their time phase": of.aged,
            "packets sent by emergency routes": of.diverted,
        }
        return {name: int(each.sum()) for name, each in of_routers.items()} | {
            "packets dropped by routers": int(np.count_nonzero(state == k.LOST)),
            "packets dropped by full input queues": int(np.count_nonzero(state == k.REFUSED)),
            "packets dropped at the next tick": int(np.count_nonzero(state == k.CLEARED)),
            "synaptic events lost": int(synapses[lost].sum()),
            "synaptic events under way at the end": int(synapses[under_way].sum()),
            "synaptic events too late to act": int(self.unit[:, k.LATE_WORDS].sum()),
            "rows processed after their tick": int(np.count_nonzero(self.copies[:, k.LATE])),
            "rows processed before the receiver's tick": int(self.unit[:, k.NOT_YET].sum()),
            "rows used again for an equal spike": int(self.unit[:, k.SHARED].sum()),
            "rows that waited for memory": int(self.unit[:, k.WAITED].sum()),
            "timer overruns": int(self.unit[:, k.OVERRUNS].sum()),
            "ring-buffer saturations": int(self.unit[:, k.SATURATIONS].sum()),
        }

    def links(self) -> NDArray:
        """Load of each link that carried a packet, as :data:`hwmodels.result.LINK`."""
        shape = self.layout.machine
        carried, longest = self.counted.carried.ravel(), self.counted.longest.ravel()
        used = np.flatnonzero(carried)
        links = np.zeros(len(used), dtype=LINK)
        chip, link = used // LINKS, used % LINKS
        there = shape.neighbour[chip, link]
        links["x"], links["y"] = shape.position[chip].T
        links["to_x"], links["to_y"] = shape.position[there].T
        links["packets"] = carried[used]
        links["max_queue"] = longest[used]
        wire = np.where(
            shape.between_boards().ravel()[used],
            self.spec.timing().board_link_ps, self.spec.timing().link_ps,
        )  # fmt: skip
        links["busy_ps"] = links["packets"] * wire
        return links

    def cores(self) -> NDArray:
        """Use of each core, as :data:`hwmodels.result.CORE`."""
        layout, spec = self.layout, self.spec
        cores = np.zeros(len(layout.size), dtype=CORE)
        cores["core"] = np.arange(len(layout.size))
        cores["x"], cores["y"] = layout.machine.position[layout.chip].T
        cores["neurons"] = layout.neurons
        words = layout.words_of_core(spec.row_header_words)
        cores["memory_used"] = words
        cores["synapses"] = layout.words_of_core(0)
        cores["memory_size"] = spec.sdram_bytes // 4 // spec.application_cores
        cores["busy_ps"] = self.unit[:, k.BUSY]
        return cores

    def energy(self, duration_ps: int) -> NDArray:
        """Power over time, and a packet a router; no term holds another (datasheet 3.7)."""
        spec, us = self.spec, round(duration_ps / _MICROSECOND)
        visits = int(self.counted.visits.sum())
        return np.array(
            [
                ("chip at rest, a microsecond", self.layout.machine.chips * us, spec.chip_W * 1e6),
                ("core at work, a microsecond", len(self.unit) * us, spec.core_mW * 1e3),
                ("board beside its chips, a microsecond", spec.boards * us, spec.board_W * 1e6),
                ("packet through a router", visits, spec.visit_nJ * 1e3),
            ],
            dtype=ENERGY,
        )

    @property
    def last_ps(self) -> int:
        """Time of the last event."""
        return int(self._counts[k.LAST_PS])

    def load(self, steps: int) -> float:
        """Work of the busiest core over the wall-clock that so many ticks should take."""
        planned = max(steps, 1) * self.conditions.tick_ps
        return float(self.unit[:, k.BUSY].max(initial=0)) / planned

    def most_queued(self) -> int:
        """Most spikes that waited in one core."""
        return int(self.unit[:, k.Q_MOST].max(initial=0))


def _doubled(table: Ints, room: int) -> Ints:
    larger = np.zeros((2 * len(table) + 2 * room, *table.shape[1:]), dtype=np.int64)
    larger[: len(table)] = table
    return larger
