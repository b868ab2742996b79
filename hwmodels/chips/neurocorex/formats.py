"""A network in the numbers of the board: one leak, thresholds, and two arrays of 8-bit weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.neurocorex.spec import NeurocorexSpec
from hwmodels.errors import CapacityError, UnsupportedError
from hwmodels.membrane import settling, synaptic_gain_mV
from hwmodels.network import STDP_PAIR, Network, Population, Projection
from hwmodels.quantisation import quantisation_row, weight_unit

#: The two arrays of weights: from neurons, and from inputs.
RECURRENT, INPUT = range(2)


@dataclass(frozen=True, eq=False)
class Scale:
    """One population in units of the board; arrays have shape (size,).

    Attributes
    ----------
    unit_mV : float
        Of membrane and currents.
    gain : float64 array
        Units that a weight of 1 nA adds to the current, before the gain of an array.
    threshold, refractory : int64 arrays
        In units, and in steps in which a neuron cannot fire.
    bias_gain : float64 array
        Units of bias for each nA.
    """

    unit_mV: float
    gain: NDArray[np.float64]
    threshold: NDArray[np.int64]
    refractory: NDArray[np.int64]
    bias_gain: NDArray[np.float64]


class Rule(NamedTuple):
    """STDP as the board has it: rectangles, the same heights everywhere.

    Attributes
    ----------
    plus_steps, minus_steps : tuple of int
        Registers of the two windows, for each array of weights.
    raised, lowered : int
        By how much a weight changes, in its units.
    """

    plus_steps: tuple[int, int]
    minus_steps: tuple[int, int]
    raised: int
    lowered: int


@dataclass(frozen=True, eq=False)
class Board(Mapping[int, Scale]):
    """What is loaded into the board; by population, the scale of those it computes itself.

    Attributes
    ----------
    scales : mapping of int to Scale
    decay_u, decay_v : int
        Of all currents and all membranes, in units of the decay.
    amplitude : tuple of int
        Gain of each array of weights.
    mantissas : tuple of int64 arrays
        Weights of each projection, in units of its array.
    plastic : tuple of bool
        Which projections learn.
    rule : Rule or None
    given : Network
        What was loaded, before it was translated.
    """

    scales: Mapping[int, Scale]
    decay_u: int
    decay_v: int
    amplitude: tuple[int, int]
    mantissas: tuple[NDArray[np.int64], ...]
    plastic: tuple[bool, ...]
    rule: Rule | None
    given: Network

    def __getitem__(self, population: int) -> Scale:
        return self.scales[population]

    def __iter__(self) -> Iterator[int]:
        return iter(self.scales)

    def __len__(self) -> int:
        return len(self.scales)


def array_of(network: Network, projection: Projection) -> int:
    """Which of the two arrays holds the weights of a projection."""
    return INPUT if network.populations[projection.pre].is_source else RECURRENT


def native_obstacle(population: Population) -> str | None:
    """Why the board cannot compute a population, and the way out; None if it can."""
    if population.celltype != "IF_curr_exp":
        return (
            f"NeuroCoreX computes IF_curr_exp, not {population.celltype}; use that, or run with "
            "neurons=exact"
        )
    p = population.parameters
    if np.any(p["v_rest"] != p["v_reset"]):
        return (
            "v_rest must be v_reset on NeuroCoreX, whose membranes leak towards the value they "
            "are reset to; set them equal, or run with neurons=exact"
        )
    if np.any(p["v_thresh"] <= p["v_reset"]):
        return "v_thresh must lie above v_reset on NeuroCoreX; run with neurons=exact"
    if np.any(p["tau_syn_E"] != p["tau_syn_I"]):
        return (
            "tau_syn_E and tau_syn_I must be equal on NeuroCoreX, where weights of both signs add "
            "to one current; set them equal, or run with neurons=exact"
        )
    return None


def check_cells(network: Network, spec: NeurocorexSpec) -> None:
    """Refuse what the board's one neuron circuit cannot be for all cells at once.

    Raises
    ------
    UnsupportedError
    """
    first: Population | None = None
    biased: list[str] = []
    for index, population in enumerate(network.populations):
        if population.is_source or not population.size:
            continue
        obstacle = native_obstacle(population)
        if obstacle is not None:
            raise UnsupportedError(f"population {population.label!r}: {obstacle}")
        first = first or population
        for name in ("tau_m", "tau_syn_E"):
            values = np.append(population.parameters[name], first.parameters[name][0])
            if np.ptp(values) > 0:
                raise UnsupportedError(
                    f"population {population.label!r}: {name} of {values.min():g} to "
                    f"{values.max():g} ms: NeuroCoreX has one leak for all membranes and one for "
                    "all currents; give all cells the same, or run with neurons=exact"
                )
        driven = population.parameters["i_offset"] != 0
        for current in network.currents:
            if current.population == index and np.any(current.amplitudes_nA):
                driven[current.cells] = True
        biased += [population.label] * int(np.count_nonzero(driven))
    if len(biased) > spec.biased_neurons:
        raise UnsupportedError(
            f"population {biased[-1]!r}: {len(biased)} cells have an i_offset or an injected "
            f"current, NeuroCoreX drives {spec.biased_neurons} with a constant current; drive "
            f"them by spikes, run with neurons=exact, or a what-if (biased_neurons={len(biased)})"
        )


def decays(network: Network, spec: NeurocorexSpec) -> tuple[int, int]:
    """The board's leaks of current and membrane; those of the first native population."""
    for population in network.populations:
        if population.is_source or not population.size or native_obstacle(population):
            continue
        taus = (population.parameters[name][0] for name in ("tau_syn_E", "tau_m"))
        shares = (-np.expm1(-network.timestep_ms / tau) for tau in taus)
        u, v = (int(np.clip(np.rint(share * spec.one), 1, spec.one)) for share in shares)
        return u, v
    return spec.one, spec.one


