"""The NeuroCoreX-style emulator: its pipeline, learning in place, the serial line, its limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.neurocorex import Line, Neurocorex, SimPyLine
from hwmodels.chips.neurocorex.chip import HOST
from hwmodels.chips.neurocorex.formats import INPUT, RECURRENT
from hwmodels.errors import CapacityError, ModelError, UnsupportedError
from hwmodels.network import STDP_PAIR, SynapseDynamics
from hwmodels.result import Result
from tests.hwmodels.networks import cells, current, network, source, synapses
from tests.hwmodels.neurocorex_vhdl import Pipeline, Timers
from tests.hwmodels.running import run_on

PAIR = dict(tau_plus=4.0, tau_minus=3.0, A_plus=0.2, A_minus=0.1, w_min=0.0, w_max=3.0)


def learning(projection, **changes):
    values = {name: np.array(value) for name, value in (PAIR | changes).items()}
    return replace(projection, dynamics=SynapseDynamics(STDP_PAIR, values))


def all_to_all(rng, n=6, inputs=3, steps=60, plastic=False, low=0.0):
    """Cells of both signs onto each other, and inputs to all; no two inputs in one step."""
    pairs = [(j, i) for j in range(n) for i in range(n) if i != j]
    given_pairs = [(j, i) for j in range(inputs) for i in range(n)]
    order = rng.permutation(steps)[: steps // 2]
    trains = [sorted(map(float, order[j::inputs])) for j in range(inputs)]
    own = synapses(0, 0, pairs, rng.uniform(low, 1.5, len(pairs)), 1.0, label="own", n_pre=n)
    given_ = synapses(
        1, 0, given_pairs, rng.uniform(0.5, 3.0, len(given_pairs)), 1.0, label="in", n_pre=inputs
    )
    if plastic:
        own, given_ = learning(own), learning(given_)
    refractory = rng.integers(0, 4, n).astype(float)
    return network(
        cells(n, tau_refrac=refractory, v_thresh=rng.uniform(-55, -50, n)), source(*trains),
        dt=1.0, projections=[own, given_], v=(0,),
    )  # fmt: skip


def as_vhdl(chip, net, stdp=None):
    """The same board in the scalar model."""
    board = chip.translate(net).formats
    n, inputs = net.populations[0].size, net.populations[1].size
    weight = [[0] * n for _ in range(n)]
    weight_FF = [[0] * inputs for _ in range(n)]
    for matrix, p, mantissa in zip(
        (weight, weight_FF), net.projections, board.mantissas, strict=True
    ):
        for j, i, w in zip(p.source, p.target, mantissa, strict=True):
            matrix[i][j] = int(w)
    if stdp:
        rule = board.rule
        stdp = Timers(
            n, inputs, rule.plus_steps[RECURRENT], rule.minus_steps[RECURRENT],
            rule.plus_steps[INPUT], rule.minus_steps[INPUT], rule.raised, rule.lowered,
        )  # fmt: skip
    return Pipeline(
        weight, weight_FF, board[0].threshold.tolist(), board[0].refractory.tolist(),
        board.decay_v, board.decay_u, *board.amplitude, stdp=stdp,
    )  # fmt: skip


def in_vhdl(pipeline, net, steps):
    """Spikes and potentials, the latter before each step's slots."""
    at, cells_ = net.populations[1].stimulus.events(net.timestep_ms)
    spikes, v = [], []
    for step in range(steps + 1):
        v.append(list(pipeline.v))
        fired = pipeline.step(cells_[at == step].tolist(), [0] * pipeline.n)
        spikes += [(step, i) for i in fired]
    return spikes, np.array(v)


# The pipeline


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_the_pipeline_is_the_vhdl_written_down_a_second_time(seed):
    rng = np.random.default_rng(seed)
    net = all_to_all(rng, n=int(rng.integers(2, 8)), low=-1.5)
    chip = Neurocorex(effects="delays+weight_precision+arithmetic")
    result = run_on(chip, net, 60.0)
    spikes, v = in_vhdl(as_vhdl(chip, net), net, 60)
    ours = list(zip(result.spikes[0].time_ms.astype(int), result.spikes[0].cell, strict=True))
    assert ours == spikes
    unit = chip.translate(net).formats[0].unit_mV
    reset = net.populations[0].parameters["v_reset"]
    units = np.rint((result.traces[0].values - reset) / unit)
    fired = np.zeros(units.shape, dtype=bool)
    for step, cell in spikes:
        fired[step, cell] = True
    np.testing.assert_array_equal(units[~fired], v[~fired])


