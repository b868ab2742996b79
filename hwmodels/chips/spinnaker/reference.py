"""The same machine as SimPy processes: what the kernel means.

Cores are those of :mod:`hwmodels.chips.spinnaker.reference_core`, the fabric is
:class:`hwmodels.fabric.torus_simpy.SimPyTorus`. It gives exactly what
:mod:`hwmodels.chips.spinnaker.kernel` gives, more slowly, which a test holds it to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import simpy

from hwmodels.chips.spinnaker import pipeline as k
from hwmodels.chips.spinnaker.machine import FOREVER_PS, Machine
from hwmodels.chips.spinnaker.reference_core import Copy, Core, Packet
from hwmodels.fabric.torus_simpy import SimPyTorus
from hwmodels.fabric.torus_simpy_parts import HANDED, PHASES, RECEIVED, Part, Process


class ReferenceMachine(Machine):
    """Implements :class:`hwmodels.chips.spinnaker.machine.Machine` with SimPy."""

    def __init__(self, *of_a_machine: Any) -> None:
        super().__init__(*of_a_machine)
        layout = self.layout
        self.fabric = _Fabric(self)
        self.env, self.counted = self.fabric.env, self.fabric.counted
        self.sent: list[Packet] = []
        self.fired: list[tuple[int, int]] = []
        self.under_way = 0
        self._last_ps = 0
        self.landing = _Landing(self)
        self.memories = [_Memory(self) for _ in range(layout.machine.chips)]
        self.arms = [Core(self, core) for core in range(len(layout.size))]

    def cost(self, of: int) -> int:
        """A constant of the machine, by its place in the kernel's table."""
        return int(self._cost[of])

    def start_ticks(self, last: int) -> None:
        """See :class:`Machine`."""
        for core in self.arms:
            core.start(last, self.now_ps + core.phase_ps)

    def continue_ticks(self, last: int) -> None:
        """See :class:`Machine`."""
        for core in self.arms:
            core.last_tick = last

    def run(self, until_ps: int = FOREVER_PS) -> None:
        """See :class:`Machine`."""
        if until_ps != FOREVER_PS:
            self.fabric.stop_at(until_ps)
        else:
            while (
                self.under_way or any(arm.awake for arm in self.arms)
            ) and self.env.peek() < np.inf:
                self.env.step()
        self._write()

    def send(self, core: Core, cell: int) -> None:
        """A core sends a spike now."""
        tree = int(self._cell_tree[cell])
        if tree < 0:
            return
        packet = Packet(cell, core.tick, core.number, self.env_ps)
        first = int(self.layout.rows_of_cell[cell])
        start = self.layout.row_start
        for row in range(first, first + len(self.destinations(tree))):
            packet.copies.append(Copy(packet, range(int(start[row]), int(start[row + 1]))))
        self.sent.append(packet)
        self.under_way += len(packet.copies)
        if self.conditions.ideal_fabric:
            for destination in range(len(packet.copies)):
                self.landing.put(packet, destination)
        else:
            number = self.fabric.send(tree, int(self.layout.port[core.number]))
            self.fabric.carries[number] = packet

    def destinations(self, tree: int) -> range:
        """Places of a tree's destinations."""
        trees = self.layout.trees
        root = int(trees.root[tree])
        return range(int(trees.first[root]), int(trees.last[root]))

    def receiver(self, packet: Packet, destination: int) -> Core:
        """The core at a destination of a packet."""
        place = self.destinations(int(self._cell_tree[packet.cell]))[destination]
        return self.arms[int(self.layout.unit_of[place])]

    def given(self, core: int, tick: int) -> Iterator[int]:
        """Cells that are told to fire until a tick."""
        at = self._given_at
        while at[core] < self._given_end[core] and self._given_tick[at[core]] <= tick:
            at[core] += 1
            yield int(self._given_cell[at[core] - 1])

    def drives(self, core: int, tick: int) -> Iterator[tuple[int, int]]:
        """Cells and their external currents that change until a tick."""
        at = self._drive_at
        while at[core] < self._drive_end[core] and self._drive_tick[at[core]] <= tick:
            at[core] += 1
            yield int(self._drive_cell[at[core] - 1]), int(self._drive_value[at[core] - 1])

    def busy_now(self) -> None:
        """Something has happened that a run has to wait for."""
        self._last_ps = max(self._last_ps, self.env_ps)

    @property
    def env_ps(self) -> int:
        """The time."""
        return int(self.env.now) // PHASES

    @property
    def last_ps(self) -> int:
        """See :class:`Machine`."""
        return self._last_ps

    def _write(self) -> None:
        """Everything that happened, in the tables of the machine."""
        packets = sorted(self.sent, key=lambda packet: (packet.sent_ps, packet.core))
        pool = [(0, p.sent_ps, 0, 0, p.cell, p.tick) for p in packets]
        self._pool = np.array(pool, dtype=np.int64).reshape(-1, k.PACKET_COLUMNS)
        self._pool[:, 0] = self._cell_tree[self._pool[:, k.CELL]]
        copies = [
            (number, local, packet.sent_ps, copy.arrived_ps, copy.late, copy.state, -1)
            for number, packet in enumerate(packets)
            for local, copy in enumerate(packet.copies)
        ]
        self._copies = np.array(copies, dtype=np.int64).reshape(-1, k.COPY_COLUMNS)
        self._spikes = np.array(self.fired, dtype=np.int64).reshape(-1, 2).T
        self._counts[k.PACKETS], self._counts[k.COPIES] = len(pool), len(copies)
        self._counts[k.SPIKES] = len(self.fired)
        for core in self.arms:
            core.write(self.unit[core.number])


