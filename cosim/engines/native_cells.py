"""Cells that one chip alone has, in the software reference.

The neuron of TrueNorth in whole numbers, all cells of a population at once. It means what
:mod:`hwmodels.chips.truenorth.arithmetic` says, tick for tick, but for its random numbers: a draw
here is a hash of what it is for (cell, tick, and which draw of that tick), so that it is the same
on every fabric and in whatever order cells are computed. The chip's come from a register that all
neurons of a core share.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from cosim.engines.cells import CellModel
from hwmodels.chips.truenorth import TrueNorth
from hwmodels.chips.truenorth.native import check_crossbar, registers_of
from hwmodels.chips.truenorth.spec import TrueNorthSpec
from hwmodels.mixing import mixed
from hwmodels.network import Network, Population

#: What a draw is for: axon types, then these; the number of an event in its tick is added.
_LEAK, _NOISE = 4, 5
_EVENTS = 32


@cache
def _spec() -> TrueNorthSpec:
    spec = TrueNorth.load_spec()
    assert isinstance(spec, TrueNorthSpec)
    return spec


def check_truenorth(network: Network, population: Population) -> None:
    """Refuse registers and synapses that the neuron does not have."""
    registers_of(population, _spec())
    check_crossbar(network)


def draws(
    cells: NDArray[np.int64], step: int, purpose: int, number: NDArray[np.int64] | int = 0
) -> NDArray[np.int64]:
    """Random numbers of so many bits as the chip's; int64, shape (cells,).

    Parameters
    ----------
    cells : int64, shape (n,)
        Global numbers.
    step, purpose : int
    number : int64, shape (n,), or int
        Which one of the same purpose.
    """
    spec = _spec()
    question = np.asarray(number, dtype=np.uint64) + np.uint64(purpose << _EVENTS)
    key = mixed(cells.astype(np.uint64) + np.uint64(spec.prng_seed << _EVENTS))
    found = mixed(mixed(key + np.uint64(step)) + question)
    return (found >> np.uint64(64 - spec.draw_bits)).astype(np.int64)


def truenorth_tick(arrays: dict[str, NDArray[np.float64]], first: int, step: int) -> None:
    """One tick of a population: integrate, leak, fire and reset, negative threshold.

    Parameters
    ----------
    arrays : mapping of str to float64, shape (size,)
        Parameters; ``v``; events of each axon type in this tick (``n0`` to ``n3``), which are set
        to zero; ``fires``, which is set.
    first : int
        Global number of the first cell.
    step : int
    """
    limit = 1 << (_spec().potential_bits - 1)
    p = {name: values.astype(np.int64) for name, values in arrays.items()}
    v = p["v"]
    cells = first + np.arange(len(v))
    for kind in range(4):
        events, value = p[f"n{kind}"], p[f"weight_{kind}"]
        drawn = (p[f"stochastic_weight_{kind}"] > 0) & (events > 0)
        v = v + np.where(drawn, 0, events * value)
        if drawn.any():
            some = np.repeat(np.flatnonzero(drawn), events[drawn])
            number = np.arange(len(some)) - np.searchsorted(some, some)
            passes = np.abs(value[some]) >= draws(cells[some], step, kind, number)
            v += np.sign(value) * np.bincount(some[passes], minlength=len(v))
        arrays[f"n{kind}"][:] = 0
    v = np.clip(v, -limit, limit - 1)

    passes = np.abs(p["leak"]) >= draws(cells, step, _LEAK)
    leak = np.where(p["stochastic_leak"] > 0, np.sign(p["leak"]) * passes, p["leak"])
    side = np.sign(v)
    leaked = v + np.where(p["leak_reversal"] > 0, side * leak, leak)
    crossed = (p["leak_reversal"] > 0) & (side * leaked < 0)
    v = np.clip(np.where(crossed, 0, leaked), -limit, limit - 1)

    noise = draws(cells, step, _NOISE) & p["threshold_mask"]
    level, floor = p["threshold"] + noise, p["negative_threshold"]
    fired, modes = v >= level, [p["reset_mode"] == mode for mode in range(3)]
    reset = np.select(modes, [p["v_reset"], v - level, v])
    low = np.select(modes, [-p["v_reset"], v + floor + noise, v])
    low = np.where(p["negative_saturate"] > 0, -floor, low)
    below = v < -(floor + np.where(p["negative_saturate"] > 0, 0, noise))
    arrays["v"][:] = np.where(fired, reset, np.where(below, low, v))
    arrays["fires"][:] = fired


NATIVE_MODELS: dict[str, CellModel] = {
    "TrueNorthNeuron": CellModel(
        state=("v", "n0", "n1", "n2", "n3"),
        constants=lambda p, h: dict(p),
        update=truenorth_tick,
        threshold="fires > 0",
        reset="fires = 0",
        receptors={f"axon_type_{kind}": f"n{kind}" for kind in range(4)},
        jump=True,
        check=check_truenorth,
    )
}
