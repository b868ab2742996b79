"""Cores on a mesh, step by step: sweeps, messages, receive queues and the barrier.

In: which cells fired and which were updated. Out: when every packet arrived, and how long the
step took. A core sweeps its cells in order and sends one message for each destination core of a
cell that fired; the destination serves messages one at a time. Implements
:class:`hwmodels.chip.Transport` for any chip that works this way; its numbers come in as
:class:`CoreTimes`, and it must not know which chip that is.

Fidelities of one set of rules:

* ``event``: SimPy processes for every sweep, router, link and receive queue, with finite buffers;
* ``analytic``: the same without contention in the mesh and with endless buffers, in closed form;
* ``free``: transport and sweeps take no time at all (only operations are counted).

Clocking: ``barrier`` ends a step when everything is done, so no spike is ever late;
``free_running`` begins one every ``period_ps`` whatever is still under way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import simpy
from numpy.typing import NDArray

from hwmodels.chip import Transit
from hwmodels.fabric.mesh import Mesh, MeshTimes, Packet
from hwmodels.mapping import Placement
from hwmodels.result import CORE, LINK, PACKET

#: Source core of packets that come from outside the chip.
HOST = -1


@dataclass(frozen=True)
class CoreTimes:
    """Times of one operation of a core, integer ps."""

    visit_ps: int
    update_ps: int
    spike_ps: int
    message_out_ps: int
    message_in_ps: int
    synapse_dense_ps: int
    synapse_sparse_ps: int


@dataclass
class Operations:
    """How often each operation was done, for the energy."""

    visits: int = 0
    updates: int = 0
    spikes: int = 0
    messages_out: int = 0
    messages_in: int = 0
    synapses_dense: int = 0
    synapses_sparse: int = 0
    hops_row: int = 0
    hops_column: int = 0


class MulticoreTransport:
    """The fabric of a mesh of cores, and the clock that ties steps to hardware time.

    Parameters
    ----------
    placement : Placement
    units_of : int64, shape (cells,)
        Neuron circuits each cell takes; 0 for cells off-chip.
    mesh : MeshTimes
        With one port for each core of a router, and one more for the host.
    times : CoreTimes
    overhead_ps : int
        From the end of all work to the next step.
    fidelity : {"event", "analytic", "free"}
    period_ps : int or None
        Of free-running steps; None for a barrier.
    """

    def __init__(
        self,
        placement: Placement,
        units_of: NDArray[np.int64],
        mesh: MeshTimes,
        times: CoreTimes,
        overhead_ps: int,
        fidelity: str,
        period_ps: int | None = None,
    ) -> None:
        self.placement = placement
        self.times = times
        self.overhead_ps = overhead_ps if fidelity != "free" else 0
        self.fidelity = fidelity
        self.period_ps = period_ps
        self.operations = Operations()
        self.busy_ps = np.zeros(placement.n_cores, dtype=np.int64)
        self.step_ps: list[int] = []
        self._now_ps = 0
        self._packets: list[NDArray] = []
        self._mesh_times = mesh
        self._routes = np.zeros((mesh.columns * mesh.rows,) * 2, dtype=np.int64)
        self._cells = np.flatnonzero(placement.core_of >= 0)
        self._units = units_of[self._cells]
        self._core = placement.core_of[self._cells]
        self._start = np.searchsorted(self._core, np.arange(placement.n_cores))
        self._work = np.zeros(len(self._cells), dtype=np.int64)
        self._event = _EventFabric(self) if fidelity == "event" else None

    def step(
        self, step: int, fired: NDArray[np.int64], active: NDArray[np.bool_] | None
    ) -> Transit | None:
        """Carry the spikes of one step; see :class:`hwmodels.chip.Transport`."""
        if step == 0 and not len(fired):
            self.step_ps.append(0)  # time 0 is the initial state: nothing is computed
            return None
        finished = self._sweep(step, fired, active)
        messages = self._messages(step, fired, finished)
        sweep_ps = self._sweep_ends(finished, messages)
        if self._event is not None:
            transit, end_ps = self._event.step(messages, sweep_ps)
        else:
            transit, end_ps = self._closed_form(messages, sweep_ps)
        if self.period_ps is None or self.fidelity == "free":
            duration = end_ps + self.overhead_ps
        else:
            duration = self.period_ps
        self.step_ps.append(duration)
        self._now_ps += duration
        return transit

    def _sweep(
        self, step: int, fired: NDArray[np.int64], active: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        """Time from the start of a core's sweep to the end of each placed cell, in ps."""
        times, operations = self.times, self.operations
        n = len(self._cells)
        if step == 0 or n == 0:
            return np.zeros(n, dtype=np.int64)
        work = self._work
        np.multiply(self._units, times.visit_ps, out=work)
        updated = self._units if active is None else self._units * active[self._cells]
        work += updated * times.update_ps
        spiking = np.searchsorted(self._cells, fired[self.placement.core_of[fired] >= 0])
        work[spiking] += times.spike_ps
        operations.visits += int(self._units.sum())
        operations.updates += int(updated.sum())
        operations.spikes += len(spiking)
        if self.fidelity == "free":
            return np.zeros(n, dtype=np.int64)
        finished = np.cumsum(work)
        before = (finished - work)[self._start]
        return finished - before[self._core]

    def _messages(
        self, step: int, fired: NDArray[np.int64], finished: NDArray[np.int64]
    ) -> _Messages:
        """One message for each axon of each cell that fired, by core and then in sweep order."""
        placement, times = self.placement, self.times
        axons = placement.axons.of(fired)
        counts = placement.axons.indptr[fired + 1] - placement.axons.indptr[fired]
        source = np.repeat(fired, counts)
        core = placement.core_of[source]
        order = np.argsort(core, kind="stable")
        axons, source, core = axons[order], source[order], core[order]
        synapses = placement.axons.synapses[axons].astype(np.int64)
        dense = placement.axons.contiguous[axons]
        rank = np.arange(len(core)) - np.searchsorted(core, core)
        ready = np.zeros(len(core), dtype=np.int64)
        on_chip = core >= 0
        if len(finished):
            ready[on_chip] = finished[np.searchsorted(self._cells, source[on_chip])]
        free = self.fidelity == "free"
        out_ps = 0 if free else times.message_out_ps
        service = times.message_in_ps + synapses * np.where(
            dense, times.synapse_dense_ps, times.synapse_sparse_ps
        )
        messages = _Messages(
            source=source,
            core=core,
            target=placement.axons.core[axons],
            synapses=synapses,
            sent=ready + (rank + 1) * out_ps,
            service=np.zeros_like(service) if free else service,
        )
        operations = self.operations
        operations.messages_out += len(core)
        operations.messages_in += len(core)
        operations.synapses_dense += int(synapses[dense].sum())
        operations.synapses_sparse += int(synapses[~dense].sum())
        begin, end = self._ends(messages)
        operations.hops_row += int(np.abs(end[:, 0] - begin[:, 0]).sum())
        operations.hops_column += int(np.abs(end[:, 1] - begin[:, 1]).sum())
        rows = self._mesh_times.rows
        np.add.at(
            self._routes, (begin[:, 0] * rows + begin[:, 1], end[:, 0] * rows + end[:, 1]), 1
        )
        busy = np.bincount(messages.target, weights=messages.service, minlength=len(self.busy_ps))
        self.busy_ps += busy.astype(np.int64)
        messages.step = step
        messages.begin, messages.end = begin, end
        return messages

    def _ends(self, messages: _Messages) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Routers at which messages enter and leave the mesh; the host sits at router (0, 0)."""
        position = self.placement.position.astype(np.int64).reshape(-1, 2)
        begin = np.zeros((len(messages.core), 2), dtype=np.int64)
        on_chip = messages.core >= 0
        begin[on_chip] = position[messages.core[on_chip]]
        return begin, position[messages.target]

    def _sweep_ends(self, finished: NDArray[np.int64], messages: _Messages) -> NDArray[np.int64]:
        """When each core's sweep would end if nothing blocked it."""
        ends = np.zeros(self.placement.n_cores, dtype=np.int64)
        if len(finished):
            last = np.append(self._start[1:], len(finished)) - 1
            ends = finished[last].copy()
        if self.fidelity != "free":
            sent = np.bincount(messages.core[messages.core >= 0], minlength=len(ends))
            ends += sent * self.times.message_out_ps
        self.busy_ps += ends
        return ends

    def _closed_form(
        self, messages: _Messages, sweep_ps: NDArray[np.int64]
    ) -> tuple[Transit | None, int]:
        """Arrivals and the end of the step without contention in the mesh."""
        mesh = self._mesh_times
        hops = np.abs(messages.end - messages.begin)
        arrive = messages.sent.copy()
        if self.fidelity != "free":
            arrive += hops[:, 0] * mesh.row_latency_ps + hops[:, 1] * mesh.column_latency_ps
        end_ps = int(sweep_ps.max(initial=0))
        order = np.lexsort((messages.source, arrive, messages.target))
        target, service = messages.target[order], messages.service[order]
        # One server a core: a message begins when it is there and the one before it is done.
        total = np.cumsum(service)
        starts = np.searchsorted(target, target)
        before = total - service - (total - service)[starts]
        slack = arrive[order] - before
        shift = target.astype(np.int64) * (int(slack.max(initial=0)) + 1 - int(slack.min(initial=0)))
        latest = np.maximum.accumulate(slack + shift) - shift if len(slack) else slack
        done = latest + before + service
        end_ps = max(end_ps, int(done.max(initial=0)))
        late = None
        if self.period_ps is not None and self.fidelity != "free":
            late = arrive // self.period_ps
        rows = messages.rows(self._now_ps, messages.sent, arrive, hops.sum(axis=1), late)
        self._packets.append(rows)
        if late is None or not np.any(late):
            return None, end_ps
        return Transit.of(delayed=rows[late > 0]), end_ps

    def keep(self, rows: NDArray) -> None:
        """Add finished packets to the run's table."""
        self._packets.append(rows)

    @property
    def packets(self) -> NDArray:
        """All packets so far."""
        tables = list(self._packets)
        if self._event is not None:
            tables.append(self._event.under_way())
        return np.concatenate(tables) if tables else np.empty(0, dtype=PACKET)

    def cores(self, memory_size: int) -> NDArray:
        """Use of each core, as :data:`hwmodels.result.CORE`."""
        placement = self.placement
        table = np.zeros(placement.n_cores, dtype=CORE)
        table["core"] = np.arange(placement.n_cores)
        if placement.n_cores:
            table["x"], table["y"] = placement.position.T
        table["neurons"] = placement.neurons
        table["synapses"] = placement.synapses
        table["memory_used"] = placement.memory
        table["memory_size"] = memory_size
        table["busy_ps"] = self.busy_ps if self.fidelity != "free" else 0
        return table

    def links(self) -> NDArray:
        """Load of each link: counted where links exist as processes, else from the routes."""
        if self._event is not None:
            return self._event.mesh.links()
        mesh = self._mesh_times
        packets: dict[tuple[int, int, int, int], int] = {}
        for begin, end in np.argwhere(self._routes):
            count = int(self._routes[begin, end])
            x, y = divmod(int(begin), mesh.rows)
            to_x, to_y = divmod(int(end), mesh.rows)
            while (x, y) != (to_x, to_y):
                dx = (to_x > x) - (to_x < x)
                dy = 0 if dx else (to_y > y) - (to_y < y)
                key = (x, y, x + dx, y + dy)
                packets[key] = packets.get(key, 0) + count
                x, y = x + dx, y + dy
        rows = [
            (*key, count, count * (mesh.row_cycle_ps if key[0] != key[2] else mesh.column_cycle_ps), 0)
            for key, count in sorted(packets.items())
        ]
        return np.array(rows, dtype=LINK)


