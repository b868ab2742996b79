"""Hardware engines: all effects off is the reference, each effect on is only itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.engines import engine_names, get_engine
from cosim.experiment import Experiment, Stage
from hwmodels.errors import ModelError, UnsupportedError
from hwmodels.network import Population
from tests.cosim.engines.running import run, same_everything, same_spikes
from tests.cosim.networks import balanced, cell, recorded


@pytest.mark.parametrize("celltype", ["IF_curr_exp", "IF_cond_exp"])
def test_an_ideal_chip_is_the_reference_bit_for_bit_in_a_recurrent_network(celltype):
    network = balanced(120, celltype=celltype)
    reference, ideal = run(network, "brian2", 150.0), run(network, "loihi", 150.0, effects="none")
    assert len(reference.spikes[0].cell) > 100
    assert same_everything(reference, ideal)
    assert ideal.network_hash == reference.network_hash
    assert ideal.hardware.step_ps.sum() == 0
    assert len(ideal.hardware.quantisation) == 0


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    n=st.integers(5, 60),
    dt=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_any_random_network_on_an_ideal_chip_is_the_reference(seed, n, dt):
    network = balanced(n, seed=seed, dt=dt)
    assert same_everything(
        run(network, "brian2", 60.0, codegen="numpy"), run(network, "loihi", 60.0, effects="none")
    )


def test_the_fabric_alone_costs_time_and_changes_no_spike():
    network = balanced(120)
    reference, fabric = run(network, "brian2", 80.0), run(network, "loihi", 80.0, effects="fabric")
    assert same_everything(reference, fabric)
    assert fabric.hardware.step_ps[1:].min() > 600_000
    assert len(fabric.hardware.quantisation) == 0
    assert fabric.counts == {}


def test_weight_precision_alone_changes_weights_and_nothing_else():
    network = balanced(120)
    result = run(network, "loihi", 80.0, effects="weight_precision")
    quantities = set(result.hardware.quantisation["quantity"])
    assert quantities == {"weight"}
    assert result.hardware.step_ps.sum() == 0
    rows = result.hardware.quantisation
    assert np.all(rows["max_error"] <= rows["step"] / 2 * (1 + 1e-9))
    assert not same_spikes(run(network, "brian2", 80.0), result)


def test_arithmetic_alone_keeps_the_weights_and_takes_no_time():
    network = balanced(120)
    result = run(network, "loihi", 80.0, effects="arithmetic")
    assert "weight" not in set(result.hardware.quantisation["quantity"])
    assert "tau_m" in set(result.hardware.quantisation["quantity"])
    assert result.hardware.step_ps.sum() == 0
    rate, exact = (sum(len(s.cell) for s in r.spikes) for r in (result, run(network, "brian2", 80)))
    assert rate == pytest.approx(exact, rel=0.25)


def test_a_coarser_step_alone_is_the_reference_on_that_grid():
    network = balanced(60, dt=0.1)
    coarse = run(network, "loihi", 80.0, effects="time_step", step_ms=0.5)
    regridded = replace(
        network,
        timestep_ms=0.5,
        recordings=tuple(replace(r, interval_ms=0.5) for r in network.recordings),
    )
    assert same_everything(run(regridded, "brian2", 80.0), coarse)
    assert coarse.timestep_ms == 0.5
    assert coarse.duration_ms == 80.0


def test_without_step_ms_the_time_step_is_no_effect():
    assert "time_step" not in get_engine("loihi").chip.effects
    assert "time_step" in get_engine("loihi", step_ms="1").chip.effects


def test_event_and_analytic_timing_agree_on_spikes_operations_and_nearly_on_time():
    network = balanced(200)
    event, analytic = (run(network, "loihi", 60.0, fidelity=f) for f in ("compiled", "analytic"))
    assert same_spikes(event, analytic)
    assert np.array_equal(event.hardware.energy["count"], analytic.hardware.energy["count"])
    assert analytic.hardware.step_ps == pytest.approx(event.hardware.step_ps, rel=0.02)


def test_every_spike_becomes_one_packet_for_each_core_it_reaches():
    """Simultaneous spikes of different cells are never merged into one packet."""
    network = balanced(200)
    result = run(network, "loihi", 60.0)
    packets = result.hardware.packets
    offsets = network.offsets
    spikes = np.concatenate([s.cell + offsets[i] for i, s in enumerate(result.spikes)])
    counted = np.bincount(packets["source"], minlength=offsets[-1])
    chip = get_engine("loihi").chip
    core_of = chip.map(chip.translate(network)).core_of
    reached = np.zeros((offsets[-1], core_of.max() + 1), dtype=int)
    for p in network.projections:
        reached[p.source + offsets[p.pre], core_of[p.target + offsets[p.post]]] = 1
    assert np.array_equal(counted, np.bincount(spikes, minlength=offsets[-1]) * reached.sum(1))
    assert np.all(packets["arrive_ps"] >= packets["inject_ps"])
    synaptic_events = sum(
        int(np.diff(p.indptr)[result.spikes[p.pre].cell].sum()) for p in network.projections
    )
    assert packets["synapses"].sum() == synaptic_events


def test_open_loop_replay_sends_the_same_spikes_and_depends_on_no_neuron():
    network = balanced(120).with_all_spikes_recorded(traces=False)
    reference = run(network, "brian2", 80.0)
    replayed = run(network, "loihi", 80.0, neurons="replay", trace=reference)
    assert same_spikes(reference, replayed)
    closed = run(network, "loihi", 80.0, effects="fabric")
    assert np.array_equal(closed.hardware.packets, replayed.hardware.packets)


def test_a_replay_needs_a_trace_of_the_same_network_and_has_no_state(tmp_path):
    network = balanced(40)
    reference = run(network, "brian2", 5.0)
    with pytest.raises(ModelError, match="neurons=replay goes with a trace"):
        get_engine("loihi", neurons="replay")
    with pytest.raises(ModelError, match="replay needs a trace of the same network"):
        run(balanced(50), "loihi", 5.0, neurons="replay", trace=reference)
    with pytest.raises(UnsupportedError, match="a replay has no 'v' to record"):
        run(network, "loihi", 5.0, neurons="replay", trace=reference)
    reference.save(tmp_path / "trace.npz")
    spikes_only = network.with_all_spikes_recorded(traces=False)
    text = f"loihi:neurons=replay:trace={tmp_path / 'trace.npz'}"
    assert same_spikes(run(spikes_only, text, 5.0), reference)


@pytest.mark.parametrize("fidelity", ["compiled", "reference", "analytic"])
def test_closed_loop_spikes_act_when_a_free_running_fabric_delivers_them(fidelity):
    """A fast clock leaves packets behind: their spikes act late, and the network notices."""
    network = balanced(200)
    exact = dict(effects="fabric", clocking="free_running", fidelity=fidelity)
    reference = run(network, "brian2", 60.0)
    relaxed = run(network, "loihi", 60.0, step_ns=1e6, **exact)
    assert same_everything(reference, relaxed)
    assert relaxed.counts == {}
    assert np.all(relaxed.hardware.step_ps[1:] == 1_000_000_000)
    hurried = run(network, "loihi", 60.0, step_ns=500, **exact)
    assert hurried.counts["synaptic events late"] > 0
    assert np.any(hurried.hardware.packets["late_steps"] > 0)
    assert not same_spikes(reference, hurried)


def test_stages_with_changed_weights_are_repeated_exactly():
    network = balanced(100)
    weaker = tuple(replace(p, weight=p.weight * 0.5) for p in network.projections)
    experiment = Experiment((Stage(network, 300), Stage(replace(network, projections=weaker), 800)))
    reference = experiment.execute(get_engine("brian2"))
    assert same_everything(reference, experiment.execute(get_engine("loihi", effects="none")))
    whole = experiment.execute(get_engine("loihi"))
    unchanged = run(network, "loihi", 80.0)
    early = [s.time_ms <= 30.0 for s in whole.spikes]
    for spikes, other, mask in zip(whole.spikes, unchanged.spikes, early, strict=True):
        assert np.array_equal(spikes.time_ms[mask], other.time_ms[other.time_ms <= 30.0])
    assert not same_spikes(whole, unchanged)


def test_chip_arithmetic_names_the_population_it_cannot_compute():
    network = recorded(cell("Izhikevich", 2, "my cells"))
    with pytest.raises(UnsupportedError, match=r"'my cells'.*Izhikevich.*neurons=exact"):
        run(network, "loihi", 1.0)


def test_neuron_parameters_cannot_change_between_runs_on_chip_arithmetic():
    network = recorded(cell("IF_curr_exp"))
    before = network.populations[0]
    changed = Population(
        before.label, before.celltype, 1, dict(before.parameters) | {"tau_m": np.array([5.0])},
        before.initial_values,
    )  # fmt: skip
    experiment = Experiment(
        (Stage(network, 5), Stage(replace(network, populations=(changed,)), 10))
    )
    with pytest.raises(UnsupportedError, match="cannot be changed between runs"):
        experiment.execute(get_engine("loihi"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lohi", "unknown engine 'lohi'; choose one of brian2, "),
        ("loihi:efects=none", "no option 'efects'; the nearest is 'effects'"),
        ("loihi:neurons=fuzzy", "neurons must be one of chip, exact, replay"),
        ("loihi:effects", "must have the form name=value"),
        ("loihi:effects=magic", "unknown effect 'magic'"),
    ],
)
def test_a_wrong_engine_text_is_one_clear_line(text, message):
    with pytest.raises(ModelError) as error:
        get_engine(text)
    assert message in str(error.value)


def test_all_chips_are_engines():
    assert engine_names()[0] == "brian2"
    assert "loihi" in engine_names()
