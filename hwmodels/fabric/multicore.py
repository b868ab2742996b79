"""Cores on a mesh, step by step: sweeps, messages, receive queues and the barrier.

In: which cells fired and which were updated. Out: when every packet arrived, and how long the
step took. A core sweeps its cells in order and sends one message for each destination core of a
cell that fired; the destination serves messages one at a time. Implements
:class:`hwmodels.chip.Transport` for any chip that works this way; its numbers come in as
:class:`CoreTimes`, and it must not know which chip that is.

Fidelities of one set of rules:

* ``reference``: SimPy processes for every sweep, router, link and receive queue, with finite
  buffers: the readable model, and where new hardware is written first;
* ``compiled``: the same to the picosecond, over flat tables as machine code; ``batched`` are these
  tables in plain Python, where Numba is missing;
* ``analytic``: without contention in the mesh and with endless buffers, in closed form;
* ``free``: transport and sweeps take no time at all (only operations are counted).

Clocking: ``barrier`` ends a step when everything is done, so no spike is ever late;
``free_running`` begins one every ``period_ps`` whatever is still under way.

Rules of a core, which go with those of :mod:`hwmodels.fabric.mesh`:

1. A sweep takes the cells of its core in order; a cell costs a visit for each of its circuits, an
   update for each that is active, and a spike where it fires. Then its messages follow, one for
   each axon, each after its message-out time; a sender waits while its injection port is full.
2. Spike sources are off-chip: a host sends theirs one after another, from a port of its own.
3. A receive queue serves one message at a time, in order of arrival, and gives its place in the
   port's FIFO back when it begins; service is message-in time plus that of the synapses.
4. Under a barrier, a step begins with free links and with all credits home (the barrier is far
   longer than that takes), so steps depend on each other only by the pointers of round robin.
   Free-running, a sweep that overruns delays the next one of its core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Transit, postponed
from hwmodels.compiling import can_compile, compiled
from hwmodels.errors import ModelError
from hwmodels.fabric.closed_form import ClosedForm
from hwmodels.fabric.mesh import MeshTimes
from hwmodels.fabric.mesh_batched import BatchedEngine
from hwmodels.fabric.mesh_compiled import CompiledEngine
from hwmodels.fabric.messages import HOST, NO_PACKETS, AxonMessages, Engine, Routes
from hwmodels.fabric.simpy_engine import SimPyEngine
from hwmodels.fabric.sweep import count, sweep
from hwmodels.mapping import Placement
from hwmodels.result import CORE


@dataclass(frozen=True)
class CoreTimes:
    """Times of one operation of a core, integer ps."""

    visit_ps: int
    update_ps: int
    spike_ps: int
    message_out_ps: int
    message_in_ps: int
    synapse_dense_ps: int
    synapse_sparse_ps: int
    synapse_shared_ps: int = 0


@dataclass
class Operations:
    """How often each operation was done, for the energy."""

    visits: int = 0
    updates: int = 0
    spikes: int = 0
    messages_out: int = 0
    messages_in: int = 0
    synapses_dense: int = 0
    synapses_sparse: int = 0
    synapses_shared: int = 0
    hops_row: int = 0
    hops_column: int = 0
    hops_bridge: int = 0


#: Engines of equal rules by fidelity; made from (position, host, mesh, period).
EVENT_ENGINES: dict[str, Callable[..., Engine]] = {
    "reference": SimPyEngine,
    "batched": BatchedEngine,
    "compiled": CompiledEngine,
}


#: The fidelities to choose from.
FIDELITIES = ("compiled", "reference", "analytic")
#: Messages that are made together at most, if they are of several steps; and axons counted.
_AT_ONCE = 1 << 16


class MulticoreTransport:
    """The fabric of a mesh of cores, and the clock that ties steps to hardware time.

    Parameters
    ----------
    placement : Placement
    units_of : int64, shape (cells,)
        Neuron circuits each cell takes; 0 for cells off-chip.
    mesh : MeshTimes
        With one port for each core of a router, and one more for the host.
    times : CoreTimes
    overhead_ps : int
        From the end of all work to the next step.
    fidelity : {"compiled", "batched", "reference", "analytic", "free"}
    period_ps : int or None
        Of free-running steps; None for a barrier.
    host : tuple of int
        Column and row of the router where the spikes of sources enter.
    keep_packets : bool
        Whether each packet is kept for the report, 40 bytes each; otherwise what they did is
        known from the counts of operations, links and cores, and memory does not grow with time.

    Raises
    ------
    ModelError
        For a period below 1 ps.
    """

    def __init__(
        self,
        placement: Placement,
        units_of: NDArray[np.int64],
        mesh: MeshTimes,
        times: CoreTimes,
        overhead_ps: int,
        fidelity: str,
        period_ps: int | None = None,
        host: tuple[int, int] = (0, 0),
        keep_packets: bool = True,
    ) -> None:
        if period_ps is not None and period_ps < 1:
            raise ModelError(
                f"a free-running step must last at least 0.001 ns (1 ps), got {period_ps} ps"
            )
        if fidelity == "compiled" and not can_compile():
            fidelity = "batched"
        timed = fidelity != "free"
        self.placement = placement
        self.times = times if timed else CoreTimes(0, 0, 0, 0, 0, 0, 0)
        self.overhead_ps = overhead_ps if timed else 0
        self.fidelity = fidelity
        self.period_ps = period_ps if timed else None
        #: Operations that spikes do not tell, and how often each cell spiked.
        self._done = Operations()
        self._spikes = np.zeros(len(placement.core_of), dtype=np.int64)
        #: Spikes that :meth:`steps` did not give to the engine.
        self._uncounted = np.zeros_like(self._spikes)
        self._swept_ps = np.zeros(placement.n_cores, dtype=np.int64)
        self.step_ps: list[int] = []
        self._now_ps = 0
        self._packets: list[NDArray] = []
        self._mesh = mesh
        self._host = np.array(host, dtype=np.int64)
        self._position = placement.position.astype(np.int64).reshape(-1, 2)
        self._engine: Engine = (
            EVENT_ENGINES[fidelity](placement.position.reshape(-1, 2), host, mesh, self.period_ps)
            if fidelity in EVENT_ENGINES
            else ClosedForm(mesh, timed, self.period_ps)
        )
        self._keep_packets = keep_packets
        if isinstance(self._engine, BatchedEngine):
            self._engine.keep_packets = keep_packets
        # Cells on cores, in the order of the sweeps.
        order = np.argsort(placement.core_of, kind="stable")
        self._cells = order[np.count_nonzero(placement.core_of < 0) :]
        self._place = np.full(len(order), -1, dtype=np.int64)
        self._place[self._cells] = np.arange(len(self._cells))
        self._units = units_of[self._cells]
        alike = np.all(np.diff(self._cells) == 1) and len(set(self._units.tolist())) == 1
        self._unit = int(self._units[0]) if alike else 0
        core = placement.core_of[self._cells]
        self._first = np.searchsorted(core, np.arange(placement.n_cores + 1))
        self._visits = np.concatenate(([0], np.cumsum(self._units)))
        self._routes = self._make_routes()

    def step(
        self, step: int, fired: NDArray[np.int64], active: NDArray[np.bool_] | None
    ) -> Transit | None:
        """Carry the spikes of one step; see :class:`hwmodels.chip.Transport`."""
        if step == 0 and not len(fired):
            self.step_ps.append(0)  # time 0 is the initial state: nothing is computed
            return None
        rows = _all_active(1) if active is None else active[None]
        return self._carry(step, np.array([0, len(fired)]), fired, rows)

    def _carry(
        self, first: int, starts: NDArray[np.int64], fired: NDArray[np.int64],
        active: NDArray[np.bool_],
    ) -> Transit | None:  # fmt: skip
        """Carry the spikes of some steps; returns what the last one left."""
        times, indptr = self.times, self.placement.axons.indptr
        fired = fired[starts[0] : starts[-1]]
        starts = starts - starts[0]
        made = np.concatenate(([0], np.cumsum(indptr[fired + 1] - indptr[fired])))
        axon, sent_ps = np.empty(made[-1], dtype=np.int64), np.empty(made[-1], dtype=np.int64)
        sweep_ps = np.empty((len(starts) - 1, self.placement.n_cores), dtype=np.int64)
        # Nothing is computed at time 0: no sweep.
        visit_ps, update_ps, spike_ps = (
            (times.visit_ps, times.update_ps, times.spike_ps) if first else (0, 0, 0)
        )
        if not self._unit:
            # By step and place; those off-chip have place -1 and keep their order.
            begins = np.arange(len(sweep_ps)) * (len(self._place) + 1)
            place = np.repeat(begins, np.diff(starts)) + self._place[fired]
            fired = fired[np.argsort(place, kind="stable")]
        function = compiled(sweep, count, allocates=False) if can_compile() else sweep
        updates = function(
            starts, fired, active, self._place, self._cells, self._units, self._unit, self._first,
            self._visits, indptr, visit_ps, update_ps, spike_ps, times.spike_ps,
            times.message_out_ps, np.empty_like(fired), axon, sent_ps, sweep_ps, self._spikes,
        )  # fmt: skip
        if first:
            self._done.visits += len(sweep_ps) * int(self._visits[-1])
            self._done.updates += updates
        self._swept_ps += sweep_ps.sum(axis=0)
        transit, bounds = None, made[starts]
        if (
            self.period_ps is None
            and len(sweep_ps) > 1
            and isinstance(self._engine, CompiledEngine)
        ):
            ends_ps, packets = self._engine.steps(
                first, axon, sent_ps, self._routes, bounds, self._now_ps, self.overhead_ps, sweep_ps
            )
            durations = (ends_ps + self.overhead_ps).tolist()
            self.step_ps += durations
            self._now_ps += sum(durations)
            if len(packets):
                self._packets.append(packets)
            return None
        bounds = bounds.tolist()
        for k, swept_ps in enumerate(sweep_ps):
            here = slice(bounds[k], bounds[k + 1])
            messages = AxonMessages(first + k, axon[here], sent_ps[here], self._routes)
            carried = self._engine.step(messages, self._now_ps, swept_ps)
            if self._keep_packets and len(carried.packets):
                self._packets.append(carried.packets)
            ended_ps = carried.end_ps + self.overhead_ps
            duration = ended_ps if self.period_ps is None else self.period_ps
            self.step_ps.append(duration)
            self._now_ps += duration
            transit = carried.transit
        return transit

    @property
    def always_in_time(self) -> bool:
        """Under a barrier no spike is late."""
        return self.period_ps is None

    def steps(
        self, first: int, starts: NDArray[np.int64], fired: NDArray[np.int64],
        active: NDArray[np.bool_] | None,
    ) -> None:  # fmt: skip
        """Several steps under a barrier at once.

        Parameters
        ----------
        first : int
            The first step, not 0.
        starts, fired : int64, shapes (steps + 1,) and (n,)
            Cells that spike in each step.
        active : bool, shape (steps, cells), or None
            None means all.
        """
        rows = _all_active(len(starts) - 1) if active is None else active
        if self.fidelity != "free" or self._keep_packets:
            indptr = self.placement.axons.indptr
            made = np.concatenate(([0], np.cumsum(np.diff(indptr)[fired[: starts[-1]]])))[starts]
            k = 0
            while k < len(rows):
                end = int(np.searchsorted(made, made[k] + _AT_ONCE, "right")) - 1
                end = max(k + 1, min(end, len(rows)))
                self._carry(first + k, starts[k : end + 1], fired, rows[k:end])
                k = end
            return
        # Nothing takes time, and no packet is kept.
        spikes = np.bincount(fired[: starts[-1]], minlength=len(self._spikes))
        self._spikes += spikes
        self._uncounted += spikes
        visits = len(rows) * int(self._visits[-1])
        self._done.visits += visits
        if active is None:
            self._done.updates += visits
        elif self._unit:
            cells = slice(self._cells[0], self._cells[-1] + 1)
            self._done.updates += int(np.count_nonzero(active[:, cells])) * self._unit
        else:
            self._done.updates += int(active.sum(axis=0)[self._cells] @ self._units)
        self.step_ps += [0] * len(rows)

    def late(
        self, sent: int, due: NDArray[np.int64], late_steps: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """A delay begins when the destination core takes the packet, so it does not help."""
        return postponed(sent, due, late_steps)

    def _make_routes(self) -> Routes:
        """What every message of an axon has in common."""
        placement, times = self.placement, self.times
        axons = placement.axons
        cells = np.arange(len(placement.core_of), dtype=np.int32)
        source = np.repeat(cells, np.diff(axons.indptr))
        core = placement.core_of[source]
        routers = np.vstack((self._position, self._host)).astype(np.int32)
        dense, shared = axons.contiguous, axons.shared
        self._dense = dense
        self._shared = np.broadcast_to(False, dense.shape) if shared is None else shared
        service_ps = np.where(dense, times.synapse_dense_ps, times.synapse_sparse_ps)
        service_ps[self._shared] = times.synapse_shared_ps
        service_ps *= axons.synapses
        service_ps += times.message_in_ps
        assert HOST == -1, "the host has the last of these routers"
        return Routes(
            source, core, axons.core, axons.synapses, service_ps, routers[core], routers[axons.core]
        )

    def _sent(self, spikes: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[np.int64]]]:
        """How many messages each axon sent, given how often each cell spiked: some at a time."""
        indptr = self.placement.axons.indptr
        cells = np.searchsorted(indptr, np.arange(0, indptr[-1], _AT_ONCE)).tolist()
        for first, last in pairwise([*cells, len(spikes)]):
            sent = np.repeat(spikes[first:last], np.diff(indptr[first : last + 1]))
            yield slice(indptr[first], indptr[last]), sent

    @property
    def operations(self) -> Operations:
        """How often each operation was done so far."""
        routes, total = self._routes, np.zeros(7, dtype=np.int64)
        for some, used in self._sent(self._spikes):
            ends = (end[some].astype(np.int64) for end in (routes.begin, routes.end))
            dense, shared = self._dense[some], self._shared[some]
            kinds = (dense & ~shared, ~(dense | shared), shared)
            synapses = routes.synapses[some] * used
            total[0] += used.sum()
            total[1:4] += [synapses[kind].sum() for kind in kinds]
            total[4:] += [hops @ used for hops in self._mesh.hops(*ends)]
        messages, in_runs, one_by_one, in_common, row, column, bridge = total.tolist()
        return replace(
            self._done,
            spikes=int(self._spikes[self._cells].sum()),
            messages_out=messages,
            messages_in=messages,
            synapses_dense=in_runs,
            synapses_sparse=one_by_one,
            synapses_shared=in_common,
            hops_row=row,
            hops_column=column,
            hops_bridge=bridge,
        )

    @property
    def busy_ps(self) -> NDArray[np.int64]:
        """Busy time of each core so far: of the busier of its sweep and receiver, which overlap."""
        routes, received_ps = self._routes, np.zeros_like(self._swept_ps)
        for some, used in self._sent(self._spikes):
            np.add.at(received_ps, routes.target[some], routes.service_ps[some] * used)
        return np.maximum(self._swept_ps, received_ps)

    @property
    def packets(self) -> NDArray:
        """All packets so far, if they are kept; those under way have not arrived (-1)."""
        if not self._keep_packets:
            return NO_PACKETS
        return np.concatenate([NO_PACKETS, *self._packets, self._engine.under_way()])

    def cores(self, memory_size: int) -> NDArray:
        """Use of each core, as :data:`hwmodels.result.CORE`."""
        placement = self.placement
        table = np.zeros(placement.n_cores, dtype=CORE)
        table["core"] = np.arange(placement.n_cores)
        table["x"], table["y"] = self._position.T
        table["neurons"] = placement.neurons
        table["synapses"] = placement.synapses
        table["memory_used"] = placement.memory
        table["memory_size"] = memory_size
        table["busy_ps"] = self.busy_ps
        return table

    def links(self) -> NDArray:
        """Load of each link so far, as :data:`hwmodels.result.LINK`."""
        if isinstance(self._engine, ClosedForm):
            for some, packets in self._sent(self._uncounted):
                used = np.flatnonzero(packets)
                begin, end = (
                    ends[some][used].astype(np.int64)
                    for ends in (self._routes.begin, self._routes.end)
                )
                self._engine.count(begin, end, packets[used])
            self._uncounted[:] = 0
        return self._engine.links()


def _all_active(steps: int) -> NDArray[np.bool_]:
    """For :func:`hwmodels.fabric.sweep.sweep`."""
    return np.empty((steps, 0), dtype=bool)
