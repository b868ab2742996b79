"""Spikes and currents that the backend draws: statistics, and what a split run must not change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import cosim.pynn as sim
from cosim.pynn.stimuli import PoissonSpikes
from hwmodels.errors import NetworkError

DT = 0.1


def rules(rate, start=0.0, duration=1e10):
    rate = np.asarray(rate, dtype=float)
    return {
        "rate": rate,
        "start": np.broadcast_to(np.float64(start), rate.shape).copy(),
        "duration": np.broadcast_to(np.float64(duration), rate.shape).copy(),
    }


def poisson(size, seed=1):
    return PoissonSpikes(size, np.random.default_rng(seed))


@settings(max_examples=50, deadline=None)
@given(
    rates=st.lists(st.sampled_from([0.0, 5.0, 100.0, 2000.0]), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 999), max_size=4, unique=True).map(sorted),
    start=st.sampled_from([0.0, 13.7]),
    duration=st.sampled_from([1e10, 40.0]),
)
def test_splitting_a_run_gives_the_same_spikes(rates, cuts, start, duration):
    parameters = rules(rates, start, duration)
    whole = poisson(len(rates)).trains(parameters, 0, 1000, DT)
    split, now = poisson(len(rates)), 0
    for until in [*cuts, 1000]:
        trains, now = split.trains(parameters, now, until, DT), until
    assert_array_equal(trains.times_ms, whole.times_ms)
    assert_array_equal(trains.indptr, whole.indptr)


@settings(max_examples=50, deadline=None)
@given(
    changes=st.lists(
        st.tuples(st.integers(1, 300), st.sampled_from([0.0, 10.0, 500.0])), min_size=1, max_size=5
    )
)
def test_changing_the_rate_does_not_change_the_past(changes):
    source, now, before = poisson(3), 0, None
    for steps, rate in changes:
        trains = source.trains(rules([rate, 0.0, rate / 2]), now, now + steps, DT)
        if before is not None:
            on_grid, _ = trains.events(DT)
            old, _ = before.events(DT)
            assert_array_equal(on_grid[: len(old)], old)
            assert np.all(on_grid[len(old) :] > now)
        assert len(trains.times_ms) == 0 or trains.events(DT)[0].max() <= now + steps
        before, now = trains, now + steps


def test_rates_windows_and_intervals_are_poisson():
    rate = np.array([20.0, 200.0, 0.0, 50.0])
    start = np.array([0.0, 1000.0, 0.0, 0.0])
    parameters = rules(rate) | {"start": start, "duration": np.array([1e10, 5000.0, 1e10, 1e10])}
    trains = poisson(4).trains(parameters, 0, 1_000_000, DT)
    spikes = np.split(trains.times_ms, trains.indptr[1:-1])
    expected = np.array([20.0 * 100, 200.0 * 5, 0.0, 50.0 * 100])
    counts = np.diff(trains.indptr)
    assert np.all(np.abs(counts - expected) <= 4 * np.sqrt(expected))
    assert spikes[1].min() >= 1000.0
    assert spikes[1].max() < 6000.0
    intervals = np.diff(spikes[3])
    assert_allclose(intervals.mean(), 20.0, rtol=0.05)
    # An exponential distribution has a coefficient of variation of one.
    assert_allclose(intervals.std() / intervals.mean(), 1.0, atol=0.05)


def test_rate_changed_between_runs_has_the_new_rate(engine):
    source = sim.Population(200, sim.SpikeSourcePoisson(rate=10.0))
    sim.run(1000.0)
    source.set(rate=100.0)
    sim.run(1000.0)
    times = sim.state.experiments[0].network.populations[0].stimulus.times_ms
    early, late = np.sum(times <= 1000.05), np.sum(times > 1000.05)
    assert abs(early - 2000) < 4 * np.sqrt(2000)
    assert abs(late - 20000) < 4 * np.sqrt(20000)


def test_populations_and_trials_have_spikes_of_their_own(engine):
    for _ in range(2):
        sim.Population(5, sim.SpikeSourcePoisson(rate=100.0))
    sim.run(100.0)
    sim.reset()
    sim.run(100.0)
    first, second = (e.network for e in sim.state.experiments)
    trains = [p.stimulus.times_ms for n in (first, second) for p in n.populations]
    assert len({t.tobytes() for t in trains}) == 4


def test_an_impossible_rate_is_refused(engine):
    sim.Population(2, sim.SpikeSourcePoisson(rate=[1.0, -1.0]))
    with pytest.raises(NetworkError, match="rate"):
        sim.run(1.0)


def test_given_spikes_replace_the_future_only(engine):
    source = sim.Population(2, sim.SpikeSourceArray(spike_times=[[1.0, 5.0, 12.0], [3.0]]))
    sim.run(10.0)
    source.set(spike_times=[sim_sequence([2.0, 11.0]), sim_sequence([])])
    sim.run(10.0)
    trains = sim.state.experiments[0].network.populations[0].stimulus
    assert_array_equal(trains.times_ms, [1.0, 5.0, 11.0, 3.0])
    assert_array_equal(trains.indptr, [0, 3, 4])
    sim.reset()
    sim.run(10.0)
    again = sim.state.experiments[1].network.populations[0].stimulus
    assert_array_equal(again.times_ms, [2.0, 11.0])


def sim_sequence(times):
    from pyNN.parameters import Sequence

    return Sequence(times)


def test_unordered_spike_times_are_refused(engine):
    with pytest.raises(sim.errors.InvalidParameterValueError, match="ascend"):
        sim.Population(1, sim.SpikeSourceArray(spike_times=[3.0, 2.0]))


# --- Currents -----------------------------------------------------------------------------------


def current(network, number=0):
    """Amplitude at each step of the first 300."""
    lowered = network.currents[number]
    steps = np.rint(lowered.times_ms / DT).astype(int)
    values = np.concatenate(([0.0], lowered.amplitudes_nA))
    return values[np.searchsorted(steps, np.arange(300), side="right")]


def test_dc_flows_from_start_to_stop(engine):
    cells = sim.Population(3, sim.IF_curr_exp())
    cells[1:].inject(sim.DCSource(amplitude=0.5, start=5.0, stop=20.0))
    sim.run(30.0)
    network = sim.state.experiments[0].network
    lowered = network.currents[0]
    assert_array_equal(lowered.cells, [1, 2])
    assert_allclose(lowered.times_ms, [5.0, 20.0])
    assert_array_equal(lowered.amplitudes_nA, [0.5, 0.0])


def test_a_change_of_amplitude_acts_from_now_on(engine):
    cells = sim.Population(1, sim.IF_curr_exp())
    source = sim.DCSource(amplitude=0.5, start=5.0, stop=20.0)
    cells[0].inject(source)
    sim.run(10.0)
    source.amplitude = 0.7
    assert source.amplitude == 0.7
    sim.run(5.0)
    source.set_parameters(stop=28.0)
    sim.run(15.0)
    wave = current(sim.state.experiments[0].network)
    expected = np.zeros(300)
    expected[50:100], expected[100:280] = 0.5, 0.7
    assert_allclose(wave, expected)


def test_step_current_rounds_to_the_grid(engine):
    cells = sim.Population(1, sim.IF_curr_exp())
    source = sim.StepCurrentSource(times=[0.41, 0.42, 0.86, 3.0], amplitudes=[0.5, -0.5, 0.5, 0.0])
    cells.inject(source)
    sim.run(1.0)
    lowered = sim.state.experiments[0].network.currents[0]
    assert_allclose(lowered.times_ms, [0.4, 0.9, 3.0])
    assert_array_equal(lowered.amplitudes_nA, [-0.5, 0.5, 0.0])
    assert_allclose(source.times, [0.4, 0.9, 3.0])


@pytest.mark.parametrize("times", [[0.4, -0.6, 0.8], [0.4, 0.2, 0.8]])
def test_step_current_refuses_times_that_make_no_sense(engine, times):
    with pytest.raises(ValueError, match="Step current"):
        sim.StepCurrentSource(times=times, amplitudes=[0.5, -0.5, 0.5])


def ac():
    return sim.ACSource(
        amplitude=0.3, offset=0.1, frequency=100.0, phase=90.0, start=5.0, stop=25.0
    )


def noise():
    return sim.NoisyCurrentSource(mean=0.2, stdev=0.1, start=5.0, stop=25.0, dt=0.5)


def test_ac_is_a_sine_from_its_start(engine):
    sim.Population(1, sim.IF_curr_exp()).inject(ac())
    sim.run(30.0)
    wave = current(sim.state.experiments[0].network)
    t = np.arange(200) * DT
    assert_allclose(wave[50:250], 0.1 + 0.3 * np.cos(2 * np.pi * 0.1 * t), atol=1e-12)
    assert not wave[:50].any()
    assert not wave[250:].any()


def test_noise_is_constant_within_its_interval_and_normal(engine):
    sim.Population(1, sim.IF_curr_exp()).inject(sim.NoisyCurrentSource(mean=0.2, stdev=0.1, dt=0.5))
    sim.run(2000.0)
    lowered = sim.state.experiments[0].network.currents[0]
    assert_allclose(np.diff(lowered.times_ms), 0.5)
    assert_allclose(lowered.amplitudes_nA.mean(), 0.2, atol=0.01)
    assert_allclose(lowered.amplitudes_nA.std(), 0.1, atol=0.01)


@pytest.mark.parametrize("make", [ac, noise])
def test_splitting_a_run_gives_the_same_current(engine, make):
    waves = []
    for lengths in ([30.0], [4.0, 3.3, 10.0, 12.7]):
        sim.setup(timestep=DT)
        sim.Population(1, sim.IF_curr_exp()).inject(make())
        for length in lengths:
            sim.run(length)
        waves.append(current(sim.state.experiments[-1].network))
    assert_array_equal(*waves)


def test_recorded_current(engine):
    cells = sim.Population(1, sim.IF_curr_exp())
    source = sim.DCSource(amplitude=0.5, start=5.0, stop=20.0)
    source.record()
    cells.inject(source)
    sim.run(30.0)
    signal = source.get_data()
    assert len(signal) == 301
    values = signal.magnitude[:, 0]
    assert_array_equal(np.flatnonzero(values), np.arange(50, 200))


def test_currents_reach_assemblies_and_not_sources(engine, lowered):
    cells = sim.Population(2, sim.IF_curr_exp())
    others = sim.Population(3, sim.IF_cond_exp())
    (cells + others[1:]).inject(sim.DCSource(amplitude=0.1))
    assert [(c.population, c.cells.tolist()) for c in lowered().currents] == [
        (0, [0, 1]),
        (1, [1, 2]),
    ]
    spikes = sim.Population(1, sim.SpikeSourceArray())
    with pytest.raises(TypeError, match="spike source"):
        spikes.inject(sim.DCSource(amplitude=0.1))
