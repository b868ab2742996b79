"""Populations, views of them and assemblies: PyNN's, with parameters kept as arrays.

In: what a script creates and sets. Out: arrays for :mod:`cosim.pynn.lowering`. An array is never
changed in place: a change makes a new one, so an unchanged object means an unchanged value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyNN import common, errors
from pyNN.parameters import ArrayParameter, LazyArray, ParameterSpace, simplify

from cosim.pynn import simulator
from cosim.pynn.celltypes import NATIVE_CELL_TYPES, SUPPORTED_CELL_TYPES, network_name
from cosim.pynn.draws import NumpyRNG
from cosim.pynn.recording import Recorder
from cosim.pynn.simulator import ID, POISSON, state
from cosim.pynn.stimuli import GivenSpikes, PoissonSpikes
from hwmodels.errors import NetworkError, UnsupportedError
from hwmodels.network import SOURCE_CELL_TYPES


def _one_a_cell(lazy: Mapping[str, LazyArray], size: int) -> dict[str, NDArray]:
    """Arrays of one value a cell: numbers, or objects where a value is itself a sequence."""
    arrays: dict[str, NDArray] = {}
    for name, values in lazy.items():
        try:
            # For one cell this may be a number and not an array; PyNN's own masks fail on that.
            value = values.evaluate(simplify=False)
        except ValueError as error:
            raise errors.InvalidParameterValueError(f"{name}: {error}") from error
        if isinstance(values.dtype, type) and issubclass(values.dtype, ArrayParameter):
            arrays[name] = _sequences(value, size)
            if name == "spike_times":
                _check_ascending(arrays[name])
        else:
            number = np.asarray(value, dtype=np.float64)
            arrays[name] = np.broadcast_to(number, (size,)).copy()
    return arrays


def _sequences(value: object, size: int) -> NDArray[np.object_]:
    """Spike trains: objects, which NumPy must not take apart."""
    trains = np.empty(size, dtype=object)
    trains[:] = list(value) if isinstance(value, (list, np.ndarray)) else [value] * size
    return trains


def _check_ascending(trains: NDArray[np.object_]) -> None:
    for train in trains:
        if np.any(np.diff(train.value) < 0):
            raise errors.InvalidParameterValueError(f"spike times must ascend, got {train.value}")


class _Cells(common.BasePopulation):
    """What a population and a view of one have in common. Indices are those of the population."""

    _simulator = simulator
    celltype: Any
    recorder: Any
    size: int

    def _parent_population(self) -> Population:
        raise NotImplementedError

    def _parent_indices(self) -> NDArray[np.int64]:
        raise NotImplementedError

    def _get_view(self, selector, label=None):
        return PopulationView(self, selector, label)

    def _check_names(self, names, valid) -> None:
        for name in names:
            if name not in valid:
                celltype = self.celltype.__class__.__name__
                raise errors.NonExistentParameterError(name, celltype, list(valid))

    def _get_parameters(self, *names):
        self._check_names(names, self.celltype.get_parameter_names())
        return self._get_native_parameters(*names)

    def _get_native_parameters(self, *names):
        stored, indices = self._parent_population()._parameters, self._parent_indices()
        values = {name: simplify(stored[name][indices]) for name in names}
        return ParameterSpace(values, self.celltype.get_schema(), shape=(self.size,))

    def _set_parameters(self, parameter_space) -> None:
        """Change parameters (PyNN calls this)."""
        stored, indices = self._parent_population()._parameters, self._parent_indices()
        for name, value in _one_a_cell(parameter_space, self.size).items():
            values = stored[name].copy()
            values[indices] = value
            stored[name] = values

    def _set_initial_value_array(self, variable, initial_values) -> None:
        """Change initial values (PyNN calls this)."""
        self._check_names([variable], self.celltype.default_initial_values)
        population = self._parent_population()
        values = population._initial.get(variable, np.zeros(population.size)).copy()
        given = _one_a_cell({variable: initial_values}, self.size)[variable]
        if not np.all(np.isfinite(given)):
            raise NetworkError(
                f"population {population.label!r}: initial values of {variable} must be finite"
            )
        values[self._parent_indices()] = given
        population._initial[variable] = values
        if state.step:
            population._assign(variable, self._parent_indices(), given)

    def initialize(self, **initial_values):
        population = self._parent_population()
        for variable, value in initial_values.items():
            lazy = LazyArray(value, shape=(self.size,), dtype=float)
            self._set_initial_value_array(variable, lazy)
            # Keep the values and not the rule: a rule would draw again.
            population.initial_values[variable] = LazyArray(
                simplify(population._initial[variable]), shape=(population.size,), dtype=float
            )

    initialize.__doc__ = common.BasePopulation.initialize.__doc__

    def _set_cell_initial_value(self, id, variable, value):
        index = self._parent_population().id_to_index(id)
        self._parent_population()[index : index + 1].initialize(**{variable: value})

    def sample(self, n, rng=None):
        """Return a view of ``n`` cells chosen at random."""
        return super().sample(n, rng or NumpyRNG())

    def inject(self, current_source, location=None):
        """Connect a current source to all cells."""
        if location is not None:
            raise UnsupportedError("cells have no locations here: all are points")
        super().inject(current_source)

    def get_data(self, variables="all", gather=True, clear=False, annotations=None, locations=None):
        return self.recorder.get(
            variables, gather, self._record_filter, clear, annotations, locations
        )

    get_data.__doc__ = common.BasePopulation.get_data.__doc__


class Assembly(common.Assembly):  # noqa: D101 (PyNN's docstring)
    __doc__ = common.Assembly.__doc__
    _simulator = simulator

    def __init__(self, *populations, **kwargs):
        kwargs.setdefault("label", f"assembly{state.assemblies}")
        super().__init__(*populations, **kwargs)
        state.assemblies += 1

    @property
    def receptor_types(self):
        """Those that all populations have, in the first one's order: the first is the default."""
        first, *others = (p.celltype.receptor_types for p in self.populations)
        return [receptor for receptor in first if all(receptor in types for types in others)]

    def sample(self, n, rng=None):
        """Return an assembly of ``n`` cells chosen at random."""
        return super().sample(n, rng or NumpyRNG())


