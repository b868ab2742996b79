"""Lowering: from what a script built to the neutral Network.

In: the backend's :class:`~cosim.pynn.simulator.State` and the step up to which it is to run. Out:
a checked :class:`~hwmodels.network.Network`. Whatever has not changed since the run before is the
same array object again: that is how engines see what changed. This is the only module that knows
both PyNN's objects and the Network; it must not know any engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyNN import common
from pyNN.standardmodels.synapses import STDPMechanism

from cosim.pynn.celltypes import network_name
from hwmodels.errors import UnsupportedError
from hwmodels.network import (
    STDP_PAIR,
    STDP_PAIR_PARAMETERS,
    InjectedCurrent,
    Network,
    Population,
    Projection,
    Recording,
    SynapseDynamics,
)

#: One object, so that a static projection is seen not to have changed.
_STATIC = SynapseDynamics()


def lower(state: Any, until_step: int) -> Network:
    """Lower the network as it is now, with its stimuli and currents up to ``until_step``.

    Raises
    ------
    NetworkError
        When anything is inconsistent, out of range or not finite.
    """
    cache = _cache(state)
    labels = _unique([p.label for p in state.populations])
    populations = tuple(
        _population(cache, p, label, state.step, until_step)
        for p, label in zip(state.populations, labels, strict=True)
    )
    projections = tuple(part for p in state.projections for part in _projections(cache, p))
    currents = tuple(
        current for source in state.current_sources
        for current in _currents(cache, source, state.step, until_step)
    )  # fmt: skip
    recordings = tuple(r for p in state.populations for r in _recordings(cache, p))
    parts = (populations, projections, currents, recordings)
    if not _same(cache.parts, parts):
        cache.parts = parts
        cache.network = Network(state.dt, *parts)
    assert cache.network is not None
    return cache.network


@dataclass
class _Cache:
    """What was lowered before, by the object it came from."""

    lowered: dict[Any, Any] = field(default_factory=dict)
    parts: tuple = ()
    network: Network | None = None

    def reuse(self, key: Any, inputs: tuple, build) -> Any:
        """Return what was built from the very same inputs, or else build from these now."""
        known = self.lowered.get(key)
        if known is None or not _same(known[0], inputs):
            known = self.lowered[key] = (inputs, build())
        return known[1]


def _cache(state: Any) -> _Cache:
    """Find the cache; it belongs to the list of populations, which ``setup`` makes anew."""
    cached = getattr(state, "lowering", None)
    if cached is None or cached[0] is not state.populations:
        state.lowering = cached = (state.populations, _Cache())
    return cached[1]


def _same(a: Any, b: Any) -> bool:
    """Whether two nested tuples hold the same objects (equal ones, where they are plain values)."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return a is b or (isinstance(a, (int, float, str)) and type(a) is type(b) and a == b)


def _unique(labels: list[str]) -> list[str]:
    """Labels of a script, which may repeat, made unique."""
    taken: set[str] = set()
    for number, label in enumerate(labels):
        candidate, count = label, 1
        while candidate in taken:
            count += 1
            candidate = f"{label} ({count})"
        taken.add(candidate)
        labels[number] = candidate
    return labels


# --- Populations --------------------------------------------------------------------------------


def _population(cache: _Cache, population, label: str, now: int, until: int) -> Population:
    stimulus = population.stimulus(now, until)
    parameters = {} if stimulus is not None else population._parameters
    initial = {} if stimulus is not None else population.states()
    inputs = (label, tuple(parameters.values()), tuple(initial.values()), stimulus)
    return cache.reuse(
        population,
        inputs,
        lambda: Population(
            label,
            network_name(population.celltype),
            population.size,
            dict(parameters),
            dict(initial),
            stimulus,
        ),
    )


