"""State update, delivery and a whole network on chip arithmetic, beside Brian2 and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import count
from pathlib import Path

import numpy as np

from cosim.engines.hardware import HardwareEngine
from cosim.workload import load_workload
from hwmodels.chips.loihi.block import Registers
from hwmodels.chips.loihi.kernel import BLOCK, BOUNDS, KINDS, PARTS, Cells, Room, many
from hwmodels.compiling import aligned, compiled
from hwmodels.delivery import Inputs, SummedInput
from hwmodels.network import Network, Population, Projection
from tests.benchmarks.measuring import Section, alternate, cpu_seconds


def memory(section: Section) -> None:
    """What the memory of this machine gives one core."""
    large = np.ones(8_000_000)
    other = np.empty_like(large)
    seconds = np.median([cpu_seconds(lambda: np.copyto(other, large)) for _ in range(5)])
    section.add("memory: copy, read and written", 2 * large.nbytes / seconds / 1e9, "GB/s")
    seconds = np.median([cpu_seconds(large.sum) for _ in range(5)])
    section.add("memory: read", large.nbytes / seconds / 1e9, "GB/s")


def update(section: Section, neurons: int, alike: bool) -> None:
    """Compartments in random state with noisy input, in the loop that the chip runs."""
    # A ring as deep as delays up to 15 steps need. Input is there in as many steps; what a step
    # costs does not depend on it.
    rng, steps, windows = np.random.default_rng(0), 128, 4

    def word(low: int, high: int, same: bool = False, kind: type = np.int32) -> np.ndarray:
        words = aligned(neurons, kind)
        words[:] = (low + high) // 2 if same else rng.integers(low, high, neurons)
        return words

    def register(name: str, low: int, high: int) -> np.ndarray:
        return word(low, high, alike, getattr(KINDS, name))

    cells = Cells(
        u=word(-5000, 5000), v=word(-(2**20), 2**20), free_from=word(0, 3),
        decay_u=register("decay_u", 0, 2**12), decay_v=register("decay_v", 0, 2**11),
        threshold=register("threshold", 2**20, 2**21), refractory=register("refractory", 0, 3),
    )  # fmt: skip
    drive = word(0, 2000)
    active, own = np.zeros((steps, neurons), bool), np.zeros(neurons, np.int64)
    fired, given = np.zeros(4 * neurons, np.int64), np.zeros(0, np.int64)
    counts, starts = np.zeros((2, 3), np.int64), np.zeros(steps + 1, np.int64)
    populations = np.array([[0, neurons, 0, -1, not alike]])
    room = Room(
        aligned(BLOCK, np.int32), aligned(BLOCK, np.int32), aligned(BLOCK, bool),
        np.zeros((-(-neurons // BLOCK), BOUNDS), np.int64),
    )  # fmt: skip
    most = 20_000
    noise = rng.integers(-most, most, (16, neurons)).astype(np.int32)
    ring, move = aligned(noise.shape, np.int32), compiled(many, *PARTS, allocates=False)
    no_synapses = np.zeros(neurons + 1, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.int32)

    def work() -> None:
        for _ in range(windows):
            done = move(
                0, steps, ring, *no_synapses, 0, 0, most, starts, given, drive, cells, populations,
                Registers(21, 23, 12, -(2**23) + 1, 2**23 - 1), room, active, own, fired,
                starts.copy(), counts,
            )  # fmt: skip
            assert done == steps

    taken = []
    for _ in range(8):
        ring[:] = noise  # the kernel leaves zeros
        taken.append(cpu_seconds(work))
    seconds = np.median(taken[1:])
    name = f"state update, {neurons:,} compartments, {'alike' if alike else 'all different'}"
    section.add(name, neurons * steps * windows / seconds / 1e9, "G/s", 0.8)


def chance_network(neurons: int, fan_out: int, seed: int = 0) -> Network:
    """Each cell sends to ``fan_out`` random ones with delays of 1 to 15 steps."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, neurons, neurons * fan_out, dtype=np.int32)
    n = len(target)
    delay = rng.integers(1, 16, fan_out).astype(np.float64)
    projection = Projection(
        "p", 0, 0, "excitatory", np.arange(neurons + 1, dtype=np.int64) * fan_out, target,
        np.broadcast_to(1.0, n), np.tile(delay, neurons),
    )  # fmt: skip
    return Network(1.0, (Population("all", "IF_curr_delta", neurons),), (projection,))


