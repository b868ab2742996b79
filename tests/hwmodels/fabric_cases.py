"""Random traffic on random meshes, and the question whether two engines agree on it.

Used by the tests (some cases) and by ``python -m tests.differential`` (many).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hwmodels.fabric import mesh_kernel
from hwmodels.fabric.mesh import MeshTimes
from hwmodels.fabric.mesh_compiled import CompiledEngine
from hwmodels.fabric.messages import HOST, Messages, no_messages
from hwmodels.fabric.multicore import EVENT_ENGINES


class Wide(CompiledEngine):
    """Every step over the wide kernel."""

    def _goes_wide(self) -> bool:
        return True


class TakingTurns(CompiledEngine):
    """The wide kernel and the other one carry a step each."""

    def _goes_wide(self) -> bool:
        return not self._is_wide


class AsDefined(Wide):
    """The wide kernel in plain Python, on the definitions of lanes: slow."""

    def _function(self, function):
        return function if function is mesh_kernel.carry else super()._function(function)


#: All engines, and what the compiled one does of itself where it is faster.
ENGINES = {
    **EVENT_ENGINES,
    "wide": Wide,
    "taking turns": TakingTurns,
    "as defined": AsDefined,
}


@dataclass(frozen=True)
class Case:
    """A mesh with cores, and the messages and sweeps of some steps."""

    mesh: MeshTimes
    position: np.ndarray
    host: tuple[int, int]
    period_ps: int | None
    steps: tuple[tuple[Messages, np.ndarray], ...]


def random_case(seed: int) -> Case:
    """Another mesh, buffers, times, clocking and pattern of traffic for each seed."""
    rng = np.random.default_rng(seed)

    def pick(*values):
        return int(rng.choice(values))

    columns, rows, ports = pick(1, 2, 3, 4, 6), pick(1, 2, 3, 5), pick(1, 1, 2, 2, 4, 4, 19)
    # Times of a few ps make everything meet everything; those of Loihi are far from round.
    scale = pick(1, 1, 1, 1000)
    small = lambda: int(rng.integers(1, 10)) * scale  # noqa: E731
    alike = bool(rng.integers(2))
    row, column = small(), small()
    mesh = MeshTimes(
        columns=columns, rows=rows, ports=ports + 1,
        row_latency_ps=row, column_latency_ps=column,
        row_cycle_ps=row if alike else small(), column_cycle_ps=column if alike else small(),
        link_depth=pick(1, 1, 2, 3, 4, 7), port_depth=pick(1, 2, 5), credit_ps=pick(1, 1, 3, 40),
        chip_columns=pick(1, 2, 9), chip_rows=pick(1, 2, 9), bridge_ps=pick(1, 7, 30) * scale,
    )  # fmt: skip
    cores = columns * rows * ports
    routers = np.arange(cores) // ports
    position = np.stack([routers // rows, routers % rows], 1).astype(np.int16)
    host = (int(rng.integers(columns)), int(rng.integers(rows)))
    hot = pick(0, 0, 1, 2)  # destinations: anywhere, one, or few
    gap, service = pick(0, 2, 10, 60) * scale, pick(0, 1, 20, 100) * scale
    steps = []
    for step in range(1, pick(1, 2, 4) + 1):
        n = int(rng.integers(0, pick(2, 10, 60, 150)))
        steps.append(_random_step(rng, step, n, cores, position, host, hot, gap, service))
    slowest = max(gap * 20, 100)
    period = None if rng.integers(2) else int(rng.integers(1, slowest))
    if period is not None:
        idle = np.zeros(cores, dtype=np.int64)
        steps += [(no_messages(k), idle) for k in range(len(steps) + 1, len(steps) + 30)]
    # Half of the meshes have a clock, of which their times are no multiples.
    mesh = replace(mesh, clock_ps=pick(1, 1, 1, 2, 3, 7 * scale))
    return Case(mesh, position, host, period, tuple(steps))


def clocked_case(seed: int) -> Case:
    """A mesh with a clock, of up to some hundred routers, under a barrier."""
    rng = np.random.default_rng(seed)

    def pick(*values):
        return int(rng.choice(values))

    columns = pick(1, 2, 5, 8, 13, 66)
    rows = pick(1, 3, 7, 8, 66) if columns < 6 else pick(1, 2, 3, 9)
    ports = pick(1, 1, 1, 2, 4, 11)
    clock = pick(2, 5, 581)
    small = lambda most: int(rng.integers(1, most * clock + 1))  # noqa: E731
    mesh = MeshTimes(
        columns=columns, rows=rows, ports=ports + 1,
        row_latency_ps=small(3), column_latency_ps=small(9), row_cycle_ps=small(2),
        column_cycle_ps=small(4), link_depth=pick(1, 2, 3, 4, 9), port_depth=pick(1, 2, 5),
        credit_ps=small(3), clock_ps=clock,
    )  # fmt: skip
    cores = columns * rows * ports
    routers = rng.permutation(cores) // ports
    position = np.stack([routers // rows, routers % rows], 1).astype(np.int16)
    host = (int(rng.integers(columns)), int(rng.integers(rows)))
    hot, gap, service = pick(0, 0, 1, 3), pick(0, 1, 4) * clock, pick(0, 1, 30) * clock
    steps = []
    for step in range(1, 4):
        n = int(rng.integers(0, pick(2, 60, 400)))
        steps.append(_random_step(rng, step, n, cores, position, host, hot, gap, service))
    return Case(mesh, position, host, None, tuple(steps))


def _random_step(rng, step, n, cores, position, host, hot, gap, service):
    core = np.sort(rng.integers(-1, cores, n)).astype(np.int32)
    places = rng.integers(0, cores, max(hot, 1))
    target = (rng.choice(places, n) if hot else rng.integers(0, cores, n)).astype(np.int32)
    gaps = rng.integers(0, gap + 1, n)
    total = np.cumsum(gaps)
    first = np.searchsorted(core, core)
    sent_ps = total - (total - gaps)[first]
    sweep_ps = rng.integers(0, 3 * gap + 1, cores)
    np.maximum.at(sweep_ps, core[core >= 0], sent_ps[core >= 0])
    begin = np.where(core[:, None] == HOST, np.array(host), position[core])
    messages = Messages(
        step=step, source=np.arange(n), core=core, target=target,
        synapses=rng.integers(1, 50, n), sent_ps=sent_ps,
        service_ps=rng.integers(0, service + 1, n),
        begin=begin.astype(np.int64), end=position[target].astype(np.int64),
    )  # fmt: skip
    return messages, sweep_ps


def carry(engine: str, case: Case):
    """Everything an engine says about a case."""
    fabric = ENGINES[engine](case.position, case.host, case.mesh, case.period_ps)
    said, now_ps = [], 0
    for messages, sweep_ps in case.steps:
        carried = fabric.step(messages, now_ps, sweep_ps)
        said.append((carried, fabric.under_way()))
        now_ps += carried.end_ps + 10 if case.period_ps is None else case.period_ps
    return said, fabric.links()


def difference(case: Case, engine: str, said=None) -> str | None:
    """What an engine says otherwise than the reference (which may have ``said`` it), or None."""
    (expected, links), (found, other_links) = said or carry("reference", case), carry(engine, case)
    for number, ((one, flying), (other, also)) in enumerate(zip(expected, found, strict=True), 1):
        pairs = [("packets", one.packets, other.packets), ("packets under way", flying, also)]
        if (one.transit is None) != (other.transit is None):
            return f"step {number}: transit {one.transit} and {other.transit}"
        if one.transit is not None:
            pairs += list(zip(one.transit._fields, one.transit, other.transit, strict=True))
        for name, here, there in pairs:
            if not np.array_equal(here, there):
                return f"step {number}: {name}\n{here}\nand\n{there}"
        if one.end_ps != other.end_ps:
            return f"step {number} ends at {one.end_ps} and {other.end_ps} ps"
    if not np.array_equal(links, other_links):
        return f"links\n{links}\nand\n{other_links}"
    return None