# --- Projections --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """The connections of a projection from one population to another.

    ``order`` selects and sorts rows of the projection's columns: by presynaptic cell and, within
    a cell, in the order of creation. None where the columns keep that order themselves.
    """

    label: str
    pre: int
    post: int
    indptr: NDArray[np.int64]
    target: NDArray[np.int32]
    order: NDArray[np.signedinteger] | None


def _projections(cache: _Cache, projection) -> list[Projection]:
    if _between_whole_populations(projection):
        parts, weight, delay = _whole(cache, projection)
    else:
        parts, weight, delay = _some(cache, projection)
    dynamics = _dynamics(cache, projection)
    return [
        cache.reuse(
            (projection, number),
            (part, weight[number], delay[number], dynamics),
            lambda part=part, number=number: Projection(
                part.label,
                part.pre,
                part.post,
                projection.receptor_type,
                part.indptr,
                part.target,
                weight[number],
                delay[number],
                dynamics,
            ),
        )
        for number, part in enumerate(parts)
    ]


def _between_whole_populations(projection) -> bool:
    several = (common.Assembly, common.PopulationView)
    return not isinstance(projection.pre, several) and not isinstance(projection.post, several)


def _whole(cache: _Cache, projection) -> tuple[list[_Part], list[NDArray], list[NDArray]]:
    """All connections, which from now on are kept as the network has them."""
    columns, pre, post = projection.columns, projection.pre, projection.post
    rows = columns.rows(pre.size)
    parts = cache.reuse(
        (projection, "parts"),
        (rows,),
        lambda: [
            _Part(str(projection.label), pre.index, post.index, rows.indptr, rows.target, None)
        ],
    )
    return parts, [columns.unordered("weight")], [columns.unordered("delay")]


def _some(cache: _Cache, projection) -> tuple[list[_Part], list[NDArray], list[NDArray]]:
    """Connections between views or assemblies."""
    columns = projection.columns
    ends = (columns["pre"], columns["post"])
    parts = cache.reuse((projection, "parts"), ends, lambda: _parts(projection))
    weight, delay = (
        cache.reuse(
            (projection, name),
            (parts, columns.unordered(name)),
            lambda name=name: _rows(parts, columns.unordered(name)),
        )
        for name in ("weight", "delay")
    )
    return parts, weight, delay


def _dynamics(cache: _Cache, projection) -> SynapseDynamics:
    """How the weights of a projection change."""
    if not isinstance(projection.synapse_type, STDPMechanism):
        return _STATIC
    columns = {
        name: projection.columns.unordered(name) if len(projection.columns) else np.empty(0)
        for name in (*STDP_PAIR_PARAMETERS, "dendritic_delay_fraction")
    }

    def build() -> SynapseDynamics:
        for name, values in columns.items():
            if len(values) and np.ptp(values) > 0:
                raise UnsupportedError(
                    f"projection {projection.label!r}: {name} of STDP from {values.min():g} to "
                    f"{values.max():g}: a projection has one rule; give all synapses the same"
                )
        first = {
            name: np.array(values[0] if len(values) else 0.0) for name, values in columns.items()
        }
        return SynapseDynamics(STDP_PAIR, first)

    return cache.reuse((projection, "dynamics"), tuple(columns.values()), build)


def learned_weights(state: Any, projection) -> NDArray[np.float64] | None:
    """Weights of a projection after the last run, in the order of its columns; None if static."""
    if not isinstance(projection.synapse_type, STDPMechanism) or not state.running:
        return None
    network = lower(state, state.step)
    learned = state.result.weights
    columns, names = projection.columns, network.projection_names
    whole = _between_whole_populations(projection)
    weights = columns["weight"].copy()
    first = 0
    for other in state.projections:
        parts = _cache(state).lowered[(other, "parts")][1]
        if other is projection:
            for number, part in enumerate(parts):
                own = learned.get(names[first + number])
                if own is not None and whole:
                    weights = columns.created(own)
                elif own is not None:
                    weights[part.order] = own
        first += len(parts)
    return weights


def _rows(parts: list[_Part], column: NDArray) -> list[NDArray]:
    if len(column) and column.strides == (0,):  # one value for all
        return [np.broadcast_to(column[0], part.target.shape) for part in parts]
    return [column[part.order] for part in parts]


def _parts(projection) -> list[_Part]:
    """One part for each pair of populations that a projection connects (views and assemblies)."""
    pre_groups, post_groups = _groups(projection.pre), _groups(projection.post)
    pre, post = projection.columns["pre"], projection.columns["post"]
    pre_bounds = np.cumsum([0] + [len(cells) for _, cells in pre_groups])
    post_bounds = np.cumsum([0] + [len(cells) for _, cells in post_groups])
    several = len(pre_groups) * len(post_groups) > 1
    parts = []
    for i, (pre_population, pre_cells) in enumerate(pre_groups):
        for j, (post_population, post_cells) in enumerate(post_groups):
            label = str(projection.label)
            if several:
                label = f"{label} [{pre_population.label}→{post_population.label}]"
                inside = (pre >= pre_bounds[i]) & (pre < pre_bounds[i + 1])
                inside &= (post >= post_bounds[j]) & (post < post_bounds[j + 1])
                rows = np.flatnonzero(inside)
                source, target = pre[rows] - pre_bounds[i], post[rows] - post_bounds[j]
            else:
                rows, source, target = None, pre, post
            source, target = _numbered(pre_cells, source), _numbered(post_cells, target)
            order = np.argsort(source, kind="stable")
            if len(pre) < 2**31:
                order = order.astype(np.int32)
            indptr = np.zeros(pre_population.size + 1, dtype=np.int64)
            np.cumsum(np.bincount(source, minlength=pre_population.size), out=indptr[1:])
            parts.append(
                _Part(
                    label,
                    pre_population.index,
                    post_population.index,
                    indptr,
                    target[order],
                    order if rows is None else rows[order],
                )
            )
    return parts


def _numbered(cells: NDArray[np.int64], index: NDArray[np.int32]) -> NDArray[np.int32]:
    """Cells by their index among some; a whole population's are its indices."""
    if np.array_equal(cells, np.arange(len(cells))):
        return index.astype(np.int32, copy=False)
    return cells.astype(np.int32)[index]


def _groups(cells: Any) -> list[tuple[Any, NDArray[np.int64]]]:
    """Find the populations behind a population, view or assembly, and which of their cells."""
    if isinstance(cells, common.Assembly):
        return [group for part in cells.populations for group in _groups(part)]
    if isinstance(cells, common.PopulationView):
        return [(cells.grandparent, cells.index_in_grandparent(np.arange(cells.size)))]
    return [(cells, np.arange(cells.size))]


# --- Currents and recordings --------------------------------------------------------------------


def _currents(cache: _Cache, source, now: int, until: int) -> list[InjectedCurrent]:
    if not source.targets:
        return []
    times, amplitudes = source.lowered(now, until)
    return [
        cache.reuse(
            (source, number),
            (population, cells, times, amplitudes),
            lambda population=population, cells=cells: InjectedCurrent(
                population.index, cells, times, amplitudes
            ),
        )
        for number, (population, cells) in enumerate(source.targets)
    ]


def _recordings(cache: _Cache, population) -> list[Recording]:
    lowered = []
    for variable, cells, interval in population.recorder.requests():
        # Cells come as a new array each time; equal ones are replaced by those of the last run.
        inputs = (tuple(cells.tolist()), interval)
        lowered.append(
            cache.reuse(
                (population, variable),
                inputs,
                lambda variable=variable, cells=cells, interval=interval: Recording(
                    population.index, variable, cells, interval
                ),
            )
        )
    return lowered
