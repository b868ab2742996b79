"""A comparison in words and in rows: what the terminal and the report both say.

In: a :class:`Comparison`. Out: sentences and (name, value) rows of text, so the two renderings
cannot disagree. No layout here.
"""

from __future__ import annotations

from collections.abc import Sequence

from cosim.compare.attribution import AttributionRow
from cosim.compare.comparison import Comparison, TaskMetric
from cosim.compare.hardware import HardwareMetrics, ResourcePart
from cosim.compare.quantities import NOTHING, count, ms, number, percent, si, times
from cosim.compare.spiketrains import SpikeComparison
from cosim.compare.spread import Spread, SpreadRow
from cosim.compare.transport import TransportMetrics

#: Populations that get a sentence of their own; the rest stand in the table.
SPOKEN = 4

Rows = list[tuple[str, str]]


def verdict(comparison: Comparison) -> str:
    """Say in one sentence whether anything differs."""
    ours, theirs = comparison.reference_name, comparison.name
    recorded = [p for p in comparison.populations if p.recorded]
    if not recorded:
        return f"No spikes were recorded, so nothing can be said of {theirs}'s spikes."
    if comparison.silent:
        return f"Neither {ours} nor {theirs} has a single recorded spike."
    if comparison.identical:
        spikes = sum(p.reference_spikes for p in recorded)
        repeated = "the only spike" if spikes == 1 else f"all {count(spikes)} spikes"
        return f"Identical spike for spike: {theirs} repeats {repeated} of {ours}."
    differing = [p for p in recorded if p.first_difference_ms is not None]
    first = min(differing, key=lambda p: p.first_difference_ms or 0.0)
    return (
        f"Not identical: {theirs} first departs from {ours} at "
        f"{ms(first.first_difference_ms)}, in population {first.label!r}."
    )


def headline(comparison: Comparison) -> list[str]:
    """Say what a reader wants to know first, one sentence each."""
    sentences = [verdict(comparison)]
    if not comparison.identical:
        computed = [p for p in comparison.populations if p.recorded and not p.source]
        spoken = computed if len(computed) <= SPOKEN else [comparison.total]
        sentences += [_spikes(p, comparison) for p in spoken]
    sentences += [_task(t, comparison) for t in comparison.task]
    if comparison.hardware is not None:
        sentences += _hardware(comparison.hardware)
    lost = [f"{count(v)} {k}" for k, v in counts(comparison) if v]
    if lost:
        shown = "; ".join(lost[:4]) + (f"; {len(lost) - 4} more kinds" if len(lost) > 4 else "")
        sentences.append(f"Counted on {comparison.name}: {shown}.")
    return sentences


def counts(comparison: Comparison) -> list[tuple[str, int]]:
    """Everything the candidate counted as dropped, late, clipped or rounded, largest first."""
    return sorted(comparison.candidate.counts.items(), key=lambda item: (-item[1], item[0]))


def reference_counts(comparison: Comparison) -> list[tuple[str, int]]:
    """Everything the reference counted."""
    return sorted(comparison.reference.counts.items(), key=lambda item: (-item[1], item[0]))


def settings(comparison: Comparison) -> str:
    """Name the windows the spike metrics depend on."""
    return (
        f"Spikes of one cell match when at most {comparison.window_ms:g} ms apart "
        f"(least-cost alignment) and coincide within {comparison.coincidence_ms:g} ms; "
        f"van Rossum distance with {comparison.tau_ms:g} ms."
    )


