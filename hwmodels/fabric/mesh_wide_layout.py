"""How a mesh with a clock is laid out for the kernel that treats 64 routers at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwmodels.compiling import aligned
from hwmodels.fabric.mesh import MeshTimes
from hwmodels.fabric.mesh_layout import Layout
from hwmodels.fabric.mesh_tables import (
    ASKED,
    POINTER,
    POINTER_BIT,
    ROUTER,
)
from hwmodels.fabric.mesh_wide_tables import RING, Lanes, Wide
from hwmodels.fabric.messages import Routes
from hwmodels.lanes import LANES, WORDS

#: The longest time on a link, in instants, and the deepest FIFO behind one.
LONGEST, DEEPEST = 31, 64


class WideLayout:
    """The tables of an empty mesh.

    Attributes
    ----------
    wide : Wide
    lanes : Lanes
    most_messages : int
        That a step may have: a flit has so many numbers for them.
    routes : Routes or None
        What messages went over last.
    """

    def __init__(self, mesh: MeshTimes, layout: Layout) -> None:
        self._mesh, self._layout = mesh, layout
        self.routes: Routes | None = None
        self._passages = np.zeros((4, mesh.columns, mesh.rows), dtype=np.int64)
        self._routers = mesh.columns * mesh.rows
        self.wide = self._make(mesh, layout)
        self.most_messages = 1 << max(0, 32 - self.wide.message_bit)
        self.lanes = self._empty()

    @staticmethod
    def fits(mesh: MeshTimes) -> bool:
        """Whether all links of a kind are alike and few edges of a clock long."""
        clock = mesh.clock_ps
        slowest = max(
            mesh.row_latency_ps, mesh.column_latency_ps, mesh.row_cycle_ps, mesh.column_cycle_ps,
            mesh.credit_ps,
        )  # fmt: skip
        return (
            clock > 1
            and mesh.columns <= mesh.chip_columns
            and mesh.rows <= mesh.chip_rows
            and slowest <= LONGEST * clock
            and mesh.link_depth <= DEEPEST
        )

    @staticmethod
    def _make(mesh: MeshTimes, layout: Layout) -> Wide:
        words = -(-mesh.columns * mesh.rows // LANES)
        ranks, inputs = mesh.link_depth + 1, 4 + mesh.ports
        row = -(-inputs // WORDS) * WORDS

        times = {
            "row_latency": layout.instants(mesh.row_latency_ps),
            "column_latency": layout.instants(mesh.column_latency_ps),
            "row_cycle": layout.instants(mesh.row_cycle_ps),
            "column_cycle": layout.instants(mesh.column_cycle_ps),
            "credit": layout.instants(mesh.credit_ps),
        }
        slots = 1 << max(times.values()).bit_length()
        # Rows of a block, one kind behind the other.
        rows = {
            "there": ranks, "placed": ranks, "used": ranks, "most": ranks, "busy": 1,
            "pointers": inputs, "ring": RING * slots,
        }  # fmt: skip
        begin = dict(zip(rows, (row * np.cumsum([0, *rows.values()])).tolist(), strict=False))
        del begin["there"]
        # A line of lanes more than the next column is away, on both sides of a plane.
        front = -(-(mesh.rows + 1) // 16) * 16
        stride = words * LANES + 2 * front
        x_bits, y_bits = (mesh.columns - 1).bit_length(), (mesh.rows - 1).bit_length()
        port_bits = (mesh.ports - 1).bit_length()
        west_bit = x_bits + y_bits
        guard = mesh.rows // LANES + 2
        return Wide(
            words=words,
            block=row * sum(rows.values()),
            ranks=ranks,
            slots=slots,
            **begin,
            inputs=inputs,
            row=row,
            stride=stride,
            front=front,
            ejected=front + inputs * mesh.link_depth * stride,
            x_mask=(1 << x_bits) - 1,
            y_bit=x_bits,
            y_mask=(1 << y_bits) - 1 << x_bits,
            west_bit=west_bit,
            south_bit=west_bit + 1,
            port_bit=west_bit + 2,
            port_mask=(1 << port_bits) - 1 << west_bit + 2,
            message_bit=west_bit + 2 + port_bits,
            **times,
            rows=mesh.rows,
            guard=guard,
            guarded=words + 2 * guard,
            router=layout.block,
        )

    def _empty(self) -> Lanes:
        wide, senders = self.wide, self._layout.senders()
        router_of = senders[:, ROUTER] // wide.router
        # Wants and grants, a row for each input; what is granted in all, popped, and to be counted.
        scratch = (2 * wide.inputs + 3) * wide.row
        blocks = aligned(wide.words * wide.block + scratch, np.int64)
        flits = aligned(wide.ejected + LANES + wide.front, np.uint32)
        return Lanes(
            blocks=blocks,
            flits=flits,
            sent=np.zeros(4 * wide.guarded, dtype=np.int64),
            left=np.zeros(4 * wide.guarded, dtype=np.int64),
            due=np.zeros(wide.words, dtype=np.int64),
            near=np.zeros(wide.guarded, dtype=np.int64),
            router_of=router_of,
            sendings=np.zeros(0, dtype=np.int64),
        )

    def _bits(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Of each router, from words of them: shape (words, n) gives (routers, n)."""
        word = np.ascontiguousarray(rows.T).view(np.uint8)
        bits = np.unpackbits(word, axis=1, bitorder="little")
        return bits.astype(bool)[:, : self._routers].T

    def _words(self, bits: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The reverse of it."""
        padded = np.zeros((self.wide.words * LANES, bits.shape[1]), dtype=bool)
        padded[: len(bits)] = bits
        packed = np.packbits(padded.T, axis=1, bitorder="little")
        return np.ascontiguousarray(packed).view(np.int64).T

    def _pointers(self) -> NDArray[np.int64]:
        wide = self.wide
        return self._blocks()[:, wide.pointers : wide.pointers + wide.inputs * wide.row]

    def _blocks(self) -> NDArray[np.int64]:
        wide = self.wide
        return self.lanes.blocks[: wide.words * wide.block].reshape(wide.words, wide.block)

    def take_pointers(self, table: NDArray[np.int64]) -> None:
        """Take over the pointers of round robin from the mesh's table."""
        wide = self.wide
        asked = table.reshape(self._routers, wide.inputs, -1)[:, :, ASKED]
        pointer = (asked >> POINTER_BIT) & POINTER
        bits = np.zeros((self._routers, wide.inputs, wide.row), dtype=bool)
        router, output = np.indices(pointer.shape)
        bits[router, pointer % wide.inputs, output] = True
        self._pointers()[:] = self._words(bits.reshape(self._routers, -1))

    def give_pointers(self, table: NDArray[np.int64]) -> None:
        """Hand them back."""
        wide = self.wide
        asked = table.reshape(self._routers, wide.inputs, -1)[:, :, ASKED]
        bits = self._bits(self._pointers()).reshape(self._routers, wide.inputs, wide.row)
        pointer = bits.argmax(axis=1)[:, : wide.inputs]
        asked &= ~(POINTER << POINTER_BIT)
        asked |= pointer << POINTER_BIT

    def follow(self, routes: Routes) -> None:
        """From now on messages go over these routes."""
        self._count()
        self.routes = routes
        self.lanes = self.lanes._replace(sendings=np.zeros(len(routes.core), dtype=np.int64))

    def _count(self) -> None:
        """Count packets over links, from how often each axon was used."""
        used = np.flatnonzero(self.lanes.sendings)
        if self.routes is not None and len(used):
            begin, end = (
                places[used].astype(np.int64) for places in (self.routes.begin, self.routes.end)
            )
            self._passages += self._mesh.passages(begin, end, self.lanes.sendings[used])
            self.lanes.sendings[:] = 0

    def loads(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Packets over each link, and the most behind it at a time: shape (routers, 4)."""
        self._count()
        wide = self.wide
        most = self._bits(self._blocks()[:, wide.most : wide.most + wide.ranks * wide.row])
        most = most.reshape(self._routers, wide.ranks, wide.row)[:, :, :4].sum(axis=1)
        return self._passages.reshape(4, -1).T, most
