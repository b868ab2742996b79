"""The machine for neurons that are computed elsewhere, in lock-step with its timers.

All timers start at once, and a window of one tick of wall-clock passes in each step. A packet whose
row is worked off within the window of its step acts in time; in a later one it is late by as many
steps, by the rule of the colour: synapses of a shorter delay do not act.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Transit, Translation, in_time_only
from hwmodels.chips.spinnaker import pipeline as k
from hwmodels.chips.spinnaker.layout import Layout
from hwmodels.mapping import Placement
from hwmodels.result import HardwareReport

if TYPE_CHECKING:
    from hwmodels.chips.spinnaker.chip import Spinnaker


class SpinnakerTransport:
    """Implements :class:`hwmodels.chip.Transport`."""

    def __init__(
        self, chip: Spinnaker, translation: Translation, layout: Layout, placement: Placement
    ) -> None:
        self._chip, self._network, self._placement = chip, translation.network, placement
        self._machine = chip.machine(translation.network, layout, translation.formats, False)
        #: Copies before this one have met their fate and been reported.
        self._settled = 0
        self._open = np.empty(0, dtype=np.int64)
        self._started = False

    def late(
        self, sent: int, due: NDArray[np.int64], late_steps: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """A delay counts from sending; what it does not cover does not act."""
        return in_time_only(sent, due, late_steps)

    def step(
        self, step: int, fired: NDArray[np.int64], active: NDArray[np.bool_] | None
    ) -> Transit | None:
        """Carry the spikes of one step; see :class:`hwmodels.chip.Transport`."""
        machine = self._machine
        machine.give(np.full(len(fired), step), fired)
        if not self._started:
            machine.start_ticks(step)
            self._started = True
        machine.continue_ticks(step)
        machine.now_ps += machine.conditions.tick_ps
        machine.run(machine.now_ps)
        return self._sort_out(step, fired)

    def _sort_out(self, step: int, fired: NDArray[np.int64]) -> Transit | None:
        """What of this step's packets is not done, and what of former ones is."""
        copies = self._machine.copies
        rows = np.concatenate((self._open, np.arange(self._settled, len(copies))))
        rows = rows.astype(np.int64)
        self._settled = len(copies)
        state = copies[rows, k.STATE_OF]
        self._open = rows[state == k.UNDER_WAY]
        expected = self._placement.packets(step, fired, 0)
        if not len(rows) and not len(expected):
            return None
        packets = self._machine.packets(int(rows.min(initial=len(copies))))
        packets = packets[rows - int(rows.min(initial=len(copies)))]
        served = packets["synapses"] > 0
        done, now = (state == k.DONE) & served, packets["step"] == step
        lost = ~np.isin(state, (k.DONE, k.UNDER_WAY)) & served
        arrived = packets[done & ~now]
        dropped = packets[lost & now]
        if np.count_nonzero(done & now) == len(expected):
            return Transit.of(arrived=arrived)
        # Not sent yet, or sent and not worked off.
        held = expected[_without(expected, packets[(done | lost) & now])]
        return Transit.of(held=held, arrived=arrived, lost=dropped)

    def report(self, steps: int) -> HardwareReport:
        """Everything the machine did; see :class:`hwmodels.chip.Transport`."""
        taken = np.full(steps + 1, self._machine.conditions.tick_ps, dtype=np.int64)
        taken[0] = 0
        return self._chip.report(self._machine, self._network, taken)


def _without(expected: NDArray, met: NDArray) -> NDArray[np.int64]:
    """Which of the expected packets have not met their fate; equal ones are counted."""
    left: dict[tuple[int, int], int] = {}
    for key in zip(met["source"].tolist(), met["destination_core"].tolist(), strict=True):
        left[key] = left.get(key, 0) + 1
    rest = []
    pairs = zip(expected["source"].tolist(), expected["destination_core"].tolist(), strict=True)
    for row, key in enumerate(pairs):
        if left.get(key, 0):
            left[key] -= 1
        else:
            rest.append(row)
    return np.array(rest, dtype=np.int64)
