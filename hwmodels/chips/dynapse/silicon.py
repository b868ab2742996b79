"""PyNN's cells as currents of silicon neurons, and back.

All state of a silicon neuron is current; the translation is linear between the membrane potential
and the membrane current, with the derivation in ``docs/dynapse.md``::

    I(v)   = I_low + (v - v_low) q        q = (I_th - I_low) / (v_th - v_low)
    tau_m  = C U_t / (kappa I_tau) (1 + I_g / I_mid)           I_g = alpha I_tau
    I_dc   = I_tau + I(v_rest) / alpha + g i_offset
    g      = q tau_m / (cm alpha)                              A for each nA of synaptic current

``v_low`` is the lower of rest and reset and stands for ``I_low = rest_share I_th``; ``I_mid`` is
the middle between ``I_low`` and ``I_th``, where what depends on the state is matched.

Cells from :func:`silicon_cells` have exact currents; :mod:`hwmodels.chips.dynapse.devices` gives
them those of real devices, and :func:`equivalent` says which parameters an ideal cell would have
that behaves so.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.dynapse.spec import DynapseSpec
from hwmodels.errors import UnsupportedError
from hwmodels.network import Population

#: Synapse types, numbered as in the CAM word.
GABA_B, GABA_A, NMDA, AMPA = range(4)
TYPE_NAMES = ("GABA_B", "GABA_A", "NMDA", "AMPA")

#: Cell types that a silicon neuron can stand for.
NATIVE = ("IF_curr_exp", "IF_cond_exp", "EIF_cond_exp_isfa_ista")


def synapse_type(celltype: str, receptor: str) -> int:
    """Excitation is AMPA; inhibition is subtractive, or shunting where it is a conductance."""
    if receptor == "excitatory":
        return AMPA
    return GABA_A if "cond" in celltype else GABA_B


@dataclass(frozen=True, eq=False)
class Silicon:
    """Some silicon neurons; all arrays float64, shape (n,) unless said otherwise.

    Attributes
    ----------
    leak, gain, dc, threshold, reset : A
    refractory_ms : ms
    synapse_leak : A, shape (4, n)
        By synapse type.
    adaptation_leak, adaptation_jump : A
        Leak of the adaptation circuit, and what a spike adds to its current.
    feedback_gain, feedback_threshold, feedback_norm : A
        Of the positive feedback; a gain of 0 switches it off.
    low_mV, low, slope : mV, A, A/mV
        How a membrane potential is read: ``I = low + (v - low_mV) slope``.
    weight_gain : A per PyNN's unit of weight, shape (4, n)
        Jump of the synaptic current for a weight of 1.
    input_gain : A per nA
        Of an injected current.
    membrane_time, adaptation_time : 1
        ``C U_t / kappa`` of the circuits over its nominal value.
    synapse_time : 1, shape (4, n)
        Likewise.
    """

    leak: NDArray[np.float64]
    gain: NDArray[np.float64]
    dc: NDArray[np.float64]
    threshold: NDArray[np.float64]
    reset: NDArray[np.float64]
    refractory_ms: NDArray[np.float64]
    synapse_leak: NDArray[np.float64]
    adaptation_leak: NDArray[np.float64]
    adaptation_jump: NDArray[np.float64]
    feedback_gain: NDArray[np.float64]
    feedback_threshold: NDArray[np.float64]
    feedback_norm: NDArray[np.float64]
    low_mV: NDArray[np.float64]
    low: NDArray[np.float64]
    slope: NDArray[np.float64]
    weight_gain: NDArray[np.float64]
    input_gain: NDArray[np.float64]
    membrane_time: NDArray[np.float64]
    adaptation_time: NDArray[np.float64]
    synapse_time: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: list[Silicon]) -> Silicon:
        """Several groups as one."""
        return cls(
            **{
                f.name: np.concatenate([getattr(part, f.name) for part in parts], axis=-1)
                for f in fields(cls)
            }
        )

    @property
    def size(self) -> int:
        """Number of neurons."""
        return len(self.leak)

    def current(self, v_mV: NDArray[np.float64], cells: slice | NDArray = slice(None)) -> NDArray:
        """Membrane current of a potential, in A."""
        return self.low[cells] + (v_mV - self.low_mV[cells]) * self.slope[cells]

    def potential(self, current: NDArray, cells: slice | NDArray = slice(None)) -> NDArray:
        """Potential of a membrane current, in mV."""
        return self.low_mV[cells] + (current - self.low[cells]) / self.slope[cells]


def time_current_As(spec: DynapseSpec, capacitance_pF: float) -> float:
    """``C U_t / kappa``: time constant times leak current, in A s."""
    return capacitance_pF * 1e-12 * spec.thermal_mV * 1e-3 / spec.kappa


def native_obstacle(population: Population, spec: DynapseSpec) -> str | None:
    """Why a silicon neuron cannot stand for these cells, or None."""
    where = f"population {population.label!r}"
    if population.celltype not in NATIVE:
        return (
            f"{where}: DynapSE neurons stand for {', '.join(NATIVE)}, not for "
            f"{population.celltype}; use one of these, or run with neurons=exact"
        )
    if not population.size:
        return None
    p = population.parameters
    low = np.minimum(p["v_rest"], p["v_reset"])
    top_name = "v_spike" if _is_exponential(population) else "v_thresh"
    if np.any(p[top_name] <= low):
        return (
            f"{where}: {top_name} must be above v_rest or v_reset, got "
            f"{p[top_name].min():g} mV; run with neurons=exact"
        )
    shortest = _excess_ms(spec)
    if np.any(p["tau_m"] <= shortest):
        return (
            f"{where}: tau_m must be longer than {shortest:.3g} ms, got {p['tau_m'].min():g} ms; "
            "run with neurons=exact"
        )
    if "cond" in population.celltype:
        middle = (low + p[top_name]) / 2
        if np.any(p["e_rev_E"] <= middle) or np.any(p["e_rev_I"] >= middle):
            return (
                f"{where}: e_rev_E must be above and e_rev_I below the middle between rest and "
                f"threshold ({middle[0]:g} mV); run with neurons=exact"
            )
    return None


def silicon_cells(population: Population, spec: DynapseSpec) -> Silicon:
    """Exact currents for the cells of a population.

    Raises
    ------
    UnsupportedError
        When there are none; see :func:`native_obstacle`.
    """
    obstacle = native_obstacle(population, spec)
    if obstacle is not None:
        raise UnsupportedError(obstacle)
    n, p = population.size, population.parameters
    zeros, alpha = np.zeros(n), spec.gain_ratio
    exponential = _is_exponential(population)
    low_mV = np.minimum(p["v_rest"], p["v_reset"])
    top_mV = p["v_spike"] if exponential else p["v_thresh"]
    threshold = np.full(n, spec.threshold_A)
    low = spec.rest_share * threshold
    slope = (threshold - low) / (top_mV - low_mV)
    middle, middle_mV = (low + threshold) / 2, (low_mV + top_mV) / 2
    leak = time_current_As(spec, spec.membrane_pF) / ((p["tau_m"] - _excess_ms(spec)) * 1e-3)
    nA = slope * p["tau_m"] / (p["cm"] * alpha)  # g: A for each nA
    rest = low + (p["v_rest"] - low_mV) * slope
    synaptic = time_current_As(spec, spec.synapse_pF) * 1e3
    leaks = np.empty((4, n))
    leaks[[AMPA, NMDA]] = synaptic / p["tau_syn_E"]
    leaks[[GABA_A, GABA_B]] = synaptic / p["tau_syn_I"]
    shunt = leak * alpha / middle  # A of shunt for each A of input, in the middle
    gains = np.broadcast_to(nA, (4, n)).copy()
    if "cond" in population.celltype:
        gains[[AMPA, NMDA]] *= p["e_rev_E"] - middle_mV
        gains[[GABA_A, GABA_B]] *= middle_mV - p["e_rev_I"]
    gains[GABA_A] *= shunt
    gains[NMDA] *= 1 + spec.nmda_threshold_nA * 1e-9 / middle
    adaptation_leak, jump = np.full(n, spec.dark_pA * 1e-12), zeros
    feedback, feedback_threshold, norm = zeros, threshold, threshold
    if exponential:
        adaptation_leak = time_current_As(spec, spec.adaptation_pF) * 1e3 / p["tau_w"]
        jump = p["b"] * nA * shunt
        sharp = p["delta_T"] > 0
        norm = np.where(sharp, slope * p["delta_T"], 1.0)
        onset = low + (p["v_thresh"] - low_mV) * slope
        feedback = np.where(sharp, spec.feedback_gain_nA * 1e-9, 0.0)
        ratio = np.where(sharp & (onset > 0), feedback * onset / (leak * norm), 1.0)
        feedback_threshold = onset + norm * np.log(ratio)
        norm = np.where(sharp, norm, threshold)
    return Silicon(
        leak=leak,
        gain=alpha * leak,
        dc=leak + rest / alpha + nA * p["i_offset"],
        threshold=threshold,
        reset=low + (p["v_reset"] - low_mV) * slope,
        refractory_ms=p["tau_refrac"].copy(),
        synapse_leak=leaks,
        adaptation_leak=adaptation_leak,
        adaptation_jump=jump,
        feedback_gain=feedback,
        feedback_threshold=feedback_threshold,
        feedback_norm=norm,
        low_mV=low_mV,
        low=low,
        slope=slope,
        weight_gain=gains,
        input_gain=nA,
        membrane_time=np.ones(n),
        adaptation_time=np.ones(n),
        synapse_time=np.ones((4, n)),
    )


def _is_exponential(population: Population) -> bool:
    return population.celltype.startswith("EIF")


def _excess_ms(spec: DynapseSpec) -> float:
    """``C U_t / kappa times alpha / I_mid``: by how much I_g lengthens the time constant."""
    middle = (1 + spec.rest_share) / 2 * spec.threshold_A
    return time_current_As(spec, spec.membrane_pF) * spec.gain_ratio / middle * 1e3


def equivalent(
    population: Population, exact: Silicon, actual: Silicon, spec: DynapseSpec
) -> dict[str, NDArray[np.float64]]:
    """Parameters of ideal cells that behave as these currents make silicon neurons behave.

    The inverse of :func:`silicon_cells`: parameters whose currents did not change stay exactly as
    they were.

    Parameters
    ----------
    population : Population
    exact, actual : Silicon
        As translated, and as rounded or scattered.
    """
    p = dict(population.parameters)
    middle = (exact.low + exact.threshold) / 2
    unit = time_current_As(spec, spec.membrane_pF) * 1e3
    alpha, alpha_was = actual.gain / actual.leak, exact.gain / exact.leak
    tau = unit / actual.leak * (1 + actual.gain / middle) * actual.membrane_time
    tau_was = unit / exact.leak * (1 + exact.gain / middle)
    tau_m = p["tau_m"] * (tau / tau_was)
    cm = p["cm"] * (alpha_was / alpha) * (tau / tau_was)
    # What the membrane settles at moves rest; the offset stays what it was.
    shift = alpha * (actual.dc - actual.leak) - alpha_was * (exact.dc - exact.leak)
    offset = p["i_offset"] * (p["tau_m"] / p["cm"] - tau_m / cm)
    p["v_rest"] = p["v_rest"] + shift / exact.slope + offset
    p["tau_m"], p["cm"] = tau_m, cm
    top = "v_spike" if _is_exponential(population) else "v_thresh"
    p[top] = p[top] + (actual.threshold - exact.threshold) / exact.slope
    p["tau_refrac"] = p["tau_refrac"] * (
        np.divide(
            actual.refractory_ms,
            exact.refractory_ms,
            out=np.ones(exact.size),
            where=exact.refractory_ms > 0,
        )
    )
    inhibitory = GABA_A if "cond" in population.celltype else GABA_B
    for name, kind in (("tau_syn_E", AMPA), ("tau_syn_I", inhibitory)):
        ratio = exact.synapse_leak[kind] / actual.synapse_leak[kind]
        p[name] = p[name] * (ratio * actual.synapse_time[kind])
    if _is_exponential(population):
        ratio = exact.adaptation_leak / actual.adaptation_leak
        p["tau_w"] = p["tau_w"] * (ratio * actual.adaptation_time)
        ratio = np.divide(
            actual.adaptation_jump,
            exact.adaptation_jump,
            out=np.ones(exact.size),
            where=exact.adaptation_jump > 0,
        )
        p["b"] = p["b"] * ratio
    return p
