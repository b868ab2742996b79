"""Our arithmetic against the real firmware, bit for bit (datasheet 3.9, target #1).

Optional: downloads the toolchain's wheel and needs an ARM emulator. Run it with

    pip install -e '.[firmware]'
    python -m pytest tests/validation/test_spinnaker_firmware.py -m slow -s
"""

from __future__ import annotations

import numpy as np
import pytest

from hwmodels.chips.spinnaker import arithmetic as ours
from tests.validation import firmware

pytestmark = pytest.mark.slow
_CELLS, _TICKS, _SHIFT = 100, 200, 2
RULES = {"IF_curr_exp": ours.LIF_CURR, "IF_cond_exp": ours.LIF_COND,
         "Izhikevich": ours.IZHIKEVICH, "IF_curr_delta": ours.LIF_DELTA,
         "IF_curr_alpha": ours.LIF_ALPHA}  # fmt: skip


@pytest.fixture(scope="module")
def binaries(tmp_path_factory):
    if (reason := firmware.missing()) is not None:
        pytest.skip(reason)
    try:
        return firmware.download(tmp_path_factory.mktemp("wheel"))
    except ConnectionError as error:
        pytest.skip(str(error))


def accum(x):
    return np.rint(np.asarray(x, dtype=float) * ours.ONE).astype(np.int64)


def fraction(x):
    return np.floor(np.asarray(x, dtype=float) * 2.0**32).astype(np.int64)


def random_cells(rng, rule, n):
    """State and constants of some cells, as our tables have them."""
    state = np.zeros((n, ours.STATE), dtype=np.int64)
    constants = np.zeros((n, ours.CONSTANTS), dtype=np.int64)
    state[:, ours.V] = accum(rng.uniform(-80, -50, n))
    constants[:, ours.THRESHOLD] = accum(rng.uniform(-52, -45, n))
    constants[:, ours.OFFSET] = accum(rng.uniform(-0.2, 1.2, n))
    if rule == ours.IZHIKEVICH:
        columns = (ours.A, ours.B, ours.C, ours.D)
        ranges = ((0.01, 0.1), (0.1, 0.3), (-65, -50), (0.05, 8))
        for column, (low, high) in zip(columns, ranges, strict=True):
            constants[:, column] = accum(rng.uniform(low, high, n))
        constants[:, ours.THRESHOLD] = accum(30)
        constants[:, ours.OFFSET] = accum(rng.uniform(0, 12, n))
        state[:, ours.RECOVERY] = accum(rng.uniform(-14, -8, n))
        constants[:, ours.H] = state[:, ours.STEP] = accum(1.0)
    else:
        tau = rng.uniform(5, 30, n)
        constants[:, ours.REST] = accum(rng.uniform(-70, -60, n))
        constants[:, ours.RESISTANCE] = accum(rng.uniform(5, 60, n))
        constants[:, ours.MEMBRANE] = accum(np.exp(-1 / tau))
        constants[:, ours.RESET] = accum(rng.uniform(-75, -60, n))
        constants[:, ours.REFRACTORY] = rng.integers(0, 6, n)
        constants[:, ours.REVERSAL_E] = accum(rng.uniform(-10, 10, n))
        constants[:, ours.REVERSAL_I] = accum(rng.uniform(-90, -70, n))
    for side in (0, 1):
        tau = rng.uniform(1, 10, n)
        constants[:, ours.DECAY_E + side] = fraction(np.exp(-1 / tau))
        constants[:, ours.INIT_E + side] = fraction(tau * -np.expm1(-1 / tau))
        if rule == ours.LIF_ALPHA:
            constants[:, ours.INIT_E + side] = accum(1 / tau**2)
    if rule == ours.LIF_DELTA:
        constants[:, ours.INIT_E] = accum(1.0)
    return state, constants


def load(machine, rule, state, constants):
    """The same cells in the firmware's tables."""
    n, c = len(state), constants
    if rule == ours.IZHIKEVICH:
        table = [c[:, ours.A], c[:, ours.B], c[:, ours.C], c[:, ours.D], state[:, ours.V],
                 state[:, ours.RECOVERY], c[:, ours.OFFSET], state[:, ours.STEP],
                 c[:, ours.H]]  # fmt: skip
    else:
        table = [state[:, ours.V], c[:, ours.REST], c[:, ours.RESISTANCE], c[:, ours.MEMBRANE],
                 c[:, ours.OFFSET], state[:, ours.RECOVERY], c[:, ours.RESET],
                 c[:, ours.REFRACTORY]]  # fmt: skip
    machine.write(machine.table, np.stack(table, axis=1).ravel())
    if rule == ours.LIF_ALPHA:
        zero = np.zeros(n, dtype=np.int64)
        shaping = [x for k in (0, 1) for x in (
            zero, zero, c[:, ours.INIT_E + k], c[:, ours.DECAY_E + k], zero)]  # fmt: skip
        machine.write(machine.shaping, np.stack(shaping, axis=1).ravel())
    elif rule != ours.LIF_DELTA:
        zero = np.zeros(n, dtype=np.int64)
        shaping = [c[:, ours.DECAY_E], c[:, ours.INIT_E], zero,
                   c[:, ours.DECAY_I], c[:, ours.INIT_I], zero]  # fmt: skip
        machine.write(machine.shaping, np.stack(shaping, axis=1).ravel())
    machine.write(machine.thresholds, c[:, ours.THRESHOLD])
    if rule == ours.LIF_COND:
        reversal = np.stack([c[:, ours.REVERSAL_E], c[:, ours.REVERSAL_I]], axis=1)
        machine.write(machine.extra, reversal.ravel())
    elif rule == ours.LIF_DELTA:
        machine.write(machine.extra, c[:, ours.INIT_E])
    shift = _SHIFT + (8 if rule == ours.LIF_COND else 0)
    machine.write(machine.shifts, np.array([shift, shift]))
    return shift


