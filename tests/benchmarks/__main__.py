"""Measures speed and prints ratios: ``python -m tests.benchmarks [--quick] [SECTION ...]``.

Everything is CPU time, alternatives take turns in one run, and figures are medians, since
machines are shared; ratios are what to trust. SANA-FE is measured as a program of its own where
``SANAFE_PYTHON`` names an interpreter that has it (sanafe 2.2.9 from PyPI), or this one does.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks import fabrics, large, lowering, neurons, replays, ticks
from tests.benchmarks.measuring import Section

SECTIONS: dict[str, Callable[[bool], Section]] = {
    "fabric": fabrics.fabric,
    "growth": fabrics.growth,
    "neurons": neurons.neurons,
    "scale": neurons.growth,
    "ticks": ticks.ticks,
    "cuba": neurons.cuba,
    "lowering": lowering.lowering,
    "replay": replays.replays,
    "large": large.large,
    "billion": large.billion,
}
#: Run only where they are named.
BY_NAME = ("billion",)


def plot(sections: list[Section], path: Path) -> None:
    """Curves of growth, and the ratios that have a target, relative to it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import LogLocator, NullLocator

    rows, case = [], ""
    for section in sections:
        for row in section.rows:
            # An indented row is about the case above it.
            case = case if row.what.startswith(" ") else row.what.split(":")[0]
            unit = row.unit in ("x", "M events/s", "G/s", "M hops/s")
            if row.target and not row.at_most and unit:
                name = f"{case}: {row.what.strip()}" if row.what.startswith(" ") else row.what
                rows.append((name, row.value / row.target))
    size = (12, max(5.5, 0.14 * len(rows)))
    figure, (left, right) = plt.subplots(1, 2, figsize=size, constrained_layout=True)
    for section in sections:
        for name, (x, y, power) in section.curves.items():
            left.loglog(
                [one / x[0] for one in x], [one / y[0] for one in y], "o-",
                label=f"{name}: {power:.2f}",
            )  # fmt: skip
    left.plot([1, 1000], [1, 1000], ":", color="grey", label="linear")
    left.set(xlabel="quantity, relative", ylabel="CPU time, relative", title="Growth (exponent)")
    left.legend(fontsize=8)
    names, values = [name for name, _ in rows], [value for _, value in rows]
    colours = ["tab:green" if value >= 1 else "tab:red" for value in values]
    right.barh(range(len(rows)), values, color=colours)
    right.set_yticks(range(len(rows)), names, fontsize=6)
    right.axvline(1, color="black", linewidth=0.8)
    right.set(xscale="log", xlabel="measured / target", title="Speed against targets")
    right.xaxis.set_major_locator(LogLocator(base=2, numticks=12))
    right.xaxis.set_major_formatter("{x:g}")
    right.xaxis.set_minor_locator(NullLocator())
    right.invert_yaxis()
    figure.savefig(path, dpi=110)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="fewer and smaller cases")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw growth and ratios")
    arguments = parser.parse_args()
    for name in arguments.sections:
        if name not in SECTIONS:
            parser.error(f"unknown section {name!r}; there are {', '.join(SECTIONS)}")
    done = []
    for name in arguments.sections or [name for name in SECTIONS if name not in BY_NAME]:
        print(f"{name} ...", end="", file=sys.stderr, flush=True)
        began = time.perf_counter()
        done.append(SECTIONS[name](arguments.quick))
        print(f" {time.perf_counter() - began:.0f} s", file=sys.stderr)
        print(done[-1].text(), end="\n\n", flush=True)
        if arguments.json:
            machine = {"processor": platform.processor(), "python": platform.python_version()}
            content = {"machine": machine, "sections": [asdict(one) for one in done]}
            arguments.json.write_text(json.dumps(content, indent=1), encoding="utf-8")
    if arguments.plot:
        plot(done, arguments.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
