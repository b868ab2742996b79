"""What is written into an SFQ chip: its cells and synapses as circuits, and what decided that."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.sfq.spec import SfqSpec
from hwmodels.network import Network


@dataclass(frozen=True)
class Settings:
    """What of a chip decides a translation."""

    spec: SfqSpec
    effects: Collection[str]
    synapse: str
    soma: str
    leak: str
    filtered: str

    @property
    def leaks(self) -> bool:
        """Whether somas are loops, which leak."""
        return self.soma in ("loop", "coupled")

    @property
    def most_quanta(self) -> int:
        """Pulses a synapse makes of one at most."""
        return self.spec.burst_max if self.synapse == "burst" else 1


@dataclass(frozen=True, eq=False)
class Somas:
    """Cells of one population as circuits; arrays by cell.

    Attributes
    ----------
    quantum_mV, rest_mV : float64
        Of the membrane.
    threshold, floor, held : float64
        In quanta; ``held`` at the start.
    tau_ps, deaf_ps : float64
        Leak (0: none) and refractory time.
    inductance_pH, bias_uA : float
        Of loops; 0 for counters.
    charge : float
        Quanta of flux that a pulse adds: 1, or less where inputs are coupled weakly.
    """

    quantum_mV: NDArray[np.float64]
    rest_mV: NDArray[np.float64]
    threshold: NDArray[np.float64]
    floor: NDArray[np.float64]
    held: NDArray[np.float64]
    tau_ps: NDArray[np.float64]
    deaf_ps: NDArray[np.float64]
    inductance_pH: float
    bias_uA: float
    charge: float


@dataclass(frozen=True, eq=False)
class Weights:
    """Synapses of one projection as circuits.

    Attributes
    ----------
    quanta : float64, shape (synapses,)
        With sign; whole numbers with the effect ``weight_precision``.
    current_uA : float64, shape (synapses,)
        Weight current of stochastic synapses, else empty.
    burst_ps : float64, shape (synapses,)
        Distance of the pulses of a burst.
    """

    quanta: NDArray[np.float64]
    current_uA: NDArray[np.float64]
    burst_ps: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Configuration(Mapping[int, Somas]):
    """What is written into the chip before a run; by population, its somas."""

    source: Network
    somas: Mapping[int, Somas]
    weights: tuple[Weights | None, ...]

    def __getitem__(self, population: int) -> Somas:
        return self.somas[population]

    def __iter__(self) -> Iterator[int]:
        return iter(self.somas)

    def __len__(self) -> int:
        return len(self.somas)