@pytest.mark.parametrize("name", RULES)
def test_every_neuron_in_every_tick_is_that_of_the_firmware(binaries, name):
    rule, layout = RULES[name], firmware.LAYOUTS[name]
    rng = np.random.default_rng(7)
    state, constants = random_cells(rng, rule, _CELLS)
    machine = firmware.Firmware(binaries[layout.file], layout, _CELLS)
    shift = load(machine, rule, state, constants)
    mismatches = spikes = 0
    for tick in range(_TICKS):
        slot = rng.integers(0, 6_000, (2, machine.padded)) * (rng.random((2, machine.padded)) < 0.3)
        slot[:, _CELLS:] = 0
        machine.drain(slot)
        theirs = machine.update(tick)
        fired = np.zeros(_CELLS, dtype=bool)
        for cell in range(_CELLS):
            for kind in (0, 1):
                if slot[kind, cell]:
                    ours.received(rule, state, constants, cell, kind, int(slot[kind, cell]),
                                  shift, 0)  # fmt: skip
            fired[cell] = ours.updated(rule, state, constants, cell)
        table, synapse = machine.neuron(), machine.synapse()
        at = 4 if rule == ours.IZHIKEVICH else 0
        same = (fired == theirs) & (table[:, at] == state[:, ours.V])
        same &= table[:, 5] == state[:, ours.RECOVERY]
        if rule == ours.IZHIKEVICH:
            same &= table[:, 7] == state[:, ours.STEP]
        inputs = {ours.LIF_DELTA: (0, 1), ours.LIF_ALPHA: (0, 5)}.get(rule, (2, 5))
        if rule == ours.LIF_ALPHA:
            more = [ours.EXP_E, ours.EXP_I, ours.LAST_E, ours.LAST_I]
            same &= np.all(synapse[:, (1, 6, 4, 9)] == state[:, more], axis=1)
        same &= np.all(synapse[:, inputs] == state[:, [ours.EXC, ours.INH]], axis=1)
        mismatches += int(np.count_nonzero(~same))
        spikes += int(fired.sum())
    print(f"\n{name}: {_CELLS * _TICKS} neuron-ticks, {spikes} spikes, {mismatches} mismatches")
    assert spikes > 20
    assert mismatches == 0


def test_rows_land_in_the_ring_buffer_as_the_firmware_has_them(binaries):
    rng = np.random.default_rng(3)
    cells = 64
    machine = firmware.Firmware(binaries["IF_curr_exp"], firmware.LAYOUTS["IF_curr_exp"], cells)
    ring = np.zeros((16, 2, cells), dtype=np.int64)
    late = saturated = 0
    for tick in range(60):
        n = int(rng.integers(1, 60))
        target, kind = rng.integers(0, cells, n), rng.integers(0, 2, n)
        delay, weight = rng.integers(1, 17, n), rng.integers(1, 60_000, n)
        behind = int(rng.choice([0, 0, 0, 1, 2, 15]))
        words = weight << 16 | (delay & 15) << 7 | kind << 6 | target
        _, their_late, their_saturated = machine.process_row(tick, (tick - behind) & 15, words)
        for i, k, d, w in zip(target, kind, delay, weight, strict=True):
            if d < 16 and d <= behind:
                late += 1
                continue
            place = (tick - behind + d) % 16, k, i
            ring[place] += w
            if ring[place] > ours.FULL:
                ring[place] = ours.FULL
                saturated += 1
        content = machine.read(machine.ring, ring.size, "<u2").reshape(ring.shape)
        np.testing.assert_array_equal(content, ring)
        assert (late, saturated) == (their_late, their_saturated)
    assert late > 0
    assert saturated > 0
    print(f"\n{60 * ring.size} slots, {late} late, {saturated} saturations, all equal")


def instructions_a_neuron(binaries, name, fires=False):
    """By the difference of two populations."""
    taken = []
    for cells in (10, 110):
        rule, layout = RULES[name], firmware.LAYOUTS[name]
        state, constants = random_cells(np.random.default_rng(1), rule, cells)
        constants[:, ours.THRESHOLD] = accum(-1_000 if fires else 1_000)
        machine = firmware.Firmware(binaries[layout.file], layout, cells)
        load(machine, rule, state, constants)
        before = machine.executed
        machine.update(0)
        taken.append(machine.executed - before)
    return (taken[1] - taken[0]) / 100


@pytest.mark.parametrize(
    ("name", "published"), [("IF_curr_exp", 95), ("IF_cond_exp", 127), ("IF_curr_alpha", None)]
)
def test_a_neuron_takes_the_instructions_of_the_datasheet(binaries, name, published):
    taken = instructions_a_neuron(binaries, name)
    print(f"\n{name}: {taken:g} instructions a neuron, published {published}")
    assert published is None or abs(taken - published) <= 1


def test_a_synaptic_word_takes_the_instructions_of_the_datasheet(binaries):
    machine = firmware.Firmware(binaries["IF_curr_exp"], firmware.LAYOUTS["IF_curr_exp"], 64)
    taken = [machine.process_row(0, 0, np.full(n, 10 << 16 | 1 << 7))[0] for n in (50, 250)]
    print(f"\n{(taken[1] - taken[0]) / 200:g} instructions a word, published 25")
    assert (taken[1] - taken[0]) / 200 == 25
