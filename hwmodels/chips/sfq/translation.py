"""A network as an SFQ chip holds it: quanta, thresholds, weight currents, and what that changed.

A membrane is counted in quanta ``q = (v_thresh - v_rest) / N`` for a threshold of ``N`` of them; a
weight is ``k`` quanta (datasheet 7). ``N`` is the one, of those the chip has, with which the
weights onto a population are met best; of equals, the smallest.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Translation
from hwmodels.chips.sfq.configuration import Configuration, Settings, Somas, Weights
from hwmodels.chips.sfq.devices import chance, loop, loop_threshold, weight_current
from hwmodels.errors import UnsupportedError
from hwmodels.network import Network, Population, Projection
from hwmodels.quantisation import quantisation_row, weight_unit
from hwmodels.result import QUANTISATION

#: Cell types without a synaptic filter, and those whose filter a burst can stand for.
NATIVE = frozenset({"IF_curr_delta"})
FILTERED = frozenset({"IF_curr_exp", "IF_curr_alpha"})
_KEEPS = "cells whose reset takes one quantum, not all"
#: Reset rules by kind of soma, as a report names them.
RESETS = {
    "loop": "subtractive: a spike takes one quantum away, the rest stays",
    "coupled": "subtractive: a spike takes one quantum away, which is the threshold or hardly more",
    "counter": "to zero",
    "counter_subtract": "subtractive: a spike takes the threshold away",
}


def translate(network: Network, settings: Settings) -> Translation:
    """Write a network into a chip; see :class:`hwmodels.chip.Chip`."""
    own = "arithmetic" in settings.effects
    _check(network, own)
    rows: list[tuple] = []
    counts: dict[str, int] = dict(network.rounding())

    def count(name: str, number: int) -> None:
        if number:
            counts[name] = counts.get(name, 0) + int(number)

    somas: dict[int, Somas] = {}
    weights: list[Weights | None] = [None] * len(network.projections)
    projections = list(network.projections)
    for index, population in enumerate(network.populations):
        if population.is_source or not population.size:
            continue
        inputs = [k for k, p in enumerate(network.projections) if p.post == index]
        obstacle = native_obstacle(population, settings)
        if obstacle is not None and own:
            raise UnsupportedError(f"population {population.label!r}: {obstacle}")
        if obstacle is not None:
            if {"weight_precision", "stochastic"} & set(settings.effects):
                _round_foreign(network, inputs, settings, projections, weights, rows)
            continue
        room_mV, rest_mV = _room(population)
        share = {
            k: _jumps_mV(population, network.projections[k])
            / room_mV[network.projections[k].target]
            for k in inputs
        }
        quanta = _threshold(np.concatenate([np.empty(0), *share.values()]), settings)
        if own:
            somas[index] = _somas(population, room_mV, rest_mV, quanta, settings, count, rows)
        for k in inputs:
            projection = network.projections[k]
            exact = share[k] * quanta
            made = _made(exact, projection, population, settings)
            weights[k] = made
            effective = made.quanta
            if len(made.current_uA):
                chances = chance(made.current_uA, settings.spec)
                effective = np.sign(exact) * chances
            met = np.abs(effective - exact) <= 1e-9 * np.maximum(np.abs(exact), 1)
            weight = np.where(
                met, projection.weight, projection.weight * effective / np.where(exact, exact, 1)
            )
            if "weight_precision" in settings.effects:
                clipped = np.abs(exact) > settings.most_quanta + 0.5
                lost = np.count_nonzero((effective == 0) & (exact != 0))
                count("weights rounded to zero", int(lost))
                unit = room_mV[projection.target] / quanta
                rows.append(
                    quantisation_row(
                        projection.label, "weight", weight_unit(population.celltype),
                        projection.weight, weight, float(unit.max(initial=0.0)), clipped,
                    )
                )  # fmt: skip
                projections[k] = replace(projection, weight=weight)
            if "stochastic" in settings.effects and not own:
                # What passes, passes whole: one quantum.
                whole = projection.weight / np.where(exact, np.abs(exact), 1)
                projections[k] = replace(projection, weight=whole)
    return Translation(
        replace(network, projections=tuple(projections)),
        np.array(rows, dtype=QUANTISATION),
        counts,
        Configuration(network, somas, tuple(weights)),
    )


def retranslate(network: Network, since: Translation, settings: Settings) -> Translation:
    """A network that changed between two runs, with what was written before the first.

    Raises
    ------
    UnsupportedError
        When something changed that the chip holds.
    """
    configuration: Any = since.formats
    before = configuration.source
    written = {"weight_precision", "stochastic", "arithmetic"} & set(settings.effects)
    if not written:
        return since._replace(network=network)
    for old, new in zip(before.populations, network.populations, strict=True):
        changed = any(old.parameters[n] is not values for n, values in new.parameters.items())
        if changed:
            raise UnsupportedError(
                f"population {new.label!r}: parameters cannot be changed between runs on SFQ, "
                "whose bias currents are set once; use one run, or neurons=exact"
            )
    for old_p, new_p in zip(before.projections, network.projections, strict=True):
        if new_p.weight is not old_p.weight or new_p.delay_ms is not old_p.delay_ms:
            raise UnsupportedError(
                f"projection {new_p.label!r}: weights and delays cannot be changed between runs "
                "on SFQ, whose circuits are set once; use one run, or effects=none"
            )
    return since._replace(network=replace(network, projections=since.network.projections))


def native_obstacle(population: Population, settings: Settings) -> str | None:
    """Why the chip's own somas cannot stand for a population; None when they can."""
    kind, p, spec = population.celltype, population.parameters, settings.spec
    if kind in FILTERED and settings.filtered == "refuse":
        return (
            f"{kind} has a synaptic filter, which no SFQ circuit has; use IF_curr_delta, "
            "filtered=burst (a burst over tau_syn), or neurons=exact"
        )
    if kind not in NATIVE | FILTERED:
        return f"{kind} cannot be made of flux quanta; use IF_curr_delta, or neurons=exact"
    room = p["v_thresh"] - p["v_rest"] - p["i_offset"] * p["tau_m"] / p["cm"]
    if np.any(room <= 0):
        cell = int(np.argmax(room <= 0))
        return (
            f"i_offset of cell {cell} ({p['i_offset'][cell]:g} nA) drives it over its threshold "
            "by itself; a bias current there makes a junction oscillate near 100 GHz. Drive it by "
            "a spike source, or use neurons=exact"
        )
    slowest = spec.leak_ps_max / spec.ps_per_ms
    if not settings.leaks and settings.leak == "strict" and np.any(p["tau_m"] < slowest):
        return (
            f"tau_m {p['tau_m'].min():g} ms: a counter does not leak; use soma=loop, leak=drop, or "
            "neurons=exact"
        )
    if settings.leaks and np.any(p["tau_m"] * spec.ps_per_ms < spec.leak_ps_min):
        return (
            f"tau_m {p['tau_m'].min():g} ms is {p['tau_m'].min() * spec.ps_per_ms:g} ps, a loop "
            f"leaks in {spec.leak_ps_min:g} ps at least; use a larger ps_per_ms"
        )
    return None


