"""STDP from a PyNN script: lowered as one rule, learned by a board, read back."""

from __future__ import annotations

import numpy as np
import pytest

import cosim.pynn as sim
from cosim.pynn.lowering import lower
from cosim.pynn.simulator import state
from hwmodels.errors import UnsupportedError
from hwmodels.network import STDP_PAIR

RULE = dict(tau_plus=5.0, tau_minus=6.0, A_plus=0.2, A_minus=0.1)


def mechanism(w_max=2.0, **changes):
    return sim.STDPMechanism(
        timing_dependence=sim.SpikePairRule(**(RULE | changes)),
        weight_dependence=sim.AdditiveWeightDependence(w_min=0.0, w_max=w_max),
        weight=1.0,
        delay=1.0,
    )


def built(engine, synapse=None):
    """Two sources, before and after a cell fires at about 14 ms; both of their weights learn."""
    sim.setup(timestep=1.0, engine=engine)
    given = sim.Population(2, sim.SpikeSourceArray(spike_times=[[11.0], [18.0]]))
    kick = sim.Population(1, sim.SpikeSourceArray(spike_times=[10.0]))
    out = sim.Population(1, sim.IF_curr_exp(v_rest=-65.0, v_reset=-65.0, tau_refrac=30.0))
    out.record("spikes")
    sim.Projection(kick, out, sim.AllToAllConnector(), sim.StaticSynapse(weight=12.0, delay=1.0))
    return sim.Projection(given, out, sim.AllToAllConnector(), synapse or mechanism())


def test_a_mechanism_is_lowered_as_one_rule():
    built("neurocorex")
    dynamics = lower(state, 10).projections[1].dynamics
    assert dynamics.kind == STDP_PAIR
    expected = RULE | {"w_min": 0.0, "w_max": 2.0, "dendritic_delay_fraction": 1.0}
    assert {name: float(value) for name, value in dynamics.parameters.items()} == expected
    assert lower(state, 20).projections[1] is lower(state, 30).projections[1]


def test_the_reference_learns_by_the_exact_rule_and_is_read_back():
    projection = built("brian2")
    sim.run(40.0)
    fired = sim.simulator.state.populations[2].get_data("spikes").segments[0].spiketrains[0]
    times = [float(t) for t in fired]
    # The whole delay of 1 ms lies behind the synapse: what comes back comes back later.
    plus = sum(np.exp(-(t + 1 - 11) / RULE["tau_plus"]) for t in times if t + 1 > 11)
    minus = sum(np.exp(-(18 - t - 1) / RULE["tau_minus"]) for t in times if t + 1 < 18)
    weights = projection.get("weight", format="array")[:, 0]
    assert weights[0] == pytest.approx(1.0 + RULE["A_plus"] * 2.0 * plus)
    later = sum(np.exp(-(t + 1 - 18) / RULE["tau_plus"]) for t in times if t + 1 > 18)
    lowered = 1.0 - RULE["A_minus"] * 2.0 * minus + RULE["A_plus"] * 2.0 * later
    assert weights[1] == pytest.approx(lowered)
    projection.set(weight=0.5)
    sim.run(1.0)
    assert projection.get("weight", format="array").tolist() == [[0.5], [0.5]]


def test_what_was_learned_is_read_back_after_each_run():
    projection = built("neurocorex")
    assert projection.get("weight", format="array").tolist() == [[1.0], [1.0]]
    sim.run(15.0)
    raised, untouched = projection.get("weight", format="array")[:, 0]
    assert raised == pytest.approx(1.0 + RULE["A_plus"] * 2.0 / 2, abs=0.1)
    assert untouched == pytest.approx(1.0, abs=0.1)
    sim.run(15.0)
    lowered = projection.get("weight", format="list")[1][2]
    assert lowered == pytest.approx(1.0 - RULE["A_minus"] * 2.0 / 2, abs=0.1)
    assert projection[0].weight == pytest.approx(raised)
    static = state.projections[0]
    assert static.get("weight", format="array").tolist() == [[12.0]]


def test_weights_set_between_runs_are_refused_by_a_board_that_is_loaded_once():
    projection = built("neurocorex")
    sim.run(5.0)
    projection.set(weight=0.5)
    with pytest.raises(UnsupportedError, match="weights and delays cannot be changed between runs"):
        sim.run(5.0)


@pytest.mark.parametrize("engine", ["loihi", "dynapse"])
def test_engines_without_learning_say_so_in_one_line(engine):
    built(engine)
    with pytest.raises(UnsupportedError, match=f"projection .*{engine}.*StaticSynapse"):
        sim.run(5.0)


def test_rules_that_differ_within_a_projection_and_other_parts_are_refused():
    built("neurocorex", mechanism(tau_plus=sim.RandomDistribution("uniform", (1.0, 9.0))))
    with pytest.raises(UnsupportedError, match="tau_plus of STDP from .* one rule"):
        sim.run(5.0)
    with pytest.raises(UnsupportedError, match="got none in place of AdditiveWeightDependence"):
        sim.STDPMechanism(timing_dependence=sim.SpikePairRule())


def test_two_mechanisms_do_not_share_their_parameters():
    one, other = mechanism(), mechanism(w_max=3.0)
    names = set(one.get_parameter_names())
    assert names == set(other.get_parameter_names())
    largest = [m.weight_dependence.parameter_space["w_max"].base_value for m in (one, other)]
    assert largest == [2.0, 3.0]
