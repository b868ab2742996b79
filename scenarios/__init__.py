"""Ready experiments: each a plain PyNN script that also runs by itself.

A module here has a ``main(argv)`` and may have ``score(experiment, result)``, a task metric
computed from any engine's Result. The first line of its docstring is its title.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path
from typing import Any


def names() -> list[str]:
    """Names of all scenarios."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def path(name: str) -> Path:
    """The script of a scenario."""
    return Path(__file__).parent / f"{name}.py"


def description(name: str) -> str:
    """The docstring of a scenario, read without running it."""
    return ast.get_docstring(ast.parse(path(name).read_text(encoding="utf-8"))) or ""


def module(name: str) -> Any:
    """The scenario as a module, to call its ``score``."""
    return importlib.import_module(f"{__name__}.{name}")
