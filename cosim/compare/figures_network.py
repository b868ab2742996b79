"""Figures of what the network did: raster, rates, membranes, shifts of spikes.

In: a :class:`Comparison`. Out: :class:`~cosim.compare.drawing.Picture` objects; nothing for what
was not recorded. Draws inside :func:`cosim.compare.drawing.style`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.compare import drawing
from cosim.compare.comparison import Comparison
from cosim.compare.drawing import Picture
from cosim.compare.matching import match_spikes
from cosim.compare.quantities import count, ms, percent
from cosim.compare.traces import common_pairs, common_samples
from hwmodels.result import Result, Spikes

#: More panels or rows make a figure that nobody reads.
MAX_PANELS = 6
MAX_CELLS = 200
MAX_TRACES = 3


def network_pictures(comparison: Comparison) -> list[Picture]:
    """All figures of spikes and states that this comparison has the data for."""
    drawn = [raster(comparison), rates(comparison), shifts(comparison), intervals(comparison)]
    return [picture for picture in (*drawn, *membranes(comparison)) if picture is not None]


def raster(comparison: Comparison) -> Picture | None:
    """Draw spikes by cell and time, coloured by whether both runs have them."""
    shown = _spiking(comparison)
    if not shown:
        return None
    heights = [max(0.35, min(1.0, comparison.populations[i].cells / 100)) for i in shown]
    figure, panels = drawing.new_figure(
        True, 0.7 + 2.2 * sum(heights), nrows=len(shown), sharex=True, squeeze=False,
        height_ratios=heights,
    )  # fmt: skip
    thinned = False
    for axes, i in zip(panels[:, 0], shown, strict=True):
        thinned |= _raster_panel(axes, comparison, i)
    panels[-1, 0].set_xlabel("biological time (ms)")
    panels[-1, 0].set_xlim(0, comparison.duration_ms)
    handles = [
        _tick(drawing.BOTH, "both"),
        _tick(drawing.REFERENCE, f"{comparison.reference_name} only"),
        _tick(drawing.CANDIDATE, f"{drawing.short(comparison.name)} only"),
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=3)
    caption = (
        f"Each tick is a spike. Grey: both runs have it, at most {comparison.window_ms:g} ms "
        f"apart; blue: missed on {comparison.name}; orange: extra on {comparison.name}."
    )
    if thinned:
        caption += f" Large populations show {MAX_CELLS} cells at even distances."
    return drawing.finish(figure, "Spikes", caption + _left_out(comparison), wide=True)


def rates(comparison: Comparison) -> Picture | None:
    """Draw the population rate over time in both runs."""
    shown = _spiking(comparison)
    if not shown:
        return None
    bin_ms = _bin(comparison)
    edges = np.arange(0.0, comparison.duration_ms + bin_ms, bin_ms)
    figure, panels = drawing.new_figure(
        True, 0.7 + 1.15 * len(shown), nrows=len(shown), sharex=True, squeeze=False
    )
    for axes, i in zip(panels[:, 0], shown, strict=True):
        population = comparison.populations[i]
        for run, colour, line in (
            (comparison.reference, drawing.REFERENCE, "-"),
            (comparison.candidate, drawing.CANDIDATE, "--"),
        ):
            # A spike at the very end belongs to the last bin and not to one of its own.
            times = np.minimum(run.spikes[i].time_ms, edges[-1] - 1e-9)
            values = np.histogram(times, edges)[0] / (population.cells * bin_ms * 1e-3)
            axes.stairs(values, edges, color=colour, ls=line, baseline=None)
        axes.set_title(population.label)
        axes.set_ylabel("rate (Hz)")
        axes.set_ylim(bottom=0)
    panels[-1, 0].set_xlabel("biological time (ms)")
    panels[-1, 0].set_xlim(0, comparison.duration_ms)
    _name_runs(figure, comparison)
    caption = (
        f"Spikes per cell and second in bins of {bin_ms:g} ms. Where the lines lie on each other "
        "the runs agree as populations, even if single spikes differ."
    )
    return drawing.finish(figure, "Population rates", caption + _left_out(comparison), wide=True)


def shifts(comparison: Comparison) -> Picture | None:
    """Draw the histogram of the time shifts of matched spikes, computed cells only."""
    parts = [
        shift
        for shift, p in zip(comparison.shifts_ms, comparison.populations, strict=True)
        if not p.source
    ]
    values = np.concatenate(parts) if parts else np.empty(0)
    if not len(values):
        return None
    figure, axes = drawing.new_figure(False, 3.0)
    window = comparison.window_ms
    # Bins are centred on multiples of the coarser grid, so that no bar gathers two grid points.
    grid = max(comparison.reference.timestep_ms, comparison.candidate.timestep_ms, window / 50)
    half = np.ceil(window / grid) + 0.5
    axes.hist(values, np.arange(-half, half + 1) * grid, color=drawing.FILL)
    axes.axvspan(
        -comparison.coincidence_ms, comparison.coincidence_ms, color="#000000", alpha=0.07, lw=0
    )
    axes.set_yscale("symlog", linthresh=10)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"{drawing.short(comparison.name)} minus {comparison.reference_name} (ms)")
    axes.set_ylabel("matched spikes")
    total = comparison.total
    caption = (
        f"Time shift of the {count(len(values))} matched spikes of computed cells; "
        f"{percent(total.exact / total.matched if total.matched else None)} do not move at all, "
        f"the mean is {ms(total.shift_mean_ms, signed=True)}. Shaded: the coincidence window. "
        "The count axis is linear below 10 and logarithmic above."
    )
    return drawing.finish(figure, "Shifts of spikes", caption)


def intervals(comparison: Comparison) -> Picture | None:
    """Draw the distribution of intervals between the spikes of a cell, computed cells only."""
    runs = [
        _intervals_ms(result, comparison) for result in (comparison.reference, comparison.candidate)
    ]
    pooled = np.concatenate(runs)
    pooled = pooled[pooled > 0]
    if not len(pooled):
        return None
    figure, axes = drawing.new_figure(False, 3.0)
    low, high = float(pooled.min()), float(pooled.max())
    edges = np.geomspace(low * 0.95, high * 1.05, 40)
    for values, colour, line, name in (
        (runs[0], drawing.REFERENCE, "-", comparison.reference_name),
        (runs[1], drawing.CANDIDATE, "--", drawing.short(comparison.name)),
    ):
        axes.stairs(np.histogram(values, edges)[0], edges, color=colour, ls=line, label=name)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("interval (ms)")
    axes.set_ylabel("intervals")
    axes.legend(loc="best")
    caption = (
        "Intervals between consecutive spikes of one cell, computed cells only, on a logarithmic "
        "axis. Equal outlines: the cells fire with the same regularity."
    )
    return drawing.finish(figure, "Intervals between spikes", caption)


def membranes(comparison: Comparison) -> list[Picture]:
    """Overlay the first recorded cells of each variable, at most :data:`MAX_TRACES` variables."""
    pictures = []
    for ours, theirs in common_pairs(comparison.reference, comparison.candidate)[:MAX_TRACES]:
        common = common_samples(ours, theirs)
        if common is None:
            continue
        cells = common.cells[:MAX_TRACES]
        figure, panels = drawing.new_figure(
            True, 0.8 + 1.25 * len(cells), nrows=len(cells), sharex=True, squeeze=False
        )
        time = np.arange(len(common.reference)) * common.interval_ms
        many = len(time) > drawing.MANY_POINTS
        unit = next((t.unit for t in comparison.traces if t.variable == ours.variable), "")
        for k, axes in enumerate(panels[:, 0]):
            axes.plot(time, common.reference[:, k], color=drawing.REFERENCE, rasterized=many)
            axes.plot(
                time, common.candidate[:, k], color=drawing.CANDIDATE, ls="--", rasterized=many
            )
            axes.set_title(f"cell {cells[k]}")
            axes.set_ylabel(f"{ours.variable} ({unit})" if unit else ours.variable)
            axes.margins(x=0)
        panels[-1, 0].set_xlabel("biological time (ms)")
        _name_runs(figure, comparison)
        label = comparison.reference.labels[ours.population]
        caption = (
            f"The first {len(cells)} of {len(common.cells)} cells that both runs recorded, sampled "
            f"every {common.interval_ms:g} ms; where only one colour is seen the lines coincide."
        )
        pictures.append(drawing.finish(figure, f"{ours.variable} of {label}", caption, wide=True))
    return pictures


def _raster_panel(axes: Any, comparison: Comparison, i: int) -> bool:
    """Draw one population; whether cells were left out."""
    population, size = comparison.populations[i], comparison.reference.sizes[i]
    shown = np.unique(np.linspace(0, size - 1, min(size, MAX_CELLS)).astype(np.int64))
    row = np.full(size, -1)
    row[shown] = np.arange(len(shown))
    ours = _rows(comparison.reference.spikes[i], row, comparison.duration_ms)
    theirs = _rows(comparison.candidate.spikes[i], row, comparison.duration_ms)
    pairs = match_spikes(ours, theirs, comparison.window_ms)
    mask = np.ones(len(ours.cell), bool), np.ones(len(theirs.cell), bool)
    mask[0][pairs.reference], mask[1][pairs.candidate] = False, False
    # A tick is as high as its row, within what the eye can see.
    height = max(2.2, min(7.0, 300 / len(shown)))
    for spikes, chosen, colour in (
        (ours, ~mask[0], drawing.BOTH),
        (ours, mask[0], drawing.REFERENCE),
        (theirs, mask[1], drawing.CANDIDATE),
    ):
        axes.plot(
            spikes.time_ms[chosen], spikes.cell[chosen], linestyle="none", marker="|",
            markersize=height, markeredgewidth=1.1, color=colour, rasterized=True,
        )  # fmt: skip
    axes.set_ylim(-0.8, len(shown) - 0.2)
    axes.set_yticks([0, len(shown) - 1], [str(shown[0]), str(shown[-1])])
    axes.set_ylabel("cell")
    axes.set_title(
        f"{population.label}: {count(population.missed)} missed, {count(population.extra)} extra "
        f"of {count(population.reference_spikes)}"
    )
    return len(shown) < size


def _intervals_ms(result: Result, comparison: Comparison) -> NDArray[np.float64]:
    parts = [np.empty(0)]
    for spikes, p in zip(result.spikes, comparison.populations, strict=True):
        if not p.source:
            order = np.lexsort((spikes.time_ms, spikes.cell))
            parts.append(np.diff(spikes.time_ms[order])[np.diff(spikes.cell[order]) == 0])
    return np.concatenate(parts)


def _rows(spikes: Spikes, row: NDArray, duration_ms: float) -> Spikes:
    """Spikes of the cells that are shown, with the row in place of the cell."""
    kept = (row[spikes.cell] >= 0) & (spikes.time_ms <= duration_ms)
    return Spikes(row[spikes.cell[kept]].astype(np.int32), spikes.time_ms[kept])


def _spiking(comparison: Comparison) -> list[int]:
    """Choose the populations with spikes, computed ones before sources, in network order."""
    found = [
        i for i, p in enumerate(comparison.populations) if p.reference_spikes + p.candidate_spikes
    ]
    computed_first = sorted(found, key=lambda i: bool(comparison.populations[i].source))
    return sorted(computed_first[:MAX_PANELS])


def _left_out(comparison: Comparison) -> str:
    spiking = sum(p.reference_spikes + p.candidate_spikes > 0 for p in comparison.populations)
    left = spiking - MAX_PANELS
    return f" {left} more populations are in the table only." if left > 0 else ""


def _bin(comparison: Comparison) -> float:
    """Choose a round bin, at most 200 of them and not finer than either grid."""
    finest = max(
        comparison.duration_ms / 200,
        comparison.reference.timestep_ms,
        comparison.candidate.timestep_ms,
    )
    magnitude = 10.0 ** np.floor(np.log10(finest))
    return float(next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= finest * 0.999))


def _name_runs(figure: Any, comparison: Comparison) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=drawing.REFERENCE, label=comparison.reference_name),
        Line2D([], [], color=drawing.CANDIDATE, ls="--", label=drawing.short(comparison.name)),
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2)


def _tick(colour: str, label: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, ls="none", marker="|", ms=9, mew=2, label=label)