class PopulationView(_Cells, common.PopulationView):  # noqa: D101 (PyNN's docstring)
    __doc__ = common.PopulationView.__doc__
    _assembly_class = Assembly

    def _parent_population(self):
        return self.grandparent

    def _parent_indices(self):
        return self.index_in_grandparent(np.arange(self.size))

    @property
    def initial_values(self):
        """Of the cells of this view, by variable."""
        indices = self._parent_indices()
        return {
            name: LazyArray(simplify(values[indices]), shape=(self.size,), dtype=float)
            for name, values in self._parent_population()._initial.items()
        }


class Population(_Cells, common.Population):  # noqa: D101 (PyNN's docstring)
    __doc__ = common.Population.__doc__
    _recorder_class = Recorder
    _assembly_class = Assembly

    def __init__(
        self, size, cellclass, cellparams=None, structure=None, initial_values=None, label=None
    ):
        self._initial: dict[str, NDArray[np.float64]] = {}
        self._assigned: dict[str, tuple[int, NDArray[np.float64]]] = {}
        if label is None:
            label = f"population{len(state.populations)}"
        if isinstance(cellclass, type) and cellparams is None:
            cellparams = {}
        super().__init__(size, cellclass, cellparams, structure, initial_values or {}, label)
        self.index = len(state.populations)
        state.populations.append(self)
        self.restart()

    def _parent_population(self):
        return self

    def _parent_indices(self):
        return slice(None)

    def _create_cells(self) -> None:
        """Make the cells (PyNN calls this)."""
        if not self.celltype.translations or type(self.celltype).__name__ not in (
            *SUPPORTED_CELL_TYPES,
            *NATIVE_CELL_TYPES,
        ):
            raise UnsupportedError(
                f"population {self.label!r}: cells must be of one of the types of cosim.pynn "
                f"({', '.join((*SUPPORTED_CELL_TYPES, *NATIVE_CELL_TYPES))}), "
                f"not {type(self.celltype).__name__} of {type(self.celltype).__module__}"
            )
        if self.size < 1:
            raise ValueError(f"population {self.label!r}: size must be >= 1, got {self.size}")
        first = state.id_counter
        self.all_cells = np.empty(self.size, dtype=object)
        self.all_cells[:] = [ID(n) for n in range(first, first + self.size)]
        for cell in self.all_cells:
            cell.parent = self
        state.id_counter += self.size
        self._mask_local = np.ones(self.size, dtype=bool)
        space = self.celltype.native_parameters
        space.shape = (self.size,)
        self._parameters = _one_a_cell(space, self.size)

    # --- For lowering ---------------------------------------------------------------------------

    def _assign(self, variable: str, cells, values) -> None:
        """Set the state of some cells now, in mid-run; the others keep theirs (NaN)."""
        step, assigned = self._assigned.get(variable, (-1, np.empty(0)))
        # What an earlier run has taken over must not be assigned once more.
        fresh = assigned.copy() if step == state.step else np.full(self.size, np.nan)
        fresh[cells] = values
        self._assigned[variable] = (state.step, fresh)

    def states(self) -> dict[str, NDArray[np.float64]]:
        """For lowering: initial values, and those that were assigned since time 0."""
        return self._initial | {name: values for name, (_, values) in self._assigned.items()}

    def restart(self) -> None:
        """Begin again at time 0 (after ``reset``); Poisson spikes are drawn anew."""
        self._assigned = {}
        self._stimulus: PoissonSpikes | GivenSpikes | None = None

    @property
    def is_source(self) -> bool:
        """Whether the spikes are given and not computed."""
        return network_name(self.celltype) in SOURCE_CELL_TYPES

    def stimulus(self, now: int, until: int):
        """Return the spikes of a source population, at least up to ``until``; else None."""
        if not self.is_source:
            return None
        if self._stimulus is None:
            poisson = type(self.celltype).__name__ == "SpikeSourcePoisson"
            self._stimulus = (
                PoissonSpikes(self.size, state.draws(POISSON, self.index))
                if poisson
                else GivenSpikes(str(self.label))
            )
        return self._stimulus.trains(self._parameters, now, until, state.dt)
