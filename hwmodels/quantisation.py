"""Number formats, and what they did to values: rows of :data:`hwmodels.result.QUANTISATION`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hwmodels.network import Network


def quantisation_row(
    where: str,
    quantity: str,
    unit: str,
    exact: NDArray[np.float64],
    effective: NDArray[np.float64],
    step: float,
    clipped: NDArray[np.bool_] | None = None,
) -> tuple:
    """One row, from the values before and after.

    Parameters
    ----------
    where : str
        Label of the population or projection.
    quantity, unit : str
    exact, effective : float64, shape (n,)
        What was asked for and what the hardware has.
    step : float
        Size of one level, in ``unit``; 0 where levels are not equidistant.
    clipped : bool, shape (n,), optional
        Which values were out of range.
    """
    error = effective - exact
    np.abs(error, out=error)
    relative = np.abs(exact, dtype=np.float64)
    np.divide(error, relative, out=relative, where=relative > 0)
    return (
        where,
        quantity,
        unit,
        len(exact),
        step,
        float(error.max(initial=0)),
        float(np.sqrt(np.mean(error**2))) if len(error) else 0.0,
        float(relative.max(initial=0)),
        0 if clipped is None else int(np.count_nonzero(clipped)),
    )


def with_equal_levels(network: Network, levels: int) -> tuple[Network, list[tuple]]:
    """Weights rounded to equal levels, so many of them up to the largest of each projection.

    Parameters
    ----------
    network : Network
    levels : int
        Above zero; below there are as many.

    Returns
    -------
    network : Network
    rows : list of tuple
        One of QUANTISATION for each projection.
    """
    projections, rows = [], []
    for projection in network.projections:
        exact = projection.weight
        level = float(np.abs(exact).max(initial=0)) / levels
        effective = np.rint(exact / level) * level if level else exact
        unit = weight_unit(network.populations[projection.post].celltype)
        rows.append(quantisation_row(projection.label, "weight", unit, exact, effective, level))
        projections.append(replace(projection, weight=effective))
    return replace(network, projections=tuple(projections)), rows


def weight_unit(celltype: str) -> str:
    """PyNN's unit of a weight onto a cell type."""
    if "cond" in celltype:
        return "uS"
    if celltype == "TrueNorthNeuron":
        return "bit"
    return "nA" if "curr" in celltype and not celltype.endswith("delta") else "mV"


def wrapped(x: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Two's complement wrap to so many bits and a sign."""
    half = 1 << bits
    return ((x + half) & (2 * half - 1)) - half
