"""What holds for every chip: found by name, so that a new one is covered by being there."""

from __future__ import annotations

import math
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.engines import get_engine
from cosim.engines.hardware import HardwareEngine
from cosim.experiment import Experiment, Stage
from cosim.study import study
from cosim.workload import load_workload
from hwmodels.chips import chip_class, chip_names
from hwmodels.errors import CapacityError, UnsupportedError
from hwmodels.network import Projection
from tests.cosim.engines.running import run, same_everything
from tests.cosim.networks import balanced, cell, one_to_one, recorded, source, step_current

SCRIPT = Path(__file__).parent / "any_chip.py"
every_chip = pytest.mark.parametrize("chip", chip_names())


@cache
def workload():
    return load_workload(str(SCRIPT), [], get_engine("brian2"))


def engine_for(chip: str, network) -> HardwareEngine:
    """The chip with its own neurons, or exact ones where it says that it needs them here."""
    engine, obstacle = get_engine(chip), ""
    try:
        engine.start(network)
    except UnsupportedError as error:
        engine, obstacle = get_engine(f"{chip}:neurons=exact"), str(error)
    assert not obstacle or "neurons=exact" in obstacle
    return engine


@pytest.mark.parametrize(
    "chip",
    [*chip_names(), *(f"{c}:mapper=traffic" for c in chip_names() if "mapper" in
                      chip_class(c).options())],
)  # fmt: skip
def test_the_same_script_on_an_ideal_chip_is_the_reference_bit_for_bit(chip):
    ideal = get_engine(f"{chip}:neurons=exact:effects=none")
    result = workload().experiment.execute(ideal)
    for ours, theirs in zip(result.spikes, workload().result.spikes, strict=True):
        assert np.array_equal(ours.cell, theirs.cell)
        assert np.array_equal(ours.time_ms, theirs.time_ms)
    assert sum(len(spikes.cell) for spikes in result.spikes) > 400
    assert result.hardware.effects == ()
    assert len(result.hardware.quantisation) == 0


@every_chip
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**16), n=st.integers(5, 60), dt=st.sampled_from([0.1, 1.0]))
def test_any_random_network_on_an_ideal_chip_is_the_reference(chip, seed, n, dt):
    network = balanced(n, seed=seed, dt=dt)
    reference = run(network, "brian2", 40.0)
    assert same_everything(reference, run(network, chip, 40.0, effects="none"))


#: Effects of what lies between cells, by chip, where it is more than its fabric.
BETWEEN = {"truenorth": "fan_in+fan_out+fabric", "spinnaker": "core_load+fabric"}


@pytest.mark.parametrize(
    "celltype",
    ["IF_curr_alpha", "IF_curr_delta", "IF_cond_alpha", "Izhikevich", "EIF_cond_exp_isfa_ista"],
)
@pytest.mark.parametrize("chip", [c for c in chip_names() if "fabric" in chip_class(c).all_effects])
def test_any_cell_type_runs_as_exact_neurons_on_the_fabric(chip, celltype):
    strong = {"IF_curr_delta": 8.0, "Izhikevich": 12.0, "IF_curr_alpha": 3.0}.get(celltype, 0.08)
    network = recorded(
        cell(celltype, 3, "a"),
        source([[0.0, 5.0, 9.0], [7.0], [2.0, 20.0, 30.0]]),
        cell(celltype, 3, "b"),
        projections=[
            one_to_one(1, 0, strong, 6.0, n=3),
            one_to_one(0, 2, strong, 6.1, n=3, label="q"),
            one_to_one(2, 0, strong / 3, 6.2, n=3, label="r"),
        ],
        currents=[step_current(3.0, 0.4, stop=30.0)],
    )
    reference = run(network, "brian2", 60.0)
    assert len(reference.spikes[0].cell) > 0
    assert same_everything(reference, run(network, chip, 60.0, neurons="exact", effects="none"))
    # Nothing waits and all ways are shorter than the delays, so the fabric hides itself.
    routed = run(network, chip, 60.0, neurons="exact", effects=BETWEEN.get(chip, "fabric"))
    assert same_everything(reference, routed)
    packets = routed.hardware.packets
    there = packets[packets["arrive_ps"] >= 0]
    assert len(there)
    assert np.all(there["arrive_ps"] >= there["inject_ps"])


