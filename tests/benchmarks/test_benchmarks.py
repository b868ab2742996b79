"""The benchmark measures what it says: equal work in all alternatives, sane arithmetic."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import fabrics
from tests.benchmarks.loihi_cases import prepare, random_case
from tests.benchmarks.measuring import Section, exponent


def test_all_engines_carry_the_same_traffic():
    said = []
    for engine in ("reference", "batched", "compiled"):
        _, _, messages, _ = case = fabrics.traffic(4, 0.3, 200)
        carried = fabrics.carrier(engine, *case)()
        said.append(carried.packets)
    assert len(said[0]) == len(messages)
    assert np.array_equal(said[0], said[1])
    assert np.array_equal(said[0], said[2])


def test_the_neurons_of_a_random_case_fire_at_their_intervals():
    case = random_case(200, 4, 0.1)
    run, network = prepare(case)
    run.advance(network, 400)
    interval = np.floor(case.threshold / case.bias) + 1  # strictly above the threshold
    expected = np.floor(400 / interval).sum()
    # Inputs of one unit hardly move a threshold of thousands.
    assert run._transport.operations.spikes == pytest.approx(expected, rel=0.02)


def test_an_exponent_is_that_of_the_power_law():
    assert exponent([1.0, 2.0, 4.0], [3.0, 12.0, 48.0]) == pytest.approx(2.0)


def test_the_command_writes_figures_and_a_plot(tmp_path, monkeypatch, capsys):
    def section(quick):
        made = Section("one", "One")
        made.add("speed", 3.0, "x", 2.0)
        made.add("error", 3.0, "%", 2.0, at_most=True)
        made.grow("packets", {1: 1.0, 2: 2.0, 4: 4.0}, 1.05)
        return made

    monkeypatch.setattr(command, "SECTIONS", {"one": section})
    out, picture = tmp_path / "a.json", tmp_path / "a.png"
    monkeypatch.setattr(sys, "argv", ["x", "one", "--json", str(out), "--plot", str(picture)])
    assert command.main() == 0
    said = capsys.readouterr().out
    assert "reached  >= 2" in said
    assert "MISSED   <= 2" in said
    rows = json.loads(out.read_text())["sections"][0]["rows"]
    assert [row["value"] for row in rows] == pytest.approx([3.0, 3.0, 1.0])
    assert picture.stat().st_size > 1000
    monkeypatch.setattr(sys, "argv", ["x", "none"])
    with pytest.raises(SystemExit):
        command.main()
    assert "unknown section 'none'" in capsys.readouterr().err
