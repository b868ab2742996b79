"""The reference engine of the router hierarchy: every station a SimPy process.

Its time counts half picoseconds: even instants are those in which services end and packets ask,
odd ones those in which stations take packets (rule 1 of :mod:`hwmodels.fabric.hierarchy`).
"""

from __future__ import annotations

from collections import deque

import numpy as np
import simpy
from numpy.typing import NDArray

from hwmodels.fabric.hierarchy import Arrived, Hierarchy, Words, upstream
from hwmodels.fabric.mesh import Process


class SimPyHierarchy:
    """Stations as processes; implements :class:`hwmodels.fabric.hierarchy.HierarchyEngine`.

    Parameters
    ----------
    shape : Hierarchy
    words : Words
    """

    def __init__(self, shape: Hierarchy, words: Words) -> None:
        self.shape, self._words = shape, words
        self.env = simpy.Environment()
        self._wake = self.env.event()
        indptr, before = upstream(shape)
        self._stations = [
            _Station(self, number, int(service)) for number, service in enumerate(shape.service_ps)
        ]
        for station in self._stations:
            ends = before[indptr[station.number] : indptr[station.number + 1]]
            station.upstream = [self._stations[number] for number in ends]
        self._given = 0
        self._open: dict[int, int] = {}
        self._arrived: list[tuple[int, int, int]] = []
        self._dropped: list[int] = []
        self.env.process(self._hand_over())

    def run(self, word: NDArray[np.int64], time_ps: NDArray[np.int64], until_ps: int) -> Arrived:
        """See :class:`hwmodels.fabric.hierarchy.HierarchyEngine`."""
        self._arrived, self._dropped = [], []
        self.env.process(self._ask(word.tolist(), time_ps.tolist()))
        if 2 * until_ps > self.env.now:
            self.env.run(until=2 * until_ps)
        arrived = np.array(sorted(self._arrived), dtype=np.int64).reshape(-1, 3)
        return Arrived(
            arrived[:, 2], arrived[:, 1], arrived[:, 0], np.array(self._dropped, dtype=np.int64)
        )

    def _ask(self, words: list[int], times: list[int]) -> Process:
        for word, time in zip(words, times, strict=True):
            if 2 * time > self.env.now:
                yield self.env.timeout(2 * time - self.env.now)
            packet = _Packet(self._given, word, self._words)
            self._given += 1
            entry = self._stations[packet.route[0]]
            if entry.number == self.shape.host and len(entry.queue) >= self.shape.host_queue:
                self._dropped.append(packet.number)
                continue
            self._open[packet.number] = len(packet.pending)
            entry.queue.append(packet)
            entry.longest = max(entry.longest, len(entry.queue))
            self.something_moves()

    def something_moves(self) -> None:
        """A service ended or a packet asked: stations may take something at this instant."""
        if not self._wake.triggered:
            self._wake.succeed()

    def _hand_over(self) -> Process:
        while True:
            yield self._wake
            yield self.env.timeout(1)
            self._wake = self.env.event()
            moved = True
            while moved:
                moved = sum(station.take() for station in self._stations) > 0

    def arrive(self, packet: _Packet, core: int) -> None:
        """A core has a packet."""
        self._arrived.append((int(self.env.now) // 2, core, packet.number))
        self._open[packet.number] -= 1
        if not self._open[packet.number]:
            del self._open[packet.number]

    @property
    def under_way(self) -> int:
        """See :class:`hwmodels.fabric.hierarchy.HierarchyEngine`."""
        return len(self._open)

    @property
    def served(self) -> NDArray[np.int64]:
        """See :class:`hwmodels.fabric.hierarchy.HierarchyEngine`."""
        return np.array([station.served for station in self._stations], dtype=np.int64)

    @property
    def longest_queue(self) -> NDArray[np.int64]:
        """See :class:`hwmodels.fabric.hierarchy.HierarchyEngine`."""
        return np.array([station.longest for station in self._stations], dtype=np.int64)


class _Packet:
    """A packet on its way; ``position`` is where on its route it stands."""

    def __init__(self, number: int, word: int, words: Words) -> None:
        self.number = number
        self.route = words.route[words.route_start[word] : words.route_start[word + 1]].tolist()
        cores = words.core[words.core_start[word] : words.core_start[word + 1]]
        self.pending: set[int] = set(cores.tolist())
        self.position = 0


class _Station:
    """Serves one packet at a time and keeps it until the next station takes it."""

    def __init__(self, engine: SimPyHierarchy, number: int, service_ps: int) -> None:
        self._engine = engine
        self.number = number
        self._service_ps = service_ps
        self._core = number - engine.shape.broadcast(0)
        self._receives = 0 <= self._core < engine.shape.all_cores
        self.upstream: list[_Station] = []
        self.queue: deque[_Packet] = deque()
        self.held: deque[_Packet] = deque()
        #: When the service of the first held packet ended; -1: it has not.
        self.ready_ps = -1
        self.served = self.longest = 0
        self._start = engine.env.event()
        engine.env.process(self._serve())

    def _serve(self) -> Process:
        env = self._engine.env
        while True:
            yield self._start
            self._start = env.event()
            # Packets are taken at odd instants, services end at even ones.
            yield env.timeout(2 * self._service_ps - int(env.now) % 2)
            self.served += 1
            if self._receives:
                self._engine.arrive(self.held[0], self._core)
                self._leave()
            else:
                self.ready_ps = int(env.now) // 2
            self._engine.something_moves()

    def _wants(self, station: _Station) -> bool:
        """Whether the first packet here goes to that station next."""
        if self.ready_ps < 0:
            return False
        packet = self.held[0]
        if packet.position + 1 < len(packet.route):
            return packet.route[packet.position + 1] == station.number
        return station._receives and station._core in packet.pending

    def take(self) -> bool:
        """Take packets while there is room; whether any was taken."""
        moved = False
        while len(self.held) < self._engine.shape.depth:
            if self.queue:
                packet = self.queue.popleft()
            else:
                waiting = [one for one in self.upstream if one._wants(self)]
                if not waiting:
                    break
                packet = min(waiting, key=lambda one: (one.ready_ps, one.number)).hand_on(self)
            self.held.append(packet)
            moved = True
            if len(self.held) == 1:
                self._start.succeed()
        return moved

    def hand_on(self, station: _Station) -> _Packet:
        """Give the first packet to the next station."""
        packet = self.held[0]
        if packet.position + 1 < len(packet.route):
            packet.position += 1
            self._leave()
        else:
            packet.pending.remove(station._core)
            if not packet.pending:
                self._leave()
        return packet

    def _leave(self) -> None:
        self.held.popleft()
        self.ready_ps = -1
        if self.held:
            self._start.succeed()
