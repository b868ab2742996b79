"""How far the figures of a comparison spread over chips that should be alike.

In: one :class:`Comparison` for each chip drawn, all against the same reference; the caller ran the
engines. Out: mean, standard deviation, smallest and largest of each figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cosim.compare.comparison import Comparison


@dataclass(frozen=True)
class SpreadRow:
    """One figure over all chips; None where no chip has it.

    Attributes
    ----------
    figure : str
        What it is, with its unit.
    defined : int
        On how many chips the figure is defined; the others are left out of it.
    reference, mean, sd, smallest, largest : float or None
        ``sd`` is that of a sample (n - 1); None for a single chip.
    share : bool
        Whether it is a share, to be read as per cent.
    values : tuple of float or None
        Of each chip, in the order of their numbers.
    """

    figure: str
    defined: int
    reference: float | None
    mean: float | None
    sd: float | None
    smallest: float | None
    largest: float | None
    share: bool
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Spread:
    """The spread of all figures.

    Attributes
    ----------
    chips : int
    first, last : int
        Numbers of the chips.
    identical : int
        On how many of them no spike differs from the reference.
    rows : tuple of SpreadRow
    """

    chips: int
    first: int
    last: int
    identical: int
    rows: tuple[SpreadRow, ...]

    @classmethod
    def from_comparisons(cls, comparisons: Sequence[Comparison], first: int = 1) -> Spread:
        """Build from one comparison a chip, in the order of their numbers.

        Raises
        ------
        ValueError
            When there are none.
        """
        if not comparisons:
            raise ValueError("a spread needs at least one chip")
        tables = [_figures(comparison) for comparison in comparisons]
        rows = tuple(
            _row(name, reference, [table[name][1] for table in tables], share)
            for name, (reference, _, share) in tables[0].items()
        )
        return cls(
            chips=len(comparisons),
            first=first,
            last=first + len(comparisons) - 1,
            identical=sum(comparison.identical for comparison in comparisons),
            rows=rows,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, for JSON."""
        return {
            "chips": self.chips,
            "first": self.first,
            "last": self.last,
            "identical": self.identical,
            "figures": {row.figure: asdict(row) for row in self.rows},
        }


def _figures(comparison: Comparison) -> dict[str, tuple[float | None, float | None, bool]]:
    """By name: the reference's own value if it has one, the candidate's, and whether a share."""
    figures: dict[str, tuple[float | None, float | None, bool]] = {
        f"task: {t.name}": (t.reference, t.candidate, False) for t in comparison.task
    }
    computed = [p for p in comparison.populations if p.recorded and not p.source]
    for p in computed:
        figures[f"rate of {p.label} (Hz)"] = p.reference_rate_Hz, p.candidate_rate_Hz, False
    total, hardware = comparison.total, comparison.hardware
    figures |= {
        "rate change": (None, total.rate_relative_error, True),
        f"within {comparison.coincidence_ms:g} ms": (None, total.coincident_share, True),
        "missed": (None, total.missed, False),
        "extra": (None, total.extra, False),
        "|shift|, mean (ms)": (None, total.shift_abs_mean_ms, False),
    }
    if hardware is not None:
        figures["energy (uJ)"] = None, hardware.energy_uJ, False
        if hardware.transport is not None:
            figures["latency, median (ns)"] = None, hardware.transport.latency_median_ns, False
    return figures


def _row(
    name: str, reference: float | None, values: Sequence[float | None], share: bool
) -> SpreadRow:
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return SpreadRow(name, 0, reference, None, None, None, None, share, tuple(values))
    return SpreadRow(
        figure=name,
        defined=len(known),
        reference=reference,
        mean=float(known.mean()),
        sd=float(known.std(ddof=1)) if len(known) > 1 else None,
        smallest=float(known.min()),
        largest=float(known.max()),
        share=share,
        values=tuple(values),
    )
