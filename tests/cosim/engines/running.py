"""Runs networks on engines, and says whether two results are the same."""

from __future__ import annotations

import numpy as np

from cosim.engines import get_engine
from cosim.experiment import Experiment, Stage


def run(network, engine, ms, **options):
    experiment = Experiment((Stage(network, round(ms / network.timestep_ms)),))
    return experiment.execute(get_engine(engine, **options))


def same_spikes(a, b):
    return all(
        np.array_equal(x.cell, y.cell) and np.array_equal(x.time_ms, y.time_ms)
        for x, y in zip(a.spikes, b.spikes, strict=True)
    )


def same_everything(a, b):
    return same_spikes(a, b) and all(
        np.array_equal(x.values, y.values) for x, y in zip(a.traces, b.traces, strict=True)
    )