def test_spikes_of_others_hold_the_current_and_a_field_says_whether():
    """Two spikes one step apart: the second one's step adds without decaying."""
    net = network(
        cells(1, v_thresh=1e3), source([5.0, 6.0]), dt=1.0, v=(0,),
        projections=[synapses(1, 0, [(0, 0)], 1.0)],
    )  # fmt: skip
    held, decaying = (
        run_on(Neurocorex(effects="arithmetic", decay_held_by_input=field), net, 9.0)
        .traces[0].values[:, 0] for field in (1, 0)
    )  # fmt: skip
    np.testing.assert_array_equal(held[:8], decaying[:8])
    assert held[8] > decaying[8]


@pytest.mark.parametrize("tau_refrac", [0.0, 1.0, 3.0, 7.0])
def test_a_neuron_driven_hard_fires_as_often_as_its_refractory_time_lets_it(tau_refrac):
    net = network(cells(1, tau_refrac=tau_refrac, i_offset=20.0), dt=1.0)
    times = run_on(Neurocorex(), net, 60.0).spikes[0].time_ms
    assert np.all(np.diff(times) == max(tau_refrac, 1.0) + 1)


def test_sums_that_leave_their_register_wrap_and_are_counted():
    net = network(
        cells(1), source([1.0, 2.0, 3.0, 4.0]), dt=1.0,
        projections=[synapses(1, 0, [(0, 0)], -0.5, receptor="inhibitory")],
    )  # fmt: skip
    assert run_on(Neurocorex(state_bits=15), net, 12.0).counts["membranes wrapped"] > 0
    assert "membranes wrapped" not in run_on(Neurocorex(), net, 12.0).counts


def test_running_in_pieces_is_running_at_once():
    net = all_to_all(np.random.default_rng(3), plastic=True)
    chip = Neurocorex()
    translation = chip.translate(net)
    pieces = chip.run(translation, chip.map(translation))
    for until in (1, 7, 30, 60):
        pieces.advance(translation.network, until)
    one, other = pieces.result("n", translation, 0.0), run_on(chip, net, 60.0)
    np.testing.assert_array_equal(one.hardware.packets, other.hardware.packets)
    for label, weights in one.weights.items():
        np.testing.assert_array_equal(weights, other.weights[label])


# Learning in place


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_learning_is_the_vhdl_with_its_timers(seed):
    net = all_to_all(np.random.default_rng(seed), plastic=True)
    chip = Neurocorex(effects="delays+weight_precision+arithmetic+stdp")
    translation = chip.translate(net)
    running = chip.run(translation, chip.map(translation))
    running.advance(translation.network, 60)
    vhdl = as_vhdl(chip, net, stdp=True)
    spikes, _ = in_vhdl(vhdl, net, 60)
    result = running.result("n", translation, 0.0)
    ours = list(zip(result.spikes[0].time_ms.astype(int), result.spikes[0].cell, strict=True))
    assert ours == spikes
    board = translation.formats
    for p, matrix, array in zip(
        net.projections, (vhdl.weight, vhdl.weight_FF), (RECURRENT, INPUT), strict=True
    ):
        units = result.weights[p.label] * board[0].gain[p.target] / board.amplitude[array]
        there = [matrix[i][j] for j, i in zip(p.source, p.target, strict=True)]
        # The last events of inputs are taken in with the step that follows.
        late = np.isin(p.source, _fed_last(net)) if array == INPUT else np.zeros(len(there), bool)
        np.testing.assert_array_equal(np.rint(units)[~late], np.array(there)[~late])


def _fed_last(net):
    at, cells_ = net.populations[1].stimulus.events(net.timestep_ms)
    return cells_[at == 60]


def test_pre_before_post_raises_and_post_before_pre_lowers():
    def learned(times):
        net = network(
            cells(1, tau_refrac=25.0), source([10.0], times), dt=1.0,
            projections=[
                synapses(1, 0, [(0, 0)], 20.0, n_pre=2, label="kick"),
                learning(synapses(1, 0, [(1, 0)], 1.0, n_pre=2, label="learns")),
            ],
        )  # fmt: skip
        result = run_on(Neurocorex(effects="delays+weight_precision+arithmetic+stdp"), net, 30.0)
        assert len(result.spikes[0].cell) == 1
        fixed = run_on(Neurocorex(effects="delays+weight_precision+arithmetic"), net, 30.0)
        assert not fixed.weights
        return result.weights["learns"][0]

    assert learned([11.0]) == pytest.approx(1.0 + 0.2 * 3.0 / 2, abs=0.1), "half of A_plus w_max"
    assert learned([16.0]) == pytest.approx(1.0 - 0.1 * 3.0 / 2, abs=0.1)
    assert learned([1.0]) == pytest.approx(1.0, abs=0.1), "outside of the window"


