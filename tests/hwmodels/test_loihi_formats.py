"""Weights, biases, charge and joined compartments in the numbers of the chip."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.loihi import Loihi, quantise_bias, quantise_weights, scale_population
from tests.hwmodels.networks import cells, network, source, synapses
from tests.hwmodels.running import run
from tests.hwmodels.test_loihi import one_input
from tests.hwmodels.test_loihi_arithmetic import scalar_reference

SPEC = Loihi().spec
MAGNITUDES = st.floats(1e-4, 1e3)


def projection_of(weights):
    return synapses(0, 0, [(0, k) for k in range(len(weights))], weights)


def quantised(weights, gain):
    """Effective weights as multiples of the state's unit, and the row of the table."""
    effective, row = quantise_weights(
        projection_of(weights), np.full(len(weights), gain), "nA", SPEC
    )
    return effective, effective * gain, row


@given(st.lists(MAGNITUDES, min_size=1, max_size=30), st.data(), st.floats(0.1, 1e4))
@settings(max_examples=200, deadline=None)
def test_a_weight_is_at_most_half_a_level_off_and_keeps_its_sign(sizes, data, gain):
    signs = data.draw(st.lists(st.sampled_from([-1, 1]), min_size=len(sizes), max_size=len(sizes)))
    weights = np.array(sizes) * signs
    effective, units, row = quantised(weights, gain)
    step, clipped = row[4], row[-1]
    mixed = len(set(signs)) == 2
    mantissas = units / 64
    assert np.allclose(mantissas, np.rint(mantissas), rtol=0, atol=1e-6)
    assert np.all(effective * weights >= 0)
    # The register: 8 bits and an exponent of at most 7; both signs cost the last bit.
    exponent = round(np.log2(step * gain / 64)) - mixed
    assert 0 <= exponent <= 7
    assert np.abs(mantissas).max() <= (254 if mixed else 255) * 2**exponent + 1e-6
    level = 2 ** (exponent + mixed)
    assert np.allclose(mantissas / level, np.rint(mantissas / level), rtol=0, atol=1e-6)
    beyond = np.abs(weights) * gain / 64 > (254 if mixed else 255) * 2**exponent + level / 2
    assert clipped == np.count_nonzero(beyond)
    error = np.abs(effective - weights)[~beyond]
    assert np.all(error <= step / 2 * (1 + 1e-9))
    if not clipped and exponent:
        # No smaller exponent would have held the largest weight.
        assert np.abs(weights).max() * gain / 64 > (254 if mixed else 255) * 2 ** (exponent - 1)


@pytest.mark.parametrize(
    ("units", "expected", "clipped"),
    [
        # In units of 64: the mantissa itself; halves go to the even one.
        ([255.0, 1.0, 2.5, 0.4], [255, 1, 2, 0], 0),
        # One more than fits: exponent 1, and everything is a multiple of 2.
        ([256.0, 1.2, 5.0], [256, 2, 4], 0),
        # Both signs: even mantissas even at exponent 0.
        ([254.0, -3.0, -1.2], [254, -4, -2], 0),
        # The largest exponent is 7: 255 * 128.
        ([40_000.0, 32_640.0, 128.0], [32_640, 32_640, 128], 1),
        ([-40_000.0, 256.0], [-32_512, 256], 1),
    ],
)
def test_worked_weights(units, expected, clipped):
    _, state, row = quantised(np.array(units), gain=64.0)
    assert (state / 64).tolist() == expected
    assert row[-1] == clipped


@given(st.floats(-(2**20), 2**20))
def test_a_bias_is_half_a_level_off_at_most_and_never_more_than_its_mantissa_holds(bias):
    (value,), clipped = quantise_bias(np.array([bias]), SPEC)
    held = [m for e in range(8) if (m := abs(int(value)) / 2**e) <= 4095 and m == int(m)]
    assert held, "no mantissa of 12 bits and a sign at any exponent"
    assert value * bias >= 0
    # Half a level beyond the largest value still rounds to it.
    beyond = abs(bias) > 4095 * 128 + 64
    assert clipped == beyond
    if not beyond:
        exponent = next(e for e in range(8) if abs(bias) <= 4095 * 2**e or e == 7)
        assert abs(value - bias) <= 2**exponent / 2


#: Registers so long that only the decays of 12 bits are coarse.
LONG = {"state_bits": 36, "input_bits": 36, "threshold_bits": 32, "threshold_mantissa_bits": 30,
        "weight_bits": 20}  # fmt: skip


