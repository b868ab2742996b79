"""Injected currents as what they are on a grid: values that change at some steps.

In: the currents of a Network. Out: for a step at which something changes, the total into each
cell. It must not know who integrates it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwmodels.network import Network, to_steps


class CurrentSchedule:
    """The total injected current of each population over time.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network) -> None:
        self._sizes = [p.size for p in network.populations]
        self._currents = network.currents
        self._steps = [to_steps(c.times_ms, network.timestep_ms) for c in network.currents]
        self._changes = {int(step) for steps in self._steps for step in steps}
        self._begun = False

    @property
    def steady(self) -> bool:
        """Whether :meth:`change` has told everything there will be."""
        return self._begun and not self._changes

    def change(self, step: int) -> dict[int, NDArray[np.float64]] | None:
        """Currents in nA that flow from ``step`` on, by population; None when nothing changes.

        The first call always gives the full state, so a schedule can be taken up in mid-run.
        """
        if self._begun and step not in self._changes:
            return None
        self._begun = True
        totals: dict[int, NDArray[np.float64]] = {}
        for current, steps in zip(self._currents, self._steps, strict=True):
            total = totals.setdefault(current.population, np.zeros(self._sizes[current.population]))
            position = int(np.searchsorted(steps, step, side="right")) - 1
            if position >= 0:
                np.add.at(total, current.cells, current.amplitudes_nA[position])
        return totals
