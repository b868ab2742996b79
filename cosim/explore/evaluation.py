"""One candidate: built, run on the shared workload, compared, and reduced to plain numbers.

In: a :class:`Job` of plain values. Out: an :class:`Outcome` of plain values. Both travel between
processes and machines; the workload itself lies in a folder, named by its content, and is loaded
once a worker.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import scenarios
from cosim.compare import compare
from cosim.engines.hardware import HardwareEngine
from cosim.experiment import Experiment, Stage
from cosim.explore.formulas import Constraint, Formula, metrics_of
from cosim.workload import Workload
from hwmodels import archive
from hwmodels.chip import Neurons, Translation
from hwmodels.errors import ModelError
from hwmodels.lockstep import SteppedChip
from hwmodels.network import Network, Population, Projection, SpikeTrains
from hwmodels.replay import Recorded, RecordingNeurons
from hwmodels.result import Result

log = logging.getLogger(__name__)

#: Earlier short runs that a new one must at least be compared with before it is given up.
_ENOUGH = 8

CLOSED, EXACT_REPLAY, OPEN_REPLAY = "closed loop", "replay, exact", "replay, open loop"


@dataclass(frozen=True, eq=False)
class Shared:
    """A workload as every worker reads it.

    Attributes
    ----------
    name : str
        Of the scenario or script.
    experiment : Experiment
    result : Result
        Of the software reference.
    """

    name: str
    experiment: Experiment
    result: Result


def share(workload: Workload, folder: Path) -> Path:
    """Write a workload into a folder, once for each content; returns its file."""
    shared = Shared(workload.name, workload.experiment, replace(workload.result, host_seconds=0.0))
    path = folder / f"workload-{archive.content_hash(shared)[:16]}.npz"
    if not path.exists():
        _write(shared, path)
    return path


def _write(content: Any, path: Path) -> None:
    """Write a file so that nobody ever sees half of it."""
    unfinished = path.with_suffix(f".{os.getpid()}")
    archive.save(content, unfinished)
    unfinished.replace(path)


@dataclass(frozen=True)
class Job:
    """What a worker needs to evaluate one candidate.

    Attributes
    ----------
    workload : str
        File of the :class:`Shared` workload.
    chip : str
    options : mapping
        Of the chip.
    fidelity : {"auto", "closed", "replay"}
    short : float
        Share of the duration to run first; 0 runs all of it at once.
    objectives : tuple of (str, str)
    constraints : tuple of str
    metrics : tuple of (str, str)
        Those of the space's own, name and formula.
    earlier : tuple of tuple
        Verdicts (see :func:`verdict`) of the short runs so far.
    """

    workload: str
    chip: str
    options: Mapping[str, Any]
    fidelity: str = "auto"
    short: float = 0.0
    objectives: tuple[tuple[str, str], ...] = ()
    constraints: tuple[str, ...] = ()
    metrics: tuple[tuple[str, str], ...] = ()
    earlier: tuple[tuple[float, ...], ...] = ()


@dataclass
class Outcome:
    """What came of a candidate.

    Attributes
    ----------
    metrics : dict of str to float
        All numbers of the comparison; of the short run only, where that was enough.
    fidelity : str
        How the spikes came about: computed in a closed loop, or replayed.
    given_up : bool
        Whether the short run was hopeless.
    short : tuple of float
        Verdict of the short run, if there was one.
    error : str
        Why the candidate cannot run this workload; empty if it can.
    host_s : float
    """

    metrics: dict[str, float] = field(default_factory=dict)
    fidelity: str = CLOSED
    given_up: bool = False
    short: tuple[float, ...] = ()
    error: str = ""
    host_s: float = 0.0


def evaluate(job: Job) -> Outcome:
    """Evaluate one candidate; never raises, so that one candidate cannot end a study."""
    started = time.perf_counter()
    try:
        outcome = _evaluated(job)
    except ModelError as error:
        outcome = Outcome(error=str(error))
    except Exception as error:
        log.debug("while evaluating %s", job.options, exc_info=True)
        first = (str(error).splitlines() or [""])[0]
        outcome = Outcome(error=f"unexpected {type(error).__name__}: {first}")
    outcome.host_s = time.perf_counter() - started
    return outcome


def _evaluated(job: Job) -> Outcome:
    shared = _load(job.workload)
    engine = HardwareEngine(job.chip, **job.options)
    trace = _trace_file(job, engine)
    spikes_only = shared.experiment.with_all_spikes_recorded(traces=False)
    if trace is not None and trace.exists():
        result = spikes_only.execute(engine.replaying(_load_trace(str(trace))))
        return Outcome(_metrics(shared, job, result), EXACT_REPLAY)
    if job.fidelity == "replay" and trace is None:
        result = spikes_only.execute(engine.replaying(shared.result))
        return Outcome(_metrics(shared, job, result), OPEN_REPLAY)
    short: tuple[float, ...] = ()
    if job.short:
        part = _beginning(shared.experiment, job.short)
        metrics = _metrics(shared, job, part.execute(engine), score=False)
        short = verdict(metrics, job.objectives, job.constraints)
        if _hopeless(short, job.earlier):
            return Outcome(metrics, CLOSED, given_up=True, short=short)
    if trace is None:
        result = shared.experiment.execute(engine)
        return Outcome(_metrics(shared, job, result), CLOSED, short=short)
    recording = _RecordingEngine(job.chip, **job.options)
    result = shared.experiment.execute(recording)
    spikes = replace(result, traces=(), hardware=None, host_seconds=0.0)
    _write(Recorded(spikes, recording.recorder.activity), trace)
    return Outcome(_metrics(shared, job, result), CLOSED, short=short)


class _RecordingEngine(HardwareEngine):
    """Hardware whose neurons are recorded for a replay."""

    recorder: RecordingNeurons

    def neurons(self, translation: Translation) -> Neurons:
        chip = self.chip
        assert isinstance(chip, SteppedChip)
        self.recorder = RecordingNeurons(super().neurons(translation) or chip.neurons(translation))
        return self.recorder


def _trace_file(job: Job, engine: HardwareEngine) -> Path | None:
    """Where spikes lie that this candidate would compute too; None where time changes them."""
    function = engine.chip.function()
    if job.fidelity == "closed" or function is None or not isinstance(engine.chip, SteppedChip):
        return None
    workload = Path(job.workload)
    key = [workload.name, engine.name, engine.computed_by, dict(function)]
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return workload.parent / f"spikes-{digest[:16]}.npz"


def _beginning(experiment: Experiment, share: float) -> Experiment:
    """The first part of an experiment, of at least one step."""
    until = max(1, round(experiment.steps * share))
    kept = [stage for stage in experiment.stages if stage.until_step < until]
    following = experiment.stages[len(kept)]
    return Experiment((*kept, Stage(following.network, until)))


def _metrics(shared: Shared, job: Job, result: Result, score: bool = True) -> dict[str, float]:
    tasks = []
    for run in (shared.result, result):
        scored = score and shared.name in scenarios.names()
        metric = getattr(scenarios.module(shared.name), "score", None) if scored else None
        tasks.append(metric(shared.experiment, run) if metric else {})
    comparison = compare(
        shared.result, result, shared.experiment.network,
        reference_task=tasks[0], candidate_task=tasks[1],
    )  # fmt: skip
    metrics = metrics_of(comparison) | parameters_of(job.options)
    for name, text in job.metrics:
        with contextlib.suppress(ModelError):  # has no value here, as the latency of no packets
            metrics[name] = float(Formula(text).value(metrics))
    return metrics


def parameters_of(options: Mapping[str, Any]) -> dict[str, float]:
    """Numbers a candidate is made of, as metrics: what is bought may be minimised too."""
    return {
        f"parameter.{name}": float(value)
        for name, value in options.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def verdict(
    metrics: Mapping[str, float],
    objectives: Sequence[tuple[str, str]],
    constraints: Sequence[str],
) -> tuple[float, ...]:
    """Total violation of the constraints, then the objectives, all to be small.

    What the metrics do not say (a task that a short run does not finish) counts as nothing.
    """

    def known(value: Any) -> float:
        try:
            return float(value())
        except ModelError:
            return 0.0

    broken = [max(0.0, known(lambda t=t: Constraint(t).violation(metrics))) for t in constraints]
    values = [
        known(lambda t=t: Formula(t).value(metrics)) * (1 if direction == "minimise" else -1)
        for t, direction in objectives
    ]
    return (sum(broken), *values)


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether a verdict is better: less violation, or as good in everything and better in one."""
    if one[0] > 0 or other[0] > 0:
        return one[0] < other[0]
    pairs = list(zip(one[1:], other[1:], strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def _hopeless(short: Sequence[float], earlier: Sequence[Sequence[float]]) -> bool:
    """Whether most of the earlier short runs were better: the median rule for many objectives."""
    better = sum(dominates(other, short) for other in earlier)
    return len(earlier) >= _ENOUGH and better > len(earlier) / 2


@lru_cache(maxsize=2)
def _load(path: str) -> Shared:
    return archive.load(Shared, path)


@lru_cache(maxsize=4)
def _load_trace(path: str) -> Recorded:
    return archive.load(Recorded, path)


def metric_names(chip: str, workload: Workload) -> list[str]:
    """Everything a comparison on this chip can say about this workload, by its path."""
    same = compare(workload.result, workload.result, workload.experiment.network)
    names = list(metrics_of(same))
    probe = _probe()
    engine = HardwareEngine(chip, neurons="exact")
    result = Experiment((Stage(probe, 40),)).execute(engine)
    names += [n for n in metrics_of(compare(result, result, probe)) if n.startswith("hardware.")]
    for task in workload.task(workload.result):
        names += [f"task.{task}", f"task.{task}.difference"]
    return list(dict.fromkeys(names))


def _probe() -> Network:
    """A network so small that every chip holds it, with every kind of traffic."""
    parameters = dict(
        v_rest=-65.0, cm=1.0, tau_m=20.0, tau_refrac=2.0, tau_syn_E=5.0, tau_syn_I=5.0,
        i_offset=0.0, v_reset=-65.0, v_thresh=-64.9,
    )  # fmt: skip
    arrays = {name: np.full(2, value) for name, value in parameters.items()}
    pulses = Population(
        "pulses", "SpikeSourceArray", 1, stimulus=SpikeTrains.from_lists([[2.0, 5.0, 9.0]])
    )
    cells = Population("cells", "IF_curr_exp", 2, arrays, {"v": np.full(2, -65.0)})

    def one_to_all(label: str, pre: int, size: int) -> Projection:
        target = np.tile(np.arange(2, dtype=np.int32), size)
        return Projection(
            label, pre, 1, "excitatory", np.arange(size + 1, dtype=np.int64) * 2, target,
            np.full(len(target), 5.0), np.full(len(target), 2.0),
        )  # fmt: skip

    projections = (one_to_all("in", 0, 1), one_to_all("back", 1, 2))
    return Network(1.0, (pulses, cells), projections).with_all_spikes_recorded()
