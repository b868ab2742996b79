"""A network in the numbers of the chip: scales, decays, thresholds, biases and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.loihi.spec import CoreSettings, LoihiSpec
from hwmodels.errors import UnsupportedError
from hwmodels.membrane import settling, synaptic_gain_mV
from hwmodels.network import Network, Population, Projection
from hwmodels.quantisation import quantisation_row

#: Cell types a compartment computes.
NATIVE = ("IF_curr_exp", "IF_curr_delta")
#: Effective weights are multiples of 2^6 state units.
WEIGHT_SHIFT = 6
#: What the largest payload of a projection aims at: of 8 times the resolution of a mantissa, with
#: room for 16 such spikes at once in the register of a step's input.
PAYLOAD_AIM = 2**11 - 1

#: From a projection and its weights in any one unit of state: whether spikes carry them.
Carried = Callable[[Projection, NDArray[np.float64]], bool]


@dataclass(frozen=True, eq=False)
class Scale:
    """One population in units of the chip; arrays have shape (size,).

    Attributes
    ----------
    unit_mV : float
        Of voltage and current state.
    gain : mapping of str to float64 array
        State units that a weight of 1 (nA, or mV for IF_curr_delta) adds, for each receptor.
    decay_u : mapping of str to int64 array
        Effective 12-bit decay of the current, for each receptor.
    decay_v : int64 array
    threshold : int64 array
        In state units, a multiple of 64.
    refractory : int64 array
        Steps the membrane is held.
    bias_gain : float64 array
        State units of bias for each nA.
    rest : float64 array
        Bias in state units that makes the cell rest at v_rest.
    joined : bool
        Whether inhibition has a compartment of its own.
    """

    unit_mV: float
    gain: Mapping[str, NDArray[np.float64]]
    decay_u: Mapping[str, NDArray[np.int64]]
    decay_v: NDArray[np.int64]
    threshold: NDArray[np.int64]
    refractory: NDArray[np.int64]
    bias_gain: NDArray[np.float64]
    rest: NDArray[np.float64]
    joined: bool


def scale_population(
    population: Population,
    inputs: Sequence[Projection],
    dt: float,
    spec: LoihiSpec,
    carried: Carried = lambda projection, units: False,
) -> Scale:
    """Choose the unit of state and translate the parameters of a native cell type.

    The unit is the one in which the weakest projection uses its whole mantissa, halved until the
    threshold has at least 2^16 units (for resolution), and no finer than lets the threshold stay
    within ``threshold_bits``: what is left of the state's bits is room for inhibition below reset
    before the membrane saturates.

    Raises
    ------
    UnsupportedError
        When a parameter has no counterpart on the chip.
    """
    obstacle = native_obstacle(population, dt, spec)
    if obstacle is not None:
        raise UnsupportedError(f"population {population.label!r}: {obstacle}")
    p = population.parameters
    height = p["v_thresh"] - p["v_reset"]
    refractory = np.rint(p["tau_refrac"] / dt).astype(np.int64)
    exact_v = -np.expm1(-dt / p["tau_m"])
    one = spec.one
    decay_v = np.clip(np.rint(exact_v * one), 0, one - 1).astype(np.int64)
    correction = settling(decay_v / one, exact_v)
    gain_mV, decay_u = {}, {}
    for receptor, side in (("excitatory", "E"), ("inhibitory", "I")):
        if population.celltype == "IF_curr_delta":
            decay_u[receptor] = np.full(population.size, one)
            gain_mV[receptor] = np.ones(population.size)
            continue
        tau = p[f"tau_syn_{side}"]
        exact_u = -np.expm1(-dt / tau)
        decay_u[receptor] = np.clip(np.rint(exact_u * one), 1, one).astype(np.int64)
        gain_mV[receptor] = synaptic_gain_mV(
            p["tau_m"], p["cm"], tau, dt, decay_u[receptor] / one, decay_v / one
        )

    peaks = []
    for projection in inputs:
        if projection.n_synapses:
            effect = projection.weight * gain_mV[projection.receptor][projection.target]
            largest = largest_mantissa(projection, spec)[0]
            if carried(projection, effect):
                largest = PAYLOAD_AIM
            peaks.append(float(np.abs(effect).max()) / largest)
    # Of one step of the mantissa of the weakest projection.
    weakest = min((peak for peak in peaks if peak > 0), default=float(height.min()))
    finest = float(height.max()) / min(
        2**spec.threshold_bits, 64 * (2**spec.threshold_mantissa_bits - 1)
    )
    coarsest = float(height.min()) / 2**16
    unit = weakest / (1 << WEIGHT_SHIFT)
    while unit > coarsest:
        unit /= 2
    unit = max(unit, finest)

    resistance = p["tau_m"] / p["cm"]
    bias_gain = resistance * exact_v * correction / unit
    return Scale(
        unit_mV=unit,
        gain={receptor: gain / unit for receptor, gain in gain_mV.items()},
        decay_u=decay_u,
        decay_v=decay_v,
        threshold=np.rint(height / unit / 64).astype(np.int64) * 64,
        refractory=refractory,
        bias_gain=bias_gain,
        rest=(p["v_rest"] - p["v_reset"]) * exact_v * correction / unit,
        joined=bool(np.any(decay_u["excitatory"] != decay_u["inhibitory"])),
    )


def native_obstacle(population: Population, dt: float, spec: LoihiSpec) -> str | None:
    """Why the chip's arithmetic cannot compute a population, and the way out; None if it can."""
    if population.celltype not in NATIVE:
        return (
            f"Loihi computes {' and '.join(NATIVE)}, not {population.celltype}; run with "
            "neurons=exact (exact neurons on this fabric), or use one of those cell types"
        )
    p = population.parameters
    if np.any(p["v_thresh"] <= p["v_reset"]):
        return (
            "v_thresh must lie above v_reset on Loihi, which fires above its reset; run with "
            "neurons=exact"
        )
    refractory = np.rint(p["tau_refrac"] / dt).astype(np.int64)
    if np.any(refractory + 1 > spec.refractory_max):
        return (
            f"tau_refrac of {p['tau_refrac'].max():g} ms is {refractory.max()} steps, Loihi holds "
            f"at most {spec.refractory_max - 1}; use a longer step (step_ms=...) or neurons=exact"
        )
    return None


