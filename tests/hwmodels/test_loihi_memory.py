"""Synaptic memory: formats, lists that sources share, and the room that long delays take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.loihi import Loihi, memory
from hwmodels.errors import CapacityError
from hwmodels.network import SynapseDynamics
from tests.hwmodels.networks import cells, network, source, synapses
from tests.hwmodels.running import run


def mapped(net, **options):
    chip = Loihi(**options)
    translation = chip.translate(net)
    placement = chip.map(translation)
    return chip, translation, placement


def table_of(placement):
    """Lists, synapses and words by format, over all cores."""
    totals = {}
    for row in placement.lists:
        counts = (int(row["lists"]), int(row["synapses"]), int(row["words"]))
        if any(counts):
            old = totals.get(str(row["format"]), (0, 0, 0))
            totals[str(row["format"])] = tuple(a + b for a, b in zip(old, counts, strict=True))
    return totals


def words(n, bits):
    """Blocks of at most 64 with a header of 10 bits, in whole words, one after another."""
    return sum(-(-(10 + min(64, n - k) * bits) // 64) for k in range(0, n, 64))


def convolution(n=60, taps=(0.3, 0.2, 0.1), stride=1, weights=None):
    """Sources of a line, each onto as many neighbouring cells as the kernel has taps."""
    pairs, given_ = [], []
    for i in range(n):
        for k, weight in enumerate(taps):
            pairs.append((i, stride * i + k))
            given_.append(weight if weights is None else weights[i][k])
    size = stride * (n - 1) + len(taps)
    return network(
        source(*[[5.0 + 0.5 * i] for i in range(n)]), cells(size),
        projections=[synapses(0, 1, pairs, given_)], dt=0.5,
    )  # fmt: skip


def stored_bits(weights, delay=1.0, **options):
    """Bits of weight and delay of a run of 64 synapses, from the words it takes."""
    n = len(weights)
    net = network(
        cells(n), source([]), projections=[synapses(1, 0, [(0, k) for k in range(n)], weights,
                                                    delay)],
    )  # fmt: skip
    _, _, placement = mapped(net, **options)
    return int(placement.memory[0])


def test_dense_lists_have_weight_and_delay_and_no_index():
    full = np.linspace(0.1, 1.0, 64)
    assert stored_bits(full) == words(64, 8 + 1)
    assert stored_bits(full, delay=62.0) == words(64, 8 + 6)
    assert stored_bits(full, weight_bits=4) == words(64, 4 + 1)
    assert stored_bits(full * np.where(np.arange(64) % 2, 1, -1)) == words(64, 8 + 1)
    assert stored_bits(full, effects="fabric") == words(64, 8 + 1)
    # Weights that are powers of two, with 7 widths to choose from: 7 bits are stored as 8.
    assert stored_bits(np.where(np.arange(64) % 2, 1.0, 1 / 32), weight_bits=8) <= words(64, 9)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_words_are_those_of_each_list_counted_by_hand(data):
    n, n_sources = data.draw(st.integers(2, 30)), data.draw(st.integers(1, 6))
    ends = st.tuples(st.integers(0, n_sources - 1), st.integers(0, n - 1))
    pairs = data.draw(st.lists(ends, min_size=1, max_size=80))
    weights = data.draw(st.lists(st.floats(0.5, 1.0), min_size=len(pairs), max_size=len(pairs)))
    per_core = data.draw(st.integers(1, n))
    net = network(
        source(*[[]] * n_sources), cells(n),
        projections=[synapses(0, 1, pairs, [*weights[:-1], 1.0], n_pre=n_sources)],
    )  # fmt: skip
    _, translation, placement = mapped(net, compartments_per_core=per_core)
    gain = translation.formats[1].gain["excitatory"][0]
    mantissas = np.rint(translation.network.projections[0].weight * gain / 64).astype(int)
    used = int(np.bitwise_or.reduce(mantissas))
    while used % 2 == 0:
        used //= 2
    bits = next(w for w in (1, 2, 3, 4, 5, 6, 8) if w >= used.bit_length()) + 1
    plain = 0
    for core in range(placement.n_cores):
        total = 0
        for s in range(n_sources):
            targets = sorted(b for a, b in pairs if a == s and b // per_core == core)
            if targets:
                run_ = targets == list(range(targets[0], targets[0] + len(targets)))
                total += words(len(targets), bits if run_ else bits + 10)
                plain += words(len(targets), bits + 10)
        assert placement.memory[core] == total
    assert placement.lists["plain_words"].sum() == plain
    _, _, sharing = mapped(net, compartments_per_core=per_core, sharing="auto")
    assert np.all(sharing.memory <= placement.memory)
    assert np.array_equal(sharing.synapses, placement.synapses)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_shared_lists_are_exactly_those_of_equal_content_counted_by_hand(data):
    n, n_sources = data.draw(st.integers(2, 24)), data.draw(st.integers(2, 12))
    kernels = [
        sorted(data.draw(st.sets(st.integers(0, 6), min_size=1, max_size=5))) for _ in range(3)
    ]
    pairs, weights, delays = [], [], []
    for source_ in range(n_sources):
        base, which = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, 2))
        weight, delay = data.draw(st.sampled_from([(0.5, 1.0), (1.0, 1.0), (1.0, 3.0)]))
        for offset in kernels[which]:
            if base + offset < n:
                pairs.append((source_, base + offset))
                weights.append(weight)
                delays.append(delay)
    # One synapse more, with the longest delay: two bits of delay, always.
    pairs, weights, delays = [*pairs, (n_sources, 0)], [*weights, 1.0], [*delays, 3.0]
    net = network(
        source(*[[]] * (n_sources + 1)), cells(n),
        projections=[synapses(0, 1, pairs, weights, delays, n_pre=n_sources + 1)],
    )  # fmt: skip
    _, translation, placement = mapped(net, sharing="auto")
    gain = translation.formats[1].gain["excitatory"][0]
    mantissas = np.rint(translation.network.projections[0].weight * gain / 64).astype(int)
    used = int(np.bitwise_or.reduce(mantissas))
    needed = (used // (used & -used)).bit_length()
    bits = next(width for width in (1, 2, 3, 4, 5, 6, 8) if width >= needed) + 2
    groups: dict = {}
    for source_ in range(n_sources + 1):
        rows = sorted(
            (b, w, d) for (a, b), w, d in zip(pairs, weights, delays, strict=True) if a == source_
        )
        if rows:
            base = rows[0][0]
            content = (base % 4, tuple((b - base, w, d) for b, w, d in rows))
            groups[content] = groups.get(content, 0) + 1
    expected = 0
    for (_, rows), members in groups.items():
        offsets = [offset for offset, _, _ in rows]
        run_ = offsets == list(range(len(offsets)))
        alone = words(len(rows), bits if run_ else bits + 10)
        once = words(len(rows), bits + (6 if offsets[-1] else 0))
        expected += min(members * alone, once) if members > 1 else alone
    assert placement.memory.tolist() == [expected]
    assert placement.lists["synapses"].sum() == len(pairs)


def test_a_convolution_stores_its_kernel_once():
    net = convolution()
    _, _, alone = mapped(net)
    _, _, shared = mapped(net, sharing="auto")
    assert table_of(alone) == {"dense": (60, 180, 60)}
    # Bases are multiples of 4, so there is a copy for each residue.
    assert table_of(shared) == {"shared": (4, 180, 4)}
    assert shared.axons.shared.all()
    assert np.array_equal(shared.axons.synapses, alone.axons.synapses)


def test_sharing_changes_memory_time_and_energy_and_no_spike():
    net = convolution()
    alone, shared = (run(net, 60.0, sharing=sharing) for sharing in ("none", "auto"))
    for a, b in zip(alone.spikes, shared.spikes, strict=True):
        assert np.array_equal(a.time_ms, b.time_ms)
    energy = {
        r["operation"]: (int(r["count"]), float(r["unit_pJ"])) for r in shared.hardware.energy
    }
    assert energy["synapses, shared"] == (180, 24.0)
    assert energy["synapses, contiguous"][0] == energy["synapses, indexed"][0] == 0
    assert "4 shared lists of 4 words" in shared.hardware.sources["synaptic memory"]
    # Each of the 180 synapses takes 3.1 ns and not 3.8 ns; without sweeps that is all that differs.
    still = {"visit_ns": 0, "update_ns": 0, "spike_ns": 0}
    busy = [
        int(run(net, 60.0, sharing=sharing, **still).hardware.cores["busy_ps"].sum())
        for sharing in ("none", "auto")
    ]
    assert busy[0] - busy[1] == 180 * 700


@pytest.mark.parametrize(
    "change",
    [
        lambda p: {"weight": p.weight * np.linspace(0.5, 1.0, len(p.weight))},
        lambda p: {"delay_ms": p.delay_ms + 0.5 * np.arange(len(p.delay_ms))},
        lambda p: {"dynamics": SynapseDynamics("another rule")},
    ],
    ids=["weights", "delays", "plastic"],
)
def test_lists_that_differ_or_learn_are_not_shared(change):
    net = convolution(n=12)
    (projection,) = net.projections
    net = replace(net, projections=(replace(projection, **change(projection)),))
    _, _, placement = mapped(net, sharing="auto")
    assert placement.axons.shared is None
    assert table_of(placement)["dense"][:2] == (12, 36)


@pytest.mark.parametrize(("stride", "lists"), [(4, 1), (8, 2), (12, 3)])
def test_a_base_reaches_255_compartments(stride, lists):
    # Lists begin at 0, stride, ... up to 59 strides: 236, 472 and 708 compartments.
    _, _, placement = mapped(convolution(stride=stride), sharing="auto")
    assert table_of(placement)["shared"][0] == lists


def two_senders(targets):
    """Two cells with the same list of so many targets on the cores behind them."""
    pairs = [(a, 2 + b) for a in (0, 1) for b in range(targets)]
    return network(cells(64), projections=[synapses(0, 0, pairs, 0.1)])


@pytest.mark.parametrize(("targets", "slots"), [(16, 2), (3, 1)])
def test_beyond_its_16_bit_axons_a_core_shares_what_is_worth_a_second_output_axon(
    targets, slots, monkeypatch
):
    monkeypatch.setattr(memory, "SHORT_AXONS", 0)
    cores = {"compartments_per_core": 32}
    fits = mapped(two_senders(targets), sharing="auto", output_axons_per_core=2 * slots, **cores)
    assert fits[2].neurons.tolist() == [32, 32]
    assert (fits[2].axons.shared is not None) == (slots == 2)
    with pytest.raises(CapacityError, match="output axons"):
        mapped(two_senders(targets), sharing="auto", output_axons_per_core=2 * slots - 1, **cores)


def test_a_network_may_fit_only_when_equal_lists_are_stored_once():
    pairs = [(a, b) for a in range(400) for b in range(100)]
    net = network(source(*[[]] * 400), cells(100), projections=[synapses(0, 1, pairs, 0.1)])
    one_core = {"columns": 1, "rows": 1, "cores_per_tile": 1, "synaptic_words_per_core": 2000}
    with pytest.raises(CapacityError, match="words of synaptic memory.*sharing=auto"):
        mapped(net, **one_core)
    assert mapped(net, sharing="auto", **one_core)[2].n_cores == 1


@pytest.mark.parametrize(
    ("steps", "cells_of_a_core"), [(1, 1024), (7, 1024), (8, 512), (15, 512), (16, 256), (62, 128)]
)
def test_long_delays_take_the_slots_of_other_compartments(steps, cells_of_a_core):
    n = 1500
    net = network(
        source([1.0]), cells(n),
        projections=[synapses(0, 1, [(0, k) for k in range(n)], 0.1, float(steps))],
    )  # fmt: skip
    _, _, placement = mapped(net)
    assert placement.neurons.max() == cells_of_a_core
    assert placement.n_cores == -(-n // cells_of_a_core)


def many_sources(n, weights):
    """One cell that listens to so many sources."""
    return network(
        source(*[[float(i % 20)] for i in range(n)]), cells(2, "listener"), dt=1.0,
        projections=[synapses(0, 1, [(i, 1) for i in range(n)], weights, n_pre=n)],
    )  # fmt: skip


def test_input_axons_are_lists_and_not_sources_so_equal_ones_are_one():
    net = many_sources(5000, 0.25)
    with pytest.raises(
        CapacityError,
        match=r"cell 1 of population 'listener'.*5000 input axons of 4096.*sharing=auto",
    ):
        mapped(net)
    _, _, placement = mapped(net, sharing="auto")
    assert table_of(placement)["shared"][:2] == (1, 5000)
    result = run(net, 25.0, sharing="auto")
    assert result.hardware.packets["synapses"].sum() == 5000


def test_lists_that_differ_are_axons_of_their_own_whatever_is_shared():
    weights = 0.01 * (1 + np.arange(200) % 100)
    net = many_sources(200, weights)
    mapped(net, sharing="auto", input_axons_per_core=100)
    with pytest.raises(CapacityError, match="takes 100 input axons of 99"):
        mapped(net, sharing="auto", input_axons_per_core=99)


@given(seed=st.integers(0, 2**16), n=st.integers(1, 12))
@settings(max_examples=30, deadline=None)
def test_input_axons_are_the_distinct_columns_of_a_core(seed, n):
    rng = np.random.default_rng(seed)
    connected = rng.random((20, n)) < 0.4
    weights = rng.integers(1, 3, (20, n))
    pairs = np.argwhere(connected)
    if not len(pairs):
        return
    net = network(
        source(*[[1.0]] * 20), cells(n), dt=1.0,
        projections=[synapses(0, 1, pairs, 0.2 * weights[connected], n_pre=20)],
    )  # fmt: skip
    columns = {tuple(row) for row in np.where(connected, weights, 0).tolist() if any(row)}
    mapped(net, sharing="auto", input_axons_per_core=int(connected.any(axis=1).sum()))
    if len(columns) > 1:
        # Lists that save nothing are not shared, so there may be more, and never fewer.
        with pytest.raises(CapacityError):
            mapped(net, sharing="auto", input_axons_per_core=len(columns) - 1, cores_per_tile=1,
                   columns=1, rows=1)  # fmt: skip


def test_a_core_with_more_formats_than_it_can_name_is_split_and_one_cell_refused():
    kinds = [(1, 1.0), (7, 1.0), (255, 1.0), (255, 3.0)]  # bits of weights and of delays
    sources = [source([1.0], label=f"s{k}") for k in range(4)]
    groups = [cells(1, f"c{k}") for k in range(4)]

    def projections(targets):
        return [
            synapses(k, 4 + target, [(0, 0), (0, 0)], [0.01 * top, 0.01], delay, label=f"p{k}")
            for k, (target, (top, delay)) in enumerate(zip(targets, kinds, strict=True))
        ]

    apart = network(*sources, *groups, projections=projections(range(4)), dt=1.0)
    assert mapped(apart)[2].n_cores == 1
    assert mapped(apart, synapse_formats_per_core=2)[2].n_cores == 2
    together = network(*sources, *groups, projections=projections([2] * 4), dt=1.0)
    with pytest.raises(CapacityError, match=r"'c2'.*takes 4 synapse formats of 3"):
        mapped(together, synapse_formats_per_core=3)
