"""Whole ticks of a Loihi-style chip beside SANA-FE in its three modes, at equal parameters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hwmodels.chips.loihi.transport import LoihiTransport
from tests.benchmarks.loihi_cases import Case, dvs_case, prepare, random_case
from tests.benchmarks.measuring import Section, cpu_seconds

#: Least ratio of speed to each mode, and that of step times to `cycle`, which is the finest.
TARGETS = {"simple": 5, "detailed": 20, "cycle": 150}
#: Routers with a clock, as `cycle` has one: a cycle of the link.
CLOCKED = {"router_clock_ns": 0.581}
#: With its buffers too, those of the BookSim in it (``num_vcs = 1``, ``vc_buf_size = 8`` in the
#: configuration that is compiled into SANA-FE). Ours are those of its architecture file.
LIKE_CYCLE = {**CLOCKED, "link_buffer_packets": 8, "core_buffer_packets": 8}
#: Both sides take so many turns, each with as many steps, so that a busy machine is busy for both.
TURNS = 5
#: Steps in each mode, by neurons: what SANA-FE does in some minutes.
_STEPS = {
    1_000: {"simple": 300, "detailed": 100, "cycle": 50},
    10_000: {"simple": 60, "detailed": 30, "cycle": 15},
    100_000: {"simple": 15, "detailed": 10},
}
_DVS_STEPS = {"simple": 1000, "detailed": 1000, "cycle": 50}


@cache
def sanafe_python() -> str | None:
    """An interpreter that has SANA-FE: that of ``SANAFE_PYTHON``, or this one."""
    python = os.environ.get("SANAFE_PYTHON", sys.executable)
    found = subprocess.run([python, "-c", "import sanafe"], capture_output=True, check=False)
    return python if found.returncode == 0 else None


def examples() -> Path:
    """The folder of SANA-FE's packaged networks."""
    python = sanafe_python()
    assert python is not None
    code = "from importlib.resources import files; print(files('sanafe.examples'))"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return Path(said.stdout.strip())


