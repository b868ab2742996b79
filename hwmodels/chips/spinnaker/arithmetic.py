"""The arithmetic of a core, bit for bit that of sPyNNaker 7.4.1's binaries (datasheet 3.3, 3.9).

Numbers are s16.15 in 32-bit words, decays u0.32; a product keeps its low word after a shift, which
rounds down, and sums wrap. Plain functions over one core's rows of two tables, which kernels call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Fraction bits of s16.15, and 1 in it.
FRACTION = 15
ONE = 1 << FRACTION
#: Rules of the cells.
LIF_CURR, LIF_COND, IZHIKEVICH, LIF_DELTA, LIF_ALPHA = range(5)
#: Columns of the state of a cell. ``RECOVERY`` is the refractory counter of LIF and ``u`` of
#: Izhikevich; ``STEP`` is the latter's step length, changed for one step by a spike. An alpha
#: function is a line (``EXC``, ``INH``) times an exponential (``EXP``), and ``LAST`` is its slope.
V, RECOVERY, EXC, INH, EXTERNAL, STEP, EXP_E, EXP_I, LAST_E, LAST_I, STATE = range(11)
#: Columns of the constants of a cell. The first ones mean something else to each rule.
(
    REST, RESISTANCE, MEMBRANE, RESET, REFRACTORY, THRESHOLD, OFFSET, REVERSAL_E, REVERSAL_I,
    DECAY_E, DECAY_I, INIT_E, INIT_I, CONSTANTS,
) = range(14)  # fmt: skip
A, B, C, D, H = REST, RESISTANCE, MEMBRANE, RESET, REFRACTORY
#: Of Izhikevich's equation in s16.15: 0.04, 5, 140, and how a spike lengthens the next step.
_SQUARE, _FIVE, _140, _LONGER = 1311, 5 << FRACTION, 140 << FRACTION, 60620
#: Conductances are kept times 2 to this power.
CONDUCTANCE_SHIFT = 10
#: Largest content of a ring-buffer slot.
FULL = 0xFFFF


def wrapped(x):
    """The low word of a number, with its sign."""
    return ((x + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def product(x, y):
    """Of two s16.15 numbers, rounded down."""
    return wrapped((x * y) >> FRACTION)


def share(x, fraction):
    """An s16.15 number times a u0.32 one, rounded down."""
    return wrapped((x * fraction) >> 32)


def drained(total, shift, init, spare):
    """What a ring-buffer slot adds to an input: its sum shifted to s16.15, times ``init``.

    ``spare`` bits below the chip's own resolution are kept where weights are exact.
    """
    if spare:
        value = total << shift
        whole = (value >> 16) * init + (((value & 0xFFFF) * init) >> 16)
        return whole >> (16 + spare)
    return share(wrapped(total << shift), init)


def _lif(state, constants, cell, current):
    """The membrane moves to where it would settle; whether the cell is free to."""
    alpha = wrapped(product(current, constants[cell, RESISTANCE]) + constants[cell, REST])
    away = wrapped(alpha - state[cell, V])
    state[cell, V] = wrapped(alpha - product(away, constants[cell, MEMBRANE]))


def _izhikevich(state, constants, cell, current):
    """Runge-Kutta midpoint, in the order of the firmware's products."""
    v, u, h = state[cell, V], state[cell, RECOVERY], state[cell, STEP]
    a, b = constants[cell, A], constants[cell, B]
    drive = wrapped(current + _140 - u)
    alpha = wrapped(product(wrapped(product(v, _SQUARE) + _FIVE), v) + drive)
    eta = wrapped(v + (product(alpha, h) >> 1))
    ha = product(h, a)
    beta = product(wrapped(product(v, b) - u), ha) >> 1
    bend = product(wrapped(product(eta, _SQUARE) + _FIVE), eta)
    state[cell, V] = wrapped(v + product(wrapped(drive - beta + bend), h))
    state[cell, RECOVERY] = wrapped(u + product(wrapped(product(b, eta) - u - beta), ha))
    state[cell, STEP] = constants[cell, H]


