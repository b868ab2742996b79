"""Where things are on the SpiNNaker-style chip: faults, delay extensions, shared memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwmodels.chips.spinnaker import Spinnaker
from hwmodels.errors import CapacityError, ModelError, UnsupportedError
from tests.hwmodels.networks import cells, network, random_network, source, synapses
from tests.hwmodels.running import run_on


def delayed(*ms):
    """A source that spikes at 2 ms, and a synapse of each delay to a cell of its own."""
    pairs = [(0, k) for k in range(len(ms))]
    return network(
        cells(len(ms)), source([2.0]), v=[0],
        projections=[synapses(1, 0, pairs, 2.0, np.array(ms))],
    )  # fmt: skip


def test_long_delays_take_delay_extensions_up_to_their_limit():
    delays = [1.0, 16.0, 17.0, 32.0, 33.0, 144.0]
    result = run_on(Spinnaker(), delayed(*delays), 160.0)
    assert result.counts["synapses on delay extensions"] == 4
    values = result.traces[0].values
    moved = [int(np.flatnonzero(np.diff(values[:, k]))[0]) + 1 for k in range(len(delays))]
    assert moved == [2 + int(d) for d in delays]
    with pytest.raises(UnsupportedError, match=r"145 steps of 1 ms, SpiNNaker holds at most 144"):
        Spinnaker().translate(delayed(145.0))


def test_a_delay_extension_is_a_core_with_packets_and_work_of_its_own():
    plain, late = run_on(Spinnaker(), delayed(16.0), 60.0), run_on(Spinnaker(), delayed(40.0), 60.0)
    assert [len(r.hardware.cores) for r in (plain, late)] == [2, 3]
    cores, packets = late.hardware.cores, late.hardware.packets
    assert cores["neurons"].tolist() == [1, 1, 0]
    # To the extension, and from there a packet for each of two stages; the first one is for nobody.
    assert packets["step"].tolist() == [2, 18, 34]
    assert packets["source"].tolist() == [1, 1, 1]
    assert packets["source_core"].tolist() == [1, 2, 2]
    assert packets["destination_core"].tolist() == [2, 0, 0]
    assert packets["synapses"].tolist() == [0, 0, 1]
    spec = Spinnaker().spec
    ticks, stages = 61, 2
    work = 53 + spec.delay_spike_cycles + stages * (ticks * spec.delay_cell_cycles + 29)
    backoff_us = spec.send_backoff_us * ticks
    assert cores["busy_ps"][2] == pytest.approx(5_000 * work + backoff_us * 1e6)


def test_delay_extensions_change_no_spike_where_nothing_is_overloaded():
    net = random_network(np.random.default_rng(2), dt=1.0)
    longer = [replace(p, delay_ms=p.delay_ms + 30.0) for p in net.projections]
    net = replace(net, projections=tuple(longer))
    ideal = run_on(Spinnaker(effects="arithmetic+weight_precision"), net, 90.0)
    real = run_on(Spinnaker(neurons_per_core=7), net, 90.0)
    assert real.spikes[0].time_ms.tolist() == ideal.spikes[0].time_ms.tolist()
    assert np.count_nonzero(real.hardware.cores["neurons"] == 0) == 7


def test_trees_go_round_links_that_are_dead():
    net = random_network(np.random.default_rng(2), n=200, synapse_count=600, dt=1.0)
    ideal = run_on(Spinnaker(effects="arithmetic+weight_precision"), net, 40.0)
    spread = Spinnaker(neurons_per_core=8)
    faulty = Spinnaker(neurons_per_core=8, dead_links="[[0, 2]]")
    whole, round_ = run_on(spread, net, 40.0), run_on(faulty, net, 40.0)
    assert whole.hardware.packets["hops"].sum() < round_.hardware.packets["hops"].sum()
    for result in (whole, round_):
        assert result.spikes[0].time_ms.tolist() == ideal.spikes[0].time_ms.tolist()
    used = {(link["x"], link["y"], link["to_x"], link["to_y"]) for link in round_.hardware.links}
    assert not used & {(0, 0, 0, 1), (0, 1, 0, 0)}
    with pytest.raises(ModelError, match="there are 48 chips of 6 links"):
        Spinnaker(dead_links=[[48, 0]])


def test_cells_and_trees_go_round_what_does_not_work():
    net = random_network(np.random.default_rng(2), n=200, synapse_count=600, dt=1.0)
    ideal = run_on(Spinnaker(effects="arithmetic+weight_precision"), net, 40.0)
    faults = {
        "dead_chips": [[0, 0], [1, 1]], "dead_cores": [[1, 0], [1, 5]], "dead_links": [[1, 0]]
    }  # fmt: skip
    chip = Spinnaker(neurons_per_core=8, **faults)
    result = run_on(chip, net, 40.0)
    assert result.spikes[0].time_ms.tolist() == ideal.spikes[0].time_ms.tolist()
    where = set(zip(*(result.hardware.cores[axis].tolist() for axis in "xy"), strict=True))
    assert not where & {(0, 0), (1, 1)}
    links = result.hardware.links
    for end in (("x", "y"), ("to_x", "to_y")):
        assert not {(a, b) for a, b in links[list(end)].tolist()} & {(0, 0), (1, 1)}
    layout = chip._place(chip.translate(net))
    assert not set(zip(layout.chip.tolist(), layout.port.tolist(), strict=True)) & {(1, 0), (1, 5)}
    seats = len(chip.spec.seats(chip.spec.machine()))
    assert seats == 46 * 16 - 2


def test_chips_that_are_cut_off_are_not_used():
    # All links of the chip in the corner but none of its own parts.
    cut = [[0, link] for link in range(6)]
    chip = Spinnaker(dead_links=cut, dead_chips=[[0, 1]])
    seats = chip.spec.seats(chip.spec.machine())
    assert len(seats) == 46 * 16
    assert not set(seats[:, 0].tolist()) & {0, 1}
    chip = Spinnaker(dead_links=cut, neurons_per_core=1)
    with pytest.raises(CapacityError, match="48 chips have 752 for applications"):
        chip.map(chip.translate(network(cells(753))))
    with pytest.raises(ModelError, match=r"there is no chip at \(7, 0\)"):
        Spinnaker(dead_chips=[[7, 0]])
    with pytest.raises(ModelError, match="spinnaker1 .*dead_chips must be pairs of integers"):
        Spinnaker(dead_chips=[[0, 0.5]])
    with pytest.raises(ModelError, match="dead_cores has chip 0 and number 16, .* 16 application"):
        Spinnaker(dead_cores=[[0, 16]])


@pytest.mark.parametrize(("sdram_GBps", "waited"), [(0.0, 0), (1.0, 14)])
def test_the_cores_of_a_chip_share_its_memory(sdram_GBps, waited):
    # One packet wakes fifteen cores: all fetch at the same time.
    n, words = 15, 40
    pairs = [(0, c) for c in range(n * words)]
    net = network(cells(n * words), source([2.0]), projections=[synapses(1, 0, pairs, 1e-3, 1.0)])
    chip = Spinnaker(neurons_per_core=words, sdram_GBps=sdram_GBps, timer_spread_us=0.0)
    counts = run_on(chip, net, 6.0).counts
    assert counts.get("rows that waited for memory", 0) == waited


def test_memory_that_all_ask_for_makes_rows_late():
    # 15 cores take rows of 253 words for each of 12 spikes: 46,000 words, of 250,000 in 1 ms.
    n, burst = 15, 12
    pairs = [(s, c) for s in range(burst) for c in range(n * 100)]
    pairs += [(s, c) for s in range(burst) for c in range(n * 100)]
    net = network(
        cells(n * 100), source(*[[2.0]] * burst), projections=[synapses(1, 0, pairs, 1e-3, 1.0)]
    )
    late = [
        run_on(Spinnaker(neurons_per_core=100, sdram_GBps=rate), net, 8.0)
        .counts.get("rows processed after their tick", 0)
        for rate in (0.0, 1.0, 0.02)
    ]  # fmt: skip
    assert late[0] <= late[1] < late[2]


def test_spikes_of_one_key_that_follow_each_other_share_a_row():
    words = 12
    net = network(
        cells(16), source([2.1, 2.2, 2.3]),
        projections=[synapses(1, 0, [(0, c) for c in range(words)], 1e-3, 1.0)],
    )  # fmt: skip
    chip = Spinnaker(send_backoff_us=0.0, timer_spread_us=0.0)
    result = run_on(chip, net, 5.0)
    assert result.counts["rows used again for an equal spike"] == 2
    # Looked up once, added three times.
    spikes = 118 + 492 + 2 * 53 + 120 + 250 + 30 * words + 2 * (64.5 + 30 * words)
    tick = 6 * 26 * 16 + 5 * 124 * 16 + 19.5 * words
    assert result.hardware.cores["busy_ps"][0] == 5_000 * (spikes + tick)
