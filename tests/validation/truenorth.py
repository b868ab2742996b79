"""TrueNorth-style hardware against the figures that its datasheet ranks as usable (T1 to T7).

The workload is the published benchmark as far as it is specified (Merolla et al. 2014, S7): all
cores, every neuron sends to one axon drawn at random and every axon has one sender, delays uniform
from 1 to 15 ticks, so many synapses of an axon set at random. Here a stochastic leak sets the rate,
and synapses are stochastic with values of +1 and -1. One point is run on the whole chip with its
fabric; the other rates on 64 cores, whose counts are scaled up, with the paths of the whole chip.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from hwmodels.chips.truenorth import Cores, TrueNorth, TrueNorthSpec
from hwmodels.chips.truenorth import arithmetic as a
from hwmodels.chips.truenorth.layout import Layout
from hwmodels.chips.truenorth.transport import Fabric
from tests.hwmodels.test_truenorth_arithmetic import Register32, Scalar, cores_of
from tests.validation.table import Target, within

SOURCE = "Merolla et al. 2014; Akopyan et al. 2015"
#: Name, supply in V, rate in Hz, synapses, measured mW, allowed deviation of the fits.
OPERATING_POINTS = [
    ("11.58 Hz, 128 synapses", 0.8, 11.58, 128, 68.0),
    ("20.07 Hz, 128 synapses", 0.8, 20.07, 128, 71.0),
    ("95.93 Hz, 128 synapses", 0.8, 95.93, 128, 94.0),
    ("20 Hz, 128 synapses", 0.775, 20.0, 128, 72.0),
    ("20 Hz, 128 synapses", 0.75, 20.0, 128, 65.0),
    ("silent", 0.7, 0.0, 128, 42.0),
    ("200 Hz, 256 synapses", 1.05, 200.0, 256, 323.0),
]


class Census(NamedTuple):
    """What happened in a tick of the whole chip, on average, and what was late."""

    events: float
    spikes: float
    hops: float
    late: int
    busiest_us: float
    latest_us: float
    edge: float


def rate_registers(rate_hz: float, size: int) -> np.ndarray:
    """Neurons whose stochastic leak alone fires them at a rate; synapses are stochastic."""
    per_tick = rate_hz * 1e-3
    best = min(
        ((abs((m + 1) / 256 / k - per_tick), m, k) for k in range(1, 80) for m in range(256)),
        default=(0, 0, 1),
    )
    _, leak, threshold = best
    return a.registers(
        size, values=np.array([1, -1, 1, -1]), stochastic=15, leak=leak if rate_hz else 0,
        leak_stochastic=1, threshold=threshold if rate_hz else 2**18 - 1, reset_mode=a.BY_THRESHOLD,
        floor=2**18 - 1,
    )  # fmt: skip


def benchmark_layout(spec: TrueNorthSpec, rng: np.random.Generator, synapses: int) -> Layout:
    """Every neuron sends to an axon of its own, anywhere, after 1 to 15 ticks."""
    cores, n = spec.cores, spec.neurons_per_core
    units = cores * n
    number = np.arange(units)
    core, slot = (number // n).astype(np.int32), (number % n).astype(np.int32)
    zeros = np.zeros(units, dtype=np.int64)
    rows = np.arange(cores)
    return Layout(
        cores=cores, unit_core=core, unit_slot=slot, unit_cell=number.astype(np.int32),
        axon_core=core, axon_slot=slot, axon_type=(slot % 4).astype(np.int32),
        axon_events=np.full(units, synapses), axon_synapses=np.full(units, synapses),
        axon_first=zeros, axon_relays=zeros, leg_start=np.arange(units + 1),
        leg_axon=rng.permutation(units), leg_delay=rng.integers(1, 16, units),
        position=np.stack([rows // spec.rows, rows % spec.rows], 1).astype(np.int16), relays=0,
        counters=0, entry_axon=zeros[:0], entry_group=zeros[:0], group_first=zeros[:0],
        group_counters=zeros[:0],
        added_ticks=zeros,
    )  # fmt: skip


@cache
def benchmark(
    rate_hz: float, synapses: int, side: int, ticks: int, fidelity: str, tick_us: float = 1000.0,
    hop_ns: float = 14.32,
) -> Census:  # fmt: skip
    """The recurrent benchmark on ``side`` x ``side`` cores; the first 16 ticks fill the delays."""
    chip = TrueNorth(columns=side, rows=side, tick_us=tick_us, hop_ns=hop_ns, link_cycle_ns=hop_ns)
    spec, rng = chip.spec, np.random.default_rng(7)
    layout = benchmark_layout(spec, rng, synapses)
    fabric, cores = Fabric(spec, layout, fidelity), Cores(spec, layout.neurons())
    n = spec.neurons_per_core
    cores.axon_type[:] = np.arange(cores.axon_type.shape[1]) % 4
    cores.registers[:] = rate_registers(rate_hz, n)
    level = int(cores.registers[0, 0, a.THRESHOLD])
    cores.potential[:] = rng.integers(0, level, cores.potential.shape) if rate_hz else 0
    # So many synapses of each axon, at random; cores share sixteen patterns.
    for core in range(min(spec.cores, 16)):
        order = rng.random((n, n)).argsort(axis=0)[:synapses]
        axon = np.broadcast_to(np.arange(n), order.shape)
        cores.connect(np.full(order.size, core), order.reshape(-1), axon.reshape(-1))
    cores.crossbar[:] = cores.crossbar[np.arange(spec.cores) % 16]
    warm, events, spikes = 16, [], []
    for tick in range(1, warm + ticks + 1):
        axons, _ = fabric.read(tick)
        fired = cores.tick(layout.axon_core[axons], layout.axon_slot[axons])
        assert cores.events.sum() == fabric._events.sum()
        if tick > warm:
            events.append(int(cores.events.sum()))
            spikes.append(len(fired))
        fabric.send(tick, fired, np.full(len(fired), tick))
    packets = fabric.packets
    arrived = packets["arrive_ps"] >= 0
    in_tick = packets["arrive_ps"] - fabric.period_ps * (packets["step"].astype(np.int64) - 1)
    return Census(
        events=float(np.mean(events)),
        spikes=float(np.mean(spikes)),
        hops=float(packets["hops"].mean()) if len(packets) else 0.0,
        late=fabric.late,
        busiest_us=float(fabric.busy_ps.max()) / (warm + ticks) * 1e-6,
        latest_us=float(in_tick[arrived].max(initial=0)) * 1e-6,
        edge=fabric.edge,
    )


@cache
def whole_chip(tick_us: float = 1000.0) -> Census:
    """The reference point of the published benchmark on 4,096 cores with its fabric."""
    return benchmark(20.0, 128, 64, 3, "compiled", tick_us)


def power_mW(spec: TrueNorthSpec, census: Census) -> float:
    """Power by our own counts: what a report adds up, over a tick of 1 ms."""
    rows = spec.cores * spec.neurons_per_core
    pJ = (
        rows * spec.row_now_pJ
        + census.events * spec.event_now_pJ
        + census.spikes * census.hops * spec.hop_now_pJ
    )
    return spec.idle_mW + pJ * 1e-6  # pJ a ms are nW


def census_at(rate_hz: float, synapses: int) -> Census:
    """Counts of 64 cores, scaled to the chip; paths are those of the whole chip."""
    part = benchmark(rate_hz, synapses, 8, 30, "free")
    scale = TrueNorth().spec.cores / 64
    hops = whole_chip().hops
    return part._replace(events=part.events * scale, spikes=part.spikes * scale, hops=hops)


def power_targets() -> list[Target]:
    targets = []
    for name, volt, rate, synapses, measured in OPERATING_POINTS:
        spec = TrueNorth(spec="fit_b", supply_V=volt).spec
        ours = power_mW(spec, census_at(rate, synapses))
        what = f"power, {name}, {volt:g} V, fit B"
        targets.append(Target("T1", what, ours, measured, "mW", *within(0.1), SOURCE))
    # The peak is given in events, of which any rate and density can make so many.
    spec = TrueNorth(spec="fit_b", supply_V=0.75).spec
    spikes = 58e6 / 128
    peak = power_mW(spec, Census(58e6, spikes, spec.benchmark_hops, 0, 0, 0, 0))
    targets.append(
        Target("T1", "power at the peak, 58 GSOPS, 0.75 V, fit B", peak, 145.0, "mW", *within(0.1),
               SOURCE)
    )  # fmt: skip
    spec = TrueNorth(spec="fit_a", supply_V=0.8).spec
    ours = power_mW(spec, census_at(20.07, 128))
    targets.append(
        Target("T2", "power held out of fit A, 20.07 Hz, 0.8 V", ours, 71.0, "mW", *within(0.01),
               SOURCE)
    )  # fmt: skip
    spec, census = TrueNorth(spec="fit_b", supply_V=0.775).spec, whole_chip()
    ours = power_mW(spec, census) * 1e6 / census.events
    targets.append(
        Target("T3", "all-in energy of a synaptic event, 20 Hz, 0.775 V", ours, 26.0, "pJ",
               *within(0.1), SOURCE)
    )  # fmt: skip
    return targets


def vector_mismatches() -> tuple[int, int]:
    """Potentials and spikes that differ from the scalar recurrence, and how many were compared."""
    wrong = compared = 0
    phasic = Scalar([4, 0, 0, 0], [False] * 4, leak=-2, threshold=2, floor=10, reset=-15)
    zero = Scalar([1, -100, 1, 0], [False] * 4, leak=-1, threshold=18, floor=0, reset=1)
    one = Scalar([0, 0, 0, 1], [False] * 4, threshold=6)
    noisy = Scalar([90, -60, 200, -7], [True] * 4, -40, True, True, 12, 7, 9, False, 1, 2)
    for neurons in ([phasic], [zero, one], [noisy]):
        cores, register = cores_of(neurons, [0, 1, 2, 3]), Register32(1)
        for neuron in range(len(neurons)):
            cores.connect(np.zeros(4, dtype=int), np.full(4, neuron), np.arange(4))
        feedback = forward = False
        for tick in range(2000):
            # The driver fires in every tick of the bursting pair, else every 200 or at random.
            drive = neurons[0] is not phasic or tick % 200 == 0
            active = [k for k, on in enumerate((drive, feedback, drive, forward)) if on]
            fired = cores.tick(np.zeros(len(active), dtype=int), np.array(active, dtype=int))
            expected = [n for n, cell in enumerate(neurons) if cell.tick(active, register)]
            wrong += fired.tolist() != expected
            potentials = cores.potential[0, : len(neurons)]
            wrong += int(np.count_nonzero(potentials != [cell.v for cell in neurons]))
            compared += 1 + len(neurons)
            forward, feedback = 0 in expected and len(neurons) > 1, 1 in expected
    return wrong, compared


def vector_targets() -> list[Target]:
    wrong, compared = vector_mismatches()
    return [
        Target("T4", f"phasic, bursting and stochastic vectors, values out of {compared} that "
               "differ", wrong, 0, "", 1, 1, "scalar recurrence of the datasheet's 3.2")
    ]  # fmt: skip


def ranc_cycles(rate_hz: float) -> float:
    """Cycles of 10 ns that a core works in a tick."""
    spec = TrueNorth(spec="ranc", columns=2, rows=2, axons_per_core=256).spec
    layout = benchmark_layout(spec, np.random.default_rng(0), 128)
    fabric = Fabric(spec, layout, "compiled")
    units = np.arange(len(layout.unit_core))
    for tick in range(1, 21):
        fabric.read(tick)
        some = units[:: max(1, round(1000 / rate_hz))] if rate_hz else units[:0]
        fabric.send(tick, some, np.full(len(some), tick))
    (cycles,) = np.unique(fabric.busy_ps / 20 / 10_000)
    return float(cycles)


def work_targets() -> list[Target]:
    census, cores = whole_chip(), TrueNorth().spec.cores
    targets = [
        Target("T5", f"RANC, cycles a tick with {name}", ranc_cycles(rate), 66051, "cycles",
               *within(1e-9), "RANC RTL, state machine")
        for name, rate in (("no spikes", 0.0), ("20 Hz", 20.0), ("every neuron firing", 1000.0))
    ]  # fmt: skip
    targets += [
        Target("T6", "synaptic events a core and tick, 20 Hz, 128 synapses", census.events / cores,
               655.36, "", *within(0.05), "exact expectation"),
        Target("T6", "the same against the published mean", census.events / cores, 640.0, "",
               *within(0.05), "Merolla et al. 2014, S1"),
        Target("T6", "mean path of a packet", census.hops, 42.6, "hops", *within(0.01),
               "Merolla et al. 2014, S7"),
    ]  # fmt: skip
    spec = TrueNorth().spec
    events = spec.axons_per_core * spec.neurons_per_core
    worst = (spec.core_start_ns + spec.neurons_per_core * spec.neuron_ns) + events * spec.event_ns
    targets.append(
        Target("T7", "worst tick of a core, all 65,536 synapses, of a tick", worst * 1e-6, 1.0,
               "ms", 0.0, 1.0, SOURCE)
    )  # fmt: skip
    for speed in (1, 5):
        late = whole_chip(1000.0 / speed).late
        targets.append(
            Target("T7", f"late packets of the benchmark at {speed}x real time", late, 0,
                   "packets", 1, 1, SOURCE)
        )  # fmt: skip
    return targets


#: Targets that do not hold, by key and name; docs/validation.md says why.
KNOWN_OFF: set[str] = set()


@cache
def all_targets() -> list[Target]:
    return [*power_targets(), *vector_targets(), *work_targets()]
