"""Cores to routers, so that what they send to each other goes the fewest hops.

Few cores are arranged by the fast approximate solution of the quadratic assignment problem
(Vogelstein et al. 2015) and exchanges of two, as SciPy has them. Many are first cut in halves, and
those again, by METIS (Karypis and Kumar 1998) for the least traffic between halves, each half with
one half of the routers; what is small enough is then arranged within its region.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import ModelError

#: The quadratic assignment, which grows as the cube of the cores, takes so many at once.
_ARRANGED = 256
#: Up to so many, exchanges of two cores follow.
_EXCHANGED = 40


#: From columns and rows of two ends (arrays that broadcast, the last axis of length 2) to hops.
Hops = Callable[[NDArray, NDArray], NDArray]


def on_a_mesh(start: NDArray, end: NDArray) -> NDArray:
    """Hops along columns and rows."""
    return np.abs(start - end).sum(axis=-1)


def metis() -> Any:
    """The library METIS.

    Raises
    ------
    ModelError
        When it is not installed.
    """
    try:
        import pymetis
    except ImportError:
        raise ModelError("mapper=traffic needs METIS: pip install pymetis") from None
    return pymetis


def arrange(
    sender: NDArray,
    receiver: NDArray,
    positions: NDArray,
    host: tuple[int, int],
    hops: Hops = on_a_mesh,
) -> NDArray[np.int64]:
    """Which core should lie at each position, which is never worse than the order they have.

    Parameters
    ----------
    sender, receiver : int, shape (n,)
        Cores at both ends of each packet; -1 for a sender off-chip.
    positions : int, shape (cores, 2)
        Columns and rows of the routers.
    host : tuple of int
        Where packets from off-chip enter.
    hops : callable
        How far two routers are apart.
    """
    cores = len(positions)
    routers = positions.astype(np.int64).reshape(-1, 2)
    # Packets that are alike count as one flow; those within a core go no hop.
    away = sender != receiver
    key, packets = np.unique(
        sender[away].astype(np.int64) * (cores + 1) + receiver[away], return_counts=True
    )
    ends = np.stack((key // (cores + 1), key % (cores + 1)))
    regions = [(np.arange(cores), np.arange(cores))]
    while max(len(members) for members, _ in regions) > _ARRANGED:
        regions = _halved(regions, ends, packets, routers, np.array(host), hops)
    at = _spots(regions, cores)
    for members, places in regions:
        found = _assigned(members, places, ends, packets, routers, at, np.array(host), hops)
        at[members] = found
    plain = np.arange(cores)
    far = [_far(ends, packets, routers[way], host, hops) for way in (plain, at)]
    if far[0] <= far[1]:
        return plain
    return np.argsort(at)


_Regions = list[tuple[NDArray[np.int64], NDArray[np.int64]]]


def _spots(regions: _Regions, cores: int) -> NDArray[np.int64]:
    """A position for each core within its region."""
    at = np.empty(cores, dtype=np.int64)
    for members, places in regions:
        at[members] = places
    return at


def _far(
    ends: NDArray[np.int64],
    packets: NDArray[np.int64],
    where: NDArray,
    host: tuple[int, int],
    hops: Hops,
) -> int:
    """Hops of all packets together."""
    start = np.where((ends[0] >= 0)[:, None], where[ends[0]], np.array(host))
    return int((hops(start, where[ends[1]]) * packets).sum())


def _halved(
    regions: _Regions,
    ends: NDArray[np.int64],
    packets: NDArray[np.int64],
    routers: NDArray[np.int64],
    host: NDArray[np.int64],
    hops: Hops,
) -> _Regions:
    """Each region that is too large in two, along its longer side."""
    from scipy.sparse import coo_array

    pymetis, smaller = metis(), list[tuple[NDArray[np.int64], NDArray[np.int64]]]()
    cores = len(routers)
    # Where a core is thought to be, until it is known: in the middle of its region.
    middle = np.empty((cores, 2))
    for members, places in regions:
        middle[members] = routers[places].mean(axis=0)
    inside = ends[0] >= 0
    flow = coo_array((packets[inside], (ends[0][inside], ends[1][inside])), (cores, cores))
    flow = (flow + flow.T).tocsr()
    from_host = np.zeros(cores)
    np.add.at(from_host, ends[1][~inside], packets[~inside])
    for members, places in regions:
        if len(members) <= _ARRANGED:
            smaller.append((members, places))
            continue
        own = flow[members][:, members].tocsr()
        half = np.asarray(
            pymetis.part_graph(
                2,
                pymetis.CSRAdjacency(own.indptr.astype(np.int64), own.indices.astype(np.int64)),
                eweights=own.data.astype(np.int64).tolist(),
                options=pymetis.Options(seed=0, ufactor=1),
            )[1]
        )
        parts = [members[half == 0], members[half == 1]]
        longer = int(np.argmax(np.ptp(routers[places], axis=0)))
        places = places[np.lexsort((routers[places][:, 1 - longer], routers[places][:, longer]))]
        costs = []
        for first, second in (parts, parts[::-1]):
            cost = 0.0
            for group, spots in ((first, places[: len(first)]), (second, places[len(first) :])):
                if not len(group):
                    continue
                centre = routers[spots].mean(axis=0)
                rest = flow[group].tocoo()
                outside = ~np.isin(rest.col, members)
                away = hops(middle[rest.col[outside]], centre)
                cost += float(away @ rest.data[outside])
                cost += float(from_host[group].sum() * hops(host, centre))
            costs.append(cost)
        first, second = parts if costs[0] <= costs[1] else parts[::-1]
        smaller += [
            (group, spots)
            for group, spots in ((first, places[: len(first)]), (second, places[len(first) :]))
            if len(group)
        ]
    return smaller


def _assigned(
    members: NDArray[np.int64],
    places: NDArray[np.int64],
    ends: NDArray[np.int64],
    packets: NDArray[np.int64],
    routers: NDArray[np.int64],
    at: NDArray[np.int64],
    host: NDArray[np.int64],
    hops: Hops,
) -> NDArray[np.int64]:
    """A position for each core of a region; those outside stay where they are."""
    from scipy.optimize import quadratic_assignment

    size = len(members)
    number = np.full(len(routers) + 1, -1, dtype=np.int64)
    number[members] = np.arange(size)
    a, b = number[ends[0]], number[ends[1]]  # the host, -1, is the last entry
    both = (a >= 0) & (b >= 0)
    if size < 2:
        return places
    # What is outside is gathered in its middle, a core that stays where it is.
    across = (a >= 0) != (b >= 0)
    inner = np.where(a >= 0, a, b)[across]
    other = np.where(a >= 0, ends[1], ends[0])[across]
    there = np.where((other >= 0)[:, None], routers[at[other]], host)
    weight = packets[across]
    flow = np.zeros((size + 1, size + 1))
    np.add.at(flow, (a[both], b[both]), packets[both].astype(float))
    np.add.at(flow, (np.full(len(inner), size), inner), weight.astype(float))
    centre = np.average(there, axis=0, weights=weight) if len(weight) else host.astype(float)
    spots = np.concatenate((routers[places].astype(float), [centre]))
    distance = hops(spots[:, None], spots[None])
    fixed = {
        "partial_match": np.array([[size, size]]),
        "rng": np.random.default_rng(0),  # unused from a given start, but asked for
    }
    found = quadratic_assignment(flow, distance, options=fixed)
    if size <= _EXCHANGED:
        guess = np.stack([np.arange(size), found.col_ind[:size]], axis=1)
        found = quadratic_assignment(
            flow, distance, method="2opt", options={**fixed, "partial_guess": guess}
        )
    return places[found.col_ind[:size]]
