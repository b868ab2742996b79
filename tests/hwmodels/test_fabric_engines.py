"""The engines of the event-driven fabric agree on every packet, to the picosecond."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from hwmodels.errors import ModelError
from hwmodels.fabric.closed_form import ClosedForm
from hwmodels.fabric.mesh import MeshTimes
from hwmodels.fabric.mesh_batched import BatchedEngine
from hwmodels.fabric.mesh_compiled import CompiledEngine
from hwmodels.fabric.mesh_layout import Layout
from hwmodels.fabric.mesh_ports import instant
from hwmodels.fabric.mesh_wide_layout import WideLayout
from hwmodels.fabric.messages import Messages
from hwmodels.fabric.multicore import EVENT_ENGINES
from tests.hwmodels.fabric_cases import (
    ENGINES,
    Wide,
    carry,
    clocked_case,
    difference,
    random_case,
)

OTHERS = sorted(set(EVENT_ENGINES) - {"reference"})
#: What the compiled engine may do where the mesh has a clock.
ON_CLOCKED = sorted(set(ENGINES) - {"reference", "batched", "as defined"})


@pytest.mark.parametrize("engine", OTHERS)
@example(seed=31107)  # two links of different latency, with arrivals at one instant
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=120, deadline=None)
def test_an_engine_equals_the_reference_in_every_packet_link_and_step(engine, seed):
    assert difference(random_case(seed), engine) is None


@pytest.mark.parametrize("engine", ON_CLOCKED)
@example(seed=18)  # the next step begins while credits of the last one come home
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_sixty_four_routers_at_a_time_equal_the_reference(engine, seed):
    assert difference(clocked_case(seed), engine) is None


@pytest.mark.parametrize("seed", [0, 1, 3, 4, 7, 11])
def test_they_do_so_in_plain_python_as_well(seed):
    assert difference(clocked_case(seed), "as defined") is None


def test_most_meshes_with_a_clock_may_go_wide_and_some_have_many_words():
    cases = [clocked_case(seed) for seed in range(60)]
    assert sum(WideLayout.fits(case.mesh) for case in cases) > 50
    assert sum(case.mesh.columns * case.mesh.rows > 128 for case in cases) > 10
    assert not WideLayout.fits(replace(cases[0].mesh, clock_ps=1))
    assert not WideLayout.fits(replace(cases[0].mesh, columns=3, chip_columns=2))
    assert not WideLayout.fits(replace(cases[0].mesh, link_depth=1000))
    assert not WideLayout.fits(replace(cases[0].mesh, credit_ps=40 * cases[0].mesh.clock_ps))


def test_a_step_goes_wide_where_the_one_before_had_much_traffic_at_a_time():
    went = []

    class Watched(CompiledEngine):
        def _carry(self, *arguments):
            carried = super()._carry(*arguments)
            went.append(self._is_wide)
            return carried

    position = np.stack(np.divmod(np.arange(64), 8), 1).astype(np.int16)
    mesh = MeshTimes(8, 8, 2, *[10] * 4, link_depth=4, port_depth=4, credit_ps=10, clock_ps=10)
    engine = Watched(position, (0, 0), mesh, None)
    reference = EVENT_ENGINES["reference"](position, (0, 0), mesh, None)
    ends = position.astype(np.int64)
    # Every router sends at every edge, or one router does; and nobody sends at all.
    for step, senders in enumerate((64, 64, 1, 1, 64, 0, 64), 1):
        core = np.repeat(np.arange(senders), 20).astype(np.int32)
        target, n = core[::-1] if senders > 1 else core + 63, len(core)
        messages = Messages(
            step=step, source=np.arange(n), core=core, target=target,
            synapses=np.ones(n, dtype=np.int64), sent_ps=np.tile(np.arange(20) * 10, senders),
            service_ps=np.zeros(n, dtype=np.int64), begin=ends[core], end=ends[target],
        )  # fmt: skip
        sweep_ps = np.where(np.arange(64) < senders, 190, 0)
        carried = [one.step(messages, step * 10**6, sweep_ps) for one in (engine, reference)]
        assert np.array_equal(carried[0].packets, carried[1].packets)
    assert went == [False, True, True, False, False, True]
    assert np.array_equal(engine.links(), reference.links())


def test_more_messages_than_a_flit_can_number_go_one_by_one(monkeypatch):
    case = next(
        case
        for case in map(clocked_case, range(100))
        if WideLayout.fits(case.mesh) and len(case.steps[1][0]) > 100 > len(case.steps[2][0]) > 9
    )
    went = []

    class Watched(Wide):
        def _carry(self, axon, *arguments):
            carried = super()._carry(axon, *arguments)
            self._wide.most_messages = 100
            went.append((len(axon), self._is_wide))
            return carried

    monkeypatch.setitem(ENGINES, "watched", Watched)
    assert difference(case, "watched") is None
    assert went[0][1]
    assert [wide for _, wide in went[1:]] == [False, True]


def test_random_cases_are_hard_enough():
    """Among them are packets that wait, senders held up, steps overrun and packets held."""
    full, waited, held, blocked = 0, 0, 0, 0
    for seed in range(60):
        case = random_case(seed)
        said, links = carry("batched", case)
        full += bool(np.any(links["max_queue"] >= case.mesh.link_depth))
        for carried, flying in said:
            packets = carried.packets
            waited += bool(np.any(np.bincount(packets["destination_core"] + 1) > 1))
            held += carried.transit is not None
            blocked += bool(np.any(flying["inject_ps"] < 0))
    assert min(full, waited, held, blocked) >= 5


@given(seed=st.integers(0, 2**32 - 1), late=st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_alone_a_packet_takes_as_long_in_closed_form(seed, late):
    case = random_case(seed)
    many = next((messages for messages, _ in case.steps if len(messages)), None)
    assume(many is not None)
    one = replace(many, **{name: getattr(many, name)[:1] for name in vars(many) if name != "step"})
    sweep_ps = np.zeros(len(case.position), dtype=np.int64)
    closed = ClosedForm(case.mesh, True, None).step(one, late, sweep_ps)
    event = BatchedEngine(case.position, case.host, case.mesh, None).step(one, late, sweep_ps)
    assert np.array_equal(closed.packets, event.packets)
    assert closed.end_ps == event.end_ps


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_links_are_passed_as_often_in_closed_form(seed):
    case = replace(random_case(seed), period_ps=None)
    _, links = carry("batched", case)
    closed = ClosedForm(case.mesh, True, None)
    for messages, sweep_ps in case.steps:
        closed.step(messages, 0, sweep_ps)
    between = (links["x"] != links["to_x"]) | (links["y"] != links["to_y"])
    passed = np.sort(links[between & (links["packets"] > 0)])
    for column in ("x", "y", "to_x", "to_y", "packets", "busy_ps"):
        assert np.array_equal(passed[column], closed.links()[column])


@pytest.mark.parametrize("engine", OTHERS)
def test_a_service_beyond_the_tables_is_refused_in_one_line(engine):
    case = random_case(1)
    messages = next(messages for messages, _ in case.steps if len(messages))
    slow = replace(messages, service_ps=messages.service_ps + (1 << 40))
    fabric = EVENT_ENGINES[engine](case.position, case.host, case.mesh, None)
    with pytest.raises(ModelError, match="1.1 s are beyond.*fidelity=reference"):
        fabric.step(slow, 0, np.zeros(len(case.position), dtype=np.int64))


def test_a_fifo_beyond_the_tables_is_refused_in_one_line():
    times = MeshTimes(2, 1, 2, 1, 1, 1, 1, 1, port_depth=1 << 21)
    with pytest.raises(ModelError, match="FIFO of 2097152 packets.*fidelity=reference"):
        BatchedEngine(np.zeros((1, 2), dtype=np.int16), (0, 0), times, None)


def test_a_mesh_beyond_the_tables_is_refused_in_one_line():
    times = MeshTimes(5000, 1, 2, 1, 1, 1, 1, 1, 1)
    with pytest.raises(ModelError, match="5000 x 1 routers.*fidelity=reference"):
        BatchedEngine(np.zeros((1, 2), dtype=np.int16), (0, 0), times, None)


def test_a_link_beyond_the_tables_is_refused_in_one_line():
    times = MeshTimes(2, 1, 2, 1, 1, 1, 1, 1, 1, bridge_ps=1 << 31)
    with pytest.raises(ModelError, match="takes 2.15 ms.*fidelity=reference"):
        BatchedEngine(np.zeros((1, 2), dtype=np.int16), (0, 0), times, None)


@given(clock=st.integers(1, 2**40), time=st.integers(0, 2**61))
def test_a_time_has_as_many_instants_as_a_division_says(clock, time):
    mesh = replace(clocked_case(0).mesh, clock_ps=clock)
    shape = Layout(np.zeros((1, 2), dtype=np.int16), (0, 0), mesh).shape
    for near in (time, time // clock * clock, time // clock * clock + 1):
        assert instant(shape, near) == -(-near // clock)
