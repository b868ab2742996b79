"""The engines ``batched`` and ``compiled``: :mod:`hwmodels.fabric.kernel` on lists and on arrays.

Both equal :class:`hwmodels.fabric.simpy_engine.SimPyEngine` packet for packet. Tables are made
once; a step allocates nothing but what it hands back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Transit
from hwmodels.compiling import compiled
from hwmodels.errors import ModelError
from hwmodels.fabric import kernel
from hwmodels.fabric.kernel import FAR, GRANTED, MOST, OFFSET, PAST, Shape, State, Traffic
from hwmodels.fabric.mesh import EAST, NORTH, OPPOSITE, STEP, MeshTimes
from hwmodels.fabric.messages import (
    HOST,
    NO_PACKETS,
    AxonMessages,
    Carried,
    Messages,
    Routes,
    ports_of,
)
from hwmodels.result import LINK, PACKET

#: What the column ``late_steps`` can hold.
_LATEST = int(np.iinfo(PACKET["late_steps"]).max)
#: What a hop to the east, west, north or south adds to a flit.
_HOP = (-(1 << 12), 1 << 12, -1, 1)
#: Bits of a mask of inputs, and routers along a side, that a flit's fields can tell apart.
_INPUTS_MAX, _SIDE_MAX = 62, OFFSET - 1


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
        For a mesh with more routers along a side or ports at a router than the tables can number.
    """

    def __init__(
        self,
        position: NDArray[np.int16],
        host: tuple[int, int],
        mesh: MeshTimes,
        period_ps: int | None,
    ) -> None:
        if max(mesh.columns, mesh.rows) > _SIDE_MAX or 4 + mesh.ports > _INPUTS_MAX:
            raise ModelError(
                f"a mesh of {mesh.columns} x {mesh.rows} routers with {mesh.ports} ports is beyond "
                f"the compiled fabric ({_SIDE_MAX} x {_SIDE_MAX}, {_INPUTS_MAX - 4} ports); use "
                "fidelity=reference"
            )
        self._mesh = mesh
        self._period_ps = period_ps
        self._ports = np.array(ports_of(position, mesh.ports - 1), dtype=np.int64)
        self._stride = _power_of_two(4 + mesh.ports)
        # Sender 0 is the host, sender k + 1 is core k.
        routers = [x * mesh.rows + y for x, y in (host, *position.tolist())]
        ports = np.array([mesh.ports - 1, *self._ports])
        self._inlets = np.array(routers, dtype=np.int64) * self._stride + 4 + ports
        self._shape = self._make_shape()
        self._state = self._make_state()
        self._traffic = self._make_traffic()
        #: Packets by message number, those that are under way, and their order of sending.
        self._rows = np.empty(0, dtype=PACKET)
        self._live = np.empty(0, dtype=bool)
        self._serial = np.empty(0, dtype=np.int64)
        self._sent = 0
        self._clock_ps = 0
        self._step = 0
        self._routes: Routes | None = None
        #: Whether steps under a barrier say which packets they carried.
        self.keep_packets = True

    # Lists or arrays, Python or machine code

    def _table(self, values: Any) -> Any:
        return np.asarray(values, dtype=np.int64).tolist()

    def _function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    def _column(self, values: NDArray) -> Any:
        return values.tolist()

    def _longer(self, table: Any, more: int) -> Any:
        return table + [0] * more

    # Tables

    def _make_shape(self) -> Shape:
        mesh, stride = self._mesh, self._stride
        routers = mesh.columns * mesh.rows
        peer, arrival, free = (np.zeros((routers, stride), dtype=np.int64) for _ in range(3))
        links = {}
        for x in range(mesh.columns):
            for y in range(mesh.rows):
                here = x * mesh.rows + y
                for direction, (dx, dy) in ((EAST, (1, 0)), (NORTH, (0, 1))):
                    if x + dx < mesh.columns and y + dy < mesh.rows:
                        there = here + dx * mesh.rows + dy
                        # An input is named by the side it faces, and a link has the same number
                        # at both ends: the eastern output leads to the neighbour's western input.
                        back = OPPOSITE[direction]
                        peer[here, direction] = there * stride + back
                        peer[there, back] = here * stride + direction
                        link = mesh.link(x, y, x + dx, y + dy)
                        links[here, direction] = links[there, back] = link
        kinds = set(links.values())
        self._delays = sorted({1, mesh.credit_ps, *(ps for kind in kinds for ps in kind)})
        hop = np.array(_HOP, dtype=np.int64)
        for port, (latency_ps, cycle_ps) in links.items():
            arrival[port] = self._delays.index(latency_ps)
            free[port] = -1 if latency_ps == cycle_ps else self._delays.index(cycle_ps)
        receiver, sender = (np.zeros((routers, stride), dtype=np.int64) for _ in range(2))
        ports = np.arange(mesh.ports)
        receiver[:, 4 + ports] = np.arange(routers)[:, None] * mesh.ports + ports
        sender.reshape(-1)[self._inlets] = np.arange(len(self._inlets))
        # Of a link at most: packets on it, its becoming free, a credit and a new head.
        flying = max(
            (min(mesh.link_depth, latency // cycle + 1) for latency, cycle in kinds), default=1
        )
        return Shape(
            stride=stride,
            inputs=4 + mesh.ports,
            link_depth=mesh.link_depth,
            link_room=_power_of_two(mesh.link_depth),
            port_depth=mesh.port_depth,
            port_room=_power_of_two(mesh.port_depth),
            credit_ps=mesh.credit_ps,
            lane_room=_power_of_two(routers * (4 * (flying + 1) + 4 + mesh.ports)),
            credit_lane=self._delays.index(mesh.credit_ps),
            next_lane=self._delays.index(1),
            exponents=self._table(kernel.EXPONENTS),
            peer=self._table(peer.reshape(-1)),
            hop=self._table(hop),
            arrival_lane=self._table(arrival.reshape(-1)),
            free_lane=self._table(free.reshape(-1)),
            receiver=self._table(receiver.reshape(-1)),
            sender=self._table(sender.reshape(-1)),
        )

    def _make_state(self) -> State:
        shape, mesh = self._shape, self._mesh
        places = mesh.columns * mesh.rows * self._stride
        receivers = mesh.columns * mesh.rows * mesh.ports
        lanes, senders = len(self._delays), len(self._inlets)
        zeros = np.zeros(places, dtype=np.int64)
        events = np.zeros(lanes * shape.lane_room, dtype=np.int64)
        table = self._table
        return State(
            # Places never used were left long ago: their credits are home.
            fifo=table(np.full(places * shape.link_room, PAST)),
            ports=table(np.zeros(8 * places)),
            served_ps=table(np.full(receivers * shape.port_room, PAST)),
            done_ps=table(np.full(receivers, PAST)),
            lane_delay=table(self._delays),
            lane_first=table(zeros[:lanes]),
            lane_last=table(zeros[:lanes]),
            lane_ps=table(np.full(lanes, FAR)),
            event_ps=table(events),
            event_output=table(events),
            event_flit=table(events),
            heap_ps=table(np.zeros(senders + places)),
            heap_what=table(np.zeros(senders + places)),
            size=table([0]),
            ready=table(zeros),
            popped=table(zeros),
        )

    def _make_traffic(self) -> Traffic:
        senders = len(self._inlets)
        none, zeros = np.full(senders, -1), np.zeros(senders, dtype=np.int64)
        table, empty = self._table, np.empty(0, dtype=np.int64)
        return Traffic(
            port=table(self._inlets),
            head=table(none),
            tail=table(none),
            last_ps=table(zeros),
            rest_ps=table(zeros),
            rest_until_ps=table(zeros),
            **{name: table(empty) for name in _OF_MESSAGES},
        )

    def _make_room(self, messages: int) -> None:
        """Have tables for at least so many messages."""
        have = len(self._rows)
        if messages <= have:
            return
        more = max(messages, 2 * have, 256) - have
        self._rows = np.concatenate([self._rows, np.zeros(more, dtype=PACKET)])
        self._live = np.concatenate([self._live, np.zeros(more, dtype=bool)])
        self._serial = np.concatenate([self._serial, np.zeros(more, dtype=np.int64)])
        longer = {name: self._longer(getattr(self._traffic, name), more) for name in _OF_MESSAGES}
        self._traffic = self._traffic._replace(**longer)

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
        start_ps = self._clock_ps + self._mesh.settle_ps
        self._submit(messages, start_ps, sweep_ps)
        n = self._advance(FAR)
        assert n == len(messages), "a packet is lost in the mesh"
        packets = self._collect(n, start_ps - now_ps) if self.keep_packets else NO_PACKETS
        self._clock_ps = self._function(kernel.all_done_ps)(self._state, self._traffic)
        return Carried(packets, None, max(idle_end_ps, self._clock_ps - start_ps))

    def _run_period(
        self, messages: Messages, now_ps: int, sweep_ps: NDArray[np.int64], idle_end_ps: int
    ) -> Carried:
        """One free-running step; what is still under way at its end stays in the mesh."""
        assert self._period_ps is not None
        self._submit(messages, now_ps, sweep_ps)
        self._clock_ps = now_ps + self._period_ps
        packets = self._collect(self._advance(self._clock_ps), 0)
        held = NO_PACKETS
        if len(messages):
            held = self.under_way()
            held = held[held["step"] == messages.step]
        arrived = packets[packets["step"] != messages.step]
        return Carried(packets, Transit.of(held=held, arrived=arrived), idle_end_ps)

    def _submit(self, messages: Messages, start_ps: int, sweep_ps: NDArray[np.int64]) -> None:
        """Number the messages of a step and give them to their senders."""
        n = len(messages)
        if self._period_ps is not None and self._live.any():
            slots = np.flatnonzero(~self._live)[:n]
            if len(slots) < n:
                slots = np.concatenate([slots, len(self._live) + np.arange(n - len(slots))])
        else:
            slots = np.arange(n)
        self._make_room(int(slots.max(initial=-1)) + 1)
        self._fill(slots, messages)
        self._sent += n
        assert HOST == -1, "sender 0 is the host"
        column = self._column
        self._function(kernel.submit)(
            self._shape, self._state, self._traffic, column(slots),
            column(messages.core.astype(np.int64) + 1), column(messages.sent_ps), start_ps,
            column(np.concatenate(([0], sweep_ps))), self._period_ps is not None,
        )  # fmt: skip

    def _fill(self, slots: NDArray[np.int64], messages: Messages) -> None:
        """Write messages into the tables."""
        hops = messages.end - messages.begin
        rows = np.empty(len(slots), dtype=PACKET)
        rows["step"] = messages.step
        rows["source"] = messages.source
        rows["source_core"] = messages.core
        rows["destination_core"] = messages.target
        rows["synapses"] = messages.synapses
        rows["hops"] = np.abs(hops).sum(axis=1)
        rows["late_steps"] = 0
        rows["inject_ps"] = rows["arrive_ps"] = -1
        self._rows[slots] = rows
        self._live[slots] = True
        self._serial[slots] = self._sent + np.arange(len(slots))
        flit = slots << 32 | self._ports[messages.target] << 24
        flit |= hops[:, 0] + OFFSET << 12 | hops[:, 1] + OFFSET
        for name, values in (
            ("flit", flit), ("receiver", messages.target), ("service_ps", messages.service_ps)
        ):  # fmt: skip
            table = getattr(self._traffic, name)
            for slot, value in zip(slots.tolist(), values.tolist(), strict=True):
                table[slot] = value

    def _advance(self, until_ps: int) -> int:
        """Let time pass; returns how many messages arrived."""
        return self._function(kernel.advance)(self._shape, self._state, self._traffic, until_ps)

    def _collect(self, n: int, skipped_ps: int) -> NDArray:
        """The packets of the first ``n`` messages of ``delivered``, which are done with."""
        traffic = self._traffic
        slots = np.asarray(traffic.delivered[:n], dtype=np.int64)
        self._live[slots] = False
        packets = self._rows[slots]
        packets["inject_ps"] = self._take(traffic.inject_ps, slots) - skipped_ps
        packets["arrive_ps"] = self._take(traffic.arrive_ps, slots) - skipped_ps
        packets["late_steps"] = np.minimum(self._step - packets["step"], _LATEST)
        return packets

    def _take(self, table: Any, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array([table[slot] for slot in slots.tolist()], dtype=np.int64)

    def under_way(self) -> NDArray:
        """See :class:`~hwmodels.fabric.messages.Engine`; injected at -1: not in the mesh yet."""
        slots = np.flatnonzero(self._live)
        if not len(slots):
            return NO_PACKETS
        slots = slots[np.argsort(self._serial[slots])]
        inject_ps = self._traffic.inject_ps.copy()
        self._function(kernel.entries)(
            self._shape, self._state, self._traffic, self._clock_ps, inject_ps
        )
        packets = self._rows[slots]
        packets["inject_ps"] = self._take(inject_ps, slots)
        packets["late_steps"] = np.minimum(self._step - packets["step"], _LATEST)
        return packets

    def links(self) -> NDArray:
        """See :class:`~hwmodels.fabric.messages.Engine`."""
        mesh, rows = self._mesh, []
        for x in range(mesh.columns):
            for y in range(mesh.rows):
                for output in range(4 + mesh.ports):
                    dx, dy = STEP.get(output, (0, 0))
                    if not (0 <= x + dx < mesh.columns and 0 <= y + dy < mesh.rows):
                        continue
                    place = (x * mesh.rows + y) * self._stride + output
                    cycle_ps = mesh.link(x, y, x + dx, y + dy)[1] if output < 4 else 1
                    packets = int(self._state.ports[8 * place + GRANTED])
                    rows.append(
                        (x, y, x + dx, y + dy, packets, packets * cycle_ps,
                         int(self._state.ports[8 * place + MOST]))
                    )  # fmt: skip
        return np.array(rows, dtype=LINK)


class CompiledEngine(BatchedEngine):
    """The kernel on arrays, as machine code."""

    def _table(self, values: Any) -> Any:
        return np.array(values, dtype=np.int64)

    def _function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return compiled(function, *kernel.PARTS.get(function, ()))

    def _column(self, values: NDArray) -> Any:
        return values

    def _longer(self, table: Any, more: int) -> Any:
        return np.concatenate([table, np.zeros(more, dtype=np.int64)])

    def _fill(self, slots: NDArray[np.int64], messages: Messages) -> None:
        if isinstance(messages, AxonMessages):
            axon, routes = messages.axon, messages.routes
        else:
            axon = np.arange(len(messages))
            routes = Routes(*(getattr(messages, name) for name in Routes._fields))
        if routes is not self._routes:
            self._routes, hops = routes, routes.end - routes.begin
            self._flit = self._ports[routes.target] << 24
            self._flit |= hops[:, 0] + OFFSET << 12 | hops[:, 1] + OFFSET
            self._hops = np.abs(hops).sum(axis=1)
        traffic = self._traffic
        compiled(fill)(
            self._period_ps is not None or self.keep_packets, self._rows, self._live,
            self._serial, traffic.flit, traffic.receiver, traffic.service_ps, slots, self._sent,
            messages.step, axon, routes.source, routes.core, routes.target, routes.synapses,
            routes.service_ps, self._flit, self._hops,
        )  # fmt: skip

    def _collect(self, n: int, skipped_ps: int) -> NDArray:
        traffic, packets = self._traffic, np.empty(n, dtype=PACKET)
        compiled(collect)(
            packets, self._rows, self._live, traffic.delivered, traffic.inject_ps,
            traffic.arrive_ps, skipped_ps, self._step,
        )  # fmt: skip
        return packets

    def _take(self, table: Any, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        return table[slots]


def fill(  # type: ignore[no-untyped-def]
    keep, rows, live, serial, flit, receiver, service_ps, slots, sent, step, axon, source, core,
    target, synapses, service, path, hops,
):  # fmt: skip
    """:meth:`BatchedEngine._fill` as a kernel; rows of packets only where they are kept."""
    for k in range(len(slots)):
        slot, a = slots[k], axon[k]
        flit[slot] = slot << 32 | path[a]
        receiver[slot], service_ps[slot] = target[a], service[a]
        if not keep:
            continue
        live[slot], serial[slot] = True, sent + k
        row = rows[slot]
        row["step"], row["source"], row["source_core"] = step, source[a], core[a]
        row["destination_core"], row["synapses"] = target[a], synapses[a]
        row["hops"], row["late_steps"] = hops[a], 0
        row["inject_ps"], row["arrive_ps"] = -1, -1


def collect(packets, rows, live, delivered, inject_ps, arrive_ps, skipped_ps, step):  # type: ignore[no-untyped-def]
    """:meth:`BatchedEngine._collect` as a kernel."""
    for k in range(len(packets)):
        slot = delivered[k]
        live[slot] = False
        packets[k] = rows[slot]
        packet = packets[k]
        packet["inject_ps"] = inject_ps[slot] - skipped_ps
        packet["arrive_ps"] = arrive_ps[slot] - skipped_ps
        packet["late_steps"] = min(step - packet["step"], _LATEST)


#: Tables over messages.
_OF_MESSAGES = (
    "flit", "receiver", "work_ps", "earliest_ps", "service_ps", "following",
    "inject_ps", "arrive_ps", "delivered",
)  # fmt: skip


def _power_of_two(n: int) -> int:
    """The smallest power of two that is at least ``n``."""
    return 1 << max(n - 1, 0).bit_length()
