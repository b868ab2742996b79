"""Options of chips: declared as class attributes, checked in one place, known to whoever asks.

A chip writes ``fidelity = choice("compiled", "reference")`` among its attributes; it then takes
``fidelity=`` when it is made, and on the instance the attribute is the value that was chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from hwmodels.spec import one_of, positive, whole

T = TypeVar("T")

#: Largest seed of anything drawn.
_SEED_MAX = 2**63 - 1


class Option(Generic[T]):
    """One option of a chip.

    Parameters
    ----------
    check : callable
        From the option's name and what was given (a value, or text of a command line) to the
        value; raises :class:`~hwmodels.errors.ModelError` for what it cannot be.
    default
        As it may be given.
    allowed : str
        What it may be, in words.
    """

    def __init__(self, check: Callable[[str, Any], T], default: Any, allowed: str) -> None:
        self.check, self.default, self.allowed, self.name = check, default, allowed, ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, chip: None, owner: type) -> Option[T]: ...
    @overload
    def __get__(self, chip: Any, owner: type) -> T: ...
    def __get__(self, chip: Any, owner: type) -> Any:
        return self if chip is None else chip.__dict__[self.name]

    def __set__(self, chip: Any, value: Any) -> None:
        chip.__dict__[self.name] = self.check(self.name, value)


def choice(default: str, *others: str) -> Option[str]:
    """An option that has only some values."""
    values = (default, *others)
    return Option(lambda name, value: one_of(name, value, values), default, ", ".join(values))


def optional_choice(*values: str) -> Option[str | None]:
    """One of some values; None unless it is given."""

    def check(name: str, value: Any) -> str | None:
        return None if value is None else one_of(name, value, values)

    return Option(check, None, ", ".join(values))


def optional_number() -> Option[float | None]:
    """A number above zero; None unless it is given."""
    return Option(positive, None, "a number > 0")


def number(default: float) -> Option[float]:
    """A number above zero; zero too, where that is the default."""

    def check(name: str, value: Any) -> float:
        if not default and str(value) in ("0", "0.0"):
            return 0.0
        return positive(name, value) or default

    return Option(check, default, "a number > 0" if default else "a number >= 0")


def text(default: str, allowed: str) -> Option[str]:
    """A name or a path, which whoever uses it checks."""
    return Option(lambda name, value: str(value), default, allowed)


def whole_number(default: int, least: int = 0, most: int = _SEED_MAX) -> Option[int]:
    """A whole number within bounds; seeds have none."""
    return Option(
        lambda name, value: whole(name, value, least, most), default, _bounds(least, most)
    )


def optional_whole(least: int, most: int) -> Option[int | None]:
    """A whole number within bounds; None unless it is given."""

    def check(name: str, value: Any) -> int | None:
        return None if value is None else whole(name, value, least, most)

    return Option(check, None, _bounds(least, most))


def _bounds(least: int, most: int) -> str:
    return f"{least} to {most}" if most < _SEED_MAX else f"a whole number >= {least}"