def delivery(section: Section, neurons: int, fan_out: int, target: float | None) -> None:
    """Synaptic events a second, when 0.2 % of all cells spike in a step."""
    network = chance_network(neurons, fan_out)
    inputs = Inputs(neurons, (0,), (0,), (np.ones(neurons),))
    line, rng = SummedInput(network, inputs, 1), np.random.default_rng(1)
    spikes = [np.sort(rng.choice(neurons, max(neurons // 500, 1), False)) for _ in range(50)]

    def work() -> None:
        for step, cells in enumerate(spikes):
            line.emit(step, cells)
            line.due(step)[:] = 0

    work()
    seconds = np.median([cpu_seconds(work) for _ in range(5)])
    events = sum(map(len, spikes)) * fan_out / seconds / 1e6
    name = f"delivery, {neurons:,} neurons x {fan_out}"
    section.add(name, events, "M events/s", target)


def neurons(quick: bool) -> Section:
    section = Section("neurons", "State update and delivery, one core")
    memory(section)
    for size in (10_000, 100_000):
        update(section, size, alike=True)
        update(section, size, alike=False)
    delivery(section, 10_000, 1000, 200)
    delivery(section, 100_000, 300, None)
    if not quick:
        delivery(section, 1_000_000, 100, None)
    return section


def growth(quick: bool) -> Section:
    """How a run on the chip grows with neurons, synapses and simulated time."""
    from tests.benchmarks.loihi_cases import prepare, random_case

    section = Section("scale", "Loihi, compiled: how cost grows")

    def steps_of(neurons: int, fan_out: int, steps: int, rate: float = 0.02):
        run, network = prepare(random_case(neurons, fan_out, rate), packets="counted")
        # All cells begin at rest: only after the longest interval do they fire at their rate.
        ends = count(round(1.5 / rate), steps)
        run.advance(network, next(ends))
        return lambda: run.advance(network, next(ends))

    sizes = [2_000, 4_000, 8_000, 16_000, 32_000]
    taken = alternate({n: steps_of(n, 32, 30) for n in sizes}, 3)
    section.grow("neurons (32 synapses each)", taken)
    fans = [64, 128, 256, 512, 1024]
    # Targets on all 128 cores from the start, so that only synapses grow and packets hardly do.
    taken = alternate({4_000 * fan: steps_of(4_000, fan, 30) for fan in fans}, 3)
    section.grow("synapses", taken, 1.05)
    durations = [25, 50, 100, 200, 400]
    taken = alternate({steps: steps_of(4_000, 64, steps) for steps in durations}, 3)
    section.grow("simulated time", taken, 1.05)
    return section


def cuba(quick: bool) -> Section:
    """Vogels and Abbott's current-based network of 4,000 cells, 1 s in steps of 0.1 ms."""
    section = Section("cuba", "Vogels-Abbott CUBA, 4,000 cells, 1 s of 0.1 ms steps")
    duration = 200.0 if quick else 1000.0
    loihi = HardwareEngine("loihi")
    lowered = load_workload("vogels_abbott", ["--duration", "1"], loihi)
    network = lowered.experiment.stages[-1].network.with_all_spikes_recorded(traces=False)
    steps = round(duration / network.timestep_ms)
    works: dict = {}
    simulations: dict = {}
    for name, effects in (("with fabric", "all"), ("function only", "weight_precision+arithmetic")):
        engine = HardwareEngine("loihi", effects=effects, packets="counted")
        engine.start(network).advance(network, 5)
        simulations[name] = [engine.start(network) for _ in range(3)]
        works[name] = lambda name=name: simulations[name].pop().advance(network, steps)
    ours = alternate(works, 3)
    for name, seconds in ours.items():
        section.add(f"ours, {name}", seconds, "CPU s")
    worker = Path(__file__).with_name("brian2_worker.py")
    for device, target in (("cython", 8), ("cpp_standalone", 2)):
        command = [sys.executable, str(worker), device, str(duration)]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        if said.returncode:
            section.notes.append(f"Brian2 {device} did not run: {said.stderr.strip()[-70:]}")
            continue
        told = json.loads(said.stdout.splitlines()[-1])
        section.add(f"Brian2 {device}", told["run_s"], "CPU s")
        section.add("  building", told["build_s"], "CPU s")
        for name, seconds in ours.items():
            section.add(f"  faster than {device}, {name}", told["run_s"] / seconds, "x", target)
    return section
