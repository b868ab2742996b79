"""The reference engine: sweeps, mesh and receive queues as SimPy processes."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np
import simpy
from numpy.typing import NDArray

from hwmodels.chip import Transit
from hwmodels.fabric.mesh import Mesh, MeshTimes, Packet, Process
from hwmodels.fabric.messages import HOST, NO_PACKETS, Carried, Messages, ports_of
from hwmodels.result import PACKET

#: What the column ``late_steps`` can hold.
_LATEST = int(np.iinfo(PACKET["late_steps"]).max)


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
        self._port = ports_of(position, self._host_port)
        self._period_ps = period_ps
        self._times = mesh
        self.env = simpy.Environment()
        self.mesh = Mesh(self.env, mesh, self._deliver)
        n_cores = len(position)
        self._queues = [_ReceiveQueue(self, core) for core in range(n_cores)]
        self._sweeps = {core: _Sweep(self, core) for core in (HOST, *range(n_cores))}
        self._open = 0
        self._all_done: simpy.Event | None = None
        self._flying: dict[int, Packet] = {}
        self._rows: list[tuple] = []
        #: Number of the next packet, in the order of sending.
        self._sent = 0
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
            return Carried(NO_PACKETS, None, idle_end_ps)
        start_ps = self._times.edge_ps(self.mesh.now_ps + self._times.settle_ps)
        self._skipped_ps = start_ps - now_ps
        self._rows = []
        self._send(messages, start_ps, sweep_ps)
        self._all_done = self.env.event()
        self.env.run(until=self._all_done)
        self._all_done = None
        end_ps = max(idle_end_ps, self.mesh.now_ps - start_ps)
        return Carried(_in_order(self._rows), None, end_ps)

    def _run_period(
        self, messages: Messages, now_ps: int, sweep_ps: NDArray[np.int64], idle_end_ps: int
    ) -> Carried:
        """One free-running step; what is still under way at its end stays in the mesh."""
        assert self._period_ps is not None
        self._rows = []
        self._send(messages, now_ps, sweep_ps)
        self.env.run(until=2 * (now_ps + self._period_ps))
        packets = _in_order(self._rows)
        held = NO_PACKETS
        if len(messages):
            held = self.under_way()
            held = held[held["step"] == messages.step]
        transit = Transit.of(held=held, arrived=packets[packets["step"] != messages.step])
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
                (messages.step, source, core, target, synapses, service_ps, number),
            )
            for number, (source, core, target, synapses, service_ps, (x, y)) in enumerate(
                columns, self._sent
            )
        ]  # fmt: skip
        self._sent += len(packets)
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
        self._rows.append(self._row(packet, packet.arrive_ps - self._skipped_ps))
        self._queues[packet.tag[3]].put(packet)

    def _row(self, packet: Packet, arrive_ps: int) -> tuple:
        step, source, core, target, synapses, *_ = packet.tag
        inject_ps = packet.inject_ps - self._skipped_ps if packet.inject_ps >= 0 else -1
        x, y = self._host if core == HOST else self._position[core]
        # One under way counts with its whole path.
        hops = abs(packet.x - x) + abs(packet.y - y) if arrive_ps < 0 else packet.hops
        return (
            step, source, core, target, synapses, hops,
            min(self._step - step, _LATEST), inject_ps, arrive_ps,
        )  # fmt: skip

    def under_way(self) -> NDArray:
        """See :class:`Engine`; those that still wait for their sender were injected at -1."""
        waiting = [packet for sweep in self._sweeps.values() for packet in sweep.unsent]
        packets = sorted((*self._flying.values(), *waiting), key=lambda packet: packet.tag[6])
        return np.array([self._row(packet, -1) for packet in packets], dtype=PACKET)

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


def _in_order(rows: list[tuple]) -> NDArray:
    """Packets by time of arrival and then by destination."""
    packets = np.array(rows, dtype=PACKET)
    return packets[np.lexsort((packets["destination_core"], packets["arrive_ps"]))]
