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
    unit : str
        SI unit without a prefix where values are of any size (``"J"``); ``"1"`` for a share, to be
        read as per cent; else empty, and the figure names it.
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
    unit: str
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
            _row(name, reference, [table[name][1] for table in tables], unit)
            for name, (reference, _, unit) in tables[0].items()
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


def _figures(comparison: Comparison) -> dict[str, tuple[float | None, float | None, str]]:
    """By name: the reference's own value if it has one, the candidate's, and the unit."""
    figures: dict[str, tuple[float | None, float | None, str]] = {
        f"task: {t.name}": (t.reference, t.candidate, "") for t in comparison.task
    }
    computed = [p for p in comparison.populations if p.recorded and not p.source]
    for p in computed:
        figures[f"rate of {p.label} (Hz)"] = p.reference_rate_Hz, p.candidate_rate_Hz, ""
    total, hardware = comparison.total, comparison.hardware
    figures |= {
        "rate change": (None, total.rate_relative_error, "1"),
        f"within {comparison.coincidence_ms:g} ms": (None, total.coincident_share, "1"),
        "missed": (None, total.missed, ""),
        "extra": (None, total.extra, ""),
        "|shift|, mean (ms)": (None, total.shift_abs_mean_ms, ""),
    }
    if hardware is not None:
        figures["energy"] = None, _scaled(hardware.energy_uJ, 1e-6), "J"
        if hardware.transport is not None:
            latency_ns = hardware.transport.latency_median_ns
            figures["latency, median"] = None, _scaled(latency_ns, 1e-9), "s"
    return figures


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _row(
    name: str, reference: float | None, values: Sequence[float | None], unit: str
) -> SpreadRow:
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return SpreadRow(name, 0, reference, None, None, None, None, unit, tuple(values))
    return SpreadRow(
        figure=name,
        defined=len(known),
        reference=reference,
        mean=float(known.mean()),
        sd=float(known.std(ddof=1)) if len(known) > 1 else None,
        smallest=float(known.min()),
        largest=float(known.max()),
        unit=unit,
        values=tuple(values),
    )
