"""A mesh under pressure: stopped half-way, with receivers that never take, with shared ports."""

from __future__ import annotations

from itertools import pairwise

import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.fabric.mesh import Mesh, MeshTimes, Packet
from tests.hwmodels.test_mesh import meshes, runs, send, zero_load_ps


class Watched:
    """A mesh of which every entry and delivery is noted by the test itself."""

    def __init__(self, times: MeshTimes, traffic, take: bool = True):
        self.env = simpy.Environment()
        self.mesh = Mesh(self.env, times, self._deliver)
        self.take = take
        self.entered: list[Packet] = []
        self.left: list[Packet] = []
        senders: dict = {}
        for number, (at, x, y, port, to_x, to_y, to_port) in enumerate(traffic):
            packet = Packet(to_x, to_y, to_port, number)
            senders.setdefault((x, y, port), []).append((at, packet))
        for (x, y, port), rows in senders.items():
            self.env.process(self._sender(x, y, port, sorted(rows, key=lambda row: row[0])))

    def _sender(self, x, y, port, rows):
        for at, packet in rows:
            if 2 * at > self.env.now:
                yield self.env.timeout(2 * at - self.env.now)
            yield from self.mesh.inject(x, y, port, packet)
            self.entered.append(packet)

    def _deliver(self, packet: Packet) -> None:
        self.left.append(packet)
        if self.take:
            self.mesh.release(packet)

    def inside(self) -> list[Packet]:
        """Packets that stand in a FIFO."""
        return [packet for fifo in self.fifos() for packet in fifo.packets]

    def fifos(self):
        times = self.mesh.times
        for x in range(times.columns):
            for y in range(times.rows):
                yield from self.mesh.router(x, y).inputs


@given(runs(), st.lists(st.integers(1, 400), min_size=1, max_size=6).map(sorted))
@settings(max_examples=60, deadline=None)
def test_at_every_instant_what_entered_has_left_or_is_inside(run, stops):
    times, traffic, _ = run
    watched = Watched(times, traffic)
    for stop in stops:
        if 2 * stop > watched.env.now:
            watched.env.run(until=2 * stop)
        entered, left = watched.entered, watched.left
        assert len(set(left)) == len(left), "delivered twice"
        assert set(left) <= set(entered)
        assert watched.mesh.in_flight == len(entered) - len(left)
        standing = watched.inside()
        assert len(set(standing)) == len(standing), "in two places at once"
        assert set(standing) <= set(entered) - set(left)
        assert all(len(fifo.packets) <= fifo.depth for fifo in watched.fifos())
    watched.env.run()
    assert {packet.tag for packet in watched.left} == set(range(len(traffic)))


@given(runs())
@settings(max_examples=60, deadline=None)
def test_a_receiver_that_never_takes_stops_its_senders_and_loses_nothing(run):
    times, traffic, _ = run
    watched = Watched(times, traffic, take=False)
    watched.env.run()
    ports: dict = {}
    for packet in watched.left:
        ports.setdefault((packet.x, packet.y, packet.port), []).append(packet)
    assert all(len(packets) <= times.port_depth for packets in ports.values())
    # Nothing is on a link any more: what has not left stands in a FIFO.
    assert set(watched.inside()) == set(watched.entered) - set(watched.left)


@given(
    st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(1, 20), st.integers(1, 20)
)
@settings(max_examples=60, deadline=None)
def test_back_pressure_accepts_exactly_what_all_fifos_on_the_way_hold(
    columns, link_depth, port_depth, latency, cycle
):
    times = MeshTimes(columns, 1, 1, latency, latency, cycle, cycle, link_depth, port_depth)
    room = port_depth + columns * link_depth
    watched = Watched(times, [(0, 0, 0, 0, columns - 1, 0, 0)] * (room + 5), take=False)
    watched.env.run()
    assert len(watched.entered) == room
    assert len(watched.left) == port_depth


