"""Time and energy: sweeps, mesh, receive queues and barrier in Loihi's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Transit, Translation
from hwmodels.chips.loihi.spec import LoihiSpec
from hwmodels.fabric.mesh import MeshTimes
from hwmodels.fabric.multicore import CoreTimes, MulticoreTransport
from hwmodels.mapping import Placement
from hwmodels.result import HardwareReport
from hwmodels.spec import picoseconds

if TYPE_CHECKING:
    from hwmodels.chips.loihi.chip import Loihi


class LoihiTransport(MulticoreTransport):
    """Loihi's numbers on a mesh of cores, with the energy of what happened."""

    def __init__(
        self,
        chip: Loihi,
        translation: Translation,
        placement: Placement,
        units_of: NDArray[np.int64],
    ) -> None:
        spec, self._chip = chip.spec, chip
        # Without a barrier each packet may have a fate of its own.
        self._counts = chip.carries_payloads and chip.clocking == "barrier"
        self._step_ms = translation.network.timestep_ms
        self._chips = _chips(placement, spec)
        # What lies beyond the last chip in use carries nothing, so it need not be there.
        across, along = (1 + int(self._chips[:, k].max(initial=0)) for k in (0, 1))
        self._array = (
            max(across, 1 + spec.host_column // spec.columns),
            max(along, 1 + spec.host_row // spec.rows),
        )
        routers = np.unique(placement.position.reshape(-1, 2), axis=0)
        on_chip = np.unique(routers // [spec.columns, spec.rows], axis=0, return_counts=True)[1]
        tiles = int(on_chip.max(initial=1))
        period_ps = None
        if chip.clocking == "free_running":
            step_ns = chip.step_ns if chip.step_ns is not None else self._step_ms * 1e6
            period_ps = picoseconds(step_ns)
        super().__init__(
            placement,
            units_of,
            MeshTimes(
                columns=spec.columns * self._array[0],
                rows=spec.rows * self._array[1],
                ports=spec.cores_per_tile + 1,
                row_latency_ps=picoseconds(spec.hop_ew_ns),
                column_latency_ps=picoseconds(spec.hop_ns_ns),
                row_cycle_ps=picoseconds(spec.link_cycle_ns),
                column_cycle_ps=picoseconds(spec.link_cycle_ns),
                link_depth=spec.link_buffer_packets,
                port_depth=spec.core_buffer_packets,
                credit_ps=picoseconds(spec.credit_ns),
                chip_columns=spec.columns,
                chip_rows=spec.rows,
                bridge_ps=picoseconds(spec.chip_hop_ns),
                clock_ps=max(picoseconds(spec.router_clock_ns), 1),
            ),
            CoreTimes(
                visit_ps=picoseconds(spec.visit_ns),
                update_ps=picoseconds(spec.update_ns),
                spike_ps=picoseconds(spec.spike_ns),
                message_out_ps=picoseconds(spec.message_out_ns),
                message_in_ps=picoseconds(spec.message_in_ns),
                synapse_dense_ps=picoseconds(spec.synapse_dense_ns),
                synapse_sparse_ps=picoseconds(spec.synapse_sparse_ns),
                synapse_shared_ps=picoseconds(spec.synapse_shared_ns),
            ),
            overhead_ps=picoseconds(spec.barrier_of(tiles, (across, along)))
            + picoseconds(spec.management_of(tiles)),
            fidelity=chip.fidelity if "fabric" in chip.effects else "free",
            period_ps=period_ps,
            host=(spec.host_column, spec.host_row),
            keep_packets=chip.packets == "kept",
        )

    def step(
        self, step: int, fired: NDArray[np.int64], active: NDArray[np.bool_] | None
    ) -> Transit | None:
        """See :class:`hwmodels.chip.Transport`; several spikes of a cell are one that says so."""
        return super().step(step, np.unique(fired) if self._counts else fired, active)

    def steps(
        self, first: int, starts: NDArray[np.int64], fired: NDArray[np.int64],
        active: NDArray[np.bool_] | None,
    ) -> None:  # fmt: skip
        """Several steps at once; see :class:`hwmodels.fabric.multicore.MulticoreTransport`."""
        if self._counts:
            some = fired[starts[0] : starts[-1]]
            steps = len(starts) - 1
            at = np.repeat(np.arange(steps), np.diff(starts))
            new = (np.diff(some, prepend=-1) != 0) | (np.diff(at, prepend=-1) != 0)
            starts = np.concatenate(([0], np.cumsum(np.bincount(at[new], minlength=steps))))
            fired = some[new]
        super().steps(first, starts, fired, active)

    def report(self, steps: int) -> HardwareReport:
        """Everything the chip did; see :class:`hwmodels.chip.Transport`."""
        spec, done = self._chip.spec, self.operations
        energy = [
            ("compartment visits", done.visits, spec.visit_pJ),
            ("compartment updates", done.updates, spec.update_pJ),
            ("spikes generated", done.spikes, spec.spike_pJ),
            ("messages sent", done.messages_out, spec.message_out_pJ),
            ("messages received", done.messages_in, spec.message_in_pJ),
            ("synapses, contiguous", done.synapses_dense, spec.synapse_dense_pJ),
            ("synapses, indexed", done.synapses_sparse, spec.synapse_sparse_pJ),
            ("hops east or west", done.hops_row, spec.hop_ew_pJ),
            ("hops north or south", done.hops_column, spec.hop_ns_pJ),
        ]
        if self._chip.sharing == "auto":
            energy.append(("synapses, shared", done.synapses_shared, spec.synapse_shared_pJ))
        if len(self._chips) > 1:
            energy.append(("hops from chip to chip", done.hops_bridge, spec.chip_hop_pJ))
        if "noise" in self._chip.effects:
            draws = steps * int(self.placement.neurons.sum())  # nothing is computed at time 0
            energy.append(("noise draws", draws, spec.noise_pJ))
        return self._chip.hardware_report(
            fidelity=self.fidelity,
            mesh=(spec.columns * self._array[0], spec.rows * self._array[1]),
            packets=self.packets,
            links=self.links(),
            cores=self.cores(spec.synaptic_words_per_core),
            energy=energy,
            step_ps=np.array(self.step_ps[: steps + 1], dtype=np.int64),
            step_ms=self._step_ms,
            sources={
                **spec.caveats(spec.fields_in_use(len(self._chips))),
                **({"chips used": self._chips_used()} if spec.chips > 1 else {}),
                "static power": f"{spec.static_mW:g} mW a chip ({len(self._chips)} in use), not in "
                f"the energy shown ({spec.sources.get('static_mW', ('',))[0]})",
                "spike sources": "injected by the host at router "
                f"({spec.host_column}, {spec.host_row}), one message after another",
                "two time constants": "a joined compartment computes inhibition where tau_syn_E "
                "and tau_syn_I differ; dendritic joins are recalled, not verified",
                "delays": f"a compartment has {spec.delay_slots} slots; one with longer delays, up "
                f"to {spec.delay_steps_max} steps, takes those of 2, 4, 8 ... compartments",
                **(
                    {
                        "graded spikes": "carry the weight where a source has one, and how often "
                        "a source spikes at one time; they take no longer than others (not "
                        "published)"
                    }
                    if self._chip.carries_payloads
                    else {}
                ),
                "synaptic memory": _memory(self.placement.lists),
            },
        )

    def _chips_used(self) -> str:
        """Chips in use and cores on each, in words."""
        spec, chips = self._chip.spec, self._chips
        cores = np.unique(_chip_of(self.placement, spec), axis=0, return_counts=True)[1]
        text = f"{len(chips)} of {spec.chip_columns} x {spec.chip_rows}"
        return text if len(chips) < 2 else f"{text}; {cores.min()} to {cores.max()} cores on each"


def _memory(lists: NDArray) -> str:
    """How synapses are stored and what that saves, in words."""
    parts = []
    for name in ("dense", "indexed", "shared"):
        rows = lists[lists["format"] == name]
        if rows["synapses"].sum():
            parts.append(
                f"{rows['synapses'].sum():,} synapses in {rows['lists'].sum():,} {name} lists of "
                f"{rows['words'].sum():,} words"
            )
    words, plain = int(lists["words"].sum()), int(lists["plain_words"].sum())
    if not words:
        return "no synapses"
    saved = f"{100 * (1 - words / plain):.0f} %"
    return f"{'; '.join(parts)}; {saved} less than with an index for each synapse"


def _chip_of(placement: Placement, spec: LoihiSpec) -> NDArray[np.int64]:
    """Column and row of the chip of each core."""
    size = np.array([spec.columns, spec.rows])
    return np.asarray(placement.position.reshape(-1, 2) // size, dtype=np.int64)


def _chips(placement: Placement, spec: LoihiSpec) -> NDArray[np.int64]:
    """Columns and rows of all chips in use; an empty network has one."""
    used = np.unique(_chip_of(placement, spec), axis=0)
    return used if len(used) else np.zeros((1, 2), dtype=np.int64)
