"""The loop between neurons and fabric: order, delays, late and lost packets, several runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chip import Transit, Translation, at_once, in_time_only, postponed
from hwmodels.chips.loihi import Loihi
from hwmodels.lockstep import LockstepRun
from hwmodels.network import SpikeTrains, to_delay_steps
from hwmodels.result import CORE, ENERGY, LINK, PACKET, QUANTISATION, HardwareReport
from tests.hwmodels.networks import cells, network, random_network, source, synapses

NO_CELLS = np.empty(0, dtype=np.int64)


class Scripted:
    """Neurons that fire by a script and remember what arrived."""

    def __init__(self, script=None):
        self.script = script or {}
        self.seen: list[tuple[int, int, list[int]]] = []

    def step(self, step, arrivals):
        self.seen += [(step, a.projection, a.synapses.tolist()) for a in arrivals]
        return np.array(self.script.get(step, []), dtype=np.int64)

    def active(self):
        return None

    def sample(self, population, variable, cells):
        return np.zeros(len(cells))

    def update(self, network):
        self.network = network

    def counts(self):
        return {}


class Fabric:
    """A transport that gives back what it is told."""

    def __init__(self, transits=None, late=at_once):
        self.late = late
        self.transits = transits or {}
        self.fired: list[list[int]] = []

    def step(self, step, fired, active):
        self.fired.append(fired.tolist())
        return self.transits.get(step)

    def report(self, steps):
        empty = {k: np.empty(0, dtype=d) for k, d in
                 (("packets", PACKET), ("links", LINK), ("cores", CORE), ("energy", ENERGY),
                  ("quantisation", QUANTISATION))}  # fmt: skip
        return HardwareReport("test", "", (), "free", (1, 1), **empty,
                              step_ps=np.zeros(steps + 1, dtype=np.int64), step_ms=1.0)  # fmt: skip


def packet(step, source, core, late=0, arrive=0):
    row = np.zeros(1, dtype=PACKET)
    row["step"], row["source"], row["destination_core"] = step, source, core
    row["late_steps"], row["arrive_ps"] = late, arrive
    return row


def lockstep(net, neurons, fabric, cores=None):
    n = int(net.offsets[-1])
    core_of = np.zeros(n, dtype=np.int32) if cores is None else np.array(cores, dtype=np.int32)
    return LockstepRun(net, neurons, fabric, core_of)


def finish(run, net):
    translation = Translation(net, np.empty(0, dtype=QUANTISATION), {}, {})
    return run.result("test", translation, host_seconds=0.0)


def test_a_synapse_acts_its_delay_after_the_spike():
    net = network(cells(2), projections=[synapses(0, 0, [(0, 0), (0, 1)], delay=[1.0, 3.0])])
    neurons = Scripted({2: [0]})
    lockstep(net, neurons, Fabric()).advance(net, 10)
    assert neurons.seen == [(3, 0, [0]), (5, 0, [1])]


def test_input_is_summed_by_projection_then_emission_then_cell_then_row():
    net = network(
        cells(3),
        projections=[
            synapses(0, 0, [(0, 1), (0, 0), (1, 2), (2, 0)], delay=[2.0, 1.0, 1.0, 1.0]),
            synapses(0, 0, [(1, 0)], label="q", n_pre=3),
        ],
    )
    neurons = Scripted({1: [0], 2: [0, 1, 2]})
    lockstep(net, neurons, Fabric()).advance(net, 3)
    assert neurons.seen == [(2, 0, [1]), (3, 0, [0, 1, 2, 3]), (3, 1, [0])]


def test_sources_fire_at_time_zero_and_twice_where_they_say_so():
    net = network(
        cells(1), source([0.0, 2.0, 2.0]), projections=[synapses(1, 0, [(0, 0)], delay=1.0)]
    )
    neurons, fabric = Scripted(), Fabric()
    run = lockstep(net, neurons, fabric)
    run.advance(net, 4)
    assert fabric.fired == [[1], [], [1, 1], [], []]
    assert neurons.seen == [(1, 0, [0]), (3, 0, [0, 0])]
    assert finish(run, net).spikes[1].time_ms.tolist() == [0.0, 2.0, 2.0]


def test_samples_are_taken_at_both_ends():
    net = network(cells(1), v=[0])
    run = lockstep(net, Scripted(), Fabric())
    run.advance(net, 3)
    run.advance(net, 5)
    assert finish(run, net).traces[0].values.shape == (6, 1)


def test_a_delayed_packet_acts_late_only_as_far_as_its_delay_does_not_cover_it():
    net = network(cells(2), projections=[synapses(0, 0, [(0, 0), (0, 1)], delay=[1.0, 4.0])])
    neurons, fabric = Scripted({1: [0]}), Fabric({1: Transit.of(delayed=packet(1, 0, 0, late=2))})
    run = lockstep(net, neurons, fabric)
    run.advance(net, 10)
    assert neurons.seen == [(4, 0, [0]), (5, 0, [1])]
    assert finish(run, net).counts == {"synaptic events late": 1}


def test_where_delays_count_from_arrival_a_late_packet_is_late_by_as_many_steps():
    net = network(cells(2), projections=[synapses(0, 0, [(0, 0), (0, 1)], delay=[1.0, 4.0])])
    transits = {1: Transit.of(delayed=packet(1, 0, 0, late=2))}
    neurons, fabric = Scripted({1: [0]}), Fabric(transits, late=postponed)
    run = lockstep(net, neurons, fabric)
    run.advance(net, 10)
    assert neurons.seen == [(4, 0, [0]), (7, 0, [1])]
    assert finish(run, net).counts == {"synaptic events late": 2}


@pytest.mark.parametrize(
    ("late", "steps"), [(at_once, [4, 5]), (postponed, [4, 7]), (in_time_only, [5])]
)
def test_a_held_packet_acts_when_it_arrived(late, steps):
    net = network(cells(2), projections=[synapses(0, 0, [(0, 0), (0, 1)], delay=[1.0, 4.0])])
    transits = {1: Transit.of(held=packet(1, 0, 0)), 3: Transit.of(arrived=packet(1, 0, 0, late=2))}
    neurons, fabric = Scripted({1: [0]}), Fabric(transits, late)
    run = lockstep(net, neurons, fabric)
    run.advance(net, 10)
    synapse = {4: 0, 5: 1, 7: 1}
    assert neurons.seen == [(step, 0, [synapse[step]]) for step in steps]
    dropped = finish(run, net).counts.get("synaptic events too late to act", 0)
    assert dropped == 2 - len(steps)


def test_only_the_synapses_behind_a_lost_packet_are_lost():
    net = network(cells(3), projections=[synapses(0, 0, [(0, 0), (0, 1), (0, 2), (1, 0)])])
    neurons = Scripted({1: [0, 1]})
    fabric = Fabric({1: Transit.of(lost=packet(1, 0, 7))})
    run = lockstep(net, neurons, fabric, cores=[5, 7, 7])
    run.advance(net, 3)
    assert neurons.seen == [(2, 0, [0, 3])]
    assert finish(run, net).counts == {"synaptic events lost": 2}


def test_what_is_still_under_way_at_the_end_is_counted():
    net = network(cells(1), projections=[synapses(0, 0, [(0, 0)])])
    run = lockstep(net, Scripted({1: [0]}), Fabric({1: Transit.of(held=packet(1, 0, 0))}))
    run.advance(net, 4)
    assert finish(run, net).counts == {"synaptic events under way at the end": 1}


def test_spikes_under_way_keep_their_delay_when_delays_change():
    net = network(cells(1), projections=[synapses(0, 0, [(0, 0)], delay=3.0)])
    neurons = Scripted({1: [0], 3: [0]})
    run = lockstep(net, neurons, Fabric())
    run.advance(net, 2)
    (old,) = net.projections
    changed = replace(net, projections=(replace(old, delay_ms=np.array([2.0])),))
    run.advance(changed, 8)
    assert neurons.seen == [(4, 0, [0]), (5, 0, [0])]
    assert neurons.network is changed


def test_new_source_spikes_are_taken_up_in_mid_run():
    net = network(cells(1), source([1.0]))
    fabric = Fabric()
    run = lockstep(net, Scripted(), fabric)
    run.advance(net, 2)
    later = replace(net.populations[1], stimulus=SpikeTrains.from_lists([[1.0, 4.0]]))
    run.advance(replace(net, populations=(net.populations[0], later)), 5)
    assert fabric.fired == [[], [1], [], [], [1], []]


@given(st.integers(0, 2**31), st.integers(1, 40))
@settings(max_examples=15, deadline=None)
def test_every_spike_reaches_every_target_at_its_time(seed, until):
    """Against the plain definition: all synapses of all spikes, one by one."""
    rng = np.random.default_rng(seed)
    net = random_network(rng, n=8, n_sources=3, synapse_count=30)
    script = {k: sorted(set(rng.integers(0, 8, rng.integers(0, 4)).tolist())) for k in range(1, 41)}
    neurons = Scripted(script)
    lockstep(net, neurons, Fabric()).advance(net, until)
    steps, sources = net.populations[1].stimulus.events(net.timestep_ms)
    expected = []
    for k, projection in enumerate(net.projections):
        delays = to_delay_steps(projection.delay_ms, net.timestep_ms)
        for emitted in range(until + 1):
            firing = script.get(emitted, []) if projection.pre == 0 else sources[steps == emitted]
            for cell in firing:
                for s in range(projection.indptr[cell], projection.indptr[cell + 1]):
                    if emitted + delays[s] <= until:
                        expected.append((emitted + int(delays[s]), k, emitted, s))
    wanted: dict = {}
    for due, k, _, s in sorted(expected, key=lambda e: (e[0], e[1], e[2])):
        wanted.setdefault((due, k), []).append(s)
    assert {(step, k): s for step, k, s in neurons.seen} == wanted


def on_loihi(net):
    chip = Loihi()
    translation = chip.translate(net)
    placement = chip.map(translation)
    run = chip.run(translation, placement)
    return chip, translation, run


def test_a_run_in_pieces_is_the_run_in_one():
    net = random_network(np.random.default_rng(1))
    _, whole_t, whole = on_loihi(net)
    whole.advance(whole_t.network, 100)
    _, t, pieces = on_loihi(net)
    for until in (1, 17, 18, 60, 100):
        pieces.advance(t.network, until)
    a, b = whole.result("loihi", whole_t, 0.0), pieces.result("loihi", t, 0.0)
    assert np.array_equal(a.spikes[0].time_ms, b.spikes[0].time_ms)
    assert np.array_equal(a.hardware.packets, b.hardware.packets)


def test_weights_can_change_between_runs_on_the_chip():
    net = network(
        cells(1, celltype="IF_curr_delta"), source([1.0, 11.0]), dt=1.0, v=[0],
        projections=[synapses(1, 0, [(0, 0)], 4.0)],
    )  # fmt: skip
    chip, translation, run = on_loihi(net)
    run.advance(translation.network, 10)
    halved = replace(net.projections[0], weight=net.projections[0].weight / 2)
    again = chip.translate(replace(net, projections=(halved,)), since=translation)
    run.advance(again.network, 20)
    v = run.result("loihi", again, 0.0).traces[0].values[:, 0]
    assert v[2] + 65 == pytest.approx(4.0, abs=0.05)
    assert v[12] - v[11] == pytest.approx(2.0, abs=0.2)
