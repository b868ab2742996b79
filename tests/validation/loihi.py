"""Loihi-style hardware against the figures that its datasheet ranks as usable.

The micro-benchmarks are runs of SANA-FE 2.2.9 (an independent simulator calibrated on Nahuku
boards): one source core with ``n`` neurons that fire in every step, each connected to ``f``
neurons of one other core.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

from hwmodels.chip import Translation
from hwmodels.chips.loihi import Compartments, Loihi, LoihiTransport, update_compartments
from hwmodels.mapping import Placement
from hwmodels.mapping.placement import build_axons
from hwmodels.network import Network, Population, Projection, SpikeTrains
from hwmodels.result import QUANTISATION, HardwareReport
from tests.validation.table import Target, within

#: n, f, router of the destination, `simple`, `detailed` and `cycle` time in ns per step.
MICRO_BENCHMARKS = [
    (1, 0, (0, 0), 639.7, 639.7, 641.0),
    (100, 0, (0, 0), 4570.0, 4570.0, 4571.0),
    (1, 1, (0, 0), 644.8, 664.6, 669.0),
    (1, 1, (0, 1), 1044.8, 1071.1, 1073.0),
    (100, 1, (0, 1), 5480.0, 5506.3, 5528.0),
    (100, 10, (0, 1), 6400.0, 6451.3, 6453.0),
    (100, 100, (0, 1), 40600.0, 40651.3, 40653.0),
    (100, 100, (7, 3), 40600.0, 40693.0, 40689.0),
    (1000, 10, (0, 1), 55000.0, 55051.3, 55053.0),
]


#: Own runs of SANA-FE 2.2.9 (bundled Loihi file, dense synapses, four steps) in which packets meet.
#: Source cores, neurons of each, destination cores, targets of each neuron on each destination
#: but its own; `detailed` and `cycle` time in ns per step, energy of a step in pJ.
CONTENDED = {
    "seven cores on other tiles to one": (
        range(4, 32, 4), 100, [0], 10, 39251.3, 39350.0, 437_734.0),
    "three cores of a tile to the far corner": (
        range(3), 200, [127], 4, 19813.0, 19728.0, 258_384.8),
    "sixteen cores, all to all": (
        range(16), 20, range(16), 5, 12448.74, 12250.0, 1_462_976.0),
    "seven tiles of a row to the far corner": (
        range(0, 112, 16), 100, [127], 2, 18004.8, 18284.0, 245_254.8),
}  # fmt: skip


#: What ``docs/validation.md`` explains.
KNOWN_OFF = {"L6 energy of a k-NN query, 750 input spikes, a run"}


def fabric_run(
    core: np.ndarray, fires: np.ndarray, pairs: np.ndarray, fidelity: str, steps: int
) -> HardwareReport:
    """Steps in which the same neurons fire, on cores given by their number on the chip."""
    n = len(core)
    used, core_of = np.unique(core, return_inverse=True)
    first = np.searchsorted(core, used)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    population = Population("all", "IF_curr_exp", n, {"v_thresh": np.ones(n)})
    ones = np.ones(len(pairs))
    projection = Projection(
        "p", 0, 0, "excitatory", np.searchsorted(pairs[:, 0], np.arange(n + 1)),
        pairs[:, 1].astype(np.int32), ones, ones,
    )  # fmt: skip
    network = Network(1.0, (population,), (projection,))
    chip = Loihi(spec="nahuku_fit", fidelity=fidelity)
    tile = used // chip.spec.cores_per_tile
    placement = Placement(
        core_of=core_of.astype(np.int32),
        position=np.stack([tile // chip.spec.rows, tile % chip.spec.rows], 1).astype(np.int16),
        neurons=np.bincount(core_of),
        synapses=np.bincount(core_of[pairs[:, 1]], minlength=len(used)),
        memory=np.zeros(len(used), dtype=np.int64),
        axons=build_axons(network, core_of.astype(np.int32), np.arange(n) - first[core_of]),
    )
    translation = Translation(network, np.empty(0, dtype=QUANTISATION), {}, {})
    transport = LoihiTransport(chip, translation, placement, np.ones(n, dtype=np.int64))
    for step in range(1, steps + 1):
        transport.step(step, np.flatnonzero(fires), np.ones(n, dtype=bool))
    return transport.report(steps)


@cache
def micro_benchmark(n: int, f: int, router: tuple[int, int], fidelity: str) -> HardwareReport:
    """Ten steps of one micro-benchmark; on one tile, the destination is the second core."""
    destination = (router[0] * 4 + router[1]) * 4 or 1
    core = np.repeat([0, destination], [n, f])
    pairs = np.stack([np.repeat(np.arange(n), f), n + np.tile(np.arange(f), n)], 1)
    return fabric_run(core, np.arange(n + f) < n, pairs, fidelity, 10)


@cache
def contended_benchmark(name: str, fidelity: str) -> HardwareReport:
    """Four steps of one benchmark in which packets meet."""
    sources, n, destinations, f, *_ = CONTENDED[name]
    cores = sorted({*sources, *destinations})
    size = [n * (c in sources) + f for c in cores]
    first = dict(zip(cores, np.cumsum([0, *size[:-1]]).tolist(), strict=True))
    fires = np.concatenate([[True] * (k - f) + [False] * f for k in size])
    pairs = [
        (first[c] + i, first[d] + n * (d in sources) + j)
        for c in sources
        for i in range(n)
        for d in destinations
        if d != c
        for j in range(f)
    ]
    return fabric_run(np.repeat(cores, size), fires, np.array(pairs), fidelity, 4)


def step_time_ns(report: HardwareReport) -> float:
    return float(report.step_ps.mean()) / 1000


def energy_per_step_pJ(n: int, f: int, router: tuple[int, int]) -> float:
    """The closed form: counts times the coefficients of SANA-FE's Loihi file."""
    neurons = (n + f) * (51.2 + 21.6) + n * 69.3
    if not f:
        return neurons
    hops = router[0] * 3.0 + router[1] * 4.2
    return neurons + n * (111.0 + hops) + n * f * 35.5


