"""A Network is checked when it is built, hashes by content and survives a file."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwmodels import ArchiveError, Network, NetworkError, Result
from hwmodels.network import (
    InjectedCurrent,
    Population,
    Projection,
    Recording,
    SpikeTrains,
    count_rounded,
    to_delay_steps,
    to_steps,
)
from hwmodels.result import Spikes, spikes_from_steps

CELLS = np.zeros(1, dtype=np.int32)


def network(**changes) -> Network:
    population = Population("cells", "IF_curr_exp", 3, {"cm": np.ones(3)}, {"v": np.zeros(3)})
    source = Population(
        "source", "SpikeSourceArray", 2, stimulus=SpikeTrains.from_lists([[1.0, 2.0], [0.0]])
    )
    fields = dict(
        timestep_ms=0.1,
        populations=(population, source),
        projections=(synapses(),),
        currents=(InjectedCurrent(0, CELLS, np.array([0.0, 5.0]), np.array([1.0, 0.0])),),
        recordings=(Recording(0, "v", CELLS, 0.1),),
    )
    return Network(**(fields | changes))


def synapses(**changes) -> Projection:
    fields = dict(
        label="p",
        pre=1,
        post=0,
        receptor="excitatory",
        indptr=np.array([0, 2, 3]),
        target=np.array([0, 2, 1], dtype=np.int32),
        weight=np.array([0.5, 0.25, 1.0]),
        delay_ms=np.array([1.0, 1.0, 2.5]),
    )
    return Projection(**(fields | changes))


def test_a_file_gives_back_the_same_content(tmp_path):
    original = network()
    original.save(tmp_path / "n.npz")
    loaded = Network.load(tmp_path / "n.npz")
    assert loaded.content_hash == original.content_hash
    assert loaded.populations[1].stimulus.times_ms.tolist() == [1.0, 2.0, 0.0]
    assert loaded.projections[0].source.tolist() == [0, 0, 1]
    assert loaded.populations[0].stimulus is None


def test_the_hash_is_the_same_in_another_process():
    code = "from tests.hwmodels.test_network import network; print(network().content_hash)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == network().content_hash


@pytest.mark.parametrize(
    "changed",
    [
        network(timestep_ms=0.2, recordings=()),
        network(projections=(synapses(weight=np.array([0.5, 0.25, 1.0 + 1e-15])),)),
        network(projections=(synapses(label="q"),)),
        network(currents=()),
    ],
)
def test_the_hash_sees_every_change(changed):
    assert changed.content_hash != network().content_hash


@settings(max_examples=25, deadline=None)
@given(
    weights=arrays(np.float64, 3, elements=st.floats(-1e300, 1e300)),
    times=st.lists(st.lists(st.floats(0, 1e6), max_size=5), min_size=2, max_size=2),
)
def test_any_finite_content_survives_a_file(tmp_path_factory, weights, times):
    path = tmp_path_factory.mktemp("files") / "n.npz"
    source = Population("source", "SpikeSourceArray", 2, stimulus=SpikeTrains.from_lists(times))
    original = network(
        populations=(network().populations[0], source), projections=(synapses(weight=weights),)
    )
    original.save(path)
    loaded = Network.load(path)
    assert np.array_equal(loaded.projections[0].weight, weights)
    assert loaded.content_hash == original.content_hash


def bad_network(message, **changes):
    return pytest.param(changes, message, id=message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        bad_network("time step must be > 0", timestep_ms=0.0),
        bad_network("labels must be unique", populations=(network().populations[0],) * 2),
        bad_network(
            "cm must have shape",
            populations=(Population("cells", "IF_curr_exp", 3, {"cm": np.ones(2)}),),
            projections=(),
        ),
        bad_network(
            "tau_m of cell 1 is nan",
            populations=(Population("cells", "IF_curr_exp", 2, {"tau_m": np.array([1, np.nan])}),),
            projections=(),
        ),
        bad_network(
            "a stimulus belongs to spike sources",
            populations=(Population("s", "SpikeSourcePoisson", 1),),
            projections=(),
            currents=(),
            recordings=(),
        ),
        bad_network(
            "spike times must be finite and >= 0",
            populations=(
                network().populations[0],
                Population(
                    "s", "SpikeSourceArray", 2, stimulus=SpikeTrains.from_lists([[-1.0], []])
                ),
            ),
        ),
        bad_network(
            "spike times of a cell must ascend",
            populations=(
                network().populations[0],
                Population(
                    "s",
                    "SpikeSourceArray",
                    2,
                    stimulus=SpikeTrains(np.array([0, 2, 3]), np.array([2.0, 1.0, 5.0])),
                ),
            ),
        ),
        bad_network(
            "'p': weight of the synapse from cell 0 to cell 2 is nan",
            projections=(synapses(weight=np.array([1.0, np.nan, 1.0])),),
        ),
        bad_network("weight must have shape", projections=(synapses(weight=np.ones(2)),)),
        bad_network("delays must be >= 0 ms", projections=(synapses(delay_ms=-np.ones(3)),)),
        bad_network("there is no population number 7", projections=(synapses(pre=7),)),
        bad_network(
            "cell numbers must lie in 0..2",
            projections=(synapses(target=np.array([0, 3, 1], dtype=np.int32)),),
        ),
        bad_network("indptr must have 3 entries", projections=(synapses(indptr=np.array([0, 3])),)),
        bad_network("indptr must not fall", projections=(synapses(indptr=np.array([0, 4, 3])),)),
        bad_network(
            "one amplitude a time",
            currents=(InjectedCurrent(0, CELLS, np.zeros(1), np.zeros(2)),),
        ),
        bad_network(
            "times must ascend strictly",
            currents=(InjectedCurrent(0, CELLS, np.zeros(2), np.zeros(2)),),
        ),
        bad_network(
            "times and amplitudes must be finite",
            currents=(InjectedCurrent(0, CELLS, np.zeros(1), np.array([np.inf])),),
        ),
        bad_network(
            "must be a multiple of the time step", recordings=(Recording(0, "v", CELLS, 0.15),)
        ),
    ],
)
def test_what_is_inconsistent_is_refused_with_its_name(changes, message):
    with pytest.raises(NetworkError) as error:
        network(**changes)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_parameters_cannot_be_changed_after_lowering():
    with pytest.raises(TypeError):
        network().populations[0].parameters["cm"] = np.zeros(3)


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "text", "pickle"])
def test_a_damaged_file_is_one_clear_line(tmp_path, damage):
    path = tmp_path / "n.npz"
    network().save(path)
    content = bytearray(path.read_bytes())
    if damage == "truncate":
        content = content[: len(content) // 2]
    elif damage == "flip":
        for position in range(60, len(content), 50):
            content[position] ^= 0xFF
    elif damage == "empty":
        content = bytearray()
    elif damage == "text":
        content = bytearray(b"this is no network\n")
    path.write_bytes(bytes(content))
    if damage == "pickle":
        with open(path, "wb") as file:
            np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ArchiveError) as error:
        Network.load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_result_is_not_a_network_and_a_missing_file_is_named(tmp_path):
    path = tmp_path / "r.npz"
    spikes = Spikes(np.zeros(1, dtype=np.int32), np.ones(1))
    Result("brian2", "0" * 64, 0.1, 10.0, ("a",), (1,), (spikes,), counts={"x": 2}).save(path)
    with pytest.raises(ArchiveError, match="holds a Result, not a Network"):
        Network.load(path)
    with pytest.raises(ArchiveError, match="no such file"):
        Network.load(tmp_path / "nothing.npz")
    loaded = Result.load(path)
    assert loaded.counts == {"x": 2}
    assert loaded.hardware is None
    assert loaded.spikes[0].time_ms.tolist() == [1.0]


@given(st.integers(0, 100_000), st.sampled_from([0.1, 0.05, 0.25, 1.0]))
def test_a_time_on_the_grid_stays_on_its_step(step, dt):
    times = np.array([step * dt])
    assert to_steps(times, dt).tolist() == [step]
    assert count_rounded(times, to_steps(times, dt), dt) == 0
    assert to_delay_steps(times, dt).tolist() == [max(step, 1)]


def test_spikes_are_sorted_by_time_then_cell():
    spikes = spikes_from_steps(np.array([5, 3, 5]), np.array([2, 9, 1], dtype=np.int32), 0.1)
    assert spikes.cell.tolist() == [9, 1, 2]
    assert spikes.time_ms.tolist() == [3 * 0.1, 0.5, 0.5]


def test_events_of_a_stimulus_are_sorted_and_keep_double_spikes():
    steps, cells = SpikeTrains.from_lists([[1.0, 1.0], [0.0, 0.5]]).events(0.1)
    assert steps.tolist() == [0, 5, 10, 10]
    assert cells.tolist() == [1, 1, 0, 0]


def test_all_spikes_recorded_keeps_other_recordings():
    recorded = network().with_all_spikes_recorded()
    assert [(r.population, r.variable) for r in recorded.recordings] == [
        (0, "spikes"),
        (1, "spikes"),
        (0, "v"),
    ]
    assert replace(recorded, currents=()).recordings == recorded.recordings


def test_a_run_cannot_begin_with_a_missing_initial_value():
    population = Population("cells", "IF_curr_exp", 2, {}, {"v": np.array([0.0, np.nan])})
    with pytest.raises(NetworkError, match="'cells': v of cell 1 is nan at the start"):
        Network(1.0, (population,)).check_start()
