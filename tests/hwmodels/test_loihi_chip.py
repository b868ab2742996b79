"""Where the chip ends: the last value that works, the first one that does not, and what it says."""

from __future__ import annotations

import string
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hwmodels.chips.loihi import Loihi, LoihiSpec
from hwmodels.errors import CapacityError, ModelError, UnsupportedError
from hwmodels.network import Recording
from tests.hwmodels.networks import cells, network, random_network, source, synapses
from tests.hwmodels.running import run
from tests.hwmodels.test_loihi import one_input


def recorded(net, variable):
    return replace(
        net, recordings=(Recording(0, variable, np.zeros(1, np.int32), net.timestep_ms),)
    )


def two_receptors(**parameters):
    return network(
        cells(1, "shared", **parameters), source([1.0]),
        projections=[
            synapses(1, 0, [(0, 0)]),
            synapses(1, 0, [(0, 0)], -1.0, receptor="inhibitory", label="i"),
        ],
    )  # fmt: skip


def tau_m_changed():
    net = network(cells(2, "mine"))
    chip = Loihi()
    translation = chip.translate(net)
    neurons = chip.neurons(translation)
    (old,) = net.populations
    new = replace(old, parameters=dict(old.parameters) | {"tau_m": np.full(2, 9.0)})
    neurons.update(chip.translate(replace(net, populations=(new,)), since=translation).network)


def too_many_words():
    # Twelve synapses with delay and index take 10 + 12 * 25 bits: 5 words for each of 4000 axons.
    net = network(
        cells(1, "hub"), source(*[[]] * 4000),
        projections=[synapses(1, 0, [(k, 0) for k in range(4000)] * 12, delay=62.0)],
    )  # fmt: skip
    chip = Loihi()
    chip.map(chip.translate(net))


