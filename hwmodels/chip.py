"""The contract between a chip and whatever runs it.

A chip is a specification and three behaviours: how a network is mapped onto it, in which
arithmetic its neurons compute, and how its fabric ties hardware time to network time. Every
deviation from the ideal is an *effect* with a name; a run says which effects are on.

A run of a chip with steps is a lock-step loop (:mod:`hwmodels.lockstep`) of three parts with one
duty each:
:class:`Neurons` compute, :class:`Transport` carries, and the delay line in between applies what
arrived. Neurons may come from the chip (its own number format) or from outside (exact neurons on
the chip's fabric), which is why they are a parameter and not a part of the chip.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hwmodels.delivery import Inputs, SummedInput
from hwmodels.errors import ModelError, UnsupportedError
from hwmodels.mapping import Placement
from hwmodels.network import Network
from hwmodels.options import Option
from hwmodels.result import ENERGY, PACKET, QUANTISATION, HardwareReport, Result
from hwmodels.spec import Spec

Progress = Callable[[int], None]

#: When a synapse acts that never will.
NEVER = -1


class Arrivals(NamedTuple):
    """Synapses of one projection whose spikes act in this step.

    Attributes
    ----------
    projection : int
        Index into :attr:`Network.projections`.
    synapses : int64, shape (n,)
        Indices into the projection's arrays, in the order in which their input is to be summed:
        by step of emission (of release, for a late packet), then presynaptic cell, then position
        in the row.
    """

    projection: int
    synapses: NDArray[np.int64]


class Transit(NamedTuple):
    """Packets whose spikes do not act at their time; all :data:`hwmodels.result.PACKET` rows.

    Attributes
    ----------
    held : structured array
        Sent in this step and still under way at its end; a later ``arrived`` will name them.
    arrived : structured array
        Sent in an earlier step and held since, arrived in this one.
    delayed : structured array
        Sent in this step, and known to arrive ``late_steps`` steps later.
    lost : structured array
        Dropped: sent in this step, or held since an earlier one.
    """

    held: NDArray
    arrived: NDArray
    delayed: NDArray
    lost: NDArray

    @classmethod
    def of(
        cls,
        held: NDArray | None = None,
        arrived: NDArray | None = None,
        delayed: NDArray | None = None,
        lost: NDArray | None = None,
    ) -> Transit | None:
        """Those given, or None when there is no such packet at all."""
        none = np.empty(0, dtype=PACKET)
        parts = [none if part is None else part for part in (held, arrived, delayed, lost)]
        return cls(*parts) if any(len(part) for part in parts) else None


class Neurons(Protocol):
    """State and arithmetic of all computed cells.

    Step ``n`` takes the state from time ``n - 1`` to time ``n`` (in steps). Step 0 is not
    computed: the state at time 0 is the initial state.
    """

    def step(self, step: int, arrivals: Sequence[Arrivals]) -> NDArray[np.int64]:
        """Advance to time ``step``; return the global numbers of cells that fire, ascending.

        ``arrivals`` are the synapses whose delay ends at time ``step``. On PyNN's grid a
        synaptic current jumps at that time and the membrane first moves one step later, while a
        voltage jump (IF_curr_delta, Izhikevich) acts, and may fire the cell, at that very time.
        """
        ...

    def active(self) -> NDArray[np.bool_] | None:
        """Which cells (global numbers) needed an update in the last step; None means all."""
        ...

    def sample(self, population: int, variable: str, cells: NDArray[np.int32]) -> NDArray:
        """State variable of some cells now, in PyNN's units, float64, shape (n,)."""
        ...

    def update(self, network: Network) -> None:
        """Take over what changed between two runs: parameters, weights, currents, state.

        Arrays that are the same objects as before have not changed. Changed initial values are
        assigned to the state now.
        """
        ...

    def counts(self) -> Mapping[str, int]:
        """What was clipped, saturated or wrapped so far, by a name a reader understands."""
        ...


