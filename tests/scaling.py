"""From one worker to two: ``python -m tests.scaling``; docs/scaling.md quotes it.

The same candidates are evaluated by one worker and by two, in turn and repeatedly, since other work
may load the machine. Prints wall time, CPU time of everything, and how evenly two workers share;
CPU time does not count the time that others had the processors. With ``--network`` it prints what
runs of growing networks cost instead.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from cosim.engines import get_engine
from cosim.explore import Exploration
from cosim.explore.command import read_space
from cosim.explore.evaluation import share
from cosim.explore.workers import LocalWorkers
from cosim.workload import load_workload

_ARGUMENTS = ["--timestep", "1", "--duration", "200"]


def cpu_s() -> float:
    """CPU time of this process and of all that it has waited for."""
    return sum(
        use.ru_utime + use.ru_stime
        for use in (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def study(file: Path, count: int, trials: int) -> tuple[float, float]:
    """Wall and CPU seconds of a study, without the start of its workers."""
    space = read_space("loihi-fabric", trials=trials, sampler="random")
    space = replace(space, dimensions=tuple(d for d in space.dimensions if d.name != "mapper"))
    workers = LocalWorkers(count)
    warm = Exploration(space, file, None, "warm")
    warm.run(workers, 2 * count)
    exploration = Exploration(replace(space, seed=1), file, None, "scaling")
    before, started = cpu_s() + _busy(workers), time.perf_counter()
    exploration.run(workers, trials)
    wall, used = time.perf_counter() - started, cpu_s() + _busy(workers) - before
    workers.close()
    return wall, used


def _busy(workers: LocalWorkers) -> float:
    """CPU seconds of the workers so far."""
    ticks = 0
    for pid in workers._pool._processes:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def networks() -> None:
    """CPU and memory of runs of growing networks, each in a process of its own."""
    program = (
        "import resource, sys, time; from cosim.engines import get_engine; "
        "from cosim.workload import load_workload; "
        "w = load_workload('vogels_abbott', sys.argv[1:], get_engine('brian2')); "
        "n = w.experiment.network; base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; "
        "e = get_engine('loihi:cores_per_tile=16:hop_ew_ns=4.2'); "
        "w.experiment.with_all_spikes_recorded(False).execute(e); t = time.process_time(); "
        "r = w.experiment.with_all_spikes_recorded(False).execute(e); t = time.process_time() - t; "
        "print(n.n_neurons, n.n_synapses, sum(len(s.cell) for s in r.spikes), f'{t:.2f}', "
        "base // 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    print("neurons, synapses, spikes, CPU s of a run, MiB of the reference, MiB in all")
    for cells in (1000, 2000, 4000, 8000):
        done = subprocess.run(
            [sys.executable, "-c", program, "--cells", str(cells), *_ARGUMENTS],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        print(done.stdout.strip().splitlines()[-1], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--network", action="store_true")
    given = parser.parse_args()
    if given.network:
        networks()
        return
    workload = load_workload(
        "vogels_abbott", ["--cells", "1000", *_ARGUMENTS], get_engine("brian2")
    )
    measured: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        file = share(workload, Path(folder))
        for _ in range(given.repeats):
            for count in measured:
                wall, used = study(file, count, given.trials)
                measured[count].append((wall, used))
                print(f"{count} worker(s): {wall:.1f} s, {used:.1f} CPU s, "
                      f"{used / wall:.2f} processors", flush=True)  # fmt: skip
    walls = {n: statistics.median(w for w, _ in runs) for n, runs in measured.items()}
    used = {n: statistics.median(c for _, c in runs) for n, runs in measured.items()}
    print(f"speed-up {walls[1] / walls[2]:.2f} in wall time; two workers use "
          f"{used[2] / used[1]:.2f} times the CPU time of one")  # fmt: skip


if __name__ == "__main__":
    main()
