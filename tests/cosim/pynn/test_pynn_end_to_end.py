"""A script through the backend and the software reference: times and signs come out right."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

import cosim.pynn as sim


@pytest.fixture
def brian2(engine):
    pytest.importorskip("brian2")
    sim.simulator.configure()
    sim.setup(timestep=0.1, engine="brian2", codegen="numpy")


def test_times_of_a_spike_and_of_a_current(brian2):
    cells = sim.Population(3, sim.IF_curr_exp())
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[10.0]))
    synapse = sim.StaticSynapse(weight=1.0, delay=1.0)
    sim.Projection(source, cells[0:1], sim.AllToAllConnector(), synapse)
    synapse = sim.StaticSynapse(weight=-1.0, delay=1.0)
    sim.Projection(source, cells[1:2], sim.AllToAllConnector(), synapse)
    cells[2].inject(sim.DCSource(amplitude=0.1, start=5.0))
    cells.record("v")
    source.record("spikes")
    sim.run(30.0)
    v = cells.get_data().segments[0].analogsignals[0].magnitude
    assert v.shape == (301, 3)
    first_change = [int(np.flatnonzero(v[:, k] != v[0, k])[0]) for k in range(3)]
    assert first_change == [111, 111, 51]
    assert v[120, 0] > v[0, 0] > v[120, 1]
    assert source.get_data().segments[0].spiketrains[0].magnitude.tolist() == [10.0]


def test_a_split_run_equals_a_whole_one(brian2):
    traces = []
    for parts in ([50.0], [7.0, 13.0, 30.0]):
        sim.setup(timestep=0.1, engine="brian2", codegen="numpy")
        cells = sim.Population(5, sim.IF_cond_exp())
        noise = sim.Population(20, sim.SpikeSourcePoisson(rate=100.0))
        sim.Projection(
            noise,
            cells,
            sim.FixedProbabilityConnector(0.5, rng=sim.NumpyRNG(seed=1)),
            sim.StaticSynapse(weight=0.01, delay=1.0),
        )
        cells.inject(sim.NoisyCurrentSource(mean=0.1, stdev=0.1))
        cells.record("v")
        for part in parts:
            sim.run(part)
        traces.append(cells.get_data().segments[0].analogsignals[0].magnitude)
    assert_allclose(*traces, rtol=0, atol=1e-12)


SCRIPT = """
import cosim.pynn as sim
from cosim.pynn.lowering import lower
sim.setup(timestep=0.1)
cells = sim.Population(10, sim.EIF_cond_exp_isfa_ista())
cells.record(["v", "w", "gsyn_exc", "spikes"])
both = cells + sim.Population(3, sim.IF_cond_exp())
synapse = sim.StaticSynapse(weight=sim.RandomDistribution("uniform", (0, 1)))
sim.Projection(both, both, sim.FixedProbabilityConnector(0.5), synapse)
sim.Population(5, sim.SpikeSourcePoisson(rate=100.0))
print(lower(sim.state, 500).content_hash)
"""


def test_the_network_does_not_depend_on_the_process():
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
