"""How long a step of cores on a mesh takes, and that every packet of it is accounted for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.errors import ModelError
from tests.hwmodels.test_multicore import MESH, TIMES, run, traffic, transport

OVERHEAD_PS = 1000
FIDELITIES = pytest.mark.parametrize("fidelity", ["reference", "compiled", "analytic", "free"])


def pairs_of_cells_and_cores(core_of, pairs):
    """For each cell, its synapses on each core, counted one by one."""
    counted: dict = {}
    for pre, post in pairs:
        targets = counted.setdefault(pre, {})
        targets[core_of[post]] = targets.get(core_of[post], 0) + 1
    return counted


def sweep_ps(core_of, fired, counted):
    """Time of the sweep of each core, from the rules: visits, updates, spikes, messages."""
    spent = dict.fromkeys(core_of, 0)
    for cell, core in enumerate(core_of):
        spent[core] += TIMES.visit_ps + TIMES.update_ps
        if cell in fired:
            spent[core] += TIMES.spike_ps
            spent[core] += TIMES.message_out_ps * len(counted.get(cell, {}))
    return spent


@FIDELITIES
@given(case=traffic())
@settings(max_examples=30, deadline=None)
def test_a_step_sends_one_packet_for_each_core_with_targets_of_a_cell_that_fired(fidelity, case):
    core_of, pairs, steps = case
    fabric = run(transport(core_of, pairs, fidelity, sources=1), *steps)
    counted = pairs_of_cells_and_cores(core_of, pairs)
    expected = sorted(
        (step, cell, core, synapses)
        for step, fired in enumerate(steps, 1)
        for cell in fired
        for core, synapses in counted.get(cell, {}).items()
    )
    columns = ["step", "source", "destination_core", "synapses"]
    assert sorted(fabric.packets[columns].tolist()) == expected
    assert np.all(fabric.packets["late_steps"] == 0)


@given(traffic())
@settings(max_examples=60, deadline=None)
def test_no_step_ends_before_its_longest_sweep_and_its_last_packet(case):
    core_of, pairs, steps = case
    counted = pairs_of_cells_and_cores(core_of, pairs)
    for fidelity in ("reference", "compiled", "analytic"):
        fabric = run(transport(core_of, pairs, fidelity, sources=1), *steps)
        start = 0
        for step, fired in enumerate(steps, 1):
            end = start + fabric.step_ps[step - 1]
            longest = max(sweep_ps(core_of, fired, counted).values())
            assert end - start >= longest + OVERHEAD_PS
            mine = fabric.packets[fabric.packets["step"] == step]
            assert np.all(mine["inject_ps"] >= start)
            service = TIMES.message_in_ps + mine["synapses"] * TIMES.synapse_dense_ps
            assert np.all(mine["arrive_ps"] + service + OVERHEAD_PS <= end)
            if not len(mine):
                assert end - start == longest + OVERHEAD_PS
            start = end


@given(traffic(), st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_contention_and_finite_buffers_only_ever_lengthen_a_step(case, link_depth, port_depth):
    core_of, pairs, steps = case
    mesh = replace(MESH, link_depth=link_depth, port_depth=port_depth)
    event = run(transport(core_of, pairs, "reference", mesh, sources=1), *steps)
    closed = run(transport(core_of, pairs, "analytic", mesh, sources=1), *steps)
    assert all(a >= b for a, b in zip(event.step_ps, closed.step_ps, strict=True))


@pytest.mark.parametrize(("slow", "ps"), [("credit_ps", 500_000), ("column_cycle_ps", 500_000)])
def test_a_step_begins_with_free_links_and_all_credits_at_home(slow, ps):
    # Link and credit take far longer than the step; the barrier is taken to be longer still.
    mesh = replace(MESH, link_depth=1, port_depth=1, **{slow: ps})
    fabric = run(transport([0, 2], [(0, 1)], mesh=mesh), [0], [0], [0])
    assert fabric.step_ps == [9700 + 30_000 + 5100 + 6500 + 16_000 + 3800 + OVERHEAD_PS] * 3


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_where_no_two_packets_meet_events_and_closed_form_are_equal(data):
    # Each firing cell sends to one core that nobody else sends to, down a column of its own.
    columns = MESH.columns
    both_rows = [(2 * MESH.rows * c, 2 * MESH.rows * c + 2) for c in range(columns)]
    core_of = [core for pair in both_rows for core in pair]
    fan = data.draw(st.lists(st.booleans(), min_size=columns, max_size=columns))
    pairs = [(2 * c, 2 * c + 1) for c in range(columns) if fan[c]]
    fired = data.draw(st.sets(st.integers(0, len(core_of) - 1)).map(sorted))
    event = run(transport(core_of, pairs, "reference"), fired)
    closed = run(transport(core_of, pairs, "analytic"), fired)
    assert event.step_ps == closed.step_ps
    assert np.array_equal(np.sort(event.packets), np.sort(closed.packets))


@given(traffic())
@settings(max_examples=40, deadline=None)
def test_a_free_fabric_counts_the_operations_of_a_timed_one(case):
    core_of, pairs, steps = case
    free = run(transport(core_of, pairs, "free", sources=1), *steps)
    timed = run(transport(core_of, pairs, "reference", sources=1), *steps)
    assert free.operations == timed.operations
    assert free.step_ps == [0] * len(steps)
    assert np.all(free.packets["arrive_ps"] == 0)
    assert not np.any(free.busy_ps)


@pytest.mark.parametrize("fidelity", ["reference", "compiled", "analytic"])
def test_free_running_steps_last_their_period_whatever_happens(fidelity):
    fabric = transport([0, 2], [(0, 1)], fidelity, period_ps=777)
    run(fabric, [0], [0], [], [0])
    assert fabric.step_ps == [777] * 4


def test_a_packet_later_than_the_table_can_hold_says_the_most_it_can():
    for fidelity in ("reference", "compiled", "analytic"):
        fabric = transport([0, 2], [(0, 1)], fidelity, period_ps=1)
        run(fabric, [0], *[[]] * 51_400)
        assert fabric.packets["late_steps"].tolist() == [np.iinfo(np.int16).max]
        assert fabric.packets["arrive_ps"].tolist() == [51_300]


@pytest.mark.parametrize("fidelity", ["reference", "compiled", "analytic"])
def test_a_free_running_step_lasts_at_least_the_resolution(fidelity):
    with pytest.raises(ModelError, match="at least 0.001 ns.*got 0 ps"):
        transport([0, 2], [(0, 1)], fidelity, period_ps=0)
