"""Steps of all compartments of a network, block by block.

A block of compartments stays in the nearest cache; where the registers of a population are equal,
the first ones are read for all. What a block holds and takes bounds what it will hold. Mostly that
is far from the ends of all registers, so that the shorter of both ways of a step does
(:mod:`hwmodels.chips.loihi.block`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hwmodels.chips.loihi.block import (
    compartments,
    compartments_inside,
    currents,
    currents_inside,
    decayed,
    decayed_inside,
    fire,
    kept,
    largest,
    lasting,
    wrapped,
)
from hwmodels.delivery import deliver

#: Compartments that stay in the nearest cache.
BLOCK = 1024
#: More than any input: a bound of one that is not known.
UNKNOWN = 1 << 62
_FULL = 1 << 31


class Cells(NamedTuple):
    """State and parameters of all compartments, in the order of their slots: see :data:`KINDS`.

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


#: What these are arrays of: decays have 15 bits at most.
KINDS = Cells(
    u=np.int32, v=np.int32, free_from=np.int32, decay_u=np.uint16, decay_v=np.uint16,
    threshold=np.int32, refractory=np.int32,
)  # fmt: skip


class Room(NamedTuple):
    """For one block: zeros, what joined compartments did, who fires; and bounds of all blocks.

    ``zeros`` and ``moved`` are int32, ``spiking`` is bool, all of shape (BLOCK,). ``most`` is
    int64, shape (blocks, BOUNDS): what currents, voltages, joined currents and drives do not
    exceed, what the decays of currents and of joined currents keep at most, the first step in which
    no cell is refractory, and for how many steps one can be.
    """

    zeros: Any
    moved: Any
    spiking: Any
    most: Any


BOUNDS = 8

#: A population: its first slot, its cells and the first one, the first slot of their joined
#: compartments (or -1), and whether parameters differ among them.
SLOT, SIZE, CELL, JOINED, VARIES = range(5)


def bound(drive, cells, populations, registers, room):  # type: ignore[no-untyped-def]
    """Note the largest magnitudes in each block."""
    k, bits = 0, registers.decay_bits
    for p in populations:
        for begin in range(0, p[SIZE], BLOCK):
            size = min(BLOCK, p[SIZE] - begin)
            a, b = p[SLOT] + begin, p[JOINED] + begin
            room.most[k] = 0
            room.most[k, 0] = largest(cells.u[a : a + size])
            room.most[k, 1] = largest(cells.v[a : a + size])
            room.most[k, 3] = largest(drive[a : a + size])
            room.most[k, 4] = kept(cells.decay_u[a : a + size], bits)
            room.most[k, 6] = largest(cells.free_from[a : a + size])
            room.most[k, 7] = largest(cells.refractory[a : a + size])
            if p[JOINED] >= 0:
                room.most[k, 2] = largest(cells.u[b : b + size])
                room.most[k, 5] = kept(cells.decay_u[b : b + size], bits)
            k += 1


def taken_at_most(q, most, fits):  # type: ignore[no-untyped-def]
    """A bound of the input of a block: one that is known, if it fits, or else the least one."""
    return most if most <= fits else np.int64(largest(q))


def pass_on(k, begin, p, row, most, cells, registers, room, noted, counts):  # type: ignore[no-untyped-def]
    """A step of the compartments that are joined to those of block ``k``."""
    size, a = min(BLOCK, p[SIZE] - begin), p[JOINED] + begin
    own, same = slice(a, a + size), slice(p[JOINED], p[JOINED] + size)
    decay = cells.decay_u[own if p[VARIES] else same]
    here = row[own], cells.u[own], decay, room.moved[:size], registers
    held, keep = room.most[k, 2], room.most[k, 5]
    fits = min(1 << registers.input_bits, (1 << registers.state_bits) - held) - 1
    if taken_at_most(row[own], most, fits) > fits or held * keep >= _FULL:
        held = currents(*here, counts)
    elif p[VARIES]:
        held = currents_inside(*here, True, False)
    elif noted:
        held = currents_inside(*here, True, True)
    else:
        held = currents_inside(*here, False, True)
    room.most[k, 2] = held


