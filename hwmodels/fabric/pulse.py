"""Circuits of superconducting cells in which single flux quanta travel as pulses.

In: cells of a library, wires between them, and pulses at some inputs. Out: when a pulse leaves
which output, and what was absorbed on the way and why. A pulse is a point in time; times are
integer femtoseconds. There is no clock.

Rules, which fix every pulse whatever order processes run in:

1. Pulses that reach a cell at one instant are taken in the order of its inputs; of equals, by
   number of the spike and the synapse they carry.
2. A pulse that breaks a gap of its input (measured from the last pulse that was *taken* at the
   other one) is absorbed, or acts and is counted, as the gap says.
3. A pulse that follows another closely is late (spacings). Then the cell's kind decides what
   leaves it: its state table; chance (``gate``); a burst; or a sum that reaches a threshold
   (``soma``), which may be deaf for a time after it fired.
4. A pulse that a soma fires is a new spike, with the number ``cell + cells * k`` for its k-th.
5. A wire joins one output to one input; a signal is doubled by splitters and joined by mergers.
6. Chance is a hash of the seed, the cell and how often that cell has drawn, so it does not depend
   on the order in which cells are computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import ModelError
from hwmodels.fabric.pulse_cells import INPUTS, OUTPUTS, SOMA, CellLibrary, Tables

#: What a row of the log says: a pulse left a watched output; one was taken at a watched input;
#: one was absorbed for coming too close; one came too close and acted; chance blocked it; a soma
#: was deaf; a sum went no lower.
LEFT, TAKEN, TOO_CLOSE, FLAGGED, BLOCKED, DEAF, FLOOR = range(7)
#: Which outputs and inputs of a cell the log keeps.
WATCH_OUTPUTS, WATCH_INPUTS = 1, 2
#: What a soma does when it fires: forget all, take its threshold away, or take one away.
RESET_ZERO, RESET_THRESHOLD, RESET_ONE = range(3)
#: Long before everything.
NEVER = -(1 << 62)
#: Draws are 32 bits; a gate with this chance is always open.
ALWAYS = 1 << 32
#: Static factors of delay are fixed-point numbers with so many bits.
SCALE_BITS = 20

#: One pulse, or its end: a row of the log.
LOG = np.dtype(
    [
        ("time_fs", np.int64),
        ("cell", np.int64),
        ("port", np.int64),
        ("what", np.int64),
        ("spike", np.int64),
        ("synapse", np.int64),
    ]
)

#: Standard normal deviates of 12 bits of a draw, in units of 2**-16.
NORMAL = np.array(
    [round(NormalDist().inv_cdf((k + 0.5) / 4096) * 65536) for k in range(4096)], dtype=np.int64
)
#: exp(-x) for x = k / 1024, beyond which it counts as 0.
DECAY = np.exp(-np.arange(40 * 1024 + 2) / 1024)


def draw(seed: int, cell: int, number: int) -> int:
    """32 bits of chance. Plain integers below 2**63, so it is the same in Python and compiled."""
    x = 0x1E3779B9
    for value in (seed, cell, number):
        x = (x ^ (value & 0xFFFFFFFF)) & 0xFFFFFFFF
        x = ((x >> 16) ^ x) * 0x45D9F3B & 0xFFFFFFFF
        x = ((x >> 16) ^ x) * 0x45D9F3B & 0xFFFFFFFF
        x = ((x >> 16) ^ x) + 0x1E3779B9 & 0xFFFFFFFF
    x = ((x >> 15) ^ x) * 0x2C1B3C6D & 0xFFFFFFFF
    x = ((x >> 12) ^ x) * 0x297A2D39 & 0xFFFFFFFF
    return (x >> 15) ^ x


def decay(elapsed_fs: int, tau_fs: float, table: NDArray[np.float64]) -> float:
    """exp(-elapsed / tau) by interpolation, to 2e-7; 1 where ``tau_fs`` is 0 (no leak)."""
    if tau_fs <= 0.0:
        return 1.0
    x = elapsed_fs / tau_fs * 1024.0
    if x >= 40960.0:
        return 0.0
    k = int(x)
    return float(table[k] + (table[k + 1] - table[k]) * (x - k))


class Circuit(NamedTuple):
    """A netlist as flat arrays, one entry a cell.

    Attributes
    ----------
    type : int64
        Number in the library.
    length : int64
        How many such cells stand in a row.
    scale : int64
        Static factor of its delays, times ``2**SCALE_BITS``; 0 for a cell that takes no time.
    extra_fs, jitter_fs : int64
        Delay beyond that of the table; standard deviation of its delay.
    chance : int64
        Of a gate, times 2**32.
    pulses, burst_fs : int64
        Pulses of a burst and their distance.
    deaf_fs : int64
        How long a soma takes no pulse after it fired.
    reset : int64
    threshold, floor, tau_fs : float64
        Of a soma, in charges; its time constant, 0 for none.
    state : int64
        At the start.
    held : float64
        What a soma has summed at the start.
    synapse : int64
        Number that pulses carry from here on; -1 for those they have.
    charge : float64
        By number of synapse (not by cell): what a pulse adds to a soma; 1 for none.
    watch : int64
    sink, wire_fs : int64, shape (cells * OUTPUTS,)
        Input that each output goes to (``cell * INPUTS + port``, or -1), and time of the wire.
    """

    type: NDArray[np.int64]
    length: NDArray[np.int64]
    scale: NDArray[np.int64]
    extra_fs: NDArray[np.int64]
    jitter_fs: NDArray[np.int64]
    chance: NDArray[np.int64]
    pulses: NDArray[np.int64]
    burst_fs: NDArray[np.int64]
    deaf_fs: NDArray[np.int64]
    reset: NDArray[np.int64]
    threshold: NDArray[np.float64]
    floor: NDArray[np.float64]
    tau_fs: NDArray[np.float64]
    state: NDArray[np.int64]
    held: NDArray[np.float64]
    synapse: NDArray[np.int64]
    charge: NDArray[np.float64]
    watch: NDArray[np.int64]
    sink: NDArray[np.int64]
    wire_fs: NDArray[np.int64]


#: Fields of a circuit that :meth:`Netlist.add` may set, with what they are otherwise.
_FIELDS: dict[str, int | float] = {
    "length": 1, "extra_fs": 0, "jitter_fs": -1, "chance": ALWAYS, "pulses": 1, "burst_fs": 0,
    "deaf_fs": 0, "reset": RESET_ONE, "threshold": 1.0, "floor": -1e300, "tau_fs": 0.0,
    "state": 0, "held": 0.0, "synapse": -1, "watch": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Conditions:
    """What of reality acts on a circuit.

    Attributes
    ----------
    delays : bool
        Whether cells take time; if not, each takes a femtosecond.
    collisions : bool
        Whether pulses that come too close are absorbed.
    jitter : bool
        Thermal noise on delays and limits.
    chance : bool
        Whether gates block at all.
    spread : float
        Coefficient of variation of the static delay of each cell.
    bias : float
        Bias current over its nominal value; a cell is 1.4 % faster for each 1 % more.
    seed : int
        Of noise and chance.
    specimen : int
        Of what differs from chip to chip.
    """

    delays: bool = True
    collisions: bool = True
    jitter: bool = False
    chance: bool = True
    spread: float = 0.0
    bias: float = 1.0
    seed: int = 1
    specimen: int = 1


#: Relative change of a delay over that of the bias current (datasheet 3.5).
DELAY_PER_BIAS = -1.4


class Netlist:
    """Cells and wires under construction.

    Parameters
    ----------
    library : CellLibrary
    """

    def __init__(self, library: CellLibrary) -> None:
        self.library = library
        self.size = 0
        self._types: list[NDArray[np.int64]] = []
        self._fields: dict[str, list[NDArray]] = {name: [] for name in _FIELDS}
        self._wires: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
        self._charge = np.ones(0)

    def add(self, name: str, n: int = 1, **values: object) -> NDArray[np.int64]:
        """Put ``n`` cells of a kind; returns their numbers.

        Values are fields of :class:`Circuit`, one number for all or one for each cell.
        """
        self._types.append(np.full(n, self.library.number(name), dtype=np.int64))
        unknown = set(values) - set(_FIELDS)
        if unknown:
            raise TypeError(f"a cell has no {sorted(unknown)[0]!r}")
        for field, default in _FIELDS.items():
            value = np.asarray(values.get(field, default), dtype=type(default))
            self._fields[field].append(np.broadcast_to(value, n))
        cells = np.arange(self.size, self.size + n)
        self.size += n
        return cells

    def output(self, cells: NDArray[np.int64], name: str, port: str | None = None):
        """Pins of an output (the first, if not named) of cells of one kind."""
        at = 0 if port is None else self.library[name].outputs.index(port)
        return np.asarray(cells) * OUTPUTS + at

    def input(self, cells: NDArray[np.int64], name: str, port: str | None = None):
        """Pins of an input (the first, if not named) of cells of one kind."""
        at = 0 if port is None else self.library[name].inputs.index(port)
        return np.asarray(cells) * INPUTS + at

    def wire(
        self, outputs: NDArray[np.int64], inputs: NDArray[np.int64], wire_fs: object = 0
    ) -> None:
        """Join outputs to inputs, one to one."""
        outputs, inputs = np.array(outputs, ndmin=1), np.array(inputs, ndmin=1)
        delay = np.broadcast_to(np.asarray(wire_fs, dtype=np.int64), outputs.shape)
        self._wires.append((outputs, inputs, delay))

    def charges(self, charge: NDArray[np.float64]) -> None:
        """What pulses of each synapse add to a soma."""
        self._charge = np.asarray(charge, dtype=np.float64)

    def split(
        self, sources: NDArray[np.int64], group: NDArray[np.int64], chain: bool = False,
        cell: str = "SPLIT",
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
        """Trees that double each source's pulses for all members of its group.

        Parameters
        ----------
        sources : int64, shape (n,)
            Output pins; group ``k`` is served by ``sources[k]``.
        group : int64, shape (m,)
            Ascending; of each leaf.
        chain : bool
            One splitter after another instead of a tree of least depth.

        Returns
        -------
        pins : int64, shape (m,)
            The output that serves each leaf.
        depth : int64, shape (m,)
            Splitters on the way to it.
        """
        return self._tree(sources, group, chain, cell, forward=True)

    def merge(
        self, sinks: NDArray[np.int64], group: NDArray[np.int64], chain: bool = False,
        cell: str = "MERGE",
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
        """Trees that join lines: as :meth:`split`, with inputs for outputs and mergers.

        ``sinks`` are input pins; the pins returned are inputs too.
        """
        return self._tree(sinks, group, chain, cell, forward=False)

    def _tree(self, roots, group, chain, cell, forward):
        """Give each leaf a pin, level by level: a node with more than one leaf gets a cell."""
        n = len(group)
        pins, depth = np.empty(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        size = np.bincount(group, minlength=len(roots)).astype(np.int64)
        first = np.cumsum(size) - size
        # Open nodes: the pin that leads to them and the leaves below, as a range.
        node_pin, low, high = np.asarray(roots), first, first + size
        level = 0
        while len(node_pin):
            width = high - low
            leaf = width == 1
            pins[low[leaf]], depth[low[leaf]] = node_pin[leaf], level
            inner = width > 1
            node_pin, low, high = node_pin[inner], low[inner], high[inner]
            if not len(node_pin):
                break
            cells = self.add(cell, len(node_pin))
            left = low + (1 if chain else (high - low + 1) // 2)
            names = self.library[cell].outputs if forward else self.library[cell].inputs
            if forward:
                self.wire(node_pin, self.input(cells, cell))
                ends = [self.output(cells, cell, name) for name in names]
            else:
                self.wire(self.output(cells, cell), node_pin)
                ends = [self.input(cells, cell, name) for name in names]
            node_pin = np.concatenate(ends)
            low, high = np.concatenate((low, left)), np.concatenate((left, high))
            level += 1
        return pins, depth

    def build(self, conditions: Conditions | None = None) -> Circuit:
        """The netlist as arrays, with what reality does to its cells.

        Raises
        ------
        ModelError
            When an output or an input has more than one wire.
        """
        conditions = conditions or Conditions()
        types = np.concatenate([np.empty(0, dtype=np.int64), *self._types])
        fields = {
            name: np.concatenate([np.empty(0, dtype=type(_FIELDS[name])), *parts])
            for name, parts in self._fields.items()
        }
        sink = np.full(self.size * OUTPUTS, -1, dtype=np.int64)
        wire_fs = np.zeros(self.size * OUTPUTS, dtype=np.int64)
        driven = np.zeros(self.size * INPUTS, dtype=np.int64)
        for outputs, inputs, delay in self._wires:
            taken = np.flatnonzero(sink[outputs] >= 0)
            if len(taken) or len(np.unique(outputs)) < len(outputs):
                raise ModelError("a pulse drives one input: use a splitter")
            sink[outputs], wire_fs[outputs] = inputs, delay
            np.add.at(driven, inputs, 1)
        if np.any(driven > 1):
            raise ModelError("an input is driven by one output: use a merger")
        scale = np.full(self.size, float(conditions.delays))
        if conditions.spread and conditions.delays:
            generator = np.random.default_rng((conditions.specimen, 0))
            # Cells of a row differ one from the other, so a row differs by less.
            spread = conditions.spread / np.sqrt(np.maximum(fields["length"], 1))
            scale *= np.maximum(generator.normal(1.0, spread), 0.5)
        scale *= 1 + DELAY_PER_BIAS * (conditions.bias - 1)
        junctions = np.array([cell.junctions for cell in self.library.cells.values()])
        thermal = self.library.thermal_fs * np.sqrt(junctions[types] * fields["length"])
        own = fields["jitter_fs"] >= 0
        jitter = np.where(own, fields["jitter_fs"], np.rint(thermal).astype(np.int64))
        fields["jitter_fs"] = jitter if conditions.jitter else np.zeros_like(jitter)
        if not conditions.chance:
            fields["chance"] = np.full(self.size, ALWAYS, dtype=np.int64)
        charge = np.append(self._charge, 1.0)  # the last one: of no synapse
        return Circuit(
            type=types, scale=np.rint(scale * (1 << SCALE_BITS)).astype(np.int64),
            charge=charge, sink=sink, wire_fs=wire_fs, **fields,
        )  # fmt: skip

    def counts(self) -> dict[str, int]:
        """How many cells of each kind there are, those in rows included."""
        types = np.concatenate([np.empty(0, dtype=np.int64), *self._types])
        length = np.concatenate([np.empty(0, dtype=np.int64), *self._fields["length"]])
        total = np.bincount(types, length, minlength=len(self.library.cells)).astype(np.int64)
        return {name: int(n) for name, n in zip(self.library.cells, total, strict=True) if n}

    def junctions(self) -> int:
        """Junctions of all cells."""
        return sum(n * self.library[name].junctions for name, n in self.counts().items())

    def bias_uA(self) -> float:
        """Bias current of all cells."""
        return sum(n * self.library[name].bias_uA for name, n in self.counts().items())


class PulseEngine(Protocol):
    """Moves pulses through a circuit by the rules above. Engines agree pulse for pulse."""

    def run(
        self, pins: NDArray[np.int64], times_fs: NDArray[np.int64], spikes: NDArray[np.int64],
        until_fs: int,
    ) -> NDArray:  # fmt: skip
        """Put pulses on inputs and let everything happen that happens before ``until_fs``.

        Parameters
        ----------
        pins, times_fs, spikes : int64, shape (n,)
            Inputs, times (not before the last ``until_fs``), and the number each pulse carries.

        Returns
        -------
        structured array of :data:`LOG`
            Sorted by time, cell, port, what, spike and synapse. A pulse that leaves a cell is known
            when it was taken, so it may leave after ``until_fs``.
        """
        ...

    @property
    def flips(self) -> NDArray[np.int64]:
        """Junctions of each cell that flipped so far, shape (cells,)."""
        ...

    @property
    def under_way(self) -> int:
        """Pulses on wires and in cells."""
        ...

    def charges(self, cells: NDArray[np.int64], now_fs: int) -> NDArray[np.float64]:
        """What somas have summed, leak included, at a time."""
        ...


def pulse_engine(circuit: Circuit, tables: Tables, conditions: Conditions, engine: str):
    """An engine by name: ``"compiled"`` (plain Python without Numba) or ``"reference"`` (SimPy)."""
    if engine == "reference":
        from hwmodels.fabric.pulse_simpy import SimPyPulses

        return SimPyPulses(circuit, tables, conditions)
    from hwmodels.fabric.pulse_compiled import CompiledPulses

    return CompiledPulses(circuit, tables, conditions)


def is_soma(circuit: Circuit, tables: Tables) -> NDArray[np.bool_]:
    """Which cells sum."""
    return tables.kind[circuit.type] == SOMA
