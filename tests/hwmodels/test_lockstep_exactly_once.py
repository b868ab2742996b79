"""Whatever a fabric does to packets, each synaptic event acts once, or is counted as not acting."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chip import NEVER, Transit, at_once, in_time_only, postponed
from hwmodels.chips.loihi import Loihi
from hwmodels.lockstep import LockstepRun
from hwmodels.mapping.placement import build_axons
from hwmodels.network import to_delay_steps
from tests.hwmodels.networks import cells, network, random_network, source, synapses
from tests.hwmodels.test_lockstep import Fabric, Scripted, finish, packet

FATES = ("on time", "delayed", "held", "lost")
LATE, LOST = "synaptic events late", "synaptic events lost"
TOO_LATE, UNDER_WAY = "synaptic events too late to act", "synaptic events under way at the end"


class Fateful(Fabric):
    """A transport that decides the fate of each packet by dice, and remembers it."""

    def __init__(self, net, core_of, dice, fates=FATES, late=at_once):
        super().__init__(late=late)
        place = np.zeros(len(core_of), dtype=np.int64)
        self.axons = build_axons(net, core_of, place)
        self.dice, self.fates = dice, fates
        #: (step, source, core, fate, steps late)
        self.history: list[tuple] = []

    def step(self, step, fired, active):
        self.fired.append(fired.tolist())
        parts: dict = {fate: [] for fate in (*FATES, "arrived")}
        for sent, cell, core, fate, late in self.history:
            if fate == "held" and sent + late == step:
                parts["arrived"].append(packet(sent, cell, core, late))
        for cell in fired.tolist():
            for axon in range(self.axons.indptr[cell], self.axons.indptr[cell + 1]):
                core = int(self.axons.core[axon])
                fate = self.fates[self.dice.integers(len(self.fates))]
                late = int(self.dice.integers(1, 6)) if fate in ("held", "delayed") else 0
                self.history.append((step, cell, core, fate, late))
                parts[fate].append(packet(step, cell, core, late))

        def rows(fate):
            return np.concatenate(parts[fate]) if parts[fate] else None

        return Transit.of(rows("held"), rows("arrived"), rows("delayed"), rows("lost"))


#: When a synapse acts that was due at ``due`` and whose packet arrived in step ``came``.
RULES = {
    postponed: lambda sent, due, came: due + came - sent,
    at_once: lambda sent, due, came: max(due, came + 1),
    in_time_only: lambda sent, due, came: due if due > came else NEVER,
}


def expected_of(net, core_of, history, rule, until):
    """When each synapse acts, and what is counted, packet by packet and synapse by synapse."""
    acts, counts = Counter(), Counter()
    for sent, cell, core, fate, late in history:
        for k, projection in enumerate(net.projections):
            pre = cell - net.offsets[projection.pre]
            if not 0 <= pre < len(projection.indptr) - 1:
                continue
            delays = to_delay_steps(projection.delay_ms, net.timestep_ms)
            for s in range(projection.indptr[pre], projection.indptr[pre + 1]):
                if core_of[projection.target[s] + net.offsets[projection.post]] != core:
                    continue
                due = sent + int(delays[s])
                if fate == "lost":
                    counts[LOST] += 1
                elif fate == "held" and sent + late > until:
                    counts[UNDER_WAY] += 1
                else:
                    act = RULES[rule](sent, due, sent + late) if late else due
                    counts[LATE] += act > due
                    counts[TOO_LATE] += act == NEVER
                    acts[act, k, s] += NEVER < act <= until
    return +acts, {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize("rule", list(RULES))
@given(seed=st.integers(0, 2**31), until=st.integers(1, 30), fates=st.sets(st.sampled_from(FATES)))
@settings(max_examples=40, deadline=None)
def test_each_synapse_behind_each_packet_acts_once_or_is_counted(rule, seed, until, fates):
    rng = np.random.default_rng(seed)
    # 20 spikes of a source in 30 steps: some steps have two, whose packets look alike.
    net = random_network(rng, n=8, n_sources=3, synapse_count=30, duration_ms=15.0)
    script = {k: sorted(set(rng.integers(0, 8, rng.integers(0, 4)).tolist())) for k in range(1, 31)}
    core_of = np.array([*rng.integers(0, 3, 8), -1, -1, -1], dtype=np.int32)
    neurons = Scripted(script)
    fabric = Fateful(net, core_of, rng, sorted(fates) or FATES, rule)
    run = LockstepRun(net, neurons, fabric, core_of)
    run.advance(net, until)
    acts, counts = expected_of(net, core_of, fabric.history, rule, until)
    seen = Counter((step, k, s) for step, k, chosen in neurons.seen for s in chosen)
    assert seen == acts
    assert finish(run, net).counts == counts


@pytest.mark.parametrize("fate", ["lost", "held", "delayed"])
def test_one_packet_of_a_double_spike_can_have_a_fate_of_its_own(fate):
    net = network(cells(1), source([1.0, 1.0]), projections=[synapses(1, 0, [(0, 0)])])
    transits = {1: Transit.of(**{fate: packet(1, 1, 0, late=2)})}
    if fate == "held":
        transits[3] = Transit.of(arrived=packet(1, 1, 0, late=2))
    neurons = Scripted()
    run = LockstepRun(net, neurons, Fabric(transits), np.array([0, -1], dtype=np.int32))
    run.advance(net, 6)
    on_time, late = (2, 0, [0]), (4, 0, [0])
    assert neurons.seen == ([on_time] if fate == "lost" else [on_time, late])
    assert finish(run, net).counts == ({LOST: 1} if fate == "lost" else {LATE: 1})


@pytest.mark.parametrize("step_ns", [50, 300, 2000])
@pytest.mark.parametrize("fidelity", ["compiled", "reference", "analytic"])
def test_a_hurried_chip_delivers_every_event_or_says_it_is_under_way(fidelity, step_ns):
    net = random_network(np.random.default_rng(9))
    chip = Loihi(clocking="free_running", step_ns=step_ns, fidelity=fidelity)
    translation = chip.translate(net)
    placement = chip.map(translation)
    neurons = Scripted({k: sorted({k % 40, 39 - k % 17}) for k in range(1, 60)})
    transport = chip.transport(translation, placement)
    run = LockstepRun(translation.network, neurons, transport, placement.core_of)
    run.advance(translation.network, 120)
    result = run.result("loihi", translation, 0.0)
    spikes = Counter((p, int(c)) for p, spikes in enumerate(result.spikes) for c in spikes.cell)
    sent = sum(
        int(projection.indptr[cell + 1] - projection.indptr[cell]) * times
        for projection in net.projections
        for (population, cell), times in spikes.items()
        if population == projection.pre
    )
    acted = sum(len(chosen) for _, _, chosen in neurons.seen)
    still = result.counts.get(UNDER_WAY, 0)
    # What is on the delay lines (or delayed) has not acted yet.
    waiting = sum(
        len(chunk) for line in run._lines for chunks in line._waiting.values() for chunk in chunks
    )
    assert acted + waiting + still == sent
    assert int(result.hardware.packets["synapses"].sum()) == sent
    assert result.hardware.step_ps[1:].tolist() == [step_ns * 1000] * 120
    if step_ns == 50:
        assert result.counts[LATE] + still > 0
