"""Multicast trees on a torus, as mappers make them and as engines take them.

In: for each packet's way, the links and cores it uses at each chip. Out: flat arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import ModelError
from hwmodels.fabric.torus import LINKS, Timing, Torus


class Trees(NamedTuple):
    """Where packets go, as trees of chips in flat arrays.

    A node is a chip of a tree; the nodes below one follow it directly, so the destinations at and
    below a node are a range. Destinations of tree ``k`` are those of its root.

    Attributes
    ----------
    root : int64, shape (trees,)
    chip : int64, shape (nodes,)
    child : int64, shape (nodes, 6)
        The node behind each link; -1 where no copy goes.
    first, own, last : int64, shape (nodes,)
        Destinations at the node are ``first:own``, at it and below it ``first:last``.
    port : int64, shape (destinations,)
        Core of its chip.
    """

    root: NDArray[np.int64]
    chip: NDArray[np.int64]
    child: NDArray[np.int64]
    first: NDArray[np.int64]
    own: NDArray[np.int64]
    last: NDArray[np.int64]
    port: NDArray[np.int64]

    def destination_chips(self) -> NDArray[np.int64]:
        """Chip of each destination."""
        chip = np.empty(len(self.port), dtype=np.int64)
        for node in range(len(self.chip)):
            chip[self.first[node] : self.own[node]] = self.chip[node]
        return chip

    def copies(self) -> NDArray[np.int64]:
        """Destinations of each tree."""
        return self.last[self.root] - self.first[self.root]

    def hops(self) -> NDArray[np.int64]:
        """Links between the root and each destination."""
        depth = np.zeros(len(self.chip), dtype=np.int64)
        hops = np.zeros(len(self.port), dtype=np.int64)
        for node in range(len(self.chip)):
            below = self.child[node]
            depth[below[below >= 0]] = depth[node] + 1
            hops[self.first[node] : self.own[node]] = depth[node]
        return hops


class Branch(NamedTuple):
    """One tree as a mapper makes it: links and cores used at each chip, from a root.

    Attributes
    ----------
    chip : int
        The root.
    links : mapping of int to list of int
        Links by which copies leave each chip.
    ports : mapping of int to list of int
        Cores that get a copy at each chip.
    """

    chip: int
    links: dict[int, list[int]]
    ports: dict[int, list[int]]


def flat_trees(shape: Torus, branches: Sequence[Branch]) -> Trees:
    """Trees in flat arrays.

    Raises
    ------
    ModelError
        For a tree that meets itself or leaves the machine.
    """
    root: list[int] = []
    chip: list[int] = []
    child: list[list[int]] = []
    first: list[int] = []
    own: list[int] = []
    last: list[int] = []
    port: list[int] = []
    for branch in branches:
        root.append(len(chip))
        seen: set[int] = set()

        def add(here: int, branch: Branch = branch, seen: set[int] = seen) -> int:
            if here < 0:
                raise ModelError(f"a packet from chip {branch.chip} leaves the machine")
            if here in seen:
                raise ModelError(f"the tree of chip {branch.chip} meets itself at chip {here}")
            seen.add(here)
            node = len(chip)
            chip.append(here)
            child.append([-1] * LINKS)
            first.append(len(port))
            port.extend(branch.ports.get(here, []))
            own.append(len(port))
            last.append(-1)
            # A walk of its own, since a path may be longer than Python's stack is deep.
            return node

        stack = [(add(branch.chip), sorted(branch.links.get(branch.chip, ())))]
        while stack:
            node, waiting = stack[-1]
            if not waiting:
                last[node] = len(port)
                stack.pop()
                continue
            link = waiting.pop(0)
            below = int(shape.neighbour[chip[node], link])
            child[node][link] = add(below)
            stack.append((child[node][link], sorted(branch.links.get(below, ()))))
    root_, chip_, first_, own_, last_, port_ = (
        np.array(part, dtype=np.int64) for part in (root, chip, first, own, last, port)
    )
    below_ = np.array(child, dtype=np.int64).reshape(-1, LINKS)
    return Trees(root_, chip_, below_, first_, own_, last_, port_)


def unloaded_ps(shape: Torus, timing: Timing, trees: Trees) -> NDArray[np.int64]:
    """How long each destination's copy takes when nothing is in its way."""
    inside = (len(timing.arbiter_room) + timing.pipeline) * timing.cycle_ps
    wire = np.where(shape.between_boards(), timing.board_link_ps, timing.link_ps)
    took = np.zeros(len(trees.chip), dtype=np.int64)
    result = np.zeros(len(trees.port), dtype=np.int64)
    took[trees.root] = inside
    for node in range(len(trees.chip)):
        for link in np.flatnonzero(trees.child[node] >= 0):
            took[trees.child[node, link]] = took[node] + wire[trees.chip[node], link] + inside
        result[trees.first[node] : trees.own[node]] = took[node]
    return result
