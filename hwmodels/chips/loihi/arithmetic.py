"""The arithmetic of a compartment: datasheet 1.3, steps 1 to 10, on integer arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.loihi.spec import CoreSettings, LoihiSpec
from hwmodels.quantisation import wrapped


def decayed(x: NDArray[np.int64], decay: NDArray[np.int64], bits: int = 12) -> NDArray[np.int64]:
    """``x (4096 - decay) / 4096``, rounded toward zero; 4096 is 2 to the ``bits`` of a decay."""
    # A shift rounds down, so what is negative is lifted by all but one unit first.
    one = 1 << bits
    return (x * (one - decay) + ((x >> 63) & (one - 1))) >> bits


@dataclass
class Compartments:
    """State and registers of some compartments; int64 arrays of one shape."""

    u: NDArray[np.int64]
    v: NDArray[np.int64]
    held: NDArray[np.int64]
    decay_u: NDArray[np.int64]
    decay_v: NDArray[np.int64]
    threshold: NDArray[np.int64]
    refractory: NDArray[np.int64]
    #: How often a sum left its register.
    input_wraps: int = 0
    current_wraps: int = 0
    voltage_saturations: int = 0

    def count(self, counts: NDArray[np.int64]) -> None:
        """Add to how often input, current and voltage left their registers."""
        self.input_wraps += int(counts[0])
        self.current_wraps += int(counts[1])
        self.voltage_saturations += int(counts[2])


def noise_draws(
    seed: int, step: int, first: int, size: int, settings: CoreSettings
) -> NDArray[np.int64]:
    """Noise of some compartments in one step: ``(x + 64 offset) 2^(exponent - 7)``.

    ``x`` is uniform over the integers -127..127. The sequence of the chip is proprietary, so only
    the distribution is its own; ours depends on seed, step and compartment and on nothing else, so
    that runs can be repeated and computed in any order.

    Parameters
    ----------
    seed, step : int
    first, size : int
        Number of the first compartment, and how many.
    settings : CoreSettings

    Returns
    -------
    int64, shape (size,)
        In units of the state.
    """
    mask = (1 << 64) - 1
    start = ((seed * 0x9E3779B97F4A7C15) ^ (step * 0xD1B54A32D192ED03)) & mask
    # SplitMix64, a counter-based generator: the state is the counter.
    z = np.arange(first + 1, first + size + 1, dtype=np.uint64) * np.uint64(0xBF58476D1CE4E5B9)
    z += np.uint64(start)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    z ^= z >> np.uint64(31)
    x = ((z >> np.uint64(32)) % np.uint64(255)).astype(np.int64) - 127
    return ((x + 64 * settings.noise_offset) << settings.noise_exponent) >> 7


def update_compartments(
    c: Compartments,
    q: NDArray[np.int64],
    bias: NDArray[np.int64],
    spec: LoihiSpec,
    settings: CoreSettings | None = None,
) -> NDArray[np.bool_]:
    """One step of all compartments, in place; returns which fire. Datasheet 1.3, steps 1 to 10.

    ``q`` is the summed effective weight of this step's slot, ``bias`` the drive without synapses
    (with what a joined compartment passes on); either includes the noise where there is any.
    """
    update_currents(c, q, spec)
    return update_voltages(c, bias, spec, settings)


def update_currents(c: Compartments, q: NDArray[np.int64], spec: LoihiSpec) -> None:
    """Steps 1 to 3: all that a compartment does which only passes its current on."""
    # 1 The input register wraps; 2, 3 so does the current.
    slot = wrapped(q, spec.input_bits)
    c.input_wraps += int(np.count_nonzero(slot != q))
    u = decayed(c.u, c.decay_u, spec.decay_bits) + slot
    c.u = wrapped(u, spec.state_bits)
    c.current_wraps += int(np.count_nonzero(c.u != u))


def update_voltages(
    c: Compartments,
    bias: NDArray[np.int64],
    spec: LoihiSpec,
    settings: CoreSettings | None = None,
) -> NDArray[np.bool_]:
    """Steps 4 to 10: the membrane takes the current, and fires or not."""
    floor, ceiling = (settings or CoreSettings()).voltage_limits(spec)
    # 4, 5 The voltage decays and takes current and bias; 6 it saturates.
    v = decayed(c.v, c.decay_v, spec.decay_bits) + wrapped(c.u + bias, spec.state_bits)
    clipped = np.clip(v, floor, ceiling)
    # 7 While refractory it is held at zero; the current goes on.
    free = c.held == 0
    c.voltage_saturations += int(np.count_nonzero((clipped != v) & free))
    c.v = np.where(free, clipped, 0)
    c.held -= ~free
    # 8 Strictly above threshold; 9 reset to zero; 10 hold for R - 1 further steps.
    fired = c.v > c.threshold
    c.v[fired] = 0
    c.held[fired] = c.refractory[fired]
    return fired
