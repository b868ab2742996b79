"""A study on the terminal: the front as a table, and what its objectives depend on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial
from rich.console import Console
from rich.table import Table

from cosim.explore.findings import Influence, shown
from cosim.explore.search import Exploration

#: Rows of the front that a screen shows.
_ROWS = 15
#: Longest line of a heading, and room between columns.
_HEADING, _GAP = 14, 2


def print_study(
    exploration: Exploration,
    rows: Sequence[dict[str, Any]],
    front: Sequence[FrozenTrial],
    sentences: Sequence[str],
    influences: Sequence[Influence],
    console: Console,
) -> None:
    """Print what came of the candidates, the front, and what binds each objective."""
    states = Counter(row["state"] for row in rows)
    console.print(f"{len(rows)} candidates: " + ", ".join(f"{n} {s}" for s, n in states.items()))
    computed = Counter(row["computed"] for row in rows if row["computed"])
    if computed:
        console.print("computed: " + ", ".join(f"{n} {how}" for how, n in computed.items()))
    refused = Counter(row["error"] for row in rows if row["error"])
    for error, times in refused.most_common(1):
        console.print(f"does not run, {times} times: {error}", soft_wrap=True)
    if not front:
        console.print("no candidate meets all constraints")
        return
    console.print(f"\nthe front: {len(front)} that no other one beats")
    _print_front(exploration, front, influences, console)
    if sentences:
        console.print("")
        for sentence in sentences:
            console.print(sentence)


def _print_front(
    exploration: Exploration,
    front: Sequence[FrozenTrial],
    influences: Sequence[Influence],
    console: Console,
) -> None:
    """The front as a table, with as many parameters as fit, the most important ones."""
    shares: Counter[str] = Counter()
    for i in influences:
        shares[i.parameter] += i.share  # type: ignore[assignment]
    listed = front[:_ROWS]
    columns = {"trial": [str(t.number) for t in listed]}
    values = [exploration.values(t) for t in listed]
    for index, (text, _) in enumerate(exploration.space.objectives):
        columns[text] = [shown(value[index]) for value in values]
    room = console.width - sum(_width(h, cells) for h, cells in columns.items())
    names = [d.name for d in exploration.space.free if d.name not in columns]
    chosen = []
    for name in sorted(names, key=lambda name: (-shares[name], names.index(name))):
        width = _width(name, [shown(t.params[name]) for t in listed])
        if width <= room:
            room -= width
            chosen.append(name)
    for name in sorted(chosen, key=names.index):
        columns[name] = [shown(t.params[name]) for t in listed]
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for heading in columns:
        table.add_column(_folded(heading), justify="right", overflow="fold")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    console.print(table)
    if len(front) > _ROWS:
        console.print(f"... and {len(front) - _ROWS} more in the report")
    hidden = [name for name in names if name not in chosen]
    if hidden:
        console.print(f"in the report also: {', '.join(hidden)}")


def influence_table(influences: Sequence[Influence]) -> Table:
    """Share of each parameter in each objective, those that count."""
    table = Table("objective", "parameter", "share", "trend", box=None, pad_edge=False)
    last = None
    for i in influences:
        if i.share >= 0.005:
            trend = "" if i.trend is None else f"{i.trend:+.2f}"
            objective = "" if i.objective == last else i.objective
            table.add_row(objective, i.parameter, f"{i.share:.0%}", trend)
            last = i.objective
    return table


def _width(heading: str, cells: Sequence[str]) -> int:
    """Columns of the screen that a column of the table takes."""
    return max(map(len, [*_folded(heading).split("\n"), *cells])) + _GAP


def _folded(name: str) -> str:
    """A long name on several lines, broken where its words end."""
    lines = [""]
    for word in re.findall(r"[^_. ]+[_. ]*", name):
        if lines[-1] and len(lines[-1]) + len(word.rstrip()) > _HEADING:
            lines.append("")
        lines[-1] += word
    return "\n".join(line.rstrip() for line in lines)
