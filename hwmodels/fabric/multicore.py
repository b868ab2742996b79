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

Rules of a core, which go with those of :mod:`hwmodels.fabric.mesh`:

1. A sweep takes the cells of its core in order; a cell costs a visit for each of its circuits, an
   update for each that is active, and a spike where it fires. Then its messages follow, one for
   each axon, each after its message-out time; a sender waits while its injection port is full.
2. Spike sources are off-chip: a host sends theirs one after another, from a port of its own.
3. A receive queue serves one message at a time, in order of arrival, and gives its place in the
   port's FIFO back when it begins; service is message-in time plus that of the synapses.
4. Under a barrier, a step begins with free links and with all credits home (the barrier is far
   longer than that takes), so steps depend on each other only by the pointers of round robin.
   Free-running, a sweep that overruns delays the next one of its core.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
import simpy
from numpy.typing import NDArray

from hwmodels.chip import Transit
from hwmodels.fabric.mesh import Mesh, MeshTimes, Packet, Process
from hwmodels.mapping import Placement
from hwmodels.result import CORE, LINK, PACKET

#: Source core of packets that come from outside the chip.
HOST = -1
_NO_PACKETS = np.empty(0, dtype=PACKET)


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


# --- Engines: who carries the messages of a step --------------------------------------------------


@dataclass(frozen=True, eq=False)
class Messages:
    """The messages of one step, sorted by source core and then in the order of sending.

    Attributes
    ----------
    step : int
    source : int64, shape (n,)
        Global number of the cell that fired.
    core, target : int32, shape (n,)
        Core that sends (:data:`HOST`: from outside) and core that receives.
    synapses : int64, shape (n,)
    sent_ps : int64, shape (n,)
        From the start of the step until the message is made, if nothing blocks its sender.
    service_ps : int64, shape (n,)
        What it costs its receiver.
    begin, end : int64, shape (n, 2)
        Column and row of the routers where it enters and leaves the mesh.
    """

    step: int
    source: NDArray[np.int64]
    core: NDArray[np.int32]
    target: NDArray[np.int32]
    synapses: NDArray[np.int64]
    sent_ps: NDArray[np.int64]
    service_ps: NDArray[np.int64]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.source)


def _no_messages(step: int) -> Messages:
    """A step in which nobody fires."""
    long, short = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32)
    ends = np.empty((0, 2), dtype=np.int64)
    return Messages(step, long, short, short, long, long, long, ends, ends)


class Carried(NamedTuple):
    """What an engine did in a step.

    Attributes
    ----------
    packets : structured array of :data:`hwmodels.result.PACKET`
        Those whose arrival is known now; times count from the start of the run.
    transit : Transit or None
        Those that do not act on time.
    end_ps : int
        From the start of the step to the end of all work of it.
    """

    packets: NDArray
    transit: Transit | None
    end_ps: int


class Engine(Protocol):
    """Carries messages by the rules above. Engines of equal rules agree packet for packet."""

    def step(self, messages: Messages, now_ps: int, sweep_ps: NDArray[np.int64]) -> Carried:
        """Carry the messages of one step.

        Parameters
        ----------
        messages : Messages
        now_ps : int
            Start of the step, from the start of the run.
        sweep_ps : int64, shape (cores,)
            How long each core's sweep takes if nothing blocks it.
        """
        ...

    def under_way(self) -> NDArray:
        """Packets sent and not arrived (:data:`hwmodels.result.PACKET`, arrival -1)."""
        ...

    def links(self) -> NDArray:
        """Load of each link so far, as :data:`hwmodels.result.LINK`."""
        ...


