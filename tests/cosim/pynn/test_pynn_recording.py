"""Recorded data as a script gets it: samples, spikes, clearing, segments, files."""

import numpy as np
import pytest
import quantities as pq
from neo.io import PickleIO
from numpy.testing import assert_allclose, assert_array_equal

import cosim.pynn as sim
from hwmodels.errors import NetworkError


def signals(cells, name="v", **options):
    return cells.get_data(name, **options).segments[-1].filter(name=name)[0]


def test_samples_include_both_ends(engine):
    cells = sim.Population(3, sim.IF_cond_exp())
    cells.record(["v", "gsyn_exc"])
    sim.run(30.0)
    v = signals(cells)
    assert v.shape == (301, 3)
    assert_allclose(v.times.magnitude[[0, -1]], [0.0, 30.0])
    assert v.units == pq.mV
    assert_array_equal(v.array_annotations["channel_index"], [0, 1, 2])
    assert signals(cells, "gsyn_exc").units == pq.UnitQuantity("uS", 1e-6 * pq.S)


def test_order_of_signals_is_that_of_recording(engine):
    cells = sim.Population(3, sim.EIF_cond_exp_isfa_ista())
    cells.record(["w", "v", "gsyn_inh"])
    sim.run(1.0)
    assert [s.name for s in cells.get_data().segments[0].analogsignals] == ["w", "v", "gsyn_inh"]


def test_sampling_interval(engine):
    cells = sim.Population(2, sim.IF_cond_exp())
    cells.record("v", sampling_interval=0.5)
    cells.record("spikes")
    sim.run(10.0)
    v = signals(cells)
    assert v.shape == (21, 2)
    assert v.sampling_period == 0.5 * pq.ms
    with pytest.raises(NetworkError, match="multiple"):
        sim.Population(2, sim.IF_cond_exp()).record("v", sampling_interval=0.25)


def test_views_get_their_own_cells(engine):
    cells = sim.Population(6, sim.IF_cond_exp())
    cells[1:5].record("v")
    sim.run(1.0)
    v = signals(cells[2:4])
    assert_array_equal(v.array_annotations["channel_index"], [2, 3])
    assert_allclose(v.magnitude[0], [0.002, 0.003])
    assert signals(cells).shape == (11, 4)


def test_assembly(engine):
    a, b = sim.Population(2, sim.IF_cond_exp()), sim.Population(3, sim.IF_curr_exp())
    both = a + b[1:]
    both.record(["v", "spikes"])
    sim.run(1.0)
    segment = both.get_data().segments[0]
    assert segment.filter(name="v")[0].shape == (11, 4)
    assert len(segment.spiketrains) == 4
    assert both.mean_spike_count() == 0.0


@pytest.fixture
def source(engine):
    cells = sim.Population(2, sim.SpikeSourceArray(spike_times=[[0.0, 5.0, 10.0, 15.0], [10.0]]))
    cells.record("spikes")
    return cells


def trains(cells, **options):
    segments = cells.get_data("spikes", **options).segments
    return [[t.magnitude.tolist() for t in s.spiketrains] for s in segments]


def test_spikes_and_counts(source):
    sim.run(12.0)
    assert trains(source) == [[[0.0, 5.0, 10.0], [10.0]]]
    first, second = source.all_cells
    assert source.get_spike_counts() == {first: 3, second: 1}
    assert source.mean_spike_count() == 2.0
    train = source.get_data().segments[0].spiketrains[1]
    assert train.t_stop == 12.0 * pq.ms
    assert train.annotations["source_index"] == 1
    assert train.annotations["channel_id"] == int(second)


def test_several_runs_join(source):
    sim.run(5.0)
    sim.run(7.0)
    assert trains(source) == [[[0.0, 5.0, 10.0], [10.0]]]


def test_clearing_gives_each_spike_once(source):
    sim.run(10.0)
    assert trains(source, clear=True) == [[[0.0, 5.0, 10.0], [10.0]]]
    assert source.get_spike_counts() == dict.fromkeys(source.all_cells, 0)
    sim.run(10.0)
    data = source.get_data(clear=True).segments[0]
    assert data.spiketrains[0].magnitude.tolist() == [15.0]
    assert data.spiketrains[0].t_start == 10.0 * pq.ms


def test_clearing_samples_goes_on_with_the_last(engine):
    cells = sim.Population(1, sim.IF_cond_exp())
    cells.record("v", sampling_interval=0.5)
    sim.run(10.0)
    assert signals(cells, clear=True).shape == (21, 1)
    sim.run(5.0)
    v = signals(cells)
    assert v.shape == (11, 1)
    assert v.t_start == 10.0 * pq.ms
    assert v.magnitude[0, 0] == 20.0


