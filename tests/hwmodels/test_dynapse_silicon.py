"""Silicon neurons: their currents, their dynamics, and the ideal cells they stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.dynapse import Dynapse
from hwmodels.chips.dynapse.analogue import (
    GATED_POWER,
    NO_FEEDBACK,
    POWER,
    SIGMOID,
    arrive,
    constants,
    integrate,
    reference_step,
    resting_state,
)
from hwmodels.chips.dynapse.devices import (
    bias_current,
    draw_mismatch,
    pulse_factor,
    rounded,
    scattered,
)
from hwmodels.chips.dynapse.silicon import (
    AMPA,
    NMDA,
    equivalent,
    silicon_cells,
    time_current_As,
)
from hwmodels.errors import UnsupportedError
from tests.hwmodels.networks import cells, current, network, source, synapses
from tests.hwmodels.running import run_on

SPECS = {name: Dynapse(spec=name).spec for name in Dynapse.presets()}
SPEC = SPECS["dynapse1"]
STEP_S = 20e-6
COND = {"e_rev_E": 0.0, "e_rev_I": -70.0}
EIF = COND | {"tau_w": 100.0, "a": 0.0, "b": 0.01, "delta_T": 2.0, "v_spike": -40.0}


def eif(n, **changes):
    return cells(n, celltype="EIF_cond_exp_isfa_ista", **(EIF | changes))


def advance(state, c, steps):
    spiked, offset = np.empty(len(c.leak), np.int64), np.empty(len(c.leak))
    done = 0
    while done < steps:
        done += integrate(state, c, steps - done, spiked, offset)[0]


# The circuit


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_without_input_the_membrane_voltage_falls_by_leak_over_capacitance(spec):
    silicon = replace(silicon_cells(cells(1), spec), dc=np.zeros(1))
    c = constants(silicon, spec, STEP_S)._replace(dark=0.0)
    state = resting_state(silicon.threshold * 0.9)
    before = state.membrane.copy()
    advance(state, c, 500)
    volts = spec.thermal_mV * 1e-3 / spec.kappa * np.log(state.membrane / before)
    slope = silicon.leak / (spec.membrane_pF * 1e-12)
    np.testing.assert_allclose(-volts / (500 * STEP_S), slope, rtol=1e-12)


@pytest.mark.parametrize("gate_nA", [0.0, SPEC.nmda_threshold_nA, 0.8])
def test_the_membrane_equation_is_that_of_the_datasheet(gate_nA):
    """tau (1 + I_g / I) dI/dt = alpha (I_in - I_L) - I I_L / I_tau, for a tiny step."""
    spec = replace(SPEC, nmda_threshold_nA=gate_nA)
    rng = np.random.default_rng(1)
    silicon = silicon_cells(cells(50, i_offset=rng.uniform(0, 0.3, 50)), SPEC)
    h = 1e-9
    c = constants(silicon, spec, h)
    state = resting_state(rng.uniform(0.1, 0.9, 50) * silicon.threshold)
    state.synapse[...] = rng.uniform(0, 1, (4, 50)) * 1e-10
    state.adaptation[...] = rng.uniform(0, 1, 50) * 1e-12
    was, (gaba_b, gaba_a, nmda, ampa) = state.membrane.copy(), state.synapse.copy()
    leak = silicon.leak + state.adaptation + gaba_a
    entering = nmda / (1 + gate_nA * 1e-9 / was) + ampa - gaba_b + silicon.dc
    alpha = silicon.gain / silicon.leak
    slope = (alpha * (entering - leak) - was * leak / silicon.leak) / (
        c.tau_s * (1 + silicon.gain / was)
    )
    advance(state, c, 1)
    np.testing.assert_allclose((state.membrane - was) / h, slope, rtol=1e-4)


def test_a_membrane_settles_at_gain_times_the_excess_of_its_input():
    silicon = silicon_cells(cells(3, i_offset=np.array([0.0, 0.05, 0.1])), SPEC)
    state = resting_state(silicon.threshold * 0.5)
    advance(state, constants(silicon, SPEC, STEP_S), 60_000)
    expected = SPEC.gain_ratio * (silicon.dc - silicon.leak)
    np.testing.assert_allclose(state.membrane, expected, rtol=1e-9)
    # In PyNN's units: rest plus offset times resistance.
    np.testing.assert_allclose(
        silicon.potential(state.membrane), -65 + 100 * np.array([0, 0.05, 0.1]), rtol=1e-9
    )


def test_a_pulse_adds_what_the_exact_dpi_adds():
    leak = np.array([5e-12, 50e-12])
    tau = time_current_As(SPEC, SPEC.synapse_pF) / leak
    expected = SPEC.synapse_gain_ratio * (1 - np.exp(-SPEC.pulse_us * 1e-6 / tau))
    np.testing.assert_allclose(pulse_factor(leak, SPEC), expected, rtol=1e-9)


@given(st.floats(0.0, 1.0), st.floats(0.5, 50.0))
@settings(max_examples=30, deadline=None)
def test_an_arrival_within_a_step_leaves_exactly_what_it_would(share, tau_ms):
    silicon = silicon_cells(cells(1, tau_syn_E=tau_ms), SPEC)
    c = constants(silicon, SPEC, STEP_S)
    state = resting_state(silicon.reset)
    one = np.zeros(1, np.int64)
    jump = 1e-10
    left_s = share * STEP_S
    arrive(
        state, c, np.array([0, 1]), one, one, np.array([AMPA]), np.array([jump]), one,
        np.array([left_s]),
    )  # fmt: skip
    tau_s = float(c.synapse_tau_s[AMPA, 0])
    assert state.synapse[AMPA, 0] == pytest.approx(jump * np.exp(-left_s / tau_s), rel=1e-12)
    # And all its charge reaches the membrane, sooner or later.
    total = state.carried[AMPA, 0] + state.synapse[AMPA, 0] * tau_s
    assert total == pytest.approx(jump * tau_s, rel=1e-9)


@pytest.mark.parametrize("feedback", [NO_FEEDBACK, SIGMOID, POWER, GATED_POWER])
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_the_compiled_loop_equals_numpy(spec, feedback):
    spec = replace(spec, nmda_threshold_nA=0.3 * spec.threshold_nA)
    rng = np.random.default_rng(2)
    n = 60
    silicon = silicon_cells(eif(n, b=0.05, tau_refrac=0.03), spec)
    silicon = replace(silicon, dc=silicon.dc * rng.uniform(0.8, 3, n))
    c = constants(silicon, spec, STEP_S, feedback)
    ours, theirs = (resting_state(silicon.reset) for _ in range(2))
    spiked, offset = np.empty(n, np.int64), np.empty(n)
    total = cut = cut_too = 0
    for _ in range(3000):
        arriving = rng.random((4, n)) < 0.01
        for state in (ours, theirs):
            state.synapse[...] += arriving * silicon.weight_gain * 0.002
        _, fired, floored = integrate(ours, c, 1, spiked, offset)
        also, when, floored_too = reference_step(theirs, c)
        assert spiked[:fired].tolist() == also.tolist()
        np.testing.assert_allclose(offset[:fired], when, rtol=1e-6, atol=1e-12)
        total, cut, cut_too = total + fired, cut + floored, cut_too + floored_too
    assert total > 100
    assert cut == cut_too
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-24)


def test_the_gate_makes_the_second_excitation_depend_on_the_membrane():
    """Matched in the middle between rest and threshold: weaker below, stronger above."""
    spec = replace(SPEC, nmda_threshold_nA=0.5 * SPEC.threshold_nA)
    silicon = silicon_cells(cells(3), spec)
    start = np.array([0.5, 0.75, 0.95]) * silicon.threshold
    c = constants(silicon, spec, 1e-7)
    grown = {}
    for kind in (AMPA, NMDA, None):
        state = resting_state(start)
        if kind is not None:
            state.synapse[kind] = silicon.weight_gain[kind] * 0.1
        advance(state, c, 1)
        grown[kind] = state.membrane
    ratio = (grown[NMDA] - grown[None]) / (grown[AMPA] - grown[None])
    gate = 1 + 0.5 * SPEC.threshold_A / start
    np.testing.assert_allclose(ratio, gate[1] / gate, rtol=1e-4)


# The bias generator


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@given(st.floats(-12, -7))
@settings(max_examples=40, deadline=None)
def test_a_bias_is_a_fine_share_of_a_coarse_current(spec, exponent):
    wanted = np.array([10.0**exponent])
    made = bias_current(wanted, spec, 1.0)
    possible = [
        full * 1e-9 * fine / spec.bias_fine_max
        for _, full in spec.bias_full_scale_nA
        for fine in range(1, spec.bias_fine_max + 1)
    ]
    nearest = min(possible, key=lambda one: abs(one - wanted[0]))
    assert made[0] == pytest.approx(max(nearest, spec.dark_pA * 1e-12), rel=1e-12)


def test_the_published_bias_table_of_dynapse2():
    table = dict(SPECS["dynapse2"].bias_full_scale_nA)
    assert table == {0: 0.072, 1: 0.573, 2: 4.57, 3: 36.4, 4: 290.0, 5: 2280.0}
    half = bias_current(np.array([4.57e-9 * 200 / 255]), SPECS["dynapse2"], 1.0)
    assert half[0] == pytest.approx(4.57e-9 * 200 / 255, rel=1e-12)


# Ideal cells and silicon


@pytest.mark.parametrize("make", [cells, lambda n: cells(n, celltype="IF_cond_exp", **COND), eif])
def test_exact_currents_stand_for_exactly_the_cell(make):
    population = make(3)
    exact = silicon_cells(population, SPEC)
    same = equivalent(population, exact, exact, SPEC)
    for name, values in population.parameters.items():
        np.testing.assert_array_equal(same[name], values)


def test_a_larger_leak_is_a_shorter_time_constant():
    population = cells(1)
    exact = silicon_cells(population, SPEC)
    faster = replace(exact, leak=exact.leak * 1.25, gain=exact.gain * 1.25)
    changed = equivalent(population, exact, faster, SPEC)
    assert changed["tau_m"][0] == pytest.approx(16.0, rel=0.01)
    assert changed["v_rest"][0] != -65.0, "the constant current was for the other leak"


@pytest.mark.parametrize(("name", "cv"), [("dynapse1", 0.1), ("dynapse2", 0.2)])
def test_mismatch_scatters_time_constants_as_error_propagation_says(name, cv):
    """One factor of 10 % on DYNAP-SE1, four on DYNAP-SE2."""
    factors = draw_mismatch(SPECS[name], seed=3, neurons=20_000)
    exact = silicon_cells(cells(20_000), SPECS[name])
    c = constants(scattered(exact, factors), SPECS[name], STEP_S)
    for taus in (c.tau_s, c.synapse_tau_s[AMPA]):
        assert np.std(taus) / np.mean(taus) == pytest.approx(cv, rel=0.08)


def test_no_device_is_scattered_to_nothing():
    wild = replace(SPEC, mismatch_cv=1.0)
    assert all(values.min() >= 0.01 for values in draw_mismatch(wild, 4).values())


def test_rounding_currents_moves_no_time_constant_by_more_than_a_fine_step():
    population = cells(1)
    exact = silicon_cells(population, SPEC)
    changed = equivalent(population, exact, rounded(exact, SPEC), SPEC)
    assert changed["tau_m"][0] == pytest.approx(20.0, rel=0.02)
    assert changed["tau_syn_E"][0] == pytest.approx(5.0, rel=0.02)


@pytest.mark.parametrize(
    ("population", "message"),
    [
        (cells(1, "x", celltype="IF_curr_delta"), "'x'.*IF_curr_delta.*neurons=exact"),
        (cells(1, "x", v_thresh=-70.0), "'x': v_thresh must be above"),
        (cells(1, "x", tau_m=0.1), "'x': tau_m must be longer"),
        (cells(1, "x", celltype="IF_cond_exp", **(COND | {"e_rev_I": -30.0})), "'x': e_rev_E"),
    ],
)
def test_what_silicon_cannot_be_is_one_line(population, message):
    with pytest.raises(UnsupportedError, match=message):
        silicon_cells(population, SPEC)


# Against closed forms, through the whole chip


def test_a_constant_current_gives_the_rate_of_the_leaky_integrator():
    net = network(cells(1, i_offset=0.25), dt=0.1, v=(0,))
    result = run_on(Dynapse(effects="arithmetic"), net, 500.0)
    intervals = np.diff(result.spikes[0].time_ms)
    expected = 2.0 + 20.0 * np.log(25 / (25 - 15))
    assert np.ptp(intervals) < 1e-5, "regular to nanoseconds, far below any step"
    assert np.mean(intervals) == pytest.approx(expected, rel=0.02)


def test_a_finer_integration_converges():
    def first(step_us):
        net = network(cells(1, i_offset=0.25), dt=1.0)
        chip = Dynapse(effects="arithmetic", integration_us=step_us)
        return run_on(chip, net, 30.0).spikes[0].time_ms[0]

    best = first(1.0)
    assert abs(first(20.0) - best) < 1e-4
    assert abs(first(100.0) - best) < 2e-3


def test_a_current_step_is_taken_from_its_time_on_and_named():
    net = network(cells(2), dt=0.1, currents=[current(20.0, 0.3)], v=(0,))
    result = run_on(Dynapse(effects="arithmetic"), net, 60.0)
    assert result.spikes[0].cell.tolist() == [0] * len(result.spikes[0].cell)
    assert result.spikes[0].time_ms[0] > 20.0
    assert result.counts["cells driven by an ideal current source"] == 1


def test_adaptation_slows_a_cell_down():
    net = network(eif(1, i_offset=0.4, tau_m=20.0, b=0.02), dt=0.1)
    times = run_on(Dynapse(effects="arithmetic"), net, 400.0).spikes[0].time_ms
    intervals = np.diff(times)
    assert intervals[-1] > 1.2 * intervals[0]


@pytest.mark.parametrize("receptor", ["excitatory", "inhibitory"])
def test_conductances_push_towards_their_side(receptor):
    net = network(
        cells(1, celltype="IF_cond_exp", v=-60.0, **COND), source([5.0]), dt=0.1, v=(0,),
        projections=[synapses(1, 0, [(0, 0)], 0.01, receptor=receptor)],
    )  # fmt: skip
    trace = run_on(Dynapse(effects="arithmetic"), net, 12.0).traces[0].values[:, 0]
    silent = replace(net, projections=())
    without = run_on(Dynapse(effects="arithmetic"), silent, 12.0).traces[0].values[:, 0]
    change = trace - without
    assert np.all(change[:50] == 0)
    assert np.sign(change[-1]) == (1 if receptor == "excitatory" else -1)
