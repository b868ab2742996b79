"""An experiment: the networks a script ran, in order, from one start of the clock to the next.

Most scripts run one network once. A script that changes weights, parameters or currents between
two ``run`` calls has one stage a call. Executing the recorded stages on another engine repeats
exactly what the script did, without running the script again.
"""

from __future__ import annotations

from dataclasses import dataclass

from cosim.engines import Engine, Progress
from hwmodels.network import Network
from hwmodels.result import Result


@dataclass(frozen=True, eq=False)
class Stage:
    """One ``run`` call: the network as it was then, and the step at which it ended."""

    network: Network
    until_step: int


@dataclass(frozen=True, eq=False)
class Experiment:
    """The stages between a ``setup`` or ``reset`` and the next.

    Attributes
    ----------
    stages : tuple of Stage
        At least one, with ascending ``until_step``.
    """

    stages: tuple[Stage, ...]

    @property
    def network(self) -> Network:
        """The network of the last stage: it holds all stimuli and recordings."""
        return self.stages[-1].network

    @property
    def steps(self) -> int:
        """Length in steps of the network's own grid."""
        return self.stages[-1].until_step

    @property
    def duration_ms(self) -> float:
        """Length in ms."""
        return self.steps * self.network.timestep_ms

    def with_all_spikes_recorded(self, traces: bool = True) -> Experiment:
        """The same experiment with the spikes of every population recorded.

        ``traces`` says whether state variables stay recorded.
        """
        return Experiment(
            tuple(
                Stage(stage.network.with_all_spikes_recorded(traces), stage.until_step)
                for stage in self.stages
            )
        )

    def execute(self, engine: Engine, progress: Progress | None = None) -> Result:
        """Run all stages on an engine, from time 0."""
        simulation = engine.start(self.stages[0].network)
        for stage in self.stages:
            simulation.advance(stage.network, stage.until_step, progress)
        return simulation.result()
