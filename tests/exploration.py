"""How good is the search? ``python -m tests.exploration``: each sampler against random search.

Studies of equal budget on the same workload and space, over several seeds. Prints the hypervolume
of each front (objectives scaled to the box around all fronts, reference point 1.1) and which share
of one front the other beats. Too long for the test suite; docs/exploration.md quotes it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from cosim.engines import get_engine
from cosim.explore import Exploration
from cosim.explore.command import read_space
from cosim.explore.evaluation import share
from cosim.explore.workers import LocalWorkers
from cosim.workload import load_workload


def hypervolume(points: np.ndarray, reference: np.ndarray) -> float:
    """Volume between points (to be small) and a reference that none of them exceeds."""
    points = points[np.all(points < reference, axis=1)]
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(reference[0] - points.min())
    points = points[np.argsort(points[:, -1])]
    heights = np.append(points[:, -1], reference[-1])
    return sum(
        (heights[k + 1] - heights[k]) * hypervolume(points[: k + 1, :-1], reference[:-1])
        for k in range(len(points))
        if heights[k + 1] > heights[k]
    )


def beaten(front: np.ndarray, by: np.ndarray) -> float:
    """Share of a front that some point of another one beats."""
    return float(
        np.mean([bool(np.any(np.all(by <= p, axis=1) & np.any(by < p, axis=1))) for p in front])
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workload", default="vogels_abbott --cells 1000 --timestep 1 "
                        "--duration 200")  # fmt: skip
    parser.add_argument("--space", default="loihi-fabric")
    parser.add_argument("--without", nargs="*", default=["mapper"], help="dimensions left out")
    parser.add_argument("--samplers", nargs="*", default=["auto", "tpe"])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    target, *arguments = given.workload.split()
    workload = load_workload(target, arguments, get_engine("brian2"))
    workers = LocalWorkers(given.workers)
    fronts: dict[tuple[str, int], np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = share(workload, Path(folder))
        for seed in given.seeds:
            for sampler in [*given.samplers, "random"]:
                space = read_space(given.space, trials=given.trials, sampler=sampler)
                kept = tuple(d for d in space.dimensions if d.name not in given.without)
                space = replace(space, seed=seed, dimensions=kept)
                exploration = Exploration(space, file, None, sampler)
                started = time.perf_counter()
                exploration.run(workers, given.trials)
                signs = [1 if d == "minimise" else -1 for _, d in space.objectives]
                front = np.array([t.values for t in exploration.front()]) * signs
                fronts[sampler, seed] = front
                print(f"seed {seed}, {sampler}: {len(front)} on the front, "
                      f"{time.perf_counter() - started:.0f} s", flush=True)  # fmt: skip
    workers.close()
    everything = np.concatenate(list(fronts.values()))
    low, span = everything.min(axis=0), np.ptp(everything, axis=0)
    reference = np.full(len(low), 1.1)
    for (sampler, seed), front in fronts.items():
        volume = hypervolume((front - low) / span, reference)
        text = f"seed {seed}  {sampler:7} hypervolume {volume:.4f}"
        if sampler != "random":
            plain = fronts["random", seed]
            text += f"  beats {beaten(plain, front):.0%} of random search's front"
            text += f", which beats {beaten(front, plain):.0%} of it"
        print(text)


if __name__ == "__main__":
    main()
