"""Placing cells on cores within every limit, and saying which limit was broken."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.loihi import synaptic_words
from hwmodels.errors import CapacityError
from hwmodels.mapping import CoreLimits, mesh_graph
from hwmodels.mapping.placement import Lists, build_axons, synapse_ends
from hwmodels.mapping.sequential import place_sequentially
from tests.hwmodels.networks import cells, network, random_network, source, synapses

GENEROUS = {
    "cores": 16, "units": 1000, "input_axons": 1000, "output_axons": 1000, "memory": 10**6,
    "profiles": 1000,
}  # fmt: skip


def words(rows):
    return Lists(synaptic_words(rows.counts, rows.contiguous, bits=9))


def place(net, units_of=None, profile_of=None, **limits):
    n = int(net.offsets[-1])
    placed = np.concatenate([np.full(p.size, not p.is_source, dtype=int) for p in net.populations])
    return place_sequentially(
        net,
        CoreLimits(**(GENEROUS | limits), memory_of=words),
        mesh_graph(4, 2, 2),
        placed if units_of is None else np.array(units_of),
        np.zeros(n, dtype=np.int64) if profile_of is None else np.array(profile_of),
    )


@given(st.integers(0, 2**31), st.integers(1, 60))
@settings(max_examples=30, deadline=None)
def test_an_axon_is_a_cell_and_a_core_with_targets_of_it(seed, at_once):
    rng = np.random.default_rng(seed)
    net = random_network(rng, n=12, synapse_count=int(rng.integers(0, 80)))
    n = int(net.offsets[-1])
    cores = rng.choice(200, 3, replace=False)
    core_of = rng.choice([-1, *cores], n).astype(np.int32)
    first = np.zeros(n, dtype=np.int64)
    for core in cores:
        first[core_of == core] = rng.permutation(np.count_nonzero(core_of == core))
    with mock.patch("hwmodels.mapping.placement._AT_ONCE", at_once):
        axons = build_axons(net, core_of, first)
    expected: dict[int, dict[int, list]] = {cell: {} for cell in range(n)}
    for source_, target in zip(*synapse_ends(net), strict=True):
        if core_of[target] >= 0:
            expected[source_].setdefault(core_of[target], []).append(first[target])
    assert np.diff(axons.indptr).tolist() == [len(on) for on in expected.values()]
    rows = [one for on in expected.values() for one in sorted(on.items())]
    assert axons.core.tolist() == [core for core, _ in rows]
    assert axons.synapses.tolist() == [len(hit) for _, hit in rows]
    runs = [sorted(hit) == list(range(min(hit), max(hit) + 1)) for _, hit in rows]
    assert axons.contiguous.tolist() == runs


def all_to_all(n):
    return synapses(0, 0, [(a, b) for a in range(n) for b in range(n)], n_pre=n)


def test_cells_fill_cores_in_order():
    placement = place(network(cells(10)), units=4)
    assert placement.core_of.tolist() == [0] * 4 + [1] * 4 + [2] * 2
    assert placement.neurons.tolist() == [4, 4, 2]


def test_tiles_are_numbered_down_a_column():
    placement = place(network(cells(10)), units=2)
    assert placement.position.tolist() == [[0, 0], [0, 0], [0, 1], [0, 1], [1, 0]]


def test_sources_are_not_placed_but_take_input_axons():
    net = network(
        cells(4), source([1.0], [2.0]), projections=[synapses(1, 0, [(0, 0), (1, 0), (1, 3)])]
    )
    placement = place(net, input_axons=2)
    assert placement.core_of.tolist() == [0, 0, 0, 0, -1, -1]
    assert np.diff(placement.axons.indptr).tolist() == [0, 0, 0, 0, 1, 1]
    assert placement.axons.synapses.tolist() == [1, 2]
    assert placement.axons.contiguous.tolist() == [True, False]


@pytest.mark.parametrize(
    ("limit", "value", "cores"),
    [("units", 2, 4), ("input_axons", 8, 1), ("memory", 16, 1), ("memory", 8, 2)],
)
def test_the_limit_that_binds_begins_a_new_core(limit, value, cores):
    placement = place(network(cells(8), projections=[all_to_all(8)]), **{limit: value})
    assert placement.n_cores == cores


def test_output_axons_empty_the_cores_until_all_fit():
    pairs = [(a, b) for a in range(8) for b in (0, 7)]
    net = network(cells(8), projections=[synapses(0, 0, pairs)])
    assert place(net, units=4, output_axons=8).n_cores == 2
    assert place(net, units=4, output_axons=6).n_cores == 3


def test_distinct_parameter_sets_begin_a_new_core():
    placement = place(network(cells(6)), profile_of=[0, 0, 1, 1, 2, 2], profiles=2)
    assert placement.core_of.tolist() == [0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        ("units", 1, "takes 2 compartments of 1"),
        ("input_axons", 7, "takes 8 input axons of 7"),
        ("memory", 7, "takes 8 words of synaptic memory of 7"),
        ("profiles", 0, "takes 1 parameter profiles of 0"),
    ],
)
def test_a_cell_that_fits_on_no_core_is_named(limit, value, words):
    net = network(cells(8, "big"), projections=[all_to_all(8)])
    with pytest.raises(CapacityError, match=f"cell 0 of population 'big'.*{words}.*give it"):
        place(net, units_of=[2 if limit == "units" else 1] * 8, **{limit: value})


def test_a_cell_that_sends_to_too_many_cores_is_named():
    net = network(cells(8, "wide"), projections=[all_to_all(8)])
    with pytest.raises(
        CapacityError, match=r"population 'wide' sends to \d+ cores.*1 output axons"
    ):
        place(net, output_axons=1, units=4)


def test_a_network_larger_than_the_hardware_says_where_it_ended():
    net = network(cells(5, "first"), cells(5, "second"))
    with pytest.raises(
        CapacityError, match="8 of 10 neurons fill all 4 cores.*'second'.*use fewer"
    ):
        place(net, cores=4, units=2)


def test_a_network_without_cells_needs_no_core():
    placement = place(network(source([1.0])))
    assert placement.n_cores == 0
    placement = place(network(cells(0), source()))
    assert placement.n_cores == 0


def test_a_projection_without_synapses_takes_nothing():
    placement = place(network(cells(3), projections=[synapses(0, 0, [], n_pre=3)]))
    assert placement.synapses.tolist() == [0]
    assert placement.memory.tolist() == [0]
    assert len(placement.axons.core) == 0


@given(st.integers(1, 30), st.data())
@settings(max_examples=60, deadline=None)
def test_no_core_exceeds_any_limit_and_no_synapse_is_lost(n, data):
    cell = st.integers(0, n - 1)
    pairs = data.draw(st.lists(st.tuples(cell, cell), max_size=80))
    limits = {
        "units": data.draw(st.integers(2, 20)), "input_axons": data.draw(st.integers(4, 40)),
        "output_axons": data.draw(st.integers(8, 60)), "memory": data.draw(st.integers(4, 40)),
    }  # fmt: skip
    net = network(cells(n), projections=[synapses(0, 0, pairs, n_pre=n)])
    try:
        placement = place(net, **limits)
    except CapacityError:
        return
    cores = placement.core_of
    assert np.all(np.diff(cores) >= 0)
    assert np.all(placement.neurons <= limits["units"])
    assert np.all(placement.memory <= limits["memory"])
    for core in range(placement.n_cores):
        listened = {a for a, b in pairs if cores[b] == core}
        sent = {(a, cores[b]) for a, b in pairs if cores[a] == core}
        assert len(listened) <= limits["input_axons"]
        assert len(sent) <= limits["output_axons"]
    axons = placement.axons
    for a in range(n):
        own = range(axons.indptr[a], axons.indptr[a + 1])
        expected: dict = {}
        for pre, post in pairs:
            if pre == a:
                expected.setdefault(int(cores[post]), []).append(post)
        assert {int(axons.core[k]): int(axons.synapses[k]) for k in own} == {
            core: len(targets) for core, targets in expected.items()
        }
        for k in own:
            targets = sorted(expected[int(axons.core[k])])
            run = targets == list(range(targets[0], targets[0] + len(targets)))
            assert bool(axons.contiguous[k]) == run


def test_synapse_lists_take_whole_words():
    def one(n, run):
        return synaptic_words(np.array([n]), np.array([run]), bits=9)

    assert one(1, True) == 1  # 10 + 9 bits
    assert one(6, True) == 1  # 10 + 54 = 64
    assert one(7, True) == 2
    assert one(1, False) == 1  # 10 + 19
    assert one(3, False) == 2  # 10 + 57
    assert one(64, False) == 20  # 10 + 1216 = 1226 bits
    assert one(65, False) == 21  # a second block
    assert synaptic_words(np.array([1, 1]), np.array([True, True]), bits=9) == 2
