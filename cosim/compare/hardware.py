"""What a run cost on the modelled chip: time, energy, cores, links, precision.

In: a :class:`~hwmodels.result.HardwareReport`. Out: one :class:`HardwareMetrics`. This module
knows no reference run. Hardware time is in units of its own; nothing here mixes it with
biological time except the real-time factor, which is their ratio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.compare.spiketrains import mean, percentile
from cosim.compare.transport import (
    TransportMetrics,
    computed_steps_ps,
    measure_transport,
)
from hwmodels.result import HardwareReport


@dataclass(frozen=True)
class EnergyPart:
    """One operation: how often, and what it cost together."""

    operation: str
    count: int
    unit_pJ: float
    energy_pJ: float
    share: float | None


@dataclass(frozen=True)
class ResourcePart:
    """One figure of size or power, in its own unit."""

    what: str
    value: float
    unit: str


@dataclass(frozen=True)
class QuantisationPart:
    """One quantity in the chip's precision; errors in the quantity's own ``unit``."""

    where: str
    quantity: str
    unit: str
    values: int
    step: float
    max_error: float
    rms_error: float
    max_relative_error: float
    clipped: int


@dataclass(frozen=True)
class CoreUse:
    """Use of the cores that hold something.

    Utilisation is the busy time of a core over the time of the whole run; memory fill is used
    over available, in whatever unit the chip counts. None where the chip reports neither.
    """

    cores: int
    neurons: int
    neurons_per_core_max: int
    synapses: int
    synapses_per_core_max: int
    memory_fill_mean: float | None
    memory_fill_max: float | None
    fullest_core: int | None
    utilisation_mean: float | None
    utilisation_max: float | None
    busiest_core: int | None


@dataclass(frozen=True)
class LinkUse:
    """Use of the links that the report lists; utilisation is busy time over the whole run."""

    links: int
    packets: int
    packets_max: int
    queue_max: int
    utilisation_mean: float | None
    utilisation_max: float | None
    busiest_link: str | None


@dataclass(frozen=True)
class HardwareMetrics:
    """The chip's side of a comparison.

    Attributes
    ----------
    chip, spec, fidelity : str
    effects : tuple of str
    mesh : tuple of int
    steps : int
        In which the chip worked: step 0, the initial state, only if it took time.
    step_ms : float
        Biological time of one step.
    step_median_us, step_mean_us, step_p99_us, step_max_us : float or None
        Hardware time of one step.
    duration_ms : float
        Hardware time of the steps.
    load_ms, read_out_ms : float
        Hardware time before the first and after the last of them; part of the power's time.
    real_time_factor : float or None
        Biological over hardware time: above 1 the chip runs ahead of real time.
    energy_uJ : float
    power_mW : float or None
        Energy over hardware time.
    energy_per_spike_nJ : float or None
        Over the candidate's recorded spikes; None when not all populations were recorded.
    energy_per_synaptic_event_pJ : float or None
    synaptic_events : int or None
        Synapses reached by a spike: from the packets, else from the network's fan-out.
    energy : tuple of EnergyPart
        Largest first.
    cores : CoreUse or None
    links : LinkUse or None
    transport : TransportMetrics or None
        None when the chip kept no packet table.
    resources : tuple of ResourcePart
        What the chip is made of and what it takes, where its style has own measures.
    quantisation : tuple of QuantisationPart
    sources : mapping of str to str
        Where the chip's numbers come from, and their caveats.
    """

    chip: str
    spec: str
    fidelity: str
    effects: tuple[str, ...]
    mesh: tuple[int, int]
    steps: int
    step_ms: float
    step_median_us: float | None
    step_mean_us: float | None
    step_p99_us: float | None
    step_max_us: float | None
    duration_ms: float
    load_ms: float
    read_out_ms: float
    real_time_factor: float | None
    energy_uJ: float
    power_mW: float | None
    energy_per_spike_nJ: float | None
    energy_per_synaptic_event_pJ: float | None
    synaptic_events: int | None
    energy: tuple[EnergyPart, ...]
    cores: CoreUse | None
    links: LinkUse | None
    transport: TransportMetrics | None
    resources: tuple[ResourcePart, ...]
    quantisation: tuple[QuantisationPart, ...]
    sources: Mapping[str, str]


def measure_hardware(
    hardware: HardwareReport,
    spikes: int | None = None,
    synaptic_events: int | None = None,
    duration_ms: float | None = None,
) -> HardwareMetrics:
    """Figures of one run on a chip.

    Parameters
    ----------
    hardware : HardwareReport
    spikes : int or None
        All spikes of the run; None when they are not all known.
    synaptic_events : int or None
        Taken when the packet table does not tell.
    duration_ms : float or None
        Biological time of the run; the number of steps tells when not given.

    Returns
    -------
    HardwareMetrics
    """
    step_us = computed_steps_ps(hardware) * 1e-6
    total_ps = int(hardware.step_ps.sum())
    if duration_ms is None:
        duration_ms = len(step_us) * hardware.step_ms
    transport = measure_transport(hardware)
    if transport is not None:
        synaptic_events = transport.synaptic_events
    pJ = hardware.energy_pJ
    return HardwareMetrics(
        chip=hardware.chip,
        spec=hardware.spec,
        fidelity=hardware.fidelity,
        effects=tuple(hardware.effects),
        mesh=(int(hardware.mesh[0]), int(hardware.mesh[1])),
        steps=len(step_us),
        step_ms=float(hardware.step_ms),
        step_median_us=percentile(step_us, 50),
        step_mean_us=mean(step_us),
        step_p99_us=percentile(step_us, 99),
        step_max_us=percentile(step_us, 100),
        duration_ms=total_ps * 1e-9,
        load_ms=hardware.load_ps * 1e-9,
        read_out_ms=hardware.read_out_ps * 1e-9,
        real_time_factor=duration_ms / (total_ps * 1e-9) if total_ps else None,
        energy_uJ=pJ * 1e-6,
        power_mW=pJ / hardware.duration_s * 1e-9 if total_ps else None,
        energy_per_spike_nJ=pJ / spikes * 1e-3 if spikes else None,
        energy_per_synaptic_event_pJ=pJ / synaptic_events if synaptic_events else None,
        synaptic_events=synaptic_events,
        energy=_energy(hardware.energy),
        cores=_cores(hardware.cores, total_ps),
        links=_links(hardware.links, total_ps),
        transport=transport,
        resources=tuple(ResourcePart(*row.item()) for row in hardware.resources),
        quantisation=tuple(QuantisationPart(*row.item()) for row in hardware.quantisation),
        sources=dict(hardware.sources),
    )


def link_utilisation(hardware: HardwareReport) -> NDArray[np.float64]:
    """Busy time of each listed link over the time of the run, shape (links,)."""
    return _utilisation(hardware.links["busy_ps"], int(hardware.step_ps.sum()))


def core_utilisation(hardware: HardwareReport) -> NDArray[np.float64]:
    """Busy time of each used core over the time of the run, shape (cores,)."""
    return _utilisation(hardware.cores["busy_ps"], int(hardware.step_ps.sum()))


def _utilisation(busy_ps: NDArray, total_ps: int) -> NDArray[np.float64]:
    return busy_ps / total_ps if total_ps else np.zeros(len(busy_ps))


def _energy(table: NDArray) -> tuple[EnergyPart, ...]:
    energy = table["count"] * table["unit_pJ"]
    total = float(energy.sum())
    order = np.lexsort((table["operation"], -energy))
    return tuple(
        EnergyPart(
            operation=str(table["operation"][i]),
            count=int(table["count"][i]),
            unit_pJ=float(table["unit_pJ"][i]),
            energy_pJ=float(energy[i]),
            share=float(energy[i]) / total if total else None,
        )
        for i in order
    )


def _cores(table: NDArray, total_ps: int) -> CoreUse | None:
    if not len(table):
        return None
    has_memory = table["memory_size"] > 0
    fill = np.where(has_memory, table["memory_used"] / np.maximum(table["memory_size"], 1), 0.0)
    busy = _utilisation(table["busy_ps"], total_ps)
    timed = bool(total_ps and table["busy_ps"].any())
    return CoreUse(
        cores=len(table),
        neurons=int(table["neurons"].sum()),
        neurons_per_core_max=int(table["neurons"].max()),
        synapses=int(table["synapses"].sum()),
        synapses_per_core_max=int(table["synapses"].max()),
        memory_fill_mean=mean(fill[has_memory]),
        memory_fill_max=percentile(fill[has_memory], 100),
        fullest_core=int(table["core"][np.argmax(fill)]) if has_memory.any() else None,
        utilisation_mean=mean(busy) if timed else None,
        utilisation_max=percentile(busy, 100) if timed else None,
        busiest_core=int(table["core"][np.argmax(busy)]) if timed else None,
    )


def _links(table: NDArray, total_ps: int) -> LinkUse | None:
    if not len(table):
        return None
    busy = _utilisation(table["busy_ps"], total_ps)
    row = table[np.argmax(busy)]
    here, there = (int(row["x"]), int(row["y"])), (int(row["to_x"]), int(row["to_y"]))
    name = f"ejection at {here}" if here == there else f"{here} to {there}"
    return LinkUse(
        links=len(table),
        packets=int(table["packets"].sum()),
        packets_max=int(table["packets"].max()),
        queue_max=int(table["max_queue"].max()),
        utilisation_mean=mean(busy) if total_ps else None,
        utilisation_max=percentile(busy, 100) if total_ps else None,
        busiest_link=name if busy.any() else None,
    )
