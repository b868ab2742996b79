"""A comparison on the terminal: headline in words, then tables that fit 80 columns.

In: comparisons (and attributions). Out: text through rich; plain, without colours or escape
codes, when it does not go to a terminal.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cosim.compare import wording
from cosim.compare.attribution import Attribution
from cosim.compare.comparison import Comparison
from cosim.compare.hardware import HardwareMetrics
from cosim.compare.quantities import count, number, percent, si
from cosim.compare.spread import Spread

#: Wider lines are harder to read than a second line.
WIDTH = 80


def print_comparison(
    comparisons: Comparison | Sequence[Comparison],
    attribution: Mapping[str, Attribution] | None = None,
    console: Console | None = None,
    spread: Mapping[str, Spread] | None = None,
) -> None:
    """Print comparisons one after the other.

    Parameters
    ----------
    comparisons : Comparison or sequence of Comparison
    attribution : mapping of str to Attribution, optional
        By the name of the comparison it belongs to.
    console : rich.console.Console, optional
        Standard output when not given.
    spread : mapping of str to Spread, optional
        Likewise by name.
    """
    console = console or Console(markup=False)
    if console.is_terminal and not console.options.ascii_only:
        _print(comparisons, attribution, spread, console)
    else:
        text = render_text(comparisons, attribution, spread)
        console.file.write(text.encode(console.encoding, "replace").decode(console.encoding))


def render_text(
    comparisons: Comparison | Sequence[Comparison],
    attribution: Mapping[str, Attribution] | None = None,
    spread: Mapping[str, Spread] | None = None,
) -> str:
    """Return what :func:`print_comparison` prints, without colours and trailing blanks.

    ASCII throughout, except in names that the user gave.
    """
    stream = io.StringIO()
    console = Console(
        file=stream, width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False,
        markup=False,
    )  # fmt: skip
    _print(comparisons, attribution, spread, console)
    return "".join(f"{_ascii(line).rstrip()}\n" for line in stream.getvalue().splitlines())


def _print(
    comparisons: Comparison | Sequence[Comparison],
    attribution: Mapping[str, Attribution] | None,
    spread: Mapping[str, Spread] | None,
    console: Console,
) -> None:
    listed = [comparisons] if isinstance(comparisons, Comparison) else list(comparisons)
    for comparison in listed:
        name = comparison.name
        for part in _parts(comparison, (attribution or {}).get(name), (spread or {}).get(name)):
            console.print(part, width=min(WIDTH, console.width), highlight=False)


def _ascii(text: str) -> str:
    """Replace what a plain stream may not take."""
    return text.replace("µ", "u").replace("–", "-").replace("─", "-").replace("…", "~")


def _parts(
    comparison: Comparison, attribution: Attribution | None, spread: Spread | None
) -> list[Text | Table]:
    title = f"{comparison.name} against {comparison.reference_name}"
    parts: list[Text | Table] = [Text(title, style="bold"), Text()]
    for i, sentence in enumerate(wording.headline(comparison)):
        style = ("green" if comparison.identical else "yellow") if i == 0 else ""
        parts.append(_bullet(sentence, style))
    if spread is not None:
        parts.append(_bullet(wording.spread_sentence(spread), ""))
    parts += [Text(), _populations(comparison), Text(wording.settings(comparison), style="dim")]
    if comparison.traces:
        parts += [Text(), _traces(comparison)]
    if comparison.weights:
        parts += [Text(), _weights(comparison)]
    if spread is not None:
        parts += [Text(), _spread(spread)]
    if attribution is not None:
        parts += [Text(), _attribution(attribution)]
    if comparison.hardware is not None:
        parts += [Text(), _rows("hardware", wording.hardware_rows(comparison.hardware))]
        if comparison.hardware.energy:
            parts += [Text(), _energy(comparison.hardware)]
        if comparison.hardware.quantisation:
            parts += [Text(), _quantisation(comparison.hardware)]
    for name, counted in (
        (comparison.name, wording.counts(comparison)),
        (comparison.reference_name, wording.reference_counts(comparison)),
    ):
        nonzero = [(k, count(v)) for k, v in counted if v]
        if nonzero:
            parts += [Text(), _rows(f"counted on {name}", nonzero)]
    if comparison.notes:
        parts += [Text()] + [_bullet(f"Note: {note}", "dim") for note in comparison.notes]
    return [*parts, Text()]


def _bullet(sentence: str, style: str) -> Table:
    """Lay a sentence out as a grid, so that its second line is indented."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(overflow="fold")
    grid.add_row(Text("*"), Text(sentence, style=style))
    return grid