@dataclass
class _Messages:
    """The messages of one step, sorted by source core and then in the order of sending."""

    source: NDArray[np.int64]
    core: NDArray[np.int32]
    target: NDArray[np.int32]
    synapses: NDArray[np.int64]
    sent: NDArray[np.int64]
    service: NDArray[np.int64]
    step: int = 0
    begin: NDArray[np.int64] | None = None
    end: NDArray[np.int64] | None = None

    def rows(self, start_ps: int, inject, arrive, hops, late) -> NDArray:
        """As packets of the run; times count from the start of the step."""
        table = np.empty(len(self.source), dtype=PACKET)
        table["step"] = self.step
        table["source"] = self.source
        table["source_core"] = self.core
        table["destination_core"] = self.target
        table["synapses"] = self.synapses
        table["hops"] = hops
        table["late_steps"] = 0 if late is None else late
        table["inject_ps"] = start_ps + inject
        table["arrive_ps"] = start_ps + arrive
        return table


class _EventFabric:
    """Sweeps, mesh and receive queues as SimPy processes."""

    def __init__(self, owner: MulticoreTransport) -> None:
        self._owner = owner
        self.env = simpy.Environment()
        self.mesh = Mesh(self.env, owner._mesh_times, self._deliver)
        n_cores = owner.placement.n_cores
        self._per_router = owner._mesh_times.ports - 1
        self._queues = [_ReceiveQueue(self, core) for core in range(n_cores)]
        self._sweeps = {core: _Sweep(self, core) for core in (HOST, *range(n_cores))}
        self._open = 0
        self._all_done: simpy.Event | None = None
        self._flying: dict[int, Packet] = {}
        self._rows: list[tuple] = []
        self._arrived: list[tuple] = []
        #: Environment time minus hardware time: steps without packets are not simulated.
        self._skipped_ps = 0
        self._boundary_ps = 0
        self._step = 0

    def step(
        self, messages: _Messages, sweep_ps: NDArray[np.int64]
    ) -> tuple[Transit | None, int]:
        """Simulate one step; return what was late and how long the work took."""
        owner = self._owner
        idle_end = int(sweep_ps.max(initial=0))
        barrier = owner.period_ps is None
        self._step = messages.step
        if barrier and not len(messages.source):
            return None, idle_end
        start_ps = self.mesh.arrival_ps if barrier else owner._now_ps
        self._skipped_ps = start_ps - owner._now_ps
        self._boundary_ps = start_ps + (owner.period_ps or 0)
        self._rows, self._arrived = [], []
        self._send(messages, start_ps, sweep_ps)
        if barrier:
            if self._open:
                self._all_done = self.env.event()
                self.env.run(until=self._all_done)
                self._all_done = None
            end_ps = max(idle_end, self.mesh.now_ps - start_ps)
            owner.keep(np.array(self._rows, dtype=PACKET))
            return None, end_ps
        self.env.run(until=2 * self._boundary_ps)
        owner.keep(np.array(self._rows, dtype=PACKET))
        held = self.under_way()
        held = held[held["step"] == messages.step]
        return Transit.of(held, np.array(self._arrived, dtype=PACKET)), idle_end

    def _send(self, messages: _Messages, start_ps: int, sweep_ps: NDArray[np.int64]) -> None:
        assert messages.end is not None
        bounds = np.flatnonzero(np.diff(messages.core, prepend=-2, append=-2))
        columns = zip(
            messages.source.tolist(), messages.core.tolist(), messages.target.tolist(),
            messages.synapses.tolist(), messages.service.tolist(), messages.end.tolist(),
            strict=True,
        )  # fmt: skip
        packets = [
            Packet(
                x, y, target % self._per_router,
                (messages.step, source, core, target, synapses, service),
            )
            for source, core, target, synapses, service, (x, y) in columns
        ]  # fmt: skip
        self._open += len(packets)
        for first, last in zip(bounds[:-1], bounds[1:], strict=True):
            core = int(messages.core[first])
            gaps = np.diff(messages.sent[first:last], prepend=0).tolist()
            end = int(messages.sent[last - 1])
            tail = 0 if core == HOST else int(sweep_ps[core]) - end
            self._open += 1
            self._sweeps[core].begin(start_ps, list(zip(gaps, packets[first:last], strict=True)), tail)

    def inject(self, core: int, packet: Packet) -> Iterator[simpy.Event]:
        """Put a packet into the mesh where its core sits."""
        if core == HOST:
            x, y, port = 0, 0, self._per_router
        else:
            x, y = self._owner.placement.position[core].tolist()
            port = core % self._per_router
        yield from self.mesh.inject(x, y, port, packet)
        self._flying[id(packet)] = packet

    def _deliver(self, packet: Packet) -> None:
        del self._flying[id(packet)]
        row = self._row(packet, packet.arrive_ps - self._skipped_ps)
        self._rows.append(row)
        if row[0] != self._step:
            self._arrived.append(row)
        self._queues[packet.tag[3]].put(packet)

    def _row(self, packet: Packet, arrive_ps: int) -> tuple:
        step, source, core, target, synapses, _ = packet.tag
        return (
            step, source, core, target, synapses, packet.hops, self._step - step,
            packet.inject_ps - self._skipped_ps, arrive_ps,
        )  # fmt: skip

    def under_way(self) -> NDArray:
        """Packets that were sent and have not arrived: rows without an arrival (-1)."""
        waiting = [packet for sweep in self._sweeps.values() for packet in sweep.unsent()]
        rows = [self._row(packet, -1) for packet in (*self._flying.values(), *waiting)]
        return np.array(rows, dtype=PACKET)

    def finish(self) -> None:
        """One piece of work of this step (a sweep, a served message) is done."""
        self._open -= 1
        if self._open == 0 and self._all_done is not None:
            self._all_done.succeed()


