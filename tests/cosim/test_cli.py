"""The command line as a person types it: output, files, exit codes, one line for each mistake."""

from __future__ import annotations

import json

import numpy as np
import pytest

import scenarios
from hwmodels import Network, Result

SCRIPT = """
import sys
import pyNN.nest as sim
sim.setup(timestep=1.0, min_delay=1.0)
source = sim.Population(4, sim.SpikeSourceArray(spike_times=[2.0, 5.0, 9.0]), label="source")
cells = sim.Population(4, sim.IF_curr_exp(tau_syn_E=2.0, tau_syn_I=2.0), label="cells")
sim.Projection(source, cells, sim.OneToOneConnector(), sim.StaticSynapse(weight=8.0, delay=1.0))
cells.record(["spikes", "v"])
sim.run(40.0)
print("arguments:", sys.argv[1:])
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder with a script written for NEST."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path


def test_compare_over_several_chips_tells_their_spread(folder, type_in):
    code, out, _ = type_in("compare", "script.py", "--on", "dynapse", "--chips", 3, "--json")
    spread = json.loads(out)["spreads"]["dynapse"]
    assert code == 0
    assert spread["chips"] == 3
    row = spread["figures"]["rate of cells (Hz)"]
    assert row["smallest"] <= row["mean"] <= row["largest"]


def test_chips_that_are_all_the_same_have_no_spread(folder, type_in):
    code, _, err = type_in("compare", "script.py", "--on", "loihi", "--chips", 2)
    assert code == 2
    assert err.count("\n") == 1
    assert "loihi has no device mismatch" in err


def test_compare_prints_a_table_and_writes_a_report_that_stands_alone(folder, type_in):
    code, out, err = type_in("compare", "script.py", "--on", "loihi", "--attribute")
    assert code == 0
    assert "loihi against brian2" in out
    assert "what each effect costs" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "report: cosim-report.html" in err
    page = (folder / "cosim-report.html").read_text()
    assert page.count("<svg") >= 3
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_the_same_command_writes_the_same_report_byte_for_byte(folder, type_in):
    for name in ("a.html", "b.html"):
        assert type_in("compare", "script.py", "--on", "loihi", "--out", name)[0] == 0
    assert (folder / "a.html").read_bytes() == (folder / "b.html").read_bytes()


def test_an_ideal_chip_is_reported_as_identical(folder, type_in):
    code, out, _ = type_in("compare", "script.py", "--on", "loihi:effects=none")
    assert code == 0
    assert "dentical" in out
    assert "Not identical" not in out


def test_json_is_all_that_stands_on_standard_output(folder, type_in):
    code, out, err = type_in("compare", "script.py", "--on", "loihi,loihi:effects=none", "--json")
    assert code == 0
    content = json.loads(out)
    names = [comparison["name"] for comparison in content["comparisons"]]
    assert names == ["loihi", "loihi:effects=none"]
    assert content["comparisons"][1]["identical"] is True
    assert content["comparisons"][0]["populations"]["cells"]["reference_spikes"] > 0
    assert "arguments: []" in err


def test_open_loop_reports_the_fabric_under_the_references_own_spikes(folder, type_in):
    code, out, _ = type_in("compare", "script.py", "--on", "loihi", "--open-loop", "--json")
    assert code == 0
    comparison = json.loads(out)["comparisons"][0]
    assert comparison["identical"] is True
    assert comparison["hardware"]["transport"]["packets"] == 12


def test_run_gives_a_result_and_a_network_that_run_again(folder, type_in):
    code, out, _ = type_in("run", "script.py", "--out", "r.npz", "--network", "n.npz", "--", "x")
    assert code == 0
    assert "arguments: ['x']" in out
    assert "cells" in out
    result, network = Result.load("r.npz"), Network.load("n.npz")
    assert result.network_hash == network.content_hash
    code, out, _ = type_in("run", "n.npz", "--duration", 40, "--json")
    assert code == 0
    summary = json.loads(out)
    assert summary["populations"]["cells"]["spikes"] == len(result.spikes[1].cell) > 0
    assert type_in("run", "n.npz", "--duration", 40, "--on", "loihi")[0] == 0


def test_the_seed_moves_what_the_script_does_not_seed(folder, type_in):
    (folder / "poisson.py").write_text(
        "import pyNN.brian2 as sim\n"
        "sim.setup()\n"
        "p = sim.Population(20, sim.SpikeSourcePoisson(rate=100.0))\n"
        "p.record('spikes')\n"
        "sim.run(100.0)\n"
    )
    hashes = []
    for seed in (1, 1, 2):
        code, out, _ = type_in("run", "poisson.py", "--seed", seed, "--json")
        assert code == 0
        hashes.append(json.loads(out)["network_hash"])
    assert hashes[0] == hashes[1] != hashes[2]


def test_hardware_and_scenarios_can_be_listed_and_shown(type_in):
    code, out, _ = type_in("hardware", "list")
    assert code == 0
    assert "loihi" in out
    assert "nahuku_fit" in out
    code, out, _ = type_in("hardware", "show", "loihi", "--json")
    rows = {row["field"]: row for row in json.loads(out)}
    assert rows["hop_ew_ns"]["value"] == 4.1
    assert rows["hop_ew_ns"]["unit"] == "ns"
    code, out, _ = type_in("hardware", "show", "dynapse")
    assert code == 0
    assert "UNVERIFIED: recalled or chosen" in " ".join(out.split())
    assert "R recalled, UNVERIFIED" in " ".join(out.split())
    code, out, _ = type_in("hardware", "show", "spinnaker")
    assert "[[column" in out, "what stands in brackets is no style"
    code, out, _ = type_in("scenarios", "list")
    assert all(name in out for name in scenarios.names())
    code, out, _ = type_in("scenarios", "show", "digits")
    assert code == 0
    assert "cosim compare digits" in out


def test_a_specification_can_be_copied_edited_and_used(folder, type_in):
    _, toml, _ = type_in("hardware", "show", "loihi", "--toml")
    assert "hop_ew_ns" in toml
    lines = [
        "hop_ew_ns = 50.0" if line.startswith("hop_ew_ns") else line for line in toml.splitlines()
    ]
    (folder / "slow.toml").write_text("\n".join(lines))
    code, out, _ = type_in("hardware", "show", "loihi", "--spec", "slow.toml")
    assert code == 0
    assert "50.0" in out
    assert type_in("run", "script.py", "--on", "loihi:spec=slow.toml")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare", "script.py", "--on", "lohi"], "unknown engine 'lohi'"),
        (["run", "script.py", "--on", "loihi:hop_ew=1"], "the nearest is 'hop_ew_"),
        (["run", "nothing.py"], "nothing.py"),
        (["run", "nothing"], "no scenario of that name"),
        (["run", "script.py", "--duration", "5"], "--duration is for a Network file"),
        (["run", "script.py", "--experiment", "3"], "experiment 3 asked for"),
        (["run", "script.py", "--out", "no/where/r.npz"], "there is no folder"),
        (["run", "corrupt.npz", "--duration", "5"], "not a readable Network"),
        (["run", "missing.npz", "--duration", "5"], "no such file"),
        (["run", "raises.py"], "raises.py, line 2: ZeroDivisionError"),
        (["run", "silent.py"], "ran no simulation"),
        (["run", "nan.py"], "NaN"),
        (["compare", "late.py"], "a delay of 100 ms is 1000 steps"),
        (["compare", "izhikevich.py"], "not Izhikevich; run with neurons=exact"),
        (["compare", "huge.py"], "larger than the hardware"),
        (["hardware", "show", "abacus"], "unknown hardware 'abacus'"),
        (["scenarios", "show", "chess"], "no scenario 'chess'"),
        (["compare", "script.py", "--on", "loihi,loihi"], "loihi asked for twice"),
        (["fly"], "No such command 'fly'"),
        (["run"], "Missing argument"),
        (["compare", "script.py", "--seed", "many"], "--seed"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(folder, type_in, words, message):
    head = "import pyNN.nest as sim\nsim.setup(timestep=0.1)\n"
    one = "a = sim.Population({}, sim.{}(), label='a')\n"
    (folder / "corrupt.npz").write_bytes(b"PK\x03\x04 this is no archive")
    (folder / "raises.py").write_text("x = 1\ny = x / 0\n")
    (folder / "silent.py").write_text("x = 1\n")
    (folder / "nan.py").write_text(
        head + one.format(2, "IF_curr_exp") + "sim.Projection(a, a, sim.AllToAllConnector(), "
        "sim.StaticSynapse(weight=float('nan'), delay=1.0))\nsim.run(1.0)\n"
    )
    (folder / "late.py").write_text(
        head + one.format(2, "IF_curr_exp") + "sim.Projection(a, a, sim.AllToAllConnector(), "
        "sim.StaticSynapse(weight=1.0, delay=100.0))\nsim.run(1.0)\n"
    )
    (folder / "izhikevich.py").write_text(head + one.format(2, "Izhikevich") + "sim.run(1.0)\n")
    (folder / "huge.py").write_text(head + one.format(140_000, "IF_curr_exp") + "sim.run(0.2)\n")
    code, _, err = type_in(*words)
    assert code == 2
    assert message in err
    errors = [line for line in err.splitlines() if line.startswith("cosim: error: ")]
    assert len(errors) == 1
    assert "Traceback" not in err


def test_one_engine_that_cannot_run_the_network_does_not_take_the_others_with_it(folder, type_in):
    (folder / "izhikevich.py").write_text(
        "import pyNN.nest as sim\nsim.setup(timestep=0.1)\n"
        "a = sim.Population(2, sim.Izhikevich(i_offset=0.02), label='a')\nsim.run(50.0)\n"
    )
    code, out, err = type_in(
        "compare", "izhikevich.py", "--on", "loihi", "--on", "loihi:neurons=exact"
    )
    assert code == 2
    assert "loihi:neurons=exact against brian2" in out
    assert "not Izhikevich" in err
    assert (folder / "cosim-report.html").exists()


def test_an_interrupted_run_keeps_what_it_had_computed(folder, type_in):
    (folder / "stopped.py").write_text(
        "import pyNN.nest as sim\nsim.setup(timestep=1.0)\n"
        "a = sim.Population(2, sim.IF_curr_exp(i_offset=2.0), label='a')\na.record('spikes')\n"
        "sim.run(100.0)\nraise KeyboardInterrupt\n"
    )
    code, _, err = type_in("run", "stopped.py", "--out", "kept.npz")
    assert code == 130
    assert "interrupted at 100 ms" in err
    kept = Result.load("kept.npz")
    assert kept.duration_ms == 100.0
    assert len(kept.spikes[0].cell) > 0


def test_an_interrupted_comparison_keeps_the_reference(folder, type_in, monkeypatch):
    from cosim.engines.hardware import HardwareSimulation

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(HardwareSimulation, "advance", interrupt)
    code, _, err = type_in("compare", "script.py", "--on", "loihi")
    assert code == 130
    assert "kept in cosim-report.reference.npz" in err
    assert np.all(Result.load("cosim-report.reference.npz").spikes[1].time_ms > 0)


def test_an_interrupted_run_without_a_file_for_it_is_kept_all_the_same(folder, type_in):
    (folder / "stopped.py").write_text(
        "import pyNN.nest as sim\nsim.setup(timestep=1.0)\n"
        "a = sim.Population(1, sim.IF_curr_exp(i_offset=2.0))\nsim.run(50.0)\n"
        "raise KeyboardInterrupt\n"
    )
    assert type_in("run", "stopped.py")[0] == 130
    assert Result.load("cosim-interrupted.npz").duration_ms == 50.0