def test_reset_begins_a_segment(source):
    sim.run(6.0)
    sim.reset(annotations={"trial": 1})
    assert sim.get_current_time() == 0.0
    sim.run(12.0)
    block = source.get_data()
    assert trains(source) == [[[0.0, 5.0], []], [[0.0, 5.0, 10.0], [10.0]]]
    assert block.segments[0].annotations["trial"] == 1
    assert [s.name for s in block.segments] == ["segment000", "segment001"]
    assert [e.duration_ms for e in sim.state.experiments] == [6.0, 12.0]


def test_what_was_recorded_after_a_clear_survives_a_reset(source):
    sim.run(6.0)
    source.get_data(clear=True)
    sim.run(6.0)
    sim.reset()
    assert trains(source) == [[[10.0], [10.0]]]


def test_recording_turned_on_later(engine):
    cells = sim.Population(2, sim.IF_cond_exp())
    cells.record("v")
    sim.run(10.0)
    cells.record("gsyn_exc")
    sim.run(10.0)
    assert signals(cells).shape == (201, 2)
    late = signals(cells, "gsyn_exc")
    assert late.shape == (101, 2)
    assert late.t_start == 10.0 * pq.ms


def test_record_none_forgets(engine):
    cells = sim.Population(7, sim.IF_cond_exp())
    cells[3:4].record("v")
    sim.run(10.0)
    sim.reset()
    cells.record(None)
    cells[4:5].record("v")
    sim.run(10.0)
    first, second = (s.analogsignals[0] for s in cells.get_data().segments)
    assert_array_equal(first.array_annotations["channel_index"], [3])
    assert_array_equal(second.array_annotations["channel_index"], [4])


def test_files(engine, tmp_path):
    cells = sim.Population(2, sim.IF_cond_exp())
    cells.record("v", to_file=str(tmp_path / "end.pkl"))
    sim.run(1.0)
    cells.write_data(str(tmp_path / "now.pkl"), annotations={"why": "test"})
    assert not (tmp_path / "end.pkl").exists()
    sim.end()
    for name in ("end.pkl", "now.pkl"):
        block = PickleIO(str(tmp_path / name)).read_block()
        assert block.segments[0].analogsignals[0].shape == (11, 2)
        assert block.annotations["simulator"] == "cosim"
    assert block.annotations["why"] == "test"


def test_annotations(engine):
    cells = sim.Population(2, sim.IF_cond_exp())
    cells.record("v")
    sim.run(1.0)
    assert cells.get_data(annotations={"a": 1}).annotations["a"] == 1


def test_what_cannot_be_recorded(engine):
    with pytest.raises(sim.errors.RecordingError):
        sim.Population(2, sim.IF_curr_exp()).record("w")


def test_callbacks_split_the_run(engine):
    cells = sim.Population(1, sim.IF_curr_exp())
    cells.record("v")
    called = []

    def callback(t):
        called.append(t)
        return t + 2.0

    assert sim.run(5.0, callbacks=[callback]) == 5.0
    assert called == [0.0, 2.0, 4.0, 5.0]
    assert [step for _, step in engine.simulations[0].calls] == [20, 40, 50]
    sim.run_until(7.0)
    assert sim.get_current_time() == 7.0
    with pytest.raises(ValueError, match="past"):
        sim.run_until(3.0)
    assert signals(cells).shape == (71, 1)


def test_synaptic_currents_are_recorded_under_pynns_and_spynnakers_names():
    sim.setup(timestep=0.1, engine="brian2")
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[2.0]))
    cell = sim.Population(1, sim.IF_curr_exp(tau_syn_E=4.0))
    sim.Projection(source, cell, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.5, delay=1.0))
    cell.record(["isyn_exc", "gsyn_exc", "gsyn_inh"])
    sim.run(10.0)
    segment = cell.get_data().segments[0]
    signals = {name: segment.filter(name=name)[0] for name in ("isyn_exc", "gsyn_exc", "gsyn_inh")}
    current = np.asarray(signals["isyn_exc"])[:, 0]
    expected = np.where(np.arange(101) < 30, 0.0, 0.5 * np.exp(-(np.arange(101) - 30) * 0.1 / 4.0))
    assert current == pytest.approx(expected, abs=1e-12)
    assert np.array_equal(signals["gsyn_exc"].magnitude, signals["isyn_exc"].magnitude)
    assert not np.any(signals["gsyn_inh"].magnitude)
    assert signals["isyn_exc"].units == signals["gsyn_exc"].units
    assert str(signals["isyn_exc"].units.dimensionality) == "nA"