@runtime_checkable
class SummingNeurons(Neurons, Protocol):
    """Neurons that may be given sums instead of arrivals, since they add whole numbers."""

    def inputs(self) -> Inputs | None:
        """Where synapses act; None where arrivals must be given one by one.

        From a call that returns :class:`~hwmodels.delivery.Inputs`, steps are
        :meth:`step_summed`.
        """
        ...

    def step_summed(self, step: int, sums: NDArray) -> NDArray[np.int64]:
        """As :meth:`Neurons.step`, given the sum at each slot, which it sets to zero."""
        ...

    def steps_summed(
        self, first: int, given_start: NDArray[np.int64], given: NDArray[np.int64],
        sums: SummedInput, fired: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]] | None:  # fmt: skip
        """Several steps at once, in which every spike acts in time and no state is asked for.

        Parameters
        ----------
        first : int
            The first step.
        given_start, given : int64, shapes (steps + 1,) and (n,)
            Cells off-chip that spike in each step.
        sums : SummedInput
            From which input is taken, and to which that of all spikes is added.
        fired : int64, shape (room,)
            Filled with the cells that spike, step after step, each step's ascending.

        Returns
        -------
        int64, shape (done + 1,), and bool, shape (done, cells), or None
            Where each step's cells begin in ``fired``, and which cells were active, for as many
            steps as there was room for; None when steps must be taken one by one now.
        """
        ...


@runtime_checkable
class LearningNeurons(Neurons, Protocol):
    """Neurons that change the weights of some projections."""

    def weights(self) -> dict[str, NDArray[np.float64]]:
        """Weights of the projections that learn as they are now, in PyNN's unit, by name."""
        ...


@runtime_checkable
class TaughtNeurons(LearningNeurons, Protocol):
    """Neurons that learn when spikes reach a synapse, which is before these act on a cell."""

    @property
    def learning(self) -> Sequence[int]:
        """Projections that learn; :meth:`step` is given no arrivals of theirs."""
        ...

    def learn(
        self, step: int, sent: Mapping[int, Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]]
    ) -> None:
        """Take the spikes of a step after it is computed, and change weights.

        Parameters
        ----------
        step : int
        sent : mapping of int to sequence of (int64 array, int64 array)
            By projection: synapses whose spikes were sent in this step, or left the fabric in it,
            and the steps in which they are to act.
        """
        ...


class Transport(Protocol):
    """The fabric of a chip between the firing of a cell and the arrival at its targets.

    One that has an attribute ``always_in_time``, and it is true, never returns a Transit; it may
    offer ``steps``, which carries several (see
    :meth:`hwmodels.fabric.multicore.MulticoreTransport.steps`).
    """

    def late(
        self, sent: int, due: NDArray[np.int64], late_steps: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """When synapses act whose packets arrived late; :func:`postponed` and others are rules.

        Parameters
        ----------
        sent : int
            Step in which the packets were sent.
        due : int64, shape (n,)
            Steps in which the synapses would act had their packets arrived in time.
        late_steps : int64, shape (n,)
            By how many steps each packet is late; 0 for one in time.

        Returns
        -------
        int64, shape (n,)
            Steps, later than that of arrival; :data:`NEVER` for synapses that do not act at all.
        """
        ...

    def step(
        self, step: int, fired: NDArray[np.int64], active: NDArray[np.bool_] | None
    ) -> Transit | None:
        """Carry the spikes of one step.

        Parameters
        ----------
        step : int
        fired : int64, shape (n,)
            Global numbers of the cells (spike sources included) that spike at ``step``,
            ascending; a cell stands twice when it spikes twice.
        active : bool, shape (cells,) or None
            Which cells were updated in this step; None means all.

        Returns
        -------
        Transit or None
            The packets that do not act on time; None when every packet does.
        """
        ...

    def report(self, steps: int) -> HardwareReport:
        """Everything the fabric did in the steps so far."""
        ...


def postponed(
    sent: int, due: NDArray[np.int64], late_steps: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Where a delay counts from arrival: synapses act as many steps late as their packet."""
    return due + late_steps


def at_once(sent: int, due: NDArray[np.int64], late_steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where a packet names the step of action: only as late as the delay did not cover."""
    return np.maximum(due, np.where(late_steps > 0, sent + late_steps + 1, 0))


def in_time_only(
    sent: int, due: NDArray[np.int64], late_steps: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Where a synapse whose step has passed when its packet arrives does not act."""
    return np.where((late_steps > 0) & (due <= sent + late_steps), NEVER, due)


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
