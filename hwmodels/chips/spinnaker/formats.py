"""A network in the machine's numbers: weights in 16 bits, parameters in s16.15, delays in steps.

The slots of a ring buffer have 16 bits, so each synapse type of a population has a shift: the
smallest for which the sum expected at most still fits. It decides the size of one weight level,
``2 ** (shift - 15)``; the rule is that of ``population_vertex.py`` in sPyNNaker 7.4.1.

What a script's weight means on the chip:

* ``IF_curr_exp``: the current that jumps. ``IF_cond_exp``: the conductance, times 1,024.
* ``IF_curr_alpha``: the firmware takes a weight as charge, ours is that of the peak current that
  a script means. The firmware joins overlapping alpha functions to one, with the latest's slope.
* ``IF_curr_delta``: the firmware takes input as a current over one step, so a weight (a jump in
  mV) is the current that makes this jump.
* ``Izhikevich``: the toolchain's cell has exponential input, of 5 ms by default; a weight (a jump
  in mV) is the current whose integral is this jump. Injected current counts 1,000 to the nA, as in
  PyNN's model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.spinnaker import arithmetic as a
from hwmodels.chips.spinnaker.spec import SpinnakerSpec
from hwmodels.errors import UnsupportedError
from hwmodels.network import Network, Population, Projection, to_delay_steps
from hwmodels.quantisation import quantisation_row, weight_unit

#: Cells with an arithmetic of their own, and its rule.
NATIVE = {
    "IF_curr_exp": a.LIF_CURR,
    "IF_cond_exp": a.LIF_COND,
    "IF_curr_alpha": a.LIF_ALPHA,
    "IF_curr_delta": a.LIF_DELTA,
    "Izhikevich": a.IZHIKEVICH,
}
KINDS = ("excitatory", "inhibitory")
#: Extra bits of a weight where its precision is ideal.
SPARE_BITS = 16
_THRESHOLD_IZHIKEVICH = 30.0
#: Largest s16.15 number.
_LARGEST = 65536.0 - 2.0**-a.FRACTION


@dataclass(frozen=True, eq=False)
class Format:
    """Numbers of one population.

    Attributes
    ----------
    rule : int
        Of :data:`NATIVE`; -1 where the chip has no arithmetic for its cells.
    shifts : tuple of int
        Of each of :data:`KINDS`.
    gain : float64, shape (2, size)
        For each of :data:`KINDS`, from a weight onto each cell to the chip's unit of input.
    """

    rule: int
    shifts: tuple[int, int]
    gain: NDArray[np.float64]


def obstacle(population: Population) -> str | None:
    """Why the chip's arithmetic cannot compute a population; None where it can."""
    if population.celltype not in NATIVE:
        return (
            f"population {population.label!r}: SpiNNaker's arithmetic is modelled for "
            f"{', '.join(NATIVE)}, not for {population.celltype}; run it as exact neurons on this "
            "fabric (neurons=exact), or use one of those"
        )
    for name, values in population.parameters.items():
        if len(values) and np.abs(values).max() > _LARGEST:
            return (
                f"population {population.label!r}: {name} of {values[np.abs(values).argmax()]:g} "
                f"is outside of s16.15 (up to {_LARGEST:.0f}); use other units or neurons=exact"
            )
    if "cm" in population.parameters:
        resistance = population.parameters["tau_m"] / population.parameters["cm"]
        if len(resistance) and resistance.max() > _LARGEST:
            return (
                f"population {population.label!r}: tau_m over cm of {resistance.max():g} MOhm is "
                f"outside of s16.15 (up to {_LARGEST:.0f}); use neurons=exact"
            )
    return None


def make_formats(network: Network, spec: SpinnakerSpec, native: bool) -> dict[int, Format]:
    """Formats of all computed populations.

    Raises
    ------
    UnsupportedError
        With ``native``, for cells that the chip's arithmetic cannot compute; always for weights
        of the wrong sign.
    """
    formats = {}
    for index, population in enumerate(network.populations):
        if population.is_source:
            continue
        problem = obstacle(population)
        if native and problem is not None:
            raise UnsupportedError(problem)
        gain = _gain(population, network.timestep_ms, spec)
        inputs = [p for p in network.projections if p.post == index and p.n_synapses]
        for projection in inputs:
            _check_sign(projection, population)
        shifts = [
            _shift(
                _expected_maximum([p for p in inputs if p.receptor == kind], gain[k], network, spec)
            )
            for k, kind in enumerate(KINDS)
        ]
        rule = NATIVE.get(population.celltype, -1) if problem is None else -1
        formats[index] = Format(rule, (shifts[0], shifts[1]), gain)
    return formats


def check_dynamics(network: Network) -> None:
    """Refuse synapses that learn.

    Raises
    ------
    UnsupportedError
        Names the projection and the way out.
    """
    for projection in network.projections:
        if projection.dynamics.kind != "static":
            raise UnsupportedError(
                f"projection {projection.label!r}: {projection.dynamics.kind!r} synapses: this "
                "model of SpiNNaker has static ones only; run it in brian2, or use StaticSynapse"
            )


