"""Spikes with payloads, which PyNN does not have: what a script says and engines make of it."""

from __future__ import annotations

import numpy as np
import pytest

import cosim.pynn as sim
from hwmodels.errors import NetworkError


def membrane(engine, kind, **parameters):
    sim.setup(timestep=1.0, engine=engine)
    given = sim.Population(2, kind(**parameters))
    cells = sim.Population(2, sim.IF_curr_exp(tau_m=20.0, v_thresh=0.0))
    cells.record("v")
    sim.Projection(given, cells, sim.OneToOneConnector(), sim.StaticSynapse(weight=0.01))
    sim.run(30.0)
    (segment,) = cells.get_data().segments
    packets = sim.state.result.hardware.packets if engine != "brian2" else ()
    sim.end()
    return segment.analogsignals[0].magnitude, len(packets)


GRADED = dict(spike_times=[2.0, 5.0, 9.0], payloads=[3, 0, 70])


@pytest.mark.parametrize("engine", ["brian2", "loihi", "loihi:spec=loihi2_scaled"])
def test_a_payload_is_as_many_spikes_at_one_time(engine):
    ours, messages = membrane(engine, sim.GradedSpikeSourceArray, **GRADED)
    theirs, _ = membrane(engine, sim.SpikeSourceArray, spike_times=[2.0] * 3 + [9.0] * 70)
    assert np.array_equal(ours, theirs)
    assert ours.max() > ours.min() + 1
    assert messages == {"brian2": 0, "loihi": 2 * 73}.get(engine, 2 * 2)


def test_without_payloads_every_spike_carries_one():
    ours, _ = membrane("brian2", sim.GradedSpikeSourceArray, spike_times=[2.0, 9.0])
    theirs, _ = membrane("brian2", sim.SpikeSourceArray, spike_times=[2.0, 9.0])
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("payloads", "message"),
    [([1, 2], r"payloads of cell 0 are 2, its spikes 3"), ([1, 2, -1], "0 or more.*inhibitory"),
     ([1, 2, 0.5], "whole numbers")],
)  # fmt: skip
def test_a_payload_is_a_whole_number_for_each_spike(payloads, message):
    with pytest.raises(NetworkError, match=message):
        membrane("brian2", sim.GradedSpikeSourceArray, **GRADED | {"payloads": payloads})
