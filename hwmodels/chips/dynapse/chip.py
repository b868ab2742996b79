"""The chip: what it makes of a network, where everything goes, and who computes it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Chip, Neurons, Run, Transit, Translation, postponed
from hwmodels.chips.dynapse.fabric import Fabric
from hwmodels.chips.dynapse.faults import fault_profiles
from hwmodels.chips.dynapse.layout import Layout
from hwmodels.chips.dynapse.spec import DynapseSpec
from hwmodels.chips.dynapse.translation import (
    Configuration,
    Settings,
    retranslate,
    translate,
)
from hwmodels.errors import ModelError
from hwmodels.fabric.multicore import FIDELITIES
from hwmodels.lockstep import LockstepRun
from hwmodels.mapping import Placement
from hwmodels.mapping.mappers import MAPPERS
from hwmodels.mapping.placement import build_axons
from hwmodels.network import Network
from hwmodels.options import choice, whole_number
from hwmodels.result import PACKET, HardwareReport
from hwmodels.spec import picoseconds

_NO_PACKETS = np.empty(0, dtype=PACKET)


class Dynapse(Chip):
    """DynapSE-style: analogue silicon neurons, four cores a chip, asynchronous tag routing.

    Parameters
    ----------
    spec, effects, **changes
        See :class:`hwmodels.chip.Chip`; ``docs/dynapse.md`` says what each effect is.
    fidelity : {"compiled", "reference", "analytic"}
        Routers with queues and handshakes by compiled kernels, by the SimPy processes these equal,
        or latencies that simply add up.
    overflow : {"refuse", "truncate"}
        What to do with inputs beyond the CAM words of a neuron and chips beyond its routing words.
    sharing : {"strict", "mean"}
        Cells of different parameters on cores of their own, or the mean of each population.
    monitoring : {"no", "yes"}
        Whether one routing word of each neuron serves the monitor.
    mapper : {"sequential", "traffic"}
        Cells fill cores in their order, or cores and chips hold what talks together.
    chip_seed : int
        Which chip out of all alike: mismatch and faults are drawn from it.
    cam_profile : {"even", "orange", "red", "green"}
        CAM words fail by one density for all, or also where they do on a chip that was measured.
    avoid_faults : {"yes", "no"}
        Whether tags that are free to choose are those for which fewest words of a profile fail.
    """

    name = "dynapse"
    spec_type = DynapseSpec
    parameter_sets = ("dynapse1", "dynapse2")
    specimen_option = "chip_seed"
    all_effects = (
        "delays", "fan_in", "fan_out", "weight_precision", "tags", "shared_biases",
        "bias_precision", "mismatch", "cam_faults", "arithmetic", "fabric",
    )  # fmt: skip

    fidelity = choice(*FIDELITIES)
    overflow = choice("refuse", "truncate")
    sharing = choice("strict", "mean")
    monitoring = choice("no", "yes")
    mapper = choice(*MAPPERS)
    chip_seed = whole_number(1)
    cam_profile = choice("even", *fault_profiles())
    avoid_faults = choice("yes", "no")

    def absent_effects(self) -> set[str]:
        """Spread and faults that the numbers do not have; see :class:`hwmodels.chip.Chip`."""
        faults = self.spec.cam_fault_density or self.cam_profile != "even"
        there = {"mismatch": self.spec.mismatch_cv, "cam_faults": faults}
        return super().absent_effects() | {effect for effect, much in there.items() if not much}

    @property
    def _settings(self) -> Settings:
        return Settings(
            self.spec,
            self.effects,
            truncate=self.overflow == "truncate",
            sharing_mean=self.sharing == "mean",
            monitored=self.monitoring == "yes",
            seed=self.chip_seed,
            profile=fault_profiles().get(self.cam_profile),
            avoid_faults=self.avoid_faults == "yes",
            mapper=self.mapper,
        )

    def translate(self, network: Network, since: Translation | None = None) -> Translation:
        """The network as the board holds it; see :class:`hwmodels.chip.Chip`."""
        if since is not None:
            return retranslate(network, since, self._settings)
        return translate(network, self._settings)

    def map(self, translation: Translation) -> Placement:
        """Where :meth:`translate` put everything, for what a core holds decides the weights."""
        configuration: Any = translation.formats
        return _placement(configuration, self.spec)

    def run(
        self, translation: Translation, placement: Placement, neurons: Neurons | None = None
    ) -> Run:
        """Silicon neurons in continuous time, or other neurons in lock-step with the fabric.

        Raises
        ------
        ModelError
            Without neurons, when the effect ``arithmetic`` is off.
        """
        fabric = self.fabric(translation)
        if neurons is not None:
            transport = DynapseTransport(self, translation, fabric)
            return LockstepRun(translation.network, neurons, transport, placement.core_of)
        self.require_arithmetic()
        from hwmodels.chips.dynapse.run import DynapseRun

        return DynapseRun(self, translation, fabric)

    def fabric(self, translation: Translation) -> Fabric:
        """The routers of a translated network."""
        configuration: Any = translation.formats
        return Fabric(
            self.spec,
            translation.network,
            configuration.layout,
            configuration.routing,
            self.fidelity if "fabric" in self.effects else "free",
        )

    def _fault_source(self) -> dict[str, str]:
        profile = fault_profiles().get(self.cam_profile)
        if profile is None or "cam_faults" not in self.effects:
            return {}
        return {"CAM faults": f"as on the DYNAP-SE2 chip {profile.name!r}: {profile.source}"}

    def report(
        self, translation: Translation, fabric: Fabric, step_ps: NDArray[np.int64]
    ) -> HardwareReport:
        """Everything the board did in steps of the network's grid that took so long each."""
        configuration: Any = translation.formats
        spec, synapses, layout = self.spec, configuration.synapses, configuration.layout
        there = synapses.level > 0
        core = layout.core[synapses.target[there]]
        return self.hardware_report(
            fidelity=fabric.fidelity,
            mesh=(spec.columns, spec.rows),
            packets=fabric.packets,
            links=fabric.links(),
            cores=fabric.cores(
                np.bincount(core, minlength=layout.cores),
                np.bincount(core, synapses.words(spec)[there], layout.cores).astype(np.int64),
            ),
            energy=fabric.energy(),
            step_ps=step_ps,
            step_ms=translation.network.timestep_ms,
            sources=_sources(spec) | self._fault_source(),
        )


