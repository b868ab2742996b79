"""A workload: what a script runs, lowered once, with the software result beside it.

In: a PyNN script, the name of a scenario, or a saved Network. Out: the experiment that every
engine will repeat, the reference Result, and the scenario's task metric if it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import scenarios
from cosim.engines import Engine, Progress
from cosim.engines.observed import ObservedEngine
from cosim.experiment import Experiment, Stage
from hwmodels.errors import ModelError
from hwmodels.network import Network
from hwmodels.result import Result

#: From an experiment and a Result to named task metrics.
Score = Callable[[Experiment, Result], dict[str, float]]


class InterruptedRun(KeyboardInterrupt):
    """A run that was interrupted, with what it had computed so far as :attr:`result`."""

    def __init__(self, result: Result) -> None:
        self.result = result


@dataclass(frozen=True, eq=False)
class Workload:
    """An experiment, and what an engine made of it.

    Attributes
    ----------
    name : str
    experiment : Experiment
        With the spikes of all populations recorded.
    result : Result
    score : callable or None
    n_experiments : int
        How often the script started the clock; this is one of them.
    """

    name: str
    experiment: Experiment
    result: Result
    score: Score | None
    n_experiments: int

    def task(self, result: Result) -> dict[str, float]:
        """The task metrics of a Result of this experiment."""
        return self.score(self.experiment, result) if self.score else {}


def load_workload(
    target: str,
    arguments: Sequence[str],
    engine: Engine,
    *,
    seed: int | None = None,
    duration_ms: float | None = None,
    choose: int | None = None,
    progress: Progress | None = None,
) -> Workload:
    """Run a script, scenario or saved Network on an engine, and keep what it ran.

    Parameters
    ----------
    target : str
        A path to a script or to a Network (``.npz``), or the name of a scenario.
    arguments : sequence of str
        For the script.
    engine : Engine
    seed : int, optional
        See :func:`cosim.pynn.simulator.configure`.
    duration_ms : float, optional
        How long to run a saved Network, which has no duration of its own.
    choose : int, optional
        Which of several experiments of the script, from 1; the last one by default.
    progress : callable, optional

    Raises
    ------
    ModelError
        When the target cannot be found or run, or runs nothing.
    InterruptedRun
        When the user interrupts.
    """
    if Path(target).suffix == ".npz":
        return _saved_network(target, engine, duration_ms, progress)
    if duration_ms is not None:
        raise ModelError("a script says itself how long it runs; --duration is for a Network file")
    name, path = _script(target)
    observed = ObservedEngine(engine)

    from cosim.script import run_script

    try:
        experiments = run_script(path, arguments, engine=observed, seed=seed, progress=progress)
    except KeyboardInterrupt:
        if not observed.simulations:
            raise
        raise InterruptedRun(observed.simulations[-1].result()) from None
    runs = [s for s in observed.simulations if s.experiment is not None]
    number = len(experiments) if choose is None else choose
    if not experiments:
        raise ModelError(f"{target}: the script ran no simulation, so there is nothing to report")
    if not 1 <= number <= len(experiments):
        raise ModelError(
            f"{target}: experiment {number} asked for, the script ran {len(experiments)}"
        )
    if len(runs) == len(experiments):
        experiment, result = runs[number - 1].experiment, runs[number - 1].result()
    else:
        # The script chose its engine itself, past ours.
        experiment = experiments[number - 1].with_all_spikes_recorded()
        result = experiment.execute(engine, progress)
    assert experiment is not None
    score = None
    if name in scenarios.names():
        score = getattr(scenarios.module(name), "score", None)
    return Workload(name, experiment, result, score, len(experiments))


def _script(target: str) -> tuple[str, Path]:
    """Name and path of a script or scenario."""
    path = Path(target)
    if path.suffix != ".py" and not path.exists():
        if target not in scenarios.names():
            raise ModelError(
                f"{target}: no such script, and no scenario of that name; "
                f"scenarios are {', '.join(scenarios.names())}"
            )
        path = scenarios.path(target)
    is_scenario = path.resolve().parent == scenarios.path(path.stem).resolve().parent
    return (path.stem if is_scenario else path.name), path


def _saved_network(
    target: str, engine: Engine, duration_ms: float | None, progress: Progress | None
) -> Workload:
    network = Network.load(target).with_all_spikes_recorded()
    if duration_ms is None:
        raise ModelError(f"{target}: a Network has no duration; give one with --duration MS")
    if not duration_ms >= 0:
        raise ModelError(f"--duration must be >= 0 ms, got {duration_ms:g}")
    steps = round(duration_ms / network.timestep_ms)
    experiment = Experiment((Stage(network, steps),))
    result = experiment.execute(engine, progress)
    return Workload(Path(target).name, experiment, result, None, 1)
