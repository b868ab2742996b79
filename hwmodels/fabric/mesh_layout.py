"""How a mesh is laid out in the tables of its kernel (:mod:`hwmodels.fabric.mesh_tables`)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import ModelError
from hwmodels.fabric.mesh import STEP, MeshTimes
from hwmodels.fabric.mesh_tables import (
    ASKED,
    CYCLE,
    CYCLE_BITS,
    DEEPEST,
    FIFO,
    HEAD,
    HOPS,
    INPUT,
    LINE,
    LINK,
    LISTS,
    MOST,
    MOST_INSTANTS,
    NO_INPUT,
    PAST,
    PEER,
    PEER_BITS,
    PORT,
    ROUTER,
    ROW,
    ROW_BITS,
    TAIL,
    WHEN,
    WORD,
    Shape,
    State,
)
from hwmodels.fabric.messages import ports_of
from hwmodels.lanes import SHARE_BITS


class Layout:
    """Where everything of a mesh stands in the tables, and what does before the first step.

    Parameters
    ----------
    position, host, mesh
        Of :class:`~hwmodels.fabric.simpy_engine.SimPyEngine`.

    Attributes
    ----------
    ports : int64, shape (cores,)
        Local port of each core.
    block : int
        Numbers of a router in the table of the mesh.
    links : dict of int to tuple of int
        Latency and cycle of each link in ps, by the row of its output.
    shape : Shape

    Raises
    ------
    ModelError
        For a mesh with more routers along a side or ports at a router than the tables can number,
        slower links or deeper FIFOs.
    """

    def __init__(self, position: NDArray[np.int16], host: tuple[int, int], mesh: MeshTimes) -> None:
        # The row of a port, and the block of a router with all of them.
        self._row = _whole_lines(FIFO + 2 * _power_of_two(mesh.link_depth))
        self.block = (4 + mesh.ports) * self._row
        self._mesh = mesh
        self._check()
        self.ports = np.array(ports_of(position, mesh.ports - 1), dtype=np.int64)
        # Sender 0 is the host, sender k + 1 is core k: router, input, and the row of that port.
        routers = [x * mesh.rows + y for x, y in (host, *position.tolist())]
        self._inlets = np.empty((3, len(routers)), dtype=np.int64)
        self._inlets[0] = np.array(routers) * self.block
        self._inlets[1] = 4 + np.array([mesh.ports - 1, *self.ports])
        self._inlets[2] = self._inlets[0] + self._inlets[1] * self._row
        self.links = {
            place: mesh.link(*ends) for place, ends in self.outputs() if ends[:2] != ends[2:]
        }
        self.shape = self._make_shape()

    def _check(self) -> None:
        mesh = self._mesh
        if (
            max(mesh.columns, mesh.rows) > HOPS
            or 4 + mesh.ports > NO_INPUT
            or mesh.columns * mesh.rows * self.block > ROW
        ):
            raise ModelError(
                f"a mesh of {mesh.columns} x {mesh.rows} routers with {mesh.ports} ports is beyond "
                f"the compiled fabric ({HOPS} x {HOPS}, {NO_INPUT - 4} ports); use "
                "fidelity=reference"
            )
        slowest_ps = max(
            mesh.row_latency_ps, mesh.column_latency_ps, mesh.row_cycle_ps, mesh.column_cycle_ps,
            mesh.bridge_ps,
        )  # fmt: skip
        if slowest_ps > CYCLE:
            raise ModelError(
                f"a link that takes {slowest_ps / 1e9:.3g} ms is beyond the compiled fabric "
                f"({CYCLE / 1e9:.3g} ms); use fidelity=reference"
            )
        deepest = max(mesh.link_depth, mesh.port_depth)
        if deepest > DEEPEST:
            raise ModelError(
                f"a FIFO of {deepest} packets is beyond the compiled fabric ({DEEPEST}); use "
                "fidelity=reference"
            )

    def _make_shape(self) -> Shape:
        mesh = self._mesh
        # Links act within the longest of these, senders mostly within a thousand instants.
        slowest = max((mesh.credit_ps, *(max(kind) for kind in self.links.values())))
        instants = max(WORD * WORD, _power_of_two(2 * self.instants(slowest)))
        clock_bits = (mesh.clock_ps - 1).bit_length()
        return Shape(
            row=self._row,
            clock_ps=mesh.clock_ps,
            # Rounded up, so that no time short of 2 ** SHARE_BITS is one too many (Granlund and
            # Montgomery, "Division by invariant integers using multiplication", PLDI 1994).
            per_clock=-(-(1 << SHARE_BITS + clock_bits) // mesh.clock_ps),
            clock_bits=clock_bits,
            instants=min(instants, MOST_INSTANTS),
            link_depth=mesh.link_depth,
            link_room=_power_of_two(mesh.link_depth),
            port_depth=mesh.port_depth,
            port_room=_power_of_two(mesh.port_depth),
            credit=self.instants(mesh.credit_ps),
            credit_ps=mesh.credit_ps,
        )

    def instants(self, ps: int) -> int:
        """How many instants a time takes."""
        return -(-ps // self._mesh.clock_ps)

    def state(self) -> State:
        """The tables of an empty mesh, as arrays."""
        shape, mesh = self.shape, self._mesh
        senders = self._inlets.shape[1]
        outputs = mesh.columns * mesh.rows * (4 + mesh.ports)
        rows = np.zeros((outputs, shape.row), dtype=np.int64)
        rows[:, LINK], rows[:, ASKED] = 1, MOST
        # Places never used were left long ago: their credits are home.
        rows[:, FIFO + WHEN :: 2] = PAST
        table = rows.ravel()
        for place, (_, _, to_x, to_y) in self.outputs():
            router = place // self.block * self.block
            number = (place - router) // self._row
            peer = router << PEER_BITS | number << ROW_BITS
            if place in self.links:
                latency, cycle = (self.instants(ps) for ps in self.links[place])
                table[place + LINK] = latency << CYCLE_BITS | cycle
                peer |= (to_x * mesh.rows + to_y) * self.block + (number ^ 1) * self._row
            table[place + PEER] = peer
        table[self._inlets[2] + LINK] = np.arange(senders) << CYCLE_BITS | 1
        wheel = np.zeros(LISTS + shape.instants)
        wheel[LISTS:] = -1
        return State(
            mesh=table,
            home=np.full(senders * shape.port_room, PAST),
            done_ps=np.full(senders, PAST),
            wheel=wheel,
            granting=np.zeros(outputs + 1),
            heap_at=np.zeros(2 * outputs),
            heap_entry=np.zeros(2 * outputs),
        )

    def senders(self) -> NDArray[np.int64]:
        """The rows of senders that have no message."""
        senders = np.zeros((self._inlets.shape[1], 8), dtype=np.int64)
        senders[:, HEAD] = senders[:, TAIL] = -1
        senders[:, ROUTER], senders[:, INPUT], senders[:, PORT] = self._inlets
        return senders

    def outputs(self) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
        """Place and ends of each output that exists, ports last."""
        mesh = self._mesh
        for x in range(mesh.columns):
            for y in range(mesh.rows):
                for output in range(4 + mesh.ports):
                    dx, dy = STEP.get(output, (0, 0))
                    if 0 <= x + dx < mesh.columns and 0 <= y + dy < mesh.rows:
                        place = (x * mesh.rows + y) * self.block
                        place += output * self._row
                        yield place, (x, y, x + dx, y + dy)


def _whole_lines(n: int) -> int:
    """The smallest multiple of a line that is at least ``n``."""
    return -(-n // LINE) * LINE


def _power_of_two(n: int) -> int:
    """The smallest power of two that is at least ``n``."""
    return 1 << max(n - 1, 0).bit_length()
