"""Ways over a triangular torus: shortest vectors, dimension order, and multicast trees.

In: a :class:`hwmodels.fabric.torus.Torus` and who sends where. Out: paths as lists of links, and
trees as :class:`hwmodels.fabric.torus.Branch`. Trees grow as neighbour-exploring routing (NER) has
them: destinations join one by one, the nearest first, from the nearest chip that is in the tree
already. Where a dead link is in the way, a shortest way round it is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import pairwise

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import CapacityError
from hwmodels.fabric.torus import (
    EAST,
    LINKS,
    NORTH,
    NORTH_EAST,
    Torus,
    opposite,
)
from hwmodels.fabric.torus_trees import Branch


def shortest_vector(shape: Torus, source: int, target: int) -> tuple[int, int, int]:
    """Hops along the columns, the rows and the diagonal, as few as there can be.

    Of equally short ones the first is taken that does not wrap, then that which wraps less.
    """
    (column, row), (x, y) = shape.position[source].tolist(), shape.position[target].tolist()
    return _vector(x - column, y - row, shape.wrap)


@cache
def _vector(across: int, up: int, wrap: tuple[int, int] | None) -> tuple[int, int, int]:
    """Fewest hops over a displacement."""
    shifts = [(0, 0)]
    if wrap is not None:
        columns, rows = wrap
        shifts += [(x, y) for x in (-columns, 0, columns) for y in (-rows, 0, rows) if x or y]
    best: tuple[int, int, int] | None = None
    for right, high in shifts:
        x, y = across + right, up + high
        diagonal = sorted((x, y, 0))[1]
        vector = (x - diagonal, y - diagonal, diagonal)
        if best is None or sum(map(abs, vector)) < sum(map(abs, best)):
            best = vector
    assert best is not None
    return best


def hops_between(shape: Torus) -> Callable[[NDArray, NDArray], NDArray]:
    """Fewest hops between chips by column and row, as :mod:`hwmodels.mapping.arranging` asks."""
    across, up = shape.wrap or (0, 0)
    shifts = {(x, y) for x in (-across, 0, across) for y in (-up, 0, up)}

    def hops(start: NDArray, end: NDArray) -> NDArray:
        delta = end - start
        ways = []
        for x, y in sorted(shifts):
            right, high = delta[..., 0] + x, delta[..., 1] + y
            ways.append(np.maximum.reduce([np.abs(right), np.abs(high), np.abs(right - high)]))
        return np.asarray(np.minimum.reduce(ways))

    return hops


def distance(shape: Torus, source: int, target: int) -> int:
    """Fewest hops between two chips, dead links aside."""
    return sum(abs(hops) for hops in shortest_vector(shape, source, target))


def reached(shape: Torus, source: int) -> set[int]:
    """The chips that links which work join to one, itself among them."""
    known, front = {source}, [source]
    while front:
        here = front.pop()
        beyond = set(shape.neighbour[here, shape.usable[here]].tolist()) - known
        known |= beyond
        front += beyond
    return known


def path(shape: Torus, source: int, target: int, longest_first: bool = False) -> list[int]:
    """Links of a shortest way, one dimension after another.

    Parameters
    ----------
    shape : Torus
    source, target : int
    longest_first : bool
        Whether the dimension with most hops comes first (as NER has it); else columns, rows,
        diagonal.
    """
    legs = list(zip(shortest_vector(shape, source, target), (EAST, NORTH, NORTH_EAST), strict=True))
    if longest_first:
        legs.sort(key=lambda leg: -abs(leg[0]))
    return [link if hops > 0 else opposite(link) for hops, link in legs for _ in range(abs(hops))]


def chips_along(shape: Torus, source: int, links: Sequence[int]) -> list[int]:
    """The chips of a way, its source first; -1 from where it leaves the machine or a dead link."""
    chips = [source]
    for link in links:
        here = chips[-1]
        open_ = here >= 0 and bool(shape.usable[here, link])
        chips.append(int(shape.neighbour[here, link]) if open_ else -1)
    return chips


def unicast(shape: Torus, source: int, target: int, port: int = 0) -> Branch:
    """The tree of a packet for one core, in dimension order.

    Raises
    ------
    CapacityError
        When there is no way at all.
    """
    links = path(shape, source, target)
    chips = chips_along(shape, source, links)
    if -1 in chips:
        return multicast(shape, source, {target: [port]})
    steps = {chip: [link] for chip, link in zip(chips, links, strict=False)}
    return Branch(source, steps, {target: [port]})


def multicast(shape: Torus, source: int, ports: Mapping[int, Sequence[int]]) -> Branch:
    """The tree of a packet for the cores ``ports`` of several chips.

    Raises
    ------
    CapacityError
        When dead links cut a chip off.
    """
    links: dict[int, list[int]] = {}
    reached = [source]
    known = {source}
    for target in sorted(ports, key=lambda chip: (distance(shape, source, chip), chip)):
        if target in known:
            continue
        start = min(reached, key=lambda chip: distance(shape, chip, target))
        way = path(shape, start, target, longest_first=True)
        chips = chips_along(shape, start, way)
        if -1 in chips:
            chips, way = _round(shape, reached, target)
        # From where it meets the tree for the last time.
        last = max(k for k, chip in enumerate(chips) if chip in known)
        for chip, link, there in zip(chips[last:], way[last:], chips[last + 1 :], strict=False):
            links.setdefault(chip, []).append(link)
            reached.append(there)
            known.add(there)
    cores = {chip: sorted(set(of_chip)) for chip, of_chip in ports.items()}
    return Branch(source, links, cores)


def _round(shape: Torus, reached: list[int], target: int) -> tuple[list[int], list[int]]:
    """A shortest way from any of these chips that takes no dead link."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(shape.chips))
    for chip, link in np.argwhere(shape.usable).tolist():
        graph.add_edge(chip, int(shape.neighbour[chip, link]), link=link)
    try:
        _, chips = nx.multi_source_dijkstra(graph, set(reached), target)
    except nx.NetworkXNoPath:
        raise CapacityError(
            f"dead links cut the chip at {tuple(shape.position[target].tolist())} off; "
            "use another machine or fewer faults"
        ) from None
    ways = [
        next(k for k in range(LINKS)
             if shape.usable[a, k] and int(shape.neighbour[a, k]) == b)
        for a, b in pairwise(chips)
    ]  # fmt: skip
    return [int(chip) for chip in chips], ways
