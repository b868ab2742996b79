"""Chips, one module each: its numbers, its arithmetic, its time.

A module in this package (or an entry point of the group ``cosim.chips``) that defines ``CHIP``,
a subclass of :class:`hwmodels.chip.Chip`, is found by name; nothing else has
to be changed to add one.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import Any

from hwmodels.errors import ModelError


def chip_names() -> list[str]:
    """Names of all chips that can be chosen."""
    built_in = [module.name for module in pkgutil.iter_modules(__path__)]
    return sorted({*built_in, *(point.name for point in entry_points(group="cosim.chips"))})


def chip_class(name: str) -> Any:
    """The class that models a chip.

    Raises
    ------
    ModelError
        When there is no chip of this name.
    """
    for point in entry_points(group="cosim.chips"):
        if point.name == name:
            return point.load()
    if name not in chip_names():
        raise ModelError(f"unknown hardware {name!r}; choose one of {', '.join(chip_names())}")
    return importlib.import_module(f"{__name__}.{name}").CHIP
