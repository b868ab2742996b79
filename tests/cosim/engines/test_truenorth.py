"""The TrueNorth engine: ideal it is the reference, and every effect is only itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cosim.engines import get_engine
from cosim.experiment import Experiment, Stage
from cosim.workload import load_workload
from hwmodels.chips.truenorth import TrueNorth
from hwmodels.errors import ModelError
from hwmodels.network import Projection
from tests.cosim.engines.running import run, same_everything, same_spikes
from tests.cosim.networks import balanced, cell, one_to_one, recorded, source, step_current


@pytest.mark.parametrize(
    ("celltype", "effects"),
    [("IF_curr_exp", "none"), ("IF_curr_exp", "fan_in"), ("IF_curr_exp", "time_step"),
     ("IF_cond_exp", "none")],
)  # fmt: skip
def test_without_effects_it_is_the_reference_bit_for_bit(celltype, effects):
    network = balanced(120, celltype=celltype)
    reference = run(network, "brian2", 150.0)
    step = {"step_ms": network.timestep_ms} if effects == "time_step" else {}
    ideal = run(network, "truenorth", 150.0, effects=effects, **step)
    assert len(reference.spikes[0].cell) > 100
    assert same_everything(reference, ideal)
    assert len(ideal.hardware.quantisation) == 0


def test_two_spikes_of_a_source_at_one_time_are_one_on_the_fabric_and_two_without():
    network = recorded(
        cell("IF_curr_exp", 1, "a"), source([5.0, 5.0]), projections=[one_to_one(1, 0, 1.0, 1.0)]
    )
    reference = run(network, "brian2", 30.0)
    assert same_everything(reference, run(network, "truenorth", 30.0, effects="none"))
    once = run(network, "truenorth", 30.0, effects="fabric")
    assert not same_everything(reference, once)
    assert once.counts["synaptic events lost"] == 1


def test_a_packet_that_misses_its_slot_acts_a_round_later():
    network = recorded(
        cell("IF_curr_exp", 1, "a"), source([5.0]), projections=[one_to_one(1, 0, 30.0, 2.0)]
    )
    in_time = run(network, "truenorth", 30.0, effects="fabric", tick_us=1.0, edge_ns=100)
    late = run(network, "truenorth", 30.0, effects="fabric", tick_us=1.0, edge_ns=25_000)
    step = network.timestep_ms
    assert late.spikes[0].time_ms[0] - in_time.spikes[0].time_ms[0] == pytest.approx(16 * step)
    assert late.counts["synaptic events late"] == 1
    assert late.counts["packets late"] == 1


@pytest.mark.parametrize("effect", TrueNorth.all_effects)
def test_every_effect_can_be_switched_on_alone(effect):
    network = balanced(40, dt=1.0)
    alone = run(network, "truenorth", 30.0, effects=effect, step_ms=1.0)
    assert alone.hardware.effects == (effect,)


def test_relays_cost_ticks_only_where_the_delay_does_not_cover_them():
    """One cell to two cores, at the shortest delay and at one more."""
    network = recorded(
        cell("IF_curr_exp", 1, "a"),
        source([5.0]),
        cell("IF_curr_exp", 300, "b"),
        dt=1.0,
        projections=[one_to_one(1, 0, 30.0, 1.0), _fan(0, 2, 300, 1.0), _fan(0, 2, 300, 2.0)],
        v=(0, 2),
    )
    reference = run(network, "brian2", 30.0)
    relayed = run(network, "truenorth", 30.0, effects="fan_out")
    assert relayed.counts == {
        "relay neurons added": 4,
        "synapses delayed by relays or counters": 300,
    }
    (row,) = relayed.hardware.quantisation
    assert (row["quantity"], row["max_error"]) == ("delay", 1.0)
    assert not same_everything(reference, relayed)
    assert np.array_equal(reference.spikes[0].time_ms, relayed.spikes[0].time_ms)


def _fan(pre, post, n, delay):
    projection = one_to_one(pre, post, 0.5, delay, n=n, label=f"fan {delay:g}")
    return type(projection)(
        projection.label, pre, post, "excitatory", np.array([0, n]), projection.target,
        projection.weight, projection.delay_ms,
    )  # fmt: skip


def many_inputs(n, trains, delay=2.0, n_post=3, weight=0.02):
    """Sources that all reach the same cells, more than a core has axons."""
    pairs = np.stack([np.repeat(np.arange(n), n_post), np.tile(np.arange(n_post), n)], 1)
    projection = Projection(
        "many", 0, 1, "excitatory", np.arange(0, n * n_post + 1, n_post),
        pairs[:, 1].astype(np.int32), np.full(len(pairs), weight), np.full(len(pairs), delay),
    )  # fmt: skip
    return recorded(
        source(trains), cell("IF_curr_exp", n_post, "b", tau_refrac=1.0), dt=1.0,
        projections=[projection], v=(1,),
    )  # fmt: skip


@pytest.mark.parametrize("n_post", [1, 3, 300])
def test_counters_change_nothing_while_few_inputs_of_a_group_spike_together(n_post):
    rng = np.random.default_rng(0)
    trains = [np.sort(rng.choice(60, 2, replace=False)).astype(float) for _ in range(700)]
    network = many_inputs(700, trains, n_post=n_post)
    reference = run(network, "brian2", 70.0)
    counted = run(network, "truenorth", 70.0, effects="fan_in", counters=40)
    cores = -(-n_post // 256) or 1
    assert counted.counts == {"counter neurons added": 3 * 40}
    assert len(counted.hardware.cores) == cores + 3
    assert len(reference.spikes[1].cell) > 0
    assert same_spikes(reference, counted)
    for ours, theirs in zip(counted.traces, reference.traces, strict=True):
        np.testing.assert_allclose(ours.values, theirs.values, rtol=1e-12)
    # Where a core sends to two, its counters need relays, and those a tick.
    whole = run(network, "truenorth", 70.0, effects="fan_in+fan_out+fabric", counters=40)
    assert whole.counts.get("relay neurons added", 0) == (0 if cores == 1 else 3 * 40 * cores)
    if cores == 1:
        assert same_everything(counted, whole)


def test_what_counters_cannot_count_is_lost_and_counted():
    network = many_inputs(700, [[5.0]] * 700)
    result = run(network, "truenorth", 20.0, effects="fan_in", counters=40)
    assert result.counts["synaptic events lost in counting"] == 3 * (700 - 3 * 40)
    late = run(many_inputs(700, [[5.0]] * 700, delay=1.0), "truenorth", 20.0, effects="fan_in")
    assert late.counts["synapses delayed by relays or counters"] == 2100


@pytest.mark.parametrize("n_post", [2, 280])
def test_counters_are_neurons_of_the_chip(n_post):
    """On the crossbars they compute what the count says."""
    rng = np.random.default_rng(1)
    trains = [np.sort(rng.choice(60, 8, replace=False)).astype(float) for _ in range(600)]
    network = many_inputs(600, trains, n_post=n_post, weight=0.01)
    chip, parts = (
        run(network, "truenorth", 70.0, effects=effects)
        for effects in ("all", "weight_precision+arithmetic+fan_in+fan_out")
    )
    assert chip.counts["synaptic events lost in counting"] > 0
    assert chip.counts["counter neurons added"] > 0
    assert len(chip.spikes[1].cell) > n_post
    assert same_everything(chip, parts)


def test_chip_neurons_stay_near_the_reference():
    network = balanced(120)
    reference = run(network, "brian2", 300.0)
    chip = run(network, "truenorth", 300.0, step_ms=1.0)
    for ours, theirs in zip(chip.spikes, reference.spikes, strict=True):
        if len(theirs.cell) > 50:
            assert len(ours.cell) / len(theirs.cell) == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize("effects", ["all", "none", "arithmetic"])
def test_weights_changed_between_two_runs_count_from_then_on(effects):
    network = balanced(40, dt=1.0)
    stronger = replace(
        network, projections=tuple(replace(p, weight=p.weight * 1.5) for p in network.projections)
    )
    results = [
        Experiment((Stage(network, 30), Stage(second, 60))).execute(
            get_engine("truenorth", effects=effects)
        )
        for second in (replace(network), stronger)
    ]
    assert same_everything(run(network, "truenorth", 60.0, effects=effects), results[0])
    early, late = (
        [t.values[half] for t in results[1].traces] for half in (slice(0, 31), slice(31, None))
    )
    assert all(
        np.array_equal(a, t.values[:31]) for a, t in zip(early, results[0].traces, strict=True)
    )
    assert not np.array_equal(late[0], results[0].traces[0].values[31:])


def test_delays_and_registers_stay_between_two_runs():
    network = balanced(40, dt=1.0)
    slower = replace(
        network, projections=tuple(replace(p, delay_ms=p.delay_ms + 1) for p in network.projections)
    )
    first = network.populations[0]
    leaky = replace(first, parameters={**first.parameters, "tau_m": first.parameters["tau_m"] / 2})
    other = replace(network, populations=(leaky, *network.populations[1:]))
    for changed, message in ((slower, "delays cannot"), (other, "'exc': tau_m cannot")):
        with pytest.raises(ModelError, match=message):
            Experiment((Stage(network, 30), Stage(changed, 60))).execute(get_engine("truenorth"))


@pytest.mark.parametrize(
    ("celltype", "currents", "message"),
    [
        ("Izhikevich", [], r"'spiky'.*Izhikevich.*neurons=exact"),
        ("IF_curr_exp", [step_current(1.0, 0.1)], r"'spiky'.*current.*i_offset.*neurons=exact"),
    ],
)
def test_what_a_neuron_cannot_do_names_the_way_out(celltype, currents, message):
    network = recorded(cell(celltype, 2, "spiky"), currents=currents)
    with pytest.raises(ModelError, match=message):
        run(network, "truenorth", 10.0)


def test_digits_are_read_as_well_on_the_chip():
    workload = load_workload("digits", ["--images", "10"], get_engine("brian2"))
    chip = workload.experiment.execute(get_engine("truenorth"))
    theirs, ours = (workload.task(result)["accuracy"] for result in (workload.result, chip))
    assert ours >= theirs - 0.1
    assert chip.counts["relay neurons added"] > 100
