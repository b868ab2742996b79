"""The mappers of a mesh of cores by name, for a chip's option ``mapper``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwmodels.mapping.placement import CoreLimits, Placement, Routers
from hwmodels.mapping.sequential import place_sequentially
from hwmodels.mapping.traffic import place_by_traffic
from hwmodels.network import Network

#: ``sequential`` fills cores in the order of the script; ``traffic`` keeps together what talks.
MAPPERS = ("sequential", "traffic")


def place(
    mapper: str,
    network: Network,
    limits: CoreLimits,
    graph: Routers,
    units_of: NDArray[np.int64] | None = None,
    profile_of: NDArray[np.int64] | None = None,
    host: tuple[int, int] = (0, 0),
) -> Placement:
    """Place a network by one of :data:`MAPPERS`.

    Parameters
    ----------
    mapper : {"sequential", "traffic"}
    network, limits, graph, units_of, profile_of
        See :func:`hwmodels.mapping.sequential.place_sequentially`.
    host : tuple of int
        Column and row of the router where the spikes of sources enter.

    Raises
    ------
    CapacityError
        When the network does not fit.
    """
    if mapper == "traffic":
        return place_by_traffic(network, limits, graph, units_of, profile_of, host)
    return place_sequentially(network, limits, graph, units_of, profile_of)
