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

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Transit, postponed
from hwmodels.compiling import can_compile, compiled
from hwmodels.errors import ModelError
from hwmodels.fabric.closed_form import ClosedForm
from hwmodels.fabric.flat_engine import BatchedEngine, CompiledEngine
from hwmodels.fabric.mesh import MeshTimes
from hwmodels.fabric.messages import (
    NO_PACKETS,
    AxonMessages,
    Engine,
    Messages,
    Routes,
    no_messages,
)
from hwmodels.fabric.simpy_engine import SimPyEngine
from hwmodels.fabric.sweep import send
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
        #: Operations that messages do not tell, and how often each axon sent one.
        self._done = Operations()
        self._used = np.zeros(len(placement.axons.core), dtype=np.int64)
        #: Messages that :meth:`steps` did not give to the engine.
        self._uncounted = np.zeros_like(self._used)
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
        # Cells on cores, in the order of the sweeps; cumulated so that a sweep costs no pass.
        order = np.argsort(placement.core_of, kind="stable")
        self._cells = order[np.count_nonzero(placement.core_of < 0) :]
        self._place = np.zeros(len(order), dtype=np.int64)
        self._place[self._cells] = np.arange(len(self._cells))
        self._units = units_of[self._cells]
        self._shuffled = bool(np.any(self._cells != np.arange(len(self._cells))))
        self._one_unit = bool(np.all(self._units == 1))
        self._core = placement.core_of[self._cells].astype(np.int64)
        edges = np.searchsorted(self._core, np.arange(placement.n_cores + 1))
        self._first, self._last = edges[:-1], edges[1:]
        self._all_units = np.concatenate(([0], np.cumsum(self._units)))
        self._updated = np.zeros_like(self._all_units)
        self._routes = self._make_routes()

    def step(
        self, step: int, fired: NDArray[np.int64], active: NDArray[np.bool_] | None
    ) -> Transit | None:
        """Carry the spikes of one step; see :class:`hwmodels.chip.Transport`."""
        if step == 0 and not len(fired):
            self.step_ps.append(0)  # time 0 is the initial state: nothing is computed
            return None
        updated, sweep_ps = self._sweep(step, active)
        messages = self._messages(step, fired, updated, sweep_ps)
        self._swept_ps += sweep_ps
        carried = self._engine.step(messages, self._now_ps, sweep_ps)
        if self._keep_packets and len(carried.packets):
            self._packets.append(carried.packets)
        duration = carried.end_ps + self.overhead_ps if self.period_ps is None else self.period_ps
        self.step_ps.append(duration)
        self._now_ps += duration
        return carried.transit

    @property
    def always_in_time(self) -> bool:
        """Under a barrier no spike is late."""
        return self.period_ps is None

    def steps(
        self, first: int, starts: NDArray[np.int64], fired: NDArray[np.int64],
        active: NDArray[np.bool_],
    ) -> bool:  # fmt: skip
        """Several steps at once, where nothing takes time and no packet is kept; else False.

        Parameters
        ----------
        first : int
            The first step, not 0.
        starts, fired : int64, shapes (steps + 1,) and (n,)
            Cells that spike in each step.
        active : bool, shape (steps, cells)
        """
        if self.fidelity != "free" or self._keep_packets:
            return False
        fired = fired[: starts[-1]]
        used = np.bincount(self.placement.axons.of(fired), minlength=len(self._used))
        self._used += used
        self._uncounted += used
        self._done.spikes += int(np.count_nonzero(self.placement.core_of[fired] >= 0))
        self._done.visits += len(active) * int(self._all_units[-1])
        self._done.updates += int(active.sum(axis=0)[self._cells] @ self._units)
        self.step_ps += [0] * len(active)
        return True

    def late(
        self, sent: int, due: NDArray[np.int64], late_steps: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """A delay begins when the destination core takes the packet, so it does not help."""
        return postponed(sent, due, late_steps)

    def _make_routes(self) -> Routes:
        """What every message of an axon has in common."""
        placement, times = self.placement, self.times
        axons = placement.axons
        source = np.repeat(np.arange(len(placement.core_of)), np.diff(axons.indptr))
        core = placement.core_of[source]
        begin = np.tile(self._host, (len(source), 1))
        begin[core >= 0] = self._position[core[core >= 0]]
        synapses = axons.synapses.astype(np.int64)
        dense, shared = axons.contiguous, axons.shared
        shared = np.zeros_like(dense) if shared is None else shared
        each_ps = np.where(dense, times.synapse_dense_ps, times.synapse_sparse_ps)
        each_ps[shared] = times.synapse_shared_ps
        self._dense, self._shared = dense, shared
        return Routes(
            source, core, axons.core, synapses, times.message_in_ps + synapses * each_ps,
            begin, self._position[axons.core],
        )  # fmt: skip

    def _sweep(
        self, step: int, active: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Circuits updated before each cell, and each core's time for visits and updates."""
        if step == 0:  # nothing is computed at time 0: no sweep
            return np.zeros_like(self._all_units), np.zeros(len(self._first), dtype=np.int64)
        visits = self._all_units
        updated = visits
        if active is not None:
            active = active[self._cells] if self._shuffled else active[: len(self._cells)]
            updated = self._updated
            np.cumsum(active if self._one_unit else self._units * active, out=updated[1:])
        self._done.visits += int(visits[-1])
        self._done.updates += int(updated[-1])
        sweep_ps = (visits[self._last] - visits[self._first]) * self.times.visit_ps
        sweep_ps += (updated[self._last] - updated[self._first]) * self.times.update_ps
        return updated, sweep_ps

    def _messages(
        self,
        step: int,
        fired: NDArray[np.int64],
        updated: NDArray[np.int64],
        sweep_ps: NDArray[np.int64],
    ) -> Messages:
        """One message for each axon of each cell that fired, by core and then in sweep order.

        Adds the time of spikes and messages to ``sweep_ps``.
        """
        if not len(fired):
            return no_messages(step)
        on_core = self.placement.core_of[fired] >= 0
        spiking, host = np.sort(self._place[fired[on_core]]), fired[~on_core]
        self._done.spikes += len(spiking)
        times, indptr = self.times, self.placement.axons.indptr
        n = int((indptr[fired + 1] - indptr[fired]).sum())
        axon, sent_ps = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
        function = compiled(send) if can_compile() else send
        function(
            host, spiking, self._cells, self._core, self._first, self._all_units, updated,
            indptr, times.visit_ps if step else 0, times.update_ps if step else 0,
            times.spike_ps if step else 0, times.spike_ps, times.message_out_ps,
            axon, sent_ps, sweep_ps, self._used,
        )  # fmt: skip
        return AxonMessages(step, axon, sent_ps, self._routes)

    @property
    def operations(self) -> Operations:
        """How often each operation was done so far."""
        routes, used, done = self._routes, self._used, self._done
        synapses, dense, shared = routes.synapses * used, self._dense, self._shared
        row, column, bridge = self._mesh.hops(routes.begin, routes.end)
        return replace(
            done,
            messages_out=int(used.sum()),
            messages_in=int(used.sum()),
            synapses_dense=int(synapses[dense & ~shared].sum()),
            synapses_sparse=int(synapses[~(dense | shared)].sum()),
            synapses_shared=int(synapses[shared].sum()),
            hops_row=int(row @ used),
            hops_column=int(column @ used),
            hops_bridge=int(bridge @ used),
        )

    @property
    def busy_ps(self) -> NDArray[np.int64]:
        """Busy time of each core so far: of the busier of its sweep and receiver, which overlap."""
        received_ps = np.zeros_like(self._swept_ps)
        np.add.at(received_ps, self._routes.target, self._routes.service_ps * self._used)
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
            some = np.flatnonzero(self._uncounted)
            begin, end = self._routes.begin[some], self._routes.end[some]
            self._engine.count(begin, end, self._uncounted[some])
            self._uncounted[:] = 0
        return self._engine.links()