def updated(rule, state, constants, cell):
    """One tick of a cell after its ring buffers were drained; whether it fires."""
    offset = wrapped(constants[cell, OFFSET] + state[cell, EXTERNAL])
    if rule == IZHIKEVICH:
        current = wrapped(state[cell, EXC] - state[cell, INH] + offset)
        _izhikevich(state, constants, cell, current)
    elif state[cell, RECOVERY] > 0:
        state[cell, RECOVERY] -= 1
    else:
        if rule == LIF_COND:
            v = state[cell, V]
            inward = product(
                wrapped(constants[cell, REVERSAL_E] - v), state[cell, EXC] >> CONDUCTANCE_SHIFT
            )
            outward = product(
                -(state[cell, INH] >> CONDUCTANCE_SHIFT), wrapped(constants[cell, REVERSAL_I] - v)
            )
            current = wrapped(inward - outward + offset)
        elif rule == LIF_DELTA:
            # The input of one tick as a current: times one over the tick in ms.
            per_ms = constants[cell, INIT_E]
            current = wrapped(
                product(state[cell, EXC], per_ms) - product(state[cell, INH], per_ms) + offset
            )
        else:
            exc, inh = state[cell, EXC], state[cell, INH]
            if rule == LIF_ALPHA:
                exc, inh = product(exc, state[cell, EXP_E]), product(inh, state[cell, EXP_I])
            current = wrapped(exc - inh + offset)
        _lif(state, constants, cell, current)
    fires = state[cell, V] >= constants[cell, THRESHOLD]
    if fires:
        if rule == IZHIKEVICH:
            state[cell, V] = constants[cell, C]
            state[cell, RECOVERY] = wrapped(state[cell, RECOVERY] + constants[cell, D])
            state[cell, STEP] = product(constants[cell, H], _LONGER)
        else:
            state[cell, V] = constants[cell, RESET]
            state[cell, RECOVERY] = constants[cell, REFRACTORY]
    if rule == LIF_DELTA:
        state[cell, EXC] = state[cell, INH] = 0
    elif rule == LIF_ALPHA:
        for kind in range(2):
            rise = product(state[cell, LAST_E + kind], constants[cell, INIT_E + kind])
            state[cell, EXC + kind] = wrapped(state[cell, EXC + kind] + rise)
            state[cell, EXP_E + kind] = share(
                state[cell, EXP_E + kind], constants[cell, DECAY_E + kind]
            )
    else:
        state[cell, EXC] = share(state[cell, EXC], constants[cell, DECAY_E])
        state[cell, INH] = share(state[cell, INH], constants[cell, DECAY_I])
    return fires


def _alpha(state, constants, cell, kind, amount):
    """A new alpha function on top of what is left of the old ones, as the firmware joins them."""
    if amount <= 0:
        return
    state[cell, LAST_E + kind] = amount
    left = share(state[cell, EXP_E + kind], constants[cell, DECAY_E + kind])
    state[cell, EXP_E + kind] = wrapped(left + ONE)
    line = wrapped(state[cell, EXC + kind] + product(amount, constants[cell, INIT_E + kind]))
    inverse = (1 << (2 * FRACTION)) // state[cell, EXP_E + kind]
    state[cell, EXC + kind] = product(ONE - inverse, line)


def received(rule, state, constants, cell, kind, total, shift, spare):
    """Input of one type from a slot of the ring buffer."""
    init = constants[cell, INIT_E + kind]
    if rule == LIF_ALPHA:
        _alpha(state, constants, cell, kind, wrapped((total << shift) >> spare))
        return
    if rule == LIF_DELTA:
        amount = wrapped((total << shift) >> spare)
    else:
        amount = drained(total, shift, init, spare)
    state[cell, EXC + kind] = wrapped(state[cell, EXC + kind] + amount)


#: What :func:`updated` and :func:`received` are made of.
PARTS: tuple[Callable[..., Any], ...] = (
    wrapped, product, share, drained, _lif, _izhikevich, updated, _alpha, received,
)  # fmt: skip
