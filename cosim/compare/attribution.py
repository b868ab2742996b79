"""What each effect of a chip costs when it is switched on alone.

In: one :class:`Comparison` for each effect, all against the same reference; the caller ran the
engines. Out: a table. The rows need not add up: effects of a recurrent network do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from cosim.compare.comparison import Comparison


@dataclass(frozen=True)
class AttributionRow:
    """One effect, switched on alone; the figures are those of all computed populations.

    Attributes
    ----------
    effect : str
    identical : bool
        The effect changes no spike.
    rate_relative_error : float or None
    missed, extra : int
    coincident_share : float or None
        Of the reference's spikes, within the coincidence window.
    shift_abs_mean_ms, shift_abs_p99_ms : float or None
    victor_purpura_per_spike : float or None
    latency_median_ns : float or None
    step_median_us : float or None
    energy_uJ : float or None
    weights_rms : float or None
        Root mean square difference of all learned weights from the reference's, in PyNN's unit;
        None where either run learned none.
    """

    effect: str
    identical: bool
    rate_relative_error: float | None
    missed: int
    extra: int
    coincident_share: float | None
    shift_abs_mean_ms: float | None
    shift_abs_p99_ms: float | None
    victor_purpura_per_spike: float | None
    latency_median_ns: float | None
    step_median_us: float | None
    energy_uJ: float | None
    weights_rms: float | None


@dataclass(frozen=True)
class Attribution:
    """The price of each effect.

    Attributes
    ----------
    rows : tuple of AttributionRow
        In the order given.
    coincidence_ms : float
        The window of ``coincident_share``.
    """

    rows: tuple[AttributionRow, ...]
    coincidence_ms: float

    @classmethod
    def from_comparisons(cls, pairs: Iterable[tuple[str, Comparison]]) -> Attribution:
        """Build from ``(effect, comparison)`` pairs; add ``"none"`` and ``"all"`` as you like.

        Raises
        ------
        ValueError
            When there are no pairs, or the comparisons used different coincidence windows.
        """
        listed = list(pairs)
        windows = {comparison.coincidence_ms for _, comparison in listed}
        if len(windows) != 1:
            raise ValueError(
                "an attribution needs at least one comparison, all with one coincidence window; "
                f"got windows {sorted(windows)}"
            )
        return cls(tuple(_row(effect, comparison) for effect, comparison in listed), windows.pop())

    @property
    def learns(self) -> bool:
        """Whether weights were learned in any row."""
        return any(row.weights_rms is not None for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, for JSON."""
        return {
            "coincidence_ms": self.coincidence_ms,
            "effects": {row.effect: asdict(row) for row in self.rows},
        }


def _row(effect: str, comparison: Comparison) -> AttributionRow:
    total, hardware = comparison.total, comparison.hardware
    transport = hardware.transport if hardware else None
    return AttributionRow(
        effect=effect,
        identical=comparison.identical,
        rate_relative_error=total.rate_relative_error,
        missed=total.missed,
        extra=total.extra,
        coincident_share=total.coincident_share,
        shift_abs_mean_ms=total.shift_abs_mean_ms,
        shift_abs_p99_ms=total.shift_abs_p99_ms,
        victor_purpura_per_spike=total.victor_purpura_per_spike,
        latency_median_ns=transport.latency_median_ns if transport else None,
        step_median_us=hardware.step_median_us if hardware else None,
        energy_uJ=hardware.energy_uJ if hardware else None,
        weights_rms=_weights_rms(comparison),
    )


def _weights_rms(comparison: Comparison) -> float | None:
    synapses = sum(w.synapses for w in comparison.weights)
    if not synapses:
        return None
    return math.sqrt(sum(w.synapses * w.rms_difference**2 for w in comparison.weights) / synapses)
