"""Every scenario runs as a script, and its task metric is what it should be."""

from __future__ import annotations

import subprocess
import sys

import pytest

import scenarios
from cosim.engines import get_engine
from cosim.workload import load_workload


@pytest.mark.parametrize("engine", ["brian2", "loihi"])
def test_digits_are_recognised_in_software_and_on_loihi(engine):
    workload = load_workload("digits", ["--images", "20"], get_engine(engine))
    assert workload.task(workload.result)["accuracy"] >= 0.9


@pytest.mark.parametrize(
    ("model", "low", "high"),
    # Other simulators of the same benchmarks: CUBA fires at 5 to 6 Hz, COBA at about 20 Hz.
    [("CUBA", 4.0, 8.0), ("COBA", 12.0, 30.0)],
)
def test_vogels_abbott_sustains_itself(model, low, high):
    workload = load_workload(
        "vogels_abbott", ["--model", model, "--duration", "200"], get_engine("brian2")
    )
    assert workload.experiment.network.n_neurons == 4000
    assert workload.experiment.network.n_synapses == pytest.approx(320_000, rel=0.02)
    score = workload.task(workload.result)
    assert low < score["rate of excitatory (Hz)"] < high
    last = [s.time_ms.max() for s in workload.result.spikes[:2]]
    assert min(last) > 190.0


@pytest.mark.slow
def test_the_microcircuit_fires_at_the_rates_of_the_full_network():
    workload = load_workload("microcircuit", ["--duration", "800"], get_engine("brian2"))
    network = workload.experiment.network
    assert network.n_neurons == pytest.approx(0.2 * 77_169, abs=4)
    assert network.n_synapses == pytest.approx(0.04 * 298.9e6, rel=1e-3)
    score = workload.task(workload.result)
    full = [0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829]
    for label, rate in zip(workload.result.labels, full, strict=True):
        assert score[f"rate of {label} (Hz)"] == pytest.approx(rate, rel=0.4), label


@pytest.mark.parametrize(
    ("engine", "right"),
    [
        ("brian2", True),
        ("sfq:synapse=stochastic:stagger_ps=14", True),
        # Pulses of the AND's inputs meet in its merger.
        ("sfq:synapse=stochastic", False),
    ],
)
def test_xor_is_right_in_software_and_on_sfq_when_staggered(engine, right):
    workload = load_workload("sfq_xor", [], get_engine(engine))
    assert workload.task(workload.result)["xor_right"] == float(right)


def test_xor_circuits_are_swept_on_demand(capsys):
    scenarios.module("sfq_xor").main(["--margins", "--seeds", "2"])
    printed = capsys.readouterr().out
    assert "stagger of 0 JTLs        none   55.1   55.1   55.1" in printed
    assert "weight currents x 0.95" in printed


def test_a_scenario_also_runs_by_itself():
    command = [sys.executable, "-W", "ignore", "-m", "scenarios.digits", "--images", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "of 2 digits right" in done.stdout


def test_every_scenario_has_a_title():
    assert {"digits", "sfq_xor", "vogels_abbott"} <= set(scenarios.names())
    for name in scenarios.names():
        assert scenarios.description(name).splitlines()[0].endswith(".")
