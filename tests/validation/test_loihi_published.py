"""Loihi-style hardware against every usable published figure; what is off is known and named."""

from __future__ import annotations

import pytest

from tests.validation import loihi
from tests.validation.table import rows

TARGETS = loihi.all_targets()


def test_the_table_of_all_targets():
    print("\n" + rows(TARGETS))
    assert {t.key for t in TARGETS} >= {"L1", "L2", "L5", "L6", "L8", "2"}


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: f"{t.key} {t.what}")
def test_target(target):
    known = f"{target.key} {target.what}" in loihi.KNOWN_OFF
    assert target.holds is not known, rows([target])


def test_the_recorded_recurrence_is_long_enough_to_mean_something():
    wrong, compared = loihi.recurrence_mismatches()
    assert compared > 3000
    assert wrong == 0