@given(runs())
@settings(max_examples=60, deadline=None)
def test_no_fifo_is_ever_fuller_than_deep_and_links_count_all_hops(run):
    times, traffic, service = run
    mesh, packets = send(times, traffic, service)
    links = mesh.links()
    ports = (links["x"] == links["to_x"]) & (links["y"] == links["to_y"])
    assert links["max_queue"][~ports].max(initial=0) <= times.link_depth
    assert links["max_queue"][ports].max(initial=0) <= times.port_depth
    assert int(links["packets"][~ports].sum()) == sum(packet.hops for packet in packets)
    assert int(links["packets"][ports].sum()) == len(traffic)


@given(meshes(), st.data())
@settings(max_examples=60, deadline=None)
def test_alone_a_packet_takes_exactly_its_zero_load_latency(times, data):
    column, row = st.integers(0, times.columns - 1), st.integers(0, times.rows - 1)
    port = st.integers(0, times.ports - 1)
    ends = data.draw(st.tuples(column, row, port, column, row, port))
    journey = (7, *ends)
    _, (packet,) = send(times, [journey])
    assert packet.inject_ps == 7
    assert packet.arrive_ps == 7 + zero_load_ps(times, journey)


@given(st.integers(2, 5), st.integers(1, 30), st.integers(1, 30), st.integers(2, 12))
@settings(max_examples=60, deadline=None)
def test_a_burst_from_one_port_arrives_one_packet_each_link_cycle(columns, latency, cycle, n):
    # Deep FIFOs: only the cycle of the link limits. Latency and cycle are independent.
    times = MeshTimes(columns, 1, 1, latency, latency, cycle, cycle, link_depth=64, port_depth=64)
    _, packets = send(times, [(0, 0, 0, 0, columns - 1, 0, 0)] * n)
    first = (columns - 1) * latency
    assert [p.arrive_ps for p in packets] == [first + k * cycle for k in range(n)]


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 40), st.integers(2, 10))
@settings(max_examples=60, deadline=None)
def test_a_link_with_one_place_waits_for_its_credit(latency, cycle, credit, n):
    times = MeshTimes(2, 1, 1, latency, latency, cycle, cycle, 1, port_depth=64, credit_ps=credit)
    _, packets = send(times, [(0, 0, 0, 0, 1, 0, 0)] * n)
    between = max(cycle, latency + credit)
    assert [p.arrive_ps for p in packets] == [latency + k * between for k in range(n)]


@given(st.integers(1, 30), st.integers(1, 30), st.integers(2, 10))
@settings(max_examples=60, deadline=None)
def test_two_flows_that_share_a_link_alternate(latency, cycle, n):
    # One flow comes from the left end, one enters half-way when the first one is there.
    times = MeshTimes(3, 1, 1, latency, latency, cycle, cycle, link_depth=64, port_depth=64)
    traffic = [(0, 0, 0, 0, 2, 0, 0)] * n + [(latency, 1, 0, 0, 2, 0, 0)] * n
    _, packets = send(times, traffic)
    flows = [p.tag < n for p in sorted(packets, key=lambda p: p.arrive_ps)]
    assert all(one != next_one for one, next_one in pairwise(flows))
    arrivals = sorted(p.arrive_ps for p in packets)
    assert arrivals == [2 * latency + k * cycle for k in range(2 * n)]


@given(st.integers(2, 5), st.integers(1, 3), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_senders_that_share_an_injection_port_all_get_in(senders, each, depth):
    env = simpy.Environment()
    delivered = []

    def deliver(packet):
        delivered.append(packet.tag)
        mesh.release(packet)

    mesh = Mesh(env, MeshTimes(2, 1, 1, 3, 3, 5, 5, depth, 1), deliver)

    def sender(name):
        for k in range(each):
            yield from mesh.inject(0, 0, 0, Packet(1, 0, 0, (name, k)))

    for name in range(senders):
        env.process(sender(name))
    env.run()
    assert sorted(delivered) == [(name, k) for name in range(senders) for k in range(each)]


@given(runs())
@settings(max_examples=30, deadline=None)
def test_the_same_traffic_twice_gives_the_same_times(run):
    times, traffic, service = run
    first, second = (send(times, traffic, service) for _ in range(2))
    assert [p.arrive_ps for p in first[1]] == [p.arrive_ps for p in second[1]]
    assert first[0].links().tolist() == second[0].links().tolist()
