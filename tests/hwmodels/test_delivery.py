"""Sums in place of lists of arrivals give the same run, whatever changes on the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.loihi import Loihi
from hwmodels.chips.loihi.neurons import LoihiNeurons
from hwmodels.delivery import Inputs, SummedInput
from hwmodels.network import Network, Recording, SpikeTrains
from hwmodels.replay import RecordingNeurons, ReplayedNeurons
from tests.hwmodels.networks import cells, network, random_network, source, synapses


class OneByOne(LoihiNeurons):
    """The chip's neurons, given each arrival."""

    def inputs(self):
        return None


def run(net: Network, kind, changes=(), **options):
    """Spikes, voltages, counts and activity of a run in which the network changes."""
    chip = Loihi(**options)
    translation = chip.translate(net)
    recording = RecordingNeurons(kind(chip.spec, translation, chip.settings, chip.noise_seed))
    machine = chip.run(translation, chip.map(translation), recording)
    latest = translation
    for until, changed in changes:
        machine.advance(latest.network, until)
        latest = chip.translate(changed, since=translation)
    machine.advance(latest.network, 60)
    return machine.result("loihi", latest, 0.0), recording.activity


def same(net: Network, changes=(), **options) -> None:
    (a, active), (b, also) = (
        run(net, kind, changes, **options) for kind in (LoihiNeurons, OneByOne)
    )
    for one, other in zip(a.spikes, b.spikes, strict=True):
        assert np.array_equal(one.cell, other.cell)
        assert np.array_equal(one.time_ms, other.time_ms)
    for one, other in zip(a.traces, b.traces, strict=True):
        assert np.array_equal(one.values, other.values)
    assert a.counts == b.counts
    assert np.array_equal(active, also)
    assert np.array_equal(a.hardware.step_ps, b.hardware.step_ps)
    assert np.array_equal(a.hardware.packets, b.hardware.packets)


def recorded(net: Network) -> Network:
    v = Recording(0, "v", np.arange(net.populations[0].size, dtype=np.int32), net.timestep_ms)
    return replace(net.with_all_spikes_recorded(), recordings=(
        *net.with_all_spikes_recorded(traces=False).recordings, v))  # fmt: skip


