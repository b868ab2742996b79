"""Which spike of the candidate stands for which spike of the reference.

In: the spikes of two runs of the same cells. Out: index pairs. This module knows times and cells,
no populations, chips or networks.

The pairing is the cheapest alignment in the sense of Victor and Purpura (1996): shifting a spike
by ``d`` ms costs ``2 d / window``, leaving one out or putting one in costs 1. A shift is therefore
never longer than the window, the order of spikes is kept, each spike is used at most once, and the
cost of the alignment *is* the Victor-Purpura distance for ``q = 2 / window``. Unlike "n-th spike
to n-th spike" it survives one missing spike at the start of a train.

Cost grows with the number of spikes times the number of candidates inside one window, not with the
product of train lengths: equal spikes are paired first, what is left falls into groups further
apart than a window, and groups of like size are aligned together as arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.result import Spikes

#: Times closer than this (one picosecond) are the same time. Grids of different engines reach one
#: time by different products (``30 * 0.1`` and ``3 * 1.0``), which differ in the last bits.
RESOLUTION_MS = 1e-9

#: Elements of one block of alignment scores; bounds the memory to some 30 MB.
_BLOCK = 4_000_000


class Matching(NamedTuple):
    """Pairs of spikes, as positions in the two :class:`~hwmodels.result.Spikes`.

    Attributes
    ----------
    reference, candidate : int64, shape (pairs,)
        Spike ``reference[k]`` is matched with spike ``candidate[k]``; ascending in ``reference``.
    exact : bool, shape (pairs,)
        Whether the two times are the same (to :data:`RESOLUTION_MS`).
    """

    reference: NDArray[np.int64]
    candidate: NDArray[np.int64]
    exact: NDArray[np.bool_]


def match_spikes(reference: Spikes, candidate: Spikes, window_ms: float) -> Matching:
    """Pair the spikes of two runs, cell by cell, at the least Victor-Purpura cost.

    Parameters
    ----------
    reference, candidate : Spikes
        Of the same cells, in any order.
    window_ms : float
        The longest shift that still counts as the same spike, inclusive.

    Returns
    -------
    Matching

    Raises
    ------
    ValueError
        When the window is not a positive number.
    """
    if not (np.isfinite(window_ms) and window_ms > 0):
        raise ValueError(f"matching window must be > 0 ms, got {window_ms}")
    exact_r, exact_c = _equal_spikes(reference, candidate)
    left_r = np.setdiff1d(np.arange(len(reference.cell)), exact_r, assume_unique=True)
    left_c = np.setdiff1d(np.arange(len(candidate.cell)), exact_c, assume_unique=True)
    near_r, near_c = _align(
        reference.cell[left_r],
        reference.time_ms[left_r],
        candidate.cell[left_c],
        candidate.time_ms[left_c],
        window_ms,
    )
    near_r, near_c = left_r[near_r], left_c[near_c]
    shift = np.abs(candidate.time_ms[near_c] - reference.time_ms[near_r])
    paired_r = np.concatenate((exact_r, near_r))
    paired_c = np.concatenate((exact_c, near_c))
    exact = np.concatenate((np.ones(len(exact_r), bool), shift <= RESOLUTION_MS))
    order = np.argsort(paired_r, kind="stable")
    return Matching(paired_r[order], paired_c[order], exact[order])


def _equal_spikes(a: Spikes, b: Spikes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of spikes of one cell at one time.

    Some cheapest alignment contains them all (by the triangle inequality), so taking them out
    first loses nothing and leaves little to align.
    """
    n = len(a.cell)
    cell = np.concatenate((a.cell, b.cell)).astype(np.int64)
    time = np.rint(np.concatenate((a.time_ms, b.time_ms)) / RESOLUTION_MS).astype(np.int64)
    from_b = np.concatenate((np.zeros(n, bool), np.ones(len(b.cell), bool)))
    # The rank among equal spikes of one run pairs the first with the first, the second with ...
    order = np.lexsort((from_b, time, cell))
    fresh = np.ones(len(order), bool)
    fresh[1:] = (
        (np.diff(cell[order]) != 0) | (np.diff(time[order]) != 0) | (np.diff(from_b[order]) != 0)
    )
    start = np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - start
    order = np.lexsort((from_b, rank, time, cell))
    first, second = order[:-1], order[1:]
    equal = (
        (cell[first] == cell[second])
        & (time[first] == time[second])
        & (rank[first] == rank[second])
        & ~from_b[first]
        & from_b[second]
    )
    return first[equal], second[equal] - n


