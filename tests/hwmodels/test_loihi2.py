"""Loihi 2: the vendor's ratios, how little is known of it, and weights that travel with spikes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.loihi import Loihi
from hwmodels.errors import ModelError
from tests.hwmodels.networks import cells, network, random_network, source, synapses
from tests.hwmodels.running import run
from tests.hwmodels.test_loihi_memory import mapped, table_of, words

ONE, TWO = Loihi().spec, Loihi(spec="loihi2_scaled").spec


def fan(weights, targets=3, **options):
    """Each source onto the same run of cells, all its synapses with one weight."""
    n = len(weights)
    pairs = [(i, k) for i in range(n) for k in range(targets)]
    return network(
        source(*[[5.0 + 2.0 * i] for i in range(n)]), cells(targets, **options), dt=1.0, v=[1],
        projections=[synapses(0, 1, pairs, np.repeat(weights, targets))],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "ratio"),
    [
        (("visit_ns", "update_ns"), 2), (("spike_ns",), 10),
        (("chip_hop_ns", "barrier_chip_ns"), 4),
        (("synapse_dense_ns", "synapse_sparse_ns", "synapse_shared_ns"), 5),
        (("barrier_ns", "barrier_tile_ns"), 9),
        (("hop_ew_ns", "hop_ns_ns", "message_in_ns", "message_out_ns"), 1),
        (("visit_pJ", "update_pJ", "synapse_dense_pJ", "message_out_pJ"), 1),
    ],
)  # fmt: skip
def test_times_are_those_of_loihi_over_the_vendors_ratios_and_energies_its_own(fields, ratio):
    for name in fields:
        assert getattr(TWO, name) * ratio == pytest.approx(getattr(ONE, name)), name


def test_an_empty_step_of_a_whole_chip_is_200_ns():
    assert TWO.barrier_of(32) + TWO.management_of(32) == pytest.approx(200.0)
    assert TWO.barrier_of(1) + TWO.management_of(1) == pytest.approx(600 / 9)


def test_every_report_says_that_its_times_and_energies_are_of_low_confidence():
    sources = run(network(cells(3)), 2.0, spec="loihi2_scaled").hardware.sources
    flagged = set(sources["low confidence"].split(", "))
    unsure = {
        row.field for row in TWO.table()
        if row.field.endswith(("_ns", "_pJ", "_mW")) and row.evidence != "M"
    }  # fmt: skip
    several = {"chip_hop_ns", "chip_hop_pJ", "barrier_chip_ns"}
    assert unsure - several <= flagged
    assert "LOW CONFIDENCE" in sources["specification"]


def test_a_step_is_at_least_the_longest_of_the_terms_of_the_published_law():
    net = random_network(np.random.default_rng(8), n=200, synapse_count=4000)
    report = run(net, 50.0, spec="loihi2_scaled", compartments_per_core=40).hardware
    step, packets = report.step_ps[1:], report.packets
    synapses_ps = np.zeros((len(report.step_ps), len(report.cores)))
    np.add.at(synapses_ps, (packets["step"], packets["destination_core"]), packets["synapses"])
    neurons_ps = report.cores["neurons"].max() * TWO.visit_ns * 1000
    barrier_ps = (TWO.barrier_of(1) + TWO.management_of(1)) * 1000
    assert np.all(step >= neurons_ps)
    assert np.all(step >= synapses_ps.max(axis=1)[1:] * 0.76 * 1000)
    assert np.all(step >= barrier_ps)


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_a_weight_in_the_spike_is_finer_than_a_mantissa_of_8_bits(weights):
    weights = np.array([*weights, 1.0])
    rows = {}
    for graded in ("weights", "none"):
        translation = Loihi(spec="loihi2_scaled", graded=graded).translate(fan(weights))
        rows[graded] = translation.quantisation[0]
        found = translation.network.projections[0].weight[::3]
        assert np.all(np.abs(found - weights) <= rows[graded]["step"] / 2 * (1 + 1e-9))
    assert rows["weights"]["quantity"] == "weight, in the spike"
    assert rows["weights"]["step"] <= rows["none"]["step"] / 4


def test_what_travels_with_the_spike_takes_one_bit_a_synapse_and_lists_become_equal():
    net = fan(np.linspace(0.1, 0.9, 40), targets=64)
    full = mapped(net, spec="loihi2_scaled", graded="none")[2]
    slim = mapped(net, spec="loihi2_scaled")[2]
    once = mapped(net, spec="loihi2_scaled", sharing="auto")[2]
    assert table_of(full) == {"dense": (40, 2560, 40 * words(64, 8 + 1))}
    assert table_of(slim) == {"dense": (40, 2560, 40 * words(64, 1 + 1))}
    assert table_of(once) == {"shared": (1, 2560, words(64, 1 + 1 + 6))}


def test_graded_spikes_come_closer_to_the_exact_membrane():
    weights = 0.04 * 2.0 ** -np.arange(12)
    exact = run(fan(weights), 60.0, weight_bits=20).traces[0].values
    errors = {
        graded: np.abs(
            run(fan(weights), 60.0, spec="loihi2_scaled", graded=graded).traces[0].values - exact
        ).mean()
        for graded in ("weights", "none")
    }
    assert errors["weights"] < errors["none"]


@pytest.mark.parametrize("case", ["rows differ", "two projections"])
def test_a_spike_carries_one_number_or_none(case):
    if case == "rows differ":
        pairs, projections = [(0, 0), (0, 1)], [synapses(0, 1, [(0, 0), (0, 1)], [0.1, 0.2])]
    else:
        pairs = [(0, 0), (0, 1)]
        projections = [synapses(0, 1, pairs, 0.1), synapses(0, 1, pairs, 0.2, label="q")]
    net = network(source([1.0]), cells(2), projections=projections)
    rows = Loihi(spec="loihi2_scaled").translate(net).quantisation
    assert {str(row["quantity"]) for row in rows if "weight" in str(row["quantity"])} == {"weight"}


def test_graded_spikes_on_a_chip_without_them_are_one_line():
    with pytest.raises(ModelError, match="no number on nahuku_fit; use spec=loihi2_scaled"):
        Loihi(graded="weights")
    assert Loihi(graded="weights", payload_bits=16).carries_payloads
    assert not Loihi(spec="loihi2_scaled", graded="none").carries_payloads


def test_a_payload_that_is_too_large_is_clipped_and_counted():
    chip = Loihi(spec="loihi2_scaled", payload_bits=8)
    translation = chip.translate(fan(np.array([1.0, 0.01])))
    assert translation.counts["weights clipped"] == 3
    assert translation.quantisation[0]["clipped"] == 3


def test_spikes_of_a_source_at_one_time_are_one_message_that_says_how_many():
    """A payload multiplies the weight, and costs nothing more."""
    once, graded = (
        network(
            source([5.0] * count + [9.0]), cells(3), dt=1.0, v=[1],
            projections=[synapses(0, 1, [(0, k) for k in range(3)], [0.01, 0.02, 0.03])],
        )
        for count in (1, 40)
    )  # fmt: skip
    one, many = (run(net, 20.0, spec="loihi2_scaled") for net in (once, graded))
    plain = run(graded, 20.0)
    assert len(one.hardware.packets) == len(many.hardware.packets) == 2
    assert len(plain.hardware.packets) == 41
    assert many.hardware.energy_pJ == pytest.approx(one.hardware.energy_pJ, rel=0.05)
    assert plain.hardware.energy_pJ > 2 * many.hardware.energy_pJ
    rest = one.traces[0].values[0]
    assert np.all(many.traces[0].values[9] - rest > 30 * (one.traces[0].values[9] - rest))
    # What is computed is the same, however it is sent.
    other = run(graded, 20.0, spec="loihi2_scaled", graded="none")
    assert np.array_equal(other.traces[0].values, many.traces[0].values)
    assert len(other.hardware.packets) == 41
