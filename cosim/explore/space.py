"""The space of an exploration: dimensions, objectives and constraints, read from a TOML file.

Any field of the chip's specification and any of its options can be a dimension::

    chip = "loihi"
    minimise = ["energy_uJ", "step_median_us"]
    subject_to = ["abs(rate_relative_error) < 0.05", "step_max_us < 1000"]

    [fixed]
    spec = "nahuku_fit"

    [dimensions]
    compartments_per_core = { integer = [64, 1024], log = true }
    columns = { choice = [2, 4, 8] }
    rows = { expression = "columns / 2" }
    hop_ew_ns = { real = [1.0, 20.0], log = true }

    [search]
    sampler = "nsga2"
    trials = 200
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna

from cosim.engines.hardware import HardwareEngine, option_names
from cosim.explore.formulas import Constraint, Formula
from hwmodels.chips import chip_class
from hwmodels.errors import ModelError
from hwmodels.spec import one_of

SAMPLERS = ("auto", "grid", "random", "tpe", "nsga2", "nsga3")
FIDELITIES = ("auto", "closed", "replay")
_KINDS = ("choice", "integer", "real", "expression")
_KEYS = ("chip", "minimise", "maximise", "subject_to", "fixed", "dimensions", "search")
_SEARCH = ("sampler", "trials", "seed", "short", "fidelity")


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


@dataclass(frozen=True)
class Space:
    """What is searched for, and where.

    Attributes
    ----------
    chip : str
        Name of a chip, or a Python file with one.
    dimensions : tuple of Dimension
    objectives : tuple of (str, str)
        Formula, and ``"minimise"`` or ``"maximise"``.
    constraints : tuple of Constraint
    fixed : mapping
        Options and fields that do not vary.
    sampler : {"auto", "grid", "random", "tpe", "nsga2", "nsga3"}
    trials : int
    seed : int
        Of the sampler.
    short : float
        Share of the duration that a candidate runs first, to be given up if it is hopeless; 0
        runs all of it at once.
    fidelity : {"auto", "closed", "replay"}
        Whether candidates that differ in their fabric only may repeat spikes computed before.
    """

    chip: str
    dimensions: tuple[Dimension, ...]
    objectives: tuple[tuple[str, str], ...]
    constraints: tuple[Constraint, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    sampler: str = "auto"
    trials: int = 100
    seed: int = 0
    short: float = 0.0
    fidelity: str = "auto"

    @classmethod
    def from_toml(cls, path: str | Path) -> Space:
        """Read and check a space file.

        Raises
        ------
        ModelError
            For anything unknown, missing or ill-typed, with the nearest name.
        """
        path = Path(path)
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ModelError(f"{path}: no such file") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise ModelError(f"{path}: not a readable TOML file ({error})") from None
        return cls.from_dict(content, str(path))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], where: str = "space") -> Space:
        """The same from plain values; see :meth:`from_toml`."""
        _known(content, _KEYS, where)
        if "chip" not in content:
            raise ModelError(f'{where}: chip is missing; for instance chip = "loihi"')
        chip = str(content["chip"])
        names = option_names(chip_class(chip))
        fixed = _table(content, "fixed", where)
        _known(fixed, names, f"{where}: fixed")
        dimensions = _table(content, "dimensions", where)
        if not dimensions:
            raise ModelError(f"{where}: there is no dimension, so nothing to explore")
        _known(dimensions, names, f"{where}: dimensions")
        for name in dimensions:
            if name in fixed:
                raise ModelError(f"{where}: {name} is both fixed and a dimension")
        objectives = [
            (str(text), direction)
            for direction in ("minimise", "maximise")
            for text in _texts(content, direction, where)
        ]
        if not objectives:
            raise ModelError(f"{where}: nothing to minimise or maximise")
        for text, direction in objectives:
            try:
                compile(text, "", "eval")
            except SyntaxError:
                raise ModelError(f"{where}: {direction}: {text!r} is not an expression") from None
        search = _table(content, "search", where)
        _known(search, _SEARCH, f"{where}: search")
        space = cls(
            chip=chip,
            dimensions=tuple(_dimension(n, d, where) for n, d in dimensions.items()),
            objectives=tuple(objectives),
            constraints=tuple(Constraint(t) for t in _texts(content, "subject_to", where)),
            fixed=dict(fixed),
            **search,
        )
        space.check(where)
        return space

    def check(self, where: str) -> None:
        """See that everything in it fits together.

        Raises
        ------
        ModelError
            When something does not, in a line that begins with ``where``.
        """
        free = [d.name for d in self.dimensions if d.kind != "expression"]
        for dimension in self.dimensions:
            if dimension.kind == "expression":
                dimension.content.check(free, f"{where}: {dimension.name}")
        if not free:
            raise ModelError(f"{where}: every dimension is an expression, so nothing varies")
        one_of(f"{where}: search.sampler", self.sampler, SAMPLERS)
        one_of(f"{where}: search.fidelity", self.fidelity, FIDELITIES)
        if not isinstance(self.trials, int) or self.trials < 1:
            raise ModelError(f"{where}: search.trials must be an integer >= 1, got {self.trials!r}")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ModelError(f"{where}: search.seed must be an integer >= 0, got {self.seed!r}")
        if not isinstance(self.short, (int, float)) or not 0 <= self.short < 1:
            raise ModelError(
                f"{where}: search.short is a share of the duration, 0 to 1, got {self.short!r}"
            )
        if self.sampler == "grid":
            self.grid()

    def check_metrics(self, known: Sequence[str], where: str) -> None:
        """See that objectives and constraints use metrics that there are.

        Raises
        ------
        ModelError
            For an unknown name, with the nearest one.
        """
        for text, direction in self.objectives:
            Formula(text).check(known, f"{where}: {direction}")
        for constraint in self.constraints:
            constraint.check(known, f"{where}: subject_to")

    def grid(self) -> dict[str, list[Any]]:
        """All values of all free dimensions."""
        return {d.name: d.grid() for d in self.dimensions if d.kind != "expression"}

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Let the sampler propose values of all free dimensions."""
        return {d.name: d.suggest(trial) for d in self.dimensions if d.kind != "expression"}

    def options(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Options of the chip for one candidate: fixed, proposed and computed.

        Raises
        ------
        ModelError
            When an expression has no value for this candidate.
        """
        computed = {
            d.name: d.content.value(parameters) for d in self.dimensions if d.kind == "expression"
        }
        return {**self.fixed, **parameters, **computed}

    def engine(self, parameters: Mapping[str, Any]) -> HardwareEngine:
        """The candidate's hardware.

        Raises
        ------
        ModelError
            When a value is out of the chip's range.
        """
        return HardwareEngine(self.chip, **self.options(parameters))

    def values(self, metrics: Mapping[str, float]) -> list[float]:
        """Objectives of a candidate.

        Raises
        ------
        ModelError
            When a metric has no value, as the latency of no packets.
        """
        return [float(Formula(text).value(metrics)) for text, _ in self.objectives]

    @property
    def identity(self) -> str:
        """Hash of all that decides what a trial means (not how it is searched for)."""
        content = [
            self.chip,
            {d.name: [d.kind, str(d.content), d.log, d.step] for d in self.dimensions},
            self.objectives,
            [c.text for c in self.constraints],
            dict(self.fixed),
            self.fidelity,
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _dimension(name: str, table: Any, where: str) -> Dimension:
    here = f"{where}: {name}"
    if not isinstance(table, Mapping):
        raise ModelError(f"{here}: must be a table such as {{ integer = [1, 8] }}, got {table!r}")
    _known(table, (*_KINDS, "log", "step"), here)
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
        return Dimension(name, kind, tuple(content))
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


def _known(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, list(known), n=1, cutoff=0.0)
            raise ModelError(f"{where}: unknown {key!r}; the nearest is {near[0]!r}")


def _table(content: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    table = content.get(key, {})
    if not isinstance(table, Mapping):
        raise ModelError(f"{where}: {key} must be a table, got {table!r}")
    return table


def _texts(content: Mapping[str, Any], key: str, where: str) -> list[str]:
    texts = content.get(key, [])
    if isinstance(texts, str):
        texts = [texts]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ModelError(f"{where}: {key} must be a list of texts, got {texts!r}")
    return texts
