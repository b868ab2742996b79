"""What cores give a fabric to carry, and what an engine that carries it must offer.

Engines of equal rules (those of :mod:`hwmodels.fabric.mesh` and
:mod:`hwmodels.fabric.multicore`) agree packet for packet, so one can stand in for another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Transit
from hwmodels.result import PACKET

#: Source core of packets that come from outside the chip.
HOST = -1
NO_PACKETS = np.empty(0, dtype=PACKET)


@dataclass(frozen=True, eq=False)
class Messages:
    """The messages of one step, sorted by source core and then in the order of sending.

    Attributes
    ----------
    step : int
    source : int32 or int64, shape (n,)
        Global number of the cell that fired.
    core, target : int32, shape (n,)
        Core that sends (:data:`HOST`: from outside) and core that receives.
    synapses : int32 or int64, shape (n,)
    sent_ps : int64, shape (n,)
        From the start of the step until the message is made, if nothing blocks its sender.
    service_ps : int64, shape (n,)
        What it costs its receiver.
    begin, end : int32 or int64, shape (n, 2)
        Column and row of the routers where it enters and leaves the mesh.
    """

    step: int
    source: NDArray[np.integer]
    core: NDArray[np.int32]
    target: NDArray[np.int32]
    synapses: NDArray[np.integer]
    sent_ps: NDArray[np.int64]
    service_ps: NDArray[np.int64]
    begin: NDArray[np.integer]
    end: NDArray[np.integer]

    def __len__(self) -> int:
        return len(self.source)


class Routes(NamedTuple):
    """What every message over an axon has in common: the columns of :class:`Messages`."""

    source: NDArray[np.integer]
    core: NDArray[np.int32]
    target: NDArray[np.int32]
    synapses: NDArray[np.integer]
    service_ps: NDArray[np.int64]
    begin: NDArray[np.integer]
    end: NDArray[np.integer]


class AxonMessages(Messages):
    """Messages over axons, whose columns are looked up when someone asks for them.

    Attributes
    ----------
    axon : int64, shape (n,)
        Rows of ``routes``.
    routes : Routes
    """

    axon: NDArray[np.int64]
    routes: Routes

    def __init__(
        self, step: int, axon: NDArray[np.int64], sent_ps: NDArray[np.int64], routes: Routes
    ) -> None:
        vars(self).update(step=step, axon=axon, sent_ps=sent_ps, routes=routes)

    def __getattr__(self, name: str) -> NDArray:
        if name not in Routes._fields:
            raise AttributeError(name)
        column = np.take(getattr(self.routes, name), self.axon, axis=0)
        vars(self)[name] = column
        return column

    def __len__(self) -> int:
        return len(self.axon)


def no_messages(step: int) -> Messages:
    """A step in which nobody fires."""
    long, short = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32)
    ends = np.empty((0, 2), dtype=np.int64)
    return Messages(step, long, short, short, long, long, long, ends, ends)


def ports_of(position: NDArray[np.int16], ports: int) -> list[int]:
    """Port of each core at its router: the cores of a router take its ports in order."""
    taken: dict[tuple[int, int], int] = {}
    numbers = []
    for x, y in position.tolist():
        numbers.append(taken.get((x, y), 0))
        taken[x, y] = numbers[-1] + 1
    assert max(numbers, default=0) < ports, "more cores than ports at a router"
    return numbers


class Carried(NamedTuple):
    """What an engine did in a step.

    Attributes
    ----------
    packets : structured array of :data:`hwmodels.result.PACKET`
        Those whose arrival is known now; times count from the start of the run. An engine with
        a mesh gives them by time of arrival and then by destination, of which no two are equal.
    transit : Transit or None
        Those that do not act on time.
    end_ps : int
        From the start of the step to the end of all work of it.
    """

    packets: NDArray
    transit: Transit | None
    end_ps: int


class Engine(Protocol):
    """Carries messages by the rules above. Engines of equal rules agree packet for packet."""

    def step(self, messages: Messages, now_ps: int, sweep_ps: NDArray[np.int64]) -> Carried:
        """Carry the messages of one step.

        Parameters
        ----------
        messages : Messages
        now_ps : int
            Start of the step, from the start of the run.
        sweep_ps : int64, shape (cores,)
            How long each core's sweep takes if nothing blocks it.
        """
        ...

    def under_way(self) -> NDArray:
        """Packets sent and not arrived (:data:`hwmodels.result.PACKET`, arrival -1), as sent."""
        ...

    def links(self) -> NDArray:
        """Load of each link so far, as :data:`hwmodels.result.LINK`."""
        ...
