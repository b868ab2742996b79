"""The parts of the torus as SimPy processes: wires, arbiters, routers and monitors.

Their time counts the phases of :mod:`hwmodels.fabric.torus`: picosecond ``t`` is the instants
``8 t`` (what ends), ``8 t + 1`` (cores hand over), ``8 t + 2 ...`` (the phases after it) and
``8 t + 7`` (cores receive).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import simpy

from hwmodels.fabric.torus import (
    CORES,
    LINKS,
    Timing,
    second_leg,
)

if TYPE_CHECKING:
    from hwmodels.fabric.torus_simpy import SimPyTorus

PHASES = 8
HANDED, _DELIVERY, _OUTPUT, _WIRES, _ENTRY, _TURNS, RECEIVED = 1, 2, 3, 4, 5, 6, 7
Process = Generator[simpy.Event, Any, None]
#: A packet's number, the node of its tree where it is (-1 on the first leg of a way round a link),
#: and the node to which it brings a copy round a link (-1: none).
Copy = tuple[int, int, int]


class Part:
    """Something that acts in one phase of an instant, when something around it has changed."""

    phase: int

    def __init__(self, env: simpy.Environment) -> None:
        self.env = env
        self._changed = env.event()
        env.process(self._live())

    def look(self) -> None:
        """Something has changed that this part may act on."""
        if not self._changed.triggered:
            self._changed.succeed()

    def _live(self) -> Process:
        while True:
            yield self._changed
            self._changed = self.env.event()
            now = int(self.env.now)
            yield self.env.timeout(now // PHASES * PHASES + self.phase - now)
            self.act()

    def act(self) -> None:
        """Do what can be done now."""
        raise NotImplementedError

    def after(self, delay_ps: int) -> simpy.Event:
        """The first phase of the instant so much later."""
        now = int(self.env.now)
        return self.env.timeout((now // PHASES + delay_ps) * PHASES - now)

    @property
    def now_ps(self) -> int:
        """The time."""
        return int(self.env.now) // PHASES


class Wire(Part):
    """The output buffer of a link and its wire; takes the next packet when idle."""

    phase = _WIRES

    def __init__(self, engine: SimPyTorus, chip: int, link: int, took_ps: int, room: int) -> None:
        super().__init__(engine.env)
        self._engine, self._chip, self._link = engine, chip, link
        self._took_ps, self._room = took_ps, room
        self.held: deque[Copy] = deque()
        self.alive = bool(engine.shape.usable[chip, link])
        self._busy = False
        self.arrival: Arrival | None = None

    @property
    def free(self) -> bool:
        """Whether a packet has room."""
        return self.alive and len(self.held) <= self._room

    def put(self, copy: Copy) -> None:
        """Take a packet from the router."""
        self.held.append(copy)
        longest = self._engine.counted.longest
        longest[self._chip, self._link] = max(longest[self._chip, self._link], len(self.held))
        self.look()

    def act(self) -> None:
        """See :class:`Part`."""
        if not self._busy and self.held:
            self._busy = True
            self.env.process(self._carry())

    def _carry(self) -> Process:
        yield self.after(self._took_ps)
        assert self.arrival is not None
        self.arrival.waits = True
        self.arrival.look()

    def leave(self) -> Copy:
        """What is on the wire gets off it."""
        self._busy = False
        self._engine.counted.carried[self._chip, self._link] += 1
        self._engine.routers[self._chip].look()
        self.look()
        return self.held.popleft()


class Arrival(Part):
    """The end of a wire and the input buffer behind it."""

    phase = _DELIVERY

    def __init__(self, env: simpy.Environment, wire: Wire, room: int) -> None:
        super().__init__(env)
        self._wire, self._room = wire, room
        self.held: deque[Copy] = deque()
        self.waits = False
        self.arbiter: Arbiter | None = None

    def act(self) -> None:
        """See :class:`Part`."""
        if self.waits and len(self.held) < self._room:
            self.waits = False
            self.held.append(self._wire.leave())
            assert self.arbiter is not None
            self.arbiter.look()

    def take(self) -> Copy:
        """Give the first packet to the arbiter that takes it."""
        self.look()
        return self.held.popleft()


class Sender:
    """The transmit queue of a core."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.held: deque[Copy] = deque()

    @property
    def full(self) -> bool:
        """Whether no packet has room."""
        return 0 < self._room <= len(self.held)

    def take(self) -> Copy:
        """Give the first packet to the arbiter that takes it."""
        return self.held.popleft()


