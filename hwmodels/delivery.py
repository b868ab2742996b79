"""Synapses that add whole numbers: a ring of sums in place of lists of what arrives.

In: spikes, step by step. Out: for each step, the sum of all input due at each *slot* (a register
of some neuron that takes input). Whole numbers give the same sum in any order, so a spike's
synapses are added where and when they will act, at the time of the spike. Neurons that can take
their input so say it with :class:`Inputs`; those that sum in floating point must have it in order.
It must not know whose registers these are.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.compiling import aligned, compiled
from hwmodels.network import Network, Projection

#: Low bits of a packed synapse: after how many steps it acts; its slot is above them.
DELAY_BITS = 6
_LATEST = (1 << DELAY_BITS) - 1
_SLOTS = 1 << (32 - DELAY_BITS)


class Inputs(NamedTuple):
    """Where the synapses of a network act, and what each adds.

    Attributes
    ----------
    slots : int
        Number of registers that take input.
    first : tuple of int
        For each projection, the slot of the first cell of its target population; -1 where its
        input has no effect.
    wait : tuple of int
        For each projection, steps (0 or 1) from the arrival of a spike to its action.
    gain : tuple of float64 array
        For each projection, what a weight of 1 adds at each cell of its target population; the
        product is rounded to a whole number.
    """

    slots: int
    first: tuple[int, ...]
    wait: tuple[int, ...]
    gain: tuple[NDArray[np.float64], ...]

    def weights(self, k: int, projection: Projection, synapses: NDArray) -> NDArray[np.int64]:
        """What some synapses of projection ``k`` add."""
        gain = self.gain[k][projection.target[synapses]]
        return np.rint(projection.weight[synapses] * gain).astype(np.int64)

    def narrowest(self, network: Network) -> tuple[np.dtype[np.signedinteger], int]:
        """The smallest signed numbers that hold what any synapse of the network adds.

        These numbers count in a power of two, which all synapses have in common: its exponent is
        the second value. Chips keep short mantissas of large weights, so that mostly there is one.
        """
        both = list(zip(network.projections, self.gain, strict=True))
        largest = max(
            (
                max(p.weight.max(initial=0.0), -p.weight.min(initial=0.0))
                * np.abs(gain).max(initial=0.0)
                for p, gain in both
            ),
            default=0.0,
        )
        most, shift = int(np.rint(largest)), 0
        if most > np.iinfo(np.int8).max:
            digits = 0
            for p, gain in both:
                digits |= int(compiled(digits_of)(p.target, p.weight, gain))
            shift = max((digits & -digits).bit_length() - 1, 0)
        return np.min_scalar_type(-(most >> shift) - 1), shift


class SummedInput:
    """Input of all neurons on its way, summed by slot and step.

    Parameters
    ----------
    network : Network
    inputs : Inputs
    most_at_once : int
        How often one cell spikes in one step at most.
    """

    def __init__(self, network: Network, inputs: Inputs, most_at_once: int) -> None:
        self._inputs, self._most_at_once = inputs, most_at_once
        self._ring = aligned((1, inputs.slots), np.int32)
        #: Spikes whose input may not all have acted yet, and whose delays it has: the first of some
        #: steps, where each step's cells begin, and the cells.
        self._recent: deque[tuple[int, NDArray[np.int64], NDArray[np.int64], Network]] = deque()
        self._pack(network, network)
        self._make_room(0)

    @staticmethod
    def possible(network: Network, inputs: Inputs) -> bool:
        """Whether all delays and slots fit the packed form."""
        steps = [
            float(p.delay_ms.max(initial=0)) / network.timestep_ms for p in network.projections
        ]
        return max(steps, default=0) + 1.5 < _LATEST and inputs.slots <= _SLOTS

    def _pack(self, network: Network, delays_of: Network) -> None:
        """Build rows by source cell: slot and delay of each synapse in a word, and its weight."""
        inputs, offsets = self._inputs, network.offsets
        length = np.zeros(int(offsets[-1]) + 1, dtype=np.int64)
        acting = [k for k, first in enumerate(inputs.first) if first >= 0]
        for k in acting:
            projection = network.projections[k]
            begin = offsets[projection.pre] + 1
            length[begin : begin + len(projection.indptr) - 1] += np.diff(projection.indptr)
        self._indptr = np.cumsum(length)
        synapses = int(self._indptr[-1])
        self._word, total = np.empty(synapses, np.uint32), np.zeros(inputs.slots, np.int64)
        self._earliest, self._latest = _LATEST, 1
        self._wait = np.zeros(inputs.slots, dtype=np.int64)
        kind, self._shift = inputs.narrowest(network)
        self._weight = np.empty(synapses, dtype=kind)
        filled = self._indptr[:-1].copy()
        for k in acting:
            projection, first = network.projections[k], inputs.first[k]
            earliest, latest = compiled(pack)(
                projection.indptr, projection.target, projection.weight,
                delays_of.projections[k].delay_ms, inputs.gain[k], network.timestep_ms,
                inputs.wait[k], first, filled[offsets[projection.pre] :], self._word,
                self._weight, self._shift, total,
            )  # fmt: skip
            self._earliest = min(self._earliest, earliest)
            self._latest = max(self._latest, latest)
            self._wait[first : first + len(inputs.gain[k])] = inputs.wait[k]
        self._bound = int(total.max(initial=0)) * self._most_at_once
        self._network = network

    def _make_room(self, step: int) -> None:
        """Have a ring deep and wide enough for what is packed now, keeping what is in it."""
        ring, before = self._ring, len(self._ring)
        depth = max(before, 1 << int(self._latest).bit_length())
        kind = np.promote_types(ring.dtype, np.int32 if self._bound < 2**31 else np.int64)
        if (depth, kind) != (before, ring.dtype):
            self._ring = aligned((depth, ring.shape[1]), kind)
            for later in range(before):
                self._ring[(step + later) % depth] = ring[(step + later) % before]

    def emit(self, step: int, fired: NDArray[np.int64]) -> None:
        """Add the synapses of cells that fired where they will act."""
        if not self._inputs.slots:
            return
        self.emitted(step, np.array([0, len(fired)]), fired)
        compiled(deliver)(fired, *self.tables, step)

    @property
    def slots(self) -> int:
        """Number of registers that take input."""
        return self._inputs.slots

    @property
    def tables(self) -> tuple[NDArray, NDArray, NDArray, NDArray, int, int]:
        """Ring, rows by source cell (begins, packed synapses, weights), ``shift`` and ``after``.

        Weights count in ``2**shift``. ``after`` is the delay of all synapses, or 0 where they have
        different ones.
        """
        after = self._latest if self._earliest == self._latest else 0
        return self._ring, self._indptr, self._word, self._weight, self._shift, after

    @property
    def most(self) -> int:
        """What no input of a step exceeds, as long as all spikes are in time.

        A synapse whose delay has changed can add what it sent before to what it sends now.
        """
        delays = {id(network) for *_, network in self._recent} | {id(self._network)}
        return self._bound * len(delays)

    def emitted(self, first: int, starts: NDArray[np.int64], fired: NDArray[np.int64]) -> None:
        """Remember spikes of some steps, whose synapses someone else has added to the ring.

        Parameters
        ----------
        first : int
            The first step.
        starts, fired : int64, shapes (steps + 1,) and (n,)
            Cells that spike in each step.
        """
        if not self._inputs.slots:
            return
        while self._recent:
            oldest, its, *_ = self._recent[0]
            if oldest + len(its) - 2 + _LATEST > first:
                break
            self._recent.popleft()
        self._recent.append((first, starts, fired, self._network))

    def add(self, step: int, k: int, synapses: NDArray[np.int64]) -> None:
        """Let some synapses of projection ``k`` arrive at ``step``, which is now."""
        if self._inputs.first[k] < 0:
            return
        projection = self._network.projections[k]
        weights = self._inputs.weights(k, projection, synapses)
        row = self._ring[(step + self._inputs.wait[k]) & (len(self._ring) - 1)]
        np.add.at(row, projection.target[synapses] + self._inputs.first[k], weights)

    def due(self, step: int) -> NDArray:
        """Sums that act at ``step``, shape (slots,); the caller leaves zeros behind."""
        return self._ring[step & (len(self._ring) - 1)]

    def update(self, step: int, network: Network, most_at_once: int) -> None:
        """Take over a network with changed weights or delays.

        Spikes on their way keep their delays and act with the weights of when they arrive.
        """
        before = self._network.projections
        pairs = list(zip(before, network.projections, strict=True))
        if most_at_once <= self._most_at_once and all(
            a.weight is b.weight and a.delay_ms is b.delay_ms for a, b in pairs
        ):
            self._network = network
            return
        self._again(step, self._network, -1)
        self._most_at_once = max(most_at_once, self._most_at_once)
        self._again(step, network, 1)
        self._pack(network, network)
        self._make_room(step)

    def _again(self, step: int, weights_of: Network, sign: int) -> None:
        """Add (or take away) what recent spikes will make arrive after ``step``."""
        for delays_of in {id(one): one for *_, one in self._recent}.values():
            self._pack(weights_of, delays_of)
            self._make_room(step)
            for first, starts, fired, its in self._recent:
                for k in range(len(starts) - 1 if its is delays_of else 0):
                    compiled(again)(
                        fired[starts[k] : starts[k + 1]], self._indptr, self._word, self._weight,
                        self._shift, self._wait, self._ring, first + k, step, len(self._ring) - 1,
                        sign,
                    )  # fmt: skip


def digits_of(target, weight, gain):  # type: ignore[no-untyped-def]
    """Which binary digits anything has that synapses add."""
    digits = 0
    for k in range(len(target)):
        digits |= int(np.rint(weight[k] * gain[target[k]]))
    return digits


def pack(  # type: ignore[no-untyped-def]
    indptr, target, weight, delay_ms, gain, timestep_ms, wait, first, filled, word, weights, shift,
    total,
):  # fmt: skip
    """Append the synapses of a projection to the rows of their source cells.

    Returns after how many steps the earliest and the latest act.

    Delays and weights are rounded as :func:`hwmodels.network.to_delay_steps` and ``np.rint`` do.
    """
    earliest, latest = _LATEST, 1
    for cell in range(len(indptr) - 1):
        place = filled[cell]
        for k in range(indptr[cell], indptr[cell + 1]):
            steps = max(int(np.rint(delay_ms[k] / timestep_ms)), 1) + wait
            earliest, latest = min(earliest, steps), max(latest, steps)
            value = int(np.rint(weight[k] * gain[target[k]]))
            slot = first + target[k]
            word[place] = slot << DELAY_BITS | steps
            weights[place] = value >> shift
            total[slot] += abs(value)
            place += 1
        filled[cell] = place
    return earliest, latest


def deliver(fired, ring, indptr, word, weight, shift, after, step):  # type: ignore[no-untyped-def]
    """Add all synapses of some cells to the ring; see :attr:`SummedInput.tables`."""
    mask = len(ring) - 1
    row = ring[(step + after) & mask]
    for cell in fired:
        begin, end = np.uint64(indptr[cell]), np.uint64(indptr[cell + 1])
        if after:
            for k in range(begin, end):
                row[np.uint64(word[k] >> DELAY_BITS)] += int(weight[k]) << shift
        else:
            for k in range(begin, end):
                packed = word[k]
                acts = np.uint64((step + (packed & _LATEST)) & mask)
                ring[acts, np.uint64(packed >> DELAY_BITS)] += int(weight[k]) << shift


def again(  # type: ignore[no-untyped-def]
    fired, indptr, word, weight, shift, wait, ring, sent, now, mask, sign
):
    """Add what arrives after ``now`` of the synapses of cells that fired at ``sent``."""
    for cell in fired:
        for k in range(indptr[cell], indptr[cell + 1]):
            slot, acts = word[k] >> DELAY_BITS, sent + (word[k] & _LATEST)
            if acts - wait[slot] > now:
                ring[acts & mask, slot] += sign * (int(weight[k]) << shift)
