"""A PyNN script that every chip can run, whatever its limits; run by ``test_every_chip.py``."""

import numpy as np
import pyNN.nest as sim

sim.setup(timestep=1.0)
rng = np.random.default_rng(3)
SAME = dict(tau_m=20.0, tau_syn_E=5.0, tau_syn_I=5.0, cm=0.5, tau_refrac=2.0,
            v_rest=-65.0, v_reset=-65.0, v_thresh=-55.0)  # fmt: skip
times = [np.unique(rng.integers(1, 199, 12)).astype(float).tolist() for _ in range(16)]
inputs = sim.Population(16, sim.SpikeSourceArray(spike_times=times), label="inputs")
excited = sim.Population(24, sim.IF_curr_exp(**SAME), label="excited")
inhibiting = sim.Population(6, sim.IF_curr_exp(**SAME), label="inhibiting")


def connect(pre, post, pairs, weight, receptor):
    rows = [(int(a), int(b), weight, 1.0) for a, b in pairs]
    sim.Projection(
        pre, post, sim.FromListConnector(rows), sim.StaticSynapse(), receptor_type=receptor
    )


connect(inputs, excited, [(i % 16, k) for k in range(24) for i in (k, k + 5, k + 9)], 1.0,
        "excitatory")  # fmt: skip
connect(excited, inhibiting, [(a, b) for b in range(6) for a in range(b, 24, 5)], 0.6, "excitatory")
connect(inhibiting, excited, [(k % 6, k) for k in range(24)], -0.8, "inhibitory")
for population in (excited, inhibiting):
    population.record("spikes")
sim.run(200.0)
sim.end()
