"""What a DynapSE board can hold: CAM words, routing words, tags, shared biases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.chips.dynapse import Dynapse
from hwmodels.errors import CapacityError, ModelError, UnsupportedError
from hwmodels.network import Projection
from tests.hwmodels.networks import cells, network, source, synapses

STRUCTURE = "fan_in+fan_out+weight_precision+tags+shared_biases"


def translated(net, effects=STRUCTURE, **options):
    chip = Dynapse(effects=effects, **options)
    return chip, chip.translate(net)


def fan_in(n, weight=0.1, label="p"):
    """One cell with so many inputs."""
    return network(
        cells(1, "cell"), source(*[[1.0]] * n),
        projections=[synapses(1, 0, [(k, 0) for k in range(n)], weight, label=label)],
    )  # fmt: skip


# Fan-in


def test_a_neuron_has_64_cam_words():
    chip, translation = translated(fan_in(64))
    assert chip.map(translation).memory.tolist() == [64]
    with pytest.raises(CapacityError) as caught:
        translated(fan_in(65, label="too many"))
    message = str(caught.value)
    for part in ("cell 0", "'cell'", "65", "64", "'too many'", "overflow=truncate"):
        assert part in message


def test_truncation_keeps_the_strongest_and_counts_the_rest():
    weight = np.linspace(0.1, 0.2, 70)
    _, translation = translated(fan_in(70, weight), "fan_in", overflow="truncate")
    kept = np.flatnonzero(translation.network.projections[0].weight)
    assert kept.tolist() == list(range(6, 70))
    assert translation.counts["synapses dropped for lack of CAM words"] == 6


def test_without_the_effect_a_neuron_hears_anyone():
    _, translation = translated(fan_in(300), "none")
    assert np.all(translation.network.projections[0].weight == 0.1)
    assert not translation.counts


# Weights


def test_a_weight_is_a_number_of_words_of_one_current():
    chip, translation = translated(fan_in(10, np.repeat([0.1, 0.2, 0.3], [4, 3, 3])))
    configuration = translation.formats
    assert sorted(configuration.synapses.level.tolist()) == [1] * 4 + [2] * 3 + [3] * 3
    assert chip.map(translation).memory.tolist() == [4 + 6 + 9]
    np.testing.assert_allclose(
        translation.network.projections[0].weight, np.repeat([0.1, 0.2, 0.3], [4, 3, 3])
    )


def test_equal_weights_are_exact_and_take_a_word_each():
    _, translation = translated(fan_in(64, 0.1234))
    assert np.all(translation.network.projections[0].weight == 0.1234)


def test_excitation_has_two_weights_where_words_are_short():
    strong, weak = np.full(30, 1.0), np.full(34, 0.013)
    _, translation = translated(fan_in(64, np.concatenate((strong, weak))))
    np.testing.assert_allclose(
        translation.network.projections[0].weight, np.concatenate((strong, weak))
    )
    assert len(set(translation.formats.kind.tolist())) == 2


def test_what_the_levels_cannot_tell_apart_is_a_row_of_the_report():
    weight = np.linspace(0.01, 1.0, 64)
    _, translation = translated(fan_in(64, weight))
    row = translation.quantisation[translation.quantisation["quantity"] == "weight"][0]
    error = np.abs(translation.network.projections[0].weight - weight)
    assert row["values"] == 64
    assert row["max_error"] == error.max() > 0


def test_dynapse2_has_15_levels_in_a_word():
    weight = 0.1 * np.arange(1, 16)
    chip, translation = translated(fan_in(15, weight), spec="dynapse2")
    assert chip.map(translation).memory.tolist() == [15]
    np.testing.assert_allclose(translation.network.projections[0].weight, weight)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0.01, 1.0), min_size=1, max_size=64),
    st.lists(st.floats(0.01, 1.0), max_size=30),
)
def test_no_choice_of_levels_takes_more_words_than_there_are(excitation, inhibition):
    inhibition = inhibition[: 64 - len(excitation)]
    net = network(
        cells(1), source(*[[1.0]] * 64),
        projections=[
            synapses(1, 0, [(k, 0) for k in range(len(excitation))], excitation),
            synapses(1, 0, [(k, 0) for k in range(len(inhibition))], -np.array(inhibition),
                     receptor="inhibitory"),
        ],
    )  # fmt: skip
    chip, translation = translated(net)
    assert chip.map(translation).memory[0] <= 64
    for before, after in zip(net.projections, translation.network.projections, strict=True):
        assert np.all(np.sign(after.weight) * np.sign(before.weight) >= 0)
        if before.n_synapses:
            assert np.max(np.abs(after.weight - before.weight)) <= np.max(np.abs(before.weight))


def test_a_weight_of_the_other_sign_is_refused_by_silicon():
    with pytest.raises(UnsupportedError, match="'p'.*one sign"):
        translated(fan_in(3, -0.1), "all")


# Fan-out and the board


def chips_in_a_row(n, receivers):
    """A cell on the first chip with a target on each of the others (256 cells a core)."""
    total = 1024 * n
    pairs = [(0, 1024 * k + 5) for k in receivers]
    return network(cells(total), projections=[synapses(0, 0, pairs, 0.1, n_pre=total)])


def test_a_neuron_has_four_routing_words_and_three_when_monitored():
    net = chips_in_a_row(4, range(4))
    _, translation = translated(net)
    assert np.diff(translation.formats.routing.start)[0] == 4
    with pytest.raises(CapacityError, match=r"cell 0 .* 4 chips, .* 3 routing words"):
        translated(net, monitoring="yes")
    _, cut = translated(net, monitoring="yes", overflow="truncate")
    assert cut.counts["synapses dropped for lack of routing words"] == 1


def test_a_word_reaches_three_chips_far():
    translated(chips_in_a_row(4, [3]), columns=4, rows=1)
    with pytest.raises(CapacityError, match="4 chips far along one axis, a routing word reaches 3"):
        translated(chips_in_a_row(5, [4]), columns=5, rows=1)


def test_a_board_that_is_full_says_who_is_too_many():
    with pytest.raises(CapacityError, match=r"4097 neurons, the board 4096.*cell 4096.*columns="):
        translated(network(cells(4097)))


# Shared biases


def test_cells_of_a_core_share_their_parameters():
    net = network(cells(10, "a", tau_refrac=2.0), cells(10, "b", tau_refrac=3.0))
    chip, translation = translated(net)
    core = chip.map(translation).core_of
    assert set(core[:10].tolist()).isdisjoint(core[10:].tolist())
    chip, translation = translated(net, "fan_in")
    assert chip.map(translation).n_cores == 1


def test_more_sets_of_parameters_than_cores_are_refused_or_averaged():
    net = network(cells(20, "many", i_offset=np.linspace(0, 0.1, 20)))
    with pytest.raises(CapacityError, match=r"20 cores, the board has 16.*'many'.*sharing=mean"):
        translated(net)
    _, translation = translated(net, sharing="mean")
    assert np.allclose(translation.network.populations[0].parameters["i_offset"], 0.05)
    row = translation.quantisation[translation.quantisation["quantity"] == "i_offset"][0]
    assert row["max_error"] == pytest.approx(0.05)


def test_two_leaks_share_a_core_only_when_cores_run_out_and_that_is_shown():
    taus = np.repeat([15.0, 20.0], 5)
    chip, translation = translated(network(cells(10, tau_m=taus)))
    assert chip.map(translation).n_cores == 2
    assert not len(translation.quantisation)
    chip, translation = translated(
        network(cells(10, tau_m=taus)), columns=1, rows=1, cores_per_chip=1
    )
    assert chip.map(translation).n_cores == 1
    assert "v_rest" in translation.quantisation["quantity"]
    with pytest.raises(CapacityError, match="2 cores, the board has 1"):
        translated(
            network(cells(10, tau_m=np.repeat([15.0, 20.0, 25.0, 30.0, 35.0], 2))),
            columns=1, rows=1, cores_per_chip=1, leaks_per_core=4,
        )  # fmt: skip


# Tags


def four_senders_and_a_fifth():
    """Neurons of one number on four cores of one chip and one of the next, all to one core.

    The tag has two free bits, so four of them can be told apart and the fifth cannot.
    """
    listeners = [1024 + 256 + k for k in range(10, 15)]
    senders = [0, 256, 512, 768, 1024]
    return network(
        cells(1536), projections=[synapses(0, 0, list(zip(senders, listeners, strict=True)), 0.1,
                                           n_pre=1536)],
    )  # fmt: skip


def test_a_fifth_sender_of_one_number_is_one_with_another():
    _, translation = translated(four_senders_and_a_fifth())
    routing = translation.formats.routing
    assert len(set((routing.tag & 255).tolist())) == 1, "the neuron's number is fixed"
    assert len(set(routing.tag.tolist())) == 4
    assert translation.counts["synapses added by equal tags"] == 2
    added = translation.network.projections[1]
    a, b = (
        cell for cell in range(5)
        if np.count_nonzero(routing.tag == routing.tag[cell]) == 2
    )  # fmt: skip
    pairs = set(zip(added.source.tolist(), added.target.tolist(), strict=True))
    senders, listeners = [0, 256, 512, 768, 1024], [1290, 1291, 1292, 1293, 1294]
    assert pairs == {(senders[a], listeners[b]), (senders[b], listeners[a])}
    assert set(added.weight.tolist()) == {0.1}


def test_four_senders_of_one_number_are_told_apart():
    net = four_senders_and_a_fifth()
    p = net.projections[0]
    four = Projection(
        "p", 0, 0, "excitatory", np.minimum(p.indptr, 4), p.target[:4], p.weight[:4], p.delay_ms[:4]
    )
    _, translation = translated(network(cells(1536), projections=[four]))
    assert len(translation.network.projections) == 1
    assert len(set(translation.formats.routing.tag.tolist())) == 4


@pytest.mark.parametrize(
    ("options", "effects"),
    [({"spec": "dynapse2"}, STRUCTURE), ({}, "fan_in+fan_out+weight_precision")],
)
def test_chosen_tags_and_ideal_ones_are_unique(options, effects):
    _, translation = translated(four_senders_and_a_fifth(), effects, **options)
    assert len(translation.network.projections) == 1


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(["dynapse1", "dynapse2"]))
def test_who_hears_whom_is_what_the_tags_say(seed, spec):
    rng = np.random.default_rng(seed)
    pairs = np.unique(rng.integers(0, 48, (60, 2)), axis=0)
    net = network(cells(48), projections=[synapses(0, 0, pairs, 0.1, n_pre=48)])
    # Cores of 4 neurons and tags of 4 (5) bits: equal tags are common.
    options = {"neurons_per_core": 4, "tag_bits": 4 if spec == "dynapse1" else 3}
    if spec == "dynapse1":
        options["tag_fixed_bits"] = 2
    _, translation = translated(net, "fan_in+tags", spec=spec, columns=3, rows=1, **options)
    configuration = translation.formats
    core, routing = configuration.layout.core, configuration.routing
    words = routing.words
    brought = {
        (int(routing.cell[w]), int(routing.tag[w]), int(c))
        for w in range(len(words))
        for c in words.core[words.core_start[w] : words.core_start[w + 1]]
    }
    # A CAM word holds the tag its sender brings to the core of its neuron.
    listens = {
        (tag, int(core[post]), int(post), pre)
        for pre, post in pairs.tolist()
        for cell, tag, at in brought
        if cell == pre and at == core[post]
    }
    expected = sorted(
        (cell, post)
        for cell, tag, at in brought
        for heard, where, post, _ in listens
        if (tag, at) == (heard, where)
    )
    found = sorted(
        pair
        for p in translation.network.projections
        for pair in zip(p.source.tolist(), p.target.tolist(), strict=True)
    )
    assert found == expected


# Options and numbers


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overflow": "ignore"}, "overflow must be one of refuse, truncate"),
        ({"chip_seed": "x"}, "chip_seed must be a whole number"),
        ({"rest_share": 1.5}, "rest_share must lie between"),
        ({"tag_fixed_bits": 6}, "tag_fixed_bits must number 256 neurons"),
        ({"host_column": 7}, "outside of 2 x 2"),
        ({"monitor_words": 4}, "monitor_words must be < sram_words"),
        ({"hop_ns": 0}, "hop_ns must be >= 0.001 ns"),
        ({"cam_fault_density": 2}, "cam_fault_density is a share"),
    ],
)
def test_impossible_options_are_one_line(options, message):
    with pytest.raises(ModelError, match=message):
        Dynapse(**options)


@pytest.mark.parametrize("name", Dynapse.presets())
def test_unverified_numbers_are_marked(name):
    marks = {row.field: row.evidence for row in Dynapse.load_spec(name).table()}
    for field in ("broadcast_ns", "hop_ns", "output_ns", "spike_pJ", "broadcast_pJ", "hop_pJ"):
        assert marks[field] == "R"
    for field in ("cam_words", "sram_words", "tag_bits", "neurons_per_core"):
        assert marks[field] == "V"