def scale_population(
    population: Population, dt: float, u: int, v: int, spec: NeurocorexSpec
) -> Scale:
    """Units in which the highest threshold takes ``threshold_bits``."""
    p, one = population.parameters, spec.one
    height = p["v_thresh"] - p["v_reset"]
    unit = float(height.max()) / 2**spec.threshold_bits
    keep_u, keep_v = np.full(population.size, u / one), np.full(population.size, v / one)
    gain = synaptic_gain_mV(p["tau_m"], p["cm"], p["tau_syn_E"], dt, keep_u, keep_v)
    exact_v = -np.expm1(-dt / p["tau_m"])
    rest = p["tau_m"] / p["cm"] * exact_v * settling(keep_v, exact_v)
    return Scale(
        unit_mV=unit,
        gain=gain / unit,
        threshold=np.maximum(np.rint(height / unit).astype(np.int64), 1),
        refractory=np.maximum(np.rint(p["tau_refrac"] / dt).astype(np.int64), 1),
        bias_gain=rest / unit,
    )


def summed_pairs(network: Network) -> tuple[list[NDArray[np.float64]], int, int]:
    """Weights as an array holds them: one a pair, none from a neuron to itself.

    Returns
    -------
    list of float64 arrays
        For each projection; the first synapse of a pair has the sum of all, the others 0.
    int, int
        Synapses that share a weight with an earlier one, and those from a neuron to itself.
    """
    weights = [p.weight.copy() for p in network.projections]
    owner: dict[tuple[int, int], tuple[int, int]] = {}
    shared = own = 0
    for k, p in enumerate(network.projections):
        source = p.source + network.offsets[p.pre]
        target = p.target + network.offsets[p.post]
        for s, pair in enumerate(zip(source.tolist(), target.tolist(), strict=True)):
            if pair[0] == pair[1]:
                weights[k][s] = 0.0
                own += 1
            elif pair in owner:
                at, first = owner[pair]
                weights[at][first] += weights[k][s]
                weights[k][s] = 0.0
                shared += 1
            else:
                owner[pair] = k, s
    return weights, shared, own


