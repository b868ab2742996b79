"""The traffic mapper: cells that talk to each other share a core, cores that do so are neighbours.

In: what the sequential mapper gets. Out: a Placement in which no core exceeds any limit, on no
more cores than the sequential one takes, with no more traffic. METIS (Karypis and Kumar 1998)
partitions the graph of synapses for the least communication volume; the parts are then arranged
on the routers (:mod:`hwmodels.mapping.arranging`). It must not know any chip's timing or
arithmetic.

Traffic is counted with one packet for each axon, as if every cell fired as often as any other;
hops are those of a mesh.
"""

from __future__ import annotations

import contextlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import CapacityError
from hwmodels.mapping.arranging import arrange, metis
from hwmodels.mapping.placement import CoreLimits, Placement, Routers, core_positions, synapse_ends
from hwmodels.mapping.sequential import place_sequentially
from hwmodels.network import Network


def place_by_traffic(
    network: Network,
    limits: CoreLimits,
    graph: Routers,
    units_of: NDArray[np.int64] | None = None,
    profile_of: NDArray[np.int64] | None = None,
    host: tuple[int, int] = (0, 0),
) -> Placement:
    """Place a network for the least traffic between cores.

    Parameters
    ----------
    network, limits, graph, units_of, profile_of
        See :func:`hwmodels.mapping.sequential.place_sequentially`.
    host : tuple of int
        Column and row of the router where the spikes of sources enter.

    Raises
    ------
    CapacityError
        When neither this mapper nor the sequential one makes it fit; the message is of the latter.
    ModelError
        When METIS is not installed.
    """
    if units_of is None:
        placed = [not population.is_source for population in network.populations]
        units_of = np.repeat(np.array(placed, dtype=np.int64), np.diff(network.offsets))

    def fill(order: NDArray | None = None, breaks: NDArray | None = None) -> Placement:
        return place_sequentially(network, limits, graph, units_of, profile_of, order, breaks)

    plain, too_large = None, None
    try:
        plain = fill()
        cores = plain.n_cores
        if cores < 2:
            return plain
    except CapacityError as error:
        # With fewer inputs a core it may fit all the same, on a tenth more than the least.
        least = int(units_of.sum()) / max(limits.units, 1)
        too_large, cores = error, min(limits.cores, int(1.1 * least) + 1)
    candidates = [] if plain is None else [plain]
    if 2 * cores <= np.count_nonzero(units_of):  # METIS cannot make parts of single cells
        part = partition(network, units_of, cores, limits.units)
        order = np.lexsort((np.arange(len(part)), part))
        order = order[units_of[order] > 0]
        borders = np.flatnonzero(np.diff(part[order])) + 1
        # The second fits where a part is a little too large; its borders then move.
        for breaks in (borders, None):
            with contextlib.suppress(CapacityError):
                candidate = fill(order, breaks)
                if candidate.n_cores <= (limits.cores if plain is None else cores):
                    candidates.append(candidate)
                    break
    if not candidates:
        assert too_large is not None
        raise too_large
    candidates.sort(key=lambda placement: traffic(placement, host))
    # Of the others the sequential one may still gain more: it is the one that differs most.
    for chosen in {id(c): c for c in (candidates[0], plain) if c is not None}.values():
        arranged = _arrangement(chosen, core_positions(graph)[: chosen.n_cores], host)
        if arranged is not None:
            cells = [np.flatnonzero(chosen.core_of == core) for core in arranged]
            ends = np.cumsum([len(group) for group in cells])[:-1]
            candidates.append(fill(np.concatenate(cells), ends))
    return min(candidates, key=lambda placement: traffic(placement, host))


def traffic(placement: Placement, host: tuple[int, int] = (0, 0)) -> int:
    """Packets that leave their core plus all their hops, if every cell fired once."""
    axons = placement.axons
    source = np.repeat(np.arange(len(placement.core_of)), np.diff(axons.indptr))
    core = placement.core_of[source]
    position = placement.position.reshape(-1, 2).astype(np.int64)
    start = np.where((core >= 0)[:, None], position[core], np.array(host, dtype=np.int64))
    hops = np.abs(start - position[axons.core]).sum(axis=1)
    return int(hops.sum() + np.count_nonzero(core != axons.core))


def partition(
    network: Network, units_of: NDArray[np.int64], parts: int, room: int
) -> NDArray[np.int64]:
    """Part of each cell: of equal size and with few other parts to send to.

    Parameters
    ----------
    network : Network
    units_of : int64, shape (cells,)
        Size of each cell; spike sources weigh nothing, but what they send counts.
    parts : int
    room : int
        Largest size of a part.

    Raises
    ------
    ModelError
        When METIS is not installed.
    """
    # How much larger than the average a part may be, in thousandths.
    slack = int(1000 * (room * parts / max(int(units_of.sum()), 1) - 1))
    sources, targets = synapse_ends(network)
    ends = np.stack((sources, targets)).tobytes()
    return _partition(ends, units_of.tobytes(), parts, min(max(slack, 1), 300))


@lru_cache(maxsize=8)
def _partition(ends: bytes, units: bytes, parts: int, slack: int) -> NDArray[np.int64]:
    """The same of plain arrays, remembered: candidates of an exploration ask for few of them."""
    pymetis = metis()
    from scipy.sparse import coo_array

    sources, targets = np.frombuffer(ends, dtype=np.int64).reshape(2, -1)
    units_of = np.frombuffer(units, dtype=np.int64)
    n_cells = len(units_of)
    between = sources != targets
    ones = np.ones(int(between.sum()), dtype=np.int64)
    joined = coo_array((ones, (sources[between], targets[between])), (n_cells, n_cells)).tocsr()
    joined = (joined + joined.T).tocsr()
    options = pymetis.Options(objtype=pymetis.ObjType.VOL, seed=0, ufactor=slack)
    found = pymetis.part_graph(
        parts,
        pymetis.CSRAdjacency(joined.indptr.astype(np.int64), joined.indices.astype(np.int64)),
        vweights=units_of.astype(np.int64).tolist(),
        eweights=joined.data.astype(np.int64).tolist(),
        recursive=False,
        options=options,
    )
    return np.asarray(found[1], dtype=np.int64)


def _arrangement(
    placement: Placement, positions: NDArray[np.int16], host: tuple[int, int]
) -> NDArray[np.int64] | None:
    """Which of a placement's cores should lie at each position; None for less than two."""
    if placement.n_cores < 2:
        return None
    axons = placement.axons
    source = np.repeat(np.arange(len(placement.core_of)), np.diff(axons.indptr))
    return arrange(placement.core_of[source], axons.core, positions, host)
