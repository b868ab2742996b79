"""A run, tick by tick: schedulers are read, neurons compute, packets travel.

The chip's own loop and not that of :mod:`hwmodels.lockstep`, since here delays are slots of the
schedulers, an axon's spike is one bit, and relays stand between a cell and its targets. Neurons
that are not the chip's (:class:`hwmodels.chip.Neurons`) get the synapses of the axons that have a
spike, in the order in which every engine sums them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Arrivals, Neurons, Progress, Translation
from hwmodels.chips.truenorth.configuration import Configuration
from hwmodels.chips.truenorth.merging import count_and_pass
from hwmodels.chips.truenorth.neurons import Crossbars
from hwmodels.chips.truenorth.transport import Fabric
from hwmodels.network import Network, stimulus_events
from hwmodels.recorder import Recorder
from hwmodels.result import Result

if TYPE_CHECKING:
    from hwmodels.chips.truenorth.chip import TrueNorth

_NONE = np.empty(0, dtype=np.int64)
#: A tag is the step in which a spike was first sent, and below so many bits the input of counters
#: that it stands for, plus one.
_SHIFT = 32


class TrueNorthRun:
    """Implements :class:`hwmodels.chip.Run`.

    Parameters
    ----------
    chip : TrueNorth
    translation : Translation
    fabric : Fabric
    neurons : Crossbars or Neurons
    """

    def __init__(
        self,
        chip: TrueNorth,
        translation: Translation,
        fabric: Fabric,
        neurons: Crossbars | Neurons,
    ) -> None:
        network = translation.network
        network.check_start()
        self._chip, self._fabric, self._neurons = chip, fabric, neurons
        self._network = network
        self._step = -1
        self._miscounted = 0
        self._recorder = Recorder(network)
        self._stimulus_steps, self._stimulus_cells = stimulus_events(network)
        self._wire(translation)

    def _wire(self, translation: Translation) -> None:
        """The synapses behind each axon, by their numbers over all projections."""
        configuration: Any = translation.formats
        layout = self._layout = configuration.layout
        merging, pair = configuration.merging, configuration.pairs.of_synapse
        # Lists are axons, and behind them what an input of counters means to a core.
        axons = len(layout.axon_core)
        listed = configuration.axon[pair]
        merged = np.flatnonzero(merging.entry[pair] >= 0)
        core = layout.unit_core[configuration.pairs.target[pair[merged]]]
        self._meanings, which = np.unique(
            merging.entry[pair[merged]] * layout.cores + core, return_inverse=True
        )
        listed[merged] = axons + which.reshape(-1)
        order = np.argsort(listed, kind="stable")
        order = order[np.count_nonzero(listed < 0) :]
        self._synapses = order
        self._start = np.searchsorted(listed[order], np.arange(axons + len(self._meanings) + 1))
        projections = translation.network.projections
        self._first = np.cumsum([0, *(p.n_synapses for p in projections)])
        self._source = np.concatenate([_NONE, *(p.source for p in projections)])
        # Inputs of counters by axon, and the synapses that each stands for.
        self._entries = np.argsort(layout.entry_axon, kind="stable")
        self._entry_start = np.searchsorted(layout.entry_axon[self._entries], np.arange(axons + 1))
        self._stands_for = np.bincount(
            merging.entry[pair[merged]], minlength=len(layout.entry_axon)
        )

    def advance(self, network: Network, until_step: int, progress: Progress | None = None) -> None:
        """Execute up to and including ``until_step``; see :class:`hwmodels.chip.Run`."""
        if network is not self._network:
            self._take_over(network)
        cells = int(self._network.offsets[-1])
        while self._step < until_step:
            self._step += 1
            step = self._step
            axons, tag = self._fabric.read(step)
            counters, counted = self._count(axons, tag)
            if step == 0:
                computed, others, tags = _NONE, _NONE, _NONE
            elif isinstance(self._neurons, Crossbars):
                fired = self._neurons.tick(axons)
                computed, others = fired[fired < cells], fired[fired >= cells]
                tags = np.full(len(others), step << _SHIFT)
            else:
                computed = self._neurons.step(step, self._arrivals(axons, tag))
                relays, repeated = self._repeated(axons, tag)
                others = np.concatenate((counters, relays))
                tags = np.concatenate((counted, repeated))
            first, last = np.searchsorted(self._stimulus_steps, (step, step + 1))
            given = self._stimulus_cells[first:last]
            # A stable sort keeps a cell that stands twice, twice.
            spiking = np.sort(np.concatenate((computed, given))) if len(given) else computed
            self._fabric.send(
                step,
                np.concatenate((spiking, others)),
                np.concatenate((np.full(len(spiking), step << _SHIFT), tags)),
            )
            self._record(step, spiking)
            if progress is not None and step % 100 == 0:
                progress(step)

    def _record(self, step: int, spiking: NDArray[np.int64]) -> None:
        offsets = self._network.offsets
        bounds = np.searchsorted(spiking, offsets)
        for population in range(len(self._network.populations)):
            some = spiking[bounds[population] : bounds[population + 1]]
            if len(some):
                local = (some - offsets[population]).astype(np.int32)
                self._recorder.spikes(step, population, local)
        self._recorder.samples(step, self._neurons.sample)

    def _repeated(
        self, axons: NDArray[np.int64], tag: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Relays of the axons that have a spike, and the tags of their spikes."""
        layout = self._layout
        groups = layout.axon_relays[axons] > 0
        axons, tag = axons[groups], tag[groups]
        counts = layout.axon_relays[axons]
        before = np.cumsum(counts) - counts
        relays = np.repeat(layout.axon_first[axons] - before, counts)
        return relays + np.arange(int(counts.sum())), np.repeat(tag, counts)

    def _count(
        self, axons: NDArray[np.int64], tag: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Counters that fire, and the tags of their spikes; what finds none is lost."""
        layout = self._layout
        counts = self._entry_start[axons + 1] - self._entry_start[axons]
        if not counts.any():
            return _NONE, _NONE
        before = np.cumsum(counts) - counts
        at = np.repeat(self._entry_start[axons] - before, counts) + np.arange(int(counts.sum()))
        entries, tags = self._entries[at], np.repeat(tag, counts)
        order = np.argsort(entries, kind="stable")
        entries, tags = entries[order], tags[order]
        counter, passed, kept = count_and_pass(
            layout.entry_group, entries, layout.group_first, layout.group_counters
        )
        self._miscounted += int(self._stands_for[entries[~kept]].sum())
        return counter, (tags[kept] >> _SHIFT << _SHIFT) + passed + 1

    def _arrivals(self, axons: NDArray[np.int64], tag: NDArray[np.int64]) -> list[Arrivals]:
        """Synapses of the axons that have a spike, in the order of :class:`Arrivals`."""
        sent, entry = tag >> _SHIFT, (tag & ((1 << _SHIFT) - 1)) - 1
        lists = axons
        if len(self._meanings):
            wanted = entry * self._layout.cores + self._layout.axon_core[axons]
            place = np.searchsorted(self._meanings, wanted)
            place = np.minimum(place, len(self._meanings) - 1)
            there = (entry >= 0) & (self._meanings[place] == wanted)
            there &= self._layout.axon_relays[axons] == 0  # a relay only passes it on
            lists = np.where(there, len(self._layout.axon_core) + place, axons)
        counts = self._start[lists + 1] - self._start[lists]
        total = int(counts.sum())
        if not total:
            return []
        before = np.cumsum(counts) - counts
        synapses = self._synapses[np.repeat(self._start[lists] - before, counts) + np.arange(total)]
        projection = np.searchsorted(self._first, synapses, side="right") - 1
        keys = [synapses, self._source[synapses], np.repeat(sent, counts), projection]
        if len(np.unique(lists)) < len(lists):
            # Spikes of one cell at one time are summed one after the other.
            order = np.lexsort((lists, sent))
            same = (np.diff(lists[order], prepend=-1) == 0) & (
                np.diff(sent[order], prepend=-1) == 0
            )
            number = np.arange(len(lists))
            copy = np.empty(len(lists), dtype=np.int64)
            copy[order] = number - np.maximum.accumulate(np.where(same, 0, number))
            keys.insert(1, np.repeat(copy, counts))
        order = np.lexsort(keys)
        synapses, projection = synapses[order], projection[order]
        starts = np.searchsorted(projection, np.arange(len(self._first)))
        return [
            Arrivals(k, synapses[starts[k] : starts[k + 1]] - self._first[k])
            for k in range(len(self._first) - 1)
            if starts[k + 1] > starts[k]
        ]

    def _take_over(self, network: Network) -> None:
        translation = self._chip.translated(network)
        configuration: Any = translation.formats
        if isinstance(self._neurons, Crossbars):
            assert isinstance(configuration, Configuration)
            self._neurons.update(network, configuration)
        else:
            self._neurons.update(network)
        self._wire(translation)
        self._recorder.update(network)
        self._stimulus_steps, self._stimulus_cells = stimulus_events(network)
        self._network = network

    def result(self, engine: str, translation: Translation, host_seconds: float) -> Result:
        """Everything since time 0."""
        steps = max(self._step, 0)
        hardware = replace(
            self._chip.report(translation, self._fabric, steps),
            quantisation=translation.quantisation,
        )
        miscounted = {"synaptic events lost in counting": self._miscounted}
        counts = {
            **translation.counts, **self._neurons.counts(), **self._fabric.counts(), **miscounted
        }  # fmt: skip
        return self._recorder.result(
            engine,
            self._network,
            steps,
            counts=counts,
            host_seconds=host_seconds,
            hardware=hardware,
        )
