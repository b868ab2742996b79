"""STDP of the software reference, against sums over pairs and against Brian2's own synapses."""

from __future__ import annotations

from dataclasses import replace

import brian2
import numpy as np
import pytest

from cosim.engines.brian2 import Brian2Engine
from hwmodels.errors import UnsupportedError
from hwmodels.network import STDP_PAIR, SynapseDynamics
from tests.hwmodels.networks import cells, network, source, synapses

H = 0.1
RULE = {
    "tau_plus": 12.0, "tau_minus": 17.0, "A_plus": 0.011, "A_minus": 0.013,
    "w_min": 0.0, "w_max": 2.0,
}  # fmt: skip


def learning(projection, **changes):
    rule = {name: np.array(value) for name, value in (RULE | changes).items()}
    return replace(projection, dynamics=SynapseDynamics(STDP_PAIR, rule))


def given(seed, n, spikes, last):
    """Spike times on the grid, none twice."""
    rng = np.random.default_rng(seed)
    return [
        (H * np.sort(rng.choice(np.arange(10, int(last / H)), spikes, replace=False))).tolist()
        for _ in range(n)
    ]


def learner(weight, delay_ms, **changes):
    """Sources, and cells that other sources make fire one step after each of their spikes."""
    before, kicks = given(1, 5, 25, 280.0), given(2, 3, 12, 280.0)
    pairs = [(i, j) for i in range(5) for j in range(3)]
    plastic = synapses(0, 2, pairs, weight, delay_ms)
    kick = synapses(1, 2, [(j, j) for j in range(3)], 40.0, H, label="kick")
    net = network(
        source(*before), source(*kicks, label="kicks"),
        cells(3, tau_refrac=H, tau_syn_E=0.3),
        projections=[learning(plastic, **changes), kick], dt=H,
    )  # fmt: skip
    return net, before


def run(net, ms=300.0):
    simulation = Brian2Engine(codegen="numpy").start(net)
    simulation.advance(net, round(ms / H))
    return simulation.result()


def post_times(result, population=2):
    spikes = result.spikes[population]
    return [spikes.time_ms[spikes.cell == j] for j in range(3)]


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_weights_are_the_sum_over_all_pairs(fraction):
    delays = np.tile([0.2, 1.0, 4.2], 5)
    # Far from both bounds the order of changes does not matter.
    wide = {"w_min": -20.0, "w_max": 20.0, "dendritic_delay_fraction": fraction}
    net, before = learner(0.05, delays, **wide)
    result = run(net)
    after = post_times(result)
    assert min(map(len, after)) > 5
    learned = next(iter(result.weights.values()))
    for k, (i, j) in enumerate((i, j) for i in range(5) for j in range(3)):
        # Arrivals at the synapse, in steps.
        pre = (
            np.rint(np.array(before[i]) / H)
            + round(delays[k] / H)
            - round(fraction * delays[k] / H)
        )
        post = np.rint(after[j] / H) + round(fraction * delays[k] / H)
        apart = H * (post[:, None] - pre[None, :])
        up = RULE["A_plus"] * np.exp(-apart[apart > 1e-9] / RULE["tau_plus"]).sum()
        down = RULE["A_minus"] * np.exp(apart[apart < -1e-9] / RULE["tau_minus"]).sum()
        assert learned[k] == pytest.approx(0.05 + 20.0 * (up - down), abs=1e-9)


def test_bounds_and_order_are_those_of_brian2s_synapses():
    """With the whole delay in the axon, Brian2's textbook STDP says the same, clipping included."""
    delay = 0.7
    change = {"A_plus": 0.2, "A_minus": 0.3, "dendritic_delay_fraction": 0.0}
    net, before = learner(1.0, delay, **change)
    result = run(net)
    rule = RULE | change
    brian2.start_scope()
    brian2.prefs.codegen.target = "numpy"
    clock = brian2.Clock(dt=H * brian2.ms)
    groups = [
        brian2.SpikeGeneratorGroup(
            len(times),
            np.repeat(np.arange(len(times)), [len(t) for t in times]),
            np.concatenate(times) * brian2.ms,
            clock=clock,
        )
        for times in (before, post_times(result))
    ]
    theirs = brian2.Synapses(
        *groups,
        """w : 1
        dx/dt = -x / tau_plus : 1 (event-driven)
        dy/dt = -y / tau_minus : 1 (event-driven)""",
        on_pre="""w = clip(w - down * y, 0, w_max)
        x += 1""",
        on_post="""w = clip(w + up * x, 0, w_max)
        y += 1""",
        namespace={
            "tau_plus": rule["tau_plus"] * brian2.ms,
            "tau_minus": rule["tau_minus"] * brian2.ms,
            "up": rule["A_plus"] * rule["w_max"],
            "down": rule["A_minus"] * rule["w_max"],
            "w_max": rule["w_max"],
        },
        clock=clock,
    )
    theirs.connect()
    theirs.w = 1.0
    theirs.pre.delay = delay * brian2.ms
    brian2.Network(*groups, theirs).run(300 * brian2.ms)
    ours = next(iter(result.weights.values()))
    np.testing.assert_allclose(ours, theirs.w[:], atol=1e-9)
    assert {0.0, 2.0} & set(np.round(ours, 9)), "some weights are at a bound"


def test_a_rule_that_changes_nothing_is_a_static_synapse():
    def recurrent(projection):
        return network(
            source(*given(3, 6, 40, 90.0)), cells(6),
            projections=[projection], dt=H, v=[1],
        )  # fmt: skip

    pairs = [(i, j) for i in range(6) for j in range(6)]
    weight = np.random.default_rng(1).uniform(0.5, 3.0, 36)
    fixed = synapses(0, 1, pairs, weight, 1.5)
    still = learning(fixed, A_plus=0.0, A_minus=0.0, w_max=10.0)
    static, quiet = run(recurrent(fixed), 100.0), run(recurrent(still), 100.0)
    assert len(static.spikes[1].time_ms) > 10
    assert static.spikes[1].time_ms.tolist() == quiet.spikes[1].time_ms.tolist()
    for a, b in zip(static.traces, quiet.traces, strict=True):
        assert np.array_equal(a.values, b.values)
    assert not static.weights
    assert next(iter(quiet.weights.values())).tolist() == weight.tolist()


def test_other_dynamics_are_refused():
    fixed = synapses(0, 1, [(0, 0)], 1.0)
    other = replace(fixed, dynamics=SynapseDynamics("tsodyks_markram"))
    with pytest.raises(UnsupportedError, match="'tsodyks_markram' are not computed by brian2"):
        Brian2Engine(codegen="numpy").start(network(source([1.0]), cells(1), projections=[other]))
