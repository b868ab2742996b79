"""The router hierarchy: what is exact whatever its constants are, and its two engines agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.errors import ModelError
from hwmodels.fabric.hierarchy import Hierarchy, routing_words, unloaded_ps
from tests.hwmodels.hierarchy_cases import ENGINES, FOREVER, carry, difference

BOARD = Hierarchy(
    columns=4, rows=4, cores=4, output_ps=47_600, tree_ps=15_400, hop_ps=15_400,
    broadcast_ps=27_000, host_ps=100_000,
)  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("x", "y"), [(1, 0), (0, 1), (3, 0), (2, 3), (3, 3)])
def test_an_unloaded_packet_takes_the_sum_of_its_stations(engine, x, y):
    chip = x * BOARD.rows + y
    _, arrived = carry(engine, BOARD, [(0, chip, [chip * 4 + 2])], [(0, 1_000)])
    expected = 47_600 + 2 * 15_400 + (x + y) * 15_400 + 27_000
    assert arrived.time_ps.tolist() == [1_000 + expected]
    words = routing_words(BOARD, [(0, chip, [chip * 4 + 2])])
    assert unloaded_ps(BOARD, words).tolist() == [expected]
    assert words.hops.tolist() == [x + y]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_packet_to_another_core_of_its_chip_passes_the_node_twice(engine):
    _, arrived = carry(engine, BOARD, [(0, 0, [3])], [(0, 0)])
    assert arrived.time_ps.tolist() == [47_600 + 2 * 15_400 + 27_000]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_packet_to_its_own_core_turns_round_at_once(engine):
    _, arrived = carry(engine, BOARD, [(1, 0, [1])], [(0, 0)])
    assert arrived.time_ps.tolist() == [47_600 + 27_000]


@pytest.mark.parametrize("engine", ENGINES)
def test_one_word_serves_all_cores_of_a_chip_at_once(engine):
    built, arrived = carry(engine, BOARD, [(0, 1, [4, 5, 6, 7])], [(0, 0)])
    assert arrived.core.tolist() == [4, 5, 6, 7]
    assert len(set(arrived.time_ps.tolist())) == 1
    assert built.served[BOARD.up(0)] == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_a_core_that_receives_from_all_is_served_once_a_broadcast(engine):
    words = [(core, 0, [0]) for core in range(4, 64)]
    _, arrived = carry(engine, BOARD, words, [(k, 0) for k in range(60) for _ in range(5)])
    gaps = np.diff(arrived.time_ps)
    assert len(arrived.packet) == 300
    assert set(gaps[5:].tolist()) == {27_000}, "saturated at one packet a broadcast"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("m", [1, 2, 4])
def test_a_neuron_with_m_words_occupies_its_output_m_times(engine, m):
    words = [(0, chip, [chip * 4]) for chip in range(1, m + 1)] + [(0, 0, [1])]
    _, arrived = carry(engine, BOARD, words, [*((k, 0) for k in range(m)), (m, 0)])
    last = arrived.time_ps[arrived.packet == m]
    assert last.tolist() == [(m + 1) * 47_600 + 2 * 15_400 + 27_000]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_burst_leaves_its_core_one_output_time_after_another(engine):
    _, arrived = carry(engine, BOARD, [(0, 1, [4])], [(0, 0)] * 20)
    unloaded = 47_600 + 3 * 15_400 + 27_000
    assert arrived.time_ps.tolist() == [unloaded + k * 47_600 for k in range(20)]


@pytest.mark.parametrize("engine", ENGINES)
def test_back_pressure_reaches_the_senders_and_loses_nothing(engine):
    slow = Hierarchy(2, 1, 2, 10, 10, 10, 1_000, 10)
    words = [(0, 1, [2]), (1, 1, [2]), (1, 0, [0])]
    built, arrived = carry(engine, slow, words, [(0, 0)] * 10 + [(1, 0)] * 10 + [(2, 0)])
    assert len(arrived.packet) == 21
    assert built.under_way == 0
    # The packet for a free core waits behind those for the slow one: a handshake has no bypass.
    free = arrived.time_ps[arrived.core == 0]
    assert free[0] > 5 * 1_000


@pytest.mark.parametrize("engine", ENGINES)
def test_only_the_host_drops_and_only_what_its_queue_cannot_hold(engine):
    small = Hierarchy(1, 1, 1, 10, 10, 10, 10, 100, host_queue=4)
    built, arrived = carry(engine, small, [(None, 0, [0])], [(0, 0)] * 10)
    assert arrived.dropped.tolist() == [4, 5, 6, 7, 8, 9]
    assert len(arrived.packet) == 4
    assert built.longest_queue[small.host] == 4


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_under_way_arrives_in_a_later_call(engine):
    words = routing_words(BOARD, [(0, 15, [60])])
    built = ENGINES[engine](BOARD, words)
    none = np.empty(0, dtype=np.int64)
    first = built.run(np.array([0]), np.array([0]), 100_000)
    assert len(first.packet) == 0
    assert built.under_way == 1
    assert built.run(none, none, FOREVER).time_ps.tolist() == [47_600 + 8 * 15_400 + 27_000]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hop_ps": 0}, "hop_ps must be at least 1"),
        ({"cores": 63}, "at most 62 cores"),
        ({"host_chip": (4, 0)}, "outside of 4 x 4"),
    ],
)
def test_impossible_shapes_are_refused(change, message):
    with pytest.raises(ModelError, match=message):
        Hierarchy(**(vars(BOARD) | change))


@st.composite
def traffic(draw):
    times = [draw(st.integers(1, 14)) for _ in range(5)]
    shape = Hierarchy(
        draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3)), *times,
        depth=draw(st.integers(1, 3)), host_queue=draw(st.integers(1, 4)),
    )  # fmt: skip
    words = []
    for _ in range(draw(st.integers(1, 8))):
        chip = draw(st.integers(0, shape.chips - 1))
        cores = draw(st.sets(st.integers(0, shape.cores - 1), min_size=1))
        source = draw(st.none() | st.integers(0, shape.all_cores - 1))
        words.append((source, chip, [chip * shape.cores + core for core in cores]))
    packets = st.tuples(st.integers(0, len(words) - 1), st.integers(0, 60))
    return shape, words, draw(st.lists(packets, max_size=60))


@settings(max_examples=60, deadline=None)
@given(traffic(), st.integers(1, 200))
def test_both_engines_give_every_packet_the_same_arrival(case, cut):
    assert difference(*case, cut) is None
