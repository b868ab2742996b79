"""Chips, one module each: its numbers, its arithmetic, its time.

A module in this package (or an entry point of the group ``cosim.chips``) that defines ``CHIP``,
a subclass of :class:`hwmodels.chip.Chip`, is found by name; nothing else has
to be changed to add one.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from hwmodels.errors import ModelError


def chip_names() -> list[str]:
    """Names of all chips that can be chosen."""
    built_in = [module.name for module in pkgutil.iter_modules(__path__)]
    return sorted({*built_in, *(point.name for point in _offered())})


@cache
def _offered() -> tuple[EntryPoint, ...]:
    """Chips of other packages; looking for them takes as long as a small run."""
    return tuple(entry_points(group="cosim.chips"))


def chip_class(name: str) -> Any:
    """The class that models a chip, by its name or by a Python file that defines ``CHIP``.

    Raises
    ------
    ModelError
        When there is no chip of this name, or none in the file.
    """
    for point in _offered():
        if point.name == name:
            return point.load()
    if name.endswith(".py"):
        return _chip_in_file(Path(name))
    if name not in chip_names():
        raise ModelError(f"unknown hardware {name!r}; choose one of {', '.join(chip_names())}")
    return importlib.import_module(f"{__name__}.{name}").CHIP


def _chip_in_file(path: Path) -> Any:
    """What a file of the user's own defines as ``CHIP``."""
    where = importlib.util.spec_from_file_location(path.stem, path)
    if where is None or where.loader is None or not path.exists():
        raise ModelError(f"{path}: no such file")
    module = importlib.util.module_from_spec(where)
    # Dataclasses and inspect look a class's module up by its name.
    sys.modules[path.stem] = module
    try:
        where.loader.exec_module(module)
    except Exception as error:
        raise ModelError(f"{path}: {error!r}") from error
    if not hasattr(module, "CHIP"):
        raise ModelError(f"{path}: defines no CHIP, a subclass of hwmodels.chip.Chip")
    return module.CHIP