class Arbiter(Part):
    """Takes a packet from one of its inputs, by turns."""

    phase = _TURNS

    def __init__(self, env: simpy.Environment, room: int, cycle_ps: int) -> None:
        super().__init__(env)
        self._room, self._cycle_ps = room, cycle_ps
        self.inputs: list[Any] = []
        self.held: deque[Copy] = deque()
        self.above: Part | None = None
        self._last, self._taking = 0, False

    def act(self) -> None:
        """See :class:`Part`."""
        if self._taking or len(self.held) >= self._room:
            return
        n = len(self.inputs)
        for k in range(1, n + 1):
            chosen = (self._last + k) % n
            if self.inputs[chosen] is not None and self.inputs[chosen].held:
                self._last, self._taking = chosen, True
                self.env.process(self._transfer(self.inputs[chosen]))
                return

    def _transfer(self, giver: Any) -> Process:
        yield self.after(self._cycle_ps)
        self.held.append(giver.take())
        self._taking = False
        self.look()
        assert self.above is not None
        self.above.look()

    def take(self) -> Copy:
        """Give the first packet to the arbiter that takes it."""
        self.look()
        return self.held.popleft()


class Router(Part):
    """The end of the pipeline: copies leave when all outputs are free."""

    phase = _OUTPUT

    def __init__(self, engine: SimPyTorus, chip: int, timing: Timing) -> None:
        super().__init__(engine.env)
        self._engine, self._chip, self._timing = engine, chip, timing
        self.pipe: deque[tuple[Copy, int]] = deque()
        self.stalled_at: int | None = None
        self.stalls_ps = 0
        self._at_end = self._aged = self._diverts = False
        self._expired = timing.wait_ps == 0
        self._served = 0
        self.entry = Entry(self, timing)

    def follow(self) -> None:
        """Wait for the first packet of the pipeline to get to its end."""
        self.env.process(self._reach())

    def _reach(self) -> Process:
        yield self.after(self.pipe[0][1] + self.stalls_ps - self.now_ps)
        self._at_end = True
        phase = self._timing.phase_ps
        if phase:
            launched = self._engine.launched[self.pipe[0][0][0]]
            self._aged = (self.now_ps // phase - launched // phase) % 4 == 2
        self.look()

    def act(self) -> None:
        """See :class:`Part`."""
        if not self._at_end:
            return
        engine, copy = self._engine, self.pipe[0][0]
        if not self._aged and self._expired and self._timing.emergency_ps and not self._diverts:
            if not self._sent(copy):
                self._diverts = True
                self._expired = False
                self.env.process(self._patience(self._served, self._timing.emergency_ps))
                if not self._sent(copy):
                    self._stall()
                    return
        elif self._aged:
            engine.age(self._chip, copy)
        elif not self._sent(copy):
            if not self._expired:
                self._stall()
                return
            engine.dump(self._chip, copy)
        engine.counted.visits[self._chip] += 1
        self._served += 1
        if self.stalled_at is not None:
            self.stalls_ps += self.now_ps - self.stalled_at
            self.stalled_at = None
            self.entry.look()
        self._at_end = self._aged = self._diverts = False
        self._expired = self._timing.wait_ps == 0
        self.pipe.popleft()
        if self.pipe:
            self.follow()

    def _stall(self) -> None:
        """The pipeline stands still, and the packet begins to wait."""
        if self.stalled_at is None:
            self.stalled_at = self.now_ps
            if self._timing.wait_ps > 0:
                self.env.process(self._patience(self._served, self._timing.wait_ps))

    def _sent(self, copy: Copy) -> bool:
        """Send a packet to all its outputs, if they are free."""
        engine, (packet, node, other) = self._engine, copy
        wires, trees = engine.wires[self._chip], engine.trees
        straight: dict[int, int] = {}
        rounds: dict[int, int] = {}
        places: range = range(0)
        if node >= 0:
            for link, below in enumerate(trees.child[node].tolist()):
                around = self._diverts and engine.rounds[self._chip, link]
                if below >= 0 and around and not wires[link].free:
                    rounds[(link - 1) % LINKS] = below
                elif below >= 0:
                    straight[link] = below
            places = range(int(trees.first[node]), int(trees.own[node]))
        if other >= 0:
            straight[second_leg(engine.link_to[other])] = other
        if not all(wires[link].free for link in straight.keys() | rounds) or any(
            (self._chip, int(trees.port[place])) in engine.receiving for place in places
        ):
            return False
        for link in straight.keys() | rounds:
            wires[link].put((packet, straight.get(link, -1), rounds.get(link, -1)))
        engine.counted.diverted[self._chip] += len(rounds)
        for place in places:
            engine.arrive(self._chip, packet, place, self._timing.receive_ps)
        return True

    def _patience(self, served: int, wait_ps: int) -> Process:
        yield self.after(wait_ps)
        if self._served == served:
            self._expired = True
            self.look()


class Monitor:
    """A core that puts back into its router what that has dumped."""

    def __init__(self, engine: SimPyTorus, chip: int, timing: Timing) -> None:
        self._engine, self._chip, self._timing = engine, chip, timing
        self.env = engine.env
        self._register: Copy | None = None
        self._queue: deque[Copy] = deque()
        self.held: deque[Copy] = deque()
        self._taken = self.env.event()
        self._at_work = False

    def dump(self, copy: Copy) -> None:
        """A packet enters the dump register, or overflows it."""
        if self._register is not None:
            self._engine.counted.overflowed[self._chip] += 1
            self._engine.lose(copy)
            return
        self._register = copy
        self.env.process(self._read())

    def _at(self, time_ps: int, phase: int) -> simpy.Event:
        return self.env.timeout(time_ps * PHASES + phase - int(self.env.now))

    def _read(self) -> Process:
        yield self._at(int(self.env.now) // PHASES + self._timing.read_ps, 0)
        copy, self._register = self._register, None
        assert copy is not None
        if len(self._queue) >= self._timing.queue_room:
            self._engine.counted.queue_full[self._chip] += 1
            self._engine.lose(copy)
            return
        self._queue.append(copy)
        if not self._at_work:
            self._at_work = True
            self.env.process(self._send_again())

    def _send_again(self) -> Process:
        """Wait until the router moves at a time to look, then send while it does."""
        router, poll_ps = self._engine.routers[self._chip], self._timing.poll_ps
        while self._queue:
            now_ps = int(self.env.now) // PHASES
            yield self._at((now_ps // poll_ps + 1) * poll_ps, HANDED)
            while self._queue and router.stalled_at is None:
                self.held.append(self._queue.popleft())
                self._engine.counted.reinjected[self._chip] += 1
                self._engine.arbiters[self._chip][CORES].look()
                yield self._taken
                self._taken = self.env.event()
                yield self._at(int(self.env.now) // PHASES + self._timing.send_ps, HANDED)
        self._at_work = False

    def take(self) -> Copy:
        """The arbiter takes what the monitor sends."""
        self._taken.succeed()
        return self.held.popleft()


class Entry(Part):
    """The beginning of the pipeline."""

    phase = _ENTRY

    def __init__(self, router: Router, timing: Timing) -> None:
        super().__init__(router.env)
        self._router, self._timing = router, timing
        self.root: Arbiter | None = None
        self._next = -(1 << 60)

    def act(self) -> None:
        """See :class:`Part`."""
        router, root = self._router, self.root
        assert root is not None
        if router.stalled_at is not None or not root.held:
            return
        local = self.now_ps - router.stalls_ps
        if local >= self._next:
            due = local + self._timing.pipeline * self._timing.cycle_ps
            router.pipe.append((root.take(), due))
            if len(router.pipe) == 1:
                router.follow()
            self._next = local + self._timing.cycle_ps
        if root.held:
            self.env.process(self._again(self._next - local))

    def _again(self, delay_ps: int) -> Process:
        yield self.after(delay_ps)
        self.look()
