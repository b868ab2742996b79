"""Routing words and tags: who sends to which chips and cores, under which tag.

A neuron has a routing word (SRAM) for each chip it sends to, with a mask of that chip's cores. On
DYNAP-SE1 the tag it sends is its own number on its core and a 2-bit *virtual* core, which a word
may choose; the tag says nothing of the chip it comes from. Two senders with one tag in one core
are one to its CAM words: each is heard by those who listen to the other. On DYNAP-SE2 a word names
any tag. The stimulus FPGA sends any tag on both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.dynapse.cam import Synapses
from hwmodels.chips.dynapse.faults import FaultProfile
from hwmodels.chips.dynapse.layout import Layout, cell_name
from hwmodels.chips.dynapse.spec import DynapseSpec
from hwmodels.errors import CapacityError
from hwmodels.fabric.hierarchy import Hierarchy, Words, routing_words
from hwmodels.network import Network


@dataclass(frozen=True, eq=False)
class Routing:
    """All routing words of a network.

    Attributes
    ----------
    cell : int64, shape (words,)
        Who sends; ascending.
    start : int64, shape (cells + 1,)
        Words of cell ``g`` are ``start[g]:start[g + 1]``.
    tag : int64, shape (words,)
    words : Words
        Their routes, and the cores they reach.
    """

    cell: NDArray[np.int64]
    start: NDArray[np.int64]
    tag: NDArray[np.int64]
    words: Words

    def of(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """Words of some cells, cell after cell."""
        counts = self.start[cells + 1] - self.start[cells]
        before = np.cumsum(counts) - counts
        return np.repeat(self.start[cells] - before, counts) + np.arange(int(counts.sum()))

    def tags_of(self, synapses: Synapses, layout: Layout, spec: DynapseSpec) -> NDArray[np.int64]:
        """The tag that each synapse listens to; shape (synapses,), 0 for those not there."""
        chips = spec.columns * spec.rows
        to = self.words.core[self.words.core_start[:-1]] // spec.cores_per_chip
        there = np.flatnonzero(synapses.level)
        chip = layout.core[synapses.target[there]] // spec.cores_per_chip
        word = np.searchsorted(self.cell * chips + to, synapses.source[there] * chips + chip)
        tags = np.zeros(len(synapses.level), dtype=np.int64)
        tags[there] = self.tag[word]
        return tags


def limit_fan_out(
    network: Network,
    synapses: Synapses,
    layout: Layout,
    spec: DynapseSpec,
    words: int,
    truncate: bool,
) -> int:
    """Refuse neurons that send to more chips than they have words, or drop those least served.

    Returns
    -------
    int
        How many synapses were dropped (their level is 0 now).

    Raises
    ------
    CapacityError
        For too many chips unless they may be truncated, and for a chip too far away.
    """
    there = np.flatnonzero(synapses.level)
    source, target = synapses.source[there], synapses.target[there]
    chip = layout.core[target] // spec.cores_per_chip
    sender = layout.core[source] // spec.cores_per_chip
    host = spec.host_column * spec.rows + spec.host_row
    sender = np.where(layout.core[source] < 0, host, sender)
    far = np.maximum(
        np.abs(sender // spec.rows - chip // spec.rows),
        np.abs(sender % spec.rows - chip % spec.rows),
    )
    if np.any(far > spec.hops_max):
        k = int(np.argmax(far))
        raise CapacityError(
            f"{cell_name(network, int(source[k]))} sends {far[k]} chips far along one axis, a "
            f"routing word reaches {spec.hops_max}; use a smaller board or fewer neurons"
        )
    on_chip = layout.core[source] >= 0
    there, source, chip = there[on_chip], source[on_chip], chip[on_chip]
    pairs, inverse, counts = np.unique(
        source * spec.columns * spec.rows + chip, return_inverse=True, return_counts=True
    )
    cell = pairs // (spec.columns * spec.rows)
    order = np.lexsort((pairs, -counts, cell))
    rank = np.empty(len(pairs), dtype=np.int64)
    rank[order] = np.arange(len(pairs)) - np.searchsorted(cell[order], cell[order])
    beyond = rank >= words
    if not np.any(beyond):
        return 0
    if not truncate:
        worst = int(cell[np.argmax(rank)])
        raise CapacityError(
            f"{cell_name(network, worst)} sends to {int(rank.max()) + 1} chips, a DynapSE neuron "
            f"has {words} routing words for them; use fewer chips, or drop the chips with the "
            "fewest targets (overflow=truncate)"
        )
    dropped = there[beyond[inverse]]
    synapses.level[dropped] = 0
    return len(dropped)


def build_routing(
    synapses: Synapses,
    layout: Layout,
    spec: DynapseSpec,
    shape: Hierarchy,
    avoid: FaultProfile | None = None,
) -> Routing:
    """A word for each pair of a sender and a chip, each with a tag that is as unique as can be.

    Of equally unique tags it is one for which fewest words fail, where a profile says so.
    """
    there = np.flatnonzero(synapses.level)
    n_cells, cores = len(layout.core), spec.cores
    reached = np.unique(synapses.source[there] * cores + layout.core[synapses.target[there]])
    cell, core = reached // cores, reached % cores
    chip = core // spec.cores_per_chip
    begin = np.flatnonzero(np.diff(cell * cores + chip, prepend=-1))
    groups = np.split(core, begin[1:]) if len(begin) else []
    cell, chip = cell[begin], chip[begin]
    senders = [None if layout.core[c] < 0 else int(layout.core[c]) for c in cell]
    words = routing_words(
        shape, [(s, int(d), g.tolist()) for s, d, g in zip(senders, chip, groups, strict=True)]
    )
    tags = _choose_tags(cell, groups, layout, spec, avoid)
    return Routing(cell, np.searchsorted(cell, np.arange(n_cells + 1)), tags, words)


def _choose_tags(
    cell: NDArray[np.int64],
    groups: list[NDArray[np.int64]],
    layout: Layout,
    spec: DynapseSpec,
    avoid: FaultProfile | None,
) -> NDArray[np.int64]:
    """A tag for each word, used by as few others in its cores as possible.

    Neurons come before the FPGA, whose choice is free; a neuron tries its own core's number first.
    """
    taken = np.zeros((spec.cores, spec.tags), dtype=np.int32)
    tags = np.zeros(len(cell), dtype=np.int64)
    off_chip = layout.core[cell] < 0
    everything = np.arange(spec.tags)
    virtual = np.arange(1 << (spec.tag_bits - spec.tag_fixed_bits))
    for word in (*np.flatnonzero(~off_chip), *np.flatnonzero(off_chip)):
        candidates = everything
        if not off_chip[word] and spec.tag_fixed_bits:
            own = int(layout.core[cell[word]]) % len(virtual)
            candidates = np.roll(virtual, -own) << spec.tag_fixed_bits | layout.slot[cell[word]]
        others = taken[np.ix_(groups[word], candidates)].sum(axis=0)
        if avoid is not None:  # a share below 1, which decides between equals
            others = others + avoid.of(groups[word][:, None], candidates).mean(axis=0)
        tags[word] = candidates[np.argmin(others)]
        taken[groups[word], tags[word]] += 1
    return tags


def aliases(
    routing: Routing, synapses: Synapses, layout: Layout
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Who hears whom by mistake, since two words bring one tag to one core.

    Returns
    -------
    sender : int64, shape (n,)
        Cells that are heard too.
    synapse : int64, shape (n,)
        Synapses (of other cells) by which they are heard.
    """
    words = routing.words
    word = np.repeat(np.arange(len(words)), np.diff(words.core_start))
    key = words.core << 20 | routing.tag[word]
    order = np.argsort(key, kind="stable")
    starts = np.append(np.flatnonzero(np.diff(key[order], prepend=-1)), len(order))
    there = np.flatnonzero(synapses.level)
    ends = synapses.source[there] << 20 | layout.core[synapses.target[there]]
    by_end = np.argsort(ends, kind="stable")
    ends = ends[by_end]
    senders, hit = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for first in np.flatnonzero(np.diff(starts) > 1):
        copies = order[starts[first] : starts[first + 1]]
        core = words.core[copies[0]]
        cells = routing.cell[word[copies]]
        for cell in cells:
            low, high = np.searchsorted(ends, (cell << 20 | core, (cell << 20 | core) + 1))
            own = there[by_end[low:high]]
            for other in cells[cells != cell]:
                senders.append(np.full(len(own), other))
                hit.append(own)
    return np.concatenate(senders), np.concatenate(hit)
