"""Pairing spikes of two runs."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.compare import match_spikes
from hwmodels.result import Spikes
from tests.cosim.compare.synthetic import spikes


def pairs(reference: Spikes, candidate: Spikes, window_ms=5.0) -> list[tuple[float, float]]:
    """Matched times, in ms."""
    m = match_spikes(reference, candidate, window_ms)
    return [
        (float(a), float(b))
        for a, b in zip(reference.time_ms[m.reference], candidate.time_ms[m.candidate], strict=True)
    ]


def victor_purpura(a, b, window) -> float:
    """The textbook dynamic program for one pair of trains, q = 2 / window."""
    cost = np.zeros((len(a) + 1, len(b) + 1))
    cost[:, 0], cost[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            shift = 2 * abs(a[i - 1] - b[j - 1]) / window
            cost[i, j] = min(cost[i - 1, j] + 1, cost[i, j - 1] + 1, cost[i - 1, j - 1] + shift)
    return float(cost[-1, -1])


trains = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 60).map(lambda k: k * 0.5)), max_size=25
).map(lambda rows: spikes(*rows))
windows = st.sampled_from([0.5, 2.0, 5.0, 50.0])


def test_a_spike_missing_at_the_start_does_not_shift_all_others():
    reference = spikes((0, 10.0), (0, 30.0), (0, 50.0))
    assert pairs(reference, spikes((0, 31.0), (0, 51.0))) == [(30.0, 31.0), (50.0, 51.0)]


def test_spikes_of_different_cells_never_match():
    assert pairs(spikes((0, 10.0)), spikes((1, 10.0))) == []


def test_a_shift_of_exactly_one_window_matches_and_a_longer_one_does_not():
    assert pairs(spikes((0, 10.0)), spikes((0, 15.0))) == [(10.0, 15.0)]
    assert pairs(spikes((0, 10.0)), spikes((0, 15.1))) == []


def test_of_two_candidates_the_nearer_one_is_taken():
    assert pairs(spikes((0, 10.0)), spikes((0, 8.0), (0, 11.0))) == [(10.0, 11.0)]


def test_an_equal_spike_is_preferred_to_two_long_shifts():
    # 0-4 and 4-8 would match twice, at a cost of 3.2; the equal pair leaves two at a cost of 2.
    assert pairs(spikes((0, 0.0), (0, 4.0)), spikes((0, 4.0), (0, 8.0))) == [(4.0, 4.0)]


def test_two_spikes_of_one_cell_at_one_time_match_twice():
    both = spikes((0, 3.0), (0, 3.0))
    assert pairs(both, both) == [(3.0, 3.0)] * 2
    assert pairs(both, spikes((0, 3.0))) == [(3.0, 3.0)]


def test_one_time_reached_on_two_grids_is_the_same_time():
    steps = np.arange(1, 1000)
    fine = Spikes(np.zeros(999, np.int32), steps * 3 * 0.1)
    coarse = Spikes(np.zeros(999, np.int32), steps * 0.3)
    matched = match_spikes(fine, coarse, 5.0)
    assert np.any(fine.time_ms != coarse.time_ms)
    assert len(matched.exact) == 999
    assert matched.exact.all()


@pytest.mark.parametrize("window", [0.0, -1.0, np.nan, np.inf])
def test_a_window_must_be_positive(window):
    with pytest.raises(ValueError, match="window must be > 0"):
        match_spikes(spikes((0, 1.0)), spikes((0, 1.0)), window)


@given(trains, trains, windows)
def test_the_pairing_costs_what_the_textbook_says(reference, candidate, window):
    m = match_spikes(reference, candidate, window)
    assert len(np.unique(m.reference)) == len(np.unique(m.candidate)) == len(m.reference)
    assert np.array_equal(reference.cell[m.reference], candidate.cell[m.candidate])
    shift = np.abs(reference.time_ms[m.reference] - candidate.time_ms[m.candidate])
    assert np.all(shift <= window * (1 + 1e-9))
    cost = len(reference.cell) + len(candidate.cell) - 2 * len(shift) + np.sum(2 * shift / window)
    textbook = sum(
        victor_purpura(
            reference.time_ms[reference.cell == c], candidate.time_ms[candidate.cell == c], window
        )
        for c in range(3)
    )
    assert cost == pytest.approx(textbook, abs=1e-6)


@given(trains, trains, windows)
def test_pairing_is_symmetric_in_number_and_cost(a, b, window):
    there, back = match_spikes(a, b, window), match_spikes(b, a, window)

    def cost(x, y, m):
        shift = np.abs(x.time_ms[m.reference] - y.time_ms[m.candidate])
        return len(x.cell) + len(y.cell) - 2 * len(shift) + np.sum(2 * shift / window)

    assert cost(a, b, there) == pytest.approx(cost(b, a, back), abs=1e-6)


@given(trains, windows)
def test_a_run_matches_itself_spike_for_spike(train, window):
    m = match_spikes(train, train, window)
    assert len(m.reference) == len(train.cell)
    assert m.exact.all()


def test_four_hundred_thousand_spikes_take_seconds():
    rng = np.random.default_rng(0)
    n = 400_000
    cell = rng.integers(0, 4000, n).astype(np.int32)
    at = np.sort(rng.integers(0, 100_000, n) * 0.1)
    moved = Spikes(cell, np.ceil(at) + rng.integers(-2, 3, n))
    begin = time.perf_counter()
    matched = match_spikes(Spikes(cell, at), moved, 5.0)
    assert time.perf_counter() - begin < 10  # 0.6 s on a laptop; a quadratic method takes hours
    assert len(matched.reference) > 0.99 * n
