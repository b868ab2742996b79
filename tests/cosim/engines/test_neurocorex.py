"""The NeuroCoreX engine: ideal it is the reference, and every effect is only itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.compare import Attribution, compare, html_report, render_text
from cosim.engines import get_engine
from hwmodels.chips.neurocorex import Neurocorex
from hwmodels.errors import UnsupportedError
from hwmodels.network import STDP_PAIR, SynapseDynamics
from tests.cosim.engines.test_hardware import run, same_everything, same_spikes
from tests.cosim.networks import balanced, cell, one_to_one, recorded, source


@pytest.mark.parametrize("celltype", ["IF_curr_exp", "IF_cond_exp"])
def test_an_ideal_board_is_the_reference_bit_for_bit_in_a_recurrent_network(celltype):
    network = balanced(90, celltype=celltype)
    reference = run(network, "brian2", 150.0)
    ideal = run(network, "neurocorex", 150.0, effects="none")
    assert len(reference.spikes[0].cell) > 50
    assert same_everything(reference, ideal)
    assert ideal.hardware.effects == ()
    assert ideal.hardware.load_ps == 0
    assert len(ideal.hardware.quantisation) == 0


@pytest.mark.parametrize(
    "effect", [e for e in Neurocorex.all_effects if e not in ("time_step", "stdp", "arithmetic")]
)
def test_every_effect_can_be_switched_on_alone(effect):
    network = balanced(40)
    alone = run(network, "neurocorex", 30.0, effects=effect)
    assert alone.hardware.effects == (effect,)


def test_the_three_fidelities_agree_where_nothing_waits():
    network = recorded(
        cell("IF_curr_exp", 2), source([[5.0, 9.0], [7.0]]), dt=1.0,
        projections=[one_to_one(1, 0, 3.0, n=2)],
    )  # fmt: skip
    results = [
        run(network, "neurocorex", 40.0, effects="uart", fidelity=f)
        for f in ("compiled", "reference", "analytic")
    ]
    assert same_spikes(*results[:2])
    assert same_spikes(*results[1:])
    assert same_spikes(results[0], run(network, "brian2", 40.0))
    assert [r.hardware.fidelity for r in results] == ["compiled", "reference", "analytic"]


def plastic():
    rule = dict(tau_plus=5.0, tau_minus=5.0, A_plus=0.2, A_minus=0.2, w_min=0.0, w_max=4.0)
    dynamics = SynapseDynamics(STDP_PAIR, {k: np.array(v) for k, v in rule.items()})
    learns = replace(one_to_one(1, 0, 3.0, 1.0), dynamics=dynamics)
    same = dict(tau_syn_I=3.0, v_reset=-65.0)
    return recorded(
        cell("IF_curr_exp", 1, **same), source([5.0, 25.0]), dt=1.0, projections=[learns]
    )


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("loihi", "loihi does not compute"),
        ("loihi:neurons=exact", "loihi does not compute"),
    ],
)
def test_who_does_not_learn_says_so(engine, message):
    with pytest.raises(UnsupportedError, match=f"projection 'p'.*{message}"):
        get_engine(engine).start(plastic())


def test_a_replay_teaches_nothing_and_says_so():
    recorded_once = run(plastic(), "brian2", 40.0)
    with pytest.raises(UnsupportedError, match=r"projection 'p'.*replayed teach nothing"):
        get_engine("neurocorex").replaying(recorded_once).start(plastic())


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    celltype=st.sampled_from(["IF_curr_exp", "IF_curr_delta", "IF_cond_exp"]),
    fraction=st.sampled_from([0.0, 0.4, 1.0]),
    learners=st.sets(st.integers(0, 4), min_size=1),
)
def test_exact_neurons_on_an_ideal_board_learn_as_the_reference(seed, celltype, fraction, learners):
    network = balanced(30, seed=seed, celltype=celltype)
    twice = source([[5.0, 5.02, 20.0, 20.01]] * 24)  # two spikes of a cell in a step
    projections = [*network.projections, one_to_one(2, 0, 0.2, 1.5, n=24)]
    network = replace(network, populations=(*network.populations, twice))
    for k in learners:
        weight = projections[k].weight
        bound = 2.0 * float(weight[0]) if len(weight) else 1.0
        rule = dict(tau_plus=10.0, tau_minus=14.0, A_plus=0.02, A_minus=0.015, w_min=0.0,
                    w_max=bound, dendritic_delay_fraction=fraction)  # fmt: skip
        dynamics = SynapseDynamics(STDP_PAIR, {name: np.array(x) for name, x in rule.items()})
        projections[k] = replace(projections[k], dynamics=dynamics)
    network = replace(network, projections=tuple(projections))
    reference = run(network, "brian2", 60.0)
    ideal = run(network, "neurocorex", 60.0, effects="none")
    assert same_everything(reference, ideal)
    assert reference.weights.keys() == ideal.weights.keys()
    assert all(np.array_equal(w, ideal.weights[k]) for k, w in reference.weights.items())


def test_exact_neurons_learn_from_a_late_spike_when_it_arrives():
    """The board takes one input event a step: the second of two acts, and teaches, a step later."""

    def two(second_ms):
        rule = plastic().projections[0].dynamics
        both = replace(
            one_to_one(1, 0, 3.0), indptr=np.array([0, 1, 2]), target=np.zeros(2, dtype=np.int32),
            weight=np.array([12.0, 1.0]), delay_ms=np.ones(2), dynamics=rule,
        )  # fmt: skip
        inputs = source([[5.0, 25.0], [second_ms]])
        return recorded(cell("IF_curr_exp", 1), inputs, dt=1.0, projections=[both])

    late = run(two(25.0), "neurocorex", 40.0, effects="uart")
    told = run(two(26.0), "brian2", 40.0)
    in_time = run(two(25.0), "brian2", 40.0)
    assert late.spikes[0].time_ms.tolist() == told.spikes[0].time_ms.tolist() != []
    assert late.counts["synaptic events late"] == 1
    assert late.weights["p"].tolist() == told.weights["p"].tolist()
    assert late.weights["p"].tolist() != in_time.weights["p"].tolist()


def test_an_attribution_tells_what_each_effect_costs_in_learned_weights():
    reference = run(plastic(), "brian2", 40.0)
    pairs = []
    for effects in ("none", "arithmetic", "arithmetic+stdp"):
        result = run(plastic(), "neurocorex", 40.0, effects=effects)
        pairs.append((effects, compare(reference, result)))
    attribution = Attribution.from_comparisons(pairs)
    none, fixed, own = (row.weights_rms for row in attribution.rows)
    assert none == 0.0
    assert fixed is None, "with fixed weights there is nothing to compare"
    assert own is not None
    assert own > 0
    said = render_text(pairs[0][1], {pairs[0][1].name: attribution})
    assert "weights" in said.split("what each effect costs")[1]
    page = html_report(pairs[0][1], {pairs[0][1].name: attribution})
    assert "learned<br>weights rms" in page


def test_what_the_board_learned_is_compared_with_the_exact_rule():
    results = [run(plastic(), engine, 40.0) for engine in ("brian2", "neurocorex")]
    (row,) = compare(*results).weights
    ours, theirs = (r.weights["p"] for r in results)
    assert (row.projection, row.synapses) == ("p", 1)
    assert row.reference_mean == ours[0]
    assert row.max_difference == row.rms_difference == abs(theirs[0] - ours[0])
    assert 0 < row.max_difference < 0.5
    assert row.correlation is None
    assert "learned weights" in render_text(compare(*results))
    assert "Learned weights" in html_report(compare(*results))


def test_the_report_tells_of_loading_and_reading_back():
    result = run(plastic(), "neurocorex", 40.0)
    metrics = compare(result, result).hardware
    assert metrics.load_ms == pytest.approx(1384.774)
    assert metrics.read_out_ms == pytest.approx(193.546)
    total_ms = metrics.load_ms + metrics.read_out_ms + metrics.duration_ms
    assert metrics.power_mW == pytest.approx(metrics.energy_uJ / total_ms, rel=1e-4)
    assert metrics.power_mW == pytest.approx(231.0, rel=1e-3)
