"""The search: every candidate once, whatever happens to workers and to the search itself."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import islice

import pytest
from optuna.trial import TrialState

from cosim.explore import search
from cosim.explore.evaluation import CLOSED, OPEN_REPLAY, Outcome, evaluate
from hwmodels.errors import ModelError
from tests.cosim.explore.conftest import HereAndNow, pretend

ONE = {"minimise": ["energy_uJ"]}
TWO = {"minimise": ["energy_uJ", "latency_ns"]}


def trade_off():
    """Energy falls with the size of a core, latency with the speed of hops."""
    return pretend(
        energy_uJ=lambda o: 100 / o["compartments_per_core"] + 1 / o["hop_ew_ns"],
        latency_ns=lambda o: o["hop_ew_ns"] * math.sqrt(o["compartments_per_core"]),
    )


def candidates(exploration):
    return [tuple(sorted(t.params.items())) for t in exploration.evaluated()]


def nothing_lost_or_doubled(exploration, trials):
    own = candidates(exploration)
    states = [t.state for t in exploration.study.get_trials(deepcopy=False)]
    return (
        len(own) == len(set(own)) == trials
        and TrialState.RUNNING not in states
        and TrialState.WAITING not in states
    )


@pytest.mark.parametrize("sampler", ["auto", "random", "tpe", "nsga2", "nsga3"])
def test_each_sampler_evaluates_as_many_candidates_as_asked(stored, sampler):
    exploration = stored(**TWO, search={"sampler": sampler, "trials": 20})
    workers = trade_off()
    exploration.run(workers, 20)
    assert nothing_lost_or_doubled(exploration, 20)
    assert len(workers.jobs) == 20


def test_a_grid_is_walked_once_and_goes_on_after_a_crash(stored):
    space = TWO | {
        "dimensions": {"compartments_per_core": {"choice": [4, 8, 16]},
                       "hop_ew_ns": {"choice": [1.0, 2.0, 4.0]}},
        "search": {"sampler": "grid", "trials": 100},
    }  # fmt: skip

    def some_crash(done, _):
        if done == 4:
            raise KeyboardInterrupt

    first = stored(**space)
    with pytest.raises(KeyboardInterrupt):
        first.run(trade_off(), 100, some_crash)
    # It may also end between the queue and the worker.
    first.study.enqueue_trial(next(islice(first.space.grid(), 8, None)))
    second = stored(**space)
    second.run(trade_off(), 100)
    assert nothing_lost_or_doubled(second, 9)


def test_a_space_that_is_used_up_ends_the_search(explore):
    space = ONE | {"dimensions": {"weight_bits": {"integer": [3, 6]}}}
    exploration = explore(**space, search={"sampler": "random"})
    exploration.run(pretend(energy_uJ=lambda o: o["weight_bits"]), 50)
    assert nothing_lost_or_doubled(exploration, 4)


def test_an_interrupted_search_goes_on_where_it_was(stored):
    def crash(done, _):
        if done >= 7:
            raise RuntimeError("killed")

    settings = TWO | {"search": {"sampler": "random", "trials": 20}}
    first = stored(**settings)
    with pytest.raises(RuntimeError):
        first.run(trade_off(), 20, crash)
    begun = candidates(first)
    # What was under way when it died.
    trial = first._ask({})
    asked = tuple(sorted(trial.params.items()))
    first.study.ask()  # and one whose parameters were still being drawn
    second = stored(**settings)
    workers = trade_off()
    second.run(workers, 20)
    assert nothing_lost_or_doubled(second, 20)
    assert candidates(second)[: len(begun)] == begun
    assert asked in candidates(second)
    assert len(workers.jobs) == 20 - len(begun)
    # A resumed sampler proposes others, so nothing had to be thrown away but what was never drawn.
    assert len(second.finished()) == 21


def test_a_worker_that_dies_costs_no_candidate(explore):
    deaths = iter([ConnectionError, None, ConnectionError, ConnectionError])

    def evaluate(job):
        death = next(deaths, None)
        if death:
            raise death
        return Outcome({"energy_uJ": job.options["hop_ew_ns"]})

    exploration = explore(**ONE)
    exploration.run(HereAndNow(evaluate), 10)
    assert nothing_lost_or_doubled(exploration, 10)
    assert all(t.state is TrialState.COMPLETE for t in exploration.evaluated())


def test_a_candidate_that_kills_each_worker_is_blamed_for_it(explore):
    def evaluate(job):
        if job.options["compartments_per_core"] < 80:
            raise ConnectionError
        return Outcome({"energy_uJ": 1.0})

    exploration = explore(**ONE)
    exploration.run(HereAndNow(evaluate), 15)
    failed = [t for t in exploration.evaluated() if t.state is TrialState.FAIL]
    assert failed
    for trial in failed:
        assert trial.params["compartments_per_core"] < 80
        assert "its worker was lost 3 times" in trial.user_attrs["error"]


def test_an_error_of_ours_stops_the_search(explore):
    def evaluate(job):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        explore(**ONE).run(HereAndNow(evaluate), 3)


def test_the_front_is_beaten_by_none_and_holds_equals_once(explore):
    exploration = explore(**TWO, search={"sampler": "random"})
    exploration.run(trade_off(), 40)
    front = [tuple(t.values) for t in exploration.front()]
    everyone = [tuple(t.values) for t in exploration.evaluated()]
    assert len(front) == len(set(front)) > 3
    for values in everyone:
        beaten = [f for f in front if f[0] <= values[0] and f[1] <= values[1]]
        assert beaten  # by one of the front, or it is one
    for own in front:
        assert not any(v[0] <= own[0] and v[1] <= own[1] and v != own for v in everyone)


def test_the_front_is_feasible_and_maximises_what_is_to_be_large(explore):
    exploration = explore(
        minimise=[], maximise=["energy_uJ"], subject_to=["compartments_per_core <= 160"],
        search={"sampler": "tpe"},
    )  # fmt: skip
    exploration.run(
        pretend(
            energy_uJ=lambda o: o["compartments_per_core"],
            compartments_per_core=lambda o: o["compartments_per_core"],
        ),
        40,
    )
    (best,) = exploration.front()
    sizes = [t.params["compartments_per_core"] for t in exploration.evaluated()]
    assert best.params["compartments_per_core"] == max(s for s in sizes if s <= 160)
    assert max(sizes) > 160


def test_what_has_no_value_is_a_candidate_that_does_not_run(explore):
    exploration = explore(**ONE)
    exploration.run(pretend(other=lambda o: 1.0), 3)
    errors = {t.user_attrs["error"] for t in exploration.evaluated()}
    assert len(errors) == 1
    assert "there is no 'energy_uJ'" in errors.pop()


def test_a_study_belongs_to_its_space_and_workload(stored):
    stored(**ONE).run(pretend(energy_uJ=lambda o: 1.0), 5)
    other = stored(**ONE, fixed={"weight_bits": 4})
    assert other.finished() == []
    assert len(stored(**ONE).finished()) == 5


def test_two_searches_of_one_study_are_refused_as_long_as_both_live(stored):
    exploration = stored(**ONE)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = exploration.study.user_attrs["owner"]
    started = search._started(child.pid)
    exploration.study.set_user_attr("owner", [owner[0], child.pid, started])
    with pytest.raises(ModelError, match=f"is running .pid {child.pid}"):
        stored(**ONE)
    # Another process with the same number is not the one that was.
    exploration.study.set_user_attr("owner", [owner[0], child.pid, "long ago"])
    stored(**ONE)
    exploration.study.set_user_attr("owner", [owner[0], child.pid, started])
    child.communicate(b"\n")
    stored(**ONE)


def test_a_journal_is_a_storage_too(explore, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        exploration = explore(storage="journal:///study.log", **ONE)
        exploration.run(pretend(energy_uJ=lambda o: o["hop_ew_ns"]), 6)
    assert nothing_lost_or_doubled(exploration, 6)
    assert (tmp_path / "study.log").exists()


def test_a_storage_that_does_not_open_is_one_line(explore):
    with pytest.raises(ModelError, match="cannot open the study in nosuch://x") as error:
        explore(storage="nosuch://x", **ONE)
    assert "\n" not in str(error.value)


def test_short_runs_give_up_what_is_hopeless(explore):
    exploration = explore(
        **ONE, search={"sampler": "random", "short": 0.2, "trials": 30}, fixed={"weight_bits": 4}
    )

    def evaluate_short(job):
        size = float(job.options["compartments_per_core"])
        short = (0.0, size)
        worse = sum(other < short for other in job.earlier)
        given_up = len(job.earlier) >= 8 and worse > len(job.earlier) / 2
        metrics = {} if given_up else {"energy_uJ": size}
        return Outcome(metrics, given_up=given_up, short=short)

    exploration.run(HereAndNow(evaluate_short), 30)
    assert nothing_lost_or_doubled(exploration, 30)
    pruned = [t for t in exploration.evaluated() if t.state is TrialState.PRUNED]
    assert 5 < len(pruned) < 25
    assert min(t.params["compartments_per_core"] for t in pruned) > min(
        t.params["compartments_per_core"] for t in exploration.evaluated()
    )


def test_the_front_of_a_replay_is_confirmed_in_a_closed_loop_until_all_of_it_is(explore):
    def evaluate(job):
        hop = job.options["hop_ew_ns"]
        closed = job.fidelity == "closed"
        # The replay flatters the fastest fabrics, and one of them does not run at all.
        energy = hop + (30 if closed and hop < 4 else 0)
        if closed and hop < 2:
            return Outcome(error="does not run in a closed loop")
        return Outcome({"energy_uJ": energy}, CLOSED if closed else OPEN_REPLAY)

    exploration = explore(
        **ONE, search={"sampler": "random", "fidelity": "replay", "trials": 40},
    )  # fmt: skip
    workers = HereAndNow(evaluate)
    exploration.run(workers, 40)
    assert all(exploration.how(t) == OPEN_REPLAY for t in exploration.evaluated())
    computed = exploration.confirm(workers)
    (best,) = exploration.front()
    hops = [t.params["hop_ew_ns"] for t in exploration.evaluated()]
    assert best.params["hop_ew_ns"] == min(hop for hop in hops if hop >= 4)
    assert computed == sum(hop < 4 for hop in hops) + 1
    assert exploration.how(best) == f"{OPEN_REPLAY}, then {CLOSED}"
    assert exploration.confirm(workers) == 0


def test_a_search_on_the_chip_finds_what_a_scan_finds(explore):
    """End to end: the best size of a core, against all sizes one by one."""
    exploration = explore(
        minimise=["energy_uJ", "step_median_us"],
        dimensions={"compartments_per_core": {"choice": [32, 48, 80, 112, 160, 320]}},
        search={"sampler": "grid", "trials": 6},
    )
    exploration.run(HereAndNow(), 6)
    assert nothing_lost_or_doubled(exploration, 6)
    by_size = {t.params["compartments_per_core"]: t.values for t in exploration.evaluated()}
    energies = [by_size[size][0] for size in sorted(by_size)]
    assert energies[0] > energies[2] > energies[-1]  # fewer cores, fewer messages
    assert {t.params["compartments_per_core"] for t in exploration.front()} >= {320}
    first = exploration.evaluated()[0]
    again = evaluate(exploration._job(first, "closed"))
    assert exploration.space.values(again.metrics) == first.values
