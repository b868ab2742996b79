"""Cell models as difference equations on a fixed grid, in the form Brian2 compiles.

Each entry takes a cell from time ``n - 1`` to ``n``. Linear cells use exact propagators, so their
membrane agrees with the closed form to rounding; the others name their integration rule. The
conventions are NEST's: a spike is stamped with the end of the step in which the threshold is
crossed, the membrane is held at reset for ``tau_refrac`` after that, a synaptic current jumps at
spike time plus delay and moves the membrane one step later. A voltage jump acts at its very time.

Only ``+ - * /``, comparisons and (for conductances and the exponential cell) ``exp`` are used, in
a fixed order. Compiled without re-association this is bit-identical wherever ``exp`` is.

Symbols: parameters under PyNN's names and units (ms, mV, nA, nF, uS), ``h`` the step in ms,
``i_inj`` injected current in nA, ``hold`` 1 while refractory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import UnsupportedError
from hwmodels.network import Network, Population

Arrays = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class CellModel:
    """One cell type on a grid.

    Attributes
    ----------
    state : tuple of str
        State variables, under PyNN's names where PyNN has one.
    constants : callable
        From (parameters, step in ms) to what the update uses, as arrays of shape (size,).
    update : str or callable
        The difference equation, as statements; or a function of all variables and constants by
        name, the global number of the first cell, and the step, that changes them in place and sets
        ``fires``.
    threshold, reset : str
        Condition to fire, and what happens then.
    receptors : mapping of str to str
        From PyNN's receptor type to the statement target: the variable that a spike adds to.
    gain : mapping of str to str
        The constant by which a weight is multiplied on arrival; none means 1.
    jump : bool
        Whether input acts at its very time (a voltage jump) and not one step later.
    max_step_ms : float
        The update is repeated within a step that is longer than this.
    check : callable
        From a network and one of its populations of this type; raises UnsupportedError for what
        the model does not have.
    """

    state: tuple[str, ...]
    constants: Callable[[Arrays, float], dict[str, NDArray[np.float64]]]
    update: str | Callable[[dict[str, NDArray[np.float64]], int, int], None]
    threshold: str
    reset: str
    receptors: Mapping[str, str]
    gain: Mapping[str, str] = field(default_factory=dict)
    jump: bool = False
    max_step_ms: float = np.inf
    check: Callable[[Network, Population], None] = lambda network, population: None

    def substeps(self, timestep_ms: float) -> int:
        """How many times the update runs in a step."""
        return max(1, int(np.ceil(timestep_ms / self.max_step_ms - 1e-9)))


def cell_model(celltype: str, population: str) -> CellModel:
    """The model of a PyNN cell type.

    Raises
    ------
    UnsupportedError
        When there is none; names the population and what there is.
    """
    if celltype in CELL_MODELS:
        return CELL_MODELS[celltype]
    from cosim.engines.native_cells import NATIVE_MODELS  # which loads the chips that have them

    if celltype not in NATIVE_MODELS:
        raise UnsupportedError(
            f"population {population!r}: cell type {celltype} is not available in Brian2; "
            f"available are {', '.join((*CELL_MODELS, *NATIVE_MODELS))}"
        )
    return NATIVE_MODELS[celltype]


def _phi(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """(exp(x) - 1) / x, with its limit 1 at 0."""
    safe = np.where(x == 0, 1.0, x)
    return np.where(x == 0, 1.0, np.expm1(safe) / safe)


def _psi(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """(1 - exp(-x) (1 + x)) / x^2, with its limit 1/2 at 0."""
    small = np.abs(x) < 1e-2
    safe = np.where(small, 1.0, x)
    series = 1 / 2 - x / 3 + x**2 / 8 - x**3 / 30 + x**4 / 144 - x**5 / 840
    return np.where(small, series, (1 - np.exp(-safe) * (1 + safe)) / safe**2)


def _membrane(p: Arrays, h: float) -> dict[str, NDArray[np.float64]]:
    """Propagators of ``dv/dt = (v_rest - v) / tau_m + I / cm`` over ``h`` ms."""
    return {
        "v_rest": p["v_rest"],
        "v_reset": p["v_reset"],
        "v_thresh": p["v_thresh"],
        "i_offset": p["i_offset"],
        "P22": np.exp(-h / p["tau_m"]),
        "P20": p["tau_m"] / p["cm"] * -np.expm1(-h / p["tau_m"]),
        "refractory_steps": np.rint(p["tau_refrac"] / h),
    }


def _curr_delta(p: Arrays, h: float) -> dict[str, NDArray[np.float64]]:
    return _membrane(p, h)


def _curr_exp(p: Arrays, h: float) -> dict[str, NDArray[np.float64]]:
    constants = _membrane(p, h)
    for side in ("E", "I"):
        difference = 1 / p[f"tau_syn_{side}"] - 1 / p["tau_m"]
        constants[f"P11{side}"] = np.exp(-h / p[f"tau_syn_{side}"])
        constants[f"P21{side}"] = h / p["cm"] * constants["P22"] * _phi(-h * difference)
    return constants


def _curr_alpha(p: Arrays, h: float) -> dict[str, NDArray[np.float64]]:
    constants = _curr_exp(p, h)
    for side in ("E", "I"):
        difference = 1 / p[f"tau_syn_{side}"] - 1 / p["tau_m"]
        constants[f"P31{side}"] = h**2 / p["cm"] * constants["P22"] * _psi(h * difference)
        constants[f"peak{side}"] = math.e / p[f"tau_syn_{side}"]
        constants[f"hP11{side}"] = h * constants[f"P11{side}"]
    return constants


#: Nodes and weights of Gauss-Legendre quadrature on [0, 1].
_NODES = tuple(float(x) for x in 0.5 + 0.5 * np.polynomial.legendre.leggauss(3)[0])
_WEIGHTS = tuple(float(w) for w in 0.5 * np.polynomial.legendre.leggauss(3)[1])


def _cond(p: Arrays, h: float, alpha: bool) -> dict[str, NDArray[np.float64]]:
    """Constants of the conductance cells; times are the quadrature nodes and the end."""
    constants = {
        "v_rest": p["v_rest"],
        "v_reset": p["v_reset"],
        "v_thresh": p["v_thresh"],
        "i_offset": p["i_offset"],
        "e_rev_E": p["e_rev_E"],
        "e_rev_I": p["e_rev_I"],
        "g_leak": p["cm"] / p["tau_m"],
        "h_cm": h / p["cm"],
        "refractory_steps": np.rint(p["tau_refrac"] / h),
    }
    for side in ("E", "I"):
        tau = p[f"tau_syn_{side}"]
        for k, node in enumerate((*_NODES, 1.0)):
            decay = np.exp(-node * h / tau)
            constants[f"D{side}{k}"] = decay
            constants[f"A{side}{k}"] = -np.expm1(-node * h / tau) * tau / p["cm"]
            if alpha:
                constants[f"E{side}{k}"] = node * h * decay
                constants[f"B{side}{k}"] = (node * h) ** 2 * _psi(node * h / tau) / p["cm"]
        if alpha:
            constants[f"peak{side}"] = math.e / tau
    return constants


def _cond_update(alpha: bool) -> str:
    """Statements that integrate ``cm dv/dt = -a(t) v + b(t)`` with decaying conductances.

    The integrating factor is exact; what remains is a quadrature of order 6 of a small
    quantity (the drive relative to the momentary equilibrium), so a constant drive is exact.
    """
    lines = ["i_total = g_leak * v_rest + i_offset + i_inj"]
    for k, node in enumerate((*_NODES, 1.0)):
        # An alpha function also has a rising part.
        rise = {side: f" + dg{side} * E{side}{k}" if alpha else "" for side in "EI"}
        area = {side: f" + dg{side} * B{side}{k}" if alpha else "" for side in "EI"}
        lines += [
            f"g_e{k} = gsyn_exc * DE{k}{rise['E']}",
            f"g_i{k} = gsyn_inh * DI{k}{rise['I']}",
            f"a{k} = g_leak * h_cm * {node!r} + gsyn_exc * AE{k}{area['E']}"
            f" + gsyn_inh * AI{k}{area['I']}",
        ]
    end, middle = len(_NODES), len(_NODES) // 2
    lines.append(
        f"v_inf = (i_total + g_e{middle} * e_rev_E + g_i{middle} * e_rev_I)"
        f" / (g_leak + g_e{middle} + g_i{middle})"
    )
    terms = [f"v_inf + (v - v_inf) * exp(-a{end})"]
    for k, weight in enumerate(_WEIGHTS):
        if k == middle:
            continue  # the drive relative to v_inf vanishes there by construction
        lines.append(
            f"r{k} = i_total + g_e{k} * e_rev_E + g_i{k} * e_rev_I"
            f" - (g_leak + g_e{k} + g_i{k}) * v_inf"
        )
        terms.append(f"{weight!r} * h_cm * r{k} * exp(a{k} - a{end})")
    lines.append(f"v_new = {' + '.join(terms)}")
    lines += [_HOLD, f"gsyn_exc = g_e{end}", f"gsyn_inh = g_i{end}"]
    if alpha:
        lines += [f"dgE = dgE * DE{end}", f"dgI = dgI * DI{end}"]
    return "\n".join(lines)


def _izhikevich(p: Arrays, h: float) -> dict[str, NDArray[np.float64]]:
    return {
        "h_a": h * p["a"],
        "b": p["b"],
        "c": p["c"],
        "d": p["d"],
        "i_offset": p["i_offset"],
        "h": np.full_like(p["a"], h),
        "refractory_steps": np.zeros_like(p["a"]),
    }


def _adex(p: Arrays, h: float) -> dict[str, NDArray[np.float64]]:
    constants = {
        name: p[name]
        for name in (
            *("v_rest", "v_reset", "v_thresh", "v_spike", "i_offset"),
            *("e_rev_E", "e_rev_I", "delta_T", "b"),
        )
    }
    return constants | {
        "g_leak": p["cm"] / p["tau_m"],
        "inv_cm": 1 / p["cm"],
        "a_uS": 1e-3 * p["a"],
        "inv_tau_w": 1 / p["tau_w"],
        "h": np.full_like(p["cm"], h),
        "half": np.full_like(p["cm"], h / 2),
        "sixth": np.full_like(p["cm"], h / 6),
        "DE": np.exp(-h / p["tau_syn_E"]),
        "DI": np.exp(-h / p["tau_syn_I"]),
        "HE": np.exp(-h / 2 / p["tau_syn_E"]),
        "HI": np.exp(-h / 2 / p["tau_syn_I"]),
        "refractory_steps": np.rint(p["tau_refrac"] / h),
    }


def _adex_update() -> str:
    """Fourth-order Runge-Kutta; the conductances decay exactly at its three times."""
    lines = [
        "i_total = i_offset + i_inj",
        # While refractory the membrane is clamped and w relaxes with it.
        "free = int(hold_left <= 0)",
        "g_e_half = gsyn_exc * HE",
        "g_i_half = gsyn_inh * HI",
        "g_e_end = gsyn_exc * DE",
        "g_i_end = gsyn_inh * DI",
    ]
    stages = (
        ("gsyn_exc", "gsyn_inh", "v", "w"),
        ("g_e_half", "g_i_half", "v + half * kv0", "w + half * kw0"),
        ("g_e_half", "g_i_half", "v + half * kv1", "w + half * kw1"),
        ("g_e_end", "g_i_end", "v + h * kv2", "w + h * kw2"),
    )
    for k, (g_e, g_i, v, w) in enumerate(stages):
        # The exponential is not followed beyond the spike; NEST cuts it at the same place.
        lines += [
            f"v{k} = clip({v}, -1e9, v_spike)",
            f"w{k} = {w}",
            f"kv{k} = free * inv_cm * ("
            f"g_leak * (v_rest - v{k} + delta_T * exp((v{k} - v_thresh) / delta_T))"
            f" + {g_e} * (e_rev_E - v{k}) + {g_i} * (e_rev_I - v{k}) - w{k} + i_total)",
            f"kw{k} = inv_tau_w * (a_uS * (v{k} - v_rest) - w{k})",
        ]
    lines += [
        "v = v + sixth * (kv0 + 2 * kv1 + 2 * kv2 + kv3)",
        "w = w + sixth * (kw0 + 2 * kw1 + 2 * kw2 + kw3)",
        "hold_left = hold_left - (1 - free)",
        "gsyn_exc = g_e_end",
        "gsyn_inh = g_i_end",
    ]
    return "\n".join(lines)


#: Keep the membrane where it is while refractory. Products with 0 and 1 are exact.
_HOLD = """hold = int(hold_left > 0)
v = v_new * (1 - hold) + v * hold
hold_left = hold_left - hold"""

_RESET = "v = v_reset\nhold_left = refractory_steps"

_CURR_EXP_UPDATE = f"""
v_new = v_rest + (v - v_rest) * P22 + isyn_exc * P21E + isyn_inh * P21I \
+ (i_offset + i_inj) * P20
{_HOLD}
isyn_exc = isyn_exc * P11E
isyn_inh = isyn_inh * P11I
"""

_CURR_ALPHA_UPDATE = f"""
v_new = v_rest + (v - v_rest) * P22 + isyn_exc * P21E + diE * P31E + isyn_inh * P21I \
+ diI * P31I + (i_offset + i_inj) * P20
{_HOLD}
isyn_exc = isyn_exc * P11E + diE * hP11E
isyn_inh = isyn_inh * P11I + diI * hP11I
diE = diE * P11E
diI = diI * P11I
"""

_CURR_DELTA_UPDATE = f"""
v_new = v_rest + (v - v_rest) * P22 + (i_offset + i_inj) * P20 + jump
{_HOLD}
jump = 0
"""

#: Forward Euler at the script's step, as NEST's model of the same name integrates.
_IZHIKEVICH_UPDATE = """
v_new = v + h * (0.04 * v * v + 5 * v + 140 - u + 1000 * (i_offset + i_inj)) + jump
u = u + h_a * (b * v - u)
v = v_new
jump = 0
"""

CELL_MODELS: dict[str, CellModel] = {
    "IF_curr_exp": CellModel(
        state=("v", "isyn_exc", "isyn_inh"),
        constants=_curr_exp,
        update=_CURR_EXP_UPDATE,
        threshold="v >= v_thresh",
        reset=_RESET,
        receptors={"excitatory": "isyn_exc", "inhibitory": "isyn_inh"},
    ),
    "IF_curr_alpha": CellModel(
        state=("v", "isyn_exc", "isyn_inh", "diE", "diI"),
        constants=_curr_alpha,
        update=_CURR_ALPHA_UPDATE,
        threshold="v >= v_thresh",
        reset=_RESET,
        receptors={"excitatory": "diE", "inhibitory": "diI"},
        gain={"excitatory": "peakE", "inhibitory": "peakI"},
    ),
    "IF_curr_delta": CellModel(
        state=("v", "jump"),
        constants=_curr_delta,
        update=_CURR_DELTA_UPDATE,
        threshold="v >= v_thresh",
        reset=_RESET,
        receptors={"excitatory": "jump", "inhibitory": "jump"},
        jump=True,
    ),
    "IF_cond_exp": CellModel(
        state=("v", "gsyn_exc", "gsyn_inh"),
        constants=lambda p, h: _cond(p, h, alpha=False),
        update=_cond_update(alpha=False),
        threshold="v >= v_thresh",
        reset=_RESET,
        receptors={"excitatory": "gsyn_exc", "inhibitory": "gsyn_inh"},
    ),
    "IF_cond_alpha": CellModel(
        state=("v", "gsyn_exc", "gsyn_inh", "dgE", "dgI"),
        constants=lambda p, h: _cond(p, h, alpha=True),
        update=_cond_update(alpha=True),
        threshold="v >= v_thresh",
        reset=_RESET,
        receptors={"excitatory": "dgE", "inhibitory": "dgI"},
        gain={"excitatory": "peakE", "inhibitory": "peakI"},
    ),
    "Izhikevich": CellModel(
        state=("v", "u", "jump"),
        constants=_izhikevich,
        update=_IZHIKEVICH_UPDATE,
        threshold="v >= 30",
        reset="v = c\nu = u + d",
        receptors={"excitatory": "jump", "inhibitory": "jump"},
        jump=True,
    ),
    "EIF_cond_exp_isfa_ista": CellModel(
        state=("v", "w", "gsyn_exc", "gsyn_inh"),
        constants=_adex,
        update=_adex_update(),
        threshold="v >= v_spike",
        reset=f"{_RESET}\nw = w + b",
        receptors={"excitatory": "gsyn_exc", "inhibitory": "gsyn_inh"},
        # The upstroke of the spike is stiff; at 0.02 ms its error is below 1e-6 mV.
        max_step_ms=0.02,
    ),
}
