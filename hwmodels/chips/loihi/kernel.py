"""The arithmetic of :mod:`hwmodels.chips.loihi.arithmetic` as kernels on 32-bit integers.

The same steps to the bit, for registers of at most :data:`STATE_BITS_MAX` bits. Operations are cast
back to 32 bits, and one pass does all of a step without branches, so that the compiler computes it
on as many compartments at once as the processor can. A block of compartments stays in the nearest
cache; where the registers of all are equal, the first block's are read for each.

A decay keeps ``x keep / 2**15``, of which the halves of ``x`` above and below 15 bits are products
that fit. It rounds toward zero: a shift rounds down, so what is negative is lifted by all but one.
"""

from __future__ import annotations

import numpy as np

from hwmodels.delivery import deliver

#: What leaves room in 32 bits for sums of two registers, and for products with what a decay keeps.
STATE_BITS_MAX = 28
INPUT_BITS_MAX = 28
DECAY_BITS_MAX = KEEP_BITS = 15
#: State and registers of :class:`~hwmodels.chips.loihi.arithmetic.Compartments`.
WORDS = ("u", "v", "held", "decay_u", "decay_v", "threshold", "refractory")
#: Compartments that stay in the nearest cache.
BLOCK = 1024
_word = np.int32
_LOW, _TOP = _word((1 << KEEP_BITS) - 1), _word(31)


def currents(q, u, keep, input_bits, state_bits, varies, active, counts):  # type: ignore[no-untyped-def]
    """Steps 1 to 3; sets ``active`` where there is input or current that lasts, and ``q`` to 0."""
    half_in, mask_in = _word(1 << input_bits), _word((2 << input_bits) - 1)
    half, mask = _word(1 << state_bits), _word((2 << state_bits) - 1)
    for begin in range(0, len(u), BLOCK):
        end = min(begin + BLOCK, len(u))
        first = begin if varies else 0
        q_, u_, active_ = q[begin:end], u[begin:end], active[begin:end]
        keep_ = keep[first : first + end - begin]
        wraps, overflows = _word(0), _word(0)
        for i in range(len(u_)):
            before, taken, m = u_[i], q_[i], keep_[i]
            high, low = _word(before >> KEEP_BITS), _word(before & _LOW)
            lift = _word(_word(before >> _TOP) & _LOW)
            kept = _word(_word(high * m) + _word(_word(_word(low * m) + lift) >> KEEP_BITS))
            slot = _word(_word(_word(taken + half_in) & mask_in) - half_in)
            sum_ = _word(kept + slot)
            after = _word(_word(_word(sum_ + half) & mask) - half)
            wraps = _word(wraps + _word(slot != taken))
            overflows = _word(overflows + _word(after != sum_))
            active_[i] |= (taken | (before & _word(-_word(m != 0)))) != 0
            u_[i] = after
            q_[i] = 0
        counts[0] += wraps
        counts[1] += overflows


