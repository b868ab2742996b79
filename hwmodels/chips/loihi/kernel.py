"""The arithmetic of :mod:`hwmodels.chips.loihi.arithmetic` as kernels on 32-bit integers.

The same steps to the bit, for registers of at most :data:`STATE_BITS_MAX` bits. Operations are cast
back to 32 bits and know no branch, so that the compiler computes them on as many compartments at
once as the processor can. A block of compartments stays in the nearest cache; where the registers
of all are equal, the first block's are read for each.

What a block holds and takes bounds what it will hold. Mostly that is far from the ends of all
registers: then nothing has to wrap, to saturate or to be counted (``*_inside``). A cell is
refractory up to a step that is noted when it fires, so nothing has to count down.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hwmodels.delivery import deliver

#: What leaves room in 32 bits for sums of two registers, and for products with what a decay keeps.
STATE_BITS_MAX = 28
INPUT_BITS_MAX = 28
DECAY_BITS_MAX = 15
#: Compartments that stay in the nearest cache.
BLOCK = 1024
_word = np.int32
_SIGN = _word(31)


class Registers(NamedTuple):
    """Bits of input, state and decay, without sign, and the limits of a voltage."""

    input_bits: int
    state_bits: int
    decay_bits: int
    floor: int
    ceiling: int


class Cells(NamedTuple):
    """State and parameters of all compartments: int32 arrays, in the order of their slots.

    ``free_from`` is the first step in which a cell is not refractory, ``refractory`` for how many
    it will be; see :class:`~hwmodels.chips.loihi.arithmetic.Compartments` for the others.
    """

    u: Any
    v: Any
    free_from: Any
    decay_u: Any
    decay_v: Any
    threshold: Any
    refractory: Any


class Room(NamedTuple):
    """For one block: zeros, what joined compartments did, who fires; and bounds of all blocks.

    ``zeros`` and ``moved`` are int32, ``spiking`` is bool, all of shape (BLOCK,). ``most`` is
    int64, shape (blocks, 4): what currents, voltages, joined currents and drives do not exceed.
    """

    zeros: Any
    moved: Any
    spiking: Any
    most: Any


#: A population: its first slot, its cells and the first one, the first slot of their joined
#: compartments (or -1), and whether parameters differ among them.
SLOT, SIZE, CELL, JOINED, VARIES = range(5)


def largest(x):  # type: ignore[no-untyped-def]
    """The largest magnitude in an array."""
    most = _word(0)
    for i in range(len(x)):
        most = max(most, abs(x[i]))
    return most


def decayed(x, decay, bits):  # type: ignore[no-untyped-def]
    """``x (1 - decay / 2**bits)``, rounded toward zero.

    The halves of ``x`` above and below ``bits`` have products that fit. A shift rounds down, so
    what is negative is lifted by all but one.
    """
    below = _word((1 << bits) - 1)
    keep = _word(_word(below + _word(1)) - decay)
    low = _word(_word(_word(x & below) * keep) + _word(_word(x >> _SIGN) & below))
    return _word(_word(np.right_shift(x, bits) * keep) + np.right_shift(low, bits))


def wrapped(x, bits):  # type: ignore[no-untyped-def]
    """Two's complement wrap to so many bits and a sign."""
    half, mask = _word(1 << bits), _word((2 << bits) - 1)
    return _word(_word(_word(x + half) & mask) - half)


def lasting(u, decay, bits):  # type: ignore[no-untyped-def]
    """A current, unless a step forgets it as a whole."""
    return _word(u & _word(-_word(decay != _word(1 << bits))))


