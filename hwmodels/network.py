"""The neutral network: what a PyNN script is lowered to and what every engine executes.

In: arrays. Out: a frozen :class:`Network`, checked when it is built, with a content hash and a
one-file form. All random draws (weights, delays, parameters, initial values, Poisson spikes,
noise currents) are made *before* a Network exists, so two engines that differ, differ by what
they are and never by another draw.

Units are PyNN's: ms, mV, nA, nF, uS. A current-based inhibitory weight is negative, a
conductance-based one positive. This module must not know any engine or chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels import archive
from hwmodels.consistency import check
from hwmodels.errors import NetworkError

#: Cell types whose spikes are given (see :attr:`Population.stimulus`) and not computed.
SOURCE_CELL_TYPES = frozenset({"SpikeSourceArray", "SpikeSourcePoisson"})

#: Synapse dynamics: pair STDP with exponential windows and additive changes of weight.
STDP_PAIR = "stdp_pair_additive"
#: Its parameters, each the same for all synapses of a projection.
STDP_PAIR_PARAMETERS = ("tau_plus", "tau_minus", "A_plus", "A_minus", "w_min", "w_max")


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """Explicit spike times of the cells of one source population.

    Attributes
    ----------
    indptr : int64, shape (size + 1,)
        Cell ``i`` spikes at ``times_ms[indptr[i]:indptr[i + 1]]``.
    times_ms : float64, shape (n_spikes,)
        Ascending within a cell. Zero and equal times are legal: two spikes at one time act twice.
    """

    indptr: NDArray[np.int64]
    times_ms: NDArray[np.float64]

    @classmethod
    def from_lists(cls, trains: list[Any]) -> SpikeTrains:
        """Build from one sequence of times (ms) for each cell; times are sorted here."""
        sorted_trains = [np.sort(np.asarray(train, dtype=np.float64)) for train in trains]
        indptr = np.zeros(len(trains) + 1, dtype=np.int64)
        np.cumsum([len(train) for train in sorted_trains], out=indptr[1:])
        times = np.concatenate(sorted_trains) if sorted_trains else np.empty(0)
        return cls(indptr, times.astype(np.float64))

    def events(self, timestep_ms: float) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Steps and cells of all spikes on a time grid, sorted by (step, cell)."""
        cells = np.repeat(np.arange(len(self.indptr) - 1, dtype=np.int32), np.diff(self.indptr))
        steps = to_steps(self.times_ms, timestep_ms)
        order = np.lexsort((cells, steps))
        return steps[order], cells[order]


@dataclass(frozen=True, eq=False)
class Population:
    """A group of cells of one type.

    Attributes
    ----------
    label : str
        Unique within the network.
    celltype : str
        The PyNN name of the standard cell type, for instance ``"IF_curr_exp"``.
    size : int
        Number of cells.
    parameters : mapping of str to float64 array, shape (size,)
        Under PyNN's parameter names and in PyNN's units. Empty for spike sources.
    initial_values : mapping of str to float64 array, shape (size,)
        Of the state variables, under PyNN's names (``v``, ``gsyn_exc``, ``isyn_exc``, ``w`` ...).
        In a network that takes over from another one in mid-run, NaN leaves a cell as it is.
    stimulus : SpikeTrains or None
        The spikes of a source population; None for cells that are computed.
    """

    label: str
    celltype: str
    size: int
    parameters: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    initial_values: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    stimulus: SpikeTrains | None = None

    @property
    def is_source(self) -> bool:
        """Whether the spikes of this population are given rather than computed."""
        return self.celltype in SOURCE_CELL_TYPES

    def changed_since(self, before: Population) -> list[str]:
        """Parameters that have other arrays than before, which were equal if they are the same."""
        return [k for k, v in self.parameters.items() if before.parameters[k] is not v]


