"""A study on the terminal: the front as a table, and what its objectives depend on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial
from rich.console import Console
from rich.table import Table

from cosim.compare.quantities import number
from cosim.explore.search import Exploration

#: Rows of the front that a screen shows.
_ROWS = 15


def print_study(
    exploration: Exploration,
    rows: Sequence[dict[str, Any]],
    front: Sequence[FrozenTrial],
    sentences: Sequence[str],
    console: Console,
) -> None:
    """Print what came of the candidates, the front, and what binds each objective."""
    states = Counter(row["state"] for row in rows)
    console.print(f"{len(rows)} candidates: " + ", ".join(f"{n} {s}" for s, n in states.items()))
    computed = Counter(row["computed"] for row in rows if row["computed"])
    console.print("computed: " + ", ".join(f"{n} {how}" for how, n in computed.items()))
    if not front:
        errors = [row["error"] for row in rows if row["error"]]
        console.print("no candidate meets all constraints" + (f"; {errors[-1]}" if errors else ""))
        return
    console.print(f"\nthe front: {len(front)} that no other one beats")
    table = Table(box=None, pad_edge=False)
    table.add_column("trial", justify="right")
    names = [d.name for d in exploration.space.dimensions if d.kind != "expression"]
    for heading in [*(text for text, _ in exploration.space.objectives), *names]:
        table.add_column(_folded(heading), justify="right", overflow="fold")
    for trial in front[:_ROWS]:
        values = [number(value) for value in exploration.values(trial)]
        shown = [_shown(trial.params[name]) for name in names]
        table.add_row(str(trial.number), *values, *shown)
    console.print(table)
    if len(front) > _ROWS:
        console.print(f"... and {len(front) - _ROWS} more in the report")
    if sentences:
        console.print("")
        for sentence in sentences:
            console.print(sentence)


def _folded(name: str, width: int = 12) -> str:
    """A long name on several lines, broken where its words end."""
    lines = [""]
    for word in re.findall(r"[^_.]+[_.]?", name):
        if lines[-1] and len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += word
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)
