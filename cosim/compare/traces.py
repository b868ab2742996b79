"""How far recorded state variables of two runs lie apart.

In: the traces of two results. Out: one :class:`TraceComparison` for each variable that both
recorded of at least one common cell, on the instants that both sampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosim.compare.spiketrains import mean, percentile
from hwmodels.result import Result, Trace

#: Units of PyNN's state variables.
UNITS = {"v": "mV", "u": "mV/ms", "w": "nA", "gsyn_exc": "uS", "gsyn_inh": "uS",
         "isyn_exc": "nA", "isyn_inh": "nA"}  # fmt: skip


class CommonSamples(NamedTuple):
    """Two traces on their common instants and cells; values of shape (samples, cells)."""

    cells: NDArray[np.int32]
    interval_ms: float
    reference: NDArray[np.float64]
    candidate: NDArray[np.float64]


@dataclass(frozen=True)
class TraceComparison:
    """Deviation of one recorded variable.

    Attributes
    ----------
    population, variable, unit : str
        ``unit`` holds for the three deviations; empty for a variable that PyNN does not know.
    cells, samples : int
        Common to both runs; ``samples`` is a number of instants at which both recorded.
    interval_ms : float
    mean_difference, rms_difference, max_difference : float or None
        Of candidate minus reference: signed mean, root mean square, largest magnitude.
    first_difference_ms : float or None
        The first common instant at which any cell differs; None when none does.
    """

    population: str
    variable: str
    unit: str
    cells: int
    samples: int
    interval_ms: float
    mean_difference: float | None
    rms_difference: float | None
    max_difference: float | None
    first_difference_ms: float | None


def compare_traces(reference: Result, candidate: Result) -> tuple[TraceComparison, ...]:
    """Deviation of every variable that both results recorded of a common cell.

    Sampling intervals may differ when the longer one is a multiple of the shorter one; the longer
    one is then taken. Traces that share no cell or no instants are left out.
    """
    found = []
    for ours, theirs in common_pairs(reference, candidate):
        common = common_samples(ours, theirs)
        if common is None:
            continue
        difference = common.candidate - common.reference
        known = np.isfinite(difference)  # a recording that was off left NaN
        apart = np.flatnonzero(np.any(known & (difference != 0), axis=1))
        found.append(
            TraceComparison(
                population=reference.labels[ours.population],
                variable=ours.variable,
                unit=UNITS.get(ours.variable, ""),
                cells=len(common.cells),
                samples=int(np.count_nonzero(known.any(axis=1))),
                interval_ms=float(common.interval_ms),
                mean_difference=mean(difference[known]),
                rms_difference=_rms(difference[known]),
                max_difference=percentile(np.abs(difference[known]), 100),
                first_difference_ms=float(apart[0] * common.interval_ms) if len(apart) else None,
            )
        )
    return tuple(found)


def common_pairs(reference: Result, candidate: Result) -> list[tuple[Trace, Trace]]:
    """Traces of the same variable of the same population."""
    return [
        (ours, theirs)
        for ours in reference.traces
        for theirs in candidate.traces
        if (ours.population, ours.variable) == (theirs.population, theirs.variable)
    ]


def common_samples(ours: Trace, theirs: Trace) -> CommonSamples | None:
    """Both traces on the instants and cells they share; None when there are none."""
    cells, i, j = np.intersect1d(ours.cells, theirs.cells, return_indices=True)
    interval = max(ours.interval_ms, theirs.interval_ms)
    strides = [interval / t.interval_ms for t in (ours, theirs)]
    if not len(cells) or any(abs(s - round(s)) > 1e-6 for s in strides):
        return None
    a = ours.values[:: round(strides[0]), i]
    b = theirs.values[:: round(strides[1]), j]
    samples = min(len(a), len(b))
    return CommonSamples(cells, interval, a[:samples], b[:samples]) if samples else None


def _rms(values: NDArray) -> float | None:
    return float(np.sqrt(np.mean(values**2))) if values.size else None
