"""Writes the generated parts of the documentation: ``python -m tests.docs``."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from hwmodels.chips.dynapse import Dynapse
from hwmodels.chips.dynapse.faults import fault_profiles
from hwmodels.chips.loihi import Loihi
from hwmodels.chips.neurocorex import Neurocorex
from hwmodels.chips.sfq import Sfq
from hwmodels.chips.spinnaker import Spinnaker
from hwmodels.chips.truenorth import TrueNorth
from hwmodels.fabric.pulse_cells import library_names, load_library
from tests.validation import sfq, traces
from tests.validation.chips import CHIPS
from tests.validation.table import rows

DOCS = Path(__file__).parent.parent / "docs"
_PART = re.compile(
    r"(<!-- generated: (.*?);.*?-->\n).*?(<!-- end of generated part -->)", re.DOTALL
)


def specification_table(chip) -> str:
    """All parameter sets of a chip side by side, each number with its source."""
    specs = [chip.load_spec(name) for name in chip.presets()]
    names = [spec.name for spec in specs]
    lines = [
        f"| field | unit | {' | '.join(names)} | source |",
        "| --- " * (len(names) + 3) + "|",
    ]
    for same in zip(*(spec.table() for spec in specs), strict=True):
        values = [str(row.value) for row in same]
        sources = list(dict.fromkeys(f"{row.source} ({row.evidence})" for row in same))
        lines.append(
            f"| `{same[0].field}`: {same[0].meaning} | {same[0].unit} | {' | '.join(values)} "
            f"| {'; '.join(sources)} |"
        )
    return "\n".join(lines)


def cell_table() -> str:
    """All cells of all corners, with what differs between them."""
    names = ["rsfqlib", *(name for name in library_names() if name != "rsfqlib")]
    libraries = [load_library(name) for name in names]
    lines = [f"| cell | {' | '.join(names)} | source |", "| --- " * (len(names) + 2) + "|"]
    for name, cell in libraries[0].cells.items():
        columns, sources = [], []
        for library in libraries:
            one = library[name]
            dead = max((g.gap_fs for g in one.gaps if g.before == g.after), default=0)
            dead_ps = f"{dead / 1000:g}" if dead else "-"
            columns.append(f"{one.delay_fs / 1000:g}, {dead_ps}, {one.junctions}")
            sources.append(f"{one.source} ({one.evidence})")
        row = " | ".join(columns)
        lines.append(f"| `{name}`: {cell.function} | {row} | {'; '.join(dict.fromkeys(sources))} |")
    return "\n".join(lines)


def fault_table() -> str:
    """Shares of failing CAM words of real chips."""
    lines = ["| chip | tags | core 0 | core 1 | core 2 | core 3 | source |", "| --- " * 7 + "|"]
    for name, profile in fault_profiles().items():
        for tags, shares in zip(("below 1024", "from 1024"), profile.share, strict=True):
            row = " | ".join(f"{100 * share:.1f} %" for share in shares)
            lines.append(f"| `{name}` | {tags} | {row} | {profile.source} |")
    return "\n".join(lines)


PARTS = {
    "CAM profiles of dynapse": fault_table,
    "cells of sfq": cell_table,
    "readings of dynapse": traces.table,
    "specifications of dynapse": lambda: specification_table(Dynapse),
    "specifications of loihi": lambda: specification_table(Loihi),
    "specifications of neurocorex": lambda: specification_table(Neurocorex),
    "specifications of spinnaker": lambda: specification_table(Spinnaker),
    "specifications of truenorth": lambda: specification_table(TrueNorth),
    "specifications of sfq": lambda: specification_table(Sfq),
    "soft targets of sfq": lambda: rows(sfq.soft_targets()),
}
for name, chip in CHIPS.items():
    PARTS[f"validation of {name.lower()}"] = partial(lambda of: rows(of.all_targets()), chip)


def refreshed(text: str) -> str:
    """A page with its generated parts computed anew."""
    return _PART.sub(lambda m: f"{m[1]}\n{PARTS[m[2]]()}\n\n{m[3]}", text)


def main() -> None:
    for page in sorted(DOCS.glob("*.md")):
        page.write_text(refreshed(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
