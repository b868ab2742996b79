"""Mapping: cells and counters to cores, axons, values within them, and the relays in between."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.truenorth.configuration import Configuration, Settings
from hwmodels.chips.truenorth.layout import Layout, Relays, fill_cores, positions
from hwmodels.chips.truenorth.merging import Merging, find_groups
from hwmodels.chips.truenorth.weights import NO_BIT, Pairs, kernel, settle
from hwmodels.errors import CapacityError
from hwmodels.mapping.arranging import arrange
from hwmodels.mapping.traffic import partition
from hwmodels.network import Network

_NO_LIMIT = 1 << 60
#: Cells a core, below which a partition takes long and gains little: most of a core are relays.
_FEWEST = 8


def lay_out(
    network: Network, settings: Settings, configuration: Configuration, label: NDArray[np.int64]
) -> None:
    """Cells to cores, axons, values within them, relays."""
    spec, pairs = settings.spec, configuration.pairs
    placed = np.concatenate(
        [np.empty(0, dtype=bool), *(np.full(p.size, not p.is_source) for p in network.populations)]
    )
    cells = np.flatnonzero(placed)
    max_axons = spec.axons_per_core if "fan_in" in settings.effects else _NO_LIMIT
    most = max_axons if settings.counters else _NO_LIMIT
    merging = find_groups(network, pairs, label, most, settings.counters)
    configuration.merging, direct = merging, merging.group < 0

    # Parts of cores are cells and groups of counters; a row is an axon that a part listens to.
    part_of = np.full(len(placed), -1, dtype=np.int64)
    part_of[cells] = np.arange(len(cells))
    size = np.concatenate([np.ones(len(cells), dtype=np.int64), merging.counters])
    more = _rows_of_groups(merging, pairs, part_of, len(cells), len(placed))
    listens = direct & (label != NO_BIT)
    source, delay, kind, part = (
        np.concatenate([mine[listens], others])
        for mine, others in zip(
            (pairs.source, pairs.delay, label, part_of[pairs.target]), more, strict=True
        )
    )
    order = np.argsort(part, kind="stable")
    start = np.searchsorted(part[order], np.arange(len(size) + 1)).astype(np.int64)
    key = _numbers((source, delay, kind))[order]
    limits = (max_axons, spec.neurons_per_core)
    core, cores = fill_cores(start, key, size, *limits)
    if settings.mapper == "traffic" and 1 < cores <= spec.cores:
        core, cores = _together(network, cells, (start, key, size), limits, (core, cores))
    if cores < 0:
        raise _too_many_inputs(
            network, settings, pairs, int(cells[-1 - cores]), start[-cores] - start[-1 - cores]
        )
    if cores > spec.cores:
        late = int(np.searchsorted(core, spec.cores))
        what = "does not fit"
        if late < len(cells):
            cell = int(cells[late])
        else:
            cell = int(pairs.target[np.argmax(merging.group == late - len(cells))])
            what = "needs counters for its inputs that do not fit"
        raise CapacityError(
            f"{_name(network, cell)} {what}: all {spec.cores} cores are full "
            f"({spec.axons_per_core} axons, {spec.neurons_per_core} neurons each), the network "
            f"takes {cores}; use fewer cells, more shared inputs, or more chips "
            "(chip_columns=..., chip_rows=...)"
        )

    # Ends are a core, a source and a delay; with a type they are an axon.
    where = np.where(direct, core[part_of[pairs.target]], -1)
    mine = np.flatnonzero(direct)
    ends = _numbers(
        tuple(
            np.concatenate([own[mine], others])
            for own, others in (
                (where, core[more[3]]), (pairs.source, more[0]), (pairs.delay, more[1])
            )
        )
    )  # fmt: skip
    configuration.ends = np.full(len(label), -1, dtype=np.int64)
    configuration.ends[mine], other_ends = ends[: len(mine)], ends[len(mine) :]
    configuration.label = label
    configuration.allowed = _allowed(configuration, spec.axon_types, other_ends, more[2])
    settle_values(settings, configuration)
    configuration.allowed = _allowed(configuration, spec.axon_types, other_ends, more[2])
    listens = direct & (configuration.label != NO_BIT)
    number = np.concatenate(
        [
            configuration.ends[listens] * spec.axon_types + configuration.label[listens],
            other_ends * spec.axon_types + more[2],
        ]
    )
    configuration.axon_keys, first = np.unique(number, return_index=True)
    configuration.axon = find_axons(configuration, spec.axon_types)
    configuration.more_axon = np.searchsorted(
        configuration.axon_keys, other_ends * spec.axon_types + more[2]
    )
    configuration.more_part, configuration.part_size = more[3], size

    axon_source, axon_delay, axon_type, axon_core = (
        np.concatenate([own[listens], others])[first]
        for own, others in (
            (pairs.source, more[0]), (pairs.delay, more[1]), (configuration.label, more[2]),
            (where, core[more[3]]),
        )
    )  # fmt: skip
    counters = int(merging.counters.sum())
    senders = np.concatenate([placed, np.ones(counters, dtype=bool)])
    first_entry = np.searchsorted(merging.entry_group, np.arange(len(merging.counters)))
    sender_cell = np.concatenate(
        [np.arange(len(placed)), np.repeat(merging.entry_source[first_entry], merging.counters)]
    )
    neurons = np.bincount(core, size, cores).astype(np.int64)
    axons = np.bincount(axon_core, minlength=cores)
    relays = Relays(network, spec, neurons, axons, max_axons, len(senders), len(first))
    leg_unit, leg_axon, leg_delay = _connect(
        settings, relays, senders, sender_cell, axon_source, axon_delay
    )
    added = np.zeros(len(first) + len(relays.groups), dtype=np.int64)
    for axon, ticks in relays.late:
        added[axon] = ticks
    units = np.array(relays.units, dtype=np.int64).reshape(-1, 3)
    groups = np.array(relays.groups, dtype=np.int64).reshape(-1, 4)
    slot = _ranks(core, size)
    unit_core, unit_slot = np.full((2, len(placed)), -1, dtype=np.int64)
    unit_core[cells], unit_slot[cells] = core[: len(cells)], slot[: len(cells)]
    of_group = len(cells) + np.repeat(np.arange(len(merging.counters)), merging.counters)
    rank = np.arange(counters) - np.repeat(merging.first, merging.counters)
    order = np.argsort(leg_unit, kind="stable")
    entries = len(merging.entry_group)
    none = np.zeros(len(first), dtype=np.int64)
    cores = len(relays.neurons)
    sender_core = np.concatenate([unit_core, core[of_group], units[:, 0]])
    receiver_core = np.concatenate([axon_core, groups[:, 0]])
    at = np.arange(cores)
    if settings.mapper == "traffic" and cores > 1:
        at = np.argsort(
            arrange(
                sender_core[leg_unit],
                receiver_core[leg_axon],
                positions(cores, spec),
                (spec.host_column, spec.host_row),
            )
        )
    configuration.layout = Layout(
        cores=cores,
        unit_core=sender_core.astype(np.int32),
        unit_slot=np.concatenate([unit_slot, slot[of_group] + rank, units[:, 1]]).astype(np.int32),
        unit_cell=np.concatenate([sender_cell, units[:, 2]]).astype(np.int32),
        axon_core=receiver_core.astype(np.int32),
        axon_slot=np.concatenate([_ranks(axon_core), groups[:, 1]]).astype(np.int32),
        axon_type=np.concatenate([axon_type, np.zeros_like(groups[:, 0])]).astype(np.int32),
        axon_events=np.concatenate([count_events(configuration), groups[:, 3]]),
        axon_synapses=np.concatenate([_served(configuration), np.zeros_like(groups[:, 0])]),
        axon_first=np.concatenate([none, groups[:, 2]]),
        axon_relays=np.concatenate([none, groups[:, 3]]),
        leg_start=np.searchsorted(
            leg_unit[order], np.arange(len(senders) + len(units) + 1)
        ).astype(np.int64),
        leg_axon=leg_axon[order],
        leg_delay=leg_delay[order],
        position=positions(cores, spec)[at],
        relays=len(relays.units),
        counters=counters,
        entry_axon=configuration.more_axon[len(more[0]) - entries :],
        entry_group=merging.entry_group,
        group_first=len(placed) + merging.first,
        group_counters=merging.counters,
        added_ticks=added,
    )  # fmt: skip


def _together(
    network: Network,
    cells: NDArray[np.int64],
    parts: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    limits: tuple[int, int],
    plain: tuple[NDArray[np.int64], int],
) -> tuple[NDArray[np.int64], int]:
    """Cores of parts with fewer axons in all: cells that talk to each other share one.

    Groups of counters, which follow the cells, stay in their order behind them. What takes more
    cores or axons than the plain filling is not taken.
    """
    start, key, size = parts
    core, cores = plain
    if _FEWEST * cores > len(cells):
        return plain
    units = np.zeros(int(network.offsets[-1]), dtype=np.int64)
    units[cells] = 1
    part = partition(network, units, cores, limits[1])[cells]
    # The groups come last, and begin a core of their own.
    group = np.concatenate([part, np.full(len(size) - len(cells), cores)])
    order = np.argsort(group, kind="stable").astype(np.int64)
    border = np.zeros(len(size), dtype=bool)
    border[order[1:]] = np.diff(group[order]) > 0
    best, least = plain, _axons(core, start, key)
    for begins in (border, np.zeros_like(border)):
        candidate = fill_cores(start, key, size, *limits, order, begins)
        if 0 < candidate[1] <= cores and (axons := _axons(candidate[0], start, key)) < least:
            best, least = candidate, axons
    return best


def _axons(core: NDArray[np.int64], start: NDArray[np.int64], key: NDArray[np.int64]) -> int:
    """Axons of all cores together."""
    of_core = np.repeat(core, np.diff(start))
    return len(np.unique(of_core * (int(key.max(initial=0)) + 1) + key))


def _rows_of_groups(
    merging: Merging, pairs: Pairs, part_of: NDArray[np.int64], cells: int, units: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Source, delay, type and part of axons: from counters to cells, then to counters."""
    merged = np.flatnonzero(merging.group >= 0)
    groups = max(len(merging.counters), 1)
    key = np.unique(pairs.target[merged] * groups + merging.group[merged])
    target, group = key // groups, key % groups
    count = merging.counters[group]
    before = np.cumsum(count) - count
    counter = np.repeat(merging.first[group] - before, count) + np.arange(int(count.sum()))
    return (
        np.concatenate([units + counter, merging.entry_source]),
        np.concatenate([np.ones(len(counter), dtype=np.int64), merging.entry_delay]),
        np.concatenate(
            [np.repeat(merging.label[group], count), np.zeros_like(merging.entry_group)]
        ),
        np.concatenate([np.repeat(part_of[target], count), cells + merging.entry_group]),
    )


