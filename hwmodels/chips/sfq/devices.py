"""Synapse and soma circuits as functions of their bias currents.

The stochastic synapse passes a pulse with a chance that its weight current sets; the SQUID loop of
a soma fires when the current of its quanta and its bias reach the critical current. Both curves
are from circuit simulations (datasheet 2.2, 2.3), not from a publication.
"""

from __future__ import annotations

from math import ceil
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.sfq.spec import SfqSpec
from hwmodels.errors import CapacityError
from hwmodels.fabric.pulse import ALWAYS
from hwmodels.fabric.pulse_cells import FLUX_QUANTUM_UA_PH, CellLibrary

_NORMAL = NormalDist()


def chance(weight_uA: NDArray[np.float64], spec: SfqSpec) -> NDArray[np.float64]:
    """Share of pulses that a gate passes at a weight current, shape as given.

    Below ``chance_min`` it never, above ``chance_max`` it always passes.
    """
    z = (np.asarray(weight_uA, dtype=np.float64) - spec.weight_half_uA) / spec.weight_grey_uA
    p = np.vectorize(_NORMAL.cdf, otypes=[float])(z)
    return np.where(p < spec.chance_min, 0.0, np.where(p > spec.chance_max, 1.0, p))


def weight_current(
    p: NDArray[np.float64], spec: SfqSpec, rounded: bool = True
) -> NDArray[np.float64]:
    """Weight current in uA that gives a chance, on the grid of currents or not; same shape."""
    edge = 4 * spec.weight_grey_uA  # far outside of the grey zone
    p = np.asarray(p, dtype=np.float64)
    inside = np.clip(p, spec.chance_min, spec.chance_max)
    z = np.vectorize(_NORMAL.inv_cdf, otypes=[float])(inside)
    wanted = spec.weight_half_uA + spec.weight_grey_uA * z
    wanted = np.where(p <= 0, spec.weight_half_uA - edge, wanted)
    wanted = np.where(p >= 1, spec.weight_half_uA + edge, wanted)
    return np.rint(wanted / spec.weight_step_uA) * spec.weight_step_uA if rounded else wanted


class GateSettings(NamedTuple):
    """Fields of gates in a circuit, for :meth:`hwmodels.fabric.pulse_netlist.Netlist.add`."""

    chance: NDArray[np.int64]
    extra_fs: NDArray[np.int64]
    jitter_fs: NDArray[np.int64]


def gates(weight_uA: NDArray[np.float64], spec: SfqSpec, library: CellLibrary) -> GateSettings:
    """What weight currents make of gates: chance, delay and jitter."""
    weight_uA = np.asarray(weight_uA, dtype=np.float64)
    p = chance(weight_uA, spec)
    above = weight_uA - (spec.weight_half_uA - 4.0)
    at = [float(row[0]) for row in spec.gate_ps]
    delay_ps = np.interp(above, at, [row[1] for row in spec.gate_ps])
    jitter_ps = np.where(p < 1, spec.gate_jitter_ps, spec.gate_clear_jitter_ps)
    return GateSettings(
        np.where(p >= 1, ALWAYS, np.rint(p * ALWAYS)).astype(np.int64),
        np.rint(delay_ps * 1000).astype(np.int64) - library["GATE"].delay_fs,
        np.rint(jitter_ps * 1000).astype(np.int64),
    )


def loop_threshold(inductance_pH: float, bias_uA: float, spec: SfqSpec) -> float:
    """Quanta at which a loop fires, as a real number."""
    missing = spec.soma_critical_uA + spec.soma_offset_uA - bias_uA
    return missing * inductance_pH / (spec.soma_coupling * FLUX_QUANTUM_UA_PH)


class LoopSettings(NamedTuple):
    """How a SQUID loop is made: inductance, bias current, and the threshold that follows."""

    inductance_pH: float
    bias_uA: float
    threshold: float


def loop(quanta: int, spec: SfqSpec, exact: bool = False) -> LoopSettings:
    """The loop that fires with so many quanta.

    Its bias current is the least on the grid with which they suffice, or the exact one.

    Raises
    ------
    CapacityError
        When no loop of the chip can do that.
    """
    fitting = [row[1] for row in spec.loop_pH if row[0] >= quanta]
    inductance = min(fitting, default=0.0)
    per_quantum = spec.soma_coupling * FLUX_QUANTUM_UA_PH / inductance if fitting else 0.0
    bias = spec.soma_critical_uA + spec.soma_offset_uA - quanta * per_quantum
    if not exact:
        bias = ceil(bias / spec.soma_step_uA - 1e-9) * spec.soma_step_uA
    if not fitting or not 0 <= bias < spec.soma_critical_uA:
        raise CapacityError(
            f"no SQUID loop of this chip fires at {quanta} quanta (loop_pH, threshold_max)"
        )
    threshold = float(quanta) if exact else loop_threshold(inductance, bias, spec)
    return LoopSettings(inductance, bias, threshold)
