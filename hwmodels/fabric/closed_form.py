"""Transport in closed form: no contention in the mesh, endless buffers, or no time at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Transit
from hwmodels.fabric.mesh import STEP, MeshTimes
from hwmodels.fabric.messages import NO_PACKETS, Carried, Messages
from hwmodels.result import LINK, PACKET


class ClosedForm:
    """Messages that never meet on a link; receive queues in closed form. An :class:`Engine`.

    Parameters
    ----------
    mesh : MeshTimes
    timed : bool
        Whether hops take time at all.
    period_ps : int or None
        Of free-running steps; a receive queue does not pass its backlog on to the next step.
    """

    def __init__(self, mesh: MeshTimes, timed: bool, period_ps: int | None) -> None:
        self._mesh = mesh
        self._timed = timed
        self._hop_ps = tuple(
            mesh.edge_ps(latency_ps)
            for latency_ps in (mesh.row_latency_ps, mesh.column_latency_ps, mesh.bridge_ps)
        )
        self._period_ps = period_ps if timed else None
        self._passages = np.zeros((4, mesh.columns, mesh.rows), dtype=np.int64)

    def step(self, messages: Messages, now_ps: int, sweep_ps: NDArray[np.int64]) -> Carried:
        """See :class:`Engine`."""
        end_ps = int(sweep_ps.max(initial=0))
        if not len(messages):
            return Carried(NO_PACKETS, None, end_ps)
        begin, end = (ends.astype(np.int64) for ends in (messages.begin, messages.end))
        self.count(begin, end, np.ones(len(messages), dtype=np.int64))
        hops = self._mesh.hops(begin, end)
        arrive = messages.sent_ps.copy()
        if self._timed:
            # Under a barrier, a step begins at an edge of the clock.
            begin_ps = now_ps if self._period_ps is not None else 0
            arrive = self._mesh.edge_ps(begin_ps + arrive) - begin_ps
            for n, hop_ps in zip(hops, self._hop_ps, strict=True):
                arrive += n * hop_ps
        end_ps = max(end_ps, int(self._served(messages, arrive).max()))
        packets = np.empty(len(messages), dtype=PACKET)
        packets["step"] = messages.step
        packets["source"] = messages.source
        packets["source_core"] = messages.core
        packets["destination_core"] = messages.target
        packets["synapses"] = messages.synapses
        packets["hops"] = np.abs(end - begin).sum(axis=1)
        if self._period_ps is None:
            packets["late_steps"] = 0
        else:
            packets["late_steps"] = np.minimum(arrive // self._period_ps, np.iinfo(np.int16).max)
        packets["inject_ps"] = now_ps + messages.sent_ps
        packets["arrive_ps"] = now_ps + arrive
        late = packets[packets["late_steps"] > 0]
        return Carried(packets, Transit.of(delayed=late), end_ps)

    def count(
        self, begin: NDArray[np.int64], end: NDArray[np.int64], packets: NDArray[np.int64]
    ) -> None:
        """Count packets between routers for :meth:`links`.

        Parameters
        ----------
        begin, end : int64, shape (n, 2)
        packets : int64, shape (n,)
        """
        self._passages += self._mesh.passages(begin, end, packets)

    @staticmethod
    def _served(messages: Messages, arrive: NDArray[np.int64]) -> NDArray[np.int64]:
        """When each message is served: at its arrival or after those before it at its core."""
        order = np.lexsort((messages.source, arrive, messages.target))
        target, service = messages.target[order].astype(np.int64), messages.service_ps[order]
        total = np.cumsum(service)
        first = np.searchsorted(target, target)
        before = total - service - (total - service)[first]
        # done = max over all j up to this one of (arrive[j] - before[j]), + before + service;
        # the shift keeps cores apart in one running maximum.
        slack = arrive[order] - before
        shift = target * (int(slack.max()) - int(slack.min()) + 1)
        return np.maximum.accumulate(slack + shift) - shift + before + service

    def under_way(self) -> NDArray:
        """Nothing: every arrival is known at once."""
        return NO_PACKETS

    def links(self) -> NDArray:
        """See :class:`Engine`; counted from the routes, so no queue is known."""
        rows = []
        for side, x, y in np.argwhere(self._passages).tolist():
            dx, dy = STEP[side]
            packets = int(self._passages[side, x, y])
            _, cycle_ps = self._mesh.link(x, y, x + dx, y + dy)
            rows.append((x, y, x + dx, y + dy, packets, packets * cycle_ps, 0))
        return np.array(sorted(rows), dtype=LINK)
