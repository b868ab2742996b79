"""What a translated network is on the chip: its formats and where it went, and by what settings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.truenorth.formats import Scale
from hwmodels.chips.truenorth.layout import Layout
from hwmodels.chips.truenorth.merging import Merging
from hwmodels.chips.truenorth.spec import TrueNorthSpec
from hwmodels.chips.truenorth.weights import Pairs


@dataclass(frozen=True)
class Settings:
    """What of a chip decides how a network is expressed."""

    spec: TrueNorthSpec
    effects: tuple[str, ...]
    stochastic_leak: bool
    centred: bool
    #: Of a group that merges inputs; 0: inputs beyond a core's axons are refused.
    counters: int
    #: How cells get to cores, out of :data:`hwmodels.mapping.mappers.MAPPERS`.
    mapper: str = "sequential"

    @property
    def own(self) -> bool:
        """Whether the chip's arithmetic computes."""
        return "arithmetic" in self.effects

    @property
    def coarse(self) -> bool:
        """Whether weights are four values a neuron."""
        return "weight_precision" in self.effects


class Configuration(dict[int, Scale]):
    """The number formats of each population, and where everything went.

    Attributes
    ----------
    layout : Layout
    pairs : Pairs
    unit : float64, shape (cells,)
        Size of one level of a cell's weights, in what :attr:`Pairs.weight` is in.
    allowed, label, axon : int64, shape (pairs,)
        Types for which its source has an axon on the core, the type chosen, and that axon (-1 for
        a pair without a bit).
    value : int64, shape (cells, types)
        Synaptic values.
    ends : int64, shape (pairs,)
        Equal for pairs of one core, source and delay.
    axon_keys : int64, ascending
        Of the axons that are not relays': their end and type as one number.
    merging : Merging
    more_axon, more_part : int64
        Axons from counters to cells, then from inputs to counters, and the part of a core (a cell
        that is placed, or a group) that listens.
    part_size : int64
        Neurons of each part.
    native : mapping of int to int32 array
        Registers of the chip's own neurons, by the first cell of their population.
    """

    layout: Layout
    pairs: Pairs
    unit: NDArray[np.float64]
    allowed: NDArray[np.int64]
    label: NDArray[np.int64]
    axon: NDArray[np.int64]
    value: NDArray[np.int64]
    ends: NDArray[np.int64]
    axon_keys: NDArray[np.int64]
    merging: Merging
    more_axon: NDArray[np.int64]
    more_part: NDArray[np.int64]
    part_size: NDArray[np.int64]
    native: dict[int, NDArray[np.int32]]
