"""Small networks that several tests share, built straight from arrays."""

from __future__ import annotations

import numpy as np

from hwmodels.network import (
    InjectedCurrent,
    Network,
    Population,
    Projection,
    Recording,
    SpikeTrains,
)

ONE = np.zeros(1, dtype=np.int32)

#: PyNN's parameter names with values that make all time constants differ.
PARAMETERS = {
    "IF_curr_exp": dict(tau_m=10.0, tau_syn_E=3.0, tau_syn_I=7.0, cm=0.5, tau_refrac=2.0),
    "IF_curr_alpha": dict(tau_m=10.0, tau_syn_E=3.0, tau_syn_I=7.0, cm=0.5, tau_refrac=2.0),
    "IF_curr_delta": dict(tau_m=10.0, cm=0.5, tau_refrac=2.0),
    "IF_cond_exp": dict(
        tau_m=10.0, tau_syn_E=3.0, tau_syn_I=7.0, cm=0.5, tau_refrac=2.0, e_rev_E=0.0, e_rev_I=-70.0
    ),
    "IF_cond_alpha": dict(
        tau_m=10.0, tau_syn_E=3.0, tau_syn_I=7.0, cm=0.5, tau_refrac=2.0, e_rev_E=0.0, e_rev_I=-70.0
    ),
    "Izhikevich": dict(a=0.02, b=0.2, c=-65.0, d=2.0, i_offset=0.0),
    "EIF_cond_exp_isfa_ista": dict(
        cm=0.281, tau_m=9.3667, tau_refrac=2.0, v_rest=-70.6, v_reset=-70.6, v_thresh=-50.4,
        v_spike=-40.0, delta_T=2.0, a=4.0, b=0.0805, tau_w=144.0, i_offset=0.0,
        e_rev_E=0.0, e_rev_I=-80.0, tau_syn_E=5.0, tau_syn_I=5.0,
    ),
}  # fmt: skip
_LIF = dict(v_rest=-65.0, v_reset=-68.0, v_thresh=-50.0, i_offset=0.0)


def cell(celltype: str, size: int = 1, label: str = "cell", v: float | None = None, **changes):
    """A population of equal cells at rest."""
    values = PARAMETERS[celltype] | changes
    if celltype.startswith("IF_"):
        values = _LIF | values
    rest = values.get("v_rest", -65.0)
    initial = {"v": np.full(size, rest if v is None else v)}
    if celltype == "Izhikevich":
        initial["u"] = np.full(size, -14.0)
    return Population(
        label, celltype, size, {k: np.full(size, x) for k, x in values.items()}, initial
    )


def source(times, label: str = "source") -> Population:
    """One spike source (a list of times) or several (a list of lists)."""
    trains = times if times and isinstance(times[0], (list, np.ndarray)) else [times]
    return Population(
        label, "SpikeSourceArray", len(trains), stimulus=SpikeTrains.from_lists(trains)
    )


def one_to_one(pre, post, weight, delay=1.0, receptor="excitatory", label="p", n=1) -> Projection:
    """A synapse from cell i to cell i."""
    return Projection(
        label, pre, post, receptor,
        np.arange(n + 1, dtype=np.int64), np.arange(n, dtype=np.int32),
        np.full(n, float(weight)), np.full(n, float(delay)),
    )  # fmt: skip


def step_current(start, amplitude, stop=None, population=0) -> InjectedCurrent:
    """A DC current into the first cell."""
    times, amplitudes = [start], [amplitude]
    if stop is not None:
        times, amplitudes = [start, stop], [amplitude, 0.0]
    return InjectedCurrent(population, ONE, np.array(times, float), np.array(amplitudes, float))


def recorded(*populations, dt=0.1, projections=(), currents=(), v=(0,), interval=None) -> Network:
    """A network that records all spikes, and ``v`` of the populations named."""
    recordings = tuple(
        Recording(i, "v", np.arange(populations[i].size, dtype=np.int32), interval or dt) for i in v
    )
    network = Network(dt, populations, tuple(projections), tuple(currents), recordings)
    return network.with_all_spikes_recorded()


def balanced(
    n: int = 200, seed: int = 1, dt: float = 0.1, celltype: str = "IF_curr_exp"
) -> Network:
    """A recurrent excitatory-inhibitory network with random delays that stays active."""
    rng = np.random.default_rng(seed)
    n_exc = n * 4 // 5
    sizes = (n_exc, n - n_exc)
    conductance = "cond" in celltype
    parameters = dict(tau_m=20.0, v_rest=-49.0, v_reset=-60.0, v_thresh=-50.0, tau_refrac=5.0,
                      tau_syn_E=5.0, tau_syn_I=10.0, cm=0.2)  # fmt: skip
    if conductance:
        parameters |= dict(e_rev_E=0.0, e_rev_I=-80.0)
    populations = []
    for label, size in zip(("exc", "inh"), sizes, strict=True):
        group = cell(celltype, size, label, **parameters)
        populations.append(
            Population(label, celltype, size, group.parameters, {"v": rng.uniform(-60, -50, size)})
        )
    weights = (0.004, 0.03) if conductance else (0.03, -0.15)
    projections = []
    for pre in (0, 1):
        for post in (0, 1):
            mask = rng.random((sizes[pre], sizes[post])) < 0.1
            rows, columns = np.nonzero(mask)
            indptr = np.concatenate(([0], np.cumsum(mask.sum(axis=1)))).astype(np.int64)
            projections.append(
                Projection(
                    f"{pre}->{post}", pre, post, ("excitatory", "inhibitory")[pre],
                    indptr, columns.astype(np.int32),
                    weights[pre] * rng.uniform(0.5, 1.5, len(rows)),
                    dt * rng.integers(1, 30, len(rows)),
                )
            )  # fmt: skip
    return recorded(*populations, dt=dt, projections=projections)
