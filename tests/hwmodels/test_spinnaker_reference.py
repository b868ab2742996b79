"""The compiled machine equals the SimPy one: every spike, packet, count and time."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.spinnaker import Spinnaker
from hwmodels.errors import ModelError
from tests.hwmodels.networks import cells, current, network, random_network, source, synapses
from tests.hwmodels.running import run_on

KINDS = ("IF_curr_exp", "IF_curr_delta")


@st.composite
def machines(draw):
    """Options that choke cores, queues, links and routers, or none of them."""
    return {
        "neurons_per_core": draw(st.sampled_from([1, 2, 5, 40])),
        "queue_spikes": draw(st.sampled_from([2, 5, 256])),
        "drop_late": draw(st.integers(0, 1)),
        "timer_spread_us": draw(st.sampled_from([0.0, 5.0, 700.0])),
        "send_backoff_us": draw(st.sampled_from([0.0, 5.0])),
        "time_scale_factor": draw(st.sampled_from([0.02, 0.2, 1.0])),
        "link_ns": draw(st.sampled_from([140.0, 9000.0])),
        "router_wait_code": draw(st.sampled_from([0, 0x4F, 0xFF])),
        "emergency_wait_code": draw(st.sampled_from([0, 0, 0x20])),
        "reinjection": draw(st.integers(0, 1)),
        "reinject_queue_packets": draw(st.sampled_from([3, 4096])),
        "chip_seed": draw(st.integers(0, 3)),
        "cores_per_chip": draw(st.sampled_from([3, 5, 18])),
        "effects": draw(
            st.sampled_from(["all", "all", "all", "arithmetic+fabric", "arithmetic+core_load",
                             "arithmetic+weight_precision"])
        ),
    }  # fmt: skip


def driven(seed, n, sources, kind, longest=0.0):
    """A random network with currents, and sources that spike more than once a tick."""
    rng = np.random.default_rng(seed)
    base = random_network(rng, n=n, n_sources=2, synapse_count=6 * n, dt=1.0, duration_ms=12.0)
    trains = [np.sort(rng.uniform(0.0, 12.0, 30)) for _ in range(sources)]
    pairs = [(s, c) for s in range(sources) for c in range(s % 3, n, 3)]
    return network(
        cells(n, celltype=kind, i_offset=rng.uniform(0.1, 0.6, n)),
        source(*trains),
        projections=[
            *base.projections[:2],
            synapses(1, 0, pairs, 0.3, 1.0 + seed % 2),
            *([synapses(1, 0, pairs, 0.2, longest, label="long")] if longest else []),
        ],
        currents=[current(3.0, 0.5)],
        v=[0],
    )


def check_equal(one, other):
    """Everything two results say, but the name of the fidelity."""
    assert one.counts == other.counts
    for a, b in zip(one.spikes, other.spikes, strict=True):
        np.testing.assert_array_equal(a.cell, b.cell)
        np.testing.assert_array_equal(a.time_ms, b.time_ms)
    for a, b in zip(one.traces, other.traces, strict=True):
        np.testing.assert_array_equal(a.values, b.values)
    for part in ("packets", "cores", "links", "step_ps", "energy"):
        np.testing.assert_array_equal(getattr(one.hardware, part), getattr(other.hardware, part))


@settings(max_examples=12, deadline=None)
@given(machines(), st.integers(0, 99), st.integers(2, 20), st.integers(1, 12),
       st.sampled_from(KINDS), st.sampled_from([0.0, 0.0, 17.0, 40.0]))  # fmt: skip
def test_the_kernel_equals_the_processes(options, seed, n, sources, kind, longest):
    net = driven(seed, n, sources, kind, longest)
    until = 12.0 + longest
    results = [run_on(Spinnaker(fidelity=f, **options), net, until)
               for f in ("compiled", "reference")]  # fmt: skip
    check_equal(*results)


@pytest.mark.parametrize("reinjection", [0, 1])
def test_both_agree_when_everything_is_choked(reinjection):
    net = driven(3, 20, 12, "IF_curr_exp")
    options = dict(
        neurons_per_core=2, queue_spikes=4, time_scale_factor=0.05, link_ns=9000.0,
        router_wait_code=0x20, cores_per_chip=4, reinjection=reinjection,
    )  # fmt: skip
    results = [run_on(Spinnaker(fidelity=f, **options), net, 12.0)
               for f in ("compiled", "reference")]  # fmt: skip
    check_equal(*results)
    counts = results[0].counts
    for what in ("packets dropped by full input queues", "timer overruns", "synaptic events lost"):
        assert counts[what] > 0
    # What routers drop is lost, or put back.
    lost, again = counts.get("packets dropped by routers", 0), counts.get("packets re-injected", 0)
    assert (lost == 0 and again > 100) if reinjection else (lost > 100 and again == 0)
    packets = results[0].hardware.packets
    events = packets["synapses"][packets["arrive_ps"] < 0].sum(dtype=np.int64)
    assert events == counts["synaptic events lost"]


class Told:
    """Neurons that fire when they are told to."""

    def __init__(self, seed, n):
        self._fires = np.random.default_rng(seed).random((100, n)) < 0.3
        self.heard: Counter = Counter()

    def step(self, step, arrivals):
        for projection, synapse in arrivals:
            self.heard.update((step, projection, int(s)) for s in synapse)
        return np.flatnonzero(self._fires[step])

    def active(self):
        return None

    def sample(self, population, variable, cells):
        return np.zeros(len(cells))

    def counts(self):
        return {}


@pytest.mark.parametrize("scale", [1.0, 0.03])
def test_both_agree_in_lock_step_with_other_neurons(scale):
    net = driven(5, 20, 6, "IF_curr_exp")
    results, heard = [], []
    for fidelity in ("compiled", "reference"):
        chip = Spinnaker(fidelity=fidelity, neurons_per_core=3, time_scale_factor=scale)
        translation = chip.translate(net)
        told = Told(1, 20)
        run = chip.run(translation, chip.map(translation), told)
        run.advance(translation.network, 12)
        results.append(run.result("spinnaker", translation, 0.0))
        heard.append(told.heard)
    check_equal(*results)
    assert heard[0] == heard[1]
    assert sum(heard[0].values()) > 0
    assert ("synaptic events too late to act" in results[0].counts) == (scale < 1)


def test_a_run_goes_on_in_the_same_way():
    net = driven(4, 12, 4, "IF_curr_exp")
    results = []
    for fidelity in ("compiled", "reference"):
        chip = Spinnaker(fidelity=fidelity, neurons_per_core=2, time_scale_factor=0.1)
        translation = chip.translate(net)
        run = chip.run(translation, chip.map(translation))
        run.advance(translation.network, 5)
        run.advance(translation.network, 12)
        results.append(run.result("spinnaker", translation, 0.0))
    check_equal(*results)


def test_a_report_names_its_fidelity_and_there_is_no_closed_form():
    net = driven(4, 4, 1, "IF_curr_exp")
    assert run_on(Spinnaker(fidelity="reference"), net, 2.0).hardware.fidelity == "reference"
    with pytest.raises(ModelError, match="fidelity must be one of compiled, reference"):
        Spinnaker(fidelity="analytic")
