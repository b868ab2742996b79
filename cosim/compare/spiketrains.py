"""How the spikes of two runs differ: counts, rates, times, intervals, distances.

In: the spikes of one population in two runs. Out: a :class:`SpikeComparison` for the population,
or for several taken together. This module knows nothing of chips. The definitions stand, with
formulas, in ``docs/metrics.md``; a value that is not defined (the relative error of a rate of
zero, the mean shift of no match) is None and never NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.compare.matching import Matching, match_spikes
from hwmodels.result import Spikes


@dataclass(frozen=True)
class SpikeComparison:
    """How the spikes of one population, or of several together, differ between two runs.

    Attributes
    ----------
    label : str
    cells : int
        Recorded cells.
    source : bool or None
        Whether the spikes are given (a spike source); None when the network is not known.
    recorded : bool
        False when the network says that these spikes were not recorded: all else is then empty.
    identical : bool
        Whether every spike has a partner at the very same time.
    reference_spikes, candidate_spikes : int
    reference_rate_Hz, candidate_rate_Hz : float
        Mean over cells and time.
    rate_difference_Hz : float
        Candidate minus reference.
    rate_relative_error : float or None
        ``rate_difference_Hz / reference_rate_Hz``; None when only the reference is silent.
    matched, missed, extra : int
        ``matched + missed`` are the reference's spikes, ``matched + extra`` the candidate's.
    exact : int
        Matched pairs without a shift.
    coincident : int
        Matched pairs shifted by at most the coincidence window.
    coincident_share : float or None
        Of the reference's spikes.
    coincidence_factor : float or None
        Kistler's Gamma: 1 for equal trains, 0 for what Poisson trains of this rate reach by chance.
    shift_mean_ms, shift_abs_mean_ms, shift_abs_p99_ms, shift_abs_max_ms : float or None
        Candidate minus reference time of the matched pairs.
    first_difference_ms : float or None
        The earliest spike without a partner at the very same time; None when identical.
    first_unmatched_ms : float or None
        The earliest missed or extra spike.
    isi_reference_mean_ms, isi_candidate_mean_ms : float or None
        Mean interval between spikes of one cell.
    isi_reference_cv, isi_candidate_cv : float or None
        Coefficient of variation of the intervals, averaged over cells with at least 3 spikes.
    isi_distortion_mean_ms, isi_distortion_abs_mean_ms, isi_distortion_abs_p95_ms,
    isi_distortion_abs_max_ms : float or None
        Candidate's interval minus the reference's, where both ends are matched and neighbours.
    victor_purpura : float
        Cost of the alignment for ``q = 2 / window``, summed over cells.
    victor_purpura_per_spike : float or None
        The same over the spikes of both: 0 equal, 1 nothing in common.
    van_rossum : float
        Mean over cells; one lone spike counts 1.
    """

    label: str
    cells: int
    source: bool | None
    recorded: bool
    identical: bool
    reference_spikes: int
    candidate_spikes: int
    reference_rate_Hz: float
    candidate_rate_Hz: float
    rate_difference_Hz: float
    rate_relative_error: float | None
    matched: int
    missed: int
    extra: int
    exact: int
    coincident: int
    coincident_share: float | None
    coincidence_factor: float | None
    shift_mean_ms: float | None
    shift_abs_mean_ms: float | None
    shift_abs_p99_ms: float | None
    shift_abs_max_ms: float | None
    first_difference_ms: float | None
    first_unmatched_ms: float | None
    isi_reference_mean_ms: float | None
    isi_candidate_mean_ms: float | None
    isi_reference_cv: float | None
    isi_candidate_cv: float | None
    isi_distortion_mean_ms: float | None
    isi_distortion_abs_mean_ms: float | None
    isi_distortion_abs_p95_ms: float | None
    isi_distortion_abs_max_ms: float | None
    victor_purpura: float
    victor_purpura_per_spike: float | None
    van_rossum: float


@dataclass(frozen=True, eq=False)
class Alignment:
    """The matched spikes of one population, ready to be summarised alone or with others.

    Attributes
    ----------
    cells : int
        Recorded cells.
    reference_spikes, candidate_spikes : int
    shift_ms : float64, shape (matched,)
        Candidate minus reference; exactly 0 where the times are the same.
    different_ms, unmatched_ms : float64
        Times of spikes (of either run) without an equal partner, and without any.
    isi_distortion_ms : float64
        Of intervals whose two ends are matched and neighbours in both trains.
    isi_reference_ms, isi_candidate_ms : float64
    cv_reference, cv_candidate : float64
        Of the intervals of each cell with at least three spikes.
    van_rossum : float64, shape (k,)
        Distances of the cells that differ; all others are 0.
    """

    cells: int
    reference_spikes: int
    candidate_spikes: int
    shift_ms: NDArray[np.float64]
    different_ms: NDArray[np.float64]
    unmatched_ms: NDArray[np.float64]
    isi_distortion_ms: NDArray[np.float64]
    isi_reference_ms: NDArray[np.float64]
    isi_candidate_ms: NDArray[np.float64]
    cv_reference: NDArray[np.float64]
    cv_candidate: NDArray[np.float64]
    van_rossum: NDArray[np.float64]


def align(
    reference: Spikes, candidate: Spikes, cells: int, window_ms: float = 5.0, tau_ms: float = 10.0
) -> Alignment:
    """Match the spikes of one population in two runs.

    Parameters
    ----------
    reference, candidate : Spikes
    cells : int
        How many cells were recorded, silent ones included.
    window_ms : float
        The longest shift of a matched spike.
    tau_ms : float
        Time constant of the van Rossum distance.

    Returns
    -------
    Alignment

    Raises
    ------
    ValueError
        When the window or the time constant is not a positive number.
    """
    if not (np.isfinite(tau_ms) and tau_ms > 0):
        raise ValueError(f"van Rossum time constant must be > 0 ms, got {tau_ms}")
    reference, candidate = _by_cell(reference), _by_cell(candidate)
    pairs = match_spikes(reference, candidate, window_ms)
    shift = candidate.time_ms[pairs.candidate] - reference.time_ms[pairs.reference]
    shift = np.where(pairs.exact, 0.0, shift)
    lone_r = np.setdiff1d(np.arange(len(reference.cell)), pairs.reference, assume_unique=True)
    lone_c = np.setdiff1d(np.arange(len(candidate.cell)), pairs.candidate, assume_unique=True)
    unmatched = np.concatenate((reference.time_ms[lone_r], candidate.time_ms[lone_c]))
    moved = ~pairs.exact
    different_r = np.concatenate((pairs.reference[moved], lone_r))
    different_c = np.concatenate((pairs.candidate[moved], lone_c))
    isi_r, cv_r = _intervals(reference)
    isi_c, cv_c = _intervals(candidate)
    return Alignment(
        cells=cells,
        reference_spikes=len(reference.cell),
        candidate_spikes=len(candidate.cell),
        shift_ms=shift,
        different_ms=np.concatenate(
            (reference.time_ms[different_r], candidate.time_ms[different_c])
        ),
        unmatched_ms=unmatched,
        isi_distortion_ms=_isi_distortion(reference, pairs, shift),
        isi_reference_ms=isi_r,
        isi_candidate_ms=isi_c,
        cv_reference=cv_r,
        cv_candidate=cv_c,
        van_rossum=_van_rossum(reference, different_r, candidate, different_c, tau_ms),
    )


def summarise(
    label: str,
    alignments: Sequence[Alignment],
    duration_ms: float,
    window_ms: float = 5.0,
    coincidence_ms: float = 1.0,
    source: bool | None = None,
    recorded: bool = True,
) -> SpikeComparison:
    """Reduce one population, or several pooled spike by spike, to figures.

    Parameters
    ----------
    label : str
    alignments : sequence of Alignment
        Made with the same ``window_ms``; may be empty.
    duration_ms : float
        Over which the spikes were counted.
    window_ms : float
    coincidence_ms : float
        Largest shift of a coincidence; at most ``window_ms``.
    source : bool or None
    recorded : bool

    Returns
    -------
    SpikeComparison
    """
    cells = sum(a.cells for a in alignments)
    n_r = sum(a.reference_spikes for a in alignments)
    n_c = sum(a.candidate_spikes for a in alignments)
    shift, size = _pool(alignments, "shift_ms"), np.abs(_pool(alignments, "shift_ms"))
    distortion = _pool(alignments, "isi_distortion_ms")
    different, unmatched = _pool(alignments, "different_ms"), _pool(alignments, "unmatched_ms")
    matched = len(shift)
    coincident = int(np.count_nonzero(size <= coincidence_ms * (1 + 1e-9)))
    cost = 2 * float(np.sum(size)) / window_ms + (n_r - matched) + (n_c - matched)
    cell_seconds = cells * duration_ms * 1e-3
    rate_r = n_r / cell_seconds if cell_seconds else 0.0
    rate_c = n_c / cell_seconds if cell_seconds else 0.0
    return SpikeComparison(
        label=label,
        cells=cells,
        source=source,
        recorded=recorded,
        identical=recorded and len(different) == 0,
        reference_spikes=n_r,
        candidate_spikes=n_c,
        reference_rate_Hz=rate_r,
        candidate_rate_Hz=rate_c,
        rate_difference_Hz=rate_c - rate_r,
        rate_relative_error=(n_c - n_r) / n_r if n_r else (None if n_c else 0.0),
        matched=matched,
        missed=n_r - matched,
        extra=n_c - matched,
        exact=int(np.count_nonzero(shift == 0)),
        coincident=coincident,
        coincident_share=coincident / n_r if n_r else None,
        coincidence_factor=_gamma(coincident, n_r, n_c, rate_c * coincidence_ms * 1e-3),
        shift_mean_ms=mean(shift),
        shift_abs_mean_ms=mean(size),
        shift_abs_p99_ms=percentile(size, 99),
        shift_abs_max_ms=percentile(size, 100),
        first_difference_ms=percentile(different, 0),
        first_unmatched_ms=percentile(unmatched, 0),
        isi_reference_mean_ms=mean(_pool(alignments, "isi_reference_ms")),
        isi_candidate_mean_ms=mean(_pool(alignments, "isi_candidate_ms")),
        isi_reference_cv=mean(_pool(alignments, "cv_reference")),
        isi_candidate_cv=mean(_pool(alignments, "cv_candidate")),
        isi_distortion_mean_ms=mean(distortion),
        isi_distortion_abs_mean_ms=mean(np.abs(distortion)),
        isi_distortion_abs_p95_ms=percentile(np.abs(distortion), 95),
        isi_distortion_abs_max_ms=percentile(np.abs(distortion), 100),
        victor_purpura=cost,
        victor_purpura_per_spike=cost / (n_r + n_c) if n_r + n_c else None,
        van_rossum=float(np.sum(_pool(alignments, "van_rossum"))) / cells if cells else 0.0,
    )


def mean(values: NDArray) -> float | None:
    """Arithmetic mean, or None of nothing."""
    return float(np.mean(values)) if len(values) else None


def percentile(values: NDArray, percent: float) -> float | None:
    """Percentile with linear interpolation, or None of nothing."""
    return float(np.percentile(values, percent)) if len(values) else None


def _pool(alignments: Sequence[Alignment], name: str) -> NDArray[np.float64]:
    parts = [getattr(a, name) for a in alignments]
    return np.concatenate(parts) if parts else np.empty(0)


def _by_cell(spikes: Spikes) -> Spikes:
    order = np.lexsort((spikes.time_ms, spikes.cell))
    return Spikes(spikes.cell[order], spikes.time_ms[order])


def _gamma(coincident: int, n_r: int, n_c: int, chance: float) -> float | None:
    """Coincidence factor; ``chance`` is candidate rate times coincidence window, both plain.

    Not defined where coincidence windows around the candidate's spikes fill all time.
    """
    if n_r + n_c == 0 or 1 - 2 * chance <= 0:
        return None
    return (coincident - 2 * chance * n_r) / (0.5 * (n_r + n_c)) / (1 - 2 * chance)


def _intervals(spikes: Spikes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All intervals between spikes, and the coefficient of variation of each cell's."""
    same = np.diff(spikes.cell) == 0
    intervals = np.diff(spikes.time_ms)[same]
    if not len(intervals):
        return intervals, np.empty(0)
    _, start, n = np.unique(spikes.cell[:-1][same], return_index=True, return_counts=True)
    means = np.add.reduceat(intervals, start) / n
    squares = np.add.reduceat((intervals - np.repeat(means, n)) ** 2, start) / n
    several = (n >= 2) & (means > 0)
    return intervals, np.sqrt(squares[several]) / means[several]


