"""Weights to four values, cells to cores, relays: nothing is lost, and what it costs is said."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.truenorth import TrueNorth, weights
from hwmodels.chips.truenorth import layout as layout_module
from hwmodels.chips.truenorth.weights import NO_BIT, cluster, kernel, population_labels
from hwmodels.errors import CapacityError
from tests.hwmodels.networks import cells, network, random_network, source, synapses
from tests.hwmodels.running import run_on


def squared_error(values, counts, labels):
    error = np.sum((values**2 * counts)[labels == NO_BIT])
    for label in np.unique(labels[labels != NO_BIT]):
        mine = labels == label
        mean = np.average(values[mine], weights=counts[mine])
        error += np.sum(counts[mine] * (values[mine] - mean) ** 2)
    return error


def best_by_trying(values, counts, clusters, zero):
    """All ways to cut a row of values into runs, each one run perhaps taken as zero."""
    n, best = len(values), np.inf
    for cuts in range(min(clusters + zero, n)):
        for edges in itertools.combinations(range(1, n), cuts):
            labels = np.repeat(np.arange(cuts + 1), np.diff([0, *edges, n]))
            for run in range(-1 if cuts < clusters else 0, cuts + 1 if zero else 0):
                tried = np.where(labels == run, NO_BIT, labels)
                best = min(best, squared_error(values, counts, tried))
    return best


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.integers(-50, 50), min_size=1, max_size=8, unique=True),
    clusters=st.integers(1, 4),
    zero=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_no_other_clusters_have_a_smaller_error(values, clusters, zero, seed):
    values = np.sort(np.array(values, dtype=float))
    counts = np.random.default_rng(seed).integers(1, 9, len(values)).astype(float)
    labels = np.empty(len(values), dtype=np.int64)
    kernel(cluster)(values, counts, clusters, zero, labels)
    assert len(np.unique(labels[labels != NO_BIT])) <= clusters
    ours = squared_error(values, counts, labels)
    assert ours == pytest.approx(best_by_trying(values, counts, clusters, zero), abs=1e-6)


def test_weights_of_up_to_four_values_have_no_error():
    weights = np.array([0.1, 0.1, -0.4, 0.7, 0.25, -0.4, 0.1])
    labels = population_labels(weights, 4, True)
    for label in np.unique(labels):
        assert len(np.unique(weights[labels == label])) == 1
    assert NO_BIT not in labels


@pytest.mark.parametrize("draw", ["lognormal", "normal"])
def test_very_many_distinct_weights_are_clustered_nearly_as_well(draw):
    weights = np.sort(getattr(np.random.default_rng(0), draw)(size=1500))
    exact, ones = np.empty(1500, dtype=np.int64), np.ones(1500)
    kernel(cluster)(weights, ones, 4, True, exact)
    labels = population_labels(weights, 4, True)
    best = squared_error(weights, ones, exact)
    assert best <= squared_error(weights, ones, labels) * (1 + 1e-9) < 1.02 * best


def configured(net, **options):
    translation = TrueNorth(**options).translate(net)
    return translation, translation.formats, translation.formats.layout


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), n=st.integers(2, 90), dt=st.sampled_from([0.2, 1.0]))
def test_a_core_is_what_the_datasheet_says(seed, n, dt):
    net = random_network(np.random.default_rng(seed), n=n, synapse_count=30 * n, dt=dt)
    translation, configuration, layout = configured(net, axons_per_core=70)
    assert layout.axons().max() <= 70
    assert layout.neurons().max() <= 256
    assert np.all((configuration.value >= -256) & (configuration.value <= 255))
    # One destination a neuron, one to fifteen ticks away.
    on_chip = layout.unit_core >= 0
    assert np.all(np.diff(layout.leg_start)[on_chip] <= 1)
    sources = np.repeat(~on_chip, np.diff(layout.leg_start))
    assert np.all((layout.leg_delay >= 1) & ((layout.leg_delay <= 15) | sources))
    # A place on a core is one neuron's, and an axon's.
    for core, slot in ((layout.unit_core[on_chip], layout.unit_slot[on_chip]),
                       (layout.axon_core, layout.axon_slot)):  # fmt: skip
        assert len(np.unique(core.astype(np.int64) * 256 + slot)) == len(core)
    # All synapses of an axon have its type's value of their neuron.
    net = translation.network
    gains = [configuration[p.post].gain_mV[p.receptor][p.target] for p in net.projections]
    effective = np.concatenate([p.weight * g for p, g in zip(net.projections, gains, strict=True)])
    pairs = configuration.pairs
    sums = np.bincount(pairs.of_synapse, effective, len(pairs.source))
    lined = configuration.axon >= 0
    kind = layout.axon_type[configuration.axon[lined]]
    value = configuration.value[pairs.target[lined], kind]
    assert np.allclose(sums[lined], value * configuration.unit[pairs.target[lined]])
    assert np.allclose(sums[~lined], 0)
    assert np.array_equal(layout.axon_core[configuration.axon[lined]],
                          layout.unit_core[pairs.target[lined]])  # fmt: skip


def arrivals(layout, unit):
    """Axons that a spike of a unit reaches, with the ticks it takes; relays followed."""
    found = []
    for leg in range(layout.leg_start[unit], layout.leg_start[unit + 1]):
        axon, delay = int(layout.leg_axon[leg]), int(layout.leg_delay[leg])
        first = int(layout.axon_first[axon])
        if layout.axon_relays[axon]:
            for relay in range(first, first + int(layout.axon_relays[axon])):
                found += [(a, delay + d) for a, d in arrivals(layout, relay)]
        else:
            found.append((axon, delay))
    return found


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), n=st.integers(2, 40), longest=st.sampled_from([1, 3, 20, 60]))
def test_relays_reach_every_axon_once_and_in_time(seed, n, longest):
    rng = np.random.default_rng(seed)
    pre, post = rng.integers(0, n, (2, 40 * n))
    recurrent = synapses(0, 0, np.stack([pre, post], 1), 0.1, rng.integers(1, longest + 1, 40 * n))
    net = network(cells(n, "cells", "IF_curr_delta"), projections=[recurrent])
    # Small cores, so that relays need relays.
    _, configuration, layout = configured(net, axons_per_core=64, neurons_per_core=8)
    wanted = {}
    for pair, axon in enumerate(configuration.axon.tolist()):
        if axon >= 0:  # else too weak for a value
            pairs = configuration.pairs
            wanted[axon] = (int(pairs.source[pair]), int(pairs.delay[pair]))
    reached = {}
    for cell in range(n):
        for axon, ticks in arrivals(layout, cell):
            assert axon not in reached
            reached[axon] = (cell, ticks)
    assert reached.keys() == wanted.keys()
    for axon, (cell, ticks) in reached.items():
        assert cell == wanted[axon][0]
        assert ticks == wanted[axon][1] + layout.added_ticks[axon]
    assert np.all(layout.added_ticks >= 0)


def test_without_the_effect_fan_out_a_cell_has_many_destinations_and_no_relays():
    net = random_network(np.random.default_rng(0), n=60, synapse_count=3000)
    _, _, with_relays = configured(net, axons_per_core=64)
    _, _, without = configured(net, axons_per_core=64, effects="fan_in")
    assert with_relays.relays > 0
    assert without.relays == 0
    assert np.diff(without.leg_start).max() > 1


def test_relays_are_counted_and_stand_in_the_report():
    net = random_network(np.random.default_rng(0), n=60, synapse_count=3000)
    result = run_on(TrueNorth(axons_per_core=64), net, 20.0)
    assert result.counts["relay neurons added"] > 60
    assert f"{result.counts['relay neurons added']} of" in result.hardware.sources["relays"]
    assert result.hardware.cores["neurons"].sum() == 60 + result.counts["relay neurons added"]


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (
            lambda: network(
                source(*[[1.0]] * 20),
                cells(3, "greedy"),
                projections=[synapses(0, 1, [(i, 2) for i in range(20)], n_pre=20)],
            ),
            {"axons_per_core": 16, "overflow": "refuse"},
            r"cell 2 of population 'greedy' has 20 inputs.*16 axons: let counters.*overflow=merge",
        ),
        (
            lambda: network(
                source(*[[1.0]] * 40),
                cells(3, "greedy"),
                projections=[synapses(0, 1, [(i, 2) for i in range(40)], n_pre=40)],
            ),
            {"axons_per_core": 16, "counters": 8},
            r"cell 2 of population 'greedy' has 40 inputs.*takes 24 of them in groups",
        ),
        (
            lambda: network(cells(40, "many")),
            {"neurons_per_core": 8, "columns": 2, "rows": 2},
            r"cell 32 of population 'many' does not fit: all 4 cores.*columns",
        ),
        (
            lambda: network(
                source(*[[1.0]] * 40),
                cells(3, "greedy"),
                projections=[synapses(0, 1, [(i, 2) for i in range(40)], n_pre=40)],
            ),
            {"axons_per_core": 32, "columns": 1, "rows": 1},
            r"cell 2 of population 'greedy' needs counters.*all 1 cores are full",
        ),
        (
            lambda: random_network(np.random.default_rng(1), n=30, synapse_count=900),
            {"axons_per_core": 64, "neurons_per_core": 30, "columns": 4, "rows": 4},
            r"population 'cells': with \d+ relays.*16 cores.*fan_out",
        ),
    ],
)
def test_what_does_not_fit_names_the_population_the_limit_and_the_way_out(build, options, message):
    with pytest.raises(CapacityError, match=message):
        TrueNorth(**options).translate(build())


def test_a_large_network_with_few_destinations_is_mapped_in_seconds():
    """50,000 cells in groups of 256 that only know each other: one core each, no relays."""
    n, group = 51_200, 256
    rng = np.random.default_rng(0)
    pre = np.repeat(np.arange(n), 20)
    post = (
        pre // group * group + (rng.integers(0, group, n).repeat(20) + np.arange(len(pre))) % group
    )
    net = network(
        cells(n, "cells", "IF_curr_delta"),
        projections=[synapses(0, 0, np.stack([pre, post], 1), 0.1, 2.0)],
    )
    _, _, layout = configured(net)
    assert layout.cores == n // group
    assert layout.relays == 0


def test_the_mapping_is_the_same_without_a_compiler(monkeypatch):
    net = random_network(np.random.default_rng(4), n=30, synapse_count=600)
    _, compiled, layout = configured(net, axons_per_core=64)
    for module in (weights, layout_module):
        monkeypatch.setattr(module, "can_compile", lambda: False)
    _, plain, other = configured(net, axons_per_core=64)
    assert np.array_equal(compiled.value, plain.value)
    assert np.array_equal(compiled.label, plain.label)
    assert np.array_equal(layout.unit_core, other.unit_core)
    assert np.array_equal(layout.leg_axon, other.leg_axon)
