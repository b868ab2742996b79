"""Sweeps, messages, receive queues and the barrier of cores on a mesh."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.fabric.mesh import MeshTimes
from hwmodels.fabric.messages import HOST
from hwmodels.fabric.multicore import EVENT_ENGINES, CoreTimes, MulticoreTransport
from hwmodels.mapping import Placement
from hwmodels.mapping.placement import build_axons
from tests.hwmodels.networks import cells, network, source, synapses

TIMES = CoreTimes(
    visit_ps=6000, update_ps=3700, spike_ps=30_000, message_out_ps=5100, message_in_ps=16_000,
    synapse_dense_ps=3800, synapse_sparse_ps=4700,
)  # fmt: skip
MESH = MeshTimes(
    columns=3, rows=2, ports=3, row_latency_ps=4100, column_latency_ps=6500,
    row_cycle_ps=4100, column_cycle_ps=6500, link_depth=16, port_depth=32,
)  # fmt: skip


def transport(core_of, pairs, fidelity="reference", mesh=MESH, sources=0, units=1, **options):
    """Cells on the cores given; pairs are (pre, post) by global number, sources come last."""
    core_of = np.array([*core_of, *[-1] * sources], dtype=np.int32)
    n = len(core_of) - sources
    populations = [cells(n)]
    here = [(a, b) for a, b in pairs if a < n]
    projections = [synapses(0, 0, here, n_pre=n)]
    if sources:
        populations.append(source(*[[]] * sources))
        outside = [(a - n, b) for a, b in pairs if a >= n]
        projections.append(synapses(1, 0, outside, n_pre=sources))
    net = network(*populations, projections=projections)
    n_cores = int(core_of.max()) + 1
    cores = np.arange(n_cores)
    routers = cores // (mesh.ports - 1)
    place = np.zeros(len(core_of), dtype=np.int64)
    for core in cores:
        place[core_of == core] = np.arange(np.count_nonzero(core_of == core))
    placement = Placement(
        core_of=core_of,
        position=np.stack([routers // mesh.rows, routers % mesh.rows], 1).astype(np.int16),
        neurons=np.bincount(core_of[:n], minlength=n_cores),
        synapses=np.zeros(n_cores, dtype=np.int64),
        memory=np.zeros(n_cores, dtype=np.int64),
        axons=build_axons(net, core_of, place),
    )
    units_of = np.where(core_of >= 0, units, 0)
    return MulticoreTransport(placement, units_of, mesh, TIMES, 1000, fidelity, **options)


def run(fabric, *steps):
    for number, fired in enumerate(steps, 1):
        fabric.step(number, np.array(fired, dtype=np.int64), None)
    return fabric


BOTH = pytest.mark.parametrize("fidelity", ["reference", "compiled", "analytic"])


@BOTH
def test_a_silent_step_is_the_longest_sweep_and_the_overhead(fidelity):
    fabric = run(transport([0, 0, 0, 1], [], fidelity), [], [])
    assert fabric.step_ps == [3 * 9700 + 1000] * 2


@BOTH
def test_a_cell_that_is_not_updated_costs_only_its_visit(fidelity):
    fabric = transport([0, 0], [], fidelity)
    fabric.step(1, np.empty(0, dtype=np.int64), np.array([True, False]))
    assert fabric.step_ps == [2 * 6000 + 3700 + 1000]
    assert (fabric.operations.visits, fabric.operations.updates) == (2, 1)


@BOTH
def test_a_message_leaves_after_its_cell_and_is_served_on_arrival(fidelity):
    # Core 0 to core 2: the next router to the north.
    fabric = run(transport([0, 0, 2, 2], [(0, 2), (0, 3)], fidelity), [0])
    (packet,) = fabric.packets
    sent = 9700 + 30_000 + 5100
    assert packet["inject_ps"] == sent
    assert packet["arrive_ps"] == sent + 6500
    assert packet["synapses"] == 2
    assert fabric.step_ps == [sent + 6500 + 16_000 + 2 * 3800 + 1000]


@BOTH
def test_targets_that_are_no_run_of_neighbours_cost_an_indexed_list(fidelity):
    fabric = run(transport([0, 2, 2, 2], [(0, 1), (0, 3)], fidelity), [0])
    assert fabric.operations.synapses_sparse == 2
    assert fabric.step_ps[0] == 9700 + 30_000 + 5100 + 6500 + 16_000 + 2 * 4700 + 1000


@BOTH
def test_a_core_sends_its_messages_one_after_another(fidelity):
    fabric = run(transport([0, 1, 2, 3], [(0, 1), (0, 2), (0, 3)], fidelity), [0])
    packets = np.sort(fabric.packets, order="destination_core")
    assert np.diff(packets["inject_ps"]).tolist() == [5100, 5100]


@BOTH
def test_two_messages_to_one_core_are_served_one_after_the_other(fidelity):
    fabric = run(transport([0, 2, 4], [(0, 1), (2, 1)], fidelity), [0, 2])
    first, second = np.sort(fabric.packets["arrive_ps"])
    assert second - first < 16_000 + 3800
    assert fabric.step_ps[0] == first + 2 * (16_000 + 3800) + 1000


@BOTH
def test_spikes_of_sources_enter_from_the_host(fidelity):
    fabric = run(transport([0, 4], [(2, 1)], fidelity, sources=1), [2, 2])
    packets = fabric.packets
    assert packets["source_core"].tolist() == [HOST, HOST]
    assert packets["inject_ps"].tolist() == [5100, 2 * 5100]
    assert packets["hops"].tolist() == [1, 1]
    assert fabric.operations.spikes == 0


def test_the_host_can_sit_elsewhere():
    fabric = run(transport([0, 4], [(2, 1)], sources=1, host=(2, 1)), [2])
    assert fabric.packets["hops"].tolist() == [2]


def test_a_free_fabric_takes_no_time_and_counts_everything():
    pairs = [(0, 1), (0, 2), (1, 3)]
    timed = run(transport([0, 1, 2, 3], pairs), [0, 1], [])
    free = run(transport([0, 1, 2, 3], pairs, "free"), [0, 1], [])
    assert free.step_ps == [0, 0]
    assert free.operations == timed.operations
    assert np.all(free.packets["arrive_ps"] == free.packets["inject_ps"])


def test_nothing_is_computed_at_time_zero():
    fabric = transport([0, 0], [])
    assert fabric.step(0, np.empty(0, dtype=np.int64), np.zeros(2, dtype=bool)) is None
    assert fabric.step_ps == [0]
    assert fabric.operations.visits == 0


@st.composite
def traffic(draw):
    n = draw(st.integers(2, 12))
    core_of = draw(st.lists(st.integers(0, 11), min_size=n, max_size=n))
    cell = st.integers(0, n - 1)
    pairs = draw(st.lists(st.tuples(st.integers(0, n), cell), max_size=30, unique=True))
    fired = st.lists(st.integers(0, n), max_size=n + 1, unique=True).map(sorted)
    return core_of, pairs, draw(st.lists(fired, min_size=1, max_size=4))


@given(traffic(), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_some_axons_at_a_time_count_what_all_together_do(case, axons):
    core_of, pairs, steps = case
    fabric = run(transport(core_of, pairs, "analytic", sources=1), *steps)
    counted = fabric.operations, fabric.busy_ps.tolist()
    with mock.patch("hwmodels.fabric.multicore._AT_ONCE", axons):
        assert (fabric.operations, fabric.busy_ps.tolist()) == counted
    assert counted[0].messages_out == len(fabric.packets)


@given(traffic())
@settings(max_examples=60, deadline=None)
def test_events_and_closed_form_do_the_same_work(case):
    core_of, pairs, steps = case
    event = run(transport(core_of, pairs, "reference", sources=1), *steps)
    closed = run(transport(core_of, pairs, "analytic", sources=1), *steps)
    assert event.operations == closed.operations
    assert np.array_equal(event.busy_ps, closed.busy_ps)
    key = ["step", "source", "destination_core"]
    a, b = np.sort(event.packets, order=key), np.sort(closed.packets, order=key)
    for name in ("step", "source", "source_core", "destination_core", "synapses", "hops"):
        assert np.array_equal(a[name], b[name])
    # Contention can only make a packet later than it is alone.
    latency = a["arrive_ps"] - a["inject_ps"]
    assert np.all(latency >= b["arrive_ps"] - b["inject_ps"])
    counted = []
    for fabric in (event, closed):
        links = fabric.links()
        links = links[(links["x"] != links["to_x"]) | (links["y"] != links["to_y"])]
        used = links[links["packets"] > 0]
        counted.append({tuple(row)[:5] for row in used.tolist()})
    assert counted[0] == counted[1]


@pytest.mark.parametrize("engine", sorted(EVENT_ENGINES))
@pytest.mark.parametrize("period_ps", [None, 30_000])
@given(case=traffic())
@settings(max_examples=25, deadline=None)
def test_every_engine_equals_the_reference_packet_for_packet(engine, period_ps, case):
    core_of, pairs, steps = case
    options = {"sources": 1, "period_ps": period_ps, "mesh": replace(MESH, link_depth=2)}
    reference = run(transport(core_of, pairs, **options), *steps)
    other = run(transport(core_of, pairs, engine, **options), *steps)
    assert np.array_equal(reference.packets, other.packets)
    assert reference.operations == other.operations
    assert np.array_equal(reference.links(), other.links())
    assert reference.step_ps == other.step_ps


@given(traffic())
@settings(max_examples=40, deadline=None)
def test_steps_under_a_barrier_do_not_disturb_each_other(case):
    core_of, pairs, steps = case
    one_port_at_a_time = replace(MESH, link_depth=1, port_depth=1)
    together = run(transport(core_of, pairs, mesh=one_port_at_a_time, sources=1), *steps)
    silence_between = [s for step in steps for s in (step, [])]
    apart = run(transport(core_of, pairs, mesh=one_port_at_a_time, sources=1), *silence_between)
    assert together.step_ps == apart.step_ps[::2]


@given(traffic(), st.sampled_from(["compiled", "analytic", "free"]), st.booleans(), st.data())
@settings(max_examples=60, deadline=None)
def test_several_steps_at_once_are_what_one_by_one_they_are(case, fidelity, kept, data):
    core_of, pairs, steps = case
    if data.draw(st.booleans()):
        core_of = sorted(core_of)  # cells that lie in the order of the sweeps
    units = data.draw(st.sampled_from([1, 2])) if data.draw(st.booleans()) else np.arange(
        1, len(core_of) + 2)  # fmt: skip
    n = len(core_of) + 1
    row = st.lists(st.booleans(), min_size=n, max_size=n)
    active = None if data.draw(st.booleans()) else np.array([data.draw(row) for _ in steps])
    # Spike sources may spike twice in a step.
    steps = [sorted([*fired, *[n - 1] * data.draw(st.integers(0, 2))]) for fired in steps]
    make = {"sources": 1, "units": units, "keep_packets": kept}
    one_by_one, at_once = (transport(core_of, pairs, fidelity, **make) for _ in range(2))
    for number, fired in enumerate(steps, 1):
        updated = np.ones(n, dtype=bool) if active is None else active[number - 1]
        one_by_one.step(number, np.array(fired, dtype=np.int64), updated)
    starts = np.cumsum([0, *map(len, steps)])
    fired = np.array([cell for fired in steps for cell in fired], dtype=np.int64)
    with mock.patch("hwmodels.fabric.multicore._AT_ONCE", data.draw(st.integers(1, 60))):
        at_once.steps(1, starts, fired, active)
    assert one_by_one.step_ps == at_once.step_ps
    assert one_by_one.operations == at_once.operations
    assert np.array_equal(one_by_one.packets, at_once.packets)
    assert np.array_equal(one_by_one.busy_ps, at_once.busy_ps)
    assert np.array_equal(one_by_one.links(), at_once.links())


@given(traffic(), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_free_running_steps_lose_nothing(case, periods):
    core_of, pairs, steps = case
    fabric = transport(core_of, pairs, sources=1, period_ps=periods * 20_000)
    held: set = set()
    for number, fired in enumerate([*steps, *[[]] * 200], 1):
        transit = fabric.step(number, np.array(fired, dtype=np.int64), None)
        if transit is not None:
            for row in transit.arrived:
                key = (row["step"], row["source"], row["destination_core"])
                assert key in held
                held.remove(key)
                assert row["late_steps"] == number - row["step"] > 0
            held |= {(r["step"], r["source"], r["destination_core"]) for r in transit.held}
    if not held:
        barrier = run(transport(core_of, pairs, sources=1), *steps)
        assert len(fabric.packets) == len(barrier.packets)
        assert np.all(fabric.packets["arrive_ps"] >= 0)


def test_a_free_running_packet_is_late_by_whole_steps():
    fabric = transport([0, 2], [(0, 1)], period_ps=20_000)
    transits = [fabric.step(k, np.array([0] if k == 1 else [], dtype=np.int64), None)
                for k in range(1, 5)]  # fmt: skip
    assert transits[0].held["source"].tolist() == [0]
    # Sent after 44.8 ns, one hop to the north: at 51.3 ns, in the third step of 20 ns.
    assert transits[1] is None
    assert transits[2].arrived["late_steps"].tolist() == [2]
    assert fabric.packets["arrive_ps"].tolist() == [51_300]
    assert fabric.step_ps == [20_000] * 4


def test_a_free_running_packet_under_way_at_the_end_has_not_arrived():
    fabric = transport([0, 2], [(0, 1)], period_ps=20_000)
    fabric.step(1, np.array([0]), None)
    assert fabric.packets["arrive_ps"].tolist() == [-1]


def test_an_overrun_sweep_delays_the_next_one_of_its_core():
    fabric = transport([0, 0, 2], [(1, 2)], period_ps=10_000)
    fabric.step(1, np.empty(0, dtype=np.int64), None)
    fabric.step(2, np.array([1]), None)
    for k in range(3, 12):
        fabric.step(k, np.empty(0, dtype=np.int64), np.zeros(3, dtype=bool))
    # The first sweep takes 19.4 ns; the second one begins then, not at 10 ns.
    assert fabric.packets["inject_ps"].tolist() == [19_400 + 19_400 + 30_000 + 5100]


def test_the_closed_form_knows_late_packets_too():
    fabric = transport([0, 2], [(0, 1)], "analytic", period_ps=20_000)
    transit = fabric.step(1, np.array([0]), None)
    assert transit.delayed["late_steps"].tolist() == [2]
