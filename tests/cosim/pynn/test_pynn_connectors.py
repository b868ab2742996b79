"""Connectors: the same connections, weights and delays, in the same order, as PyNN's own loops.

PyNN's mock backend runs those loops unchanged, so it is the oracle.
"""

import numpy as np
import pyNN.mock as oracle
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from pyNN.core import IndexBasedExpression
from pyNN.random import NumpyRNG, RandomDistribution
from pyNN.space import Line

import cosim.pynn as sim
from hwmodels.errors import NetworkError, UnsupportedError


class Product(IndexBasedExpression):
    def __init__(self, scale):
        self.scale = scale

    def __call__(self, i, j):
        return np.minimum(self.scale * (i + 1) * (j + 1), 1.0)


def rng(seed=3):
    return NumpyRNG(seed=seed)


#: Name, and a function of the backend that makes the connector.
CONNECTORS = {
    "all": lambda s: s.AllToAllConnector(),
    "all but self": lambda s: s.AllToAllConnector(allow_self_connections=False),
    "one to one": lambda s: s.OneToOneConnector(),
    "probability": lambda s: s.FixedProbabilityConnector(0.4, rng=rng()),
    "probability, not self": lambda s: s.FixedProbabilityConnector(
        0.4, allow_self_connections=False, rng=rng()
    ),
    "distance": lambda s: s.DistanceDependentProbabilityConnector("exp(-d)", rng=rng()),
    "index": lambda s: s.IndexBasedProbabilityConnector(Product(0.1), rng=rng()),
    "displacement": lambda s: s.DisplacementDependentProbabilityConnector(
        lambda d: 1.0 * (np.abs(d[0]) < 2), rng=rng()
    ),
    "fixed pre": lambda s: s.FixedNumberPreConnector(3, rng=rng()),
    "fixed pre, replaced": lambda s: s.FixedNumberPreConnector(3, with_replacement=True, rng=rng()),
    "fixed pre, random": lambda s: s.FixedNumberPreConnector(
        RandomDistribution("uniform_int", (1, 4), rng=rng()), rng=rng()
    ),
    "fixed post": lambda s: s.FixedNumberPostConnector(2, rng=rng()),
    "fixed post, replaced": lambda s: s.FixedNumberPostConnector(
        2, with_replacement=True, rng=rng()
    ),
    "fixed total": lambda s: s.FixedTotalNumberConnector(11, rng=rng()),
    "array": lambda s: s.ArrayConnector(np.arange(42).reshape(7, 6) % 3 == 0),
    "list": lambda s: s.FromListConnector(
        [(k % 7, (5 * k) % 6, 0.1 * k, 0.2 * k) for k in range(30)]
    ),
    "list of pairs": lambda s: s.FromListConnector([(k % 7, (5 * k) % 6) for k in range(30)]),
    "list of weights": lambda s: s.FromListConnector(
        [(k % 7, (5 * k) % 6, 0.1 * k) for k in range(30)], column_names=["weight"]
    ),
    "empty list": lambda s: s.FromListConnector([]),
}

PARAMETERS = {
    "number": lambda: 0.5,
    "uniform": lambda: RandomDistribution("uniform", (0.1, 0.9), rng=rng(7)),
    "normal": lambda: RandomDistribution("normal", (0.5, 0.01), rng=rng(8)),
    "clipped": lambda: RandomDistribution(
        "normal_clipped", mu=0.5, sigma=1.0, low=0.1, high=0.9, rng=rng(9)
    ),
    "gamma": lambda: RandomDistribution("gamma", k=2.0, theta=1.0, rng=rng(10)),
    "distance": lambda: "0.1 + 0.5*d",
    "matrix": lambda: np.arange(1.0, 43.0).reshape(7, 6),
    "index": lambda: Product(0.3),
}


def connect(backend, connector, weight, delay, shape=(7, 6)):
    backend.setup(timestep=0.1)
    pre = backend.Population(shape[0], backend.IF_cond_exp(), structure=Line(dx=0.7))
    post = backend.Population(shape[1], backend.IF_cond_exp())
    projection = backend.Projection(
        pre, post, connector(backend), backend.StaticSynapse(weight=weight(), delay=delay())
    )
    return projection.get(["weight", "delay"], format="list")


@pytest.mark.parametrize("connector", CONNECTORS)
@pytest.mark.parametrize("weight", ["number", "uniform"])
def test_connections_are_pynns(engine, connector, weight):
    arguments = (CONNECTORS[connector], PARAMETERS[weight], PARAMETERS["number"])
    assert connect(sim, *arguments) == connect(oracle, *arguments)


@settings(max_examples=60, deadline=None)
@given(
    connector=st.sampled_from(sorted(CONNECTORS)),
    weight=st.sampled_from(sorted(PARAMETERS)),
    delay=st.sampled_from(sorted(PARAMETERS)),
)
def test_weights_and_delays_are_pynns(connector, weight, delay):
    # PyNN takes the position in the list for a distance, and refuses a matrix.
    by_place = {"distance", "matrix", "index"}
    assume("list" not in connector or by_place.isdisjoint((weight, delay)))
    arguments = (CONNECTORS[connector], PARAMETERS[weight], PARAMETERS[delay])
    ours, theirs = connect(sim, *arguments), connect(oracle, *arguments)
    assert_array_equal(np.array(ours), np.array(theirs))


