"""A network in the chip's terms: pairs, types, cores, axons, relays, and what that changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Translation
from hwmodels.chips.truenorth import arithmetic as a
from hwmodels.chips.truenorth.configuration import Configuration, Settings
from hwmodels.chips.truenorth.formats import (
    check_currents,
    native_obstacle,
    native_scale,
    parameter_rows,
    receptor_gain,
    receptor_wait,
    scale_population,
    with_values,
)
from hwmodels.chips.truenorth.native import CELLTYPE, RECEPTORS, check_crossbar
from hwmodels.chips.truenorth.placing import count_events, find_axons, lay_out, settle_values
from hwmodels.chips.truenorth.weights import NO_BIT, Pairs, gather_pairs, population_labels
from hwmodels.errors import UnsupportedError
from hwmodels.network import Network, Projection
from hwmodels.quantisation import quantisation_row, weight_unit
from hwmodels.recorder import only_recorded
from hwmodels.result import QUANTISATION


def translate(network: Network, settings: Settings) -> Translation:
    """A network as the chip has it; see :meth:`hwmodels.chip.Chip.translate`."""
    configuration = Configuration()
    counts: dict[str, int] = {}
    effect, wait, state = _effects(network, settings)
    pairs = gather_pairs(network, effect, wait, state, settings.spec.delay_ticks_max)
    configuration.pairs = pairs
    _choose_units(network, settings, configuration)
    label = _labels(network, settings, pairs)
    lay_out(network, settings, configuration, label)
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
    effect, wait, state = _effects(network, settings)
    pairs = gather_pairs(network, effect, wait, state, settings.spec.delay_ticks_max)
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
        settle_values(settings, configuration)
        configuration.axon = find_axons(configuration, settings.spec.axon_types)
        old, events = configuration.layout, count_events(configuration)
        events = np.concatenate([events, old.axon_events[len(events) :]])
        configuration.layout = replace(old, axon_events=events)
    return _finish(network, settings, configuration, effect, {})


def _effects(
    network: Network, settings: Settings
) -> tuple[list[NDArray[np.float64]], list[int], list[int]]:
    """For each projection: what its synapses add to a cell, ticks to wait, on which state."""
    check_crossbar(network)
    effect, wait, state = [], [], []
    for projection in network.projections:
        target = network.populations[projection.post]
        native = native_obstacle(target) is None
        if target.celltype == CELLTYPE:
            state.append(RECEPTORS.index(projection.receptor))
        else:
            state.append(int(not native and projection.receptor != "excitatory"))
        if native:
            gain = receptor_gain(target)[projection.receptor][projection.target]
            effect.append(projection.weight * gain)
        elif "cond" in target.celltype and projection.receptor == "inhibitory":
            effect.append(-projection.weight)
        else:
            effect.append(projection.weight)
        waits = receptor_wait(target, network.timestep_ms, settings.centred) if native else {}
        wait.append(waits.get(projection.receptor, 0) if settings.own else 0)
    return effect, wait, state


def _choose_units(network: Network, settings: Settings, configuration: Configuration) -> None:
    """Scales of all populations that the chip computes, and the level of each cell's weights."""
    pairs, spec = configuration.pairs, settings.spec
    cells = int(network.offsets[-1])
    largest = np.zeros(cells)
    configuration.native = {}
    np.maximum.at(largest, pairs.target, np.abs(pairs.weight))
    configuration.unit = np.maximum(largest, 1e-300) / spec.value_max
    if settings.own:
        only_recorded(network, ("v",), "TrueNorth's neurons, whose only state is the potential")
        check_currents(network)
    for index, population in enumerate(network.populations):
        own = slice(int(network.offsets[index]), int(network.offsets[index + 1]))
        if population.is_source or population.size == 0:
            continue
        if not settings.own and native_obstacle(population) is not None:
            continue
        if population.celltype == CELLTYPE:
            configuration[index] = native_scale(population, spec)
            configuration.native[own.start] = configuration[index].table
            configuration.unit[own] = 1.0
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
        if network.populations[index].celltype == CELLTYPE:
            there = pairs.weight[first:last] != 0
            label[first:last] = np.where(there, pairs.state[first:last], NO_BIT)
            continue
        label[first:last] = population_labels(pairs.weight[first:last], types, settings.coarse)
    return label


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
    added = _added(configuration)
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
        "counter neurons added": layout.counters,
        "synapses delayed by relays or counters": late,
        "synapses too weak for a value": lost,
    }
    return Translation(
        replace(network, projections=tuple(projections)),
        np.array(rows, dtype=QUANTISATION),
        {name: count for name, count in counts.items() if count},
        configuration,
    )


def _added(configuration: Configuration) -> NDArray[np.int64]:
    """Ticks by which relays and counters make each pair later than asked for."""
    layout, merging = configuration.layout, configuration.merging
    added = np.zeros(len(configuration.axon), dtype=np.int64)
    direct = configuration.axon >= 0
    added[direct] = layout.added_ticks[configuration.axon[direct]]
    merged = merging.entry >= 0
    entry = merging.entry[merged]
    added[merged] = merging.late[entry] + layout.added_ticks[layout.entry_axon[entry]]
    return added


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
    own = target.celltype == CELLTYPE
    step = 1.0 if own else float((configuration.unit[cell] / gain).max(initial=0.0))
    unit = weight_unit(target.celltype)
    row = quantisation_row(projection.label, "weight", unit, projection.weight, weight, step)
    return replace(projection, weight=weight), row


def physical_registers(network: Network, configuration: Configuration) -> NDArray[np.int32]:
    """Registers of all units: cells by global number, counters, relays, which repeat an axon."""
    layout = configuration.layout
    table = a.registers(len(layout.unit_core))
    for index, scale in configuration.items():
        table[network.offsets[index] : network.offsets[index + 1]] = scale.table
    relays = len(layout.unit_core) - layout.relays
    table[relays - layout.counters :, :4] = 1
    counters = slice(relays - layout.counters, relays)
    first = np.repeat(layout.group_first, layout.group_counters)
    table[counters, a.LEAK] = first - np.arange(counters.start, counters.stop)
    table[counters, a.SILENT] = 1
    return table
