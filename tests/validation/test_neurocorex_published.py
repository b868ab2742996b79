"""NeuroCoreX-style hardware against every published figure; what is off is named."""

from __future__ import annotations

import pytest

from tests.validation import neurocorex
from tests.validation.table import rows

TARGETS = neurocorex.all_targets()


def test_the_table_of_all_targets():
    print("\n" + rows(TARGETS))
    assert {t.key for t in TARGETS} >= {"N1", "N2", "N3", "N4"}


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: f"{t.key} {t.what}")
def test_target(target):
    known = f"{target.key} {target.what}" in neurocorex.KNOWN_OFF
    assert target.holds is not known, rows([target])


def test_the_reason_of_what_is_off_is_written_down():
    assert {f"{t.key} {t.what}" for t in TARGETS if not t.holds} == neurocorex.KNOWN_OFF
