"""A network as a DynapSE board holds it: biases, CAM words, routing words, and what that changed.

The translated network is what the board effectively computes: weights are multiples of a core's
currents, synapses that found no CAM word weigh nothing, senders whose tags are alike are heard by
each other's listeners (as projections of their own), and parameters are those of ideal cells that
behave as these devices do. So exact neurons on this fabric and silicon neurons see one network,
and every effect can be switched alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Translation
from hwmodels.chips.dynapse.cam import (
    Synapses,
    all_synapses,
    fit_levels,
    limit_fan_in,
    lost_levels,
)
from hwmodels.chips.dynapse.devices import (
    bias_current,
    draw_mismatch,
    pulse_factor,
    rounded,
    scattered,
)
from hwmodels.chips.dynapse.faults import FaultProfile
from hwmodels.chips.dynapse.layout import Layout, lay_out
from hwmodels.chips.dynapse.projections import aliased, scattered_weights, with_weights
from hwmodels.chips.dynapse.routing import Routing, aliases, build_routing, limit_fan_out
from hwmodels.chips.dynapse.silicon import (
    Silicon,
    equivalent,
    native_obstacle,
    silicon_cells,
)
from hwmodels.chips.dynapse.spec import DynapseSpec
from hwmodels.errors import UnsupportedError
from hwmodels.network import Network, Population, Projection
from hwmodels.quantisation import quantisation_row, weight_unit
from hwmodels.result import QUANTISATION

#: Effects that write something into the board before a run, which then stays.
WRITTEN = frozenset(
    ("fan_in", "fan_out", "weight_precision", "tags", "shared_biases", "bias_precision",
     "mismatch", "cam_faults", "arithmetic")
)  # fmt: skip

#: Units of the parameters whose change a report shows.
_UNITS = {
    "tau_m": "ms", "tau_syn_E": "ms", "tau_syn_I": "ms", "tau_refrac": "ms", "tau_w": "ms",
    "cm": "nF", "v_rest": "mV", "v_reset": "mV", "v_thresh": "mV", "v_spike": "mV", "b": "nA",
    "i_offset": "nA", "a": "nS", "delta_T": "mV", "e_rev_E": "mV", "e_rev_I": "mV",
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What of a chip decides a translation."""

    spec: DynapseSpec
    effects: Collection[str]
    truncate: bool
    sharing_mean: bool
    monitored: bool
    seed: int
    profile: FaultProfile | None
    avoid_faults: bool
    mapper: str

    @property
    def avoids(self) -> bool:
        """Whether tags are chosen for which few words fail."""
        return self.avoid_faults and "cam_faults" in self.effects


@dataclass(frozen=True, eq=False)
class Configuration(Mapping[int, Silicon]):
    """What is written into the board before a run; by population, its silicon neurons.

    Attributes
    ----------
    source : Network
        As it was given.
    silicon : mapping of int to Silicon
        Populations that silicon neurons can stand for.
    layout : Layout
    synapses : Synapses
        Of the projections that were given, with the levels written.
    kind : int64, shape (synapses of the translated network,)
        Type of each synapse, with those of senders heard by mistake.
    routing : Routing
    """

    source: Network
    silicon: Mapping[int, Silicon]
    layout: Layout
    synapses: Synapses
    kind: NDArray[np.int64]
    routing: Routing

    def __getitem__(self, population: int) -> Silicon:
        return self.silicon[population]

    def __iter__(self) -> Iterator[int]:
        return iter(self.silicon)

    def __len__(self) -> int:
        return len(self.silicon)


class _Accounts:
    """What a translation changed so far."""

    def __init__(self) -> None:
        self.rows: list[tuple] = []
        self.counts: dict[str, int] = {}

    def count(self, name: str, number: int | np.integer) -> None:
        if number:
            self.counts[name] = self.counts.get(name, 0) + int(number)

    def parameters(self, before: Population, after: Mapping[str, NDArray[np.float64]]) -> None:
        """A row for each parameter that differs from what was asked for."""
        for name, values in after.items():
            if not np.array_equal(values, before.parameters[name]):
                unit = _UNITS.get(name, "")
                exact = before.parameters[name]
                self.rows.append(quantisation_row(before.label, name, unit, exact, values, 0.0))