def _table(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]], total=None) -> Table:
    """Names on the left, figures right-aligned; names give way where the line is too short."""
    body = [*rows, total] if total else list(rows)
    widths = [
        max(len(part) for part in (*header.split("\n"), *(row[i + 1] for row in body)))
        for i, header in enumerate(headers)
    ]
    room = max(8, WIDTH - sum(widths) - 2 * len(widths))
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD,
        show_edge=False, pad_edge=False, padding=(0, 0, 0, 1), header_style="",
    )  # fmt: skip
    table.add_column("", no_wrap=True)
    for header in headers:
        table.add_column(header, justify="right", no_wrap=True)
    for name, *cells in rows:
        table.add_row(Text(_shortened(name, room)), *cells)
    if total:
        table.add_section()
        table.add_row(*total)
    return table


def _shortened(name: str, room: int) -> str:
    return name if len(name) <= room else f"{name[: room - 1]}…"


def _populations(comparison: Comparison) -> Table:
    headers = (
        "cells",
        f"Hz\n{_shortened(comparison.reference_name, 8)}",
        f"Hz\n{_shortened(comparison.name, 8)}",
        "rate\nchange",
        f"within\n{comparison.coincidence_ms:g} ms",
        "missed",
        "extra",
        "|shift|\nmean ms",
    )
    rows = []
    for p in comparison.populations:
        label, remark = wording.population_name(p)
        rows.append((f"{label} ({remark})" if remark else label, *wording.population_cells(p)))
    several = len([p for p in comparison.populations if p.recorded and not p.source]) > 1
    total = ("all", *wording.population_cells(comparison.total)) if several else None
    return _table("populations", headers, rows, total)


def _traces(comparison: Comparison) -> Table:
    rows = [
        (
            f"{t.population}.{t.variable} [{t.unit}]" if t.unit else f"{t.population}.{t.variable}",
            count(t.cells),
            f"{t.interval_ms:g} ms",
            number(t.rms_difference),
            number(t.max_difference),
            "never" if t.first_difference_ms is None else f"{number(t.first_difference_ms)} ms",
        )
        for t in comparison.traces
    ]
    return _table("traces", ("cells", "every", "rms", "max", "first differs"), rows)


def _weights(comparison: Comparison) -> Table:
    rows = [
        (
            w.projection,
            count(w.synapses),
            number(w.reference_mean),
            number(w.candidate_mean),
            number(w.rms_difference),
            number(w.max_difference),
            number(w.correlation),
        )
        for w in comparison.weights
    ]
    headers = ("synapses", "reference", "mean", "rms", "max", "correlation")
    return _table("learned weights", headers, rows)


def _attribution(attribution: Attribution) -> Table:
    headers = (
        "rate\nchange",
        f"within\n{attribution.coincidence_ms:g} ms",
        "missed",
        "extra",
        "|shift|\nmean ms",
        "latency\nmedian",
        # A line has room for one more.
        "weights\nrms" if attribution.learns else "step\nmedian",
    )
    rows = []
    for row in attribution.rows:
        *cells, step, _ = wording.attribution_cells(row)
        last = number(row.weights_rms) if attribution.learns else step
        rows.append((row.effect, *cells, last))
    return _table("what each effect costs, switched on alone", headers, rows)


def _spread(spread: Spread) -> Table:
    rows = [(row.figure, *wording.spread_cells(row)) for row in spread.rows]
    headers = ("reference", "mean", "sd", "smallest", "largest")
    return _table(wording.spread_title(spread), headers, rows)


def _energy(hardware: HardwareMetrics) -> Table:
    rows = [
        (
            part.operation,
            count(part.count),
            si(part.unit_pJ * 1e-12, "J"),
            si(part.energy_pJ * 1e-12, "J"),
            percent(part.share),
        )
        for part in hardware.energy
    ]
    return _table("energy by operation", ("count", "each", "energy", "share"), rows)


def _quantisation(hardware: HardwareMetrics) -> Table:
    rows = [
        (
            f"{q.where}: {q.quantity} [{q.unit}]",
            count(q.values),
            number(q.step),
            number(q.rms_error),
            number(q.max_error),
            count(q.clipped),
        )
        for q in hardware.quantisation
    ]
    headers = ("values", "step", "rms error", "max error", "clipped")
    return _table("quantisation", headers, rows)


def _rows(title: str, rows: Sequence[tuple[str, str]]) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, show_header=False,
        pad_edge=False, padding=(0, 1),
    )  # fmt: skip
    table.add_column(style="dim", no_wrap=True, max_width=44)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(value))
    return table
