"""A study as one HTML page that needs nothing else, in the style of the comparison report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from cosim.compare import drawing
from cosim.compare.report import environment
from cosim.explore.findings import Influence, shown
from cosim.explore.search import Exploration

#: Pairs of objectives that are drawn, and errors that are listed.
_PAIRS, _ERRORS = 3, 8
#: Of objectives, one after another.
_COLOURS = (drawing.REFERENCE, drawing.CANDIDATE, drawing.FILL, "#CC79A7", drawing.BOTH)


def save_study(
    path: Path,
    exploration: Exploration,
    rows: Sequence[dict[str, Any]],
    front: Sequence[FrozenTrial],
    best: FrozenTrial | None,
    sentences: Sequence[str],
    influences: Sequence[Influence],
    title: str,
) -> None:
    """Write the report of a study."""
    space = exploration.space
    names = [d.name for d in space.dimensions if d.kind != "expression"]
    by_number = {row["trial"]: row for row in rows}
    states = Counter(row["state"] for row in rows)
    refused = Counter(row["error"] for row in rows if row["error"])
    with drawing.style("study"):
        pictures = [
            *(
                _scatter(exploration, front, a, b)
                for a, b in list(combinations(range(len(space.objectives)), 2))[:_PAIRS]
            ),
            _progress(exploration),
        ]
        if influences:
            pictures.append(_influence(influences, [text for text, _ in space.objectives]))
    page = environment().get_template("study.html.j2")
    text = page.render(
        title=title,
        summary=", ".join(f"{n} {state}" for state, n in states.items()),
        verdict=f"{len(front)} candidates that no other one beats"
        if front
        else "No candidate meets all constraints",
        sentences=sentences,
        pictures=pictures,
        objectives=[(_breakable(text), direction) for text, direction in space.objectives],
        parameters=[_breakable(name) for name in names],
        best=best.number if best else None,
        front=[
            {
                "trial": t.number,
                "cells": [
                    shown(v) for v in (*exploration.values(t), *(t.params[n] for n in names))
                ],
                "computed": exploration.how(t),
            }
            for t in front
        ],
        commands=[(f"trial {t.number}", by_number[t.number]["command"]) for t in front],
        searched=_searched(exploration),
        refused=[(f"{n} times", error) for error, n in refused.most_common(_ERRORS)],
    )
    path.write_text(text, encoding="utf-8")


def _breakable(name: str) -> str:
    """A name that a heading may break where its words end."""
    return name.replace("_", "_\u200b")


def _searched(exploration: Exploration) -> list[tuple[str, str]]:
    space = exploration.space
    rows = [("chip", space.chip)]
    rows += [(f"fixed: {k}", str(v)) for k, v in space.fixed.items()]
    for d in space.dimensions:
        if d.kind == "expression":
            rows.append((d.name, f"= {d.content.text}"))
        elif d.kind == "choice":
            rows.append((d.name, "one of " + ", ".join(map(str, d.content))))
        else:
            low, high = d.content
            rows.append((d.name, f"{low} to {high}" + (", logarithmic" if d.log else "")))
    rows += [(name, f"= {text}") for name, text in space.metrics]
    rows += [(direction, text) for text, direction in space.objectives]
    rows += [("subject to", c.text) for c in space.constraints]
    rows.append(("sampler", f"{space.sampler}, seed {space.seed}"))
    if space.short:
        rows.append(("short runs", f"{space.short:.0%} of the duration first"))
    return rows


def _complete(exploration: Exploration) -> list[FrozenTrial]:
    return [t for t in exploration.evaluated() if t.state is TrialState.COMPLETE]


def _feasible(exploration: Exploration) -> list[FrozenTrial]:
    return [t for t in exploration.evaluated() if exploration.feasible(t)]


def _scatter(
    exploration: Exploration, front: Sequence[FrozenTrial], a: int, b: int
) -> drawing.Picture:
    """All candidates in the plane of two objectives."""
    objectives = exploration.space.objectives
    figure, axes = drawing.new_figure(wide=False, height=3.4)
    complete = _complete(exploration)
    values = {t.number: exploration.values(t) for t in complete}
    feasible = _feasible(exploration)
    broken = [t for t in complete if not exploration.feasible(t)]
    for trials, style in (
        (broken, {"marker": "x", "color": drawing.BOTH, "label": "breaks a constraint"}),
        (feasible, {"marker": "o", "color": drawing.REFERENCE, "label": "feasible"}),
        (front, {"marker": "D", "color": drawing.CANDIDATE, "label": "front"}),
    ):
        if trials:
            axes.scatter([values[t.number][a] for t in trials],
                         [values[t.number][b] for t in trials],
                         s=18, linewidths=0.8, **style)  # fmt: skip
    for axis, index in ((axes.xaxis, a), (axes.yaxis, b)):
        along = [value[index] for value in values.values()]
        if along and min(along) > 0 and max(along) > 30 * min(along):
            axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    labels = [f"{text} ({direction})" for text, direction in objectives]
    axes.set(xlabel=labels[a], ylabel=labels[b])
    if complete:
        axes.legend()
    return drawing.finish(
        figure, f"{objectives[b][0]} against {objectives[a][0]}",
        "Each mark is a candidate; those of the front are beaten by none in all objectives.",
    )  # fmt: skip


def _progress(exploration: Exploration) -> drawing.Picture:
    """The best of each objective as the search went on, relative to its first value."""
    figure, axes = drawing.new_figure(wide=False, height=3.4)
    feasible = _feasible(exploration)
    for index, (text, direction) in enumerate(exploration.space.objectives):
        better = min if direction == "minimise" else max
        course: list[float] = []
        for trial in feasible:
            value = exploration.values(trial)[index]
            course.append(better(course[-1], value) if course else value)
        if course and course[0]:
            axes.step([t.number for t in feasible], [value / course[0] for value in course],
                      where="post", label=text, color=_COLOURS[index % 5])  # fmt: skip
            axes.legend()
    axes.set(xlabel="trial", ylabel="best so far / first")
    return drawing.finish(
        figure, "How the search went", "The best feasible value of each objective so far."
    )


def _influence(influences: Sequence[Influence], objectives: Sequence[str]) -> drawing.Picture:
    """Share of each parameter in the variation of each objective."""
    names = list(dict.fromkeys(i.parameter for i in influences))
    figure, axes = drawing.new_figure(wide=False, height=max(2.2, 0.32 * len(names) + 1.4))
    left = [0.0] * len(names)
    height = 0.8 / len(objectives)
    for k, objective in enumerate(objectives):
        shares = {i.parameter: i.share for i in influences if i.objective == objective}
        at = [n + (k - (len(objectives) - 1) / 2) * height for n in range(len(names))]
        axes.barh(at, [shares.get(name, 0.0) for name in names], height, left, label=objective,
                  color=_COLOURS[k % 5])  # fmt: skip
    axes.set(yticks=range(len(names)), yticklabels=names, xlabel="share of variance", xlim=(0, 1))
    axes.invert_yaxis()
    axes.legend()
    return drawing.finish(
        figure, "What each objective depends on",
        "Functional ANOVA on a random forest over all complete candidates.",
    )  # fmt: skip
