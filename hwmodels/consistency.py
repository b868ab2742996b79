"""Whether a network is consistent in itself; asked when one is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import NetworkError

if TYPE_CHECKING:
    from hwmodels.network import InjectedCurrent, Network, Population, Projection


def check(network: Network) -> None:
    """Refuse anything that a run would stumble over later.

    Raises
    ------
    NetworkError
        When anything is inconsistent, out of range or not finite.
    """
    if not (np.isfinite(network.timestep_ms) and network.timestep_ms > 0):
        raise NetworkError(f"time step must be > 0 ms, got {network.timestep_ms}")
    labels = [p.label for p in network.populations]
    if len(set(labels)) != len(labels):
        twice = sorted({label for label in labels if labels.count(label) > 1})
        raise NetworkError(f"population labels must be unique, got twice: {', '.join(twice)}")
    for population in network.populations:
        _check_population(population)
    for projection in network.projections:
        _check_projection(network, projection)
    for current in network.currents:
        _check_current(network, current)
    for recording in network.recordings:
        population = _population_at(network, recording.population, "recording")
        _check_cells(recording.cells, population, f"recording of {recording.variable!r}")
        ratio = recording.interval_ms / network.timestep_ms
        if ratio < 0.5 or abs(ratio - round(ratio)) > 1e-6:
            raise NetworkError(
                f"population {population.label!r}: sampling interval {recording.interval_ms} ms "
                f"must be a multiple of the time step {network.timestep_ms} ms"
            )


def _check_population(population: Population) -> None:
    where = f"population {population.label!r}"
    if population.size < 0:
        raise NetworkError(f"{where}: size must be >= 0, got {population.size}")
    for kind in ("parameters", "initial_values"):
        for name, values in getattr(population, kind).items():
            if np.shape(values) != (population.size,):
                raise NetworkError(
                    f"{where}: {name} must have shape ({population.size},), got {np.shape(values)}"
                )
            bad = np.isinf(values) if kind == "initial_values" else ~np.isfinite(values)
            if np.any(bad):
                cell = int(np.flatnonzero(bad)[0])
                raise NetworkError(f"{where}: {name} of cell {cell} is {values[cell]}")
    if population.is_source != (population.stimulus is not None):
        raise NetworkError(f"{where}: a stimulus belongs to spike sources and to nothing else")
    if population.stimulus is not None:
        trains = population.stimulus
        _check_indptr(trains.indptr, population.size, len(trains.times_ms), where)
        if not np.all(np.isfinite(trains.times_ms)) or np.any(trains.times_ms < 0):
            raise NetworkError(f"{where}: spike times must be finite and >= 0 ms")
        if len(trains.times_ms) > 1:
            falls = np.diff(trains.times_ms) < 0
            starts = trains.indptr[1:-1]
            falls[starts[(starts > 0) & (starts < len(trains.times_ms))] - 1] = False
            if np.any(falls):
                raise NetworkError(f"{where}: spike times of a cell must ascend")


def _check_projection(network: Network, projection: Projection) -> None:
    where = f"projection {projection.label!r}"
    pre = _population_at(network, projection.pre, where)
    post = _population_at(network, projection.post, where)
    n = projection.n_synapses
    _check_indptr(projection.indptr, pre.size, n, where)
    for name in ("weight", "delay_ms"):
        values = getattr(projection, name)
        if np.shape(values) != (n,):
            raise NetworkError(f"{where}: {name} must have shape ({n},), got {np.shape(values)}")
        if not np.all(np.isfinite(values)):
            k = int(np.flatnonzero(~np.isfinite(values))[0])
            raise NetworkError(
                f"{where}: {name} of the synapse from cell {projection.source[k]} to cell "
                f"{projection.target[k]} is {values[k]}"
            )
    if np.any(projection.delay_ms < 0):
        raise NetworkError(f"{where}: delays must be >= 0 ms, got {projection.delay_ms.min()}")
    _check_cells(projection.target, post, where)


def _check_current(network: Network, current: InjectedCurrent) -> None:
    population = _population_at(network, current.population, "injected current")
    where = f"current injected into {population.label!r}"
    _check_cells(current.cells, population, where)
    if len(current.times_ms) != len(current.amplitudes_nA):
        raise NetworkError(f"{where}: one amplitude a time is needed")
    if np.any(np.diff(current.times_ms) <= 0):
        raise NetworkError(f"{where}: times must ascend strictly")
    if not (np.all(np.isfinite(current.times_ms)) and np.all(np.isfinite(current.amplitudes_nA))):
        raise NetworkError(f"{where}: times and amplitudes must be finite")


def _population_at(network: Network, index: int, where: str) -> Population:
    if not 0 <= index < len(network.populations):
        raise NetworkError(f"{where}: there is no population number {index}")
    return network.populations[index]


def _check_cells(cells: NDArray[np.int32], population: Population, where: str) -> None:
    if len(cells) and (cells.min() < 0 or cells.max() >= population.size):
        raise NetworkError(
            f"{where}: cell numbers must lie in 0..{population.size - 1} "
            f"(population {population.label!r}), got {cells.min()}..{cells.max()}"
        )


def _check_indptr(indptr: NDArray[np.int64], rows: int, entries: int, where: str) -> None:
    if len(indptr) != rows + 1 or indptr[0] != 0 or indptr[-1] != entries:
        raise NetworkError(f"{where}: indptr must have {rows + 1} entries from 0 to {entries}")
    if np.any(np.diff(indptr) < 0):
        raise NetworkError(f"{where}: indptr must not fall")
