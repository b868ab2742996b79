"""Superconducting cells as data: what each does, how long it takes, what it is made of.

A library is a TOML file. A cell has inputs, outputs and a state table; each transition says which
outputs carry a pulse after which delay, and how many junctions flip. A *gap* is how close two
pulses may come and what happens to one that comes closer; a *spacing* is how pulses on one line
push each other apart. A corner is another file, which may inherit cells and change fields.

Times are integer femtoseconds in everything but the files, which give picoseconds.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import ModelError
from hwmodels.spec import read_toml

#: Magnetic flux quantum in uA pH; a current in uA times this is an energy in 1e-24 J.
FLUX_QUANTUM_UA_PH = 2067.8
#: What happens to a pulse that comes too close: it is absorbed, or it acts and is only counted.
ABSORB, FLAG = range(2)
_POLICIES = {"absorb": ABSORB, "flag": FLAG}
#: How a cell decides. ``table``: by its state; ``gate``: by chance, between its first two states;
#: ``burst``: several pulses for one; ``soma``: by what it has summed.
TABLE, GATE, BURST, SOMA = range(4)
_KINDS = {"table": TABLE, "gate": GATE, "burst": BURST, "soma": SOMA}
#: Most inputs and outputs of a cell.
INPUTS, OUTPUTS = 3, 2

_BESIDE = Path(__file__).parent / "cells"


class Transition(NamedTuple):
    """One row of a state table; ``delay_fs`` by output, ``flips`` in junctions."""

    state: str
    input: str
    following: str
    delay_fs: Mapping[str, int]
    flips: int


class Gap(NamedTuple):
    """A pulse at ``after`` must not come sooner than ``gap_fs`` after one at ``before``.

    ``state`` limits the rule to one state (empty: all); ``blur_fs`` is the standard deviation of
    the limit under thermal noise.
    """

    before: str
    after: str
    state: str
    gap_fs: int
    policy: int
    blur_fs: int


class Spacing(NamedTuple):
    """A pulse that follows within ``reach_fs`` is late by the rest, divided by ``cells``."""

    before: str
    after: str
    reach_fs: int
    cells: int


@dataclass(frozen=True)
class Cell:
    """One kind of cell.

    Attributes
    ----------
    name, function : str
    kind : int
        :data:`TABLE`, :data:`GATE`, :data:`BURST` or :data:`SOMA`.
    inputs, outputs, states : tuple of str
        Pulses that arrive at one instant are taken in the order of the inputs.
    transitions : tuple of Transition
    gaps : tuple of Gap
    spacings : tuple of Spacing
    junctions : int
    critical_uA, bias_uA : float
        Sums over its junctions.
    area_um2 : float
        Footprint; 0 where it is not published.
    bias_margin : tuple of float
        How much less and more bias than nominal, relative to it, the cell works at; empty where
        it is not published.
    source, evidence : str
        Of its delays; marks as in :mod:`hwmodels.spec`.
    """

    name: str
    function: str
    kind: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    states: tuple[str, ...]
    transitions: tuple[Transition, ...]
    gaps: tuple[Gap, ...]
    spacings: tuple[Spacing, ...]
    junctions: int
    critical_uA: float
    bias_uA: float
    area_um2: float
    bias_margin: tuple[float, ...]
    source: str
    evidence: str

    @property
    def delay_fs(self) -> int:
        """The longest delay from an input to an output."""
        return max((d for t in self.transitions for d in t.delay_fs.values()), default=0)

    @property
    def flip_aJ(self) -> float:
        """Dissipation of one junction that flips: bias current of its share times flux quantum."""
        return self.critical_uA / self.junctions * BIAS_SHARE * FLUX_QUANTUM_UA_PH * 1e-6


#: Bias current over critical current of a junction (datasheet 1.1).
BIAS_SHARE = 0.7


class Tables(NamedTuple):
    """A library as flat arrays, for engines.

    Rows of transitions are found by ``first_transition[type] + state * INPUTS + input``, emissions,
    gaps and spacings by their ``*_start``; gaps and spacings belong to ``type * INPUTS + input``.
    """

    kind: NDArray[np.int64]
    first_transition: NDArray[np.int64]
    following: NDArray[np.int64]
    flips: NDArray[np.int64]
    emit_start: NDArray[np.int64]
    emit_output: NDArray[np.int64]
    emit_fs: NDArray[np.int64]
    gap_start: NDArray[np.int64]
    gap_before: NDArray[np.int64]
    gap_state: NDArray[np.int64]
    gap_fs: NDArray[np.int64]
    gap_policy: NDArray[np.int64]
    gap_blur_fs: NDArray[np.int64]
    spacing_start: NDArray[np.int64]
    spacing_before: NDArray[np.int64]
    spacing_fs: NDArray[np.int64]
    spacing_cells: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CellLibrary:
    """All cells of a corner.

    Attributes
    ----------
    name, note : str
    bus_mV : float
        Voltage of the bias bus: static power is this times the bias current.
    thermal_fs : float
        Jitter of one junction, standard deviation.
    cells : mapping of str to Cell
    """

    name: str
    note: str
    bus_mV: float
    thermal_fs: float
    cells: Mapping[str, Cell]

    def __getitem__(self, name: str) -> Cell:
        if name not in self.cells:
            near = difflib.get_close_matches(name, self.cells, n=1, cutoff=0.0)
            raise ModelError(f"cell library {self.name}: no cell {name!r}; the nearest is {near}")
        return self.cells[name]

    def number(self, name: str) -> int:
        """Position of a cell in the library."""
        self[name]
        return list(self.cells).index(name)

    def with_gap(self, name: str, before: str, after: str, gap_ps: float) -> CellLibrary:
        """The library with another limit between two inputs of a cell."""
        from dataclasses import replace

        cell = self[name]
        gaps = tuple(
            gap._replace(gap_fs=femtoseconds(gap_ps))
            if (gap.before, gap.after) == (before, after)
            else gap
            for gap in cell.gaps
        )
        return replace(self, cells={**self.cells, name: replace(cell, gaps=gaps)})

    def tables(self) -> Tables:
        """The library as flat arrays."""
        return _tables(list(self.cells.values()))


def femtoseconds(ps: float) -> int:
    """Picoseconds as whole femtoseconds."""
    return round(ps * 1000)


def library_names() -> list[str]:
    """The corners that ship with the platform."""
    return sorted(path.stem for path in _BESIDE.glob("*.toml"))


@cache
def load_library(name: str) -> CellLibrary:
    """A corner by name, or from a TOML file.

    Raises
    ------
    ModelError
        For an unknown name, an unreadable file, or a cell that is inconsistent in itself.
    """
    path = Path(name) if name.endswith(".toml") else _BESIDE / f"{name}.toml"
    if not name.endswith(".toml") and name not in library_names():
        raise ModelError(
            f"unknown cell library {name!r}; there are {', '.join(library_names())}, "
            "or give a .toml file"
        )
    content = read_toml(path)
    cells: dict[str, Cell] = {}
    base: CellLibrary | None = None
    if "inherits" in content:
        base = load_library(str(content["inherits"]))
        cells.update(base.cells)
    source = str(content.get("source", path.name)), str(content.get("evidence", "U"))
    for key, entry in content.get("cells", {}).items():
        try:
            cells[key] = _cell(key, entry, cells.get(key), source)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise ModelError(f"{path}: cell {key!r}: {error}") from None
    return CellLibrary(
        str(content.get("name", path.stem)),
        str(content.get("note", "")),
        float(content.get("bus_mV", base.bus_mV if base else 0.0)),
        float(content.get("thermal_fs", base.thermal_fs if base else 0.0)),
        cells,
    )


def _cell(name: str, entry: Mapping[str, Any], before: Cell | None, source: tuple) -> Cell:
    """A cell from its table; what it does not say is that of the inherited one."""
    known = {"function", "kind", "inputs", "outputs", "states", "transitions", "gaps", "spacings",
             "junctions", "critical_uA", "bias_uA", "area_um2", "bias_margin", "source",
             "evidence"}  # fmt: skip
    unknown = set(entry) - known
    if unknown:
        raise ValueError(f"unknown entry {sorted(unknown)[0]!r}")

    def get(key: str, default: Any) -> Any:
        if key in entry:
            return entry[key]
        return getattr(before, key) if before is not None else default

    kind = _KINDS[entry["kind"]] if "kind" in entry else before.kind if before else TABLE
    inputs, outputs = tuple(get("inputs", ("a",))), tuple(get("outputs", ("q",)))
    states = tuple(get("states", ("idle",)))
    transitions = get("transitions", ())
    if "transitions" in entry:
        transitions = tuple(
            Transition(
                row[0], row[1], row[2], {q: femtoseconds(ps) for q, ps in row[3].items()}, row[4]
            )
            for row in entry["transitions"]
        )
    gaps = get("gaps", ())
    if "gaps" in entry:
        gaps = tuple(
            Gap(row[0], row[1], row[2], femtoseconds(row[3]), _POLICIES[row[4]],
                femtoseconds(row[5]) if len(row) > 5 else 0)
            for row in entry["gaps"]
        )  # fmt: skip
    spacings = get("spacings", ())
    if "spacings" in entry:
        spacings = tuple(
            Spacing(row[0], row[1], femtoseconds(row[2]), int(row[3])) for row in entry["spacings"]
        )
    if len(inputs) > INPUTS or len(outputs) > OUTPUTS:
        raise ValueError(f"at most {INPUTS} inputs and {OUTPUTS} outputs")
    for row in transitions:
        if row.state not in states or row.following not in states or row.input not in inputs:
            raise ValueError(f"transition {row.state}, {row.input} names what is not there")
        if any(q not in outputs or fs < 1 for q, fs in row.delay_fs.items()):
            raise ValueError(f"transition {row.state}, {row.input}: outputs need delays > 0")
    pairs = {(row.state, row.input) for row in transitions}
    missing = [(s, i) for s in states for i in inputs if (s, i) not in pairs]
    if missing or len(pairs) != len(transitions):
        raise ValueError(f"each state and input needs one transition; see {missing or 'twice'}")
    for one in (*gaps, *spacings):
        if one.before not in inputs or one.after not in inputs:
            raise ValueError(f"a gap between {one.before} and {one.after}, which are no inputs")
    if any(gap.state and gap.state not in states for gap in gaps):
        raise ValueError("a gap in a state that is not there")
    if any(spacing.cells < 1 for spacing in spacings):
        raise ValueError("a spacing needs at least one cell")
    margin = tuple(float(share) for share in get("bias_margin", ()))
    if margin and not (len(margin) == 2 and -1 <= margin[0] <= 0 <= margin[1]):
        raise ValueError("bias_margin needs two shares, the lower one from -1 to 0, the other >= 0")
    return Cell(
        name, str(get("function", "")), kind, inputs, outputs, states, transitions, gaps, spacings,
        int(get("junctions", 0)), float(get("critical_uA", 0.0)), float(get("bias_uA", 0.0)),
        float(get("area_um2", 0.0)), margin, str(entry.get("source", source[0])),
        str(entry.get("evidence", source[1])),
    )  # fmt: skip


def _tables(cells: list[Cell]) -> Tables:
    first: list[int] = []
    following: list[int] = []
    flips: list[int] = []
    emit_start, emit_output, emit_fs = [0], [], []
    gap_start, gaps = [0], []
    spacing_start, spacings = [0], []
    for cell in cells:
        first.append(len(following))
        rows = {(row.state, row.input): row for row in cell.transitions}
        for state in cell.states:
            for at in range(INPUTS):
                row = rows.get((state, cell.inputs[at])) if at < len(cell.inputs) else None
                following.append(cell.states.index(row.following) if row else 0)
                flips.append(row.flips if row else 0)
                for output, fs in row.delay_fs.items() if row else ():
                    emit_output.append(cell.outputs.index(output))
                    emit_fs.append(fs)
                emit_start.append(len(emit_fs))
        for at in range(INPUTS):
            port = cell.inputs[at] if at < len(cell.inputs) else None
            gaps += [
                (cell.inputs.index(g.before), cell.states.index(g.state) if g.state else -1,
                 g.gap_fs, g.policy, g.blur_fs)
                for g in cell.gaps if g.after == port
            ]  # fmt: skip
            gap_start.append(len(gaps))
            spacings += [
                (cell.inputs.index(s.before), s.reach_fs, s.cells)
                for s in cell.spacings
                if s.after == port
            ]
            spacing_start.append(len(spacings))
    gap = np.array(gaps, dtype=np.int64).reshape(-1, 5).T.copy()
    spacing = np.array(spacings, dtype=np.int64).reshape(-1, 3).T.copy()
    flat = (
        [cell.kind for cell in cells], first, following, flips, emit_start, emit_output, emit_fs,
        gap_start, *gap, spacing_start, *spacing,
    )  # fmt: skip
    return Tables(*(np.array(values, dtype=np.int64) for values in flat))