@dataclass(frozen=True, eq=False)
class SynapseDynamics:
    """How the weights of a projection change during a run; ``static`` means they do not.

    Attributes
    ----------
    kind : str
        ``"static"``, or :data:`STDP_PAIR`, which PyNN calls SpikePairRule with
        AdditiveWeightDependence. What no engine has is refused by it.
    parameters : mapping of str to float64 array
        Of the rule; scalars as arrays of shape (), one value a synapse as shape (n_synapses,).
        Of STDP: ``tau_plus``, ``tau_minus`` (ms), ``A_plus``, ``A_minus`` (changes of weight over
        ``w_max``), ``w_min``, ``w_max`` (in the unit of the weight), and optionally
        ``dendritic_delay_fraction``, the share of the delay behind the synapse (1 by default).
    """

    kind: str = "static"
    parameters: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Projection:
    """All synapses from one population to another that act on the same receptor.

    Attributes
    ----------
    label : str
    pre, post : int
        Indices into :attr:`Network.populations`.
    receptor : str
        ``"excitatory"`` or ``"inhibitory"``; cells that one chip alone has name their own.
    indptr : int64, shape (pre size + 1,)
        Synapses of presynaptic cell ``i`` are ``indptr[i]:indptr[i + 1]``, in the order in which
        the connector made them.
    target : int32, shape (n_synapses,)
        Postsynaptic cell, an index into the post population.
    weight : float64, shape (n_synapses,)
        nA (current-based), uS (conductance-based) or mV (IF_curr_delta, Izhikevich), PyNN's sign.
    delay_ms : float64, shape (n_synapses,)
        Not rounded: each engine rounds to its own grid with :func:`to_delay_steps`.
    dynamics : SynapseDynamics
    """

    label: str
    pre: int
    post: int
    receptor: str
    indptr: NDArray[np.int64]
    target: NDArray[np.int32]
    weight: NDArray[np.float64]
    delay_ms: NDArray[np.float64]
    dynamics: SynapseDynamics = field(default_factory=SynapseDynamics)

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return len(self.target)

    @cached_property
    def source(self) -> NDArray[np.int32]:
        """Presynaptic cell of each synapse, int32, shape (n_synapses,)."""
        return np.repeat(np.arange(len(self.indptr) - 1, dtype=np.int32), np.diff(self.indptr))


@dataclass(frozen=True, eq=False)
class InjectedCurrent:
    """A piecewise-constant current into some cells of a population.

    Every PyNN current source is lowered to this; noise is drawn, sine waves are sampled on the
    network's own grid.

    Attributes
    ----------
    population : int
        Index into :attr:`Network.populations`.
    cells : int32, shape (n,)
    times_ms : float64, shape (k,), strictly ascending
        ``amplitudes_nA[j]`` flows from ``times_ms[j]`` until ``times_ms[j + 1]`` (the last one to
        the end); nothing flows before ``times_ms[0]``.
    amplitudes_nA : float64, shape (k,)
    """

    population: int
    cells: NDArray[np.int32]
    times_ms: NDArray[np.float64]
    amplitudes_nA: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Recording:
    """What to record: spikes or one state variable of some cells of a population.

    Attributes
    ----------
    population : int
        Index into :attr:`Network.populations`.
    variable : str
        ``"spikes"`` or a state variable (``v``, ``gsyn_exc``, ``gsyn_inh``, ``w``, ``u`` ...).
    cells : int32, shape (n,)
        Ascending.
    interval_ms : float
        Between samples; a multiple of the time step. No meaning for spikes.
    """

    population: int
    variable: str
    cells: NDArray[np.int32]
    interval_ms: float


