"""The parts of a run in steps, and what they say to each other.

:class:`Neurons` compute, :class:`Transport` carries, and the delay line of
:mod:`hwmodels.lockstep` in between applies what arrived. Neurons may come from the chip (its own
number format) or from outside (exact neurons on the chip's fabric), which is why they are a part of
a run and not of a chip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hwmodels.delivery import Inputs, SummedInput
from hwmodels.network import Network
from hwmodels.result import PACKET, HardwareReport

#: When a synapse acts that never will.
NEVER = -1


class Arrivals(NamedTuple):
    """Synapses of one projection whose spikes act in this step.

    Attributes
    ----------
    projection : int
        Index into :attr:`Network.projections`.
    synapses : int64, shape (n,)
        Indices into the projection's arrays, in the order in which their input is to be summed:
        by step of emission (of release, for a late packet), then presynaptic cell, then position
        in the row.
    """

    projection: int
    synapses: NDArray[np.int64]


class Transit(NamedTuple):
    """Packets whose spikes do not act at their time; all :data:`hwmodels.result.PACKET` rows.

    Attributes
    ----------
    held : structured array
        Sent in this step and still under way at its end; a later ``arrived`` will name them.
    arrived : structured array
        Sent in an earlier step and held since, arrived in this one.
    delayed : structured array
        Sent in this step, and known to arrive ``late_steps`` steps later.
    lost : structured array
        Dropped: sent in this step, or held since an earlier one.
    """

    held: NDArray
    arrived: NDArray
    delayed: NDArray
    lost: NDArray

    @classmethod
    def of(
        cls,
        held: NDArray | None = None,
        arrived: NDArray | None = None,
        delayed: NDArray | None = None,
        lost: NDArray | None = None,
    ) -> Transit | None:
        """Those given, or None when there is no such packet at all."""
        none = np.empty(0, dtype=PACKET)
        parts = [none if part is None else part for part in (held, arrived, delayed, lost)]
        return cls(*parts) if any(len(part) for part in parts) else None


class Neurons(Protocol):
    """State and arithmetic of all computed cells.

    Step ``n`` takes the state from time ``n - 1`` to time ``n`` (in steps). Step 0 is not
    computed: the state at time 0 is the initial state.
    """

    def step(self, step: int, arrivals: Sequence[Arrivals]) -> NDArray[np.int64]:
        """Advance to time ``step``; return the global numbers of cells that fire, ascending.

        ``arrivals`` are the synapses whose delay ends at time ``step``. On PyNN's grid a
        synaptic current jumps at that time and the membrane first moves one step later, while a
        voltage jump (IF_curr_delta, Izhikevich) acts, and may fire the cell, at that very time.
        """
        ...

    def active(self) -> NDArray[np.bool_] | None:
        """Which cells (global numbers) needed an update in the last step; None means all."""
        ...

    def sample(self, population: int, variable: str, cells: NDArray[np.int32]) -> NDArray:
        """State variable of some cells now, in PyNN's units, float64, shape (n,)."""
        ...

    def update(self, network: Network) -> None:
        """Take over what changed between two runs: parameters, weights, currents, state.

        Arrays that are the same objects as before have not changed. Changed initial values are
        assigned to the state now.
        """
        ...

    def counts(self) -> Mapping[str, int]:
        """What was clipped, saturated or wrapped so far, by a name a reader understands."""
        ...


