"""Connectors: PyNN's own, run over whole arrays where that gives the very same connections.

In: a connector of PyNN (or of a script) and the projection it is to fill. Out: calls of the
projection's ``add_connections``. PyNN's loops ask a lazy array for each parameter of each
postsynaptic cell, and copy all parameters for each target of a list; here whatever does not
depend on that order is done for all connections at once. Random numbers come in PyNN's own order,
so the connectivity, weights and delays equal those of any other PyNN backend with the same seeds.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pyNN import connectors, errors, random
from pyNN.parameters import LazyArray

from cosim.pynn import draws
from cosim.pynn.connections import moved, places
from hwmodels.errors import NetworkError, UnsupportedError

#: Distributions of which n numbers at once are the same as n numbers in several calls. The
#: clipped normal is not: it draws again, within a call, what fell outside.
_SEQUENTIAL = frozenset(random.available_distributions) - {"normal_clipped"}

#: Random numbers drawn, and rows of a list converted, at once.
_BLOCK = 1 << 18


def connect(connector: connectors.Connector, projection) -> None:
    """Make the connections of a projection.

    Raises
    ------
    NetworkError
        For a weight or delay that is not a number.
    UnsupportedError
        For a connector that PyNN declares and does not implement.
    """
    if getattr(connector, "location_selector", None) is not None:
        raise UnsupportedError(
            f"projection {projection.label!r}: location_selector needs cells with several "
            "compartments, and all cells here are points"
        )
    fill = _WHOLE.get(type(connector), type(connector).connect)
    if getattr(type(connector), "_standard_connect", None) is _PYNNS_LOOP:
        # A copy of the connector, of its own class but for the loop over postsynaptic cells.
        connector = copy.copy(connector)
        connector.__class__ = _over_columns(type(connector))
    try:
        fill(connector, projection)
    except NotImplementedError as error:
        raise UnsupportedError(
            f"projection {projection.label!r}: PyNN does not implement "
            f"{type(connector).__name__} ({error or 'no details'}); use another connector"
        ) from error


def _over_columns(connector_type: type) -> type:
    return type(connector_type.__name__, (connector_type,), {"_standard_connect": _columns_connect})


# --- The loop over postsynaptic cells -----------------------------------------------------------


def _columns_connect(
    connector, projection, connection_map_generator: Callable, distance_map=None
) -> None:
    """Stands in for ``MapConnector._standard_connect``."""
    sources, targets = [], []
    for column, mask in enumerate(connection_map_generator()):
        index = _as_indices(mask, projection.pre.size)
        if len(index):
            sources.append(index)
            targets.append(column)
    lengths = np.array([len(index) for index in sources], dtype=np.int64)
    none = np.empty(0, dtype=np.int32)
    pre = np.concatenate([none, *sources], dtype=np.int32, casting="same_kind")
    post = np.repeat(np.array(targets, dtype=np.int32), lengths)
    _add(connector, projection, pre, post, distance_map)


def _as_indices(mask, size: int) -> NDArray[np.int64]:
    """Presynaptic indices from what PyNN allows: True, a mask (even of 0 dimensions), a list."""
    if mask is True:
        return np.arange(size)
    mask = np.atleast_1d(mask)
    if mask.dtype == bool:
        return np.arange(size) if mask.shape == (1,) and mask[0] else np.flatnonzero(mask)
    return mask.astype(np.int64)


def _add(connector, projection, pre: NDArray, post: NDArray, distance_map=None) -> None:
    """Add connections that are sorted by postsynaptic cell, with the synapse type's parameters."""
    space = connector._parameters_from_synapse_type(projection, distance_map)
    if not len(pre):
        return
    parameters = {}
    for name, lazy in space.items():
        parameters[name] = _evaluate(lazy, pre, post)
    _check(connector, projection, parameters)
    projection.add_connections(pre, post, parameters)
    if connector.callback:
        connector.callback(1.0)