def currents(q, u, decay, moved, registers, counts):  # type: ignore[no-untyped-def]
    """Steps 1 to 3 of a block that only passes its current on; returns the largest magnitude.

    ``moved`` is not zero where there is input or current that lasts; ``q`` is set to 0.
    """
    bits, most = _word(registers.decay_bits), _word(0)
    wraps, overflows = _word(0), _word(0)
    for i in range(len(u)):
        before, taken = u[i], q[i]
        slot = wrapped(taken, registers.input_bits)
        sum_ = _word(decayed(before, decay[i], bits) + slot)
        current = wrapped(sum_, registers.state_bits)
        wraps = _word(wraps + _word(slot != taken))
        overflows = _word(overflows + _word(current != sum_))
        moved[i] = _word(taken != 0) | lasting(before, decay[i], bits)
        most = max(most, abs(current))
        u[i] = current
        q[i] = 0
    counts[0] += wraps
    counts[1] += overflows
    return most


def currents_inside(q, u, decay, moved, registers):  # type: ignore[no-untyped-def]
    """The same where no register is left."""
    bits, most = _word(registers.decay_bits), _word(0)
    for i in range(len(u)):
        before, taken = u[i], _word(q[i])
        current = _word(decayed(before, decay[i], bits) + taken)
        moved[i] = taken | lasting(before, decay[i], bits)
        most = max(most, abs(current))
        u[i] = current
        q[i] = 0
    return most


def compartments(  # type: ignore[no-untyped-def]
    q, u, decay_u, drive, joined, moved, v, decay_v, threshold, free_from, step, registers, active,
    spiking, counts,
):  # fmt: skip
    """Steps 1 to 8 of a block.

    Returns whether any cell fires, and the largest magnitudes of currents and voltages. ``drive``
    is the bias, ``joined`` the current that joined compartments pass on. Sets ``active`` where
    there was input, a drive, or state that lasts, ``spiking``, and ``q`` to 0.
    """
    bits, now, any_ = _word(registers.decay_bits), _word(step), False
    lowest, highest = _word(registers.floor), _word(registers.ceiling)
    wraps, overflows, saturations = _word(0), _word(0), _word(0)
    most_u, most_v = _word(0), _word(0)
    for i in range(len(u)):
        before, taken, voltage = u[i], q[i], v[i]
        # 1 The input wraps; 2, 3 the current decays, takes it, and wraps too.
        slot = wrapped(taken, registers.input_bits)
        sum_ = _word(decayed(before, decay_u[i], bits) + slot)
        current = wrapped(sum_, registers.state_bits)
        wraps = _word(wraps + _word(slot != taken))
        overflows = _word(overflows + _word(current != sum_))
        pushed = _word(drive[i] + joined[i])
        lasts = lasting(before, decay_u[i], bits)
        active[i] = (taken | lasts | pushed | voltage | moved[i]) != 0
        most_u = max(most_u, abs(current))
        u[i] = current
        q[i] = 0
        # 4, 5 The voltage decays and takes current and drive; 6 it saturates.
        pushed = wrapped(_word(current + pushed), registers.state_bits)
        sum_ = _word(decayed(voltage, decay_v[i], bits) + pushed)
        after = min(max(sum_, lowest), highest)
        # 7 While refractory it is held at zero; 8 strictly above threshold.
        free = free_from[i] <= now
        saturations = _word(saturations + _word(free & (after != sum_)))
        after = _word(after & _word(-_word(free)))
        most_v = max(most_v, abs(after))
        fires = after > threshold[i]
        any_ |= fires
        spiking[i] = fires
        v[i] = after
    counts[0] += wraps
    counts[1] += overflows
    counts[2] += saturations
    return any_, most_u, most_v


