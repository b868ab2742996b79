"""Neurons that repeat recorded spikes: open-loop replay of a trace through a fabric.

Function apart from timing: the spikes of one run can be sent through any number of fabrics, and
what the fabric does to them has no way back into the network. It must not know who recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Arrivals, Neurons, SummingNeurons
from hwmodels.delivery import Inputs, SummedInput
from hwmodels.errors import ModelError, UnsupportedError
from hwmodels.network import Network, to_steps
from hwmodels.result import Result


class ReplayedNeurons:
    """Implements :class:`hwmodels.chip.Neurons` from a recorded Result.

    Parameters
    ----------
    network : Network
        Whose synapses route the spikes.
    trace : Result
        With the spikes of every computed population.
    active : uint8, shape (steps, n), optional
        Of :class:`Recorded`; all cells count as updated without it.

    Raises
    ------
    ModelError
        When the trace does not belong to these populations.
    """

    def __init__(
        self, network: Network, trace: Result, active: NDArray[np.uint8] | None = None
    ) -> None:
        labels = tuple(p.label for p in network.populations)
        sizes = tuple(p.size for p in network.populations)
        if trace.labels != labels or trace.sizes != sizes:
            raise ModelError(
                f"the trace has populations {', '.join(trace.labels)} and the network has "
                f"{', '.join(labels)}; replay needs a trace of the same network"
            )
        steps, cells = [], []
        for index, population in enumerate(network.populations):
            if not population.is_source:
                spikes = trace.spikes[index]
                steps.append(to_steps(spikes.time_ms, network.timestep_ms))
                cells.append(spikes.cell + network.offsets[index])
        all_steps = np.concatenate(steps) if steps else np.empty(0, dtype=np.int64)
        all_cells = np.concatenate(cells) if cells else np.empty(0, dtype=np.int64)
        self._steps, self._cells = _sorted(all_steps, all_cells)
        self._n_projections = len(network.projections)
        self._activity, self._now, self._n_cells = active, 0, int(network.offsets[-1])

    def step(self, step: int, arrivals: Sequence[Arrivals]) -> NDArray[np.int64]:
        """The cells that fired at ``step`` in the trace; input has no effect."""
        self._now = step
        first, last = np.searchsorted(self._steps, (step, step + 1))
        return self._cells[first:last]

    def inputs(self) -> Inputs:
        """No slot at all: input has no effect."""
        none = (-1,) * self._n_projections
        return Inputs(0, none, none, (np.empty(0),) * self._n_projections)

    def step_summed(self, step: int, sums: NDArray) -> NDArray[np.int64]:
        """See :meth:`step`."""
        return self.step(step, ())

    def steps_summed(
        self, first: int, given_start: NDArray[np.int64], given: NDArray[np.int64],
        sums: SummedInput, fired: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:  # fmt: skip
        """See :class:`hwmodels.chip.SummingNeurons`."""
        steps = np.arange(first, first + len(given_start))
        own = np.searchsorted(self._steps, steps)
        starts = own - own[0] + given_start
        done = int(np.searchsorted(starts, len(fired), "right")) - 1
        own, starts, steps = own[: done + 1], starts[: done + 1], steps[:done]
        step = np.concatenate((
            self._steps[own[0] : own[-1]], np.repeat(steps, np.diff(given_start[: done + 1]))
        ))  # fmt: skip
        cells = np.concatenate((self._cells[own[0] : own[-1]], given[: given_start[done]]))
        fired[: len(cells)] = _sorted(step, cells)[1]
        self._now = first + done - 1
        if self._activity is None or first >= len(self._activity):
            return starts, None
        packed = self._activity[first : first + done]
        active = np.unpackbits(packed, axis=1, count=self._n_cells).view(bool)
        if len(active) < done:
            unknown = np.ones((done - len(active), self._n_cells), dtype=bool)
            active = np.concatenate((active, unknown))
        return starts, active

    def active(self) -> NDArray[np.bool_] | None:
        """As recorded; unknown from spikes alone, and then all cells count as updated."""
        if self._activity is None or self._now >= len(self._activity):
            return None
        return np.unpackbits(self._activity[self._now], count=self._n_cells).astype(bool)

    def sample(self, population: int, variable: str, cells: NDArray[np.int32]) -> NDArray:
        """There is no state in a replay."""
        raise UnsupportedError(
            f"a replay has no {variable!r} to record; run with neurons=chip or neurons=exact"
        )

    def update(self, network: Network) -> None:
        """Nothing a network changes can change a recorded spike."""

    def counts(self) -> Mapping[str, int]:
        """A replay clips nothing."""
        return {}


def _sorted(steps: NDArray[np.int64], cells: NDArray) -> tuple[NDArray[np.int64], NDArray]:
    """Spikes by step and then by cell; those of one population are already."""
    later = steps[1:] > steps[:-1]
    if np.all(later | ((steps[1:] == steps[:-1]) & (cells[1:] >= cells[:-1]))):
        return steps, cells
    order = np.lexsort((cells, steps))
    return steps[order], cells[order]


@dataclass(frozen=True, eq=False)
class Recorded:
    """All that a fabric can see of computed neurons, so that a replay costs it the same.

    Attributes
    ----------
    result : Result
        With the spikes of every population.
    active : uint8, shape (steps + 1, ceil(cells / 8)), or None
        Which cells needed an update in each step, as packed bits; None where all did.
    """

    result: Result
    active: NDArray[np.uint8] | None


class RecordingNeurons:
    """Neurons that compute as others do, and remember which were active."""

    def __init__(self, neurons: Neurons) -> None:
        self._neurons = neurons
        self._rows: list[NDArray[np.uint8] | None] = [None]  # nothing is computed at time 0
        self.update, self.sample = neurons.update, neurons.sample
        self.counts = neurons.counts

    def step(self, step: int, arrivals: Sequence[Arrivals]) -> NDArray[np.int64]:
        """See :class:`hwmodels.chip.Neurons`."""
        return self._neurons.step(step, arrivals)

    def inputs(self) -> Inputs | None:
        """See :class:`hwmodels.chip.SummingNeurons`."""
        return self._neurons.inputs() if isinstance(self._neurons, SummingNeurons) else None

    def step_summed(self, step: int, sums: NDArray) -> NDArray[np.int64]:
        """See :class:`hwmodels.chip.SummingNeurons`."""
        return cast(SummingNeurons, self._neurons).step_summed(step, sums)

    def steps_summed(
        self, first: int, given_start: NDArray[np.int64], given: NDArray[np.int64],
        sums: SummedInput, fired: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None] | None:  # fmt: skip
        """See :class:`hwmodels.chip.SummingNeurons`."""
        neurons = cast(SummingNeurons, self._neurons)
        done = neurons.steps_summed(first, given_start, given, sums, fired)
        if done is not None:
            starts, active = done
            every = [None] * (len(starts) - 1)
            self._rows += every if active is None else list(np.packbits(active, axis=1))
        return done

    def active(self) -> NDArray[np.bool_] | None:
        """See :class:`hwmodels.chip.Neurons`."""
        active = self._neurons.active()
        self._rows.append(None if active is None else np.packbits(active))
        return active

    @property
    def activity(self) -> NDArray[np.uint8] | None:
        """For :attr:`Recorded.active`."""
        given = [row for row in self._rows if row is not None]
        if not given:
            return None
        every = np.full_like(given[0], 255)
        return np.stack(
            [np.zeros_like(every), *(every if row is None else row for row in self._rows[1:])]
        )
