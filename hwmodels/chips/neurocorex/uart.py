"""The serial line: input events queue for their steps, spikes go out a byte at a time.

The host knows what its sources will do, so it begins to send an event one step before it is due; an
event takes ``event_bytes`` on the line, and events follow one another. The board keeps them in a
queue, loses those that find it full, and at the beginning of each step takes ``events_per_step`` of
those that came before. (The interval in an event is such that none waits longer than it must.)

:class:`Line` computes when each event is taken, one after the other; :class:`SimPyLine` lets
processes do it. They agree event for event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any, Protocol

from hwmodels.chips.neurocorex.spec import NeurocorexSpec

#: Number of an event, and the step whose beginning takes it (None: it was lost).
Taken = tuple[int, int | None]


class InputLine(Protocol):
    """Brings events to the board; they are numbered in the order in which they are given."""

    longest_queue: int

    def step(self, step: int, begin_ps: int, events: int) -> list[Taken]:
        """Give the events that are due at a step and learn of some, sooner or later of all.

        Steps are given one after another, and all last equally long.
        """
        ...


class Line:
    """When each event is taken follows from the events before it.

    Parameters
    ----------
    spec : NeurocorexSpec
    alone : bool
        Every event as if it were the only one.
    """

    def __init__(self, spec: NeurocorexSpec, alone: bool = False) -> None:
        self._spec, self._alone = spec, alone
        self._event_ps = spec.event_bytes * spec.byte_ps
        self._free_ps = 0
        self._given = 0
        #: Steps that took the latest events, as many as fit into the queue.
        self._taken: deque[int] = deque(maxlen=spec.event_queue)
        self.longest_queue = 0

    def step(self, step: int, begin_ps: int, events: int) -> list[Taken]:
        """See :class:`InputLine`; tells of each event as it is given."""
        spec = self._spec
        told: list[Taken] = []
        for _ in range(events):
            number, self._given = self._given, self._given + 1
            start = begin_ps - spec.step_ps
            if not self._alone and number:
                start = max(start, self._free_ps)
            there = self._free_ps = start + self._event_ps
            # A step takes what came before it began.
            first = max(step, step + (there - begin_ps) // spec.step_ps + 1)
            if self._alone:
                told.append((number, first))
                continue
            waiting = sum(begin_ps + (s - step) * spec.step_ps >= there for s in self._taken)
            if waiting >= spec.event_queue:
                told.append((number, None))
                continue
            self.longest_queue = max(self.longest_queue, waiting + 1)
            before = list(self._taken)[-spec.events_per_step :]
            if len(before) == spec.events_per_step:
                first = max(first, before[0] + 1)
            if before:
                first = max(first, before[-1])
            self._taken.append(first)
            told.append((number, first))
        return told


class SimPyLine:
    """The line, the queue and the board's steps as processes.

    Parameters
    ----------
    spec : NeurocorexSpec
    """

    def __init__(self, spec: NeurocorexSpec) -> None:
        import simpy

        self._spec = spec
        self._env: Any = None
        self._simpy = simpy
        self._given = 0
        self._queue: deque[tuple[int, int]] = deque()
        self._told: list[Taken] = []
        self.longest_queue = 0

    def step(self, step: int, begin_ps: int, events: int) -> list[Taken]:
        """See :class:`InputLine`; tells of an event when its step takes it."""
        spec = self._spec
        if self._env is None:
            # The host begins one step ahead of the first one.
            self._offset = begin_ps - spec.step_ps
            self._env = self._simpy.Environment()
            self._host = self._simpy.Store(self._env)
            self._env.process(self._line())
            self._env.process(self._steps(step))
        for _ in range(events):
            self._host.put(self._given)
            self._given += 1
        # Everything at this instant happens, so that the next events are given at it.
        while self._env.peek() <= begin_ps - self._offset:
            self._env.step()
        told, self._told = self._told, []
        return told

    def _line(self) -> Generator[Any, Any, None]:
        while True:
            number = yield self._host.get()
            yield self._env.timeout(self._spec.event_bytes * self._spec.byte_ps)
            if len(self._queue) >= self._spec.event_queue:
                self._told.append((number, None))
                continue
            self._queue.append((number, self._env.now))
            self.longest_queue = max(self.longest_queue, len(self._queue))

    def _steps(self, step: int) -> Generator[Any, Any, None]:
        while True:
            yield self._env.timeout(self._spec.step_ps)
            yield self._env.timeout(0)  # what is taken at an instant has its place until its end
            for _ in range(self._spec.events_per_step):
                if self._queue and self._queue[0][1] < self._env.now:
                    self._told.append((self._queue.popleft()[0], step))
            step += 1
