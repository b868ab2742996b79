"""Figures of what the chip did: latency, step times, load of links and cores, energy.

In: the candidate's :class:`~hwmodels.result.HardwareReport` and its metrics. Out:
:class:`~cosim.compare.drawing.Picture` objects; nothing for what the chip did not report. Draws
inside :func:`cosim.compare.drawing.style`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.compare import drawing
from cosim.compare.comparison import Comparison
from cosim.compare.drawing import Picture
from cosim.compare.hardware import HardwareMetrics, core_utilisation, link_utilisation
from cosim.compare.quantities import count, percent, si
from cosim.compare.transport import computed_steps_ps, latencies_ns
from hwmodels.result import HardwareReport

#: A distribution whose 99.9th percentile lies this far over its median is drawn on a log axis.
WIDE_RATIO = 10.0
#: A line of more steps is drawn as the range of each of this many stretches.
MAX_STRETCHES = 1500


def hardware_pictures(comparison: Comparison) -> list[Picture]:
    """All figures of the chip that this comparison has the data for."""
    hardware, metrics = comparison.candidate.hardware, comparison.hardware
    if hardware is None or metrics is None:
        return []
    drawn = (
        latency(hardware),
        energy(metrics),
        step_times(hardware, metrics),
        mesh(hardware, metrics),
    )
    return [picture for picture in drawn if picture is not None]


def latency(hardware: HardwareReport) -> Picture | None:
    """Draw the histogram of packet latencies."""
    values = latencies_ns(hardware)
    if not len(values):
        return None
    figure, axes = drawing.new_figure(False, 3.0)
    values, unit = _scaled(values * 1e-9, "s")
    positive = values[values > 0]
    wide = len(positive) == len(values) and np.percentile(values, 99.9) > WIDE_RATIO * np.median(
        values
    )
    low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low * 0.9 - (low == 0), high * 1.1 + (high == 0)
    edges = np.geomspace(low, high, 60) if wide else np.linspace(low, high, 60)
    axes.hist(values, edges, color=drawing.FILL)
    if wide:
        axes.set_xscale("log")
    median, p99 = np.percentile(values, [50, 99])
    for value, line, label in ((median, "-", "median"), (p99, "--", "p99")):
        axes.axvline(value, color="#22262d", linestyle=line, linewidth=1, label=label)
    # Above the axes: a line may be anywhere in them.
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
    axes.set_xlabel(f"arrival minus injection ({unit})")
    axes.set_ylabel("packets")
    caption = (
        "Hardware time from the moment a neuron hands its spike to the fabric until the "
        "destination core has it, waiting included."
        + (" The time axis is logarithmic." if wide else "")
    )
    return drawing.finish(figure, "Spike latency", caption)


def energy(metrics: HardwareMetrics) -> Picture | None:
    """Draw the energy of each operation."""
    parts = [part for part in metrics.energy if part.energy_pJ > 0][:12]
    if not parts:
        return None
    figure, axes = drawing.new_figure(False, max(1.5, 0.9 + 0.34 * len(parts)))
    rows = np.arange(len(parts))[::-1]
    values, unit = _scaled(
        np.array([part.energy_pJ for part in parts]) * 1e-12, "J", size=parts[0].energy_pJ * 1e-12
    )
    axes.barh(rows, values, color=drawing.FILL, height=0.65)
    for row, value, part in zip(rows, values, parts, strict=True):
        axes.annotate(
            percent(part.share), (value, row), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=8,
        )  # fmt: skip
    axes.set_yticks(rows, [part.operation for part in parts])
    axes.set_xlim(0, values.max() * 1.2)
    axes.set_xlabel(f"energy ({unit})")
    caption = (
        f"Count times energy per operation; {si(metrics.energy_uJ * 1e-6, 'J')} in all. "
        "What the model leaves out is said under provenance."
    )
    return drawing.finish(figure, "Energy by operation", caption)


def step_times(hardware: HardwareReport, metrics: HardwareMetrics) -> Picture | None:
    """Draw the hardware time of each step over biological time; nothing where all are alike."""
    steps_ps = computed_steps_ps(hardware)
    steps = len(steps_ps)
    # Times are whole picoseconds, so steps of 2.5 are 2 and 3.
    if not steps_ps.any() or np.ptp(steps_ps) <= 1:
        return None
    figure, axes = drawing.new_figure(True, 2.3)
    values, unit = _scaled(steps_ps * 1e-12, "s")
    time = np.arange(steps) * hardware.step_ms
    stretches = steps > MAX_STRETCHES
    if stretches:
        begins = np.linspace(0, steps, MAX_STRETCHES, endpoint=False).astype(np.int64)
        axes.fill_between(
            time[begins], np.minimum.reduceat(values, begins), np.maximum.reduceat(values, begins),
            color=drawing.FILL, linewidth=0.6, step="post",
        )  # fmt: skip
    else:
        axes.plot(time, values, color=drawing.FILL, linewidth=0.9, drawstyle="steps-post")
    axes.axhline(np.median(values), color="#22262d", linewidth=1, label="median")
    axes.legend(loc="upper right")
    axes.set_xlim(0, max(steps * hardware.step_ms, 1e-9))
    from_zero = bool(values.min() < 0.6 * values.max())
    if from_zero:
        axes.set_ylim(0, values.max() * 1.15)
    axes.set_xlabel("biological time (ms)")
    axes.set_ylabel(f"step time ({unit})")
    caption = (
        f"Hardware time the chip needs for each step of {hardware.step_ms:g} ms. A step keeps up "
        f"with real time while it stays below {hardware.step_ms:g} ms."
        + ("" if from_zero else " The axis does not start at zero.")
        + (" The band spans the shortest and longest of neighbouring steps." if stretches else "")
    )
    return drawing.finish(figure, "Step time", caption, wide=True)


def mesh(hardware: HardwareReport, metrics: HardwareMetrics) -> Picture | None:
    """Draw the routers with their cores' load, and the links between them with theirs."""
    links, cores = hardware.links, hardware.cores
    if not len(links) and not len(cores):
        return None
    columns, rows = (max(1, int(n)) for n in hardware.mesh)
    # A few routers need no whole page.
    height = float(np.clip(8.3 * rows / columns, 2.2, min(8.0, 0.9 + 1.3 * rows))) + 0.4
    figure, axes = drawing.new_figure(True, height)
    # Squares keep their shape; what the page is wider than they need stands on both sides.
    figure.set_layout_engine("compressed")
    cores_said = _draw_routers(figure, axes, hardware, columns, rows)
    links_said = _draw_links(figure, axes, hardware, metrics, columns, rows)
    axes.set_xlim(-0.6, columns - 0.4)
    axes.set_ylim(-0.6, rows - 0.4)
    axes.set_aspect("equal")
    drawing.quiet(axes)
    if columns <= 32:
        axes.set_xticks(range(columns))
    if rows <= 32:
        axes.set_yticks(range(rows))
    axes.tick_params(length=0)
    caption = f"Squares are routers: {cores_said}. {links_said}"
    return drawing.finish(figure, "Load of the mesh", caption.strip(), wide=True)


