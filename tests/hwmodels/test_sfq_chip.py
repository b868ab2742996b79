"""The SFQ-style chip: what it makes of a network, how its circuit behaves, what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.sfq import Sfq
from hwmodels.chips.sfq.devices import chance, loop, weight_current
from hwmodels.errors import CapacityError, ModelError, UnsupportedError
from hwmodels.network import Recording, SynapseDynamics
from hwmodels.replay import ReplayedNeurons
from tests.hwmodels.networks import cells, current, network, source, synapses
from tests.hwmodels.running import run_on

IDEAL = "arithmetic"  # own somas, everything else ideal


def lif(size=1, **changes):
    """IF_curr_delta, 15 mV from rest to threshold."""
    return cells(size, celltype="IF_curr_delta", **changes)


def one_cell(times, weight=15.0, delay=5.0, sources=1, **changes):
    trains = [times] * sources
    pairs = [(k, 0) for k in range(sources)]
    return network(
        lif(**changes), source(*trains),
        projections=[synapses(1, 0, pairs, weight, delay)], v=(0,),
    )  # fmt: skip


def spikes(result, population=0):
    return result.spikes[population].time_ms


# Translation


def test_weights_are_quanta_of_the_threshold_that_fits_best():
    net = one_cell([1.0], weight=5.0)
    translation = Sfq(soma="loop").translate(net)
    somas, made = translation.formats[0], translation.formats.weights[0]
    assert made.quanta.tolist() == [1.0]
    assert somas.quantum_mV.tolist() == [5.0]
    assert 2.8 < somas.threshold[0] <= 3.0
    # Coupled weakly, three pulses are one flux quantum: the threshold.
    coupled = Sfq().translate(net).formats[0]
    assert (coupled.charge, coupled.quantum_mV.tolist()) == (1 / 3, [15.0])
    assert 0.9 < coupled.threshold[0] <= 1.0
    assert translation.network.projections[0].weight.tolist() == [5.0]


def test_what_rounding_costs_is_in_the_table():
    pairs = [(0, 0), (1, 0)]
    net = network(
        lif(), source([1.0], [1.0]), projections=[synapses(1, 0, pairs, [1.6, 40.0])]
    )  # fmt: skip
    translation = Sfq(synapse="gate").translate(net)
    row = translation.quantisation[translation.quantisation["quantity"] == "weight"][0]
    assert row["clipped"] == 1
    assert row["max_error"] > 20
    assert Sfq(effects=IDEAL).translate(net).network.projections[0].weight.tolist() == [1.6, 40.0]


def test_stochastic_weights_are_currents():
    chip = Sfq(synapse="stochastic")
    net = network(
        lif(), source([1.0], [1.0]), projections=[synapses(1, 0, [(0, 0), (1, 0)], [7.5, 15.0])]
    )  # fmt: skip
    translation = chip.translate(net)
    current_uA = translation.formats.weights[0].current_uA
    assert chance(current_uA, chip.spec) == pytest.approx([0.5, 1.0], abs=0.05)
    assert current_uA / 0.25 == pytest.approx(np.rint(current_uA / 0.25))


def test_a_chance_and_its_current_are_inverse():
    spec = Sfq().spec
    p = np.array([0.0, 0.05, 0.5, 0.9, 1.0])
    assert chance(weight_current(p, spec, rounded=False), spec) == pytest.approx(p, abs=1e-9)
    assert np.all(np.diff(chance(np.linspace(50, 75, 200), spec)) >= 0)


def test_every_threshold_has_a_loop_that_needs_no_more():
    spec = Sfq().spec
    for quanta in range(1, spec.threshold_max + 1):
        made = loop(quanta, spec)
        assert quanta - 0.12 < made.threshold <= quanta
        assert loop(quanta, spec, exact=True).threshold == quanta
    with pytest.raises(CapacityError, match="11 quanta"):
        loop(11, spec)


@pytest.mark.parametrize(
    ("net", "options", "says"),
    [
        (network(cells()), {}, "IF_curr_exp has a synaptic filter"),
        (network(cells(celltype="IF_cond_exp")), {}, "cannot be made of flux quanta"),
        (network(lif(i_offset=1.0)), {}, "drives it over its threshold by itself"),
        (network(lif()), {"soma": "counter"}, "a counter does not leak"),
        (network(lif(tau_m=0.5)), {}, "use a larger ps_per_ms"),
        (network(lif(), currents=[current(1.0, 1.0)]), {}, "no current can be injected"),
    ],
)  # fmt: skip
def test_what_cannot_be_represented_is_one_line(net, options, says):
    with pytest.raises(UnsupportedError) as error:
        Sfq(**options).translate(net)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert "'cells'" in str(error.value)


def test_plastic_synapses_are_refused():
    net = one_cell([1.0])
    learning = replace(net.projections[0], dynamics=SynapseDynamics("stdp"))
    with pytest.raises(UnsupportedError, match="static synapses"):
        Sfq().translate(replace(net, projections=(learning,)))


def test_a_circuit_that_is_too_large_is_refused():
    net = one_cell([1.0])
    chip = Sfq(junctions_max=100)
    translation = chip.translate(net)
    with pytest.raises(CapacityError, match=r"the chip has 100; most are for projection 'p'"):
        chip.run(translation, chip.map(translation))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cells": "nothing"}, "unknown cell library"),
        ({"soma": "none"}, "soma must be one of"),
        ({"stagger_ps": "-3"}, "stagger_ps must be a number > 0"),
        ({"chip_seed": "x"}, "chip_seed must be a whole number"),
        ({"soma_leaks": 2}, "soma_leaks must be 0 or 1"),
        ({"threshold_max": 30}, "loop_pH ends at 10"),
        ({"ps_per_ms": 0}, "ps_per_ms must be > 0"),
    ],
)
def test_bad_options_are_one_line(options, says):
    with pytest.raises(ModelError, match=says):
        Sfq(**options)


# The circuit


def test_a_delay_is_met_to_a_jtl():
    result = run_on(Sfq(effects="weight_precision+arithmetic+fabric"), one_cell([10.0]), 40.0)
    assert 15.0 - 3.5 / 25 <= spikes(result)[0] <= 15.0
    assert "lines that take longer than their delay" not in result.counts


def test_a_delay_shorter_than_the_way_is_late_and_counted():
    result = run_on(Sfq(effects="arithmetic+fabric"), one_cell([10.0], delay=1.0), 40.0)
    # Converter, synapse and soma: 3.5 + 11.0 + 10.7 ps, of 25 for a millisecond.
    assert spikes(result) == pytest.approx([10 + (3.5 + 11.0 + 10.7) / 25])
    assert result.counts["lines that take longer than their delay"] == 1


def test_ideal_somas_follow_the_equation():
    """One quantum: reset takes away all, so a spike train is that of the ideal cell."""
    times = [1.0, 4.0, 5.0, 12.0, 14.0, 30.0]
    net = one_cell(times, weight=15.0, tau_refrac=3.0)
    result = run_on(Sfq(effects=IDEAL), net, 60.0)
    assert spikes(result) == pytest.approx([6.0, 10.0, 17.0, 35.0], abs=1e-3)


def test_the_membrane_leaks_and_can_be_recorded():
    result = run_on(Sfq(effects=IDEAL), one_cell([1.0], weight=6.0), 30.0)
    v = result.traces[0].values[:, 0]
    expected = -65 + np.where(np.arange(31) > 6, 6 * np.exp(-(np.arange(31) - 6.0) / 20), 0)
    assert v[8:] == pytest.approx(expected[8:], abs=1e-3)


def test_a_counter_resets_to_zero_and_a_loop_keeps_all_but_one():
    times = [10.0 * k for k in range(1, 10)]
    net = one_cell(times, weight=5.0, tau_m=1e6)
    common = {"effects": "weight_precision+arithmetic"}
    assert len(spikes(run_on(Sfq(soma="counter", **common), net, 120.0))) == 3
    assert len(spikes(run_on(Sfq(soma="loop", **common), net, 120.0))) == 7
    counts = run_on(Sfq(soma="loop", **common), net, 120.0).counts
    assert counts["cells whose reset takes one quantum, not all"] == 1
    assert counts["cells whose leak is too slow for a loop and left out"] == 1


def test_inhibition_takes_quanta_away():
    net = network(
        lif(tau_m=1e6), source([5.0, 15.0, 25.0], [10.0]),
        projections=[
            synapses(1, 0, [(0, 0)], 7.5, 3.0, n_pre=2),
            synapses(1, 0, [(1, 0)], -7.5, 3.0, "inhibitory", "i", n_pre=2),
        ],
    )  # fmt: skip
    result = run_on(Sfq(effects="weight_precision+arithmetic"), net, 60.0)
    assert spikes(result) == pytest.approx([28.0], abs=1e-3)


def test_a_veto_takes_the_next_pulse_and_not_a_quantum():
    """Inhibition at 9 and 10 ms: two quanta, or the one pulse that follows."""
    net = network(
        lif(tau_m=1e6), source([2.0, 14.0, 20.0, 26.0, 32.0, 38.0], [9.0, 10.0]),
        projections=[
            synapses(1, 0, [(0, 0)], 5.0, 8.0, n_pre=2),
            synapses(1, 0, [(1, 0)], -5.0, 8.0, "inhibitory", "i", n_pre=2),
        ],
    )  # fmt: skip
    on = "weight_precision+arithmetic+fabric"
    plain, veto = (
        run_on(Sfq(effects=on, inhibition=kind), net, 80.0) for kind in ("subtract", "veto")
    )  # fmt: skip
    # Each pulse is a third: one, two away, four more; or one, one that is stopped, two more.
    assert spikes(plain) == pytest.approx([40.0], abs=0.3)
    assert spikes(veto) == pytest.approx([34.0], abs=0.3)
    assert veto.counts["inhibitory synapses that veto"] == 1
    gates = [
        Sfq(effects=on, inhibition=kind, circuits="gates", soma="counter", leak="drop")
        for kind in ("subtract", "veto")
    ]
    waiting = replace(
        net, populations=(lif(tau_m=1e6, tau_refrac=0.1), *net.populations[1:])
    )  # fmt: skip
    counts = [run_on(chip, waiting, 80.0).counts for chip in gates]
    single = [c.get("somas that stay single cells", 0) for c in counts]
    assert single == [1, 0], "a soma that is only vetoed counts up, so toggles can be it"


def test_a_burst_is_as_many_pulses_as_the_weight_has_quanta():
    pairs = [(0, 0), (1, 0)]
    net = network(
        lif(tau_m=1e6), source([1.0], []),
        projections=[synapses(1, 0, pairs, [9.0, 3.0], 8.0, n_pre=2)], v=(0,),
    )  # fmt: skip
    result = run_on(Sfq(effects="weight_precision+arithmetic+fabric"), net, 30.0)
    v = result.traces[0].values[:, 0]
    assert v[-1] == pytest.approx(-65 + 9.0)
    assert len(np.unique(v)) == 4  # 3 pulses, 22 ps apart
    packets = result.hardware.packets
    assert packets["arrive_ps"].tolist() == [pytest.approx(9 * 25 - 10.7, abs=4)]


def test_filtered_synapses_are_bursts_over_their_time_constant():
    net = network(
        cells(tau_syn_E=5.0, cm=1.0, tau_m=1e6), source([1.0]),
        projections=[synapses(1, 0, [(0, 0)], 1.0, 8.0)], v=(0,),
    )  # fmt: skip
    result = run_on(Sfq(filtered="burst", effects="arithmetic+weight_precision+fabric"), net, 40.0)
    # All the charge: 1 nA for 5 ms over 1 nF.
    assert result.traces[0].values[-1, 0] == pytest.approx(-60.0)


@pytest.mark.parametrize("stagger", [0.0, 11.0])
def test_a_merger_takes_pulses_sent_together_for_one_unless_staggered(stagger):
    net = one_cell([10.0], weight=5.0, sources=3, tau_m=1e6)
    chip = Sfq(effects="weight_precision+arithmetic+fabric+collisions", stagger_ps=stagger)
    result = run_on(chip, net, 40.0)
    assert len(spikes(result)) == (1 if stagger else 0)
    absorbed = result.counts.get("pulses absorbed in mergers", 0)
    assert absorbed == (0 if stagger else 2)
    delivered = np.count_nonzero(result.hardware.packets["arrive_ps"] >= 0)
    assert delivered == (3 if stagger else 1)


def test_stochastic_synapses_pass_as_often_as_their_weight_says():
    times = [5.0 + 4 * k for k in range(200)]
    net = one_cell(times, weight=7.5, tau_m=1e6, tau_refrac=0.5, sources=2)
    net = replace(
        net, projections=(synapses(1, 0, [(0, 0), (1, 0)], [15.0, 7.5], [3.0, 5.0]),)
    )  # fmt: skip
    chip = Sfq(synapse="stochastic", effects="weight_precision+stochastic+arithmetic+fabric")
    result = run_on(chip, net, 900.0)
    blocked = result.counts["pulses blocked by stochastic synapses"]
    assert len(spikes(result)) + blocked == 400
    assert 70 < blocked < 130
    again = run_on(replace_seed(chip, 2), net, 900.0)
    assert again.counts["pulses blocked by stochastic synapses"] != blocked


def replace_seed(chip, seed):
    return Sfq(synapse=chip.synapse, effects=chip.effects, noise_seed=seed)


def test_a_source_faster_than_its_input_loses_pulses_and_says_so():
    net = network(
        lif(), source([1.0, 1.1, 1.2]), dt=0.1, projections=[synapses(1, 0, [(0, 0)], 1.0, 5.0)]
    )  # fmt: skip
    result = run_on(Sfq(effects="arithmetic+fabric+collisions"), net, 20.0)
    assert result.counts["pulses absorbed at inputs"] == 2


def random_net(seed=1, n=30):
    rng = np.random.default_rng(seed)
    trains = [np.sort(rng.choice(np.arange(1, 80), 15, replace=False)) for _ in range(6)]
    pairs = np.stack([rng.integers(0, n, 150), rng.integers(0, n, 150)], 1)
    sign = pairs[:, 0] % 4 != 0
    return network(
        lif(n), source(*trains),
        projections=[
            synapses(0, 0, pairs[sign], 3.0, 6.0, n_pre=n, label="exc"),
            synapses(0, 0, pairs[~sign], -3.0, 6.0, "inhibitory", "inh", n),
            synapses(1, 0, [(s, c) for s in range(6) for c in range(0, n, 2)], 6.0, 4.0,
                     label="in", n_pre=6),
        ],
    )  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        {"synapse": "burst"}, {"synapse": "stochastic"}, {"synapse": "gate"},
        {"circuits": "gates", "inhibition": "veto", "soma": "counter", "leak": "drop",
         "soma_dead_ps": 51.0},
    ],
    ids=["burst", "stochastic", "gate", "gates"],
)  # fmt: skip
def test_engines_give_the_same_run(options):
    results = [
        run_on(Sfq(fidelity=engine, stagger_ps=4, **options), random_net(), 100.0)
        for engine in ("reference", "compiled")
    ]
    ours, theirs = results
    assert len(spikes(ours)) > 20
    assert np.array_equal(spikes(ours), spikes(theirs))
    assert np.array_equal(ours.spikes[0].cell, theirs.spikes[0].cell)
    assert np.array_equal(ours.hardware.packets, theirs.hardware.packets)
    assert np.array_equal(ours.hardware.energy, theirs.hardware.energy)
    assert ours.counts == theirs.counts
    assert ours.counts["pulses absorbed in mergers"] > 0


@pytest.mark.parametrize("exact", [False, True])
def test_every_packet_is_delivered_lost_or_under_way(exact):
    net = random_net()
    chip = Sfq()
    result = run_on(chip, net, 100.0)
    if exact:
        chip = Sfq(effects="fabric+collisions+jitter")
        translation = chip.translate(net)
        running = chip.run(translation, chip.map(translation), ReplayedNeurons(net, result))
        running.advance(translation.network, 100)
        result = running.result("sfq", translation, 0.0)
    packets = result.hardware.packets
    fan_out = {}
    for projection in net.projections:
        for pre, post in zip(projection.source, projection.target, strict=True):
            fan_out.setdefault((projection.pre, int(pre)), set()).add(int(post))
    sent = sum(
        len(fan_out.get((k, int(cell)), ()))
        for k, trains in enumerate(result.spikes)
        for cell in trains.cell
    )
    assert len(packets) == sent
    delivered = packets["arrive_ps"] >= 0
    assert 0 < np.count_nonzero(delivered) < len(packets)
    assert np.all(packets["arrive_ps"][delivered] > packets["inject_ps"][delivered])
    if exact:
        events = packets["synapses"].sum()
        lost = result.counts["synaptic events lost"]
        waiting = result.counts.get("synaptic events under way at the end", 0)
        assert events == packets["synapses"][delivered].sum() + lost + waiting


def test_chips_of_one_kind_differ_and_equal_numbers_are_equal():
    def rates(seed):
        chip = Sfq(synapse="stochastic", chip_seed=seed, effects="weight_precision+stochastic"
                   "+arithmetic+fabric+spread")  # fmt: skip
        return run_on(chip, random_net(), 100.0)

    assert np.array_equal(spikes(rates(1)), spikes(rates(1)))
    assert not np.array_equal(spikes(rates(1)), spikes(rates(2)))


def test_power_area_and_energy_follow_from_the_cells():
    net = one_cell([10.0])
    rsfq, ersfq = (run_on(Sfq(biasing=b), net, 40.0).hardware for b in ("rsfq", "ersfq"))
    figures = {row["what"]: row["value"] for row in rsfq.resources}
    # Converter, a row of JTLs, synapse, soma.
    jtls = (5 * 25 - 3.5 - 11 - 10.7) // 3.5
    assert figures["junctions of its cells"] == 3 + 2 * jtls + 28 + 7
    assert figures["with wiring"] == 4 * figures["junctions of its cells"]
    assert figures["at the wall, x300"] == pytest.approx(300 * figures["power at 4 K"])
    assert figures["area"] == pytest.approx(figures["with wiring"] / 2000)
    bias_A = 4 * (450 + 350 * jtls + 3200 + 400) * 1e-6
    static_pJ = {row["operation"]: row["count"] * row["unit_pJ"] for row in rsfq.energy}
    assert static_pJ["static bias, each ps"] == pytest.approx(bias_A * 2.6e-3 * 1000)
    assert static_pJ["flips in JTL"] == pytest.approx(2 * jtls * 0.3619e-6, rel=1e-3)
    at_full_rate = 2.0678e-15 * bias_A * 45e9
    assert ersfq.energy["unit_pJ"][-1] == pytest.approx(at_full_rate)


@pytest.mark.parametrize(
    ("bias", "works"), [(0.72, False), (0.74, True), (1.26, True), (1.28, False)]
)
def test_a_circuit_beyond_the_margin_of_a_cell_is_refused(bias, works):
    """Trees of splitters have the narrowest margin; a line alone works much farther."""
    fan_out = network(
        lif(2), source([1.0]), projections=[synapses(1, 0, [(0, 0), (0, 1)], 15.0, 5.0)]
    )
    single = one_cell([1.0])
    chip = Sfq(bias_factor=bias)
    assert len(spikes(run_on(chip, single, 20.0))) == 1
    if works:
        assert len(spikes(run_on(chip, fan_out, 20.0))) == 2
        return
    with pytest.raises(ModelError, match=f"bias_factor {bias:g}: a SPLIT works from 0.73 to 1.27"):
        run_on(chip, fan_out, 20.0)


def test_passive_lines_meet_delays_with_five_junctions():
    net = one_cell([10.0])
    jtl, ptl = (
        run_on(Sfq(effects="arithmetic+fabric", lines=k), net, 40.0) for k in ("jtl", "ptl")
    )
    assert spikes(ptl) == pytest.approx([15.0])
    figures = {row["what"]: row["value"] for row in ptl.hardware.resources}
    assert figures["junctions of its cells"] == 3 + 5 + 28 + 7
    assert figures["passive lines"] == pytest.approx((125 - 3.5 - 8.6 - 11 - 10.7) / 11.2)
    assert jtl.hardware.resources["value"][0] > figures["junctions of its cells"]
    assert "passive lines" not in jtl.hardware.resources["what"]


def test_chained_trees_are_slower_and_corners_differ():
    net = one_cell([10.0], weight=15.0, delay=1.0, sources=8)

    def first(**options):
        return spikes(run_on(Sfq(effects="arithmetic+fabric", **options), net, 60.0))[0]

    assert first(trees="chain") < first()  # its first leaf is nearer than any of a tree
    assert first(cells="pylse") < first()
    slow = run_on(Sfq(effects="arithmetic+fabric", trees="chain"), net, 60.0).hardware.packets
    fast = run_on(Sfq(effects="arithmetic+fabric"), net, 60.0).hardware.packets
    assert slow["arrive_ps"].max() > fast["arrive_ps"].max()
    assert slow["hops"].max() == 7
    assert fast["hops"].max() == 3


def test_two_runs_are_one_and_what_is_written_stays():
    net = random_net()
    chip = Sfq()
    translation = chip.translate(net)
    running = chip.run(translation, chip.map(translation))
    running.advance(translation.network, 41)
    running.advance(translation.network, 100)
    parts = running.result("sfq", translation, 0.0)
    whole = run_on(chip, net, 100.0)
    assert np.array_equal(spikes(parts), spikes(whole))
    assert parts.counts == whole.counts
    stronger = replace(net.projections[0], weight=net.projections[0].weight * 2)
    with pytest.raises(UnsupportedError, match="cannot be changed between runs"):
        chip.translate(replace(net, projections=(stronger, *net.projections[1:])), translation)


def test_the_larger_chip_gates_and_counts():
    chip = Sfq(spec="sushi_like", leak="drop")
    assert (chip.synapse, chip.soma) == ("gate", "counter")
    result = run_on(chip, random_net(), 100.0)
    assert result.counts["cells whose leak is left out"] == 30
    assert "NDRO" in " ".join(result.hardware.energy["operation"])


def test_the_window_of_mergers_and_the_cells_are_options(tmp_path):
    on = "weight_precision+arithmetic+fabric+collisions"
    # 3.5 ps apart: within the simulated window, beyond that of the SDF.
    net = one_cell([10.0], weight=7.5, sources=2, tau_m=1e6)
    merged, apart = (
        run_on(Sfq(effects=on, stagger_ps=3.5, merge_window_ps=window), net, 40.0)
        for window in (5.2, 2.3)
    )
    assert merged.counts["pulses absorbed in mergers"] == 1
    assert "pulses absorbed in mergers" not in apart.counts
    # Then the soma takes no second pulse so soon.
    assert apart.counts["pulses absorbed at somas"] == 1
    corner = tmp_path / "slow.toml"
    corner.write_text(
        'inherits = "rsfqlib"\n[cells.MERGE]\n'
        'transitions = [["idle", "a", "idle", { q = 40.0 }, 4],'
        ' ["idle", "b", "idle", { q = 40.0 }, 4]]'
    )
    slow, fast = (
        run_on(Sfq(effects="arithmetic+fabric", cells=cells), one_cell([10.0], 15.0, 1.0, 2), 40.0)
        for cells in (str(corner), "rsfqlib")
    )
    assert spikes(slow)[0] - spikes(fast)[0] == pytest.approx(31 / 25)
    assert "cells slow" in slow.hardware.spec


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**16), synapse=st.sampled_from(["burst", "gate"]))
def test_a_network_of_gates_spikes_as_one_of_single_cells(seed, synapse):
    """Two layers of counters; whatever comes, comes one after another."""
    rng = np.random.default_rng(seed)
    times = [[] for _ in range(5)]
    for k in range(25):
        times[rng.integers(5)].append(20.0 + 100.0 * k)
    weights = rng.integers(1, 4, 15) if synapse == "burst" else np.ones(15)
    whole = [(i, j) for i in range(5) for j in range(3)]
    free = dict(tau_m=1e6, tau_refrac=0.1)
    net = network(
        lif(3, v_thresh=-60.0, **free), source(*times), lif(1, label="out", **free),
        projections=[
            synapses(1, 0, whole, weights * 1.25, 20.0, n_pre=5),
            synapses(0, 2, [(i, 0) for i in range(3)], 7.5, 20.0, label="q", n_pre=3),
        ],
        dt=0.1,
    )  # fmt: skip
    options = dict(
        synapse=synapse, soma="counter", leak="drop", stagger_ps=350.0, burst_ps=31.3,
        effects="weight_precision+arithmetic+fabric+collisions",
    )  # fmt: skip
    macro, gates = (
        run_on(Sfq(circuits=c, **options), net, 2700.0) for c in ("macro", "gates")
    )  # fmt: skip
    for a, b in zip(macro.spikes, gates.spikes, strict=True):
        assert sorted(a.cell) == sorted(b.cell)
        for cell in set(a.cell.tolist()):
            # Delay lines make up the difference of the circuits to a JTL.
            ours, theirs = b.time_ms[b.cell == cell], a.time_ms[a.cell == cell]
            assert np.allclose(ours, theirs, atol=4 * 3.5 / 25)
    assert len(gates.spikes[0].cell) > 5
    assert "somas that stay single cells" not in gates.counts
    assert not any("absorbed" in name for name in gates.counts)
    built = {r.hardware.resources["value"][0] for r in (macro, gates)}
    assert len(built) == 2
    operations = " ".join(gates.hardware.energy["operation"])
    assert "T1" in operations
    assert "BURST" not in operations


def test_somas_that_gates_cannot_be_stay_single_cells():
    net = network(
        lif(tau_m=1e6, tau_refrac=5.0), lif(2, label="both", tau_m=1e6, tau_refrac=0.1),
        source([1.0], [60.0]),
        projections=[
            synapses(2, 0, [(0, 0)], 15.0, 8.0, n_pre=2),
            synapses(2, 1, [(0, 0), (1, 0), (0, 1)], [7.5, -7.5, 7.5], 8.0, n_pre=2, label="q"),
        ],
    )  # fmt: skip
    options = dict(soma="counter", leak="drop", circuits="gates")
    result = run_on(Sfq(**options), net, 100.0)
    assert result.counts["somas that stay single cells"] == 2, "one waits, one counts down"
    trace = Recording(1, "v", np.arange(2, dtype=np.int32), net.timestep_ms)
    traced = replace(net, recordings=(*net.recordings, trace))
    with pytest.raises(UnsupportedError, match=r"population 'both': 'v' .* circuits=macro"):
        run_on(Sfq(**options), traced, 10.0)
