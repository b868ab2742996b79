"""Routing tables say what the trees say, and minimising changes no packet's way."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.spinnaker import Spinnaker
from hwmodels.chips.spinnaker.layout import place
from hwmodels.chips.spinnaker.tables import (
    Entry,
    allocate_keys,
    build_tables,
    check_tables,
    look_up,
    minimised,
)
from hwmodels.errors import CapacityError
from hwmodels.fabric.torus import LINKS, opposite, torus
from hwmodels.fabric.torus_trees import flat_trees
from hwmodels.mapping.torus_routes import multicast
from tests.hwmodels.networks import random_network


def reached(shape, tables, chip, key):
    """Cores that a packet gets to when every chip looks it up."""
    cores, front = [], [(chip, -1)]
    while front:
        here, source = front.pop()
        route = look_up(tables.get(here, []), key, source)
        cores += [(here, k) for k in range(26) if route >> (LINKS + k) & 1]
        front += [
            (int(shape.neighbour[here, link]), opposite(link))
            for link in range(LINKS) if route >> link & 1
        ]  # fmt: skip
        assert len(cores) + len(front) < 1000, "a packet goes round in circles"
    return sorted(cores)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_tables_route_every_key_as_its_tree_does(data):
    shape = torus(5, 5)
    chip = st.integers(0, shape.chips - 1)
    branches, cells = [], []
    for _ in range(data.draw(st.integers(1, 12))):
        goals = data.draw(st.sets(chip, min_size=1, max_size=8))
        branches.append(multicast(shape, data.draw(chip), {g: [1] for g in goals}))
        cells.append(data.draw(st.integers(1, 256)))
    trees = flat_trees(shape, branches)
    keys = allocate_keys(cells, 4)
    full = build_tables(shape, trees, keys)
    refused = ""
    for limit in (1023, 3):
        try:
            tables, _ = check_tables(shape, full, limit)
        except CapacityError as error:
            refused = str(error)
            continue
        for k, branch in enumerate(branches):
            expected = sorted((chip, port) for chip, ports in branch.ports.items()
                              for port in ports)  # fmt: skip
            for key in (keys[k][0], keys[k][0] | ((cells[k] - 1) << 4 | 15)):
                assert reached(shape, tables, branch.chip, key) == expected
    assert not refused or "routing entries of 3" in refused


def spread(limit, longer_ms=0.0):
    """A network on 65 cores, and more for its delays, with tables of so many entries."""
    net = random_network(np.random.default_rng(2), n=120, synapse_count=700, dt=1.0)
    longer = [replace(p, delay_ms=p.delay_ms + longer_ms) for p in net.projections]
    net = replace(net, projections=tuple(longer))
    return place(net, Spinnaker(neurons_per_core=2, table_entries=limit).spec)


def test_a_table_that_overflows_is_minimised_and_refused_where_that_is_not_enough():
    assert spread(1023).saved_entries == 0
    tight = spread(60)
    assert tight.saved_entries > 0
    assert max(len(table) for table in tight.tables.values()) <= 60
    with pytest.raises(CapacityError, match=r"needs \d+ routing entries of 40, minimised"):
        spread(40)


@pytest.mark.parametrize("limit", [1023, 76])
def test_keys_of_cells_and_of_their_delay_extensions_get_where_they_should(limit):
    layout = spread(limit, longer_ms=20.0)
    assert np.count_nonzero(layout.stages) > 50
    senders = np.flatnonzero(layout.tree_of_core >= 0)
    cells = (layout.size * np.maximum(layout.stages, 1))[senders]
    keys = allocate_keys(cells.tolist(), 4)
    for core, (key, _), n in zip(senders.tolist(), keys, cells.tolist(), strict=True):
        root = layout.trees.root[layout.tree_of_core[core]]
        units = layout.unit_of[layout.trees.first[root] : layout.trees.last[root]]
        goals = sorted(zip(layout.chip[units].tolist(), layout.port[units].tolist(), strict=True))
        for cell in (0, n - 1):
            found = reached(layout.machine, layout.tables, int(layout.chip[core]), key | cell << 4)
            assert found == goals


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=64), st.integers(1, 20))
def test_ordered_covering_keeps_every_key_on_its_way(routes, target):
    full = [Entry(k << 4, 0xFFFFFFF0, 1 << route, -1) for k, route in enumerate(routes)]
    small = minimised(full, target)
    assert len(small) <= len(full)
    for entry in full:
        assert look_up(small, entry.key | 7, -1) == entry.route


def test_entries_of_one_route_become_one():
    full = [Entry(k << 4, 0xFFFFFFF0, 1, -1) for k in range(64)]
    assert len(minimised(full, 1)) == 1
    # One exception in the middle costs one entry, which stands before the general one.
    full[17] = full[17]._replace(route=2)
    assert len(minimised(full, 1)) <= 7


def test_key_blocks_do_not_meet():
    cells = np.random.default_rng(1).integers(1, 257, 50).tolist()
    keys = allocate_keys(cells, 4)
    taken = sorted((key, key + (~mask & 0xFFFFFFFF)) for key, mask in keys)
    assert all(a[1] < b[0] for a, b in pairwise(taken))
    assert all((~mask & 0xFFFFFFFF) + 1 >= 16 * n for (_, mask), n in zip(keys, cells, strict=True))


def test_a_packet_of_a_core_needs_an_entry():
    with pytest.raises(LookupError, match="matches no entry"):
        look_up([], 5, -1)