def test_learned_weights_are_saved_with_the_result(tmp_path):
    result = run_on(Neurocorex(), all_to_all(np.random.default_rng(1), plastic=True), 60.0)
    assert set(result.weights) == {"own", "in"}
    assert not np.array_equal(result.weights["in"], np.zeros(18))
    result.save(tmp_path / "r.npz")
    loaded = Result.load(tmp_path / "r.npz")
    np.testing.assert_array_equal(loaded.weights["in"], result.weights["in"])
    assert loaded.hardware.read_out_ps == 2 * Neurocorex().spec.read_out_ps


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w_max": 2.0}, "w_max of 2: .*another projection has 3"),
        ({"tau_plus": 9.0}, "one window for all input weights"),
        ({"A_minus": 0.9}, "A_minus of 0.9: NeuroCoreX changes all weights by the same"),
    ],
)
def test_rules_the_board_does_not_have_are_refused(changes, message):
    pairs = [(0, 0)]
    net = network(
        cells(1), source([1.0]), dt=1.0,
        projections=[
            learning(synapses(1, 0, pairs, 1.0, label="a")),
            learning(synapses(1, 0, pairs, 1.0, label="b"), **changes),
        ],
    )  # fmt: skip
    with pytest.raises(UnsupportedError, match=f"projection 'b'.*{message}"):
        Neurocorex().translate(net)


def test_a_change_of_less_than_a_unit_is_refused():
    small = learning(synapses(1, 0, [(0, 0)], 1.0, label="b"), A_plus=1e-4)
    net = network(cells(1), source([1.0]), dt=1.0, projections=[small])
    with pytest.raises(UnsupportedError, match="A_plus of 0.0001 changes weights by .* at least"):
        Neurocorex().translate(net)


# The serial line


@settings(max_examples=40, deadline=None)
@given(
    bursts=st.lists(st.integers(0, 6), min_size=1, max_size=30),
    depth=st.integers(1, 6),
    a_step=st.integers(1, 3),
    baud=st.sampled_from([1e6, 2e5, 3.1e4, 2.5e4]),
)
def test_the_line_is_its_processes_event_for_event(bursts, depth, a_step, baud):
    spec = Neurocorex(event_queue=depth, events_per_step=a_step, uart_baud=baud).spec
    closed, processes = Line(spec), SimPyLine(spec)
    told = []
    for line in (closed, processes):
        taken = {}
        for step, events in enumerate([*bursts, *[0] * 250]):
            taken.update(line.step(step, step * spec.step_ps, events))
        told.append(taken)
    assert told[0] == told[1]
    assert sorted(told[0]) == list(range(sum(bursts))), "every event is taken or lost, once"
    steps = [s for s in told[0].values() if s is not None]
    assert steps == sorted(steps)
    assert max(np.bincount(steps), default=0) <= a_step


def test_one_input_event_is_taken_a_step_and_the_others_wait():
    times = [[10.0]] * 4
    net = network(
        cells(4, v_thresh=1e3), source(*times), dt=1.0, v=(0,),
        projections=[synapses(1, 0, [(k, k) for k in range(4)], 1.0)],
    )  # fmt: skip
    results = [
        run_on(Neurocorex(effects="arithmetic+uart", fidelity=f), net, 30.0)
        for f in ("compiled", "reference", "analytic")
    ]
    for result, behind in zip(results, ([0, 1, 2, 3], [0, 1, 2, 3], [0] * 4), strict=True):
        moved = [int(np.flatnonzero(v != v[0])[0]) for v in result.traces[0].values.T]
        assert moved == [12 + k for k in behind]
        events = result.hardware.packets[result.hardware.packets["source_core"] < 0]
        assert events["late_steps"].tolist() == behind
    assert results[0].counts["synaptic events late"] == 3
    np.testing.assert_array_equal(results[0].hardware.packets, results[1].hardware.packets)


def test_events_beyond_the_queue_are_lost_and_counted():
    net = network(
        cells(1), source(*[[5.0]] * 6), dt=1.0,
        projections=[synapses(1, 0, [(k, 0) for k in range(6)], 0.1)],
    )  # fmt: skip
    for fidelity in ("compiled", "reference"):
        result = run_on(Neurocorex(event_queue=2, fidelity=fidelity), net, 30.0)
        events = result.hardware.packets[result.hardware.packets["source_core"] < 0]
        assert np.count_nonzero(events["arrive_ps"] < 0) == result.counts["synaptic events lost"]
        assert result.counts["synaptic events lost"] == 4


