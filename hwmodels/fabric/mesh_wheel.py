"""What happens when, for :mod:`hwmodels.fabric.mesh_kernel`.

Time is counted in instants. A wheel has a list of entries for each of the next ones, and a heap
those that are farther away.
"""

from __future__ import annotations

from hwmodels.fabric.mesh_tables import (
    INDEX,
    INPUT_BIT,
    LAST_WORD,
    LISTS,
    MIDDLE_WORDS,
    NOW,
    ROW,
    ROW_BITS,
    SIZE,
    WORD,
    WORD_BITS,
    WORDS,
)
from hwmodels.lanes import lowest_bit


def heap_put(state, entry, at):  # type: ignore[no-untyped-def]
    """Have an entry in the heap."""
    heap_at, heap_entry, place = state.heap_at, state.heap_entry, state.wheel[SIZE]
    state.wheel[SIZE] = place + 1
    while place > 0:
        above = (place - 1) >> 1
        if heap_at[above] <= at:
            break
        heap_at[place], heap_entry[place] = heap_at[above], heap_entry[above]
        place = above
    heap_at[place], heap_entry[place] = at, entry


def heap_take(state):  # type: ignore[no-untyped-def]
    """Take the first entry out of the heap."""
    heap_at, heap_entry = state.heap_at, state.heap_entry
    first, last = heap_entry[0], (state.wheel[SIZE] - 1) & INDEX
    state.wheel[SIZE] = last
    at, entry = heap_at[last], heap_entry[last]
    place, below = 0, 1
    while below < last:
        if below + 1 < last and heap_at[below + 1] < heap_at[below]:
            below += 1
        if heap_at[below] >= at:
            break
        heap_at[place], heap_entry[place] = heap_at[below], heap_entry[below]
        place, below = below, 2 * below + 1
    heap_at[place], heap_entry[place] = at, entry
    return first


def plan(shape, state, mine, after, out, at):  # type: ignore[no-untyped-def]
    """Have an input and an output on the wheel, for an instant that is not over."""
    wheel = state.wheel
    entry = mine << INPUT_BIT | after << ROW_BITS | out
    if at - wheel[NOW] >= shape.instants:
        heap_put(state, entry, at)
        return
    slot = at & (shape.instants - 1) & INDEX
    first = wheel[LISTS + slot]
    state.mesh[after] = first
    wheel[LISTS + slot] = entry
    if first < 0:
        mark(wheel, slot)


def mark(wheel, slot):  # type: ignore[no-untyped-def]
    """A list of the wheel is not empty."""
    word = slot >> WORD_BITS
    middle = word >> WORD_BITS
    wheel[WORDS + word] |= 1 << (slot & (WORD - 1))
    wheel[MIDDLE_WORDS + middle] |= 1 << (word & (WORD - 1))
    wheel[LAST_WORD] |= 1 << middle


def unmark(wheel, slot):  # type: ignore[no-untyped-def]
    """A list of the wheel is empty."""
    word = slot >> WORD_BITS
    middle = word >> WORD_BITS
    wheel[WORDS + word] ^= 1 << (slot & (WORD - 1))
    if not wheel[WORDS + word]:
        wheel[MIDDLE_WORDS + middle] ^= 1 << (word & (WORD - 1))
        if not wheel[MIDDLE_WORDS + middle]:
            wheel[LAST_WORD] ^= 1 << middle


def take_list(shape, state, now):  # type: ignore[no-untyped-def]
    """The first entry of an instant's list, which is taken off the wheel; -1 if there is none."""
    wheel = state.wheel
    slot = now & (shape.instants - 1) & INDEX
    entry = wheel[LISTS + slot]
    if entry >= 0:
        wheel[LISTS + slot] = -1
        unmark(wheel, slot)
    return entry


def marked_from(wheel, slot):  # type: ignore[no-untyped-def]
    """The first list from some place on that is not empty, or -1."""
    word = slot >> WORD_BITS
    rest = wheel[WORDS + word] >> (slot & (WORD - 1))
    if rest:
        return slot + lowest_bit(rest)
    middle = word >> WORD_BITS
    rest = wheel[MIDDLE_WORDS + middle] >> (word & (WORD - 1)) >> 1
    if rest:
        word += 1 + lowest_bit(rest)
    else:
        rest = wheel[LAST_WORD] >> middle >> 1
        if not rest:
            return -1
        middle += 1 + lowest_bit(rest)
        word = middle << WORD_BITS | lowest_bit(wheel[MIDDLE_WORDS + middle])
    return word << WORD_BITS | lowest_bit(wheel[WORDS + word])


def next_instant(shape, state, end):  # type: ignore[no-untyped-def]
    """The first instant at which anything happens, or ``end``; its list is on the wheel."""
    wheel = state.wheel
    while True:
        now, at = wheel[NOW], end
        if wheel[LAST_WORD]:
            slot = now & (shape.instants - 1) & INDEX
            found = marked_from(wheel, slot)
            if found < 0:
                found = marked_from(wheel, 0) + shape.instants
            at = min(end, now + found - slot)
        if not wheel[SIZE] or state.heap_at[0] >= min(at + 1, end):
            return at
        wheel[NOW] = max(now, state.heap_at[0])
        entry = heap_take(state)
        mine, after = entry >> INPUT_BIT, (entry >> ROW_BITS) & ROW
        plan(shape, state, mine, after, entry & ROW, wheel[NOW])
