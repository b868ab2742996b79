"""What a recurrence with decays makes of a leaky membrane: gains that keep its integrals.

For chips that step ``u = (1 - d_u) u + w``, ``v = (1 - d_v) v + u`` in some number format.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def synaptic_gain_mV(
    tau_m: NDArray[np.float64],
    cm: NDArray[np.float64],
    tau_syn: NDArray[np.float64],
    dt: float,
    decay_u: NDArray[np.float64],
    decay_v: NDArray[np.float64],
) -> NDArray[np.float64]:
    """What ``w`` must be for a weight of 1 nA, in mV, all arrays of one shape.

    The time integral of the postsynaptic potential is then that of the exact membrane, whatever
    the decays are.

    Parameters
    ----------
    tau_m, cm, tau_syn : ms, nF, ms
    dt : ms
    decay_u, decay_v : 1
        Shares of current and potential that leak in a step.
    """
    exact_v, exact_u = -np.expm1(-dt / tau_m), -np.expm1(-dt / tau_syn)
    difference = 1 / tau_syn - 1 / tau_m
    same = np.abs(difference * dt) < 1e-12
    exponent = np.where(same, 1.0, dt * difference)
    ratio = np.where(same, 1.0, -np.expm1(-exponent) / exponent)
    # P21: the exact membrane's rise in one step for a unit current that decays with tau_syn.
    rise = dt / cm * (1 - exact_v) * ratio
    return rise / exact_u * decay_u * settling(decay_v, exact_v)


def settling(decay_v: NDArray[np.float64], exact_v: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a unit of drive must be multiplied by so that it settles where it does exactly."""
    return np.where(decay_v > 0, decay_v / exact_v, 1.0)