def _check(network: Network, own: bool) -> None:
    for projection in network.projections:
        if projection.dynamics.kind != "static":
            raise UnsupportedError(
                f"projection {projection.label!r}: {projection.dynamics.kind!r} synapses: there "
                "are only experiments with learning SFQ circuits; use static synapses"
            )
    if own and network.currents:
        label = network.populations[network.currents[0].population].label
        raise UnsupportedError(
            f"population {label!r}: no current can be injected into a flux loop; drive it by a "
            "spike source, or use neurons=exact"
        )


def _room(population: Population) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From rest to threshold, and rest, in mV; a constant current shifts the rest."""
    p = population.parameters
    rest = p["v_rest"] + p["i_offset"] * p["tau_m"] / p["cm"]
    return p["v_thresh"] - rest, rest


def _jumps_mV(population: Population, projection: Projection) -> NDArray[np.float64]:
    """What each synapse adds to the membrane; a filtered one, all its charge at once."""
    if population.celltype in NATIVE:
        return projection.weight
    p, at = population.parameters, projection.target
    tau = p["tau_syn_E" if projection.receptor == "excitatory" else "tau_syn_I"][at]
    # An alpha function of peak w holds e times the charge of an exponential one.
    area = math.e if population.celltype == "IF_curr_alpha" else 1.0
    return projection.weight * tau * area / p["cm"][at]


def _threshold(share: NDArray[np.float64], settings: Settings) -> int:
    """Quanta of the threshold that meet weights (as shares of the threshold) best."""
    share = np.abs(share[share != 0])
    if not len(share):
        return 1
    most, candidates = settings.most_quanta, range(1, settings.spec.threshold_max + 1)
    if settings.synapse == "stochastic":
        # The largest weight is a pulse that always passes.
        return max([n for n in candidates if n * share.max() <= 1 + 1e-9], default=1)
    errors = [
        float(np.sum((np.clip(np.rint(share * n), 0, most) / n - share) ** 2)) for n in candidates
    ]
    return 1 + int(np.argmax(np.array(errors) <= min(errors) * (1 + 1e-9) + 1e-12))


def _somas(population, room_mV, rest_mV, quanta, settings, count, rows) -> Somas:
    """The circuits of a population's cells."""
    spec, p = settings.spec, population.parameters
    exact = "weight_precision" not in settings.effects
    ones = np.ones(population.size)
    tau_ps = p["tau_m"] * spec.ps_per_ms
    inductance = bias = 0.0
    # Of a weakly coupled loop a pulse is a share of a flux quantum, and one is the threshold.
    charge = 1.0 / quanta if settings.soma == "coupled" else 1.0
    flux = round(quanta * charge)
    if settings.leaks:
        inductance, bias, threshold = loop(flux, spec, exact)
        floor = -loop_threshold(inductance, -bias, spec)
        slow = tau_ps > spec.leak_ps_max
        count("cells whose leak is too slow for a loop and left out", np.count_nonzero(slow))
        tau_ps = np.where(slow, 0.0, tau_ps)
        count(_KEEPS, population.size if flux > 1 else 0)
    else:
        threshold, floor = float(quanta), -float(spec.threshold_max)
        count("cells whose leak is left out", population.size)
        tau_ps = 0.0 * tau_ps
        subtracts = settings.soma == "counter_subtract"
        count("cells whose reset takes the threshold away", population.size if subtracts else 0)
    if not exact and threshold != flux:
        quantum = room_mV / flux
        rows.append(
            quantisation_row(
                population.label, "threshold", "mV", room_mV, threshold * quantum,
                spec.soma_step_uA / (spec.soma_critical_uA + spec.soma_offset_uA - bias)
                * float(room_mV.max()),
            )
        )  # fmt: skip
    count("cells whose reset is their rest", np.count_nonzero(p["v_reset"] != rest_mV))
    count("constant currents taken as bias", np.count_nonzero(p["i_offset"]))
    deaf_ps = p["tau_refrac"] * spec.ps_per_ms
    short = deaf_ps < spec.soma_dead_ps
    count("refractory times raised to that of a soma", np.count_nonzero(short))
    start = population.initial_values.get("v", rest_mV)
    return Somas(
        room_mV / flux, rest_mV, threshold * ones, floor * ones,
        (start - rest_mV) * flux / room_mV, tau_ps,
        np.where(short, spec.soma_dead_ps, deaf_ps), inductance, bias, charge,
    )  # fmt: skip


