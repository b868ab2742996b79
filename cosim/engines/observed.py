"""An engine seen from outside: runs as another does and keeps what a comparison needs.

A script records what it wants to plot; a comparison needs the spikes of every population and
the Result itself. This engine adds the first and keeps the second, and the script notices
nothing.
"""

from __future__ import annotations

from cosim.engines import Engine, Progress, Simulation
from cosim.experiment import Experiment, Stage
from hwmodels.network import Network
from hwmodels.result import Result


class ObservedEngine:
    """Wraps an engine.

    Parameters
    ----------
    engine : Engine

    Attributes
    ----------
    simulations : list of ObservedSimulation
        One for each time a script started the clock.
    """

    def __init__(self, engine: Engine) -> None:
        self.name = engine.name
        self._engine = engine
        self.simulations: list[ObservedSimulation] = []

    def start(self, network: Network) -> ObservedSimulation:
        """Start the wrapped engine with all spikes recorded."""
        recorded = network.with_all_spikes_recorded()
        simulation = ObservedSimulation(self._engine.start(recorded))
        self.simulations.append(simulation)
        return simulation


class ObservedSimulation:
    """A simulation that remembers its stages; see :class:`cosim.engines.Simulation`."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._stages: list[Stage] = []

    def advance(self, network: Network, until_step: int, progress: Progress | None = None) -> None:
        """Execute with all spikes recorded."""
        recorded = network.with_all_spikes_recorded()
        self._simulation.advance(recorded, until_step, progress)
        self._stages.append(Stage(recorded, until_step))

    def result(self) -> Result:
        """Everything since time 0."""
        return self._simulation.result()

    @property
    def experiment(self) -> Experiment | None:
        """What was executed, or None when nothing was."""
        return Experiment(tuple(self._stages)) if self._stages else None