def _evaluate(lazy: LazyArray, pre, post) -> NDArray[np.float64] | float:
    """One parameter of all connections, in the order in which PyNN would have drawn it."""
    if lazy.is_homogeneous:
        return lazy.evaluate(simplify=True)
    base = lazy.base_value
    if not lazy.operations:
        if isinstance(base, np.ndarray) and base.ndim == 2:
            return base[pre, post]
        if isinstance(base, random.RandomDistribution) and base.name in _SEQUENTIAL:
            return np.asarray(base.next(len(pre)), dtype=np.float64)
    values = np.empty(len(pre))
    # PyNN evaluates cell by cell.
    for begin, end in pairwise(_starts(post)):
        values[begin:end] = lazy[pre[begin:end], int(post[begin])]
    return values


def _starts(post: NDArray) -> list[int]:
    """The first connection of each postsynaptic cell, and the end."""
    changes = np.flatnonzero(post[1:] != post[:-1]) + 1
    return [0, *changes.tolist(), len(post)]


def _check(connector, projection, parameters: dict) -> None:
    for name, values in parameters.items():
        if np.any(np.isnan(values)):
            raise NetworkError(f"projection {projection.label!r}: {name} is not a number (NaN)")
    synapse = projection.synapse_type
    if connector.safe:
        for name, check in getattr(synapse, "parameter_checks", {}).items():
            native = synapse.translations[name]["translated_name"]
            if native in parameters:
                check(parameters[native], projection)


# --- Connectors whose connections are known without a loop --------------------------------------


def _one_to_one(connector, projection) -> None:
    index = np.arange(min(projection.shape))
    _add(connector, projection, index, index)


def _all_to_all(connector, projection) -> None:
    if not connector.allow_self_connections:
        type(connector).connect(connector, projection)
        return
    pre, post = projection.shape
    sources, targets = np.arange(pre, dtype=np.int32), np.arange(post, dtype=np.int32)
    _add(connector, projection, np.tile(sources, post), np.repeat(targets, pre))


