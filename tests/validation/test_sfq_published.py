"""SFQ-style hardware meets every hard target of its datasheet."""

from __future__ import annotations

import pytest

from tests.validation import sfq


@pytest.mark.parametrize("target", sfq.all_targets(), ids=lambda target: target.what)
def test_hard_targets_hold(target):
    assert target.holds, (target.ours, target.published)
