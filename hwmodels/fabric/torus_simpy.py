"""The reference engine of the torus: its parts put together, and packets carried.

Processes of cores live in the same environment; they hand packets over by :meth:`SimPyTorus.send`,
and a class derived from the engine is told what becomes of them.
"""

from __future__ import annotations

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
    Counted,
    Fates,
    Timing,
    Torus,
    opposite,
)
from hwmodels.fabric.torus_simpy_parts import (
    HANDED,
    PHASES,
    Arbiter,
    Arrival,
    Copy,
    Monitor,
    Process,
    Router,
    Sender,
    Wire,
)
from hwmodels.fabric.torus_trees import Trees


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
        self.counted = Counted(
            *np.zeros((7, shape.chips), dtype=np.int64),
            *np.zeros((2, shape.chips, LINKS), dtype=np.int64),
        )
        #: The link that leads to each node of the trees.
        self.link_to = {
            int(below): link
            for link in range(LINKS) for below in trees.child[:, link].tolist() if below >= 0
        }  # fmt: skip
        self.launched: list[int] = []
        self.receiving: set[tuple[int, int]] = set()
        self.rounds = shape.rounds
        slow = shape.between_boards()
        self.wires = [
            [
                Wire(
                    self, chip, link,
                    timing.board_link_ps if slow[chip, link] else timing.link_ps,
                    timing.output_room,
                )
                for link in range(LINKS)
            ]
            for chip in chips
        ]  # fmt: skip
        self.routers = [Router(self, chip, timing) for chip in chips]
        self._senders = [[Sender(timing.source_room) for _ in range(ports)] for _ in chips]
        self.monitors = [Monitor(self, chip, timing) for chip in chips]
        self.arbiters = [self._tree_of(chip) for chip in chips]
        self._tree: list[int] = []
        self._arrived: list[tuple[int, int, int]] = []
        self._dropped: list[tuple[int, int, int]] = []
        self._refused: list[int] = []

    def _tree_of(self, chip: int) -> list[Arbiter]:
        """The arbiters of a chip, joined to what is below and above them."""
        rooms = self._timing.arbiter_rooms
        arbiters = [
            Arbiter(self.env, int(rooms[k]), self._timing.cycle_ps) for k in range(ARBITERS)
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
            wire.arrival = Arrival(self.env, wire, self._timing.input_room)
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

    def dump(self, chip: int, copy: Copy) -> None:
        """A packet that has waited in vain is dropped."""
        self.counted.drops[chip] += 1
        if self._timing.poll_ps:
            self.monitors[chip].dump(copy)
        else:
            self.lose(copy)

    def age(self, chip: int, copy: Copy) -> None:
        """A packet of two time phases ago is killed."""
        self.counted.aged[chip] += 1
        self.lose(copy)

    def lose(self, copy: Copy) -> None:
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