def _isi_distortion(
    reference: Spikes, pairs: Matching, shift: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How much longer the candidate's intervals are; needs spikes sorted by cell and time.

    (c_i - c_{i-1}) - (r_i - r_{i-1}) is the difference of two shifts.
    """
    neighbours = (
        (np.diff(pairs.reference) == 1)
        & (np.diff(pairs.candidate) == 1)
        & (np.diff(reference.cell[pairs.reference]) == 0)
    )
    return np.diff(shift)[neighbours]


def _van_rossum(
    a: Spikes, a_different: NDArray, b: Spikes, b_different: NDArray, tau_ms: float
) -> NDArray[np.float64]:
    """Distances of the cells whose trains differ.

    With exponential kernels the squared distance is ``sum_ij w_i w_j exp(-|t_i - t_j| / tau)``
    over the spikes of both trains, w = 1 for one train and -1 for the other. Equal spikes cancel
    and are left out. The sum over earlier spikes decays from spike to spike, so one sweep over
    the rank of a spike in its train does all cells at once.
    """
    cell = np.concatenate((a.cell[a_different], b.cell[b_different]))
    if not len(cell):
        return np.empty(0)
    time = np.concatenate((a.time_ms[a_different], b.time_ms[b_different]))
    weight = np.concatenate((np.ones(len(a_different)), -np.ones(len(b_different))))
    order = np.lexsort((time, cell))
    cell, time, weight = cell[order], time[order], weight[order]
    _, start, length = np.unique(cell, return_index=True, return_counts=True)
    longest_first = np.argsort(-length, kind="stable")
    start, length = start[longest_first], length[longest_first]
    active = np.searchsorted(-length, -np.arange(length[0]), side="left")
    squared, past = np.zeros(len(start)), np.zeros(len(start))
    for rank in range(int(length[0])):
        n = int(active[rank])  # cells with more than `rank` spikes
        now = start[:n] + rank
        if rank:
            decay = np.exp((time[now - 1] - time[now]) / tau_ms)
            past[:n] = (past[:n] + weight[now - 1]) * decay
        squared[:n] += 1.0 + 2.0 * weight[now] * past[:n]
    return np.sqrt(np.maximum(squared, 0.0))
