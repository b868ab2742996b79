"""What real devices make of exact currents: the bias generator, and mismatch between devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.dynapse.silicon import Silicon, time_current_As
from hwmodels.chips.dynapse.spec import DynapseSpec


def bias_current(
    wanted: NDArray[np.float64], spec: DynapseSpec, scale: float
) -> NDArray[np.float64]:
    """The nearest current that a coarse and a fine setting make, in A; never below the dark one.

    Parameters
    ----------
    wanted : float64, any shape
        In A.
    spec : DynapseSpec
    scale : float
        Current over bias.
    """
    wanted = np.asarray(wanted, dtype=np.float64)
    full = np.array([row[1] for row in spec.bias_full_scale_nA]) * 1e-9 * scale
    fine = np.clip(np.rint(wanted[..., None] / full * spec.bias_fine_max), 1, spec.bias_fine_max)
    made = fine * full / spec.bias_fine_max
    best = np.argmin(np.abs(made - wanted[..., None]), axis=-1)
    nearest = np.take_along_axis(made, best[..., None], axis=-1)[..., 0]
    return np.maximum(nearest, spec.dark_pA * 1e-12)


def rounded(cells: Silicon, spec: DynapseSpec) -> Silicon:
    """The same cells with the currents that the bias generator can make."""
    return replace(
        cells,
        leak=bias_current(cells.leak, spec, spec.leak_bias_scale),
        gain=bias_current(cells.gain, spec, spec.gain_bias_scale),
        dc=bias_current(cells.dc, spec, spec.threshold_bias_scale),
        threshold=bias_current(cells.threshold, spec, spec.threshold_bias_scale),
        synapse_leak=bias_current(cells.synapse_leak, spec, spec.synapse_leak_bias_scale),
        adaptation_leak=bias_current(cells.adaptation_leak, spec, spec.leak_bias_scale),
    )


def pulse_factor(synapse_leak: NDArray[np.float64], spec: DynapseSpec) -> NDArray[np.float64]:
    """Jump of a synaptic current over its weight current: ``alpha (1 - exp(-t_pulse / tau))``."""
    tau_s = time_current_As(spec, spec.synapse_pF) / synapse_leak
    return -spec.synapse_gain_ratio * np.expm1(-spec.pulse_us * 1e-6 / tau_s)


#: What is drawn for each neuron, in this order; the last four by synapse type.
_SCATTERED = (
    "leak", "gain", "dc", "threshold", "refractory_ms", "adaptation_leak", "adaptation_jump",
    "membrane_time", "adaptation_time", "synapse_leak", "synapse_time", "weight",
)  # fmt: skip
_BY_TYPE = ("synapse_leak", "synapse_time", "weight")
_TIMES = ("membrane_time", "adaptation_time", "synapse_time")
#: No current and no time constant falls below this share of its nominal value.
_LEAST = 0.01


def draw_mismatch(
    spec: DynapseSpec, seed: int, neurons: int | None = None
) -> Mapping[str, NDArray[np.float64]]:
    """Factors of all currents and time constants of a board's neurons.

    Each current is multiplied by a draw from N(1, cv), kept above 0.01; a time constant also by as
    many draws as the specification says (capacitance, thermal voltage and slope factor).

    Parameters
    ----------
    spec : DynapseSpec
    seed : int
        Of the chip.
    neurons : int, optional
        How many; those of the board by default.

    Returns
    -------
    mapping of str to float64, shape (neurons,), or (4, neurons) for synapses
    """
    n = spec.cores * spec.neurons_per_core if neurons is None else neurons
    generator = np.random.default_rng(seed)
    factors = {}
    for name in _SCATTERED:
        shape = (4, n) if name in _BY_TYPE else (n,)
        draws = spec.time_mismatch_factors if name in _TIMES else 1
        product = np.ones(shape)
        for _ in range(draws):
            product *= np.maximum(generator.normal(1.0, spec.mismatch_cv, shape), _LEAST)
        factors[name] = product
    return factors


def scattered(cells: Silicon, factors: Mapping[str, NDArray[np.float64]]) -> Silicon:
    """The same cells on devices that differ; weights are scattered by whoever holds them."""
    changed = {
        name: getattr(cells, name) * factor for name, factor in factors.items() if name != "weight"
    }
    # A larger bias current makes a refractory time shorter, as it does a time constant.
    changed["refractory_ms"] = cells.refractory_ms / factors["refractory_ms"]
    return replace(cells, **changed)
