"""The dynamics of silicon neurons: datasheet 1.3 (and 2.2), all state in currents.

With ``r = I_L / I_tau`` the membrane equation of the datasheet becomes, without approximation::

    tau dI/dt = alpha I_in I / (I + I_g) - r I              tau = C U_t / (kappa I_tau)

since ``alpha I_L + I I_L / I_tau = r (I_g + I)``. A step holds ``I_in`` and ``r`` at their means
and solves the rest exactly (exponential Euler, with the quotient taken in the middle of the step),
so decay without input is exact. Synaptic currents decay exactly; a spike that arrives within a
step leaves, at its end, exactly the current it would have left, and the charge it brought until
then enters the membrane in the next step.

:func:`integrate` is compiled; :func:`reference_step` says the same in NumPy.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.dynapse.silicon import AMPA, GABA_A, GABA_B, NMDA, Silicon, time_current_As
from hwmodels.chips.dynapse.spec import DynapseSpec

#: How positive feedback depends on the membrane current: not at all, as in DSIM, as in DynapSim, or
#: as in ARC, where a sigmoid gates DynapSim's.
NO_FEEDBACK, SIGMOID, POWER, GATED_POWER = range(4)


class State(NamedTuple):
    """What changes; float64, shape (n,), or (4, n) by synapse type.

    ``membrane``, ``adaptation`` and ``synapse`` in A; ``held_s`` is the rest of the refractory
    time; ``carried`` is charge (A s) that came too late for the step in which it arrived.
    """

    membrane: NDArray[np.float64]
    adaptation: NDArray[np.float64]
    held_s: NDArray[np.float64]
    synapse: NDArray[np.float64]
    carried: NDArray[np.float64]


class Constants(NamedTuple):
    """What does not change within a step of ``step_s``; shapes as in :class:`State`."""

    step_s: float
    tau_s: NDArray[np.float64]
    leak: NDArray[np.float64]
    gain: NDArray[np.float64]
    dc: NDArray[np.float64]
    threshold: NDArray[np.float64]
    reset: NDArray[np.float64]
    refractory_s: NDArray[np.float64]
    synapse_tau_s: NDArray[np.float64]
    synapse_decay: NDArray[np.float64]
    synapse_mean: NDArray[np.float64]
    adaptation_decay: NDArray[np.float64]
    adaptation_mean: NDArray[np.float64]
    adaptation_jump: NDArray[np.float64]
    feedback: int
    feedback_gain: NDArray[np.float64]
    feedback_threshold: NDArray[np.float64]
    feedback_norm: NDArray[np.float64]
    feedback_power: float
    nmda_threshold: float
    dark: float
    leak_sets_time: bool


def constants(
    cells: Silicon, spec: DynapseSpec, step_s: float, feedback: int = SIGMOID
) -> Constants:
    """Silicon neurons, ready to be integrated in steps of ``step_s`` seconds."""
    tau = time_current_As(spec, spec.membrane_pF) / cells.leak * cells.membrane_time
    synapse_tau = time_current_As(spec, spec.synapse_pF) / cells.synapse_leak * cells.synapse_time
    adaptation_tau = (
        time_current_As(spec, spec.adaptation_pF) / cells.adaptation_leak * cells.adaptation_time
    )
    if feedback == SIGMOID and not np.any(cells.feedback_gain):
        feedback = NO_FEEDBACK
    return Constants(
        step_s=step_s,
        tau_s=tau,
        leak=cells.leak,
        gain=cells.gain,
        dc=cells.dc.copy(),
        threshold=cells.threshold,
        reset=cells.reset,
        refractory_s=cells.refractory_ms * 1e-3,
        synapse_tau_s=synapse_tau,
        synapse_decay=np.exp(-step_s / synapse_tau),
        synapse_mean=-np.expm1(-step_s / synapse_tau) * synapse_tau / step_s,
        adaptation_decay=np.exp(-step_s / adaptation_tau),
        adaptation_mean=-np.expm1(-step_s / adaptation_tau) * adaptation_tau / step_s,
        adaptation_jump=cells.adaptation_jump,
        feedback=feedback,
        feedback_gain=cells.feedback_gain,
        feedback_threshold=cells.feedback_threshold,
        feedback_norm=cells.feedback_norm,
        feedback_power=spec.kappa / (spec.kappa + 1),
        nmda_threshold=spec.nmda_threshold_nA * 1e-9,
        dark=spec.dark_pA * 1e-12,
        leak_sets_time=bool(spec.adaptation_leak_sets_time),
    )


def resting_state(membrane: NDArray[np.float64]) -> State:
    """Neurons at some membrane currents, and nothing else."""
    n = len(membrane)
    return State(membrane.copy(), np.zeros(n), np.zeros(n), np.zeros((4, n)), np.zeros((4, n)))


@numba.njit(cache=True)
def integrate(state, c, steps, spiked, offset_s):
    """Steps until one in which a neuron fires, at most so many.

    Parameters
    ----------
    state : State
        Advanced in place.
    c : Constants
    steps : int
    spiked : int64, shape (n,)
        Receives who fired in the last step done.
    offset_s : float64, shape (n,)
        Receives when, from the start of that step.

    Returns
    -------
    done, fired, floored : int
        Steps done, cells that fired in the last one, and how often a net input was cut off.
    """
    n, h = len(state.membrane), c.step_s
    floored = 0
    for done in range(steps):
        fired = 0
        for i in range(n):
            nmda = state.synapse[NMDA, i] * c.synapse_mean[NMDA, i] + state.carried[NMDA, i] / h
            ampa = state.synapse[AMPA, i] * c.synapse_mean[AMPA, i] + state.carried[AMPA, i] / h
            subtracted = (
                state.synapse[GABA_B, i] * c.synapse_mean[GABA_B, i] + state.carried[GABA_B, i] / h
            )
            shunted = (
                state.synapse[GABA_A, i] * c.synapse_mean[GABA_A, i] + state.carried[GABA_A, i] / h
            )
            for k in range(4):
                state.synapse[k, i] *= c.synapse_decay[k, i]
                state.carried[k, i] = 0.0
            adapted = state.adaptation[i] * c.adaptation_mean[i]
            state.adaptation[i] *= c.adaptation_decay[i]
            if state.held_s[i] >= h:
                state.held_s[i] -= h
                state.membrane[i] = c.reset[i]
                continue
            waited = state.held_s[i]
            dt = h - waited
            state.held_s[i] = 0.0
            was = state.membrane[i]
            entering = nmda / (1.0 + c.nmda_threshold / was) + ampa - subtracted + c.dc[i]
            if entering < c.dark:
                entering = c.dark
                floored += 1
            leak, gain = c.leak[i], c.gain[i]
            pushed = 0.0
            if c.feedback == SIGMOID and c.feedback_gain[i] > 0.0:
                away = (was - c.feedback_threshold[i]) / c.feedback_norm[i]
                pushed = c.feedback_gain[i] / (1.0 + math.exp(-away))
            elif c.feedback >= POWER:
                pushed = c.dark * (was / c.dark) ** c.feedback_power
                if c.feedback == GATED_POWER:
                    away = (was - c.feedback_threshold[i]) / c.feedback_norm[i]
                    pushed /= 1.0 + math.exp(-away)
            drive = gain / leak * entering
            if c.leak_sets_time:
                ratio = (leak + adapted) / leak
                drive *= ratio
                loss = ratio * ratio + (shunted - pushed) / leak
            else:
                loss = (leak + adapted + shunted - pushed) / leak
            x = loss * dt / c.tau_s[i]
            weight = dt / c.tau_s[i]
            if abs(x) > 1e-12:
                weight *= -math.expm1(-x) / x
            guess = was + (drive * was / (was + gain) - loss * was) * weight
            middle = 0.5 * (was + max(guess, c.dark))
            now = max(was + (drive * middle / (middle + gain) - loss * was) * weight, c.dark)
            if now >= c.threshold[i]:
                share = (c.threshold[i] - was) / (now - was) if now > was else 0.0
                share = min(max(share, 0.0), 1.0)
                spiked[fired] = i
                offset_s[fired] = waited + share * dt
                fired += 1
                now = c.reset[i]
                state.held_s[i] = max(c.refractory_s[i] - (1.0 - share) * dt, 0.0)
                state.adaptation[i] += c.adaptation_jump[i]
            state.membrane[i] = now
        if fired:
            return done + 1, fired, floored
    return steps, 0, floored


def reference_step(
    state: State, c: Constants
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """One step of :func:`integrate` in NumPy: who fired, when, and net inputs cut off."""
    h = c.step_s
    mean = state.synapse * c.synapse_mean + state.carried / h
    state.synapse[...] *= c.synapse_decay
    state.carried[...] = 0.0
    adapted = state.adaptation * c.adaptation_mean
    state.adaptation[...] *= c.adaptation_decay
    free = state.held_s < h
    waited = np.where(free, state.held_s, h)
    dt = h - waited
    state.held_s[...] = np.where(free, 0.0, state.held_s - h)

    was = state.membrane.copy()
    net = mean[NMDA] / (1 + c.nmda_threshold / was) + mean[AMPA] - mean[GABA_B] + c.dc
    floored = int(np.count_nonzero((net < c.dark) & free))
    net = np.maximum(net, c.dark)
    pushed = np.zeros(len(was))
    if c.feedback == SIGMOID:
        with np.errstate(over="ignore"):
            away = np.exp(-(was - c.feedback_threshold) / c.feedback_norm)
        pushed = np.where(c.feedback_gain > 0, c.feedback_gain / (1 + away), 0.0)
    elif c.feedback >= POWER:
        pushed = c.dark * (was / c.dark) ** c.feedback_power
        if c.feedback == GATED_POWER:
            pushed /= 1 + np.exp(-(was - c.feedback_threshold) / c.feedback_norm)
    drive = c.gain / c.leak * net
    if c.leak_sets_time:
        ratio = (c.leak + adapted) / c.leak
        drive = drive * ratio
        loss = ratio * ratio + (mean[GABA_A] - pushed) / c.leak
    else:
        loss = (c.leak + adapted + mean[GABA_A] - pushed) / c.leak
    x = loss * dt / c.tau_s
    small = np.abs(x) <= 1e-12
    weight = dt / c.tau_s * np.where(small, 1.0, -np.expm1(-x) / np.where(small, 1.0, x))
    guess = was + (drive * was / (was + c.gain) - loss * was) * weight
    middle = 0.5 * (was + np.maximum(guess, c.dark))
    now = np.maximum(was + (drive * middle / (middle + c.gain) - loss * was) * weight, c.dark)
    fires = free & (now >= c.threshold)
    rise = np.where(now > was, now - was, 1.0)
    share = np.clip(np.where(now > was, (c.threshold - was) / rise, 0.0), 0.0, 1.0)
    state.membrane[...] = np.where(fires | ~free, c.reset, now)
    rest = np.maximum(c.refractory_s - (1 - share) * dt, 0.0)
    state.held_s[...] = np.where(fires, rest, state.held_s)
    state.adaptation[...] += np.where(fires, c.adaptation_jump, 0.0)
    spiked = np.flatnonzero(fires)
    return spiked, (waited + share * dt)[spiked], floored


@numba.njit(cache=True)
def arrive(state, c, start, synapses, target, kind, jump, copies, before_end_s):
    """Spikes act: what they leave at the end of the step, and the charge they brought until then.

    Parameters
    ----------
    state : State
    c : Constants
    start, synapses : int64
        Synapses of each copy of a packet.
    target, kind : int64, jump : float64
        Of each synapse: cell, type, and jump of the synaptic current in A.
    copies : int64, shape (n,)
    before_end_s : float64, shape (n,)
        How long before the end of the step each arrived.
    """
    for p in range(len(copies)):
        for at in range(start[copies[p]], start[copies[p] + 1]):
            s = synapses[at]
            k, i = kind[s], target[s]
            left = jump[s] * math.exp(-before_end_s[p] / c.synapse_tau_s[k, i])
            state.synapse[k, i] += left
            state.carried[k, i] += (jump[s] - left) * c.synapse_tau_s[k, i]