@pytest.mark.parametrize(
    ("attempt", "error", "names", "limit", "way_out"),
    [
        (lambda: Loihi().translate(network(cells(1, "c", celltype="IF_cond_exp"))),
         UnsupportedError, "population 'c'", "IF_curr_exp and IF_curr_delta", "neurons=exact"),
        (lambda: Loihi().translate(one_input(delay=6.3)),
         UnsupportedError, "projection 'p'", "at most 62", "step_ms="),
        (lambda: Loihi().translate(network(cells(1, "c", tau_refrac=63.0))),
         UnsupportedError, "population 'c'", "at most 62", "step_ms="),
        (lambda: Loihi().translate(network(cells(1, "c", v_reset=-50.0))),
         UnsupportedError, "population 'c'", "v_thresh must lie above v_reset", "neurons=exact"),
        (lambda: run(recorded(two_receptors(), "isyn_exc"), 1.0),
         UnsupportedError, "population 'shared'", "share one current", "record v"),
        (lambda: run(recorded(two_receptors(), "w"), 1.0),
         UnsupportedError, "population 'shared'", "'w' cannot be recorded", "neurons=exact"),
        (tau_m_changed,
         UnsupportedError, "population 'mine'", "tau_m cannot be changed", "neurons=exact"),
        (too_many_words,
         CapacityError, "population 'hub'", "takes 20000 words", "of 16384; give it fewer inputs"),
        (lambda: Loihi(spec="nahuku"),
         ModelError, "'nahuku'", "nahuku_fit, davies2018", ".toml"),
        (lambda: Loihi(effects="fabric+wind"),
         ModelError, "'wind'", "weight_precision", "arithmetic, noise, fabric"),
        (lambda: Loihi(fidelity="cycle"),
         ModelError, "fidelity", "compiled, reference, analytic", "'cycle'"),
        (lambda: Loihi(visit_time=3), ModelError, "'visit_time'", "nearest", "'visit_"),
        (lambda: Loihi(step_ms="fast"), ModelError, "step_ms", "> 0", "'fast'"),
        (lambda: Loihi(step_ms=-1), ModelError, "step_ms", "> 0", "-1"),
        (lambda: Loihi(step_ms="inf"), ModelError, "step_ms", "> 0", "'inf'"),
        (lambda: Loihi(step_ns="inf", clocking="free_running"),
         ModelError, "step_ns", "> 0", "'inf'"),
        (lambda: run(one_input(), 1.0, step_ns=1e-4, clocking="free_running"),
         ModelError, "free-running step", "0.001 ns", "got 0 ps"),
        (lambda: Loihi(step_ns=5), ModelError, "step_ns", "free-running step",
         "clocking=free_running"),
        (lambda: Loihi(noise="spikes"), ModelError, "noise", "none, current, voltage", "'spikes'"),
        (lambda: Loihi(noise_exponent=16), ModelError, "noise_exponent", "from 0 to 15", "16"),
        (lambda: Loihi(noise_offset=0.5), ModelError, "noise_offset", "from -64 to 63", "0.5"),
        (lambda: Loihi(floor_exponent="low"),
         ModelError, "floor_exponent", "from 0 to 31", "'low'"),
        (lambda: run(network(cells(1, "mine")), 1.0, ceiling_exponent=2),
         ModelError, "population 'mine'", "ceiling of the membrane 8191", "ceiling_exponent"),
        (lambda: Loihi(step_overhead_ns="[[1, NaN]]"),
         ModelError, "step_overhead_ns", "a list of [integer, number] pairs", "NaN"),
        (lambda: Loihi(step_overhead_ns=[[1, -5.0]]),
         ModelError, "step_overhead_ns", "a list of [integer, number] pairs", "-5"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line_with_the_name_the_limit_and_the_way_out(
    attempt, error, names, limit, way_out
):
    with pytest.raises(error) as caught:
        attempt()
    line = str(caught.value)
    assert "\n" not in line
    for part in (names, limit, way_out):
        assert part in line


def test_the_longest_delay_and_the_longest_refractory_time_are_62_steps():
    Loihi().translate(one_input(delay=6.2))
    held = network(cells(1, i_offset=5.0, tau_refrac=62.0))
    spikes = run(held, 300.0).spikes[0].time_ms
    free = run(replace_refractory(held, 0.0), 300.0).spikes[0].time_ms
    assert np.all(np.diff(spikes) == 62.0 + free[0])
    assert len(spikes) == 5


def replace_refractory(net, tau_refrac):
    (old,) = net.populations
    parameters = dict(old.parameters) | {"tau_refrac": np.full(old.size, tau_refrac)}
    return replace(net, populations=(replace(old, parameters=parameters),))


def test_separate_compartments_can_be_recorded_apart():
    net = two_receptors(tau_syn_E=2.0, tau_syn_I=8.0)
    excitatory = run(recorded(net, "isyn_exc"), 10.0).traces[0].values[:, 0]
    inhibitory = run(recorded(net, "isyn_inh"), 10.0).traces[0].values[:, 0]
    assert excitatory.max() == pytest.approx(1.0, rel=0.02)
    assert inhibitory.min() == pytest.approx(-1.0, rel=0.02)
    assert excitatory.min() == inhibitory.max() == 0.0


def test_effects_say_what_is_on():
    assert Loihi().effects == ("weight_precision", "arithmetic", "fabric")
    assert Loihi(step_ms=1.0, noise="current").effects == Loihi.all_effects
    assert Loihi(noise="voltage", effects="noise+fabric").effects == ("fabric",)
    assert Loihi(effects="fabric+arithmetic").effects == ("arithmetic", "fabric")
    net = random_network(np.random.default_rng(2))
    chip = Loihi(effects="none")
    translation = chip.translate(net)
    assert chip.effects == ()
    assert len(translation.quantisation) == 0
    for exact, kept in zip(net.projections, translation.network.projections, strict=True):
        assert np.array_equal(exact.weight, kept.weight)
    transport = chip.transport(translation, chip.map(translation))
    transport.step(1, np.arange(40), None)
    report = transport.report(1)
    assert (report.fidelity, report.effects) == ("free", ())
    assert report.duration_s == 0.0
    assert len(report.packets) > 0


def test_a_coarser_grid_runs_on_its_own_steps():
    net = random_network(np.random.default_rng(2), dt=0.1)
    result = run(net, 50.0, step_ms=0.5)
    assert result.timestep_ms == result.hardware.step_ms == 0.5
    assert len(result.hardware.step_ps) == 101
    steps = result.spikes[0].time_ms / 0.5
    assert len(steps) > 50
    assert np.allclose(steps, np.rint(steps))
    assert result.counts["delays rounded to the grid"] > 0


@pytest.mark.parametrize("preset", Loihi.presets())
def test_every_field_has_a_unit_entry(preset):
    spec = Loihi.load_spec(preset)
    numbers = {f.name for f in fields(LoihiSpec)} - {"name", "note", "sources"}
    assert numbers == {row.field for row in spec.table()} == set(spec.sources)
    for row in spec.table():
        # Counts have no unit; times and energies carry theirs in their name.
        for suffix, unit in (("_ns", "ns"), ("_pJ", "pJ"), ("_mW", "mW"), ("_bits", "bit")):
            if row.field.endswith(suffix) and isinstance(row.value, int | float):
                assert row.unit.startswith(unit), row.field


@given(
    name=st.text(max_size=20), note=st.text(max_size=40),
    visit=st.floats(0, 1e300), columns=st.integers(1, 10**6),
    overhead=st.lists(st.tuples(st.integers(0, 99), st.floats(0, 1e18)), max_size=3),
)  # fmt: skip
@example(name="caf\u00e9", note='\x7f \\ "two"\n\U0001f600', visit=5e-324, columns=1, overhead=[])
@settings(max_examples=100, deadline=None)
def test_any_specification_survives_its_file(
    tmp_path_factory, name, note, visit, columns, overhead
):
    changes = {"visit_ns": visit, "columns": columns, "step_overhead_ns": overhead}
    spec = replace(Loihi.load_spec().with_changes(changes), name=name, note=note)
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(spec.to_toml(), encoding="utf-8")
    assert LoihiSpec.from_toml(path) == spec


@given(st.text(string.printable, min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_any_text_as_a_value_is_a_number_or_one_line_of_error(text):
    for name in ("columns", "visit_ns", "step_overhead_ns"):
        try:
            spec = Loihi.load_spec().with_changes({name: text})
        except ModelError as error:
            line = str(error)
        else:
            line = f"{name} = {getattr(spec, name)}"
        assert name in line
        assert "\n" not in line