class ClosedForm:
    """Messages that never meet on a link; receive queues in closed form. An :class:`Engine`.

    Parameters
    ----------
    mesh : MeshTimes
    timed : bool
        Whether hops take time at all.
    period_ps : int or None
        Of free-running steps; a receive queue does not pass its backlog on to the next step.
    """

    def __init__(self, mesh: MeshTimes, timed: bool, period_ps: int | None) -> None:
        self._mesh = mesh
        self._hop_ps = (mesh.row_latency_ps, mesh.column_latency_ps) if timed else (0, 0)
        self._period_ps = period_ps if timed else None
        routers = mesh.columns * mesh.rows
        self._routes = np.zeros((routers, routers), dtype=np.int64)

    def step(self, messages: Messages, now_ps: int, sweep_ps: NDArray[np.int64]) -> Carried:
        """See :class:`Engine`."""
        end_ps = int(sweep_ps.max(initial=0))
        if not len(messages):
            return Carried(_NO_PACKETS, None, end_ps)
        rows = self._mesh.rows
        begin, end = messages.begin, messages.end
        np.add.at(self._routes, (begin[:, 0] * rows + begin[:, 1], end[:, 0] * rows + end[:, 1]), 1)
        hops = np.abs(end - begin)
        arrive = messages.sent_ps + hops[:, 0] * self._hop_ps[0] + hops[:, 1] * self._hop_ps[1]
        end_ps = max(end_ps, int(self._served(messages, arrive).max()))
        packets = np.empty(len(messages), dtype=PACKET)
        packets["step"] = messages.step
        packets["source"] = messages.source
        packets["source_core"] = messages.core
        packets["destination_core"] = messages.target
        packets["synapses"] = messages.synapses
        packets["hops"] = hops.sum(axis=1)
        if self._period_ps is None:
            packets["late_steps"] = 0
        else:
            packets["late_steps"] = np.minimum(arrive // self._period_ps, np.iinfo(np.int16).max)
        packets["inject_ps"] = now_ps + messages.sent_ps
        packets["arrive_ps"] = now_ps + arrive
        late = packets[packets["late_steps"] > 0]
        return Carried(packets, Transit.of(delayed=late), end_ps)

    @staticmethod
    def _served(messages: Messages, arrive: NDArray[np.int64]) -> NDArray[np.int64]:
        """When each message is served: at its arrival or after those before it at its core."""
        order = np.lexsort((messages.source, arrive, messages.target))
        target, service = messages.target[order].astype(np.int64), messages.service_ps[order]
        total = np.cumsum(service)
        first = np.searchsorted(target, target)
        before = total - service - (total - service)[first]
        # done = max over all j up to this one of (arrive[j] - before[j]), + before + service;
        # the shift keeps cores apart in one running maximum.
        slack = arrive[order] - before
        shift = target * (int(slack.max()) - int(slack.min()) + 1)
        return np.maximum.accumulate(slack + shift) - shift + before + service

    def under_way(self) -> NDArray:
        """Nothing: every arrival is known at once."""
        return _NO_PACKETS

    def links(self) -> NDArray:
        """See :class:`Engine`; counted from the routes, so no queue is known."""
        mesh = self._mesh
        packets: dict[tuple[int, int, int, int], int] = {}
        for begin, end in np.argwhere(self._routes):
            count = int(self._routes[begin, end])
            x, y = divmod(int(begin), mesh.rows)
            to_x, to_y = divmod(int(end), mesh.rows)
            while (x, y) != (to_x, to_y):
                dx = (to_x > x) - (to_x < x)
                dy = 0 if dx else (to_y > y) - (to_y < y)
                link = (x, y, x + dx, y + dy)
                packets[link] = packets.get(link, 0) + count
                x, y = x + dx, y + dy
        rows = []
        for link, count in sorted(packets.items()):
            cycle_ps = mesh.row_cycle_ps if link[0] != link[2] else mesh.column_cycle_ps
            rows.append((*link, count, count * cycle_ps, 0))
        return np.array(rows, dtype=LINK)


class SimPyEngine:
    """Sweeps, mesh and receive queues as SimPy processes: the reference :class:`Engine`.

    Parameters
    ----------
    position : int16, shape (cores, 2)
        Router of each core.
    host : tuple of int
        Router of the host port.
    mesh : MeshTimes
        Its last port is the host's.
    period_ps : int or None
        Of free-running steps.
    """

    def __init__(
        self,
        position: NDArray[np.int16],
        host: tuple[int, int],
        mesh: MeshTimes,
        period_ps: int | None,
    ) -> None:
        self._position: list[tuple[int, int]] = [(int(x), int(y)) for x, y in position]
        self._host = host
        self._host_port = mesh.ports - 1
        # The cores of a router take its ports in order.
        taken: dict[tuple[int, int], int] = {}
        self._port = []
        for router in self._position:
            self._port.append(taken.get(router, 0))
            taken[router] = self._port[-1] + 1
        assert max(self._port, default=0) < self._host_port, "more cores than ports at a router"
        self._period_ps = period_ps
        self._settle_ps = mesh.settle_ps
        self.env = simpy.Environment()
        self.mesh = Mesh(self.env, mesh, self._deliver)
        n_cores = len(position)
        self._queues = [_ReceiveQueue(self, core) for core in range(n_cores)]
        self._sweeps = {core: _Sweep(self, core) for core in (HOST, *range(n_cores))}
        self._open = 0
        self._all_done: simpy.Event | None = None
        self._flying: dict[int, Packet] = {}
        self._rows: list[tuple] = []
        self._arrived: list[tuple] = []
        #: Environment time minus hardware time: nothing is simulated between steps.
        self._skipped_ps = 0
        self._step = 0

    def step(self, messages: Messages, now_ps: int, sweep_ps: NDArray[np.int64]) -> Carried:
        """See :class:`Engine`."""
        idle_end_ps = int(sweep_ps.max(initial=0))
        self._step = messages.step
        if self._period_ps is not None:
            return self._run_period(messages, now_ps, sweep_ps, idle_end_ps)
        if not len(messages):
            return Carried(_NO_PACKETS, None, idle_end_ps)
        start_ps = self.mesh.now_ps + self._settle_ps
        self._skipped_ps = start_ps - now_ps
        self._rows = []
        self._send(messages, start_ps, sweep_ps)
        self._all_done = self.env.event()
        self.env.run(until=self._all_done)
        self._all_done = None
        end_ps = max(idle_end_ps, self.mesh.now_ps - start_ps)
        return Carried(np.array(self._rows, dtype=PACKET), None, end_ps)

    def _run_period(
        self, messages: Messages, now_ps: int, sweep_ps: NDArray[np.int64], idle_end_ps: int
    ) -> Carried:
        """One free-running step; what is still under way at its end stays in the mesh."""
        assert self._period_ps is not None
        self._rows, self._arrived = [], []
        self._send(messages, now_ps, sweep_ps)
        self.env.run(until=2 * (now_ps + self._period_ps))
        packets = np.array(self._rows, dtype=PACKET)
        held = _NO_PACKETS
        if len(messages):
            held = self.under_way()
            held = held[held["step"] == messages.step]
        transit = Transit.of(held=held, arrived=np.array(self._arrived, dtype=PACKET))
        return Carried(packets, transit, idle_end_ps)

    def _send(self, messages: Messages, start_ps: int, sweep_ps: NDArray[np.int64]) -> None:
        if self._period_ps is not None:
            # A core without messages is busy too, which may hold up its next sweep.
            sending = set(messages.core.tolist())
            for core, tail in enumerate(sweep_ps.tolist()):
                if (
                    tail
                    and core not in sending
                    and (tail > self._period_ps or self._sweeps[core].behind)
                ):
                    self._open += 1
                    self._sweeps[core].begin(start_ps, [], tail)
        if not len(messages):
            return
        columns = zip(
            messages.source.tolist(), messages.core.tolist(), messages.target.tolist(),
            messages.synapses.tolist(), messages.service_ps.tolist(), messages.end.tolist(),
            strict=True,
        )  # fmt: skip
        packets = [
            Packet(
                x, y, self._port[target],
                (messages.step, source, core, target, synapses, service_ps),
            )
            for source, core, target, synapses, service_ps, (x, y) in columns
        ]  # fmt: skip
        self._open += len(packets)
        bounds = np.flatnonzero(np.diff(messages.core, prepend=-2, append=-2))
        for first, last in pairwise(bounds.tolist()):
            core = int(messages.core[first])
            gaps = np.diff(messages.sent_ps[first:last], prepend=0).tolist()
            tail = 0 if core == HOST else int(sweep_ps[core] - messages.sent_ps[last - 1])
            self._open += 1
            work = list(zip(gaps, packets[first:last], strict=True))
            self._sweeps[core].begin(start_ps, work, tail)

    def inject(self, core: int, packet: Packet) -> Process:
        """Put a packet into the mesh where its core sits."""
        if core == HOST:
            (x, y), port = self._host, self._host_port
        else:
            (x, y), port = self._position[core], self._port[core]
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
        inject_ps = packet.inject_ps - self._skipped_ps if packet.inject_ps >= 0 else -1
        return (
            step, source, core, target, synapses, packet.hops, self._step - step,
            inject_ps, arrive_ps,
        )  # fmt: skip

    def under_way(self) -> NDArray:
        """See :class:`Engine`; those that still wait for their sender were injected at -1."""
        waiting = [packet for sweep in self._sweeps.values() for packet in sweep.unsent]
        rows = [self._row(packet, -1) for packet in (*self._flying.values(), *waiting)]
        return np.array(rows, dtype=PACKET)

    def links(self) -> NDArray:
        """See :class:`Engine`."""
        return self.mesh.links()

    def finish(self) -> None:
        """One piece of work (a sweep, a served message) is done."""
        self._open -= 1
        if self._open == 0 and self._all_done is not None:
            self._all_done.succeed()


class _Sweep:
    """The sending side of a core: a process that works through its sweeps one after another."""

    def __init__(self, engine: SimPyEngine, core: int) -> None:
        self._engine = engine
        self._core = core
        self._sweeps: deque[tuple[int, list[tuple[int, Packet]], int]] = deque()
        self._busy = False
        #: Packets of begun sweeps that are not in the mesh yet.
        self.unsent: deque[Packet] = deque()
        self._wake = engine.env.event()
        engine.env.process(self._run())

    @property
    def behind(self) -> bool:
        """Whether an earlier sweep is still at work."""
        return self._busy or bool(self._sweeps)

    def begin(self, start_ps: int, messages: list[tuple[int, Packet]], tail: int) -> None:
        """Queue a sweep: messages with the work before each, and the work after the last."""
        self._sweeps.append((start_ps, messages, tail))
        self.unsent.extend(packet for _, packet in messages)
        if not self._wake.triggered:
            self._wake.succeed()

    def _run(self) -> Process:
        env, engine = self._engine.env, self._engine
        while True:
            if not self._sweeps:
                self._wake = env.event()
                yield self._wake
                continue
            self._busy = True
            start_ps, messages, tail = self._sweeps.popleft()
            if 2 * start_ps > env.now:
                yield env.timeout(2 * start_ps - env.now)
            for gap, packet in messages:
                if gap:
                    yield env.timeout(2 * gap)
                yield from engine.inject(self._core, packet)
                self.unsent.popleft()
            if tail:
                yield env.timeout(2 * tail)
            self._busy = False
            engine.finish()


class _ReceiveQueue:
    """The receiving side of a core: serves one message at a time, in order of arrival."""

    def __init__(self, engine: SimPyEngine, core: int) -> None:
        self._engine = engine
        self._core = core
        self._packets: deque[Packet] = deque()
        self._wake = engine.env.event()
        engine.env.process(self._run())

    def put(self, packet: Packet) -> None:
        """A packet stands at this core's port."""
        self._packets.append(packet)
        if not self._wake.triggered:
            self._wake.succeed()

    def _run(self) -> Process:
        env, engine = self._engine.env, self._engine
        while True:
            if not self._packets:
                self._wake = env.event()
                yield self._wake
                continue
            packet = self._packets.popleft()
            engine.mesh.release(packet)
            service_ps = packet.tag[5]
            if service_ps:
                yield env.timeout(2 * service_ps)
            engine.finish()


#: Engines of the fidelity ``event``, all of equal rules; made from (position, host, mesh, period).
EVENT_ENGINES: dict[str, Callable[..., Engine]] = {"reference": SimPyEngine}


# --- The transport --------------------------------------------------------------------------------


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
    host : tuple of int
        Column and row of the router where the spikes of sources enter.
    engine : str
        Of the fidelity ``event``, out of :data:`EVENT_ENGINES`.
    """

    #: A synaptic delay begins when the destination core takes the packet, so a late packet acts
    #: late whatever the delay.
    delay_from_arrival = True

    def __init__(
        self,
        placement: Placement,
        units_of: NDArray[np.int64],
        mesh: MeshTimes,
        times: CoreTimes,
        overhead_ps: int,
        fidelity: str,
        period_ps: int | None = None,
        host: tuple[int, int] = (0, 0),
        engine: str = "reference",
    ) -> None:
        timed = fidelity != "free"
        self.placement = placement
        self.times = times if timed else CoreTimes(0, 0, 0, 0, 0, 0, 0)
        self.overhead_ps = overhead_ps if timed else 0
        self.fidelity = fidelity
        self.period_ps = period_ps if timed else None
        self.operations = Operations()
        self.busy_ps = np.zeros(placement.n_cores, dtype=np.int64)
        self.step_ps: list[int] = []
        self._now_ps = 0
        self._packets: list[NDArray] = []
        self._host = np.array(host, dtype=np.int64)
        self._position = placement.position.astype(np.int64).reshape(-1, 2)
        self._engine: Engine = (
            EVENT_ENGINES[engine](placement.position.reshape(-1, 2), host, mesh, self.period_ps)
            if fidelity == "event"
            else ClosedForm(mesh, timed, self.period_ps)
        )
        # Cells on cores, in the order of the sweeps; cumulated so that a sweep costs no pass.
        order = np.argsort(placement.core_of, kind="stable")
        self._cells = order[np.count_nonzero(placement.core_of < 0) :]
        self._place = np.zeros(len(order), dtype=np.int64)
        self._place[self._cells] = np.arange(len(self._cells))
        self._units = units_of[self._cells]
        core = placement.core_of[self._cells]
        edges = np.searchsorted(core, np.arange(placement.n_cores + 1))
        self._first, self._last = edges[:-1], edges[1:]
        self._all_units = np.concatenate(([0], np.cumsum(self._units)))

    def step(
        self, step: int, fired: NDArray[np.int64], active: NDArray[np.bool_] | None
    ) -> Transit | None:
        """Carry the spikes of one step; see :class:`hwmodels.chip.Transport`."""
        if step == 0 and not len(fired):
            self.step_ps.append(0)  # time 0 is the initial state: nothing is computed
            return None
        updated, sweep_ps = self._sweep(step, active)
        messages = self._messages(step, fired, updated, sweep_ps)
        self.busy_ps += sweep_ps
        carried = self._engine.step(messages, self._now_ps, sweep_ps)
        if len(carried.packets):
            self._packets.append(carried.packets)
        duration = carried.end_ps + self.overhead_ps if self.period_ps is None else self.period_ps
        self.step_ps.append(duration)
        self._now_ps += duration
        return carried.transit

    def _sweep(
        self, step: int, active: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Circuits updated before each cell, and each core's time for visits and updates."""
        if step == 0:  # nothing is computed at time 0: no sweep
            return np.zeros_like(self._all_units), np.zeros(len(self._first), dtype=np.int64)
        visits = self._all_units
        updated = visits
        if active is not None:
            updated = np.empty_like(visits)
            updated[0] = 0
            np.cumsum(self._units * active[self._cells], out=updated[1:])
        self.operations.visits += int(visits[-1])
        self.operations.updates += int(updated[-1])
        sweep_ps = (visits[self._last] - visits[self._first]) * self.times.visit_ps
        sweep_ps += (updated[self._last] - updated[self._first]) * self.times.update_ps
        return updated, sweep_ps

    def _messages(
        self,
        step: int,
        fired: NDArray[np.int64],
        updated: NDArray[np.int64],
        sweep_ps: NDArray[np.int64],
    ) -> Messages:
        """One message for each axon of each cell that fired, by core and then in sweep order.

        Adds the time of spikes and messages to ``sweep_ps``.
        """
        placement, times, operations = self.placement, self.times, self.operations
        if not len(fired):
            return _no_messages(step)
        on_core = placement.core_of[fired]
        spiking = np.sort(self._place[fired[on_core >= 0]])
        operations.spikes += len(spiking)
        np.add.at(sweep_ps, on_core[on_core >= 0], times.spike_ps)

        axons = placement.axons.of(fired)
        counts = placement.axons.indptr[fired + 1] - placement.axons.indptr[fired]
        source = np.repeat(fired, counts)
        core = placement.core_of[source]
        order = np.argsort(core, kind="stable")
        axons, source, core = axons[order], source[order], core[order]
        target = placement.axons.core[axons]
        synapses = placement.axons.synapses[axons].astype(np.int64)
        dense = placement.axons.contiguous[axons]

        # A message is made when the sweep is through with its cell and the messages before it.
        rank = np.arange(len(core)) - np.searchsorted(core, core)
        sent_ps = (rank + 1) * times.message_out_ps
        chip = core >= 0
        if step and np.any(chip):
            last, first = self._place[source[chip]] + 1, self._first[core[chip]]
            spikes = np.searchsorted(spiking, last) - np.searchsorted(spiking, first)
            sent_ps[chip] += (
                (self._all_units[last] - self._all_units[first]) * times.visit_ps
                + (updated[last] - updated[first]) * times.update_ps
                + spikes * times.spike_ps
            )
        np.add.at(sweep_ps, core[chip], times.message_out_ps)

        position = self._position
        begin = np.tile(self._host, (len(core), 1))
        begin[chip] = position[core[chip]]
        end = position[target]
        service_ps = times.message_in_ps + synapses * np.where(
            dense, times.synapse_dense_ps, times.synapse_sparse_ps
        )
        hops = np.abs(end - begin).sum(axis=0)
        operations.messages_out += len(core)
        operations.messages_in += len(core)
        operations.synapses_dense += int(synapses[dense].sum())
        operations.synapses_sparse += int(synapses[~dense].sum())
        operations.hops_row += int(hops[0])
        operations.hops_column += int(hops[1])
        np.add.at(self.busy_ps, target, service_ps)
        return Messages(step, source, core, target, synapses, sent_ps, service_ps, begin, end)

    @property
    def packets(self) -> NDArray:
        """All packets so far; those under way have not arrived (-1)."""
        return np.concatenate([_NO_PACKETS, *self._packets, self._engine.under_way()])

    def cores(self, memory_size: int) -> NDArray:
        """Use of each core, as :data:`hwmodels.result.CORE`."""
        placement = self.placement
        table = np.zeros(placement.n_cores, dtype=CORE)
        table["core"] = np.arange(placement.n_cores)
        table["x"], table["y"] = self._position.T
        table["neurons"] = placement.neurons
        table["synapses"] = placement.synapses
        table["memory_used"] = placement.memory
        table["memory_size"] = memory_size
        table["busy_ps"] = self.busy_ps
        return table

    def links(self) -> NDArray:
        """Load of each link so far, as :data:`hwmodels.result.LINK`."""
        return self._engine.links()
