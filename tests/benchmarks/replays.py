"""Function apart from timing: the spikes of one run through many fabrics."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator

import numpy as np

from hwmodels.chip import Translation
from hwmodels.chips.loihi import Loihi
from hwmodels.lockstep import LockstepRun
from hwmodels.replay import ReplayedNeurons
from hwmodels.result import QUANTISATION
from tests.benchmarks.loihi_cases import Case, place, prepare, random_case
from tests.benchmarks.measuring import Section

#: Fields of the specification that a configuration changes.
CHOICES = {
    "link_buffer_packets": (2, 4, 8, 16), "core_buffer_packets": (4, 8, 16, 32),
    "hop_ew_ns": (2.0, 4.1, 8.2), "hop_ns_ns": (3.0, 6.5), "message_in_ns": (4.0, 16.0),
    "synapse_sparse_ns": (1.0, 4.7),
}  # fmt: skip


def busy_case() -> Case:
    """About 4,000 packets a step, from neurons that speak to cores nearby."""
    neurons, cores, fan_out = 8192, 128, 16
    rng = np.random.default_rng(5)
    case = random_case(neurons, fan_out, 0.125)
    home = case.core[np.repeat(np.arange(neurons), fan_out)] // 4
    # Four destination cores a neuron, of its own tile or one nearby, four synapses on each.
    tile = np.clip(np.repeat(home.reshape(-1, 4, 4)[:, :, :1], 4, 2).ravel()
                   + np.repeat(rng.integers(-4, 5, neurons * 4), 4), 0, cores // 4 - 1)  # fmt: skip
    core = tile * 4 + np.repeat(rng.integers(0, 4, neurons * 4), 4)
    per_core = neurons // cores
    target = core * per_core + rng.integers(0, per_core, len(core))
    return Case(
        case.name, case.core, case.bias, case.threshold, case.indptr, target.astype(np.int32),
        case.weight,
    )  # fmt: skip


def configurations(n: int) -> Iterator[dict]:
    rng = np.random.default_rng(6)
    for _ in range(n):
        yield {name: values[rng.integers(len(values))] for name, values in CHOICES.items()}


_shared: tuple = ()


def replay(options: dict) -> tuple[float, int]:
    """Mean step time in us and the packets of one configuration."""
    case, network, result, steps = _shared
    chip = Loihi(spec="nahuku_fit", packets="counted", **options)
    translation = Translation(network, np.empty(0, dtype=QUANTISATION), {}, {})
    placement = place(case, network, chip, _axons)
    transport = chip.transport(translation, placement)
    run = LockstepRun(network, ReplayedNeurons(network, result), transport, placement.core_of)
    run.advance(network, steps)
    return float(np.mean(transport.step_ps[1:])) / 1e6, transport.operations.messages_out


_axons: list = []


def replays(quick: bool) -> Section:
    global _shared
    section = Section("replay", "Function apart from timing: one run replayed by many fabrics")
    count, steps = (12, 50) if quick else (40, 200)
    case = busy_case()
    run, network = prepare(case, packets="counted")
    recorded = network.with_all_spikes_recorded()
    run.advance(recorded, steps)
    translation = Translation(recorded, np.empty(0, dtype=QUANTISATION), {}, {})
    _shared = case, recorded, run.result("loihi", translation, 0.0), steps
    replay({})  # kernels are loaded before workers are made of this process
    options = list(configurations(count))
    began, cpu = time.perf_counter(), time.process_time()
    here = [replay(one) for one in options[: count // 4]]
    one_core = (time.process_time() - cpu) / (count // 4)
    packets = here[0][1] / steps
    section.add("packets a step", packets, "")
    section.add("one configuration, CPU time", one_core / steps * 1e3, "ms/step")
    section.add("  packets", packets * steps / one_core / 1e6, "M/s")
    whole = one_core / steps / packets * 300 * 1000 * 4000
    section.add("300 x 1,000 x 4,000 packets, 2 cores", whole / 2 / 60, "min", 3, at_most=True)
    section.add("300 x 1,000 ticks as they are, 2 cores", one_core / steps * 3e5 / 120, "min")
    began = time.perf_counter()
    for one in options:
        replay(one)
    alone = time.perf_counter() - began
    workers = min(2, os.cpu_count() or 1)
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        began = time.perf_counter()
        together = pool.map(replay, options, chunksize=1)
        shared = time.perf_counter() - began
    section.add("two processes against one, by the clock", alone / shared, "x", 1.8)
    section.add("same outcome in both", float(together[: count // 4] == here), "(1: yes)", 1)
    section.notes.append(f"extrapolated from {count} configurations of {steps} steps")
    return section
