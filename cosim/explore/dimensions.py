"""One dimension of a space: the values that a field or option of a chip may take.

In: a table of a space file. Out: a :class:`Dimension`, from which a sampler, a grid or a check
draws values.
"""

from __future__ import annotations

import difflib
import itertools
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna

from cosim.explore.formulas import Formula
from hwmodels.errors import ModelError

_KINDS = ("choice", "integer", "real", "expression")


@dataclass(frozen=True)
class Dimension:
    """One thing that varies.

    Attributes
    ----------
    name : str
        A field of the specification or an option of the chip.
    kind : {"choice", "integer", "real", "expression"}
    content : tuple or Formula
        The choices, the two ends (both included), or what to compute from other dimensions.
    log : bool
        Whether to search on a logarithmic scale.
    step : float or None
        Between values.
    """

    name: str
    kind: str
    content: Any
    log: bool = False
    step: float | None = None

    def suggest(self, trial: optuna.Trial) -> Any:
        """A value proposed by the sampler."""
        if self.kind == "choice":
            return trial.suggest_categorical(self.name, self.content)
        low, high = self.content
        if self.kind == "integer":
            return trial.suggest_int(self.name, low, high, step=int(self.step or 1), log=self.log)
        return trial.suggest_float(self.name, low, high, step=self.step, log=self.log)

    @property
    def size(self) -> float:
        """How many values there are."""
        if self.kind == "choice":
            return len(set(self.content))
        low, high = self.content
        if self.kind == "integer":
            return int((high - low) // (self.step or 1)) + 1
        return math.inf if self.step is None else int((high - low) / self.step + 1e-9) + 1

    def draw(self, rng: random.Random) -> Any:
        """Any of its values."""
        if self.kind == "choice":
            return rng.choice(self.content)
        low, high = self.content
        if self.kind == "integer":
            return rng.randint(low, high)
        return rng.uniform(low, high)

    def ends(self) -> list[Any]:
        """The choices, or the two ends of a range."""
        return list(dict.fromkeys(self.content))

    def grid(self) -> list[Any]:
        """Every value, for an exhaustive search.

        Raises
        ------
        ModelError
            For a range of reals without a step.
        """
        if self.kind == "choice":
            return list(self.content)
        low, high = self.content
        if self.kind == "real" and self.step is None:
            raise ModelError(f"{self.name}: a grid needs a step, or a choice of values")
        step = self.step or 1
        if self.log:
            return sorted({low * 2**k for k in itertools.takewhile(
                lambda k: low * 2**k <= high, itertools.count())} | {high})  # fmt: skip
        count = int((high - low) / step + 1e-9) + 1
        return [type(low)(low + k * step) for k in range(count)]


def read_dimension(name: str, table: Any, where: str) -> Dimension:
    """What a space file says of one dimension.

    Raises
    ------
    ModelError
        For anything unknown, missing or ill-typed.
    """
    here = f"{where}: {name}"
    if not isinstance(table, Mapping):
        raise ModelError(f"{here}: must be a table such as {{ integer = [1, 8] }}, got {table!r}")
    check_known(table, (*_KINDS, "log", "step"), here)
    kinds = [kind for kind in _KINDS if kind in table]
    if len(kinds) != 1:
        raise ModelError(f"{here}: needs exactly one of {', '.join(_KINDS)}")
    kind, content = kinds[0], table[kinds[0]]
    log, step = bool(table.get("log", False)), table.get("step")
    if kind == "expression":
        return Dimension(name, kind, Formula(str(content)))
    if not isinstance(content, list) or not content:
        raise ModelError(f"{here}: {kind} must be a list, got {content!r}")
    if kind == "choice":
        # A table of numbers travels as text, as on the command line.
        return Dimension(
            name, kind, tuple(json.dumps(c) if isinstance(c, list) else c for c in content)
        )
    types: Any = int if kind == "integer" else (int, float)
    if len(content) != 2 or not all(
        isinstance(end, types) and not isinstance(end, bool) for end in content
    ):
        raise ModelError(f"{here}: {kind} must be [lowest, highest], got {content!r}")
    low, high = (int(e) if kind == "integer" else float(e) for e in content)
    if low > high:
        raise ModelError(f"{here}: {low} is above {high}")
    if log and (low <= 0 or step is not None):
        raise ModelError(f"{here}: a logarithmic range begins above 0 and has no step")
    if step is not None and not (isinstance(step, (int, float)) and step > 0):
        raise ModelError(f"{here}: step must be > 0, got {step!r}")
    return Dimension(name, kind, (low, high), log, step)


def check_known(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    """Refuse a table with unknown keys.

    Raises
    ------
    ModelError
        With the nearest name.
    """
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, list(known), n=1, cutoff=0.0)
            raise ModelError(f"{where}: unknown {key!r}; the nearest is {near[0]!r}")
