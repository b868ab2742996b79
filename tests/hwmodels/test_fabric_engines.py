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
from hwmodels.fabric.multicore import EVENT_ENGINES
from tests.hwmodels.fabric_cases import carry, difference, random_case

OTHERS = sorted(set(EVENT_ENGINES) - {"reference"})


@pytest.mark.parametrize("engine", OTHERS)
@example(seed=31107)  # two links of different latency, with arrivals at one instant
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=120, deadline=None)
def test_an_engine_equals_the_reference_in_every_packet_link_and_step(engine, seed):
    assert difference(random_case(seed), engine) is None


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
