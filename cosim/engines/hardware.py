"""Every chip of :mod:`hwmodels` as an engine, with its own neurons, exact ones or a replay.

``neurons`` says who computes:

* ``chip``: the chip's own arithmetic, the whole hardware;
* ``exact``: Brian2 in lock-step with the chip's fabric; spikes act when the fabric delivers them
  (closed loop). Chosen by itself where the effect ``arithmetic`` is off;
* ``replay``: the spikes of a recorded Result, sent through the fabric (open loop).
"""

from __future__ import annotations

import difflib
import inspect
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cosim.engines import Progress
from hwmodels.chip import Chip, Neurons, Translation, choose_effects
from hwmodels.chips import chip_class
from hwmodels.errors import ModelError, UnsupportedError
from hwmodels.network import Network
from hwmodels.replay import Recorded, ReplayedNeurons
from hwmodels.result import Result

log = logging.getLogger(__name__)

_NEURONS = ("chip", "exact", "replay")


class HardwareEngine:
    """Runs networks on the model of a chip.

    Parameters
    ----------
    name : str
        Of a chip, or a Python file that defines one.
    neurons : {"chip", "exact", "replay"}
        Who computes the neurons.
    trace : Result or path, optional
        The recorded spikes, for ``neurons="replay"``.
    **options
        Of the chip: ``spec``, ``effects``, ``fidelity`` and any field of its specification.

    Raises
    ------
    ModelError
        For an unknown name, option or value.
    """

    def __init__(
        self,
        name: str,
        neurons: str = "chip",
        trace: Result | str | Path | None = None,
        **options: Any,
    ) -> None:
        if neurons not in _NEURONS:
            raise ModelError(f"neurons must be one of {', '.join(_NEURONS)}, got {neurons!r}")
        if (neurons == "replay") != (trace is not None):
            raise ModelError("neurons=replay goes with a trace (a Result file), and only with it")
        chip_type = chip_class(name)
        effects = choose_effects(options.pop("effects", None), chip_type.all_effects)
        if neurons != "chip":
            effects = tuple(effect for effect in effects if effect != "arithmetic")
        _check_names(name, chip_type, options)
        self.name = chip_type.name
        self._chip_name = name
        self._options = options
        self.chip: Chip = chip_type(effects=effects, **options)
        self._neurons = neurons
        self._trace = Result.load(trace) if isinstance(trace, (str, Path)) else trace
        self._activity: Any = None

    def with_effects(self, effects: Sequence[str]) -> HardwareEngine:
        """The same hardware with other effects on."""
        return HardwareEngine(
            self._chip_name, self._neurons, self._trace, effects=effects, **self._options
        )

    def replaying(self, trace: Result | Recorded) -> HardwareEngine:
        """The same hardware, repeating the spikes of a trace."""
        result = trace.result if isinstance(trace, Recorded) else trace
        engine = HardwareEngine(
            self._chip_name, "replay", result, effects=self.chip.effects, **self._options
        )
        engine._activity = trace.active if isinstance(trace, Recorded) else None
        return engine

    @property
    def specimen(self) -> int:
        """Number of this chip among those alike."""
        return int(getattr(self.chip, self._specimen_option()))

    def another(self, number: int) -> HardwareEngine:
        """Another chip of the same kind, whose devices differ.

        Raises
        ------
        ModelError
            When all chips of this kind are the same.
        """
        options = {**self._options, self._specimen_option(): number}
        return HardwareEngine(
            self.name, self._neurons, self._trace, effects=self.chip.effects, **options
        )

    def _specimen_option(self) -> str:
        if self.chip.specimen_option is None:
            raise ModelError(
                f"{self.name} has no device mismatch or noise here: all its chips are the same, so "
                "there is no spread over them"
            )
        return self.chip.specimen_option

    def start(self, network: Network) -> HardwareSimulation:
        """Translate, map and prepare a network."""
        return HardwareSimulation(self, network)

    @property
    def computed_by(self) -> str:
        """Who computes the neurons: chip, exact or replay."""
        if self._neurons == "chip" and "arithmetic" not in self.chip.effects:
            return "exact"
        return self._neurons

    def neurons(self, translation: Translation) -> Neurons | None:
        """The neurons this engine was asked for; None for the chip's own."""
        if self._trace is not None:
            return ReplayedNeurons(translation.network, self._trace, self._activity)
        if self.computed_by == "exact":
            from cosim.engines.exact import Brian2Neurons

            return Brian2Neurons(translation.network)
        return None


def option_names(chip_type: Any) -> list[str]:
    """All options of a chip as an engine, fields of its specification included."""
    known = {"neurons", "trace", *chip_type.options(), *inspect.signature(chip_type).parameters}
    known |= {field.name for field in chip_type.spec_type.quantities()}
    return sorted(known - {"changes"})


def _check_names(chip: str, chip_type: Any, options: Mapping[str, Any]) -> None:
    """Refuse what is neither an option nor a field of the specification, naming the nearest."""
    known = option_names(chip_type)
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(option, known, n=1, cutoff=0)
            raise ModelError(f"{chip} has no option {option!r}; the nearest is {near[0]!r}")


def _check_dynamics(engine: HardwareEngine, network: Network) -> None:
    """Refuse synapses that learn where the chip does not."""
    for projection in network.projections:
        kind = projection.dynamics.kind
        if kind == "static":
            continue
        if kind not in engine.chip.plasticity:
            raise UnsupportedError(
                f"projection {projection.label!r}: {engine.name} does not compute {kind!r} "
                "synapses; use StaticSynapse, or a chip that learns (neurocorex)"
            )
        if engine.computed_by == "replay":
            raise UnsupportedError(
                f"projection {projection.label!r}: spikes that are replayed teach nothing; run in "
                "closed loop (neurons=chip or neurons=exact), or use StaticSynapse"
            )


class HardwareSimulation:
    """One network on one chip; see :class:`cosim.engines.Simulation`."""

    def __init__(self, engine: HardwareEngine, network: Network) -> None:
        started = time.perf_counter()
        self._engine = engine
        self._network = network
        _check_dynamics(engine, network)
        self._translation: Translation = engine.chip.translate(network)
        self._started = self._translation
        placement = engine.chip.map(self._translation)
        log.info(
            "%s: %d cores, effects %s, neurons %s",
            engine.name,
            placement.n_cores,
            ", ".join(engine.chip.effects) or "none",
            engine.computed_by,
        )
        self._run = engine.chip.run(self._translation, placement, engine.neurons(self._translation))
        self._host_seconds = time.perf_counter() - started

    def advance(self, network: Network, until_step: int, progress: Progress | None = None) -> None:
        """Execute up to and including ``until_step`` of the network's own grid."""
        started = time.perf_counter()
        if network is not self._network:
            self._translation = self._engine.chip.translate(network, since=self._started)
            self._network = network
        translated = self._translation.network
        # The chip may count in longer steps than the script.
        ratio = network.timestep_ms / translated.timestep_ms
        scaled = None if progress is None else lambda step: progress(round(step / ratio))
        self._run.advance(translated, round(until_step * ratio), scaled)
        self._host_seconds += time.perf_counter() - started

    def result(self) -> Result:
        """Everything since time 0."""
        result = self._run.result(
            self._engine.name, self._translation, host_seconds=self._host_seconds
        )
        # What was asked for is the script's network; what the chip made of it is its own affair.
        return replace(result, network_hash=self._network.content_hash)
