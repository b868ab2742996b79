"""Spikes between cores: who sends to which axon, the mesh, the schedulers, and the global tick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.truenorth.layout import Layout
from hwmodels.chips.truenorth.scheduler import Calendar, Scheduler
from hwmodels.chips.truenorth.spec import TrueNorthSpec
from hwmodels.compiling import can_compile
from hwmodels.fabric.closed_form import ClosedForm
from hwmodels.fabric.mesh import MeshTimes
from hwmodels.fabric.messages import HOST, NO_PACKETS, Engine, Messages, no_messages
from hwmodels.fabric.multicore import EVENT_ENGINES
from hwmodels.result import CORE, ENERGY
from hwmodels.spec import picoseconds

if TYPE_CHECKING:
    from collections.abc import Mapping


class Fabric:
    """Packets from units to axons, tick after tick.

    Rules, with those of :mod:`hwmodels.fabric.mesh`:

    1. In each tick a core reads its scheduler's slot, then works through all its neurons, whether
       they are in use or not; the synaptic events of the tick are taken as spread evenly over
       them. A neuron that fires sends its packet when the core is through with it, and waits while
       the router's FIFO is full. Work that outlasts the tick delays that of the next.
    2. Spike sources are off-chip: their packets enter at the edge one after another.
    3. A packet that arrives is written into the slot of the tick that it names.
    4. The next tick begins after ``tick_us``, whatever is still under way.

    Parameters
    ----------
    spec : TrueNorthSpec
    layout : Layout
    fidelity : {"compiled", "batched", "reference", "analytic", "free"}
        As in :mod:`hwmodels.fabric.multicore`; ``free`` takes no time, and its scheduler has
        neither slots nor bits.
    """

    def __init__(self, spec: TrueNorthSpec, layout: Layout, fidelity: str) -> None:
        if fidelity == "compiled" and not can_compile():
            fidelity = "batched"
        self.fidelity = fidelity
        self._spec, self._layout = spec, layout
        self._timed = fidelity != "free"
        self.period_ps = picoseconds(spec.tick_us * 1e3)
        mesh = MeshTimes(
            columns=spec.mesh[0],
            rows=spec.mesh[1],
            ports=2,
            row_latency_ps=picoseconds(spec.hop_ns),
            column_latency_ps=picoseconds(spec.hop_ns),
            row_cycle_ps=picoseconds(spec.link_cycle_ns),
            column_cycle_ps=picoseconds(spec.link_cycle_ns),
            link_depth=spec.link_buffer_packets,
            port_depth=spec.core_buffer_packets,
            credit_ps=picoseconds(spec.credit_ns),
            chip_columns=spec.columns,
            chip_rows=spec.rows,
            bridge_ps=picoseconds(spec.chip_hop_ns),
            clock_ps=max(picoseconds(spec.router_clock_ns), 1),
        )
        self._mesh = mesh
        host = (spec.host_column, spec.host_row)
        self._engine: Engine = (
            EVENT_ENGINES[fidelity](layout.position.reshape(-1, 2), host, mesh, self.period_ps)
            if fidelity in EVENT_ENGINES
            else ClosedForm(mesh, self._timed, self.period_ps if self._timed else None)
        )
        axons = len(layout.axon_core)
        self.waiting: Scheduler | Calendar = (
            Scheduler(spec.scheduler_slots, axons) if self._timed else Calendar()
        )
        self._host = np.array(host, dtype=np.int64)
        self._position = layout.position.astype(np.int64).reshape(-1, 2)
        self._reach = _reach(layout)
        self._events = np.zeros(layout.cores, dtype=np.int64)
        #: Legs to be sent in later steps, since their delay is longer than a packet can say.
        self._held: dict[int, list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = {}
        #: Packets known to arrive in later steps, by that step.
        self._coming: dict[int, list[NDArray]] = {}
        #: Of the spike that each leg carried last.
        self._tag = np.zeros(len(layout.leg_axon), dtype=np.int64)
        self._packets: list[NDArray] = []
        self.step_ps: list[int] = []
        self.busy_ps = np.zeros(layout.cores, dtype=np.int64)
        self._now_ps = 0
        self.events = self.hops = self.edge = self.spikes = 0
        self.late = self.late_events = self.merged = self.merged_events = self.overruns = 0

    def read(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Axons with a spike in this tick, and their tags."""
        axons, tag = self.waiting.read(step)
        layout = self._layout
        self._events = np.bincount(
            layout.axon_core[axons], layout.axon_events[axons], layout.cores
        ).astype(np.int64)
        self.events += int(self._events.sum())
        return axons, tag

    def send(self, step: int, units: NDArray[np.int64], tag: NDArray[np.int64]) -> None:
        """Carry the spikes of one tick.

        Parameters
        ----------
        step : int
        units : int64, shape (n,)
            Units that fire; one stands twice when it spikes twice.
        tag : int64, shape (n,)
            Of each spike, for the schedulers.
        """
        if step == 0 and not len(units):
            self.step_ps.append(0)  # time 0 is the initial state: nothing is computed
            return
        layout, spec = self._layout, self._spec
        self.spikes += int(np.count_nonzero(layout.unit_core[units] >= 0))
        counts = layout.leg_start[units + 1] - layout.leg_start[units]
        before = np.cumsum(counts) - counts
        legs = np.repeat(layout.leg_start[units] - before, counts) + np.arange(int(counts.sum()))
        self._tag[legs] = np.repeat(tag, counts)
        tags = self._tag[legs]
        unit = np.repeat(units, counts)
        if self._timed:
            hold = layout.leg_delay[legs] - spec.delay_ticks_max
            for ticks in np.unique(hold[hold > 0]).tolist():
                some = hold == ticks
                self._held.setdefault(step + ticks, []).append((legs[some], unit[some]))
            legs, unit = legs[hold <= 0], unit[hold <= 0]
            for more, whose in self._held.pop(step, ()):
                legs, unit = np.concatenate([legs, more]), np.concatenate([unit, whose])
            messages, sweep_ps = self._messages(step, legs, unit)
            carried = self._engine.step(messages, self._now_ps, sweep_ps)
            self._arrive(step, carried.packets)
        else:
            messages, sweep_ps = self._messages(step, legs, unit)
            carried = self._engine.step(messages, self._now_ps, sweep_ps)
            self.waiting.write(layout.leg_axon[legs], step + layout.leg_delay[legs], tags)
        if len(carried.packets):
            self._packets.append(carried.packets)
        self.step_ps.append(self.period_ps)
        self._now_ps += self.period_ps

    def _messages(
        self, step: int, legs: NDArray[np.int64], unit: NDArray[np.int64]
    ) -> tuple[Messages, NDArray[np.int64]]:
        """A message for each leg, by core and time; and how long each core works."""
        layout, spec = self._layout, self._spec
        sweep_ps = np.zeros(layout.cores, dtype=np.int64)
        start, neuron, event = (
            picoseconds(x) for x in (spec.core_start_ns, spec.neuron_ns, spec.event_ns)
        )
        if step and self._timed:
            sweep_ps += start + spec.neurons_per_core * neuron + self._events * event
            self.busy_ps += sweep_ps
            self.overruns += int(np.count_nonzero(sweep_ps > self.period_ps))
        if not len(legs):
            return no_messages(step), sweep_ps
        core = layout.unit_core[unit]
        chip = core >= 0
        sent_ps = np.zeros(len(legs), dtype=np.int64)
        if self._timed:
            done = layout.unit_slot[unit[chip]].astype(np.int64) + 1
            events = self._events[core[chip]] * event
            sent_ps[chip] = start + done * neuron + events * done // spec.neurons_per_core
            sent_ps[~chip] = np.arange(1, np.count_nonzero(~chip) + 1) * picoseconds(spec.edge_ns)
        order = np.lexsort((sent_ps, core))
        legs, core, chip, sent_ps = legs[order], core[order], chip[order], sent_ps[order]
        axon = layout.leg_axon[legs]
        target = layout.axon_core[axon]
        begin = np.tile(self._host, (len(legs), 1))
        begin[chip] = self._position[core[chip]]
        end = self._position[target]
        assert HOST == -1, "units off-chip send as the host"
        row, column, bridge = self._mesh.hops(begin, end)
        self.hops += int(row.sum() + column.sum())
        self.edge += int(np.count_nonzero(~chip) + bridge.sum())
        service = np.full(len(legs), picoseconds(spec.accept_ns) if self._timed else 0)
        messages = Messages(
            step, legs, core, target, layout.axon_synapses[axon], sent_ps, service, begin, end
        )
        return messages, sweep_ps

    def _arrive(self, step: int, packets: NDArray) -> None:
        """Write packets into the schedulers, each in the tick in which it arrives."""
        now = packets[packets["step"] + packets["late_steps"] <= step]
        for row in packets[packets["step"] + packets["late_steps"] > step]:
            tick = int(row["step"]) + int(row["late_steps"])
            self._coming.setdefault(tick, []).append(row.reshape(1))
        now = np.concatenate([now, *self._coming.pop(step, ())])
        if not len(now):
            return
        leg = now["source"].astype(np.int64)
        axon = self._layout.leg_axon[leg]
        delay = np.minimum(self._layout.leg_delay[leg], self._spec.delay_ticks_max)
        due = now["step"] + delay
        late = due <= step
        again = self.waiting.write(axon, due, self._tag[leg])
        self.late += int(np.count_nonzero(late))
        self.late_events += int(self._reach[axon[late]].sum())
        self.merged += int(np.count_nonzero(again))
        self.merged_events += int(self._reach[axon[again]].sum())

    # What comes out

    @property
    def packets(self) -> NDArray:
        """All packets so far, by the cell whose spike each carries."""
        packets = np.concatenate([NO_PACKETS, *self._packets, self._engine.under_way()])
        starts = self._layout.leg_start
        unit = np.searchsorted(starts, packets["source"], side="right") - 1
        packets["source"] = self._layout.unit_cell[unit]
        return packets

    def counts(self) -> Mapping[str, int]:
        """What came late, was lost or is still under way."""
        layout = self._layout
        flying = layout.leg_axon[self._engine.under_way()["source"].astype(np.int64)]
        return {
            "packets late": self.late,
            "synaptic events late": self.late_events,
            "spikes merged in a scheduler": self.merged,
            "synaptic events lost": self.merged_events,
            "synaptic events under way at the end": int(self._reach[flying].sum()),
            "core ticks over the deadline": self.overruns,
        }

    def links(self) -> NDArray:
        """Load of each link so far, as :data:`hwmodels.result.LINK`."""
        return self._engine.links()

    def cores(self) -> NDArray:
        """Use of each core, as :data:`hwmodels.result.CORE`; its memory are its axons."""
        layout = self._layout
        table = np.zeros(layout.cores, dtype=CORE)
        table["core"] = np.arange(layout.cores)
        table["x"], table["y"] = self._position.T
        table["neurons"] = layout.neurons()
        table["synapses"] = np.bincount(layout.axon_core, layout.axon_events, layout.cores)
        table["memory_used"] = layout.axons()
        table["memory_size"] = self._spec.axons_per_core
        table["busy_ps"] = self.busy_ps
        return table

    def energy(self) -> NDArray:
        """The fit, taken apart, as :data:`hwmodels.result.ENERGY`."""
        spec = self._spec
        ticks = int(np.count_nonzero(self.step_ps))
        rows = [
            # mW over us are nJ.
            (
                "ticks of a chip without row reads",
                ticks * spec.chips,
                spec.idle_mW * spec.tick_us * 1e3,
            ),
            ("row reads", ticks * spec.cores * spec.neurons_per_core, spec.row_now_pJ),
            ("synaptic events", self.events, spec.event_now_pJ),
            ("hops", self.hops, spec.hop_now_pJ),
            ("packets over a chip's edge", self.edge, spec.edge_pJ),
        ]
        return np.array(rows, dtype=ENERGY)


def _reach(layout: Layout) -> NDArray[np.int64]:
    """Synapses behind each axon, those behind its relays and counters included."""
    reach = layout.axon_synapses.copy()
    _add_relays(layout, reach)
    if len(layout.entry_axon):
        # An input stands for as many synapses as one of its counters.
        leg = layout.leg_start[layout.group_first[layout.entry_group]]
        np.add.at(reach, layout.entry_axon, reach[layout.leg_axon[leg]])
        _add_relays(layout, reach)
    return reach


def _add_relays(layout: Layout, reach: NDArray[np.int64]) -> None:
    """Set what is behind the axons of relays from what is behind all others."""
    # Groups further down were made later.
    for axon in np.flatnonzero(layout.axon_relays)[::-1].tolist():
        first = int(layout.axon_first[axon])
        last = first + int(layout.axon_relays[axon])
        legs = slice(int(layout.leg_start[first]), int(layout.leg_start[last]))
        reach[axon] = int(reach[layout.leg_axon[legs]].sum())
