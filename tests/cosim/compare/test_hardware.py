"""Metrics of the chip against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cosim.compare import measure_hardware, measure_transport
from hwmodels.result import CORE, ENERGY, LINK, QUANTISATION
from tests.cosim.compare.synthetic import packets, report

MS = 1_000_000_000  # in ps


def test_latency_runs_from_injection_to_arrival():
    table = packets(
        (0, 1, 0, 1000, 2000), (0, 2, 0, 1000, 4000), (1, 1, 0, 9000, 11000), (1, 3, 1, 9000, -1)
    )
    t = measure_transport(report(packets=table))
    # Latencies 1, 3, 2 ns; the lost packet has none.
    assert t.latency_median_ns == pytest.approx(2.0)
    assert t.latency_mean_ns == pytest.approx(2.0)
    assert t.latency_max_ns == pytest.approx(3.0)
    assert t.latency_p99_ns == pytest.approx(2.98)
    assert (t.packets, t.delivered, t.undelivered) == (4, 3, 1)
    assert t.streams == 3
    assert t.hops_mean == 2.0


def test_simultaneous_spikes_that_queue_have_a_ramp_of_latencies():
    ramp = packets(*((0, k, 0, 0, 1000 * (k + 1)) for k in range(11)))
    t = measure_transport(report(packets=ramp))
    assert t.latency_median_ns == pytest.approx(6.0)
    assert t.latency_max_ns == pytest.approx(11.0)


def test_biological_latency_uses_the_speed_of_the_run():
    # Two steps of 1 ms in 4 us: 1 ns is 0.5 us of biology.
    chip = report(packets=packets((0, 0, 0, 0, 8000)), step_ps=np.array([1_000_000, 3_000_000]))
    t = measure_transport(chip)
    assert t.biological_ms_per_hardware_s == pytest.approx(2 / 4e-6)
    assert t.latency_max_ms == pytest.approx(8 * 0.5e-3)


def test_latency_from_the_start_of_the_step_adds_the_wait_in_the_core():
    chip = report(
        packets=packets((0, 0, 0, 500, 1500), (1, 0, 0, 10_300, 10_700)),
        step_ps=np.array([10_000, 10_000]),
    )
    t = measure_transport(chip)
    assert t.step_latency_max_ns == pytest.approx(1.5)
    assert t.step_latency_median_ns == pytest.approx(1.1)


def test_clocks_that_do_not_fit_give_no_latency_from_the_step():
    early = packets((1, 0, 0, 5_000, 6_000))
    t = measure_transport(report(packets=early, step_ps=np.array([10_000, 10_000])))
    assert t.step_latency_max_ns is None
    assert t.latency_max_ns == pytest.approx(1.0)


def test_interval_distortion_is_per_stream():
    table = packets(
        (0, 7, 0, 0, 1000), (1, 7, 0, 10_000, 14_000), (2, 7, 0, 20_000, 22_000),
        (0, 7, 1, 0, 500), (0, 8, 0, 0, 9000),
    )  # fmt: skip
    t = measure_transport(report(packets=table))
    # Stream 7 to 0: latencies 1, 4, 2 ns, so +3 and -2. The other streams have one packet.
    assert t.isi_distortion_mean_ns == pytest.approx(0.5)
    assert t.isi_distortion_abs_mean_ns == pytest.approx(2.5)
    assert t.isi_distortion_abs_max_ns == pytest.approx(3.0)
    assert t.isi_distortion_abs_p95_ns == pytest.approx(2.95)


def test_constant_latency_distorts_no_interval():
    table = packets(*((k, 3, 0, 1000 * k, 1000 * k + 77) for k in range(10)))
    assert measure_transport(report(packets=table)).isi_distortion_abs_max_ns == 0.0


def test_disorder_is_strict_and_per_destination_core():
    table = packets(
        (0, 0, 0, 100, 900),  # overtaken at core 0 ...
        (0, 1, 0, 200, 500),  # ... by this one
        (0, 2, 0, 200, 950),  # in order again
        (0, 3, 1, 50, 999),  # earlier than all, but at another core
        (0, 4, 0, 200, 960),  # sent at the same time as the one before: no disorder
    )
    t = measure_transport(report(packets=table))
    assert (t.disordered, t.disordered_cores, t.disordered_steps) == (1, 1, 0)


def test_disorder_across_steps_is_counted_apart():
    table = packets((0, 0, 0, 100, 5000), (1, 1, 0, 2000, 3000))
    assert measure_transport(report(packets=table)).disordered_steps == 1


def test_equal_arrivals_are_in_order():
    table = packets((0, 0, 0, 200, 900), (0, 1, 0, 100, 900))
    assert measure_transport(report(packets=table)).disordered == 0


def test_late_and_lost_synaptic_events():
    table = packets((0, 0, 0, 0, 10, 2, 5), (0, 1, 0, 0, 10, 0, 7), (0, 2, 0, 0, -1, 0, 11))
    t = measure_transport(report(packets=table))
    assert (t.later_step, t.later_steps_max) == (1, 2)
    assert (t.synaptic_events, t.lost_synaptic_events) == (12, 11)


def test_all_packets_lost_leave_no_latency():
    t = measure_transport(report(packets=packets((0, 0, 0, 5, -1))))
    assert (t.delivered, t.undelivered) == (0, 1)
    assert t.latency_median_ns is None
    assert t.hops_max is None


def test_step_times_and_real_time_factor():
    steps = np.array([2, 4, 6, 8], dtype=np.int64) * 1_000_000  # us in ps
    h = measure_hardware(report(step_ps=steps, step_ms=0.5))
    assert (h.step_median_us, h.step_mean_us, h.step_max_us) == pytest.approx((5.0, 5.0, 8.0))
    assert h.duration_ms == pytest.approx(0.020)
    assert h.real_time_factor == pytest.approx(2.0 / 0.020)


def test_the_initial_state_is_no_step_unless_it_took_time():
    idle = report(
        step_ps=np.array([0, 4, 6]) * 1_000_000, packets=packets((2, 0, 0, 5 * 10**6, 6 * 10**6))
    )
    h = measure_hardware(idle)
    assert (h.steps, h.step_median_us) == (2, pytest.approx(5.0))
    assert h.real_time_factor == pytest.approx(2.0 / 0.010)
    # The table of steps still starts at step 0: step 2 begins after 4 us.
    assert h.transport.step_latency_max_ns == pytest.approx(2000.0)
    busy = report(step_ps=np.array([2, 4, 6]) * 1_000_000)
    assert measure_hardware(busy).steps == 3
    assert measure_hardware(busy, duration_ms=2.0).real_time_factor == pytest.approx(2.0 / 0.012)


def test_energy_by_operation_per_spike_and_mean_power():
    table = np.array([("hop", 1000, 2.0), ("update", 100, 80.0)], ENERGY)
    h = measure_hardware(
        report(energy=table, step_ps=np.array([MS])), spikes=50, synaptic_events=200
    )
    assert [part.operation for part in h.energy] == ["update", "hop"]
    assert h.energy[0].share == pytest.approx(0.8)
    assert h.energy_uJ == pytest.approx(0.01)
    assert h.power_mW == pytest.approx(10_000e-12 / 1e-3 * 1e3)
    assert h.energy_per_spike_nJ == pytest.approx(0.2)
    assert h.energy_per_synaptic_event_pJ == pytest.approx(50.0)


def test_packets_tell_synaptic_events_better_than_fan_out():
    table = packets((0, 0, 0, 0, 10, 0, 4))
    h = measure_hardware(report(packets=table), synaptic_events=999)
    assert h.synaptic_events == 4


def test_core_and_link_use():
    cores = np.array([(0, 0, 0, 10, 90, 50, 100, MS // 4), (5, 1, 0, 30, 10, 0, 0, MS // 2)], CORE)
    links = np.array([(0, 0, 1, 0, 6, MS // 10, 3), (1, 0, 1, 0, 2, 0, 1)], LINK)
    h = measure_hardware(report(cores=cores, links=links, step_ps=np.array([MS])))
    assert (h.cores.neurons, h.cores.neurons_per_core_max, h.cores.busiest_core) == (40, 30, 5)
    assert h.cores.utilisation_max == pytest.approx(0.5)
    assert h.cores.utilisation_mean == pytest.approx(0.375)
    # The core without a memory size does not count as empty.
    assert h.cores.memory_fill_mean == pytest.approx(0.5)
    assert h.cores.fullest_core == 0
    assert h.links.utilisation_max == pytest.approx(0.1)
    assert h.links.utilisation_mean == pytest.approx(0.05)
    assert (h.links.packets, h.links.queue_max) == (8, 3)
    assert h.links.busiest_link == "(0, 0) to (1, 0)"


def test_quantisation_rows_pass_through():
    table = np.array([("a to b", "weight", "nA", 9, 0.5, 0.25, 0.1, 0.02, 3)], QUANTISATION)
    row = measure_hardware(report(quantisation=table)).quantisation[0]
    assert (row.where, row.unit, row.step, row.clipped) == ("a to b", "nA", 0.5, 3)


def test_a_chip_that_did_nothing_has_no_ratios():
    h = measure_hardware(report())
    assert h.transport is None
    assert (h.real_time_factor, h.power_mW, h.step_median_us) == (None, None, None)
    assert (h.cores, h.links, h.energy) == (None, None, ())
    assert h.energy_uJ == 0.0
