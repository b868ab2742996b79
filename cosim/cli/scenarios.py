"""``cosim scenarios``: ready experiments."""

from __future__ import annotations

from typing import Annotated

import typer

from cosim.cli.parameters import AsJson
from cosim.cli.terminal import print_titles
from hwmodels.errors import ModelError

scenarios_app = typer.Typer(help="Ready experiments.")


@scenarios_app.command("list")
def scenarios_list(as_json: AsJson = False) -> None:
    """All scenarios."""
    import scenarios

    titles = {name: scenarios.description(name).splitlines()[0] for name in scenarios.names()}
    print_titles(titles, "what it is", as_json)


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
