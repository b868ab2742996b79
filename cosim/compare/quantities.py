"""Numbers as people read them: three significant digits, SI prefixes, thousands apart.

In: numbers, or None for "not defined". Out: short strings. Biological time is always written in
ms and hardware time with a prefix of its own size, so that the two cannot be mistaken.
"""

from __future__ import annotations

import math

#: What stands for a value that is not defined.
NOTHING = "–"

_PREFIXES = {
    -18: "a",
    -15: "f",
    -12: "p",
    -9: "n",
    -6: "µ",
    -3: "m",
    0: "",
    3: "k",
    6: "M",
    9: "G",
    12: "T",
}


def number(value: float | None, signed: bool = False) -> str:
    """Three significant digits, without an exponent where that stays short."""
    if value is None or math.isnan(value):
        return NOTHING
    sign = "+" if signed and value > 0 else ""
    if value == 0:
        return "0"
    if math.isinf(value):
        return f"{sign}{value}"
    value = float(f"{value:.2e}")
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -4 or exponent > 6:
        return f"{sign}{value:.2e}"
    return f"{sign}{value:,.{max(0, 2 - exponent)}f}"


def si(value: float | None, unit: str) -> str:
    """With an SI prefix: ``si(6.3e-6, "s")`` is ``"6.30 µs"``."""
    if value is None or not math.isfinite(value):
        return number(value)
    if value == 0:
        return f"0 {unit}"
    rounded = float(f"{value:.2e}")
    exponent = 3 * math.floor(math.floor(math.log10(abs(rounded))) / 3)
    exponent = min(max(exponent, min(_PREFIXES)), max(_PREFIXES))
    return f"{number(rounded / 10.0**exponent)} {_PREFIXES[exponent]}{unit}"


def prefixed(prefix: str) -> float:
    """What an SI prefix stands for: ``prefixed("µ")`` is ``1e-6``."""
    return 10.0 ** next(exponent for exponent, name in _PREFIXES.items() if name == prefix)


def count(value: int | None) -> str:
    """All digits, in groups of three."""
    return NOTHING if value is None else f"{value:,d}"


def percent(share: float | None, signed: bool = False) -> str:
    """Write a share as per cent; what is not quite 0 or 100 is not rounded to it."""
    if share is None or not math.isfinite(share):
        return NOTHING
    value = 100 * share
    sign = "+" if signed and value > 0 else ""
    if value in (0, 100):
        return f"{sign}{value:.0f} %"
    if 0 < value < 0.001:
        return "< 0.001 %"
    if abs(value) < 0.05:
        return f"{sign}{number(value)} %"
    if 99.95 <= value < 100:
        return f"{sign}{value:.3f} %" if value < 99.9994 else "> 99.999 %"
    return f"{sign}{value:.1f} %" if abs(value) < 1000 else f"{sign}{number(value)} %"


def ms(value: float | None, signed: bool = False) -> str:
    """Write biological time."""
    return NOTHING if value is None else f"{number(value, signed)} ms"


def times(value: float | None) -> str:
    """Write a factor."""
    return NOTHING if value is None else f"{number(value)} x"
