"""The chip: what it makes of a network, where everything goes, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hwmodels.chip import Chip, Neurons, Translation
from hwmodels.chips.truenorth.configuration import Configuration, Settings
from hwmodels.chips.truenorth.layout import Layout
from hwmodels.chips.truenorth.neurons import CellNeurons, Crossbars
from hwmodels.chips.truenorth.run import TrueNorthRun
from hwmodels.chips.truenorth.spec import TrueNorthSpec
from hwmodels.chips.truenorth.translation import retranslate, translate
from hwmodels.chips.truenorth.transport import Fabric
from hwmodels.errors import ModelError
from hwmodels.fabric.multicore import FIDELITIES
from hwmodels.mapping import Axons, Placement
from hwmodels.mapping.mappers import MAPPERS
from hwmodels.network import Network
from hwmodels.options import choice, optional_number, whole_number
from hwmodels.result import HardwareReport
from hwmodels.spec import whole


class TrueNorth(Chip):
    """TrueNorth-style: 4,096 crossbar cores of integer neurons on a mesh, with a global tick.

    Parameters
    ----------
    spec, effects, **changes
        See :class:`hwmodels.chip.Chip`. Effects: ``time_step`` (only with ``step_ms``),
        ``weight_precision`` (four values a neuron), ``arithmetic`` (integer neurons without
        synaptic currents, linear leak), ``fan_in`` (axons of a core), ``fan_out`` (one destination
        a neuron, delays up to 15 ticks: relays), ``fabric`` (packets take time, a spike is a bit
        in a slot).
    fidelity : {"compiled", "reference", "analytic"}
        Timing by compiled kernels, by the SimPy processes these equal, or in closed form without
        contention.
    step_ms : float, optional
        Biological time of one tick; the script's own time step by default.
    leak : {"nearest", "stochastic"}
        A leak below one unit a tick: rounded, or drawn at random.
    synapses : {"at_once", "centred"}
        When the charge of a synaptic current acts: at its beginning, or at its mean time.
    overflow : {"merge", "refuse"}
        What happens to inputs of a cell beyond a core's axons: neurons that count them, or an
        error.
    counters : int
        Neurons that count for a group of inputs (at most all of a core); more than so many
        spikes of a group in a tick are lost.
    mapper : {"sequential", "traffic"}
        Cells to cores in the script's order and cores side by side, or what talks together and
        near to each other.
    """

    name = "truenorth"
    spec_type = TrueNorthSpec
    parameter_sets = ("fit_b", "fit_a", "ranc")
    all_effects = (
        "time_step", "weight_precision", "arithmetic", "fan_in", "fan_out", "fabric",
    )  # fmt: skip

    fidelity = choice(*FIDELITIES)
    step_ms = optional_number()
    leak = choice("nearest", "stochastic")
    synapses = choice("at_once", "centred")
    overflow = choice("merge", "refuse")
    counters = whole_number(16, least=1)
    mapper = choice(*MAPPERS)

    def __init__(
        self,
        spec: str | Path | TrueNorthSpec | None = None,
        effects: str | Sequence[str] | None = None,
        **changes: Any,
    ) -> None:
        super().__init__(spec, effects, **changes)
        most = self.spec.leak_max + 2  # the leak of counter j is 1 - j
        self.counters = min(whole("counters", self.counters, 1, most), self.spec.neurons_per_core)
        self._latest: Translation | None = None

    @property
    def _settings(self) -> Settings:
        return Settings(
            self.spec,
            self.effects,
            stochastic_leak=self.leak == "stochastic",
            centred=self.synapses == "centred",
            counters=self.counters if self.overflow == "merge" else 0,
            mapper=self.mapper,
        )

    def function(self) -> Mapping[str, Any] | None:
        """See :class:`hwmodels.chip.Chip`; a packet that is late changes what is computed."""
        if "fabric" in self.effects:
            return None
        names = ("axons_per_core", "neurons_per_core", "columns", "rows")
        return {
            "effects": list(self.effects),
            "step_ms": self.step_ms,
            "leak": self.leak,
            "synapses": self.synapses,
            "overflow": self.overflow,
            "counters": self.counters,
            "mapper": self.mapper,
            **self.spec.number_formats(),
            **{name: getattr(self.spec, name) for name in names},
        }

    def translate(self, network: Network, since: Translation | None = None) -> Translation:
        """The network as the chip has it; see :class:`hwmodels.chip.Chip`."""
        network, counts = self.on_own_grid(network)
        if since is None:
            translation = translate(network, self._settings)
        else:
            translation = retranslate(network, since, self._settings)
        self._latest = translation._replace(counts={**counts, **translation.counts})
        return self._latest

    def translated(self, network: Network) -> Translation:
        """The translation that a network came from, which must be the latest.

        Raises
        ------
        ModelError
            For a network that this chip did not translate last.
        """
        if self._latest is None or self._latest.network is not network:
            raise ModelError("a run goes on with the network that was translated last")
        return self._latest

    def map(self, translation: Translation) -> Placement:
        """Where :meth:`translate` put everything, for what a core holds decides the weights."""
        configuration: Any = translation.formats
        layout, cells = configuration.layout, int(translation.network.offsets[-1])
        axon = configuration.axon[configuration.axon >= 0]
        cell_of = np.zeros(len(layout.axon_core), dtype=np.int64)
        cell_of[axon] = configuration.pairs.source[configuration.axon >= 0]
        served = np.unique(axon)
        order = served[np.lexsort((layout.axon_core[served], cell_of[served]))]
        return Placement(
            core_of=layout.unit_core[:cells],
            position=layout.position,
            neurons=layout.neurons(),
            synapses=np.bincount(
                layout.axon_core, layout.axon_synapses, minlength=layout.cores
            ).astype(np.int64),
            memory=layout.axons(),
            axons=Axons(
                np.searchsorted(cell_of[order], np.arange(cells + 1)).astype(np.int64),
                layout.axon_core[order],
                layout.axon_synapses[order].astype(np.int32),
                np.zeros(len(order), dtype=bool),
            ),
        )

    def run(
        self, translation: Translation, placement: Placement, neurons: Neurons | None = None
    ) -> TrueNorthRun:
        """Schedulers, neurons and packets, tick by tick.

        Raises
        ------
        UnsupportedError
            Without neurons, when the effect ``arithmetic`` is off.
        """
        configuration: Any = translation.formats
        network, spec = translation.network, self.spec
        computer: Crossbars | Neurons
        if neurons is None:
            self.require_arithmetic()
        if neurons is not None:
            computer = neurons
        elif {"weight_precision", "fan_in", "fan_out", "fabric"} <= set(self.effects):
            computer = Crossbars(spec, network, configuration)
        else:
            computer = CellNeurons(spec, network, configuration)
        return TrueNorthRun(self, translation, self.fabric(configuration), computer)

    def fabric(self, configuration: Configuration) -> Fabric:
        """The mesh and the schedulers for a network that was laid out."""
        fidelity = self.fidelity if "fabric" in self.effects else "free"
        return Fabric(self.spec, configuration.layout, fidelity)

    def report(self, translation: Translation, fabric: Fabric, steps: int) -> HardwareReport:
        """Everything the chip did in so many steps."""
        spec, configuration = self.spec, translation.formats
        assert isinstance(configuration, Configuration)
        layout = configuration.layout
        return self.hardware_report(
            fidelity=fabric.fidelity,
            mesh=spec.mesh,
            packets=fabric.packets,
            links=fabric.links(),
            cores=fabric.cores(),
            energy=fabric.energy(),
            step_ps=np.array(fabric.step_ps[: steps + 1], dtype=np.int64),
            step_ms=translation.network.timestep_ms,
            sources={
                "energy": f"of whole chips at {spec.supply_V:g} V, used or not; "
                "the fit less row reads and hops, which are counted on their own",
                "timing": "of cores and routers is not published; it decides only which packets "
                "miss their tick",
                "relays": f"{layout.relays} of {int(layout.neurons().sum())} neurons on "
                f"{layout.cores} cores repeat spikes for cells with more than one destination",
                **_counting(layout),
                **_cells(translation.network, self.effects),
                "spike sources": "enter at the edge, router "
                f"({spec.host_column}, {spec.host_row}), one packet after another; they need no "
                "relays and hold what is due in more than "
                f"{spec.delay_ticks_max} ticks",
            },
        )


def _cells(network: Network, effects: Sequence[str]) -> dict[str, str]:
    """What the arithmetic is not, of the cells that it computes."""
    kinds = {p.celltype for p in network.populations}
    if "arithmetic" not in effects or not any(kind.startswith("IF_curr") for kind in kinds):
        return {}
    exp = "a synaptic current is one jump of its charge; " if "IF_curr_exp" in kinds else ""
    return {
        "cells": f"{exp}the leak is constant, the mean of the exact one between reset and "
        "threshold (the row 'threshold leak' compares them where a cell fires); there is no "
        "refractory time but in the interval of cells whose drive alone makes them fire"
    }


def _counting(layout: Layout) -> dict[str, str]:
    if not layout.counters:
        return {}
    return {
        "counters": f"{layout.counters} neurons merge {len(layout.entry_axon)} inputs of cells "
        "with more inputs than a core has axons"
    }
