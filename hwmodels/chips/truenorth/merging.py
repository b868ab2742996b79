"""More inputs than a core has axons: neurons that count spikes and pass the number on.

The spikes of a group of inputs that have the same value on all their targets are as good as their
number. A group has as many *counters* as may be needed: neuron ``j`` fires if at least ``j`` of the
group's axons have a spike (a leak of ``1 - j``, a threshold of 1, and a negative threshold of 0
that makes it forget within the tick), and all of them drive the targets with that value. So
nothing changes unless more inputs of a group spike in one tick than it has counters; what is lost
then is counted. It takes a tick, which comes out of the delays where they have one to spare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.truenorth.weights import NO_BIT, Pairs
from hwmodels.network import Network

_NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Merging:
    """Groups of inputs, and which pairs go through them.

    Attributes
    ----------
    group : int64, shape (pairs,)
        Group of each pair; -1 for one with an axon of its own.
    entry : int64, shape (pairs,)
        Its input of the group, counted over all groups; -1 likewise.
    counters : int64, shape (groups,)
    label : int64, shape (groups,)
        Type of the axons that the counters drive.
    entry_group, entry_source, entry_delay : int64, shape (entries,)
        Inputs of the groups; the delay is that to the counters.
    late : int64, shape (entries,)
        Ticks by which the counters make an input later than asked for.
    """

    group: NDArray[np.int64]
    entry: NDArray[np.int64]
    counters: NDArray[np.int64]
    label: NDArray[np.int64]
    entry_group: NDArray[np.int64]
    entry_source: NDArray[np.int64]
    entry_delay: NDArray[np.int64]
    late: NDArray[np.int64]

    @property
    def first(self) -> NDArray[np.int64]:
        """First counter of each group, counted over all groups."""
        return np.cumsum(self.counters) - self.counters


def find_groups(
    network: Network,
    pairs: Pairs,
    label: NDArray[np.int64],
    axons: int,
    counters: int,
) -> Merging:
    """Group the inputs of all cells that have more of them than a core has axons.

    Cells with the same inputs, of the same types, share their groups.

    Parameters
    ----------
    network : Network
    pairs : Pairs
    label : int64, shape (pairs,)
    axons : int
        Of a core.
    counters : int
        Of a group.
    """
    group = np.full(len(label), -1, dtype=np.int64)
    entry = np.full(len(label), -1, dtype=np.int64)
    inputs = np.bincount(pairs.target[label != NO_BIT], minlength=int(network.offsets[-1]))
    known: dict[bytes, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
    labels: list[int] = []
    members: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    entries = 0
    for cell in np.flatnonzero(inputs > axons).tolist():
        first, last = np.searchsorted(pairs.target, (cell, cell + 1))
        mine = first + np.flatnonzero(label[first:last] != NO_BIT)
        order = np.lexsort((pairs.source[mine], pairs.delay[mine], label[mine]))
        mine = mine[order]
        source, delay, kind = pairs.source[mine], pairs.delay[mine], label[mine]
        signature = np.stack([source, delay, kind]).tobytes()
        if signature not in known:
            groups, its = np.full(len(mine), -1, dtype=np.int64), np.full(len(mine), -1)
            for value in np.unique(kind).tolist():
                alike = np.flatnonzero(kind == value)
                for some in (alike[k : k + axons] for k in range(0, len(alike), axons)):
                    if len(some) <= counters:
                        continue  # an axon each takes no more
                    groups[some] = len(labels)
                    its[some] = entries + np.arange(len(some))
                    entries += len(some)
                    members.append((np.full(len(some), len(labels)), source[some], delay[some]))
                    labels.append(value)
            known[signature] = groups, its
        group[mine], entry[mine] = known[signature]
    entry_group, entry_source, delay = (
        np.concatenate([_NONE, *(m[k] for m in members)]) for k in range(3)
    )
    return Merging(
        group=group,
        entry=entry,
        counters=np.full(len(labels), counters, dtype=np.int64),
        label=np.array(labels, dtype=np.int64),
        entry_group=entry_group,
        entry_source=entry_source,
        entry_delay=np.maximum(delay - 1, 1),
        late=(delay < 2).astype(np.int64),
    )


def count_and_pass(
    entry_group: NDArray[np.int64],
    entries: NDArray[np.int64],
    first: NDArray[np.int64],
    counters: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """What the counters make of the inputs that have a spike.

    Parameters
    ----------
    entry_group : int64
        Group of each input there is.
    entries : int64, shape (n,)
        Inputs with a spike, ascending.
    first, counters : int64, shape (groups,)

    Returns
    -------
    counter, passed : int64 arrays
        Counters that fire, and the input each stands for.
    kept : bool, shape (n,)
        Which of the inputs found a counter.
    """
    group = entry_group[entries]
    rank = np.arange(len(entries)) - np.searchsorted(group, group)
    passes = rank < counters[group]
    return first[group[passes]] + rank[passes], entries[passes], passes