def compartments_inside(  # type: ignore[no-untyped-def]
    q, u, decay_u, drive, joined, moved, v, decay_v, threshold, free_from, step, registers, active,
    spiking,
):  # fmt: skip
    """The same where no register is left."""
    bits, now, any_ = _word(registers.decay_bits), _word(step), False
    most_u, most_v = _word(0), _word(0)
    for i in range(len(u)):
        before, taken, voltage = u[i], _word(q[i]), v[i]
        pushed = _word(drive[i] + joined[i])
        lasts = lasting(before, decay_u[i], bits)
        active[i] = (taken | lasts | pushed | voltage | moved[i]) != 0
        current = _word(decayed(before, decay_u[i], bits) + taken)
        most_u = max(most_u, abs(current))
        u[i] = current
        q[i] = 0
        after = _word(decayed(voltage, decay_v[i], bits) + _word(current + pushed))
        after = _word(after & _word(-_word(free_from[i] <= now)))
        most_v = max(most_v, abs(after))
        fires = after > threshold[i]
        any_ |= fires
        spiking[i] = fires
        v[i] = after
    return any_, most_u, most_v


def fire(spiking, step, v, refractory, free_from, cell, fired, n):  # type: ignore[no-untyped-def]
    """Steps 9 and 10, reset and hold; appends the cells to the ``n`` in ``fired``."""
    eights = len(v) // 8
    words = spiking[: 8 * eights].view(np.uint64)
    for k in range(eights + 1):
        if k == eights or words[k]:
            for i in range(8 * k, min(8 * k + 8, len(v))):
                if spiking[i]:
                    v[i] = 0
                    free_from[i] = step + 1 + refractory[i]
                    fired[n] = cell + i
                    n += 1
    return n


def bound(drive, cells, populations, room):  # type: ignore[no-untyped-def]
    """Note the largest magnitudes in each block."""
    k = 0
    for p in populations:
        for begin in range(0, p[SIZE], BLOCK):
            size = min(BLOCK, p[SIZE] - begin)
            a, b = p[SLOT] + begin, p[JOINED] + begin
            room.most[k, 0] = largest(cells.u[a : a + size])
            room.most[k, 1] = largest(cells.v[a : a + size])
            room.most[k, 2] = largest(cells.u[b : b + size]) if p[JOINED] >= 0 else 0
            room.most[k, 3] = largest(drive[a : a + size])
            k += 1


def pass_on(k, begin, p, row, cells, registers, room, counts):  # type: ignore[no-untyped-def]
    """A step of the compartments that are joined to those of block ``k``."""
    size, a = min(BLOCK, p[SIZE] - begin), p[JOINED] + begin
    own, same = slice(a, a + size), slice(p[JOINED], p[JOINED] + size)
    q, u, moved = row[own], cells.u[own], room.moved[:size]
    decay = cells.decay_u[own if p[VARIES] else same]
    taken, held = np.int64(largest(q)), room.most[k, 2]
    if taken < 1 << registers.input_bits and held + taken < 1 << registers.state_bits:
        room.most[k, 2] = currents_inside(q, u, decay, moved, registers)
    else:
        room.most[k, 2] = currents(q, u, decay, moved, registers, counts)


def settle(  # type: ignore[no-untyped-def]
    k, begin, p, step, row, drive, cells, registers, room, active, counts
):
    """A step of the compartments of block ``k``; returns whether any fires."""
    size, a, b = min(BLOCK, p[SIZE] - begin), p[SLOT] + begin, p[JOINED] + begin
    own, same = slice(a, a + size), slice(p[SLOT], p[SLOT] + size)
    if p[VARIES]:
        same = own
    q, u, v, free_from = row[own], cells.u[own], cells.v[own], cells.free_from[own]
    decay_u, decay_v, threshold = cells.decay_u[same], cells.decay_v[same], cells.threshold[same]
    joined, moved, spiking = room.zeros[:size], room.zeros[:size], room.spiking[:size]
    if p[JOINED] >= 0:
        joined, moved = cells.u[b : b + size], room.moved[:size]
    here = active[p[CELL] + begin : p[CELL] + begin + size]
    held_u, held_v = room.most[k, 0], room.most[k, 1]
    taken = np.int64(largest(q))
    pushed = held_u + taken + room.most[k, 2] + room.most[k, 3]
    # The limits of a voltage are inside its register.
    if taken < 1 << registers.input_bits and held_v + pushed <= min(
        registers.ceiling, -registers.floor
    ):
        any_, held_u, held_v = compartments_inside(
            q, u, decay_u, drive[own], joined, moved, v, decay_v, threshold, free_from, step,
            registers, here, spiking,
        )  # fmt: skip
    else:
        any_, held_u, held_v = compartments(
            q, u, decay_u, drive[own], joined, moved, v, decay_v, threshold, free_from, step,
            registers, here, spiking, counts,
        )  # fmt: skip
    room.most[k, 0], room.most[k, 1] = held_u, held_v
    return any_