def translate(network: Network, settings: Settings) -> Translation:
    """Write a network into a board; see :class:`hwmodels.chip.Chip`."""
    spec, effects = settings.spec, settings.effects
    _check_dynamics(network)
    accounts = _Accounts()
    accounts.counts |= network.rounding()
    given = network
    if "shared_biases" in effects and settings.sharing_mean:
        network = _with_mean_parameters(network, accounts)
    exact = _silicon(network, settings, accounts)

    synapses = all_synapses(network, signed="arithmetic" in effects)
    if "fan_in" in effects:
        dropped = limit_fan_in(network, synapses, spec, settings.truncate)
        accounts.count("synapses dropped for lack of CAM words", dropped)
    layout = lay_out(network, spec, "shared_biases" in effects, settings.mapper)
    if "fan_out" in effects:
        words = spec.sram_words - (spec.monitor_words if settings.monitored else 0)
        dropped = limit_fan_out(network, synapses, layout, spec, words, settings.truncate)
        accounts.count("synapses dropped for lack of routing words", dropped)

    written = {k: _biases(cells, network, k, layout, settings) for k, cells in exact.items()}
    weight = _weights(network, exact, written, synapses, layout, settings, accounts)
    routing = build_routing(
        synapses, layout, spec, spec.hierarchy(), settings.profile if settings.avoids else None
    )
    if "cam_faults" in effects:
        tags = routing.tags_of(synapses, layout, spec)
        neuron = layout.neuron(spec)[synapses.target]
        lost = lost_levels(synapses, tags, neuron, spec, settings.seed, settings.profile)
        weight = np.where(lost > 0, weight * (1 - lost / np.maximum(synapses.level, 1)), weight)
        accounts.count("synapses weakened or lost by faulty CAM words", np.count_nonzero(lost))
    projections = with_weights(network, weight)
    if "delays" in effects:
        projections = _without_delays(network, projections, settings, accounts)
    kind = synapses.kind
    if "tags" in effects:
        sender, heard = aliases(routing, synapses, layout)
        accounts.count("synapses added by equal tags", len(heard))
        more, which = aliased(network, projections, sender, heard)
        projections, kind = projections + more, np.concatenate((kind, kind[which]))

    populations = list(network.populations)
    actual = dict(written)
    if "bias_precision" in effects or "shared_biases" in effects:
        for k, cells in written.items():
            if cells is exact[k]:
                continue
            population = network.populations[k]
            changed = equivalent(population, exact[k], cells, spec)
            accounts.parameters(population, changed)
            populations[k] = replace(population, parameters=changed)
    if "mismatch" in effects:
        factors = draw_mismatch(spec, settings.seed)
        neuron = layout.neuron(spec)
        weightless = 0
        for k, population in enumerate(network.populations):
            if k in written:
                here = neuron[network.offsets[k] : network.offsets[k + 1]]
                drawn = {name: values[..., here] for name, values in factors.items()}
                actual[k] = scattered(written[k], drawn)
                changed = equivalent(population, exact[k], actual[k], spec)
                populations[k] = replace(population, parameters=changed)
            elif not population.is_source:
                weightless += population.size
        accounts.count("cells where mismatch acts on weights alone", weightless)
        projections = scattered_weights(network, projections, factors["weight"], neuron, kind)
    translated = replace(given, populations=tuple(populations), projections=projections)
    return Translation(
        translated,
        np.array(accounts.rows, dtype=QUANTISATION),
        accounts.counts,
        Configuration(given, actual, layout, synapses, kind, routing),
    )


def retranslate(network: Network, since: Translation, settings: Settings) -> Translation:
    """A network that changed between two runs, with what was written before the first.

    Raises
    ------
    UnsupportedError
        When something changed that the board holds.
    """
    configuration: Any = since.formats
    before = configuration.source
    for old, new in zip(before.populations, network.populations, strict=True):
        same = all(old.parameters[n] is values for n, values in new.parameters.items())
        if not same and WRITTEN & set(settings.effects):
            raise UnsupportedError(
                f"population {new.label!r}: parameters cannot be changed between runs on DynapSE, "
                "whose biases are written once; use one run, or effects=fabric"
            )
    for old_p, new_p in zip(before.projections, network.projections, strict=True):
        if new_p.weight is not old_p.weight and WRITTEN & set(settings.effects):
            raise UnsupportedError(
                f"projection {new_p.label!r}: weights cannot be changed between runs on DynapSE, "
                "whose CAM words are written once; use one run, or effects=fabric"
            )
    if not WRITTEN & set(settings.effects):
        projections = network.projections
        if "delays" in settings.effects:
            projections = _without_delays(network, projections, settings, _Accounts())
        return since._replace(network=replace(network, projections=projections))
    populations = tuple(
        replace(new, parameters=old.parameters)
        for old, new in zip(since.network.populations, network.populations, strict=True)
    )
    return since._replace(
        network=replace(network, populations=populations, projections=since.network.projections)
    )


def _check_dynamics(network: Network) -> None:
    for projection in network.projections:
        if projection.dynamics.kind != "static":
            raise UnsupportedError(
                f"projection {projection.label!r}: {projection.dynamics.kind!r} synapses: DynapSE "
                "does not learn, its CAM words are fixed; use static synapses"
            )


def _with_mean_parameters(network: Network, accounts: _Accounts) -> Network:
    """Each population with the mean of its cells' parameters."""
    populations = []
    for population in network.populations:
        means = {
            name: np.full(population.size, values.mean()) if np.ptp(values) > 0 else values
            for name, values in population.parameters.items()
            if population.size
        }
        accounts.parameters(population, means)
        populations.append(replace(population, parameters=means or population.parameters))
    return replace(network, populations=tuple(populations))


