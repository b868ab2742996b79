"""The chip: what it makes of a network, its circuits, and who computes the neurons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Chip, Neurons, Run, Translation
from hwmodels.chips.sfq.configuration import Settings
from hwmodels.chips.sfq.spec import SfqSpec
from hwmodels.chips.sfq.translation import RESETS, retranslate, translate
from hwmodels.chips.sfq.wiring import Style
from hwmodels.errors import CapacityError, ModelError
from hwmodels.fabric.pulse import Conditions
from hwmodels.fabric.pulse_cells import CellLibrary, load_library
from hwmodels.fabric.pulse_netlist import Netlist
from hwmodels.lockstep import LockstepRun
from hwmodels.mapping import Placement
from hwmodels.mapping.placement import build_axons
from hwmodels.network import Network
from hwmodels.options import choice, number, optional_number, text, whole_number
from hwmodels.result import ENERGY, QUANTISATION, RESOURCE, HardwareReport

#: Magnetic flux quantum in V s.
_FLUX_QUANTUM_VS = 2.0678e-15


class Sfq(Chip):
    """SFQ-style: a network as a circuit of superconducting cells, pulses in picoseconds.

    Parameters
    ----------
    spec, effects, **changes
        See :class:`hwmodels.chip.Chip`; ``docs/sfq.md`` says what each effect is.
    fidelity : {"compiled", "reference"}
        Numba, or the SimPy processes that it equals pulse for pulse.
    cells : str
        Cell library (a corner): ``rsfqlib``, ``pylse``, ``resistive``, or a TOML file.
    synapse : {"auto", "burst", "gate", "stochastic"}
        Several pulses for one, one bit, or a chance; what the numbers say, if not given.
    soma : {"auto", "loop", "coupled", "counter", "counter_subtract"}
        SQUID loop with leak, with inputs of a flux quantum or coupled weakly, or a counter
        without leak; weakly coupled, or a counter where the numbers say so, if not given.
    leak : {"strict", "drop"}
        What to do with a leak that a counter does not have.
    filtered : {"refuse", "burst"}
        What to do with synapses that have a filter: a burst over ``tau_syn``, or nothing.
    inhibition : {"subtract", "veto"}
        A pulse takes its quanta away, or stops the next pulse that excites.
    circuits : {"macro", "gates"}
        Multiplying synapses and counting somas as one cell each, or made of gates.
    trees : {"balanced", "chain"}
        Of splitters and mergers: of least depth, or rows.
    lines : {"jtl", "ptl"}
        Delay lines of JTLs, or passive ones between a driver and a receiver.
    stagger_ps : float
        Each further line into one merger tree is later by this, so that pulses sent together
        do not meet.
    merge_window_ps : float, optional
        Within which a merger takes two pulses for one; the library's, if not given.
    biasing : {"rsfq", "ersfq"}
        By resistors, which take power all the time, or without.
    chip_seed : int
        Which chip out of all alike: what is spread is drawn from it.
    noise_seed : int
        Of thermal noise and stochastic synapses.
    """

    name = "sfq"
    spec_type = SfqSpec
    parameter_sets = ("rsfq", "sushi_like")
    specimen_option = "chip_seed"
    all_effects = (
        "weight_precision", "stochastic", "arithmetic", "fabric", "collisions", "jitter", "spread",
    )  # fmt: skip

    fidelity = choice("compiled", "reference")
    cells = text("rsfqlib", "rsfqlib, pylse, resistive, a .toml file")
    stagger_ps = number(0.0)
    synapse = choice("auto", "burst", "gate", "stochastic")
    soma = choice("auto", *RESETS)
    leak = choice("strict", "drop")
    filtered = choice("refuse", "burst")
    circuits = choice("macro", "gates")
    inhibition = choice("subtract", "veto")
    trees = choice("balanced", "chain")
    lines = choice("jtl", "ptl")
    merge_window_ps = optional_number()
    biasing = choice("rsfq", "ersfq")
    chip_seed = whole_number(1)
    noise_seed = whole_number(1)

    def __init__(
        self,
        spec: str | Path | SfqSpec | None = None,
        effects: str | Sequence[str] | None = None,
        **changes: Any,
    ) -> None:
        super().__init__(spec, effects, **changes)
        self.library: CellLibrary = load_library(self.cells)
        if self.synapse == "auto":
            self.synapse = "burst" if self.spec.burst_max > 1 else "gate"
        if self.soma == "auto":
            # A mapper chooses the loop whose reset is PyNN's (datasheet 2.3).
            self.soma = "coupled" if self.spec.soma_leaks else "counter"
        if self.merge_window_ps is not None:
            for pair in (("a", "b"), ("b", "a")):
                self.library = self.library.with_gap("MERGE", *pair, self.merge_window_ps)

    def absent_effects(self) -> set[str]:
        """Chance and spread that options and numbers do not have; see :class:`Chip`."""
        spread = self.spec.spread_cv or self.spec.weight_spread_uA
        there = {"stochastic": self.synapse == "stochastic", "spread": spread}
        return super().absent_effects() | {effect for effect, much in there.items() if not much}

    @property
    def settings(self) -> Settings:
        """What of the chip decides a translation."""
        return Settings(self.spec, self.effects, self.synapse, self.soma, self.leak, self.filtered)

    @property
    def conditions(self) -> Conditions:
        """What of reality acts on the circuits."""
        on = self.effects
        return Conditions(
            delays="fabric" in on,
            collisions="collisions" in on,
            jitter="jitter" in on,
            chance="stochastic" in on,
            spread=self.spec.spread_cv if "spread" in on else 0.0,
            bias=self.spec.bias_factor if "fabric" in on else 1.0,
            seed=self.noise_seed,
            specimen=self.chip_seed,
        )

    def style(self, timed: bool, lead_fs: int = 0) -> Style:
        """How the chip is wired, with cells that take time or none."""
        return Style(self.trees == "chain", self.stagger_ps, self.lines == "ptl", timed, lead_fs)

    def translate(self, network: Network, since: Translation | None = None) -> Translation:
        """The network as the chip holds it; see :class:`hwmodels.chip.Chip`."""
        if since is not None:
            return retranslate(network, since, self.settings)
        return translate(network, self.settings)

    def map(self, translation: Translation) -> Placement:
        """A place for each neuron, and a line for each pair of cells that are joined."""
        network = translation.network
        core = np.full(int(network.offsets[-1]), -1, dtype=np.int32)
        neurons = np.concatenate(
            [np.empty(0, dtype=np.int64)]
            + [
                np.arange(network.offsets[k], network.offsets[k + 1])
                for k, population in enumerate(network.populations)
                if not population.is_source
            ]
        )
        core[neurons] = np.arange(len(neurons))
        axons = build_axons(network, core, np.maximum(core, 0).astype(np.int64))
        return Placement(
            core_of=core,
            position=np.zeros((len(neurons), 2), dtype=np.int16),
            neurons=np.ones(len(neurons), dtype=np.int64),
            synapses=np.bincount(axons.core, axons.synapses, len(neurons)).astype(np.int64),
            memory=np.zeros(len(neurons), dtype=np.int64),
            axons=axons,
        )

    def run(
        self, translation: Translation, placement: Placement, neurons: Neurons | None = None
    ) -> Run:
        """The whole network as one circuit, or other neurons in lock-step with its wiring.

        Raises
        ------
        ModelError
            Without neurons, when the effect ``arithmetic`` is off.
        CapacityError
            When the circuit has more junctions than the chip.
        """
        if neurons is not None:
            from hwmodels.chips.sfq.transport import SfqTransport

            transport = SfqTransport(self, translation, placement)
            return LockstepRun(translation.network, neurons, transport, placement.core_of)
        self.require_arithmetic()
        from hwmodels.chips.sfq.run import SfqRun

        return SfqRun(self, translation, placement)

    def check(self, net: Netlist, network: Network) -> None:
        """Refuse a circuit that the chip has no room for, or that its bias does not drive.

        Raises
        ------
        CapacityError
        ModelError
        """
        for name in net.counts():
            low, high = self.library[name].bias_margin or (-1.0, math.inf)
            if not 1 + low <= self.conditions.bias <= 1 + high:
                raise ModelError(
                    f"bias_factor {self.conditions.bias:g}: a {name} works from {1 + low:g} to "
                    f"{1 + high:g} times its nominal bias; below, pulses die in it, above, it "
                    "fires by itself; use a bias within"
                )
        junctions = round(net.junctions() * self.spec.wiring_overhead)
        if junctions > self.spec.junctions_max:
            largest = max(network.projections, key=lambda p: p.n_synapses, default=None)
            named = f"; most are for projection {largest.label!r}" if largest else ""
            raise CapacityError(
                f"the network takes {junctions:,} junctions (wiring included), the chip has "
                f"{self.spec.junctions_max:,.0f}{named} ({largest.n_synapses if largest else 0:,} "
                "synapses); use a smaller network, or a larger chip (junctions_max=...)"
            )

    def static_W(self, net: Netlist) -> float:
        """Power at 4 K that the bias of a circuit takes, whatever it does."""
        bias_A = net.bias_uA() * 1e-6 * self.spec.wiring_overhead
        if self.biasing == "ersfq":
            return _FLUX_QUANTUM_VS * bias_A * self.spec.ersfq_GHz * 1e9
        return bias_A * self.library.bus_mV * 1e-3

    def report(
        self,
        translation: Translation,
        net: Netlist,
        flips: NDArray[np.int64],
        types: NDArray[np.int64],
        packets: NDArray,
        step_ps: NDArray[np.int64],
        fidelity: str,
        passive_mm: float,
    ) -> HardwareReport:
        """Everything the chip did.

        Parameters
        ----------
        translation : Translation
        net : Netlist
        flips, types : int64, shape (cells,)
            Of the netlist: junctions that flipped, and kinds.
        packets : structured array
        step_ps : int64, shape (steps,)
        fidelity : str
        passive_mm : float
            Length of passive lines.
        """
        spec, cells = self.spec, list(self.library.cells.values())
        total = np.bincount(types, flips, minlength=len(cells))
        rows: list[tuple[str, int, float]] = [
            (f"flips in {cell.name}", int(n), cell.flip_aJ * 1e-6)
            for cell, n in zip(cells, total, strict=True)
            if n
        ]
        static_W, duration_ps = self.static_W(net), int(step_ps.sum())
        rows.append(("static bias, each ps", duration_ps, static_W))
        energy = np.array(rows, dtype=ENERGY)
        power_W = float(np.sum(energy["count"] * energy["unit_pJ"])) / max(duration_ps, 1)
        junctions = net.junctions()
        resources = [
            ("junctions of its cells", junctions, ""),
            ("with wiring", round(junctions * spec.wiring_overhead), ""),
            ("area", junctions * spec.wiring_overhead / spec.junctions_per_mm2, "mm2"),
            ("bias current", net.bias_uA() * 1e-6 * spec.wiring_overhead, "A"),
            ("power at 4 K", power_W, "W"),
            (f"at the wall, x{spec.cooling_factor:g}", power_W * spec.cooling_factor, "W"),
            (f"at the wall, x{spec.cautious_cooling_factor:g}",
             power_W * spec.cautious_cooling_factor, "W"),
        ]  # fmt: skip
        if passive_mm:
            resources.insert(2, ("passive lines", passive_mm, "mm"))
        own = "arithmetic" in self.effects
        return HardwareReport(
            chip=self.name,
            spec=f"{spec.name}, cells {self.library.name}",
            effects=self.effects,
            fidelity=fidelity,
            mesh=(1, 1),
            packets=packets,
            energy=energy,
            resources=np.array(resources, dtype=RESOURCE),
            quantisation=np.empty(0, dtype=QUANTISATION),
            step_ps=step_ps,
            step_ms=translation.network.timestep_ms,
            sources={
                "specification": spec.note,
                "cells": self.library.note,
                "synapse": self.synapse if own or self.synapse == "stochastic" else "ideal",
                "soma": f"{self.soma}, reset {RESETS[self.soma]}" if own else "exact neurons",
                "time": f"{spec.ps_per_ms:g} ps for each biological ms; no step on the chip",
                "energy": "at 4 K, bias of the wiring included "
                f"({self.biasing}, overhead {spec.wiring_overhead:g})",
                "times of packets": "rounded to whole ps; the circuit counts in fs",
                "publications": "no synapse, soma or network of a publication is reproduced",
            },
        )


def step_starts_fs(network: Network, spec: SfqSpec, steps: int) -> NDArray[np.int64]:
    """Times of the first steps of a network, in fs of the chip; shape (steps + 1,)."""
    step_fs = network.timestep_ms * spec.ps_per_ms * 1000
    if step_fs < 1:
        raise ModelError(
            f"a time step of {network.timestep_ms:g} ms is {step_fs:g} fs at ps_per_ms="
            f"{spec.ps_per_ms:g}; it must last at least 1 fs"
        )
    return np.rint(np.arange(steps + 1) * step_fs).astype(np.int64)


def whole_ps(times_fs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Femtoseconds as whole picoseconds, for tables that count in them."""
    return (times_fs + 500) // 1000
