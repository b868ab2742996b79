"""The SpiNNaker-style chip: exact recurrences, time and loss on cores, and its limits as errors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from hwmodels.chips.spinnaker import Spinnaker, machine
from hwmodels.chips.spinnaker.formats import make_formats, weight_levels
from hwmodels.errors import CapacityError, ModelError, UnsupportedError
from hwmodels.network import Population, SynapseDynamics
from hwmodels.result import CORE, ENERGY
from tests.hwmodels.networks import (
    CURR_EXP,
    cells,
    current,
    network,
    random_network,
    source,
    synapses,
)
from tests.hwmodels.running import run_on

STORM = {"i_offset": 20.0, "tau_refrac": 0.0}


def signed(x):
    x &= 0xFFFFFFFF
    return x - (1 << 32) if x >> 31 else x


def lif_by_the_datasheet(inputs, ticks, p, shift, dt=1.0):
    """V and spikes by rules 1 to 6 of datasheet 3.3, in plain integers; one excitatory input."""
    one = 1 << 15
    r, rest = round(p["tau_m"] / p["cm"] * one), round(p["v_rest"] * one)
    tc = round(math.exp(-dt / p["tau_m"]) * one)
    ratio = math.floor(dt / p["tau_syn_E"] * one) / one
    decay = round(math.exp(-ratio) * 2**32)
    init = round(-math.expm1(-ratio) / ratio * 2**32)
    offset, reset = round(p["i_offset"] * one), round(p["v_reset"] * one)
    threshold, hold = round(p["v_thresh"] * one), math.ceil(p["tau_refrac"] / dt)
    v, exc, ref, trace, fired = reset, 0, 0, [reset], []
    for tick in range(1, ticks + 1):
        exc += signed((inputs.get(tick, 0) << shift) * init >> 32)
        if ref > 0:
            ref -= 1
        else:
            a = signed(((exc + offset) * r) >> 15) + rest
            v = a - signed(((a - v) * tc) >> 15)
        if v >= threshold:
            v, ref = reset, hold
            fired.append(tick)
        exc = exc * decay >> 32
        trace.append(v)
    return np.array(trace) / one, fired


@pytest.mark.parametrize("i_offset", [0.0, 0.31])
def test_a_cell_follows_the_recurrence_of_the_datasheet_bit_for_bit(i_offset):
    rng = np.random.default_rng(4)
    times = np.unique(rng.integers(1, 180, 60)).astype(float)
    net = network(
        cells(1, i_offset=i_offset), source(times), v=[0],
        projections=[synapses(1, 0, [(0, 0), (0, 0)], [1.3, 0.7], [1.0, 3.0])],
    )  # fmt: skip
    chip = Spinnaker()
    chosen = make_formats(net, chip.spec, native=True)[0]
    level = weight_levels(net.projections[0], chosen)
    inputs: dict[int, int] = {}
    for time in times:
        for delay, weight in zip((1, 3), level.tolist(), strict=True):
            inputs[int(time) + delay] = inputs.get(int(time) + delay, 0) + weight
    p = dict(CURR_EXP, i_offset=i_offset)
    expected, fired = lif_by_the_datasheet(inputs, 200, p, chosen.shifts[0])
    result = run_on(chip, net, 200.0)
    np.testing.assert_array_equal(result.traces[0].values[:, 0], expected)
    assert result.spikes[0].time_ms.tolist() == fired
    assert len(fired) > 3


@pytest.mark.parametrize(
    ("weights", "delays", "shift"),
    [
        ([0.5], 1.0, 0),  # below 1
        ([1.0], 1.0, 1),  # a power of two takes one more
        ([3.0], 1.0, 2),
        ([3.0, 3.0, 3.0], 1.0, 4),  # one delay: all can act at once
        ([3.0, 3.0, 3.0], [1.0, 2.0, 3.0], 3),  # 3 arrivals of 30 Hz in a tick, and 5 sigma
    ],
)
def test_the_shift_of_the_ring_buffer_is_the_toolchains(weights, delays, shift):
    pairs = [(k, 0) for k in range(len(weights))]
    net = network(
        cells(1), source(*[[1.0]] * len(weights)),
        projections=[synapses(1, 0, pairs, weights, delays)],
    )  # fmt: skip
    assert make_formats(net, Spinnaker().spec, native=True)[0].shifts == (shift, 0)


def storm(n=200, sources=0, weight=0.05, ms=20):
    """Every cell fires in every step and reaches every fourth, and so do sources."""
    pairs = [(a, b) for a in range(n) for b in range(a % 4, n, 4)]
    populations, projections = [cells(n, **STORM)], [synapses(0, 0, pairs, weight, 1.0, n_pre=n)]
    if sources:
        populations.append(source(*[np.arange(ms, dtype=float)] * sources))
        pairs = [(a, a % n) for a in range(sources)]
        projections.append(synapses(1, 0, pairs, weight, 1.0, label="in"))
    return network(*populations, projections=projections)


def test_a_spike_storm_is_survived_and_everything_lost_is_counted():
    result = run_on(Spinnaker(neurons_per_core=20), storm(200, 4000, ms=8), 8.0)
    packets, counts = result.hardware.packets, result.counts
    assert len(result.spikes[0].cell) == 200 * 8
    assert counts["timer overruns"] > 0
    assert counts["packets dropped by full input queues"] > 0
    assert counts["synaptic events too late to act"] > 0
    lost = packets["synapses"][packets["arrive_ps"] < 0].sum(dtype=np.int64)
    assert lost == counts["synaptic events lost"]
    # A packet for each core that any cell of its core reaches: no more and no fewer.
    sent, copies = np.unique(
        np.stack([packets["step"], packets["source"]]), axis=1, return_counts=True
    )
    assert set(copies[sent[1] < 200].tolist()) == {10}
    assert np.count_nonzero(sent[1] < 200) == 200 * 8
    assert result.hardware.duration_s > 0.008


def test_time_scale_gives_an_overloaded_core_the_time_it_needs():
    fast = run_on(Spinnaker(), storm(200), 20.0)
    slow = run_on(Spinnaker(time_scale_factor=20), storm(200), 20.0)
    assert fast.counts["timer overruns"] > 0
    assert "time_scale_factor" in fast.hardware.sources["timer overruns"]
    assert not set(slow.counts) & {
        "timer overruns", "packets dropped by full input queues", "synaptic events too late to act"
    }  # fmt: skip
    assert slow.hardware.duration_s == pytest.approx(0.4, rel=1e-3)


@pytest.mark.parametrize("effects", ["arithmetic+weight_precision", "arithmetic"])
def test_ideal_cores_and_fabric_lose_and_delay_nothing(effects):
    net = random_network(np.random.default_rng(2), dt=1.0)
    first = run_on(Spinnaker(effects=effects, chip_seed=1), net, 60.0)
    second = run_on(Spinnaker(effects=effects, chip_seed=9, time_scale_factor=7), net, 60.0)
    assert first.spikes[0].time_ms.tolist() == second.spikes[0].time_ms.tolist()
    assert not any("late" in name or "lost" in name or "overrun" in name for name in first.counts)


def test_unloaded_cores_and_fabric_change_no_spike():
    net = random_network(np.random.default_rng(2), dt=1.0)
    ideal = run_on(Spinnaker(effects="arithmetic+weight_precision"), net, 60.0)
    real = run_on(Spinnaker(neurons_per_core=7), net, 60.0)
    assert real.spikes[0].time_ms.tolist() == ideal.spikes[0].time_ms.tolist()
    assert np.all(real.hardware.packets["arrive_ps"] > real.hardware.packets["inject_ps"])
    assert real.hardware.packets["hops"].max() == 0, "seven cores fit on one chip"


def test_the_kernel_means_the_same_as_plain_python(monkeypatch):
    net = storm(40, 100, ms=6)
    chip = Spinnaker(neurons_per_core=9, queue_spikes=6)
    compiled = run_on(chip, net, 6.0)
    monkeypatch.setattr(machine, "can_compile", lambda: False)
    plain = run_on(chip, net, 6.0)
    assert compiled.counts == plain.counts
    assert compiled.counts["packets dropped by full input queues"] > 0
    np.testing.assert_array_equal(compiled.hardware.packets, plain.hardware.packets)
    np.testing.assert_array_equal(compiled.hardware.cores, plain.hardware.cores)


def test_timers_far_apart_meet_the_rule_of_the_colour():
    net = random_network(np.random.default_rng(2), dt=1.0)
    together = run_on(Spinnaker(neurons_per_core=7), net, 60.0)
    apart = run_on(Spinnaker(neurons_per_core=7, timer_spread_us=900.0), net, 60.0)
    early = "rows processed before the receiver's tick"
    assert early not in together.counts
    # 16 colours: one tick behind looks like fifteen ahead, and delays up to 15 do not act.
    assert apart.counts[early] > 0
    assert apart.counts["synaptic events too late to act"] > 0


def test_a_full_slot_saturates_and_is_counted():
    def burst(delays):
        pairs = [(k, 0) for k in range(40)]
        trains = [[5.0 - delay] for delay in delays]
        return network(cells(1), source(*trains), projections=[synapses(1, 0, pairs, 3.0, delays)])

    # With one delay a slot leaves room for all at once; with several, for what 30 Hz may bring.
    alike, spread = burst(np.full(40, 2.0)), burst(1.0 + np.arange(40) % 3)
    assert "ring-buffer saturations" not in run_on(Spinnaker(), alike, 20.0).counts
    assert run_on(Spinnaker(), spread, 20.0).counts["ring-buffer saturations"] > 0


@pytest.mark.parametrize(
    ("net", "options", "error", "message"),
    [
        (network(cells(3000)), {"neurons_per_core": 1}, CapacityError,
         "takes 3000 cores of up to 1 cells, 48 chips have 768"),
        (network(cells(10)), {"neurons_per_core": 300, "sdram_bytes": 0}, None, ""),
        (network(Population("hh", "HH_cond_exp", 1)), {}, UnsupportedError,
         "not for HH_cond_exp; run it as exact neurons"),
        (network(cells(1, cm=1e-4)), {}, UnsupportedError, "tau_m over cm of 200000 MOhm"),
        (network(cells(1, i_offset=70000.0)), {}, UnsupportedError, "outside of s16.15"),
        (network(cells(2), projections=[synapses(0, 0, [(0, 1)], -1.0)]), {}, UnsupportedError,
         "has the wrong sign"),
    ],
)  # fmt: skip
def test_limits_are_errors_of_one_line(net, options, error, message):
    chip = Spinnaker(**options)
    if error is None:
        chip.map(chip.translate(net))
        return
    with pytest.raises(error, match=message) as caught:
        chip.map(chip.translate(net))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boards": 2}, "in threes"),
        ({"system_cores": 18}, "system_cores must be <"),
        ({"router_wait_code": 300}, "8 bits"),
        ({"chip_seed": -1}, "chip_seed must be a whole number"),
        ({"time_scale_factor": 0}, "time_scale_factor must be a number > 0"),
        ({"delay_steps": 32}, "delay_steps must be 16"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ModelError, match=message):
        Spinnaker(**options)


def test_what_a_cell_does_not_have_cannot_be_recorded():
    net = network(cells(1), v=[0])
    odd = net.recordings[-1].__class__(0, "w", np.zeros(1, dtype=np.int32), 1.0)
    net = net.__class__(net.timestep_ms, net.populations, recordings=(odd,))
    with pytest.raises(UnsupportedError, match=r"'w' cannot be recorded .* record v, isyn_exc"):
        run_on(Spinnaker(), net, 1.0)


def test_energy_is_power_over_time_and_packets():
    result = run_on(Spinnaker(), network(cells(5)), 100.0)
    report = result.hardware
    assert report.energy.dtype == ENERGY
    assert report.cores.dtype == CORE
    # 48 chips of 0.35 W, a board of 10.02 W beside them, one core of 34 mW; for 0.1 s.
    assert report.energy_pJ == pytest.approx((48 * 0.35 + 10.02 + 0.034) * 0.1 * 1e12, rel=1e-6)


@pytest.mark.parametrize("burst", [1, 7])
def test_a_core_is_busy_for_the_sum_of_what_it_does(burst):
    words, ticks = 12, 4
    pairs = [(k, c) for k in range(burst) for c in range(words)]
    net = network(
        cells(16), source(*[[2.0]] * burst), projections=[synapses(1, 0, pairs, 1e-3, 1.0)]
    )
    chip = Spinnaker(send_backoff_us=0.0, timer_spread_us=0.0)
    cores = run_on(chip, net, float(ticks)).hardware.cores
    # Datasheet 3.5: the first spike wakes the pipeline; of the others each comes while it works.
    spikes = 118 + 492 + (burst - 1) * (53 + 394) + burst * (120 + 250 + 30 * words)
    tick = (ticks + 1) * 26 * 16 + ticks * 124 * 16 + 19.5 * words
    assert cores["busy_ps"][0] == 5_000 * (spikes + tick)
    assert cores["busy_ps"][1] == 5_000 * burst * (33 + 29)


def test_synapses_that_learn_are_refused_by_name():
    learning = synapses(0, 0, [(0, 0)], 1.0)
    learning = replace(learning, dynamics=SynapseDynamics("stdp_pair"))
    with pytest.raises(UnsupportedError, match=r"projection 'p': 'stdp_pair' synapses"):
        Spinnaker().translate(network(cells(1), projections=[learning]))


def test_a_current_moves_the_membrane_one_step_later():
    net = network(cells(1), v=[0], currents=[current(5.0, 0.3)])
    values = run_on(Spinnaker(), net, 10.0).traces[0].values[:, 0]
    assert np.flatnonzero(np.diff(values))[0] + 1 == 6


def test_a_run_can_go_on_with_other_parameters():
    net = network(cells(1), v=[0])
    chip = Spinnaker()
    translation = chip.translate(net)
    running = chip.run(translation, chip.map(translation))
    running.advance(net, 10)
    changed = network(cells(1, i_offset=1.0), v=[0])
    running.advance(chip.translate(changed, since=translation).network, 60)
    result = running.result("spinnaker", translation, 0.0)
    assert len(result.traces[0].values) == 61
    assert np.all(result.traces[0].values[:11] == -65.0)
    assert len(result.spikes[0].time_ms) > 0
    assert len(result.hardware.step_ps) == 61
