"""Metrics by name, and formulas over them: what a space file minimises, and under which bounds.

In: the plain values of a comparison. Out: numbers. A metric is named by its full path
(``hardware.transport.latency_p99_ns``) or by its end, as long as that is unique; between
backquotes where it is no word, since a population's label may have spaces.
"""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import simpleeval

from cosim.compare import Comparison
from hwmodels.errors import ModelError

#: A name as it is, or between backquotes, for a population whose label is no name.
_NAME = re.compile(r"`[^`]+`|(?<![\w.])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_FUNCTIONS = {
    "abs": abs, "min": min, "max": max, "round": round, "floor": math.floor, "ceil": math.ceil,
    "sqrt": math.sqrt, "log": math.log, "log2": math.log2, "log10": math.log10,
}  # fmt: skip
_WORDS = {*_FUNCTIONS, "and", "or", "not", "if", "else"}


def metrics_of(comparison: Comparison) -> dict[str, float]:
    """All numbers of a comparison by their path, without those that differ between two runs."""
    content = comparison.to_dict(volatile=False)
    chosen = {key: content[key] for key in ("total", "populations", "hardware")}
    flat = dict(_flat(chosen, ""))
    for name, values in content["task"].items():
        if values["candidate"] is not None:
            flat[f"task.{name}"] = float(values["candidate"])
        if values["difference"] is not None:
            flat[f"task.{name}.difference"] = float(values["difference"])
    return flat


def _flat(value: Any, path: str) -> Any:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path, float(value)


def full_name(name: str, known: Sequence[str], where: str) -> str:
    """The one of ``known`` that ``name`` means.

    Raises
    ------
    ModelError
        When it means none of them, or several.
    """
    if name in known:
        return name
    ends = [path for path in known if path.endswith(f".{name}")]
    # Of the whole network unless a population is named; measured unless nothing else is called so.
    for less in ("populations.", "parameter."):
        ends = [path for path in ends if not path.startswith(less)] or ends
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise ModelError(f"{where}: {name!r} may be {' or '.join(sorted(ends)[:4])}")
    last = {path.rsplit(".", 1)[-1]: path for path in known}
    near = difflib.get_close_matches(name, [*known, *last], n=1, cutoff=0.0)
    nearest = f"; the nearest is {near[0]!r}" if near else ""
    raise ModelError(f"{where}: there is no {name!r}{nearest}")


@dataclass(frozen=True)
class Formula:
    """An expression over names, as it stands in a file."""

    text: str

    def names(self) -> list[str]:
        """Everything in it that is neither a number nor a function."""
        return [n.strip("`") for n in self._written()]

    def _written(self) -> list[str]:
        """The names as they stand, backquotes included."""
        return [n for n in dict.fromkeys(_NAME.findall(self.text)) if n not in _WORDS]

    def _plain(self) -> tuple[str, dict[str, str]]:
        """The expression with plain identifiers in place of names, and what these stand for."""
        short = {name: f"value_{i}" for i, name in enumerate(self._written())}
        text = _NAME.sub(lambda match: short.get(match[0], match[0]), self.text)
        return text, {plain: name.strip("`") for name, plain in short.items()}

    def check(self, known: Sequence[str], where: str) -> None:
        """See that it can be computed from ``known`` names.

        Raises
        ------
        ModelError
            When it is not an expression, or uses an unknown name.
        """
        try:
            ast.parse(self._plain()[0], mode="eval")
        except SyntaxError:
            raise ModelError(f"{where}: {self.text!r} is not an expression") from None
        for name in self.names():
            full_name(name, known, where)

    def value(self, values: Mapping[str, Any]) -> Any:
        """Compute it.

        Raises
        ------
        ModelError
            When a name has no value here, or the computation fails.
        """
        keys = [*values]
        text, short = self._plain()
        found = {plain: values[full_name(name, keys, self.text)] for plain, name in short.items()}
        try:
            value = simpleeval.simple_eval(text, names=found, functions=_FUNCTIONS)
        except (simpleeval.InvalidExpression, ArithmeticError, TypeError, ValueError) as error:
            raise ModelError(f"{self.text}: {error}") from None
        if isinstance(value, float) and math.isnan(value):
            raise ModelError(f"{self.text}: not a number here")
        return value


@dataclass(frozen=True)
class Constraint:
    """A bound: ``left < right`` or ``left > right``, both formulas."""

    text: str

    def _sides(self) -> tuple[Formula, Formula]:
        left, sign, right = re.split(r"(<=?|>=?)", self.text, maxsplit=1)
        small, large = (left, right) if sign.startswith("<") else (right, left)
        return Formula(small.strip()), Formula(large.strip())

    def check(self, known: Sequence[str], where: str) -> None:
        """See that it is a bound over ``known`` names; see :meth:`Formula.check`."""
        if len(re.findall(r"<=?|>=?", self.text)) != 1:
            raise ModelError(f"{where}: {self.text!r} must have one '<' or '>'")
        for side in self._sides():
            side.check(known, where)

    def violation(self, metrics: Mapping[str, float]) -> float:
        """By how much it is broken, relative to the bound; not above 0 when it holds."""
        small, large = (float(side.value(metrics)) for side in self._sides())
        return (small - large) / max(abs(small), abs(large), 1e-300)
