"""Synaptic memory: how lists of synapses are packed into the words of a core.

A list holds the synapses that one source has on a core in one format (bits of a weight, bits of a
delay, signs, exponent). It is stored in blocks of at most 64 synapses with a header of 10 bits,
each rounded up to whole words of 64 bits (nengo-loihi, ``block.py``):

* *dense*, where the targets are a run of neighbouring compartments: weight and delay only;
* *indexed*, where they are not: an index for each synapse too;
* *shared*, where several sources have the same list but for a shift of all targets (as in a
  convolution, or where all weights are equal): it is stored once, indexed, and each source's axon
  adds its own base (population axons). The base is a multiple of 4 of at most 255. A core tells
  1,024 such axons of 16 bits apart; others have 32 bits, which fill two slots at the sender.
  Sources that have the same base too send to one input axon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.loihi.spec import LoihiSpec
from hwmodels.mapping.placement import LISTS, Lists, Rows, unbroken
from hwmodels.mixing import mixed
from hwmodels.network import Network, to_delay_steps

#: Bits that the format registers can name; a chip with other ones is taken at its word.
WEIGHT_WIDTHS = (0, 1, 2, 3, 4, 5, 6, 8)
INDEX_WIDTHS = (0, 6, 7, 8, 9, 10, 11, 12)
#: How far apart the bases of a shared list can lie, and how many 16-bit axons a core tells apart.
BASES, SHORT_AXONS = 256, 1 << 10
_HEADER, _BLOCK, _WORD = 10, 64, 64


class Format(NamedTuple):
    """How the synapses of a projection are stored."""

    weight_bits: int
    delay_bits: int
    exponent: int
    mixed: bool
    plastic: bool


def synaptic_words(
    synapses: NDArray[np.int64], contiguous: NDArray[np.bool_], bits: int, index_bits: int = 10
) -> int:
    """64-bit words that some lists of ``bits`` a synapse take together, unshared."""
    return int(_words(synapses, bits + np.where(contiguous, 0, index_bits)).sum())


def _words(synapses: NDArray[np.int64], bits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Words of each list."""
    full, rest = np.divmod(synapses, _BLOCK)
    words = full * -(-(_HEADER + _BLOCK * bits) // _WORD)
    return words + np.where(rest > 0, -(-(_HEADER + rest * bits) // _WORD), 0)


@dataclass(frozen=True, eq=False)
class SynapticMemory:
    """What a core needs to know of each synapse to store it; arrays over all synapses.

    Attributes
    ----------
    formats : sequence of Format
        All that occur.
    format_of : int64 array
        Number of the format.
    content : uint64 array
        Equal for synapses whose weight, delay and format are equal.
    index_bits : int
    sharing : bool
        Whether equal lists are stored once.
    """

    formats: Sequence[Format]
    format_of: NDArray[np.int64]
    content: NDArray[np.uint64]
    index_bits: int
    sharing: bool

    @classmethod
    def of(
        cls,
        network: Network,
        units: Sequence[NDArray[np.float64]],
        spec: LoihiSpec,
        rounded: bool,
        sharing: bool,
    ) -> SynapticMemory:
        """Choose the smallest format that holds each projection.

        Parameters
        ----------
        network : Network
        units : sequence of float64 array
            Weights of each projection in units of the mantissa at exponent 0, with their sign.
        spec : LoihiSpec
        rounded : bool
            Whether these are whole numbers, of which low bits that are always zero need no room.
        sharing : bool
        """
        formats, format_of, content = [], [], []
        for projection, unit in zip(network.projections, units, strict=True):
            delta = network.populations[projection.post].celltype == "IF_curr_delta"
            delays = to_delay_steps(projection.delay_ms, network.timestep_ms) - delta
            delay_bits = int(delays.max(initial=0)).bit_length()
            both_signs = bool(np.any(unit > 0) and np.any(unit < 0))
            weight_bits, exponent = spec.weight_bits, 0
            mantissa = np.rint(unit).astype(np.int64)
            if rounded:
                used = int(np.bitwise_or.reduce(np.abs(mantissa), initial=0))
                exponent = (used & -used).bit_length() - 1 if used else 0
                weight_bits = min(weight_bits, (used >> exponent).bit_length() + both_signs)
            plastic = projection.dynamics.kind != "static"
            if plastic:  # every weight may come to need all bits
                weight_bits = spec.weight_bits
            width = _width(weight_bits, WEIGHT_WIDTHS)
            kind = Format(width, delay_bits, exponent, both_signs, plastic)
            if kind not in formats:
                formats.append(kind)
            number = formats.index(kind)
            format_of.append(np.full(len(unit), number, dtype=np.int64))
            weight = mantissa if rounded else unit
            content.append(
                mixed(
                    weight.astype(np.float64).view(np.uint64)
                    ^ mixed(delays.astype(np.uint64) * np.uint64(64) + np.uint64(number))
                )
            )
        return cls(
            formats,
            np.concatenate([np.empty(0, dtype=np.int64), *format_of]),
            np.concatenate([np.empty(0, dtype=np.uint64), *content]),
            spec.index_bits,
            sharing,
        )

    def lists(self, rows: Rows) -> Lists:
        """How the synapses of some cells are stored together on one core."""
        axons = len(rows.counts)
        if not axons:
            return Lists(0)
        kind = self.format_of[rows.synapse]
        number = rows.axon * len(self.formats) + kind
        order = np.argsort(number, kind="stable")  # targets ascend within a source
        number, place, kind = number[order], rows.place[order], kind[order]
        first = np.flatnonzero(np.diff(number, prepend=-1))
        synapses = np.diff(first, append=len(number))
        dense = unbroken(np.repeat(np.arange(len(first)), synapses), place, len(first))
        bits = np.array([f.weight_bits + f.delay_bits for f in self.formats])[kind[first]]
        words = _words(synapses, bits + np.where(dense, 0, self.index_bits))
        plain = _words(synapses, bits + self.index_bits)
        table = np.zeros(3, dtype=LISTS)
        table["format"] = ("dense", "indexed", "shared")
        slots = np.zeros(len(first), dtype=np.int64)
        stored = np.ones(len(first), dtype=bool)
        # What each list is to its axon, and how wide an index it has; 0 for none.
        entry, widths = np.arange(len(first)), np.where(dense, 0, self.index_bits)
        axon = rows.axon[order][first]
        if self.sharing:
            offset = place - np.repeat(place[first], synapses)
            same = mixed(self.content[rows.synapse[order]] + mixed(offset.astype(np.uint64)))
            fixed = np.array([not f.plastic for f in self.formats])[kind[first]]
            shared = _share(
                np.add.reduceat(same, first), place[first], synapses, bits, offset, words, fixed
            )
            slots, stored, words = shared.slots, shared.stored, shared.words
            entry = np.where(slots > 0, len(first) + shared.entry, entry)
            widths = np.where(slots > 0, shared.index_bits, widths)
        for row, chosen in enumerate((dense & (slots == 0), ~dense & (slots == 0), slots > 0)):
            table["lists"][row] = np.count_nonzero(chosen & stored)
            table["synapses"][row] = synapses[chosen].sum()
            table["words"][row] = words[chosen & stored].sum()
            table["plain_words"][row] = plain[chosen].sum()
        needed = np.ones(axons, dtype=np.int64)
        np.maximum.at(needed, axon, slots)
        own = np.bincount(axon[slots == 0], minlength=axons) > 0
        loose = np.bincount(axon[~dense], minlength=axons) > 0
        inputs = axons
        if self.sharing:
            # Sources are one input axon where all that they are to this core is the same.
            whole = np.zeros(axons, dtype=np.uint64)
            np.add.at(whole, axon, mixed(entry.astype(np.uint64)))
            inputs = len(np.unique(whole))
        formats = np.count_nonzero(np.bincount(kind[first] * (int(widths.max()) + 1) + widths))
        return Lists(int(table["words"].sum()), ~loose, ~own, needed, table, inputs, int(formats))


class _Shared(NamedTuple):
    """Of each list: slots of its axon (0: not shared), whether it is stored, words, and more.

    ``entry`` is equal for lists that one input axon can serve, ``index_bits`` those of a synapse.
    """

    slots: NDArray[np.int64]
    stored: NDArray[np.bool_]
    words: NDArray[np.int64]
    entry: NDArray[np.int64]
    index_bits: NDArray[np.int64]


def _share(
    content: NDArray[np.uint64],
    base: NDArray[np.int64],
    synapses: NDArray[np.int64],
    bits: NDArray[np.int64],
    offset: NDArray[np.int64],
    words: NDArray[np.int64],
    fixed: NDArray[np.bool_],
) -> _Shared:
    """Which lists share one that is stored once.

    All but ``offset`` (of each synapse from the first target of its list) are over lists.
    """
    # A 16-bit axon shifts by multiples of 4, so each residue has a list of its own.
    alike = content ^ mixed(
        synapses.astype(np.uint64) * np.uint64(4) + (base % 4).astype(np.uint64)
    )
    alike = np.unique(alike, return_inverse=True)[1]
    lowest = np.full(len(base), np.iinfo(np.int64).max)
    np.minimum.at(lowest, alike, base)
    window = (base - lowest[alike]) // BASES
    group = np.unique(alike * (int(window.max()) + 1) + window, return_inverse=True)[1]
    members = np.bincount(group)
    # An index counts from the base, so the widest offset says how many bits it takes.
    furthest = np.maximum.reduceat(offset, np.cumsum(synapses) - synapses)
    needed = np.ceil(np.log2(furthest + 1)).astype(np.int64)
    widths = np.array([*INDEX_WIDTHS, *range(INDEX_WIDTHS[-1] + 1, 64)])
    index_bits = widths[np.searchsorted(widths, needed)]
    once = _words(synapses, bits + index_bits)
    saved = np.bincount(group, words)[group] - once
    shared = fixed & (members[group] > 1) & (saved > 0)
    # What saves most has the 16-bit axons that a core tells apart; others need 32 bits, which are
    # worth it from lists of two words on.
    order = np.lexsort((group, -saved * shared / members[group]))
    entry = np.unique(group * (int(base.max()) + 1) + base, return_inverse=True)[1].reshape(-1)
    number = np.empty(int(entry.max()) + 1, dtype=np.int64)
    number[np.argsort(np.unique(entry[order], return_index=True)[1])] = np.arange(len(number))
    short = number[entry] < SHORT_AXONS
    half = np.bincount(group, ~short) > 0  # a group has axons of one kind
    slots = np.where(half[group], 2, 1)
    shared &= (slots == 1) | (words > 1)
    stored = ~shared
    stored[np.unique(group, return_index=True)[1]] = True
    words = np.where(shared, once, words)
    return _Shared(np.where(shared, slots, 0), stored, words, entry, index_bits)


def _width(bits: int, widths: Sequence[int]) -> int:
    """The smallest width that a register can name."""
    return min((width for width in widths if width >= bits), default=bits)
