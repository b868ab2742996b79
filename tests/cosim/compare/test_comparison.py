"""The comparison as a whole: verdict, notes, traces, JSON, limits, attribution."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from cosim.compare import Attribution, broken_limits, compare, compare_traces
from cosim.compare.wording import headline
from hwmodels.errors import ModelError
from hwmodels.network import Recording
from hwmodels.result import Trace
from tests.cosim.compare import synthetic
from tests.cosim.compare.synthetic import report, result, spikes


def trace(values, cells=(0,), interval_ms=1.0, variable="v") -> Trace:
    array = np.array(values, dtype=float).reshape(len(values), len(cells))
    return Trace(0, variable, np.array(cells, np.int32), interval_ms, array)


def test_a_run_against_itself_is_identical(net, reference):
    c = compare(reference, reference, net)
    assert c.identical
    assert c.total.shift_abs_max_ms == 0.0
    assert c.traces[0].rms_difference == 0.0
    assert c.traces[0].first_difference_ms is None


def test_one_moved_spike_is_not_identical():
    a, b = result(spikes((0, 10), (0, 20))), result(spikes((0, 10), (0, 20.1)))
    c = compare(a, b)
    assert not c.identical
    assert c.populations[0].first_difference_ms == 20.0


def test_two_silent_runs_are_silent_and_not_identical():
    c = compare(result(spikes()), result(spikes()))
    assert c.silent
    assert not c.identical


def test_sources_stand_in_the_table_but_not_in_the_total(net, reference, candidate):
    c = compare(reference, candidate, net)
    assert [p.source for p in c.populations] == [True, False, False]
    assert c.populations[0].identical
    assert c.total.reference_spikes == sum(p.reference_spikes for p in c.populations[1:])
    assert len(c.total.label) == 3


def test_a_population_without_recording_is_told_from_a_silent_one(net, reference):
    spike_recordings = [r for r in net.recordings if r.variable == "spikes" and r.population != 2]
    partly = dataclasses.replace(net, recordings=tuple(spike_recordings))
    quiet = dataclasses.replace(reference, spikes=(*reference.spikes[:2], spikes()))
    c = compare(quiet, quiet, partly)
    assert [p.recorded for p in c.populations] == [True, True, False]
    assert c.identical
    assert c.populations[2].cells == 0


def test_rates_are_over_recorded_cells(net, reference):
    half = Recording(1, "spikes", np.arange(200, dtype=np.int32), 1.0)
    partly = dataclasses.replace(net, recordings=(half,))
    kept = reference.spikes[1].cell < 200
    some = type(reference.spikes[1])(
        reference.spikes[1].cell[kept], reference.spikes[1].time_ms[kept]
    )
    run = dataclasses.replace(reference, spikes=(spikes(), some, spikes()))
    p = compare(run, run, partly).populations[1]
    assert p.cells == 200
    assert p.reference_rate_Hz == pytest.approx(kept.sum() / 200 / 1.0)


def test_energy_per_spike_needs_all_spikes(net, reference, candidate):
    partly = dataclasses.replace(net, recordings=net.recordings[:1])
    quiet = dataclasses.replace(candidate, spikes=(candidate.spikes[0], spikes(), spikes()))
    assert compare(quiet, quiet, partly).hardware.energy_per_spike_nJ is None
    full = compare(reference, candidate, net).hardware
    spikes_of_all = sum(len(s.cell) for s in candidate.spikes)
    assert full.energy_per_spike_nJ == pytest.approx(full.energy_uJ * 1e3 / spikes_of_all)


def test_fan_out_gives_synaptic_events_without_packets(net, candidate):
    hardware = dataclasses.replace(
        candidate.hardware, packets=candidate.hardware.packets[:0], fidelity="analytic"
    )
    run = dataclasses.replace(candidate, hardware=hardware)
    c = compare(run, run, net)
    by_hand = sum(
        len(p.target[p.indptr[cell] : p.indptr[cell + 1]])
        for p in net.projections
        for cell in candidate.spikes[p.pre].cell
    )
    assert c.hardware.synaptic_events == by_hand
    assert any("No packet table" in note for note in c.notes)


def test_runs_of_different_length_are_compared_over_the_common_part():
    a = result(spikes((0, 10), (0, 90)), duration_ms=100.0)
    b = result(spikes((0, 10)), duration_ms=50.0)
    c = compare(a, b)
    assert c.duration_ms == 50.0
    assert c.identical
    assert any("differ in length" in note for note in c.notes)


def test_notes_name_different_networks_and_grids(net, reference):
    other = dataclasses.replace(reference, network_hash="f" * 64, timestep_ms=0.1)
    notes = " ".join(compare(reference, other, net).notes)
    assert "different content hashes" in notes
    assert "grids differ" in notes


def test_results_of_other_populations_are_refused():
    with pytest.raises(ModelError, match="sizes of the populations are 3 and 4"):
        compare(result(spikes(), sizes=(3,)), result(spikes(), sizes=(4,)))


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"window_ms": 0.0}, "matching window must be > 0"),
        ({"coincidence_ms": 6.0}, "coincidence window must lie in"),
        ({"tau_ms": -1.0}, "time constant must be > 0"),
    ],
)
def test_settings_out_of_range_are_refused(options, rule):
    run = result(spikes((0, 1.0)))
    with pytest.raises(ModelError, match=rule):
        compare(run, run, **options)


def test_trace_deviation_by_hand():
    a = result(spikes(), sizes=(2,), traces=(trace([0, 1, 2, 3]),))
    b = result(spikes(), sizes=(2,), traces=(trace([0, 1, 5, -1]),))
    (t,) = compare_traces(a, b)
    assert t.mean_difference == pytest.approx((3 - 4) / 4)
    assert t.rms_difference == pytest.approx(np.sqrt((9 + 16) / 4))
    assert t.max_difference == pytest.approx(4.0)
    assert t.first_difference_ms == 2.0
    assert t.unit == "mV"


def test_samples_while_the_recording_was_off_do_not_count():
    a = result(spikes(), sizes=(1,), traces=(trace([0, np.nan, 2, 3]),))
    b = result(spikes(), sizes=(1,), traces=(trace([0, 1, np.nan, 5]),))
    (t,) = compare_traces(a, b)
    assert (t.samples, t.max_difference, t.first_difference_ms) == (2, 2.0, 3.0)


def test_traces_meet_on_common_cells_and_instants():
    fine = trace([[0, 9], [1, 9], [2, 9], [3, 9], [4, 9]], cells=(0, 1), interval_ms=0.5)
    coarse = trace([[0, 7], [2, 7], [5, 7]], cells=(0, 3), interval_ms=1.0)
    a = result(spikes(), sizes=(4,), traces=(fine,))
    b = result(spikes(), sizes=(4,), traces=(coarse,))
    (t,) = compare_traces(a, b)
    assert (t.cells, t.samples, t.interval_ms) == (1, 3, 1.0)
    assert t.max_difference == pytest.approx(1.0)


@pytest.mark.parametrize(
    "other",
    [
        trace([1, 2], variable="w"),
        trace([1, 2], cells=(1,)),
        trace([1, 2], interval_ms=0.7),
        trace([]),
    ],
)
def test_traces_with_nothing_in_common_are_left_out(other):
    a = result(spikes(), sizes=(2,), traces=(trace([1, 2]),))
    b = result(spikes(), sizes=(2,), traces=(other,))
    assert compare_traces(a, b) == ()


def test_json_is_stable_and_complete(comparison, net, reference):
    content = json.loads(comparison.to_json())
    assert content["total"]["missed"] == comparison.total.missed
    assert content["hardware"]["transport"]["undelivered"] > 0
    assert content["candidate"]["counts"]["weights rounded"] == 51234
    assert content["reference"]["network_hash"] == net.content_hash
    assert content["task"]["accuracy"]["difference"] == pytest.approx(-0.02)
    assert content["provenance"]["seed"] == "42"
    assert content["volatile"] == {"reference_host_s": 1.5, "candidate_host_s": 0.7}
    assert "volatile" not in json.loads(comparison.to_json(volatile=False))


def test_only_the_volatile_key_depends_on_the_computer(net, reference, candidate):
    slow = dataclasses.replace(candidate, host_seconds=99.0)
    a, b = compare(reference, candidate, net), compare(reference, slow, net)
    assert a.to_json() != b.to_json()
    assert a.to_json(volatile=False) == b.to_json(volatile=False)


def test_a_task_measured_on_one_side_only_has_no_difference(reference, net):
    c = compare(reference, reference, net, candidate_task={"accuracy": 0.5})
    assert c.task[0].difference is None
    assert "accuracy: – in brian2, 0.500 on brian2 (–)." in headline(c)
    same = compare(reference, reference, net, reference_task={"a": 1.0}, candidate_task={"a": 1.0})
    assert "a: 1.00 in brian2, 1.00 on brian2 (no change)." in headline(same)


def test_infinite_errors_become_null(comparison):
    rows = json.loads(comparison.to_json())["hardware"]["quantisation"]
    assert rows[2]["max_relative_error"] is None


def test_the_file_holds_the_json(comparison, tmp_path):
    comparison.save_json(tmp_path / "c.json")
    assert (tmp_path / "c.json").read_text(encoding="utf-8") == comparison.to_json()


def test_limits_name_what_is_broken(comparison):
    limits = {
        "total.rate_relative_error": 0.5,
        "total.missed": 3,
        "hardware.transport.undelivered": 0,
        "candidate.counts.weights rounded": 100_000,
    }
    broken = broken_limits(comparison, limits)
    assert len(broken) == 2
    assert broken[0] == f"total.missed is {comparison.total.missed}, the limit is 3.00"
    assert broken[1].startswith("hardware.transport.undelivered is ")


def test_what_was_not_measured_breaks_its_limit(net, reference):
    c = compare(reference, reference, net)
    assert broken_limits(c, {"hardware.energy_uJ": 5.0}) == [
        "hardware.energy_uJ is not defined, the limit is 5.00"
    ]


@pytest.mark.parametrize("name", ["total.nonsense", "name", "total", "nothing"])
def test_limits_on_what_is_no_number_are_refused(comparison, name):
    with pytest.raises(ModelError):
        broken_limits(comparison, {name: 1.0})


def test_attribution_tells_which_effect_costs_what(net, reference, candidate, comparison):
    ideal = compare(reference, reference, net)
    table = Attribution.from_comparisons([("precision", comparison), ("fabric", ideal)])
    precision, fabric = table.rows
    assert fabric.identical
    assert (fabric.missed, fabric.shift_abs_mean_ms, fabric.energy_uJ) == (0, 0.0, None)
    assert precision.missed == comparison.total.missed
    assert precision.latency_median_ns == comparison.hardware.transport.latency_median_ns
    assert json.dumps(table.to_dict())


def test_attribution_needs_one_coincidence_window(net, reference, comparison):
    other = compare(reference, reference, net, coincidence_ms=2.0)
    with pytest.raises(ValueError, match="one coincidence window"):
        Attribution.from_comparisons([("a", comparison), ("b", other)])
    with pytest.raises(ValueError, match="at least one"):
        Attribution.from_comparisons([])


def test_the_comparator_loads_neither_engines_nor_matplotlib():
    code = (
        "import sys, cosim.compare\n"
        "heavy = {'brian2', 'pyNN', 'matplotlib', 'elephant'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_chip_that_reports_nothing_costs_nothing():
    run = result(spikes((0, 1.0)), hardware=report(chip="truenorth"))
    c = compare(run, run)
    assert c.name == "truenorth"
    assert c.hardware.energy_per_spike_nJ == 0.0


def test_the_synthetic_run_is_worth_testing_on(comparison):
    total = comparison.total
    assert total.missed
    assert total.extra
    assert 0.5 < total.coincident_share < 0.95
    assert comparison.hardware.mesh == synthetic.MESH
