"""The base of fabrics whose steps last as long as they stand for, and that keep what they sent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Chip, Transit, Translation, postponed
from hwmodels.mapping import Placement
from hwmodels.result import HardwareReport
from hwmodels.spec import picoseconds


class RealTimeTransport(ABC):
    """A fabric in steps of real time. Implements :class:`hwmodels.chip.Transport`.

    A chip gives it :meth:`carry`, :meth:`energy` where it has numbers for it, and another rule in
    place of ``late = staticmethod(postponed)`` where a late packet acts otherwise.

    Attributes
    ----------
    chip : Chip
    placement : Placement
    step_ps : int
        Length of a step.
    """

    late = staticmethod(postponed)
    #: How times come about, for the report.
    fidelity = "analytic"

    def __init__(self, chip: Chip, translation: Translation, placement: Placement) -> None:
        self.chip, self.placement = chip, placement
        self._step_ms = translation.network.timestep_ms
        self.step_ps = picoseconds(self._step_ms * 1e6)
        self._sent: list[NDArray] = []

    @abstractmethod
    def carry(self, packets: NDArray, now_ps: int) -> NDArray:
        """When packets arrive that are sent now, in ps; int64, one for each."""

    def energy(self, packets: NDArray) -> Sequence[tuple]:
        """Rows of :data:`hwmodels.result.ENERGY` for all packets of a run; none by default."""
        return []

    def step(
        self, step: int, fired: NDArray[np.int64], active: NDArray[np.bool_] | None
    ) -> Transit | None:
        """One packet for each spike and core that it reaches, late by whole steps."""
        now_ps = step * self.step_ps
        packets = self.placement.packets(step, fired, now_ps)
        packets["arrive_ps"] = self.carry(packets, now_ps)
        packets["late_steps"] = (packets["arrive_ps"] - now_ps) // self.step_ps
        self._sent.append(packets)
        return Transit.of(delayed=packets[packets["late_steps"] > 0])

    def report(self, steps: int) -> HardwareReport:
        """All packets, on routers as many as the placement needs."""
        packets = np.concatenate([self.placement.packets(0, np.empty(0, np.int64), 0), *self._sent])
        columns, rows = self.placement.position.reshape(-1, 2).max(axis=0, initial=0) + 1
        return self.chip.hardware_report(
            fidelity=self.fidelity,
            mesh=(int(columns), int(rows)),
            step_ms=self._step_ms,
            step_ps=np.full(steps + 1, self.step_ps),
            packets=packets,
            energy=self.energy(packets),
        )