def compartments(  # type: ignore[no-untyped-def]
    q, u, keep_u, bias, joined, v, held, keep_v, threshold, refractory, input_bits, state_bits,
    floor, ceiling, varies, active, spiking, fired, first, counts,
):  # fmt: skip
    """A step; returns how many fire and puts their numbers (from ``first``) in ``fired``.

    ``joined`` is the current that joined compartments pass on, or a block of zeros where there are
    none; ``varies`` says whether decays, threshold and refractory time differ among compartments.
    ``active`` is set where there was input, a drive, or state that lasts, and not unset.
    """
    half_in, mask_in = _word(1 << input_bits), _word((2 << input_bits) - 1)
    half, mask = _word(1 << state_bits), _word((2 << state_bits) - 1)
    lowest, highest = _word(floor), _word(ceiling)
    n = 0
    for begin in range(0, len(u), BLOCK):
        end = min(begin + BLOCK, len(u))
        q_, u_, v_, held_, bias_ = (
            q[begin:end], u[begin:end], v[begin:end], held[begin:end], bias[begin:end]
        )  # fmt: skip
        at = begin if len(joined) == len(u) else 0
        joined_ = joined[at : at + end - begin]
        at = begin if varies else 0
        to = at + end - begin
        keep_u_, keep_v_ = keep_u[at:to], keep_v[at:to]
        threshold_, refractory_ = threshold[at:to], refractory[at:to]
        active_, spiking_ = active[begin:end], spiking[begin:end]
        wraps, overflows, saturations, any_ = _word(0), _word(0), _word(0), False
        for i in range(len(u_)):
            # 1 The input wraps; 2, 3 the current decays, takes it, and wraps too.
            before, taken, m = u_[i], q_[i], keep_u_[i]
            high, low = _word(before >> KEEP_BITS), _word(before & _LOW)
            lift = _word(_word(before >> _TOP) & _LOW)
            kept = _word(_word(high * m) + _word(_word(_word(low * m) + lift) >> KEEP_BITS))
            slot = _word(_word(_word(taken + half_in) & mask_in) - half_in)
            sum_ = _word(kept + slot)
            current = _word(_word(_word(sum_ + half) & mask) - half)
            wraps = _word(wraps + _word(slot != taken))
            overflows = _word(overflows + _word(current != sum_))
            u_[i] = current
            q_[i] = 0
            # 4, 5 The voltage decays and takes current and bias.
            drive, voltage = _word(bias_[i] + joined_[i]), v_[i]
            active_[i] |= (taken | (before & _word(-_word(m != 0))) | drive | voltage) != 0
            m = keep_v_[i]
            high, low = _word(voltage >> KEEP_BITS), _word(voltage & _LOW)
            lift = _word(_word(voltage >> _TOP) & _LOW)
            kept = _word(_word(high * m) + _word(_word(_word(low * m) + lift) >> KEEP_BITS))
            sum_ = _word(kept + _word(_word(_word(_word(current + drive) + half) & mask) - half))
            # 6 It saturates; 7 while refractory it is held at zero.
            waits = held_[i]
            free = waits == 0
            after = min(max(sum_, lowest), highest)
            saturations = _word(saturations + _word(free & (after != sum_)))
            after = _word(after & _word(-_word(free)))
            # 8 Strictly above threshold; 9 reset to zero; 10 hold.
            fires = after > threshold_[i]
            any_ |= fires
            spiking_[i] = fires
            # Masks, since stores on a condition are slow.
            all_ = _word(-_word(fires))
            left = max(_word(waits - _word(1)), _word(0))
            v_[i] = after & ~all_
            held_[i] = (refractory_[i] & all_) | (left & ~all_)
        counts[0] += wraps
        counts[1] += overflows
        counts[2] += saturations
        if any_:
            eights = len(spiking_) // 8
            words = spiking_[: 8 * eights].view(np.uint64)
            for k in range(eights + 1):
                if k == eights or words[k]:
                    for i in range(8 * k, min(8 * k + 8, len(spiking_))):
                        if spiking_[i]:
                            fired[n] = first + begin + i
                            n += 1
    return n


def many(  # type: ignore[no-untyped-def]
    first, steps, ring, indptr, word, weight, given_start, given, ranges, slots_u, slots_keep_u,
    cells_bias, cells_v, cells_held, cells_keep_v, cells_threshold, cells_refractory, input_bits,
    state_bits, floor, ceiling, active, spiking, fired, fired_start, counts,
):  # fmt: skip
    """Steps in which nothing but spikes comes in; returns how many there was room for.

    Parameters
    ----------
    first, steps : int
    ring, indptr, word, weight
        Of :class:`hwmodels.delivery.SummedInput`.
    given_start, given : int64, shapes (steps + 1,) and (n,)
        Cells off-chip that spike in each step.
    ranges : int64, shape (populations, 5)
        First slot, number of cells, first cell, first slot of joined compartments (or -1), and
        whether registers differ among cells.
    active : bool, shape (steps, cells)
    fired_start, fired : int64, shapes (steps + 1,) and (room,)
        All cells that spike in each step, ascending.
    counts : int64, shape (2 * populations, 3)
        Of the compartments of each population, and of those joined to them.
    """
    none, total, mask = np.zeros(BLOCK, dtype=np.int32), 0, len(ring) - 1
    own = np.empty(active.shape[1], dtype=np.int64)
    for k in range(steps):
        if total + active.shape[1] + given_start[k + 1] - given_start[k] > len(fired):
            return k
        row, n = ring[(first + k) & mask], 0
        for r in range(len(ranges)):
            a, size, cell, b, varies = ranges[r]
            here, joined = active[k, cell : cell + size], none
            if b >= 0:
                joined = slots_u[b : b + size]
                currents(
                    row[b : b + size], joined, slots_keep_u[b : b + size], input_bits,
                    state_bits, varies, here, counts[2 * r + 1],
                )  # fmt: skip
            n += compartments(
                row[a : a + size], slots_u[a : a + size], slots_keep_u[a : a + size],
                cells_bias[a : a + size], joined, cells_v[a : a + size],
                cells_held[a : a + size], cells_keep_v[a : a + size],
                cells_threshold[a : a + size], cells_refractory[a : a + size], input_bits,
                state_bits, floor, ceiling, varies, here, spiking[cell : cell + size], own[n:],
                cell, counts[2 * r],
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
PARTS = (currents, compartments, deliver)
