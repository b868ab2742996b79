"""SpiNNaker-style hardware against every usable published figure; what is off is named."""

from __future__ import annotations

import pytest

from tests.validation import spinnaker
from tests.validation.table import rows

TARGETS = spinnaker.all_targets()


def test_the_table_of_all_targets():
    print("\n" + rows(TARGETS))
    assert {t.key for t in TARGETS} >= {"#2", "#3", "#4", "#5", "#6", "#8", "#9"}


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: f"{t.key} {t.what}")
def test_target(target):
    known = f"{target.key} {target.what}" in spinnaker.KNOWN_OFF
    assert target.holds is not known, rows([target])


def test_the_reason_of_what_is_off_is_written_down():
    assert {f"{t.key} {t.what}" for t in TARGETS if not t.holds} == spinnaker.KNOWN_OFF
