"""From a script to a Network: values, identity of unchanged arrays, determinism, errors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cosim.pynn as sim
from hwmodels.errors import NetworkError, UnsupportedError


def network_with_everything():
    sim.setup(timestep=0.1)
    rng = sim.NumpyRNG(seed=4)
    cells = sim.Population(
        20, sim.IF_cond_exp(tau_m=sim.RandomDistribution("normal", (20.0, 2.0), rng=rng))
    )
    cells.initialize(v=sim.RandomDistribution("uniform", (-65.0, -55.0), rng=rng))
    poisson = sim.Population(10, sim.SpikeSourcePoisson(rate=50.0))
    sim.Projection(
        poisson,
        cells,
        sim.FixedProbabilityConnector(0.3, rng=rng),
        sim.StaticSynapse(
            weight=sim.RandomDistribution("uniform", (0.0, 0.1)), delay="0.5 + 0.1*d"
        ),
    )
    cells[:3].inject(sim.NoisyCurrentSource(mean=0.1, stdev=0.05))
    cells.record(["v", "spikes"])


def test_same_script_and_seed_give_the_same_network(engine, lowered):
    hashes = set()
    for _ in range(2):
        network_with_everything()
        hashes.add(lowered(50.0).content_hash)
        sim.end()
    assert len(hashes) == 1


def test_the_seed_moves_only_what_the_script_did_not_seed(engine, lowered, monkeypatch):
    network_with_everything()
    before = lowered(50.0)
    monkeypatch.setenv("COSIM_SEED", "5")
    sim.end()
    network_with_everything()
    after = lowered(50.0)
    cells = (before.populations[0], after.populations[0])
    assert_array_equal(cells[0].parameters["tau_m"], cells[1].parameters["tau_m"])
    assert_array_equal(before.projections[0].target, after.projections[0].target)
    assert not np.array_equal(before.projections[0].weight, after.projections[0].weight)
    stimuli = [n.populations[1].stimulus.times_ms for n in (before, after)]
    assert not np.array_equal(*stimuli)
    assert not np.array_equal(before.currents[0].amplitudes_nA, after.currents[0].amplitudes_nA)


@pytest.mark.parametrize("option", ["seed", "rng_seed", "rng_seeds"])
def test_seed_of_setup(engine, lowered, option):
    trains = []
    for value in (1, 1, 2):
        sim.setup(**{option: [value] if option == "rng_seeds" else value})
        sim.Population(5, sim.SpikeSourcePoisson(rate=100.0))
        trains.append(lowered(200.0).populations[0].stimulus.times_ms)
    assert_array_equal(trains[0], trains[1])
    assert not np.array_equal(trains[0], trains[2])


def test_parameters_and_initial_values_are_pynns(engine, lowered):
    cells = sim.Population(3, sim.IF_curr_exp(tau_m=[10.0, 11.0, 12.0], i_offset=lambda i: 0.1 * i))
    cells[1].cm = 2.0
    cells[0:2].initialize(v=-60.0)
    population = lowered().populations[0]
    assert population.celltype == "IF_curr_exp"
    assert_array_equal(population.parameters["tau_m"], [10.0, 11.0, 12.0])
    assert_allclose(population.parameters["i_offset"], [0.0, 0.1, 0.2])
    assert_array_equal(population.parameters["cm"], [1.0, 2.0, 1.0])
    assert_array_equal(population.initial_values["v"], [-60.0, -60.0, -65.0])
    assert set(population.initial_values) == {"v", "isyn_exc", "isyn_inh"}
    assert all(v.dtype == np.float64 for v in population.parameters.values())


def test_unchanged_arrays_are_the_same_objects(engine):
    cells = sim.Population(4, sim.IF_curr_exp())
    other = sim.Population(4, sim.IF_curr_exp())
    projection = sim.Projection(
        cells, other, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.1)
    )
    other.inject(sim.DCSource(amplitude=0.1))
    cells.record("v")
    sim.run(1.0)
    sim.run(1.0)
    cells.set(tau_m=15.0)
    projection.set(weight=0.2)
    sim.run(1.0)
    first, second, third = (network for network, _ in engine.simulations[0].calls)
    assert second is first
    assert third.populations[1] is first.populations[1]
    assert third.populations[0].parameters["cm"] is first.populations[0].parameters["cm"]
    assert third.populations[0].parameters["tau_m"] is not first.populations[0].parameters["tau_m"]
    assert third.populations[0].initial_values["v"] is first.populations[0].initial_values["v"]
    assert third.projections[0].target is first.projections[0].target
    assert third.projections[0].indptr is first.projections[0].indptr
    assert third.projections[0].delay_ms is first.projections[0].delay_ms
    assert_array_equal(third.projections[0].weight, np.full(16, 0.2))
    assert third.currents[0] is first.currents[0]
    assert third.recordings[0] is first.recordings[0]


def test_csr_keeps_the_order_of_creation_within_a_cell(engine, lowered):
    rows = [(1, 0, 0.1, 1.0), (0, 2, 0.2, 2.0), (1, 2, 0.3, 3.0), (1, 0, 0.4, 4.0)]
    pre, post = (sim.Population(3, sim.IF_curr_exp()) for _ in range(2))
    sim.Projection(pre, post, sim.FromListConnector(rows))
    projection = lowered().projections[0]
    assert_array_equal(projection.indptr, [0, 1, 4, 4])
    assert_array_equal(projection.source, [0, 1, 1, 1])
    assert_array_equal(projection.target, [2, 0, 0, 2])
    assert_array_equal(projection.weight, [0.2, 0.1, 0.4, 0.3])
    assert_array_equal(projection.delay_ms, [2.0, 1.0, 4.0, 3.0])
    assert projection.target.dtype == np.int32


def test_views_and_assemblies_become_one_projection_a_pair(engine, lowered):
    a, b = (
        sim.Population(4, sim.IF_curr_exp(), label="a"),
        sim.Population(3, sim.IF_curr_exp(), label="b"),
    )
    mixed = a[1:3] + b
    sim.Projection(mixed, mixed, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.1), label="p")
    network = lowered()
    assert [(p.pre, p.post) for p in network.projections] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert network.projections[1].label == "p [a→b]"
    assert {p.receptor for p in network.projections} == {"excitatory"}
    assert [p.n_synapses for p in network.projections] == [4, 6, 6, 9]
    assert_array_equal(network.projections[1].source, [1, 1, 1, 2, 2, 2])
    assert_array_equal(network.projections[2].target, [1, 2] * 3)
    assert_array_equal(network.projections[0].indptr, [0, 0, 2, 4, 4])


def test_view_of_a_view(engine, lowered):
    cells = sim.Population(10, sim.IF_curr_exp())
    view = cells[2:8][np.array([1, 3])]
    view.set(tau_m=5.0)
    target = sim.Population(1, sim.IF_curr_exp())
    sim.Projection(view, target, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.1))
    network = lowered()
    assert_array_equal(np.flatnonzero(network.populations[0].parameters["tau_m"] == 5.0), [3, 5])
    assert_array_equal(network.projections[0].source, [3, 5])


def test_labels_are_made_unique(engine, lowered):
    for label in ("x", None, "x", "x"):
        sim.Population(1, sim.IF_curr_exp(), label=label)
    labels = [p.label for p in lowered().populations]
    assert labels == ["x", "population1", "x (2)", "x (3)"]


def test_recordings_are_lowered(engine, lowered):
    cells = sim.Population(6, sim.IF_cond_exp())
    cells[4:].record("v", sampling_interval=0.5)
    cells[1:3].record("v", sampling_interval=0.5)
    cells.record("spikes")
    voltage, spikes = lowered().recordings
    assert (voltage.variable, voltage.interval_ms) == ("v", 0.5)
    assert_array_equal(voltage.cells, [1, 2, 4, 5])
    assert spikes.variable == "spikes"
    assert len(spikes.cells) == 6


@pytest.mark.parametrize("weight", [np.nan, np.array([[0.1, np.nan], [0.1, 0.1]])])
def test_a_nan_weight_names_the_projection(engine, weight):
    cells = sim.Population(2, sim.IF_curr_exp())
    with pytest.raises(NetworkError, match=r"'loop'.*weight"):
        sim.Projection(
            cells, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=weight), label="loop"
        )


def test_a_nan_weight_set_later_names_the_projection(engine):
    cells = sim.Population(2, sim.IF_curr_exp())
    projection = sim.Projection(
        cells, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.1), label="loop"
    )
    projection.set(weight=np.nan)
    with pytest.raises(NetworkError, match=r"'loop'.*weight"):
        sim.run(1.0)


def test_signs_of_weights_are_checked_as_pynn_does(engine):
    current = sim.Population(2, sim.IF_curr_exp())
    conductance = sim.Population(2, sim.IF_cond_exp())

    def connect(post, weight):
        return sim.Projection(
            current,
            post,
            sim.AllToAllConnector(),
            sim.StaticSynapse(weight=weight),
            receptor_type="inhibitory",
        )

    with pytest.raises(sim.errors.ConnectionError, match="negative"):
        connect(current, 0.1)
    with pytest.raises(sim.errors.ConnectionError, match="positive"):
        connect(conductance, -0.1)
    assert connect(current, -0.1).get("weight", format="list", with_address=False) == [-0.1] * 4
    assert connect(conductance, 0.1).size() == 4


def test_receptor_type_follows_the_sign(engine, lowered):
    cells = sim.Population(2, sim.IF_curr_exp())
    for weight in (0.1, -0.1):
        sim.Projection(cells, cells, sim.OneToOneConnector(), sim.StaticSynapse(weight=weight))
    assert [p.receptor for p in lowered().projections] == ["excitatory", "inhibitory"]


def test_growth_after_the_clock_moved_is_refused(engine):
    cells = sim.Population(2, sim.IF_curr_exp())
    sim.run(1.0)
    sim.Projection(cells, cells, sim.OneToOneConnector(), sim.StaticSynapse(weight=0.1))
    with pytest.raises(UnsupportedError, match=r"projections were added.*reset\(\)"):
        sim.run(1.0)
    sim.reset()
    sim.run(1.0)
    assert len(engine.simulations) == 2


@pytest.mark.parametrize("chosen", ["brian2", "loihi:effects=none", "loihi"])
def test_the_state_of_some_cells_can_be_set_in_mid_run(chosen):
    """The others go on from where they are; reset begins with what was set last."""
    sim.setup(timestep=1.0, engine=chosen)
    cells = sim.Population(3, sim.IF_curr_exp(tau_m=10.0, tau_syn_E=5.0, tau_syn_I=5.0))
    cells.initialize(v=-60.0)
    cells.record("v")
    sim.run(4.0)
    cells[0:1].initialize(v=-55.0)
    cells[1:2].initialize(v=-58.0)
    sim.run(1.0)
    cells[0:1].initialize(v=-65.0)
    sim.run(1.0)
    v = cells.get_data().segments[0].filter(name="v")[0].magnitude
    decay = np.exp(-0.1)
    rest = -65.0 + 5.0 * decay ** np.arange(7)
    assert v[:, 2] == pytest.approx(rest, abs=0.02)
    assert v[5] == pytest.approx([-65 + 10 * decay, -65 + 7 * decay, rest[5]], abs=0.02)
    assert v[6] == pytest.approx([-65, -65 + 7 * decay**2, rest[6]], abs=0.02)
    sim.reset()
    sim.run(1.0)
    begun = cells.get_data().segments[1].filter(name="v")[0].magnitude[0]
    assert begun == pytest.approx([-65.0, -58.0, -60.0], abs=0.001)


def test_initial_values_must_be_finite(engine):
    cells = sim.Population(2, sim.IF_curr_exp(), label="cells")
    with pytest.raises(NetworkError, match="'cells': initial values of v must be finite"):
        cells.initialize(v=float("nan"))


def test_delay_defaults_to_the_minimum(engine, lowered):
    for setting, expected in (("auto", 0.1), (0.5, 0.5)):
        sim.setup(timestep=0.1, min_delay=setting)
        cells = sim.Population(2, sim.IF_curr_exp())
        sim.Projection(cells, cells, sim.OneToOneConnector(), sim.StaticSynapse(weight=0.1))
        assert_array_equal(lowered().projections[0].delay_ms, [expected] * 2)
        assert sim.get_min_delay() == expected