def _gain(population: Population, dt: float, spec: SpinnakerSpec) -> NDArray[np.float64]:
    p = population.parameters
    one = np.ones((2, population.size))
    if "cond" in population.celltype:
        return one * (1 << a.CONDUCTANCE_SHIFT)
    if population.celltype == "IF_curr_delta":
        return one * dt * p["cm"] / p["tau_m"] / -np.expm1(-dt / p["tau_m"])
    if population.celltype == "IF_curr_alpha":
        return math.e * np.stack([p["tau_syn_E"], p["tau_syn_I"]])
    if population.celltype == "Izhikevich":
        return one / spec.synapse_tau_ms
    return one


def _check_sign(projection: Projection, population: Population) -> None:
    """Weights of the machine have no sign; the receptor is one."""
    wrong = projection.weight < 0
    if projection.receptor == "inhibitory" and "cond" not in population.celltype:
        wrong = projection.weight > 0
    if np.any(wrong):
        raise UnsupportedError(
            f"projection {projection.label!r}: a weight of {projection.weight[wrong][0]:g} onto "
            f"the {projection.receptor} receptor has the wrong sign, a SpiNNaker core gives all "
            "weights of a receptor one sign; use the other receptor"
        )


def _expected_maximum(
    inputs: Sequence[Projection],
    gain: NDArray[np.float64],
    network: Network,
    spec: SpinnakerSpec,
) -> float:
    """Largest sum of a slot that is expected, in the chip's unit of input."""
    if not inputs:
        return 0.0
    per_tick = spec.planned_rate_Hz * network.timestep_ms * 1e-3
    n = total = mean = square = biggest = 0.0
    delays = []
    for projection in inputs:
        weight = np.abs(projection.weight) * gain[projection.target]
        most = float(np.bincount(projection.target).max())
        n += most
        mean += most * float(weight.mean())
        square += most * float(np.mean(weight**2))
        biggest = max(biggest, float(weight.max()))
        total += max(1.0, per_tick) * float(weight.max()) * most
        delays.append(projection.delay_ms)
    if np.ptp(np.concatenate(delays)) == 0:
        return max(total, biggest)
    mean, arrivals = mean / n, n * per_tick
    variance = arrivals * (mean**2 + max(square / n - mean**2, 0.0))
    expected = arrivals * mean + spec.ring_buffer_sigma * math.sqrt(variance)
    return max(min(expected, total), biggest)


def _shift(maximum: float) -> int:
    if maximum <= 0:
        return 0
    shift = max(0, math.ceil(math.log2(maximum)))
    return shift + 1 if 2.0**shift <= maximum else shift


def weight_levels(
    projection: Projection, chosen: Format | None, spare: int = 0
) -> NDArray[np.int64]:
    """Weights as the ring buffer adds them, int64, shape (n_synapses,)."""
    if chosen is None:
        return np.zeros(projection.n_synapses, dtype=np.int64)
    kind = KINDS.index(projection.receptor)
    shift = chosen.shifts[kind]
    value = np.abs(projection.weight) * chosen.gain[kind][projection.target]
    level = np.rint(np.ldexp(value, a.FRACTION - shift + spare)).astype(np.int64)
    return np.minimum(level, a.FULL << spare)


def quantised(
    network: Network, projection: Projection, chosen: Format
) -> tuple[NDArray[np.float64], tuple, int]:
    """Weights as they act, the row of the report, and how many were lost to rounding."""
    level = weight_levels(projection, chosen)
    kind = KINDS.index(projection.receptor)
    shift, gain = chosen.shifts[kind], chosen.gain[kind][projection.target]
    effective = (
        np.sign(projection.weight) * np.ldexp(level.astype(float), shift - a.FRACTION) / gain
    )
    unit = weight_unit(network.populations[projection.post].celltype)
    step = 2.0 ** (shift - a.FRACTION) / float(gain.min(initial=np.inf)) if len(gain) else 0.0
    row = quantisation_row(
        projection.label, "weight", unit, projection.weight, effective, step, level == a.FULL
    )
    return effective, row, int(np.count_nonzero((level == 0) & (projection.weight != 0)))


def delay_words(projection: Projection, dt: float) -> NDArray[np.int64]:
    """Delays in steps."""
    return to_delay_steps(projection.delay_ms, dt)


def accum(values: NDArray[np.float64] | float) -> NDArray[np.int64]:
    """Numbers in s16.15, to the nearest."""
    return np.rint(np.asarray(values, dtype=np.float64) * a.ONE).astype(np.int64)


