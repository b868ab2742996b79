"""Projections: PyNN's, with the connections as columns.

In: connectors' calls, and what a script sets. Out: columns for :mod:`cosim.pynn.lowering`. A column
is replaced and never changed in place, so an unchanged object means unchanged values. An object
for one connection exists only while a script looks at it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pyNN import common, errors
from pyNN.parameters import ParameterSpace
from pyNN.space import Space

from cosim.pynn import connectors, simulator
from cosim.pynn.connections import Connections
from cosim.pynn.lowering import learned_weights
from cosim.pynn.simulator import state
from cosim.pynn.synapses import StaticSynapse

_COLUMN = {"presynaptic_index": "pre", "postsynaptic_index": "post"}


class Connection(common.Connection):
    """One connection of a projection: a look at row ``index`` of its columns."""

    projection: Projection
    index: int

    def __init__(self, projection: Projection, index: int) -> None:
        object.__setattr__(self, "projection", projection)
        object.__setattr__(self, "index", index)

    @property
    def presynaptic_index(self) -> int:
        """Index into the projection's ``pre``."""
        return int(self.projection.columns.value("pre", self.index))

    @property
    def postsynaptic_index(self) -> int:
        """Index into the projection's ``post``."""
        return int(self.projection.columns.value("post", self.index))

    @property
    def presynaptic_cell(self):
        """The cell (ID) from which the connection comes."""
        return self.projection.pre.all_cells[self.presynaptic_index]

    @property
    def postsynaptic_cell(self):
        """The cell (ID) to which the connection goes."""
        return self.projection.post.all_cells[self.postsynaptic_index]

    source = presynaptic_cell
    target = postsynaptic_cell

    def __getattr__(self, name: str) -> float:
        if name not in self.projection.columns.names:
            raise AttributeError(f"a connection of {self.projection.label!r} has no {name!r}")
        return self.projection._value(name, self.index)

    def __setattr__(self, name: str, value: float) -> None:
        columns = self.projection.columns
        if name not in columns.names or name in ("pre", "post"):
            raise AttributeError(f"{name!r} of a connection cannot be set")
        values = columns[name].copy()
        values[self.index] = value
        columns[name] = values

    def as_tuple(self, *attribute_names: str) -> tuple:
        """Values of attributes."""
        return tuple(getattr(self, name) for name in attribute_names)


class Projection(common.Projection):  # noqa: D101 (PyNN's docstring)
    __doc__ = common.Projection.__doc__
    _simulator = simulator
    _static_synapse_class = StaticSynapse

    def __init__(
        self,
        presynaptic_neurons,
        postsynaptic_neurons,
        connector,
        synapse_type=None,
        source=None,
        receptor_type=None,
        space=None,
        label=None,
    ):
        super().__init__(
            presynaptic_neurons,
            postsynaptic_neurons,
            connector,
            synapse_type,
            source,
            receptor_type,
            space or Space(),
            label,
        )
        self.columns = Connections()
        connectors.connect(connector, self)
        state.projections.append(self)

    # --- Making connections ---------------------------------------------------------------------

    def add_connections(self, pre: NDArray, post: NDArray | int, parameters: dict) -> None:
        """Add many connections; indices are those of this projection's pre and post."""
        self.columns.append(pre, post, parameters)

    def _convergent_connect(
        self, presynaptic_indices, postsynaptic_index, location_selector=None, **parameters
    ):
        """Add connections to one cell (PyNN's and scripts' own connectors call this)."""
        pre = np.atleast_1d(np.asarray(presynaptic_indices, dtype=np.int64))
        self.add_connections(pre, int(postsynaptic_index), parameters)

    # --- As a sequence --------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.columns)

    def __getitem__(self, i):
        if isinstance(i, slice):
            return [Connection(self, k) for k in range(*i.indices(len(self)))]
        if not -len(self) <= i < len(self):
            raise IndexError(f"projection {self.label!r} has {len(self)} connections, not {i}")
        return Connection(self, i % len(self))

    @property
    def connections(self):
        """An iterator over the connections, as :class:`Connection` objects."""
        return iter(self)

    # --- Reading --------------------------------------------------------------------------------

    def _get_attributes_as_list(self, names):
        if not len(self):
            return []
        columns = [self._column(_COLUMN.get(name, name)).tolist() for name in names]
        return list(zip(*columns, strict=True))

    def _column(self, name: str) -> NDArray:
        """Return a column as it is now: weights that learned are those of the last run."""
        learned = learned_weights(state, self) if name == "weight" else None
        return self.columns[name] if learned is None else learned

    def _value(self, name: str, index: int) -> float:
        learned = learned_weights(state, self) if name == "weight" else None
        return float(self.columns.value(name, index) if learned is None else learned[index])

    def _get_attributes_as_arrays(self, names, multiple_synapses="sum"):
        return [self._as_array(name, multiple_synapses) for name in names]

    def _as_array(self, name: str, multiple_synapses: str) -> NDArray[np.float64]:
        """Return a matrix (pre, post); NaN where there is no connection."""
        result = np.full(self.shape, np.nan)
        if not len(self):
            return result
        pre, post, values = self.columns["pre"], self.columns["post"], self._column(name)
        pair = pre.astype(np.int64) * self.shape[1] + post
        # A stable sort keeps the order of creation among the connections of a pair.
        order = np.argsort(pair, kind="stable")
        first = np.flatnonzero(np.diff(pair[order], prepend=-1))
        grouped = values[order]
        if multiple_synapses == "first":
            merged = grouped[first]
        elif multiple_synapses == "last":
            merged = grouped[np.append(first[1:], len(order)) - 1]
        else:
            merge = {"sum": np.add, "min": np.minimum, "max": np.maximum}[multiple_synapses]
            merged = merge.reduceat(grouped, first)
        result.flat[pair[order][first]] = merged
        return result

    # --- Changing -------------------------------------------------------------------------------

    def _value_list_to_array(self, attributes):
        """Make matrices of lists, which hold a value for each pair (PyNN calls this)."""
        for name, value in attributes.items():
            if isinstance(value, list) or (isinstance(value, np.ndarray) and value.ndim == 1):
                matrix = np.full(self.shape, np.nan)
                mask = np.zeros(self.shape, dtype=bool)
                mask[self.columns["pre"], self.columns["post"]] = True
                matrix[mask] = value
                attributes[name] = matrix
        return attributes

    def set(self, **attributes):  # noqa: D102 (PyNN's docstring, below)
        unknown = set(attributes) - set(self.synapse_type.get_parameter_names())
        if unknown:
            raise errors.NonExistentParameterError(
                min(unknown),
                type(self.synapse_type).__name__,
                self.synapse_type.get_parameter_names(),
            )
        super().set(**attributes)

    set.__doc__ = common.Projection.set.__doc__

    def _set_attributes(self, parameter_space: ParameterSpace) -> None:
        pre, post = self.columns["pre"], self.columns["post"]
        for name, lazy in parameter_space.items():
            if lazy.is_homogeneous:
                values = np.full(len(self), lazy.evaluate(simplify=True), dtype=np.float64)
            else:
                # As on other backends, a value is drawn for each pair, connected or not.
                matrix = np.broadcast_to(lazy.evaluate(simplify=False), self.shape)
                values = matrix[pre, post].astype(np.float64)
            self.columns[name] = values

    def initialize(self, **initial_values):  # noqa: D102 (PyNN's docstring, below)
        for variable in initial_values:
            raise errors.NonExistentParameterError(
                variable,
                type(self.synapse_type).__name__,
                list(self.synapse_type.default_initial_values),
            )

    initialize.__doc__ = common.Projection.initialize.__doc__
