"""Metrics of spike trains against values worked out by hand, and against elephant."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.compare import SpikeComparison, compare
from tests.cosim.compare.synthetic import result, spikes

trains = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 200).map(lambda k: k * 0.5)), max_size=40
).map(lambda rows: spikes(*rows))


def one(reference, candidate, cells=None, **options) -> SpikeComparison:
    """The comparison of one population recorded for 100 ms."""
    sizes = (cells or 4,)
    return compare(result(reference, sizes=sizes), result(candidate, sizes=sizes), **options).total


def test_counts_and_rates():
    p = one(spikes((0, 10), (1, 20)), spikes((0, 10), (1, 20), (3, 50)), cells=4)
    assert (p.reference_spikes, p.candidate_spikes) == (2, 3)
    # Two and three spikes of four cells in 0.1 s.
    assert p.reference_rate_Hz == pytest.approx(5.0)
    assert p.candidate_rate_Hz == pytest.approx(7.5)
    assert p.rate_difference_Hz == pytest.approx(2.5)
    assert p.rate_relative_error == pytest.approx(0.5)
    assert (p.matched, p.missed, p.extra, p.exact) == (2, 0, 1, 2)


def test_a_rate_of_zero_has_no_relative_error():
    silent, firing = spikes(), spikes((0, 10.0))
    assert one(silent, firing).rate_relative_error is None
    assert one(silent, silent).rate_relative_error == 0.0
    assert one(firing, silent).rate_relative_error == -1.0


def test_shifts_are_signed_candidate_minus_reference():
    p = one(
        spikes((0, 10), (0, 30), (0, 50), (0, 70)),
        spikes((0, 10), (0, 29), (0, 53), (0, 90)),
    )
    # Shifts 0, -1, +3; the fourth is missed and one is extra.
    assert p.shift_mean_ms == pytest.approx(2 / 3)
    assert p.shift_abs_mean_ms == pytest.approx(4 / 3)
    assert p.shift_abs_max_ms == pytest.approx(3.0)
    # Linear interpolation between the order statistics 0, 1, 3: position 1.98.
    assert p.shift_abs_p99_ms == pytest.approx(1 + 0.98 * 2)
    assert (p.matched, p.missed, p.extra) == (3, 1, 1)
    assert (p.exact, p.coincident) == (1, 2)
    assert p.coincident_share == pytest.approx(0.5)
    assert p.first_difference_ms == 29.0
    assert p.first_unmatched_ms == 70.0


def test_coincidence_factor_by_hand():
    p = one(spikes((0, 10), (0, 30)), spikes((0, 10), (0, 60)), cells=1, coincidence_ms=2.0)
    # One coincidence of two spikes; candidate rate 0.02 per ms, so 2 * 0.02 * 2 * 2 by chance.
    expected = (1 - 0.16) / (0.5 * 4) / (1 - 2 * 0.02 * 2)
    assert p.coincidence_factor == pytest.approx(expected)


def test_coincidence_factor_is_one_for_equal_trains_and_undefined_when_windows_fill_all_time():
    train = spikes((0, 10), (0, 30))
    assert one(train, train, cells=1).coincidence_factor == pytest.approx(1.0)
    dense = spikes(*((0, float(t)) for t in range(100)))
    assert one(dense, dense, cells=1).coincidence_factor is None


def test_interval_distortion_by_hand():
    p = one(spikes((0, 10), (0, 30), (0, 50)), spikes((0, 11), (0, 33), (0, 52)))
    # Intervals 20, 20 become 22, 19.
    assert p.isi_distortion_mean_ms == pytest.approx(0.5)
    assert p.isi_distortion_abs_mean_ms == pytest.approx(1.5)
    assert p.isi_distortion_abs_max_ms == pytest.approx(2.0)
    assert p.isi_distortion_abs_p95_ms == pytest.approx(1.95)
    assert p.isi_reference_mean_ms == pytest.approx(20.0)
    assert p.isi_candidate_mean_ms == pytest.approx(20.5)
    assert p.isi_reference_cv == 0.0
    assert p.isi_candidate_cv == pytest.approx(1.5 / 20.5)


def test_an_interval_across_a_missed_spike_is_not_distorted():
    p = one(spikes((0, 10), (0, 30), (0, 50)), spikes((0, 10), (0, 50)))
    assert p.missed == 1
    assert p.isi_distortion_mean_ms is None


def test_intervals_do_not_reach_from_cell_to_cell():
    p = one(spikes((0, 10), (1, 30)), spikes((0, 11), (1, 34)))
    assert p.isi_reference_mean_ms is None
    assert p.isi_distortion_mean_ms is None


def test_victor_purpura_by_hand():
    p = one(spikes((0, 10), (0, 50)), spikes((0, 12), (0, 90)))
    # A shift of 2 ms at q = 0.4 per ms costs 0.8; one spike deleted, one inserted.
    assert p.victor_purpura == pytest.approx(2.8)
    assert p.victor_purpura_per_spike == pytest.approx(0.7)


def test_van_rossum_by_hand():
    lone = one(spikes((0, 10.0)), spikes(), cells=1)
    assert lone.van_rossum == pytest.approx(1.0)
    moved = one(spikes((0, 10.0)), spikes((0, 13.0)), cells=1, tau_ms=10.0)
    assert moved.van_rossum == pytest.approx(np.sqrt(2 - 2 * np.exp(-0.3)))
    halved = one(spikes((0, 10.0)), spikes(), cells=2)
    assert halved.van_rossum == pytest.approx(0.5)


def test_distances_agree_with_elephant():
    dissimilarity = pytest.importorskip("elephant.spike_train_dissimilarity")
    neo = pytest.importorskip("neo")
    pq = pytest.importorskip("quantities")
    rng = np.random.default_rng(5)
    a, b = np.sort(rng.uniform(0, 100, 30)), np.sort(rng.uniform(0, 100, 25))
    theirs = [neo.SpikeTrain(t, units="ms", t_stop=100.0) for t in (a, b)]
    ours = one(
        spikes(*((0, t) for t in a)), spikes(*((0, t) for t in b)), cells=1, window_ms=5.0,
        tau_ms=10.0,
    )  # fmt: skip
    purpura = dissimilarity.victor_purpura_distance(theirs, cost_factor=0.4 / pq.ms)
    assert ours.victor_purpura == pytest.approx(purpura[0, 1], abs=1e-6)
    rossum = dissimilarity.van_rossum_distance(theirs, time_constant=10 * pq.ms)
    assert ours.van_rossum == pytest.approx(rossum[0, 1])


def test_the_total_pools_spikes_and_not_populations():
    reference = result(spikes((0, 10), (0, 30), (0, 50)), spikes((0, 10)), sizes=(1, 1))
    candidate = result(spikes((0, 11), (0, 31), (0, 51)), spikes((0, 14)), sizes=(1, 1))
    total = compare(reference, candidate).total
    assert total.shift_mean_ms == pytest.approx((1 + 1 + 1 + 4) / 4)
    assert total.reference_spikes == 4


@given(trains, trains)
def test_spikes_are_conserved(reference, candidate):
    p = one(reference, candidate)
    assert p.matched + p.missed == p.reference_spikes == len(reference.cell)
    assert p.matched + p.extra == p.candidate_spikes == len(candidate.cell)
    assert p.exact <= p.coincident <= p.matched
    assert (p.first_difference_ms is None) == p.identical
    if p.victor_purpura_per_spike is not None:
        assert 0 <= p.victor_purpura_per_spike <= 1 + 1e-9


@given(trains)
def test_of_a_run_with_itself_every_deviation_is_exactly_zero(train):
    p = dataclasses.asdict(one(train, train))
    assert p["identical"]
    zero = ("rate_difference_Hz", "rate_relative_error", "missed", "extra", "victor_purpura",
            "van_rossum")  # fmt: skip
    assert all(p[name] == 0 for name in zero)
    for name, value in p.items():
        if name.startswith(("shift_", "isi_distortion_")):
            assert value in (0, None)
    assert p["exact"] == p["matched"] == len(train.cell)
