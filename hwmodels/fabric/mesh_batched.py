"""The engine ``batched``: the mesh kernel on lists, and what it shares with ``compiled``.

Both equal :class:`hwmodels.fabric.simpy_engine.SimPyEngine` packet for packet. Tables are made
once; a step allocates nothing but what it hands back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Transit
from hwmodels.errors import ModelError
from hwmodels.fabric import mesh_kernel, mesh_packets, mesh_senders
from hwmodels.fabric.mesh import MeshTimes
from hwmodels.fabric.mesh_layout import Layout
from hwmodels.fabric.mesh_tables import (
    ARRIVE,
    ASKED,
    AXON,
    GRANTED,
    INJECT,
    LONGEST_SERVICE,
    MESSAGE,
    MOST_BIT,
    RECEIVER,
    State,
    Traffic,
)
from hwmodels.fabric.mesh_under_way import UnderWay
from hwmodels.fabric.messages import (
    HOST,
    NO_PACKETS,
    AxonMessages,
    Carried,
    Messages,
    Routes,
)
from hwmodels.result import LINK as LOAD
from hwmodels.result import PACKET

#: What the column ``late_steps`` can hold.
_LATEST = int(np.iinfo(PACKET["late_steps"]).max)
_NOTHING = np.empty(0, dtype=np.int64)


class BatchedEngine:
    """The kernel on lists, in plain Python: an :class:`~hwmodels.fabric.messages.Engine`.

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

    Raises
    ------
    ModelError
        For a mesh that is beyond the tables.
    """

    def __init__(
        self,
        position: NDArray[np.int16],
        host: tuple[int, int],
        mesh: MeshTimes,
        period_ps: int | None,
    ) -> None:
        self._layout = Layout(position, host, mesh)
        self._mesh = mesh
        self._period_ps = period_ps
        self._ports = self._layout.ports
        self._shape = self._layout.shape
        self._state = State(*map(self._table, self._layout.state()))
        empty = self._table(_NOTHING)
        self._traffic = Traffic(self._table(self._layout.senders()), empty, empty)
        #: Of free-running steps.
        self._under_way = UnderWay()
        self._clock_ps = 0
        self._step = 0
        self._numbers = _NOTHING
        self._hops = np.empty(0, dtype=np.int16)
        self._routes: Routes | None = None
        self._paths: Any = None
        #: Whether steps under a barrier say which packets they carried.
        self.keep_packets = True

    # Lists or arrays, Python or machine code

    def _table(self, values: Any) -> Any:
        return np.asarray(values, dtype=np.int64).ravel().tolist()

    def _function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    def _column(self, values: NDArray) -> Any:
        return values.tolist()

    def _longer(self, table: Any, more: int) -> Any:
        return table + [0] * more

    # Tables

    def _make_room(self, messages: int) -> None:
        """Have tables for at least so many messages."""
        have = len(self._traffic.delivered)
        if messages <= have:
            return
        more = max(messages, 2 * have, 256) - have
        if self._period_ps is not None:
            self._under_way.make_room(more)
        traffic = self._traffic
        self._traffic = traffic._replace(
            messages=self._longer(traffic.messages, MESSAGE * more),
            delivered=self._longer(traffic.delivered, more),
        )

    # Steps

    def step(self, messages: Messages, now_ps: int, sweep_ps: NDArray[np.int64]) -> Carried:
        """See :class:`~hwmodels.fabric.messages.Engine`."""
        idle_end_ps = int(sweep_ps.max(initial=0))
        self._step = messages.step
        if self._period_ps is not None:
            return self._run_period(messages, now_ps, sweep_ps, idle_end_ps)
        if not len(messages):
            return Carried(NO_PACKETS, None, idle_end_ps)
        # Between steps nothing is computed; every link is free and every credit is home.
        start_ps = self._mesh.edge_ps(self._clock_ps + self._mesh.settle_ps)
        n = len(messages)
        axon = self._follow(messages)
        self._make_room(n)
        arrived, self._clock_ps = self._carry(axon, messages.sent_ps, start_ps, sweep_ps)
        assert arrived == n, "a packet is lost in the mesh"
        packets = NO_PACKETS
        if self.keep_packets:
            packets = self._arrived(axon, n, start_ps - now_ps)
        return Carried(packets, None, max(idle_end_ps, self._clock_ps - start_ps))

    def _carry(
        self, axon: NDArray[np.int64], sent_ps: NDArray[np.int64], start_ps: int,
        sweep_ps: NDArray[np.int64],
    ) -> tuple[int, int]:  # fmt: skip
        """One step under a barrier: how many messages arrived, and when all was done."""
        column = self._column
        arrived, done_ps = self._function(mesh_kernel.carry)(
            self._shape, self._state, self._traffic, self._lanes(len(axon)),
            column(self._numbered(len(axon))), column(axon), self._paths, column(sent_ps),
            start_ps, column(sweep_ps), self.keep_packets,
        )  # fmt: skip
        return arrived, done_ps

    def _lanes(self, most: int) -> tuple[Any, Any] | None:
        """What the wide kernel has, if steps of so many messages at most go over it."""
        return None

    def _arrived(self, axon: NDArray[np.int64], n: int, skipped_ps: int) -> NDArray:
        """The packets that arrived in a step under a barrier."""
        packets = np.empty(n, dtype=PACKET)
        self._function(mesh_packets.describe)(
            self._traffic, axon, self._lasting(), self._step, skipped_ps, packets
        )
        return packets

    def _run_period(
        self, messages: Messages, now_ps: int, sweep_ps: NDArray[np.int64], idle_end_ps: int
    ) -> Carried:
        """One free-running step; what is still under way at its end stays in the mesh."""
        assert self._period_ps is not None
        self._submit(messages, now_ps, sweep_ps)
        self._clock_ps = now_ps + self._period_ps
        n = self._function(mesh_kernel.advance)(
            self._shape, self._state, self._traffic, self._clock_ps, True
        )
        slots = np.asarray(self._traffic.delivered[:n], dtype=np.int64)
        packets = self._stamped(slots)
        self._under_way.end(slots)
        held = NO_PACKETS
        if len(messages):
            held = self.under_way()
            held = held[held["step"] == messages.step]
        arrived = packets[packets["step"] != messages.step]
        return Carried(packets, Transit.of(held=held, arrived=arrived), idle_end_ps)

    def _submit(self, messages: Messages, start_ps: int, sweep_ps: NDArray[np.int64]) -> None:
        """Number the messages of a free-running step and give them to their senders."""
        slots = self._under_way.free(len(messages))
        self._make_room(int(slots.max(initial=-1)) + 1)
        axon = self._follow(messages)
        self._under_way.begin(slots, messages.step, axon)
        column = self._column
        self._function(mesh_senders.submit)(
            self._shape, self._state, self._traffic, column(slots), column(axon), self._paths,
            column(messages.sent_ps), start_ps, column(sweep_ps), False,
        )  # fmt: skip

    def _numbered(self, n: int) -> NDArray[np.int64]:
        """The numbers of so many messages, where none is under way."""
        if n > len(self._numbers):
            self._numbers = np.arange(2 * n)
        return self._numbers[:n]

    def _follow(self, messages: Messages) -> NDArray[np.int64]:
        """Have the paths of messages in a table; returns the row of each."""
        if isinstance(messages, AxonMessages):
            axon, routes = messages.axon, messages.routes
        else:
            axon = self._numbered(len(messages))
            routes = Routes(*(getattr(messages, name) for name in Routes._fields))
        if routes is not self._routes:
            assert HOST == -1, "sender 0 is the host"
            longest_ps = int(routes.service_ps.max(initial=0))
            if longest_ps > LONGEST_SERVICE or len(self._ports) > RECEIVER:
                raise ModelError(
                    f"messages that cost one of {len(self._ports)} cores {longest_ps * 1e-12:.3g} "
                    f"s are beyond the compiled fabric ({LONGEST_SERVICE * 1e-12:.3g} s, "
                    f"{RECEIVER} cores); use fidelity=reference"
                )
            self._routes = routes
            self._paths, self._hops = self._ways(routes)
            self._under_way.follow(self._lasting())
        return axon

    def _ways(self, routes: Routes) -> tuple[Any, NDArray[np.int16]]:
        """The rows of axons, and how many hops each goes."""
        paths = self._longer(self._table(_NOTHING), AXON * len(routes.core))
        hops, column = np.empty(len(routes.core), dtype=np.int16), self._column
        self._function(mesh_packets.fill_ways)(
            column(self._ports), column(routes.core), column(routes.target),
            column(routes.service_ps), column(routes.begin.ravel()), column(routes.end.ravel()),
            paths, hops,
        )  # fmt: skip
        return paths, hops

    def _lasting(self) -> tuple[NDArray, ...]:
        """What packets over an axon have in common: see :class:`UnderWay`."""
        routes = self._routes
        assert routes is not None
        return routes.source, routes.core, routes.target, routes.synapses, self._hops

    def _stamped(self, slots: NDArray[np.int64]) -> NDArray:
        """The packets of a free-running step that arrived."""
        packets = self._under_way.packets(slots)
        messages = np.asarray(self._traffic.messages, dtype=np.int64).reshape(-1, MESSAGE)
        packets["inject_ps"] = messages[slots, INJECT]
        packets["arrive_ps"] = messages[slots, ARRIVE]
        packets["late_steps"] = np.minimum(self._step - packets["step"], _LATEST)
        return packets

    def under_way(self) -> NDArray:
        """See :class:`~hwmodels.fabric.messages.Engine`; injected at -1: not in the mesh yet."""
        slots = self._under_way.in_order()
        if not len(slots):
            return NO_PACKETS
        inject_ps = self._table(self._traffic.messages[INJECT::MESSAGE])
        self._function(mesh_senders.entries)(
            self._shape, self._state, self._traffic, self._clock_ps, inject_ps
        )
        packets = self._under_way.packets(slots)
        packets["inject_ps"] = np.asarray(inject_ps)[slots]
        packets["late_steps"] = np.minimum(self._step - packets["step"], _LATEST)
        return packets

    def _loads(self) -> Iterator[tuple[int, int]]:
        """Of each output: packets that it granted, and the most that were behind it at a time."""
        for place, _ in self._layout.outputs():
            packets = int(self._state.mesh[place + GRANTED])
            yield packets, int(self._state.mesh[place + ASKED] >> MOST_BIT) if packets else 0

    def links(self) -> NDArray:
        """See :class:`~hwmodels.fabric.messages.Engine`."""
        rows = []
        for (place, ends), (packets, most) in zip(
            self._layout.outputs(), self._loads(), strict=True
        ):
            _, cycle_ps = self._layout.links.get(place, (0, 1))
            rows.append((*ends, packets, packets * cycle_ps, most))
        return np.array(rows, dtype=LOAD)
