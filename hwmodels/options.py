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
    """

    def __init__(self, check: Callable[[str, Any], T], default: Any) -> None:
        self.check, self.default, self.name = check, default, ""

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
    return Option(lambda name, value: one_of(name, value, (default, *others)), default)


def optional_number() -> Option[float | None]:
    """A number above zero; None unless it is given."""
    return Option(positive, None)


def number(default: float) -> Option[float]:
    """A number above zero."""

    def check(name: str, value: Any) -> float:
        return positive(name, value) or default

    return Option(check, default)


def whole_number(default: int, least: int = 0, most: int = _SEED_MAX) -> Option[int]:
    """A whole number within bounds; seeds have none."""
    return Option(lambda name, value: whole(name, value, least, most), default)
