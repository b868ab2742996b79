"""Neurons that repeat recorded spikes: open-loop replay of a trace through a fabric.

Function apart from timing: the spikes of one run can be sent through any number of fabrics, and
what the fabric does to them has no way back into the network. It must not know who recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Arrivals
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

    Raises
    ------
    ModelError
        When the trace does not belong to these populations.
    """

    def __init__(self, network: Network, trace: Result) -> None:
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
        order = np.lexsort((all_cells, all_steps))
        self._steps, self._cells = all_steps[order], all_cells[order]

    def step(self, step: int, arrivals: Sequence[Arrivals]) -> NDArray[np.int64]:
        """The cells that fired at ``step`` in the trace; input has no effect."""
        first, last = np.searchsorted(self._steps, (step, step + 1))
        return self._cells[first:last]

    def active(self) -> None:
        """Unknown from spikes alone; all cells count as updated."""
        return None

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