@every_chip
def test_every_effect_of_the_same_script_has_a_finite_share_and_a_name(chip):
    engine = engine_for(chip, workload().experiment.network)
    outcome = study(workload(), [(chip, engine)], lambda *_: nullcontext(), attribute=True)
    assert not outcome.failures
    (comparison,) = outcome.comparisons
    rows = {row.effect: row for row in outcome.attributions[chip].rows}
    assert rows["none"].identical
    explained = {effect for name in rows for effect in name.split("+")}
    assert explained == {"none", "all", *engine.chip.effects}
    # Whatever differs is due to some effect that also differs when it is alone.
    alone = [row for name, row in rows.items() if name not in ("none", "all")]
    if not comparison.identical:
        assert any(not row.identical for row in alone)
    for row in rows.values():
        assert math.isfinite(row.rate_relative_error)
        assert abs(row.rate_relative_error) < 10
        assert row.energy_uJ is None or (math.isfinite(row.energy_uJ) and row.energy_uJ >= 0)
    hardware = comparison.hardware
    assert hardware is not None
    assert hardware.sources.get("specification")


def ring(n=24, targets=6, **changes):
    """Cells that fire in every step, and send to some of their neighbours."""
    pairs = [(a, (a + d) % n) for a in range(n) for d in range(1, targets + 1)]
    projection = Projection(
        "ring", 0, 0, "excitatory", np.arange(n + 1) * targets,
        np.array([b for _, b in pairs], dtype=np.int32), np.full(n * targets, 0.01),
        np.full(n * targets, 1.0),
    )  # fmt: skip
    storming = {"tau_refrac": 0.0, "i_offset": 50.0, "tau_syn_I": 3.0, "v_reset": -65.0}
    population = cell("IF_curr_exp", n, "all", **(storming | changes))
    return recorded(population, dt=1.0, projections=[projection], v=())


@every_chip
@pytest.mark.parametrize("neurons", ["exact", "chip"])
def test_a_storm_of_spikes_is_survived_and_every_synaptic_event_accounted_for(chip, neurons):
    steps, network = 40, ring()
    exact = get_engine(f"{chip}:neurons=exact")
    engine = engine_for(chip, network) if neurons == "chip" else exact
    result = Experiment((Stage(network, steps),)).execute(engine)
    fired = len(result.spikes[0].cell)
    if neurons == "exact":
        assert fired == 24 * steps
    assert fired > 0
    packets, counts = result.hardware.packets, result.counts
    assert packets["synapses"].sum() == 6 * fired, "a synaptic event was made or lost on the way"
    gone = packets["synapses"][packets["arrive_ps"] < 0].sum()
    assert gone == counts.get("synaptic events lost", 0) + counts.get(
        "synaptic events under way at the end", 0
    )
    late = packets["synapses"][(packets["late_steps"] > 0) & (packets["arrive_ps"] >= 0)].sum()
    assert bool(late) == bool(
        counts.get("synaptic events late", 0) + counts.get("synaptic events too late to act", 0)
    )
    there = packets[packets["arrive_ps"] >= 0]
    assert np.all(there["arrive_ps"] >= there["inject_ps"])


@every_chip
def test_a_network_that_is_too_large_is_one_line_with_the_population_and_the_way_out(chip):
    fields = {field.name for field in chip_class(chip).spec_type.quantities()}
    smaller = ":columns=2:rows=2" if {"columns", "rows"} <= fields else ""
    line = ""
    for size in (5_000, 200_000):
        crowd = recorded(cell("IF_curr_exp", size, "crowd"), dt=1.0, v=())
        try:
            get_engine(f"{chip}:neurons=exact{smaller}").start(crowd)
        except CapacityError as error:
            line = str(error)
            break
    assert line, "200,000 neurons fit"
    assert "\n" not in line
    assert any(word in line for word in ("crowd", "network"))
    assert any(char.isdigit() for char in line)
    assert any(word in line for word in ("use ", "more ", "="))


@every_chip
def test_a_cell_that_the_chip_cannot_compute_is_one_line_that_names_exact_neurons(chip):
    odd = recorded(cell("IF_cond_alpha", 2, "odd"), dt=1.0, v=())
    with pytest.raises(UnsupportedError) as caught:
        get_engine(chip).start(odd)
    line = str(caught.value)
    assert "\n" not in line
    for part in ("IF_cond_alpha", "neurons=exact"):
        assert part in line
    get_engine(f"{chip}:neurons=exact").start(odd)


@every_chip
def test_every_number_has_a_source_and_a_mark_that_means_something(chip):
    for name in chip_class(chip).presets():
        for row in chip_class(chip).load_spec(name).table():
            assert row.source, f"{name}: {row.field}"
            assert row.evidence in {"V", "V2", "A", "D", "E", "R", "L", "M"}, f"{name}: {row.field}"
