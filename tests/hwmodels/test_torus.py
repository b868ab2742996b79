"""The torus: rules of the router, and two engines that agree packet for packet."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.errors import ModelError
from hwmodels.fabric.torus import (
    EAST,
    FOREVER,
    LINKS,
    NORTH,
    NORTH_EAST,
    Timing,
    boards,
    opposite,
    torus,
    wait_cycles,
)
from hwmodels.fabric.torus_compiled import CompiledTorus
from hwmodels.fabric.torus_simpy import SimPyTorus
from hwmodels.fabric.torus_trees import Branch, flat_trees, unloaded_ps

ENGINES = {"reference": SimPyTorus, "compiled": CompiledTorus}
TIMING = Timing(cycle_ps=10, pipeline=5, wait_ps=2_000, link_ps=140, board_link_ps=360,
                receive_ps=50)  # fmt: skip
LATE = 10**9
#: Long enough for a packet that is put back again and again.
_SOON = 20_000


def carry(engine, shape, timing, branches, sent, ports=2, until=LATE):
    """Send ``(tree, port, time)``; gives the engine and what became of them."""
    built = ENGINES[engine](shape, timing, flat_trees(shape, branches), ports)
    sent = sorted(sent, key=lambda one: one[2])
    tree, port, time = np.array(sent, dtype=np.int64).reshape(-1, 3).T
    return built, built.run(tree, port, time, until)


def line(length, port=0):
    """A tree that goes east and ends at one core."""
    links = {k: [EAST] for k in range(length)}
    return Branch(0, links, {length: [port]})


def row(columns):
    """Chips in a ring along a row; chip ``k`` is in column ``k``."""
    return torus(columns, 1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("length", [0, 1, 3])
def test_an_unloaded_packet_takes_the_sum_of_its_parts(engine, length):
    _, fates = carry(engine, row(6), TIMING, [line(length)], [(0, 0, 1_000)])
    expected = (length + 1) * (3 + 5) * 10 + length * 140
    assert fates.time_ps.tolist() == [1_000 + expected]
    assert unloaded_ps(row(6), TIMING, flat_trees(row(6), [line(length)])).tolist() == [expected]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_link_carries_one_packet_a_link_delay(engine):
    fast = Timing(**(vars(TIMING) | {"receive_ps": 1, "wait_ps": FOREVER}))
    _, fates = carry(engine, row(6), fast, [line(2)], [(0, k % 2, 0) for k in range(30)])
    assert set(np.diff(fates.time_ps).tolist()) == {140}


@pytest.mark.parametrize("engine", ENGINES)
def test_links_between_boards_are_slower(engine):
    shape = boards(3)
    slow = shape.between_boards()
    chip = int(np.flatnonzero(slow[:, EAST] & ~slow[:, NORTH])[0])
    trees = [Branch(chip, {chip: [link]}, {int(shape.neighbour[chip, link]): [0]})
             for link in (EAST, NORTH)]  # fmt: skip
    _, fates = carry(engine, shape, TIMING, trees, [(0, 0, 0), (1, 0, 5_000)])
    assert (fates.time_ps - [0, 5_000]).tolist() == [160 + 360, 160 + 140]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_packet_leaves_only_when_all_its_outputs_are_free(engine):
    # Two copies, one to a core that is slow to receive: the other one has to wait as well.
    slow = Timing(**(vars(TIMING) | {"receive_ps": 1_000}))
    both = Branch(0, {0: [EAST]}, {0: [0], 1: [0]})
    _, fates = carry(engine, row(4), slow, [both], [(0, 0, 0), (0, 0, 0)])
    first, second = np.sort(fates.time_ps[fates.destination == 1])
    assert second - first == 1_000


@pytest.mark.parametrize("engine", ENGINES)
def test_a_blocked_packet_stops_all_behind_it_and_is_dropped_after_its_wait(engine):
    shape = row(4).with_dead([(0, EAST)])
    free = Branch(0, {0: [NORTH_EAST]}, {int(shape.neighbour[0, NORTH_EAST]): [0]})
    free = Branch(0, {}, {0: [1]})
    built, fates = carry(engine, shape, TIMING, [line(2), free], [(0, 0, 0), (1, 0, 0)])
    assert fates.dropped.tolist() == [0]
    assert fates.dropped_ps.tolist() == [80 + 2_000]
    # The one behind it leaves a cycle of the pipeline later than the one dropped, or more.
    assert fates.time_ps[0] > 80 + 2_000
    assert built.counted.drops.tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_wait_of_zero_drops_at_once_and_an_endless_one_never(engine):
    shape = row(4).with_dead([(0, EAST)])
    at_once = Timing(**(vars(TIMING) | {"wait_ps": 0}))
    never = Timing(**(vars(TIMING) | {"wait_ps": FOREVER}))
    assert carry(engine, shape, at_once, [line(1)], [(0, 0, 0)])[1].dropped_ps.tolist() == [80]
    assert not len(carry(engine, shape, never, [line(1)], [(0, 0, 0)])[1].dropped)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_packet_of_two_time_phases_ago_is_killed(engine):
    old = Timing(**(vars(TIMING) | {"phase_ps": 300, "receive_ps": 1}))
    built, fates = carry(engine, row(12), old, [line(1), line(3), line(9)],
                         [(0, 0, 0), (1, 0, 5_400), (2, 0, 10_800)])  # fmt: skip
    assert fates.packet.tolist() == [0]
    assert int(built.counted.aged.sum()) == 2
    assert int(built.counted.drops.sum()) == 0


DIVERTING = Timing(**(vars(TIMING) | {"emergency_ps": 1_000}))
REINJECTING = Timing(**(vars(TIMING) | {"poll_ps": 10_000, "read_ps": 300, "send_ps": 200}))


@pytest.mark.parametrize("engine", ENGINES)
def test_an_emergency_route_goes_round_a_link_in_two_legs(engine):
    # North-east is dead: east, and from there north.
    shape = torus(4, 4).with_dead([(0, NORTH_EAST)])
    there, beyond = shape.at(1, 1), shape.at(2, 2)
    way = Branch(0, {0: [NORTH_EAST], there: [NORTH_EAST]}, {there: [0], beyond: [0]})
    built, fates = carry(engine, shape, DIVERTING, [way], [(0, 0, 0)])
    detour = 2_000 + 3 * 80 + 2 * 140
    assert dict(zip(fates.destination.tolist(), fates.time_ps.tolist(), strict=True)) == {
        0: detour, 1: detour + 80 + 140
    }  # fmt: skip
    assert built.counted.diverted.tolist() == [1] + [0] * 15
    used = {(int(c), int(k)) for c, k in np.argwhere(built.counted.carried)}
    assert used == {(0, EAST), (shape.at(1, 0), NORTH), (there, NORTH_EAST)}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_combined_packet_is_both_a_copy_and_a_first_leg(engine):
    shape = torus(4, 4).with_dead([(0, NORTH_EAST)])
    east, there = shape.at(1, 0), shape.at(1, 1)
    both = Branch(0, {0: [EAST, NORTH_EAST]}, {east: [1], there: [0]})
    built, fates = carry(engine, shape, DIVERTING, [both], [(0, 0, 0)])
    assert sorted(fates.time_ps.tolist()) == [2_300, 2_520]
    assert int(built.counted.carried[0, EAST]) == 1, "one packet on the link"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("also", [(0, EAST), (1, NORTH)])
def test_what_finds_no_other_way_is_dropped_after_both_waits(engine, also):
    whole = torus(4, 4)
    shape = whole.with_dead([(0, NORTH_EAST), (whole.at(also[0], 0), also[1])])
    way = Branch(0, {0: [NORTH_EAST]}, {shape.at(1, 1): [0]})
    built, fates = carry(engine, shape, DIVERTING, [way], [(0, 0, 0)])
    assert fates.dropped_ps.tolist() == [80 + 2_000 + 1_000]
    assert int(built.counted.drops[0]) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_the_dump_register_holds_one_packet_and_counts_what_overflows_it(engine):
    # A wait of nothing drops three within its reading time: one is kept, two are lost.
    shape = row(4).with_dead([(0, EAST)])
    slow = Timing(**(vars(REINJECTING) | {"wait_ps": 0, "poll_ps": 2 * LATE}))
    built, fates = carry(engine, shape, slow, [line(2)], [(0, 0, 0)] * 3 + [(0, 0, 5_000)])
    assert int(built.counted.drops[0]) == 4
    assert int(built.counted.overflowed[0]) == 2
    assert len(fates.dropped) == 2, "the others are in the monitor's queue"
    full = Timing(**(vars(slow) | {"queue_room": 1}))
    built, fates = carry(engine, shape, full, [line(2)], [(0, 0, 0)] * 3 + [(0, 0, 5_000)])
    assert int(built.counted.queue_full[0]) == 1
    assert fates.dropped_ps.tolist()[-1] == 5_080 + 300, "when it is read"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_packet_that_was_dropped_is_put_back_when_the_router_moves(engine):
    # A core that takes long to receive blocks the second packet for longer than its wait.
    slow = Timing(**(vars(REINJECTING) | {"receive_ps": 9_000}))
    built, fates = carry(engine, row(4), slow, [line(0)], [(0, 0, 0), (0, 1, 0)])
    assert sorted(fates.time_ps.tolist()) == [80, 10_000 + 80]
    assert not len(fates.dropped)
    assert (int(built.counted.drops[0]), int(built.counted.reinjected[0])) == (1, 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_re_injection_saves_what_congestion_would_lose(engine):
    storm = [(k % 2, k % 2, 40 * k) for k in range(200)]
    shape, trees = row(4), [line(2), line(1, 1)]
    choked = Timing(**(vars(TIMING) | {"wait_ps": 60, "receive_ps": 400}))
    _, lost = carry(engine, shape, choked, trees, storm)
    saving = Timing(**(vars(choked) | {"poll_ps": 1_000, "read_ps": 30, "send_ps": 20}))
    built, fates = carry(engine, shape, saving, trees, storm)
    assert len(lost.dropped) > 50
    assert len(fates.dropped) < len(lost.dropped) / 2
    assert len(fates.packet) + len(fates.dropped) == 200
    np.testing.assert_array_equal(
        built.counted.drops,
        built.counted.reinjected + built.counted.overflowed + built.counted.queue_full,
    )


@pytest.mark.parametrize(
    ("code", "cycles"),
    [(0x00, 0), (0x10, 16), (0x0F, 15), (0x40, 240), (0x4F, 480), (0x50, 512), (0xFF, FOREVER),
     (0xFE, 30 << 15)],
)  # fmt: skip
def test_the_wait_is_an_eight_bit_float(code, cycles):
    assert wait_cycles(code) == cycles


def test_waits_ascend_with_their_code():
    waits = [wait_cycles(code) for code in range(0xFF)]
    assert all(a <= b for a, b in pairwise(waits))
    with pytest.raises(ModelError, match="8 bits"):
        wait_cycles(256)


def test_boards_are_hexagons_that_tile_the_torus():
    for count in (1, 3, 6, 12):
        shape = boards(count)
        assert shape.chips == 48 * count
        assert np.bincount(shape.board).tolist() == [48] * count
    one = boards(1)
    assert int(np.count_nonzero(one.neighbour < 0)) == 48, "8 links on each of 6 edges"
    assert not boards(3).between_boards().all()
    assert int(boards(3).between_boards().sum()) == 3 * 48
    with pytest.raises(ModelError, match="in threes"):
        boards(2)


def test_neighbours_see_each_other():
    for shape in (torus(4, 3), boards(1), boards(3)):
        for link in range(LINKS):
            there = shape.neighbour[:, link]
            back = np.where(there >= 0, shape.neighbour[there, opposite(link)], -1)
            np.testing.assert_array_equal(back[there >= 0], np.flatnonzero(there >= 0))


def test_a_tree_that_meets_itself_is_refused():
    with pytest.raises(ModelError, match="meets itself"):
        flat_trees(row(3), [Branch(0, {0: [EAST], 1: [EAST], 2: [EAST]}, {})])
    with pytest.raises(ModelError, match="leaves the machine"):
        flat_trees(boards(1), [Branch(boards(1).at(7, 7), {47: [EAST]}, {})])


@st.composite
def traffic(draw):
    """A torus, trees in it that branch, and packets enough to choke it."""
    shape = torus(draw(st.integers(2, 4)), draw(st.integers(2, 4)))
    number = st.integers(1, 12)
    wait = draw(st.sampled_from([0, FOREVER]) | st.integers(1, 80))
    timing = Timing(
        cycle_ps=draw(st.integers(1, 4)), pipeline=draw(st.integers(1, 6)), wait_ps=wait,
        link_ps=draw(number), board_link_ps=draw(number), receive_ps=draw(number),
        phase_ps=draw(st.sampled_from([0, 0, 60])), output_room=draw(st.integers(1, 2)),
        input_room=draw(st.integers(1, 2)), source_room=draw(st.integers(0, 2)),
        arbiter_room=(1, draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        emergency_ps=draw(st.sampled_from([0, 0, 1, 30])),
        poll_ps=draw(st.sampled_from([0, 7, 40])), read_ps=draw(number),
        send_ps=draw(number), queue_room=draw(st.integers(1, 3)),
    )  # fmt: skip
    ports = draw(st.integers(1, 3))
    dead = draw(st.lists(st.tuples(st.integers(0, shape.chips - 1), st.integers(0, 5)), max_size=2))
    branches = []
    for _ in range(draw(st.integers(1, 6))):
        root = draw(st.integers(0, shape.chips - 1))
        reached, links, cores = [root], {}, {}
        for _ in range(draw(st.integers(0, 7))):
            at, link = draw(st.sampled_from(reached)), draw(st.integers(0, 5))
            there = int(shape.neighbour[at, link])
            if there not in reached:
                reached.append(there)
                links.setdefault(at, []).append(link)
        for at in draw(st.sets(st.sampled_from(reached), min_size=1)):
            cores[at] = sorted(draw(st.sets(st.integers(0, ports - 1), min_size=1)))
        branches.append(Branch(root, links, cores))
    # Drawn as a seed, since hypothesis alone hardly ever makes lists long enough to choke anything.
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(0, 120))
    columns = (rng.integers(0, high, n) for high in (len(branches), ports, 40))
    sent = np.stack([*columns], axis=1).tolist()
    return shape.with_dead(dead), timing, branches, ports, sent


@settings(max_examples=60, deadline=None)
@given(traffic(), st.integers(1, 300))
def test_both_engines_give_every_copy_the_same_fate(case, cut):
    shape, timing, branches, ports, sent = case
    copies = flat_trees(shape, branches).copies()
    order = sorted(sent, key=lambda one: one[2])
    none = np.empty(0, dtype=np.int64)
    results = []
    for engine in ENGINES:
        built, first = carry(engine, shape, timing, branches, sent, ports, 41 + cut)
        second = built.run(none, none, none, _SOON if timing.poll_ps else LATE)
        fates = [np.concatenate(both) for both in zip(first, second, strict=True)]
        arrived = sorted(zip(*fates[:3], strict=True))
        dropped = sorted(zip(*fates[3:6], strict=True))
        refused = sorted(fates[6].tolist())
        results.append(
            (arrived, dropped, refused, *(x.tolist() for x in vars(built.counted).values()))
        )
        # Every copy arrives once, is dropped once, or its packet was never sent.
        known = [(p, d) for p, d, _ in arrived + dropped]
        assert len(set(known)) == len(known)
        gone = set(refused)
        expected = sum(int(copies[t]) for k, (t, _, _) in enumerate(order) if k not in gone)
        if timing.poll_ps and shape.dead.any():  # what no link takes is put back for ever
            assert len(known) <= expected
        elif timing.wait_ps != FOREVER:  # an endless wait may deadlock, as on the chip
            assert len(known) == expected
            if timing.poll_ps:
                gone = (
                    built.counted.reinjected + built.counted.overflowed + built.counted.queue_full
                )
                np.testing.assert_array_equal(built.counted.drops, gone)
    assert results[0] == results[1]
