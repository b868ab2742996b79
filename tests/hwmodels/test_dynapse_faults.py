"""CAM words of a DynapSE chip that fail: how many, whose, and what tags can avoid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwmodels.chips.dynapse import Dynapse
from hwmodels.chips.dynapse.faults import fault_profiles, faulty
from hwmodels.errors import ModelError
from tests.hwmodels.networks import cells, network, source, synapses


def translated(net, effects, **options):
    chip = Dynapse(effects=effects, **options)
    return chip, chip.translate(net)


def test_cam_faults_have_their_density_and_belong_to_a_chip():
    n = 200
    rng = np.random.default_rng(0)
    pairs = [(int(s), c) for c in range(n) for s in rng.choice(100, 50, replace=False)]
    net = network(cells(n), source(*[[1.0]] * 100), projections=[synapses(1, 0, pairs, 0.1)])

    def lost(seed, density=0.05):
        _, translation = translated(net, "cam_faults", cam_fault_density=density, chip_seed=seed)
        return translation.network.projections[0].weight == 0

    assert np.array_equal(lost(1), lost(1))
    assert not np.array_equal(lost(1), lost(2))
    assert abs(np.mean(lost(3)) - 0.05) < 5 * np.sqrt(0.05 * 0.95 / (50 * n))
    assert "cam_faults" not in Dynapse().effects, "a density of zero is no effect"


def test_a_fault_is_one_of_neuron_word_and_tag_whatever_the_rest_of_the_network():
    spec = Dynapse(cam_fault_density=0.2).spec
    words = np.arange(64)
    tags = np.arange(spec.tags)
    neuron, word, tag = (x.ravel() for x in np.meshgrid([0, 77, 1023], words, tags))
    bad = faulty(neuron, word, tag, spec, 4)
    assert np.array_equal(bad[::-7], faulty(neuron[::-7], word[::-7], tag[::-7], spec, 4))
    # No two neurons, words or tags break together more often than by chance.
    cube = bad.reshape(64, 3, spec.tags)
    for axis in range(3):
        first, second = np.take(cube, 0, axis), np.take(cube, 1, axis)
        assert abs(np.mean(first & second) - 0.04) < 5 * np.sqrt(0.04 * 0.96 / first.size)
    more = faulty(neuron, word, tag, replace(spec, cam_fault_density=0.3), 4)
    assert np.all(more[bad]), "a denser chip has these faults too"


@pytest.mark.parametrize("name", fault_profiles())
def test_words_of_a_profile_fail_by_core_for_all_tags_of_a_half(name):
    spec, profile = Dynapse(spec="dynapse2").spec, fault_profiles()[name]
    neuron, word = (x.ravel() for x in np.meshgrid(np.arange(1024), np.arange(64)))

    def bad(tag, seed=1):
        return faulty(neuron, word, np.full(len(word), tag), spec, seed, profile)

    for half, tags in enumerate(((0, 1023), (1024, 2047))):
        assert np.array_equal(bad(tags[0]), bad(tags[1]))
        for core in range(4):
            share = profile.share[half][core]
            there = neuron // 256 == core
            error = 5 * np.sqrt(share * (1 - share) / np.count_nonzero(there))
            assert abs(np.mean(bad(tags[0])[there]) - share) <= error
    assert not np.array_equal(bad(0), bad(0, seed=2))
    both = np.mean(bad(0) & bad(1024))
    assert both == pytest.approx(np.mean(bad(0)) * np.mean(bad(1024)), abs=0.01)
    elsewhere = faulty(neuron + 4096, word, np.zeros_like(word), spec, 1, profile)
    assert np.mean(elsewhere) == pytest.approx(np.mean(bad(0)), abs=0.01), "other chips likewise"


def test_tags_avoid_the_half_that_fails_more():
    n = 200
    pairs = [(s, c) for c in range(n) for s in range(20)]
    net = network(cells(n), source(*[[1.0]] * 20), projections=[synapses(1, 0, pairs, 0.1)])

    def lost(**options):
        chip, translation = translated(net, "cam_faults", spec="dynapse2", **options)
        assert chip.effects == ("cam_faults",)
        return np.mean(translation.network.projections[0].weight == 0)

    # One core: 0.22 of its words fail for the lower tags, 0.10 for the others.
    error = 5 * np.sqrt(0.2 * 0.8 / len(pairs))
    assert lost(cam_profile="red", avoid_faults="no") == pytest.approx(0.22058, abs=error)
    assert lost(cam_profile="red") == pytest.approx(0.10324, abs=error)
    assert lost(cam_fault_density=0.05) == pytest.approx(0.05, abs=error)
    with pytest.raises(ModelError, match="cam_profile must be one of even, orange, red, green"):
        Dynapse(cam_profile="blue")


def test_words_fault_by_the_tag_that_they_hold():
    """Each of the chip's faults takes one level from the synapse whose word holds that tag."""
    rng = np.random.default_rng(5)
    n = 40
    pairs = [(s, c) for c in range(n) for s in rng.choice(60, 20, replace=False).tolist()]
    weight = rng.choice([0.01, 0.02, 0.03], len(pairs))
    net = network(cells(n), source(*[[1.0]] * 60), projections=[synapses(1, 0, pairs, weight)])
    chip, translation = translated(
        net, "cam_faults+weight_precision", cam_fault_density=0.1, chip_seed=3
    )
    held = translation.formats
    tag_of = {
        int(held.routing.cell[w]): int(held.routing.tag[w]) for w in range(len(held.routing.tag))
    }
    expected, used = [], dict.fromkeys(range(n), 0)
    s = held.synapses
    for k in range(len(s.level)):
        cell = int(s.target[k])
        neuron = int(held.layout.core[cell]) * 256 + int(held.layout.slot[cell])
        mine = np.arange(used[cell], used[cell] + s.level[k])
        used[cell] += int(s.level[k])
        tags = np.full(len(mine), tag_of[int(s.source[k])])
        bad = faulty(np.full(len(mine), neuron), mine, tags, chip.spec, 3)
        expected.append(int(s.level[k]) - int(bad.sum()))
    unit = 0.01
    got = translation.network.projections[0].weight / unit
    np.testing.assert_allclose(got, expected, atol=1e-9)
    lost = translation.counts["synapses weakened or lost by faulty CAM words"]
    assert lost == np.count_nonzero(np.array(expected) < s.level)
