"""A 2-D mesh of routers as SimPy processes: the reference other engines must equal.

In: packets injected at ports. Out: packets delivered at ports, with the time of each. Times are
integer picoseconds. The rules, which fix every arrival time whatever order processes run in:

1. An instant has two phases. First everything that arrives, arrives: packets at FIFOs, credits at
   outputs, links that become free; senders put packets. Then each router arbitrates, on what it
   has at that moment.
2. A packet goes east or west until its column is right, then north or south, then to its port.
3. An output grants one packet an instant, if its link is free and its downstream FIFO has a credit
   for it. Among the input FIFOs whose head wants this output, the first at or after the pointer
   wins; the pointer moves behind the winner. The head behind a granted packet competes from the
   next picosecond on.
4. A granted packet occupies its link for the link's cycle time and stands in the downstream FIFO
   after its latency. Its own FIFO place is given back to the upstream output one credit time
   later. Ports have no latency: an ejected packet is there at once.
5. A sender that finds the FIFO of its port full puts its packet one picosecond after a place in
   it became free.
6. A mesh may have a clock. Then routers arbitrate at its edges only, on what has arrived by then.

Every latency is at least one picosecond, so what a router decides at an instant cannot depend on
what another one decides at the same instant. No output can wait for itself, since a packet never
turns from a column back into a row, so the mesh cannot deadlock as long as the ports are served.
Injected packets are delivered or in flight, always; nothing is ever dropped here.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import simpy
from numpy.typing import NDArray

from hwmodels.errors import ModelError
from hwmodels.result import LINK

#: A time in ps, or an array of them.
T = TypeVar("T", int, NDArray[np.int64])

#: A SimPy process.
Process = Generator[simpy.Event, Any, None]

#: Inputs and outputs of a router towards its neighbours; local ports follow.
EAST, WEST, NORTH, SOUTH = range(4)
STEP = {EAST: (1, 0), WEST: (-1, 0), NORTH: (0, 1), SOUTH: (0, -1)}
OPPOSITE = {EAST: WEST, WEST: EAST, NORTH: SOUTH, SOUTH: NORTH}


@dataclass(frozen=True)
class MeshTimes:
    """Shape and times of a mesh.

    Attributes
    ----------
    columns, rows : int
    ports : int
        Local ports of each router.
    row_latency_ps, column_latency_ps : int
        Of a link to the east or west, and of one to the north or south; at least 1.
    row_cycle_ps, column_cycle_ps : int
        How long a packet occupies such a link; at least 1.
    link_depth, port_depth : int
        Packets that the FIFO behind a link (and that of an injection port) holds, and the one
        behind an ejection port.
    credit_ps : int
        Until a freed FIFO place can be used again; at least 1.
    chip_columns, chip_rows : int
        Routers of one chip of those that make up the mesh; it is a single one by default.
    bridge_ps : int
        Latency and cycle of a link from one chip to the next.
    clock_ps : int
        Routers arbitrate at multiples of it; by default at any picosecond, without a clock.

    Raises
    ------
    ModelError
        For a value below 1.
    """

    columns: int
    rows: int
    ports: int
    row_latency_ps: int
    column_latency_ps: int
    row_cycle_ps: int
    column_cycle_ps: int
    link_depth: int
    port_depth: int
    credit_ps: int = 1
    chip_columns: int = sys.maxsize
    chip_rows: int = sys.maxsize
    bridge_ps: int = 1
    clock_ps: int = 1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ModelError(f"mesh: {name} must be at least 1, got {value}")

    @property
    def settle_ps(self) -> int:
        """After the last delivery, when every link is free and every credit is home."""
        return max(self.row_cycle_ps, self.column_cycle_ps, self.bridge_ps, self.credit_ps) + 1

    def edge_ps(self, time_ps: T) -> T:
        """The first edge of the clock that is not before a time, or not before each of some."""
        return -(-time_ps // self.clock_ps) * self.clock_ps

    def link(self, x: int, y: int, to_x: int, to_y: int) -> tuple[int, int]:
        """Latency and cycle of the link between two neighbouring routers."""
        if x // self.chip_columns != to_x // self.chip_columns:
            return self.bridge_ps, self.bridge_ps
        if y // self.chip_rows != to_y // self.chip_rows:
            return self.bridge_ps, self.bridge_ps
        if x != to_x:
            return self.row_latency_ps, self.row_cycle_ps
        return self.column_latency_ps, self.column_cycle_ps

    def hops(
        self, begin: NDArray[np.int64], end: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Hops within rows, within columns and from chip to chip on the way between routers.

        Parameters
        ----------
        begin, end : int64, shape (n, 2)
            Columns and rows.
        """
        chip = np.array([self.chip_columns, self.chip_rows])
        bridges = np.abs(end // chip - begin // chip)
        inside = np.abs(end - begin) - bridges
        return inside[:, 0], inside[:, 1], bridges.sum(axis=1)

    def passages(
        self, begin: NDArray[np.int64], end: NDArray[np.int64], packets: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """How many packets leave each router on each side, on their ways between routers.

        Parameters
        ----------
        begin, end : int64, shape (n, 2)
            Columns and rows.
        packets : int64, shape (n,)
            That go each way.

        Returns
        -------
        int64, shape (4, columns, rows)
        """
        # A way within a row or a column adds to all routers from one on, and no more from another.
        corner = np.stack([end[:, 0], begin[:, 1]], axis=1)
        first, last = np.concatenate([begin, corner]), np.concatenate([corner, end])
        axis = np.repeat([0, 1], len(begin))
        back = (last - first).sum(axis=1) < 0
        step = np.eye(2, dtype=np.int64)[axis]
        start = np.where(back[:, None], last + step, first)
        stop = np.where(back[:, None], first + step, last)
        shape = (4, self.columns + 1, self.rows + 1)
        ends = np.concatenate([start, stop]).T
        place = np.ravel_multi_index((np.tile(2 * axis + back, 2), *ends), shape)
        change = np.concatenate([packets, packets, -packets, -packets])
        added = np.bincount(place, weights=change, minlength=int(np.prod(shape)))
        passed = added.astype(np.int64).reshape(shape)
        np.cumsum(passed[:2], axis=1, out=passed[:2])
        np.cumsum(passed[2:], axis=2, out=passed[2:])
        return passed[:, :-1, :-1]


class Packet:
    """One packet; ``tag`` is the sender's own reference."""

    __slots__ = ("arrive_ps", "hops", "inject_ps", "port", "tag", "x", "y")

    def __init__(self, x: int, y: int, port: int, tag: Any = None) -> None:
        self.x, self.y, self.port, self.tag = x, y, port, tag
        self.inject_ps = self.arrive_ps = -1
        self.hops = 0


class Mesh:
    """A mesh in a SimPy environment.

    Parameters
    ----------
    env : simpy.Environment
        Its time counts half picoseconds: even instants are for arrivals, odd ones to arbitrate.
    times : MeshTimes
    deliver : callable
        Called with each packet when it stands in the FIFO of its ejection port.

    Attributes
    ----------
    injected, delivered : int
        Packets so far.
    """

    def __init__(
        self, env: simpy.Environment, times: MeshTimes, deliver: Callable[[Packet], None]
    ) -> None:
        self.env = env
        self.times = times
        self.deliver = deliver
        self.injected = self.delivered = 0
        self._routers = [
            [_Router(self, x, y) for y in range(times.rows)] for x in range(times.columns)
        ]
        for column in self._routers:
            for router in column:
                router.connect()

    @property
    def in_flight(self) -> int:
        """Packets injected and not yet delivered."""
        return self.injected - self.delivered

    @property
    def now_ps(self) -> int:
        """The time in ps."""
        return int(self.env.now) >> 1

    def router(self, x: int, y: int) -> _Router:
        """The router at column ``x`` and row ``y``."""
        return self._routers[x][y]

    def inject(self, x: int, y: int, port: int, packet: Packet) -> Process:
        """Put a packet into an injection port, waiting while its FIFO is full."""
        fifo = self._routers[x][y].inputs[4 + port]
        if int(self.env.now) & 1:
            yield self.env.timeout(1)  # arbitration of this instant must not see the packet
        while len(fifo.packets) >= fifo.depth:
            if fifo.space is None:
                fifo.space = self.env.event()
            yield fifo.space
            yield self.env.timeout(1)
        packet.inject_ps = self.now_ps
        self.injected += 1
        fifo.put(packet)

    def release(self, packet: Packet) -> None:
        """The receiver took a delivered packet: its place in the port's FIFO is free again."""
        port = self._routers[packet.x][packet.y].outputs[4 + packet.port]
        assert port is not None
        port.give_back()

    def links(self) -> NDArray:
        """Load of every link and ejection port so far, as :data:`hwmodels.result.LINK`."""
        rows = []
        for column in self._routers:
            for router in column:
                for direction, output in enumerate(router.outputs):
                    if output is None:
                        continue
                    dx, dy = STEP.get(direction, (0, 0))
                    rows.append(
                        (router.x, router.y, router.x + dx, router.y + dy,
                         output.packets, output.packets * output.cycle_ps, output.max_queue)
                    )  # fmt: skip
        return np.array(rows, dtype=LINK)


class _Fifo:
    """An input FIFO of a router; ``output`` is the upstream output that holds its credits."""

    __slots__ = ("depth", "output", "packets", "router", "space")

    def __init__(self, router: _Router, depth: int) -> None:
        self.router = router
        self.depth = depth
        self.packets: deque[Packet] = deque()
        self.output: _Output | None = None
        self.space: simpy.Event | None = None

    def put(self, packet: Packet) -> None:
        self.packets.append(packet)
        if len(self.packets) == 1:
            self.router.wake_at(self.router.mesh.now_ps)

    def pop(self) -> Packet:
        packet = self.packets.popleft()
        if self.output is not None:
            self.output.give_back()
        elif self.space is not None:
            self.space.succeed()
            self.space = None
        return packet


class _Output:
    """An output of a router: a link to a neighbour's FIFO, or an ejection port."""

    __slots__ = (
        "credits", "cycle_ps", "fifo", "free_ps", "latency_ps",
        "max_queue", "packets", "pointer", "router", "total",
    )  # fmt: skip

    def __init__(
        self, router: _Router, latency_ps: int, cycle_ps: int, depth: int, fifo: _Fifo | None
    ) -> None:
        self.router = router
        self.latency_ps = latency_ps
        self.cycle_ps = cycle_ps
        self.fifo = fifo
        self.credits = self.total = depth
        self.free_ps = 0
        self.pointer = 0
        self.packets = 0
        self.max_queue = 0

    def give_back(self) -> None:
        """A place downstream became free; the credit is here one credit time later."""
        mesh = self.router.mesh
        timeout = mesh.env.timeout(2 * (mesh.now_ps + mesh.times.credit_ps) - mesh.env.now)
        timeout.callbacks.append(self._credit)

    def _credit(self, _: simpy.Event) -> None:
        self.credits += 1
        if self.credits == 1:
            self.router.wake_at(self.router.mesh.now_ps)

    def send(self, packet: Packet, now_ps: int) -> None:
        mesh = self.router.mesh
        self.credits -= 1
        self.packets += 1
        self.max_queue = max(self.max_queue, self.total - self.credits)
        self.free_ps = now_ps + self.cycle_ps
        if self.fifo is None:
            packet.arrive_ps = now_ps
            mesh.delivered += 1
            mesh.deliver(packet)
            return
        packet.hops += 1
        arrival = mesh.env.timeout(2 * (now_ps + self.latency_ps) - mesh.env.now)
        fifo = self.fifo
        arrival.callbacks.append(lambda _: fifo.put(packet))


class _Router:
    """One router: a process that arbitrates whenever something changed."""

    def __init__(self, mesh: Mesh, x: int, y: int) -> None:
        times = mesh.times
        self.mesh, self.x, self.y = mesh, x, y
        self.inputs = [_Fifo(self, times.link_depth) for _ in range(4 + times.ports)]
        self.outputs: list[_Output | None] = [None] * (4 + times.ports)
        self._wake_ps: set[int] = set()
        self._wake = mesh.env.event()
        mesh.env.process(self._run())

    def connect(self) -> None:
        """Make the links to the neighbours and the ejection ports."""
        times = self.mesh.times
        for direction, (dx, dy) in STEP.items():
            x, y = self.x + dx, self.y + dy
            if not (0 <= x < times.columns and 0 <= y < times.rows):
                continue
            fifo = self.mesh.router(x, y).inputs[OPPOSITE[direction]]
            latency, cycle = times.link(self.x, self.y, x, y)
            output = _Output(self, latency, cycle, times.link_depth, fifo)
            fifo.output = output
            self.outputs[direction] = output
        for port in range(times.ports):
            self.outputs[4 + port] = _Output(self, 0, 1, times.port_depth, None)

    def wake_at(self, time_ps: int) -> None:
        """Arbitrate at an edge from a time on, after everything of that instant has arrived."""
        time_ps = self.mesh.times.edge_ps(time_ps)
        if time_ps in self._wake_ps:
            return
        self._wake_ps.add(time_ps)
        timeout = self.mesh.env.timeout(2 * time_ps + 1 - self.mesh.env.now)
        timeout.callbacks.append(self._ring)

    def _ring(self, _: simpy.Event) -> None:
        self._wake.succeed()

    def _run(self) -> Process:
        env = self.mesh.env
        while True:
            yield self._wake
            self._wake = env.event()
            now_ps = self.mesh.now_ps
            self._wake_ps.discard(now_ps)
            self._arbitrate(now_ps)

    def _route(self, packet: Packet) -> int:
        if packet.x != self.x:
            return EAST if packet.x > self.x else WEST
        if packet.y != self.y:
            return NORTH if packet.y > self.y else SOUTH
        return 4 + packet.port

    def _arbitrate(self, now_ps: int) -> None:
        wanting: dict[int, list[int]] = {}
        for i, fifo in enumerate(self.inputs):
            if fifo.packets:
                wanting.setdefault(self._route(fifo.packets[0]), []).append(i)
        for direction, inputs in wanting.items():
            output = self.outputs[direction]
            assert output is not None, "a packet wants to leave the mesh"
            if output.free_ps > now_ps:
                self.wake_at(output.free_ps)
                continue
            if output.credits == 0:
                continue  # the credit wakes this router
            winner = next((i for i in inputs if i >= output.pointer), inputs[0])
            output.pointer = (winner + 1) % len(self.inputs)
            fifo = self.inputs[winner]
            output.send(fifo.pop(), now_ps)
            if len(inputs) > 1:
                self.wake_at(output.free_ps)
            if fifo.packets:
                self.wake_at(now_ps + 1)
