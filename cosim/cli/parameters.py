"""Arguments and options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]
Fidelity = Annotated[
    str | None,
    typer.Option(help="Of every chip that is not given its own: compiled, reference, analytic."),
]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a command is to run and how it is to speak of it; each field is an option."""

    target: Annotated[
        str, typer.Argument(help="A PyNN script, a scenario's name, or a saved Network (.npz).")
    ]
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- ARGS", help="What follows -- goes to the script."),
    ] = None
    seed: Annotated[
        int | None, typer.Option(help="Seed of all draws that the script does not seed itself.")
    ] = None
    duration: Annotated[
        float | None, typer.Option(help="How long to run a saved Network, in ms.")
    ] = None
    experiment: Annotated[
        int | None,
        typer.Option(help="Which one, for a script that runs several (default: the last)."),
    ] = None
    as_json: AsJson = False
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say more; tracebacks on errors.")
    ] = False


def on_request(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first parameter is a :class:`Request`, as Typer takes it: flat."""
    own = list(signature(command, eval_str=True).parameters.values())[1:]
    shared = signature(Request, eval_str=True).parameters

    @wraps(command)
    def flat(**given: Any) -> None:
        command(Request(**{name: given.pop(name) for name in shared}), **given)

    flat.__signature__ = Signature(  # type: ignore[attr-defined]
        [one.replace(kind=Parameter.KEYWORD_ONLY) for one in (*own, *shared.values())]
    )
    return flat
