"""TrueNorth in time: schedulers, late packets, storms, and the energy of what happened."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.truenorth import TrueNorth
from hwmodels.chips.truenorth.scheduler import Calendar, Scheduler
from hwmodels.errors import ModelError
from tests.hwmodels.networks import cells, network, random_network, source, synapses
from tests.hwmodels.running import run_on

SMALL = {"columns": 4, "rows": 4, "axons_per_core": 64}


def same_spikes(a, b):
    return all(
        np.array_equal(x.cell, y.cell) and np.array_equal(x.time_ms, y.time_ms)
        for x, y in zip(a.spikes, b.spikes, strict=True)
    )


def congested(seed, n=40, **changes):
    """A busy network and ticks that its packets outlast."""
    net = random_network(np.random.default_rng(seed), n=n, synapse_count=12 * n, dt=1.0)
    options = {
        "tick_us": 5.0, "hop_ns": 400.0, "link_cycle_ns": 900.0, "link_buffer_packets": 1,
        "core_buffer_packets": 1,
    }  # fmt: skip
    return net, SMALL | options | changes


@pytest.mark.parametrize("seed", range(3))
def test_the_compiled_fabric_equals_the_simpy_processes(seed):
    net, options = congested(seed)
    compiled, reference = (
        run_on(TrueNorth(fidelity=f, **options), net, 60.0) for f in ("compiled", "reference")
    )
    assert same_spikes(compiled, reference)
    assert compiled.counts == reference.counts
    assert compiled.counts["packets late"] > 0
    for name in ("packets", "links", "cores", "energy"):
        assert np.array_equal(getattr(compiled.hardware, name), getattr(reference.hardware, name))


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**16), n=st.integers(2, 60), tick=st.sampled_from([1.0, 4.0, 40.0]),
    cycle=st.sampled_from([1.0, 300.0, 2000.0]),
)  # fmt: skip
def test_packets_are_delivered_or_under_way_and_every_bit_is_counted(seed, n, tick, cycle):
    net, options = congested(seed, n, tick_us=tick, link_cycle_ns=cycle)
    chip = TrueNorth(**options)
    translation = chip.translate(net)
    running = chip.run(translation, chip.map(translation))
    fabric, layout = running._fabric, translation.formats.layout
    legs, sent, read, events = np.diff(layout.leg_start), [], [], []
    original_send, original_read = fabric.send, fabric.read

    def send(step, units, tag):
        sent.append(int(legs[units].sum()))
        original_send(step, units, tag)

    def read_out(step):
        axons, tag = original_read(step)
        read.append(len(axons))
        events.append(int(layout.axon_events[axons].sum()))
        return axons, tag

    fabric.send, fabric.read = send, read_out
    running.advance(translation.network, 50)
    packets = fabric.packets
    under_way = int(np.count_nonzero(packets["arrive_ps"] < 0))
    held = sum(len(some) for part in fabric._held.values() for some, _ in part)
    # Every leg of every spike is a packet, and what was written is read, waits or was merged.
    assert len(packets) == sum(sent) - held
    waiting = int(np.count_nonzero(fabric.waiting._tag >= 0))
    assert len(packets) - under_way == sum(read) + waiting + fabric.merged
    assert fabric.events == sum(events)
    on_chip = packets["source_core"] >= 0
    begin = np.where(on_chip[:, None], layout.position[packets["source_core"]], [fabric._host])
    distance = np.abs(layout.position[packets["destination_core"]] - begin).sum(axis=1)
    assert np.array_equal(packets["hops"], distance)
    there = packets["arrive_ps"] >= 0
    assert np.all(packets["arrive_ps"][there] >= packets["inject_ps"][there])


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_scheduler_is_a_ring_of_bits(data):
    """Against sets: a bit set twice is one; a slot that was read waits for the next round."""
    ring, slots = Scheduler(16, 5), [set() for _ in range(16)]
    for step in range(40):
        read, sent = ring.read(step)
        assert read.tolist() == sorted(slots[step % 16])
        assert np.all(sent <= step)
        slots[step % 16].clear()
        entries = data.draw(
            st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 15)), max_size=4), label="entries"
        )
        axons = np.array([a for a, _ in entries], dtype=np.int64)
        due = step + np.array([d for _, d in entries], dtype=np.int64)
        again = ring.write(axons, due, np.full(len(axons), step))
        for axon, tick, merged in zip(axons.tolist(), due.tolist(), again.tolist(), strict=True):
            assert merged == (axon in slots[tick % 16])
            slots[tick % 16].add(axon)


def test_an_ideal_scheduler_keeps_two_spikes_of_one_axon():
    calendar = Calendar()
    axons = np.array([3, 1, 3])
    assert not np.any(calendar.write(axons, np.array([7, 9, 7]), np.array([1, 1, 1])))
    assert calendar.read(7)[0].tolist() == [3, 3]
    assert calendar.read(8)[0].tolist() == []
    assert calendar.read(9)[0].tolist() == [1]


@pytest.mark.parametrize("seed", range(3))
def test_crossbars_and_single_synapses_compute_the_same(seed):
    net = random_network(np.random.default_rng(seed), n=60, synapse_count=1500, dt=1.0)
    chip = run_on(TrueNorth(), net, 80.0)
    parts = run_on(TrueNorth(effects="weight_precision+arithmetic+fan_in+fan_out"), net, 80.0)
    if not chip.counts.get("spikes merged in a scheduler"):
        assert same_spikes(chip, parts)
    # Without sources no axon has two spikes in a tick, and nothing may differ.
    alone = network(*net.populations[:1], dt=1.0, projections=net.projections[:2], v=[0])
    chip, parts = (
        run_on(TrueNorth(effects=e), alone, 80.0)
        for e in ("all", "weight_precision+arithmetic+fan_in+fan_out")
    )
    assert len(chip.spikes[0].cell) > 20
    assert same_spikes(chip, parts)
    assert np.array_equal(chip.traces[0].values, parts.traces[0].values)


def test_a_board_of_chips_has_slow_links_and_energy_at_its_borders():
    net = random_network(np.random.default_rng(2), n=40, synapse_count=800, dt=1.0)
    size = {"axons_per_core": 48, "columns": 2, "rows": 2}
    one = run_on(TrueNorth(axons_per_core=48, columns=8, rows=8), net, 12.0)
    board, reference = (
        run_on(TrueNorth(chip_columns=4, chip_rows=4, fidelity=f, **size), net, 12.0)
        for f in ("compiled", "reference")
    )
    assert same_spikes(one, board)
    assert board.hardware.mesh == (8, 8)
    assert np.array_equal(board.hardware.packets, reference.hardware.packets)
    cores, packets = board.hardware.cores, board.hardware.packets
    chip = np.stack([cores["x"] // 2, cores["y"] // 2], axis=1)
    assert len(np.unique(chip, axis=0)) > 3
    on_chip = packets["source_core"] >= 0
    begin = np.where(on_chip[:, None], chip[packets["source_core"]], 0)
    crossed = int(np.abs(chip[packets["destination_core"]] - begin).sum())
    energy = {row["operation"]: int(row["count"]) for row in board.hardware.energy}
    assert energy["packets over a chip's edge"] == crossed + np.count_nonzero(~on_chip)
    assert energy["hops"] == packets["hops"].sum() - crossed
    assert energy["ticks of a chip without row reads"] == 16 * np.count_nonzero(
        board.hardware.step_ps
    )
    # A border takes 1.6 us, a hop 14 ns.
    fastest = packets["arrive_ps"] - packets["inject_ps"]
    away = on_chip & np.any(chip[packets["destination_core"]] != begin, axis=1)
    assert fastest[away].min() >= 1_600_000


def storm(n=512):
    """Every cell fires in every tick and sends to all others."""
    rng = np.random.default_rng(0)
    pairs = np.stack([np.repeat(np.arange(n), 6), rng.integers(0, n, 6 * n)], 1)
    drive = cells(n, "storm", "IF_curr_delta", i_offset=100.0, tau_refrac=0.0)
    return network(drive, projections=[synapses(0, 0, pairs, 0.1, 1.0)])


@pytest.mark.parametrize("fidelity", ["compiled", "analytic"])
def test_a_storm_in_which_every_neuron_fires_in_every_tick_is_survived(fidelity):
    calm = run_on(TrueNorth(fidelity=fidelity), storm(), 20.0)
    assert np.all(np.bincount(calm.spikes[0].cell) == 20)
    assert "packets late" not in calm.counts
    hurried = run_on(TrueNorth(fidelity=fidelity, tick_us=3.0), storm(), 20.0)
    # The drive alone fires every cell, so spikes stay; packets pile up and are late.
    assert np.all(np.bincount(hurried.spikes[0].cell) == 20)
    assert hurried.counts["core ticks over the deadline"] > 0
    assert hurried.counts["packets late"] > 0
    assert hurried.counts["synaptic events late"] > 0
    packets = hurried.hardware.packets
    assert len(packets) >= 20 * 512
    if fidelity == "compiled":
        assert hurried.counts["synaptic events under way at the end"] > 0


def test_a_tick_faster_than_real_time_changes_the_clock_and_not_the_spikes():
    net = random_network(np.random.default_rng(5), dt=1.0)
    slow, fast = (run_on(TrueNorth(tick_us=us), net, 50.0) for us in (1000.0, 200.0))
    assert same_spikes(slow, fast)
    assert slow.hardware.duration_s == pytest.approx(5 * fast.hardware.duration_s)
    by_name = {row["operation"]: row for row in fast.hardware.energy}
    slow_by_name = {row["operation"]: row for row in slow.hardware.energy}
    # Power that is always on costs less in a shorter tick, a row read does not.
    idle = "ticks of a chip without row reads"
    assert by_name[idle]["unit_pJ"] == pytest.approx(slow_by_name[idle]["unit_pJ"] / 5)
    assert by_name["row reads"] == slow_by_name["row reads"]


def test_energy_is_the_fit_where_traffic_is_that_of_the_benchmark():
    """Base, rows, events and hops together are the fit again: nothing counts twice."""
    for name in ("fit_b", "fit_a"):
        for volt in (0.7, 0.775, 1.05):
            spec = TrueNorth(spec=name, supply_V=volt).spec
            events_per_s = 2.684e9
            spikes = events_per_s / spec.benchmark_synapses
            rows = spec.cores * spec.neurons_per_core * 1e3
            total_mW = (
                spec.idle_mW
                + (
                    rows * spec.row_now_pJ
                    + events_per_s * spec.event_now_pJ
                    + spikes * spec.benchmark_hops * spec.hop_now_pJ
                )
                * 1e-9
            )
            assert total_mW == pytest.approx(spec.power_mW(events_per_s))


def test_fractional_leaks_can_be_drawn_at_random():
    """0.3 units a tick: rounded to nothing, or drawn: the rate comes back."""
    drive = cells(
        200, "slow", "IF_curr_delta", i_offset=0.0201, tau_m=1e5, cm=1.0, tau_refrac=0.0
    )  # rises 0.02 mV a step to 15 mV
    kick = synapses(1, 0, [(0, i) for i in range(200)], 255 * 15 / 250, 1.0)
    net = network(drive, source([900.0]), projections=[kick])
    rounded, drawn = (
        run_on(TrueNorth(leak=leak), net, 800.0) for leak in ("nearest", "stochastic")
    )
    expected = 200 * 800 * 0.0201 / 15
    assert len(drawn.spikes[0].cell) == pytest.approx(expected, rel=0.2)
    assert abs(len(rounded.spikes[0].cell) - expected) > 0.4 * expected


def test_integers_stay_integers():
    """A network of small whole numbers is computed without any error."""
    whole = cells(
        4, "whole", "IF_curr_delta", v_rest=0.0, v_reset=0.0, v_thresh=5.0, tau_m=1e12, cm=1.0,
        tau_refrac=0.0, v=0.0,
    )  # fmt: skip
    net = network(
        source([1.0, 3.0, 5.0], [2.0, 3.0, 9.0]), whole,
        projections=[synapses(0, 1, [(0, 0), (1, 0), (0, 1), (1, 2)], [2.0, 3.0, 5.0, -1.0])],
        v=[1],
    )  # fmt: skip
    result = run_on(TrueNorth(), net, 12.0)
    assert np.all(result.hardware.quantisation["max_error"] < 1e-9)
    assert result.spikes[1].cell.tolist() == [1, 0, 0, 1, 1, 0]
    assert result.spikes[1].time_ms.tolist() == [2.0, 3.0, 4.0, 4.0, 6.0, 10.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tick_us": 0}, "tick_us must be > 0"),
        ({"delay_ticks_max": 16}, "delay_ticks_max must be below scheduler_slots"),
        ({"threshold_bits": 20}, "threshold_bits must be below potential_bits"),
        ({"axon_types": 5}, "axon_types must be <= 4"),
        ({"host_column": 64}, "the host enters at router"),
        ({"leak": "fast"}, "leak must be one of nearest, stochastic"),
        ({"chip_columns": 5}, "a packet reaches 255 cores far, a board of 5 x 1 chips"),
        ({"hop_ns": 0}, "hop_ns must be >= 0.001 ns"),
    ],
)
def test_numbers_that_make_no_chip_are_refused_in_one_line(options, message):
    with pytest.raises(ModelError, match=message):
        TrueNorth(**options)


def test_what_a_constant_leak_and_no_refractory_time_are_not_stands_in_the_report():
    net = network(cells(2, "leaky", "IF_curr_delta", tau_m=10.0, tau_refrac=3.0), dt=1.0)
    report = run_on(TrueNorth(), net, 5.0).hardware
    rows = {row["quantity"]: row for row in report.quantisation}
    exact = 15.0 * -np.expm1(-1.0 / 10.0)  # 15 mV above rest
    constant = exact / 2  # its mean between reset, which is rest, and threshold
    assert rows["threshold leak"]["max_error"] == pytest.approx(exact - constant, rel=0.02)
    assert rows["leak"]["max_error"] < 0.01
    assert rows["tau_refrac"]["max_error"] == 3.0
    assert "threshold leak" in report.sources["cells"]
    ideal = run_on(TrueNorth(effects="arithmetic"), network(cells(1, v=-65.0), dt=1.0), 2.0)
    assert "one jump of its charge" in ideal.hardware.sources["cells"]
