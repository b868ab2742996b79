"""A DynapSE board as a whole: continuous time, latencies that act, energy, reports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwmodels.chips.dynapse import Dynapse
from hwmodels.errors import ModelError, UnsupportedError
from hwmodels.network import Recording
from tests.hwmodels.networks import cells, network, random_network, source, synapses
from tests.hwmodels.running import run_on


def recurrent(n=1000, inputs=64, sources=20, dt=0.1, duration_ms=60.0):
    """Cells with 54 recurrent inputs and 10 from sources each, four fifths of them excitatory."""
    rng = np.random.default_rng(1)
    own = inputs - 10
    pre = np.concatenate([rng.choice(n, own, replace=False) for _ in range(n)])
    post = np.repeat(np.arange(n), own)
    given = np.concatenate([rng.choice(sources, 10, replace=False) for _ in range(n)])
    to = np.repeat(np.arange(n), 10)
    excitatory = pre < 0.8 * n
    trains = [np.sort(rng.uniform(0, duration_ms, 3)) for _ in range(sources)]
    ends = np.stack([pre, post], 1)
    return network(
        cells(n, "cells", i_offset=0.12), source(*trains), dt=dt,
        projections=[
            synapses(0, 0, ends[excitatory], 0.02, 1.0, "excitatory", "exc", n),
            synapses(0, 0, ends[~excitatory], -0.08, 1.0, "inhibitory", "inh", n),
            synapses(1, 0, np.stack([given, to], 1), 0.15, 1.0, "excitatory", "in", sources),
        ],
    )  # fmt: skip


def same_spikes(a, b):
    return all(
        np.array_equal(x.cell, y.cell) and np.array_equal(x.time_ms, y.time_ms)
        for x, y in zip(a.spikes, b.spikes, strict=True)
    )


def chain(weight=1.5, delay=1.0, n=2, dt=0.1):
    """A source at 1 ms, then cells one after the other."""
    links = [synapses(1, 0, [(0, 0)], weight, delay, label="in")]
    links.append(synapses(0, 0, [(k, k + 1) for k in range(n - 1)], weight, delay, n_pre=n))
    return network(cells(n), source([1.0]), dt=dt, projections=links)


# Time


def test_spikes_of_silicon_stand_between_the_points_of_the_grid():
    result = run_on(Dynapse(effects="arithmetic"), chain(dt=1.0), 30.0)
    offsets = result.spikes[0].time_ms % 1.0
    assert np.all((offsets > 1e-6) & (offsets < 1 - 1e-6))


def test_the_latency_of_a_spike_is_the_sum_the_datasheet_gives():
    spec = Dynapse().spec
    result = run_on(Dynapse(effects="delays+arithmetic+fabric"), chain(), 30.0)
    packets = result.hardware.packets
    latency = (packets["arrive_ps"] - packets["inject_ps"]) * 1e-3
    from_host, local = latency[packets["source_core"] < 0], latency[packets["source_core"] >= 0]
    assert np.allclose(from_host, spec.host_ns + spec.tree_ns + spec.broadcast_ns)
    assert np.allclose(local, spec.output_ns + spec.broadcast_ns)


@pytest.mark.parametrize("extra_us", [1.0, 30.0, 777.0])
def test_latency_shifts_the_next_spike_by_itself(extra_us):
    """Slower arbiters delay what a spike does by just as much, wherever it falls in a step."""
    fast, slow = (
        run_on(Dynapse(effects="delays+arithmetic+fabric", output_ns=ns), chain(), 40.0)
        for ns in (47.6, 47.6 + extra_us * 1e3)
    )
    first, second = (
        dict(zip(r.spikes[0].cell, r.spikes[0].time_ms, strict=True)) for r in (fast, slow)
    )
    assert first[0] == second[0]
    assert second[1] - first[1] == pytest.approx(extra_us * 1e-3, abs=2e-3)


def test_an_ideal_delay_element_adds_to_the_latency():
    times = [
        run_on(Dynapse(effects="arithmetic"), chain(delay=delay), 40.0).spikes[0].time_ms
        for delay in (1.0, 1.0 + 0.037)
    ]
    assert times[1] - times[0] == pytest.approx([0.037, 0.074], abs=2e-3)


def test_without_delay_elements_delays_are_gone_and_counted():
    with_it, without = (
        run_on(Dynapse(effects=e), chain(delay=3.0), 40.0)
        for e in ("arithmetic", "arithmetic+delays")
    )
    assert with_it.spikes[0].time_ms - without.spikes[0].time_ms == pytest.approx([3, 6], abs=5e-3)
    assert without.counts["synaptic delays that no delay element holds"] == 2
    assert "delay" in without.hardware.quantisation["quantity"]


def test_running_in_pieces_is_running_at_once():
    net = random_network(np.random.default_rng(5))
    chip = Dynapse(sharing="mean")
    translation = chip.translate(net)
    pieces = chip.run(translation, chip.map(translation))
    for until in (1, 7, 60, 100):
        pieces.advance(translation.network, until)
    assert same_spikes(pieces.result("d", translation, 0.0), run_on(chip, net, 50.0))


def test_a_run_is_repeatable_and_a_chip_is_its_seed():
    net = random_network(np.random.default_rng(6))
    first, again, other = (
        run_on(Dynapse(sharing="mean", chip_seed=seed), net, 50.0) for seed in (1, 1, 2)
    )
    assert same_spikes(first, again)
    assert not same_spikes(first, other)
    alike = [
        run_on(Dynapse(sharing="mean", chip_seed=seed, mismatch_cv=0), net, 50.0) for seed in (1, 2)
    ]
    assert same_spikes(*alike), "without mismatch all chips are alike"


def test_both_engines_of_the_fabric_give_one_result():
    net = random_network(np.random.default_rng(7))
    results = [
        run_on(Dynapse(fidelity=e, sharing="mean"), net, 50.0) for e in ("compiled", "reference")
    ]
    assert same_spikes(*results)
    np.testing.assert_array_equal(results[0].hardware.packets, results[1].hardware.packets)


def test_a_thousand_cells_with_64_inputs_each_feel_their_fabric():
    net = recurrent()
    ideal, routed, slow = (
        run_on(Dynapse(effects=effects, **change), net, 60.0)
        for effects, change in (
            ("delays+arithmetic", {}),
            ("delays+arithmetic+fabric", {}),
            ("delays+arithmetic+fabric", {"broadcast_ns": 20_000}),
        )
    )
    packets = routed.hardware.packets
    assert routed.hardware.cores["memory_used"].sum() == 64 * 1000
    assert len(routed.spikes[0].cell) > 3000
    assert np.all(packets["arrive_ps"] >= 0) or np.sum(packets["arrive_ps"] < 0) < 10
    # Nanoseconds move spikes; tens of microseconds a broadcast change the whole activity.
    assert not same_spikes(ideal, routed)
    assert same_spikes(ideal, run_on(Dynapse(effects="delays+arithmetic"), net, 60.0))
    moved = abs(len(slow.spikes[0].cell) / len(ideal.spikes[0].cell) - 1)
    assert moved > abs(len(routed.spikes[0].cell) / len(ideal.spikes[0].cell) - 1)


# What is reported


def test_every_spike_to_every_core_is_one_row_and_arrives_once():
    net = random_network(np.random.default_rng(8), n=600, synapse_count=3000)
    result = run_on(Dynapse(sharing="mean"), net, 40.0)
    packets = result.hardware.packets
    spikes = {k: np.bincount(result.spikes[k].cell, minlength=result.sizes[k]) for k in range(2)}
    sent = np.concatenate([spikes[0], spikes[1]])
    cores = {}
    for source_cell, core in zip(packets["source"], packets["destination_core"], strict=True):
        cores.setdefault(int(source_cell), set()).add(int(core))
    for cell, reached in cores.items():
        rows = packets[packets["source"] == cell]
        assert len(rows) == sent[cell] * len(reached)
    assert np.all((packets["arrive_ps"] > packets["inject_ps"]) | (packets["arrive_ps"] < 0))


def test_the_energy_is_the_operations_that_happened():
    result = run_on(Dynapse(effects="delays+arithmetic+fabric"), chain(n=3), 40.0)
    assert result.spikes[0].cell.tolist() == [0, 1, 2]
    energy = {row["operation"]: int(row["count"]) for row in result.hardware.energy}
    # Three cells fire; the last one has no targets, the source enters from the host.
    assert energy == {
        "spikes generated": 3,
        "spikes encoded": 3,
        "broadcasts in a core": 3,
        "events routed to other cores": 1,
        "hops between chips": 0,
        "synaptic pulses": 3,
    }
    assert result.hardware.energy_pJ == 3 * (260 + 507) + 3 * 2200 + 78 + 3 * 26
    assert result.hardware.duration_s == pytest.approx(0.040)


def test_the_report_names_what_is_not_verified():
    report = run_on(Dynapse(), chain(), 5.0).hardware
    unverified = report.sources["unverified (mark R: recalled)"]
    for field in ("broadcast_ns", "hop_ns", "broadcast_pJ", "bias_full_scale_nA"):
        assert field in unverified
    assert "cam_words" not in unverified


def test_a_full_stimulus_queue_drops_and_counts():
    net = network(
        cells(1), source(*[[1.0]] * 40), dt=0.1,
        projections=[synapses(1, 0, [(k, 0) for k in range(40)], 0.1)],
    )  # fmt: skip
    chip = Dynapse(effects="arithmetic+fabric", host_queue_events=30)
    result = run_on(chip, net, 5.0)
    assert result.counts["synaptic events lost"] == 10
    assert np.count_nonzero(result.hardware.packets["arrive_ps"] < 0) == 10


# Limits of a run


def test_only_spikes_and_potential_can_be_recorded():
    net = network(cells(1, "watched"))
    traced = replace(net, recordings=(Recording(0, "isyn_exc", np.zeros(1, np.int32), 1.0),))
    with pytest.raises(UnsupportedError, match="'watched': 'isyn_exc' cannot be recorded"):
        run_on(Dynapse(), traced, 5.0)


def test_own_neurons_need_the_effect_arithmetic():
    with pytest.raises(ModelError, match="neurons=exact"):
        run_on(Dynapse(effects="fabric"), chain(), 5.0)


def test_parameters_are_written_once():
    chip, net = Dynapse(), chain()
    translation = chip.translate(net)
    changed = replace(net.populations[0], parameters={
        name: values + 0.0 for name, values in net.populations[0].parameters.items()
    })  # fmt: skip
    with pytest.raises(UnsupportedError, match="'cells': parameters cannot be changed"):
        chip.translate(replace(net, populations=(changed, net.populations[1])), since=translation)


def test_an_empty_network_and_one_of_sources_alone_run():
    assert run_on(Dynapse(), network(), 5.0).duration_ms == 5.0
    result = run_on(Dynapse(), network(source([1.0, 2.0])), 5.0)
    assert result.spikes[0].time_ms.tolist() == [1.0, 2.0]
