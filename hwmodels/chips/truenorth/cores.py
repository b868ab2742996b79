"""The cores themselves: crossbars, axon types, registers and potentials, tick by tick.

What a core is given is which of its axons have a spike; what it gives is which neurons fire. It
knows nothing of a network or of how spikes travel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.truenorth import arithmetic as a
from hwmodels.chips.truenorth.spec import TrueNorthSpec
from hwmodels.compiling import can_compile, compiled


class Cores:
    """Some cores with their state.

    Parameters
    ----------
    spec : TrueNorthSpec
    used : int, shape (cores,)
        Neurons in use, the first of each core.

    Attributes
    ----------
    crossbar : uint32, shape (cores, neurons, words)
        Bit ``k % 32`` of word ``k // 32`` of a neuron's row is its synapse with axon ``k``.
    axon_type : uint8, shape (cores, 32 * words)
    registers : int32, shape (cores, neurons, REGISTERS)
        See :mod:`hwmodels.chips.truenorth.arithmetic`.
    potential : int32, shape (cores, neurons)
    draws : int64, shape (cores,)
        The shift register of each core.
    events : int64, shape (cores,)
        Synaptic events of the last tick.
    saturated, floored : int
        Potentials that left their width so far, and that were held at the negative threshold.
    """

    def __init__(self, spec: TrueNorthSpec, used: NDArray) -> None:
        cores, words = len(used), -(-spec.axons_per_core // a.WORD)
        neurons = spec.neurons_per_core
        self.crossbar = np.zeros((cores, neurons, words), dtype=np.uint32)
        self.axon_type = np.zeros((cores, words * a.WORD), dtype=np.uint8)
        self.registers = a.registers(cores * neurons).reshape(cores, neurons, a.REGISTERS)
        self.potential = np.zeros((cores, neurons), dtype=np.int32)
        self.draws = a.seeds(cores, spec.prng_seed)
        self._used = np.asarray(used, dtype=np.int32)
        self._bits, self._limit = spec.draw_bits, 1 << (spec.potential_bits - 1)
        self._active = np.zeros((cores, words), dtype=np.uint32)
        self._fired = np.empty(cores * neurons, dtype=np.int64)
        self._counts = np.zeros(cores + 2, dtype=np.int64)
        self._tick = compiled(a.tick_cores, *a.PARTS) if can_compile() else a.tick_cores

    def connect(self, core: NDArray, neuron: NDArray, axon: NDArray) -> None:
        """Set crossbar bits, one for each entry of the arrays."""
        bit = np.left_shift(np.uint32(1), (axon % a.WORD).astype(np.uint32))
        np.bitwise_or.at(self.crossbar, (core, neuron, axon // a.WORD), bit)

    def tick(self, core: NDArray, axon: NDArray) -> NDArray[np.int64]:
        """One tick with spikes on some axons.

        Parameters
        ----------
        core, axon : int, shape (n,)

        Returns
        -------
        int64
            Neurons that fired as ``core * neurons + neuron``, ascending.
        """
        self._active[:] = 0
        bit = np.left_shift(np.uint32(1), (axon % a.WORD).astype(np.uint32))
        np.bitwise_or.at(self._active, (core, axon // a.WORD), bit)
        self._counts[:-2] = 0
        n_fired = self._tick(
            self.crossbar, self.axon_type, self._active, self.registers, self._used,
            self.potential, self.draws, self._bits, self._limit, self._fired, self._counts,
        )  # fmt: skip
        return self._fired[:n_fired].copy()

    @property
    def events(self) -> NDArray[np.int64]:
        """Synaptic events of each core in the last tick."""
        return self._counts[:-2]

    @property
    def saturated(self) -> int:
        """Potentials that left their width so far."""
        return int(self._counts[-2])

    @property
    def floored(self) -> int:
        """Potentials held at the negative threshold so far."""
        return int(self._counts[-1])
