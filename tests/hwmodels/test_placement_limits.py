"""Limits of a core with cells of several circuits, profiles and sources; what messages name."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from hwmodels.chips.loihi import synaptic_words
from hwmodels.errors import CapacityError
from tests.hwmodels.networks import cells, network, source, synapses
from tests.hwmodels.test_mapping import place


def by_hand(axons, bits):
    """Words of some (synapses, contiguous), one block of at most 64 after another."""
    words = 0
    for n, run in axons:
        for first in range(0, n, 64):
            block = 10 + min(64, n - first) * (bits if run else bits + 10)
            words += -(-block // 64)
    return words


@given(
    st.lists(st.tuples(st.integers(1, 300), st.booleans()), max_size=8), st.integers(1, 20)
)  # fmt: skip
def test_synapse_lists_are_blocks_of_64_in_whole_words(axons, bits):
    counts = np.array([n for n, _ in axons], dtype=np.int64)
    runs = np.array([run for _, run in axons], dtype=bool)
    assert synaptic_words(counts, runs, bits) == by_hand(axons, bits)


@pytest.mark.parametrize(
    ("synapses_", "run", "bits", "words"),
    [
        # A full block of 8 + 1 bits: 10 + 576 = 586 bits.
        (64, True, 9, 10),
        # With the 10 bits of an index: 10 + 1216 = 1226 bits.
        (64, False, 9, 20),
        # Delays up to 62 steps take 6 more: 10 + 960 = 970 bits, and one synapse more.
        (64, True, 15, 16),
        (65, True, 15, 17),
        (1000, True, 9, 15 * 10 + 6),
    ],
)
def test_worked_examples_of_synaptic_memory(synapses_, run, bits, words):
    assert synaptic_words(np.array([synapses_]), np.array([run]), bits) == words


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_every_core_keeps_every_limit_at_once(data):
    n, n_sources = data.draw(st.integers(1, 20)), data.draw(st.integers(0, 4))
    sizes = st.integers(1, n)
    first = data.draw(sizes)
    populations = [cells(first, "a"), cells(n - first, "b"), source(*[[]] * n_sources)]
    ends = st.tuples(st.integers(0, n + n_sources - 1), st.integers(0, n - 1))
    pairs = data.draw(st.lists(ends, max_size=60))
    starts, stops = [0, first, n], [first, n, n + n_sources]
    projections = [
        synapses(
            pre, post, [(a - starts[pre], b - starts[post]) for a, b in pairs
                        if starts[pre] <= a < stops[pre] and starts[post] <= b < stops[post]],
            n_pre=stops[pre] - starts[pre], label=f"{pre}{post}",
        )
        for pre in (0, 1, 2) for post in (0, 1)
    ]  # fmt: skip
    units = data.draw(st.lists(st.integers(1, 2), min_size=n, max_size=n))
    profile = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    limits = {
        "units": data.draw(st.integers(2, 12)), "input_axons": data.draw(st.integers(3, 24)),
        "output_axons": data.draw(st.integers(1, 16)), "memory": data.draw(st.integers(3, 30)),
        "profiles": data.draw(st.integers(1, 4)), "cores": 8,
    }  # fmt: skip
    net = network(*populations, projections=projections)
    try:
        placement = place(
            net, units + [0] * n_sources, profile + [0] * n_sources, **limits
        )  # fmt: skip
    except CapacityError:
        event("too large")
        return
    event(f"{placement.n_cores} cores")
    core_of = placement.core_of[:n].tolist()
    assert placement.core_of[n:].tolist() == [-1] * n_sources
    assert sorted(set(core_of)) == list(range(placement.n_cores))
    assert placement.n_cores <= limits["cores"]
    for core in range(placement.n_cores):
        here = [k for k in range(n) if core_of[k] == core]
        position = {cell: k for k, cell in enumerate(here)}
        assert sum(units[k] for k in here) <= limits["units"]
        assert len({profile[k] for k in here}) <= limits["profiles"]
        lists: dict = {}
        for a, b in pairs:
            if core_of[b] == core:
                lists.setdefault(a, []).append(position[b])
        assert len(lists) <= limits["input_axons"]
        axons = [
            (len(t), sorted(t) == list(range(min(t), min(t) + len(t)))) for t in lists.values()
        ]
        assert placement.memory[core] == by_hand(axons, 9) <= limits["memory"]
        assert placement.synapses[core] == sum(len(t) for t in lists.values())
        assert placement.neurons[core] == len(here)
        sent = {(a, core_of[b]) for a, b in pairs if a < n and core_of[a] == core}
        assert len(sent) <= limits["output_axons"]


def test_the_cell_named_for_its_output_axons_is_one_that_has_too_many():
    # Cells 0 and 1 share a core whose axons are too many together; cells 2 and 3 each alone.
    pairs = [(0, 0), (0, 2), (1, 2), *[(a, b) for a in (2, 3) for b in (0, 2, 4, 6)]]
    net = network(cells(8, "wide"), projections=[synapses(0, 0, pairs, n_pre=8)])
    with pytest.raises(CapacityError) as caught:
        place(net, units=2, output_axons=2)
    cell, cores = re.search(r"cell (\d+) .* sends to (\d+) cores", str(caught.value)).groups()
    targets = {b // 2 for a, b in pairs if a == int(cell)}
    assert len(targets) == int(cores) > 2


@pytest.mark.parametrize(("output_axons", "fullest"), [(8, 4), (7, 3), (6, 3), (5, 2), (2, 1)])
def test_a_core_never_sends_to_more_than_its_output_axons(output_axons, fullest):
    # Each cell sends to the first and the last core.
    net = network(
        cells(8), projections=[synapses(0, 0, [(a, b) for a in range(8) for b in (0, 7)])]
    )
    assert place(net, units=4, output_axons=output_axons).neurons.max() == fullest


def test_a_chip_filled_because_of_output_axons_says_so():
    everybody = [(a, b) for a in range(8) for b in range(8)]
    net = network(cells(8, "all"), projections=[synapses(0, 0, everybody, n_pre=8)])
    assert place(net, units=4, cores=2).n_cores == 2
    with pytest.raises(CapacityError, match="6 of 8 neurons.*more than its 6 output axons"):
        place(net, units=4, cores=2, output_axons=6)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"units": 3}, "takes 4 compartments of 3"),
        ({"memory": 12, "units": 99}, "takes 16 words of synaptic memory of 12"),
        ({"profiles": 2, "units": 99}, "takes 3 parameter profiles of 2"),
    ],
)
def test_a_network_too_large_names_the_limit_that_ended_its_last_core(limits, reason):
    everybody = [(a, b) for a in range(8) for b in range(8)]
    net = network(cells(8), projections=[synapses(0, 0, everybody, n_pre=8)])
    with pytest.raises(CapacityError, match=f"one more on the last core {reason}"):
        place(net, profile_of=range(8), cores=1, **({"profiles": 99} | limits))


def test_input_axons_of_a_core_are_its_distinct_sources():
    # Six cells with a source of their own: three sources a core.
    net = network(
        cells(6), source(*[[]] * 6), projections=[synapses(1, 0, [(k, k) for k in range(6)])]
    )
    assert place(net, input_axons=3).core_of.tolist() == [0, 0, 0, 1, 1, 1, *[-1] * 6]
    with pytest.raises(CapacityError, match="takes 4 input axons of 3"):
        place(net, input_axons=3, cores=1)
