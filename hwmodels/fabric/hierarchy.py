"""Routers in three levels (core, chip, mesh) that hand packets on by handshake.

In: packets, each over one word of a routing table (a destination chip and some of its cores), with
the time at which its sender asks for the fabric. Out: when each destination core has it. Times are
integer picoseconds; there is no clock.

A router is a row of *stations*. Each serves one packet at a time, for a fixed time, and holds at
most ``depth`` packets, the one in service included:

* ``R1 out``, one a core: the arbiter of the core's cells and the reading of routing words;
* ``R2 up`` and ``R2 down``, one of each a chip: the node between its cores and the mesh;
* ``R3``, one for each link of the mesh;
* ``R1 in``, one a core: the broadcast of a packet to all synapses of the core;
* ``host``, one: where packets from outside enter the mesh, at one chip.

Rules, which fix every arrival whatever order processes run in:

1. An instant has two phases. First every service that ends, ends, and new packets ask for their
   first station. Then stations take packets.
2. A station with room takes the packet that has waited for it longest; of equals, the one that
   waits at the station with the lower number. Senders of one station queue by time, cell and word.
3. A packet keeps its place in a station until the next station takes it: that is the handshake. A
   packet for several cores keeps its place in ``R2 down`` until the last of them has taken it.
4. A packet goes up (``R1 out``, ``R2 up``), over the mesh (first along the row, then along the
   column), and down (``R2 down``, ``R1 in``). One for the sender's own core alone turns round at
   ``R1 out``. It has arrived when ``R1 in`` has served it.
5. Nothing is lost in the fabric. Only the host's queue is finite: a packet that finds it full is
   dropped.

Stations only ever wait for stations further down this order, so nothing can wait for itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import ModelError

EAST, WEST, NORTH, SOUTH = range(4)
#: Engines keep the cores that wait for a packet as bits of a number.
_MOST_CORES = 62
_STEP = {EAST: (1, 0), WEST: (-1, 0), NORTH: (0, 1), SOUTH: (0, -1)}


@dataclass(frozen=True)
class Hierarchy:
    """Shape and times of the three levels.

    Attributes
    ----------
    columns, rows, cores : int
        Chips in the mesh, and cores of each chip (at most 62). Chip ``(x, y)`` has number
        ``x * rows + y``, its cores follow in order.
    output_ps, tree_ps, hop_ps, broadcast_ps, host_ps : int
        Service of ``R1 out``, of ``R2 up`` and ``R2 down``, of ``R3``, of ``R1 in`` and of the
        host; at least 1.
    depth : int
        Packets a station holds; at least 1.
    host_queue : int
        Packets that wait for the host at most.
    host_chip : tuple of int
        Column and row of the chip where packets from outside enter.

    Raises
    ------
    ModelError
        For a value below 1, too many cores, or a host outside of the mesh.
    """

    columns: int
    rows: int
    cores: int
    output_ps: int
    tree_ps: int
    hop_ps: int
    broadcast_ps: int
    host_ps: int
    depth: int = 1
    host_queue: int = 1024
    host_chip: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "host_chip" and value < 1:
                raise ModelError(f"router hierarchy: {name} must be at least 1, got {value}")
        if self.cores > _MOST_CORES:
            raise ModelError(
                f"router hierarchy: a chip has at most {_MOST_CORES} cores, got {self.cores}"
            )
        if not (self.host_chip[0] < self.columns and self.host_chip[1] < self.rows):
            raise ModelError(
                f"router hierarchy: the host sits at chip {self.host_chip}, outside of "
                f"{self.columns} x {self.rows}"
            )

    @property
    def chips(self) -> int:
        """Chips of the mesh."""
        return self.columns * self.rows

    @property
    def all_cores(self) -> int:
        """Cores of all chips."""
        return self.chips * self.cores

    # Numbers of stations, from the senders to the receivers.

    def output(self, core: int) -> int:
        """``R1 out`` of a core."""
        return core

    def up(self, chip: int) -> int:
        """``R2 up`` of a chip."""
        return self.all_cores + chip

    def link(self, chip: int, direction: int) -> int:
        """``R3`` of a chip, towards a neighbour."""
        return self.all_cores + self.chips + 4 * chip + direction

    def down(self, chip: int) -> int:
        """``R2 down`` of a chip."""
        return self.all_cores + 5 * self.chips + chip

    def broadcast(self, core: int) -> int:
        """``R1 in`` of a core."""
        return self.all_cores + 6 * self.chips + core

    @property
    def host(self) -> int:
        """The station of packets from outside."""
        return 2 * self.all_cores + 6 * self.chips

    @property
    def service_ps(self) -> NDArray[np.int64]:
        """Service time of each station, shape (stations,)."""
        counts = [self.all_cores, self.chips, 4 * self.chips, self.chips, self.all_cores, 1]
        times = [
            self.output_ps, self.tree_ps, self.hop_ps, self.tree_ps, self.broadcast_ps,
            self.host_ps,
        ]  # fmt: skip
        return np.repeat(np.array(times, dtype=np.int64), counts)

    def hops(self, chip: int, target: int) -> list[int]:
        """The ``R3`` stations from chip to chip, the row first."""
        x, y = divmod(chip, self.rows)
        to_x, to_y = divmod(target, self.rows)
        stations = []
        while (x, y) != (to_x, to_y):
            along_row, along_column = (EAST if to_x > x else WEST), (NORTH if to_y > y else SOUTH)
            direction = along_row if x != to_x else along_column
            stations.append(self.link(x * self.rows + y, direction))
            x, y = x + _STEP[direction][0], y + _STEP[direction][1]
        return stations

    def neighbour(self, chip: int, direction: int) -> int | None:
        """The chip at the other end of a link; None at the edge of the mesh."""
        x, y = divmod(chip, self.rows)
        x, y = x + _STEP[direction][0], y + _STEP[direction][1]
        return x * self.rows + y if 0 <= x < self.columns and 0 <= y < self.rows else None


class Words(NamedTuple):
    """Routing words as the stations that a packet visits.

    Attributes
    ----------
    route_start : int64, shape (words + 1,)
    route : int64, shape (n,)
        Stations in their order, without the receiving ones.
    core_start : int64, shape (words + 1,)
    core : int64, shape (m,)
        Receiving cores, ascending within a word.
    hops : int64, shape (words,)
    """

    route_start: NDArray[np.int64]
    route: NDArray[np.int64]
    core_start: NDArray[np.int64]
    core: NDArray[np.int64]
    hops: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.hops)


def routing_words(
    shape: Hierarchy, words: Iterable[tuple[int | None, int, Iterable[int]]]
) -> Words:
    """Routes of some words.

    Parameters
    ----------
    shape : Hierarchy
    words : iterable of (source core or None for the host, destination chip, cores)
        Cores are numbers over all chips, all on the destination chip.
    """
    routes, receivers, hops = [], [], []
    host_chip = shape.host_chip[0] * shape.rows + shape.host_chip[1]
    for source, chip, cores in words:
        cores = sorted(cores)
        assert all(core // shape.cores == chip for core in cores), "a word serves one chip"
        if source is not None and cores == [source]:
            route, links = [shape.output(source)], []
        else:
            begin = host_chip if source is None else source // shape.cores
            links = shape.hops(begin, chip)
            first = [shape.host] if source is None else [shape.output(source), shape.up(begin)]
            route = [*first, *links, shape.down(chip)]
        routes.append(route)
        receivers.append(cores)
        hops.append(len(links))
    return Words(
        _starts(routes), _flat(routes), _starts(receivers), _flat(receivers),
        np.array(hops, dtype=np.int64),
    )  # fmt: skip


def unloaded_ps(shape: Hierarchy, words: Words) -> NDArray[np.int64]:
    """Latency of each word when nothing else is under way, int64, shape (words,)."""
    service = shape.service_ps[words.route]
    total = np.concatenate(([0], np.cumsum(service)))
    return total[words.route_start[1:]] - total[words.route_start[:-1]] + shape.broadcast_ps


def upstream(shape: Hierarchy) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which stations hand packets to each one, ascending, as ``indptr, station``."""
    before: list[list[int]] = [[] for _ in range(len(shape.service_ps))]
    host_chip = shape.host_chip[0] * shape.rows + shape.host_chip[1]
    for chip in range(shape.chips):
        into = [shape.up(chip)]
        for direction in _STEP:
            neighbour = shape.neighbour(chip, direction)
            if neighbour is not None:
                into.append(shape.link(neighbour, direction ^ 1))
        if chip == host_chip:
            into.append(shape.host)
        for direction in _STEP:
            before[shape.link(chip, direction)] = into
        before[shape.down(chip)] = into
        cores = range(chip * shape.cores, (chip + 1) * shape.cores)
        before[shape.up(chip)] = [shape.output(core) for core in cores]
        for core in cores:
            before[shape.broadcast(core)] = [shape.output(core), shape.down(chip)]
    return _starts(before), _flat([sorted(stations) for stations in before])


