"""The rest of what a PyNN script uses: populations, projections, setup, models that are missing."""

import importlib
import logging
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pyNN import standardmodels

import cosim.pynn as sim
from hwmodels.errors import ModelError, NetworkError, UnsupportedError

# --- Models -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sim.list_standard_models())
def test_supported_types(engine, name, lowered):
    celltype = getattr(sim, name)
    sim.Population(2, celltype())
    population = lowered().populations[0]
    assert population.celltype == name
    if not population.is_source:
        assert set(population.parameters) == set(celltype.default_parameters)
        assert set(population.initial_values) == set(celltype.default_initial_values)


MISSING = """
    HH_cond_exp GIF_cond_exp EIF_cond_alpha_isfa_ista SpikeSourceGamma SpikeSourceInhGamma
    SpikeSourcePoissonRefractory PointNeuron LIF AdExp AlphaPSR Vogels2011Rule
    MultiplicativeWeightDependence TsodyksMarkramSynapse SimpleStochasticSynapse MultiQuantalSynapse
    ElectricalSynapse IF_cond_exp_gsfa_grr IF_facets_hardware1
    """


@pytest.mark.parametrize("name", MISSING.split())
def test_missing_types_can_be_imported_and_say_so(name):
    with pytest.raises(UnsupportedError, match=r"not supported.* has the .*another PyNN backend"):
        getattr(sim, name)()


def test_native_models_are_refused():
    with pytest.raises(UnsupportedError, match="'iaf_psc_exp' belongs to one simulator"):
        sim.native_cell_type("iaf_psc_exp")


def test_every_standard_model_has_a_name():
    for module in (standardmodels.cells, standardmodels.synapses, standardmodels.electrodes):
        for name, model in vars(module).items():
            standard = isinstance(model, type) and issubclass(
                model, standardmodels.StandardModelType
            )
            if standard and model.__module__ == module.__name__:
                assert hasattr(sim, name)


def test_everything_nest_exports_is_there():
    names = """
    setup end run run_for run_until reset initialize create connect record record_v record_gsyn set
    get_current_time get_time_step get_min_delay get_max_delay num_processes rank Network
    Population PopulationView Assembly Projection Space NumpyRNG GSLRNG NativeRNG
    RandomDistribution errors random space simulator list_standard_models StandardCellType
    AllToAllConnector OneToOneConnector FixedProbabilityConnector CSAConnector CloneConnector
    DistanceDependentProbabilityConnector DisplacementDependentProbabilityConnector
    IndexBasedProbabilityConnector FromListConnector FromFileConnector ArrayConnector
    FixedNumberPreConnector FixedNumberPostConnector FixedTotalNumberConnector SmallWorldConnector
    StaticSynapse DCSource ACSource StepCurrentSource NoisyCurrentSource Grid2D Line get_io state
    """
    assert not [name for name in names.split() if not hasattr(sim, name)]


def test_celltypes_of_another_backend_are_refused(engine):
    with pytest.raises(UnsupportedError, match=r"cosim\.pynn.*not IF_cond_exp of"):
        sim.Population(2, standardmodels.cells.IF_cond_exp())


# --- Populations --------------------------------------------------------------------------------


def test_get_and_set(engine):
    cells = sim.Population(4, sim.IF_curr_exp(tau_m=15.0))
    assert cells.get("tau_m") == 15.0
    assert_array_equal(cells.get("tau_m", simplify=False), [15.0] * 4)
    cells.set(tau_m=[1.0, 2.0, 3.0, 4.0], cm=sim.RandomDistribution("uniform", (0.5, 1.5)))
    cells[1:3].set(i_offset=lambda i: 0.1 * i)
    assert_array_equal(cells[::2].get("tau_m"), [1.0, 3.0])
    assert_allclose(cells.get("i_offset"), [0.0, 0.0, 0.1, 0.0])
    assert np.ptp(cells.get("cm")) > 0
    cells[3].tau_m = 9.0
    assert cells[3].tau_m == 9.0
    both = cells[:2] + cells[3:]
    assert_array_equal(both.get("tau_m"), [1.0, 2.0, 9.0])
    with pytest.raises(sim.errors.NonExistentParameterError):
        cells.set(foo=1.0)
    with pytest.raises(sim.errors.NonExistentParameterError):
        cells.get("foo")


