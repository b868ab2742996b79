"""Specifications of hardware: tables of numbers, each with its unit and its source.

A specification is a frozen dataclass whose fields carry unit and meaning, and a TOML file that
gives each a value with its source and how well it is known. Files ship beside the chip; a user
copies one, changes numbers and passes its path.

How well a number is known is one of :data:`EVIDENCE`.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import operator
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

from hwmodels.errors import ModelError

#: Evidence marks of numbers, and what they say.
EVIDENCE = {
    "V": "read in the primary artefact",
    "V2": "quoted by a third party",
    "A": "abstract or caption",
    "D": "derived arithmetically",
    "E": "from the real software in an emulator",
    "L": "low confidence",
    "R": "recalled, UNVERIFIED",
    "M": "a choice of this model",
    "U": "set by the user, or without a source",
}

_BOUNDS = {"least": (">=", operator.ge), "above": (">", operator.gt), "most": ("<=", operator.le)}

#: Of the model, which counts in picoseconds: least of what must take time.
RESOLUTION_NS = 0.001


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises
    ------
    ModelError
        For a missing or unreadable file.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ModelError(f"{path}: not a readable TOML file ({error})") from None


class Row(NamedTuple):
    """One number of a specification, as a table shows it."""

    field: str
    value: Any
    unit: str
    source: str
    evidence: str
    meaning: str


def quantity(
    unit: str,
    meaning: str,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    computes: bool = False,
) -> Any:
    """A field of a specification; its value comes from a TOML file.

    Parameters
    ----------
    unit, meaning : str
    least, above, most : float, optional
        What the value must not be below, must exceed, and must not exceed.
    computes : bool
        Whether it decides what is computed; all others decide where, how fast and at what cost.
    """
    bounds = {"least": least, "above": above, "most": most}
    return field(metadata={"unit": unit, "meaning": meaning, "computes": computes, **bounds})


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Base of all specifications.

    Attributes
    ----------
    name : str
        Of the parameter set.
    note : str
        What a reader of a report should know about these numbers.
    sources : mapping of str to (str, str)
        Source and evidence mark of each field.
    """

    name: str
    note: str = ""
    sources: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for known in self.quantities():
            value, bounds = getattr(self, known.name), known.metadata
            unit = f" {known.metadata['unit']}" if isinstance(value, float) else ""
            for bound, (sign, holds) in _BOUNDS.items():
                limit = bounds[bound]
                if limit is not None and not holds(value, limit):
                    raise ModelError(
                        f"{self.name}: {known.name} must be {sign} {limit:g}{unit.rstrip()}, "
                        f"got {value:g}"
                    )

    def number_formats(self) -> dict[str, Any]:
        """The numbers that decide what is computed."""
        return {f.name: getattr(self, f.name) for f in self.quantities() if f.metadata["computes"]}

    @classmethod
    def quantities(cls) -> list[dataclasses.Field]:
        """The fields that are numbers of the hardware."""
        return [f for f in dataclasses.fields(cls) if "unit" in f.metadata]

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read a specification.

        Raises
        ------
        ModelError
            For a missing or unreadable file, and for missing, unknown or ill-typed fields.
        """
        content = read_toml(path)
        name, note = str(content.pop("name", path.stem)), str(content.pop("note", ""))
        for not_a_number in ("chip", "options"):  # for whoever looks for the chip
            content.pop(not_a_number, None)
        values, sources = {}, {}
        for key, entry in content.items():
            known = cls._field(key, str(path))
            if isinstance(entry, Mapping):
                value = entry.get("value")
                sources[key] = (str(entry.get("source", "")), str(entry.get("evidence", "U")))
            else:
                value, sources[key] = entry, (str(path.name), "U")
            values[key] = _convert(value, known, str(path))
        missing = [f.name for f in cls.quantities() if f.name not in values]
        if missing:
            raise ModelError(f"{path}: {', '.join(missing)} missing")
        return cls(name=name, note=note, sources=sources, **values)

    def with_changes(self, changes: Mapping[str, Any]) -> Self:
        """A copy with other values, given as numbers or as text from a command line.

        Raises
        ------
        ModelError
            For an unknown field (with the nearest name) or a value of the wrong type.
        """
        if not changes:
            return self
        values = {
            key: _convert(value, self._field(key, f"specification {self.name}"), self.name)
            for key, value in changes.items()
        }
        sources = dict(self.sources) | dict.fromkeys(values, ("set by the user", "U"))
        return dataclasses.replace(self, name=f"{self.name} (changed)", sources=sources, **values)

    def table(self) -> list[Row]:
        """All numbers with unit, source and meaning, in the order of the datasheet."""
        return [
            Row(f.name, getattr(self, f.name), f.metadata["unit"],
                *self.sources.get(f.name, ("", "U")), f.metadata["meaning"])
            for f in self.quantities()
        ]  # fmt: skip

    def caveats(self, fields: Iterable[str] | None = None) -> dict[str, str]:
        """What of these numbers is not verified, as ``sources`` of a report.

        Parameters
        ----------
        fields : iterable of str, optional
            Those that matter in this run; all of them by default.
        """
        wanted = None if fields is None else set(fields)
        marked: dict[str, list[str]] = {}
        for row in self.table():
            if wanted is None or row.field in wanted:
                marked.setdefault(row.evidence, []).append(row.field)
        titles = {
            "low confidence": "L",
            "unverified (mark R: recalled)": "R",
            "chosen by this model (mark M)": "M",
        }
        return {title: ", ".join(marked[m]) for title, m in titles.items() if m in marked}

    def to_toml(self, chip: str | None = None, options: Mapping[str, Any] | None = None) -> str:
        """The specification as a TOML file that :meth:`from_toml` reads.

        Parameters
        ----------
        chip : str, optional
            Name of the chip, so that the file says whose numbers these are.
        options : mapping, optional
            Other options of the chip that belong to the numbers.
        """
        import tomlkit

        document = tomlkit.document()
        if chip is not None:
            document["chip"] = chip
        document["name"], document["note"] = self.name, self.note
        if options:
            table = tomlkit.inline_table()
            table.update(options)
            document["options"] = table
        document.add(tomlkit.nl())
        for row in self.table():
            document.add(tomlkit.comment(f"{row.meaning} [{row.unit}]"))
            value = [*map(list, row.value)] if isinstance(row.value, tuple) else row.value
            entry = tomlkit.inline_table()
            entry.update({"value": value, "source": row.source, "evidence": row.evidence})
            document.add(row.field, entry)
        return tomlkit.dumps(document)

    @classmethod
    def _field(cls, key: str, where: str) -> dataclasses.Field:
        known = {f.name: f for f in cls.quantities()}
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
            raise ModelError(f"{where}: unknown field {key!r}; the nearest is {near[0]!r}")
        return known[key]


def _convert(value: Any, known: dataclasses.Field, where: str) -> Any:
    """A value in the type of its field."""
    kind = known.type if isinstance(known.type, str) else known.type.__name__
    try:
        if kind == "int":
            number: Any = _integer(value)
        elif kind == "float":
            if isinstance(value, bool):
                raise ValueError
            number = float(value)
            if number in (float("inf"), float("-inf")):
                raise ValueError
        else:
            table = json.loads(value) if isinstance(value, str) else value
            entries = tuple((_integer(first), float(second)) for first, second in table)
            if not all(math.isfinite(entry) and entry >= 0 for row in entries for entry in row):
                raise ValueError
            return entries
    except (TypeError, ValueError, OverflowError):
        shape = "a list of [integer, number] pairs" if kind == "tuple" else f"of type {kind}"
        raise ModelError(f"{where}: {known.name} must be {shape}, got {value!r}") from None
    if not number >= 0 and not known.name.endswith("_min"):
        raise ModelError(f"{where}: {known.name} must be >= 0, got {value!r}")
    return number


def _integer(value: Any) -> int:
    """A whole number, given as such or as text; anything else is a ValueError."""
    if isinstance(value, bool) or float(value) != int(float(value)):
        raise ValueError
    return int(float(value))


def picoseconds(ns: float) -> int:
    """Nanoseconds as whole picoseconds."""
    return round(ns * 1000)


def one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    """An option that has only some values.

    Raises
    ------
    ModelError
        For any other value.
    """
    if value not in allowed:
        raise ModelError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def whole(name: str, value: int | str, least: int, most: int) -> int:
    """An option that is a whole number within bounds, given as such or as text.

    Raises
    ------
    ModelError
        For anything else.
    """
    try:
        number = int(str(value))
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise ModelError(f"{name} must be a whole number from {least} to {most}, got {value!r}")
    return number


def positive(name: str, value: float | str | None) -> float | None:
    """An optional number above zero, given as such or as text.

    Raises
    ------
    ModelError
        For anything else.
    """
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not (number > 0 and math.isfinite(number)):
        raise ModelError(f"{name} must be a number > 0, got {value!r}")
    return number