def quantise(
    network: Network,
    weights: list[NDArray[np.float64]],
    scales: Mapping[int, Scale],
    spec: NeurocorexSpec,
) -> tuple[tuple[int, int], list[NDArray[np.int64]], list[NDArray[np.float64]], list[tuple]]:
    """Gains of both arrays, 8-bit weights, these in PyNN's unit, and rows of QUANTISATION.

    Each array has one gain, the smallest with which its strongest weight fits. Populations that
    the board does not compute have no unit of state; theirs is that of their strongest input.
    """
    largest = (1 << spec.weight_bits) - 1
    most = (1 << spec.recurrent_gain_bits) - 1, (1 << spec.input_gain_bits) - 1
    gains, peaks = [], np.zeros(2)
    for p, weight in zip(network.projections, weights, strict=True):
        scale, bound = scales.get(p.post), _bound(p)
        if scale is not None:
            gain = scale.gain[p.target]
            peaks[array_of(network, p)] = max(
                peaks[array_of(network, p)],
                float((np.maximum(np.abs(weight), bound) * gain).max(initial=0.0)),
            )
        else:
            alike = (
                w
                for q, w in zip(network.projections, weights, strict=True)
                if q.post == p.post and array_of(network, q) == array_of(network, p)
            )
            peak = max(float(np.abs(w).max(initial=0.0)) for w in alike)
            gain = np.full(p.n_synapses, largest / peak if peak else 1.0)
        gains.append(gain)
    amplitude = np.clip(np.ceil(peaks / largest - 1e-9), 1, most).astype(int)
    mantissas, made, rows = [], [], []
    for p, weight, gain in zip(network.projections, weights, gains, strict=True):
        times = int(amplitude[array_of(network, p)]) if p.post in scales else 1
        exact = np.rint(weight * gain / times)
        mantissas.append(np.clip(exact, -largest - 1, largest).astype(np.int64))
        made.append(mantissas[-1] * times / gain)
        unit = weight_unit(network.populations[p.post].celltype)
        step = float((times / gain).max(initial=0.0))
        clipped = mantissas[-1] != exact
        rows.append(quantisation_row(p.label, "weight", unit, weight, made[-1], step, clipped))
    return (int(amplitude[0]), int(amplitude[1])), mantissas, made, rows


def _bound(projection: Projection) -> float:
    """The largest weight that learning may reach."""
    if projection.dynamics.kind != STDP_PAIR:
        return 0.0
    return float(projection.dynamics.parameters["w_max"])


def parameter_rows(network: Network, board: Board, spec: NeurocorexSpec) -> list[tuple]:
    """What the board's leaks, thresholds and refractory times make of parameters."""
    dt, rows = network.timestep_ms, []

    def time_constant(decay: int) -> float:
        return -dt / math.log(max(1 - decay / spec.one, 1e-9))

    for index, scale in board.items():
        population = network.populations[index]
        p = population.parameters
        for name, decay in (("tau_m", board.decay_v), ("tau_syn_E", board.decay_u)):
            made = np.full(population.size, time_constant(decay))
            rows.append(quantisation_row(population.label, name, "ms", p[name], made, 0.0))
        made = p["v_reset"] + scale.threshold * scale.unit_mV
        rows.append(
            quantisation_row(population.label, "v_thresh", "mV", p["v_thresh"], made, scale.unit_mV)
        )
        made = np.asarray(scale.refractory * dt, dtype=np.float64)
        rows.append(
            quantisation_row(population.label, "tau_refrac", "ms", p["tau_refrac"], made, dt)
        )
    return rows


def check_room(network: Network, spec: NeurocorexSpec) -> None:
    """Refuse more neurons or sources than the arrays have rows and columns.

    Raises
    ------
    CapacityError
    """
    for sources, most, what in ((False, spec.neurons, "neurons"), (True, spec.inputs, "inputs")):
        there = [p for p in network.populations if p.is_source == sources and p.size]
        total = sum(p.size for p in there)
        if total > most:
            raise CapacityError(
                f"the network has {total} {'spike sources' if sources else 'neurons'}, NeuroCoreX "
                f"{most} {what} (the last population is {there[-1].label!r} with "
                f"{there[-1].size}); use fewer, or a larger board ({what}={total} and slots=)"
            )


def without_delays(network: Network) -> tuple[Network, int, list[tuple]]:
    """All spikes act in the next step: the network, how many delays that changed, and rows."""
    dt, changed, rows, projections = network.timestep_ms, 0, [], []
    for p in network.projections:
        made = np.full(p.n_synapses, dt)
        differs = int(np.count_nonzero(p.delay_ms != made))
        if differs:
            changed += differs
            rows.append(quantisation_row(p.label, "delay", "ms", p.delay_ms, made, 0.0))
            p = replace(p, delay_ms=made)
        projections.append(p)
    return replace(network, projections=tuple(projections)), changed, rows