def psp(celltype, weight, dt, **registers):
    """Samples of a potential from rest, and of the exact one on the same grid."""
    tau_m, tau_syn, cm = 20.0, 5.0, 0.2
    parameters = {"tau_m": tau_m, "cm": cm, "v_thresh": 0.0}
    if celltype == "IF_curr_exp":
        parameters |= {"tau_syn_E": tau_syn, "tau_syn_I": tau_syn}
    receptor = "excitatory" if weight > 0 else "inhibitory"
    net = one_input(celltype, weight, dt, receptor=receptor, **parameters)
    result = run(net, 400.0, **registers)
    assert not len(result.spikes[0].cell)
    potential = result.traces[0].values[:, 0] + 65.0
    t = np.arange(len(potential)) * dt - 11.0
    if celltype == "IF_curr_delta":
        return potential, np.where(t >= -1e-9, weight * np.exp(-t / tau_m), 0.0)
    height = weight / cm / (1 / tau_syn - 1 / tau_m)
    exact = height * (np.exp(-t / tau_m) - np.exp(-t / tau_syn))
    return potential, np.where(t > 0, exact, 0.0)


@pytest.mark.parametrize(("celltype", "weight"), [("IF_curr_exp", 1.0), ("IF_curr_delta", 4.0)])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("dt", [0.1, 0.5, 1.0])
def test_a_psp_has_the_integral_of_the_exact_membrane(celltype, weight, sign, dt):
    potential, exact = psp(celltype, sign * weight, dt)
    assert potential.sum() == pytest.approx(exact.sum(), rel=0.02)


@pytest.mark.parametrize("dt", [0.1, 0.5, 1.0])
def test_weights_of_currents_make_up_for_coarse_decays(dt):
    # At 0.1 ms the membrane decays 2 % too slowly; the integral is right all the same.
    potential, exact = psp("IF_curr_exp", 1.0, dt, **LONG)
    assert potential.sum() == pytest.approx(exact.sum(), rel=0.001)


@pytest.mark.parametrize("dt", [0.1, 0.5, 1.0])
def test_a_voltage_jump_has_its_own_height_whatever_the_decay(dt):
    potential, _ = psp("IF_curr_delta", 4.0, dt, **LONG)
    assert potential.max() == pytest.approx(4.0, rel=1e-5)


@pytest.mark.parametrize("dt", [0.1, 1.0])
@pytest.mark.parametrize("drive", [0.2, 0.35, 1.0])
def test_a_constant_current_fires_at_the_interval_of_the_closed_form(drive, dt):
    tau, cm, height, hold = 20.0, 0.2, 15.0, 2.0
    result = run(network(cells(1, i_offset=drive, tau_refrac=hold), dt=dt), 500.0)
    interval = np.diff(result.spikes[0].time_ms)
    settles = drive * tau / cm
    exact = tau * np.log(settles / (settles - height)) + hold
    # 3 % of the decay's own coarseness, and what the grid rounds up.
    assert 0.97 * exact <= interval.mean() <= 1.03 * exact + dt
    assert len(interval) > 10


@given(
    excitatory=st.lists(st.integers(0, 30), min_size=1, max_size=8),
    inhibitory=st.lists(st.integers(0, 30), max_size=8),
)
@settings(max_examples=30, deadline=None)
def test_joined_compartments_are_the_sum_of_both_currents_in_one_membrane(excitatory, inhibitory):
    net = network(
        cells(1, tau_syn_E=2.0, tau_syn_I=8.0, tau_refrac=3.0),
        source([float(t) for t in excitatory], [float(t) for t in inhibitory]),
        dt=1.0, v=[0],
        projections=[
            synapses(1, 0, [(0, 0)], 2.0, label="e", n_pre=2),
            synapses(1, 0, [(1, 0)], -0.5, receptor="inhibitory", label="i", n_pre=2),
        ],
    )  # fmt: skip
    (population, _), inputs = net.populations, net.projections
    scale = scale_population(population, inputs, 1.0, SPEC)
    assert scale.joined
    translation = Loihi().translate(net)
    weights = [
        round(float(p.weight[0] * scale.gain[p.receptor][0]))
        for p in translation.network.projections
    ]
    # A spike at t with a delay of 1 ms enters the current of the step to t + 2 ms.
    slots = [[times.count(step - 2) for step in range(1, 61)] for times in (excitatory, inhibitory)]
    currents = []
    for side, weight, spikes in zip(("excitatory", "inhibitory"), weights, slots, strict=True):
        u, series = 0, []
        for n in spikes:
            decay = int(scale.decay_u[side][0])
            u = (abs(u) * (4096 - decay) // 4096) * (1 if u >= 0 else -1) + n * weight
            series.append(u)
        currents.append(series)
    # The membrane of the reference takes the joined sum as its own current (decay 4096).
    joined = [a + b for a, b in zip(*currents, strict=True)]
    states = scalar_reference(
        [0] * 60, joined, 4096, int(scale.decay_v[0]), int(scale.threshold[0]),
        int(scale.refractory[0]),
    )  # fmt: skip
    result = run(net, 60.0)
    v = np.rint((result.traces[0].values[1:, 0] + 65.0) / scale.unit_mV).astype(int).tolist()
    assert v == [state[1] for state in states]
    assert result.spikes[0].time_ms.tolist() == [k + 1.0 for k, s in enumerate(states) if s[2]]
