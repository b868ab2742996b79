"""Engines: each executes a Network and gives a Result.

``brian2`` is the software reference. Every chip of :mod:`hwmodels.chips` is an engine under its
own name. An engine is chosen by a short text, ``name[:option=value[:option=value...]]``, which is
what ``--on`` takes and what ``COSIM_ENGINE`` holds: ``loihi``, ``loihi:effects=none``,
``loihi:neurons=exact:spec=davies2018``. A Python file that defines a chip, and a TOML file that
says ``chip``, stand for that chip and those numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from hwmodels.errors import ModelError
from hwmodels.network import Network
from hwmodels.result import Result
from hwmodels.spec import read_toml

#: Called with the number of steps done so far.
Progress = Callable[[int], None]


class Simulation(Protocol):
    """A network being executed; its clock only moves forward."""

    def advance(self, network: Network, until_step: int, progress: Progress | None = None) -> None:
        """Execute up to (and including) time ``until_step * network.timestep_ms``.

        ``network`` has the same populations and projections in every call. Arrays in it that are
        not the same objects as in the call before have changed: parameters, weights, stimuli,
        currents, recordings; changed initial values are assigned to the state now. Stimuli and
        currents hold the whole time since 0, so what lies in the past does not change.
        """
        ...

    def result(self) -> Result:
        """Everything since time 0."""
        ...


class Engine(Protocol):
    """A way to execute networks."""

    name: str

    def start(self, network: Network) -> Simulation:
        """Prepare a run.

        Raises
        ------
        ModelError
            When the network cannot run here; nothing knowable beforehand fails later.
        """
        ...


def engine_names() -> list[str]:
    """Names of all engines that can be chosen."""
    from hwmodels.chips import chip_names

    return ["brian2", *chip_names()]


def get_engine(name: str, **options: Any) -> Engine:
    """An engine by name, with its options.

    Parameters
    ----------
    name : str
        ``"brian2"`` or a chip; options may follow after colons (see the module's text).
    **options
        Of the engine: ``codegen`` for Brian2; ``spec``, ``effects``, ``neurons``, ``fidelity``
        and any field of the specification for chips.

    Raises
    ------
    ModelError
        For an unknown name or option.
    """
    name, *inline = name.split(":")
    for item in inline:
        key, equals, value = item.partition("=")
        if not equals:
            raise ModelError(f"engine option {item!r} must have the form name=value")
        options[key] = value
    if name == "brian2":
        from cosim.engines.brian2 import Brian2Engine

        return Brian2Engine(**options)
    if name.endswith(".toml"):
        name, options = _of_file(name, options)
    if name not in engine_names() and not name.endswith(".py"):
        raise ModelError(f"unknown engine {name!r}; choose one of {', '.join(engine_names())}")
    from cosim.engines.hardware import HardwareEngine

    return HardwareEngine(name, **options)


def _of_file(path: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Chip and options of a TOML file with a specification."""
    content = read_toml(Path(path))
    if "chip" not in content:
        raise ModelError(f'{path}: does not say whose numbers these are; add chip = "loihi"')
    return str(content["chip"]), {"spec": path, **content.get("options", {}), **options}
