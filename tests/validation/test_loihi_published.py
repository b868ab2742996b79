"""Loihi-style hardware holds every usable published figure; ``pytest -s`` prints the table."""

from __future__ import annotations

import pytest

from tests.validation import loihi
from tests.validation.table import rows

TARGETS = loihi.all_targets()


def test_the_table_of_all_targets():
    print("\n" + rows(TARGETS))
    assert {t.key for t in TARGETS} >= {"L1", "L2", "L5", "L6"}


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: f"{t.key} {t.what}")
def test_target(target):
    assert target.holds, rows([target])


def test_the_recorded_recurrence_is_long_enough_to_mean_something():
    wrong, compared = loihi.recurrence_mismatches()
    assert compared > 3000
    assert wrong == 0
