"""The table every validation prints: ours, published, ratio, verdict."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One published figure and what this platform makes of it.

    ``low`` and ``high`` bound the ratio ours/published that the datasheet allows.
    """

    key: str
    what: str
    ours: float
    published: float
    unit: str
    low: float
    high: float
    source: str

    @property
    def ratio(self) -> float:
        return self.ours / self.published if self.published else float(self.ours == 0) or 1e9

    @property
    def holds(self) -> bool:
        return self.low <= self.ratio <= self.high


def within(tolerance: float) -> tuple[float, float]:
    """Bounds of a ratio for a relative tolerance."""
    return 1 - tolerance - 1e-12, 1 + tolerance + 1e-12


def rows(targets: list[Target]) -> str:
    """The table as Markdown, which reads well on a terminal too."""
    lines = [
        "| target | ours | published | unit | ratio | allowed | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for t in targets:
        lines.append(
            f"| {t.key} {t.what} | {t.ours:.6g} | {t.published:.6g} | {t.unit} | {t.ratio:.4f} "
            f"| {t.low:.4g} to {t.high:.4g} | {'holds' if t.holds else 'OFF'} |"
        )
    return "\n".join(lines)
