"""A small workload, and workers that need no processes."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial

import pytest

from cosim.engines import get_engine
from cosim.experiment import Experiment, Stage
from cosim.explore import Space
from cosim.explore.evaluation import Outcome, evaluate, share
from cosim.explore.search import Exploration
from cosim.workload import Workload
from tests.cosim.networks import balanced

SPACE = {
    "chip": "loihi",
    "minimise": ["energy_uJ", "step_median_us"],
    "dimensions": {
        "compartments_per_core": {"integer": [32, 320], "log": True},
        "hop_ew_ns": {"real": [1.0, 20.0], "log": True},
    },
    "search": {"trials": 12},
}


@pytest.fixture(scope="session")
def workload():
    """40 cells for 20 ms, with traces recorded."""
    experiment = Experiment((Stage(balanced(40, dt=0.5), 40),))
    return Workload("small", experiment, experiment.execute(get_engine("brian2")), None, 1)


@pytest.fixture
def shared(workload, tmp_path):
    """The file of the small workload."""
    return share(workload, tmp_path)


@pytest.fixture
def explore(shared):
    """Makes an exploration of the small workload."""

    def make(storage=None, **changes):
        return Exploration(Space.from_dict(SPACE | changes), shared, storage, "small")

    return make


@pytest.fixture
def stored(explore, tmp_path):
    """The same in a database: made again it goes on with its study."""
    return partial(explore, storage=f"sqlite:///{tmp_path / 'study.db'}")


class HereAndNow:
    """Workers that do a job at once, in this process."""

    count = 2

    def __init__(self, of=evaluate):
        self.of, self.jobs = of, []

    def submit(self, job):
        self.jobs.append(job)
        future = Future()
        try:
            future.set_result(self.of(job))
        except Exception as error:
            future.set_exception(error)
        return future

    def lost(self, error):
        return isinstance(error, ConnectionError)

    def close(self):
        pass


def pretend(**formulas):
    """Workers for which metrics are functions of a candidate's options."""
    return HereAndNow(lambda job: Outcome({k: float(f(job.options)) for k, f in formulas.items()}))