@pytest.mark.parametrize("weight", ["distance", "matrix", "index"])
def test_listed_connections_by_place(engine, weight):
    arguments = (PARAMETERS[weight], PARAMETERS["number"])
    everywhere = {row[:2]: row[2] for row in connect(sim, CONNECTORS["all"], *arguments)}
    for pre, post, value, _ in connect(sim, CONNECTORS["list of pairs"], *arguments):
        assert value == everywhere[pre, post]


@pytest.mark.parametrize("connector", ["all", "one to one", "probability", "distance"])
def test_one_presynaptic_cell(engine, connector):
    # PyNN's own loop asks a 0-dimensional mask for its nonzero elements, which NumPy 2 refuses.
    number = PARAMETERS["number"]
    rows = connect(sim, CONNECTORS[connector], number, number, shape=(1, 6))
    assert all(pre == 0 for pre, *_ in rows)
    assert {"all": 6, "one to one": 1}.get(connector, len(rows)) == len(rows)


def test_one_to_one_of_populations_that_differ(engine):
    number = PARAMETERS["number"]
    rows = connect(sim, CONNECTORS["one to one"], number, number, shape=(3, 5))
    assert [row[:2] for row in rows] == [(0, 0), (1, 1), (2, 2)]


def test_connectors_of_pynn_and_of_scripts_work_too(engine):
    from pyNN import connectors

    class Diagonal(connectors.Connector):
        def connect(self, projection):
            for j in range(projection.post.size):
                projection._convergent_connect(np.array([j]), j, weight=0.1 * j, delay=1.0)

    class EverySecond(connectors.MapConnector):
        parameter_names = ()

        def connect(self, projection):
            from pyNN.parameters import LazyArray

            mask = LazyArray(lambda i, j: (i + j) % 2 == 0, shape=projection.shape)
            self._connect_with_map(projection, mask)

    cells = sim.Population(3, sim.IF_cond_exp())
    synapse = sim.StaticSynapse(weight=0.1)
    assert sim.Projection(cells, cells, Diagonal(), synapse).get("weight", "list") == [
        (0, 0, 0.0),
        (1, 1, 0.1),
        (2, 2, 0.2),
    ]
    assert len(sim.Projection(cells, cells, EverySecond(), synapse)) == 5
    assert len(sim.Projection(cells, cells, connectors.OneToOneConnector(), synapse)) == 3


def test_an_rng_that_is_not_parallel_safe(engine):
    number = PARAMETERS["number"]

    def unsafe(s):
        return s.FixedNumberPostConnector(2, rng=NumpyRNG(seed=3, parallel_safe=False))

    rows = connect(sim, unsafe, number, number)
    assert rows == connect(sim, CONNECTORS["fixed post"], number, number)


def test_clone(engine):
    cells = sim.Population(5, sim.IF_cond_exp())
    synapse = sim.StaticSynapse(weight=0.1)
    first = sim.Projection(cells, cells, sim.FixedProbabilityConnector(0.5, rng=rng()), synapse)
    second = sim.Projection(cells, cells, sim.CloneConnector(first), sim.StaticSynapse(weight=0.2))
    assert [row[:2] for row in second.get("weight", "list")] == [
        row[:2] for row in first.get("weight", "list")
    ]


def test_from_file(engine, tmp_path):
    rows = [(0, 1, 0.1, 1.0), (2, 0, 0.2, 2.0)]
    file = tmp_path / "connections.txt"
    file.write_text('# columns = ["i", "j", "weight", "delay"]\n0 1 0.1 1.0\n2 0 0.2 2.0\n')
    cells = sim.Population(3, sim.IF_cond_exp())
    projection = sim.Projection(cells, cells, sim.FromFileConnector(str(file)), sim.StaticSynapse())
    assert sorted(projection.get(["weight", "delay"], "list")) == rows


@pytest.mark.parametrize("row", [(9, 0, 0.1, 1.0), (0, 9, 0.1, 1.0), (-1, 0, 0.1, 1.0)])
def test_a_list_with_cells_that_do_not_exist(engine, row):
    cells = sim.Population(3, sim.IF_cond_exp())
    with pytest.raises(sim.errors.ConnectionError, match="out of range"):
        sim.Projection(cells, cells, sim.FromListConnector([row]), sim.StaticSynapse())


def test_a_list_with_a_nan(engine):
    cells = sim.Population(3, sim.IF_cond_exp())
    with pytest.raises(NetworkError, match=r"'loop'.*weight"):
        sim.Projection(cells, cells, sim.FromListConnector([(0, 0, np.nan, 1.0)]), label="loop")


def test_what_pynn_does_not_implement(engine):
    cells = sim.Population(3, sim.IF_cond_exp())
    with pytest.raises(UnsupportedError, match="SmallWorldConnector"):
        sim.Projection(cells, cells, sim.SmallWorldConnector(1.0, 0.1), sim.StaticSynapse())


def test_the_callback_is_called(engine):
    done = []
    cells = sim.Population(3, sim.IF_cond_exp())
    sim.Projection(cells, cells, sim.AllToAllConnector(callback=done.append), sim.StaticSynapse())
    assert done[-1] == 1.0