OPTIONS = [
    {}, {"input_bits": 9}, {"state_bits": 19}, {"noise": "current"}, {"noise": "voltage"},
    {"clocking": "free_running", "step_ns": 300},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@given(seed=st.integers(0, 2**31))
@settings(max_examples=8, deadline=None)
def test_sums_give_the_same_run(options, seed):
    same(recorded(random_network(np.random.default_rng(seed))), **options)


@given(seed=st.integers(0, 2**31), until=st.lists(st.integers(1, 59), min_size=1, max_size=3))
@settings(max_examples=15, deadline=None)
def test_spikes_on_their_way_act_the_same_when_weights_and_delays_change(seed, until):
    rng = np.random.default_rng(seed)
    net = recorded(random_network(rng))
    changes, now = [], net
    for step in sorted(set(until)):
        projections = tuple(
            replace(
                p,
                weight=p.weight * rng.uniform(0.2, 1.0) if rng.integers(2) else p.weight,
                delay_ms=np.minimum(p.delay_ms * rng.uniform(0.3, 3.0), 25.0)
                if rng.integers(2) else p.delay_ms,
            )
            for p in now.projections
        )  # fmt: skip
        now = replace(now, projections=projections)
        changes.append((step, now))
    same(net, changes)


def test_two_time_constants_and_many_equal_source_spikes():
    tau = {"tau_syn_E": 5.0, "tau_syn_I": 10.0}
    net = network(
        cells(3, **tau), source([2.0] * 40 + [9.0]), v=[0],
        projections=[
            synapses(1, 0, [(0, 0), (0, 1)], 3.0),
            synapses(1, 0, [(0, 1), (0, 2)], -2.0, receptor="inhibitory"),
            synapses(0, 0, [(0, 2)], 2.0),
        ],
    )  # fmt: skip
    same(net)
    later = replace(net.populations[1], stimulus=SpikeTrains.from_lists([[2.0] * 40 + [12.0] * 90]))
    same(net, [(10, replace(net, populations=(net.populations[0], later)))])


def spikes_only(net: Network, kind, effects: str, packets: str, changes=()):
    """A run in which several steps can be computed at once."""
    chip = Loihi(effects=effects, packets=packets)
    translation = chip.translate(net)
    neurons = kind(chip.spec, translation, chip.settings)
    machine = chip.run(translation, chip.map(translation), neurons)
    latest = translation
    for until, changed in changes:
        machine.advance(latest.network, until)
        latest = chip.translate(changed, since=translation)
    machine.advance(latest.network, 150)
    return machine.result("loihi", latest, 0.0)


@pytest.mark.parametrize("effects", ["all", "weight_precision+arithmetic"])
@pytest.mark.parametrize("packets", ["kept", "counted"])
@given(
    seed=st.integers(0, 2**31), until=st.integers(1, 140), driven=st.booleans(), alike=st.booleans()
)  # fmt: skip
@settings(max_examples=8, deadline=None)
def test_many_steps_at_once_are_the_steps_one_by_one(effects, packets, seed, until, driven, alike):
    rng = np.random.default_rng(seed)
    net = random_network(rng)
    if not driven:
        net.populations[0].parameters["i_offset"][::3] = 0.0  # not all cells are always active
    if alike:
        net = replace(net, projections=tuple(
            replace(p, delay_ms=np.full_like(p.delay_ms, 1.5)) for p in net.projections
        ))  # fmt: skip
    changed = replace(
        net,
        projections=tuple(replace(p, weight=p.weight * 0.7) for p in net.projections),
        populations=(
            replace(
                net.populations[0],
                parameters={
                    **net.populations[0].parameters,
                    "i_offset": net.populations[0].parameters["i_offset"] * 1.2,
                },
            ),
            *net.populations[1:],
        ),
    )
    a, b = (
        spikes_only(net, kind, effects, packets, [(until, changed)])
        for kind in (LoihiNeurons, OneByOne)
    )
    for one, other in zip(a.spikes, b.spikes, strict=True):
        assert np.array_equal(one.cell, other.cell)
        assert np.array_equal(one.time_ms, other.time_ms)
    assert a.counts == b.counts
    for name in ("step_ps", "packets", "energy", "cores", "links"):
        assert np.array_equal(getattr(a.hardware, name), getattr(b.hardware, name)), name
    assert len(a.hardware.packets) == 0 if packets == "counted" else len(a.hardware.packets)


class ReplayedOneByOne(ReplayedNeurons):
    def steps_summed(self, *_):
        return None


@given(seed=st.integers(0, 2**31), known=st.sampled_from([0, 70, 151]))
@settings(max_examples=10, deadline=None)
def test_a_replay_costs_the_fabric_what_the_recorded_run_did(seed, known):
    net = random_network(np.random.default_rng(seed)).with_all_spikes_recorded(traces=False)
    chip = Loihi()
    translation = chip.translate(net)
    recording = RecordingNeurons(chip.neurons(translation))
    placement = chip.map(translation)
    machine = chip.run(translation, placement, recording)
    machine.advance(translation.network, 150)
    run = machine.result("loihi", translation, 0.0)
    assert recording.activity is not None
    replays = []
    for kind in (ReplayedNeurons, ReplayedOneByOne):
        neurons = kind(translation.network, run, recording.activity[:known])
        machine = chip.run(translation, placement, neurons)
        machine.advance(translation.network, 150)
        replays.append(machine.result("loihi", translation, 0.0))
    for one, other in (replays, (run, replays[0])) if known == 151 else (replays,):
        assert np.array_equal(one.hardware.step_ps, other.hardware.step_ps)
        assert np.array_equal(one.hardware.packets, other.hardware.packets)
        assert np.array_equal(one.hardware.energy, other.hardware.energy)
        for a, b in zip(one.spikes, other.spikes, strict=True):
            assert np.array_equal(a.cell, b.cell)
            assert np.array_equal(a.time_ms, b.time_ms)


@pytest.mark.parametrize(
    ("largest", "kind"),
    [
        (127, np.int8),
        (128, np.int16),
        (-(2**15), np.int32),
        (2**31 - 1, np.int32),
        (2**40, np.int64),
    ],
)
def test_weights_are_as_narrow_as_the_largest_allows(largest, kind):
    net = network(
        cells(4), source([1.0]),
        projections=[
            synapses(1, 0, [(0, 0), (0, 1), (0, 1)], float(largest)),
            synapses(1, 0, [(0, 1), (0, 2)], -1.0),
        ],
    )  # fmt: skip
    sums = SummedInput(net, Inputs(4, (0, 0), (0, 0), (np.ones(4), np.ones(4))), 1)
    assert sums.tables[3].dtype == kind
    sums.emit(1, np.array([4]))
    after = round(float(net.projections[0].delay_ms[0]) / net.timestep_ms)
    assert sums.due(1 + after).tolist() == [largest, 2 * largest - 1, -1, 0]


@given(
    exponent=st.integers(0, 20),
    mantissas=st.lists(st.integers(-100, 100), min_size=1, max_size=5),
)
@settings(max_examples=40, deadline=None)
def test_weights_count_in_a_power_of_two_that_all_have_in_common(exponent, mantissas):
    net = network(
        cells(4), source([1.0]),
        projections=[synapses(1, 0, [(0, 2)], float(m << exponent)) for m in mantissas],
    )  # fmt: skip
    n = len(mantissas)
    sums = SummedInput(net, Inputs(4, (0,) * n, (0,) * n, (np.ones(4),) * n), 1)
    _, _, _, weight, shift, _ = sums.tables
    assert weight.dtype == np.int8
    assert (weight.astype(np.int64) << shift).tolist() == [m << exponent for m in mantissas]
    sums.emit(1, np.array([4]))
    after = round(float(net.projections[0].delay_ms[0]) / net.timestep_ms)
    assert sums.due(1 + after).tolist() == [0, 0, sum(mantissas) << exponent, 0]
