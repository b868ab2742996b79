"""A network in the chip's terms: pairs, types, cores, axons, relays, and what that changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Translation
from hwmodels.chips.truenorth import arithmetic as a
from hwmodels.chips.truenorth.formats import (
    Scale,
    check_currents,
    check_recordings,
    native_obstacle,
    parameter_rows,
    receptor_gain,
    receptor_wait,
    scale_population,
    with_values,
)
from hwmodels.chips.truenorth.layout import Layout, Relays, fill_cores, positions
from hwmodels.chips.truenorth.spec import TrueNorthSpec
from hwmodels.chips.truenorth.weights import (
    NO_BIT,
    Pairs,
    gather_pairs,
    kernel,
    population_labels,
    settle,
)
from hwmodels.errors import CapacityError, UnsupportedError
from hwmodels.network import Network, Projection
from hwmodels.quantisation import quantisation_row, weight_unit
from hwmodels.result import QUANTISATION

_NO_LIMIT = 1 << 60


@dataclass(frozen=True)
class Settings:
    """What of a chip decides how a network is expressed."""

    spec: TrueNorthSpec
    effects: tuple[str, ...]
    stochastic_leak: bool
    centred: bool

    @property
    def own(self) -> bool:
        """Whether the chip's arithmetic computes."""
        return "arithmetic" in self.effects

    @property
    def coarse(self) -> bool:
        """Whether weights are four values a neuron."""
        return "weight_precision" in self.effects


class Configuration(dict[int, Scale]):
    """The number formats of each population, and where everything went.

    Attributes
    ----------
    layout : Layout
    pairs : Pairs
    unit : float64, shape (cells,)
        Size of one level of a cell's weights, in what :attr:`Pairs.weight` is in.
    allowed, label, axon : int64, shape (pairs,)
        Types for which its source has an axon on the core, the type chosen, and that axon (-1 for
        a pair without a bit).
    value : int64, shape (cells, types)
        Synaptic values.
    ends : int64, shape (pairs,)
        Equal for pairs of one core, source and delay.
    axon_keys : int64, ascending
        Of the axons that are not relays': their end and type as one number.
    """

    layout: Layout
    pairs: Pairs
    unit: NDArray[np.float64]
    allowed: NDArray[np.int64]
    label: NDArray[np.int64]
    axon: NDArray[np.int64]
    value: NDArray[np.int64]
    ends: NDArray[np.int64]
    axon_keys: NDArray[np.int64]


def translate(network: Network, settings: Settings) -> Translation:
    """A network as the chip has it; see :meth:`hwmodels.chip.Chip.translate`."""
    configuration = Configuration()
    counts = network.rounding()
    effect, wait, one_state = _effects(network, settings)
    pairs = gather_pairs(network, effect, wait, one_state)
    configuration.pairs = pairs
    _choose_units(network, settings, configuration)
    label = _labels(network, settings, pairs)
    _lay_out(network, settings, configuration, label)
    return _finish(network, settings, configuration, effect, counts)


def retranslate(network: Network, since: Translation, settings: Settings) -> Translation:
    """The same in mid-run: cores, axons, relays and units stay, values and bits may change.

    Raises
    ------
    UnsupportedError
        When delays or a parameter that a register depends on have changed.
    """
    before: Any = since.formats
    for was, new in zip(since.network.populations, network.populations, strict=True):
        changed = [k for k, v in new.parameters.items() if not np.array_equal(was.parameters[k], v)]
        if settings.own and changed:
            raise UnsupportedError(
                f"population {new.label!r}: {', '.join(changed)} cannot be changed between runs "
                "on TrueNorth's arithmetic, whose registers depend on it; run with neurons=exact"
            )
    effect, wait, one_state = _effects(network, settings)
    pairs = gather_pairs(network, effect, wait, one_state)
    if not np.array_equal(pairs.delay, before.pairs.delay):
        label = network.projections[0].label if network.projections else ""
        raise UnsupportedError(
            f"projection {label!r} or another: delays cannot be changed between runs on "
            "TrueNorth, whose axons and relays depend on them; set them before the first run"
        )
    configuration = Configuration(before)
    configuration.__dict__.update(before.__dict__)
    configuration.pairs = pairs
    if settings.coarse and not np.array_equal(pairs.weight, before.pairs.weight):
        _settle(settings, configuration)
        configuration.axon = _axons(configuration, settings.spec.axon_types)
        lined = configuration.axon >= 0
        events = np.bincount(configuration.axon[lined], minlength=len(configuration.axon_keys))
        old = configuration.layout
        events = np.concatenate([events, old.axon_events[len(events) :]])
        configuration.layout = replace(old, axon_events=events)
    return _finish(network, settings, configuration, effect, network.rounding())


