"""TrueNorth-style hardware holds every usable published figure; ``pytest -s`` prints the table."""

from __future__ import annotations

import pytest

from tests.validation import truenorth
from tests.validation.table import rows

TARGETS = truenorth.all_targets()


def test_the_table_of_all_targets():
    print("\n" + rows(TARGETS))
    assert {t.key for t in TARGETS} == {f"T{k}" for k in range(1, 8)}


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: f"{t.key} {t.what}")
def test_target(target):
    assert target.holds, rows([target])
