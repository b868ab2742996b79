"""The lock-step run: neurons, fabric and the delay line between them, one step at a time.

In: a translated Network, :class:`~hwmodels.chip.Neurons` and a :class:`~hwmodels.chip.Transport`.
Out: a :class:`~hwmodels.result.Result`. This loop is the same for every chip and for neurons of
any origin, and it must know neither.

In each step the neurons take the input that is due and compute; the fabric carries who fired;
the synapses of those spikes enter the delay line. What a late packet does to them is the fabric's
rule (:meth:`hwmodels.chip.Transport.late`).

Input is summed in a fixed order (projection, step of emission, presynaptic cell, position in its
row), which is also Brian2's, so that exact neurons give exactly what Brian2 alone gives. Synapses
of a late packet come after all that were already due in the step in which they then act.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from itertools import pairwise
from typing import cast

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import (
    NEVER,
    Arrivals,
    Chip,
    LearningNeurons,
    Neurons,
    Progress,
    SummingNeurons,
    TaughtNeurons,
    Transit,
    Translation,
    Transport,
)
from hwmodels.compiling import can_compile
from hwmodels.delay_line import DelayLine
from hwmodels.delivery import SummedInput
from hwmodels.errors import UnsupportedError
from hwmodels.mapping import CoreLimits, Placement, Routers, mesh_graph
from hwmodels.mapping.mappers import MAPPERS, place
from hwmodels.network import Network, stimulus_events
from hwmodels.options import choice
from hwmodels.recorder import Recorder
from hwmodels.result import Result

#: Steps of cells that are computed together, and how many steps that may be.
_AT_ONCE, _FEWEST, _MOST = 1 << 22, 8, 2048
_NO_CELLS = np.empty(0, dtype=np.int64)
#: Some synapses of a projection (by its index), and the steps in which they act.
_Waiting = tuple[int, NDArray[np.int64], NDArray[np.int64]]


class LockstepRun:
    """One run of a translated network on a chip.

    Parameters
    ----------
    network : Network
        As the chip represents it.
    neurons : Neurons
    transport : Transport
    core_of : int32, shape (cells,)
        Core of each cell by global number; needed to find the synapses behind a late packet.
    """

    def __init__(
        self,
        network: Network,
        neurons: Neurons,
        transport: Transport,
        core_of: NDArray[np.int32],
    ) -> None:
        network.check_start()
        self._network = network
        self._neurons = neurons
        self._transport = transport
        self._core_of = core_of
        self._step = -1
        self._lines = [DelayLine(network, p) for p in network.projections]
        self._recorder = Recorder(network)
        self._stimulus_steps, self._stimulus_cells = stimulus_events(network)
        #: The input of neurons that take sums; then the lines hold only what a packet delayed.
        self._sums = self._make_sums()
        #: Spikes of this step to synapses that the neurons teach, by projection.
        teaching = neurons.learning if isinstance(neurons, TaughtNeurons) else ()
        self._taught: dict[int, list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = {
            k: [] for k in teaching
        }
        self._room = _NO_CELLS
        self._late = self._lost = self._too_late = 0
        #: Synapses whose packets are under way, by (step sent, source and core), and then by
        #: which one it is of packets that a cell spiking more than once sent there.
        self._held: dict[tuple[int, int], dict[int, list[_Waiting]]] = {}

    def advance(self, network: Network, until_step: int, progress: Progress | None = None) -> None:
        """Execute up to and including ``until_step``; ``network`` may have changed in values."""
        if network is not self._network:
            self._take_over(network)
        offsets = self._network.offsets
        while self._step < until_step:
            if self._several(until_step):
                if progress is not None:
                    progress(self._step)
                continue
            self._step += 1
            step = self._step
            computed = self._compute(step) if step else _NO_CELLS
            given = self._given(step)
            # A stable sort keeps a cell that stands twice, twice.
            fired = np.sort(np.concatenate((computed, given))) if len(given) else computed
            active = self._neurons.active() if step else np.zeros(offsets[-1], dtype=bool)
            transit = self._transport.step(step, fired, active)
            if transit is not None:
                self._release(step, transit.arrived)
                transit = self._without_gone(step, transit)
            if len(fired):
                self._emit(step, fired, transit)
            if self._taught:
                cast(TaughtNeurons, self._neurons).learn(step, self._taught)
                self._taught = {k: [] for k in self._taught}
            self._recorder.samples(step, self._neurons.sample)
            if progress is not None and step % 100 == 0:
                progress(step)

    def _several(self, until_step: int) -> bool:
        """Compute some steps at once, where nothing depends on what the fabric does or shows."""
        cells = int(self._network.offsets[-1])
        most = min(max(_AT_ONCE // max(cells, 1), _FEWEST), _MOST)
        first, last = self._step + 1, min(until_step, self._step + most)
        if (
            self._sums is None
            or not getattr(self._transport, "always_in_time", False)
            or not 0 < first < last
            or self._recorder.next_sample(first) <= last
        ):
            return False
        bounds = np.searchsorted(self._stimulus_steps, np.arange(first, last + 2))
        room = 4 * cells + int(bounds[-1] - bounds[0])
        if len(self._room) < room:
            self._room = np.empty(room, dtype=np.int64)
        fired = self._room
        given = self._stimulus_cells[bounds[0] : bounds[-1]]
        done = cast(SummingNeurons, self._neurons).steps_summed(
            first, bounds - bounds[0], given, self._sums, fired
        )
        if done is None or len(done[0]) < 2:
            return False
        starts, active = done
        every = getattr(self._transport, "steps", None)
        if every is not None:
            every(first, starts, fired, active)
        else:
            for k, (begin, end) in enumerate(pairwise(starts)):
                self._transport.step(
                    first + k, fired[begin:end], None if active is None else active[k]
                )
        fired = fired[: starts[-1]].copy()
        self._sums.emitted(first, starts, fired)
        steps = np.arange(first, first + len(starts) - 1)
        self._recorder.spikes_of_steps(np.repeat(steps, np.diff(starts)), fired)
        self._step = first + len(steps) - 1
        return True

    def _make_sums(self) -> SummedInput | None:
        if not (can_compile() and isinstance(self._neurons, SummingNeurons)):
            return None
        inputs = self._neurons.inputs()
        if inputs is None:
            return None
        return SummedInput(self._network, inputs, self._most_at_once())

    def _most_at_once(self) -> int:
        """How often one cell spikes in one step at most, which only spike sources do twice."""
        pairs = np.stack((self._stimulus_steps, self._stimulus_cells))
        starts = np.flatnonzero(np.any(np.diff(pairs, prepend=-1) != 0, axis=0))
        return int(np.diff(starts, append=pairs.shape[1]).max(initial=1))

    def _compute(self, step: int) -> NDArray[np.int64]:
        """The cells that fire, given the input that is due."""
        arrivals = [
            Arrivals(k, due)
            for k, line in enumerate(self._lines)
            if (due := line.due(step)) is not None
        ]
        if self._sums is None:
            return self._neurons.step(step, arrivals)
        for k, synapses in arrivals:
            self._sums.add(step, k, synapses)
        return cast(SummingNeurons, self._neurons).step_summed(step, self._sums.due(step))

    def _given(self, step: int) -> NDArray[np.int64]:
        first, last = np.searchsorted(self._stimulus_steps, (step, step + 1))
        return self._stimulus_cells[first:last]

    def _emit(self, step: int, fired: NDArray[np.int64], transit: Transit | None) -> None:
        """Record the spikes of a step and put their synapses on the delay lines."""
        offsets = self._network.offsets
        on_time = self._sums is not None and transit is None
        if self._sums is not None and transit is None:
            self._sums.emit(step, fired)
        bounds = np.searchsorted(fired, offsets)
        for population in range(len(self._network.populations)):
            first, last = bounds[population], bounds[population + 1]
            if first == last:
                continue
            cells = (fired[first:last] - offsets[population]).astype(np.int32)
            self._recorder.spikes(step, population, cells)
            for k, line in enumerate(self._lines):
                if line.projection.pre != population or on_time:
                    continue
                synapses = line.rows(cells)
                due = step + line.delays[synapses]
                if transit is not None:
                    number = np.repeat(copies(cells), line.lengths(cells))
                    synapses, due = self._sort_out(step, k, synapses, due, number, transit)
                self._push(k, synapses, due)

    def _push(self, k: int, synapses: NDArray[np.int64], due: NDArray[np.int64]) -> None:
        """Let synapses act at the steps given, keeping their order."""
        if k in self._taught:
            self._taught[k].append((synapses, due))
        else:
            self._lines[k].push(synapses, due)

    def _sort_out(
        self,
        step: int,
        k: int,
        synapses: NDArray[np.int64],
        due: NDArray[np.int64],
        number: NDArray[np.int64],
        transit: Transit,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Take out the synapses whose packet is lost or held, and put off those delayed.

        Packets of one cell to one core in one step are alike, so it does not matter which of
        them meets which fate, only that each has its own, by ``number``.
        """
        projection = self._lines[k].projection
        offsets = self._network.offsets
        sources = projection.source[synapses] + offsets[projection.pre]
        cores = self._core_of[projection.target[synapses] + offsets[projection.post]]
        plain = sources << 32 | cores
        keys = _with_copy(plain, number)
        troubled = np.concatenate([_keys(p) for p in (transit.delayed, transit.held, transit.lost)])
        troubled = _with_copy(troubled, copies(troubled))
        edges = np.cumsum([len(transit.delayed), len(transit.held)])
        delayed_keys, held_keys, lost_keys = np.split(troubled, edges)

        if len(delayed_keys):
            packets, first = np.unique(delayed_keys, return_index=True)
            position = np.minimum(np.searchsorted(packets, keys), len(packets) - 1)
            steps = transit.delayed["late_steps"][first].astype(np.int64)
            behind = np.where(packets[position] == keys, steps[position], 0)
            due = self._put_off(step, due, behind)
        lost = np.isin(keys, lost_keys)
        self._lost += int(np.count_nonzero(lost))
        held = np.isin(keys, held_keys)
        for key in np.unique(keys[held]).tolist():
            chosen = held & (keys == key)
            any_of = int(np.argmax(chosen))
            alike = self._held.setdefault((step, int(plain[any_of])), {})
            alike.setdefault(int(number[any_of]), []).append((k, synapses[chosen], due[chosen]))
        acting = ~(lost | held) & (due != NEVER)
        return synapses[acting], due[acting]

    def _put_off(
        self, sent: int, due: NDArray[np.int64], late_steps: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """When synapses act whose packet arrived so many steps after it was sent."""
        acts = self._transport.late(sent, due, late_steps)
        self._late += int(np.count_nonzero(acts > due))
        self._too_late += int(np.count_nonzero(acts == NEVER))
        return acts

    def _release(self, step: int, arrived: NDArray) -> None:
        """Let synapses act whose packets arrived after the step in which they were sent."""
        for sent, key in zip(arrived["step"].tolist(), _keys(arrived).tolist(), strict=True):
            packets = self._held.get((sent, key))
            if not packets:
                continue
            for k, synapses, due in packets.pop(min(packets)):
                acts = self._put_off(sent, due, np.full(len(due), step - sent))
                self._push(k, synapses[acts != NEVER], acts[acts != NEVER])
            if not packets:
                del self._held[sent, key]

    def _without_gone(self, step: int, transit: Transit) -> Transit:
        """Let go of packets held since earlier steps that are now known to be lost."""
        gone = transit.lost["step"] < step
        lost = transit.lost[gone]
        for sent, key in zip(lost["step"].tolist(), _keys(lost).tolist(), strict=True):
            packets = self._held.get((sent, key))
            if packets:
                self._lost += sum(len(held) for _, held, _ in packets.pop(max(packets)))
                if not packets:
                    del self._held[sent, key]
        return transit._replace(lost=transit.lost[~gone])

    def _take_over(self, network: Network) -> None:
        self._neurons.update(network)
        for line, projection in zip(self._lines, network.projections, strict=True):
            line.update(projection)
        self._recorder.update(network)
        self._stimulus_steps, self._stimulus_cells = stimulus_events(network)
        if self._sums is not None:
            self._sums.update(self._step, network, self._most_at_once())
        self._network = network

    def result(self, engine: str, translation: Translation, host_seconds: float) -> Result:
        """Everything since time 0."""
        steps = max(self._step, 0)
        hardware = replace(self._transport.report(steps), quantisation=translation.quantisation)
        under_way = sum(
            len(synapses)
            for packets in self._held.values()
            for held in packets.values()
            for _, synapses, _ in held
        )
        late = {
            "synaptic events late": self._late,
            "synaptic events lost": self._lost,
            "synaptic events too late to act": self._too_late,
            "synaptic events under way at the end": under_way,
        }
        counts = {**translation.counts, **self._neurons.counts(), **hardware.counts, **late}
        result = self._recorder.result(
            engine,
            self._network,
            steps,
            counts=counts,
            host_seconds=host_seconds,
            hardware=hardware,
        )
        own = self._neurons
        return replace(result, weights=own.weights() if isinstance(own, LearningNeurons) else {})


class SteppedChip(Chip):
    """A chip whose neurons and fabric advance step by step.

    ``mapper`` says how cells get to cores: in the script's order (``sequential``), or for the
    least traffic between cores (``traffic``).
    """

    mapper = choice(*MAPPERS)

    def limits(self) -> CoreLimits:
        """What a core holds, for a chip whose cores all cells fit on alike."""
        raise NotImplementedError(f"{self.name} needs limits(), or a map() of its own")

    def routers(self) -> Routers:
        """Where the cores sit: in one row, each with a router, unless a chip says otherwise."""
        return mesh_graph(self.limits().cores, 1, 1)

    def map(self, translation: Translation) -> Placement:
        """Cells to cores by the option ``mapper``, within :meth:`limits`, on :meth:`routers`."""
        return place(self.mapper, translation.network, self.limits(), self.routers())

    def neurons(self, translation: Translation) -> Neurons:
        """The chip's own arithmetic for a translated network.

        Raises
        ------
        UnsupportedError
            When a cell type or parameter cannot be computed natively, or no cell at all.
        """
        raise UnsupportedError(f"{self.name} has no arithmetic of its own: neurons=exact")

    @abstractmethod
    def transport(self, translation: Translation, placement: Placement) -> Transport:
        """The chip's fabric for a placed network."""

    def run(
        self, translation: Translation, placement: Placement, neurons: Neurons | None = None
    ) -> LockstepRun:
        """Neurons, delay line and fabric in lock-step."""
        return LockstepRun(
            translation.network,
            self.neurons(translation) if neurons is None else neurons,
            self.transport(translation, placement),
            placement.core_of,
        )


def _keys(packets: NDArray) -> NDArray[np.int64]:
    """Source cell and destination core of packets as one number each."""
    return packets["source"].astype(np.int64) << 32 | packets["destination_core"]


def copies(values: NDArray) -> NDArray[np.int64]:
    """Which one of its equals each value is, from 0 in their order."""
    order = np.argsort(values, kind="stable")
    in_order = values[order]
    number = np.empty(len(values), dtype=np.int64)
    number[order] = np.arange(len(values)) - np.searchsorted(in_order, in_order)
    return number


def _with_copy(keys: NDArray[np.int64], number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keys of packets that tell equal ones apart; a core's number has 20 bits of its 32."""
    return keys | number << 20
