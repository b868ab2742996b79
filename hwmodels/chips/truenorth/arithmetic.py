"""The neuron, tick by tick: datasheet 3.2, deterministic and stochastic, on integers.

In each tick a neuron, in this order,

1. integrates: for each active axon whose crossbar bit is set, its value for the axon's type; with
   a stochastic synapse the value's sign, if its magnitude is at least a random draw;
2. leaks: the leak, times the sign of the potential in leak-reversal mode, where a potential that
   changes its sign by this becomes 0; a stochastic leak likewise is its sign or nothing;
3. fires, if the potential is at least the threshold plus noise (a draw AND a mask), and resets: to
   a value, by subtracting what it was compared with, or not at all;
4. is kept above its negative threshold: held there, or reset likewise.

Draws come from a 32-bit Galois shift register of the core (the chip's polynomial is not
published), eight shifts each, in the order of the neurons and within one in the order above; only
what is stochastic draws. The potential saturates at its width after steps 1 and 2 (what the
silicon does there is not published either).

Written so that Numba can compile it, and so that it also runs without.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Columns of a table of registers, one row a neuron. The first four are the values of the axon
#: types; ``STOCHASTIC`` has a bit for each type.
STOCHASTIC, LEAK, REVERSAL, LEAK_STOCHASTIC, THRESHOLD, NOISE_MASK = range(4, 10)
FLOOR, SATURATE, RESET_MODE, RESET = range(10, 14)
#: Not of the chip: whether it is not worth a count that the negative threshold holds a potential.
SILENT = 14
REGISTERS = 15
#: Reset modes.
TO_VALUE, BY_THRESHOLD, NOT_AT_ALL = range(3)

#: Bits of a word of the crossbar, and the exponents of powers of two by their remainder modulo 37.
WORD = 32
EXPONENTS = np.zeros(37, dtype=np.int64)
EXPONENTS[[(1 << k) % 37 for k in range(WORD)]] = np.arange(WORD)
#: x^32 + x^22 + x^2 + x + 1, of maximal period.
_TAPS = 0x80200003


def registers(size: int, **changes: int | NDArray[np.int64]) -> NDArray[np.int32]:
    """Registers of some neurons that stand still: no leak, threshold 1, reset to 0.

    Parameters
    ----------
    size : int
    **changes
        Any column in lower case (``threshold``, ``leak``, ``floor``, ...), or ``values`` of shape
        (size, 4).

    Returns
    -------
    int32, shape (size, REGISTERS)
    """
    table = np.zeros((size, REGISTERS), dtype=np.int32)
    table[:, THRESHOLD] = 1
    table[:, SATURATE] = 1
    for name, value in changes.items():
        if name == "values":
            table[:, :4] = value
        else:
            table[:, globals()[name.upper()]] = value
    return table


def seeds(cores: int, seed: int) -> NDArray[np.int64]:
    """Starting states of the shift registers of some cores, never zero; int64, shape (cores,)."""
    states = np.random.SeedSequence(seed).generate_state(max(cores, 1), np.uint32)
    return np.where(states == 0, 1, states).astype(np.int64)[:cores]


def draw(states, core, bits):  # type: ignore[no-untyped-def]
    """The next random number of a core: the register's last ``bits`` bits after so many shifts."""
    state = states[core]
    for _ in range(bits):
        state = (state >> 1) ^ (_TAPS if state & 1 else 0)
    states[core] = state
    return state & ((1 << bits) - 1)


def sign(x):  # type: ignore[no-untyped-def]
    """-1, 0 or 1."""
    if x > 0:
        return 1
    return -1 if x < 0 else 0


def saturated(v, limit):  # type: ignore[no-untyped-def]
    """Two's complement saturation; ``limit`` is the first value that is too large."""
    if v >= limit:
        return limit - 1
    return -limit if v < -limit else v


