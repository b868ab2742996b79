"""The reference engine of the torus: wires, arbiters and routers as SimPy processes.

Its time counts the phases of :mod:`hwmodels.fabric.torus`: picosecond ``t`` is the instants
``8 t`` (what ends), ``8 t + 1`` (cores hand over), ``8 t + 2 ...`` (the phases after it) and
``8 t + 7`` (cores receive). Processes of cores live in the same environment; they hand packets over
by :meth:`SimPyTorus.send`, and a class derived from the engine is told what becomes of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from hwmodels.fabric.torus import (
    ABOVE,
    ARBITER_OF_LINK,
    ARBITERS,
    CORES,
    LINKS,
    ROOT,
    Fates,
    Timing,
    Torus,
    opposite,
    second_leg,
)
from hwmodels.fabric.torus_trees import Trees

PHASES = 8
HANDED, _DELIVERY, _OUTPUT, _WIRES, _ENTRY, _TURNS, RECEIVED = 1, 2, 3, 4, 5, 6, 7
Process = Generator[simpy.Event, Any, None]
#: A packet's number, the node of its tree where it is (-1 on the first leg of a way round a link),
#: and the node to which it brings a copy round a link (-1: none).
_Copy = tuple[int, int, int]


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


class _Wire(Part):
    """The output buffer of a link and its wire; takes the next packet when idle."""

    phase = _WIRES

    def __init__(self, engine: SimPyTorus, chip: int, link: int, took_ps: int, room: int) -> None:
        super().__init__(engine.env)
        self._engine, self._chip, self._link = engine, chip, link
        self._took_ps, self._room = took_ps, room
        self.held: deque[_Copy] = deque()
        self.alive = bool(engine.shape.usable[chip, link])
        self._busy = False
        self.arrival: _Arrival | None = None

    @property
    def free(self) -> bool:
        return self.alive and len(self.held) <= self._room

    def put(self, copy: _Copy) -> None:
        self.held.append(copy)
        longest = self._engine.longest
        longest[self._chip, self._link] = max(longest[self._chip, self._link], len(self.held))
        self.look()

    def act(self) -> None:
        if not self._busy and self.held:
            self._busy = True
            self.env.process(self._carry())

    def _carry(self) -> Process:
        yield self.after(self._took_ps)
        assert self.arrival is not None
        self.arrival.waits = True
        self.arrival.look()

    def leave(self) -> _Copy:
        """What is on the wire gets off it."""
        self._busy = False
        self._engine.carried[self._chip, self._link] += 1
        self._engine.routers[self._chip].look()
        self.look()
        return self.held.popleft()


class _Arrival(Part):
    """The end of a wire and the input buffer behind it."""

    phase = _DELIVERY

    def __init__(self, env: simpy.Environment, wire: _Wire, room: int) -> None:
        super().__init__(env)
        self._wire, self._room = wire, room
        self.held: deque[_Copy] = deque()
        self.waits = False
        self.arbiter: _Arbiter | None = None

    def act(self) -> None:
        if self.waits and len(self.held) < self._room:
            self.waits = False
            self.held.append(self._wire.leave())
            assert self.arbiter is not None
            self.arbiter.look()

    def take(self) -> _Copy:
        self.look()
        return self.held.popleft()


class _Sender:
    """The transmit queue of a core."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.held: deque[_Copy] = deque()

    @property
    def full(self) -> bool:
        return 0 < self._room <= len(self.held)

    def take(self) -> _Copy:
        return self.held.popleft()


class _Arbiter(Part):
    """Takes a packet from one of its inputs, by turns."""

    phase = _TURNS

    def __init__(self, env: simpy.Environment, room: int, cycle_ps: int) -> None:
        super().__init__(env)
        self._room, self._cycle_ps = room, cycle_ps
        self.inputs: list[Any] = []
        self.held: deque[_Copy] = deque()
        self.above: Part | None = None
        self._last, self._taking = 0, False

    def act(self) -> None:
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

    def take(self) -> _Copy:
        self.look()
        return self.held.popleft()


class _Router(Part):
    """The end of the pipeline: copies leave when all outputs are free."""

    phase = _OUTPUT

    def __init__(self, engine: SimPyTorus, chip: int, timing: Timing) -> None:
        super().__init__(engine.env)
        self._engine, self._chip, self._timing = engine, chip, timing
        self.pipe: deque[tuple[_Copy, int]] = deque()
        self.stalled_at: int | None = None
        self.stalls_ps = 0
        self._at_end = self._aged = self._diverts = False
        self._expired = timing.wait_ps == 0
        self._served = 0
        self.entry = _Entry(self, timing)

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
        engine.visits[self._chip] += 1
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

    def _sent(self, copy: _Copy) -> bool:
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
        engine.diverted[self._chip] += len(rounds)
        for place in places:
            engine.arrive(self._chip, packet, place, self._timing.receive_ps)
        return True

    def _patience(self, served: int, wait_ps: int) -> Process:
        yield self.after(wait_ps)
        if self._served == served:
            self._expired = True
            self.look()


