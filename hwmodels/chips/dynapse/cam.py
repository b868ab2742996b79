"""Weights as CAM words: so many words (or levels of a word) times one current a core and type.

A core has one weight current for each synapse type. Excitation has two types, AMPA and NMDA, and
so two weights where one does not do (NMDA at AMPA's time constant, its gate as open as the
specification says). A synapse of level ``m`` weighs ``m`` units: on DYNAP-SE1 it takes ``m`` words,
on DYNAP-SE2 a word holds levels up to 15. A neuron has 64 words for all its synapses together.

Words may be broken: on real chips, some words never match some tags.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.dynapse.faults import FaultProfile, faulty
from hwmodels.chips.dynapse.layout import Layout, cell_name
from hwmodels.chips.dynapse.silicon import AMPA, NMDA, synapse_type
from hwmodels.chips.dynapse.spec import DynapseSpec
from hwmodels.errors import CapacityError, UnsupportedError
from hwmodels.mapping.placement import synapse_ends
from hwmodels.network import Network

#: How many levels the largest weight of a core and type is given at most, for words of one level.
_FINEST = 16
#: How many ways to split excitation into strong and weak are tried.
_SPLITS = 16
#: A squared error below this share of the largest weight's square is rounding of the sums.
_EXACT = 1e-24


@dataclass(eq=False)
class Synapses:
    """All synapses of a network, projection after projection; arrays of shape (n,).

    Attributes
    ----------
    projection, source, target : int64
        Cells by their global numbers.
    weight : float64
        In PyNN's unit, signed.
    kind : int64
        Synapse type.
    level : int64
        In units of the core; 0 for a synapse that is not there.
    """

    projection: NDArray[np.int64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    weight: NDArray[np.float64]
    kind: NDArray[np.int64]
    level: NDArray[np.int64]

    def words(self, spec: DynapseSpec) -> NDArray[np.int64]:
        """CAM words that each synapse takes."""
        return -(-self.level // spec.cam_levels)


def all_synapses(network: Network, signed: bool) -> Synapses:
    """The synapses of a network, each with a level of 1 (0 for a weight of zero).

    Parameters
    ----------
    network : Network
    signed : bool
        Whether the sign of a weight must be that of its receptor.

    Raises
    ------
    UnsupportedError
        For a weight whose sign is not that of its receptor.
    """
    source, target = synapse_ends(network)
    counts = [p.n_synapses for p in network.projections]
    projection = np.repeat(np.arange(len(counts)), counts)
    kinds = []
    for p in network.projections:
        celltype = network.populations[p.post].celltype
        kinds.append(synapse_type(celltype, p.receptor))
        inhibits = p.receptor != "excitatory" and "cond" not in celltype
        wrong = p.weight > 0 if inhibits else p.weight < 0
        if signed and np.any(wrong):
            raise UnsupportedError(
                f"projection {p.label!r}: a weight of {p.weight[wrong][0]:g} on the receptor "
                f"{p.receptor!r}: a DynapSE synapse type has one sign; use the other receptor, "
                "or run with neurons=exact"
            )
    weight = np.concatenate([np.empty(0), *(p.weight for p in network.projections)])
    return Synapses(
        projection, source, target, weight,
        np.array(kinds, dtype=np.int64)[projection],
        (weight != 0).astype(np.int64),
    )  # fmt: skip


def limit_fan_in(network: Network, synapses: Synapses, spec: DynapseSpec, truncate: bool) -> int:
    """Refuse more synapses than a neuron has CAM words, or take the weakest out.

    Returns
    -------
    int
        How many synapses were taken out (their level is 0 now).

    Raises
    ------
    CapacityError
        Unless they may be truncated.
    """
    there = np.flatnonzero(synapses.level)
    # Strongest first; of equals, in the order in which the script made them.
    order = there[np.lexsort((there, -np.abs(synapses.weight[there]), synapses.target[there]))]
    target = synapses.target[order]
    rank = np.arange(len(order)) - np.searchsorted(target, target)
    beyond = order[rank >= spec.cam_words]
    if not len(beyond):
        return 0
    if not truncate:
        cells, counts = np.unique(target, return_counts=True)
        worst = int(np.argmax(counts))
        k = int(synapses.projection[synapses.target == cells[worst]][0])
        raise CapacityError(
            f"{cell_name(network, int(cells[worst]))} has {counts[worst]} inputs (the first by "
            f"projection {network.projections[k].label!r}), a DynapSE neuron has {spec.cam_words} "
            "CAM words; use fewer inputs, or leave the weakest out (overflow=truncate)"
        )
    synapses.level[beyond] = 0
    return len(beyond)


def fit_levels(
    synapses: Synapses,
    strength: NDArray[np.float64],
    layout: Layout,
    spec: DynapseSpec,
    limited: bool,
) -> NDArray[np.float64]:
    """Levels and units with the smallest squared error; sets :attr:`Synapses.level`.

    Parameters
    ----------
    synapses : Synapses
    strength : float64, shape (n,)
        What each is to add to its circuit, > 0.
    layout : Layout
    spec : DynapseSpec
    limited : bool
        Whether a neuron's CAM words bound the levels.

    Returns
    -------
    float64, shape (n,)
        The unit of each synapse's core and type.
    """
    n_cells = len(layout.core)
    words = np.bincount(synapses.target, synapses.level, minlength=n_cells)
    free = np.full(n_cells, np.inf) if not limited else spec.cam_words - words
    unit = np.zeros(len(strength))
    # A core's excitation first, whose two types leave the most to choose.
    group = layout.core[synapses.target].astype(np.int64) * 4 + (AMPA - synapses.kind)
    there = np.flatnonzero(synapses.level)
    there = there[np.argsort(group[there], kind="stable")]
    bounds = np.flatnonzero(np.diff(group[there], prepend=-1))
    for chosen in np.split(there, bounds[1:]):
        if not len(chosen):
            continue
        target, cells = np.unique(synapses.target[chosen], return_inverse=True)
        room = free[target] + np.bincount(cells, minlength=len(target))
        split = np.zeros(len(chosen), dtype=bool)
        if synapses.kind[chosen[0]] == AMPA:
            split = _weak_ones(strength[chosen], cells, room, spec.cam_levels)
        level, unit[chosen], _ = _fit(strength[chosen], split, cells, room, spec.cam_levels)
        synapses.level[chosen] = level
        synapses.kind[chosen[split]] = NMDA
        free[target] = room - np.bincount(cells, -(-level // spec.cam_levels), len(room))
    return unit


def _weak_ones(
    strength: NDArray[np.float64], cells: NDArray[np.int64], room: NDArray, levels_per_word: int
) -> NDArray[np.bool_]:
    """Which excitation takes the second type; none, where one weight serves as well."""
    best = np.zeros(len(strength), dtype=bool)
    error = _fit(strength, best, cells, room, levels_per_word)[2]
    distinct = np.unique(strength)
    if error <= _EXACT * distinct[-1] ** 2 * len(strength):
        return best
    bounds = (distinct[1:] + distinct[:-1]) / 2
    tried = np.unique(np.linspace(0, len(bounds) - 1, _SPLITS).astype(int))
    for bound in bounds[tried]:
        split = strength < bound
        other = _fit(strength, split, cells, room, levels_per_word)[2]
        if other < error * (1 - 1e-9):
            best, error = split, other
    return best


def _fit(
    strength: NDArray[np.float64],
    split: NDArray[np.bool_],
    cells: NDArray[np.int64],
    room: NDArray,
    levels_per_word: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Levels, units and summed squared error where those of ``split`` have a unit of their own."""
    level, unit = np.zeros(len(strength), dtype=np.int64), np.zeros(len(strength))
    left, total = room, 0.0
    for part, waiting in ((~split, split), (split, None)):
        if not np.any(part):
            continue
        # Each of those that come later needs a word.
        kept = 0 if waiting is None else np.bincount(cells[waiting], minlength=len(room))
        level[part], unit[part], error = _best_levels(
            strength[part], cells[part], left - kept, levels_per_word
        )
        left = left - np.bincount(cells[part], -(-level[part] // levels_per_word), len(room))
        total += error
    return level, unit, total


def _best_levels(
    strength: NDArray[np.float64],
    cells: NDArray[np.int64],
    room: NDArray,
    levels_per_word: int,
) -> tuple[NDArray[np.int64], float, float]:
    """Levels of some synapses that share a unit, the unit, and the summed squared error."""
    largest = float(strength.max())
    best: tuple[float, NDArray[np.int64], float] | None = None
    for finest in range(1, _FINEST * levels_per_word + 1):
        level = np.rint(strength / largest * finest).astype(np.int64)
        words = -(-level // levels_per_word)
        if np.any(np.bincount(cells, words, len(room)) > room):
            break
        # The unit of least squares for these levels.
        unit = float(np.sum(level * strength) / np.sum(level**2))
        error = float(np.sum((level * unit - strength) ** 2))
        if best is None or error < best[0] * (1 - 1e-9):
            best = error, level, unit
        if best[0] <= _EXACT * largest**2 * len(strength):
            break
    assert best is not None, "one word a synapse fits, or it would have been refused"
    error, level, unit = best
    if len(np.unique(strength)) == 1:
        unit = largest / int(level[0])  # without the rounding of the sums
    return level, unit, error


def lost_levels(
    synapses: Synapses,
    tag: NDArray[np.int64],
    neuron: NDArray[np.int64],
    spec: DynapseSpec,
    seed: int,
    profile: FaultProfile | None,
) -> NDArray[np.int64]:
    """Levels that each synapse loses, since some of its words do not match its tag.

    Parameters
    ----------
    synapses : Synapses
        A neuron's CAM words are theirs in this order.
    tag : int64, shape (n,)
        That each listens to.
    neuron : int64, shape (n,)
        Neuron of the board whose words they are.
    spec : DynapseSpec
    seed : int
        Of the chip.
    profile : FaultProfile or None
    """
    words = synapses.words(spec)
    synapse = np.repeat(np.arange(len(words)), words)
    first = np.cumsum(words) - words
    place = np.arange(len(synapse)) - first[synapse]
    # The number of each word in its neuron's CAM.
    order = np.argsort(neuron[synapse], kind="stable")
    owner = neuron[synapse][order]
    cam = np.empty(len(synapse), dtype=np.int64)
    cam[order] = np.arange(len(order)) - np.searchsorted(owner, owner)
    broken = faulty(neuron[synapse], cam, tag[synapse], spec, seed, profile)
    rest = synapses.level[synapse] - place * spec.cam_levels
    lost = np.where(broken, np.minimum(rest, spec.cam_levels), 0)
    return np.bincount(synapse, lost, len(words)).astype(np.int64)
