"""Results as engines would give them, made without one.

The chip resembles Loihi: barrier-synchronised steps of 1 ms, a mesh of 8 x 4 routers, XY routes.
The figures are plausible and nothing more.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from hwmodels.network import (
    Network,
    Population,
    Projection,
    Recording,
    SpikeTrains,
)
from hwmodels.result import (
    CORE,
    ENERGY,
    LINK,
    PACKET,
    QUANTISATION,
    HardwareReport,
    Result,
    Spikes,
    Trace,
    spikes_from_steps,
)

MESH = (8, 4)


def spikes(*pairs: tuple[int, float]) -> Spikes:
    """Spikes from (cell, ms) pairs."""
    ordered = sorted(pairs, key=lambda pair: (pair[1], pair[0]))
    return Spikes(
        np.array([c for c, _ in ordered], dtype=np.int32),
        np.array([t for _, t in ordered], dtype=np.float64),
    )


def result(
    *populations: Spikes, sizes=None, duration_ms: float = 100.0, engine="software", **others
) -> Result:
    """A small result; sizes are 1 + the largest cell unless given."""
    if sizes is None:
        sizes = tuple(int(s.cell.max(initial=0)) + 1 for s in populations)
    return Result(
        engine=engine,
        network_hash="0" * 64,
        timestep_ms=others.pop("timestep_ms", 1.0),
        duration_ms=duration_ms,
        labels=tuple(f"p{i}" for i in range(len(populations))),
        sizes=tuple(sizes),
        spikes=tuple(populations),
        **others,
    )


def report(**changes) -> HardwareReport:
    """A chip that did nothing, unless told otherwise."""
    empty = {
        "chip": "loihi",
        "spec": "loihi1",
        "effects": ("precision",),
        "fidelity": "reference",
        "mesh": MESH,
        "packets": np.empty(0, PACKET),
        "links": np.empty(0, LINK),
        "cores": np.empty(0, CORE),
        "energy": np.empty(0, ENERGY),
        "quantisation": np.empty(0, QUANTISATION),
        "step_ps": np.empty(0, np.int64),
        "step_ms": 1.0,
    }
    return HardwareReport(**(empty | changes))


def packets(*rows: tuple) -> np.ndarray:
    """Packets from (step, source, destination core, inject_ps, arrive_ps[, late[, synapses]])."""
    table = np.zeros(len(rows), PACKET)
    for row, (step, source, core, inject, arrive, *rest) in zip(table, rows, strict=True):
        row["step"], row["source"], row["destination_core"] = step, source, core
        row["inject_ps"], row["arrive_ps"] = inject, arrive
        row["late_steps"] = rest[0] if rest else 0
        row["synapses"] = rest[1] if len(rest) > 1 else 1
        row["hops"] = 2
    return table


def network(exc=400, inh=100, inputs=50, duration_ms=1000.0, seed=1) -> Network:
    """A small balanced network with a Poisson input."""
    rng = np.random.default_rng(seed)
    trains = SpikeTrains.from_lists(
        [
            np.rint(rng.uniform(0, duration_ms, rng.poisson(duration_ms * 0.02)))
            for _ in range(inputs)
        ]
    )
    populations = (
        Population("input", "SpikeSourcePoisson", inputs, stimulus=trains),
        Population("excitatory", "IF_curr_exp", exc),
        Population("inhibitory", "IF_curr_exp", inh),
    )
    projections = []
    for pre, post, weight in ((0, 1, 0.5), (1, 1, 0.2), (1, 2, 0.2), (2, 1, -0.8), (2, 2, -0.8)):
        fan_out = max(1, populations[post].size // 10)
        n = populations[pre].size
        target = rng.integers(0, populations[post].size, n * fan_out).astype(np.int32)
        projections.append(
            Projection(
                f"{pre} to {post}", pre, post, "excitatory" if weight > 0 else "inhibitory",
                np.arange(n + 1, dtype=np.int64) * fan_out, target,
                np.full(n * fan_out, weight), np.full(n * fan_out, 1.0),
            )
        )  # fmt: skip
    recordings = [
        Recording(i, "spikes", np.arange(p.size, dtype=np.int32), 1.0)
        for i, p in enumerate(populations)
    ]
    recordings.append(Recording(1, "v", np.arange(min(3, exc), dtype=np.int32), 1.0))
    return Network(1.0, populations, tuple(projections), (), tuple(recordings))


def software(net: Network, duration_ms=1000.0, rate_Hz=8.0, seed=2) -> Result:
    """A reference run: irregular spikes and a leaky trace."""
    rng = np.random.default_rng(seed)
    trains = []
    for p in net.populations:
        if p.stimulus is not None:
            steps, cells = p.stimulus.events(net.timestep_ms)
        else:
            n = rng.poisson(p.size * duration_ms * 1e-3 * rate_Hz)
            flat = np.unique(
                rng.integers(1, int(duration_ms), n) * p.size + rng.integers(0, p.size, n)
            )
            steps, cells = flat // p.size, (flat % p.size).astype(np.int32)
        trains.append(spikes_from_steps(steps, cells, net.timestep_ms))
    return Result(
        "brian2", net.content_hash, net.timestep_ms, duration_ms,
        tuple(p.label for p in net.populations), tuple(p.size for p in net.populations),
        tuple(trains), (_trace(trains[1], duration_ms),), {}, 1.5,
    )  # fmt: skip


def on_loihi(net: Network, reference: Result, seed=3, loss=0.002, jitter=0.25) -> Result:
    """A candidate run: some spikes a step off, some missing, with a full hardware report."""
    rng = np.random.default_rng(seed)
    trains = [reference.spikes[0]]
    for train in reference.spikes[1:]:
        steps = np.rint(train.time_ms).astype(np.int64)
        steps = steps + np.where(
            rng.random(len(steps)) < jitter, rng.choice([-2, -1, 1, 1, 2, 4], len(steps)), 0
        )
        kept = (rng.random(len(steps)) > 0.03) & (steps > 0) & (steps <= reference.duration_ms)
        more = rng.integers(0, len(steps), len(steps) // 50)
        trains.append(
            spikes_from_steps(
                np.concatenate((steps[kept], rng.integers(1, reference.duration_ms, len(more)))),
                np.concatenate((train.cell[kept], train.cell[more])),
                1.0,
            )
        )
    trace = _trace(trains[1], reference.duration_ms)
    hardware = _loihi_report(net, trains, int(reference.duration_ms), rng, loss)
    dropped = int(np.count_nonzero(hardware.packets["arrive_ps"] < 0))
    counts = {"packets dropped": dropped, "weights rounded": 51234, "membranes saturated": 7}
    return Result(
        "chip", net.content_hash, 1.0, reference.duration_ms, reference.labels, reference.sizes,
        tuple(trains), (trace,), counts, 0.7, hardware,
    )  # fmt: skip


def _trace(train: Spikes, duration_ms: float) -> Trace:
    samples = int(duration_ms) + 1
    values = np.full((samples, 3), -65.0)
    for cell in range(3):
        times = np.concatenate(([0.0], train.time_ms[train.cell == cell], [duration_ms + 30]))
        for begin, end in pairwise(times):
            k = np.arange(int(begin), min(int(end), samples))
            values[k, cell] = -65 + 15 * (1 - np.exp(-(k - begin) / 40.0))
    return Trace(1, "v", np.arange(3, dtype=np.int32), 1.0, values)


def _loihi_report(net, trains, steps, rng, loss) -> HardwareReport:
    columns, rows = MESH
    neurons = int(net.offsets[-1])
    n_cores = min(columns * rows * 4, max(1, neurons // 8))
    core_of = np.arange(neurons) * n_cores // neurons
    router_of = np.arange(n_cores) // 4
    source = np.concatenate([t.cell + net.offsets[i] for i, t in enumerate(trains)])
    step = np.concatenate([np.rint(t.time_ms) for t in trains]).astype(np.int64)
    order = np.lexsort((source, step))
    source, step = source[order], step[order]
    busy = np.bincount(np.minimum(step, steps - 1), minlength=steps)[:steps]
    step_ps = 5_000_000 + 60_000 * busy + rng.integers(0, 300_000, steps)
    start = np.cumsum(step_ps) - step_ps

    copies = rng.integers(1, 5, len(source))
    n = int(copies.sum())
    table = np.zeros(n, PACKET)
    table["source"] = np.repeat(source, copies)
    table["step"] = np.repeat(np.minimum(step, steps - 1), copies)
    table["source_core"] = core_of[table["source"]]
    table["destination_core"] = rng.integers(0, n_cores, n)
    table["synapses"] = rng.integers(1, 40, n)
    here, there = router_of[table["source_core"]], router_of[table["destination_core"]]
    dx, dy = there % columns - here % columns, there // columns - here // columns
    table["hops"] = (np.abs(dx) + np.abs(dy)).astype(np.int16)
    table["inject_ps"] = start[table["step"]] + rng.integers(200_000, 2_500_000, n)
    waiting = rng.gamma(0.6, 9_000, n).astype(np.int64)
    table["arrive_ps"] = (
        table["inject_ps"] + 6_500 + 4_100 * table["hops"].astype(np.int64) + waiting
    )
    table["arrive_ps"][rng.random(n) < loss] = -1
    late = rng.random(n) < 0.001
    table["late_steps"] = np.where(late & (table["arrive_ps"] >= 0), 1, 0)

    cores = np.zeros(n_cores, CORE)
    cores["core"] = np.arange(n_cores)
    cores["x"], cores["y"] = router_of % columns, router_of // columns
    cores["neurons"] = np.bincount(core_of, minlength=n_cores)
    cores["synapses"] = cores["neurons"] * 60
    cores["memory_used"], cores["memory_size"] = cores["synapses"] * 2, 16384
    cores["busy_ps"] = (step_ps.sum() * rng.uniform(0.1, 0.6, n_cores)).astype(np.int64)
    energy = np.array(
        [
            ("neuron update", steps * neurons, 81.0),
            ("synaptic operation", int(table["synapses"].sum()), 23.6),
            ("router hop", int(table["hops"].sum()), 3.5),
            ("barrier", steps, 900.0),
        ],
        ENERGY,
    )
    quantisation = np.array(
        [
            ("excitatory to inhibitory", "weight", "nA", 16000, 0.004, 0.002, 0.0011, 0.01, 0),
            ("excitatory", "v_thresh", "mV", 400, 0.01, 0.004, 0.002, 1e-4, 0),
            ("1 to 1, a projection with a very long label indeed", "weight", "nA", 16000,
             0.01, 0.2, 0.01, np.inf, 12),
        ],
        QUANTISATION,
    )  # fmt: skip
    return report(
        effects=("precision", "state", "fabric"), packets=table, links=_links(here, there, step_ps),
        cores=cores, energy=energy, quantisation=quantisation, step_ps=step_ps,
        sources={"energy": "Davies et al. 2018, IEEE Micro 38(1), table 2; nominal corner",
                 "caveat": "Static power is not modelled."},
    )  # fmt: skip


def _links(here, there, step_ps) -> np.ndarray:
    """Walk XY routes."""
    columns = MESH[0]
    loads: dict[tuple[int, int, int, int], int] = {}
    for (a, b), n in zip(
        *np.unique(np.stack((here, there), axis=1), axis=0, return_counts=True), strict=True
    ):
        (x, y), (tx, ty) = (a % columns, a // columns), (b % columns, b // columns)
        while (x, y) != (tx, ty):
            sx = np.sign(tx - x)
            sy = 0 if sx else np.sign(ty - y)
            key = tuple(map(int, (x, y, x + sx, y + sy)))
            loads[key] = loads.get(key, 0) + int(n)
            x, y = x + sx, y + sy
        loads[(int(x), int(y), int(x), int(y))] = loads.get(
            (int(x), int(y), int(x), int(y)), 0
        ) + int(n)
    table = np.zeros(len(loads), LINK)
    for row, (ends, n) in zip(table, sorted(loads.items()), strict=True):
        row["x"], row["y"], row["to_x"], row["to_y"] = ends
        row["packets"], row["busy_ps"], row["max_queue"] = n, n * 6500, 1 + n % 7
    assert len(step_ps)
    return table
