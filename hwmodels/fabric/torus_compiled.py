"""The compiled engine of the torus: :mod:`hwmodels.fabric.torus_kernel` as machine code."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwmodels.compiling import can_compile, compiled
from hwmodels.fabric.torus import LINKS, Fates, Timing, Torus, Trees
from hwmodels.fabric.torus_kernel import (
    ARRIVED,
    CARRY_PARTS,
    DROPPED,
    REFUSED,
    Out,
    Pool,
    carry,
    empty_state,
    fixed_parts,
)


class CompiledTorus:
    """Implements :class:`hwmodels.fabric.torus.TorusEngine`.

    Parameters
    ----------
    shape : Torus
    timing : Timing
    trees : Trees
    ports : int
        Cores of each chip.
    """

    def __init__(self, shape: Torus, timing: Timing, trees: Trees, ports: int = 1) -> None:
        self.shape, self.trees = shape, trees
        self._ports = ports
        self._fixed = fixed_parts(shape, timing, ports)
        self._state = empty_state(self._fixed)
        self._carry = compiled(carry, *CARRY_PARTS) if can_compile() else carry
        none = np.empty(0, dtype=np.int64)
        self._pool = Pool(none, none, none)
        self._open = 0
        self.visits, self.drops, self.aged = (
            self._state.visits, self._state.drops, self._state.aged,
        )  # fmt: skip
        self.carried = self._state.carried.reshape(-1, LINKS)
        self.longest = self._state.longest.reshape(-1, LINKS)

    def run(
        self,
        tree: NDArray[np.int64],
        port: NDArray[np.int64],
        time_ps: NDArray[np.int64],
        until_ps: int,
    ) -> Fates:
        """See :class:`hwmodels.fabric.torus.TorusEngine`."""
        tree = np.asarray(tree, dtype=np.int64)
        first = len(self._pool.tree)
        new = (tree, np.asarray(time_ps, dtype=np.int64), np.full(len(tree), -1, dtype=np.int64))
        self._pool = Pool(*(np.concatenate(both) for both in zip(self._pool, new, strict=True)))
        core = self.trees.chip[self.trees.root[tree]] * self._ports + port
        copies = self.trees.copies()
        room = self._open + int(copies[tree].sum())
        out = Out(
            np.empty((room, 3), dtype=np.int64),
            np.empty((room + len(tree), 3), dtype=np.int64),
            np.empty(len(tree), dtype=np.int64),
        )
        state = self._state
        state.count[[ARRIVED, DROPPED, REFUSED]] = 0
        self._carry(
            self._fixed, state, self.trees, self._pool, out, first, core.astype(np.int64), until_ps
        )
        arrived = out.arrived[: state.count[ARRIVED]]
        dropped = out.dropped[: state.count[DROPPED]]
        refused = out.refused[: state.count[REFUSED]]
        lost = dropped_copies(self.trees, self._pool.tree, dropped)
        self._open = (
            room - len(arrived) - len(lost[0]) - int(copies[self._pool.tree[refused]].sum())
        )
        return Fates(arrived[:, 1], arrived[:, 2], arrived[:, 0], *lost, refused)


def dropped_copies(
    trees: Trees, tree: NDArray[np.int64], dropped: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Packet, destination and time of every copy that drops at nodes have cost.

    Parameters
    ----------
    trees : Trees
    tree : int64, shape (packets,)
    dropped : int64, shape (n, 3)
        Time, packet and node.
    """
    time, packet, node = dropped.T
    counts = trees.last[node] - trees.first[node]
    before = np.cumsum(counts) - counts
    place = np.repeat(trees.first[node] - before, counts) + np.arange(int(counts.sum()))
    packet = np.repeat(packet, counts)
    return packet, place - trees.first[trees.root[tree[packet]]], np.repeat(time, counts)
