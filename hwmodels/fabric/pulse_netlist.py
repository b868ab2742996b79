"""Netlists under construction: cells, wires, and trees of splitters and mergers.

In: a cell library. Out: a :class:`~hwmodels.fabric.pulse.Circuit` under given conditions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import ModelError
from hwmodels.fabric.pulse import ALWAYS, RESET_ONE, SCALE_BITS, Circuit, Conditions
from hwmodels.fabric.pulse_cells import INPUTS, OUTPUTS, CellLibrary

#: Fields of a circuit that :meth:`Netlist.add` may set, with what they are otherwise.
_FIELDS: dict[str, int | float] = {
    "length": 1, "extra_fs": 0, "jitter_fs": -1, "chance": ALWAYS, "pulses": 1, "burst_fs": 0,
    "deaf_fs": 0, "reset": RESET_ONE, "threshold": 1.0, "floor": -1e300, "tau_fs": 0.0,
    "state": 0, "held": 0.0, "synapse": -1, "watch": 0,
}  # fmt: skip

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