class _Monitor:
    """A core that puts back into its router what that has dumped."""

    def __init__(self, engine: SimPyTorus, chip: int, timing: Timing) -> None:
        self._engine, self._chip, self._timing = engine, chip, timing
        self.env = engine.env
        self._register: _Copy | None = None
        self._queue: deque[_Copy] = deque()
        self.held: deque[_Copy] = deque()
        self._taken = self.env.event()
        self._at_work = False

    def dump(self, copy: _Copy) -> None:
        """A packet enters the dump register, or overflows it."""
        if self._register is not None:
            self._engine.overflowed[self._chip] += 1
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
            self._engine.queue_full[self._chip] += 1
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
                self._engine.reinjected[self._chip] += 1
                self._engine.arbiters[self._chip][CORES].look()
                yield self._taken
                self._taken = self.env.event()
                yield self._at(int(self.env.now) // PHASES + self._timing.send_ps, HANDED)
        self._at_work = False

    def take(self) -> _Copy:
        """The arbiter takes what the monitor sends."""
        self._taken.succeed()
        return self.held.popleft()


class _Entry(Part):
    """The beginning of the pipeline."""

    phase = _ENTRY

    def __init__(self, router: _Router, timing: Timing) -> None:
        super().__init__(router.env)
        self._router, self._timing = router, timing
        self.root: _Arbiter | None = None
        self._next = -(1 << 60)

    def act(self) -> None:
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


class SimPyTorus:
    """Implements :class:`hwmodels.fabric.torus.TorusEngine`.

    Parameters
    ----------
    shape : Torus
    timing : Timing
    trees : Trees
    ports : int
        Cores of each chip.
    """

    def __init__(self, shape: Torus, timing: Timing, trees: Trees, ports: int = 1) -> None:
        self.env = simpy.Environment()
        self.shape, self.trees, self._timing = shape, trees, timing
        chips = range(shape.chips)
        self.visits = np.zeros(shape.chips, dtype=np.int64)
        self.drops, self.aged = self.visits.copy(), self.visits.copy()
        self.diverted, self.reinjected = self.visits.copy(), self.visits.copy()
        self.overflowed, self.queue_full = self.visits.copy(), self.visits.copy()
        #: The link that leads to each node of the trees.
        self.link_to = {
            int(below): link
            for link in range(LINKS) for below in trees.child[:, link].tolist() if below >= 0
        }  # fmt: skip
        self.carried = np.zeros((shape.chips, LINKS), dtype=np.int64)
        self.longest = self.carried.copy()
        self.launched: list[int] = []
        self.receiving: set[tuple[int, int]] = set()
        self.rounds = shape.rounds
        slow = shape.between_boards()
        self.wires = [
            [
                _Wire(
                    self, chip, link,
                    timing.board_link_ps if slow[chip, link] else timing.link_ps,
                    timing.output_room,
                )
                for link in range(LINKS)
            ]
            for chip in chips
        ]  # fmt: skip
        self.routers = [_Router(self, chip, timing) for chip in chips]
        self._senders = [[_Sender(timing.source_room) for _ in range(ports)] for _ in chips]
        self.monitors = [_Monitor(self, chip, timing) for chip in chips]
        self.arbiters = [self._tree_of(chip) for chip in chips]
        self._tree: list[int] = []
        self._arrived: list[tuple[int, int, int]] = []
        self._dropped: list[tuple[int, int, int]] = []
        self._refused: list[int] = []

    def _tree_of(self, chip: int) -> list[_Arbiter]:
        """The arbiters of a chip, joined to what is below and above them."""
        rooms = self._timing.arbiter_rooms
        arbiters = [
            _Arbiter(self.env, int(rooms[k]), self._timing.cycle_ps) for k in range(ARBITERS)
        ]
        for k in range(ARBITERS):
            if k != CORES:
                arbiters[k].inputs = [None, None]
        arbiters[CORES].inputs = list(self._senders[chip])
        if self._timing.poll_ps:
            arbiters[CORES].inputs.append(self.monitors[chip])
        for k, (above, side) in ABOVE.items():
            arbiters[above].inputs[side] = arbiters[k]
            arbiters[k].above = arbiters[above]
        arbiters[ROOT].above = self.routers[chip].entry
        self.routers[chip].entry.root = arbiters[ROOT]
        sides: dict[int, int] = {}
        for link in range(LINKS):
            k = ARBITER_OF_LINK[link]
            side = sides.get(k, 0)
            sides[k] = side + 1
            neighbour = int(self.shape.neighbour[chip, link])
            if neighbour < 0:
                continue
            wire = self.wires[neighbour][opposite(link)]
            wire.arrival = _Arrival(self.env, wire, self._timing.input_room)
            wire.arrival.arbiter = arbiters[k]
            arbiters[k].inputs[side] = wire.arrival
        return arbiters

    def run(
        self,
        tree: NDArray[np.int64],
        port: NDArray[np.int64],
        time_ps: NDArray[np.int64],
        until_ps: int,
    ) -> Fates:
        """See :class:`hwmodels.fabric.torus.TorusEngine`."""
        first = len(self._tree)
        self._tree += [int(one) for one in tree]
        self.launched += [int(one) for one in time_ps]
        if len(tree):
            self.env.process(self._hand_over(first, [int(one) for one in port]))
        self._arrived, self._dropped, self._refused = [], [], []
        self.stop_at(until_ps)
        time, packet, place = np.array(self._arrived, dtype=np.int64).reshape(-1, 3).T
        lost = np.array(self._dropped, dtype=np.int64).reshape(-1, 3).T
        return Fates(
            packet, place, time, lost[1], lost[2], lost[0],
            np.array(self._refused, dtype=np.int64),
        )  # fmt: skip

    def stop_at(self, until_ps: int) -> None:
        """Work off everything before a time."""
        if until_ps * PHASES > self.env.now:
            self.env.run(until=until_ps * PHASES)

    def _hand_over(self, first: int, ports: list[int]) -> Process:
        for packet, port in enumerate(ports, first):
            at = self.launched[packet] * PHASES + HANDED
            if at > self.env.now:
                yield self.env.timeout(at - self.env.now)
            self._give(packet, port)

    def send(self, tree: int, port: int) -> int:
        """A core hands a packet over now, in the phase for it; gives the packet's number."""
        self._tree.append(tree)
        self.launched.append(int(self.env.now) // PHASES)
        self._give(len(self._tree) - 1, port)
        return len(self._tree) - 1

    def _give(self, packet: int, port: int) -> None:
        root = int(self.trees.root[self._tree[packet]])
        chip = int(self.trees.chip[root])
        sender = self._senders[chip][port]
        if sender.full:
            self._refused.append(packet)
            return
        sender.held.append((packet, root, -1))
        self.arbiters[chip][CORES].look()

    def arrive(self, chip: int, packet: int, place: int, receive_ps: int) -> None:
        """A copy is in the receive register of its core."""
        first = int(self.trees.first[self.trees.root[self._tree[packet]]])
        self.landed(packet, place - first)
        core = (chip, int(self.trees.port[place]))
        self.receiving.add(core)
        self.env.process(self._receive(core, receive_ps))

    def _receive(self, core: tuple[int, int], receive_ps: int) -> Process:
        now = int(self.env.now)
        yield self.env.timeout((now // PHASES + receive_ps) * PHASES - now)
        self.receiving.remove(core)
        self.routers[core[0]].look()

    def dump(self, chip: int, copy: _Copy) -> None:
        """A packet that has waited in vain is dropped."""
        self.drops[chip] += 1
        if self._timing.poll_ps:
            self.monitors[chip].dump(copy)
        else:
            self.lose(copy)

    def age(self, chip: int, copy: _Copy) -> None:
        """A packet of two time phases ago is killed."""
        self.aged[chip] += 1
        self.lose(copy)

    def lose(self, copy: _Copy) -> None:
        """A packet is lost with everything it would have become."""
        packet, *nodes = copy
        first = int(self.trees.first[self.trees.root[self._tree[packet]]])
        for node in nodes:
            if node >= 0:
                for place in range(int(self.trees.first[node]), int(self.trees.last[node])):
                    self.lost(packet, place - first)

    def landed(self, packet: int, destination: int) -> None:
        """A copy has arrived now; a derived class may do something else with it."""
        self._arrived.append((int(self.env.now) // PHASES, packet, destination))

    def lost(self, packet: int, destination: int) -> None:
        """A copy is lost now."""
        self._dropped.append((int(self.env.now) // PHASES, packet, destination))
