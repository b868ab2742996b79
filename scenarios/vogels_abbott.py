"""A sparse recurrent network that keeps itself active (Vogels and Abbott 2005).

4,000 integrate-and-fire cells, 80 % excitatory, each pair connected with probability 2 %. With
current-based synapses (``--model CUBA``) the cells rest above threshold and fire at 5 to 6 Hz;
with conductance-based ones (``--model COBA``) a 50 ms Poisson input ignites the activity. The
parameters are those of the simulator benchmarks 1 and 2 of Brette et al. 2007 (J. Comput.
Neurosci. 23:349-398, appendix 2).

Activity is chaotic: a difference in the last bit grows until the spike times have nothing in
common any more, so compare rates and interval statistics here and single spikes elsewhere.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from pyNN.random import NumpyRNG, RandomDistribution

import cosim.pynn as sim

#: Cells are identical spheres of this area (cm2); densities below are per cm2.
AREA_CM2 = 20_000e-8
CAPACITANCE_uF_CM2 = 1.0
LEAK_S_CM2 = 5e-5
CONNECTION_PROBABILITY = 0.02
E_EXC_mV, E_INH_mV, V_MEAN_mV = 0.0, -80.0, -60.0
#: Synaptic conductance steps in nS.
STRENGTH_nS = {"COBA": (6.0, 67.0), "CUBA": (0.27, 4.5)}


def main(argv: list[str] | None = None) -> None:
    arguments = _arguments(argv)
    sim.setup(timestep=arguments.timestep, min_delay=arguments.timestep)
    rng = NumpyRNG(seed=arguments.seed)

    capacitance_nF = CAPACITANCE_uF_CM2 * AREA_CM2 * 1e3
    cell = {
        "cm": capacitance_nF,
        "tau_m": CAPACITANCE_uF_CM2 / LEAK_S_CM2 * 1e-3,
        "v_reset": -60.0,
        "v_thresh": -50.0,
        "tau_refrac": 5.0,
        "tau_syn_E": 5.0,
        "tau_syn_I": 10.0,
    }
    g_exc, g_inh = STRENGTH_nS[arguments.model]
    if arguments.model == "COBA":
        celltype = sim.IF_cond_exp(
            **cell, v_rest=-60.0, e_rev_E=E_EXC_mV, e_rev_I=E_INH_mV, i_offset=0.0
        )
        w_exc, w_inh = 1e-3 * g_exc, 1e-3 * g_inh
    else:
        celltype = sim.IF_curr_exp(**cell, v_rest=-49.0, i_offset=0.0)
        w_exc = 1e-3 * g_exc * (E_EXC_mV - V_MEAN_mV)
        w_inh = 1e-3 * g_inh * (E_INH_mV - V_MEAN_mV)

    n_exc = round(arguments.cells * 0.8)
    exc = sim.Population(n_exc, celltype, label="excitatory")
    inh = sim.Population(arguments.cells - n_exc, celltype, label="inhibitory")
    v_init = RandomDistribution("uniform", (-60.0, -50.0), rng=rng)
    for population in (exc, inh):
        population.initialize(v=v_init)

    # The mean number of inputs is that of 4,000 cells, so smaller networks behave alike.
    probability = min(1.0, CONNECTION_PROBABILITY * 4000 / arguments.cells)
    connector = sim.FixedProbabilityConnector(probability, rng=rng)
    excitation = sim.StaticSynapse(weight=w_exc, delay=arguments.timestep)
    inhibition = sim.StaticSynapse(weight=w_inh, delay=arguments.timestep)
    for post in (exc, inh):
        sim.Projection(exc, post, connector, excitation, receptor_type="excitatory")
        sim.Projection(inh, post, connector, inhibition, receptor_type="inhibitory")

    if arguments.model == "COBA":
        thalamus = sim.Population(
            20, sim.SpikeSourcePoisson(rate=100.0, duration=50.0), label="thalamus"
        )
        ignition = sim.FixedProbabilityConnector(probability / 2, rng=rng)
        for post in (exc, inh):
            sim.Projection(
                thalamus,
                post,
                ignition,
                sim.StaticSynapse(weight=0.1, delay=arguments.timestep),
                receptor_type="excitatory",
            )

    exc.record("spikes")
    inh.record("spikes")
    exc[:2].record("v")
    sim.run(arguments.duration)
    for population in (exc, inh):
        rate = population.mean_spike_count() / arguments.duration * 1e3
        print(f"{population.label}: {rate:.2f} Hz")
    sim.end()


def score(experiment, result) -> dict[str, float]:
    """Mean rate of each population in Hz, and the mean coefficient of variation of intervals."""
    rates = {
        f"rate of {label} (Hz)": len(spikes.cell) / size / result.duration_ms * 1e3
        for label, size, spikes in zip(result.labels, result.sizes, result.spikes, strict=True)
        if label != "thalamus"
    }
    variations = []
    for spikes in result.spikes[:2]:
        order = np.lexsort((spikes.time_ms, spikes.cell))
        cells, times = spikes.cell[order], spikes.time_ms[order]
        for interval in np.split(times, np.flatnonzero(np.diff(cells)) + 1):
            if len(interval) > 3:
                gaps = np.diff(interval)
                variations.append(gaps.std() / gaps.mean())
    if variations:
        rates["mean CV of intervals"] = float(np.mean(variations))
    return rates


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="vogels_abbott", description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=sorted(STRENGTH_nS), default="CUBA")
    parser.add_argument("--cells", type=int, default=4000, help="number of cells")
    parser.add_argument("--duration", type=float, default=1000.0, help="ms")
    parser.add_argument("--timestep", type=float, default=0.1, help="ms")
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