class DynapseTransport:
    """The fabric for neurons on a time grid. Implements :class:`hwmodels.chip.Transport`.

    All spikes of a step are sent at its time; a packet acts with the step in which it arrives.
    """

    def __init__(self, chip: Dynapse, translation: Translation, fabric: Fabric) -> None:
        self._chip, self._translation, self._fabric = chip, translation, fabric
        self._steps_ps: list[int] = []
        self._now_ps = 0

    def step(
        self, step: int, fired: NDArray[np.int64], active: NDArray[np.bool_] | None
    ) -> Transit | None:
        """Carry the spikes of one step; see :class:`hwmodels.chip.Transport`."""
        first = len(self._fabric.packets)
        # Time 0 is the initial state: it takes time only where a source spikes at once.
        passes = step > 0 or len(fired) > 0
        self._steps_ps.append(step_ps(self._translation.network) if passes else 0)
        times = np.full(len(fired), self._now_ps, dtype=np.int64)
        self._now_ps += self._steps_ps[-1]
        delivered = self._fabric.send(step, fired, times, self._now_ps)
        packets = self._fabric.packets
        sent, lost = packets[first:], delivered.dropped
        open_rows = first + np.flatnonzero(sent["arrive_ps"] < 0)
        return Transit.of(
            held=packets[np.setdiff1d(open_rows, lost)],
            arrived=packets[delivered.row[delivered.row < first]],
            lost=packets[lost] if len(lost) else _NO_PACKETS,
        )

    def late(
        self, sent: int, due: NDArray[np.int64], late_steps: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """A delay begins when the core has the packet, so it does not help."""
        return postponed(sent, due, late_steps)

    def report(self, steps: int) -> HardwareReport:
        """Everything the fabric did; see :class:`hwmodels.chip.Transport`."""
        taken = np.array(self._steps_ps[: steps + 1], dtype=np.int64)
        return self._chip.report(self._translation, self._fabric, taken)


def step_ps(network: Network) -> int:
    """The time step of a network as time of the chip, which runs in real time."""
    duration = picoseconds(network.timestep_ms * 1e6)
    if duration < 1:
        raise ModelError(f"a time step must last at least 1 ps, got {network.timestep_ms:g} ms")
    return duration


def _placement(configuration: Configuration, spec: DynapseSpec) -> Placement:
    layout: Layout = configuration.layout
    synapses = configuration.synapses
    there = synapses.level > 0
    core = layout.core[synapses.target[there]]
    chips = np.arange(layout.cores) // spec.cores_per_chip
    return Placement(
        core_of=layout.core,
        position=np.stack([chips // spec.rows, chips % spec.rows], axis=1).astype(np.int16),
        neurons=np.bincount(layout.core[layout.core >= 0], minlength=layout.cores),
        synapses=np.bincount(core, minlength=layout.cores),
        memory=np.bincount(core, synapses.words(spec)[there], layout.cores).astype(np.int64),
        axons=build_axons(configuration.source, layout.core, layout.slot.astype(np.int64)),
    )


def _sources(spec: DynapseSpec) -> dict[str, str]:
    """What a reader of a report should know besides the numbers."""
    return {
        "static power": f"{spec.static_mW:g} mW a chip, not in the energy shown "
        f"({spec.sources.get('static_mW', ('',))[0]})",
        "spike sources": "sent by the stimulus FPGA at chip "
        f"({spec.host_column}, {spec.host_row}), one event after another",
        "time": "free-running in real time: a step is one of the script's, nothing on the chip",
    }