def _allowed(
    configuration: Configuration,
    types: int,
    other_ends: NDArray[np.int64],
    other_type: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Types for which each pair has an axon; the bit behind them where it cannot go without."""
    ends, label = configuration.ends, configuration.label
    table = np.zeros(max(int(ends.max(initial=-1)), int(other_ends.max(initial=-1))) + 1, np.int64)
    listens = (ends >= 0) & (label != NO_BIT)
    np.bitwise_or.at(table, ends[listens], 1 << label[listens])
    np.bitwise_or.at(table, other_ends, 1 << other_type)
    merged = (1 << types) | (1 << np.maximum(label, 0))
    if not len(table):
        return merged
    return np.where(ends >= 0, table[ends], merged)


def count_events(configuration: Configuration) -> NDArray[np.int64]:
    """Crossbar bits of each axon but those of relays."""
    axons = len(configuration.axon_keys)
    direct = np.bincount(configuration.axon[configuration.axon >= 0], minlength=axons)
    others = configuration.part_size[configuration.more_part]
    return direct + np.bincount(configuration.more_axon, others, axons).astype(np.int64)


def _served(configuration: Configuration) -> NDArray[np.int64]:
    """Synapses that a spike on each axon serves; one a cell for an axon from a counter."""
    axons = len(configuration.axon_keys)
    axon = configuration.axon[configuration.pairs.of_synapse]
    cells = configuration.more_part < len(configuration.part_size) - len(
        configuration.merging.counters
    )
    counted = np.bincount(configuration.more_axon[cells], minlength=axons)
    return np.bincount(axon[axon >= 0], minlength=axons) + counted


def find_axons(configuration: Configuration, types: int) -> NDArray[np.int64]:
    """The axon of each pair by its label."""
    axon = np.full(len(configuration.label), -1, dtype=np.int64)
    lined = (configuration.label != NO_BIT) & (configuration.ends >= 0)
    wanted = configuration.ends[lined] * types + configuration.label[lined]
    axon[lined] = np.searchsorted(configuration.axon_keys, wanted)
    return axon


def settle_values(settings: Settings, configuration: Configuration) -> None:
    """Values of all cells, and labels within the axons there are."""
    pairs, spec = configuration.pairs, settings.spec
    cells = len(configuration.unit)
    configuration.value = np.zeros((cells, spec.axon_types), dtype=np.int64)
    given = np.zeros(cells, dtype=bool)
    for first, table in configuration.native.items():
        given[first : first + len(table)] = True
        configuration.value[first : first + len(table)] = table[:, : spec.axon_types]
    if not settings.coarse:
        return
    start = np.searchsorted(pairs.target, np.arange(cells + 1)).astype(np.int64)
    label, value = configuration.label.copy(), configuration.value.copy()
    kernel(settle)(
        start, pairs.weight / configuration.unit[pairs.target], configuration.allowed, label, True,
        spec.axon_types, -spec.value_max - 1, spec.value_max, value,
    )  # fmt: skip
    # The chip's own neurons have their values and types.
    configuration.value = np.where(given[:, None], configuration.value, value)
    configuration.label = np.where(given[pairs.target], configuration.label, label)


def _connect(
    settings: Settings,
    relays: Relays,
    placed: NDArray[np.bool_],
    cell_of: NDArray[np.int64],
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
        unit = int(source[mine[0]])
        relays.connect(unit, int(cell_of[unit]), mine.tolist(), delay[mine].tolist())
    legs = np.array(relays.legs, dtype=np.int64).reshape(-1, 3)
    return (
        np.concatenate([source[plain], legs[:, 0]]),
        np.concatenate([axons[plain], legs[:, 1]]),
        np.concatenate([delay[plain], legs[:, 2]]),
    )


def _too_many_inputs(
    network: Network, settings: Settings, pairs: Pairs, cell: int, axons: int
) -> CapacityError:
    spec = settings.spec
    inputs = int(np.count_nonzero(pairs.target == cell))
    merged = f" and takes {axons} of them in groups of counters" if settings.counters else ""
    way = "" if settings.counters else "let counters merge them (overflow=merge), "
    return CapacityError(
        f"{_name(network, cell)} has {inputs} inputs (a source with each of its delays is one), a "
        f"core of TrueNorth has {spec.axons_per_core} axons{merged}: {way}give it fewer inputs "
        "or let more of them share a source and a delay, or leave out the effect fan_in"
    )


def _numbers(columns: tuple[NDArray[np.int64], ...]) -> NDArray[np.int64]:
    """Equal numbers for equal rows, from 0 on, in the order of the rows."""
    number = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        span = int(column.max(initial=0)) + 1
        number = np.unique(number * span + column, return_inverse=True)[1].reshape(-1)
    return number


def _ranks(core: NDArray[np.int64], size: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Where on its core each begins, in their order, when each takes so much; 1 by default."""
    order = np.argsort(core, kind="stable")
    taken = np.ones(len(core), dtype=np.int64) if size is None else size[order]
    before = np.cumsum(taken) - taken
    ranks = np.empty(len(core), dtype=np.int64)
    ranks[order] = before - before[np.searchsorted(core[order], core[order])] if len(core) else 0
    return ranks


def _name(network: Network, cell: int) -> str:
    population = int(np.searchsorted(network.offsets, cell, side="right")) - 1
    label = network.populations[population].label
    return f"cell {cell - network.offsets[population]} of population {label!r}"
