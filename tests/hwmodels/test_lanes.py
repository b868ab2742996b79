"""Lanes in machine code are what their definitions say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels import lanes
from hwmodels.compiling import can_compile, compiled

pytestmark = pytest.mark.skipif(not can_compile(), reason="Numba is not installed")


def whole_lanes(flits, words, at, number, said):
    mask, k = words[at], number & 15
    said[0] = lanes.with_bits(flits, at, number)
    said[1] = lanes.with_value(flits, at, 7, k & 7)
    said[2] = lanes.word_at(words, 64 * at + number % 64)
    said[3] = lanes.lane(number % 64)
    said[4] = lanes.without_lowest(mask)
    lanes.move(flits, 300 + k, at, mask)
    lanes.merge(flits, 400 + k, at, 70, words, 10, 5, k, mask, number)
    lanes.merge(flits, 500, k, 65, words, 20, 1, 7, ~mask, 0)


def whole_parts(numbers, shares):
    for k in range(len(numbers)):
        numbers[k] = lanes.part_of(numbers[k], shares[k])


def whole_words(words, at, said):
    said[0] = lanes.add_to_ranks(words, at, at + 8)
    said[1] = lanes.take_from_ranks(words, at + 16, at + 24, at + 32)
    lanes.join(words, at + 40, at + 3)
    lanes.toggle(words, at + 48, at + 56)
    lanes.first_half(words, at + 64, at + 72)


def whole_turns(words, inputs, row):
    table = inputs * row
    lanes.round_robin(
        words, 0, table, 2 * table, 2 * table + row, 2 * table + 2 * row, 3 * table + 3 * row,
        inputs, row,
    )  # fmt: skip


def in_both(function, *arguments):
    """Arrays after the definition ran over them, and after its machine code did."""
    here = [np.copy(value) if isinstance(value, np.ndarray) else value for value in arguments]
    there = [np.copy(value) if isinstance(value, np.ndarray) else value for value in arguments]
    with np.errstate(over="ignore"):
        function(*here)
    compiled(function, allocates=False)(*there)
    return [pair for pair in zip(here, there, strict=True) if isinstance(pair[0], np.ndarray)]


def random_words(seed, n):
    rng = np.random.default_rng(seed)
    some = rng.integers(-(2**63), 2**63, n) & rng.integers(-(2**63), 2**63, n)
    some[rng.random(n) < 0.2] = rng.choice([0, -1, 1, -(2**63)])
    return some


@given(seed=st.integers(0, 2**32), at=st.integers(0, 40), number=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_lanes_are_tested_and_moved_alike(seed, at, number):
    flits = np.random.default_rng(seed).integers(0, 2**32, 600, dtype=np.uint32)
    words = random_words(seed, 60)
    words[at] |= 1  # there is a lowest one
    for here, there in in_both(whole_lanes, flits, words, at, number, np.zeros(5, dtype=np.int64)):
        assert np.array_equal(here, there)


@given(seed=st.integers(0, 2**32), at=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_words_are_counted_alike(seed, at):
    for here, there in in_both(whole_words, random_words(seed, 100), at, np.zeros(2)):
        assert np.array_equal(here, there)


@given(
    seed=st.integers(0, 2**32), inputs=st.integers(1, 20), row=st.sampled_from([8, 16, 24])
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_turns_are_taken_alike(seed, inputs, row):
    words = random_words(seed, 3 * inputs * row + 4 * row + inputs)
    for here, there in in_both(whole_turns, words, inputs, row):
        assert np.array_equal(here, there)


@given(seed=st.integers(0, 2**32), inputs=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_round_robin_grants_the_first_input_at_or_behind_the_pointer(seed, inputs):
    rng, row, table = np.random.default_rng(seed), 8, inputs * 8
    pointer, output, bit = rng.integers(0, inputs, (row, 64)), *np.indices((row, 64))
    asks, shut = rng.random((inputs, row, 64)) < 0.3, rng.random((2, row, 64)) < 0.2
    at = np.zeros((inputs, row, 64), dtype=bool)
    at[pointer, output, bit] = True
    bits = np.concatenate([asks, at, shut, np.zeros((inputs + 1, row, 64), dtype=bool)])
    words = np.packbits(bits, axis=2, bitorder="little").view(np.int64).ravel()
    words = np.concatenate([words, np.zeros(inputs, dtype=np.int64)])
    whole_turns(words, inputs, row)
    after = np.unpackbits(words[: len(bits) * row].view(np.uint8), bitorder="little")
    after = after.reshape(bits.shape).astype(bool)
    given_ = after[2 * inputs + 2 : 3 * inputs + 2]
    for o in range(row):
        for lane in range(0, 64, 7):
            wanting = np.flatnonzero(asks[:, o, lane])
            if shut[:, o, lane].any() or not len(wanting):
                assert not given_[:, o, lane].any()
                assert after[inputs : 2 * inputs, o, lane].argmax() == pointer[o, lane]
                continue
            winner = next((i for i in wanting if i >= pointer[o, lane]), wanting[0])
            assert np.flatnonzero(given_[:, o, lane]).tolist() == [winner]
            moved = np.flatnonzero(after[inputs : 2 * inputs, o, lane])
            assert moved.tolist() == [(winner + 1) % inputs]
            assert words[3 * table + 3 * row + winner] >> lane & 1


@given(
    pairs=st.lists(
        st.tuples(st.integers(0, 2**62 - 1), st.integers(0, 2**63 - 1)), min_size=1, max_size=50
    )
)
def test_parts_are_computed_alike(pairs):
    numbers, shares = np.array(pairs, dtype=np.int64).T
    for here, there in in_both(whole_parts, numbers.copy(), shares.copy()):
        assert np.array_equal(here, there)
