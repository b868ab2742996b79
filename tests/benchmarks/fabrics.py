"""The mesh: SimPy reference, batched and compiled engine on the same traffic, and its growth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import simpy

from hwmodels.fabric.mesh import MeshTimes
from hwmodels.fabric.messages import AxonMessages, Messages, Routes
from hwmodels.fabric.multicore import EVENT_ENGINES
from tests.benchmarks.measuring import Section, alternate, cpu_seconds

CYCLE_PS = 1000


def traffic(side: int, load: float, packets: int, seed: int = 0):
    """Bernoulli traffic to uniform destinations at a share of the bisection's capacity.

    On a mesh with a clock: everything takes a cycle of it.
    """
    rng = np.random.default_rng(seed)
    routers = side * side
    rate = min(1.0, load * 4 / side)
    cycles = int(np.ceil(packets / (routers * rate)))
    counts = rng.binomial(cycles, rate, routers)
    core = np.repeat(np.arange(routers, dtype=np.int32), counts)
    sent = [np.sort(rng.choice(cycles, n, replace=False)) for n in counts]
    sent_ps = np.concatenate(sent).astype(np.int64) * CYCLE_PS
    target = rng.integers(0, routers, len(core)).astype(np.int32)
    position = np.stack(np.divmod(np.arange(routers), side), 1).astype(np.int16)
    ends = position.astype(np.int64)
    none = np.zeros(len(core), dtype=np.int64)
    routes = Routes(core.astype(np.int64), core, target, none + 1, none, ends[core], ends[target])
    messages = AxonMessages(1, np.arange(len(core)), sent_ps, routes)
    sweep_ps = np.zeros(routers, dtype=np.int64)
    np.maximum.at(sweep_ps, core, sent_ps)
    mesh = MeshTimes(
        columns=side, rows=side, ports=2, row_latency_ps=CYCLE_PS, column_latency_ps=CYCLE_PS,
        row_cycle_ps=CYCLE_PS, column_cycle_ps=CYCLE_PS, link_depth=4, port_depth=4,
        credit_ps=CYCLE_PS, clock_ps=CYCLE_PS,
    )  # fmt: skip
    return position, mesh, messages, sweep_ps


def hops_of(messages: Messages) -> int:
    """Link passages, with an ejection as one."""
    return int(np.abs(messages.end - messages.begin).sum()) + len(messages)


def carrier(engine: str, position, mesh, messages, sweep_ps) -> Callable[[], object]:
    """A call that carries the same messages once more."""
    fabric = EVENT_ENGINES[engine](position, (0, 0), mesh, None)
    return lambda: fabric.step(messages, 0, sweep_ps)


def raw_simpy(events: int) -> None:
    """A thousand processes that wait."""
    env = simpy.Environment()

    def process(number: int):
        for k in range(events // 1000):
            yield env.timeout(1 + (number + k) % 7)

    for number in range(1000):
        env.process(process(number))
    env.run()


def fabric(quick: bool) -> Section:
    section = Section("fabric", "Mesh: three engines on the same traffic")
    seconds = cpu_seconds(lambda: raw_simpy(200_000))
    section.add("raw SimPy, timeouts", 0.2 / seconds, "M events/s")
    # So many that most of them meet the load they should; the reference takes a second or ten.
    packets = {8: 4_000, 16: 6_000} if quick else {8: 4_000, 16: 6_000, 64: 10_000}
    for side in packets:
        for load in (0.05, 0.3, 0.6):
            case = traffic(side, load, packets[side])
            works = {name: carrier(name, *case) for name in ("compiled", "batched", "reference")}
            # A turn of the compiled engine is over before a cold cache is warm again: ten of them.
            once = works["compiled"]
            works["compiled"] = lambda once=once: [once() for _ in range(10)]
            works["compiled"]()
            taken = alternate(works, 1 if side == 64 else 3)
            taken["compiled"] /= 10
            hops = hops_of(case[2])
            name = f"{side}x{side}, load {load:.0%}"
            large = traffic(side, load, 100_000)
            again = carrier("compiled", *large)
            again()
            best = np.median([cpu_seconds(again) for _ in range(5)])
            section.add(f"{name}: reference", hops / taken["reference"] / 1e6, "M hops/s")
            section.add(f"{name}: batched", hops / taken["batched"] / 1e6, "M hops/s")
            speed = hops_of(large[2]) / best / 1e6
            section.add(f"{name}: compiled", speed, "M hops/s", 30)
            if load >= 0.3:  # where 64 routers at a time should pay off
                section.add(f"{name}: compiled, bit-parallel", speed, "M hops/s", 150)
            section.add(
                f"{name}: compiled/reference", taken["reference"] / taken["compiled"], "x", 1000
            )
            section.add(f"{name}: compiled/batched", taken["batched"] / taken["compiled"], "x", 30)
    return section


def growth(quick: bool) -> Section:
    section = Section("growth", "Mesh, compiled: how cost grows")

    def seconds(cases: dict[float, tuple], hops: bool) -> dict[float, float]:
        works = {size: carrier("compiled", *case) for size, case in cases.items()}
        for again in works.values():
            again()
        taken = alternate(works, 5)
        return {n: t / (hops_of(cases[n][2]) if hops else 1) for n, t in taken.items()}

    n = 20_000 if quick else 60_000
    packets = [n // 16, n // 8, n // 4, n // 2, n]
    section.grow("packets", seconds({k: traffic(8, 0.3, k) for k in packets}, False), 1.05)
    sides = [4, 8, 16, 32, 64]
    cases = {side * side: traffic(side, 0.3, n) for side in sides}
    section.grow("mesh size (routers), per hop", seconds(cases, True), 0.15)
    loads = [0.05, 0.15, 0.3, 0.5, 0.7]
    section.grow("load, per hop", seconds({x: traffic(16, x, n) for x in loads}, True), 0.15)
    return section