def settle(  # type: ignore[no-untyped-def]
    k, begin, p, step, row, most, drive, cells, registers, room, active, noted, counts
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
    if room.most[k, 6] <= step:
        free_from = room.zeros[:size]  # which are near, and say the same
    here = (
        q, u, decay_u, drive[own], joined, moved, v, decay_v, threshold, free_from, step, registers,
        active[p[CELL] + begin : p[CELL] + begin + size], spiking,
    )  # fmt: skip
    held_u, held_v, keep = room.most[k, 0], room.most[k, 1], room.most[k, 4]
    # The limits of a voltage are inside its register.
    pushed = held_u + held_v + room.most[k, 2] + room.most[k, 3]
    fits = min((1 << registers.input_bits) - 1, min(registers.ceiling, -registers.floor) - pushed)
    if taken_at_most(q, most, fits) > fits or held_u * keep >= _FULL:
        any_, held_u, held_v = compartments(*here, counts)
    elif p[VARIES]:
        any_, held_u, held_v = compartments_inside(*here, True, False)
    elif noted:
        any_, held_u, held_v = compartments_inside(*here, True, True)
    else:
        any_, held_u, held_v = compartments_inside(*here, False, True)
    room.most[k, 0], room.most[k, 1] = held_u, held_v
    return any_


def update(  # type: ignore[no-untyped-def]
    step, row, most, drive, cells, populations, registers, room, active, noted, fired, counts
):
    """One step of all populations; returns how many cells fire and puts them in ``fired``.

    No input exceeds ``most``. Which compartments are active is ``noted`` or not.
    """
    n, k = 0, 0
    for r in range(len(populations)):
        p = populations[r]
        for begin in range(0, p[SIZE], BLOCK):
            if p[JOINED] >= 0:
                pass_on(k, begin, p, row, most, cells, registers, room, noted, counts[2 * r + 1])
            if settle(
                k, begin, p, step, row, most, drive, cells, registers, room, active, noted,
                counts[2 * r],
            ):  # fmt: skip
                own = slice(p[SLOT] + begin, p[SLOT] + min(begin + BLOCK, p[SIZE]))
                room.most[k, 6] = max(room.most[k, 6], step + 1 + room.most[k, 7])
                n = fire(
                    room.spiking, step, cells.v[own], cells.refractory[own], cells.free_from[own],
                    p[CELL] + begin, fired, n,
                )  # fmt: skip
            k += 1
    return n


def update_once(  # type: ignore[no-untyped-def]
    step, row, most, drive, cells, populations, registers, room, active, noted, fired, counts
):
    """:func:`update` of state that others may have changed."""
    bound(drive, cells, populations, registers, room)
    return update(
        step, row, most, drive, cells, populations, registers, room, active, noted, fired, counts
    )


def many(  # type: ignore[no-untyped-def]
    first, steps, ring, indptr, word, weight, shift, after, most, given_start, given, drive, cells,
    populations, registers, room, active, own, fired, fired_start, counts,
):  # fmt: skip
    """Steps in which nothing but spikes comes in; returns how many there was room for.

    Parameters
    ----------
    first, steps : int
    ring, indptr, word, weight, shift, after, most
        Of :class:`hwmodels.delivery.SummedInput`.
    given_start, given : int64, shapes (steps + 1,) and (n,)
        Cells off-chip that spike in each step.
    drive : int32, shape (slots,)
        Bias of each cell, by the slot of its compartment.
    cells : Cells
    populations : int64, shape (populations, 5)
    registers : Registers
    room : Room
    active : bool, shape (steps, cells) or (1, cells)
        Filled where a cell has compartments, unless there is but one row for all steps.
    own : int64, shape (cells,)
        Room for those that spike in one step.
    fired_start, fired : int64, shapes (steps + 1,) and (room,)
        All cells that spike in each step, ascending.
    counts : int64, shape (2 * populations, 3)
        Of the compartments of each population, and of those joined to them.
    """
    total, mask, noted = 0, len(ring) - 1, len(active) == steps
    bound(drive, cells, populations, registers, room)
    for k in range(steps):
        if total + len(own) + given_start[k + 1] - given_start[k] > len(fired):
            return k
        row = ring[(first + k) & mask]
        n = update(
            first + k, row, most, drive, cells, populations, registers, room,
            active[k if noted else 0], noted, own, counts,
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
        deliver(fired[begin:total], ring, indptr, word, weight, shift, after, first + k)
    return steps


#: The functions that :func:`update_once` and :func:`many` call.
PARTS = (
    largest, kept, decayed, decayed_inside, wrapped, lasting, currents, currents_inside,
    compartments, compartments_inside, taken_at_most, pass_on, settle, fire, bound, update, deliver,
)  # fmt: skip
