"""Where spikes wait for their tick: the scheduler of the cores, and an ideal one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_NONE = np.empty(0, dtype=np.int64)


class Scheduler:
    """A bit for each axon and each of the next ticks, as on the chip.

    A packet names its slot, the tick in which it is due modulo the number of slots. So one that
    comes after its slot was read acts when the slot is read again, a round later; and two spikes
    of one axon in one slot are one.

    A tag says for the neurons of others when the spike was first sent, and for whom; the chip has
    none.

    Parameters
    ----------
    slots, axons : int
    """

    def __init__(self, slots: int, axons: int) -> None:
        #: What is known of the spike; -1: no bit.
        self._tag = np.full((slots, axons), -1, dtype=np.int64)

    def write(
        self, axons: NDArray[np.int64], due: NDArray[np.int64], tag: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Set bits; returns which of them were set already."""
        flat = self._tag.reshape(-1)
        place = (due % len(self._tag)) * self._tag.shape[1] + axons
        again = flat[place] >= 0
        order = np.argsort(place, kind="stable")
        again[order[1:]] |= place[order[1:]] == place[order[:-1]]
        flat[place[~again]] = tag[~again]
        return again

    def read(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Axons with a spike in this tick, ascending, and their tags; clears the slot."""
        slot = self._tag[step % len(self._tag)]
        axons = np.flatnonzero(slot >= 0)
        tag = slot[axons]
        slot[axons] = -1
        return axons, tag


class Calendar:
    """The same without slots: every spike acts at its tick, however far, however often."""

    def __init__(self) -> None:
        self._due: dict[int, list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = {}

    def write(
        self, axons: NDArray[np.int64], due: NDArray[np.int64], tag: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Put spikes down; none is ever one too many."""
        for tick in np.unique(due).tolist():
            here = due == tick
            self._due.setdefault(tick, []).append((axons[here], tag[here]))
        return np.zeros(len(axons), dtype=bool)

    def read(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Axons with a spike in this tick and their tags."""
        parts = self._due.pop(step, [(_NONE, _NONE)])
        return np.concatenate([x for x, _ in parts]), np.concatenate([x for _, x in parts])
