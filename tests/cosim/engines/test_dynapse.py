"""The DynapSE engine: ideal it is the reference, and every effect is only itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.dynapse import Dynapse
from hwmodels.errors import ModelError
from tests.cosim.engines.running import run, same_everything, same_spikes
from tests.cosim.networks import balanced, cell, one_to_one, recorded, source, step_current


@pytest.mark.parametrize("celltype", ["IF_curr_exp", "IF_cond_exp"])
@pytest.mark.parametrize("effects", ["none", "mismatch+cam_faults"])
def test_without_effects_or_with_mismatch_zero_it_is_the_reference_bit_for_bit(celltype, effects):
    network = balanced(120, celltype=celltype)
    reference = run(network, "brian2", 150.0)
    ideal = run(network, "dynapse", 150.0, effects=effects, mismatch_cv=0)
    assert len(reference.spikes[0].cell) > 100
    assert same_everything(reference, ideal)
    assert ideal.hardware.effects == ()
    assert len(ideal.hardware.quantisation) == 0


@pytest.mark.parametrize(
    "celltype", ["IF_curr_alpha", "IF_curr_delta", "IF_cond_alpha", "Izhikevich",
                 "EIF_cond_exp_isfa_ista"],
)  # fmt: skip
def test_any_cell_type_runs_as_exact_neurons_on_the_fabric(celltype):
    strong = {"IF_curr_delta": 8.0, "Izhikevich": 12.0, "IF_curr_alpha": 3.0}.get(celltype, 0.08)
    network = recorded(
        cell(celltype, 3, "a"),
        source([[0.0, 5.0, 5.0, 9.0], [7.0], [2.0, 20.0, 20.1, 20.2]]),
        cell(celltype, 3, "b"),
        projections=[
            one_to_one(1, 0, strong, 1.5, n=3),
            one_to_one(0, 2, strong, 0.3, n=3, label="q"),
            one_to_one(2, 0, strong / 3, 2.0, n=3, label="r"),
        ],
        currents=[step_current(3.0, 0.4, stop=30.0)],
    )
    reference = run(network, "brian2", 60.0)
    assert len(reference.spikes[0].cell) > 0
    assert same_everything(reference, run(network, "dynapse", 60.0, effects="none"))
    # Latencies are far shorter than a step, so the grid of exact neurons hides them.
    routed = run(network, "dynapse", 60.0, neurons="exact", effects="fabric")
    assert same_everything(reference, routed)
    assert np.all(routed.hardware.packets["arrive_ps"] > routed.hardware.packets["inject_ps"])


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**16), n=st.integers(5, 60), dt=st.sampled_from([0.1, 1.0]))
def test_any_random_network_on_an_ideal_chip_is_the_reference(seed, n, dt):
    network = balanced(n, seed=seed, dt=dt)
    reference = run(network, "brian2", 40.0)
    assert same_everything(reference, run(network, "dynapse", 40.0, effects="none"))


def test_latency_above_a_step_acts_steps_later_on_exact_neurons():
    network = recorded(
        cell("IF_curr_exp", 1, "a"), source([5.0]), projections=[one_to_one(1, 0, 3.0, 1.0)]
    )
    usual, late = (
        run(network, "dynapse", 30.0, effects="fabric", broadcast_ns=ns) for ns in (27.0, 250_000.0)
    )
    step = network.timestep_ms
    steps = np.floor((250e-3 + 0.1e-3) / step)
    assert late.spikes[0].time_ms == pytest.approx(usual.spikes[0].time_ms + steps * step)
    assert late.counts["synaptic events late"] == 1


@pytest.mark.parametrize("effect", [e for e in Dynapse.all_effects if e != "cam_faults"])
def test_every_effect_can_be_switched_on_alone(effect):
    network = balanced(40)
    alone = run(network, "dynapse", 30.0, effects=effect, overflow="truncate")
    assert alone.hardware.effects == (effect,)


def test_silicon_neurons_stay_near_the_reference():
    network = balanced(120)
    reference = run(network, "brian2", 300.0)
    silicon = run(network, "dynapse", 300.0, effects="arithmetic")
    for ours, theirs in zip(silicon.spikes, reference.spikes, strict=True):
        if len(theirs.cell) > 50:
            assert len(ours.cell) / len(theirs.cell) == pytest.approx(1.0, abs=0.1)


def test_mismatch_of_exact_neurons_is_that_of_their_parameters():
    network = balanced(60)
    one, same, other = (
        run(network, "dynapse", 60.0, effects="mismatch", chip_seed=k) for k in (1, 1, 2)
    )
    assert same_spikes(one, same)
    assert not same_spikes(one, other)


def test_a_cell_type_without_silicon_names_the_way_out():
    network = recorded(cell("Izhikevich", 2, "spiky"))
    with pytest.raises(ModelError, match=r"'spiky'.*Izhikevich.*neurons=exact"):
        run(network, "dynapse", 10.0)
