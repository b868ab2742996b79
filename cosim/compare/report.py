"""The comparison as one HTML page that needs nothing else.

In: comparisons, and an attribution for each if there is one. Out: HTML with inline SVG and CSS,
no scripts and no outside resources, so it can be mailed, archived and printed. The same input
gives the same bytes: the page holds no dates and no seconds of this computer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cosim.compare import drawing, quantities, wording
from cosim.compare.attribution import Attribution
from cosim.compare.comparison import Comparison
from cosim.compare.spread import Spread


def html_report(
    comparisons: Comparison | Sequence[Comparison],
    attribution: Mapping[str, Attribution] | None = None,
    title: str = "Software against hardware",
    spread: Mapping[str, Spread] | None = None,
) -> str:
    """Render one self-contained page.

    Parameters
    ----------
    comparisons : Comparison or sequence of Comparison
        Several get a table that sets them side by side, and a section each.
    attribution : mapping of str to Attribution, optional
        By the name of the comparison it belongs to.
    title : str
    spread : mapping of str to Spread, optional
        Likewise by name.

    Returns
    -------
    str
        HTML.

    Raises
    ------
    ValueError
        When there is nothing to report, or two comparisons have one name.
    """
    listed = [comparisons] if isinstance(comparisons, Comparison) else list(comparisons)
    names = [comparison.name for comparison in listed]
    if not listed or len(set(names)) != len(names):
        raise ValueError(f"a report needs comparisons with different names, got {names}")
    sections = [
        _section(
            i,
            comparison,
            (attribution or {}).get(comparison.name),
            (spread or {}).get(comparison.name),
        )
        for i, comparison in enumerate(listed)
    ]
    return environment().get_template("report.html.j2").render(title=title, sections=sections)


def save_html(
    path: str | Path,
    comparisons: Comparison | Sequence[Comparison],
    attribution: Mapping[str, Attribution] | None = None,
    title: str = "Software against hardware",
    spread: Mapping[str, Spread] | None = None,
) -> None:
    """Write :func:`html_report` to a file."""
    Path(path).write_text(html_report(comparisons, attribution, title, spread), encoding="utf-8")


def _section(
    i: int, comparison: Comparison, attribution: Attribution | None, spread: Spread | None
) -> dict[str, Any]:
    """Everything the template shows of one comparison."""
    from cosim.compare.figures_hardware import hardware_pictures
    from cosim.compare.figures_network import network_pictures
    from cosim.compare.figures_spread import spread_pictures

    with drawing.style(f"section{i}"):
        network, hardware = network_pictures(comparison), hardware_pictures(comparison)
        chips = [] if spread is None else spread_pictures(spread)
    verdict, *headline = wording.headline(comparison)
    if spread is not None:
        headline.append(wording.spread_sentence(spread))
    spoken = comparison.hardware
    return {
        "id": f"candidate-{i}",
        "comparison": comparison,
        "verdict": verdict,
        "headline": headline,
        "settings": wording.settings(comparison),
        "network_pictures": network,
        "hardware_pictures": hardware,
        "hardware_rows": wording.hardware_rows(spoken) if spoken else [],
        "counts": [
            (name, counted)
            for name, counted in (
                (comparison.name, wording.counts(comparison)),
                (comparison.reference_name, wording.reference_counts(comparison)),
            )
            if counted
        ],
        "attribution": attribution,
        "spread": spread,
        "spread_pictures": chips,
        "provenance": _provenance(comparison),
    }


def _provenance(comparison: Comparison) -> list[tuple[str, str]]:
    rows = [
        ("network hash", comparison.reference.network_hash),
        ("reference", _run(comparison.reference_name, comparison.reference)),
        ("candidate", _run(comparison.name, comparison.candidate)),
    ]
    if comparison.candidate.network_hash != comparison.reference.network_hash:
        rows.insert(1, ("candidate's network", comparison.candidate.network_hash))
    if comparison.hardware is not None:
        hardware = comparison.hardware
        rows += [
            ("specification", f"{hardware.chip}, {hardware.spec}"),
            ("effects on", ", ".join(hardware.effects) or "none"),
            ("fidelity", hardware.fidelity),
        ]
        rows += [(f"source: {k}", v) for k, v in sorted(hardware.sources.items())]
    return rows + sorted(comparison.provenance.items())


def _run(name: str, result: Any) -> str:
    return (
        f"{name}: engine {result.engine}, {result.duration_ms:g} ms in steps of "
        f"{result.timestep_ms:g} ms"
    )


def _breakable(name: str) -> Markup:
    """The name of an engine that may be broken before each of its options."""
    return Markup("<wbr>:").join(name.split(":"))


@cache
def environment() -> Environment:
    """Templates of all reports, with the filters they use."""
    environment = Environment(
        loader=PackageLoader("cosim.compare", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": quantities.number,
        "breakable": _breakable,
        "short": drawing.short,
        "count": quantities.count,
        "percent": quantities.percent,
        "ms": quantities.ms,
        "times": quantities.times,
        "si": lambda value, unit, factor=1.0: quantities.si(
            None if value is None else value * factor, unit
        ),
        "cells": wording.population_cells,
        "remark": wording.population_name,
        "effect": wording.attribution_cells,
        "spread_title": wording.spread_title,
        "spread_cells": wording.spread_cells,
    }
    return environment
