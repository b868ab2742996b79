"""The arithmetic of :mod:`hwmodels.chips.loihi.arithmetic` as kernels on 32-bit integers.

The same steps to the bit, for registers of at most :data:`STATE_BITS_MAX` bits. Every operation is
cast back to 32 bits, so that it is computed on as many compartments at once as the processor can.
"""

from __future__ import annotations

import numpy as np

#: What leaves room in 32 bits for a decay (in two halves) and for sums of two registers.
STATE_BITS_MAX = 28
INPUT_BITS_MAX = 28
DECAY_BITS_MAX = 14
_word = np.int32


def decayed(x, decay, bits):  # type: ignore[no-untyped-def]
    """``x (2**bits - decay) / 2**bits``, rounded toward zero, without leaving 32 bits."""
    low = _word((1 << bits) - 1)
    kept, size = _word(low + 1 - decay), _word(abs(x))
    whole = _word(_word(size >> bits) * kept)
    rest = _word(_word(_word(size & low) * kept) >> bits)
    moved = _word(whole + rest)
    return moved if x >= 0 else _word(-moved)


def currents(q, u, decay, input_bits, state_bits, decay_bits, active, counts):  # type: ignore[no-untyped-def]
    """Steps 1 to 3; sets ``active`` where there is input or current that lasts, and ``q`` to 0."""
    half_in, mask_in = _word(1 << input_bits), _word((2 << input_bits) - 1)
    half, mask, all_of_it = _word(1 << state_bits), _word((2 << state_bits) - 1), 1 << decay_bits
    wraps, overflows = 0, 0
    for i in range(len(u)):
        x, before = q[i], u[i]
        slot = _word(_word(_word(x + half_in) & mask_in) - half_in)
        sum_ = _word(decayed(before, decay[i], decay_bits) + slot)
        after = _word(_word(_word(sum_ + half) & mask) - half)
        wraps += slot != x
        overflows += after != sum_
        q[i], u[i] = 0, after
        active[i] = (x != 0) | ((before != 0) & (decay[i] != all_of_it))
    counts[0] += wraps
    counts[1] += overflows


def membranes(  # type: ignore[no-untyped-def]
    u, bias, joined, v, held, decay, threshold, refractory, state_bits, decay_bits, floor, ceiling,
    active, spiking, fired, first, counts,
):  # fmt: skip
    """Steps 4 to 10; returns how many fire and puts their numbers (from ``first``) in ``fired``.

    ``joined`` is the current that a joined compartment passes on (empty where there is none).
    """
    half, mask = _word(1 << state_bits), _word((2 << state_bits) - 1)
    low, high, has_joined = _word(floor), _word(ceiling), len(joined) > 0
    saturations = 0
    for i in range(len(v)):
        drive, before = bias[i], v[i]
        if has_joined:
            drive = _word(drive + joined[i])
        input_ = _word(_word(_word(_word(u[i] + drive) + half) & mask) - half)
        sum_ = _word(decayed(before, decay[i], decay_bits) + input_)
        after = min(max(sum_, low), high)
        free = held[i] == 0
        saturations += free & (after != sum_)
        after = after if free else _word(0)
        left = _word(0) if free else _word(held[i] - 1)
        fires = after > threshold[i]
        v[i] = _word(0) if fires else after
        held[i] = refractory[i] if fires else left
        spiking[i] = fires
        active[i] |= (drive != 0) | (before != 0)
    counts[2] += saturations
    n = 0
    for i in range(len(v)):
        if spiking[i]:
            fired[n] = first + i
            n += 1
    return n


#: The functions that a kernel calls.
PARTS = (decayed,)
