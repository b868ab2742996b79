"""The numbers of an SFQ-style chip; their values stand in the TOML files beside this one.

Delays, dead times, junctions and currents of cells are not here but in the cell libraries
(:mod:`hwmodels.fabric.pulse_cells`), so that a corner can be swapped by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from hwmodels.errors import ModelError
from hwmodels.spec import Spec, quantity


@dataclass(frozen=True, kw_only=True)
class SfqSpec(Spec):
    """The numbers of an SFQ-style chip; values and sources stand in TOML files."""

    ps_per_ms: float = quantity("ps", "Time of the chip for one biological ms", above=0)
    threshold_max: int = quantity("quanta", "Largest threshold of a soma", above=0)
    burst_max: int = quantity(
        "pulses", "Most pulses a synapse makes of one; 1: it only gates", above=0
    )
    burst_ps: float = quantity("ps", "Least distance of the pulses of a burst", above=0)
    soma_leaks: int = quantity("", "1: somas are SQUID loops; 0: counters, which do not leak")

    weight_half_uA: float = quantity("uA", "Weight current at which a gate passes every second")
    weight_grey_uA: float = quantity(
        "uA", "Standard deviation of its threshold under noise", above=0
    )
    weight_step_uA: float = quantity("uA", "Step of weight currents", above=0)
    chance_min: float = quantity("", "Least chance above 0 that a weight current is set to")
    chance_max: float = quantity("", "Largest below 1")
    gate_ps: tuple = quantity("uA: ps", "Delay of S1 by weight current above I50 - 4 uA")
    gate_jitter_ps: float = quantity("ps", "Jitter of S1 in the grey zone")
    gate_clear_jitter_ps: float = quantity("ps", "Its jitter where it always passes")

    soma_critical_uA: float = quantity(
        "uA", "Critical current of a soma's threshold junction", above=0
    )
    soma_coupling: float = quantity(
        "", "Share of the loop current that reaches the junction", above=0
    )
    soma_offset_uA: float = quantity("uA", "Current beyond critical at which it flips")
    soma_step_uA: float = quantity("uA", "Step of soma bias currents", above=0)
    loop_pH: tuple = quantity("quanta: pH", "Loop inductance for thresholds up to so many")
    leak_ps_min: float = quantity("ps", "Shortest time constant of a loop", above=0)
    leak_ps_max: float = quantity("ps", "Longest one; slower leaks are none")
    soma_dead_ps: float = quantity("ps", "Shortest refractory time of a soma")

    passive_ps_per_mm: float = quantity("ps/mm", "Time on a passive line", above=0)

    spread_cv: float = quantity("", "Static spread of cell delays over a chip")
    weight_spread_uA: float = quantity("uA", "Static spread of weight and soma currents")
    bias_factor: float = quantity("", "Bias current of all cells over its nominal value", above=0)

    wiring_overhead: float = quantity(
        "", "All junctions over those of the cells of a network", above=0
    )
    junctions_max: float = quantity("", "Junctions of a chip, wiring included")
    junctions_per_mm2: float = quantity("1/mm2", "Junctions on an area of laid-out cells", above=0)
    ersfq_GHz: float = quantity("GHz", "Clock that the bias of ERSFQ is made for")
    cooling_factor: float = quantity("W/W", "Power at the wall for each W at 4 K", above=0)
    cautious_cooling_factor: float = quantity("W/W", "The same for a small cooler")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.chance_min < self.chance_max < 1:
            raise ModelError(
                f"{self.name}: chance_min and chance_max must lie between 0 and 1 in this order, "
                f"got {self.chance_min:g} and {self.chance_max:g}"
            )
        if self.soma_leaks not in (0, 1):
            raise ModelError(f"{self.name}: soma_leaks must be 0 or 1, got {self.soma_leaks}")
        if not self.gate_ps or not self.loop_pH:
            raise ModelError(f"{self.name}: gate_ps and loop_pH need at least one row")
        if any(row[1] <= 0 for row in (*self.gate_ps, *self.loop_pH)):
            raise ModelError(f"{self.name}: gate_ps and loop_pH need values > 0")
        if self.loop_pH[-1][0] < self.threshold_max:
            raise ModelError(
                f"{self.name}: loop_pH ends at {self.loop_pH[-1][0]} quanta, below threshold_max "
                f"({self.threshold_max})"
            )
