"""Weights as four values a neuron: optimal clusters on one axis, under what a core shares.

An axon has one type, and a neuron one value for each type, so all synapses of an axon have the
same label in all neurons of a core. Where neurons want different labels for one source, the source
takes an axon for each. Labels come from clusters of all weights onto a population, found by
dynamic programming; then each neuron improves its values and labels within the axons its core has.
A crossbar bit that is not set is a fifth value, zero, that costs nothing.

Written so that Numba can compile it, and so that it also runs without.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.compiling import can_compile, compiled
from hwmodels.network import Network, to_delay_steps

#: Label of a pair that has no crossbar bit.
NO_BIT = -1
#: Distinct weights that are told apart when a population is clustered.
_BINS = 400


class Pairs(NamedTuple):
    """Synapses from one cell to another with one delay, taken together; sorted by ``target``.

    Attributes
    ----------
    source, target : int64, shape (pairs,)
        Global cell numbers.
    delay : int64, shape (pairs,)
        In ticks.
    weight : float64, shape (pairs,)
        Sum of its synapses, with its sign.
    of_synapse : int64, shape (synapses,)
        The pair of each synapse, projection after projection.
    state : int64, shape (pairs,)
        Which state of the target it acts on, where there are several.
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    delay: NDArray[np.int64]
    weight: NDArray[np.float64]
    of_synapse: NDArray[np.int64]
    state: NDArray[np.int64]


def gather_pairs(
    network: Network,
    effect: list[NDArray[np.float64]],
    wait: list[int],
    state: list[int],
    longest: int,
) -> Pairs:
    """All pairs of a network.

    Parameters
    ----------
    network : Network
    effect : list of float64 arrays
        For each projection what each of its synapses adds to its cell, with its sign.
    wait : list of int
        Ticks to add to each projection's delays, as far as these stay within ``longest``.
    state : list of int
        Which state of its target each projection acts on.
    longest : int
        Ticks that need no relay.
    """
    offsets = network.offsets
    columns: list[list[NDArray[np.int64]]] = [[], [], [], []]
    for p, extra, number in zip(network.projections, wait, state, strict=True):
        delay = to_delay_steps(p.delay_ms, network.timestep_ms)
        columns[0].append(p.target + offsets[p.post])
        columns[1].append(p.source + offsets[p.pre])
        columns[2].append(np.minimum(delay + extra, np.maximum(delay, longest)))
        columns[3].append(np.full(p.n_synapses, number, dtype=np.int64))
    none = np.empty(0, dtype=np.int64)
    target, source, delay, other = (np.concatenate([none, *c]) for c in columns)
    weights = np.concatenate([np.empty(0), *effect])
    order = np.lexsort((other, delay, source, target))
    new = np.zeros(len(order), dtype=bool)
    for column in (target, source, delay, other):
        new |= np.diff(column[order], prepend=-1) != 0
    pair = np.cumsum(new) - 1
    of_synapse = np.empty(len(order), dtype=np.int64)
    of_synapse[order] = pair
    first = order[new]
    return Pairs(
        source[first], target[first], delay[first],
        np.bincount(of_synapse, weights, minlength=len(first)).astype(np.float64), of_synapse,
        other[first],
    )  # fmt: skip


def cluster(values, counts, clusters, zero, labels):  # type: ignore[no-untyped-def]
    """Split ascending values into at most so many clusters with the least squared error.

    Parameters
    ----------
    values, counts : float64, shape (n,)
        Ascending, and how often each occurs.
    clusters : int
    zero : bool
        Whether one more run of values may be taken as zero.
    labels : int64, shape (n,)
        Filled with the cluster of each value from 0 on, ascending; -1 where it is taken as zero.
    """
    n = len(values)
    s0, s1, s2 = np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1)
    middle = 0.0  # sums of squares lose fewer digits around the mean
    for i in range(n):
        middle += values[i] * counts[i]
        s0[i + 1] = s0[i] + counts[i]
    middle /= max(s0[n], 1.0)
    for i in range(n):
        x = values[i] - middle
        s1[i + 1] = s1[i] + counts[i] * x
        s2[i + 1] = s2[i] + counts[i] * x * x
    most = min(clusters, n)
    states = 2 if zero else 1
    cost = np.full((most + 1, states, n + 1), np.inf)
    back = np.zeros((most + 1, states, n + 1), dtype=np.int64)
    cost[0, 0, 0] = 0.0
    for c in range(most + 1):
        for z in range(states):
            for j in range(1, n + 1):
                best, where = np.inf, 0
                if c:
                    for i in range(j):
                        before = cost[c - 1, z, i]
                        if before < best:
                            w, s = s0[j] - s0[i], s1[j] - s1[i]
                            spread = max(s2[j] - s2[i] - s * s / w, 0.0)
                            if before + spread < best:
                                best, where = before + spread, i
                if z:
                    for i in range(j):
                        before = cost[c, 0, i]
                        if before < best:
                            w, s = s0[j] - s0[i], s1[j] - s1[i]
                            square = s2[j] - s2[i] + 2 * middle * s + middle * middle * w
                            if before + square < best * (1 - 1e-12):
                                best, where = before + square, -i - 1
                cost[c, z, j], back[c, z, j] = best, where
    c, z, best = most, 0, np.inf
    for k in range(most + 1):
        for y in range(states):
            if cost[k, y, n] < best * (1 - 1e-12) - 1e-300:
                best, c, z = cost[k, y, n], k, y
    j = n
    while j > 0:
        i = back[c, z, j]
        label = c - 1
        if i < 0:
            i, label = -i - 1, -1
            z = 0
        else:
            c -= 1
        labels[i:j] = label
        j = i


