"""Sixty-four numbers at a time, for kernels whose control is a bit for each.

Masks are whole numbers of 64 bits, a bit for each lane. A lane is a number of 32 bits in a long
array, and 64 that follow one another are tested or moved at once; words of masks are treated eight
at a time. The functions here say what is computed. In kernels, :mod:`hwmodels.lanes_llvm` says the
same in LLVM's own terms, for the widest registers that the processor has: neither a compiler nor a
built wheel is needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Lanes that are treated together, and the bits that number one of them.
LANES, LANE_BITS = 64, 6
#: Words that are treated together: rows of words are multiples of it.
WORDS = 8
#: What a share has behind its point: see :func:`part_of`.
SHARE_BITS = 62


def with_bits(lanes: NDArray[np.uint32], at: int, bits: int) -> int:
    """The mask of those of 64 lanes that have any of some bits."""
    return _mask(lanes[at : at + LANES] & np.uint32(bits) != 0)


def with_value(lanes: NDArray[np.uint32], at: int, bits: int, value: int) -> int:
    """The mask of those of 64 lanes that have a value in some bits."""
    return _mask(lanes[at : at + LANES] & np.uint32(bits) == np.uint32(value))


def move(lanes: NDArray[np.uint32], to: int, begin: int, mask: int) -> None:
    """Move those of 64 lanes that a mask names; the others stay as they are.

    The 64 lanes behind ``to`` are written to as a whole: there must be as many.
    """
    chosen = _chosen(mask)
    lanes[to : to + LANES][chosen] = lanes[begin : begin + LANES][chosen]


def merge(
    lanes: NDArray[np.uint32], to: int, begin: int, stride: int, words: NDArray[np.int64],
    given: int, row: int, sources: int, mask: int, less: int,
) -> None:  # fmt: skip
    """Move lanes of a mask, less a number, each from the plane that a word names it in.

    Planes begin at ``begin`` with a ``stride`` between them, and their words at ``given`` with a
    ``row`` between; ``sources`` is the mask of those that are looked at. The 64 lanes behind ``to``
    are written to as a whole: there must be as many.
    """
    chosen = _chosen(mask)
    target = lanes[to : to + LANES]
    moved = np.zeros(LANES, dtype=np.uint32)
    for k in range(int(sources).bit_length()):
        if sources >> k & 1:
            named = _chosen(words[given + k * row])
            moved[named] = lanes[begin + k * stride : begin + k * stride + LANES][named]
    target[chosen] = moved[chosen] - np.uint32(less)


def word_at(words: NDArray[np.int64], bit: int) -> int:
    """The 64 bits from a bit on, in a row of words."""
    place, shift = bit >> LANE_BITS, bit & (LANES - 1)
    two = _unsigned(words[place]) | _unsigned(words[place + 1]) << LANES
    return _signed(two >> shift & ~(-1 << LANES))


def add_to_ranks(words: NDArray[np.int64], at: int, some: int) -> bool:
    """One more for each lane of eight words at ``some``: the step for one rank of many.

    Of eight words at ``at``, and those of the ranks behind, the first rank that does not yet have a
    lane gets it. The eight words at ``some`` keep the lanes for the next rank; returns whether
    there are any.
    """
    rank, left = words[at : at + WORDS], words[some : some + WORDS]
    rank[:], left[:] = rank | left, rank & left
    return bool(left.any())


def take_from_ranks(words: NDArray[np.int64], at: int, above: int, some: int) -> bool:
    """One less for each lane of eight words, all of which have one: the step for one rank.

    The last rank that has a lane, which is the one whose next rank (``above``) has not, loses it.
    """
    rank, left = words[at : at + WORDS], words[some : some + WORDS]
    rank &= words[above : above + WORDS] | ~left
    left &= words[above : above + WORDS]
    return bool(left.any())


def join(words: NDArray[np.int64], at: int, some: int) -> None:
    """Eight words have the lanes of others as well."""
    words[at : at + WORDS] |= words[some : some + WORDS]


def first_half(words: NDArray[np.int64], at: int, some: int) -> None:
    """Eight words are the first four of others, and four empty ones."""
    words[at : at + WORDS] = words[some : some + WORDS]
    words[at + WORDS // 2 : at + WORDS] = 0


def toggle(words: NDArray[np.int64], at: int, some: int) -> None:
    """Turn over the lanes of eight words that others name; these are empty afterwards."""
    words[at : at + WORDS] ^= words[some : some + WORDS]
    words[some : some + WORDS] = 0


def round_robin(
    words: NDArray[np.int64], wants: int, pointers: int, full: int, busy: int, grants: int,
    popped: int, inputs: int, row: int,
) -> None:  # fmt: skip
    """Which input is granted each output, in lanes that are routers.

    ``wants`` is a row of words for each input, with a word for each output, ``pointers`` likewise:
    of the inputs that want an output, which is neither ``full`` nor ``busy``, the first at or
    behind the pointer is granted, and the pointer moves behind it. ``grants`` are such rows, and
    then one with what each output granted; ``popped`` says what was granted to each input.
    """
    asks = words[wants : wants + inputs * row].reshape(inputs, row)
    pointer = words[pointers : pointers + inputs * row].reshape(inputs, row)
    given = words[grants : grants + (inputs + 1) * row].reshape(inputs + 1, row)
    token = np.zeros(row, dtype=np.int64)
    asks = asks & ~(words[full : full + row] | words[busy : busy + row])
    for k in range(inputs):
        token |= pointer[k]
        given[k] = token & asks[k]
        token &= ~asks[k]
    for k in range(inputs):
        given[k] |= token & asks[k]
        token &= ~asks[k]
    given[inputs] = np.bitwise_or.reduce(given[:inputs], axis=0)
    words[popped : popped + inputs] = np.bitwise_or.reduce(given[:inputs], axis=1)
    pointer[:] = pointer & ~given[inputs] | np.roll(given[:inputs], 1, axis=0)


def lowest_bit(mask: int) -> int:
    """The number of the first lane of a mask, of which one must be."""
    return (int(mask) & -int(mask)).bit_length() - 1


def without_lowest(mask: int) -> int:
    """A mask without its first lane."""
    return _signed(_unsigned(mask) & (_unsigned(mask) - 1))


def part_of(number: int, share: int) -> int:
    """The whole part of a number times ``share / 2**SHARE_BITS``, neither being less than 0.

    A product of 128 bits, of which neither NumPy nor Numba has a type.
    """
    return int(number) * int(share) >> SHARE_BITS


def lane(number: int) -> int:
    """The mask of one lane."""
    return _signed(1 << number)


def _unsigned(word: int) -> int:
    return int(word) & ~(-1 << LANES)


def _signed(word: int) -> int:
    return word - (word >> LANES - 1 << LANES)


def _mask(those: NDArray[np.bool_]) -> int:
    return int(np.packbits(those, bitorder="little").view(np.int64)[0])


def _chosen(mask: int) -> NDArray[np.bool_]:
    word = np.array([mask], dtype=np.int64).view(np.uint8)
    return np.unpackbits(word, bitorder="little").astype(bool)