def test_a_population_of_one(engine, lowered):
    cell = sim.Population(1, sim.Izhikevich(a=lambda i: 0.03, i_offset=[0.1]))
    cell.initialize(v=lambda i: -60.0 + i, u=sim.RandomDistribution("uniform", (1, 2)))
    cell.set(b=sim.RandomDistribution("uniform", (0.1, 0.2)))
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[1.0, 2.0]))
    network = lowered()
    assert_array_equal(network.populations[0].parameters["a"], [0.03])
    assert_array_equal(network.populations[0].initial_values["v"], [-60.0])
    assert_array_equal(network.populations[1].stimulus.times_ms, [1.0, 2.0])
    assert source.get("spike_times").value.tolist() == [1.0, 2.0]


def test_cells(engine):
    cells = sim.Population(9, sim.IF_curr_exp(), structure=sim.Grid2D())
    assert cells.local_size == cells.size == len(cells.all_cells) == 9
    assert cells[4].position.tolist() == [1.0, 1.0, 0.0]
    assert cells.nearest((1.9, 0.2, 0.0)) == cells[6]
    assert cells.id_to_index(cells[5]) == 5
    assert cells[5].local
    cells[5].set_initial_value("v", -50.0)
    assert cells[5].get_initial_value("v") == -50.0
    assert cells[4].get_initial_value("v") == -65.0
    assert cells[2:6].initial_values["v"][3] == -50.0
    assert cells.can_record("v")
    assert cells.can_record("isyn_exc")
    assert not cells.can_record("w")
    assert (cells[:2] + cells[7:]).size == 4
    assert "IF_curr_exp" in cells.describe()


def test_samples_are_reproducible(engine):
    picks = []
    for _ in range(2):
        sim.setup()
        cells = sim.Population(100, sim.IF_curr_exp())
        picks.append([int(cell) for cell in cells.sample(10).all_cells])
    assert picks[0] == picks[1]


def test_unknown_state_variable(engine):
    with pytest.raises(sim.errors.NonExistentParameterError, match="gsyn_exc"):
        sim.Population(2, sim.IF_curr_exp()).initialize(gsyn_exc=0.0)


def test_procedural_api(engine):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        cells = sim.create(sim.IF_curr_exp(), n=3)
        source = sim.create(sim.SpikeSourceArray(spike_times=[1.0]))
        projection = sim.connect(source, cells, weight=0.1, delay=0.5)
        sim.set(cells, tau_m=10.0)
        sim.initialize(cells, v=-60.0)
        sim.record("v", cells, None)
    assert projection.size() == 3
    assert cells.get("tau_m") == 10.0


# --- Projections --------------------------------------------------------------------------------


@pytest.fixture
def projection(engine):
    pre, post = sim.Population(3, sim.IF_curr_exp()), sim.Population(2, sim.IF_curr_exp())
    rows = [(0, 0, 0.1, 1.0), (0, 0, 0.2, 2.0), (2, 1, 0.3, 3.0)]
    return sim.Projection(pre, post, sim.FromListConnector(rows), sim.StaticSynapse())


def test_get_list(projection):
    assert projection.get("weight", "list") == [(0, 0, 0.1), (0, 0, 0.2), (2, 1, 0.3)]
    assert projection.get(["delay", "weight"], "list", with_address=False)[2] == (3.0, 0.3)
    assert projection.get("delay", "list", with_address=False) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("how", "expected"), [("sum", 0.3), ("min", 0.1), ("max", 0.2), ("first", 0.1), ("last", 0.2)]
)
def test_get_array(projection, how, expected):
    weight, delay = projection.get(["weight", "delay"], "array", multiple_synapses=how)
    assert_allclose(weight, [[expected, np.nan], [np.nan] * 2, [np.nan, 0.3]])
    assert delay[2, 1] == 3.0


def test_set(projection):
    projection.set(weight=0.5)
    assert projection.get("weight", "list", with_address=False) == [0.5] * 3
    projection.set(weight=[0.6, 0.7], delay=np.arange(1.0, 7.0).reshape(3, 2))
    assert projection.get("weight", "list", with_address=False) == [0.6, 0.6, 0.7]
    assert projection.get("delay", "list", with_address=False) == [1.0, 1.0, 6.0]
    projection.set(weight=sim.RandomDistribution("uniform", (1.0, 2.0)), delay=lambda d: 1.0 + d)
    assert all(1.0 <= w <= 2.0 for w in projection.get("weight", "list", with_address=False))
    with pytest.raises(sim.errors.NonExistentParameterError):
        projection.set(tau_rec=3.0)


def test_connections_one_by_one(projection):
    assert len(projection) == projection.size() == 3
    connections = list(projection.connections)
    assert [c.as_tuple("presynaptic_index", "weight") for c in connections] == [
        (0, 0.1),
        (0, 0.2),
        (2, 0.3),
    ]
    connections[1].weight = 0.9
    projection[2].delay = 5.0
    assert projection.get(["weight", "delay"], "list", with_address=False) == [
        (0.1, 1.0),
        (0.9, 2.0),
        (0.3, 5.0),
    ]
    assert projection[2].postsynaptic_cell == projection.post[1]
    assert projection[-1].source == projection.pre[2]
    with pytest.raises(IndexError):
        projection[3]
    with pytest.raises(AttributeError):
        projection[0].tau_rec = 3.0