def fraction(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Numbers below 1 in u0.32."""
    return np.minimum(np.rint(np.asarray(values) * 2.0**32), 2.0**32 - 1).astype(np.int64)


def constants_of(population: Population, dt: float, spec: SpinnakerSpec) -> NDArray[np.int64]:
    """Constants of a population's cells, int64, shape (size, CONSTANTS)."""
    p, n = population.parameters, population.size
    rule = NATIVE[population.celltype]
    table = np.zeros((n, a.CONSTANTS), dtype=np.int64)
    tau_e = tau_i = np.full(n, spec.synapse_tau_ms)
    if rule == a.IZHIKEVICH:
        for column, name in ((a.A, "a"), (a.B, "b"), (a.C, "c"), (a.D, "d")):
            table[:, column] = accum(p[name])
        table[:, a.H] = accum(dt)
        table[:, a.THRESHOLD] = accum(_THRESHOLD_IZHIKEVICH)
        table[:, a.OFFSET] = accum(1000.0 * p["i_offset"])
    else:
        table[:, a.REST] = accum(p["v_rest"])
        table[:, a.RESISTANCE] = accum(p["tau_m"] / p["cm"])
        table[:, a.MEMBRANE] = accum(np.exp(-dt / p["tau_m"]))
        table[:, a.RESET] = accum(p["v_reset"])
        table[:, a.THRESHOLD] = accum(p["v_thresh"])
        table[:, a.OFFSET] = accum(p["i_offset"])
        table[:, a.REFRACTORY] = np.ceil(p["tau_refrac"] / dt - 1e-9).astype(np.int64)
    if rule == a.LIF_COND:
        table[:, a.REVERSAL_E], table[:, a.REVERSAL_I] = accum(p["e_rev_E"]), accum(p["e_rev_I"])
    if rule == a.LIF_DELTA:
        table[:, a.INIT_E] = accum(1.0 / dt)
        return table
    if rule != a.IZHIKEVICH:
        tau_e, tau_i = p["tau_syn_E"], p["tau_syn_I"]
    for side, tau in enumerate((tau_e, tau_i)):
        # The firmware decays by the exponential of a quotient in s16.15.
        ratio = np.floor(dt / tau * a.ONE) / a.ONE
        table[:, a.DECAY_E + side] = fraction(np.exp(-ratio))
        if rule == a.LIF_ALPHA:
            table[:, a.INIT_E + side] = accum(dt / tau**2)
            continue
        table[:, a.INIT_E + side] = fraction(-np.expm1(-ratio) / np.maximum(ratio, 1 / a.ONE))
    return table


def initial_state(population: Population) -> NDArray[np.int64]:
    """State of a population's cells at the start, int64, shape (size, STATE)."""
    table = np.zeros((population.size, a.STATE), dtype=np.int64)
    for name, values in population.initial_values.items():
        assign(population, table, name, values)
    return table


def assign(
    population: Population, table: NDArray[np.int64], name: str, values: NDArray[np.float64]
) -> None:
    """Set a state variable in place; NaN leaves a cell as it is."""
    columns = {"v": a.V, "isyn_exc": a.EXC, "isyn_inh": a.INH, "gsyn_exc": a.EXC,
               "gsyn_inh": a.INH}  # fmt: skip
    if population.celltype == "Izhikevich":
        columns["u"] = a.RECOVERY
    if name not in columns:
        return
    scale = 1 << a.CONDUCTANCE_SHIFT if name.startswith("gsyn") else 1
    if name == "isyn_inh":
        scale = -1  # PyNN's inhibitory current is negative
    given = ~np.isnan(values)
    table[given, columns[name]] = accum(values[given] * scale)


def parameter_rows(population: Population, dt: float, spec: SpinnakerSpec) -> list[tuple]:
    """What s16.15 makes of a population's time constants and currents."""
    table, p = constants_of(population, dt, spec), population.parameters
    rows = [
        quantisation_row(population.label, "i_offset", "nA", p["i_offset"],
                         table[:, a.OFFSET] / a.ONE
                         / (1000.0 if population.celltype == "Izhikevich" else 1.0), 2.0**-15)
    ]  # fmt: skip
    if "tau_m" in p:
        tau = -dt / np.log(np.clip(table[:, a.MEMBRANE], 1, a.ONE - 1) / a.ONE)
        rows.append(quantisation_row(population.label, "tau_m", "ms", p["tau_m"], tau, 0.0))
    if "tau_syn_E" in p:
        for side, name in enumerate(("tau_syn_E", "tau_syn_I")):
            tau = -dt / np.log(np.maximum(table[:, a.DECAY_E + side], 1) / 2.0**32)
            rows.append(quantisation_row(population.label, name, "ms", p[name], tau, 0.0))
    return rows


def check_delays(network: Network, spec: SpinnakerSpec) -> int:
    """Refuse delays no delay-extension core can hold; how many synapses need one.

    Raises
    ------
    UnsupportedError
        Names the projection, the delay, the limit and the way out.
    """
    extended = 0
    for projection in network.projections:
        steps = to_delay_steps(projection.delay_ms, network.timestep_ms)
        if int(steps.max(initial=0)) > spec.longest_delay:
            raise UnsupportedError(
                f"projection {projection.label!r}: a delay of {projection.delay_ms.max():g} ms is "
                f"{int(steps.max())} steps of {network.timestep_ms:g} ms, SpiNNaker holds at most "
                f"{spec.longest_delay} (with delay extensions); use a longer step (step_ms=...) or "
                "shorter delays"
            )
        extended += int(np.count_nonzero(steps > spec.delay_steps))
    return extended


Formats = Mapping[int, Format]
