"""The integer recurrence of a compartment, against a second one written for this test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.loihi import (
    Compartments,
    Loihi,
    decayed,
    quantise_bias,
    update_compartments,
    wrapped,
)

SPEC = Loihi().spec


def compartments(du=1024, dv=1024, threshold=400 * 64, refractory=1, size=1):
    def full(x):
        return np.array(np.broadcast_to(x, size), dtype=np.int64)

    return Compartments(full(0), full(0), full(0), full(du), full(dv), full(threshold),
                        full(refractory))  # fmt: skip


def trace(state, inputs, bias=0):
    u, v, spikes = [], [], []
    for q in inputs:
        fired = update_compartments(state, np.array([q]), np.array([bias]), SPEC)
        u.append(int(state.u[0]))
        v.append(int(state.v[0]))
        spikes.append(bool(fired[0]))
    return u, v, spikes


def scalar_reference(inputs, biases, du, dv, threshold, held_steps):
    """One compartment, in Python integers of any size, from the datasheet's table."""
    u = v = left = 0
    states = []
    for q, bias in zip(inputs, biases, strict=True):
        q = (q + 2**21) % 2**22 - 2**21
        u = int(abs(u) * (4096 - du) / 4096) * (1 if u >= 0 else -1) + q
        u = (u + 2**23) % 2**24 - 2**23
        spike = False
        if left:
            left -= 1
            v = 0
        else:
            drive = (u + bias + 2**23) % 2**24 - 2**23
            v = int(abs(v) * (4096 - dv) / 4096) * (1 if v >= 0 else -1) + drive
            v = max(-(2**23) + 1, min(2**23 - 1, v))
            if v > threshold:
                spike, v, left = True, 0, held_steps
        states.append((u, v, spike))
    return states


def test_the_worked_vector_of_the_datasheet():
    u, v, spikes = trace(compartments(refractory=1), [124 * 64, 0, 0, 0])
    assert u == [7936, 5952, 4464, 3348]
    assert v == [7936, 11904, 13392, 13392]
    assert not any(spikes)


@given(
    inputs=st.lists(st.integers(-(2**22), 2**22), min_size=1, max_size=40),
    bias=st.integers(-(2**19), 2**19),
    du=st.integers(1, 4096),
    dv=st.integers(0, 4095),
    threshold=st.integers(1, 2**17 - 1),
    held=st.integers(0, 6),
)
@settings(max_examples=300, deadline=None)
def test_state_equals_the_scalar_reference_bit_for_bit(inputs, bias, du, dv, threshold, held):
    state = compartments(du, dv, threshold * 64, held)
    u, v, spikes = trace(state, inputs, bias)
    expected = scalar_reference(inputs, [bias] * len(inputs), du, dv, threshold * 64, held)
    assert list(zip(u, v, spikes, strict=True)) == expected


@given(st.integers(-(2**24), 2**24), st.integers(0, 4096))
def test_decay_rounds_toward_zero(x, decay):
    y = int(decayed(np.array([x]), np.array([decay]))[0])
    exact = x * (4096 - decay)
    assert abs(y) == abs(exact) // 4096
    assert y * x >= 0


@given(st.integers(-(2**26), 2**26), st.integers(3, 24))
def test_a_register_wraps_at_its_bits_and_sign(x, bits):
    y = int(wrapped(np.array([x]), bits)[0])
    assert -(2**bits) <= y < 2**bits
    assert (y - x) % 2 ** (bits + 1) == 0


def test_a_spike_needs_more_than_the_threshold():
    _, v, spikes = trace(compartments(du=4096, dv=0, threshold=640), [640])
    assert (v, spikes) == ([640], [False])
    _, v, spikes = trace(compartments(du=4096, dv=0, threshold=640), [641])
    assert (v, spikes) == ([0], [True])


def test_the_current_goes_on_while_the_membrane_is_held():
    state = compartments(du=2048, dv=0, threshold=640, refractory=2)
    u, v, spikes = trace(state, [1024, 0, 0, 0])
    assert spikes == [True, False, False, False]
    assert u == [1024, 512, 256, 128]
    assert v == [0, 0, 0, 128]


def test_whatever_leaves_its_register_is_counted():
    state = compartments(du=1, dv=0, threshold=2**24)
    for _ in range(8):
        update_compartments(state, np.array([2**21 + 5]), np.array([0]), SPEC)
    assert state.input_wraps == 8
    state = compartments(du=1, dv=0, threshold=2**24)
    for _ in range(8):
        update_compartments(state, np.array([2**21 - 1]), np.array([0]), SPEC)
    assert state.current_wraps > 0
    assert state.voltage_saturations > 0


@pytest.mark.parametrize("bias", [0.0, 1.0, -4095.0, 4096.0, 100_000.0, -524_160.0])
def test_a_bias_is_a_mantissa_of_13_bits_times_a_power_of_two(bias):
    (value,), clipped = quantise_bias(np.array([bias]), SPEC)
    assert clipped == 0
    assert abs(value - bias) <= 0.5 * 2 ** max(0, np.ceil(np.log2(max(1, abs(bias) / 4095))))


def test_a_bias_that_is_too_large_is_clipped_and_counted():
    value, clipped = quantise_bias(np.array([1e9, -1e9, 5.0]), SPEC)
    assert clipped == 2
    assert value.tolist() == [4095 * 128, -4095 * 128, 5]