def hardware_rows(hardware: HardwareMetrics) -> Rows:
    """Time, energy, cores, links, each line one quantity."""
    us = 1e-6
    rows: Rows = [
        ("chip", f"{hardware.chip} ({hardware.spec}), fidelity {hardware.fidelity}"),
        ("effects on", ", ".join(hardware.effects) or "none"),
        (
            "step time",
            _spread(hardware.step_median_us, hardware.step_p99_us, hardware.step_max_us, us),
        ),
        (
            "run",
            f"{count(hardware.steps)} steps of {hardware.step_ms:g} ms in "
            f"{si(hardware.duration_ms * 1e-3, 's')}: {times(hardware.real_time_factor)} real time",
        ),
        (
            "energy",
            f"{si(hardware.energy_uJ * us, 'J')}, mean power "
            f"{si(None if hardware.power_mW is None else hardware.power_mW * 1e-3, 'W')}",
        ),
        (
            "energy each",
            f"{_scaled(hardware.energy_per_spike_nJ, 1e-9, 'J')} a spike, "
            f"{_scaled(hardware.energy_per_synaptic_event_pJ, 1e-12, 'J')} a synaptic event",
        ),
    ]
    if hardware.sources.get("specification"):
        rows.insert(2, ("its numbers", hardware.sources["specification"]))
    if hardware.load_ms or hardware.read_out_ms:
        rows.insert(
            -2,
            (
                "load, read-out",
                f"{si(hardware.load_ms * 1e-3, 's')} before, "
                f"{si(hardware.read_out_ms * 1e-3, 's')} after the run",
            ),
        )
    for caveat in ("low confidence", "chips used", "synaptic memory"):
        if hardware.sources.get(caveat):
            rows.append((caveat, hardware.sources[caveat]))
    cores, links = hardware.cores, hardware.links
    if cores is not None:
        rows.append(
            (
                "cores",
                f"{count(cores.cores)} used on {hardware.mesh[0]} x {hardware.mesh[1]} routers; "
                f"neurons per core up to {count(cores.neurons_per_core_max)}, "
                f"synapses up to {count(cores.synapses_per_core_max)}",
            )
        )
        rows.append(
            (
                "core memory",
                f"mean {percent(cores.memory_fill_mean)}, fullest {percent(cores.memory_fill_max)}"
                + (f" (core {cores.fullest_core})" if cores.fullest_core is not None else ""),
            )
        )
        rows.append(
            (
                "core busy",
                f"mean {percent(cores.utilisation_mean)}, busiest {percent(cores.utilisation_max)}"
                + (f" (core {cores.busiest_core})" if cores.busiest_core is not None else ""),
            )
        )
    if links is not None:
        busiest = f" ({links.busiest_link})" if links.busiest_link else ""
        rows.append(
            (
                "links busy",
                f"mean {percent(links.utilisation_mean)}, "
                f"busiest {percent(links.utilisation_max)}{busiest}; "
                f"longest queue {count(links.queue_max)}",
            )
        )
    rows += [(part.what, _resource(part)) for part in hardware.resources]
    return rows + (_transport_rows(hardware.transport) if hardware.transport else [])


def _resource(part: ResourcePart) -> str:
    """A number of things, or a quantity with its unit."""
    if not part.unit:
        return count(round(part.value))
    return (
        si(part.value, part.unit)
        if part.unit in ("W", "J", "A")
        else (f"{number(part.value)} {part.unit}")
    )


def _transport_rows(transport: TransportMetrics) -> Rows:
    ns = 1e-9
    rows: Rows = [
        (
            "packets",
            f"{count(transport.packets)}: {count(transport.delivered)} delivered, "
            f"{count(transport.undelivered)} not delivered, "
            f"{count(transport.later_step)} in a later step",
        ),
        (
            "synaptic events",
            f"{count(transport.synaptic_events)} delivered, "
            f"{count(transport.lost_synaptic_events)} lost",
        ),
        (
            "latency",
            _spread(
                transport.latency_median_ns, transport.latency_p99_ns, transport.latency_max_ns, ns
            ),
        ),
        (
            "latency, biol.",
            f"{ms(transport.latency_median_ms)} median, {ms(transport.latency_p99_ms)} p99, "
            f"{ms(transport.latency_max_ms)} max",
        ),
    ]
    if transport.step_latency_median_ns is not None:
        rows.append(
            (
                "from step start",
                _spread(
                    transport.step_latency_median_ns,
                    transport.step_latency_p99_ns,
                    transport.step_latency_max_ns,
                    ns,
                ),
            )
        )
    rows += [
        ("hops", f"mean {number(transport.hops_mean)}, max {count(transport.hops_max)}"),
        (
            "ISI distortion",
            f"mean {_scaled(transport.isi_distortion_mean_ns, ns, 's')}; absolute: "
            f"mean {_scaled(transport.isi_distortion_abs_mean_ns, ns, 's')}, "
            f"p95 {_scaled(transport.isi_distortion_abs_p95_ns, ns, 's')}, "
            f"max {_scaled(transport.isi_distortion_abs_max_ns, ns, 's')}",
        ),
        (
            "disorder",
            f"{count(transport.disordered)} arrivals at {count(transport.disordered_cores)} cores; "
            f"{count(transport.disordered_steps)} across time steps",
        ),
    ]
    return rows


def attribution_cells(row: AttributionRow) -> list[str]:
    """One table row: rate, within, missed, extra, shift, latency, step, energy."""
    return [
        "=" if row.identical else percent(row.rate_relative_error, signed=True),
        percent(row.coincident_share),
        count(row.missed),
        count(row.extra),
        number(row.shift_abs_mean_ms),
        _scaled(row.latency_median_ns, 1e-9, "s"),
        _scaled(row.step_median_us, 1e-6, "s"),
        _scaled(row.energy_uJ, 1e-6, "J"),
    ]


