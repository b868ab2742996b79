"""One candidate: the same numbers however its spikes come about, and an error that is its own."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cosim.compare import compare
from cosim.engines import get_engine
from cosim.explore import evaluation
from cosim.explore.evaluation import (
    CLOSED,
    EXACT_REPLAY,
    OPEN_REPLAY,
    Job,
    dominates,
    evaluate,
    share,
    verdict,
)
from cosim.explore.formulas import metrics_of


def job(shared, how="auto", short=0.0, **options):
    return Job(str(shared), "loihi", options, how, short, (("energy_uJ", "minimise"),))


@pytest.mark.parametrize(
    "changes",
    [
        {"hop_ew_ns": 50.0},
        {"link_buffer_packets": 1, "core_buffer_packets": 1},
        {"mapper": "traffic", "compartments_per_core": 40},
        {"columns": 2, "rows": 16, "fidelity": "analytic"},
    ],
)
def test_a_replay_has_the_numbers_of_the_closed_loop(shared, changes):
    options = {"compartments_per_core": 64, "weight_bits": 4}
    first = evaluate(job(shared, **options))
    replayed = evaluate(job(shared, **options | changes))
    closed = evaluate(job(shared, "closed", **options | changes))
    assert (first.fidelity, replayed.fidelity, closed.fidelity) == (CLOSED, EXACT_REPLAY, CLOSED)
    assert replayed.metrics == closed.metrics
    assert replayed.metrics != first.metrics


@pytest.mark.parametrize("changes", [{"weight_bits": 3}, {"neurons": "exact"}])
def test_what_changes_the_neurons_is_computed_anew(shared, changes):
    evaluate(job(shared, weight_bits=4))
    assert evaluate(job(shared, **{"weight_bits": 4} | changes)).fidelity == CLOSED


def test_where_time_acts_back_a_replay_is_open_and_says_so(shared):
    free = {"clocking": "free_running", "step_ns": 300.0}
    assert evaluate(job(shared, **free)).fidelity == CLOSED
    assert evaluate(job(shared, **free)).fidelity == CLOSED  # never repeated as if it were exact
    assert evaluate(job(shared, "replay", **free)).fidelity == OPEN_REPLAY


def test_the_numbers_are_those_of_the_comparison(shared, workload):
    outcome = evaluate(job(shared, weight_bits=5, mapper="traffic"))
    result = workload.experiment.execute(get_engine("loihi:weight_bits=5:mapper=traffic"))
    expected = metrics_of(compare(workload.result, result, workload.experiment.network))
    assert outcome.metrics == expected | {"parameter.weight_bits": 5.0}


def test_metrics_of_the_space_follow_from_the_others(shared):
    given = (("double", "2 * energy_uJ"), ("more", "double + weight_bits"), ("none", "1 / 0"))
    metrics = evaluate(replace(job(shared, weight_bits=5), metrics=given)).metrics
    assert metrics["double"] == 2 * metrics["hardware.energy_uJ"]
    assert metrics["more"] == metrics["double"] + 5
    assert "none" not in metrics


def test_a_candidate_that_cannot_run_says_why(shared):
    outcome = evaluate(job(shared, columns=1, rows=1, cores_per_tile=1, compartments_per_core=64))
    assert "larger than the hardware" in outcome.error
    assert outcome.metrics == {}


def test_a_fault_of_the_program_is_an_outcome_too(shared, monkeypatch):
    monkeypatch.setattr(evaluation, "_load", lambda path: 1 / 0)
    assert evaluate(job(shared)).error == "unexpected ZeroDivisionError: division by zero"


def test_a_hopeless_short_run_is_not_continued(shared):
    good = (0.0, -1.0)
    hopeless = evaluate(replace(job(shared, short=0.3), earlier=(good,) * 9))
    assert hopeless.given_up
    assert 0 < hopeless.metrics["hardware.steps"] < 40
    for earlier in ((good,) * 3, ((0.0, 1e9),) * 9, ()):  # too few to tell, or all worse
        outcome = evaluate(replace(job(shared, "closed", 0.3), earlier=earlier))
        assert not outcome.given_up
        assert outcome.metrics["hardware.steps"] == 40
        assert len(outcome.short) == 2


def test_feasible_before_infeasible_then_all_objectives():
    assert dominates((0.0, 5.0), (0.1, 1.0))
    assert dominates((0.1, 5.0), (0.2, 1.0))
    assert dominates((0.0, 1.0, 2.0), (0.0, 1.0, 3.0))
    assert not dominates((0.0, 1.0, 2.0), (0.0, 1.0, 2.0))
    assert not dominates((0.0, 1.0, 3.0), (0.0, 2.0, 2.0))


def test_a_verdict_is_small_where_a_candidate_is_good():
    metrics = {"a": 3.0, "b": 10.0}
    given = verdict(metrics, (("a", "minimise"), ("b", "maximise")), ("a < 2", "b > 1", "c < 1"))
    assert given == (pytest.approx(1 / 3), 3.0, -10.0)


def test_a_workload_is_written_once_for_each_content(workload, tmp_path):
    file = share(workload, tmp_path)
    written = file.stat().st_mtime_ns
    slower = replace(workload, result=replace(workload.result, host_seconds=99.0))
    assert share(slower, tmp_path) == file
    assert file.stat().st_mtime_ns == written
    other = replace(workload, name="other")
    assert share(other, tmp_path) != file
    assert len(list(tmp_path.iterdir())) == 2


def test_jobs_and_outcomes_are_plain(shared):
    outcome = evaluate(job(shared, hop_ew_ns=2.0))
    assert json.loads(json.dumps(outcome.metrics)) == outcome.metrics