def _draw_routers(figure: Any, axes: Any, hardware: HardwareReport, columns: int, rows: int) -> str:
    """Colour each router by the load of its cores; what was drawn, in words."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    cores = hardware.cores
    busy = core_utilisation(hardware)
    if busy.any():
        load, name = busy, "core busy (mean)"
    else:
        load, name = cores["neurons"].astype(float), "neurons per core (mean)"
    here = cores["y"].astype(np.int64) * columns + cores["x"]
    inside = (cores["x"] >= 0) & (cores["x"] < columns) & (cores["y"] >= 0) & (cores["y"] < rows)
    here, load = here[inside], load[inside]
    used = np.bincount(here, minlength=columns * rows)
    total = np.bincount(here, load, minlength=columns * rows)
    squares = [
        Rectangle((k % columns - 0.21, k // columns - 0.21), 0.42, 0.42)
        for k in range(columns * rows)
    ]
    empty = PatchCollection(
        [s for s, n in zip(squares, used, strict=True) if not n],
        facecolor="#ffffff", edgecolor="#b4b9c2", linewidth=0.6,
    )  # fmt: skip
    axes.add_collection(empty)
    if used.any():
        filled = PatchCollection(
            [s for s, n in zip(squares, used, strict=True) if n],
            cmap=drawing.load_map(drawing.CORE_MAP), edgecolor="#555b66", linewidth=0.6,
        )  # fmt: skip
        filled.set_array(total[used > 0] / used[used > 0])
        filled.set_clim(0, max(float(load.max()), 1e-12))
        axes.add_collection(filled)
        _bar(figure, axes, filled, name, share=bool(busy.any()))
    if columns <= 16 and rows <= 16:
        shade = total / np.maximum(used, 1) / max(float(load.max(initial=0)), 1e-12)
        for k in np.flatnonzero(used):
            axes.text(
                k % columns, k // columns, str(used[k]), ha="center", va="center", fontsize=7,
                color="#ffffff" if shade[k] > 0.4 else "#22262d",
            )  # fmt: skip
        return f"coloured by {name}, with the number of used cores, and white where none is used"
    return f"coloured by {name}, and white where no core is used"


def _draw_links(
    figure: Any,
    axes: Any,
    hardware: HardwareReport,
    metrics: HardwareMetrics,
    columns: int,
    rows: int,
) -> str:
    """Draw each link as a line beside its partner in the other direction; in words."""
    from matplotlib.collections import LineCollection

    links = hardware.links
    between = (links["x"] != links["to_x"]) | (links["y"] != links["to_y"])
    if not between.any():
        return "The chip reports no links between routers."
    busy = link_utilisation(hardware)
    timed = bool(busy.any())
    load = (busy if timed else links["packets"].astype(float))[between]
    name = "link busy" if timed else "packets on link"
    segments = _segments(links[between], columns, rows)
    width = float(np.clip(28 / max(columns, rows), 0.8, 3.5))
    many = len(segments) > drawing.MANY_POINTS
    idle = load == 0
    axes.add_collection(
        LineCollection(list(segments[idle]), colors="#e3e6ea", linewidths=width, rasterized=many)
    )
    if not idle.all():
        order = np.flatnonzero(~idle)[np.argsort(load[~idle], kind="stable")]  # busiest on top
        lines = LineCollection(
            list(segments[order]),
            cmap=drawing.load_map(drawing.LINK_MAP),
            array=load[order],
            linewidths=width,
            rasterized=many,
        )
        lines.set_clim(0, float(load.max()))
        axes.add_collection(lines)
        _bar(figure, axes, lines, name, share=timed)
    busiest = metrics.links.busiest_link if metrics.links else None
    said = (
        f"Lines are links, coloured by {name} (grey: idle); traffic keeps to the right of the "
        "middle, seen in its direction."
    )
    if timed and busiest and metrics.links is not None:
        said += f" Busiest: {busiest}, {percent(metrics.links.utilisation_max)}."
    return f"{said} {count(int(links['packets'].sum()))} packet passages in all."


def _segments(links: NDArray, columns: int, rows: int) -> NDArray[np.float64]:
    """Lines from router to router, moved aside; a link around a torus becomes two stubs' first."""
    start = np.stack((links["x"], links["y"]), axis=1).astype(float)
    way = np.stack((links["to_x"], links["to_y"]), axis=1) - start
    for axis, size in ((0, columns), (1, rows)):
        around = np.abs(way[:, axis]) > max(1, size // 2)
        way[around, axis] = -np.sign(way[around, axis])  # leaves the mesh at its edge
    length = np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-9)[:, None]
    unit = way / length
    aside = np.stack((unit[:, 1], -unit[:, 0]), axis=1) * 0.09
    begin = start + unit * 0.24 + aside
    end = start + way - unit * 0.24 + aside
    limit = np.array([columns - 0.5, rows - 0.5])
    return np.stack((begin, np.clip(end, -0.5, limit)), axis=1)


def _bar(figure: Any, axes: Any, mappable: Any, name: str, share: bool) -> None:
    from matplotlib.ticker import FuncFormatter

    formatter = FuncFormatter(lambda value, _: f"{100 * value:.3g} %") if share else None
    figure.colorbar(
        mappable, ax=axes, label=name, format=formatter, shrink=0.7, pad=0.01, aspect=18
    )


def _scaled(
    values: NDArray, unit: str, size: float | None = None
) -> tuple[NDArray[np.float64], str]:
    """Bring values to the SI prefix of ``size`` (else their median), so that axes are plain."""
    positive = values[values > 0]
    if size is None:
        size = float(np.median(positive)) if len(positive) else 1.0
    for factor, prefix in ((1e-12, "p"), (1e-9, "n"), (1e-6, "µ"), (1e-3, "m")):
        if size < 1000 * factor:
            return values / factor, f"{prefix}{unit}"
    return values, unit
