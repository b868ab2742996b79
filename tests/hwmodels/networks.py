"""Small networks for the tests of hardware, built straight from arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwmodels.network import (
    InjectedCurrent,
    Network,
    Population,
    Projection,
    Recording,
    SpikeTrains,
)

CURR_EXP = {
    "tau_m": 20.0, "tau_syn_E": 5.0, "tau_syn_I": 5.0, "cm": 0.2, "tau_refrac": 2.0,
    "v_rest": -65.0, "v_reset": -65.0, "v_thresh": -50.0, "i_offset": 0.0,
}  # fmt: skip
CURR_DELTA = {k: v for k, v in CURR_EXP.items() if not k.startswith("tau_syn")}


def cells(size=1, label="cells", celltype="IF_curr_exp", v=None, **changes) -> Population:
    """Equal cells (or given as arrays), at their reset potential."""
    values = (CURR_DELTA if celltype == "IF_curr_delta" else CURR_EXP) | changes
    parameters = {k: np.array(np.broadcast_to(x, size), dtype=float) for k, x in values.items()}
    start = parameters["v_reset"].copy() if v is None else np.full(size, float(v))
    return Population(label, celltype, size, parameters, {"v": start})


def source(*trains, label="source") -> Population:
    """One spike source for each list of times."""
    return Population(
        label, "SpikeSourceArray", len(trains), stimulus=SpikeTrains.from_lists(list(trains))
    )


def synapses(
    pre, post, pairs, weight=1.0, delay=1.0, receptor="excitatory", label="p", n_pre=None
) -> Projection:
    """Synapses from a list of (pre cell, post cell), in the order of the list within a row."""
    pairs = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    order = np.argsort(pairs[:, 0], kind="stable")
    n_pre = int(pairs[:, 0].max(initial=-1)) + 1 if n_pre is None else n_pre
    indptr = np.searchsorted(pairs[order, 0], np.arange(n_pre + 1)).astype(np.int64)
    n = len(pairs)
    weight = np.array(np.broadcast_to(weight, n), dtype=float)[order]
    delay = np.array(np.broadcast_to(delay, n), dtype=float)[order]
    return Projection(
        label, pre, post, receptor, indptr, pairs[order, 1].astype(np.int32), weight, delay
    )


def current(start, amplitude, population=0, cell=0) -> InjectedCurrent:
    """A constant current into a cell from a time on."""
    return InjectedCurrent(
        population, np.array([cell], dtype=np.int32), np.array([float(start)]),
        np.array([float(amplitude)]),
    )  # fmt: skip


def network(*populations, dt=1.0, projections=(), currents=(), v=()) -> Network:
    """All spikes recorded, and ``v`` of the populations named."""
    traces = tuple(Recording(i, "v", np.arange(populations[i].size, dtype=np.int32), dt) for i in v)
    padded = tuple(
        replace(
            p, indptr=np.pad(p.indptr, (0, populations[p.pre].size + 1 - len(p.indptr)), "edge")
        )
        for p in projections
    )
    return Network(
        dt, tuple(populations), padded, tuple(currents), traces
    ).with_all_spikes_recorded()


def random_network(rng, n=40, n_sources=5, synapse_count=200, dt=0.5, duration_ms=50.0) -> Network:
    """Cells of both signs, driven by sources and by currents."""
    pre = rng.integers(0, n, synapse_count)
    post = rng.integers(0, n, synapse_count)
    exc = pre % 4 != 0
    delay = rng.uniform(dt, 6 * dt, synapse_count)
    trains = [rng.uniform(0, duration_ms, 20) for _ in range(n_sources)]
    return network(
        cells(n, "cells", i_offset=rng.uniform(0.1, 0.25, n)),
        source(*trains),
        dt=dt,
        projections=[
            synapses(0, 0, np.stack([pre, post], 1)[exc], rng.uniform(0.1, 0.4, exc.sum()),
                     delay[exc], "excitatory", "exc", n),
            synapses(0, 0, np.stack([pre, post], 1)[~exc], -rng.uniform(0.1, 0.4, (~exc).sum()),
                     delay[~exc], "inhibitory", "inh", n),
            synapses(1, 0, [(s, c) for s in range(n_sources) for c in range(0, n, 3)], 0.5, dt,
                     "excitatory", "in", n_sources),
        ],
    )  # fmt: skip