def test_save(projection, tmp_path):
    file = tmp_path / "weights.txt"
    projection.save("all", str(file))
    assert_allclose(np.loadtxt(file)[:, 2], [0.1, 0.2, 0.3])
    again = sim.Projection(
        projection.pre, projection.post, sim.FromFileConnector(str(file)), sim.StaticSynapse()
    )
    assert again.get(["weight", "delay"], "list") == projection.get(["weight", "delay"], "list")


def test_histogram(projection):
    with pytest.warns(DeprecationWarning, match="weightHistogram"):
        counts, _ = projection.weightHistogram(nbins=2)
    assert counts.tolist() == [1, 2]


# --- Setup --------------------------------------------------------------------------------------


def test_labels_and_ids_begin_again(engine):
    first = sim.Population(2, sim.IF_curr_exp())
    sim.setup()
    second = sim.Population(2, sim.IF_curr_exp())
    assert first.label == second.label == "population0"
    assert first.first_id == second.first_id
    assert (second + second[:1]).label == "assembly0"


def test_foreign_options_are_ignored_with_a_note(engine, caplog):
    with caplog.at_level(logging.WARNING, logger="cosim"):
        sim.setup(threads=2, verbosity="error", nonsense=3)
    assert "threads, verbosity, nonsense" in caplog.text


def test_engine_of_setup(monkeypatch, engine):
    asked = []

    def get_engine(name, **options):
        asked.append((name, options))
        if "bad" in options:
            raise ModelError("unknown option 'bad'")
        return engine

    monkeypatch.setattr(sim.simulator, "get_engine", get_engine)
    sim.setup(engine="loihi", effects="none", threads=4)
    assert asked == [("loihi", {"effects": "none"})]
    with pytest.raises(ModelError, match="bad"):
        sim.setup(engine="loihi", bad=1)
    monkeypatch.setenv("COSIM_ENGINE", "spinnaker:effects=none")
    sim.simulator.configure()
    sim.setup()
    assert sim.state.engine is engine
    assert asked[-1] == ("spinnaker:effects=none", {})
    sim.simulator.configure(engine="loihi", options={"effects": "none"})
    sim.setup()
    assert sim.state.engine is engine
    assert asked[-1] == ("loihi", {"effects": "none"})


def test_progress_reaches_the_engine(engine):
    steps = []
    sim.simulator.configure(engine=engine, progress=steps.append)
    sim.Population(1, sim.IF_curr_exp())
    sim.run(1.0)
    assert steps == [10]


@pytest.mark.parametrize("timestep", [0.0, -0.1, np.nan])
def test_impossible_time_step(engine, timestep):
    with pytest.raises(NetworkError, match="time step"):
        sim.setup(timestep=timestep)


def test_impossible_seed(engine, monkeypatch):
    monkeypatch.setenv("COSIM_SEED", "many")
    with pytest.raises(ModelError, match="integer, got 'many'"):
        _ = sim.state.seed


def test_run_rounds_to_the_grid(engine, caplog):
    sim.Population(1, sim.IF_curr_exp())
    sim.run(0.0)
    assert sim.state.experiments == []
    sim.run(0.32)
    assert sim.get_current_time() == 0.3
    assert "rounded to 0.3 ms" in caplog.text


def test_experiments(engine):
    sim.Population(1, sim.IF_curr_exp())
    sim.run(1.0)
    sim.run(2.0)
    sim.reset()
    sim.run(1.0)
    sim.setup()
    sim.Population(1, sim.IF_cond_exp())
    sim.run(4.0)
    stages = [[s.until_step for s in e.stages] for e in sim.state.experiments]
    assert stages == [[10, 30], [10], [40]]
    sim.state.clear_experiments()
    assert sim.state.experiments == []


def test_data_before_the_first_run(engine):
    with pytest.raises(ModelError, match="nothing has been run"):
        _ = sim.state.result
    cells = sim.Population(2, sim.IF_curr_exp(), label="cells")
    cells.record("v")
    with pytest.raises(ModelError, match=r"'cells': there is no data before the first run\(\)"):
        cells.get_data()


def test_the_backend_is_importable_under_pynns_name(engine):
    assert importlib.import_module("pyNN.cosim") is sim
    assert importlib.import_module("pyNN.cosim.simulator") is sim.simulator
