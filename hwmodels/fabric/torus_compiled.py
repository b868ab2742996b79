"""The compiled engine of the torus: :mod:`hwmodels.fabric.torus_kernel` as machine code."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwmodels.compiling import can_compile, compiled
from hwmodels.fabric.torus import Fates, Timing, Torus
from hwmodels.fabric.torus_kernel import CARRY_PARTS, carry
from hwmodels.fabric.torus_tables import (
    ARRIVED,
    DROPPED,
    NOWHERE,
    REFUSED,
    ROUND,
    ROWS,
    counted_in,
    machine,
)
from hwmodels.fabric.torus_trees import Trees


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
        self._machine = machine(shape, timing, trees, ports)
        self._carry = compiled(carry, *CARRY_PARTS, allocates=False) if can_compile() else carry
        #: Tree, launch and successor of each packet.
        self._pool = np.empty((0, 3), dtype=np.int64)
        self.counted = counted_in(self._machine)

    def run(
        self,
        tree: NDArray[np.int64],
        port: NDArray[np.int64],
        time_ps: NDArray[np.int64],
        until_ps: int,
    ) -> Fates:
        """See :class:`hwmodels.fabric.torus.TorusEngine`."""
        tree = np.asarray(tree, dtype=np.int64)
        first = len(self._pool)
        new = np.column_stack((tree, time_ps, np.full(len(tree), -1))).astype(np.int64)
        self._pool = np.concatenate((self._pool, new))
        senders = self.trees.chip[self.trees.root[tree]] * self._ports + port
        kept = self._machine.counts
        each = len(self._machine.core) + 2 * len(self._machine.chip)
        out = np.empty((2 * each + len(tree) + 4096, 4), dtype=np.int64)
        parts, given = [np.empty((0, 4), dtype=np.int64)], 0
        while given >= 0:
            kept[ROWS] = 0
            given = self._carry(
                self._machine, self._pool, out, first, given, senders.astype(np.int64), until_ps
            )
            parts.append(out[: kept[ROWS]].copy())
        rows = np.concatenate(parts)
        arrived, dropped = rows[rows[:, 3] == ARRIVED], rows[rows[:, 3] == DROPPED]
        refused = rows[rows[:, 3] == REFUSED, 1]
        lost = dropped_copies(self.trees, self._pool[:, 0], dropped)
        return Fates(arrived[:, 1], arrived[:, 2], arrived[:, 0], *lost, refused)


def dropped_copies(
    trees: Trees, tree: NDArray[np.int64], dropped: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Packet, destination and time of every copy that drops at nodes have cost.

    Parameters
    ----------
    trees : Trees
    tree : int64, shape (packets,)
    dropped : int64, shape (n, 4)
        Time, packet and place, as a kernel reports them.
    """
    # A place may be two nodes, of which one is on its way round a link.
    at, to = dropped[:, 2] & NOWHERE, (dropped[:, 2] >> ROUND) - 1
    rows = np.concatenate((dropped[at != NOWHERE], dropped[to >= 0]))
    time, packet = rows[:, 0], rows[:, 1]
    node = np.concatenate((at[at != NOWHERE], to[to >= 0]))
    counts = trees.last[node] - trees.first[node]
    before = np.cumsum(counts) - counts
    place = np.repeat(trees.first[node] - before, counts) + np.arange(int(counts.sum()))
    packet = np.repeat(packet, counts)
    return packet, place - trees.first[trees.root[tree[packet]]], np.repeat(time, counts)
