"""How far the weights that two runs learned lie apart.

In: the weights of two results. Out: one :class:`WeightComparison` for each projection that learned
in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwmodels.result import Result


@dataclass(frozen=True)
class WeightComparison:
    """Deviation of the weights of one projection at the end of a run, in PyNN's unit.

    Attributes
    ----------
    projection : str
    synapses : int
    reference_mean, candidate_mean : float
    rms_difference, max_difference : float
        Of candidate minus reference: root mean square, largest magnitude.
    correlation : float or None
        Pearson's, over the synapses; None where the weights of a run are all equal.
    """

    projection: str
    synapses: int
    reference_mean: float
    candidate_mean: float
    rms_difference: float
    max_difference: float
    correlation: float | None


def compare_weights(reference: Result, candidate: Result) -> tuple[WeightComparison, ...]:
    """Compare what both learned; weights that a run did not learn are in none of its results."""
    rows = []
    for name, ours in reference.weights.items():
        theirs = candidate.weights.get(name)
        if theirs is None or theirs.shape != ours.shape or not len(ours):
            continue
        apart = theirs - ours
        vary = np.ptp(ours) > 0 and np.ptp(theirs) > 0
        rows.append(
            WeightComparison(
                projection=name,
                synapses=len(ours),
                reference_mean=float(ours.mean()),
                candidate_mean=float(theirs.mean()),
                rms_difference=float(np.sqrt(np.mean(apart**2))),
                max_difference=float(np.max(np.abs(apart))),
                correlation=float(np.corrcoef(ours, theirs)[0, 1]) if vary else None,
            )
        )
    return tuple(rows)
