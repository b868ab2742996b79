"""The SFQ-style chip: how the circuit of a network behaves, on both engines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwmodels.chips.sfq import Sfq
from hwmodels.errors import UnsupportedError
from hwmodels.replay import ReplayedNeurons
from tests.hwmodels.networks import cells, network, source, synapses
from tests.hwmodels.running import run_on
from tests.hwmodels.sfq_networks import lif, one_cell, random_net, spikes

IDEAL = "arithmetic"  # own somas, everything else ideal


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
