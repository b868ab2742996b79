"""The Brian2 engine against closed forms, independent integrators and NEST's time grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from cosim.engines import get_engine
from cosim.engines.brian2 import Brian2Engine
from hwmodels.errors import ModelError, UnsupportedError
from hwmodels.network import Population
from tests.cosim.networks import balanced, cell, one_to_one, recorded, source, step_current


def run(network, ms, **options):
    simulation = get_engine("brian2", **options).start(network)
    simulation.advance(network, round(ms / network.timestep_ms))
    return simulation.result()


def v_of(result, cell=0):
    return result.traces[0].values[:, cell]


@pytest.mark.parametrize(("dt", "first"), [(0.1, 11.1), (1.0, 12.0)])
def test_a_current_synapse_moves_the_membrane_one_step_after_its_delay(dt, first):
    network = recorded(
        cell("IF_curr_exp"), source([10.0]), dt=dt, projections=[one_to_one(1, 0, 1.0)]
    )
    v = v_of(run(network, 20.0))
    assert np.flatnonzero(v != v[0])[0] == round(first / dt)


def test_thirty_ms_at_a_tenth_give_301_samples_with_both_ends():
    assert v_of(run(recorded(cell("IF_curr_exp")), 30.0)).shape == (301,)


def test_a_dc_current_from_5_ms_first_shows_at_5_1_ms():
    network = recorded(cell("IF_curr_exp"), currents=[step_current(5.0, 0.5)])
    v = v_of(run(network, 10.0))
    assert np.flatnonzero(v != v[0])[0] == 51


def test_a_conductance_jump_shows_in_g_at_its_delay_and_in_v_a_step_later():
    network = recorded(cell("IF_cond_exp"), source([5.0]), projections=[one_to_one(1, 0, 0.01)])
    g = replace(network.recordings[-1], variable="gsyn_exc")
    result = run(replace(network, recordings=(*network.recordings, g)), 10.0)
    by_name = {trace.variable: trace.values[:, 0] for trace in result.traces}
    assert np.flatnonzero(by_name["gsyn_exc"])[0] == 60
    assert np.flatnonzero(by_name["v"] != by_name["v"][0])[0] == 61


def test_a_constant_current_fires_on_the_grid_after_exactly_the_closed_form_interval():
    parameters = dict(tau_m=20.0, cm=1.0, v_reset=-65.0, tau_refrac=2.0, i_offset=1.0)
    result = run(recorded(cell("IF_curr_exp", **parameters)), 200.0)
    drive = 20.0 * 1.0 / 1.0
    charge = 20.0 * np.log(drive / (drive - 15.0))
    steps = int(np.ceil(charge / 0.1))
    period = steps + 20
    fired = np.rint(result.spikes[0].time_ms / 0.1).astype(int)
    assert fired.tolist() == list(range(steps, 2001, period))


def test_the_membrane_is_held_for_the_refractory_time():
    network = recorded(cell("IF_curr_exp", i_offset=3.0))
    result = run(network, 30.0)
    fired = round(result.spikes[0].time_ms[0] / 0.1)
    held = v_of(result)[fired:] == -68.0
    assert np.flatnonzero(~held)[0] == 21  # the sample of the spike, and 20 steps of 0.1 ms


@pytest.mark.parametrize("tau_syn", [3.0, 10.0])
def test_an_exponential_current_gives_the_closed_form_psp(tau_syn):
    network = recorded(
        cell("IF_curr_exp", tau_syn_E=tau_syn, v_thresh=1e9),
        source([10.0]),
        projections=[one_to_one(1, 0, 1.0)],
    )
    s = np.arange(0, 390) * 0.1
    if tau_syn == 10.0:
        psp = s / 0.5 * np.exp(-s / 10.0)
    else:
        factor = 1 / 0.5 / (1 / tau_syn - 1 / 10.0)
        psp = factor * (np.exp(-s / 10.0) - np.exp(-s / tau_syn))
    assert v_of(run(network, 49.9))[110:] + 65.0 == pytest.approx(psp, abs=1e-12)


@pytest.mark.parametrize("tau_syn", [3.0, 9.999999, 10.0])
def test_an_alpha_current_gives_the_integrated_psp(tau_syn):
    network = recorded(
        cell("IF_curr_alpha", tau_syn_E=tau_syn, v_thresh=1e9),
        source([10.0]),
        projections=[one_to_one(1, 0, 1.0)],
    )
    s = np.arange(0, 390) * 0.1

    def slope(t, v):
        return -v / 10.0 + np.e * t / tau_syn * np.exp(-t / tau_syn) / 0.5

    exact = solve_ivp(
        slope, (0, s[-1]), [0.0], method="DOP853", t_eval=s, rtol=1e-12, atol=1e-13
    ).y[0]
    assert v_of(run(network, 49.9))[110:] + 65.0 == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("celltype", ["IF_cond_exp", "IF_cond_alpha"])
@pytest.mark.parametrize(("dt", "tolerance"), [(0.1, 1e-8), (1.0, 1e-4)])
def test_conductance_cells_agree_with_an_adaptive_integrator(celltype, dt, tolerance):
    network = recorded(
        cell(celltype, v_thresh=1e9),
        source([10.0], "e"),
        source([10.0], "i"),
        dt=dt,
        projections=[one_to_one(1, 0, 0.05), one_to_one(2, 0, 0.08, receptor="inhibitory")],
    )
    v = v_of(run(network, 50.0))[round(11.0 / dt) :]
    s = np.arange(len(v)) * dt

    def shape(t, tau):
        return np.exp(-t / tau) * (1.0 if celltype == "IF_cond_exp" else np.e * t / tau)

    def slope(t, v):
        current = 0.05 * shape(t, 3.0) * (0.0 - v) + 0.08 * shape(t, 7.0) * (-70.0 - v)
        return (-65.0 - v) / 10.0 + current / 0.5

    exact = solve_ivp(slope, (0, s[-1]), [-65.0], t_eval=s, rtol=1e-12, atol=1e-12).y[0]
    assert v == pytest.approx(exact, abs=tolerance)


def test_adex_agrees_with_an_adaptive_integrator_up_to_its_first_spike():
    network = recorded(cell("EIF_cond_exp_isfa_ista"), currents=[step_current(0.0, 0.9)])
    result = run(network, 60.0)
    first = round(result.spikes[0].time_ms[0] / 0.1)
    p = {k: x[0] for k, x in network.populations[0].parameters.items()}
    g = p["cm"] / p["tau_m"]

    def slope(t, y):
        v, w = y
        spike = p["delta_T"] * np.exp((v - p["v_thresh"]) / p["delta_T"])
        return [
            (g * (p["v_rest"] - v + spike) - w + 0.9) / p["cm"],
            (1e-3 * p["a"] * (v - p["v_rest"]) - w) / p["tau_w"],
        ]

    def spikes(t, y):
        return y[0] - p["v_spike"]

    spikes.terminal = True
    solution = solve_ivp(slope, (0, 60), [-70.6, 0], events=spikes, rtol=1e-11, atol=1e-11,
                         dense_output=True)  # fmt: skip
    assert first == np.ceil(solution.t_events[0][0] / 0.1)
    before = np.arange(first - 5)
    assert v_of(result)[before] == pytest.approx(solution.sol(before * 0.1)[0], abs=1e-4)


def test_izhikevich_is_forward_euler_at_the_time_step():
    network = recorded(cell("Izhikevich"), currents=[step_current(0.0, 0.01)])
    result = run(network, 100.0)
    v, u, trace, spikes = -65.0, -14.0, [-65.0], []
    for n in range(1, 1001):
        v, u = (
            v + 0.1 * (0.04 * v * v + 5 * v + 140 - u + 10.0),
            u + 0.1 * 0.02 * (0.2 * v - u),
        )
        if v >= 30:
            v, u = -65.0, u + 2.0
            spikes.append(n)
        trace.append(v)
    assert np.rint(result.spikes[0].time_ms / 0.1).tolist() == spikes
    assert v_of(result) == pytest.approx(trace, abs=1e-9)


@pytest.mark.parametrize("celltype", ["IF_curr_delta", "Izhikevich"])
def test_a_voltage_jump_acts_at_spike_time_plus_delay(celltype):
    network = recorded(cell(celltype), source([10.0]), projections=[one_to_one(1, 0, 2.0, 1.5)])
    without = recorded(cell(celltype), source([90.0]), projections=[one_to_one(1, 0, 2.0, 1.5)])
    difference = v_of(run(network, 20.0)) - v_of(run(without, 20.0))
    assert np.flatnonzero(difference)[0] == 115
    assert difference[115] == pytest.approx(2.0, abs=1e-12)


def test_a_voltage_jump_over_threshold_fires_at_that_very_time():
    network = recorded(
        cell("IF_curr_delta"), source([10.0]), projections=[one_to_one(1, 0, 20.0, 1.5)]
    )
    assert run(network, 20.0).spikes[0].time_ms == pytest.approx([11.5])


def test_two_spikes_at_one_time_act_twice_and_a_spike_at_zero_is_legal():
    def response(times):
        network = recorded(cell("IF_curr_exp"), source(times), projections=[one_to_one(1, 0, 0.5)])
        return v_of(run(network, 5.0)) + 65.0

    once, twice = response([0.0]), response([0.0, 0.0])
    assert np.flatnonzero(once)[0] == 11
    assert twice == pytest.approx(2 * once, abs=1e-12)


def test_delays_round_to_the_nearest_step_and_are_counted():
    network = recorded(
        cell("IF_curr_exp"), source([1.0]), projections=[one_to_one(1, 0, 1.0, delay=1.26)]
    )
    result = run(network, 5.0)
    v = v_of(result)
    assert np.flatnonzero(v != v[0])[0] == 10 + 13 + 1
    assert result.counts == {"delays rounded to the grid": 1}


@pytest.mark.parametrize("celltype", ["IF_curr_exp", "IF_cond_exp"])
def test_many_short_runs_equal_one_long_run_bit_for_bit(celltype):
    network = balanced(60, celltype=celltype)
    whole = run(network, 60.0)
    simulation = Brian2Engine().start(network)
    for until in (1, 2, 50, 333, 600):
        simulation.advance(network, until)
    parts = simulation.result()
    assert len(whole.spikes[0].cell) > 20
    for a, b in zip(whole.spikes, parts.spikes, strict=True):
        assert np.array_equal(a.cell, b.cell)
        assert np.array_equal(a.time_ms, b.time_ms)
    assert np.array_equal(whole.traces[0].values, parts.traces[0].values)


def test_compiled_and_numpy_code_agree_bit_for_bit_without_exp():
    network = balanced(80)
    compiled, interpreted = run(network, 50.0), run(network, 50.0, codegen="numpy")
    assert len(compiled.spikes[0].cell) > 20
    assert np.array_equal(compiled.traces[0].values, interpreted.traces[0].values)


def test_changes_between_runs_take_effect_and_keep_the_state():
    network = recorded(
        cell("IF_curr_exp"), source([1.0, 11.0, 21.0]), projections=[one_to_one(1, 0, 1.0)]
    )
    simulation = Brian2Engine().start(network)
    simulation.advance(network, 100)
    silent = replace(network.projections[0], weight=np.zeros(1))
    simulation.advance(replace(network, projections=(silent,)), 300)
    reference = recorded(cell("IF_curr_exp"), source([1.0]), projections=[one_to_one(1, 0, 1.0)])
    assert np.array_equal(v_of(simulation.result()), v_of(run(reference, 30.0)))


def test_changed_parameters_and_state_are_taken_over():
    network = recorded(cell("IF_curr_exp"))
    simulation = Brian2Engine().start(network)
    simulation.advance(network, 10)
    before = network.populations[0]
    after = Population(
        before.label,
        before.celltype,
        1,
        dict(before.parameters) | {"v_rest": np.array([-60.0])},
        {"v": np.array([-55.0])},
    )
    simulation.advance(replace(network, populations=(after,)), 20)
    v = v_of(simulation.result())
    assert v[10] == -65.0
    assert v[11] == pytest.approx(-60.0 + 5.0 * np.exp(-0.01))


@settings(max_examples=20, deadline=None)
@given(
    weight=st.floats(-2.0, 2.0),
    delay=st.integers(1, 40),
    times=st.lists(st.integers(0, 80), min_size=1, max_size=6),
)
def test_a_linear_cell_superposes_its_inputs(weight, delay, times):
    """The response to many spikes is the sum of the responses to each."""

    def response(spike_steps):
        network = recorded(
            cell("IF_curr_exp", v_thresh=1e9),
            source([0.1 * s for s in spike_steps]),
            projections=[one_to_one(1, 0, weight, 0.1 * delay)],
        )
        return v_of(run(network, 12.0, codegen="numpy")) + 65.0

    assert response(times) == pytest.approx(sum(response([t]) for t in times), abs=1e-9)


def test_an_unknown_cell_type_is_named_with_its_population():
    strange = Population("my cells", "HH_cond_exp", 1, {}, {})
    with pytest.raises(UnsupportedError, match=r"'my cells'.*HH_cond_exp.*IF_curr_exp"):
        get_engine("brian2").start(recorded(strange, v=()))


@pytest.mark.parametrize("options", [{"codegen": "fortran"}, {"speed": "high"}])
def test_a_wrong_option_is_one_clear_line(options):
    with pytest.raises(ModelError, match="codegen"):
        get_engine("brian2", **options)
