"""The delay line between fabric and neurons: spikes on their way, by the step in which they act."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwmodels.network import Network, Projection, to_delay_steps


class DelayLine:
    """The synapses of one projection whose spikes are on their way."""

    def __init__(self, network: Network, projection: Projection) -> None:
        self.projection = projection
        self._timestep_ms = network.timestep_ms
        self._waiting: dict[int, list[NDArray[np.int64]]] = {}
        self._delays: NDArray[np.int64] | None = None

    @property
    def delays(self) -> NDArray[np.int64]:
        """In steps, for each synapse."""
        if self._delays is None:
            self._delays = to_delay_steps(self.projection.delay_ms, self._timestep_ms)
        return self._delays

    def update(self, projection: Projection) -> None:
        """Take over a projection with changed weights or delays; spikes under way keep theirs."""
        changed = projection.delay_ms is not self.projection.delay_ms
        self.projection = projection
        if changed:
            self._delays = None

    def lengths(self, cells: NDArray[np.int32]) -> NDArray[np.int64]:
        """Number of synapses of these presynaptic cells."""
        return self.projection.indptr[cells + 1] - self.projection.indptr[cells]

    def rows(self, cells: NDArray[np.int32]) -> NDArray[np.int64]:
        """All synapses of these presynaptic cells, row after row."""
        starts = self.projection.indptr[cells]
        lengths = self.lengths(cells)
        total = int(lengths.sum())
        before = np.cumsum(lengths) - lengths
        return np.repeat(starts - before, lengths) + np.arange(total)

    def push(self, synapses: NDArray[np.int64], due: NDArray[np.int64]) -> None:
        """Let synapses act at the steps given, keeping their order."""
        if not len(synapses):
            return
        if np.all(due == due[0]):
            self._waiting.setdefault(int(due[0]), []).append(synapses)
            return
        order = np.argsort(due, kind="stable")
        synapses, due = synapses[order], due[order]
        starts = np.flatnonzero(np.diff(due, prepend=-1))
        for first, last in zip(starts, [*starts[1:], len(due)], strict=True):
            self._waiting.setdefault(int(due[first]), []).append(synapses[first:last])

    def due(self, step: int) -> NDArray[np.int64] | None:
        """The synapses that act at ``step``, in the order of summation."""
        chunks = self._waiting.pop(step, None)
        if chunks is None:
            return None
        return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