def _fixed_probability(connector, projection) -> None:
    if connector.allow_self_connections is not True or type(connector.rng) not in _NUMPY_RNGS:
        type(connector).connect(connector, projection)
        return
    # PyNN's lazy arrays copy the RNG they are given, so the connector's own is not used up.
    rng = copy.deepcopy(connector.rng)
    n_pre, n_post = projection.shape
    block = max(1, _BLOCK // n_pre)
    sources, targets = [], []
    for first in range(0, n_post, block):
        count = min(block, n_post - first)
        drawn = rng.next(count * n_pre, "uniform", {"low": 0, "high": 1})
        hits = np.flatnonzero(drawn < connector.p_connect)
        targets.append((hits // n_pre + first).astype(np.int32))
        sources.append((hits % n_pre).astype(np.int32))
    _add(connector, projection, np.concatenate(sources), np.concatenate(targets))


def _fixed_total_number(connector, projection) -> None:
    if not isinstance(connector.n, int) or type(connector.rng) not in _NUMPY_RNGS:
        type(connector).connect(connector, projection)
        return
    # As PyNN draws: how many (all of them, in one process), then source and target in turn.
    n = int(connector.rng.next(1, "binomial", {"n": connector.n, "p": 1.0})[0])
    n_pre, n_post = projection.shape
    pre, post = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    for first in range(0, n, _BLOCK):
        last = min(first + _BLOCK, n)
        # Many numbers at once are the same as one after the other.
        limits = np.tile([n_pre, n_post], last - first)
        drawn = connector.rng.rng.randint(0, limits).reshape(-1, 2)
        pre[first:last], post[first:last] = drawn[:, 0], drawn[:, 1]
    starts = np.concatenate(([0], np.cumsum(np.bincount(post, minlength=n_post))))
    place = places(post, starts)
    pre = moved(pre, place)
    del place
    post = np.repeat(np.arange(n_post, dtype=np.int32), np.diff(starts))
    _add(connector, projection, pre, post)


def _csa(connector, projection) -> None:
    if connectors.csa.arity(connector.cset) != 2:
        type(connector).connect(connector, projection)
        return
    bounds = [(0, size - 1) for size in projection.shape]
    rows = np.array(list(connectors.csa.cross(*bounds) * connector.cset), dtype=np.float64)
    rows = rows.reshape(-1, 4)
    parameters = {"weight": rows[:, 2], "delay": rows[:, 3]}
    _check(connector, projection, parameters)
    projection.add_connections(rows[:, 0].astype(int), rows[:, 1].astype(int), parameters)


# --- Lists --------------------------------------------------------------------------------------


class FromListConnector(connectors.FromListConnector):  # noqa: D101 (PyNN's docstring, below)
    __doc__ = connectors.FromListConnector.__doc__

    def __init__(
        self, conn_list, column_names=None, location_selector=None, safe=True, callback=None
    ):
        # An array is large, so it is not copied; PyNN sees its first row.
        few = conn_list[:1] if isinstance(conn_list, np.ndarray) else conn_list
        super().__init__(few, column_names, location_selector, safe, callback)
        if few is not conn_list:
            self.conn_list = conn_list


def _from_file(connector, projection) -> None:
    if connector.distributed:
        connector.file.rename(f"{connector.file.name}.0")
    columns = connector.file.get_metadata().get("columns", ("weight", "delay"))
    connector.column_names = [name for name in columns if name not in ("i", "j")]
    connector.conn_list = np.asarray(connector.file.read())
    connector.sorted_before = 0
    _from_list(connector, projection)


def _from_list(connector, projection) -> None:
    rows = connector.conn_list
    known = projection.synapse_type.get_parameter_names()
    for name in connector.column_names:
        if name not in known:
            kind = type(projection.synapse_type).__name__
            raise ValueError(f"{name} is not a valid parameter for {kind}")
    if rows.size == 0:
        return
    for column, size, side in (
        (0, projection.pre.size, "source"),
        (1, projection.post.size, "target"),
    ):
        if rows[:, column].max() >= size or rows[:, column].min() < 0:
            raise errors.ConnectionError(f"{side} index out of range")
    # The order is PyNN's: its sort is not stable, and each use of a connector sorts the list anew.
    times = connector.sorted_before = getattr(connector, "sorted_before", 0) + 1
    order = np.argsort(rows[:, 1])
    for _ in range(times - 1):
        order = order[np.argsort(rows[order, 1])]
    pre, post = (_column(rows, k, order, np.int32) for k in (0, 1))
    parameters: dict[str, NDArray | float] = {}
    for name, lazy in connector._parameters_from_synapse_type(projection).items():
        if name in connector.column_names:
            column = 2 + list(connector.column_names).index(name)
            parameters[name] = _column(rows, column, order, np.float64)
        elif isinstance(lazy.base_value, random.RandomDistribution):
            parameters[name] = _draw_for_targets(lazy, post)
        else:
            parameters[name] = _evaluate(lazy, pre, post)
        if np.any(np.isnan(parameters[name])):
            raise NetworkError(f"projection {projection.label!r}: {name} is not a number (NaN)")
    projection.add_connections(pre, post, parameters)


def _column(rows: NDArray, column: int, order: NDArray, dtype: type) -> NDArray:
    """A column of a list in another order, with as little memory as can be."""
    values: NDArray = np.empty(len(rows), dtype=dtype)
    for first in range(0, len(rows), _BLOCK):
        values[first : first + _BLOCK] = rows[order[first : first + _BLOCK], column]
    return values


def _draw_for_targets(lazy: LazyArray, post: NDArray) -> NDArray[np.float64]:
    """Random parameters of listed connections: PyNN starts each target with a fresh copy."""
    values = np.empty(len(post))
    for begin, end in pairwise(_starts(post)):
        fresh = copy.deepcopy(lazy)
        fresh.shape = (end - begin,)
        values[begin:end] = fresh.evaluate()
    return values


_PYNNS_LOOP = connectors.MapConnector._standard_connect
_NUMPY_RNGS = (random.NumpyRNG, draws.NumpyRNG)
_WHOLE: dict[type, Callable] = {
    connectors.OneToOneConnector: _one_to_one,
    connectors.AllToAllConnector: _all_to_all,
    connectors.FixedProbabilityConnector: _fixed_probability,
    connectors.FixedTotalNumberConnector: _fixed_total_number,
    connectors.CSAConnector: _csa,
    connectors.FromListConnector: _from_list,
    FromListConnector: _from_list,
    connectors.FromFileConnector: _from_file,
}
