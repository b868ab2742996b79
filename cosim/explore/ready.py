"""Ready spaces: TOML files that ship with the package, one or more for each chip.

A file ``CHIP.toml`` or ``CHIP-TOPIC.toml`` in ``spaces/`` is found by its name; its first line is
a comment that says what it is about. A user copies one, edits it and passes its path.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from hwmodels.errors import ModelError

_FOLDER = Path(__file__).parent / "spaces"


def names() -> list[str]:
    """Names of all ready spaces."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def title(name: str) -> str:
    """What a ready space is about."""
    return path(name).read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def path(name: str) -> Path:
    """The file of a ready space, or of the user's own.

    Raises
    ------
    ModelError
        For what is neither, with the nearest name.
    """
    if name.endswith(".toml") or Path(name).is_file():
        return Path(name)
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1, cutoff=0.0)
        raise ModelError(f"no space {name!r}; the nearest is {near[0]!r}, or give a .toml file")
    return _FOLDER / f"{name}.toml"
