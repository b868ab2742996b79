"""What the SFQ-style chip makes of a network, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwmodels.chips.sfq import Sfq
from hwmodels.chips.sfq.devices import chance, loop, weight_current
from hwmodels.errors import CapacityError, ModelError, UnsupportedError
from hwmodels.network import SynapseDynamics
from tests.hwmodels.networks import cells, current, network, source, synapses
from tests.hwmodels.sfq_networks import lif, one_cell

IDEAL = "arithmetic"  # own somas, everything else ideal


def test_weights_are_quanta_of_the_threshold_that_fits_best():
    net = one_cell([1.0], weight=5.0)
    translation = Sfq(soma="loop").translate(net)
    somas, made = translation.formats[0], translation.formats.weights[0]
    assert made.quanta.tolist() == [1.0]
    assert somas.quantum_mV.tolist() == [5.0]
    assert 2.8 < somas.threshold[0] <= 3.0
    # Coupled weakly, three pulses are one flux quantum: the threshold.
    coupled = Sfq().translate(net).formats[0]
    assert (coupled.charge, coupled.quantum_mV.tolist()) == (1 / 3, [15.0])
    assert 0.9 < coupled.threshold[0] <= 1.0
    assert translation.network.projections[0].weight.tolist() == [5.0]


def test_what_rounding_costs_is_in_the_table():
    pairs = [(0, 0), (1, 0)]
    net = network(
        lif(), source([1.0], [1.0]), projections=[synapses(1, 0, pairs, [1.6, 40.0])]
    )  # fmt: skip
    translation = Sfq(synapse="gate").translate(net)
    row = translation.quantisation[translation.quantisation["quantity"] == "weight"][0]
    assert row["clipped"] == 1
    assert row["max_error"] > 20
    assert Sfq(effects=IDEAL).translate(net).network.projections[0].weight.tolist() == [1.6, 40.0]


def test_stochastic_weights_are_currents():
    chip = Sfq(synapse="stochastic")
    net = network(
        lif(), source([1.0], [1.0]), projections=[synapses(1, 0, [(0, 0), (1, 0)], [7.5, 15.0])]
    )  # fmt: skip
    translation = chip.translate(net)
    current_uA = translation.formats.weights[0].current_uA
    assert chance(current_uA, chip.spec) == pytest.approx([0.5, 1.0], abs=0.05)
    assert current_uA / 0.25 == pytest.approx(np.rint(current_uA / 0.25))


def test_a_chance_and_its_current_are_inverse():
    spec = Sfq().spec
    p = np.array([0.0, 0.05, 0.5, 0.9, 1.0])
    assert chance(weight_current(p, spec, rounded=False), spec) == pytest.approx(p, abs=1e-9)
    assert np.all(np.diff(chance(np.linspace(50, 75, 200), spec)) >= 0)


def test_every_threshold_has_a_loop_that_needs_no_more():
    spec = Sfq().spec
    for quanta in range(1, spec.threshold_max + 1):
        made = loop(quanta, spec)
        assert quanta - 0.12 < made.threshold <= quanta
        assert loop(quanta, spec, exact=True).threshold == quanta
    with pytest.raises(CapacityError, match="11 quanta"):
        loop(11, spec)


@pytest.mark.parametrize(
    ("net", "options", "says"),
    [
        (network(cells()), {}, "IF_curr_exp has a synaptic filter"),
        (network(cells(celltype="IF_cond_exp")), {}, "cannot be made of flux quanta"),
        (network(lif(i_offset=1.0)), {}, "drives it over its threshold by itself"),
        (network(lif()), {"soma": "counter"}, "a counter does not leak"),
        (network(lif(tau_m=0.5)), {}, "use a larger ps_per_ms"),
        (network(lif(), currents=[current(1.0, 1.0)]), {}, "no current can be injected"),
    ],
)  # fmt: skip
def test_what_cannot_be_represented_is_one_line(net, options, says):
    with pytest.raises(UnsupportedError) as error:
        Sfq(**options).translate(net)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert "'cells'" in str(error.value)


def test_plastic_synapses_are_refused():
    net = one_cell([1.0])
    learning = replace(net.projections[0], dynamics=SynapseDynamics("stdp"))
    with pytest.raises(UnsupportedError, match="static synapses"):
        Sfq().translate(replace(net, projections=(learning,)))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cells": "nothing"}, "unknown cell library"),
        ({"soma": "none"}, "soma must be one of"),
        ({"stagger_ps": "-3"}, "stagger_ps must be a number > 0"),
        ({"chip_seed": "x"}, "chip_seed must be a whole number"),
        ({"soma_leaks": 2}, "soma_leaks must be 0 or 1"),
        ({"threshold_max": 30}, "loop_pH ends at 10"),
        ({"ps_per_ms": 0}, "ps_per_ms must be > 0"),
    ],
)
def test_bad_options_are_one_line(options, says):
    with pytest.raises(ModelError, match=says):
        Sfq(**options)
