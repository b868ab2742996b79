"""The figure of a Monte Carlo over chips: where each of them lies.

In: a :class:`Spread`. Out: :class:`~cosim.compare.drawing.Picture` objects. Draws inside
:func:`cosim.compare.drawing.style`.
"""

from __future__ import annotations

import numpy as np

from cosim.compare import drawing
from cosim.compare.drawing import Picture
from cosim.compare.quantities import prefixed, si
from cosim.compare.spread import Spread, SpreadRow

#: More rows make a figure that nobody reads.
MAX_ROWS = 8


def spread_pictures(spread: Spread) -> list[Picture]:
    """Each figure that differs between the chips, on an axis of its own; nothing for one chip."""
    rows = [row for row in spread.rows if row.sd][:MAX_ROWS]
    if not rows:
        return []
    figure, panels = drawing.new_figure(
        True, 0.5 + 0.55 * len(rows), nrows=len(rows), squeeze=False
    )
    for axes, row in zip(panels[:, 0], rows, strict=True):
        scale, unit = _scale(row)
        values = scale * np.array([v for v in row.values if v is not None])
        mean, sd = scale * float(row.mean or 0.0), scale * float(row.sd or 0.0)
        axes.axvspan(mean - sd, mean + sd, color=drawing.CANDIDATE, alpha=0.15, lw=0)
        axes.axvline(mean, color=drawing.CANDIDATE)
        if row.reference is not None:
            axes.axvline(scale * row.reference, color=drawing.REFERENCE)
        axes.plot(values, np.zeros(len(values)), "o", ms=5, color=drawing.CANDIDATE, alpha=0.6)
        axes.set_yticks([0], [row.figure + (f" ({unit})" if unit else "")])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-1, 1)
    return [
        drawing.finish(
            figure,
            "Chips",
            "Each dot is a chip. Orange line and band: their mean and standard deviation; blue "
            "line: the reference, where it has the figure.",
            wide=True,
        )
    ]


def _scale(row: SpreadRow) -> tuple[float, str]:
    """By what values are multiplied to be drawn, and in which unit."""
    if row.unit == "1":
        return 100.0, "%"
    if not row.unit or not row.mean:
        return 1.0, row.unit
    # The prefix is that with which the mean is written.
    unit = si(row.mean, row.unit).split(" ")[1]
    return 1 / prefixed(unit.removesuffix(row.unit)), unit
