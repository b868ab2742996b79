"""The command ``cosim explore``: from a workload and a space file to a study and its report."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from cosim.explore import findings, ready
from cosim.explore.evaluation import metric_names, share
from cosim.explore.report import save_study
from cosim.explore.search import Exploration
from cosim.explore.space import Space
from cosim.explore.terminal import influence_table, print_study
from cosim.explore.workers import DaskWorkers, LocalWorkers, Workers
from cosim.workload import Workload
from hwmodels.errors import ModelError

#: From a label and a total to a context that gives the callback of a bar, or None.
Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None] | None]]


def read_space(name: str, **search: Any) -> Space:
    """A space file or a ready space, with what the command line says about the search instead.

    Raises
    ------
    ModelError
        See :meth:`Space.from_toml`.
    """
    space = Space.from_toml(ready.path(name), name)
    changes = {name: value for name, value in search.items() if value is not None}
    changed = replace(space, **changes)
    changed.check(name)
    return changed


def usable_metrics(space: Space, workload: Workload) -> list[str]:
    """Everything that objectives and constraints of a space may name."""
    return [*metric_names(space.chip, workload), *space.parameters()]


def explore(
    workload: Workload,
    words: Sequence[str],
    space: Space,
    where: str,
    out: Path,
    bar: Bar,
    console: Console,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    storage: str | None = None,
    explain: bool = False,
    as_json: bool = False,
) -> bool:
    """Search, and write what was found; returns whether the search was interrupted.

    Parameters
    ----------
    workload : Workload
    words : sequence of str
        Target and options, as typed, to repeat a trial.
    space : Space
    where : str
        Name of the space, for messages.
    out : Path
        Folder of all files.
    bar : callable
        Shows progress.
    console : Console
    workers : int, optional
        Processes on this machine; one for each processor by default.
    cluster : str, optional
        Address of a Dask scheduler to use instead.
    storage : str, optional
        An Optuna storage; a SQLite file in ``out`` by default.
    explain : bool
        Whether to print what each objective depends on.
    as_json : bool
    """
    space.check_metrics(usable_metrics(space, workload), where)
    out.mkdir(parents=True, exist_ok=True)
    file = share(workload, out)
    url = storage or f"sqlite:///{out / 'study.db'}"
    exploration = Exploration(space, file, url, workload.name)
    interrupted = False
    try:
        pool: Workers
        if cluster:
            pool = DaskWorkers(cluster, file)
        else:
            pool = LocalWorkers(workers or os.cpu_count() or 1)
        try:
            with bar("candidates", space.trials) as step:
                exploration.run(
                    pool, space.trials, None if step is None else lambda done, _: step(done)
                )
            exploration.confirm(pool)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            pool.close()
    finally:
        exploration.release()
    _publish(exploration, workload, words, out, url, console, explain, as_json)
    return interrupted


def _publish(
    exploration: Exploration,
    workload: Workload,
    words: Sequence[str],
    out: Path,
    url: str,
    console: Console,
    explain: bool,
    as_json: bool,
) -> None:
    """Write the files, and say on the terminal what is in them."""
    rows, front = findings.table(exploration, words), exploration.front()
    best = findings.best(exploration, front)
    influences = findings.influences(exploration)
    sentences = findings.explanation(exploration, influences)
    findings.save_table(rows, out / "trials.csv")
    written = ["trials.csv", "report.html"]
    try:
        findings.save_table(rows, out / "trials.parquet")
        written.append("trials.parquet")
    except ModelError as missing:
        if explain:
            console.print(str(missing))
    if best is not None:
        findings.save_hardware(exploration, best, out / "best.toml")
        written.append("best.toml")
    title = f"{workload.name}: hardware explored"
    save_study(out / "report.html", exploration, rows, front, best, sentences, influences, title)
    if as_json:
        content = {"front": [t.number for t in front], "trials": rows,
                   "influences": [vars(i) for i in influences]}  # fmt: skip
        print(json.dumps(content, indent=2))
        return
    print_study(exploration, rows, front, sentences if explain else [], influences, console)
    if explain and influences:
        console.print(influence_table(influences))
    if best is not None:
        console.print(f"\nbest compromise: trial {best.number}; repeat it with")
        console.print(f"  {findings.command(exploration, best, words)}", soft_wrap=True)
        console.print("or, from its file, with")
        console.print(f"  {findings.comparing(words, str(out / 'best.toml'))}", soft_wrap=True)
    console.print(f"\nwritten to {out}: {', '.join(sorted(written))}")
    console.print(f"see all trials: optuna-dashboard {url}", soft_wrap=True)
