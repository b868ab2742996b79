"""What a run gives back, whichever engine made it.

A software engine fills the spikes and traces; a chip adds a :class:`HardwareReport`. Biological
time is in ms; hardware time is in integer picoseconds and never shares a variable with it.
Whatever was dropped, late, clipped, rounded, saturated or approximated stands in ``counts`` and
``quantisation`` under a name a reader understands: silence means exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels import archive
from hwmodels.network import Network

#: One row a packet. ``source`` is a global cell number, ``*_ps`` count from the start of the run;
#: ``arrive_ps`` is when the destination core has the packet (-1: dropped or still under way),
#: ``late_steps`` how many steps after the one it was sent in.
PACKET = np.dtype(
    [
        ("step", np.int32),
        ("source", np.int32),
        ("source_core", np.int32),
        ("destination_core", np.int32),
        ("synapses", np.int32),
        ("hops", np.int16),
        ("late_steps", np.int16),
        ("inject_ps", np.int64),
        ("arrive_ps", np.int64),
    ]
)
#: One row a directed link. Router coordinates; an ejection link has equal ends.
LINK = np.dtype(
    [
        ("x", np.int16),
        ("y", np.int16),
        ("to_x", np.int16),
        ("to_y", np.int16),
        ("packets", np.int64),
        ("busy_ps", np.int64),
        ("max_queue", np.int32),
    ]
)
#: One row a used core. ``memory_used`` and ``memory_size`` in the unit the chip counts (words,
#: rows, CAM entries); ``busy_ps`` over the whole run.
CORE = np.dtype(
    [
        ("core", np.int32),
        ("x", np.int16),
        ("y", np.int16),
        ("neurons", np.int32),
        ("synapses", np.int64),
        ("memory_used", np.int64),
        ("memory_size", np.int64),
        ("busy_ps", np.int64),
    ]
)
#: One row an operation: energy is ``count * unit_pJ``.
ENERGY = np.dtype([("operation", "U48"), ("count", np.int64), ("unit_pJ", np.float64)])
#: One row a figure that a chip of this style is bought by (junctions, area, power at the wall).
RESOURCE = np.dtype([("what", "U48"), ("value", np.float64), ("unit", "U8")])
#: One row a quantised quantity. Errors in the quantity's own ``unit``; ``step`` is the size of
#: one level (the largest, where levels differ).
QUANTISATION = np.dtype(
    [
        ("where", "U96"),
        ("quantity", "U32"),
        ("unit", "U8"),
        ("values", np.int64),
        ("step", np.float64),
        ("max_error", np.float64),
        ("rms_error", np.float64),
        ("max_relative_error", np.float64),
        ("clipped", np.int64),
    ]
)


@dataclass(frozen=True, eq=False)
class Spikes:
    """Recorded spikes of one population, sorted by (time, cell).

    Attributes
    ----------
    cell : int32, shape (n,)
    time_ms : float64, shape (n,)
    """

    cell: NDArray[np.int32]
    time_ms: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trace:
    """One recorded state variable.

    Attributes
    ----------
    population : int
    variable : str
    cells : int32, shape (n,)
    interval_ms : float
        Sample ``k`` was taken at ``k * interval_ms``.
    values : float64, shape (samples, n)
        NaN while the recording was off.
    """

    population: int
    variable: str
    cells: NDArray[np.int32]
    interval_ms: float
    values: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HardwareReport:
    """What the modelled chip did, next to the spikes.

    Attributes
    ----------
    chip : str
        Name of the style, for instance ``"loihi"``.
    spec : str
        Name of the parameter set.
    effects : tuple of str
        The effects that were on; the others were made ideal.
    fidelity : str
        ``"reference"`` (SimPy), ``"compiled"`` or ``"batched"`` (its equals), ``"analytic"``
        (closed form) or ``"free"`` (no transport time).
    mesh : tuple of int
        Columns and rows of routers.
    step_ps : int64, shape (steps,)
        Wall-clock of the chip for each of its steps.
    step_ms : float
        Biological time one step stands for.
    load_ps, read_out_ps : int
        Time of loading before the first step, and of reading back after the last; 0 where a chip
        is taken as loaded.
    packets, links, cores, energy, resources, quantisation : structured arrays
        With the dtypes :data:`PACKET`, :data:`LINK`, :data:`CORE`, :data:`ENERGY`,
        :data:`RESOURCE`, :data:`QUANTISATION`.
    sources : mapping of str to str
        Where the numbers come from, and caveats that belong in a report.
    counts : mapping of str to int
        What the fabric lost or bent, to stand among the counts of the Result.
    """

    chip: str
    spec: str
    effects: tuple[str, ...]
    fidelity: str
    mesh: tuple[int, int]
    step_ps: NDArray[np.int64]
    step_ms: float
    packets: NDArray = field(default_factory=partial(np.empty, 0, PACKET))
    links: NDArray = field(default_factory=partial(np.empty, 0, LINK))
    cores: NDArray = field(default_factory=partial(np.empty, 0, CORE))
    energy: NDArray = field(default_factory=partial(np.empty, 0, ENERGY))
    resources: NDArray = field(default_factory=partial(np.empty, 0, RESOURCE))
    quantisation: NDArray = field(default_factory=partial(np.empty, 0, QUANTISATION))
    sources: Mapping[str, str] = field(default_factory=dict)
    load_ps: int = 0
    read_out_ps: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def energy_pJ(self) -> float:
        """Total modelled energy."""
        return float(np.sum(self.energy["count"] * self.energy["unit_pJ"]))

    @property
    def duration_s(self) -> float:
        """Wall-clock of the chip for the whole run, with loading and reading back."""
        return float(self.step_ps.sum() + self.load_ps + self.read_out_ps) * 1e-12


@dataclass(frozen=True, eq=False)
class Result:
    """The outcome of one run of one network on one engine.

    Attributes
    ----------
    engine : str
    network_hash : str
        :attr:`Network.content_hash` of what was executed.
    timestep_ms : float
        The grid the engine used.
    duration_ms : float
    labels, sizes : tuples
        Of the populations, in the network's order.
    spikes : tuple of Spikes
        One for each population; empty where nothing was recorded.
    traces : tuple of Trace
    counts : mapping of str to int
        Everything rounded, clipped, saturated, dropped or late; what is zero is left out.
    host_seconds : float
        What the run cost on this computer.
    hardware : HardwareReport or None
    weights : mapping of str to float64 array
        Of projections that learned, at the end, by :attr:`Network.projection_names`; in PyNN's
        unit.
    """

    engine: str
    network_hash: str
    timestep_ms: float
    duration_ms: float
    labels: tuple[str, ...]
    sizes: tuple[int, ...]
    spikes: tuple[Spikes, ...]
    traces: tuple[Trace, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    host_seconds: float = 0.0
    hardware: HardwareReport | None = None
    weights: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @classmethod
    def of_run(
        cls, engine: str, network: Network, steps: int, counts: Mapping[str, int], **others: Any
    ) -> Result:
        """What so many steps of a network gave; ``others`` are attributes of a Result."""
        return cls(
            engine=engine,
            network_hash=network.content_hash,
            timestep_ms=network.timestep_ms,
            duration_ms=steps * network.timestep_ms,
            labels=tuple(p.label for p in network.populations),
            sizes=tuple(p.size for p in network.populations),
            counts={name: count for name, count in counts.items() if count},
            **others,
        )

    def save(self, path: str | Path) -> None:
        """Write to one file (a NumPy ``.npz`` archive with a JSON header)."""
        archive.save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Result:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ArchiveError
            When the file is missing, damaged or holds something else.
        """
        return archive.load(cls, path)


def spikes_from_steps(
    steps: NDArray[np.int64], cells: NDArray[np.int32], timestep_ms: float
) -> Spikes:
    """Spikes on a grid. All engines make times with this one product, so equal is equal."""
    order = np.lexsort((cells, steps))
    return Spikes(
        np.asarray(cells, dtype=np.int32)[order],
        np.asarray(steps, dtype=np.int64)[order] * float(timestep_ms),
    )
