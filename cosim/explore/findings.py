"""What a study found: the front, what each objective depends on, and files to go on with.

In: an :class:`~cosim.explore.search.Exploration`. Out: plain rows, a CSV or Parquet table of all
trials, and TOML files of the best hardware that ``cosim compare --on`` takes.
"""

from __future__ import annotations

import csv
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import spearmanr

from cosim.compare.quantities import number
from cosim.explore.search import Exploration
from hwmodels.errors import ModelError


@dataclass(frozen=True)
class Influence:
    """How much of the variation of one objective a parameter explains.

    Attributes
    ----------
    objective, parameter : str
    share : float
        Of the variance, over the whole space (functional ANOVA on a random forest, Hutter et al.
        2014, as Optuna has it); all parameters together have 1.
    trend : float or None
        Spearman rank correlation of parameter and objective: +1 where more of it means more of the
        objective; None for choices without an order.
    """

    objective: str
    parameter: str
    share: float
    trend: float | None


def influences(exploration: Exploration) -> list[Influence]:
    """Influence of every parameter on every objective, the strongest first in each.

    Empty where fewer than four candidates are complete or only one parameter varies.
    """
    study = exploration.study
    complete = [t for t in exploration.evaluated() if t.state is TrialState.COMPLETE]
    varied = [
        name
        for name in dict.fromkeys(name for t in complete for name in t.params)
        if len({t.params[name] for t in complete}) > 1
    ]
    if len(complete) < 4 or not varied:
        return []
    found = []
    for index, (objective, _) in enumerate(exploration.space.objectives):
        values = [t.values[index] for t in complete]
        if len(set(values)) == 1:
            continue
        shares = optuna.importance.get_param_importances(
            study,
            evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0),
            params=varied,
            target=lambda t, k=index: t.values[k],  # type: ignore[misc]
        )
        for parameter, share in shares.items():
            given = [t.params[parameter] for t in complete]
            ordered = all(isinstance(v, (int, float)) for v in given)
            trend = float(spearmanr(given, values).statistic) if ordered else None
            found.append(Influence(objective, parameter, float(share), trend))
    return found


def explanation(exploration: Exploration, found: Sequence[Influence]) -> list[str]:
    """For each objective, the parameter that binds it, in a sentence."""
    sentences = []
    for objective, direction in exploration.space.objectives:
        own = [i for i in found if i.objective == objective]
        if not own:
            sentences.append(f"{objective}: the same for all candidates so far.")
            continue
        first = own[0]
        text = f"{objective} is bound by {first.parameter}: {first.share:.0%} of its variation"
        if first.trend is not None and abs(first.trend) >= 0.2:
            wish = (first.trend > 0) == (direction == "maximise")
            text += f"; {'more' if wish else 'less'} of it is better"
        others = [f"{i.parameter} {i.share:.0%}" for i in own[1:3] if i.share >= 0.05]
        sentences.append(text + (f" (then {', '.join(others)})." if others else "."))
    return sentences


def best(exploration: Exploration, front: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The one of the front that is nearest to the best of each objective, in units of its span."""
    if not front:
        return None
    signs = [1 if d == "minimise" else -1 for _, d in exploration.space.objectives]
    values = np.array([exploration.values(t) for t in front]) * signs
    span = np.ptp(values, axis=0)
    distance = (values - values.min(axis=0)) / np.where(span > 0, span, 1)
    return front[int(np.argmin(np.linalg.norm(distance, axis=1)))]


def save_hardware(exploration: Exploration, trial: FrozenTrial, path: Path) -> None:
    """Write a candidate as a TOML file that ``cosim compare --on`` takes."""
    space = exploration.space
    engine = space.engine(trial.params)
    fields = {f.name for f in engine.chip.spec_type.quantities()} | {"spec"}
    options = {k: v for k, v in space.options(trial.params).items() if k not in fields}
    text = engine.chip.spec.to_toml(chip=space.chip, options=options)
    path.write_text(text, encoding="utf-8")


def command(exploration: Exploration, trial: FrozenTrial, workload: Sequence[str]) -> str:
    """The command that repeats a trial."""
    options = exploration.space.options(trial.params)
    engine = ":".join([exploration.space.chip, *(f"{k}={v}" for k, v in options.items())])
    return comparing(workload, engine)


def comparing(workload: Sequence[str], engine: str) -> str:
    """The command that compares a workload, given as typed, on some engine."""
    target, *arguments = workload
    return shlex.join(["cosim", "compare", target, "--on", engine, *arguments])


def shown(value: Any) -> str:
    """A value for people: whole numbers in full, others in three digits, words as they are."""
    if isinstance(value, float) and not value.is_integer():
        return number(value)
    return f"{value:,.0f}" if isinstance(value, float) and abs(value) < 1e6 else str(value)


def table(exploration: Exploration, workload: Sequence[str]) -> list[dict[str, Any]]:
    """All candidates as rows: number, state, how computed, parameters, objectives, command."""
    front = {t.number for t in exploration.front()}
    rows = []
    for trial in exploration.evaluated():
        none = [None] * len(exploration.space.objectives)
        values = exploration.values(trial) if trial.values else none
        violations = trial.user_attrs.get("violations", [])
        rows.append(
            {
                "trial": trial.number,
                "state": _state(exploration, trial),
                "front": trial.number in front,
                "computed": exploration.how(trial),
                **{f"parameter.{k}": v for k, v in trial.params.items()},
                **{
                    f"objective.{text}": value
                    for (text, _), value in zip(exploration.space.objectives, values, strict=True)
                },
                **{
                    f"violation.{constraint.text}": violation
                    for constraint, violation in zip(
                        exploration.space.constraints, violations, strict=False
                    )
                },
                "host_s": trial.user_attrs.get("host_s"),
                "error": trial.user_attrs.get("error", ""),
                "command": command(exploration, trial, workload),
            }
        )
    return rows


def _state(exploration: Exploration, trial: FrozenTrial) -> str:
    if trial.state is TrialState.PRUNED:
        return "given up"
    if trial.state is TrialState.FAIL:
        return "does not run"
    return "feasible" if exploration.feasible(trial) else "infeasible"


def save_table(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write rows as CSV, or as Parquet where the file is called so.

    Raises
    ------
    ModelError
        When Parquet is asked for and PyArrow is not installed.
    """
    if path.suffix != ".parquet":
        with path.open("w", newline="", encoding="utf-8") as file:
            names = dict.fromkeys(name for row in rows for name in row)
            writer = csv.DictWriter(file, fieldnames=list(names) or ["trial"])
            writer.writeheader()
            writer.writerows(rows)
        return
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ModelError("Parquet needs PyArrow: pip install 'cosim[explore]'") from None
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
