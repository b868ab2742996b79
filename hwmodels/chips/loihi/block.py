"""One step of some compartments of :mod:`hwmodels.chips.loihi.arithmetic`, on 32-bit integers.

The same to the bit, for registers of at most :data:`STATE_BITS_MAX` bits. Operations are cast back
to 32 bits and know no branch, so that the compiler computes them on as many compartments at once as
the processor can. Where no register can be left, nothing has to wrap, to saturate or to be counted,
and where a current is so small that one product decays it, one does (``*_inside``). A cell is
refractory up to a step that is noted when it fires, so nothing has to count down.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: What leaves room in 32 bits for sums of two registers, and for products with what a decay keeps.
STATE_BITS_MAX = 28
INPUT_BITS_MAX = 28
DECAY_BITS_MAX = 15
_word = np.int32
_SIGN = _word(31)


class Registers(NamedTuple):
    """Bits of input, state and decay, without sign, and the limits of a voltage."""

    input_bits: int
    state_bits: int
    decay_bits: int
    floor: int
    ceiling: int


def largest(x):  # type: ignore[no-untyped-def]
    """The largest magnitude in an array."""
    most = _word(0)
    for i in range(len(x)):
        most = max(most, abs(x[i]))
    return most


def kept(decay, bits):  # type: ignore[no-untyped-def]
    """What the slowest of some decays keeps of ``2**bits``."""
    most = _word(0)
    for i in range(len(decay)):
        most = max(most, _word(_word(1 << bits) - decay[i]))
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


def decayed_inside(x, decay, bits):  # type: ignore[no-untyped-def]
    """The same where ``x`` times what is kept fits."""
    below = _word((1 << bits) - 1)
    keep = _word(_word(below + _word(1)) - decay)
    return _word(np.right_shift(_word(_word(x * keep) + _word(_word(x >> _SIGN) & below)), bits))


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


def currents_inside(q, u, decays, moved, registers, noted, alike):  # type: ignore[no-untyped-def]
    """The same where no register is left; sets ``moved`` if that is to be noted.

    Where compartments are alike, the first decay is that of all.
    """
    bits, most = _word(registers.decay_bits), _word(0)
    decay = decays[0]
    for i in range(len(u)):
        if not alike:
            decay = decays[i]
        before, taken = u[i], _word(q[i])
        current = _word(decayed_inside(before, decay, bits) + taken)
        if noted:
            moved[i] = taken | lasting(before, decay, bits)
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
    q, u, decays_u, drive, joined, moved, v, decays_v, thresholds, free_from, step, registers,
    active, spiking, noted, alike,
):  # fmt: skip
    """The same where no register is left; sets ``active`` if that is to be noted.

    Where compartments are alike, the first decays and threshold are those of all.
    """
    bits, now, any_ = _word(registers.decay_bits), _word(step), False
    most_u, most_v = _word(0), _word(0)
    decay_u, decay_v, threshold = decays_u[0], decays_v[0], thresholds[0]
    for i in range(len(u)):
        if not alike:
            decay_u, decay_v, threshold = decays_u[i], decays_v[i], thresholds[i]
        before, taken, voltage = u[i], _word(q[i]), v[i]
        pushed = _word(drive[i] + joined[i])
        if noted:
            lasts = lasting(before, decay_u, bits)
            active[i] = (taken | lasts | pushed | voltage | moved[i]) != 0
        current = _word(decayed_inside(before, decay_u, bits) + taken)
        most_u = max(most_u, abs(current))
        u[i] = current
        q[i] = 0
        after = _word(decayed(voltage, decay_v, bits) + _word(current + pushed))
        after = _word(after & _word(-_word(free_from[i] <= now)))
        most_v = max(most_v, abs(after))
        fires = after > threshold
        any_ |= fires
        spiking[i] = fires
        v[i] = after
    return any_, most_u, most_v


def fire(spiking, step, v, refractory, free_from, cell, fired, n):  # type: ignore[no-untyped-def]
    """Steps 9 and 10, reset and hold; appends the cells to the ``n`` in ``fired``."""
    spiking[len(v) :] = False
    words = spiking.view(np.uint64)
    for line in range(0, -(-len(v) // 8), 8):
        some = np.uint64(0)
        for k in range(line, line + 8):
            some |= words[k]
        if some:
            for i in range(8 * line, min(8 * line + 64, len(v))):
                if spiking[i]:
                    v[i] = 0
                    free_from[i] = step + 1 + refractory[i]
                    fired[n] = cell + i
                    n += 1
    return n
