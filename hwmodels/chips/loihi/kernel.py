"""The arithmetic of :mod:`hwmodels.chips.loihi.arithmetic` as kernels on 32-bit integers.

The same steps to the bit, for registers of at most :data:`STATE_BITS_MAX` bits. Operations are cast
back to 32 bits, and each loop touches few arrays, so that the compiler computes it on as many
compartments at once as the processor can; a block of compartments stays in the nearest cache. A
decay is a product of floating-point numbers, which is exact, cut off at the point.
"""

from __future__ import annotations

import numpy as np

from hwmodels.delivery import deliver

#: What leaves room in 32 bits for sums of two registers, and in 53 bits for a decay.
STATE_BITS_MAX = 28
INPUT_BITS_MAX = 28
DECAY_BITS_MAX = 14
#: State and registers of :class:`~hwmodels.chips.loihi.arithmetic.Compartments`.
WORDS = ("u", "v", "held", "decay_u", "decay_v", "threshold", "refractory")
_BLOCK = 1024
_word, _real = np.int32, np.float64


def currents(q, u, decay, input_bits, state_bits, decay_bits, active, counts):  # type: ignore[no-untyped-def]
    """Steps 1 to 3; sets ``active`` where there is input or current that lasts, and ``q`` to 0."""
    half_in, mask_in = _word(1 << input_bits), _word((2 << input_bits) - 1)
    half, mask = _word(1 << state_bits), _word((2 << state_bits) - 1)
    one, unit = _word(1 << decay_bits), 1.0 / (1 << decay_bits)
    for begin in range(0, len(u), _BLOCK):
        end = min(begin + _BLOCK, len(u))
        q_, u_, decay_, active_ = q[begin:end], u[begin:end], decay[begin:end], active[begin:end]
        wraps, overflows = _word(0), _word(0)
        for i in range(len(u_)):
            before = u_[i]
            kept = _word(_real(before) * (_real(_word(one - decay_[i])) * unit))
            slot = _word(_word(_word(_word(q_[i]) + half_in) & mask_in) - half_in)
            sum_ = _word(kept + slot)
            after = _word(_word(_word(sum_ + half) & mask) - half)
            wraps = _word(wraps + _word(slot != q_[i]))
            overflows = _word(overflows + _word(after != sum_))
            active_[i] = (q_[i] != 0) | ((before != 0) & (decay_[i] != one))
            u_[i] = after
            q_[i] = 0
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
    one, unit = _word(1 << decay_bits), 1.0 / (1 << decay_bits)
    low, high = _word(floor), _word(ceiling)
    sums, drives = np.empty(_BLOCK, dtype=np.int32), np.empty(_BLOCK, dtype=np.int32)
    n = 0
    for begin in range(0, len(v), _BLOCK):
        end = min(begin + _BLOCK, len(v))
        sum_, drive, u_, v_ = sums[: end - begin], bias[begin:end], u[begin:end], v[begin:end]
        active_, held_, decay_ = active[begin:end], held[begin:end], decay[begin:end]
        threshold_, refractory_ = threshold[begin:end], refractory[begin:end]
        spiking_ = spiking[begin:end]
        if len(joined) > 0:
            joined_, drive = joined[begin:end], drives[: end - begin]
            for i in range(len(drive)):
                drive[i] = _word(bias[begin + i] + joined_[i])
        for i in range(len(drive)):
            active_[i] |= (drive[i] != 0) | (v_[i] != 0)
        for i in range(len(drive)):
            kept = _word(_real(v_[i]) * (_real(_word(one - decay_[i])) * unit))
            input_ = _word(_word(_word(_word(u_[i] + drive[i]) + half) & mask) - half)
            sum_[i] = _word(kept + input_)
        saturations, any_ = _word(0), False
        for i in range(len(drive)):
            free = held_[i] == 0
            after = min(max(sum_[i], low), high)
            saturations = _word(saturations + _word(free & (after != sum_[i])))
            after = after if free else _word(0)
            fires = after > threshold_[i]
            any_ |= fires
            spiking_[i] = fires
            v_[i] = _word(0) if fires else after
        for i in range(len(drive)):
            left = max(_word(held_[i] - _word(1)), _word(0))
            held_[i] = refractory_[i] if spiking_[i] else left
        counts[2] += saturations
        if any_:
            for i in range(len(drive)):
                if spiking_[i]:
                    fired[n] = first + begin + i
                    n += 1
    return n


def many(  # type: ignore[no-untyped-def]
    first, steps, ring, indptr, word, weight, given_start, given, ranges, slots_u, slots_decay_u,
    cells_bias, cells_v, cells_held, cells_decay_v, cells_threshold, cells_refractory, input_bits,
    state_bits, decay_bits, floor, ceiling, active, spiking, fired, fired_start, counts,
):  # fmt: skip
    """Steps in which nothing but spikes comes in; returns how many there was room for.

    Parameters
    ----------
    first, steps : int
    ring, indptr, word, weight
        Of :class:`hwmodels.delivery.SummedInput`.
    given_start, given : int64, shapes (steps + 1,) and (n,)
        Cells off-chip that spike in each step.
    ranges : int64, shape (populations, 4)
        First slot, number of cells, first cell, and first slot of joined compartments (or -1).
    active : bool, shape (steps, cells)
    fired_start, fired : int64, shapes (steps + 1,) and (room,)
        All cells that spike in each step, ascending.
    counts : int64, shape (2 * populations, 3)
        Of the compartments of each population, and of those joined to them.
    """
    none, total, mask = np.empty(0, dtype=np.int32), 0, len(ring) - 1
    own = np.empty(active.shape[1], dtype=np.int64)
    for k in range(steps):
        if total + active.shape[1] + given_start[k + 1] - given_start[k] > len(fired):
            return k
        row, n = ring[(first + k) & mask], 0
        for r in range(len(ranges)):
            a, size, cell, b = ranges[r]
            here, joined = active[k, cell : cell + size], none
            if b >= 0:
                joined = slots_u[b : b + size]
                currents(
                    row[b : b + size], joined, slots_decay_u[b : b + size], input_bits,
                    state_bits, decay_bits, here, counts[2 * r + 1],
                )  # fmt: skip
            u = slots_u[a : a + size]
            currents(
                row[a : a + size], u, slots_decay_u[a : a + size], input_bits, state_bits,
                decay_bits, here, counts[2 * r],
            )  # fmt: skip
            n += membranes(
                u, cells_bias[a : a + size], joined, cells_v[a : a + size],
                cells_held[a : a + size], cells_decay_v[a : a + size],
                cells_threshold[a : a + size], cells_refractory[a : a + size], state_bits,
                decay_bits, floor, ceiling, here, spiking[cell : cell + size], own[n:], cell,
                counts[2 * r],
            )  # fmt: skip
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


#: The functions that :func:`many` calls.
PARTS = (currents, membranes, deliver)
