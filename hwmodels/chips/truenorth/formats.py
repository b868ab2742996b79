"""PyNN cells as neurons of the chip: units, registers, and what that approximates.

The chip has one state, the potential; synaptic input is a jump and the leak is a constant. So:

* ``IF_curr_delta`` keeps its jumps. ``IF_curr_exp``: a synaptic current acts as one jump of its
  whole charge, ``weight * tau_syn / cm``, when the current begins to move the membrane (or,
  ``centred``, at the mean time of its charge).
* A cell whose drive (resting potential and offset current) settles below threshold leaks linearly
  towards where it settles (leak-reversal mode), at the rate at which the exact membrane does on
  average between reset and threshold.
* A cell whose drive settles above threshold rises linearly, at the rate that gives it the exact
  interval between spikes without input, refractory time included.
* A linear leak is slow where an exponential one is fast, so a cell with a leak is held at as far
  below where it settles as its threshold is above (the negative threshold); the leak is averaged
  over no more than that.
* There is no refractory time otherwise.

The unit of potential is a cell's own. It is the largest value over a whole number up to the
largest value of the chip; the number is the one that rounds leak, threshold and reset least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.truenorth import arithmetic as a
from hwmodels.chips.truenorth.native import CELLTYPE, RECEPTORS, registers_of
from hwmodels.chips.truenorth.spec import TrueNorthSpec
from hwmodels.errors import UnsupportedError
from hwmodels.network import Network, Population
from hwmodels.quantisation import quantisation_row

#: Cell types that have a translation.
NATIVE = ("IF_curr_delta", "IF_curr_exp", CELLTYPE)
_EXACT = "run with neurons=exact (exact neurons on this fabric)"


@dataclass(frozen=True, eq=False)
class Scale:
    """One population in units of the chip; arrays have shape (size,) unless said otherwise.

    Attributes
    ----------
    unit_mV : float64 array
        Of the potential.
    zero_mV : float64 array
        Membrane potential at potential 0.
    gain_mV : mapping of str to float64 array
        Jump for a weight of 1 (nA, or mV for IF_curr_delta), for each receptor.
    wait : mapping of str to int
        Ticks that input acts after its delay, for each receptor.
    table : int32 array, shape (size, REGISTERS)
        Registers without synaptic values.
    leak, level, back : float64 array
        Leak, threshold and reset in units, before rounding.
    """

    unit_mV: NDArray[np.float64]
    zero_mV: NDArray[np.float64]
    gain_mV: Mapping[str, NDArray[np.float64]]
    wait: Mapping[str, int]
    table: NDArray[np.int32]
    leak: NDArray[np.float64]
    level: NDArray[np.float64]
    back: NDArray[np.float64]


def native_obstacle(population: Population) -> str | None:
    """Why the chip's arithmetic cannot compute a population, and the way out; None if it can."""
    if population.celltype not in NATIVE:
        return (
            f"TrueNorth computes {', '.join(NATIVE)}, not {population.celltype}; {_EXACT}, or "
            "use one of those cell types"
        )
    if population.celltype == CELLTYPE:
        return None
    if np.any(population.parameters["v_thresh"] <= population.parameters["v_reset"]):
        return f"v_thresh must lie above v_reset on TrueNorth; {_EXACT}"
    return None


def receptor_gain(population: Population) -> dict[str, NDArray[np.float64]]:
    """What a weight of 1 adds to the membrane, in mV, for each receptor."""
    if population.celltype == CELLTYPE:
        return {
            name: population.parameters[f"weight_{kind}"] for kind, name in enumerate(RECEPTORS)
        }
    if population.celltype == "IF_curr_delta":
        return {name: np.ones(population.size) for name in ("excitatory", "inhibitory")}
    p = population.parameters
    return {
        "excitatory": p["tau_syn_E"] / p["cm"],
        "inhibitory": p["tau_syn_I"] / p["cm"],
    }


def receptor_wait(population: Population, dt: float, centred: bool) -> dict[str, int]:
    """Ticks that the jump of a synaptic current waits after its delay.

    One, since the current moves the exact membrane a step after it begins; or the mean time of its
    charge.
    """
    waits = {"excitatory": 0, "inhibitory": 0}
    if population.celltype == "IF_curr_exp" and population.size:
        for name, side in (("excitatory", "E"), ("inhibitory", "I")):
            tau = float(population.parameters[f"tau_syn_{side}"].mean())
            waits[name] = round(1 / -np.expm1(-dt / tau)) if centred else 1
    return waits