def quantise_bias(bias: NDArray[np.float64], spec: LoihiSpec) -> tuple[NDArray[np.int64], int]:
    """Biases as mantissa times a power of two, and how many were clipped."""
    over = np.abs(bias) / spec.bias_mantissa_max
    exponent = np.ceil(np.log2(np.maximum(over, 1.0))).astype(np.int64)
    exponent = np.minimum(exponent, spec.bias_exponent_max)
    mantissa = np.rint(bias / 2.0**exponent).astype(np.int64)
    clipped = np.abs(mantissa) > spec.bias_mantissa_max
    mantissa = np.clip(mantissa, -spec.bias_mantissa_max, spec.bias_mantissa_max)
    return mantissa << exponent, int(np.count_nonzero(clipped))


def quantise_weights(
    projection: Projection, gain: NDArray[np.float64], unit: str, spec: LoihiSpec
) -> tuple[NDArray[np.float64], tuple]:
    """Weights as 8-bit mantissas with one exponent, and a row of QUANTISATION."""
    weight = projection.weight
    if not len(weight):
        return weight, (projection.label, "weight", unit, 0, 0, 0, 0, 0, 0)
    largest, even = largest_mantissa(projection, spec)
    # In place: a network may be most of what fits into memory.
    units = np.abs(weight)
    units *= gain
    units /= 1 << WEIGHT_SHIFT
    over = float(units.max()) / largest
    exponent = int(np.clip(np.ceil(np.log2(max(over, 1.0)) - 1e-9), 0, spec.weight_exponent_max))
    units /= 2**exponent
    units /= even
    mantissa = np.rint(units, out=units)
    mantissa *= even
    clipped = mantissa > largest
    effective = np.minimum(mantissa, largest, out=mantissa)
    effective *= np.sign(weight)
    effective /= even
    quantum = even * 2**exponent * (1 << WEIGHT_SHIFT) / gain
    effective *= quantum
    step = float(quantum.max())
    del quantum
    return effective, quantisation_row(
        projection.label, "weight", unit, weight, effective, step, clipped
    )


