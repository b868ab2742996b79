"""What holds in a mesh whatever the traffic: nothing is lost, too fast, or overtakes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.errors import ModelError
from hwmodels.fabric.mesh import Mesh, MeshTimes, Packet

LOIHI = MeshTimes(
    columns=8, rows=4, ports=5, row_latency_ps=4100, column_latency_ps=6500,
    row_cycle_ps=4100, column_cycle_ps=6500, link_depth=16, port_depth=32,
)  # fmt: skip


def send(times: MeshTimes, traffic, service_ps: int = 0, shuffle: int | None = None):
    """Carry (time, from x, y, port, to x, y, port) rows; packets in the order of the rows.

    Senders of one port take their rows in order; every port's receiver takes ``service_ps`` for
    a packet. ``shuffle`` changes the order in which the processes are made.
    """
    env = simpy.Environment()
    queues: dict = {}

    def deliver(packet):
        queue = queues.setdefault((packet.x, packet.y, packet.port), [])
        queue.append(packet)
        if len(queue) == 1:
            env.process(serve(queue))

    def serve(queue):
        while queue:
            mesh.release(queue[0])
            if service_ps:
                yield env.timeout(2 * service_ps)
            queue.pop(0)

    def sender(x, y, port, rows):
        for at, packet in rows:
            if 2 * at > env.now:
                yield env.timeout(2 * at - env.now)
            yield from mesh.inject(x, y, port, packet)

    mesh = Mesh(env, times, deliver)
    packets, senders = [], {}
    for number, (at, x, y, port, to_x, to_y, to_port) in enumerate(traffic):
        packet = Packet(to_x, to_y, to_port, number)
        packets.append(packet)
        senders.setdefault((x, y, port), []).append((at, packet))
    order = list(senders)
    if shuffle is not None:
        np.random.default_rng(shuffle).shuffle(order)
    for x, y, port in order:
        env.process(sender(x, y, port, sorted(senders[x, y, port], key=lambda row: row[0])))
    env.run()
    return mesh, packets


def zero_load_ps(times: MeshTimes, row) -> int:
    _, x, y, _, to_x, to_y, _ = row
    return abs(to_x - x) * times.row_latency_ps + abs(to_y - y) * times.column_latency_ps


@st.composite
def meshes(draw):
    small = st.integers(1, 9)
    return MeshTimes(
        columns=draw(st.integers(1, 4)), rows=draw(st.integers(1, 4)), ports=2,
        row_latency_ps=draw(small), column_latency_ps=draw(small),
        row_cycle_ps=draw(small), column_cycle_ps=draw(small),
        link_depth=draw(st.integers(1, 4)), port_depth=draw(st.integers(1, 4)),
        credit_ps=draw(st.integers(1, 3)),
    )  # fmt: skip


@st.composite
def traffic_on(draw, times: MeshTimes):
    hot_spot = draw(st.booleans())
    column, row = st.integers(0, times.columns - 1), st.integers(0, times.rows - 1)
    port = st.integers(0, times.ports - 1)
    to = (draw(column), draw(row), draw(port))
    anywhere = st.just(to) if hot_spot else st.tuples(column, row, port)
    rows = st.tuples(st.integers(0, 40), column, row, port, anywhere)
    return [(*r[:4], *r[4]) for r in draw(st.lists(rows, max_size=60))]


@st.composite
def runs(draw):
    times = draw(meshes())
    return times, draw(traffic_on(times)), draw(st.sampled_from([0, 1, 7, 50]))


@given(runs())
@settings(max_examples=150, deadline=None)
def test_every_packet_arrives_once_and_every_credit_comes_home(run):
    times, traffic, service = run
    mesh, packets = send(times, traffic, service)
    assert mesh.injected == mesh.delivered == len(traffic)
    assert mesh.in_flight == 0
    assert all(packet.arrive_ps >= 0 for packet in packets)
    for x, y in itertools.product(range(times.columns), range(times.rows)):
        router = mesh.router(x, y)
        assert not any(fifo.packets for fifo in router.inputs)
        assert all(o.credits == o.total for o in router.outputs if o is not None)


@given(runs())
@settings(max_examples=150, deadline=None)
def test_no_packet_is_faster_than_its_zero_load_latency(run):
    times, traffic, service = run
    _, packets = send(times, traffic, service)
    for packet, row in zip(packets, traffic, strict=True):
        assert packet.inject_ps >= row[0]
        assert packet.arrive_ps - packet.inject_ps >= zero_load_ps(times, row)
        assert packet.hops == abs(row[4] - row[1]) + abs(row[5] - row[2])


@given(runs())
@settings(max_examples=100, deadline=None)
def test_packets_between_two_ports_never_overtake(run):
    times, traffic, service = run
    _, packets = send(times, traffic, service)
    pairs: dict = {}
    for packet, row in zip(packets, traffic, strict=True):
        pairs.setdefault(row[1:], []).append((packet.inject_ps, packet.arrive_ps))
    for journeys in pairs.values():
        arrivals = [arrive for _, arrive in sorted(journeys)]
        assert arrivals == sorted(arrivals)
        assert len(set(arrivals)) == len(arrivals)


@given(runs(), st.integers(0, 10))
@settings(max_examples=100, deadline=None)
def test_times_do_not_depend_on_the_order_of_processes(run, shuffle):
    times, traffic, service = run
    _, first = send(times, traffic, service)
    _, second = send(times, traffic, service, shuffle=shuffle)
    assert [(p.inject_ps, p.arrive_ps) for p in first] == [
        (p.inject_ps, p.arrive_ps) for p in second
    ]


@given(st.integers(0, 7), st.integers(0, 3), st.integers(0, 7), st.integers(0, 3))
def test_a_lonely_packet_takes_the_sum_of_its_hops(x, y, to_x, to_y):
    _, (packet,) = send(LOIHI, [(5, x, y, 0, to_x, to_y, 3)])
    assert packet.arrive_ps == 5 + abs(to_x - x) * 4100 + abs(to_y - y) * 6500


def test_packets_that_start_together_arrive_as_a_ramp_of_link_cycles():
    _, packets = send(LOIHI, [(0, 0, 0, 0, 3, 0, 0)] * 10)
    arrivals = [p.arrive_ps for p in packets]
    assert arrivals == [3 * 4100 + k * 4100 for k in range(10)]


def test_a_spike_that_finds_its_link_busy_waits_one_cycle_for_each_packet_ahead():
    # Three ports of one router want the same link at once: round robin from port 0.
    traffic = [(0, 0, 0, port, 0, 1, 0) for port in range(3)]
    _, packets = send(LOIHI, traffic)
    assert [p.arrive_ps for p in packets] == [6500, 13000, 19500]


def test_a_full_receiver_holds_up_its_sender():
    times = MeshTimes(2, 1, 1, 10, 10, 1, 1, link_depth=2, port_depth=2)
    mesh, packets = send(times, [(0, 0, 0, 0, 1, 0, 0)] * 40, service_ps=1000)
    waits = [p.inject_ps for p in packets]
    # Port, link and injection FIFOs hold 2 each and one is served: the eighth packet waits.
    assert max(waits[:7]) < 100
    assert np.all(np.diff(waits[8:]) == 1000)
    assert max(row["max_queue"] for row in mesh.links()) == 2


def test_a_router_serves_its_inputs_in_turn():
    times = MeshTimes(3, 1, 1, 1, 1, 1, 1, link_depth=4, port_depth=4)
    traffic = [(0, 0, 0, 0, 1, 0, 0)] * 5 + [(0, 2, 0, 0, 1, 0, 0)] * 5
    _, packets = send(times, traffic)
    by_time = sorted(packets, key=lambda p: p.arrive_ps)
    sides = ["west" if p.tag < 5 else "east" for p in by_time]
    assert sides == ["east", "west"] * 5 or sides == ["west", "east"] * 5


def test_with_a_clock_a_router_waits_for_its_edges():
    times = replace(LOIHI, row_latency_ps=12, row_cycle_ps=4, clock_ps=10)
    _, packets = send(times, [(3, 0, 0, 0, 2, 0, 0), (3, 0, 0, 1, 2, 0, 0), (11, 0, 0, 2, 2, 0, 0)])
    # Granted at 10, 20 (all links are free again by then) and 30; there after 12 more, and so on.
    assert [p.inject_ps for p in packets] == [3, 3, 11]
    assert [p.arrive_ps for p in packets] == [50, 60, 70]


@given(runs(), st.integers(2, 30))
@settings(max_examples=100, deadline=None)
def test_with_a_clock_every_packet_arrives_at_an_edge_and_none_is_too_fast(run, clock):
    times, traffic, service = run
    times = replace(times, clock_ps=clock)
    _, packets = send(times, traffic, service)
    for packet, row in zip(packets, traffic, strict=True):
        assert packet.arrive_ps % clock == 0
        hops = abs(row[4] - row[1]), abs(row[5] - row[2])
        latencies = times.edge_ps(times.row_latency_ps), times.edge_ps(times.column_latency_ps)
        least = times.edge_ps(packet.inject_ps) + np.dot(hops, latencies)
        assert packet.arrive_ps >= least
        if len(traffic) == 1:
            assert packet.arrive_ps == least


def test_links_count_what_crossed_them():
    mesh, packets = send(LOIHI, [(k * 10_000, 0, 0, 0, 2, 1, 0) for k in range(4)])
    links = mesh.links()
    crossed = links[(links["x"] != links["to_x"]) | (links["y"] != links["to_y"])]
    used = crossed[crossed["packets"] > 0]
    assert used["packets"].tolist() == [4, 4, 4]
    assert int(crossed["packets"].sum()) == sum(p.hops for p in packets)
    assert sorted(used["busy_ps"].tolist()) == [4 * 4100, 4 * 4100, 4 * 6500]


@pytest.mark.parametrize("name", ["columns", "link_depth", "row_latency_ps", "credit_ps"])
def test_a_mesh_needs_positive_numbers(name):
    with pytest.raises(ModelError, match=f"{name} must be at least 1"):
        MeshTimes(**(vars(LOIHI) | {name: 0}))
