"""Columns of connections: kept once, whether by creation or row by row."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cosim.pynn as sim
from cosim.pynn import connections
from cosim.pynn.connections import Connections
from cosim.pynn.lowering import lower
from cosim.pynn.simulator import state

CELLS = 5
chunk = st.lists(st.tuples(st.integers(0, CELLS - 1), st.integers(0, CELLS - 1)), max_size=8)


def fill(columns: Connections, pairs: list, weight: float | None) -> None:
    pre, post = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    some = np.arange(len(pairs)) + len(columns) * 1.0 if weight is None else weight
    columns.append(pre, post, {"weight": some, "delay": 1.5})


@given(
    st.lists(st.tuples(chunk, st.sampled_from([None, 0.25])), min_size=1, max_size=4),
    st.integers(0, 4), st.booleans(), st.integers(1, 4),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_rows_hold_what_was_created(chunks, looked, compiled, block):
    columns, plain = Connections(), Connections()
    limits = {"_MANY": 1 if compiled else 99, "_BLOCK": block}
    with mock.patch.multiple(connections, **limits):
        for k, (pairs, weight) in enumerate(chunks):
            if k == looked:
                columns.rows(CELLS)
            fill(columns, pairs, weight)
            fill(plain, pairs, weight)
        rows = columns.rows(CELLS)
        for name in ("pre", "post", "weight", "delay"):
            assert np.array_equal(columns[name], plain[name])
            for k in range(len(plain)):
                assert columns.value(name, k) == plain[name][k]
        order = np.argsort(plain["pre"], kind="stable")
        assert np.array_equal(rows.target, plain["post"][order])
        assert np.array_equal(np.diff(rows.indptr), np.bincount(plain["pre"], minlength=CELLS))
        changed = np.arange(len(plain)) * 0.5
        columns["weight"] = changed
        assert np.array_equal(columns["weight"], changed)
        assert np.array_equal(columns.unordered("weight"), changed[order])
    assert columns.rows(CELLS) is rows
    assert columns.unordered("delay") is columns.unordered("delay")
    with pytest.raises(ValueError, match="values are needed"):
        columns["weight"] = np.zeros(len(plain) + 1)


def test_one_value_for_all_takes_no_room():
    columns = Connections()
    fill(columns, [(1, 0), (0, 1), (1, 1)], 0.5)
    columns.rows(2)
    assert columns.unordered("weight").strides == columns["weight"].strides == (0,)


def test_a_projection_without_connections_is_lowered():
    sim.setup(timestep=0.1)
    cells = sim.Population(3, sim.IF_curr_exp())
    sim.Projection(cells, cells, sim.FixedProbabilityConnector(0.0))
    sim.Projection(cells[:2], cells, sim.FixedProbabilityConnector(0.0))
    network = lower(state, 10)
    assert [p.n_synapses for p in network.projections] == [0, 0]
    assert network is lower(state, 10)


def test_a_list_is_neither_copied_nor_changed_and_sorts_as_in_pynn_each_time():
    rows = np.array([[0, 1, 0.1, 1.0], [1, 0, 0.2, 1.0], [2, 1, 0.3, 1.0], [0, 0, 0.4, 1.0]] * 9)
    before, order = rows.copy(), rows
    sim.setup(timestep=0.1)
    cells = sim.Population(3, sim.IF_curr_exp())
    connector = sim.FromListConnector(rows)
    assert connector.conn_list is rows
    for _ in range(3):
        projection = sim.Projection(cells, cells, connector)
        order = order[np.argsort(order[:, 1])]
        assert np.array_equal(projection.columns["weight"], order[:, 2])
        assert np.array_equal(projection.columns["pre"], order[:, 0])
    assert np.array_equal(rows, before)