def leak_and_fire(v, row, states, core, bits, limit):  # type: ignore[no-untyped-def]
    """Steps 2 to 4 of a neuron with integrated potential ``v``; returns potential, fired, held."""
    leak: Any = np.int64(row[LEAK])
    if row[LEAK_STOCHASTIC]:
        leak = sign(leak) if abs(leak) >= draw(states, core, bits) else 0
    if row[REVERSAL]:
        before = sign(v)
        v += before * leak
        if sign(v) == -before:
            v = leak * 0
    else:
        v += leak
    v = saturated(v, limit)
    noise = draw(states, core, bits) & row[NOISE_MASK] if row[NOISE_MASK] else 0
    level = np.int64(row[THRESHOLD]) + noise
    mode = row[RESET_MODE]
    if v >= level:
        if mode == TO_VALUE:
            v = np.int64(row[RESET])
        elif mode == BY_THRESHOLD:
            v -= level
        return v, True, False
    floor = np.int64(row[FLOOR])
    if row[SATURATE]:
        if v < -floor:
            return -floor, False, True
    elif v < -(floor + noise):
        if mode == TO_VALUE:
            v = -np.int64(row[RESET])
        elif mode == BY_THRESHOLD:
            v += floor + noise
    return v, False, False


def tick_cores(crossbar, kinds, active, table, used, potential, states, bits, limit, fired, counts):  # type: ignore[no-untyped-def]
    """One tick of some cores; returns how many neurons fired.

    Parameters
    ----------
    crossbar : uint32, shape (cores, neurons, words)
        A bit for each axon of a neuron's row.
    kinds : uint8, shape (cores, 32 * words)
        Types of the axons.
    active : uint32, shape (cores, words)
        Axons with a spike in this tick.
    table : int32, shape (cores, neurons, REGISTERS)
    used : int32, shape (cores,)
        Neurons in use, the first of each core.
    potential : int32, shape (cores, neurons)
    states : int64, shape (cores,)
    bits : int
        Of a draw.
    limit : int
        First potential that is too large.
    fired : int64
        Filled with ``core * neurons + neuron``, ascending.
    counts : int64, shape (cores + 2,)
        Synaptic events are added to each core's; the last two count potentials that saturated,
        and those held at the negative threshold.
    """
    n_fired = 0
    cores, words = active.shape
    neurons = potential.shape[1]
    busy = np.empty(words, dtype=np.int64)
    for core in range(cores):
        n_busy = 0
        for w in range(words):
            if active[core, w]:
                busy[n_busy] = w
                n_busy += 1
        events = 0
        for n in range(used[core]):
            row = table[core, n]
            v = np.int64(potential[core, n])
            before = events
            for k in range(n_busy):
                w = busy[k]
                word = np.int64(crossbar[core, n, w]) & np.int64(active[core, w])
                while word:
                    low = word & -word
                    word ^= low
                    kind = kinds[core, WORD * w + EXPONENTS[low % 37]]
                    value: Any = np.int64(row[kind])
                    if (row[STOCHASTIC] >> kind) & 1:
                        value = sign(value) if abs(value) >= draw(states, core, bits) else 0
                    v += value
                    events += 1
            if events == before:
                # Nothing can happen to one that only listens.
                still = not (row[LEAK] or row[LEAK_STOCHASTIC] or row[NOISE_MASK])
                if still and -row[FLOOR] <= v < row[THRESHOLD]:
                    continue
            held = saturated(v, limit)
            counts[cores] += held != v
            v, spike, low_v = leak_and_fire(held, row, states, core, bits, limit)
            potential[core, n] = v
            counts[cores + 1] += low_v and not row[SILENT]
            if spike:
                fired[n_fired] = core * neurons + n
                n_fired += 1
        counts[core] += events
    return n_fired


def tick_cells(v, inputs, events, table, states, core, bits, limit, fired, counts):  # type: ignore[no-untyped-def]
    """One tick of neurons that do not share a crossbar, from inputs summed before.

    ``v``, ``inputs`` int64 and ``fired`` bool, shape (n,); ``events`` int64, shape (n, types), are
    spikes on axons of each type, whose values are added beside the inputs; ``core`` int64, shape
    (n,) says whose register a neuron draws from; ``counts`` are the last two of :func:`tick_cores`.
    """
    for n in range(len(v)):
        x = v[n] + inputs[n]
        for kind in range(events.shape[1]):
            value: Any = np.int64(table[n, kind])
            if (table[n, STOCHASTIC] >> kind) & 1:
                for _ in range(events[n, kind]):
                    x += sign(value) if abs(value) >= draw(states, core[n], bits) else 0
            else:
                x += value * events[n, kind]
        now = saturated(x, limit)
        counts[0] += now != x
        v[n], fired[n], low = leak_and_fire(now, table[n], states, core[n], bits, limit)
        counts[1] += low


#: What each kernel calls, for :func:`hwmodels.compiling.compiled`.
PARTS = (draw, sign, saturated, leak_and_fire)
