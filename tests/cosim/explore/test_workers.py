"""Worker processes, here and on a cluster: whoever dies, no candidate is lost or counted twice."""

from __future__ import annotations

import os
import signal
import time

import pytest

from cosim.explore.evaluation import Job, evaluate
from cosim.explore.workers import DaskWorkers, LocalWorkers
from hwmodels.errors import ModelError
from tests.cosim.explore.test_search import nothing_lost_or_doubled


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


def kill_once(victim, at=4):
    """A progress callback that kills a process when so many candidates are done."""
    victims = [victim]

    def progress(done, _):
        if done >= at and victims:
            os.kill(victims.pop()(), signal.SIGKILL)

    progress.pending = victims
    return progress


def same_as_here(exploration, number):
    trial = exploration.evaluated()[number]
    again = evaluate(exploration._job(trial, "closed"))
    return exploration.space.values(again.metrics) == trial.values


def test_a_local_worker_is_killed_and_nothing_is_lost(explore):
    exploration = explore()
    workers = LocalWorkers(2)
    kill = kill_once(lambda: next(iter(workers._pool._processes)))
    try:
        exploration.run(workers, 12, kill)
    finally:
        pids = list(workers._pool._processes or {})
        workers.close()
    assert not kill.pending
    assert nothing_lost_or_doubled(exploration, 12)
    assert not [t for t in exploration.evaluated() if "error" in t.user_attrs]
    assert same_as_here(exploration, 11)
    deadline = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, pids))


@pytest.fixture(scope="module")
def cluster():
    """A scheduler and two worker processes."""
    distributed = pytest.importorskip("distributed", reason="needs cosim[explore]")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster


def test_a_worker_of_a_cluster_is_killed_and_nothing_is_lost(cluster, explore, shared):
    exploration = explore()
    workers = DaskWorkers(cluster.scheduler_address, shared)
    pids = workers._client.run(os.getpid)
    assert workers.count == 2
    kill = kill_once(lambda: next(iter(pids.values())))
    try:
        exploration.run(workers, 12, kill)
    finally:
        workers.close()
    assert not kill.pending
    assert nothing_lost_or_doubled(exploration, 12)
    assert not [t for t in exploration.evaluated() if "error" in t.user_attrs]
    assert same_as_here(exploration, 11)


def test_machines_without_our_folder_have_their_own_copy_of_the_workload(cluster, shared):
    workers = DaskWorkers(cluster.scheduler_address, shared)
    job = Job(str(shared), "loihi", {"hop_ew_ns": 2.0})
    expected = evaluate(job).metrics
    shared.rename(shared.with_name("elsewhere.npz"))
    try:
        outcome = workers.submit(job).result(timeout=60)
    finally:
        workers.close()
    assert outcome.metrics == expected


def test_an_address_where_nobody_answers_is_one_line(shared, monkeypatch):
    pytest.importorskip("distributed", reason="needs cosim[explore]")
    monkeypatch.setattr("cosim.explore.workers.PATIENCE_s", 0.5)
    with pytest.raises(ModelError, match="no Dask scheduler answers at tcp://127.0.0.1:9") as error:
        DaskWorkers("tcp://127.0.0.1:9", shared)
    assert "\n" not in str(error.value)