def recurrence_mismatches() -> tuple[int, int]:
    """Values of u, v and spikes that differ from brian2-loihi's, and how many were compared."""
    recorded = json.loads((Path(__file__).parent / "brian2_loihi.json").read_text())
    spec, wrong, compared = Loihi().spec, 0, 0
    for trial in recorded["trials"]:
        zero = np.zeros(1, dtype=np.int64)
        state = Compartments(
            zero.copy(), zero.copy(), zero.copy(), zero + trial["decay_u"],
            zero + trial["decay_v"], zero + trial["threshold"], zero + trial["refractory"] - 1,
        )  # fmt: skip
        for step, q in enumerate(trial["q"]):
            (fired,) = update_compartments(state, zero + q, zero, spec)
            wrong += int(state.u[0]) != trial["u"][step]
            wrong += int(state.v[0]) != trial["v"][step]
            wrong += bool(fired) != (step in trial["spikes"])
            compared += 3
    return wrong, compared


def recurrence_targets() -> list[Target]:
    wrong, compared = recurrence_mismatches()
    return [
        Target("L1", f"integer recurrence, values out of {compared} that differ", wrong, 0, "",
               1, 1, "brian2-loihi 0.5.2, recorded")
    ]  # fmt: skip


def timing_targets() -> list[Target]:
    targets = []
    for n, f, router, _, detailed, cycle in MICRO_BENCHMARKS:
        name = f"n={n} f={f} to router {router}"
        analytic = step_time_ns(micro_benchmark(n, f, router, "analytic"))
        timed = step_time_ns(micro_benchmark(n, f, router, "compiled"))
        targets += [
            Target("L2", f"{name}, analytic / detailed", analytic, detailed, "ns",
                   *within(0.001), "SANA-FE 2.2.9"),
            Target("L2", f"{name}, compiled / detailed", timed, detailed, "ns",
                   *within(0.005), "SANA-FE 2.2.9"),
            Target("L2", f"{name}, compiled / cycle", timed, cycle, "ns",
                   *within(0.01), "SANA-FE 2.2.9"),
        ]  # fmt: skip
    return targets


def contended_targets() -> list[Target]:
    """Tolerances are those the datasheet sets for a whole network (its target L4)."""
    targets = []
    for name, (*_, detailed, cycle, energy) in CONTENDED.items():
        report = contended_benchmark(name, "compiled")
        timed = step_time_ns(report)
        targets += [
            Target("L2", f"{name}, compiled / detailed", timed, detailed, "ns",
                   *within(0.10), "SANA-FE 2.2.9, own run"),
            Target("L2", f"{name}, compiled / cycle", timed, cycle, "ns",
                   *within(0.05), "SANA-FE 2.2.9, own run"),
            Target("L2", f"{name}, energy", report.energy_pJ / 4, energy, "pJ",
                   *within(1e-4), "SANA-FE 2.2.9, own run"),
        ]  # fmt: skip
    return targets


def energy_targets() -> list[Target]:
    return [
        Target("L2", f"n={n} f={f} to router {router}, energy",
               micro_benchmark(n, f, router, "compiled").energy_pJ / 10,
               energy_per_step_pJ(n, f, router), "pJ", *within(1e-9), "closed form, datasheet 4.3")
        for n, f, router, *_ in MICRO_BENCHMARKS
    ]  # fmt: skip


def barrier_targets() -> list[Target]:
    spec = Loihi(spec="davies2018").spec
    return [
        Target("L5", f"barrier over {tiles} tiles", spec.barrier_of(tiles), ns, "ns",
               *within(1e-9), "Davies et al. 2018, Table 2")
        for tiles, ns in ((1, 113.0), (32, 465.0))
    ] + [
        Target("L8", f"barrier over {across} x {along} chips", spec.barrier_of(32, (across, along)),
               ns, "ns", *within(0.05), "Frady et al. 2020, section 4.3")
        for across, along, ns in ((4, 64, 14_300.0), (12, 64, 16_200.0))
    ]  # fmt: skip


