"""Whole ticks of a Loihi-style chip beside SANA-FE in its three modes, at equal parameters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from tests.benchmarks.loihi_cases import Case, dvs_case, prepare, random_case
from tests.benchmarks.measuring import Section, cpu_seconds

#: Least ratio of speed to each mode, and that of step times to `cycle`, which is the finest.
TARGETS = {"simple": 5, "detailed": 20, "cycle": 150}
#: A clock of routers, as `cycle` has one: a cycle of the link.
CLOCK_NS = 0.581
#: Steps of random networks in each mode: what SANA-FE does in some minutes.
_STEPS = {
    1_000: {"simple": 30, "detailed": 30, "cycle": 10},
    10_000: {"simple": 30, "detailed": 30, "cycle": 8},
    100_000: {"simple": 12, "detailed": 8},
}


@cache
def sanafe_python() -> str | None:
    """An interpreter that has SANA-FE: that of ``SANAFE_PYTHON``, or this one."""
    python = os.environ.get("SANAFE_PYTHON", sys.executable)
    found = subprocess.run([python, "-c", "import sanafe"], capture_output=True, check=False)
    return python if found.returncode == 0 else None


def sanafe(case: Case | str, models: dict[str, int]) -> dict:
    """What SANA-FE says about a case (or a packaged network) after some steps in each mode."""
    python = sanafe_python()
    assert python is not None
    with tempfile.TemporaryDirectory() as folder:
        network = case
        if isinstance(case, Case):
            network = f"{folder}/network.npz"
            np.savez(
                network, bias=case.bias, core=case.core, threshold=case.threshold[0],
                source=np.repeat(np.arange(case.neurons), np.diff(case.indptr)),
                target=case.target, weight=case.weight,
            )  # fmt: skip
        job, out = Path(folder, "job.json"), Path(folder, "out.json")
        job.write_text(json.dumps({"network": network, "models": models, "trace": True}))
        worker = Path(__file__).with_name("sanafe_worker.py")
        subprocess.run([python, str(worker), str(job), str(out)], check=True, capture_output=True)
        return json.loads(out.read_text())


def examples() -> Path:
    """The folder of SANA-FE's packaged networks."""
    python = sanafe_python()
    assert python is not None
    code = "from importlib.resources import files; print(files('sanafe.examples'))"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return Path(said.stdout.strip())


@cache
def load(fidelity: str) -> None:
    """Have the compiled code loaded: its cost is that of the first tick, not of each."""
    run, network = prepare(random_case(200, 10, 0.5), fidelity, packets="counted")
    run.advance(network, 10)


def ours(case: Case, steps: int, fidelity: str = "compiled", repeats: int = 3, **options):
    """CPU seconds of a step and of setting up, and the chip's fabric afterwards; medians."""
    load(fidelity)
    made: list = []
    taken = []
    for _ in range(repeats):
        made.clear()
        set_up = cpu_seconds(
            lambda: made.append(prepare(case, fidelity, packets="counted", **options))
        )
        run, network = made[0]
        taken.append((cpu_seconds(lambda run=run, net=network: run.advance(net, steps)), set_up))
    seconds, set_up = np.median(taken, axis=0)
    return seconds / steps, set_up, run._transport


def ticks(quick: bool) -> Section:
    section = Section("ticks", "Whole ticks: our Loihi against SANA-FE")
    there = sanafe_python() is not None
    if not there:
        section.notes.append("SANA-FE is not installed (see docs/performance.md); ours alone")
    sizes = [(1_000, 50)] if quick else [(1_000, 50), (10_000, 50), (100_000, 20)]
    cases: list[tuple[Case, str | Case, dict[str, int]]] = []
    for neurons, fan_out in sizes:
        case = random_case(neurons, fan_out, 0.1)
        cases.append((case, case, _STEPS[neurons]))
    if there:
        dvs = dvs_case(examples())
        few = {"simple": 1000, "detailed": 1000, "cycle": 20}
        cases.append((dvs, "dvs", {"simple": 60, "detailed": 60, "cycle": 20} if quick else few))
    for case, network, models in cases:
        theirs = sanafe(network, models) if there else {"models": {}}
        compare(section, case, theirs, max(models.values()))
    return section


def compare(section: Section, case: Case, theirs: dict, steps: int) -> None:
    """Our speed, and ratios of speed, step times, counts and energy to each mode."""
    per_step, set_up, transport = ours(case, steps)
    done = transport.operations
    section.add(f"{case.name}", per_step * 1e3, "ms/tick")
    section.add("  packets", done.messages_out / steps / per_step / 1e6, "M/s")
    section.add("  set-up: cores, axons, packed synapses", set_up, "CPU s")
    if theirs["models"]:
        section.add("  set-up faster than SANA-FE", theirs["build_s"] / set_up, "x")
        section.add("  SANA-FE: memory at its peak", theirs["peak_kib"] / 2**20, "GiB")
    events = done.synapses_dense + done.synapses_sparse
    section.add("  synaptic events", events / steps / per_step / 1e6, "M/s")
    for model, said in theirs["models"].items():
        n = len(said["trace"]["sim_time"])
        took, _, shorter = ours(case, n) if n != steps else (per_step, set_up, transport)
        section.add(f"  SANA-FE {model}", said["cpu_s"] / n * 1e3, "ms/tick")
        section.add(f"  faster than {model}", said["cpu_s"] / n / took, "x", TARGETS[model])
        clocked, _, by_clock = ours(case, n, router_clock_ns=CLOCK_NS)
        section.add(
            f"  clocked, faster than {model}", said["cpu_s"] / n / clocked, "x", TARGETS[model]
        )
        step_s = np.array(shorter.step_ps[1:], dtype=float) * 1e-12
        theirs_s = np.array(said["trace"]["sim_time"])
        section.add(f"  time / {model} (all steps)", step_s.sum() / theirs_s.sum(), "")
        by_clock_s = np.array(by_clock.step_ps[1:], dtype=float) * 1e-12
        section.add("  clocked, the same", by_clock_s.sum() / theirs_s.sum(), "")
        if model == "cycle":
            off = np.abs(step_s / theirs_s - 1)
            section.add("  step time off, median", 100 * np.median(off), "%", 1, at_most=True)
            section.add("  step time off, largest", 100 * off.max(), "%")
        energy = shorter.report(n).energy_pJ * 1e-12
        total = said["energy_J"]["total"]
        section.add(f"  energy off {model}", 100 * abs(energy / total - 1), "%", 0.1, at_most=True)
        counts = shorter.operations
        same = (
            counts.spikes == said["neurons_fired"]
            and counts.messages_out == said["packets_sent"]
            and counts.synapses_dense + counts.synapses_sparse == said["spikes"]
        )
        section.add(f"  spikes, packets, events equal {model}", float(same), "(1: yes)", 1)
