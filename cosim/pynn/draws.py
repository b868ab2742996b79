"""Random numbers: PyNN's RNGs, with a seed of the backend's where the script gives none.

An RNG with a seed behaves exactly as PyNN's. One without would draw from the operating system and
make no two Networks alike; here it is seeded from the backend's seed and a running number, so the
same script gives the same Network, and ``COSIM_SEED`` (or ``--seed``) gives another one.
"""

from __future__ import annotations

from pyNN import random

from cosim.pynn.simulator import state


class NumpyRNG(random.NumpyRNG):
    """As :class:`pyNN.random.NumpyRNG`; reproducible without a seed."""

    def __init__(self, seed: int | None = None, parallel_safe: bool = True) -> None:
        super().__init__(state.next_rng_seed() if seed is None else seed, parallel_safe)


class NativeRNG(NumpyRNG, random.NativeRNG):
    """The backend has no generator of its own, so this is NumPy's."""


class RandomDistribution(random.RandomDistribution):
    """As :class:`pyNN.random.RandomDistribution`; reproducible without an ``rng``."""

    def __init__(self, distribution, parameters_pos=None, rng=None, **parameters_named):
        super().__init__(distribution, parameters_pos, rng=rng or NumpyRNG(), **parameters_named)


for _class in (NumpyRNG, RandomDistribution):
    _class.__doc__ = f"{_class.__doc__}\n\n{_class.__mro__[1].__doc__}"
