"""Every chip against every usable published figure; what is off is known and named.

``pytest -s`` prints the tables.
"""

from __future__ import annotations

import pytest

from tests.docs import DOCS
from tests.validation.chips import CHIPS
from tests.validation.table import rows

#: The targets that each datasheet ranks as usable, by its own numbers.
USABLE = {
    "Loihi": {"L1", "L2", "L5", "L6", "L8", "2"},
    "DynapSE": {"#11", "#12", "#13", "1.4"},
    "NeuroCoreX": {"N1", "N2", "N3", "N4"},
    "SpiNNaker": {"#2", "#3", "#4", "#5", "#6", "#7", "#8", "#9", "#10"},
    "TrueNorth": {f"T{k}" for k in range(1, 8)},
    "SFQ": {f"T{k}" for k in range(1, 13)},
}


@pytest.mark.parametrize("chip", CHIPS)
def test_what_does_not_hold_is_what_is_known_to_be_off(chip):
    targets = CHIPS[chip].all_targets()
    print("\n" + rows(targets))
    off = {f"{t.key} {t.what}" for t in targets if not t.holds}
    unlike = off ^ CHIPS[chip].KNOWN_OFF
    assert not unlike, rows([t for t in targets if f"{t.key} {t.what}" in unlike])


@pytest.mark.parametrize("chip", CHIPS)
def test_no_usable_target_is_left_out(chip):
    assert {t.key for t in CHIPS[chip].all_targets()} >= USABLE[chip]


@pytest.mark.parametrize("chip", CHIPS)
def test_every_target_is_named_once_and_has_a_source(chip):
    targets = CHIPS[chip].all_targets()
    names = [(t.key, t.what) for t in targets]
    assert len(set(names)) == len(names)
    assert all(t.source for t in targets)


@pytest.mark.parametrize("chip", CHIPS)
def test_every_chip_with_something_off_says_why(chip):
    page = (DOCS / "validation.md").read_text(encoding="utf-8")
    for name in CHIPS[chip].KNOWN_OFF:
        assert f"({name.split()[0]})" in page, name