def test_spikes_are_read_out_when_their_byte_is_full():
    net = network(cells(90, i_offset=20.0, tau_refrac=50.0), dt=1.0)
    result = run_on(Neurocorex(biased_neurons=90), net, 10.0)
    spec, packets = Neurocorex().spec, result.hardware.packets
    out = packets[packets["destination_core"] == HOST]
    assert len(out) == len(result.spikes[0].cell)
    wait = out["arrive_ps"] - out["inject_ps"]
    after = spec.output_cycles * spec.cycle_ps + spec.transmit_byte_ps
    least, most = after + spec.cycle_ps, after + 8 * spec.cycle_ps
    last_bit = (out["step"].astype(int) * 90 + out["source"]) // 8 * 8 + 7
    within_step = last_bit // 90 == out["step"]  # others wait for bits of the next step
    assert np.all((wait[within_step] >= least) & (wait[within_step] <= most))
    assert np.all(wait[~within_step] > spec.cycle_ps * (spec.slots - 90))


def test_loading_and_reading_back_take_the_time_of_the_line():
    spec = Neurocorex().spec
    us = 1e6
    weights, flags = 2 * (96 * 96 + 2) * 10 * us, 2 * 96 * 96 / 8 * 16 * us
    parameters = 4 * 96 * 3 * (10 + 1000) * us
    assert spec.load_ps == pytest.approx(weights + flags + parameters + 3 * 10 * us)
    static = all_to_all(np.random.default_rng(1))
    report = run_on(Neurocorex(), static, 5.0).hardware
    assert (report.load_ps, report.read_out_ps) == (spec.load_ps, 0)
    assert report.duration_s == pytest.approx(spec.load_ps * 1e-12 + 6 * 960e-6)
    ideal = run_on(Neurocorex(effects="arithmetic"), static, 5.0).hardware
    assert (ideal.load_ps, ideal.fidelity) == (0, "free")


# What fits


@pytest.mark.parametrize(
    ("population", "message"),
    [
        (cells(1, celltype="IF_curr_delta"), "computes IF_curr_exp.*neurons=exact"),
        (cells(1, v_rest=-70.0), "v_rest must be v_reset"),
        (cells(1, v_thresh=-80.0), "v_thresh must lie above"),
        (cells(1, tau_syn_I=7.0), "tau_syn_E and tau_syn_I must be equal"),
        (cells(2, tau_m=[10.0, 20.0]), "one leak for all membranes"),
        (cells(2, i_offset=0.1), "2 cells have an i_offset.*drives 1"),
    ],
)
def test_cells_the_board_is_not_are_refused_with_the_way_out(population, message):
    with pytest.raises(UnsupportedError, match=f"population 'cells'.*{message}"):
        Neurocorex().translate(network(population, dt=1.0))


def test_one_neuron_may_have_a_bias_and_it_may_change():
    net = network(cells(3), dt=1.0, currents=[current(5.0, 2.0, cell=1)])
    result = run_on(Neurocorex(), net, 40.0)
    assert set(result.spikes[0].cell) == {1}
    assert result.spikes[0].time_ms.min() > 5.0


def test_more_neurons_or_sources_than_the_arrays_hold_are_refused():
    chip = Neurocorex()
    for net, message in (
        (network(cells(91), dt=1.0), "91 neurons.*NeuroCoreX 90"),
        (network(cells(1), source(*[[1.0]] * 97), dt=1.0), "97 spike sources.*NeuroCoreX 96"),
    ):
        with pytest.raises(CapacityError, match=message):
            chip.map(chip.translate(net))
    fits = network(cells(90), source(*[[1.0]] * 96), dt=1.0)
    assert chip.map(chip.translate(fits)).n_cores == 1


def test_synapses_of_one_pair_are_one_weight_and_a_neuron_cannot_reach_itself():
    pairs = [(0, 1), (0, 1), (1, 0), (1, 1)]
    net = network(cells(2), dt=1.0, projections=[synapses(0, 0, pairs, [0.5, 0.25, 0.6, 1.0])])
    translation = Neurocorex().translate(net)
    assert translation.network.projections[0].weight == pytest.approx([0.75, 0, 0.6, 0], abs=0.01)
    assert translation.counts["synapses that share one weight"] == 1
    assert translation.counts["synapses from a neuron to itself left out"] == 1


def test_weights_have_eight_bits_and_what_does_not_fit_is_counted():
    net = network(
        cells(1), source(*[[1.0]] * 3), dt=1.0,
        projections=[synapses(1, 0, [(k, 0) for k in range(3)], [0.1, -0.05, 500.0])],
    )  # fmt: skip
    translation = Neurocorex(effects="weight_precision+arithmetic").translate(net)
    assert np.abs(translation.formats.mantissas[0]).max() <= 128
    assert translation.quantisation["clipped"].max() == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"neuron_clock_kHz": 1000}, "shorter than the two passes of STDP"),
        ({"uart_baud": 0}, "uart_baud must be > 0"),
        ({"neurons": 95}, r"first_slot \+ neurons must be <= slots"),
        ({"fidelity": "exact"}, "fidelity must be one of"),
    ],
)
def test_numbers_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ModelError, match=message):
        Neurocorex(**changes)