def _effects(
    network: Network, settings: Settings
) -> tuple[list[NDArray[np.float64]], list[int], list[bool]]:
    """For each projection: what its synapses add to a cell, ticks to wait, one state or two."""
    effect, wait, one_state = [], [], []
    for projection in network.projections:
        target = network.populations[projection.post]
        native = native_obstacle(target) is None
        one_state.append(native)
        if native:
            gain = receptor_gain(target)[projection.receptor][projection.target]
            effect.append(projection.weight * gain)
        elif "cond" in target.celltype and projection.receptor == "inhibitory":
            effect.append(-projection.weight)
        else:
            effect.append(projection.weight)
        waits = receptor_wait(target, network.timestep_ms, settings.centred) if native else {}
        wait.append(waits.get(projection.receptor, 0) if settings.own else 0)
    return effect, wait, one_state


def _choose_units(network: Network, settings: Settings, configuration: Configuration) -> None:
    """Scales of all populations that the chip computes, and the level of each cell's weights."""
    pairs, spec = configuration.pairs, settings.spec
    cells = int(network.offsets[-1])
    largest = np.zeros(cells)
    np.maximum.at(largest, pairs.target, np.abs(pairs.weight))
    configuration.unit = np.maximum(largest, 1e-300) / spec.value_max
    if settings.own:
        computed = [k for k, p in enumerate(network.populations) if not p.is_source]
        check_recordings(network, computed)
        check_currents(network)
    for index, population in enumerate(network.populations):
        own = slice(int(network.offsets[index]), int(network.offsets[index + 1]))
        if population.is_source or population.size == 0:
            continue
        if not settings.own and native_obstacle(population) is not None:
            continue
        first, last = np.searchsorted(pairs.target, (own.start, own.stop))
        some = np.unique(pairs.weight[first:last])
        configuration[index] = scale_population(
            population,
            largest[own] if settings.coarse or not settings.own else np.zeros(population.size),
            some if len(some) <= 16 else np.empty(0),
            network, spec, settings.stochastic_leak, settings.centred,
        )  # fmt: skip
        configuration.unit[own] = configuration[index].unit_mV


def _labels(network: Network, settings: Settings, pairs: Pairs) -> NDArray[np.int64]:
    """Types that pairs would take if axons were free."""
    label = np.empty(len(pairs.target), dtype=np.int64)
    for index in range(len(network.populations)):
        first, last = np.searchsorted(pairs.target, network.offsets[index : index + 2])
        types = settings.spec.axon_types
        label[first:last] = population_labels(pairs.weight[first:last], types, settings.coarse)
    return label


