"""Messages of free-running steps that have not arrived, by their number in the mesh's table.

Of each only its axon, its step and its place among all that were sent is kept: 20 bytes. What a
packet over an axon has in common with others is looked up when it is asked for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwmodels.result import PACKET

#: What packets over an axon have in common, in the order of the columns that are followed.
LASTING = ("source", "source_core", "destination_core", "synapses", "hops")


class UnderWay:
    """Which messages are under way, and what is known of them."""

    def __init__(self) -> None:
        self._axon = np.empty(0, dtype=np.int64)
        self._step = np.empty(0, dtype=np.int32)
        #: Order of sending; -1 where a number is free.
        self._serial = np.empty(0, dtype=np.int64)
        self._sent = 0
        self._columns: tuple[NDArray, ...] = ()
        #: Where the axons at hand begin in the columns.
        self._first = 0

    def make_room(self, more: int) -> None:
        """Have so many numbers more."""
        self._axon = np.concatenate([self._axon, np.zeros(more, dtype=np.int64)])
        self._step = np.concatenate([self._step, np.zeros(more, dtype=np.int32)])
        self._serial = np.concatenate([self._serial, np.full(more, -1, dtype=np.int64)])

    def follow(self, columns: tuple[NDArray, ...]) -> None:
        """From now on axons are rows of other columns; those under way keep what they have."""
        slots = np.flatnonzero(self._serial >= 0)
        self._first = len(slots)
        if len(slots):
            kept = [column[self._axon[slots]] for column in self._columns]
            columns = tuple(map(np.concatenate, zip(kept, columns, strict=True)))
            self._axon[slots] = np.arange(len(slots))
        self._columns = columns

    def free(self, n: int) -> NDArray[np.int64]:
        """The first ``n`` numbers that are free, which there may not be room for yet."""
        slots = np.flatnonzero(self._serial < 0)[:n]
        return np.concatenate([slots, len(self._serial) + np.arange(n - len(slots))])

    def begin(self, slots: NDArray[np.int64], step: int, axon: NDArray[np.int64]) -> None:
        """Messages are sent over axons."""
        self._axon[slots] = axon + self._first
        self._step[slots] = step
        self._serial[slots] = self._sent + np.arange(len(slots))
        self._sent += len(slots)

    def end(self, slots: NDArray[np.int64]) -> None:
        """Messages have arrived: their numbers are free."""
        self._serial[slots] = -1

    def in_order(self) -> NDArray[np.int64]:
        """The numbers of all that are under way, in the order of sending."""
        slots = np.flatnonzero(self._serial >= 0)
        return slots[np.argsort(self._serial[slots])]

    def packets(self, slots: NDArray[np.int64]) -> NDArray:
        """Messages as :data:`hwmodels.result.PACKET`, without their times."""
        packets = np.empty(len(slots), dtype=PACKET)
        packets["step"] = self._step[slots]
        for name, column in zip(LASTING, self._columns, strict=True):
            packets[name] = column[self._axon[slots]]
        packets["late_steps"] = 0
        packets["inject_ps"] = packets["arrive_ps"] = -1
        return packets
