"""``cosim hardware``: the chips and their numbers."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from cosim.cli.parameters import AsJson
from cosim.cli.terminal import console

hardware_app = typer.Typer(help="The chips that can be compared, and their numbers.")


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
    console().print(table)


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
    out = console()
    out.print(table)
    out.print("\noptions:", markup=False)
    choices = Table(box=None, pad_edge=False)
    for heading in ("name", "values", "default"):
        choices.add_column(heading, overflow="fold")
    for option in chip.options().values():
        default = "" if option.default is None else str(option.default)
        choices.add_row(option.name, option.allowed, default)
    out.print(choices)
    used = {row.evidence for row in rows}
    marks = "; ".join(f"{mark} {says}" for mark, says in EVIDENCE.items() if mark in used)
    for line in (specification.note, f"ev.: {marks}."):
        if line:
            out.print(f"\n{line}", markup=False, highlight=False)
