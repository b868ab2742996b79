"""Limits on a comparison, so that a continuous build can fail when hardware drifts from software.

In: a comparison and limits by the dotted names of its JSON form. Out: a sentence for each limit
that is broken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cosim.compare.comparison import Comparison
from cosim.compare.quantities import number
from hwmodels.errors import ModelError


def broken_limits(comparison: Comparison, limits: Mapping[str, float]) -> list[str]:
    """Check magnitudes against upper limits.

    Parameters
    ----------
    comparison : Comparison
    limits : mapping of str to float
        Largest magnitude allowed of a value of :meth:`Comparison.to_dict`, by its dotted name,
        for instance ``{"total.rate_relative_error": 0.05, "hardware.transport.undelivered": 0}``.

    Returns
    -------
    list of str
        One sentence for each broken limit, in the order given. A value that is not defined
        breaks its limit: what was not measured was not met.

    Raises
    ------
    ModelError
        When a name does not exist or is not a number.
    """
    content = comparison.to_dict(volatile=False)
    broken = []
    for name, limit in limits.items():
        value = _look_up(content, name)
        if value is None:
            broken.append(f"{name} is not defined, the limit is {number(limit)}")
        elif abs(value) > limit:
            broken.append(f"{name} is {number(value)}, the limit is {number(limit)}")
    return broken


def _look_up(content: Mapping[str, Any], name: str) -> float | None:
    """Follow a dotted name; a key may itself contain dots, so the longest key wins."""
    value: Any = content
    rest = name
    while rest:
        if value is None:
            return None  # a part that this comparison does not have, such as the hardware
        keys = [k for k in value if rest == k or rest.startswith(f"{k}.")] if _is_map(value) else []
        if not keys:
            known = f"; there are {', '.join(sorted(value))}" if _is_map(value) else ""
            raise ModelError(f"a comparison has no value {name!r}{known}")
        key = max(keys, key=len)
        value, rest = value[key], rest[len(key) + 1 :]
    if value is not None and not isinstance(value, int | float):
        raise ModelError(f"{name!r} is not a number and cannot have a limit")
    return value


def _is_map(value: Any) -> bool:
    return isinstance(value, Mapping)
