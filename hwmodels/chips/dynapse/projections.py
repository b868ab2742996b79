"""Projections of a network rewritten: other weights, and senders that are heard by mistake."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hwmodels.network import Network, Projection


def with_weights(network: Network, weight: NDArray[np.float64]) -> tuple[Projection, ...]:
    """Its projections with weights given for all synapses, projection after projection."""
    edges = np.cumsum([0, *(p.n_synapses for p in network.projections)])
    return tuple(
        p if np.array_equal(p.weight, weight[a:b]) else replace(p, weight=weight[a:b])
        for p, a, b in zip(network.projections, edges, edges[1:], strict=False)
    )


def aliased(
    network: Network,
    projections: tuple[Projection, ...],
    sender: NDArray[np.int64],
    heard: NDArray[np.int64],
) -> tuple[tuple[Projection, ...], NDArray[np.int64]]:
    """Projections from senders to those who hear them by mistake, and by which synapses."""
    edges = np.cumsum([0, *(p.n_synapses for p in projections)])
    pre = np.searchsorted(network.offsets, sender, side="right") - 1
    k = np.searchsorted(edges, heard, side="right") - 1
    added, by = [], [np.empty(0, dtype=np.int64)]
    for pair in np.unique(np.stack([k, pre], axis=1), axis=0).tolist():
        of, sending = projections[pair[0]], network.populations[pair[1]]
        here = np.flatnonzero((k == pair[0]) & (pre == pair[1]))
        cells = sender[here] - network.offsets[pair[1]]
        order = np.lexsort((heard[here], cells))
        by.append(heard[here][order])
        which = by[-1] - edges[pair[0]]
        indptr = np.searchsorted(cells[order], np.arange(sending.size + 1)).astype(np.int64)
        added.append(
            replace(
                of,
                label=f"{of.label}, heard of {sending.label}",
                pre=pair[1],
                indptr=indptr,
                target=of.target[which],
                weight=of.weight[which],
                delay_ms=of.delay_ms[which],
            )
        )
    return tuple(added), np.concatenate(by)


def scattered_weights(
    network: Network,
    projections: tuple[Projection, ...],
    factor: NDArray[np.float64],
    neuron: NDArray[np.int64],
    kind: NDArray[np.int64],
) -> tuple[Projection, ...]:
    """Weights on devices that differ: one factor for each neuron and synapse type."""
    changed, first = [], 0
    for p in projections:
        kinds = kind[first : first + p.n_synapses]
        first += p.n_synapses
        at = neuron[p.target + network.offsets[p.post]]
        changed.append(replace(p, weight=p.weight * factor[kinds, at]))
    return tuple(changed)
