"""The space of an exploration: dimensions, objectives and constraints, read from a TOML file.

Any field of the chip's specification and any of its options can be a dimension; an expression is
over other dimensions, what is fixed, and the remaining fields of the specification::

    chip = "loihi"
    minimise = ["energy_uJ", "step_median_us", "buffers"]
    subject_to = ["abs(rate_relative_error) < 0.05", "step_max_us < 1000"]

    [fixed]
    spec = "nahuku_fit"

    [dimensions]
    compartments_per_core = { integer = [64, 1024], log = true }
    mapper = { choice = ["sequential", "traffic"] }
    columns = { choice = [2, 4, 8] }
    rows = { expression = "columns / 2" }
    hop_ew_ns = { real = [1.0, 20.0], log = true }

    [metrics]
    buffers = "columns * rows * link_buffer_packets"

    [search]
    sampler = "nsga2"
    trials = 200
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import optuna

from cosim.engines.hardware import HardwareEngine, option_names
from cosim.explore.dimensions import Dimension, check_known, read_dimension
from cosim.explore.formulas import Constraint, Formula
from hwmodels.chips import chip_class
from hwmodels.errors import ModelError
from hwmodels.spec import one_of, read_toml

SAMPLERS = ("auto", "grid", "random", "tpe", "nsga2", "nsga3")
FIDELITIES = ("auto", "closed", "replay")
_KEYS = ("chip", "minimise", "maximise", "subject_to", "fixed", "dimensions", "metrics", "search")
_SEARCH = ("sampler", "trials", "seed", "short", "fidelity")
#: Candidates drawn to see whether a value is of any use.
_DRAWN = 64


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
    metrics : tuple of (str, str)
        Further metrics by name: formulas over those of the comparison and over parameters.
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
    metrics: tuple[tuple[str, str], ...] = ()
    sampler: str = "auto"
    trials: int = 100
    seed: int = 0
    short: float = 0.0
    fidelity: str = "auto"

    @classmethod
    def from_toml(cls, path: str | Path, name: str | None = None) -> Space:
        """Read and check a space file, called by a name of its own in messages if it has one.

        Raises
        ------
        ModelError
            For anything unknown, missing or ill-typed, with the nearest name.
        """
        path = Path(path)
        content = read_toml(path)
        return cls.from_dict(content, name or str(path))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], where: str = "space") -> Space:
        """The same from plain values; see :meth:`from_toml`."""
        check_known(content, _KEYS, where)
        if "chip" not in content:
            raise ModelError(f'{where}: chip is missing; for instance chip = "loihi"')
        chip = str(content["chip"])
        names = option_names(chip_class(chip))
        fixed = _table(content, "fixed", where)
        check_known(fixed, names, f"{where}: fixed")
        dimensions = _table(content, "dimensions", where)
        if not dimensions:
            raise ModelError(f"{where}: there is no dimension, so nothing to explore")
        check_known(dimensions, names, f"{where}: dimensions")
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
        check_known(search, _SEARCH, f"{where}: search")
        space = cls(
            chip=chip,
            dimensions=tuple(read_dimension(n, d, where) for n, d in dimensions.items()),
            objectives=tuple(objectives),
            constraints=tuple(Constraint(t) for t in _texts(content, "subject_to", where)),
            fixed=dict(fixed),
            metrics=tuple((n, str(t)) for n, t in _table(content, "metrics", where).items()),
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
        if not self.free:
            raise ModelError(f"{where}: every dimension is an expression, so nothing varies")
        computed = {d.name: d.content for d in self.dimensions if d.kind == "expression"}
        fields = [f.name for f in chip_class(self.chip).spec_type.quantities()]
        known = dict.fromkeys([*(d.name for d in self.dimensions), *self.fixed, *fields])
        for name, formula in computed.items():
            formula.check([k for k in known if k != name], f"{where}: {name}")
        try:
            self._order  # noqa: B018
        except CycleError as error:
            raise ModelError(
                f"{where}: expressions wait for each other: {' -> '.join(error.args[1])}"
            ) from None
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
        self._check_values(where)

    def _check_values(self, where: str) -> None:
        """See that each choice and each end of a range is of use to some candidate."""
        kinds = {f.name: f.type for f in chip_class(self.chip).spec_type.quantities()}
        rng = random.Random(0)
        for dimension in self.free:
            if dimension.kind == "real" and kinds.get(dimension.name) in ("int", int):
                raise ModelError(f"{where}: {dimension.name} is a whole number: use integer = ...")
        for dimension in self.free:
            for value in dimension.ends():
                for _ in range(_DRAWN):
                    drawn = {d.name: d.draw(rng) for d in self.free} | {dimension.name: value}
                    try:
                        self.engine(drawn)
                        break
                    except ModelError as error:
                        refused = str(error)
                else:
                    raise ModelError(
                        f"{where}: no candidate works with {dimension.name} = {value}: {refused}"
                    )

    def check_metrics(self, known: Sequence[str], where: str) -> None:
        """See that objectives and constraints use metrics that there are.

        Raises
        ------
        ModelError
            For an unknown name, with the nearest one.
        """
        known = [*known]
        for name, text in self.metrics:
            if name in known or not name.isidentifier():
                raise ModelError(f"{where}: metrics: {name!r} must be a new name, of one word")
            Formula(text).check(known, f"{where}: {name}")
            known.append(name)
        for text, direction in self.objectives:
            Formula(text).check(known, f"{where}: {direction}")
        for constraint in self.constraints:
            constraint.check(known, f"{where}: subject_to")

    @property
    def free(self) -> list[Dimension]:
        """Dimensions that are no expressions."""
        return [d for d in self.dimensions if d.kind != "expression"]

    @property
    def size(self) -> float:
        """How many candidates there are."""
        return math.prod(d.size for d in self.free)

    def grid(self) -> Iterator[dict[str, Any]]:
        """All candidates, or so many of them as there are to be trials, drawn evenly.

        Raises
        ------
        ModelError
            For a range of reals without a step.
        """
        axes = [d.grid() for d in self.free]
        size = math.prod(map(len, axes))
        chosen: Sequence[int] = range(size)
        if size > self.trials:
            chosen = random.Random(self.seed).sample(chosen, self.trials)
        return (self._point(axes, index) for index in chosen)

    def _point(self, axes: Sequence[Sequence[Any]], index: int) -> dict[str, Any]:
        point = {}
        for dimension, axis in zip(self.free, axes, strict=True):
            index, place = divmod(index, len(axis))
            point[dimension.name] = axis[place]
        return point

    def parameters(self) -> list[str]:
        """Metrics that say what a candidate is made of, for what costs by itself."""
        numbers = [k for k, v in self.fixed.items() if isinstance(v, (int, float))]
        numbers += [
            d.name
            for d in self.dimensions
            if d.kind != "choice" or all(isinstance(c, (int, float)) for c in d.content)
        ]
        return [f"parameter.{name}" for name in numbers]

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Let the sampler propose values of all free dimensions."""
        return {d.name: d.suggest(trial) for d in self.free}

    @cached_property
    def _order(self) -> list[Dimension]:
        """Expressions, each after those it depends on."""
        computed = {d.name: d for d in self.dimensions if d.kind == "expression"}
        graph = {
            name: [n for n in d.content.names() if n in computed] for name, d in computed.items()
        }
        return [computed[name] for name in TopologicalSorter(graph).static_order()]

    def options(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Options of the chip for one candidate: fixed, proposed and computed.

        Raises
        ------
        ModelError
            When an expression has no value for this candidate.
        """
        options = {**self.fixed, **parameters}
        if self._order:
            given = {**_fields(self.chip, options.get("spec")), **options}
            for dimension in self._order:
                given[dimension.name] = dimension.content.value(given)
            for dimension in self._order:
                value = given[dimension.name]
                whole = isinstance(value, float) and value.is_integer()
                options[dimension.name] = int(value) if whole else value
        return options

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
            self.metrics,
            self.fidelity,
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=64)
def _fields(chip: str, spec: str | None) -> dict[str, Any]:
    """Numbers of a parameter set by name."""
    loaded = chip_class(chip).load_spec(spec)
    return {f.name: getattr(loaded, f.name) for f in loaded.quantities()}


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