def _align(
    r_cell: NDArray, r_time: NDArray, c_cell: NDArray, c_time: NDArray, window: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Align spikes none of which have an equal partner."""
    nothing = np.empty(0, np.int64)
    if not len(r_cell) or not len(c_cell):
        return nothing, nothing
    r_order, c_order = np.lexsort((r_time, r_cell)), np.lexsort((c_time, c_cell))
    r_cell, r_time = r_cell[r_order].astype(np.int64), r_time[r_order]
    c_cell, c_time = c_cell[c_order].astype(np.int64), c_time[c_order]
    # One axis for all cells: trains follow each other at a distance nothing can bridge.
    low = min(r_time.min(), c_time.min())
    stride = max(r_time.max(), c_time.max()) - low + 4 * window
    r_key, c_key = r_cell * stride + (r_time - low), c_cell * stride + (c_time - low)
    # The common axis rounds; the true distance is checked again with the scores.
    reach = window * (1 + 1e-6) + 8 * np.spacing(max(r_key[-1], c_key[-1]))
    first = np.searchsorted(c_key, r_key - reach, side="left")
    last = np.searchsorted(c_key, r_key + reach, side="right")
    reachable = np.flatnonzero(last > first)
    if not len(reachable):
        return nothing, nothing
    first, last = first[reachable], last[reachable]
    # A group ends where the next spike reaches no candidate that an earlier one reached.
    begins = np.flatnonzero(np.concatenate(([True], first[1:] >= last[:-1])))
    rows = np.diff(np.concatenate((begins, [len(reachable)])))
    width = np.maximum.reduceat(last - first, begins)
    pairs = [
        _align_block(begins[g], rows[g], int(width[g].max()), first, last, window,
                     r_time[reachable], c_time)
        for g in _blocks(rows, width)
    ]  # fmt: skip
    r = np.concatenate([p[0] for p in pairs])
    c = np.concatenate([p[1] for p in pairs])
    return r_order[reachable[r]], c_order[c]


def _blocks(rows: NDArray, width: NDArray) -> list[NDArray[np.int64]]:
    """Gather groups of like shape, in blocks that fit into memory."""
    # Powers of two bound what padding can waste to a factor of four.
    shape = np.ceil(np.log2(rows)) * 64 + np.ceil(np.log2(width))
    order = np.argsort(shape, kind="stable")
    blocks = []
    for same in np.split(order, np.flatnonzero(np.diff(shape[order])) + 1):
        size = int(rows[same].max()) * (int(width[same].max()) + 1)
        at_once = max(1, _BLOCK // size)
        blocks += [same[i : i + at_once] for i in range(0, len(same), at_once)]
    return blocks


def _align_block(
    begin: NDArray,
    rows: NDArray,
    width: int,
    first: NDArray,
    last: NDArray,
    window: float,
    r_time: NDArray,
    c_time: NDArray,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Align several groups at once: best score over reference spikes, a band of candidates each.

    ``score[i, g, k]`` is the most that the first ``i + 1`` reference spikes of group ``g`` can
    save (2 minus the cost of the shift for each pair) with candidates before ``first + k``.
    """
    n_rows, groups = int(rows.max()), np.arange(len(begin))
    columns = np.arange(width + 1)
    score = np.zeros((n_rows, len(begin), width + 1))
    spike = begin[:, None] + np.minimum(np.arange(n_rows), rows[:, None] - 1)
    before = np.zeros((len(begin), width + 1))
    first_before, last_before = first[spike[:, 0]], first[spike[:, 0]]
    for i in range(n_rows):
        lo, hi = first[spike[:, i]], last[spike[:, i]]
        # The former row, seen from this row's columns; beyond its band it stays at its end.
        seen = np.minimum(lo[:, None] + columns, last_before[:, None]) - first_before[:, None]
        skip = np.take_along_axis(before, np.clip(seen, 0, width), axis=1)
        candidate = lo[:, None] + columns[:-1]
        inside = (candidate < hi[:, None]) & (i < rows)[:, None]
        shift = np.abs(c_time[np.minimum(candidate, len(c_time) - 1)] - r_time[spike[:, i], None])
        # The tiny bonus lets a shift of exactly one window be a match.
        gain = np.where(
            inside & (shift <= window * (1 + 1e-9)), 2 + 1e-9 - 2 * shift / window, -np.inf
        )
        row = skip.copy()
        np.maximum(row[:, 1:], skip[:, :-1] + gain, out=row[:, 1:])
        np.maximum.accumulate(row, axis=1, out=row)
        score[i] = before = row
        first_before, last_before = lo, hi
    return _trace_back(score, rows, first, last, spike, groups)


def _trace_back(
    score: NDArray, rows: NDArray, first: NDArray, last: NDArray, spike: NDArray, groups: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read the pairs of the best alignment off the scores, from the last row to the first."""
    n_rows, _, width = score.shape
    end = last[spike[:, -1]].copy()  # candidates before this one are still free
    r_pairs, c_pairs = [], []
    for i in range(n_rows - 1, -1, -1):
        lo = first[spike[:, i]]
        column = np.clip(np.minimum(end, last[spike[:, i]]) - lo, 0, width - 1)
        best = score[i, groups, column]
        if i:
            lo_before, hi_before = first[spike[:, i - 1]], last[spike[:, i - 1]]
            seen = np.minimum(lo + column, hi_before) - lo_before
            without = score[i - 1, groups, np.clip(seen, 0, width - 1)]
        else:
            without = np.zeros(len(groups))
        used = (best > without) & (i < rows)
        # The first column with this score is the one where the match was made.
        made = np.argmax(score[i] >= best[:, None], axis=1)
        r_pairs.append(spike[used, i])
        c_pairs.append((lo + made - 1)[used])
        end = np.where(used, lo + made - 1, end)
    return np.concatenate(r_pairs), np.concatenate(c_pairs)
