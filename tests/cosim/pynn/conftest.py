"""A stand-in for an engine: it computes nothing, so these tests see only the backend."""

from __future__ import annotations

import numpy as np
import pytest

import cosim.pynn as sim
from hwmodels.network import Network
from hwmodels.result import Result, Spikes, Trace, spikes_from_steps


class Recorded:
    """Source spikes as given; sample k of cell c of any variable is ``k + c / 1000``."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.calls: list[tuple[Network, int]] = []
        self.step = 0

    def advance(self, network, until_step, progress=None):
        assert until_step > self.step
        self.calls.append((network, until_step))
        self.network, self.step = network, until_step
        if progress is not None:
            progress(until_step)

    def result(self) -> Result:
        network = self.network
        spikes = []
        for index, population in enumerate(network.populations):
            wanted = [
                r for r in network.recordings if (r.population, r.variable) == (index, "spikes")
            ]
            if population.stimulus is None or not wanted:
                spikes.append(Spikes(np.empty(0, np.int32), np.empty(0)))
                continue
            steps, cells = population.stimulus.events(network.timestep_ms)
            done = (steps <= self.step) & np.isin(cells, wanted[0].cells)
            spikes.append(spikes_from_steps(steps[done], cells[done], network.timestep_ms))
        traces = []
        for wanted in network.recordings:
            if wanted.variable != "spikes":
                every = round(wanted.interval_ms / network.timestep_ms)
                samples = np.arange(self.step // every + 1)
                values = samples[:, None] + wanted.cells[None, :] / 1000.0
                traces.append(
                    Trace(
                        wanted.population,
                        wanted.variable,
                        wanted.cells,
                        wanted.interval_ms,
                        values,
                    )
                )
        return Result(
            "stub",
            network.content_hash,
            network.timestep_ms,
            self.step * network.timestep_ms,
            tuple(p.label for p in network.populations),
            tuple(p.size for p in network.populations),
            tuple(spikes),
            tuple(traces),
        )


class StubEngine:
    name = "stub"

    def __init__(self) -> None:
        self.simulations: list[Recorded] = []

    def start(self, network: Network) -> Recorded:
        self.simulations.append(Recorded(network))
        return self.simulations[-1]


@pytest.fixture
def engine(monkeypatch):
    """A fresh engine, a fresh backend, and no setting from outside."""
    for name in ("COSIM_ENGINE", "COSIM_SEED"):
        monkeypatch.delenv(name, raising=False)
    stub = StubEngine()
    sim.simulator.configure(engine=stub)
    sim.end()
    sim.setup(timestep=0.1)
    sim.state.clear_experiments()
    yield stub
    sim.simulator.configure()
    sim.setup()
    sim.end()
    sim.state.clear_experiments()


@pytest.fixture
def lowered():
    """The network as a run to a given time (ms) would see it; the clock does not move."""
    from cosim.pynn.lowering import lower

    return lambda until_ms=1.0: lower(sim.state, round(until_ms / sim.state.dt))
