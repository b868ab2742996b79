"""The traffic mapper: every limit kept, every cell placed once, and less traffic."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.dynapse import Dynapse
from hwmodels.chips.spinnaker import Spinnaker
from hwmodels.chips.truenorth import TrueNorth
from hwmodels.errors import CapacityError, ModelError
from hwmodels.mapping import CoreLimits, mesh_graph
from hwmodels.mapping.arranging import arrange
from hwmodels.mapping.sequential import place_sequentially
from hwmodels.mapping.torus_routes import distance, hops_between
from hwmodels.mapping.traffic import place_by_traffic, traffic
from tests.hwmodels.networks import cells, network, random_network, source, synapses
from tests.hwmodels.running import run, run_on


def communities(n, of, rng=None):
    """Cells that send to all of their own community, in an order that mixes the communities."""
    order = np.arange(n) if rng is None else rng.permutation(n)
    pairs = [
        (int(order[a]), int(order[b])) for a in range(n) for b in range(n) if a // of == b // of
    ]
    return network(cells(n), projections=[synapses(0, 0, pairs, n_pre=n)])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_communities_in_any_order_keep_to_their_cores(seed):
    net = communities(64, 8, np.random.default_rng(seed))
    limits, graph = CoreLimits(cores=16, units=8), mesh_graph(4, 2, 2)
    placement = place_by_traffic(net, limits, graph)
    assert traffic(place_sequentially(net, limits, graph)) > 500
    assert traffic(placement) == 0
    assert placement.neurons.tolist() == [8] * 8


def test_cores_that_talk_are_neighbours():
    # A chain of communities, numbered so that the sequential mapper sends every packet far.
    chain = [0, 4, 1, 5, 2, 6, 3, 7]
    pairs = [(c * 4 + a, c * 4 + b) for c in range(8) for a in range(4) for b in range(4)]
    pairs += [(x * 4 + a, y * 4 + a) for x, y in pairwise(chain) for a in range(4)]
    net = network(cells(32), projections=[synapses(0, 0, pairs)])
    limits, graph = CoreLimits(cores=8, units=4), mesh_graph(8, 1, 1)
    assert traffic(place_by_traffic(net, limits, graph)) == 7 * 4 * 2  # a core, and one hop
    assert traffic(place_sequentially(net, limits, graph)) > 7 * 4 * 2


def test_what_the_host_drives_lies_near_it():
    net = network(
        cells(8), source(*[[1.0]] * 8),
        projections=[synapses(1, 0, [(a, b) for a in range(8) for b in (6, 7)])],
    )  # fmt: skip
    limits, graph = CoreLimits(cores=4, units=2), mesh_graph(4, 1, 1)
    placement = place_by_traffic(net, limits, graph, host=(0, 0))
    core = placement.core_of[6]
    assert placement.core_of[7] == core
    assert placement.position[core].tolist() == [0, 0]


@given(st.integers(2, 30), st.data())
@settings(max_examples=50, deadline=None)
def test_limits_are_kept_each_cell_is_placed_once_and_traffic_is_never_more(n, data):
    cell = st.integers(0, n - 1)
    pairs = data.draw(st.lists(st.tuples(cell, cell), max_size=80))
    given_limits = {
        "units": data.draw(st.integers(2, 20)), "input_axons": data.draw(st.integers(4, 40)),
        "output_axons": data.draw(st.integers(8, 60)), "memory": data.draw(st.integers(4, 40)),
        "profiles": data.draw(st.integers(1, 3)),
    }  # fmt: skip
    limits, graph = CoreLimits(cores=12, **given_limits), mesh_graph(3, 2, 2)
    units = np.array(data.draw(st.lists(st.integers(1, 2), min_size=n, max_size=n)))
    profiles = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    net = network(cells(n), projections=[synapses(0, 0, pairs, n_pre=n)])
    try:
        plain = place_sequentially(net, limits, graph, units, profiles)
    except CapacityError:
        plain = None
    try:
        placement = place_by_traffic(net, limits, graph, units, profiles)
    except CapacityError:
        assert plain is None  # it never fails where the other one does not
        return
    cores = placement.core_of
    assert np.all((cores >= 0) & (cores < placement.n_cores))
    assert placement.neurons.tolist() == np.bincount(cores, minlength=placement.n_cores).tolist()
    assert placement.synapses.sum() == len(pairs)
    assert placement.n_cores <= limits.cores
    for core in range(placement.n_cores):
        here = cores == core
        assert units[here].sum() <= limits.units
        assert len(set(profiles[here])) <= limits.profiles
        assert len({a for a, b in pairs if here[b]}) <= limits.input_axons
        assert len({(a, cores[b]) for a, b in pairs if here[a]}) <= limits.output_axons
        assert placement.memory[core] <= limits.memory
    if plain is not None:
        assert placement.n_cores <= plain.n_cores
        assert traffic(placement) <= traffic(plain)


def test_placing_twice_places_alike():
    net = random_network(np.random.default_rng(5))
    limits, graph = CoreLimits(cores=16, units=6), mesh_graph(4, 2, 2)
    one, other = (place_by_traffic(net, limits, graph).core_of for _ in range(2))
    assert one.tolist() == other.tolist()


def test_a_network_that_fits_nowhere_says_what_the_sequential_mapper_says():
    net = network(cells(9, "many"))
    with pytest.raises(CapacityError, match="larger than the hardware.*'many'"):
        place_by_traffic(net, CoreLimits(cores=4, units=2), mesh_graph(2, 2, 1))


def test_a_network_without_cells_needs_no_core():
    net = network(source([1.0]))
    assert place_by_traffic(net, CoreLimits(cores=4, units=2), mesh_graph(2, 2, 1)).n_cores == 0


def test_loihi_computes_the_same_spikes_and_sends_fewer_packets_between_cores():
    net = random_network(np.random.default_rng(3), n=60, synapse_count=150)
    runs = [run(net, 50.0, mapper=m, compartments_per_core=6) for m in ("sequential", "traffic")]
    one, other = ([(*s.cell, *s.time_ms) for s in r.spikes] for r in runs)
    assert one == other
    assert sum(len(s.cell) for s in runs[0].spikes) > 50
    sequential, traffic_aware = (
        int(np.count_nonzero(r.hardware.packets["source_core"]
                             != r.hardware.packets["destination_core"])) for r in runs
    )  # fmt: skip
    assert traffic_aware < sequential


def test_an_unknown_mapper_is_named():
    with pytest.raises(ModelError, match="mapper must be one of sequential, traffic, got 'best'"):
        run(network(cells(1)), 1.0, mapper="best")


def mixed_communities(n, of, seed=0, delay=3.0):
    """Cells with one weight that talk within their community, and one spike to start each."""
    order = np.random.default_rng(seed).permutation(n)
    pairs = [
        (int(order[a]), int(order[b])) for a in range(n) for b in range(n)
        if a // of == b // of and a != b
    ]  # fmt: skip
    starts = [(c, int(order[c * of])) for c in range(n // of)]
    return network(
        cells(n, "cells", "IF_curr_delta", tau_m=1e9, v_rest=-65.0, v_thresh=-60.0),
        source(*[[float(2 * c)] for c in range(n // of)]),
        projections=[
            synapses(0, 0, pairs, 6.0, delay, n_pre=n),
            synapses(1, 0, starts, 6.0, 1.0, n_pre=n // of),
        ],
    )


def test_truenorth_computes_the_same_spikes_with_fewer_relays_and_hops():
    net = mixed_communities(128, 8)
    results = [
        run_on(TrueNorth(neurons_per_core=16, axons_per_core=160, mapper=mapper), net, 40.0)
        for mapper in ("sequential", "traffic")
    ]
    plain, traffic_aware = results
    assert len(plain.spikes[0].cell) > 128
    for ours, theirs in zip(plain.spikes, traffic_aware.spikes, strict=True):
        assert np.array_equal(ours.cell, theirs.cell)
        assert np.array_equal(ours.time_ms, theirs.time_ms)
    assert plain.counts["relay neurons added"] > 0
    assert "relay neurons added" not in traffic_aware.counts  # a community is a core's
    hops = [result.hardware.packets["hops"].sum() for result in results]
    assert hops[1] < hops[0] / 3


@given(seed=st.integers(0, 2**16), n=st.integers(8, 60), small=st.integers(4, 24))
@settings(max_examples=20, deadline=None)
def test_truenorth_never_takes_more_cores_or_relays_and_keeps_every_limit(seed, n, small):
    net = random_network(np.random.default_rng(seed), n=n, synapse_count=6 * n)
    placed = {}
    for mapper in ("sequential", "traffic"):
        chip = TrueNorth(neurons_per_core=small, axons_per_core=128, mapper=mapper)
        translation = chip.translate(net)
        layout = placed[mapper] = translation.formats.layout
        assert layout.neurons().max() <= small
        assert layout.axons().max() <= 128
        slots = (
            layout.unit_core[layout.unit_core >= 0] * small
            + layout.unit_slot[layout.unit_core >= 0]
        )
        assert len(np.unique(slots)) == len(slots)
        assert len(np.unique(layout.position, axis=0)) == layout.cores

    def neurons(name):
        return int(placed[name].neurons().sum())

    assert (
        neurons("traffic") - placed["traffic"].relays
        == neurons("sequential") - placed["sequential"].relays
    )


@pytest.mark.parametrize("side", [4, 18])
def test_a_shuffled_grid_of_cores_is_laid_out_again(side):
    """Within one assignment, and over several regions that METIS cuts."""
    position = np.stack(np.divmod(np.arange(side * side), side), axis=1)
    core = np.random.default_rng(1).permutation(side * side)
    grid = core.reshape(side, side)
    sender = np.concatenate([grid[:-1].ravel(), grid[:, :-1].ravel(), [-1]])
    receiver = np.concatenate([grid[1:].ravel(), grid[:, 1:].ravel(), [grid[0, 0]]])

    def hops(at):
        places = np.concatenate((position[at], [[0, 0]]))
        return np.abs(places[sender] - places[receiver]).sum()

    at = np.argsort(arrange(sender, receiver, position, (0, 0)))
    assert sorted(at) == list(range(side * side))
    assert hops(at) < hops(np.arange(side * side)) / (1.5 if side == 4 else 3)
    assert hops(at) >= len(sender) - 1


def test_spinnaker_sends_the_same_spikes_over_fewer_links():
    order = np.random.default_rng(0).permutation(24)
    chain = [
        synapses(int(a), int(b), [(k, k) for k in range(4)], 0.1, 2.0, label=f"{a} to {b}")
        for a, b in pairwise(order)
    ]
    net = network(
        *(cells(4, f"c{k}", i_offset=0.4) for k in range(24)), projections=chain, dt=1.0
    )  # fmt: skip
    results = [
        run_on(Spinnaker(cores_per_chip=4, mapper=mapper), net, 20.0)
        for mapper in ("sequential", "traffic")
    ]
    assert sum(len(s.cell) for s in results[0].spikes) > 50
    for ours, theirs in zip(results[0].spikes, results[1].spikes, strict=True):
        assert np.array_equal(ours.cell, theirs.cell)
        assert np.array_equal(ours.time_ms, theirs.time_ms)
    sequential, traffic_aware = (result.hardware.packets["hops"].sum() for result in results)
    assert traffic_aware < sequential / 2


@pytest.mark.parametrize("boards", [1, 3])
def test_hops_on_the_torus_are_those_of_its_routes(boards):
    shape = Spinnaker(boards=boards).spec.machine()
    rng = np.random.default_rng(0)
    ends = rng.integers(0, shape.chips, (60, 2))
    found = hops_between(shape)(shape.position[ends[:, 0]], shape.position[ends[:, 1]])
    assert found.tolist() == [distance(shape, int(a), int(b)) for a, b in ends]


def test_dynapse_keeps_communities_on_their_cores_and_chips():
    """Eight communities of 32 in any order, on cores of 32, in pairs that also talk."""
    order = np.random.default_rng(2).permutation(256)
    pairs = [
        (order[a], order[b])
        for a in range(256)
        for b in range(256)
        if a // 32 == b // 32 and 0 < (b - a) % 32 <= 6
    ]
    pairs += [(order[a], order[(a + 32) % 64 + a // 64 * 64]) for a in range(256)]
    net = network(cells(256), projections=[synapses(0, 0, np.array(pairs), 0.01, n_pre=256)])
    found = {}
    for mapper in ("sequential", "traffic"):
        chip = Dynapse(neurons_per_core=32, columns=2, rows=2, overflow="truncate", mapper=mapper)
        layout = chip.translate(net).formats.layout
        assert layout.cores == 8
        assert np.array_equal(np.bincount(layout.core), np.full(8, 32))
        assert len(np.unique(layout.neuron(chip.spec))) == 256
        on = layout.core[np.array(pairs)]
        found[mapper] = np.mean(on[:, 0] != on[:, 1]), np.mean(on[:, 0] // 4 != on[:, 1] // 4)
    assert found["sequential"][0] > 0.8
    # Not quite a seventh, since groups of METIS are only nearly equal.
    assert found["traffic"][0] < 0.35
    assert found["traffic"][1] < found["sequential"][1] / 3
