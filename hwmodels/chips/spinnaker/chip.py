"""The chip: what it makes of a network, where everything goes, and who computes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Chip, Neurons, Run, Translation
from hwmodels.chips.spinnaker.formats import (
    Format,
    check_delays,
    check_dynamics,
    make_formats,
    parameter_rows,
    quantised,
)
from hwmodels.chips.spinnaker.layout import Layout, as_placement, place
from hwmodels.chips.spinnaker.machine import Conditions, Machine
from hwmodels.chips.spinnaker.run import SpinnakerRun
from hwmodels.chips.spinnaker.spec import SpinnakerSpec
from hwmodels.chips.spinnaker.tables import table_sizes
from hwmodels.chips.spinnaker.transport import SpinnakerTransport
from hwmodels.lockstep import LockstepRun
from hwmodels.mapping import Placement
from hwmodels.mapping.mappers import MAPPERS
from hwmodels.network import Network
from hwmodels.options import choice, number, optional_number, whole_number
from hwmodels.result import QUANTISATION, HardwareReport

#: Who runs cores and fabric.
FIDELITIES = ("compiled", "reference")


class Spinnaker(Chip):
    """SpiNNaker-style: ARM cores in software real time on a multicast torus.

    Parameters
    ----------
    spec, effects, **changes
        See :class:`hwmodels.chip.Chip`. Effects: ``time_step`` (only with ``step_ms``),
        ``weight_precision`` (16 bits and a shift), ``arithmetic`` (s16.15 neurons), ``core_load``
        (work takes time: overruns, full queues, late rows), ``fabric`` (links and routers take
        time and drop).
    fidelity : {"compiled", "reference"}
        Cores and fabric by a compiled kernel, or by the SimPy processes it equals.
    step_ms : float, optional
        Biological time of a tick; the script's own time step by default.
    mapper : {"sequential", "traffic"}
        Cores fill chips in their order, or those that talk to each other share one or lie near.
    time_scale_factor : float
        Wall-clock of a tick over its biological time; the toolchain's option of the same name.
    chip_seed : int
        Which machine out of all alike: the phases of the timers are drawn from it.
    """

    name = "spinnaker"
    spec_type = SpinnakerSpec
    parameter_sets = ("spinnaker1", "spinnaker2")
    specimen_option = "chip_seed"
    all_effects = ("time_step", "weight_precision", "arithmetic", "core_load", "fabric")

    fidelity = choice(*FIDELITIES)
    step_ms = optional_number()
    mapper = choice(*MAPPERS)
    time_scale_factor = number(1.0)
    chip_seed = whole_number(1)
    _placed: tuple[Translation, Layout] | None = None

    # A network in the machine's numbers

    def translate(self, network: Network, since: Translation | None = None) -> Translation:
        """The network in the machine's precision; see :class:`hwmodels.chip.Chip`."""
        network, counts = self.on_own_grid(network)
        check_dynamics(network)
        extended = check_delays(network, self.spec)
        if extended:
            counts["synapses on delay extensions"] = extended
        native = "arithmetic" in self.effects
        formats: Mapping[int, Format] = (
            since.formats if since is not None else make_formats(network, self.spec, native)
        )
        projections, rows = list(network.projections), []
        if "weight_precision" in self.effects:
            lost = 0
            for k, projection in enumerate(network.projections):
                if projection.post not in formats or not projection.n_synapses:
                    continue
                weight, row, zeros = quantised(network, projection, formats[projection.post])
                rows.append(row)
                lost += zeros
                projections[k] = replace(projection, weight=weight)
            counts["weights clipped"] = sum(int(row[-1]) for row in rows)
            counts["weights rounded to zero"] = lost
        if native:
            for index in formats:
                rows += parameter_rows(network.populations[index], network.timestep_ms, self.spec)
        return Translation(
            replace(network, projections=tuple(projections)),
            np.array(rows, dtype=QUANTISATION),
            counts,
            formats,
        )

    # Where everything goes

    def map(self, translation: Translation) -> Placement:
        """Slices of populations on cores in order; see :class:`hwmodels.chip.Chip`."""
        layout = self._place(translation)
        return as_placement(translation.network, layout, self.spec)

    def _place(self, translation: Translation) -> Layout:
        """The layout of a translation; that of the last one is kept, since two parts ask for it."""
        if self._placed is None or self._placed[0] is not translation:
            self._placed = translation, place(translation.network, self.spec, self.mapper)
        return self._placed[1]

    # Arithmetic and time

    def run(
        self, translation: Translation, placement: Placement, neurons: Neurons | None = None
    ) -> Run:
        """Cores with timers of their own, or other neurons in lock-step with the machine.

        Raises
        ------
        ModelError
            Without neurons, when the effect ``arithmetic`` is off.
        """
        if neurons is not None:
            # Their delays are the lock-step's, so that no core holds them.
            layout = place(translation.network, self.spec, self.mapper, extended=False)
            transport = SpinnakerTransport(self, translation, layout, placement)
            return LockstepRun(translation.network, neurons, transport, placement.core_of)
        self.require_arithmetic()
        return SpinnakerRun(self, translation, self._place(translation))

    def machine(
        self, network: Network, layout: Layout, formats: Mapping[int, Format], native: bool
    ) -> Machine:
        """The cores and the fabric of a placed network, by the fidelity that was chosen."""
        parts = (self.spec, network, layout, formats, self.conditions(network, native))
        if self.fidelity == "reference":
            from hwmodels.chips.spinnaker.reference import ReferenceMachine

            return ReferenceMachine(*parts)
        return Machine(*parts)

    def conditions(self, network: Network, native: bool) -> Conditions:
        """What is ideal in a run."""
        return Conditions(
            tick_ps=max(1, round(network.timestep_ms * self.time_scale_factor * 1e9)),
            native=native,
            exact_weights="weight_precision" not in self.effects,
            ideal_cores="core_load" not in self.effects,
            ideal_fabric="fabric" not in self.effects,
            seed=self.chip_seed,
        )

    def report(
        self, machine: Machine, network: Network, step_ps: NDArray[np.int64]
    ) -> HardwareReport:
        """Everything the machine did in ticks that took so long each."""
        shape = machine.layout.machine
        columns, rows = (shape.position.max(axis=0) + 1).tolist()
        return self.hardware_report(
            fidelity=self.fidelity if "fabric" in self.effects else "free",
            mesh=(int(columns), int(rows)),
            step_ps=step_ps,
            step_ms=network.timestep_ms,
            packets=machine.packets(),
            links=machine.links(),
            cores=machine.cores(),
            energy=machine.energy(int(step_ps.sum())),
            sources=self._sources(machine, len(step_ps) - 1),
        )

    def _sources(self, machine: Machine, steps: int) -> dict[str, str]:
        """Where the numbers come from, and what a reader of the report should know."""
        layout, spec = machine.layout, self.spec
        sizes = table_sizes(layout.tables)
        overruns = machine.counts()["timer overruns"]
        keeping_up = f"{overruns}"
        if overruns:
            keeping_up += (
                f"; the busiest core needs {machine.load(steps):.3g} x real time: "
                "time_scale_factor=... or fewer neurons_per_core"
            )
        return {
            "routing tables": f"at most {int(sizes.max(initial=0))} entries of "
            f"{spec.table_entries} on a chip, {layout.saved_entries} saved by minimising",
            "timer overruns": keeping_up,
            "longest input queue": f"{machine.most_queued()} spikes of {spec.queue_spikes - 1}",
            "energy": "power over time, whatever the cores do; a core at work is one in use",
            "time": "software real time: a tick lasts its biological time times "
            f"time_scale_factor ({self.time_scale_factor:g})",
        }
