"""``cosim explore``: hardware that serves a workload better; and the ready spaces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cosim.cli.parameters import AsJson, Request, on_request
from cosim.cli.terminal import (
    check_writable,
    console,
    note,
    print_titles,
    progress_bar,
    set_up_logging,
)
from cosim.cli.workloads import load
from hwmodels.errors import ModelError

spaces_app = typer.Typer(help="Ready spaces for cosim explore.")


@on_request
def explore(
    request: Request,
    space: Annotated[
        str,
        typer.Option(help="What may vary and what counts: a TOML file or a ready space (loihi)."),
    ],
    trials: Annotated[int | None, typer.Option(help="Candidates in all.")] = None,
    sampler: Annotated[
        str | None, typer.Option(help="auto, grid, random, tpe, nsga2 or nsga3.")
    ] = None,
    fidelity: Annotated[
        str | None, typer.Option(help="auto, closed (loop) or replay (of recorded spikes).")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; default: processors.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Dask scheduler to use instead.")] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="Optuna storage, or journal:///FILE (default: SQLite in the folder)."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the study and its report.")] = Path(
        "cosim-explore"
    ),
    explain: Annotated[bool, typer.Option(help="Say what each objective depends on.")] = False,
    metrics: Annotated[
        bool, typer.Option(help="Print the metrics that a space may name, and stop.")
    ] = False,
) -> None:
    """Search for hardware that serves a workload better; resumes where it was interrupted."""
    from cosim.explore.command import explore as run_exploration
    from cosim.explore.command import read_space, usable_metrics

    set_up_logging(request.verbose)
    if workers is not None and workers < 1:
        raise ModelError(f"--workers must be >= 1, got {workers}")
    check_writable(out / "report.html" if out.exists() else out)
    read = read_space(space, trials=trials, sampler=sampler, fidelity=fidelity)
    if metrics:  # standard output is for them alone
        request = replace(request, as_json=True)
    workload = load(request, "brian2")
    if metrics:
        print("\n".join(usable_metrics(read, workload)))
        return
    options = {name: getattr(request, name) for name in ("seed", "duration", "experiment")}
    words = [f"--{name}={value}" for name, value in options.items() if value is not None]
    script = ["--", *request.arguments] if request.arguments else []
    interrupted = run_exploration(
        workload, [request.target, *words, *script], read, space, out,
        lambda label, total: progress_bar(label, total, unit="candidates"), console(),
        workers=workers, cluster=cluster, storage=storage, explain=explain, as_json=request.as_json,
    )  # fmt: skip
    if interrupted:
        note("interrupted; the same command goes on from here")
        raise typer.Exit(130)


@spaces_app.command("list")
def spaces_list(as_json: AsJson = False) -> None:
    """All ready spaces."""
    from cosim.explore import ready

    titles = {name: ready.title(name) for name in ready.names()}
    print_titles(titles, "what it varies", as_json)


@spaces_app.command("show")
def spaces_show(name: Annotated[str, typer.Argument(help="A ready space.")]) -> None:
    """A ready space as a TOML file to copy and edit."""
    from cosim.explore import ready

    print(ready.path(name).read_text(encoding="utf-8"), end="")