@dataclass(frozen=True, eq=False)
class Network:
    """A spiking network with its stimuli, ready to be executed.

    Attributes
    ----------
    timestep_ms : float
        The grid the modeller asked for.
    populations : tuple of Population
    projections : tuple of Projection
        In the order in which they were made. Engines sum synaptic input in this order.
    currents : tuple of InjectedCurrent
    recordings : tuple of Recording

    Raises
    ------
    NetworkError
        When anything in it is inconsistent, out of range or not finite.
    """

    timestep_ms: float
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...] = ()
    currents: tuple[InjectedCurrent, ...] = ()
    recordings: tuple[Recording, ...] = ()

    def __post_init__(self) -> None:
        check(self)
        for population in self.populations:
            _freeze(population, "parameters", "initial_values")

    @property
    def n_neurons(self) -> int:
        """Number of computed cells (spike sources not counted)."""
        return sum(p.size for p in self.populations if not p.is_source)

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return sum(p.n_synapses for p in self.projections)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """First global cell number of each population, and the total; shape (populations + 1,)."""
        sizes = [p.size for p in self.populations]
        return np.concatenate(([0], np.cumsum(sizes, dtype=np.int64))).astype(np.int64)

    @cached_property
    def projection_names(self) -> tuple[str, ...]:
        """Labels of the projections, with a number where one stands twice."""
        labels = [p.label for p in self.projections]
        return tuple(
            label if labels.count(label) == 1 else f"{label} ({labels[: k + 1].count(label)})"
            for k, label in enumerate(labels)
        )

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over every array and name, stable across processes and machines."""
        return archive.content_hash(self)

    def check_start(self) -> None:
        """Raise where a run cannot begin with this network.

        Raises
        ------
        NetworkError
            When an initial value is missing (NaN), which only a change in mid-run may have.
        """
        for population in self.populations:
            for name, values in population.initial_values.items():
                if np.any(np.isnan(values)):
                    cell = int(np.flatnonzero(np.isnan(values))[0])
                    where = f"population {population.label!r}: {name} of cell {cell}"
                    raise NetworkError(f"{where} is nan at the start")

    def rounding(self) -> dict[str, int]:
        """How many delays and source spikes the grid moves; what it does not move is left out."""
        dt = self.timestep_ms
        delays = sum(
            count_rounded(p.delay_ms, to_delay_steps(p.delay_ms, dt), dt) for p in self.projections
        )
        stimuli = sum(
            count_rounded(p.stimulus.times_ms, to_steps(p.stimulus.times_ms, dt), dt)
            for p in self.populations
            if p.stimulus is not None
        )
        named = {"delays rounded to the grid": delays, "source spikes rounded to the grid": stimuli}
        return {name: count for name, count in named.items() if count}

    def on_grid(self, step_ms: float) -> tuple[Network, dict[str, int]]:
        """The network on another time grid, and what that changed.

        Delays, stimuli and currents keep their times and are rounded by whoever executes them;
        sampling intervals become multiples of the step.
        """
        recordings, adapted = [], 0
        for recording in self.recordings:
            interval = max(1, round(recording.interval_ms / step_ms)) * step_ms
            if recording.variable != "spikes" and abs(interval - recording.interval_ms) > 1e-9:
                adapted += 1
            recordings.append(replace(recording, interval_ms=interval))
        counts = {"sampling intervals adapted to the step": adapted} if adapted else {}
        return replace(self, timestep_ms=step_ms, recordings=tuple(recordings)), counts

    def with_all_spikes_recorded(self, traces: bool = True) -> Network:
        """The same network with the spikes of every population recorded.

        Parameters
        ----------
        traces : bool
            Whether state variables stay recorded.
        """
        spikes = tuple(
            Recording(i, "spikes", np.arange(p.size, dtype=np.int32), self.timestep_ms)
            for i, p in enumerate(self.populations)
        )
        others = tuple(r for r in self.recordings if traces and r.variable != "spikes")
        return replace(self, recordings=spikes + others)

    def save(self, path: str | Path) -> None:
        """Write to one file (a NumPy ``.npz`` archive with a JSON header)."""
        archive.save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Network:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ArchiveError
            When the file is missing, damaged or holds something else.
        """
        return archive.load(cls, path)


def to_steps(times_ms: NDArray[np.float64], timestep_ms: float) -> NDArray[np.int64]:
    """The nearest grid point of each time, as int64 steps."""
    return np.rint(np.asarray(times_ms, dtype=np.float64) / timestep_ms).astype(np.int64)


def to_delay_steps(delay_ms: NDArray[np.float64], timestep_ms: float) -> NDArray[np.int64]:
    """Delays on the grid: the nearest step, and at least one."""
    return np.maximum(to_steps(delay_ms, timestep_ms), 1)


def count_rounded(times_ms: NDArray[np.float64], steps: NDArray[np.int64], dt: float) -> int:
    """How many of these times were moved by rounding to a grid of ``dt`` ms."""
    return int(np.count_nonzero(np.abs(times_ms - steps * dt) > 1e-6 * dt))


def stimulus_events(network: Network) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All source spikes as steps and global cell numbers, sorted by both."""
    none = np.empty(0, dtype=np.int64)
    steps, cells = [none], [none]
    for index, population in enumerate(network.populations):
        if population.stimulus is not None:
            at, which = population.stimulus.events(network.timestep_ms)
            steps.append(at)
            cells.append(which + network.offsets[index])
    all_steps, all_cells = np.concatenate(steps), np.concatenate(cells)
    order = np.lexsort((all_cells, all_steps))
    return all_steps[order], all_cells[order]


def _freeze(instance: object, *names: str) -> None:
    for name in names:
        mapping = getattr(instance, name)
        if not isinstance(mapping, MappingProxyType):
            object.__setattr__(instance, name, MappingProxyType(dict(mapping)))
