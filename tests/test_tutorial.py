"""The tutorial's chip, taken from the page as a reader would type it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cosim.engines import get_engine
from hwmodels.chips import chip_class
from hwmodels.errors import ModelError
from tests.hwmodels.networks import cells, network, random_network, source, synapses
from tests.tutorial import write_tutorial


@pytest.fixture
def bus(tmp_path):
    return str(write_tutorial(tmp_path))


def run(net, engine, until=100):
    simulation = engine.start(net)
    simulation.advance(net, until)
    return simulation.result()


def volley(n=40, delay=1.0):
    """All sources fire at 5 ms, each into a cell of its own."""
    one_to_one = synapses(0, 1, [(i, i) for i in range(n)], weight=0.5, delay=delay)
    return network(source(*[[5.0]] * n), cells(n), projections=[one_to_one])


def test_the_bus_without_its_effects_is_the_reference(bus):
    net = random_network(np.random.default_rng(3))
    reference = run(net, get_engine("brian2"))
    ideal = run(net, get_engine(f"{bus}:effects=none"))
    for ours, theirs in zip(ideal.spikes, reference.spikes, strict=True):
        assert np.array_equal(ours.time_ms, theirs.time_ms)
        assert np.array_equal(ours.cell, theirs.cell)


def test_a_volley_takes_the_bus_one_spike_after_another(bus):
    hardware = run(volley(), get_engine(f"{bus}:transfer_ns=100:effects=fabric")).hardware
    latency = hardware.packets["arrive_ps"] - hardware.packets["inject_ps"]
    assert latency.tolist() == [100_000 * (k + 1) for k in range(40)]
    assert hardware.energy_pJ == pytest.approx(40 * 12.0)


def test_what_the_bus_cannot_carry_in_a_step_is_late_and_counted(bus):
    result = run(volley(), get_engine(f"{bus}:transfer_ns=100e3:effects=fabric"))
    late = result.hardware.packets["late_steps"]
    # 100 us each: ten a step, and the last one of each ten is there as the next step begins.
    assert late.tolist() == [(k + 1) // 10 for k in range(40)]
    assert result.counts["synaptic events late"] == np.count_nonzero(late)


def test_weights_are_rounded_to_the_levels_the_chip_has(bus):
    weights = np.random.default_rng(1).uniform(0, 1, 40)
    net = network(source(*[[5.0]] * 40), cells(40),
                  projections=[synapses(0, 1, [(i, i) for i in range(40)], weights)])  # fmt: skip
    (row,) = run(net, get_engine(f"{bus}:weight_bits=4")).hardware.quantisation
    assert row["step"] == pytest.approx(weights.max() / 15)
    assert 0 < row["max_error"] <= row["step"] / 2


def test_a_chip_in_a_file_is_compared_and_shown_like_any_other(bus, tmp_path, type_in):
    script = tmp_path / "script.py"
    script.write_text(
        "import pyNN.nest as sim\n"
        "sim.setup(timestep=1.0)\n"
        "cells = sim.Population(3, sim.IF_curr_exp(i_offset=1.5))\n"
        "synapse = sim.StaticSynapse(weight=0.1, delay=1.0)\n"
        "sim.Projection(cells, cells, sim.AllToAllConnector(), synapse)\n"
        "cells.record('spikes')\n"
        "sim.run(100.0)\n"
    )
    code, out, _ = type_in("compare", script, "--on", bus, "--json", "--out", tmp_path / "r.html")
    assert code == 0
    assert json.loads(out)["comparisons"][0]["hardware"]["chip"] == "bus"
    code, out, _ = type_in("hardware", "show", bus)
    assert code == 0
    assert "transfer_ns" in out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("x = 1\n", "defines no CHIP"),
        ("import nothing_of_this_name\n", "ModuleNotFoundError"),
        ("def broken(:\n", "SyntaxError"),
    ],
)
def test_a_file_without_a_chip_is_one_line(content, message, tmp_path):
    path = tmp_path / "mine.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ModelError, match=message):
        chip_class(str(path))


def test_a_wrong_option_of_a_chip_in_a_file_names_the_nearest(bus):
    with pytest.raises(ModelError, match="the nearest is 'transfer_ns'"):
        get_engine(f"{bus}:transfer_n=3")


def test_the_page_builds_a_chip_in_about_50_lines_of_code(bus):
    lines = [line.strip() for line in Path(bus).read_text().splitlines()]
    assert len([line for line in lines if line and not line.startswith(("#", '"""'))]) <= 55