class Arrived(NamedTuple):
    """What came out of the fabric.

    Attributes
    ----------
    packet : int64, shape (n,)
        Numbers of packets, counted over all calls in the order in which they were given.
    core : int64, shape (n,)
        Over all chips.
    time_ps : int64, shape (n,)
        Ascending; of equals, lower cores first.
    dropped : int64, shape (k,)
        Packets that found the host's queue full.
    """

    packet: NDArray[np.int64]
    core: NDArray[np.int64]
    time_ps: NDArray[np.int64]
    dropped: NDArray[np.int64]


class HierarchyEngine(Protocol):
    """Carries packets by the rules above. Engines agree packet for packet."""

    def run(self, word: NDArray[np.int64], time_ps: NDArray[np.int64], until_ps: int) -> Arrived:
        """Give packets to the fabric and let it work.

        Parameters
        ----------
        word : int64, shape (n,)
            Over which word each new packet goes.
        time_ps : int64, shape (n,)
            When it asks, ascending and not before the last ``until_ps``; of equals, in the order
            in which they are to be served.
        until_ps : int
            Everything that happens before this time, happens.
        """
        ...

    @property
    def under_way(self) -> int:
        """Packets that some core still waits for."""
        ...

    @property
    def served(self) -> NDArray[np.int64]:
        """Packets that each station has served so far, shape (stations,)."""
        ...

    @property
    def longest_queue(self) -> NDArray[np.int64]:
        """The most senders that waited for each first station, shape (stations,)."""
        ...


def _starts(lists: list[list[int]]) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum([len(one) for one in lists]))).astype(np.int64)


def _flat(lists: list[list[int]]) -> NDArray[np.int64]:
    return np.array([item for one in lists for item in one], dtype=np.int64)