@runtime_checkable
class SummingNeurons(Neurons, Protocol):
    """Neurons that may be given sums instead of arrivals, since they add whole numbers."""

    def inputs(self) -> Inputs | None:
        """Where synapses act; None where arrivals must be given one by one.

        From a call that returns :class:`~hwmodels.delivery.Inputs`, steps are
        :meth:`step_summed`.
        """
        ...

    def step_summed(self, step: int, sums: NDArray) -> NDArray[np.int64]:
        """As :meth:`Neurons.step`, given the sum at each slot, which it sets to zero."""
        ...

    def steps_summed(
        self, first: int, given_start: NDArray[np.int64], given: NDArray[np.int64],
        sums: SummedInput, fired: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None] | None:  # fmt: skip
        """Several steps at once, in which every spike acts in time and no state is asked for.

        Parameters
        ----------
        first : int
            The first step.
        given_start, given : int64, shapes (steps + 1,) and (n,)
            Cells off-chip that spike in each step.
        sums : SummedInput
            From which input is taken, and to which that of all spikes is added.
        fired : int64, shape (room,)
            Filled with the cells that spike, step after step, each step's ascending.

        Returns
        -------
        int64, shape (done + 1,), and bool, shape (done, cells), or None
            Where each step's cells begin in ``fired``, and which cells were active (None means
            all), for as many steps as there was room for; None when steps must be taken one by one
            now.
        """
        ...


@runtime_checkable
class LearningNeurons(Neurons, Protocol):
    """Neurons that change the weights of some projections."""

    def weights(self) -> dict[str, NDArray[np.float64]]:
        """Weights of the projections that learn as they are now, in PyNN's unit, by name."""
        ...


@runtime_checkable
class TaughtNeurons(LearningNeurons, Protocol):
    """Neurons that learn when spikes reach a synapse, which is before these act on a cell."""

    @property
    def learning(self) -> Sequence[int]:
        """Projections that learn; :meth:`step` is given no arrivals of theirs."""
        ...

    def learn(
        self, step: int, sent: Mapping[int, Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]]
    ) -> None:
        """Take the spikes of a step after it is computed, and change weights.

        Parameters
        ----------
        step : int
        sent : mapping of int to sequence of (int64 array, int64 array)
            By projection: synapses whose spikes were sent in this step, or left the fabric in it,
            and the steps in which they are to act.
        """
        ...


class Transport(Protocol):
    """The fabric of a chip between the firing of a cell and the arrival at its targets.

    One that has an attribute ``always_in_time``, and it is true, never returns a Transit; it may
    offer ``steps``, which carries several (see
    :meth:`hwmodels.fabric.multicore.MulticoreTransport.steps`).
    """

    def late(
        self, sent: int, due: NDArray[np.int64], late_steps: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """When synapses act whose packets arrived late; :func:`postponed` and others are rules.

        Parameters
        ----------
        sent : int
            Step in which the packets were sent.
        due : int64, shape (n,)
            Steps in which the synapses would act had their packets arrived in time.
        late_steps : int64, shape (n,)
            By how many steps each packet is late; 0 for one in time.

        Returns
        -------
        int64, shape (n,)
            Steps, later than that of arrival; :data:`NEVER` for synapses that do not act at all.
        """
        ...

    def step(
        self, step: int, fired: NDArray[np.int64], active: NDArray[np.bool_] | None
    ) -> Transit | None:
        """Carry the spikes of one step.

        Parameters
        ----------
        step : int
        fired : int64, shape (n,)
            Global numbers of the cells (spike sources included) that spike at ``step``,
            ascending; a cell stands twice when it spikes twice.
        active : bool, shape (cells,) or None
            Which cells were updated in this step; None means all.

        Returns
        -------
        Transit or None
            The packets that do not act on time; None when every packet does.
        """
        ...

    def report(self, steps: int) -> HardwareReport:
        """Everything the fabric did in the steps so far."""
        ...


def postponed(
    sent: int, due: NDArray[np.int64], late_steps: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Where a delay counts from arrival: synapses act as many steps late as their packet."""
    return due + late_steps


def at_once(sent: int, due: NDArray[np.int64], late_steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where a packet names the step of action: only as late as the delay did not cover."""
    return np.maximum(due, np.where(late_steps > 0, sent + late_steps + 1, 0))


def in_time_only(
    sent: int, due: NDArray[np.int64], late_steps: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Where a synapse whose step has passed when its packet arrives does not act."""
    return np.where((late_steps > 0) & (due <= sent + late_steps), NEVER, due)
