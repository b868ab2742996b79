"""Networks of 1e7 to 1e9 synapses on the chip, with the timing of every packet.

Each cell sends to others on cores nearby, as large networks must on any mesh of cores; weights are
one for all, and delays differ between projections, so that the script's side of it fits as well.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from hwmodels.chip import Translation
from hwmodels.chips.loihi import Loihi
from hwmodels.chips.loihi.formats import Scale
from hwmodels.compiling import compiled
from hwmodels.lockstep import LockstepRun
from hwmodels.mapping import Placement
from hwmodels.mapping.placement import build_axons
from hwmodels.network import Network, Population, Projection
from hwmodels.result import QUANTISATION
from tests.benchmarks.measuring import Section, cpu_seconds, forget_peak, memory_kib

PER_CORE, RATE_HZ = 1000, 10
#: Synapses of a cell with each delay, in steps of 1 ms; and the cores they lie on.
EACH, DELAYS, NEAR = 200, (1, 2, 4, 8, 15), 16


def draw(target, each, per_core, cores, near, seed):  # type: ignore[no-untyped-def]
    """Targets of each cell on some cores around its own: a kernel."""
    state = np.uint64(seed)
    for cell in range(len(target) // each):
        home = cell // per_core
        begin = min(max(home - near // 2, 0), max(cores - near, 0))
        for k in range(each):
            state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            at = np.int64((state >> np.uint64(33)) % np.uint64(min(near, cores) * per_core))
            target[cell * each + k] = begin * per_core + at


def network(neurons: int) -> Network:
    rng, cores = np.random.default_rng(0), neurons // PER_CORE
    threshold = np.full(neurons, 2.0**14)
    interval = rng.uniform(0.5, 1.5, neurons) * 1000 / RATE_HZ
    parameters = {
        "v_rest": np.zeros(neurons), "v_reset": np.zeros(neurons), "v_thresh": threshold,
        "tau_m": np.full(neurons, 1e12), "cm": np.ones(neurons), "tau_refrac": np.zeros(neurons),
        "i_offset": np.ceil(threshold / interval * 64) / 64,
    }  # fmt: skip
    # At a random phase, so that cells fire at their rate from the start.
    start = {"v": rng.uniform(0, 1, neurons) * threshold}
    cells = Population("all", "IF_curr_delta", neurons, parameters, start)
    indptr = np.arange(neurons + 1, dtype=np.int64) * EACH
    projections = []
    for k, delay in enumerate(DELAYS):
        target = np.empty(neurons * EACH, dtype=np.int32)
        compiled(draw)(target, EACH, PER_CORE, cores, NEAR, k + 1)
        weight, delay_ms = (np.broadcast_to(float(x), len(target)) for x in ((-1) ** k, delay))
        projections.append(
            Projection(f"after {delay}", 0, 0, "excitatory", indptr, target, weight, delay_ms)
        )
    return Network(1.0, (cells,), tuple(projections))


def prepare(lowered: Network) -> LockstepRun:
    """The chip with the network on it, ready to run."""
    n = int(lowered.offsets[-1])
    chip = Loihi(
        spec="nahuku_fit", packets="counted", bias_mantissa_max=2**21,
        chip_columns=-(-n // (PER_CORE * 128)),
    )  # fmt: skip
    zeros, units = np.zeros(n, dtype=np.int64), np.full(n, 64.0)
    one = zeros + chip.spec.one
    scale = Scale(
        unit_mV=1 / 64, gain={"excitatory": units, "inhibitory": units},
        decay_u={"excitatory": one, "inhibitory": one}, decay_v=zeros,
        threshold=np.full(n, 2**20), refractory=zeros, bias_gain=units, rest=np.zeros(n),
        joined=False,
    )  # fmt: skip
    translation = Translation(lowered, np.empty(0, dtype=QUANTISATION), {}, {0: scale})
    core_of = (np.arange(n) // PER_CORE).astype(np.int32)
    tile = np.arange(n // PER_CORE) // chip.spec.cores_per_tile
    axons = build_axons(lowered, core_of, np.arange(n) % PER_CORE)
    placement = Placement(
        core_of=core_of,
        position=np.stack([tile // chip.spec.rows, tile % chip.spec.rows], 1).astype(np.int16),
        neurons=np.bincount(core_of),
        synapses=np.bincount(axons.core, axons.synapses).astype(np.int64),
        memory=np.zeros(len(tile), dtype=np.int64),
        axons=replace(axons, contiguous=np.zeros(len(axons.core), dtype=bool)),
    )
    return chip.run(translation, placement)


class Timed:
    """The fabric's part of a run."""

    def __init__(self, transport) -> None:
        self._steps, self.seconds = transport.steps, 0.0

    def __call__(self, *given) -> None:
        began = time.process_time()
        self._steps(*given)
        self.seconds += time.process_time() - began


def measure(section: Section, neurons: int, steps: int) -> None:
    lowered = network(neurons)
    synapses = lowered.n_synapses
    before = memory_kib("VmRSS")
    forget_peak()
    made: list[LockstepRun] = []
    set_up = cpu_seconds(lambda: made.append(prepare(lowered)))
    run = made[0]
    run.advance(lowered, 20)
    timed = Timed(run._transport)
    run._transport.steps = timed
    peak = memory_kib("VmHWM")
    done = run._transport.operations
    seconds = cpu_seconds(lambda: run.advance(lowered, 20 + steps))
    now = run._transport.operations
    events, packets = (
        getattr(now, name) - getattr(done, name) for name in ("synapses_sparse", "messages_out")
    )
    section.add(f"{synapses:.0e} synapses, {neurons:,} cells: set-up", set_up, "CPU s")
    limit = 180 if synapses >= 1e9 else None
    second = seconds / steps * 1e3
    section.add("  a simulated second with fabric timing", second, "CPU s", limit, at_most=True)
    section.add("    of which the fabric", timed.seconds / steps * 1e3, "CPU s")
    section.add(
        "  synaptic events, without the fabric", events / (seconds - timed.seconds) / 1e6,
        "M events/s", 120,
    )  # fmt: skip
    section.add("  rate", events / synapses / steps * 1e3, "Hz")
    section.add("  packets", packets / steps * 1e3 / 1e6, "M a second")
    section.add("  synaptic events, all included", events / seconds / 1e6, "M events/s")
    section.add("  memory at its peak, network included", peak / 2**20, "GiB")
    section.add("  beyond the network's own", (peak - before) * 1024 / synapses, "B/synapse")


def large(quick: bool) -> Section:
    section = Section("large", "Large networks, with the timing of every packet")
    measure(section, 16_000, 50)
    if not quick:
        measure(section, 100_000, 100)
    return section


def billion(quick: bool) -> Section:
    """Run only where it is named: it takes 16 GiB."""
    section = Section("billion", "A million cells, a billion synapses")
    measure(section, 100_000 if quick else 1_000_000, 50)
    return section
