"""A core as SimPy processes: what :mod:`hwmodels.chips.spinnaker.kernel` means, readable.

A processor that the most urgent takes (packets, then the row pipeline, then the tick), a timer of
its own, a queue of packets, a DMA and a ring buffer.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import simpy

from hwmodels.chips.spinnaker import arithmetic as a
from hwmodels.chips.spinnaker import pipeline as k
from hwmodels.fabric.torus_simpy_parts import HANDED, PHASES, Process

if TYPE_CHECKING:
    from hwmodels.chips.spinnaker.reference import ReferenceMachine

#: What has the processor first.
_PACKET, _ROWS, _TICK = range(3)


@dataclass(eq=False)
class Packet:
    """A spike under way, with a copy for each core it goes to."""

    cell: int
    tick: int
    core: int
    sent_ps: int
    copies: list[Copy] = field(default_factory=list)


@dataclass(eq=False)
class Copy:
    """A packet for one core; ``words`` are those of its row, numbered as in the tables."""

    packet: Packet
    words: range
    arrived_ps: int = -1
    late: int = 0
    state: int = k.UNDER_WAY


class Core:
    """A core in use.

    Parameters
    ----------
    machine : ReferenceMachine
    number : int
        Of the core among those in use.
    """

    def __init__(self, machine: ReferenceMachine, number: int) -> None:
        self.machine, self.env, self.number = machine, machine.env, number
        unit, layout = machine.unit[number], machine.layout
        self.rule, self.phase_ps = int(unit[k.RULE]), int(unit[k.PHASE])
        self.cells = range(
            int(layout.first[number]), int(layout.first[number] + layout.size[number])
        )
        self._padded, self._probes = int(unit[k.PADDED]), int(unit[k.PROBES])
        self._shifts = [int(unit[k.SHIFT_E + kind]) for kind in range(2)]
        self._processor = simpy.PreemptiveResource(self.env)
        self._queue: deque[Copy] = deque()
        #: The pipeline sleeps until this happens; its value is the first copy that was found.
        self._woken = self.env.event()
        self._asleep = True
        self._stages, self._sends_as = int(unit[k.DELAYED_STAGES]), int(unit[k.SENDS_AS])
        #: Of a delay extension: spikes by the tick in which they were sent, and cell of the core.
        self._delayed: dict[tuple[int, int], int] = defaultdict(int)
        #: For each slot the sums by (type, cell of the core).
        self._ring: dict[int, dict[tuple[int, int], int]] = defaultdict(lambda: defaultdict(int))
        self.tick = self.last_tick = -1
        self._waiting = self._at_work = False
        self._pending = self._starts = 0
        self.counted: dict[int, int] = defaultdict(int)
        self.env.process(self._pipeline())

    @property
    def awake(self) -> bool:
        """Whether there is something that the core will still do."""
        return self._ticking or self._at_work or not self._asleep

    def write(self, unit: Any) -> None:
        """What the core counted, in its row of the machine's table."""
        for column in (k.BUSY, k.OVERRUNS, k.OVERFLOWS, k.DROPPED_LATE, k.LATE_WORDS, k.WORDS,
                       k.SATURATIONS, k.NOT_YET, k.Q_MOST, k.SHARED, k.WAITED):  # fmt: skip
            unit[column] = self.counted[column]

    # The processor

    def _compute(self, urgency: int, took_ps: int, phase: int = 0) -> Process:
        """Have the processor for so long in all; what is more urgent takes it in between."""
        left = took_ps
        while True:
            with self._processor.request(priority=urgency) as turn:
                begun = None
                try:
                    yield turn
                    begun = self.machine.env_ps
                    yield self._at(begun + left, phase)
                except simpy.Interrupt:
                    if begun is not None:
                        left -= self.machine.env_ps - begun
                    continue
            if urgency != _PACKET:
                self.machine.busy_now()
            return

    def _at(self, time_ps: int, phase: int = 0) -> simpy.Event:
        return self.env.timeout(max(time_ps * PHASES + phase - int(self.env.now), 0))

    # Packets

    def receive(self, copy: Copy) -> None:
        """A packet interrupts whatever the core does, and is queued."""
        cost = self.machine.cost
        copy.arrived_ps = self.machine.env_ps
        if self.rule == k.DELAY:
            if not cost(k.IDEAL_CORES):
                took = cost(k.RECEIVE_BUSY) + cost(k.DELAY_SPIKE)
                self.counted[k.BUSY] += took
                self.env.process(self._compute(_PACKET, took))
            self._note_spike(copy)
            return
        if cost(k.IDEAL_CORES):
            self._add_row(copy)
            return
        took = cost(k.RECEIVE_IDLE if self._asleep else k.RECEIVE_BUSY)
        self.counted[k.BUSY] += took
        self.env.process(self._compute(_PACKET, took))
        if len(self._queue) >= cost(k.QUEUE) - 1:
            self.counted[k.OVERFLOWS] += 1
            copy.state = k.REFUSED
            return
        self._queue.append(copy)
        self.counted[k.Q_MOST] = max(self.counted[k.Q_MOST], len(self._queue))
        if self._asleep:
            self._asleep = False
            self._woken.succeed(self._find_next())

    def _find_next(self) -> tuple[Copy | None, int]:
        """The next copy in the queue that has a row, and how long it takes to find it."""
        cost, took = self.machine.cost, 0
        while self._queue:
            copy = self._queue.popleft()
            took += cost(k.NEXT_LOOK_UP) + cost(k.PROBE) * self._probes
            if copy.words:
                return copy, took
            copy.state = k.DONE
        return None, took

    # The row pipeline

    def _pipeline(self) -> Process:
        """Look spikes up, fetch their rows, add their words; one is fetched while one is added."""
        cost = self.machine.cost
        waking = cost(k.FIRST_LOOK_UP) - cost(k.NEXT_LOOK_UP)
        while True:
            found = yield self._woken
            self._woken = self.env.event()
            fixed = waking
            while found is not None:
                fetched = yield from self._look_up(found, fixed)
                fixed = 0
                while fetched is not None:
                    row = yield fetched
                    again = self._equal_ones(row)
                    following = yield from self._look_up(self._find_next(), cost(k.DISPATCH))
                    words = cost(k.WORD) * len(row.words)
                    took = cost(k.ROW_FIXED) + words + len(again) * (cost(k.ROW_AGAIN) + words)
                    self.counted[k.BUSY] += took
                    yield from self._compute(_ROWS, took)
                    for copy in (row, *again):
                        self._add_row(copy)
                    fetched, fixed = following, waking
                found = self._find_next() if self._queue else None
            self._asleep = True

    def _look_up(self, found: tuple[Copy | None, int], fixed: int) -> Any:
        """Take the time to find a row; gives the process that fetches it, if there is one."""
        copy, took = found
        self.counted[k.BUSY] += fixed + took
        yield from self._compute(_ROWS, fixed + took)
        return None if copy is None else self.env.process(self._fetch(copy))

    def _fetch(self, copy: Copy) -> Generator[simpy.Event, Any, Copy]:
        """The DMA of a row."""
        machine = self.machine
        memory = machine.memories[int(machine.layout.chip[self.number])]
        yield memory.fetch(self.number, machine.cost(k.DMA_HEADER) + len(copy.words))
        machine.busy_now()
        return copy

    def _equal_ones(self, copy: Copy) -> list[Copy]:
        """Spikes of the very same key that come next in the queue."""
        equal = []
        key = (copy.packet.cell, copy.packet.tick)
        while self._queue and (self._queue[0].packet.cell, self._queue[0].packet.tick) == key:
            equal.append(self._queue.popleft())
        self.counted[k.SHARED] += len(equal)
        return equal

    def _add_row(self, copy: Copy) -> None:
        """The words of a row enter the ring buffer, each by its delay and the spike's colour."""
        machine, counted = self.machine, self.counted
        cost, sent = machine.cost, copy.packet.tick
        behind = self._behind(copy)
        for word in copy.words:
            delay, weight = int(machine.word_delay[word]), int(machine.word_weight[word])
            if delay <= behind if delay < 16 else (delay > 16 and sent + delay <= self.tick):
                counted[k.LATE_WORDS] += 1
                continue
            acts = self.tick - behind + delay if delay <= 16 else sent + delay
            slot = self._ring[acts % cost(k.SLOTS)]
            place = (int(machine.word_kind[word]), int(machine.word_target[word]))
            slot[place] += weight
            if not cost(k.SPARE) and slot[place] > a.FULL:
                slot[place] = a.FULL
                counted[k.SATURATIONS] += 1
        counted[k.WORDS] += len(copy.words)

    def _behind(self, copy: Copy) -> int:
        """A row or spike is worked off; by how many ticks it is taken for late, by its colour."""
        sent = copy.packet.tick
        copy.state, copy.late = k.DONE, max(self.tick - sent, 0)
        if self.tick < sent:
            self.counted[k.NOT_YET] += 1
            if self.machine.cost(k.IDEAL_CORES):
                return self.tick - sent
        return (self.tick - sent) % self.machine.cost(k.COLOURS)

    def _note_spike(self, copy: Copy) -> None:
        """A delay extension counts a spike of the tick in which it was sent."""
        sent = self.tick - self._behind(copy)
        self._delayed[sent, copy.packet.cell - self.cells.start] += 1

    # Ticks

    def start(self, last_tick: int, first_ps: int) -> None:
        """Start the timer, which stops when the last tick has begun."""
        self.last_tick = last_tick
        self._starts += 1
        self.env.process(self._timer(first_ps, self._starts))

    @property
    def _ticking(self) -> bool:
        return self.tick + self._pending + self._waiting < self.last_tick

    def _timer(self, next_ps: int, start: int) -> Process:
        """Call for a tick's work again and again; a call while the last is at work must wait."""
        while True:
            yield self._at(next_ps)
            next_ps += self.machine.cost(k.TICK_PS)
            if start < self._starts or not self._ticking:
                return
            if self._at_work:
                self._pending += 1
                self.counted[k.OVERRUNS] += 1
            else:
                self._at_work = self._waiting = True
                self.env.process(self._ticks())

    def _ticks(self) -> Process:
        """The work of a tick, and of those that were called for in the meantime."""
        while True:
            yield from self._compute(_TICK, 0, HANDED)
            self._waiting = False
            spikes, took = self._advance()
            self.counted[k.BUSY] += took
            done = 0
            for cell, at in [*spikes, (None, took)]:
                done += yield from self._work_until(at, done)
                if cell is not None:
                    self.machine.send(self, cell)
            if not self._pending:
                break
            self._pending -= 1
            self._waiting = True
        self._at_work = False

    def _work_until(self, at: int, done: int) -> Generator[simpy.Event, Any, int]:
        """Go on with the work of a tick up to a point of it; how much more is done then.

        Two points take at least a picosecond, so that a core sends one packet at an instant.
        """
        if at > done or not done:
            yield from self._compute(_TICK, at - done, HANDED)
            return at - done
        now = self.machine.env_ps
        yield self._at(now + 1, HANDED)
        yield from self._compute(_TICK, 0, HANDED)
        return 1 if self.machine.env_ps == now + 1 else 0

    def _advance(self) -> tuple[list[tuple[int, int]], int]:
        """Compute a tick; its spikes, each with the work that is done by then, and all its work."""
        machine, cost = self.machine, self.machine.cost
        self.tick += 1
        if cost(k.DROP_LATE):
            for copy in self._queue:
                copy.state = k.CLEARED
            self.counted[k.DROPPED_LATE] += len(self._queue)
            self._queue.clear()
        for cell, value in machine.drives(self.number, self.tick):
            machine.state[cell, a.EXTERNAL] = value
        took = cost(k.BACKOFF)
        if self.rule not in (k.SOURCE, k.DELAY):
            took += cost(k.DRAIN) * self._padded + cost(k.DRAIN_SLOT) * self._drain()
        spikes: list[tuple[int, int]] = []
        for cell, work, fires in self._updates():
            took += work
            if fires:
                spikes.append((cell, took))
        if self.rule >= 0:
            self._sample()
        if self.rule != k.DELAY:
            machine.fired += [(cell, self.tick) for cell, _ in spikes]
        if cost(k.IDEAL_CORES):
            # As the work would be, or squeezed into half of the tick where it is longer.
            if 2 * took > cost(k.TICK_PS):
                spikes = [(cell, at * cost(k.TICK_PS) // (2 * took)) for cell, at in spikes]
            took = spikes[-1][1] if spikes else 0
        return spikes, took

    def _drain(self) -> int:
        """Take the sums of this tick; how many there are."""
        machine, cost = self.machine, self.machine.cost
        sums = self._ring.pop(self.tick % cost(k.SLOTS), {})
        sums = {place: total for place, total in sums.items() if total}
        for (kind, target), total in sorted(sums.items()):
            if self.rule >= 0:
                a.received(
                    self.rule, machine.state, machine.constants, self.cells[target], kind, total,
                    self._shifts[kind], cost(k.SPARE),
                )  # fmt: skip
        return len(sums)

    def _updates(self) -> Iterator[tuple[int, int, bool]]:
        """Cells in order, with the work that each is and whether it fires."""
        machine, cost = self.machine, self.machine.cost
        if self.rule == k.DELAY:
            for number in range(self._stages * len(self.cells)):
                stage, cell = divmod(number, len(self.cells))
                yield -1, cost(k.DELAY_CELL), False
                past = self.tick - (stage + 1) * cost(k.STAGE_STEPS)
                for _ in range(self._delayed[past, cell]):
                    yield self._sends_as + number, cost(k.SEND), True
        elif self.rule < 0:
            each = cost(k.UPDATE) if self.rule == k.EXTERNAL else 0
            before = self.cells.start
            for cell in machine.given(self.number, self.tick):
                yield cell, each * max(cell - before, 0) + cost(k.SPIKE) + cost(k.SEND), True
                before = max(before, cell)
            yield -1, each * (self.cells.stop - before), False
        elif self.tick > 0:  # time 0 is the initial state
            spike = k.IZHIKEVICH_SPIKE if self.rule == a.IZHIKEVICH else k.SPIKE
            for cell in self.cells:
                held = self.rule != a.IZHIKEVICH and machine.state[cell, a.RECOVERY] > 0
                fires = bool(a.updated(self.rule, machine.state, machine.constants, cell))
                work = cost(k.REFRACTORY) if held else cost(k.COSTS + self.rule)
                yield cell, work + fires * (cost(k.SEND) + cost(spike)), fires

    def _sample(self) -> None:
        """Keep the state of the cells that are recorded."""
        machine = self.machine
        if self.tick >= len(machine.trace):
            return
        for cell in self.cells:
            at, state = machine.trace_of[cell], machine.state[cell]
            if at < 0:
                continue
            inputs = [state[a.EXC], state[a.INH]]
            if self.rule == a.LIF_ALPHA:
                inputs = [
                    a.product(state[a.EXC + kind], state[a.EXP_E + kind]) for kind in range(2)
                ]
            machine.trace[self.tick, at] = [state[a.V], state[a.RECOVERY], *inputs]
