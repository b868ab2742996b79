"""A column of cortex, four layers of excitatory and inhibitory cells (Potjans and Diesmann 2014).

Sizes, connection probabilities, weights, delays, initial potentials and external input are those of
the reference implementation (github.com/INM-6/microcircuit-PD14-model, ``parameter_definitions``).
Cells get their external input as a constant current there by default, and so here. At a scale
below 1 there are fewer cells and fewer inputs to each; weights and a constant current make up for
it, so that mean and variance of the input stay (van Albada, Helias and Diesmann 2015).

Below a scale of 0.2 the current alone leaves most cells under their threshold, and they are silent.

Single spikes are chaotic: compare rates, the variation of intervals and correlations.
"""

from __future__ import annotations

import argparse
import math
import sys

import numpy as np
from pyNN.random import NumpyRNG, RandomDistribution

import cosim.pynn as sim

LAYERS = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
FULL_SIZE = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
#: Of a pair of cells; rows are targets, columns sources.
PROBABILITY = np.array(
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
    ]
)
#: Rates in the full network, which the current that replaces missing inputs is computed from.
FULL_RATE_Hz = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])
#: External inputs of each cell, and the rate of each.
EXTERNAL = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
EXTERNAL_Hz = 8.0
#: Initial potentials that avoid a burst at the start.
V0_MEAN_mV = np.array([-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43])
V0_SD_mV = np.array([5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48])
C_nF, TAU_M_ms, TAU_SYN_ms = 0.25, 10.0, 0.5
#: Peak of an excitatory potential (twice that from layer 4 to 2/3), inhibition over excitation.
PSP_mV, INHIBITION, WEIGHT_CV = 0.15, -4.0, 0.1
DELAY_ms, DELAY_CV = {"E": 1.5, "I": 0.75}, 0.5
#: Left out of all statistics.
TRANSIENT_ms = 500.0


def main(argv: list[str] | None = None) -> None:
    arguments = _arguments(argv)
    dt, scale = arguments.timestep, arguments.scale
    sim.setup(timestep=dt, min_delay=dt)
    rng = NumpyRNG(seed=arguments.seed)
    size = np.round(FULL_SIZE * scale).astype(int)
    synapses, weight_nA = full_synapses(), full_weights()
    # Currents of the full network, of which a scaled one has only a part.
    recurrent_nA = (weight_nA * synapses / FULL_SIZE[:, None] * FULL_RATE_Hz).sum(axis=1)
    external_nA = weight_nA[0, 0] * EXTERNAL * EXTERNAL_Hz
    constant_nA = 1e-3 * TAU_SYN_ms * (external_nA + (1 - math.sqrt(scale)) * recurrent_nA)

    cell = {
        "cm": C_nF, "tau_m": TAU_M_ms, "tau_refrac": 2.0, "v_rest": -65.0, "v_reset": -65.0,
        "v_thresh": -50.0, "tau_syn_E": TAU_SYN_ms, "tau_syn_I": TAU_SYN_ms,
    }  # fmt: skip
    populations = []
    for k, label in enumerate(LAYERS):
        celltype = sim.IF_curr_exp(**cell, i_offset=constant_nA[k])
        population = sim.Population(int(size[k]), celltype, label=label)
        v0 = RandomDistribution("normal", (V0_MEAN_mV[k], V0_SD_mV[k]), rng=rng)
        population.initialize(v=v0)
        population.record("spikes")
        populations.append(population)
    for target, source in np.argwhere(PROBABILITY).tolist():
        weight = weight_nA[target, source] / math.sqrt(scale)
        delay = DELAY_ms[LAYERS[source][-1]]
        synapse = sim.StaticSynapse(
            weight=RandomDistribution("normal", (weight, WEIGHT_CV * abs(weight)), rng=rng),
            delay=RandomDistribution(
                "normal_clipped", (delay, DELAY_CV * delay, dt, 10 * delay), rng=rng
            ),
        )
        connector = sim.FixedTotalNumberConnector(
            round(synapses[target, source] * scale**2), with_replacement=True, rng=rng
        )
        receptor = "excitatory" if LAYERS[source].endswith("E") else "inhibitory"
        label = f"{LAYERS[source]} to {LAYERS[target]}"
        sim.Projection(
            populations[source], populations[target], connector, synapse,
            receptor_type=receptor, label=label,
        )  # fmt: skip
    sim.run(arguments.duration)
    for population in populations:
        rate = population.mean_spike_count() / arguments.duration * 1e3
        print(f"{population.label}: {rate:.2f} Hz")
    sim.end()


def full_synapses() -> np.ndarray:
    """Synapses of the full network, from the probability that a pair has at least one."""
    pairs = np.outer(FULL_SIZE, FULL_SIZE).astype(float)
    return np.log(1.0 - PROBABILITY) / np.log((pairs - 1.0) / pairs)


def full_weights() -> np.ndarray:
    """Mean weights in nA: the current of which an exponential gives the potential its peak."""
    sub = 1.0 / (TAU_SYN_ms - TAU_M_ms)
    ratio = (TAU_M_ms / TAU_SYN_ms) ** sub
    peak_mV = TAU_M_ms * TAU_SYN_ms / C_nF * sub * (ratio**TAU_M_ms - ratio**TAU_SYN_ms)
    weight = np.full((8, 8), PSP_mV / peak_mV)
    weight[:, 1::2] *= INHIBITION
    weight[0, 2] *= 2
    return weight


def score(experiment, result) -> dict[str, float]:
    """Mean rate of each population in Hz after the transient, and mean variation of intervals."""
    span_ms = result.duration_ms - TRANSIENT_ms
    if span_ms <= 0:
        return {}
    scores, variations = {}, []
    for label, size, spikes in zip(result.labels, result.sizes, result.spikes, strict=True):
        late = spikes.time_ms >= TRANSIENT_ms
        scores[f"rate of {label} (Hz)"] = np.count_nonzero(late) / size / span_ms * 1e3
        variations.append(interval_cv(spikes.cell[late], spikes.time_ms[late]))
    variation = np.concatenate(variations)
    if len(variation):
        scores["mean CV of intervals"] = float(variation.mean())
    return scores


def interval_cv(cell: np.ndarray, time_ms: np.ndarray) -> np.ndarray:
    """Coefficient of variation of the intervals of each cell that has at least two."""
    order = np.lexsort((time_ms, cell))
    trains = np.split(time_ms[order], np.flatnonzero(np.diff(cell[order])) + 1)
    gaps = [np.diff(train) for train in trains if len(train) > 2]
    return np.array([gap.std() / gap.mean() for gap in gaps])


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="microcircuit", description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.2, help="of cells and of their inputs")
    parser.add_argument("--duration", type=float, default=1500.0, help="ms")
    parser.add_argument("--timestep", type=float, default=0.1, help="ms")
    parser.add_argument("--seed", type=int, default=123450)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
