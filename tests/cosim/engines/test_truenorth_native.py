"""The chip's own neuron as a cell type: in the reference, on the chip, on every other fabric."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cosim.pynn as sim
from cosim.engines import get_engine
from cosim.engines.native_cells import draws
from cosim.workload import load_workload
from hwmodels.chips import chip_names
from hwmodels.errors import UnsupportedError
from hwmodels.network import Population, Projection
from tests.cosim.engines.running import run, same_everything
from tests.cosim.networks import recorded, source
from tests.hwmodels.test_truenorth_arithmetic import Scalar, neuron_strategy

PAGE = Path(__file__).parents[3] / "docs" / "truenorth.md"
DEFAULTS = sim.TrueNorthNeuron.default_parameters


def native(size=1, label="own", v=0.0, **values) -> Population:
    parameters = {
        name: np.array(np.broadcast_to(values.pop(name, default), size), dtype=float)
        for name, default in DEFAULTS.items()
    }
    assert not values
    start = np.array(np.broadcast_to(v, size), dtype=float)
    return Population(label, "TrueNorthNeuron", size, parameters, {"v": start})


def onto(pre, post, pairs, kind=0, delay=1.0, n_pre=1, weight=1.0, label="p") -> Projection:
    """Synapses by axon type; pairs of source and target, ascending by source."""
    pairs = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return Projection(
        label, pre, post, f"axon_type_{kind}",
        np.searchsorted(pairs[:, 0], np.arange(n_pre + 1)).astype(np.int64),
        pairs[:, 1].astype(np.int32), np.full(len(pairs), float(weight)),
        np.full(len(pairs), float(delay)),
    )  # fmt: skip


def as_parameters(neurons: list[Scalar]) -> dict:
    """The recurrences of the independent tests under the names of PyNN."""
    return {
        **{f"weight_{k}": [n.values[k] for n in neurons] for k in range(4)},
        **{f"stochastic_weight_{k}": [n.stochastic[k] for n in neurons] for k in range(4)},
        "leak": [n.leak for n in neurons],
        "leak_reversal": [n.reversal for n in neurons],
        "stochastic_leak": [n.leak_stochastic for n in neurons],
        "threshold": [n.threshold for n in neurons],
        "threshold_mask": [n.mask for n in neurons],
        "negative_threshold": [n.floor for n in neurons],
        "negative_saturate": [n.saturate for n in neurons],
        "reset_mode": [n.mode for n in neurons],
        "v_reset": [n.reset for n in neurons],
        "v": [n.v for n in neurons],
    }


class Answers:
    """Draws in the order in which the recurrence asks for them, by what each is for."""

    def __init__(self, cell, step, neuron, counts):
        asked = [(k, j) for k in range(4) if neuron.stochastic[k] for j in range(counts[k])]
        asked += [(4, 0)] * neuron.leak_stochastic + [(5, 0)] * bool(neuron.mask)
        self.rest = [int(draws(np.array([cell]), step, kind, j)[0]) for kind, j in asked]

    def draw(self):
        return self.rest.pop(0)


@settings(max_examples=12, deadline=None)
@given(neurons=st.lists(neuron_strategy, min_size=1, max_size=4), seed=st.integers(0, 2**16))
def test_the_reference_equals_the_recurrence_in_every_mode_and_draw(neurons, seed):
    rng, ticks = np.random.default_rng(seed), 30
    trains = [np.flatnonzero(rng.random(ticks) < 0.4).astype(float) for _ in range(4)]
    every = [[(0, n) for n in range(len(neurons))]] * 4
    network = recorded(
        native(len(neurons), **as_parameters(neurons)),
        *(source([list(t)], f"axon {k}") for k, t in enumerate(trains)),
        dt=1.0,
        projections=[onto(1 + k, 0, every[k], k, label=f"type {k}") for k in range(4)],
    )
    result = run(network, "brian2", float(ticks))
    for cell, neuron in enumerate(neurons):
        fired = []
        for step in range(1, ticks + 1):
            counts = [int(np.count_nonzero(t == step - 1)) for t in trains]
            types = [k for k in range(4) for _ in range(counts[k])]
            if neuron.tick(types, Answers(cell, step, neuron, counts)):
                fired.append(step)
            assert result.traces[0].values[step, cell] == neuron.v
        mine = result.spikes[0].time_ms[result.spikes[0].cell == cell]
        assert mine.tolist() == fired


def random_network(seed, n=30, stochastic=False):
    """Neurons of every mode that talk to each other, driven by sources."""
    rng = np.random.default_rng(seed)
    values = {
        **{f"weight_{k}": rng.integers(-20, 40, n) for k in range(4)},
        "leak": rng.integers(-3, 4, n), "leak_reversal": rng.integers(0, 2, n),
        "threshold": rng.integers(5, 60, n), "negative_threshold": rng.integers(0, 80, n),
        "negative_saturate": rng.integers(0, 2, n), "reset_mode": rng.integers(0, 2, n),
        "v_reset": rng.integers(-4, 5, n), "v": rng.integers(-5, 5, n),
    }  # fmt: skip
    if stochastic:
        values |= {"stochastic_leak": 1, "threshold_mask": 15, "stochastic_weight_1": 1}
    projections = []
    for k in range(4):
        pairs = sorted({(int(a), int(b)) for a, b in rng.integers(0, n, (40, 2))})
        projections.append(onto(0, 0, pairs, k, 1.0 + k, n, label=f"own {k}"))
        given_ = sorted({(int(a), int(b)) for a, b in rng.integers(0, (6, n), (30, 2))})
        projections.append(onto(1, 0, given_, k, 2.0, 6, label=f"in {k}"))
    trains = [np.flatnonzero(rng.random(80) < 0.3).astype(float).tolist() for _ in range(6)]
    return recorded(native(n, **values), source(trains), dt=1.0, projections=projections)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_deterministic_networks_are_the_reference_bit_for_bit_on_the_chip(seed):
    network = random_network(seed)
    reference = run(network, "brian2", 80.0)
    for effects in ("arithmetic", "weight_precision+arithmetic+fabric"):
        assert same_everything(reference, run(network, "truenorth", 80.0, effects=effects))
    whole = run(network, "truenorth", 80.0)
    late = whole.counts.get("synapses delayed by relays or counters", 0)
    assert late or same_everything(reference, whole)
    assert all(row["quantity"] == "delay" or not row["max_error"]
               for row in whole.hardware.quantisation)  # fmt: skip


def test_relays_make_nothing_late_where_delays_have_a_tick_to_spare():
    network = random_network(5)
    slower = tuple(replace(p, delay_ms=p.delay_ms + 2) for p in network.projections)
    network = replace(network, projections=slower)
    reference, chip = (run(network, engine, 80.0) for engine in ("brian2", "truenorth"))
    assert len(reference.spikes[0].cell) > 100
    assert chip.counts["relay neurons added"] > 0
    assert same_everything(reference, chip)


@pytest.mark.parametrize("chip", chip_names())
def test_stochastic_neurons_on_any_ideal_fabric_are_the_reference(chip):
    network = random_network(1, stochastic=True)
    reference = run(network, "brian2", 60.0)
    assert len(reference.spikes[0].cell) > 50
    assert same_everything(reference, run(network, chip, 60.0, effects="none"))


@pytest.mark.parametrize("effects", ["all", "arithmetic"])
def test_stochastic_neurons_have_the_chances_of_their_registers(effects):
    """One event a tick of value 127 and an 8-bit draw: half of them count, here and there."""
    n, ticks = 200, 100
    own = native(n, weight_2=127, stochastic_weight_2=1, threshold=1)
    network = recorded(
        own, source([[float(t) for t in range(ticks)]]), dt=1.0,
        projections=[onto(1, 0, [(0, c) for c in range(n)], 2)],
    )  # fmt: skip
    for engine in ("brian2", "truenorth"):
        options = {"effects": effects} if engine == "truenorth" else {}
        result = run(network, engine, float(ticks), **options)
        share = len(result.spikes[0].cell) / (n * ticks)
        assert share == pytest.approx(128 / 256, abs=5 * 0.5 / np.sqrt(n * ticks))


def test_a_source_may_drive_a_neuron_through_two_types_of_axons():
    network = recorded(
        native(1, weight_0=5, weight_3=-2, threshold=100, negative_threshold=9), source([4.0, 6.0]),
        dt=1.0, projections=[onto(1, 0, [(0, 0)], 0), onto(1, 0, [(0, 0)], 3, label="q")],
    )  # fmt: skip
    reference, chip = (run(network, engine, 10.0) for engine in ("brian2", "truenorth"))
    assert reference.traces[0].values[-1, 0] == 6.0
    assert same_everything(reference, chip)


def test_two_synapses_that_are_one_bit_are_reported():
    network = recorded(
        native(1, weight_0=5, threshold=100), source([4.0]), dt=1.0,
        projections=[onto(1, 0, [(0, 0), (0, 0)], 0, label="double")],
    )  # fmt: skip
    chip = run(network, "truenorth", 10.0)
    assert chip.traces[0].values[-1, 0] == 5.0
    (row,) = [r for r in chip.hardware.quantisation if r["quantity"] == "weight"]
    assert (row["where"], row["unit"], row["max_error"]) == ("double", "bit", 0.5)


@pytest.mark.parametrize(
    ("changes", "weight", "message"),
    [
        ({"threshold": 0.5}, 1, r"'own': threshold of cell 0 is 0.5, .* whole numbers from 0"),
        ({"weight_1": 300}, 1, r"'own': weight_1 of cell 0 is 300, .* from -256 to 255"),
        ({"stochastic_leak": 2}, 1, r"stochastic_leak of cell 0 is 2, .* from 0 to 1"),
        ({}, 3, r"projection 'p' onto TrueNorthNeuron: a weight of 3, .*weight_0.*weight=1"),
    ],
)
@pytest.mark.parametrize("engine", ["brian2", "truenorth"])
def test_what_a_register_or_a_crossbar_does_not_hold_is_refused(engine, changes, weight, message):
    network = recorded(
        native(2, **changes), source([4.0]), dt=1.0,
        projections=[onto(1, 0, [(0, 0)], weight=weight)],
    )  # fmt: skip
    with pytest.raises(UnsupportedError, match=message):
        run(network, engine, 5.0)


@pytest.mark.parametrize("chip", [c for c in chip_names() if c != "truenorth"])
def test_other_chips_name_exact_neurons(chip):
    with pytest.raises(UnsupportedError, match=r"'own'.*TrueNorthNeuron.*neurons=exact"):
        get_engine(chip).start(recorded(native(2), dt=1.0))


def test_the_script_of_the_page_bursts_alike_in_software_and_on_the_chip(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    script = tmp_path / "bursting.py"
    script.write_text(code, encoding="utf-8")
    workload = load_workload(str(script), [], get_engine("brian2"))
    chip = workload.experiment.execute(get_engine("truenorth"))
    assert same_everything(workload.result, chip)
    spikes = chip.spikes[
        workload.experiment.network.populations.index(
            next(p for p in workload.experiment.network.populations if p.label == "bursting")
        )
    ]
    gaps = np.diff(spikes.time_ms)
    assert len(spikes.time_ms) > 20
    assert (gaps.min(), gaps.max() > 3 * gaps.min()) == (17.0, True)
