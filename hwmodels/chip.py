"""The contract between a chip and whatever runs it.

A chip is a specification and three behaviours: how a network is mapped onto it, in which
arithmetic its neurons compute, and how its fabric ties hardware time to network time. Every
deviation from the ideal is an *effect* with a name; a run says which effects are on.

A run of a chip with steps is a lock-step loop (:mod:`hwmodels.lockstep`) of :mod:`hwmodels.parts`
with one duty each, which have their names here too.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import ModelError, UnsupportedError
from hwmodels.mapping import Placement
from hwmodels.network import Network
from hwmodels.options import Option
from hwmodels.parts import (
    NEVER,
    Arrivals,
    LearningNeurons,
    Neurons,
    SummingNeurons,
    TaughtNeurons,
    Transit,
    Transport,
    at_once,
    in_time_only,
    postponed,
)
from hwmodels.result import ENERGY, QUANTISATION, HardwareReport, Result
from hwmodels.spec import Spec

__all__ = [
    "NEVER",
    "Arrivals",
    "Chip",
    "LearningNeurons",
    "Neurons",
    "Progress",
    "Run",
    "SummingNeurons",
    "TaughtNeurons",
    "Transit",
    "Translation",
    "Transport",
    "at_once",
    "choose_effects",
    "in_time_only",
    "postponed",
]

Progress = Callable[[int], None]


class Translation(NamedTuple):
    """A network in the chip's own precision.

    Attributes
    ----------
    network : Network
        Weights and delays as the chip represents them, still in PyNN's units.
    quantisation : structured array of :data:`hwmodels.result.QUANTISATION`
        One row for each quantity that was changed.
    counts : mapping of str to int
        What was rounded or clipped on the way.
    formats : mapping
        The chip's own number formats, by population.
    """

    network: Network
    quantisation: NDArray
    counts: Mapping[str, int]
    formats: Mapping[int, Any]

    @classmethod
    def of(cls, network: Network, quantisation: Sequence[tuple] = ()) -> Translation:
        """A network that was rounded to what these rows say, without formats of its own."""
        table = np.array(list(quantisation), dtype=QUANTISATION)
        return cls(network, table, network.rounding(), {})


class Run(Protocol):
    """A translated, placed network in execution; :class:`hwmodels.lockstep.LockstepRun` is one."""

    def advance(self, network: Network, until_step: int, progress: Progress | None = None) -> None:
        """Execute up to and including ``until_step``; ``network`` may have changed in values.

        Steps are those of the translated network; ``progress`` is called with the step reached.
        """
        ...

    def result(self, engine: str, translation: Translation, host_seconds: float) -> Result:
        """Everything since time 0."""
        ...


class Chip(ABC):
    """A style of hardware with its numbers, ready to map and run networks.

    A chip whose time passes in steps derives from :class:`hwmodels.lockstep.SteppedChip`, one
    without steps from this class.

    Parameters
    ----------
    spec : str, Path or Spec
        A parameter set by name (:meth:`presets`), a TOML file, or the numbers themselves.
    effects : str or sequence of str
        Which deviations from the ideal are on, out of :attr:`all_effects`.
    **changes
        Any option (:meth:`options`) and any field of the specification.

    Attributes
    ----------
    name : str
        For instance ``"loihi"``.
    spec_type : type of Spec
    parameter_sets : tuple of str
        The TOML files that ship beside the chip, without their ending; the default first.
    all_effects : tuple of str
        Every deviation from the ideal this style can have, in the order in which a report
        explains them.
    effects : tuple of str
        The effects that are on in this instance.
    plasticity : tuple of str
        Kinds of :class:`hwmodels.network.SynapseDynamics` that it computes beside ``"static"``.
    specimen_option : str or None
        The option, a whole number, that chooses one chip out of many alike whose devices differ;
        None where all chips of this style are the same.

    Raises
    ------
    ModelError
        For an unknown option, name or value.
    """

    name: ClassVar[str]
    spec_type: ClassVar[type[Spec]]
    parameter_sets: ClassVar[tuple[str, ...]]
    all_effects: ClassVar[tuple[str, ...]]
    plasticity: ClassVar[tuple[str, ...]] = ()
    specimen_option: str | None = None
    #: Effects that are part of another one's computation, and that other one.
    part_of: ClassVar[Mapping[str, str]] = {}
    #: Biological time of a step; an option of chips whose step nothing fixes.
    step_ms: Any = None
    spec: Any

    def __init__(
        self,
        spec: str | Path | Spec | None = None,
        effects: str | Iterable[str] | None = None,
        **changes: Any,
    ) -> None:
        for name, option in self.options().items():
            setattr(self, name, changes.pop(name, option.default))
        loaded = spec if isinstance(spec, Spec) else self.load_spec(spec)
        self.spec = loaded.with_changes(changes)
        self.effects = choose_effects(effects, self.all_effects)
        absent = self.absent_effects()
        self.effects = tuple(effect for effect in self.effects if effect not in absent)

    @classmethod
    def options(cls) -> dict[str, Option]:
        """The options beside ``spec`` and ``effects``, declared as attributes."""
        names = (name for base in reversed(cls.__mro__) for name in vars(base))
        named = {name: getattr(cls, name) for name in names}
        return {name: option for name, option in named.items() if isinstance(option, Option)}

    def absent_effects(self) -> set[str]:
        """Effects that these numbers and options do not have: what there is not is no effect."""
        return {"time_step"} if self.step_ms is None else set()

    def on_own_grid(self, network: Network) -> tuple[Network, dict[str, int]]:
        """The network on the chip's time grid, and what that rounds."""
        counts: dict[str, int] = {}
        if "time_step" in self.effects:
            network, counts = network.on_grid(self.step_ms)
        return network, counts | network.rounding()

    def require_arithmetic(self) -> None:
        """Refuse to compute where the chip's arithmetic is off.

        Raises
        ------
        UnsupportedError
        """
        if "arithmetic" not in self.effects:
            raise UnsupportedError(
                f"with the effect 'arithmetic' off, {self.name} needs exact neurons: neurons=exact"
            )

    @classmethod
    def presets(cls) -> tuple[str, ...]:
        """Names of the parameter sets that ship with the chip, the default first."""
        return cls.parameter_sets

    @classmethod
    def load_spec(cls, spec: str | Path | None = None) -> Spec:
        """A parameter set by name or from a TOML file.

        Raises
        ------
        ModelError
            For an unknown name or an unreadable file.
        """
        name = str(spec or cls.parameter_sets[0])
        if name in cls.parameter_sets:
            beside = Path(inspect.getfile(cls)).parent
            return cls.spec_type.from_toml(beside / f"{name}.toml")
        if not name.endswith(".toml"):
            raise ModelError(
                f"unknown specification {name!r} of {cls.name}; there are "
                f"{', '.join(cls.parameter_sets)}, or give a .toml file"
            )
        return cls.spec_type.from_toml(Path(name))

    def function(self) -> Mapping[str, Any] | None:
        """What decides which cells fire and when; None where the fabric does as well.

        Where it is equal for two instances, they give equal spikes for equal networks, whatever
        their other numbers, so that one can replay what the other computed.
        """
        return None

    def hardware_report(self, **parts: Any) -> HardwareReport:
        """A report of this chip.

        Parameters
        ----------
        **parts
            All of :class:`hwmodels.result.HardwareReport` but chip, numbers and effects; energy
            may be a list of rows, and sources are added to what the numbers say of themselves.
        """
        given = parts.pop("sources", {})
        if "energy" in parts:
            parts["energy"] = np.array(parts["energy"], dtype=ENERGY)
        return HardwareReport(
            chip=self.name,
            spec=self.spec.name,
            effects=self.effects,
            sources={"specification": self.spec.note, **self.caveats(), **given},
            **parts,
        )

    def caveats(self) -> Mapping[str, str]:
        """What of the numbers is not verified, for a report."""
        return self.spec.caveats()

    @abstractmethod
    def translate(self, network: Network, since: Translation | None = None) -> Translation:
        """The network as the chip represents it, with what that cost.

        Parameters
        ----------
        network : Network
        since : Translation, optional
            Of the network at the start of a run in which it has changed since; number formats
            are those chosen then.

        Raises
        ------
        UnsupportedError
            When something in the network cannot be represented; names the population or
            projection, the limit and the way out.
        """

    @abstractmethod
    def map(self, translation: Translation) -> Placement:
        """Place a translated network on cores.

        Raises
        ------
        CapacityError
            When it does not fit; names the limit and the population that broke it.
        """

    @abstractmethod
    def run(
        self, translation: Translation, placement: Placement, neurons: Neurons | None = None
    ) -> Run:
        """Begin a run of a placed network.

        Parameters
        ----------
        translation : Translation
        placement : Placement
            Of :meth:`map`.
        neurons : Neurons, optional
            Who computes the cells; the chip's own arithmetic by default.

        Raises
        ------
        UnsupportedError
            When the chip's own arithmetic cannot compute a cell type or parameter.
        """


def choose_effects(
    requested: str | Iterable[str] | None, available: Sequence[str]
) -> tuple[str, ...]:
    """Effects by name: ``"all"`` (or None), ``"none"``, ``"a+b"`` or a sequence of names.

    Raises
    ------
    ModelError
        For a name that is not available.
    """
    if requested is None or requested == "all":
        return tuple(available)
    if requested == "none":
        return ()
    names = requested.split("+") if isinstance(requested, str) else list(requested)
    for name in names:
        if name not in available:
            raise ModelError(f"unknown effect {name!r}; this chip has {', '.join(available)}")
    return tuple(name for name in available if name in names)