def sweep_targets() -> list[Target]:
    """A whole core: 1,024 compartments, without the end of the step."""
    targets = []
    for spec, active, fire, microseconds in (
        ("davies2018", False, False, 5.4),
        ("davies2018", True, False, 8.6),
        ("nahuku_fit", False, False, 6.1),
        ("nahuku_fit", True, False, 9.9),
        ("nahuku_fit", True, True, 40.7),
    ):
        s = Loihi(spec=spec).spec
        time = 1024 * (s.visit_ns + active * s.update_ns + fire * s.spike_ns) / 1000
        kind = "all fire" if fire else "all active" if active else "all inactive"
        targets.append(
            Target("1.7", f"sweep of a full core, {spec}, {kind}", time, microseconds, "us",
                   *within(0.01), "datasheet 1.7")
        )  # fmt: skip
    return targets


#: Of the k-NN query: chips, patterns (one neuron each), steps.
KNN_CHIPS, KNN_PATTERNS, KNN_STEPS = 32, 76_800, 60


@cache
def knn_query_mJ(spikes: int) -> float:
    """A query, run on one chip of 32 with its share of the patterns; all chips do the same.

    Each input spikes once, and each neuron has a synapse from every input and never fires.
    """
    rng = np.random.default_rng(1)
    n = KNN_PATTERNS // KNN_CHIPS
    ends = np.arange(spikes + 1, dtype=np.int64)
    times = rng.integers(0, KNN_STEPS - 1, spikes).astype(float)
    inputs = Population("inputs", "SpikeSourceArray", spikes, stimulus=SpikeTrains(ends, times))
    values = {"tau_m": 1e6, "cm": 1.0, "tau_refrac": 0.0, "v_rest": 0.0, "v_reset": 0.0,
              "v_thresh": 1e4, "i_offset": 0.0}  # fmt: skip
    parameters = {name: np.full(n, value) for name, value in values.items()}
    patterns = Population("patterns", "IF_curr_delta", n, parameters, {"v": np.zeros(n)})
    synapses = spikes * n
    projection = Projection(
        "patterns", 0, 1, "excitatory", ends * n, np.tile(np.arange(n, dtype=np.int32), spikes),
        rng.uniform(0.1, 1.0, synapses), np.ones(synapses),
    )  # fmt: skip
    network = Network(1.0, (inputs, patterns), (projection,))
    chip = Loihi(spec="davies2018")
    translation = chip.translate(network)
    running = chip.run(translation, chip.map(translation))
    running.advance(translation.network, KNN_STEPS)
    report = running.result("loihi", translation, 0.0).hardware
    assert report is not None
    return KNN_CHIPS * report.energy_pJ * 1e-9


def knn_targets() -> list[Target]:
    """Frady et al. 2020: a query of 76,800 patterns broadcasts 667 to 750 spikes over 60 steps."""
    s = Loihi(spec="davies2018").spec
    targets = []
    for spikes in (667, 750):
        visits = KNN_PATTERNS * KNN_STEPS * s.visit_pJ
        counted = (visits + spikes * KNN_PATTERNS * s.synapse_dense_pJ) * 1e-9
        for way, ours in (("visits and synapses", counted), ("a run", knn_query_mJ(spikes))):
            targets.append(
                Target("L6", f"energy of a k-NN query, {spikes} input spikes, {way}",
                       ours, 1.33, "mJ", 0.75, 1.25, "Frady et al. 2020, Table 2")
            )  # fmt: skip
    return targets


def loihi2_targets() -> list[Target]:
    """The vendor's ratios to Loihi, which the parameter set is made of: wiring, no evidence."""
    one, two = Loihi(spec="nahuku_fit").spec, Loihi(spec="loihi2_scaled").spec
    ratios = {
        "neuron update": ((one.visit_ns + one.update_ns) / (two.visit_ns + two.update_ns), 2.0),
        "synaptic operation": (one.synapse_dense_ns / two.synapse_dense_ns, 5.0),
        "spike generation": (one.spike_ns / two.spike_ns, 10.0),
        "chip-to-chip signalling": (one.chip_hop_ns / two.chip_hop_ns, 4.0),
    }
    targets = [
        Target("2", f"Loihi 2, {what}, times faster", ours, published, "", *within(1e-9),
               "vendor statement (L2C)")
        for what, (ours, published) in ratios.items()
    ]  # fmt: skip
    shortest = two.barrier_of(32) + two.management_of(32)
    return [
        *targets,
        Target("2", "Loihi 2, shortest step of a whole chip", shortest, 200.0, "ns", 0, 1 + 1e-9,
               "vendor statement (L2C): under 200 ns"),
    ]  # fmt: skip


@cache
def all_targets() -> list[Target]:
    return [
        *recurrence_targets(),
        *timing_targets(),
        *contended_targets(),
        *energy_targets(),
        *barrier_targets(),
        *sweep_targets(),
        *knn_targets(),
        *loihi2_targets(),
    ]
