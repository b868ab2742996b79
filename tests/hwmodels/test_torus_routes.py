"""Ways over the torus: shortest, complete, and round what is dead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.errors import CapacityError
from hwmodels.fabric.torus import LINKS, boards, torus
from hwmodels.fabric.torus_trees import flat_trees
from hwmodels.mapping.torus_routes import chips_along, distance, multicast, path, unicast


def breadth_first(shape, source):
    """Hops to every chip, the plain way."""
    hops, front = {source: 0}, [source]
    while front:
        here = front.pop(0)
        for link in range(LINKS):
            there = int(shape.neighbour[here, link])
            if shape.usable[here, link] and there not in hops:
                hops[there] = hops[here] + 1
                front.append(there)
    return hops


@pytest.mark.parametrize("shape", [torus(5, 4), torus(1, 3), boards(1), boards(3)])
@pytest.mark.parametrize("longest_first", [False, True])
def test_paths_are_shortest_and_stay_on_the_machine(shape, longest_first):
    for source in range(0, shape.chips, 7):
        hops = breadth_first(shape, source)
        for target in range(shape.chips):
            way = path(shape, source, target, longest_first)
            assert chips_along(shape, source, way)[-1] == target
            assert len(way) == hops[target] == distance(shape, source, target)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_tree_reaches_all_its_chips_once_and_avoids_what_is_dead(data):
    shape = data.draw(st.sampled_from([torus(4, 4), boards(1), boards(3)]))
    chip = st.integers(0, shape.chips - 1)
    dead = data.draw(st.lists(st.tuples(chip, st.integers(0, 5)), max_size=6))
    shape = shape.with_dead(dead)
    targets = data.draw(st.sets(chip, min_size=1, max_size=20))
    branch = multicast(shape, data.draw(chip), {t: [0, 2] for t in targets})
    trees = flat_trees(shape, [branch])
    assert sorted(set(trees.destination_chips().tolist())) == sorted(targets)
    assert len(trees.port) == 2 * len(targets)
    for node, link in np.argwhere(trees.child >= 0):
        assert shape.usable[trees.chip[node], link]
    # Nothing goes where nobody wants it: every leaf has a core.
    leaves = np.flatnonzero(np.all(trees.child < 0, axis=1))
    assert np.all(trees.own[leaves] > trees.first[leaves])


def test_a_chip_that_is_cut_off_is_an_error():
    shape = torus(4, 4).with_dead([(5, link) for link in range(6)])
    with pytest.raises(CapacityError, match=r"cut the chip at \(1, 1\) off"):
        unicast(shape, 0, 5)