def spread_title(spread: Spread) -> str:
    """Name the chips, and how many of them differ at all."""
    numbers = f"number {spread.first}" if spread.chips == 1 else f"{spread.first} to {spread.last}"
    same = f"; {count(spread.identical)} of them identical" if spread.identical else ""
    return f"spread over {count(spread.chips)} chips ({numbers}){same}"


def spread_sentence(spread: Spread) -> str:
    """The figures a reader asks for first, as mean and standard deviation over the chips."""
    said = []
    for row in spread.rows:
        first = row.figure.split(" ")[0] in ("task:", "rate", "within")
        if not first or "Hz" in row.figure or row.mean is None:
            continue
        _, mean, sd, *_ = spread_cells(row)
        said.append(f"{row.figure.removeprefix('task: ')} {mean}" + (f" ± {sd}" if row.sd else ""))
    title = spread_title(spread).removeprefix("spread ")
    return f"{title[0].upper()}{title[1:]}: {', '.join(said)} (mean ± standard deviation)."


def spread_cells(row: SpreadRow) -> list[str]:
    """One table row: reference, mean, standard deviation, smallest, largest."""
    values = (row.reference, row.mean, row.sd, row.smallest, row.largest)
    if row.unit != "1":
        return [si(value, row.unit) if row.unit else number(value) for value in values]
    return [percent(value, signed=i in (1, 3, 4) and "change" in row.figure)
            for i, value in enumerate(values)]  # fmt: skip


def population_name(p: SpikeComparison) -> tuple[str, str]:
    """Label, and what a reader must know about its row."""
    return p.label, "input" if p.source else ("" if p.recorded else "not recorded")


def population_cells(p: SpikeComparison) -> Sequence[str]:
    """One table row: cells, rates, difference, within, missed, extra, mean absolute shift."""
    if not p.recorded:
        return [NOTHING, *[""] * 7]
    return [
        count(p.cells),
        number(p.reference_rate_Hz),
        number(p.candidate_rate_Hz),
        "=" if p.identical else percent(p.rate_relative_error, signed=True),
        percent(p.coincident_share),
        count(p.missed),
        count(p.extra),
        number(p.shift_abs_mean_ms),
    ]


def _task(metric: TaskMetric, comparison: Comparison) -> str:
    change = number(metric.difference, signed=True) if metric.difference != 0 else "no change"
    return (
        f"{metric.name}: {number(metric.reference)} in {comparison.reference_name}, "
        f"{number(metric.candidate)} on {comparison.name} ({change})."
    )


def _spikes(p: SpikeComparison, comparison: Comparison) -> str:
    name = "all computed cells" if p is comparison.total else p.label
    if p.identical:
        return f"{name}: identical, {count(p.reference_spikes)} spikes."
    change = percent(p.rate_relative_error, signed=True) if p.reference_spikes else "was silent"
    sentence = (
        f"{name}: {number(p.reference_rate_Hz)} Hz in {comparison.reference_name}, "
        f"{number(p.candidate_rate_Hz)} Hz on {comparison.name} ({change})"
    )
    if p.coincident_share is not None:
        sentence += (
            f"; {percent(p.coincident_share)} of spikes within {comparison.coincidence_ms:g} ms"
        )
    return sentence + "."


def _hardware(hardware: HardwareMetrics) -> list[str]:
    sentences = []
    if hardware.step_median_us is not None and hardware.real_time_factor is not None:
        sentences.append(
            f"Step {si(hardware.step_median_us * 1e-6, 's')} median, "
            f"{si((hardware.step_max_us or 0) * 1e-6, 's')} at most: "
            f"{times(hardware.real_time_factor)} real time; "
            f"{si(hardware.energy_uJ * 1e-6, 'J')}."
        )
    if hardware.load_ms or hardware.read_out_ms:
        sentences.append(
            f"Loading takes {si(hardware.load_ms * 1e-3, 's')} before the run, reading back "
            f"{si(hardware.read_out_ms * 1e-3, 's')} after it."
        )
    transport = hardware.transport
    if transport is not None and transport.latency_median_ns is not None:
        sentences.append(
            f"Spike latency {si(transport.latency_median_ns * 1e-9, 's')} median, "
            f"{si((transport.latency_max_ns or 0) * 1e-9, 's')} at most; "
            f"{count(transport.undelivered)} of {count(transport.packets)} packets not delivered, "
            f"{count(transport.later_step)} in a later step."
        )
    return sentences


def _spread(median: float | None, p99: float | None, largest: float | None, factor: float) -> str:
    """Three times in units of ``factor`` seconds."""
    return (
        f"{_scaled(median, factor, 's')} median, {_scaled(p99, factor, 's')} p99, "
        f"{_scaled(largest, factor, 's')} max"
    )


def _scaled(value: float | None, factor: float, unit: str) -> str:
    return si(None if value is None else value * factor, unit)