class SanaFe:
    """SANA-FE with a network (``dvs`` is packaged with it), in a process of its own.

    Attributes
    ----------
    build_s : float
        CPU time that it took to set up.
    """

    def __init__(self, network: Case | str) -> None:
        python = sanafe_python()
        assert python is not None
        worker = Path(__file__).with_name("sanafe_worker.py")
        with tempfile.TemporaryDirectory() as folder:
            if isinstance(network, Case):
                network = _write(network, Path(folder, "network.npz"))
            self._process = subprocess.Popen(
                [python, str(worker), network], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            self.build_s: float = self._hear()["build_s"]

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("SANA-FE ended before it answered")
        return json.loads(line)

    def run(self, model: str, steps: int, anew: bool) -> dict[str, Any]:
        """Steps in one mode, from the beginning or from where the last ones ended."""
        assert self._process.stdin is not None
        print(json.dumps([model, steps, anew]), file=self._process.stdin, flush=True)
        return self._hear()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _write(case: Case, path: Path) -> str:
    np.savez(
        path, bias=case.bias, core=case.core, threshold=case.threshold[0],
        source=np.repeat(np.arange(case.neurons), np.diff(case.indptr)),
        target=case.target, weight=case.weight,
    )  # fmt: skip
    return str(path)


class Chip:
    """Our chip with a case, and what its steps took.

    Attributes
    ----------
    build_s : float
        CPU time that it took to set up.
    steps : int
        So far.
    taken : list of float
        CPU time of a step, in each turn.
    """

    def __init__(self, case: Case, **options: Any) -> None:
        _load()
        made: list = []
        self.build_s = cpu_seconds(lambda: made.append(prepare(case, packets="counted", **options)))
        self._run, self._network = made[0]
        self.steps = 0
        self.taken: list[float] = []

    def advance(self, steps: int) -> None:
        """So many steps more."""
        self.steps += steps
        self.taken.append(cpu_seconds(lambda: self._run.advance(self._network, self.steps)) / steps)

    @property
    def step_s(self) -> float:
        """CPU time of a step: the median of all turns."""
        return float(np.median(self.taken))

    @property
    def transport(self) -> LoihiTransport:
        """The fabric, with all it counted."""
        return self._run._transport


@cache
def _load() -> None:
    """Have the compiled code loaded: its cost is that of the first tick, not of each."""
    run, network = prepare(random_case(200, 10, 0.5), packets="counted")
    run.advance(network, 10)


@dataclass
class Turns:
    """Steps of our chip and of SANA-FE in one mode, turn by turn: CPU times of a step."""

    ours: Chip
    other: Chip
    theirs: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def take(cls, case: Case, sanafe: SanaFe, model: str, steps: int, options: dict) -> Turns:
        """All turns; our other chip has those options."""
        turns = cls(Chip(case), Chip(case, **options))
        for turn in range(TURNS):
            n = (turn + 1) * steps // TURNS - turn * steps // TURNS
            turns.ours.advance(n)
            turns.theirs.append(sanafe.run(model, n, turn == 0))
            turns.other.advance(n)
        return turns

    @property
    def their_s(self) -> np.ndarray:
        """Shape (turns,)."""
        return np.array([turn["cpu_s"] / len(turn["sim_time"]) for turn in self.theirs])

    @property
    def their_step_s(self) -> np.ndarray:
        """How long each step takes the hardware, as SANA-FE says."""
        return np.concatenate([turn["sim_time"] for turn in self.theirs])

    def faster(self, chip: Chip) -> float:
        """How much faster one of ours is: the median of what each turn says."""
        return float(np.median(self.their_s / chip.taken))

    def total(self, name: str) -> float:
        """What SANA-FE counted in all."""
        return sum(turn[name] for turn in self.theirs)


def ticks(quick: bool) -> Section:
    section = Section("ticks", "Whole ticks: our Loihi against SANA-FE")
    sizes = [(1_000, 50)] if quick else [(1_000, 50), (10_000, 50), (100_000, 20)]
    cases = [(random_case(neurons, fan, 0.1), _STEPS[neurons]) for neurons, fan in sizes]
    if sanafe_python() is None:
        section.notes.append("SANA-FE is not installed (see docs/performance.md); ours alone")
        for case, models in cases:
            chip = Chip(case)
            for _ in range(TURNS):
                chip.advance(models["simple"] // TURNS)
            alone(section, case, chip)
        return section
    dvs = {"simple": 200, "detailed": 200, "cycle": 20} if quick else _DVS_STEPS
    for case, models in [*cases, (dvs_case(examples()), dvs)]:
        sanafe = SanaFe("dvs" if case.dense else case)
        try:
            compare(section, case, sanafe, models)
        finally:
            sanafe.close()
    return section


def alone(section: Section, case: Case, chip: Chip) -> None:
    """Our speed."""
    done, steps = chip.transport.operations, chip.steps
    section.add(f"{case.name}", chip.step_s * 1e3, "ms/tick")
    section.add("  packets", done.messages_out / steps / chip.step_s / 1e6, "M/s")
    events = (done.synapses_dense + done.synapses_sparse) / steps
    section.add("  synaptic events", events / chip.step_s / 1e6, "M/s")
    section.add("  set-up: cores, axons, packed synapses", chip.build_s, "CPU s")


def compare(section: Section, case: Case, sanafe: SanaFe, models: dict[str, int]) -> None:
    """Our speed, and ratios of speed, step times, counts and energy to each mode."""
    for model, steps in models.items():
        kind, options = ("like it", LIKE_CYCLE) if model == "cycle" else ("clocked", CLOCKED)
        turns = Turns.take(case, sanafe, model, steps, options)
        ours = turns.ours
        if model == next(iter(models)):
            alone(section, case, ours)
            section.add("  set-up faster than SANA-FE", sanafe.build_s / ours.build_s, "x")
            peak = turns.theirs[-1]["peak_kib"] / 2**20
            section.add("  SANA-FE: memory at its peak", peak, "GiB")
        section.add(f"  SANA-FE {model}", float(np.median(turns.their_s)) * 1e3, "ms/tick")
        section.add(f"  faster than {model}", turns.faster(ours), "x", TARGETS[model])
        step_times(section, model, ours.transport, turns.their_step_s)
        section.add(
            f"  {kind}, faster than {model}", turns.faster(turns.other), "x", TARGETS[model]
        )
        step_times(section, f"{model}, {kind}", turns.other.transport, turns.their_step_s)
        energy = ours.transport.report(steps).energy_pJ * 1e-12
        off = abs(energy / turns.total("energy_J") - 1)
        section.add(f"  energy off {model}", 100 * off, "%", 0.1, at_most=True)
        counts = ours.transport.operations
        same = (
            counts.spikes == turns.total("neurons_fired")
            and counts.messages_out == turns.total("packets_sent")
            and counts.synapses_dense + counts.synapses_sparse == turns.total("spikes")
        )
        section.add(f"  spikes, packets, events equal {model}", float(same), "(1: yes)", 1)


def step_times(
    section: Section, name: str, transport: LoihiTransport, theirs_s: np.ndarray
) -> None:
    """Our step times beside SANA-FE's, which its `cycle` mode knows best."""
    step_s = np.array(transport.step_ps[1:], dtype=float) * 1e-12
    total, off = step_s.sum() / theirs_s.sum(), np.abs(step_s / theirs_s - 1)
    section.add(f"  time of all steps / {name}", total, "")
    if name.startswith("cycle"):
        section.add("    all steps off", 100 * abs(total - 1), "%", 1, at_most=True)
        section.add("    a step off, median", 100 * np.median(off), "%", 1, at_most=True)
        section.add("    a step off, largest", 100 * off.max(), "%", 1, at_most=True)
