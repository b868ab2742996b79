"""The engine ``compiled``: the mesh kernel on arrays, as machine code.

Beside single steps it carries many that all end at a barrier by one call. Between two of these the
mesh is empty, so nothing has to come back to Python before the last one is done: what a step is
made of (:class:`hwmodels.fabric.messages.Messages`) and what became of it lie in arrays of all
steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.compiling import aligned, compiled
from hwmodels.fabric.mesh_batched import BatchedEngine
from hwmodels.fabric.mesh_kernel import PARTS, carry
from hwmodels.fabric.mesh_packets import describe
from hwmodels.fabric.mesh_ports import instant
from hwmodels.fabric.messages import NO_PACKETS, AxonMessages, Routes
from hwmodels.result import PACKET


class CompiledEngine(BatchedEngine):
    """The kernel on arrays, as machine code."""

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
            self._shape, self._state, self._traffic, self._numbered(most), axon, self._paths,
            sent_ps, bounds, self._clock_ps, self._mesh.settle_ps, sweep_ps, now_ps, overhead_ps,
            ends_ps, self._lasting(), first, packets,
        )  # fmt: skip
        assert self._clock_ps >= 0, "a packet is lost in the mesh"
        self._step = first + len(counts) - 1
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
    shape, state, traffic, slots, axon, paths, sent_ps, bounds, clock_ps, settle_ps, sweep_ps,
    now_ps, overhead_ps, ends_ps, lasting, step, packets,
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
                shape, state, traffic, slots[: end - begin], axon[begin:end], paths,
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
