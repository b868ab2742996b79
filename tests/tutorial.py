"""Writes the files of the tutorial ``docs/new-chip.md`` into a folder."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "new-chip.md"


def write_tutorial(folder: Path) -> Path:
    """Put ``bus.py`` and ``bus.toml`` there, as the page has them; returns the Python file."""
    text = PAGE.read_text(encoding="utf-8")
    for language, name in (("toml", "bus.toml"), ("python", "bus.py")):
        (block,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
        (folder / name).write_text(block, encoding="utf-8")
    return folder / "bus.py"