class _Sweep:
    """The sending side of a core: a process that works through its sweeps one after another."""

    def __init__(self, fabric: _EventFabric, core: int) -> None:
        self._fabric = fabric
        self._core = core
        self._sweeps: deque[tuple[int, list[tuple[int, Packet]], int]] = deque()
        self._unsent: deque[Packet] = deque()
        self._wake = fabric.env.event()
        fabric.env.process(self._run())

    def begin(self, start_ps: int, messages: list[tuple[int, Packet]], tail: int) -> None:
        """Queue a sweep: messages with the work before each, and the work after the last."""
        self._sweeps.append((start_ps, messages, tail))
        self._unsent.extend(packet for _, packet in messages)
        if not self._wake.triggered:
            self._wake.succeed()

    def unsent(self) -> deque[Packet]:
        """Packets of begun sweeps that are not in the mesh yet."""
        return self._unsent

    def _run(self) -> Iterator[simpy.Event]:
        env, fabric = self._fabric.env, self._fabric
        while True:
            if not self._sweeps:
                self._wake = env.event()
                yield self._wake
                continue
            start_ps, messages, tail = self._sweeps.popleft()
            if 2 * start_ps > env.now:
                yield env.timeout(2 * start_ps - env.now)
            for gap, packet in messages:
                if gap:
                    yield env.timeout(2 * gap)
                yield from fabric.inject(self._core, packet)
                self._unsent.popleft()
            if tail:
                yield env.timeout(2 * tail)
            fabric.finish()


class _ReceiveQueue:
    """The receiving side of a core: serves one message at a time, in order of arrival."""

    def __init__(self, fabric: _EventFabric, core: int) -> None:
        self._fabric = fabric
        self._packets: deque[Packet] = deque()
        self._wake = fabric.env.event()
        fabric.env.process(self._run())

    def put(self, packet: Packet) -> None:
        """A packet stands at this core's port."""
        self._packets.append(packet)
        if not self._wake.triggered:
            self._wake.succeed()

    def _run(self) -> Iterator[simpy.Event]:
        env, fabric = self._fabric.env, self._fabric
        while True:
            if not self._packets:
                self._wake = env.event()
                yield self._wake
                continue
            packet = self._packets.popleft()
            fabric.mesh.release(packet)
            service_ps = packet.tag[5]
            if service_ps:
                yield env.timeout(2 * service_ps)
            fabric.finish()
