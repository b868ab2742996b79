"""What a person sees while a command works: the console, notes, bars, the log."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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

from hwmodels.errors import ModelError


def console() -> Console:
    """Where people read; 80 columns when there is no terminal to ask."""
    # Labels and sources may hold brackets: they are text, not styles.
    return Console(width=None if sys.stdout.isatty() else 80, highlight=False, markup=False)


def print_titles(titles: Mapping[str, str], heading: str, as_json: bool) -> None:
    """A list of what there is: names, and what each is."""
    if as_json:
        print(json.dumps(titles, indent=2))
        return
    table = Table("name", heading, box=None, pad_edge=False)
    for name, title in titles.items():
        table.add_row(name, title)
    console().print(table)


def note(text: str) -> None:
    """Say something beside the output."""
    print(text, file=sys.stderr)


def check_writable(*paths: Path | None) -> None:
    """A file that cannot be written is noticed before hours of work and not after."""
    for path in paths:
        if path is not None and not path.resolve().parent.is_dir():
            raise ModelError(f"cannot write {path}: there is no folder {path.parent}")
        if path is not None and path.is_dir():
            raise ModelError(f"cannot write {path}: it is a folder")


def set_up_logging(verbose: bool) -> None:
    """Warnings, and with ``--verbose`` what happens, on standard error."""
    logging.basicConfig(format="cosim: %(message)s")
    # Ours only: libraries have much to say at this level.
    for package in ("cosim", "hwmodels"):
        logging.getLogger(package).setLevel(logging.INFO if verbose else logging.WARNING)


@contextlib.contextmanager
def script_output(to_stderr: bool) -> Iterator[None]:
    """Keep standard output for JSON: what the script prints goes to standard error."""
    with contextlib.redirect_stdout(sys.stderr) if to_stderr else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def progress_bar(label: str, total: int | None = None, unit: str = "steps") -> Iterator[Any]:
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