def update(  # type: ignore[no-untyped-def]
    step, row, drive, cells, populations, registers, room, active, fired, counts
):
    """One step of all populations; returns how many cells fire and puts them in ``fired``."""
    n, k = 0, 0
    for r in range(len(populations)):
        p = populations[r]
        for begin in range(0, p[SIZE], BLOCK):
            if p[JOINED] >= 0:
                pass_on(k, begin, p, row, cells, registers, room, counts[2 * r + 1])
            if settle(k, begin, p, step, row, drive, cells, registers, room, active, counts[2 * r]):
                own = slice(p[SLOT] + begin, p[SLOT] + min(begin + BLOCK, p[SIZE]))
                n = fire(
                    room.spiking, step, cells.v[own], cells.refractory[own], cells.free_from[own],
                    p[CELL] + begin, fired, n,
                )  # fmt: skip
            k += 1
    return n


def update_once(  # type: ignore[no-untyped-def]
    step, row, drive, cells, populations, registers, room, active, fired, counts
):
    """:func:`update` of state that others may have changed."""
    bound(drive, cells, populations, room)
    return update(step, row, drive, cells, populations, registers, room, active, fired, counts)


def many(  # type: ignore[no-untyped-def]
    first, steps, ring, indptr, word, weight, given_start, given, drive, cells, populations,
    registers, room, active, own, fired, fired_start, counts,
):  # fmt: skip
    """Steps in which nothing but spikes comes in; returns how many there was room for.

    Parameters
    ----------
    first, steps : int
    ring, indptr, word, weight
        Of :class:`hwmodels.delivery.SummedInput`.
    given_start, given : int64, shapes (steps + 1,) and (n,)
        Cells off-chip that spike in each step.
    drive : int32, shape (slots,)
        Bias of each cell, by the slot of its compartment.
    cells : Cells
    populations : int64, shape (populations, 5)
    registers : Registers
    room : Room
    active : bool, shape (steps, cells)
        Filled where a cell has compartments.
    own : int64, shape (cells,)
        Room for those that spike in one step.
    fired_start, fired : int64, shapes (steps + 1,) and (room,)
        All cells that spike in each step, ascending.
    counts : int64, shape (2 * populations, 3)
        Of the compartments of each population, and of those joined to them.
    """
    total, mask = 0, len(ring) - 1
    bound(drive, cells, populations, room)
    for k in range(steps):
        if total + active.shape[1] + given_start[k + 1] - given_start[k] > len(fired):
            return k
        row = ring[(first + k) & mask]
        n = update(
            first + k, row, drive, cells, populations, registers, room, active[k], own, counts
        )
        # Both lists ascend.
        i, j, last = 0, given_start[k], given_start[k + 1]
        begin = total
        while i < n or j < last:
            if j == last or (i < n and own[i] <= given[j]):
                fired[total] = own[i]
                i += 1
            else:
                fired[total] = given[j]
                j += 1
            total += 1
        fired_start[k + 1] = total
        deliver(fired[begin:total], indptr, word, weight, ring, first + k, mask)
    return steps


#: The functions that :func:`update_once` and :func:`many` call.
PARTS = (
    largest, decayed, wrapped, lasting, currents, currents_inside, compartments,
    compartments_inside, pass_on, settle, fire, bound, update, deliver,
)  # fmt: skip
