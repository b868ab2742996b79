"""A study: one workload compared on several engines, with what each effect of a chip costs.

In: a :class:`~cosim.workload.Workload` and engines. Out: comparisons and attributions, as far as
they got: an engine that cannot run the network does not take the others with it, and an
interruption keeps what is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from cosim.compare import Attribution, Comparison, Spread, compare
from cosim.engines import Engine, Progress
from cosim.engines.hardware import HardwareEngine
from cosim.experiment import Experiment
from cosim.workload import Workload
from hwmodels.errors import ModelError
from hwmodels.result import Result

#: Shows progress of one run: from its label and length in steps to a context that gives the
#: callback, or None.
ProgressBar = Callable[[str, int], AbstractContextManager[Progress | None]]


@dataclass
class Study:
    """What came out so far.

    Attributes
    ----------
    comparisons : list of Comparison
    attributions : dict of str to Attribution
        By the name of the comparison.
    spreads : dict of str to Spread
        Likewise.
    failures : dict of str to ModelError
        Engines that could not run this network.
    interrupted : bool
    """

    comparisons: list[Comparison] = field(default_factory=list)
    attributions: dict[str, Attribution] = field(default_factory=dict)
    spreads: dict[str, Spread] = field(default_factory=dict)
    failures: dict[str, ModelError] = field(default_factory=dict)
    interrupted: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "comparisons": [comparison.to_dict() for comparison in self.comparisons],
            "attributions": {name: a.to_dict() for name, a in self.attributions.items()},
            "spreads": {name: spread.to_dict() for name, spread in self.spreads.items()},
            "failures": {name: str(error) for name, error in self.failures.items()},
            "interrupted": self.interrupted,
        }


def study(
    workload: Workload,
    engines: Iterable[tuple[str, Engine]],
    bar: ProgressBar,
    *,
    attribute: bool = False,
    open_loop: bool = False,
    chips: int = 1,
    provenance: Mapping[str, str] | None = None,
) -> Study:
    """Run a workload on engines and compare each with the workload's own result.

    Parameters
    ----------
    workload : Workload
    engines : iterable of (str, Engine)
        With the name under which a report shows each.
    bar : callable
        Shows progress.
    attribute : bool
        Also run every effect of a chip alone, and none of them.
    open_loop : bool
        Replay the workload's spikes through the fabric instead of computing neurons.
    chips : int
        How many chips of each kind to run, where devices differ from chip to chip; what is
        compared in full is the first one.
    provenance : mapping, optional
        What a reader needs to repeat this.
    """
    outcome = Study()
    for name, engine in engines:
        try:
            one = _Comparing(workload, workload.experiment, bar, dict(provenance or {}))
            if open_loop:
                engine = _on_hardware(name, engine).replaying(workload.result)
                one.experiment = workload.experiment.with_all_spikes_recorded(traces=False)
            if chips > 1:
                first = _on_hardware(name, engine).specimen  # fails before anything runs
            comparison = one.run(name, engine)
            outcome.comparisons.append(comparison)
            if chips > 1:
                others = _others(one, name, _on_hardware(name, engine), chips)
                outcome.spreads[name] = Spread.from_comparisons([comparison, *others], first)
            if attribute:
                alone = _alone(one, _on_hardware(name, engine), comparison)
                outcome.attributions[name] = Attribution.from_comparisons(alone)
        except ModelError as error:
            outcome.failures[name] = error
        except KeyboardInterrupt:
            outcome.interrupted = True
            break
    return outcome


@dataclass
class _Comparing:
    """One workload being compared, run after run."""

    workload: Workload
    experiment: Experiment
    bar: ProgressBar
    provenance: dict[str, str]

    def run(self, name: str, engine: Engine) -> Comparison:
        with self.bar(name, self.experiment.steps) as progress:
            result: Result = self.experiment.execute(engine, progress)
        return compare(
            self.workload.result,
            result,
            self.experiment.network,
            name=name,
            reference_task=self.workload.task(self.workload.result),
            candidate_task=self.workload.task(result),
            provenance={**self.provenance, "engine": name},
        )


def _alone(
    one: _Comparing, engine: HardwareEngine, everything: Comparison
) -> list[tuple[str, Comparison]]:
    effects = engine.chip.effects
    pairs = [("none", one.run(f"{engine.name}, none", engine.with_effects(())))]
    for effect in effects:
        together = [name for name in (engine.chip.part_of.get(effect), effect) if name]
        label = "+".join(together)
        pairs.append((label, one.run(f"{engine.name}, {label}", engine.with_effects(together))))
    return [*pairs, ("all", everything)]


def _others(one: _Comparing, name: str, engine: HardwareEngine, chips: int) -> list[Comparison]:
    """The chips after the first."""
    numbers = range(engine.specimen + 1, engine.specimen + chips)
    return [one.run(f"{name}, chip {number}", engine.another(number)) for number in numbers]


def _on_hardware(name: str, engine: Engine) -> HardwareEngine:
    if not isinstance(engine, HardwareEngine):
        raise ModelError(f"{name} is software: only hardware has effects and a fabric")
    return engine
