"""The engine ``compiled``: the mesh kernel on arrays, as machine code.

Beside single steps it carries many that all end at a barrier by one call. Between two of these the
mesh is empty, so nothing has to come back to Python before the last one is done: what a step is
made of (:class:`hwmodels.fabric.messages.Messages`) and what became of it lie in arrays of all
steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.compiling import aligned, compiled, has_wide_registers
from hwmodels.fabric.mesh import MeshTimes
from hwmodels.fabric.mesh_batched import BatchedEngine
from hwmodels.fabric.mesh_kernel import PARTS, carry
from hwmodels.fabric.mesh_packets import describe
from hwmodels.fabric.mesh_ports import instant
from hwmodels.fabric.mesh_wide_layout import WideLayout
from hwmodels.fabric.messages import NO_PACKETS, AxonMessages, Routes
from hwmodels.lanes import LANES, WORDS
from hwmodels.result import PACKET

#: The wide kernel is the faster one from so many hops at an edge of the clock on: for the edge, and
#: for each word of routers. Twice as many are needed without registers of 512 bits, or where
#: routers have more inputs than one row of words holds.
DENSE, DENSE_WORD = 10, 7


class CompiledEngine(BatchedEngine):
    """The kernel on arrays, as machine code; two of them, if the mesh has a clock.

    Steps under a barrier go over the wide kernel (:mod:`hwmodels.fabric.mesh_wide`) where those
    before them had much traffic at a time.
    """

    def __init__(
        self, position: NDArray[np.int16], host: tuple[int, int], mesh: MeshTimes,
        period_ps: int | None,
    ) -> None:  # fmt: skip
        super().__init__(position, host, mesh, period_ps)
        self._may_go_wide = period_ps is None and WideLayout.fits(mesh)
        self._wide: WideLayout | None = None
        self._is_wide = False
        #: Hops at an edge of the clock, in the steps before.
        self._density = 0.0
        #: Hops that a message makes on average, its delivery being one.
        self._hops_a_message = 1.0

    def _goes_wide(self) -> bool:
        words = -(-self._mesh.columns * self._mesh.rows // LANES)
        dense = (DENSE + DENSE_WORD * words) * -(-(4 + self._mesh.ports) // WORDS)
        return self._density >= (dense if has_wide_registers() else 2 * dense)

    def _lanes(self, most: int) -> tuple[Any, Any] | None:
        if not self._may_go_wide or not (self._is_wide or self._goes_wide()):
            return None
        if self._wide is None:
            self._wide = WideLayout(self._mesh, self._layout)
        fast = self._wide
        goes = most <= fast.most_messages and self._goes_wide()
        if goes and not self._is_wide:
            fast.take_pointers(self._state.mesh)
        if self._is_wide and not goes:
            fast.give_pointers(self._state.mesh)
        self._is_wide = goes
        if goes and fast.routes is not self._routes:
            assert self._routes is not None
            fast.follow(self._routes)
        return (fast.wide, fast.lanes) if goes else None

    def _carried(self, messages: int, took_ps: int) -> None:
        """Steps of so many messages took so long."""
        if self._may_go_wide and messages:
            edges = max(took_ps / self._mesh.clock_ps, 1.0)
            self._density = messages * self._hops_a_message / edges

    def _ways(self, routes: Routes) -> tuple[Any, NDArray[np.int16]]:
        paths, hops = super()._ways(routes)
        self._hops_a_message = 1 + float(hops.mean()) if len(hops) else 1.0
        return paths, hops

    def _carry(
        self, axon: NDArray[np.int64], sent_ps: NDArray[np.int64], start_ps: int,
        sweep_ps: NDArray[np.int64],
    ) -> tuple[int, int]:  # fmt: skip
        arrived, done_ps = super()._carry(axon, sent_ps, start_ps, sweep_ps)
        self._carried(len(axon), done_ps - start_ps)
        return arrived, done_ps

    def _loads(self) -> Iterator[tuple[int, int]]:
        if self._wide is None:
            yield from super()._loads()
            return
        packets, most = self._wide.loads()
        for (place, _), (number, deepest) in zip(
            self._layout.outputs(), super()._loads(), strict=True
        ):
            router, output = place // self._layout.block, place % self._layout.block
            output //= self._shape.row
            if output < 4:
                number += int(packets[router, output])
                deepest = max(deepest, int(most[router, output]))
            yield number, deepest

    def steps(
        self, first: int, axon: NDArray[np.int64], sent_ps: NDArray[np.int64], routes: Routes,
        bounds: NDArray[np.int64], now_ps: int, overhead_ps: int, sweep_ps: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray]:  # fmt: skip
        """Carry the messages of some steps under a barrier.

        Parameters
        ----------
        first : int
            The first step.
        axon, sent_ps : int64, shape (n,)
            Of :class:`~hwmodels.fabric.messages.AxonMessages`, step after step.
        routes : Routes
        bounds : int64, shape (steps + 1,)
            Where the messages of each step begin.
        now_ps, overhead_ps : int
            Start of the first step, and time from the end of all work to the next one.
        sweep_ps : int64, shape (steps, cores)

        Returns
        -------
        int64, shape (steps,), and array of :data:`hwmodels.result.PACKET`
            When all work of each step ended, from its start, and the packets, if they are kept.
        """
        counts = np.diff(bounds)
        most = int(counts.max(initial=0))
        axon = self._follow(AxonMessages(first, axon, sent_ps, routes))
        self._make_room(most)
        ends_ps = np.empty_like(counts)
        packets = np.empty(len(axon), dtype=PACKET) if self.keep_packets else NO_PACKETS
        self._clock_ps = compiled(carry_steps, *_PARTS, allocates=False)(
            self._shape, self._state, self._traffic, self._lanes(most), self._numbered(most),
            axon, self._paths, sent_ps, bounds, self._clock_ps, self._mesh.settle_ps, sweep_ps,
            now_ps, overhead_ps, ends_ps, self._lasting(), first, packets,
        )  # fmt: skip
        assert self._clock_ps >= 0, "a packet is lost in the mesh"
        self._step = first + len(counts) - 1
        self._carried(len(axon), int(ends_ps[counts > 0].sum()))
        return ends_ps, packets

    def _table(self, values: Any) -> Any:
        # Rows of eight numbers begin where a line of the cache does.
        table = aligned(np.size(values), np.int64)
        table[:] = np.ravel(values)
        return table

    def _function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return compiled(function, *PARTS.get(function, ()), allocates=False)

    def _column(self, values: NDArray) -> Any:
        return values

    def _longer(self, table: Any, more: int) -> Any:
        longer = aligned(len(table) + more, np.int64)
        longer[: len(table)] = table
        return longer


def carry_steps(  # type: ignore[no-untyped-def]
    shape, state, traffic, fast, slots, axon, paths, sent_ps, bounds, clock_ps, settle_ps,
    sweep_ps, now_ps, overhead_ps, ends_ps, lasting, step, packets,
):  # fmt: skip
    """See :meth:`CompiledEngine.steps`; returns the time in the mesh afterwards, or -1.

    Fills ``ends_ps`` and, where they have room, ``packets``.
    """
    for k in range(len(bounds) - 1):
        begin, end = bounds[k], bounds[k + 1]
        done_ps = 0
        for core in range(sweep_ps.shape[1]):
            done_ps = max(done_ps, sweep_ps[k, core])
        if end > begin:
            start_ps = instant(shape, clock_ps + settle_ps) * shape.clock_ps
            n, clock_ps = carry(
                shape, state, traffic, fast, slots[: end - begin], axon[begin:end], paths,
                sent_ps[begin:end], start_ps, sweep_ps[k], len(packets) > 0,
            )  # fmt: skip
            if n != end - begin:
                return -1
            done_ps = max(done_ps, clock_ps - start_ps)
            some = packets[begin:end]
            describe(traffic, axon[begin:end], lasting, step + k, start_ps - now_ps, some)
        ends_ps[k] = done_ps
        now_ps += done_ps + overhead_ps
    return clock_ps


_PARTS = (*PARTS[carry], carry, describe)
