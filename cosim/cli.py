"""The ``cosim`` command: run and compare PyNN scripts, look at hardware and scenarios.

What a person reads goes to the terminal, what a program reads goes to standard output with
``--json``. A mistake of the user is one line on standard error and exit code 2.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

import cosim
from hwmodels.errors import ModelError

app = typer.Typer(
    name="cosim",
    help="Spiking networks written in PyNN, in software and on models of neuromorphic hardware.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
hardware_app = typer.Typer(help="The chips that can be compared, and their numbers.")
scenarios_app = typer.Typer(help="Ready experiments.")
spaces_app = typer.Typer(help="Ready spaces for cosim explore.")
app.add_typer(hardware_app, name="hardware", no_args_is_help=True)
app.add_typer(scenarios_app, name="scenarios", no_args_is_help=True)
app.add_typer(spaces_app, name="spaces", no_args_is_help=True)

Target = Annotated[
    str, typer.Argument(help="A PyNN script, a scenario's name, or a saved Network (.npz).")
]
ScriptArguments = Annotated[
    list[str] | None,
    typer.Argument(metavar="-- ARGS", help="What follows -- goes to the script."),
]
Seed = Annotated[
    int | None, typer.Option(help="Seed of all draws that the script does not seed itself.")
]
Duration = Annotated[float | None, typer.Option(help="How long to run a saved Network, in ms.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]
Fidelity = Annotated[
    str | None,
    typer.Option(help="Of every chip that is not given its own: compiled, reference, analytic."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more; tracebacks on errors.")]
ExperimentNumber = Annotated[
    int | None,
    typer.Option(help="Which one, for a script that runs several (default: the last)."),
]


@app.command()
def run(
    target: Target,
    arguments: ScriptArguments = None,
    on: Annotated[
        str, typer.Option(help="Engine: brian2 or a chip, with :option=value.")
    ] = "brian2",
    out: Annotated[Path | None, typer.Option(help="Write the Result to this file (.npz).")] = None,
    network: Annotated[
        Path | None, typer.Option(help="Write the lowered Network to this file (.npz).")
    ] = None,
    seed: Seed = None,
    duration: Duration = None,
    experiment: ExperimentNumber = None,
    fidelity: Fidelity = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Run a script on one engine and say what happened."""
    from cosim.workload import InterruptedRun

    _set_up_logging(verbose)
    _check_writable(out, network)
    try:
        engine = _with_fidelity(on, fidelity)
        workload = _load(target, arguments, engine, seed, duration, experiment, as_json)
    except InterruptedRun as interruption:
        kept = out or Path("cosim-interrupted.npz")
        interruption.result.save(kept)
        _note(f"interrupted at {interruption.result.duration_ms:g} ms; kept in {kept}")
        raise
    if network is not None:
        workload.experiment.network.save(network)
    if out is not None:
        workload.result.save(out)
    if as_json:
        print(json.dumps(_summary(workload), indent=2))
    else:
        _print_run(workload)


