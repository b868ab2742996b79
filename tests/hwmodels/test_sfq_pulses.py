"""Pulse circuits: the rules, and that both engines keep them pulse for pulse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.sfq.circuits import counters, multipliers
from hwmodels.errors import ModelError
from hwmodels.fabric import pulse
from hwmodels.fabric.pulse import (
    BLOCKED,
    DEAF,
    FLAGGED,
    FLOOR,
    LEFT,
    RESET_THRESHOLD,
    RESET_ZERO,
    TOO_CLOSE,
    WATCH_INPUTS,
    WATCH_OUTPUTS,
    Conditions,
    draw,
    pulse_engine,
)
from hwmodels.fabric.pulse_cells import (
    INPUTS,
    OUTPUTS,
    SOMA,
    library_names,
    load_library,
)
from hwmodels.fabric.pulse_netlist import Netlist

RSFQ = load_library("rsfqlib")
ENGINES = ("reference", "compiled")


def run(net, pulses, conditions=None, engine="compiled", until_ps=1e6):
    """The log of pulses at (pin, ps), and the engine."""
    conditions = conditions or Conditions()
    machine = pulse_engine(net.build(conditions), net.library.tables(), conditions, engine)
    pins = np.array([pin for pin, _ in pulses], dtype=np.int64)
    times = np.array([round(1000 * at) for _, at in pulses], dtype=np.int64)
    return machine.run(pins, times, np.arange(len(pins)), round(1000 * until_ps)), machine


def one(name, given_, library=RSFQ, conditions=None, engine="compiled", **values):
    """What one cell says of pulses at (input, ps): rows of the log."""
    net = Netlist(library)
    cell = net.add(name, watch=WATCH_OUTPUTS, **values)
    at = [(int(net.input(cell, name, port)[0]), t) for port, t in given_]
    return run(net, at, conditions, engine)[0]


def what(log):
    return [(int(row["what"]), row["time_fs"] / 1000) for row in log]


def left(log):
    return [time for kind, time in what(log) if kind == LEFT]


# Random circuits: both engines give the same


@st.composite
def circuits(draw_from):
    """Some cells of any kind, wired at random, with pulses close enough to collide."""
    seed = draw_from(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    library = load_library(draw_from(st.sampled_from(library_names())))
    net = Netlist(library)
    names = list(library.cells)
    inputs, outputs = [], []
    for name in rng.choice(names, rng.integers(2, 14)):
        values = dict(
            watch=WATCH_OUTPUTS | WATCH_INPUTS, length=int(rng.integers(1, 4)),
            chance=int(rng.integers(0, 2**32)), pulses=int(rng.integers(0, 4)), burst_fs=22_000,
            deaf_fs=int(rng.integers(0, 30_000)), reset=int(rng.integers(0, 3)),
            threshold=float(rng.uniform(0.3, 3)), floor=-1.5,
            tau_fs=float(rng.choice([0.0, 50_000.0])), extra_fs=int(rng.integers(0, 5000)),
            synapse=int(rng.integers(-1, 3)),
        )  # fmt: skip
        cell = net.add(str(name), 1, **values)
        inputs += [net.input(cell, str(name), port) for port in library[str(name)].inputs]
        outputs += [net.output(cell, str(name), port) for port in library[str(name)].outputs]
    net.charges(rng.uniform(0.2, 1.5, 3))
    n = min(len(inputs), len(outputs), int(rng.integers(1, 12)))
    for k, m in zip(rng.permutation(len(outputs))[:n], rng.permutation(len(inputs))[:n],
                    strict=True):  # fmt: skip
        # Only onwards: a ring with a splitter would fill up without end.
        if inputs[m][0] // INPUTS > outputs[k][0] // OUTPUTS:
            net.wire(outputs[k], inputs[m], int(rng.integers(0, 9000)))
    pins = np.concatenate([inputs[k] for k in rng.integers(0, len(inputs), 40)])
    # A grid of 500 fs makes pulses meet at one instant.
    times = np.sort(rng.integers(0, 400, 40)) * 500
    conditions = Conditions(
        delays=draw_from(st.booleans()), collisions=draw_from(st.booleans()),
        jitter=draw_from(st.booleans()), spread=float(rng.choice([0.0, 0.05])), seed=seed % 1000,
    )  # fmt: skip
    return net, conditions, pins, times


@settings(max_examples=120, deadline=None)
@given(circuits())
def test_engines_agree_pulse_for_pulse(case):
    net, conditions, pins, times = case
    built, tables = net.build(conditions), net.library.tables()
    logs, machines = [], []
    for engine, cuts in zip(ENGINES, ((90_000, 400_000), (60_000, 91_500, 400_000)), strict=True):
        machine = pulse_engine(built, tables, conditions, engine)
        parts, given_, before = [], 0, 0
        for until in cuts:
            upto = int(np.searchsorted(times, until))
            now = slice(given_, upto)
            parts.append(machine.run(pins[now], times[now], np.arange(given_, upto), until))
            given_, before = upto, until
        logs.append(np.sort(np.concatenate(parts), order=list(pulse.LOG.names)))
        machines.append(machine)
        assert before == 400_000
    assert np.array_equal(logs[0], logs[1])
    assert np.array_equal(machines[0].flips, machines[1].flips)
    assert machines[0].under_way == machines[1].under_way
    somas = np.flatnonzero(tables.kind[built.type] == SOMA)
    assert np.array_equal(*(m.charges(somas, 400_000) for m in machines))


def test_compiled_is_the_same_function_as_plain_python(monkeypatch):
    from hwmodels.fabric import pulse_compiled

    net = Netlist(RSFQ)
    net.add("MERGE", watch=WATCH_OUTPUTS)
    pulses = [(0, 0.0), (1, 3.0), (0, 20.0), (1, 26.0)]
    ours, _ = run(net, pulses, Conditions(jitter=True))
    monkeypatch.setattr(pulse_compiled, "can_compile", lambda: False)
    plain, _ = run(net, pulses, Conditions(jitter=True))
    assert np.array_equal(ours, plain)


# Rules of single cells


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("apart", "outputs"),
    [(0, [9]), (3, [9]), (5.5, [9, 15]), (7, [9, 16]), (12, [9, 21])],
)
def test_a_merger_is_an_or_for_close_pulses(engine, apart, outputs):
    log = one("MERGE", [("a", 0), ("b", apart)], engine=engine)
    assert left(log) == outputs
    assert np.count_nonzero(log["what"] == TOO_CLOSE) == 2 - len(outputs)


def test_every_pulse_into_a_merger_tree_comes_out_or_is_counted():
    rng = np.random.default_rng(1)
    net = Netlist(RSFQ)
    end = net.add("JTL", watch=WATCH_OUTPUTS)
    pins, depth = net.merge(net.input(end, "JTL"), np.zeros(13, dtype=np.int64))
    times = rng.uniform(0, 3000, 300)
    log, machine = run(net, list(zip(rng.choice(pins, 300).tolist(), times, strict=True)))
    assert len(left(log)) + np.count_nonzero(log["what"] == TOO_CLOSE) == 300
    assert np.any(log["what"] == TOO_CLOSE)
    assert machine.under_way == 0
    assert depth.max() == 4
    assert net.counts() == {"JTL": 1, "MERGE": 12}


@pytest.mark.parametrize("n", [1, 2, 3, 7, 64, 100])
def test_trees_serve_every_leaf_once(n):
    net = Netlist(RSFQ)
    root = net.add("JTL", 2)
    group = np.repeat([0, 1], n)
    pins, depth = net.split(net.output(root, "JTL"), group)
    ends = net.add("JTL", 2 * n, watch=WATCH_OUTPUTS)
    net.wire(pins, net.input(ends, "JTL"))
    assert depth.max() == int(np.ceil(np.log2(n)))
    assert net.counts().get("SPLIT", 0) == 2 * (n - 1)
    log, _ = run(net, [(int(net.input(root[:1], "JTL")[0]), 0.0)])
    served = log["cell"][log["what"] == LEFT]
    assert sorted(served) == sorted(ends[:n])
    chained, _ = Netlist(RSFQ).split(np.array([-7]), np.zeros(1, dtype=np.int64), chain=True)
    assert chained.tolist() == [-7]


def test_a_chain_of_splitters_is_as_deep_as_it_is_long():
    net = Netlist(RSFQ)
    root = net.add("JTL")
    depth = net.split(net.output(root, "JTL"), np.zeros(5, dtype=np.int64), chain=True)[1]
    assert sorted(depth) == [1, 2, 3, 4, 4]


def test_close_pulses_on_a_line_push_each_other_apart():
    assert left(one("JTL", [("a", 0), ("a", 7)], length=26))[1] - 26 * 3.5 == pytest.approx(10.5)
    assert left(one("JTL", [("a", 0), ("a", 12)], length=26)) == [91.0, 103.0]


@pytest.mark.parametrize(
    ("name", "pulses", "outputs"),
    [
        ("DRO", "a clk clk a a clk", 2),
        ("NDRO", "clk a clk clk b clk", 2),
        ("AND2", "a clk a b clk clk", 1),
        ("OR2", "a clk b clk clk", 2),
        ("XOR", "a clk a b clk b clk clk", 2),
        ("XNOR", "clk a clk a b clk", 2),
        ("NOT", "clk a clk clk", 2),
        ("C", "a a b b a", 2),
        ("C_INV", "a a b b a a", 3),
        ("DRO_SR", "set clk set rst clk", 1),
        ("DRO_C", "clk a clk", 2),
        ("T1", "a a a clk clk", 2),
        ("SFQDC", "a a", 2),
    ],
)
def test_state_tables(name, pulses, outputs):
    given_ = [(port, 40.0 * k) for k, port in enumerate(pulses.split())]
    for engine in ENGINES:
        log = one(name, given_, engine=engine)
        assert len(left(log)) == outputs, what(log)


def test_pulses_at_one_instant_are_taken_in_the_order_of_the_inputs():
    # Set before reset before clock, whatever order they were given in.
    assert left(one("DRO_SR", [("clk", 0), ("set", 0)])) == [5.1]
    assert left(one("DRO_SR", [("clk", 0), ("rst", 0), ("set", 0)])) == []


def test_a_setup_time_is_flagged_and_the_pulse_acts():
    log = one("XOR", [("a", 0), ("clk", 5)])
    assert what(log) == [(FLAGGED, 5.0), (LEFT, 10.0)]
    assert not np.any(one("XOR", [("a", 0), ("clk", 7.3)])["what"] == FLAGGED)


def test_without_collisions_nothing_is_absorbed():
    log = one("MERGE", [("a", 0), ("b", 0), ("a", 1)], conditions=Conditions(collisions=False))
    assert left(log) == [9.0, 9.0, 10.0]


def test_a_burst_makes_pulses_and_takes_none_meanwhile():
    log = one("BURST", [("a", 0), ("a", 30), ("a", 70)], pulses=3, burst_fs=22_000)
    assert left(log) == [11.0, 33.0, 55.0, 81.0, 103.0, 125.0]
    assert (TOO_CLOSE, 30.0) in what(log)


def test_somas_reset_as_they_are_told():
    train = [("a", 20.0 * k) for k in range(9)]
    assert len(left(one("LOOP", train, threshold=3.0))) == 7  # keeps all but one
    assert len(left(one("COUNTER", train, threshold=3.0, reset=RESET_ZERO))) == 3
    assert len(left(one("COUNTER", train, threshold=2.5, reset=RESET_THRESHOLD))) == 3


def test_a_soma_is_deaf_after_it_fired_and_leaks_and_has_a_floor():
    train = [("a", 0.0), ("a", 30.0), ("a", 61.0)]
    log = one("COUNTER", train, threshold=1.0, reset=RESET_ZERO, deaf_fs=60_000)
    assert what(log) == [(LEFT, 10.0), (DEAF, 30.0), (LEFT, 71.0)]
    two = [("a", 0.0), ("a", 100.0)]
    assert left(one("LOOP", two, threshold=1.2, tau_fs=100_000.0)) == [110.7]
    assert left(one("LOOP", two, threshold=1.4, tau_fs=100_000.0)) == []
    log = one("LOOP", [("b", 0.0), ("b", 20.0), ("a", 40.0)], threshold=1.0, floor=-0.5)
    assert [kind for kind, _ in what(log)] == [FLOOR, FLOOR]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.8, 1.0])
def test_a_gate_passes_by_chance(share):
    train = [("a", 20.0 * k) for k in range(4000)]
    log = one("GATE", train, chance=round(share * 2**32))
    passed = len(left(log))
    assert passed + np.count_nonzero(log["what"] == BLOCKED) == 4000
    assert passed / 4000 == pytest.approx(share, abs=0.03)
    always = one("GATE", train[:50], chance=0, conditions=Conditions(chance=False))
    assert len(left(always)) == 50


def test_chance_is_even_and_free_of_order():
    values = np.array([draw(7, cell, number) for cell in range(60) for number in range(60)])
    assert len(np.unique(values)) > 3590
    counts = np.histogram(values, 16, (0, 2**32))[0]
    assert np.sum((counts - 225) ** 2 / 225) < 37.7  # chi squared, 15 degrees, 0.1 %
    bits = (values[:, None] >> np.arange(32)) & 1
    assert np.all(np.abs(bits.mean(axis=0) - 0.5) < 0.04)
    # Neighbouring seeds and cells have nothing in common.
    streams = {(s, c): [draw(s, c, k) for k in range(300)] for s in range(4) for c in range(4)}
    assert len({tuple(stream) for stream in streams.values()}) == 16
    correlation = np.corrcoef(list(streams.values())) - np.eye(16)
    assert np.abs(correlation).max() < 0.25


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pulse_runs_in_a_ring(engine):
    net = Netlist(RSFQ)
    merge, line, split = net.add("MERGE"), net.add("JTL", length=5), net.add("SPLIT")
    end = net.add("JTL", watch=WATCH_OUTPUTS)
    net.wire(net.output(merge, "MERGE"), net.input(line, "JTL"))
    net.wire(net.output(line, "JTL"), net.input(split, "SPLIT"))
    net.wire(net.output(split, "SPLIT", "l"), net.input(merge, "MERGE", "b"))
    net.wire(net.output(split, "SPLIT", "r"), net.input(end, "JTL"))
    log, machine = run(net, [(0, 0.0)], engine=engine, until_ps=330)
    assert np.allclose(np.diff(left(log)), 9 + 17.5 + 6.3)
    assert len(left(log)) == 10
    assert machine.under_way == 1


# Building and reading


def test_outputs_and_inputs_take_one_wire():
    net = Netlist(RSFQ)
    cells = net.add("JTL", 3)
    net.wire(net.output(cells[[0, 0]], "JTL"), net.input(cells[1:], "JTL"))
    with pytest.raises(ModelError, match="splitter"):
        net.build()
    net = Netlist(RSFQ)
    cells = net.add("JTL", 3)
    net.wire(net.output(cells[:2], "JTL"), net.input(cells[[2, 2]], "JTL"))
    with pytest.raises(ModelError, match="merger"):
        net.build()
    with pytest.raises(TypeError, match="no 'colour'"):
        net.add("JTL", colour=1)


def test_bias_and_spread_change_delays():
    fast = one("JTL", [("a", 0)], length=100, conditions=Conditions(bias=1.1))
    assert left(fast)[0] == pytest.approx(350 * 0.86, abs=0.01)
    some = {left(one("JTL", [("a", 0)], conditions=Conditions(spread=0.03, specimen=k)))[0]
            for k in range(5)}  # fmt: skip
    assert len(some) == 5
    assert left(one("JTL", [("a", 0)], conditions=Conditions(delays=False))) == [0.001]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[cells.X]\ntransitions = [['idle', 'b', 'idle', {}, 0]]", "what is not there"),
        ("[cells.X]\ntransitions = [['idle', 'a', 'idle', { q = 0.0 }, 0]]", "delays > 0"),
        ("[cells.X]\nstates = ['0', '1']\ntransitions = [['0', 'a', '1', {}, 0]]", "('1', 'a')"),
        ("[cells.X]\ninputs = ['a', 'b', 'c', 'd']", "at most 3 inputs"),
        ("[cells.X]\ncolour = 1", "unknown entry 'colour'"),
        ("inherits = 'nothing'", "unknown cell library"),
        ("[cells", "not a readable TOML file"),
    ],
)
def test_a_library_that_is_wrong_says_where(tmp_path, text, says):
    path = tmp_path / "cells.toml"
    path.write_text(text)
    with pytest.raises(ModelError) as error:
        load_library(str(path))
    assert says in str(error.value)


def test_corners_differ_in_what_they_say_and_inherit_the_rest():
    for name in library_names():
        assert set(load_library(name).cells) == set(RSFQ.cells)
    assert load_library("pylse")["JTL"].delay_fs == 5700
    assert load_library("resistive")["MERGE"].junctions == 5
    assert load_library("resistive")["JTL"].delay_fs == RSFQ["JTL"].delay_fs
    with pytest.raises(ModelError, match="no such file"):
        load_library("nowhere.toml")
    with pytest.raises(ModelError, match="nearest"):
        RSFQ["JTI"]


# Circuits from gates do what single cells stand for


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("pulses", [1, 2, 5, 20])
def test_a_multiplier_of_gates_is_a_burst(engine, pulses):
    net = Netlist(RSFQ)
    ports = multipliers(net, np.array([pulses]), np.array([45_000]), watch=WATCH_OUTPUTS)
    entry = int(ports.entry[0])
    # It starts afresh each time.
    log, machine = run(net, [(entry, 0.0), (entry, 1500.0)], engine=engine)
    came = np.array(left(log))
    burst = one("BURST", [("a", 0.0)], pulses=pulses, burst_fs=45_300)
    assert len(came) == 2 * pulses
    assert np.allclose(came[pulses:] - came[:pulses], 1500.0)
    assert np.allclose(np.diff(came[:pulses]), np.diff(left(burst)), atol=1e-6)
    assert machine.under_way == 0
    assert not np.any(log["what"] == TOO_CLOSE)


def test_a_ring_of_gates_is_no_shorter_than_its_reset():
    net = Netlist(RSFQ)
    ports = multipliers(net, np.array([4]), np.array([22_000]), watch=WATCH_OUTPUTS)
    came = left(run(net, [(int(ports.entry[0]), 0.0)])[0])
    assert came[0] * 1000 == pytest.approx(ports.delay_fs[0])
    assert np.diff(came) == pytest.approx([31.3] * 3)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("threshold", range(1, 11))
def test_a_chain_of_toggles_counts_as_a_counter_does(engine, threshold):
    net = Netlist(RSFQ)
    held = (threshold - 1) // 2
    ports = counters(net, np.array([threshold]), np.array([held]))
    train = [120.0 * k for k in range(47)]
    log, _ = run(net, [(int(ports.entry[0]), at) for at in train], engine=engine)
    counter = one(
        "COUNTER", [("a", at) for at in train], threshold=threshold, reset=RESET_ZERO, held=held
    )
    ours = left(log[log["what"] == LEFT])
    assert len(ours) == len(left(counter)) == (47 + held) // threshold
    shift = ports.delay_fs[0] / 1000 - RSFQ["COUNTER"].delay_fs / 1000
    assert np.allclose(np.array(ours) - left(counter), shift)
    assert not np.any(log["what"] == TOO_CLOSE)
