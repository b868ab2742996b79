"""Specifications as tables: every number with its unit and source."""

from __future__ import annotations

import pytest

from hwmodels.chips import chip_class, chip_names
from hwmodels.chips.loihi import Loihi, LoihiSpec
from hwmodels.errors import ModelError
from hwmodels.spec import EVIDENCE

PRESETS = pytest.mark.parametrize("preset", Loihi.presets())


def test_loihi_is_found_by_name():
    assert "loihi" in chip_names()
    assert chip_class("loihi") is Loihi


def test_unknown_hardware_names_what_there_is():
    with pytest.raises(ModelError, match="unknown hardware 'lohi'.*loihi"):
        chip_class("lohi")


@pytest.mark.parametrize("name", chip_names())
def test_every_number_has_a_meaning_a_source_and_an_evidence_mark(name):
    chip = chip_class(name)
    for preset in chip.presets():
        for row in chip.load_spec(preset).table():
            assert row.meaning, (preset, row.field)
            assert row.source, (preset, row.field)
            assert row.evidence in EVIDENCE, (preset, row.field)
            assert row.evidence != "U", (preset, row.field)


@PRESETS
def test_a_specification_survives_its_file(preset, tmp_path):
    spec = Loihi.load_spec(preset)
    path = tmp_path / "copy.toml"
    path.write_text(spec.to_toml())
    assert LoihiSpec.from_toml(path) == spec


def test_a_users_file_is_a_specification(tmp_path):
    path = tmp_path / "mine.toml"
    text = Loihi.load_spec("davies2018").to_toml()
    path.write_text(text.replace('name = "davies2018"', 'name = "mine"'))
    assert Loihi(spec=str(path)).spec.name == "mine"
    assert Loihi(spec=path, columns=2).spec.columns == 2


def test_plain_values_in_a_file_are_the_users_own(tmp_path):
    lines = Loihi.load_spec("nahuku_fit").to_toml().splitlines()
    lines = ["visit_ns = 7" if line.startswith("visit_ns") else line for line in lines]
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(lines))
    (row,) = [r for r in LoihiSpec.from_toml(path).table() if r.field == "visit_ns"]
    assert (row.value, row.evidence) == (7.0, "U")


def test_changes_come_as_numbers_or_as_text():
    spec = Loihi(columns="4", visit_ns="5.5", step_overhead_ns="[[1, 500]]").spec
    assert (spec.columns, spec.visit_ns, spec.step_overhead_ns) == (4, 5.5, ((1, 500.0),))
    assert "changed" in spec.name
    (row,) = [r for r in spec.table() if r.field == "columns"]
    assert row.source == "set by the user"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colums": 4}, "unknown field 'colums'; the nearest is 'columns'"),
        ({"columns": "four"}, "^nahuku_fit: columns must be of type int, got 'four'"),
        ({"columns": 2.5}, "columns must be of type int"),
        ({"columns": "inf"}, "columns must be of type int"),
        ({"columns": 0}, "columns must be >= 1, got 0"),
        ({"visit_ns": -1}, "visit_ns must be >= 0"),
        ({"visit_ns": "nan"}, "visit_ns must be >= 0"),
        ({"visit_ns": "inf"}, "visit_ns must be of type float"),
        ({"visit_ns": True}, "visit_ns must be of type float"),
        ({"link_buffer_packets": 0}, "link_buffer_packets must be >= 1"),
        ({"hop_ew_ns": 0}, "hop_ew_ns must be >= 0.001 ns"),
        ({"host_column": 8}, r"router \(8, 0\), outside of 8 x 4"),
        ({"step_overhead_ns": "[1]"}, "^nahuku_fit: step_overhead_ns must be a list"),
        ({"step_overhead_ns": [[0.5, 1]]}, "step_overhead_ns must be a list of .integer, number."),
        ({"step_overhead_ns": [[1, 1, 1]]}, "step_overhead_ns must be a list"),
        ({"spec": "davis"}, "unknown specification 'davis' of loihi; there are nahuku_fit"),
        ({"spec": "absent.toml"}, "absent.toml: no such file"),
        ({"effects": "gravity"}, "unknown effect 'gravity'"),
        ({"fidelity": "exact"}, "fidelity must be one of compiled, reference, analytic"),
        ({"clocking": "wall"}, "clocking must be one of barrier, free_running"),
        ({"step_ms": 0}, "step_ms must be a number > 0"),
        ({"step_ns": "x", "clocking": "free_running"}, "step_ns must be a number > 0"),
        ({"step_ns": 100}, "add clocking=free_running"),
    ],
)
def test_a_wrong_option_says_the_rule_and_the_value(changes, message):
    with pytest.raises(ModelError, match=message):
        Loihi(**changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [("columns = ", "not a readable TOML file"), ("columns = 3", "rows, .* missing")],
)
def test_a_damaged_file_is_one_readable_line(tmp_path, text, message):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ModelError, match=message):
        Loihi(spec=path)


def test_options_are_known_by_name_and_checked_wherever_they_are_set():
    assert {"mapper", "fidelity", "step_ms", "noise_seed"} <= set(Loihi.options())
    chip = Loihi(noise_seed="7", step_ms="0.5")
    assert (chip.noise_seed, chip.step_ms, chip.mapper) == (7, 0.5, "sequential")
    with pytest.raises(ModelError, match="mapper must be one of sequential, traffic"):
        chip.mapper = "random"
    with pytest.raises(ModelError, match="noise_seed must be a whole number from 0"):
        Loihi(noise_seed=-1)


def test_numbers_that_decide_what_is_computed_are_told_from_all_others():
    formats = Loihi().spec.number_formats()
    assert formats["weight_bits"] == Loihi().spec.weight_bits
    assert "visit_ns" not in formats