@app.command()
def compare(
    target: Target,
    arguments: ScriptArguments = None,
    on: Annotated[
        list[str] | None,
        typer.Option(
            help="What to compare with; commas or repeated. Options follow after colons: "
            "loihi:spec=davies2018:effects=none"
        ),
    ] = None,
    reference: Annotated[str, typer.Option(help="What to compare against.")] = "brian2",
    attribute: Annotated[
        bool, typer.Option(help="Also run each effect of the hardware alone.")
    ] = False,
    open_loop: Annotated[
        bool, typer.Option(help="Replay the reference's spikes through the hardware's fabric.")
    ] = False,
    chips: Annotated[
        int,
        typer.Option(min=1, help="So many chips of each kind, where devices differ: the spread."),
    ] = 1,
    out: Annotated[Path, typer.Option(help="The report, one HTML file.")] = Path(
        "cosim-report.html"
    ),
    seed: Seed = None,
    duration: Duration = None,
    experiment: ExperimentNumber = None,
    fidelity: Fidelity = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Run a script in software and on hardware, and report how they differ."""
    from cosim.compare import print_comparison, save_html
    from cosim.engines import get_engine
    from cosim.study import study

    _set_up_logging(verbose)
    _check_writable(out)
    candidates = [_with_fidelity(text, fidelity) for text in _engine_texts(on or ["loihi"])]
    engines = [get_engine(text) for text in candidates]  # a wrong name fails before anything runs
    against = _with_fidelity(reference, fidelity)
    workload = _load(target, arguments, against, seed, duration, experiment, as_json)
    outcome = study(
        workload,
        zip(candidates, engines, strict=True),
        _progress,
        attribute=attribute,
        open_loop=open_loop,
        chips=chips,
        provenance={
            "workload": " ".join([workload.name, *(arguments or [])]),
            "seed": "as in the script" if seed is None else str(seed),
        },
    )
    if as_json:
        print(json.dumps(outcome.to_dict(), indent=2))
    else:
        print_comparison(outcome.comparisons, outcome.attributions, _terminal(), outcome.spreads)
    if outcome.comparisons:
        title = f"{workload.name}: software against hardware"
        save_html(out, outcome.comparisons, outcome.attributions, title, outcome.spreads)
        _note(f"report: {out}")
    elif outcome.interrupted:
        kept = out.with_suffix(".reference.npz")
        workload.result.save(kept)
        _note(f"interrupted; the result of {reference} is kept in {kept}")
    for name, error in outcome.failures.items():
        _note(f"cosim: error: {name}: {error}")
    if outcome.interrupted:
        raise typer.Exit(130)
    if outcome.failures:
        raise typer.Exit(2)


@app.command()
def explore(
    target: Target,
    space: Annotated[
        str,
        typer.Option(help="What may vary and what counts: a TOML file or a ready space (loihi)."),
    ],
    arguments: ScriptArguments = None,
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
    seed: Seed = None,
    duration: Duration = None,
    experiment: ExperimentNumber = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Search for hardware that serves a workload better; resumes where it was interrupted."""
    from cosim.explore.command import explore as run_exploration
    from cosim.explore.command import read_space, usable_metrics

    _set_up_logging(verbose)
    if workers is not None and workers < 1:
        raise ModelError(f"--workers must be >= 1, got {workers}")
    _check_writable(out / "report.html" if out.exists() else out)
    read = read_space(space, trials=trials, sampler=sampler, fidelity=fidelity)
    workload = _load(target, arguments, "brian2", seed, duration, experiment, as_json or metrics)
    if metrics:
        print("\n".join(usable_metrics(read, workload)))
        return
    options = [("--seed", seed), ("--duration", duration), ("--experiment", experiment)]
    words = [target, *(f"{name}={value}" for name, value in options if value is not None)]
    interrupted = run_exploration(
        workload, [*words, *(["--", *arguments] if arguments else [])], read, space, out,
        lambda label, total: _progress(label, total, unit="candidates"), _terminal(),
        workers=workers, cluster=cluster, storage=storage, explain=explain, as_json=as_json,
    )  # fmt: skip
    if interrupted:
        _note("interrupted; the same command goes on from here")
        raise typer.Exit(130)


@hardware_app.command("list")
def hardware_list(as_json: AsJson = False) -> None:
    """All chips with their parameter sets and effects."""
    from hwmodels.chips import chip_class, chip_names

    rows: list[dict[str, Any]] = []
    for name in chip_names():
        chip = chip_class(name)
        rows.append(
            {
                "name": name,
                "title": (chip.__doc__ or "").strip().splitlines()[0],
                "specs": list(chip.presets()),
                "effects": list(chip.all_effects),
            }
        )
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table("name", "what it is", "specs", "effects", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row["name"], row["title"], "\n".join(row["specs"]), "\n".join(row["effects"]))
    _terminal().print(table)


@hardware_app.command("show")
def hardware_show(
    name: Annotated[str, typer.Argument(help="A chip.")],
    spec: Annotated[str | None, typer.Option(help="A parameter set, or a TOML file.")] = None,
    toml: Annotated[bool, typer.Option(help="As a TOML file to copy and edit.")] = False,
    as_json: AsJson = False,
) -> None:
    """The numbers of a chip, each with its unit and source."""
    from hwmodels.chips import chip_class
    from hwmodels.spec import EVIDENCE

    chip = chip_class(name)
    specification = chip.load_spec(spec)
    if toml:
        print(specification.to_toml(name), end="")
        return
    rows = specification.table()
    if as_json:
        print(json.dumps([row._asdict() for row in rows], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    # Names are what a user types, so they are never cut.
    table.add_column("field", no_wrap=True, min_width=max(len(row.field) for row in rows))
    for heading in ("value", "unit", "source", "ev."):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(row.field, str(row.value), row.unit, row.source, row.evidence)
    terminal = _terminal()
    terminal.print(table)
    used = {row.evidence for row in rows}
    marks = "; ".join(f"{mark} {says}" for mark, says in EVIDENCE.items() if mark in used)
    for line in (specification.note, f"ev.: {marks}."):
        if line:
            terminal.print(f"\n{line}", markup=False, highlight=False)


@scenarios_app.command("list")
def scenarios_list(as_json: AsJson = False) -> None:
    """All scenarios."""
    import scenarios

    titles = {name: scenarios.description(name).splitlines()[0] for name in scenarios.names()}
    if as_json:
        print(json.dumps(titles, indent=2))
        return
    table = Table("name", "what it is", box=None, pad_edge=False)
    for name, title in titles.items():
        table.add_row(name, title)
    _terminal().print(table)


@scenarios_app.command("show")
def scenarios_show(
    name: Annotated[str, typer.Argument(help="A scenario.")],
    source: Annotated[bool, typer.Option(help="Print the script itself.")] = False,
) -> None:
    """What a scenario is, and how to run it."""
    import scenarios

    if name not in scenarios.names():
        raise ModelError(f"no scenario {name!r}; there are {', '.join(scenarios.names())}")
    if source:
        print(scenarios.path(name).read_text(encoding="utf-8"), end="")
        return
    print(scenarios.description(name))
    print(f"\nRun it:  cosim compare {name} --on loihi")
    print(f"Options: cosim run {name} -- --help")


@spaces_app.command("list")
def spaces_list(as_json: AsJson = False) -> None:
    """All ready spaces."""
    from cosim.explore import ready

    titles = {name: ready.title(name) for name in ready.names()}
    if as_json:
        print(json.dumps(titles, indent=2))
        return
    table = Table("name", "what it varies", box=None, pad_edge=False)
    for name, title in titles.items():
        table.add_row(name, title)
    _terminal().print(table)


@spaces_app.command("show")
def spaces_show(name: Annotated[str, typer.Argument(help="A ready space.")]) -> None:
    """A ready space as a TOML file to copy and edit."""
    from cosim.explore import ready

    print(ready.path(name).read_text(encoding="utf-8"), end="")


@app.command()
def version() -> None:
    """Versions of this package and of what it computes with."""
    from importlib.metadata import version as version_of

    print(f"cosim {cosim.__version__}")
    for package in ("pynn", "brian2", "simpy", "networkx", "numpy", "neo"):
        print(f"{package} {version_of(package)}")


def main() -> None:
    """Run the command; the user's mistakes become one line and exit code 2."""
    verbose = bool({"-v", "--verbose"} & set(sys.argv))
    try:
        # Typer hands back the code of an Exit, and raises usage errors for us to say in one line.
        code = app(standalone_mode=False)
    except ModelError as error:
        if verbose:
            traceback.print_exc()
        code = _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        print("cosim: interrupted", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        sys.stderr.close()
        code = 0
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        message = error.format_message()
        if message.lstrip().startswith("Usage:"):  # a command without arguments
            print(message)
            code = 2
        else:
            code = _fail(f"{' '.join(message.split())} (try cosim --help)")
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> int:
    print(f"cosim: error: {message}", file=sys.stderr)
    return 2


def _summary(workload: Any) -> dict[str, Any]:
    """What a run gave, in plain values."""
    from dataclasses import asdict

    from cosim.compare import measure_hardware

    result = workload.result
    hardware = None
    if result.hardware is not None:
        spikes = sum(len(s.cell) for s in result.spikes)
        hardware = asdict(
            measure_hardware(result.hardware, spikes=spikes, duration_ms=result.duration_ms)
        )
    return {
        "engine": result.engine,
        "workload": workload.name,
        "network_hash": result.network_hash,
        "timestep_ms": result.timestep_ms,
        "duration_ms": result.duration_ms,
        "populations": {
            label: {
                "size": size,
                "spikes": len(spikes.cell),
                "rate_hz": _rate(len(spikes.cell), size, result.duration_ms),
            }
            for label, size, spikes in zip(result.labels, result.sizes, result.spikes, strict=True)
        },
        "task": workload.task(result),
        "counts": dict(result.counts),
        "host_s": result.host_seconds,
        "hardware": hardware,
    }


def _rate(spikes: int, size: int, duration_ms: float) -> float:
    return spikes / size / duration_ms * 1e3 if size and duration_ms else 0.0


def _print_run(workload: Any) -> None:
    from cosim.compare import measure_hardware
    from cosim.compare.wording import hardware_rows

    summary, console = _summary(workload), _terminal()
    console.print(
        f"{summary['workload']} on {summary['engine']}: {summary['duration_ms']:g} ms in "
        f"{summary['host_s']:.3g} s"
    )
    table = Table("population", "cells", "spikes", "rate (Hz)", box=None, pad_edge=False)
    for label, row in summary["populations"].items():
        table.add_row(label, str(row["size"]), str(row["spikes"]), f"{row['rate_hz']:.3g}")
    console.print(table)
    named = {**summary["task"], **summary["counts"]}
    rows = [(name, f"{value:.4g}") for name, value in named.items()]
    if workload.result.hardware is not None:
        spikes = sum(row["spikes"] for row in summary["populations"].values())
        rows += hardware_rows(
            measure_hardware(
                workload.result.hardware, spikes=spikes, duration_ms=summary["duration_ms"]
            )
        )
    if rows:
        details = Table(box=None, pad_edge=False, show_header=False)
        for name, value in rows:
            details.add_row(name, value)
        console.print(details)


def _load(
    target: str,
    arguments: list[str] | None,
    engine: str,
    seed: int | None,
    duration: float | None,
    experiment: int | None,
    as_json: bool,
) -> Any:
    """Run what the user named on one engine, with a bar."""
    from cosim.engines import get_engine
    from cosim.workload import load_workload

    chosen = get_engine(engine)
    with _progress(engine) as step, _script_output(as_json):
        workload = load_workload(
            target,
            arguments or [],
            chosen,
            seed=seed,
            duration_ms=duration,
            choose=experiment,
            progress=step,
        )
    network = workload.experiment.network
    logging.getLogger("cosim").info(
        "%s: %d neurons, %d synapses, %g ms at %g ms a step, network %s",
        workload.name,
        network.n_neurons,
        network.n_synapses,
        workload.experiment.duration_ms,
        network.timestep_ms,
        network.content_hash[:12],
    )
    if workload.n_experiments > 1:
        _note(
            f"{workload.name}: the script ran {workload.n_experiments} experiments; "
            "this is one of them (choose with --experiment)"
        )
    return workload


def _engine_texts(on: list[str]) -> list[str]:
    texts = [text.strip() for item in on for text in item.split(",") if text.strip()]
    twice = {text for text in texts if texts.count(text) > 1}
    if twice:
        raise ModelError(f"{', '.join(sorted(twice))} asked for twice")
    return texts


def _with_fidelity(engine: str, fidelity: str | None) -> str:
    """A chip with the fidelity asked for; software has none."""
    if fidelity is None or engine.split(":")[0] == "brian2" or ":fidelity=" in engine:
        return engine
    return f"{engine}:fidelity={fidelity}"


def _terminal() -> Console:
    """Where people read; 80 columns when there is no terminal to ask."""
    return Console(width=None if sys.stdout.isatty() else 80, highlight=False)


def _note(text: str) -> None:
    print(text, file=sys.stderr)


def _check_writable(*paths: Path | None) -> None:
    """A file that cannot be written is noticed before hours of work and not after."""
    for path in paths:
        if path is not None and not path.resolve().parent.is_dir():
            raise ModelError(f"cannot write {path}: there is no folder {path.parent}")
        if path is not None and path.is_dir():
            raise ModelError(f"cannot write {path}: it is a folder")


def _set_up_logging(verbose: bool) -> None:
    logging.basicConfig(format="cosim: %(message)s")
    # Ours only: libraries have much to say at this level.
    for package in ("cosim", "hwmodels"):
        logging.getLogger(package).setLevel(logging.INFO if verbose else logging.WARNING)


@contextlib.contextmanager
def _script_output(to_stderr: bool) -> Iterator[None]:
    """Keep standard output for JSON: what the script prints goes to standard error."""
    with contextlib.redirect_stdout(sys.stderr) if to_stderr else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _progress(label: str, total: int | None = None, unit: str = "steps") -> Iterator[Any]:
    """A bar on the terminal while an engine runs; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=total)
        yield lambda step: progress.update(task, completed=step)


if __name__ == "__main__":
    main()
