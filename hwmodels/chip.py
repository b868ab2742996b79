"""The contract between a chip and whatever runs it.

A chip is a specification and three behaviours: how a network is mapped onto it, in which
arithmetic its neurons compute, and how its fabric ties hardware time to network time. Every
deviation from the ideal is an *effect* with a name; a run says which effects are on.

A run is a lock-step loop (:mod:`hwmodels.lockstep`) of three parts with one duty each:
:class:`Neurons` compute, :class:`Transport` carries, and the delay line in between applies what
arrived. Neurons may come from the chip (its own number format) or from outside (exact neurons on
the chip's fabric), which is why they are a parameter and not a part of the chip.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import ModelError
from hwmodels.mapping import Placement
from hwmodels.network import Network
from hwmodels.result import PACKET, HardwareReport
from hwmodels.spec import Spec


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
        Sent in this step and dropped.
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


class Transport(Protocol):
    """The fabric of a chip between the firing of a cell and the arrival at its targets.

    Attributes
    ----------
    delay_from_arrival : bool
        Whether a synaptic delay counts from the arrival of its packet, so that a late packet acts
        late by as many steps. Otherwise a packet names the step in which it acts, and a late one
        is late only as far as its delay did not cover it.
    """

    delay_from_arrival: bool

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


class Chip(Protocol):
    """A style of hardware with its numbers, ready to map and run networks.

    Attributes
    ----------
    name : str
        For instance ``"loihi"``.
    spec_type : type of Spec
    effects : tuple of str
        The effects that are on in this instance, out of :attr:`all_effects`.
    all_effects : tuple of str
        Every deviation from the ideal this style can have, in the order in which a report
        explains them.
    """

    name: str
    spec_type: type[Spec]
    effects: tuple[str, ...]
    all_effects: tuple[str, ...]

    @classmethod
    def presets(cls) -> tuple[str, ...]:
        """Names of the parameter sets that ship with the chip, the default first."""
        ...

    @classmethod
    def load_spec(cls, spec: str | Path | None = None) -> Spec:
        """A parameter set by name or from a TOML file."""
        ...

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
        ...

    def map(self, translation: Translation) -> Placement:
        """Place a translated network on cores.

        Raises
        ------
        CapacityError
            When it does not fit; names the limit and the population that broke it.
        """
        ...

    def neurons(self, translation: Translation) -> Neurons:
        """The chip's own arithmetic for a translated network.

        Raises
        ------
        UnsupportedError
            When a cell type or parameter cannot be computed natively.
        """
        ...

    def transport(self, translation: Translation, placement: Placement) -> Transport:
        """The chip's fabric for a placed network."""
        ...


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
