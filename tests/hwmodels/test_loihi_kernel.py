"""Kernels do what the arithmetic of a compartment says, wherever numbers lie in their registers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.loihi import (
    Compartments,
    CoreSettings,
    Loihi,
    block,
    kernel,
    update_compartments,
)
from hwmodels.chips.loihi.arithmetic import update_currents
from hwmodels.compiling import compiled

STEPS = 8


def random_compartments(rng, size: int, varies: bool, reach: int, one: int) -> Compartments:
    """State up to ``reach``, and parameters that differ or are one cell's."""

    def parameter(low: int, high: int) -> np.ndarray:
        return rng.integers(low, high + 1, size if varies else 1) + np.zeros(size, dtype=np.int64)

    return Compartments(
        u=rng.integers(-reach, reach + 1, size), v=rng.integers(-reach, reach + 1, size),
        held=np.zeros(size, dtype=np.int64), decay_u=parameter(0, one), decay_v=parameter(0, one),
        threshold=parameter(-2, reach), refractory=parameter(0, 3),
    )  # fmt: skip


@given(
    seed=st.integers(0, 2**31), size=st.sampled_from([1, 17, kernel.BLOCK, kernel.BLOCK + 9]),
    joined=st.booleans(), varies=st.booleans(), decay_bits=st.sampled_from([12, 7, 15]),
    input_bits=st.integers(9, 28), state_bits=st.integers(12, 28), bits=st.integers(0, 28),
    floor=st.sampled_from([None, 4]), wide=st.booleans(), known=st.booleans(), noted=st.booleans(),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_a_kernel_is_the_arithmetic(
    seed, size, joined, varies, decay_bits, input_bits, state_bits, bits, floor, wide, known, noted
):
    rng = np.random.default_rng(seed)
    spec = replace(
        Loihi().spec, decay_bits=decay_bits, input_bits=input_bits, state_bits=state_bits
    )
    limits = CoreSettings(floor_exponent=floor)
    reach = min(1 << bits, (1 << state_bits) - 1)
    soma, other = (random_compartments(rng, size, varies, reach, spec.one) for _ in range(2))
    bias = rng.integers(-1, 2, size) * rng.integers(0, reach + 1, size)
    slots = 2 * size
    cells = kernel.Cells(
        *(
            np.concatenate([getattr(soma, name), getattr(other, name)]).astype(np.int32)
            if name != "free_from" else np.zeros(slots, dtype=np.int32)
            for name in kernel.Cells._fields
        )
    )  # fmt: skip
    drive = np.concatenate([bias, np.zeros(size)]).astype(np.int32)
    populations = np.array([[0, size, 0, size if joined else -1, varies]])
    registers = block.Registers(input_bits, state_bits, decay_bits, *limits.voltage_limits(spec))
    room = kernel.Room(
        np.zeros(kernel.BLOCK, np.int32), np.zeros(kernel.BLOCK, np.int32),
        np.zeros(kernel.BLOCK, bool), np.zeros((2, kernel.BOUNDS), np.int64),
    )  # fmt: skip
    counts, fired, active = (
        np.zeros((2, 3), np.int64),
        np.zeros(size, np.int64),
        np.zeros(size, bool),
    )
    for step in range(1, STEPS):
        most = 1 << int(rng.integers(0, 35 if wide else 30))
        q = rng.integers(-most, most + 1, slots) * rng.integers(0, 2, slots)
        row = q.astype(np.int64 if wide else np.int32)
        n = compiled(kernel.update_once, *kernel.PARTS, allocates=False)(
            step, row, most if known else kernel.UNKNOWN, drive, cells, populations, registers,
            room, active, noted, fired, counts,
        )  # fmt: skip
        still = (soma.v == 0) & ((soma.u == 0) | (soma.decay_u == spec.one)) & (q[:size] == 0)
        pushed = bias
        if joined:
            still &= ((other.u == 0) | (other.decay_u == spec.one)) & (q[size:] == 0)
            update_currents(other, q[size:], spec)
            pushed = bias + other.u
        spiking = update_compartments(soma, q[:size], pushed, spec, limits)
        assert np.array_equal(fired[:n], np.flatnonzero(spiking))
        assert not noted or np.array_equal(active, ~(still & (pushed == 0)))
        assert not row[: slots if joined else size].any()
        assert np.array_equal(cells.v[:size], soma.v)
        assert np.array_equal(cells.u[:size], soma.u)
        assert not joined or np.array_equal(cells.u[size:], other.u)
    assert counts[0].tolist() == [soma.input_wraps, soma.current_wraps, soma.voltage_saturations]
    assert counts[1].tolist() == [other.input_wraps, other.current_wraps, 0]
