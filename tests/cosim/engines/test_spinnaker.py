"""The SpiNNaker engine: ideal it is the reference, and every effect is only itself."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cosim.engines.running import run, same_everything
from tests.cosim.networks import balanced, cell, one_to_one, recorded, source


def test_without_effects_it_is_the_reference_bit_for_bit():
    network = balanced(120)
    reference = run(network, "brian2", 150.0)
    ideal = run(network, "spinnaker", 150.0, effects="none")
    assert len(reference.spikes[0].cell) > 100
    assert same_everything(reference, ideal)
    # A machine with time to spare changes nothing either.
    unhurried = run(network, "spinnaker", 150.0, effects="core_load+fabric", time_scale_factor=50)
    assert same_everything(reference, unhurried)
    assert np.all(unhurried.hardware.packets["late_steps"] == 0)


def test_an_overloaded_machine_is_late_with_exact_neurons_too():
    network = balanced(120)
    reference = run(network, "brian2", 60.0)
    slow = run(
        network, "spinnaker", 60.0, neurons="exact", effects="core_load+fabric", cpu_MHz=20.0
    )
    assert not same_everything(reference, slow)
    assert slow.counts["synaptic events too late to act"] > 0
    assert slow.hardware.packets["late_steps"].max() > 0


@pytest.mark.parametrize(
    "celltype", ["IF_curr_exp", "IF_curr_alpha", "IF_cond_exp", "IF_curr_delta", "Izhikevich"]
)
def test_the_chips_own_neurons_fire_about_as_often(celltype):
    weight = {
        "IF_curr_exp": 1.0,
        "IF_cond_exp": 0.02,
        "IF_curr_delta": 6.0,
        "Izhikevich": 1.0,
        "IF_curr_alpha": 0.7,
    }
    # The toolchain's Izhikevich cell smears a jump over 5 ms, so a current drives this one.
    drive = {"i_offset": 0.008} if celltype == "Izhikevich" else {}
    rng = np.random.default_rng(1)
    trains = [np.sort(rng.uniform(0, 400, 60)) for _ in range(20)]
    network = recorded(
        cell(celltype, 20, "a", **drive), source(trains),
        projections=[one_to_one(1, 0, weight[celltype], 1.0, n=20)], dt=1.0,
    )  # fmt: skip
    reference, chip = run(network, "brian2", 400.0), run(network, "spinnaker", 400.0)
    ours, theirs = len(chip.spikes[0].cell), len(reference.spikes[0].cell)
    assert theirs > 20
    assert abs(ours - theirs) <= 0.25 * theirs
