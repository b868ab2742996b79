"""How speed is measured: CPU time of alternatives that take turns, medians, ratios."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

#: What alternatives are called: names, or sizes.
K = TypeVar("K")


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of a call, over all threads."""
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def memory_kib(name: str) -> int:
    """Of this process: ``VmRSS`` (now) or ``VmHWM`` (at its peak), from Linux."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def forget_peak() -> None:
    """Let the peak of memory begin anew."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def alternate(works: Mapping[K, Callable[[], object]], repeats: int) -> dict[K, float]:
    """Median CPU time of each, all taking turns, so that a busy machine is busy for all of them."""
    seconds: dict[K, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            seconds[name].append(cpu_seconds(work))
    return {name: float(np.median(taken)) for name, taken in seconds.items()}


def exponent(x: list[float], y: list[float]) -> float:
    """Power with which ``y`` grows with ``x``, by least squares on logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


@dataclass
class Row:
    """One figure; ``target`` says what it should be at least (or at most), if anything."""

    what: str
    value: float
    unit: str
    target: float | None = None
    at_most: bool = False

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        reached = self.value <= self.target if self.at_most else self.value >= self.target
        sign = "<=" if self.at_most else ">="
        return f"{'reached' if reached else 'MISSED':8} {sign} {self.target:g}"


@dataclass
class Section:
    """What one part of the benchmark found."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    #: Curves for the plot: name to x, y, and the fitted exponent.
    curves: dict[str, tuple[list[float], list[float], float]] = field(default_factory=dict)

    def add(
        self, what: str, value: float, unit: str, target: float | None = None, at_most: bool = False
    ) -> None:
        self.rows.append(Row(what, float(value), unit, target, at_most))

    def grow(self, name: str, costs: Mapping[float, float], limit: float | None = None) -> None:
        """A curve of cost by size, and its exponent as a row."""
        x, y = list(map(float, costs)), list(costs.values())
        power = exponent(x, y)
        self.curves[name] = (x, y, power)
        self.add(f"growth with {name}", power, "exponent", limit, at_most=True)

    def text(self) -> str:
        lines = [f"## {self.title}", ""]
        for row in self.rows:
            lines.append(f"{row.what:44} {row.value:>11.4g} {row.unit:12} {row.verdict}".rstrip())
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])