def scale_population(
    population: Population,
    largest_mV: NDArray[np.float64],
    weights_mV: NDArray[np.float64],
    network: Network,
    spec: TrueNorthSpec,
    stochastic_leak: bool,
    centred: bool,
) -> Scale:
    """Choose the units of a population and translate its parameters.

    Parameters
    ----------
    population : Population
    largest_mV : float64, shape (size,)
        Magnitude of the largest jump of each cell; 0 for one without input.
    weights_mV : float64
        Some distinct jumps, which the unit should hit as well.
    network : Network
    spec : TrueNorthSpec
    stochastic_leak : bool
        Whether a leak below one unit may be a stochastic one.
    centred : bool
        Whether input waits for the mean of its current.

    Raises
    ------
    UnsupportedError
        When a parameter has no counterpart on the chip.
    """
    obstacle = native_obstacle(population)
    if obstacle is not None:
        raise UnsupportedError(f"population {population.label!r}: {obstacle}")
    p, dt = population.parameters, network.timestep_ms
    settles = p["v_rest"] + p["i_offset"] * p["tau_m"] / p["cm"]
    rises = settles >= p["v_thresh"]
    # Cells that rest: potential 0 where they settle. Cells that rise: where they start to.
    zero = np.where(rises, p["v_reset"], settles)
    level, back = p["v_thresh"] - zero, p["v_reset"] - zero
    low = np.minimum(back, 0.0)
    mean = (level**2 + low**2) / (2 * (level - low))
    sinks_mV = -mean * -np.expm1(-dt / p["tau_m"])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (settles - p["v_reset"]) / (settles - p["v_thresh"])
        interval = p["tau_m"] * np.log(ratio) + np.rint(p["tau_refrac"] / dt) * dt
    # A drive that settles just at threshold never gets there.
    rises_mV = np.where(np.isfinite(interval) & rises, level * dt / interval, 0.0)
    leak_mV = np.where(rises, rises_mV, sinks_mV)

    unit = _best_unit(largest_mV, weights_mV, level, back, leak_mV, spec, stochastic_leak)
    leak = leak_mV / unit
    table = a.registers(population.size)
    table[:, a.THRESHOLD] = np.ceil(level / unit - 1e-9)
    table[:, a.RESET] = np.rint(back / unit)
    table[:, a.REVERSAL] = ~rises
    fraction = (np.abs(leak) < 1) & stochastic_leak & (leak != 0)
    one = 1 << spec.draw_bits
    # A magnitude m passes (m + 1) draws of 2^bits.
    chance = np.maximum(np.rint(np.abs(leak) * one) - 1, 0) * np.sign(leak)
    table[:, a.LEAK] = np.where(fraction, chance, np.rint(leak))
    table[:, a.LEAK_STOCHASTIC] = fraction
    depth = np.maximum(table[:, a.THRESHOLD], -table[:, a.RESET])
    table[:, a.FLOOR] = np.where(table[:, a.LEAK] != 0, depth, spec.threshold_max)
    return Scale(
        unit_mV=unit,
        zero_mV=zero,
        gain_mV=receptor_gain(population),
        wait=receptor_wait(population, dt, centred),
        table=table,
        leak=leak,
        level=level / unit,
        back=back / unit,
    )


def native_scale(population: Population, spec: TrueNorthSpec) -> Scale:
    """The chip's own neurons, whose units are the chip's.

    Raises
    ------
    UnsupportedError
        For a parameter that its register does not hold.
    """
    table, ones = registers_of(population, spec), np.ones(population.size)
    return Scale(
        unit_mV=ones,
        zero_mV=np.zeros(population.size),
        gain_mV=receptor_gain(population),
        wait={},
        table=table,
        leak=population.parameters["leak"],
        level=population.parameters["threshold"],
        back=population.parameters["v_reset"],
    )


