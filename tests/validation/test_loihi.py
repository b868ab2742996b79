"""The table of Loihi's targets means something: a wrong chip would show in it.

That each target holds is tested beside this file, in ``test_published.py``.
"""

from __future__ import annotations

import numpy as np
import pytest

from hwmodels.chips.loihi import Loihi
from tests.validation import loihi
from tests.validation.table import Target, rows, within


@pytest.fixture
def chip_with(monkeypatch):
    """Run the micro-benchmarks on a chip with other numbers."""

    def change(**changes):
        monkeypatch.setattr(loihi, "Loihi", lambda *a, **k: Loihi(*a, **(k | changes)))
        loihi.micro_benchmark.cache_clear()
        loihi.contended_benchmark.cache_clear()

    yield change
    monkeypatch.undo()
    loihi.micro_benchmark.cache_clear()
    loihi.contended_benchmark.cache_clear()


@pytest.mark.parametrize(("ours", "holds"), [(94, False), (95, True), (105, True), (106, False)])
def test_a_target_holds_within_its_tolerance_only(ours, holds):
    target = Target("T", "a test", ours, 100, "ns", *within(0.05), "made up")
    assert target.holds is holds
    assert ("OFF" in rows([target])) is not holds


def test_a_target_of_zero_holds_only_for_zero():
    assert Target("T", "errors", 0, 0, "", 1, 1, "made up").holds
    assert not Target("T", "errors", 1, 0, "", 1, 1, "made up").holds


@pytest.mark.parametrize(
    "changes",
    [
        {"visit_ns": 12.0}, {"update_ns": 0.0}, {"message_in_ns": 32.0},
        {"synapse_dense_ns": 7.6}, {"step_overhead_ns": []},
    ],
    ids=str,
)  # fmt: skip
def test_a_chip_with_a_wrong_time_fails_its_timing_targets(chip_with, changes):
    chip_with(**changes)
    assert not all(t.holds for t in loihi.timing_targets())


@pytest.mark.parametrize("changes", [{"spike_pJ": 0.0}, {"synapse_dense_pJ": 0.0}], ids=str)
def test_a_chip_with_a_wrong_energy_fails_its_energy_targets(chip_with, changes):
    chip_with(**changes)
    assert not all(t.holds for t in loihi.energy_targets())


def test_one_bit_in_the_recurrence_would_show(monkeypatch):
    right = loihi.update_compartments

    def wrong(compartments, q, bias, spec):
        return right(compartments, q, np.asarray(bias) + 1, spec)

    monkeypatch.setattr(loihi, "update_compartments", wrong)
    (target,) = loihi.recurrence_targets()
    assert not target.holds


def test_the_recorded_recurrence_is_long_enough_to_mean_something():
    wrong, compared = loihi.recurrence_mismatches()
    assert compared > 3000
    assert wrong == 0