def _silicon(network: Network, settings: Settings, accounts: _Accounts) -> dict[int, Silicon]:
    """Exact currents of all populations that have some; all must, for the chip's own neurons."""
    cells = {}
    for index, population in enumerate(network.populations):
        if population.is_source or not population.size:
            continue
        own = "arithmetic" in settings.effects
        if not own and native_obstacle(population, settings.spec) is not None:
            continue
        cells[index] = silicon_cells(population, settings.spec)
        if own and "a" in population.parameters:
            left_out = int(np.count_nonzero(population.parameters["a"]))
            accounts.count("cells whose subthreshold adaptation is left out", left_out)
    return cells


def _biases(
    exact: Silicon, network: Network, index: int, layout: Layout, settings: Settings
) -> Silicon:
    """The currents that are written into the board for a population."""
    cells = exact
    core = layout.core[network.offsets[index] : network.offsets[index + 1]]
    if "shared_biases" in settings.effects:
        # Cells with another leak than the first of their core have its gain and constant current.
        used, first, inverse = np.unique(core, return_index=True, return_inverse=True)
        slot = layout.slot[network.offsets[index] : network.offsets[index + 1]]
        for number in range(len(used)):
            here = np.flatnonzero(inverse == number)
            first[number] = here[np.argmin(slot[here])]
        gain, dc = cells.gain[first[inverse]], cells.dc[first[inverse]]
        if not (np.array_equal(gain, cells.gain) and np.array_equal(dc, cells.dc)):
            cells = replace(cells, gain=gain, dc=dc)
    return rounded(cells, settings.spec) if "bias_precision" in settings.effects else cells


def _weights(
    network: Network,
    exact: Mapping[int, Silicon],
    written: Mapping[int, Silicon],
    synapses: Synapses,
    layout: Layout,
    settings: Settings,
    accounts: _Accounts,
) -> NDArray[np.float64]:
    """Weights in PyNN's units as CAM words make them; sets the levels of the synapses."""
    spec, effects = settings.spec, settings.effects
    weight = np.where(synapses.level > 0, synapses.weight, 0.0)
    kept = synapses.level > 0
    if "weight_precision" in effects:
        n_cells = len(layout.core)
        # Silicon neurons count in A, others in the unit of their weights.
        gain, factor = np.ones((4, n_cells)), np.ones((4, n_cells))
        native = np.zeros(n_cells, dtype=bool)
        for k, cells in exact.items():
            here = slice(network.offsets[k], network.offsets[k + 1])
            gain[:, here], native[here] = cells.weight_gain, True
            factor[:, here] = pulse_factor(written[k].synapse_leak, spec)
        before = gain[synapses.kind, synapses.target]
        strength = np.abs(synapses.weight) * before
        unit = fit_levels(synapses, strength, layout, spec, "fan_in" in effects)
        # Where that chose the other type of excitation: it has a gate to make up for.
        at = synapses.kind, synapses.target
        unit = unit * (gain[at] / before)
        if "bias_precision" in effects:
            made = bias_current(unit / factor[at], spec, spec.weight_bias_scale) * factor[at]
            unit = np.where(native[synapses.target], made, unit)
        sign = np.sign(synapses.weight)
        fitted = sign * synapses.level * unit / gain[at]
        # A weight that is met stays the number it was.
        met = np.abs(fitted - synapses.weight) <= 1e-12 * np.abs(synapses.weight)
        weight = np.where(met & kept, synapses.weight, fitted)
        accounts.count("weights rounded to zero", np.count_nonzero(kept & (synapses.level == 0)))
        for k, projection in enumerate(network.projections):
            here = (synapses.projection == k) & kept
            kind = weight_unit(network.populations[projection.post].celltype)
            steps = unit[here] / gain[synapses.kind[here], synapses.target[here]]
            accounts.rows.append(
                quantisation_row(
                    projection.label, "weight", kind, synapses.weight[here], weight[here],
                    float(steps.max(initial=0.0)),
                )
            )  # fmt: skip
    return weight


def _without_delays(
    network: Network,
    projections: tuple[Projection, ...],
    settings: Settings,
    accounts: _Accounts,
) -> tuple[Projection, ...]:
    """Synapses act when their packet arrives; on a grid that is the next step."""
    least = 0.0 if "arithmetic" in settings.effects else network.timestep_ms
    changed = []
    for projection in projections:
        short = np.full(projection.n_synapses, least)
        differs = projection.delay_ms > least
        if np.any(differs):
            accounts.count("synaptic delays that no delay element holds", int(differs.sum()))
            row = quantisation_row(projection.label, "delay", "ms", projection.delay_ms, short, 0.0)
            accounts.rows.append(row)
        changed.append(replace(projection, delay_ms=short))
    return tuple(changed)
