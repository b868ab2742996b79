"""The SFQ engine: ideal it is the reference, and every effect is only itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.sfq import Sfq
from hwmodels.errors import ModelError
from tests.cosim.engines.running import run, same_everything
from tests.cosim.networks import balanced, cell, one_to_one, recorded, source


@pytest.mark.parametrize("celltype", ["IF_curr_exp", "IF_cond_exp"])
def test_without_effects_it_is_the_reference_bit_for_bit(celltype):
    network = balanced(100, celltype=celltype)
    reference = run(network, "brian2", 120.0)
    ideal = run(network, "sfq", 120.0, effects="none")
    assert len(reference.spikes[0].cell) > 50
    assert same_everything(reference, ideal)
    assert ideal.hardware.effects == ()
    assert len(ideal.hardware.quantisation) == 0


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**16), n=st.integers(5, 50), dt=st.sampled_from([0.1, 1.0]))
def test_delay_lines_hide_all_ways_that_are_short_enough(seed, n, dt):
    """The wiring loses nothing by itself, whatever the network: only meetings do."""
    network = balanced(n, seed=seed, dt=dt)
    reference = run(network, "brian2", 40.0)
    wired = run(network, "sfq", 40.0, effects="fabric", ps_per_ms=100_000, junctions_max=1e12)
    assert same_everything(reference, wired)
    assert "synaptic events lost" not in wired.counts


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**16), soma=st.sampled_from(["loop", "counter"]))
def test_ideal_circuits_of_one_quantum_are_the_reference(seed, soma):
    """Where every input fires its cell, reset takes all away, and a circuit is the ideal cell."""
    rng = np.random.default_rng(seed)
    n = 12
    trains = [np.sort(rng.choice(np.arange(1, 40), 4, replace=False)) for _ in range(n)]
    p = one_to_one(0, 0, 20.0, 1.0, n=n, label="r")
    network = recorded(
        cell("IF_curr_delta", n, "a", tau_refrac=float(rng.integers(1, 6))), source(trains),
        projections=[
            one_to_one(1, 0, 20.0, 2.0, n=n),
            replace(p, target=rng.permutation(n).astype(np.int32),
                    delay_ms=rng.integers(1, 9, n).astype(float)),
        ],
    )  # fmt: skip
    reference = run(network, "brian2", 60.0)
    chip = run(network, "sfq", 60.0, effects="arithmetic", soma=soma, leak="drop")
    ours, theirs = chip.spikes[0], reference.spikes[0]
    # A circuit takes a femtosecond a cell, so spikes of one step may change their order.
    on_grid = np.rint(ours.time_ms / network.timestep_ms).astype(int)
    assert np.abs(ours.time_ms - on_grid * network.timestep_ms).max() < 1e-3
    order = np.lexsort((ours.cell, on_grid))
    assert np.array_equal(ours.cell[order], theirs.cell)
    assert np.allclose(on_grid[order] * network.timestep_ms, theirs.time_ms)


@pytest.mark.parametrize(("soma", "near"), [("loop", False), ("coupled", True)])
def test_a_weakly_coupled_loop_resets_as_the_reference_does(soma, near):
    rng = np.random.default_rng(2)
    n = 10
    trains = [np.sort(rng.choice(np.arange(1, 190), 60, replace=False)) for _ in range(n)]
    network = recorded(
        cell("IF_curr_delta", n, "a", v_reset=-65.0), source(trains), dt=0.5,
        projections=[one_to_one(1, 0, 6.0, 3.0, n=n)],
    )  # fmt: skip
    reference = run(network, "brian2", 200.0)
    chip = run(network, "sfq", 200.0, effects="arithmetic", soma=soma)
    ratio = len(chip.spikes[0].cell) / len(reference.spikes[0].cell)
    assert (abs(ratio - 1) < 0.15) is near
    trace = chip.traces[0].values
    assert trace.min() > -70
    assert trace.max() < -50 + (6.0 if near else 12.0)


def test_what_collides_is_lost_and_counted():
    both = replace(
        one_to_one(1, 0, 8.0, 6.0, n=1), indptr=np.array([0, 1, 2]),
        target=np.zeros(2, dtype=np.int32), weight=np.full(2, 8.0), delay_ms=np.full(2, 6.0),
    )  # fmt: skip
    network = recorded(
        cell("IF_curr_delta", 1, "a"), source([[5.0], [5.0]]), projections=[both]
    )  # fmt: skip
    assert len(run(network, "brian2", 20.0).spikes[0].cell) == 1
    lost = run(network, "sfq", 20.0, neurons="exact", effects="collisions")
    assert len(lost.spikes[0].cell) == 0
    assert lost.counts["synaptic events lost"] == 1
    assert lost.counts["pulses absorbed in mergers"] == 1
    apart = run(network, "sfq", 20.0, neurons="exact", effects="collisions", stagger_ps=14)
    assert len(apart.spikes[0].cell) == 1


def test_a_way_longer_than_the_delay_acts_steps_later():
    network = recorded(
        cell("IF_curr_delta", 1, "a"), source([5.0]), projections=[one_to_one(1, 0, 20.0, 0.1)]
    )
    usual, late = (
        run(network, "sfq", 20.0, neurons="exact", effects=effects)
        for effects in ("none", "fabric")
    )
    # A converter's 3.5 ps are 0.14 ms at 25 ps a ms.
    step = network.timestep_ms
    assert late.spikes[0].time_ms - usual.spikes[0].time_ms == pytest.approx(step)
    assert late.counts["synaptic events late"] == 1


@pytest.mark.parametrize("effect", [e for e in Sfq.all_effects if e != "stochastic"])
def test_every_effect_can_be_switched_on_alone(effect):
    network = recorded(
        cell("IF_curr_delta", 4, "a"), source([[5.0, 9.0]] * 4),
        projections=[one_to_one(1, 0, 20.0, 3.0, n=4)],
    )  # fmt: skip
    alone = run(network, "sfq", 30.0, effects=effect)
    assert alone.hardware.effects == (effect,)
    assert len(alone.spikes[0].cell) == 8


@pytest.mark.parametrize("celltype", ["IF_curr_delta", "IF_curr_exp"])
def test_stochastic_synapses_act_on_exact_neurons_too(celltype):
    """A weight of half the largest passes every second pulse whole."""
    strong = {"IF_curr_delta": 15.0, "IF_curr_exp": 40.0}[celltype]
    times = np.arange(5.0, 1000.0, 5.0)
    network = recorded(
        cell(celltype, 2, "a", tau_refrac=0.5, v_reset=-65.0), source([times, times]), dt=0.5,
        projections=[replace(one_to_one(1, 0, strong, 3.0, n=2),
                             weight=np.array([strong, strong / 2]))],
    )  # fmt: skip
    chip = run(network, "sfq", 1010.0, synapse="stochastic", effects="stochastic")
    counts = np.bincount(chip.spikes[0].cell, minlength=2)
    blocked = chip.counts["pulses blocked by stochastic synapses"]
    if celltype == "IF_curr_delta":  # a spike for each pulse
        assert counts.tolist() == [len(times), len(times) - blocked]
    assert counts[1] < 0.8 * counts[0]
    assert 0.35 < blocked / len(times) < 0.65
    assert chip.counts["synaptic events lost"] == blocked


def test_pairs_of_different_stochastic_synapses_need_lines_of_their_own():
    both = replace(
        one_to_one(1, 0, 8.0, 6.0, n=1), indptr=np.array([0, 2]),
        target=np.zeros(2, dtype=np.int32), weight=np.array([8.0, 4.0]), delay_ms=np.full(2, 6.0),
    )  # fmt: skip
    network = recorded(cell("IF_curr_delta", 1, "a"), source([[5.0]]), projections=[both])
    with pytest.raises(ModelError, match=r"projection 'p': a pair of cells .* neurons=chip"):
        run(network, "sfq", 10.0, synapse="stochastic", neurons="exact")


def test_a_cell_type_that_is_no_flux_quanta_names_the_way_out():
    network = recorded(cell("Izhikevich", 1, "a"), source([1.0]))
    with pytest.raises(ModelError, match=r"population 'a': Izhikevich .*neurons=exact"):
        run(network, "sfq", 10.0)