def travels_with_spike(network: Network, projection: Projection, units: NDArray) -> bool:
    """Whether a graded spike can carry the weights of a projection.

    It can where all synapses of a source have one weight (which may differ from source to source)
    and the source has no other projection: a spike carries one number.

    Parameters
    ----------
    network : Network
    projection : Projection
    units : float64 array
        Its weights in units of the chip's state.
    """
    others = [p for p in network.projections if p.pre == projection.pre and p.n_synapses]
    if len(others) != 1 or projection.dynamics.kind != "static" or not len(units):
        return False
    first = units[np.minimum(projection.indptr[projection.source], len(units) - 1)]
    return bool(np.all(np.abs(units - first) <= 1e-9 * np.abs(first)))


def quantise_payloads(
    projection: Projection, gain: NDArray[np.float64], unit: str, spec: LoihiSpec
) -> tuple[NDArray[np.float64], tuple]:
    """Weights as whole numbers that a spike carries, and a row of QUANTISATION.

    The synapse's own mantissa is 1, so a payload counts in the units of one: multiples of 2^6.
    """
    weight = projection.weight
    quantum = (1 << WEIGHT_SHIFT) / gain
    payload = np.rint(weight / quantum)
    largest = 2.0 ** (spec.payload_bits - 1) - 1
    clipped = np.abs(payload) > largest
    effective = np.clip(payload, -largest, largest) * quantum
    return effective, quantisation_row(
        projection.label, "weight, in the spike", unit, weight, effective,
        float(quantum.max(initial=0)), clipped,
    )  # fmt: skip


def largest_mantissa(projection: Projection, spec: LoihiSpec) -> tuple[int, int]:
    """The largest mantissa of a projection's weights, and the step between mantissas.

    Where both signs occur the mantissa is even, as the sign takes its last bit.
    """
    mixed = bool(np.any(projection.weight > 0) and np.any(projection.weight < 0))
    step = 2 if mixed else 1
    return (2**spec.weight_bits - 1) // step * step, step


def parameter_rows(network: Network, index: int, scale: Scale, spec: LoihiSpec) -> list[tuple]:
    """What the integer arithmetic makes of a population's parameters."""
    population, dt = network.populations[index], network.timestep_ms
    p = population.parameters

    def time_constant(decay: NDArray[np.int64]) -> NDArray[np.float64]:
        kept = 1 - np.minimum(decay, spec.one - 1) / spec.one
        return np.where(decay > 0, -dt / np.log(np.where(decay > 0, kept, 0.5)), 1e9)

    rows = [
        quantisation_row(
            population.label, "tau_m", "ms", p["tau_m"], time_constant(scale.decay_v), 0.0
        ),
        quantisation_row(
            population.label, "v_thresh", "mV", p["v_thresh"],
            p["v_reset"] + scale.threshold * scale.unit_mV, 64 * scale.unit_mV,
        ),
    ]  # fmt: skip
    if population.celltype == "IF_curr_exp":
        for receptor, name in (("excitatory", "tau_syn_E"), ("inhibitory", "tau_syn_I")):
            effective = time_constant(scale.decay_u[receptor])
            rows.append(quantisation_row(population.label, name, "ms", p[name], effective, 0.0))
    exact = scale.rest + p["i_offset"] * scale.bias_gain
    bias, _ = quantise_bias(exact, spec)
    if np.any(exact):
        to_nA = 1 / scale.bias_gain
        rows.append(
            quantisation_row(
                population.label, "bias", "nA", exact * to_nA, bias * to_nA, float(to_nA.max())
            )
        )
    return rows


def noise_row(label: str, scale: Scale, settings: CoreSettings) -> tuple:
    """What the noise adds to a population in each step, as a row of QUANTISATION.

    In mV: of the membrane itself, or of the current's state, which a membrane takes step by step.
    """
    x = np.arange(-127, 128) + 64 * settings.noise_offset
    added = np.array(((x << settings.noise_exponent) >> 7) * scale.unit_mV, dtype=np.float64)
    quantity = f"noise, {settings.noise}"
    return quantisation_row(label, quantity, "mV", np.zeros(len(x)), added, scale.unit_mV)
