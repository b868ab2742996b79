"""Noise of the cores and the limits of a membrane: what they do, cost and say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.loihi import CoreSettings, Loihi, noise_draws, update_compartments
from tests.hwmodels.networks import cells, network, random_network
from tests.hwmodels.running import run
from tests.hwmodels.test_loihi import one_input
from tests.hwmodels.test_loihi_arithmetic import compartments


def draws(exponent=7, offset=0, seed=1, steps=40, size=5_000):
    values = CoreSettings("current", exponent, offset)
    return np.concatenate([noise_draws(seed, step, 0, size, values) for step in range(steps)])


def test_draws_are_uniform_over_the_integers_within_127():
    counts = np.bincount(draws() + 127, minlength=255)
    assert len(counts) == 255
    expected = counts.sum() / 255
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert chi_square < 340  # 254 degrees of freedom: 0.03 % of all seeds exceed this


@given(st.integers(0, 15), st.integers(-64, 63), st.integers(0, 2**63 - 1))
@settings(max_examples=50, deadline=None)
def test_exponent_and_offset_scale_and_shift_by_the_published_rule(exponent, offset, seed):
    plain = draws(seed=seed, steps=2, size=50)
    exact = (plain + 64 * offset) * 2.0 ** (exponent - 7)
    assert np.array_equal(draws(exponent, offset, seed, 2, 50), np.floor(exact))


@pytest.mark.parametrize("axis", ["seed", "step", "compartment"])
def test_neighbouring_draws_have_nothing_to_do_with_each_other(axis):
    setting, n = CoreSettings("current"), 4_000
    if axis == "seed":
        x = np.array([noise_draws(seed, 3, 0, 1, setting)[0] for seed in range(n)])
    elif axis == "step":
        x = np.array([noise_draws(1, step, 0, 1, setting)[0] for step in range(n)])
    else:
        x = noise_draws(1, 3, 0, n, setting)
    assert abs(x.mean()) < 5
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 0.06


def test_a_draw_belongs_to_its_compartment_and_not_to_its_neighbourhood():
    setting = CoreSettings("current")
    assert np.array_equal(
        noise_draws(5, 9, 100, 7, setting), noise_draws(5, 9, 90, 17, setting)[10:]
    )


def spikes_of(**options):
    net = random_network(np.random.default_rng(4))
    result = run(net, 100.0, **options)
    return result.spikes[0].time_ms.tolist(), result


@pytest.mark.parametrize("noise", ["current", "voltage"])
def test_noise_changes_spikes_by_its_seed_and_by_nothing_else(noise):
    quiet, _ = spikes_of()
    one, result = spikes_of(noise=noise, noise_exponent=12)
    same, _ = spikes_of(noise=noise, noise_exponent=12, fidelity="reference", spec="davies2018")
    other, _ = spikes_of(noise=noise, noise_exponent=12, noise_seed=2)
    assert one == same
    assert one not in (quiet, other)
    off, _ = spikes_of(noise=noise, noise_exponent=12, effects="weight_precision+arithmetic+fabric")
    assert off == quiet
    rows = [row for row in result.hardware.quantisation if row["quantity"] == f"noise, {noise}"]
    assert [row["where"] for row in rows] == ["cells"]
    (energy,) = [row for row in result.hardware.energy if row["operation"] == "noise draws"]
    assert (energy["count"], energy["unit_pJ"]) == (200 * 40, 6.0)


def test_noise_on_the_membrane_has_the_variance_of_its_distribution():
    # An integrator that never fires sums one draw a step: its variance grows by that of a draw.
    net = network(cells(400, tau_m=1e9, v_thresh=1e3), v=[0])
    result = run(net, 100.0, noise="voltage", noise_exponent=9)
    (row,) = [r for r in result.hardware.quantisation if r["quantity"] == "noise, voltage"]
    moved = result.traces[0].values[-1] + 65.0
    assert moved.std() == pytest.approx(10 * row["rms_error"], rel=0.1)


def test_chips_differ_only_where_there_is_noise():
    assert Loihi().specimen_option is None
    assert Loihi(noise="current", effects="fabric").specimen_option is None
    assert Loihi(noise="current").specimen_option == "noise_seed"


def test_the_same_function_means_the_same_noise():
    plain, noisy = Loihi().function(), Loihi(noise="current").function()
    assert plain == Loihi(noise_seed=3).function()
    assert noisy != plain
    assert noisy != Loihi(noise="current", noise_seed=3).function()


def test_a_membrane_does_not_fall_below_its_floor_and_that_is_counted():
    net = one_input(weight=-0.5, receptor="inhibitory")
    free = run(net, 60.0)
    clamped = run(net, 60.0, floor_exponent=0)
    assert free.traces[0].values.min() < -65.0
    assert clamped.traces[0].values.min() == -65.0
    assert "voltages saturated" not in free.counts
    assert clamped.counts["voltages saturated"] > 50


@pytest.mark.parametrize(("exponent", "ceiling"), [(None, 2**23), (7, 2**23), (6, 2**21)])
def test_a_membrane_stops_at_its_ceiling(exponent, ceiling):
    limits = CoreSettings("none", 7, 0, None, exponent)
    state = compartments(du=4096, dv=0, threshold=2**30)
    for _ in range(12):
        update_compartments(state, np.array([2**20]), np.array([0]), Loihi().spec, limits)
    assert state.v.tolist() == [min(12 * 2**20, ceiling - 1)]
    assert state.voltage_saturations == 12 - (ceiling - 1) // 2**20


def test_noise_is_part_of_the_arithmetic_and_not_of_exact_neurons():
    assert Loihi.part_of == {"noise": "arithmetic"}
    assert "noise" not in Loihi(noise="current", effects="weight_precision+fabric").effects
    assert replace(CoreSettings("voltage"), noise="none") == CoreSettings()