class _Fabric(SimPyTorus):
    """The fabric, whose packets belong to cores."""

    def __init__(self, machine: ReferenceMachine) -> None:
        layout, spec = machine.layout, machine.spec
        super().__init__(layout.machine, spec.timing(), layout.trees, spec.application_cores)
        self._of = machine
        self.carries: dict[int, Packet] = {}

    def landed(self, packet: int, destination: int) -> None:
        self._of.landing.put(self.carries[packet], destination)

    def lost(self, packet: int, destination: int) -> None:
        self._of.under_way -= 1
        self._of.busy_now()
        self.carries[packet].copies[destination].state = k.LOST


class _Landing(Part):
    """Gives cores what has arrived, in the last phase of an instant, by the core that sent it."""

    phase = RECEIVED

    def __init__(self, machine: ReferenceMachine) -> None:
        super().__init__(machine.env)
        self._machine = machine
        self._here: list[tuple[Packet, int]] = []

    def put(self, packet: Packet, destination: int) -> None:
        """A copy is in the receive register of its core."""
        self._here.append((packet, destination))
        self.look()

    def act(self) -> None:
        """See :class:`Part`."""
        machine = self._machine
        here, self._here = self._here, []
        for packet, destination in sorted(here, key=lambda one: (one[0].core, one[1])):
            machine.under_way -= 1
            machine.busy_now()
            machine.receiver(packet, destination).receive(packet.copies[destination])


class _Memory(Part):
    """The memory of a chip, which gives one core after the other the words it asks for."""

    phase = HANDED

    def __init__(self, machine: ReferenceMachine) -> None:
        super().__init__(machine.env)
        self._machine = machine
        self._asked: list[tuple[int, int, simpy.Event]] = []
        self._free_ps = 0

    def fetch(self, core: int, words: int) -> simpy.Event:
        """What happens when the words are in the memory of the core."""
        done = self.env.event()
        self._asked.append((core, words, done))
        self.look()
        return done

    def act(self) -> None:
        """See :class:`Part`."""
        cost = self._machine.cost
        asked, self._asked = self._asked, []
        for core, words, done in sorted(asked, key=lambda one: one[0]):
            begin = max(self.now_ps, self._free_ps)
            self._machine.arms[core].counted[k.WAITED] += begin > self.now_ps
            self._free_ps = begin + cost(k.SDRAM_WORD) * words
            end = begin + cost(k.DMA_SETUP) + cost(k.DMA_WORD) * words
            self.env.process(self._transfer(end - self.now_ps, done))

    def _transfer(self, took_ps: int, done: simpy.Event) -> Process:
        yield self.after(took_ps)
        done.succeed()