def _lay_out(
    network: Network, settings: Settings, configuration: Configuration, label: NDArray[np.int64]
) -> None:
    """Cells to cores, axons, values within them, relays."""
    spec, pairs = settings.spec, configuration.pairs
    placed = np.concatenate(
        [np.empty(0, dtype=bool), *(np.full(p.size, not p.is_source) for p in network.populations)]
    )
    cells = np.flatnonzero(placed)
    lined = label != NO_BIT
    columns = (pairs.source[lined], pairs.delay[lined], label[lined])
    key = _numbers(columns)
    start = np.searchsorted(pairs.target[lined], np.append(cells, len(placed)))
    limited = "fan_in" in settings.effects
    max_axons = spec.axons_per_core if limited else _NO_LIMIT
    core, cores = fill_cores(start.astype(np.int64), key, max_axons, spec.neurons_per_core)
    if cores < 0:
        cell = int(cells[-1 - cores])
        inputs = int(np.diff(start)[-1 - cores])
        raise CapacityError(
            f"{_name(network, cell)} has {inputs} inputs (a source with each of its delays is "
            f"one), a core of TrueNorth has {max_axons} axons: give it fewer inputs or let more "
            "of them share a source and a delay, or leave out the effect fan_in"
        )
    if cores > spec.cores:
        cell = int(cells[int(np.searchsorted(core, spec.cores))])
        raise CapacityError(
            f"{_name(network, cell)} does not fit: the {spec.cores} cores before it are full "
            f"({spec.axons_per_core} axons, {spec.neurons_per_core} neurons each), the network "
            f"takes {cores}; use fewer cells, more shared inputs, or more cores (columns=..., "
            "rows=...)"
        )
    core_of = np.full(len(placed), -1, dtype=np.int64)
    core_of[cells] = core

    # Axons: one for each core, source, delay and type.
    where = core_of[pairs.target]
    ends = _numbers((where, pairs.source, pairs.delay))
    allowed = np.zeros(int(ends.max(initial=-1)) + 1, dtype=np.int64)
    np.bitwise_or.at(allowed, ends[lined], 1 << label[lined])
    configuration.allowed = allowed[ends]
    configuration.label = label
    _settle(settings, configuration)
    label = configuration.label
    lined = label != NO_BIT
    configuration.axon_keys, first = np.unique(
        ends[lined] * spec.axon_types + label[lined], return_index=True
    )
    first = np.flatnonzero(lined)[first]
    configuration.ends = ends
    axon_key = configuration.axon = _axons(configuration, spec.axon_types)
    allowed[:] = 0  # what nobody chose has no axon
    np.bitwise_or.at(allowed, ends[lined], 1 << label[lined])
    configuration.allowed = allowed[ends]
    source, delay, axon_core = pairs.source[first], pairs.delay[first], where[first]

    axon_slot = _ranks(axon_core)
    neurons, axons = np.bincount(core, minlength=cores), np.bincount(axon_core, minlength=cores)
    relays = Relays(network, spec, neurons, axons, max_axons, len(placed), len(first))
    leg_unit, leg_axon, leg_delay = _connect(settings, relays, placed, source, delay)
    added = np.zeros(len(first) + len(relays.groups), dtype=np.int64)
    for axon, ticks in relays.late:
        added[axon] = ticks
    order = np.argsort(leg_unit, kind="stable")
    units = len(placed) + len(relays.units)
    more = np.array(relays.units, dtype=np.int64).reshape(-1, 3)
    groups = np.array(relays.groups, dtype=np.int64).reshape(-1, 4)
    cores = len(relays.neurons)
    synapses = np.bincount(
        axon_key[pairs.of_synapse][axon_key[pairs.of_synapse] >= 0], minlength=len(first)
    )
    unit_slot = np.zeros(len(placed), dtype=np.int64)
    unit_slot[cells] = _ranks(core)
    none = np.zeros(len(first), dtype=np.int64)
    configuration.layout = Layout(
        cores=cores,
        unit_core=np.concatenate([core_of, more[:, 0]]).astype(np.int32),
        unit_slot=np.concatenate([unit_slot, more[:, 1]]).astype(np.int32),
        unit_cell=np.concatenate([np.arange(len(placed)), more[:, 2]]).astype(np.int32),
        axon_core=np.concatenate([axon_core, groups[:, 0]]).astype(np.int32),
        axon_slot=np.concatenate([axon_slot, groups[:, 1]]).astype(np.int32),
        axon_type=np.concatenate([label[first], np.zeros_like(groups[:, 0])]).astype(np.int32),
        axon_events=np.concatenate(
            [np.bincount(axon_key[lined], minlength=len(first)), groups[:, 3]]
        ),
        axon_synapses=np.concatenate([synapses, np.zeros(len(groups), dtype=np.int64)]),
        axon_first=np.concatenate([none, groups[:, 2]]),
        axon_relays=np.concatenate([none, groups[:, 3]]),
        leg_start=np.searchsorted(leg_unit[order], np.arange(units + 1)).astype(np.int64),
        leg_axon=leg_axon[order],
        leg_delay=leg_delay[order],
        position=positions(cores, spec),
        relays=len(relays.units),
        added_ticks=added,
    )  # fmt: skip


def _axons(configuration: Configuration, types: int) -> NDArray[np.int64]:
    """The axon of each pair by its label."""
    axon = np.full(len(configuration.label), -1, dtype=np.int64)
    lined = configuration.label != NO_BIT
    wanted = configuration.ends[lined] * types + configuration.label[lined]
    axon[lined] = np.searchsorted(configuration.axon_keys, wanted)
    return axon