def _best_unit(
    largest: NDArray[np.float64],
    weights: NDArray[np.float64],
    level: NDArray[np.float64],
    back: NDArray[np.float64],
    leak: NDArray[np.float64],
    spec: TrueNorthSpec,
    stochastic_leak: bool,
) -> NDArray[np.float64]:
    """The unit of each cell in mV; cells that are alike share the search for it."""
    rows = np.stack([largest, level, back, leak], axis=1)
    kinds, which = np.unique(rows, axis=0, return_inverse=True)
    weights = np.unique(np.abs(weights[weights != 0]))[:16]
    numbers = np.arange(spec.value_max, 0, -1, dtype=np.float64)
    if len(kinds) > 2000:
        numbers = numbers[:1]  # as many units as there are cells: the finest
    units = np.empty(len(kinds))
    for k, (top, height, reset, slope) in enumerate(kinds.tolist()):
        span = max(height, abs(reset))
        finest = max(
            span / spec.threshold_max, abs(slope) / spec.leak_max, top / spec.value_max, 1e-12
        )
        candidates = top / numbers if top else height / np.arange(1, 4097)
        candidates = candidates[candidates >= finest * (1 - 1e-12)]
        if not len(candidates):
            units[k] = finest
            continue
        values = np.abs(np.array([height, reset, slope, *weights]))
        values = values[values > 0][:, None] / candidates
        rounded = np.rint(values)
        if slope and stochastic_leak:
            at = 1 + bool(reset)  # where the leak stands
            rounded[at] = np.where(values[at] < 1, values[at], rounded[at])
        wrong = np.abs(rounded - values) / np.maximum(values, 1e-300)
        wrong[wrong < 1e-9] = 0
        units[k] = candidates[int(np.argmin(wrong.max(axis=0)))]
    return units[which.reshape(-1)]


def parameter_rows(population: Population, scale: Scale, dt: float, draw_bits: int) -> list[tuple]:
    """What the chip makes of a population's parameters, as rows of QUANTISATION."""
    if population.celltype == CELLTYPE:
        return []  # nothing was rounded
    table, unit = scale.table, scale.unit_mV
    p, largest = population.parameters, float(unit.max())
    leak = table[:, a.LEAK].astype(np.float64)
    chance = np.sign(leak) * (np.abs(leak) + 1) / (1 << draw_bits)
    leak = np.where(table[:, a.LEAK_STOCHASTIC] > 0, chance, leak)
    where = population.label
    rows = [
        quantisation_row(
            where, "v_thresh", "mV", p["v_thresh"],
            scale.zero_mV + table[:, a.THRESHOLD] * unit, largest,
        ),
        quantisation_row(
            where, "v_reset", "mV", p["v_reset"], scale.zero_mV + table[:, a.RESET] * unit, largest
        ),
        quantisation_row(
            where, "leak", "mV/ms", scale.leak * unit / dt, leak * unit / dt, largest / dt
        ),
    ]  # fmt: skip
    # What the constant leak is where a cell decides to fire: at threshold.
    settles = p["v_rest"] + p["i_offset"] * p["tau_m"] / p["cm"]
    exact = (settles - p["v_thresh"]) * -np.expm1(-dt / p["tau_m"]) / dt
    if np.any(leak) or np.any(np.abs(exact) > 1e-9):
        rows.append(
            quantisation_row(where, "threshold leak", "mV/ms", exact, leak * unit / dt, 0.0)
        )
    lost = np.rint(p["tau_refrac"] / dt) * dt
    if np.any(lost):
        rows.append(quantisation_row(where, "tau_refrac", "ms", lost, np.zeros_like(lost), dt))
    return rows


def with_values(scale: Scale, values: NDArray[np.int64]) -> Scale:
    """The same population with its synaptic values, int64, shape (size, types)."""
    table = scale.table.copy()
    table[:, : values.shape[1]] = values
    return replace(scale, table=table)


def check_currents(network: Network) -> None:
    """Refuse currents that change, for the leak is a register.

    Raises
    ------
    UnsupportedError
        For any injected current.
    """
    for current in network.currents:
        if len(current.cells):
            label = network.populations[current.population].label
            raise UnsupportedError(
                f"population {label!r}: an injected current cannot reach a neuron of TrueNorth, "
                f"whose drive is a register; use i_offset or a spike source, or {_EXACT}"
            )