def _made(
    exact: NDArray[np.float64], projection: Projection, population: Population, settings: Settings
) -> Weights:
    """Weights in quanta as circuits make them."""
    spec = settings.spec
    rounded = "weight_precision" in settings.effects
    none = np.empty(0)
    burst_ps = np.full(len(exact), spec.burst_ps)
    if population.celltype in FILTERED:
        # All its pulses within tau_syn, or as close as a burst can have them.
        side = "tau_syn_E" if projection.receptor == "excitatory" else "tau_syn_I"
        tau_ps = population.parameters[side][projection.target] * spec.ps_per_ms
        burst_ps = np.maximum(burst_ps, tau_ps / np.maximum(np.rint(np.abs(exact)), 1))
    if settings.synapse == "stochastic":
        size = np.minimum(np.abs(exact), 1.0)
        if not rounded and "stochastic" not in settings.effects:
            return Weights(np.sign(exact) * size, none, burst_ps)
        return Weights(np.sign(exact), weight_current(size, spec, rounded), burst_ps)
    if rounded:
        size = np.minimum(np.rint(np.abs(exact)), settings.most_quanta)
        return Weights(np.sign(exact) * size, none, burst_ps)
    return Weights(exact, none, burst_ps)


def _round_foreign(
    network: Network,
    inputs: list[int],
    settings: Settings,
    projections: list[Projection],
    weights: list[Weights | None],
    rows: list[tuple],
) -> None:
    """Weights onto cells that the chip cannot compute: levels, or chances, of the largest."""
    peak = max((float(np.abs(network.projections[k].weight).max(initial=0)) for k in inputs),
               default=0.0)  # fmt: skip
    rounded = "weight_precision" in settings.effects
    level = peak / settings.most_quanta
    for k in inputs if level else ():
        p = network.projections[k]
        if settings.synapse == "stochastic":
            current = weight_current(np.abs(p.weight) / peak, settings.spec, rounded)
            weights[k] = Weights(np.sign(p.weight), current, np.zeros(p.n_synapses))
            weight = np.sign(p.weight) * peak * chance(current, settings.spec)
        else:
            weight = np.rint(p.weight / level) * level
        weight = np.where(np.abs(weight - p.weight) <= 1e-12 * peak, p.weight, weight)
        if rounded:
            unit = weight_unit(network.populations[p.post].celltype)
            rows.append(quantisation_row(p.label, "weight", unit, p.weight, weight, level))
            projections[k] = replace(p, weight=weight)
        if "stochastic" in settings.effects:
            projections[k] = replace(p, weight=np.sign(p.weight) * peak)
