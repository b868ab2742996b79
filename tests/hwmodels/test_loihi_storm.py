"""A storm on Loihi: every neuron fires in every step; nothing is lost, and lateness is counted."""

from __future__ import annotations

import numpy as np
import pytest

from tests.hwmodels.networks import cells, network, synapses
from tests.hwmodels.running import run

N, STEPS, TARGETS = 64, 25, 16
#: 16 cores on four chips of 2 x 2 routers.
CORES = {
    "columns": 2, "rows": 2, "cores_per_tile": 1, "compartments_per_core": 4,
    "chip_columns": 2, "chip_rows": 2, "link_buffer_packets": 1, "core_buffer_packets": 1,
}  # fmt: skip


def storm(dt=1.0):
    rng = np.random.default_rng(7)
    pairs = [(a, b) for a in range(N) for b in rng.choice(N, TARGETS, replace=False)]
    # The drive crosses the threshold in one step, whatever comes in besides.
    everybody = cells(N, v_thresh=-64.5, tau_refrac=0.0, i_offset=0.2, tau_m=20.0)
    return network(everybody, dt=dt, projections=[synapses(0, 0, pairs, 0.01, n_pre=N)])


def fired(result):
    return len(result.spikes[0].cell)


@pytest.mark.parametrize("fidelity", ["compiled", "reference"])
@pytest.mark.parametrize("period_ns", [None, 40_000, 400])
def test_every_neuron_fires_in_every_step_and_every_packet_is_accounted_for(fidelity, period_ns):
    clock = {} if period_ns is None else {"clocking": "free_running", "step_ns": period_ns}
    result = run(storm(), STEPS, fidelity=fidelity, **CORES, **clock)
    assert fired(result) == N * STEPS
    packets, counts = result.hardware.packets, result.counts
    assert packets["synapses"].sum() == TARGETS * N * STEPS
    each = np.bincount(packets["step"], packets["synapses"], STEPS + 1)
    assert np.all(each[1:] == TARGETS * N)
    arrived = packets[packets["arrive_ps"] >= 0]
    late = arrived[arrived["late_steps"] > 0]["synapses"].sum()
    under_way = packets[packets["arrive_ps"] < 0]["synapses"].sum()
    assert counts.get("synaptic events late", 0) == late
    assert counts.get("synaptic events under way at the end", 0) == under_way
    assert "synaptic events lost" not in counts
    if period_ns is None:
        assert late == under_way == 0
        assert result.hardware.step_ps[1:].min() > 1_000_000, "a step waits for its storm"
    elif period_ns == 400:
        assert late > 0
        assert under_way > 0
    moved = {row["operation"]: int(row["count"]) for row in result.hardware.energy}
    hops = [moved[f"hops {way}"] for way in
            ("east or west", "north or south", "from chip to chip")]  # fmt: skip
    assert sum(hops) == packets["hops"].sum()


def test_a_storm_slows_the_barrier_and_changes_no_spike():
    calm = run(storm(), STEPS, effects="weight_precision+arithmetic")
    loud = run(storm(), STEPS, **CORES)
    assert fired(calm) == fired(loud)
    assert calm.hardware.duration_s == 0.0 < loud.hardware.duration_s


def test_a_storm_of_strong_synapses_wraps_registers_and_says_how_often():
    pairs = [(a, b) for a in range(N) for b in range(N)]
    net = network(
        cells(N, v_thresh=-64.5, tau_refrac=0.0, i_offset=0.2),
        projections=[synapses(0, 0, pairs, 50.0, n_pre=N)],
    )
    counts = run(net, 20.0).counts
    assert counts["synaptic inputs wrapped"] > 0
    assert counts["weights clipped"] + counts.get("currents wrapped", 0) > 0
