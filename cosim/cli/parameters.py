"""Arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

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
