"""The DynapSE engine: ideal it is the reference, and every effect is only itself."""

from __future__ import annotations

import numpy as np
import pytest

from hwmodels.chips.dynapse import Dynapse
from hwmodels.errors import ModelError
from tests.cosim.engines.running import run, same_everything, same_spikes
from tests.cosim.networks import balanced, cell, one_to_one, recorded, source


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
