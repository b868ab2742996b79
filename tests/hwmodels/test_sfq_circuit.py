"""What an SFQ-style chip is built of: cells or gates, lines, trees, and what they take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.sfq import Sfq
from hwmodels.errors import CapacityError, ModelError, UnsupportedError
from hwmodels.network import Recording
from tests.hwmodels.networks import network, source, synapses
from tests.hwmodels.running import run_on
from tests.hwmodels.sfq_networks import lif, one_cell, random_net, spikes


def test_a_circuit_that_is_too_large_is_refused():
    net = one_cell([1.0])
    chip = Sfq(junctions_max=100)
    translation = chip.translate(net)
    with pytest.raises(CapacityError, match=r"the chip has 100; most are for projection 'p'"):
        chip.run(translation, chip.map(translation))


def test_power_area_and_energy_follow_from_the_cells():
    net = one_cell([10.0])
    rsfq, ersfq = (run_on(Sfq(biasing=b), net, 40.0).hardware for b in ("rsfq", "ersfq"))
    figures = {row["what"]: row["value"] for row in rsfq.resources}
    # Converter, a row of JTLs, synapse, soma.
    jtls = (5 * 25 - 3.5 - 11 - 10.7) // 3.5
    assert figures["junctions of its cells"] == 3 + 2 * jtls + 28 + 7
    assert figures["with wiring"] == 4 * figures["junctions of its cells"]
    assert figures["at the wall, x300"] == pytest.approx(300 * figures["power at 4 K"])
    assert figures["area"] == pytest.approx(figures["with wiring"] / 2000)
    bias_A = 4 * (450 + 350 * jtls + 3200 + 400) * 1e-6
    static_pJ = {row["operation"]: row["count"] * row["unit_pJ"] for row in rsfq.energy}
    assert static_pJ["static bias, each ps"] == pytest.approx(bias_A * 2.6e-3 * 1000)
    assert static_pJ["flips in JTL"] == pytest.approx(2 * jtls * 0.3619e-6, rel=1e-3)
    at_full_rate = 2.0678e-15 * bias_A * 45e9
    assert ersfq.energy["unit_pJ"][-1] == pytest.approx(at_full_rate)


@pytest.mark.parametrize(
    ("bias", "works"), [(0.72, False), (0.74, True), (1.26, True), (1.28, False)]
)
def test_a_circuit_beyond_the_margin_of_a_cell_is_refused(bias, works):
    """Trees of splitters have the narrowest margin; a line alone works much farther."""
    fan_out = network(
        lif(2), source([1.0]), projections=[synapses(1, 0, [(0, 0), (0, 1)], 15.0, 5.0)]
    )
    single = one_cell([1.0])
    chip = Sfq(bias_factor=bias)
    assert len(spikes(run_on(chip, single, 20.0))) == 1
    if works:
        assert len(spikes(run_on(chip, fan_out, 20.0))) == 2
        return
    with pytest.raises(ModelError, match=f"bias_factor {bias:g}: a SPLIT works from 0.73 to 1.27"):
        run_on(chip, fan_out, 20.0)


def test_passive_lines_meet_delays_with_five_junctions():
    net = one_cell([10.0])
    jtl, ptl = (
        run_on(Sfq(effects="arithmetic+fabric", lines=k), net, 40.0) for k in ("jtl", "ptl")
    )
    assert spikes(ptl) == pytest.approx([15.0])
    figures = {row["what"]: row["value"] for row in ptl.hardware.resources}
    assert figures["junctions of its cells"] == 3 + 5 + 28 + 7
    assert figures["passive lines"] == pytest.approx((125 - 3.5 - 8.6 - 11 - 10.7) / 11.2)
    assert jtl.hardware.resources["value"][0] > figures["junctions of its cells"]
    assert "passive lines" not in jtl.hardware.resources["what"]


def test_chained_trees_are_slower_and_corners_differ():
    net = one_cell([10.0], weight=15.0, delay=1.0, sources=8)

    def first(**options):
        return spikes(run_on(Sfq(effects="arithmetic+fabric", **options), net, 60.0))[0]

    assert first(trees="chain") < first()  # its first leaf is nearer than any of a tree
    assert first(cells="pylse") < first()
    slow = run_on(Sfq(effects="arithmetic+fabric", trees="chain"), net, 60.0).hardware.packets
    fast = run_on(Sfq(effects="arithmetic+fabric"), net, 60.0).hardware.packets
    assert slow["arrive_ps"].max() > fast["arrive_ps"].max()
    assert slow["hops"].max() == 7
    assert fast["hops"].max() == 3


def test_the_larger_chip_gates_and_counts():
    chip = Sfq(spec="sushi_like", leak="drop")
    assert (chip.synapse, chip.soma) == ("gate", "counter")
    result = run_on(chip, random_net(), 100.0)
    assert result.counts["cells whose leak is left out"] == 30
    assert "NDRO" in " ".join(result.hardware.energy["operation"])


def test_the_window_of_mergers_and_the_cells_are_options(tmp_path):
    on = "weight_precision+arithmetic+fabric+collisions"
    # 3.5 ps apart: within the simulated window, beyond that of the SDF.
    net = one_cell([10.0], weight=7.5, sources=2, tau_m=1e6)
    merged, apart = (
        run_on(Sfq(effects=on, stagger_ps=3.5, merge_window_ps=window), net, 40.0)
        for window in (5.2, 2.3)
    )
    assert merged.counts["pulses absorbed in mergers"] == 1
    assert "pulses absorbed in mergers" not in apart.counts
    # Then the soma takes no second pulse so soon.
    assert apart.counts["pulses absorbed at somas"] == 1
    corner = tmp_path / "slow.toml"
    corner.write_text(
        'inherits = "rsfqlib"\n[cells.MERGE]\n'
        'transitions = [["idle", "a", "idle", { q = 40.0 }, 4],'
        ' ["idle", "b", "idle", { q = 40.0 }, 4]]'
    )
    slow, fast = (
        run_on(Sfq(effects="arithmetic+fabric", cells=cells), one_cell([10.0], 15.0, 1.0, 2), 40.0)
        for cells in (str(corner), "rsfqlib")
    )
    assert spikes(slow)[0] - spikes(fast)[0] == pytest.approx(31 / 25)
    assert "cells slow" in slow.hardware.spec


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**16), synapse=st.sampled_from(["burst", "gate"]))
def test_a_network_of_gates_spikes_as_one_of_single_cells(seed, synapse):
    """Two layers of counters; whatever comes, comes one after another."""
    rng = np.random.default_rng(seed)
    times = [[] for _ in range(5)]
    for k in range(25):
        times[rng.integers(5)].append(20.0 + 100.0 * k)
    weights = rng.integers(1, 4, 15) if synapse == "burst" else np.ones(15)
    whole = [(i, j) for i in range(5) for j in range(3)]
    free = dict(tau_m=1e6, tau_refrac=0.1)
    net = network(
        lif(3, v_thresh=-60.0, **free), source(*times), lif(1, label="out", **free),
        projections=[
            synapses(1, 0, whole, weights * 1.25, 20.0, n_pre=5),
            synapses(0, 2, [(i, 0) for i in range(3)], 7.5, 20.0, label="q", n_pre=3),
        ],
        dt=0.1,
    )  # fmt: skip
    options = dict(
        synapse=synapse, soma="counter", leak="drop", stagger_ps=350.0, burst_ps=31.3,
        effects="weight_precision+arithmetic+fabric+collisions",
    )  # fmt: skip
    macro, gates = (
        run_on(Sfq(circuits=c, **options), net, 2700.0) for c in ("macro", "gates")
    )  # fmt: skip
    for a, b in zip(macro.spikes, gates.spikes, strict=True):
        assert sorted(a.cell) == sorted(b.cell)
        for cell in set(a.cell.tolist()):
            # Delay lines make up the difference of the circuits to a JTL.
            ours, theirs = b.time_ms[b.cell == cell], a.time_ms[a.cell == cell]
            assert np.allclose(ours, theirs, atol=4 * 3.5 / 25)
    assert len(gates.spikes[0].cell) > 5
    assert "somas that stay single cells" not in gates.counts
    assert not any("absorbed" in name for name in gates.counts)
    built = {r.hardware.resources["value"][0] for r in (macro, gates)}
    assert len(built) == 2
    operations = " ".join(gates.hardware.energy["operation"])
    assert "T1" in operations
    assert "BURST" not in operations


def test_somas_that_gates_cannot_be_stay_single_cells():
    net = network(
        lif(tau_m=1e6, tau_refrac=5.0), lif(2, label="both", tau_m=1e6, tau_refrac=0.1),
        source([1.0], [60.0]),
        projections=[
            synapses(2, 0, [(0, 0)], 15.0, 8.0, n_pre=2),
            synapses(2, 1, [(0, 0), (1, 0), (0, 1)], [7.5, -7.5, 7.5], 8.0, n_pre=2, label="q"),
        ],
    )  # fmt: skip
    options = dict(soma="counter", leak="drop", circuits="gates")
    result = run_on(Sfq(**options), net, 100.0)
    assert result.counts["somas that stay single cells"] == 2, "one waits, one counts down"
    trace = Recording(1, "v", np.arange(2, dtype=np.int32), net.timestep_ms)
    traced = replace(net, recordings=(*net.recordings, trace))
    with pytest.raises(UnsupportedError, match=r"population 'both': 'v' .* circuits=macro"):
        run_on(Sfq(**options), traced, 10.0)
