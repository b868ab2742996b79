"""Draws docs/images/exploration.svg: ``python -m tests.figures cosim-explore/trials.csv``.

From the study that docs/exploration.md documents.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from cosim.compare import drawing

TARGET = Path(__file__).parent.parent / "docs" / "images" / "exploration.svg"


def main() -> None:
    with Path(sys.argv[1]).open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["state"] == "feasible"]
    points = [{k: float(v) for k, v in row.items() if k.startswith(("par", "obj"))} for row in rows]
    bits = sorted({p["parameter.weight_bits"] for p in points})
    with drawing.style("exploration"):
        figure, (left, middle, right) = drawing.new_figure(wide=True, height=3.0, ncols=3)
        quality = next(k for k in points[0] if k.endswith(("task.accuracy", "coincident_share")))
        by_bits = {p["parameter.weight_bits"]: p[quality] for p in points}
        left.plot(bits, [by_bits[b] for b in bits], "o-", color=drawing.REFERENCE)
        left.set(xlabel="bits of a weight, without its sign", ylabel="share of digits right",
                 ylim=(0, 1.02))  # fmt: skip
        most = [p for p in points if p["parameter.weight_bits"] == bits[-1]]
        for axes, key, label, colour in (
            (middle, "objective.step_median_us", "median step (µs)", drawing.CANDIDATE),
            (right, "objective.energy_uJ", "energy (µJ)", drawing.FILL),
        ):
            by_size = {p["parameter.compartments_per_core"]: p[key] for p in most}
            sizes = sorted(by_size)
            axes.plot(sizes, [by_size[s] for s in sizes], "o-", color=colour)
            axes.set(xlabel="neurons a core", ylabel=label, xscale="log", ylim=(0, None))
            axes.set_xticks(sizes, [f"{s:g}" for s in sizes], minor=False)
            axes.set_xticks([], minor=True)
        figure.savefig(TARGET, metadata={"Date": None})


if __name__ == "__main__":
    main()
