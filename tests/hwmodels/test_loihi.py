"""A network on Loihi's own neurons: timing on PyNN's grid, precision, limits, what is counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwmodels.chips.loihi import Loihi
from hwmodels.errors import CapacityError, ModelError, UnsupportedError
from hwmodels.network import Recording
from tests.hwmodels.networks import (
    cells,
    current,
    network,
    random_network,
    source,
    synapses,
)
from tests.hwmodels.running import run


def first_change_ms(result, start=0):
    values = result.traces[0].values[:, 0]
    return float(np.flatnonzero(values != values[start])[0]) * result.timestep_ms


def one_input(celltype="IF_curr_exp", weight=0.05, dt=0.1, delay=1.0, receptor="excitatory", **p):
    return network(
        cells(1, celltype=celltype, **p), source([10.0]), dt=dt, v=[0],
        projections=[synapses(1, 0, [(0, 0)], weight, delay, receptor)],
    )  # fmt: skip


# Time


@pytest.mark.parametrize(
    ("celltype", "dt", "first"),
    [
        ("IF_curr_exp", 0.1, 11.1),
        ("IF_curr_exp", 1.0, 12.0),
        ("IF_curr_delta", 0.1, 11.0),
        ("IF_curr_delta", 1.0, 11.0),
    ],
)
def test_a_spike_first_moves_the_membrane_when_it_does_in_pynn(celltype, dt, first):
    result = run(one_input(celltype, 1.0, dt), 20.0)
    assert first_change_ms(result) == pytest.approx(first)


def test_a_current_from_5_ms_first_shows_one_step_later():
    net = network(cells(1), dt=0.1, v=[0], currents=[current(5.0, 0.1)])
    assert first_change_ms(run(net, 10.0)) == pytest.approx(5.1)


def test_a_cell_is_held_at_reset_for_its_refractory_time():
    net = network(cells(1, i_offset=1.0, tau_refrac=2.0), dt=0.1, v=[0])
    result = run(net, 30.0)
    v, spikes = result.traces[0].values[:, 0], result.spikes[0].time_ms
    first = round(spikes[0] / 0.1)
    assert np.all(v[first : first + 21] == -65.0)  # the spike's own sample and 20 more
    assert v[first + 21] > -65.0


def test_spikes_of_a_constant_current_come_when_they_should():
    # At 0.1 ms a 12-bit decay is 20/4096 where 20.4 were meant: 2 % slower.
    p = {"tau_m": 20.0, "cm": 1.0, "v_rest": -65.0, "v_thresh": -50.0, "tau_refrac": 2.0}
    height, tau, drive = 15.0, 20.0, 1.0
    net = network(cells(1, **p, i_offset=drive), dt=0.1)
    spikes = run(net, 100.0).spikes[0].time_ms
    exact = tau * np.log(drive * tau / (drive * tau - height))
    period = exact + 2.0
    expected = exact + period * np.arange(len(spikes))
    assert len(spikes) == 3
    assert np.allclose(spikes, expected, rtol=0.03)


def test_a_source_spike_at_time_zero_counts_and_a_double_one_acts_twice():
    def net(times):
        return network(
            cells(1, celltype="IF_curr_delta"), source(times), dt=1.0, v=[0],
            projections=[synapses(1, 0, [(0, 0)], 2.0, 1.0)],
        )  # fmt: skip

    once = run(net([0.0]), 3.0).traces[0].values[:, 0]
    twice = run(net([0.0, 0.0]), 3.0).traces[0].values[:, 0]
    assert once[1] == pytest.approx(-63.0, abs=0.05)
    assert twice[1] == pytest.approx(-61.0, abs=0.05)


# Precision


@pytest.mark.parametrize(("dt", "tolerance"), [(0.1, 0.05), (0.5, 0.02), (1.0, 0.02)])
@pytest.mark.parametrize("tau_syn", [1.0, 5.0, 20.0])
def test_a_psp_has_the_area_of_the_exact_one(dt, tolerance, tau_syn):
    weight = 0.2
    net = one_input(weight=weight, dt=dt, tau_syn_E=tau_syn, tau_syn_I=tau_syn)
    v = run(net, 300.0).traces[0].values[:, 0]
    area = np.sum(v + 65.0) * dt
    # dv/dt = -v/tau_m + I/cm. On the grid the area of I is h / (1 - exp(-h/tau)) and not tau.
    charge = weight * tau_syn
    assert area == pytest.approx(charge * 20.0 / 0.2, rel=tolerance + dt / tau_syn)


def test_the_resting_potential_is_a_bias():
    net = network(cells(1, v_rest=-55.0, v_reset=-60.0), dt=0.1, v=[0])
    v = run(net, 400.0).traces[0].values[:, 0]
    assert v[0] == -60.0
    assert v[-1] == pytest.approx(-55.0, abs=0.05)


def test_initial_values_are_translated():
    net = network(cells(1, v=-52.5), dt=0.1, v=[0])
    assert run(net, 1.0).traces[0].values[0, 0] == pytest.approx(-52.5, abs=0.001)


def test_two_time_constants_take_two_compartments_and_keep_their_own_pace():
    p = {"tau_syn_E": 2.0, "tau_syn_I": 20.0}
    up = run(one_input(weight=0.1, **p), 150.0).traces[0].values[:, 0] + 65
    down = (
        run(one_input(weight=-0.1, receptor="inhibitory", **p), 150.0).traces[0].values[:, 0] + 65
    )
    assert np.argmax(up) < np.argmin(down)
    # Integer currents lose the end of a long tail: decay rounds toward zero.
    assert np.sum(down) / np.sum(up) == pytest.approx(-10.0, rel=0.1)
    assert run(one_input(**p), 1.0).hardware.energy["count"][0] == 2 * 10


def test_vogels_and_abbotts_cells_run_natively():
    p = {"tau_m": 20.0, "tau_syn_E": 5.0, "tau_syn_I": 10.0, "cm": 0.2, "v_rest": -49.0,
         "v_reset": -60.0, "v_thresh": -50.0, "tau_refrac": 5.0}  # fmt: skip
    result = run(network(cells(10, **p), dt=0.1), 100.0)
    # Undisturbed they cross the threshold after tau ln(11) and rest for 5 ms.
    period = 20.0 * np.log(11.0) + 5.0
    assert np.bincount(result.spikes[0].cell).tolist() == [int((100.0 + 5.0) // period)] * 10


def test_weights_become_mantissas_and_say_so():
    rng = np.random.default_rng(1)
    weight = rng.uniform(0.1, 0.5, 100)
    net = network(
        cells(100), cells(1, "pre"), dt=1.0,
        projections=[synapses(1, 0, [(0, k) for k in range(100)], weight, label="w")],
    )  # fmt: skip
    translation = Loihi(effects="weight_precision").translate(net)
    effective = translation.network.projections[0].weight
    (row,) = translation.quantisation
    assert (row["where"], row["quantity"], row["unit"], row["values"]) == ("w", "weight", "nA", 100)
    assert np.allclose(effective / row["step"], np.rint(effective / row["step"]))
    error = np.abs(effective - weight)
    assert error.max() == pytest.approx(row["max_error"])
    assert row["max_error"] <= row["step"] / 2 * (1 + 1e-9)
    assert row["step"] == pytest.approx(0.5 / 255, rel=0.05)


def test_mixed_signs_cost_the_last_bit():
    def step(weights):
        net = network(
            cells(2), cells(1, "pre"), dt=1.0,
            projections=[synapses(1, 0, [(0, 0), (0, 1)], weights)],
        )  # fmt: skip
        return float(Loihi(effects="weight_precision").translate(net).quantisation[0]["step"])

    assert step([0.5, -0.5]) == pytest.approx(2 * step([0.5, 0.5]), rel=0.02)


def test_a_weight_of_zero_stays_zero_and_no_synapses_is_no_row_of_errors():
    net = network(
        cells(2), cells(1, "pre"), dt=1.0,
        projections=[
            synapses(1, 0, [(0, 0), (0, 1)], [0.0, 0.5]),
            synapses(1, 0, [], n_pre=1, label="none"),
            synapses(1, 0, [(0, 0)], 0.0, label="zero"),
        ],
    )  # fmt: skip
    translation = Loihi().translate(net)
    assert translation.network.projections[0].weight[0] == 0.0
    assert translation.network.projections[2].weight.tolist() == [0.0]
    assert run(net, 5.0).counts == {}


def test_fine_numbers_make_the_chip_exact_enough():
    """With 30-bit decays and weights the arithmetic is that of the equations."""
    net = one_input(weight=0.2, dt=0.1)
    coarse = run(net, 100.0).traces[0].values[:, 0]
    fine = run(net, 100.0, decay_bits=24, state_bits=36, input_bits=36, threshold_bits=32,
               threshold_mantissa_bits=30, weight_bits=20).traces[0].values[:, 0]  # fmt: skip
    # Exact: a current jump of w at 11 ms, the membrane moved by propagators after that.
    t = np.arange(len(fine)) * 0.1 - 11.0
    exact = np.where(
        t > 0, 0.2 / 0.2 * (np.exp(-t / 20.0) - np.exp(-t / 5.0)) / (1 / 5.0 - 1 / 20.0), 0.0
    )
    error_fine = np.abs(fine + 65.0 - exact).max() / exact.max()
    error_coarse = np.abs(coarse + 65.0 - exact).max() / exact.max()
    assert error_fine < 0.02
    assert error_fine < error_coarse < 0.05


# Limits


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tau_refrac": 10.0}, "'cells': tau_refrac of 10 ms is 100 steps.*at most 62.*step_ms"),
        ({"v_thresh": -70.0}, "'cells': v_thresh must lie above v_reset.*neurons=exact"),
    ],
)
def test_a_parameter_the_chip_does_not_have_is_named(changes, message):
    with pytest.raises(UnsupportedError, match=message):
        Loihi().translate(network(cells(3, **changes), dt=0.1))


def test_another_cell_type_is_named_with_the_way_out():
    net = network(cells(3, "wta", celltype="IF_cond_exp"), dt=0.1)
    with pytest.raises(
        UnsupportedError, match="'wta'.*IF_curr_exp.*not IF_cond_exp.*neurons=exact"
    ):
        Loihi().translate(net)
    Loihi(effects="weight_precision+fabric").translate(net)


def test_a_long_delay_is_refused_and_fits_into_longer_steps():
    net = one_input(delay=6.4, dt=0.1)
    with pytest.raises(
        UnsupportedError, match=r"projection 'p': a delay of 6.4 ms is 64 steps.*62"
    ):
        Loihi().translate(net)
    assert Loihi(step_ms=0.2).translate(net).network.timestep_ms == 0.2


def test_longer_steps_count_what_they_round():
    net = one_input(delay=1.1, dt=0.1)
    net = replace(net, recordings=(*net.recordings, Recording(0, "v", np.zeros(1, np.int32), 0.3)))
    translation = Loihi(step_ms=0.5).translate(net)
    assert translation.counts["delays rounded to the grid"] == 1
    assert translation.counts["sampling intervals adapted to the step"] == 2
    assert Loihi(step_ms=0.5, effects="fabric").translate(net).network.timestep_ms == 0.1


def test_own_neurons_without_the_effect_arithmetic_are_refused():
    chip = Loihi(effects="fabric")
    with pytest.raises(ModelError, match="neurons=exact"):
        chip.neurons(chip.translate(network(cells(1))))


def test_a_population_larger_than_the_chip_names_the_limit():
    net = network(cells(5, "big"), dt=1.0)
    chip = Loihi(columns=1, rows=1, cores_per_tile=1, compartments_per_core=4)
    with pytest.raises(CapacityError, match="4 of 5 neurons fill all 1 cores.*'big'"):
        chip.map(chip.translate(net))


def test_a_neuron_with_more_input_than_a_core_has_memory_is_named():
    pairs = [(k, 0) for k in range(5000)]
    net = network(
        cells(1, "hub"), source(*[[]] * 5000),
        projections=[synapses(1, 0, pairs, label="in")],
    )  # fmt: skip
    chip = Loihi()
    with pytest.raises(CapacityError, match="'hub'.*5000 input axons of 4096"):
        chip.map(chip.translate(net))


def test_one_current_for_two_receptors_cannot_be_recorded_apart():
    net = random_network(np.random.default_rng(0), dt=0.5)
    net = replace(net, recordings=(Recording(0, "isyn_exc", np.zeros(1, np.int32), 0.5),))
    with pytest.raises(UnsupportedError, match="'isyn_exc' cannot be recorded"):
        run(net, 1.0)


def test_the_synaptic_current_is_sampled_in_nA():
    net = one_input(weight=0.3, dt=0.1)
    net = replace(net, recordings=(Recording(0, "isyn_exc", np.zeros(1, np.int32), 0.1),))
    isyn = run(net, 40.0).traces[0].values[:, 0]
    assert isyn.max() == pytest.approx(0.3, rel=0.02)
    assert np.flatnonzero(isyn)[0] * 0.1 in (pytest.approx(11.0), pytest.approx(11.1))


def test_empty_populations_and_projections_are_no_obstacle():
    net = network(
        cells(3), cells(0, "none"), source(), source([1.0], label="one"), v=[0, 1],
        projections=[
            synapses(0, 1, [], n_pre=3), synapses(1, 0, [], label="a"),
            synapses(2, 0, [], label="b"), synapses(3, 0, [(0, 1)], label="c"),
        ],
    )  # fmt: skip
    result = run(net, 10.0)
    assert result.hardware.packets["destination_core"].tolist() == [0]
    assert result.counts == {}
    chip = Loihi(effects="weight_precision+fabric")
    chip.map(chip.translate(net))


def test_a_network_of_sources_alone_runs():
    result = run(network(source([1.0, 2.0])), 5.0)
    assert result.spikes[0].time_ms.tolist() == [1.0, 2.0]
    assert result.hardware.energy_pJ == 0.0


def test_the_offset_current_can_change_between_runs_and_the_scale_cannot():
    net = network(cells(2, i_offset=0.0), dt=1.0)
    chip = Loihi()
    translation = chip.translate(net)
    neurons = chip.neurons(translation)
    neurons.step(1, [])

    def changed(**values):
        (old,) = net.populations
        new = replace(old, parameters=dict(old.parameters) | values)
        return chip.translate(replace(net, populations=(new,)), since=translation).network

    neurons.update(changed(i_offset=np.array([0.0, 1.0])))
    for step in range(2, 60):
        fired = neurons.step(step, [])
        if len(fired):
            break
    assert fired.tolist() == [1]
    with pytest.raises(UnsupportedError, match="'cells': tau_m cannot be changed between runs"):
        neurons.update(changed(tau_m=np.full(2, 10.0)))


def test_distinct_parameter_sets_beyond_a_cores_table_take_more_cores():
    net = network(cells(64, tau_m=np.linspace(5.0, 30.0, 64)), dt=1.0)
    chip = Loihi()
    assert chip.map(chip.translate(net)).n_cores == 2
    joined = network(cells(64, tau_m=np.linspace(5.0, 30.0, 64), tau_syn_I=9.0), dt=1.0)
    assert chip.map(chip.translate(joined)).n_cores == 4


def test_placement_and_weights_do_not_depend_on_who_computes():
    net = random_network(np.random.default_rng(6))
    cells_ = net.populations[0]
    parameters = dict(cells_.parameters) | {"tau_syn_I": np.full(40, 9.0)}
    net = replace(net, populations=(replace(cells_, parameters=parameters), *net.populations[1:]))
    own, exact = Loihi(), Loihi(effects="weight_precision+fabric")
    a, b = own.translate(net), exact.translate(net)
    for p, q in zip(a.network.projections, b.network.projections, strict=True):
        assert np.array_equal(p.weight, q.weight)
    assert np.array_equal(own.map(a).core_of, exact.map(b).core_of)
    assert [row["quantity"] for row in b.quantisation] == ["weight"] * 3


# What a run reports


def test_saturated_state_is_counted():
    net = network(
        cells(1, celltype="IF_curr_delta", tau_m=1e6), source([float(k) for k in range(1, 60)]),
        projections=[
            synapses(1, 0, [(0, 0)], -30.0, receptor="inhibitory"),
            synapses(1, 0, [(0, 0)], 0.001, delay=2.0, label="weak"),
        ],
    )  # fmt: skip
    counts = run(net, 80.0).counts
    assert counts["voltages saturated"] > 0


@pytest.mark.parametrize("fidelity", ["compiled", "reference", "analytic"])
def test_a_run_is_deterministic_and_timing_changes_no_spike(fidelity):
    net = random_network(np.random.default_rng(3))
    first, second = run(net, 50.0, fidelity=fidelity), run(net, 50.0, fidelity=fidelity)
    free = run(net, 50.0, effects="weight_precision+arithmetic")
    assert len(first.spikes[0].cell) > 100
    for other in (second, free):
        assert np.array_equal(first.spikes[0].cell, other.spikes[0].cell)
        assert np.array_equal(first.spikes[0].time_ms, other.spikes[0].time_ms)
    assert np.array_equal(first.hardware.packets, second.hardware.packets)
    assert np.array_equal(first.hardware.step_ps, second.hardware.step_ps)
    assert not np.any(free.hardware.step_ps)


def test_the_report_adds_up():
    net = random_network(np.random.default_rng(4))
    result = run(net, 50.0)
    hardware = result.hardware
    energy = {row["operation"]: int(row["count"]) for row in hardware.energy}
    assert energy["compartment visits"] == 40 * 100
    assert energy["spikes generated"] == len(result.spikes[0].cell)
    assert energy["messages sent"] == len(hardware.packets)
    served = energy["synapses, contiguous"] + energy["synapses, indexed"]
    assert served == int(hardware.packets["synapses"].sum())
    assert len(hardware.step_ps) == 101
    assert hardware.packets["arrive_ps"].max() < hardware.step_ps.sum()
    assert np.all(hardware.packets["late_steps"] == 0)
    ends = np.cumsum(hardware.step_ps)
    assert np.all(hardware.packets["arrive_ps"] < ends[hardware.packets["step"]])
    assert hardware.cores["synapses"].sum() == net.n_synapses
    assert hardware.cores["memory_used"].max() <= hardware.cores["memory_size"].max()
    assert "Nahuku" in hardware.sources["specification"]


def test_free_running_too_fast_acts_late_and_real_time_does_not():
    net = random_network(np.random.default_rng(5))
    barrier = run(net, 50.0)
    real_time = run(net, 50.0, clocking="free_running")
    assert np.array_equal(barrier.spikes[0].time_ms, real_time.spikes[0].time_ms)
    assert np.all(real_time.hardware.step_ps[1:] == 500_000_000)
    hurried = run(net, 50.0, clocking="free_running", step_ns=300)
    assert hurried.counts["synaptic events late"] > 0
    assert hurried.hardware.packets["late_steps"].max() > 0
