"""Random traffic through the router hierarchy, and the question whether its engines agree."""

from __future__ import annotations

import numpy as np

from hwmodels.fabric.hierarchy import Hierarchy, routing_words
from hwmodels.fabric.hierarchy_compiled import CompiledHierarchy
from hwmodels.fabric.hierarchy_simpy import SimPyHierarchy

ENGINES = {"reference": SimPyHierarchy, "compiled": CompiledHierarchy}
FOREVER = 10**12


def carry(engine, shape, words, sent, until=FOREVER):
    """Send ``(word, time)`` pairs; gives the engine and what arrived."""
    built = ENGINES[engine](shape, routing_words(shape, words))
    order = sorted(sent, key=lambda one: one[1])
    word = np.array([w for w, _ in order], dtype=np.int64)
    time = np.array([t for _, t in order], dtype=np.int64)
    return built, built.run(word, time, until)


def random_case(seed: int):
    """Shape, routing words, ``(word, time)`` pairs and when to cut the run in two."""
    rng = np.random.default_rng(seed)
    times = rng.integers(1, 15, 5).tolist()
    columns, rows, cores = rng.integers(1, 4, 3).tolist()
    depth, queue = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    shape = Hierarchy(columns, rows, cores, *times, depth=depth, host_queue=queue)
    words = []
    for _ in range(rng.integers(1, 9)):
        chip = int(rng.integers(shape.chips))
        some = rng.choice(cores, rng.integers(1, cores + 1), replace=False)
        source = None if rng.integers(4) == 0 else int(rng.integers(shape.all_cores))
        words.append((source, chip, sorted(chip * cores + int(core) for core in some)))
    n = int(rng.integers(0, rng.choice((5, 30, 120))))
    chosen = rng.integers(0, len(words), n).tolist()
    times = rng.integers(0, rng.choice((1, 60, 400)), n).tolist()
    return shape, words, list(zip(chosen, times, strict=True)), int(rng.integers(1, 500))


def difference(shape, words, sent, cut) -> str | None:
    """What the compiled engine says otherwise than the reference, or a packet lost, or None."""
    results = []
    last = max((time for _, time in sent), default=0)
    for engine in ENGINES:
        built, first = carry(engine, shape, words, sent, last + cut)
        rest = built.run(np.empty(0, np.int64), np.empty(0, np.int64), FOREVER)
        results.append((*first, *rest, built.served, built.longest_queue))
        # Sent is delivered or dropped at the host; nothing else happens to a packet.
        copies = np.diff(routing_words(shape, words).core_start)
        order = sorted(sent, key=lambda one: one[1])
        lost = set(first.dropped.tolist())
        expected = sum(copies[w] for k, (w, _) in enumerate(order) if k not in lost)
        if len(first.packet) + len(rest.packet) != expected or built.under_way:
            return f"{engine}: {len(first.packet) + len(rest.packet)} of {expected} packets arrive"
    for number, (ours, theirs) in enumerate(zip(*results, strict=True)):
        if not np.array_equal(ours, theirs):
            return f"part {number} of the outcome\n{ours}\nand\n{theirs}"
    return None