def settle(start, x, allowed, label, zero, types, low, high, values):  # type: ignore[no-untyped-def]
    """Values and labels of neurons within the axons there are; the error falls or stays.

    Parameters
    ----------
    start : int64, shape (neurons + 1,)
        Pairs of neuron ``n`` are ``start[n]:start[n + 1]``.
    x : float64, shape (pairs,)
        Weights in the neuron's unit.
    allowed : int64, shape (pairs,)
        Bits of the types for which its source has an axon on the core; the bit behind them says
        that it cannot go without one.
    label : int64, shape (pairs,)
        Types to begin with; filled with those found, -1 for no bit.
    zero : bool
        Whether a pair may go without a bit.
    types, low, high : int
        Number of types, and range of a value.
    values : int64, shape (neurons, types)
        Filled.
    """
    every = (1 << types) - 1
    total, number = np.zeros(types), np.zeros(types)
    for n in range(len(start) - 1):
        first, last = start[n], start[n + 1]
        if first == last:
            continue
        free = True
        for k in range(first, last):
            if allowed[k] != every:
                free = False
        if free and last - first > types:
            order = np.argsort(x[first:last])
            found = np.empty(last - first, dtype=np.int64)
            cluster(x[first:last][order], np.ones(last - first), types, zero, found)
            for k in range(last - first):
                label[first + order[k]] = found[k]
        for _ in range(30):
            total[:], number[:] = 0.0, 0.0
            for k in range(first, last):
                if label[k] >= 0:
                    total[label[k]] += x[k]
                    number[label[k]] += 1.0
            for g in range(types):
                if number[g]:
                    value = np.floor(total[g] / number[g] + 0.5)
                    values[n, g] = int(min(max(value, low), high))
            changed = False
            for k in range(first, last):
                best, where = np.inf, label[k]
                if where >= 0:
                    best = abs(x[k] - values[n, where])
                elif zero:
                    best = abs(x[k])
                for g in range(types):
                    if number[g] and (allowed[k] >> g) & 1:
                        wrong = abs(x[k] - values[n, g])
                        if wrong < best * (1 - 1e-12):
                            best, where = wrong, g
                may_go = zero and not (allowed[k] >> types) & 1
                if may_go and abs(x[k]) < best * (1 - 1e-12):
                    where = -1
                if where != label[k]:
                    label[k] = where
                    changed = True
            if not changed:
                break


def population_labels(weight: NDArray[np.float64], types: int, zero: bool) -> NDArray[np.int64]:
    """Labels of all pairs onto a population, by clusters of their weights.

    Where there are very many distinct weights, they are put into 400 bins first.
    """
    if not len(weight):
        return np.empty(0, dtype=np.int64)
    values, which, counts = np.unique(weight, return_inverse=True, return_counts=True)
    if len(values) > _BINS:
        # Half of the bins equally wide, half equally full.
        edges = np.linspace(values[0], values[-1], _BINS // 2)
        edges = np.union1d(edges, np.quantile(weight, np.linspace(0, 1, _BINS // 2)))
        bins = np.searchsorted(edges[:-1], weight, side="right")
        which = np.unique(bins, return_inverse=True)[1]
        counts = np.bincount(which)
        values = np.bincount(which, weight) / counts
    labels = np.empty(len(values), dtype=np.int64)
    kernel(cluster)(values, counts.astype(np.float64), types, zero, labels)
    return labels[which.reshape(-1)]


def kernel(function):  # type: ignore[no-untyped-def]
    """A function of this module as machine code, where there is a compiler."""
    if not can_compile():
        return function
    return compiled(function, cluster) if function is settle else compiled(function)