def _connect(
    settings: Settings,
    relays: Relays,
    placed: NDArray[np.bool_],
    source: NDArray[np.int64],
    delay: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Legs of all units: unit, axon and delay."""
    axons = np.arange(len(source))
    count = np.bincount(source, minlength=len(placed))
    plain = ~placed[source]
    if "fan_out" not in settings.effects:
        plain[:] = True
    else:
        plain |= (count[source] == 1) & (delay <= settings.spec.delay_ticks_max)
    order = np.lexsort((delay, source))
    order = order[~plain[order]]
    edges = np.flatnonzero(np.diff(source[order], prepend=-1, append=-1))
    for first, last in pairwise(edges.tolist()):
        mine = order[first:last]
        cell = int(source[mine[0]])
        relays.connect(cell, cell, mine.tolist(), delay[mine].tolist())
    legs = np.array(relays.legs, dtype=np.int64).reshape(-1, 3)
    return (
        np.concatenate([source[plain], legs[:, 0]]),
        np.concatenate([axons[plain], legs[:, 1]]),
        np.concatenate([delay[plain], legs[:, 2]]),
    )


def _settle(settings: Settings, configuration: Configuration) -> None:
    """Values of all cells, and labels within the axons there are."""
    pairs, spec = configuration.pairs, settings.spec
    cells = len(configuration.unit)
    configuration.value = np.zeros((cells, spec.axon_types), dtype=np.int64)
    if not settings.coarse:
        return
    start = np.searchsorted(pairs.target, np.arange(cells + 1)).astype(np.int64)
    label = configuration.label.copy()
    kernel(settle)(
        start, pairs.weight / configuration.unit[pairs.target], configuration.allowed, label, True,
        spec.axon_types, -spec.value_max - 1, spec.value_max, configuration.value,
    )  # fmt: skip
    configuration.label = label


def _finish(
    network: Network,
    settings: Settings,
    configuration: Configuration,
    effect: list[NDArray[np.float64]],
    counts: dict[str, int],
) -> Translation:
    """Weights, delays and tables as the configuration has them."""
    pairs, layout = configuration.pairs, configuration.layout
    rows: list[tuple] = []
    level = np.zeros(len(pairs.weight))
    lined = configuration.label != NO_BIT
    level[lined] = configuration.value[pairs.target[lined], configuration.label[lined]]
    quantised = level * configuration.unit[pairs.target]
    ratio = np.ones(len(level))
    np.divide(quantised, pairs.weight, out=ratio, where=pairs.weight != 0)
    added = np.where(configuration.axon >= 0, layout.added_ticks[configuration.axon], 0)
    projections, first = [], 0
    lost = late = 0
    for projection in network.projections:
        last = first + projection.n_synapses
        pair = pairs.of_synapse[first:last]
        if settings.coarse:
            projection, row = _coarse(network, projection, configuration, ratio[pair], pair)
            rows.append(row)
            lost += int(np.count_nonzero((~lined & (pairs.weight != 0))[pair]))
        if np.any(added[pair]):
            dt = network.timestep_ms
            delay = projection.delay_ms + added[pair] * dt
            rows.append(
                quantisation_row(projection.label, "delay", "ms", projection.delay_ms, delay, dt)
            )
            late += int(np.count_nonzero(added[pair]))
            projection = replace(projection, delay_ms=delay)
        projections.append(projection)
        first = last
    if settings.own:
        for index, scale in configuration.items():
            own = slice(int(network.offsets[index]), int(network.offsets[index + 1]))
            configuration[index] = with_values(scale, configuration.value[own])
            rows += parameter_rows(
                network.populations[index], scale, network.timestep_ms, settings.spec.draw_bits
            )
    counts |= {
        "relay neurons added": layout.relays,
        "synapses delayed by relays": late,
        "synapses too weak for a value": lost,
    }
    return Translation(
        replace(network, projections=tuple(projections)),
        np.array(rows, dtype=QUANTISATION),
        {name: count for name, count in counts.items() if count},
        configuration,
    )


def _coarse(
    network: Network,
    projection: Projection,
    configuration: Configuration,
    ratio: NDArray[np.float64],
    pair: NDArray[np.int64],
) -> tuple[Projection, tuple]:
    """A projection with its weights as the crossbar has them, and a row of QUANTISATION."""
    target = network.populations[projection.post]
    weight = projection.weight * ratio
    cell = configuration.pairs.target[pair]
    gain = np.ones(len(pair))
    if native_obstacle(target) is None:
        gain = receptor_gain(target)[projection.receptor][projection.target]
    step = float((configuration.unit[cell] / gain).max(initial=0.0))
    unit = weight_unit(target.celltype)
    row = quantisation_row(projection.label, "weight", unit, projection.weight, weight, step)
    return replace(projection, weight=weight), row


def physical_registers(network: Network, configuration: Configuration) -> NDArray[np.int32]:
    """Registers of all units: cells by global number, then relays, which repeat an axon."""
    layout = configuration.layout
    table = a.registers(len(layout.unit_core))
    for index, scale in configuration.items():
        table[network.offsets[index] : network.offsets[index + 1]] = scale.table
    relays = len(layout.unit_core) - layout.relays
    table[relays:, 0] = 1
    return table


def _numbers(columns: tuple[NDArray[np.int64], ...]) -> NDArray[np.int64]:
    """Equal numbers for equal rows, from 0 on, in the order of the rows."""
    number = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        span = int(column.max(initial=0)) + 1
        number = np.unique(number * span + column, return_inverse=True)[1].reshape(-1)
    return number


def _ranks(core: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which one of its core each is, from 0 in their order."""
    order = np.argsort(core, kind="stable")
    ranks = np.empty(len(core), dtype=np.int64)
    ranks[order] = np.arange(len(core)) - np.searchsorted(core[order], core[order])
    return ranks


def _name(network: Network, cell: int) -> str:
    population = int(np.searchsorted(network.offsets, cell, side="right")) - 1
    label = network.populations[population].label
    return f"cell {cell - network.offsets[population]} of population {label!r}"
