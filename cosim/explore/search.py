"""The search: Optuna proposes, workers evaluate, and a database remembers.

One coordinator owns a study. Candidates that were under way when it died are evaluated again
under their own numbers, so that no trial is lost and none stands twice.
"""

from __future__ import annotations

import json
import os
import platform
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from cosim.explore.evaluation import CLOSED, OPEN_REPLAY, Job, Outcome
from cosim.explore.space import Space
from cosim.explore.workers import ATTEMPTS, Workers
from hwmodels.errors import ModelError

#: Called with the number of finished trials and how many there are to be.
Progress = Callable[[int, int], None]

#: The sampler has nothing new to say after so many proposals that were all known.
_EXHAUSTED = 200
_DIRECTION = {"minimise": StudyDirection.MINIMIZE, "maximise": StudyDirection.MAXIMIZE}
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class Exploration:
    """A study of one space and one workload.

    Parameters
    ----------
    space : Space
    workload : Path
        File of :func:`cosim.explore.evaluation.share`.
    storage : str or None
        An Optuna storage, such as ``sqlite:///study.db``; ``journal:///study.log`` is a file that
        several machines may share; None keeps the study in memory.
    name : str
        Of the workload, for people.

    Raises
    ------
    ModelError
        When the storage cannot be opened, or another process works on this study.
    """

    def __init__(self, space: Space, workload: Path, storage: str | None, name: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.space = space
        self.workload = workload
        identity = f"{space.identity[:8]}-{workload.stem.removeprefix('workload-')[:8]}"
        try:
            self.study = optuna.create_study(
                storage=_storage(storage),
                study_name=f"{name} on {space.chip} {identity}",
                directions=[_DIRECTION[direction] for _, direction in space.objectives],
                load_if_exists=True,
            )
        except Exception as error:  # every storage has exceptions of its own
            first = str(error).splitlines()[0]
            raise ModelError(f"cannot open the study in {storage}: {first}") from None
        self._claim()
        # Another seed after an interruption, or the sampler would propose the same again.
        begun = len(self.study.get_trials(deepcopy=False))
        self.study.sampler = _sampler(space, space.seed + begun)
        self._grid: Iterator[dict[str, Any]] = iter(())
        if space.sampler == "grid":
            self._grid = space.grid()
        with warnings.catch_warnings():
            # Experimental in name for years; the dashboard shows what it is told here.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self.study.set_metric_names([text for text, _ in space.objectives])
        #: Known values by the parameters they belong to.
        self._known: dict[str, FrozenTrial] = {
            _key(t.params): t for t in self.finished() if "same_as" not in t.user_attrs
        }

    def _claim(self) -> None:
        """See that no living process works on this study, and say that this one does."""
        host, own = platform.node(), os.getpid()
        owner = self.study.user_attrs.get("owner")
        if owner and owner[0] == host and owner[1] != own and _started(owner[1]) == owner[2]:
            raise ModelError(f"another exploration of this study is running (pid {owner[1]})")
        self.study.set_user_attr("owner", [host, own, _started(own)])

    def release(self) -> None:
        """Let others work on the study."""
        self.study.set_user_attr("owner", None)

    def finished(self) -> list[FrozenTrial]:
        """Trials that have an outcome, by number."""
        return self.study.get_trials(deepcopy=False, states=_FINISHED)

    def evaluated(self) -> list[FrozenTrial]:
        """Finished trials, each candidate once."""
        return [t for t in self.finished() if "same_as" not in t.user_attrs]

    def run(self, workers: Workers, trials: int, progress: Progress | None = None) -> None:
        """Evaluate candidates until so many different ones are done, or there are no others."""
        under_way: dict[Future[Outcome], tuple[Trial, Job, int]] = {}
        waiting = [Trial(self.study, t._trial_id) for t in self._abandoned()]
        repeated = 0
        try:
            while True:
                done = len(self._known)
                if progress is not None:
                    progress(min(done, trials), trials)
                wanted = min(trials, self.space.size)
                while len(under_way) < workers.count and done + len(under_way) < wanted:
                    if repeated > _EXHAUSTED:
                        break
                    trial = waiting.pop(0) if waiting else self._ask(under_way)
                    if trial is None:
                        break
                    if self._repeats(trial, under_way):
                        repeated += 1
                        continue
                    repeated = 0
                    job = self._job(trial)
                    under_way[workers.submit(job)] = (trial, job, 1)
                if not under_way:
                    return
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    trial, job, attempt = under_way.pop(future)
                    error = future.exception()
                    if error is None:
                        self._tell(trial, future.result())
                    elif workers.lost(error) and attempt < ATTEMPTS:
                        under_way[workers.submit(job)] = (trial, job, attempt + 1)
                    elif workers.lost(error):
                        lost = f"its worker was lost {attempt} times (out of memory?)"
                        self._tell(trial, Outcome(error=lost))
                    else:
                        raise error
        finally:
            for future in under_way:
                future.cancel()

    def confirm(self, workers: Workers) -> int:
        """Compute the front in a closed loop where it was only replayed; returns how many.

        Whoever is worse than the replay promised makes room for others, which are then computed
        too, until all of the front are.
        """
        computed = 0
        while True:
            doubtful = [
                t
                for t in self.front()
                if t.user_attrs["fidelity"] == OPEN_REPLAY and self.confirmed(t) is None
            ]
            if not doubtful:
                return computed
            under_way: dict[Future[Outcome], tuple[FrozenTrial, Job, int]] = {}
            for trial in doubtful:
                job = self._job(trial, fidelity="closed")
                under_way[workers.submit(job)] = (trial, job, 1)
            while under_way:
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    trial, job, attempt = under_way.pop(future)
                    lost = future.exception()
                    if lost is not None and workers.lost(lost) and attempt < ATTEMPTS:
                        under_way[workers.submit(job)] = (trial, job, attempt + 1)
                        continue
                    if lost is not None and not workers.lost(lost):
                        raise lost
                    metrics = {} if lost is not None else future.result().metrics
                    self.study.set_user_attr(f"confirmed {trial.number}", metrics)
                    computed += 1

    def _ask(self, under_way: Mapping[Any, tuple[Trial, Job, int]]) -> Trial | None:
        """A new candidate; None when a grid is used up."""
        queued = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if self.space.sampler == "grid" and not queued:
            taken = {*self._known, *(_key(t.params) for t, _, _ in under_way.values())}
            point = next((p for p in self._grid if _key(p) not in taken), None)
            if point is None:
                return None
            self.study.enqueue_trial(point)
        trial = self.study.ask()
        self.space.suggest(trial)
        trial.set_user_attr("asked", True)
        return trial

    def _discard(self, trial: Trial, same_as: int = -1) -> None:
        """Close a trial that stands for no candidate of its own."""
        trial.set_user_attr("same_as", same_as)
        self.study.tell(trial, state=TrialState.FAIL)

    def _abandoned(self) -> list[FrozenTrial]:
        """Candidates that nobody evaluates any more."""
        stale = []
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if "asked" in trial.user_attrs:
                stale.append(trial)
            else:  # it died while its parameters were being drawn
                self._discard(Trial(self.study, trial._trial_id))
        return stale

    def _repeats(self, trial: Trial, under_way: Mapping[Any, tuple[Trial, Job, int]]) -> bool:
        """Whether a candidate is known or under way already; tells what is known of it."""
        key = _key(trial.params)
        twin = self._known.get(key)
        if twin is None:
            pending = [t for t, _, _ in under_way.values() if _key(t.params) == key]
            if not pending:
                return False
            self._discard(trial, pending[0].number)
            return True
        trial.set_user_attr("same_as", twin.number)
        for name in ("violations", "fidelity", "metrics"):
            if name in twin.user_attrs:
                trial.set_user_attr(name, twin.user_attrs[name])
        self._bound(trial, twin.user_attrs.get("violations", ()))
        self.study.tell(trial, twin.values, twin.state)
        return True

    def _job(self, trial: Trial | FrozenTrial, fidelity: str | None = None) -> Job:
        space = self.space
        earlier: list[Any] = []
        if space.short:
            earlier = [t.user_attrs["short"] for t in self.finished() if t.user_attrs.get("short")]
        return Job(
            workload=str(self.workload),
            chip=space.chip,
            options=space.options(trial.params),
            fidelity=fidelity or space.fidelity,
            short=space.short,
            objectives=space.objectives,
            constraints=tuple(c.text for c in space.constraints),
            metrics=space.metrics,
            earlier=tuple(tuple(short) for short in earlier),
        )

    def _tell(self, trial: Trial, outcome: Outcome) -> None:
        """Write an outcome down: attributes first, so that what is finished is complete."""
        values: list[float] | None = None
        state = TrialState.COMPLETE
        if not outcome.error:
            try:
                values = self.space.values(outcome.metrics)
                violations = [c.violation(outcome.metrics) for c in self.space.constraints]
                if violations:
                    trial.set_user_attr("violations", violations)
                self._bound(trial, violations)
            except ModelError as error:
                outcome.error = outcome.error or ("" if outcome.given_up else str(error))
        if outcome.error:
            state, values = TrialState.FAIL, None
            trial.set_user_attr("error", outcome.error)
        elif outcome.given_up:
            state, values = TrialState.PRUNED, None
        trial.set_user_attr("metrics", outcome.metrics)
        trial.set_user_attr("fidelity", outcome.fidelity)
        trial.set_user_attr("host_s", round(outcome.host_s, 3))
        if outcome.short:
            trial.set_user_attr("short", list(outcome.short))
        frozen = self.study.tell(trial, values, state)
        self._known[_key(frozen.params)] = frozen

    def _bound(self, trial: Trial, violations: Sequence[float]) -> None:
        """Tell the sampler how far the constraints are from being met."""
        for constraint, violation in zip(self.space.constraints, violations, strict=False):
            trial.set_constraint(constraint.text, violation)

    def front(self) -> list[FrozenTrial]:
        """Feasible trials that no other feasible one beats, by number."""
        signs = [1 if direction == "minimise" else -1 for _, direction in self.space.objectives]
        feasible = [t for t in self.evaluated() if self.feasible(t)]
        values = np.array([self.values(t) for t in feasible]).reshape(-1, len(signs)) * signs
        # Of equals the first one stands for all.
        _, first = np.unique(values, axis=0, return_index=True)
        front = []
        for index in sorted(first):
            no_worse = np.all(values <= values[index], axis=1)
            if not np.any(no_worse & np.any(values < values[index], axis=1)):
                front.append(feasible[index])
        return front

    def feasible(self, trial: FrozenTrial) -> bool:
        """Whether a trial runs and meets all constraints, in a closed loop where there was one."""
        if trial.state is not TrialState.COMPLETE:
            return False
        metrics = self.confirmed(trial)
        if metrics is None:
            return all(v <= 0 for v in trial.user_attrs.get("violations", ()))
        try:
            self.space.values(metrics)
            return all(c.violation(metrics) <= 0 for c in self.space.constraints)
        except ModelError:
            return False

    def confirmed(self, trial: FrozenTrial) -> Mapping[str, float] | None:
        """Metrics of a replayed trial that was computed in a closed loop afterwards."""
        return self.study.user_attrs.get(f"confirmed {trial.number}")

    def values(self, trial: FrozenTrial) -> list[float]:
        """Objectives of a trial, from a closed loop where there was one."""
        metrics = self.confirmed(trial)
        try:
            return self.space.values(metrics) if metrics else list(trial.values)
        except ModelError:  # an objective that the closed loop leaves without a value
            return list(trial.values)

    def how(self, trial: FrozenTrial) -> str:
        """How the spikes of a trial came about."""
        fidelity = trial.user_attrs.get("fidelity", "")
        return fidelity if self.confirmed(trial) is None else f"{fidelity}, then {CLOSED}"


def _key(parameters: Mapping[str, Any]) -> str:
    return json.dumps(parameters, sort_keys=True)


def _storage(url: str | None) -> Any:
    """What Optuna takes for a storage; a journal is no URL to it."""
    if url is None:
        return None
    if url.startswith("journal:///"):
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        # As with sqlite:///, a path follows that is absolute where it begins with another slash.
        return JournalStorage(JournalFileBackend(url.removeprefix("journal:///")))
    if not url.startswith("sqlite:///"):
        return url
    from sqlalchemy import event

    storage = optuna.storages.RDBStorage(url)

    @event.listens_for(storage.engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        # Safe against any death of a process, and trials are told in half the time; a power cut
        # may take the last trials, which are then evaluated again.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    storage.engine.dispose()  # connections made before
    return storage


def _started(pid: int) -> str | None:
    """When a process started, in the system's own count; None where it is not there.

    Numbers of processes are used again, the pair of both is not.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        return ""  # no such table on this system


def _sampler(space: Space, seed: int) -> optuna.samplers.BaseSampler:
    kind = "tpe" if space.sampler == "auto" else space.sampler
    population = min(50, max(8, space.trials // 8))
    if kind in ("grid", "random"):  # the points of a grid are enqueued one by one
        return optuna.samplers.RandomSampler(seed=seed)
    if kind == "tpe":
        # A front has to be covered before it can be improved: with several objectives a quarter of
        # the budget is random (docs/exploration.md has the measurement).
        random = 10 if len(space.objectives) == 1 else max(10, space.trials // 4)
        return optuna.samplers.TPESampler(
            seed=seed, multivariate=True, constant_liar=True, n_startup_trials=random
        )
    of = optuna.samplers.NSGAIISampler if kind == "nsga2" else optuna.samplers.NSGAIIISampler
    with warnings.catch_warnings():
        # NSGA-III has been called experimental for years.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return of(seed=seed, population_size=population)
