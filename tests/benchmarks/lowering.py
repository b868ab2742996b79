"""From a PyNN script to arrays: cost of a synapse by connector, memory, and start-up."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tracemalloc

import numpy as np

from tests.benchmarks.measuring import Section, cpu_seconds


def _lowered(make, neurons: int, pre: int | None = None):
    """Build a projection in our backend and lower it; returns the network."""
    import cosim.pynn as sim
    from cosim.pynn.lowering import lower
    from cosim.pynn.simulator import state

    sim.setup(timestep=0.1)
    post = sim.Population(neurons, sim.IF_curr_exp())
    source = post if pre is None else sim.Population(pre, sim.IF_curr_exp())
    connector, synapse = make(sim, neurons)
    sim.Projection(source, post, connector, synapse, receptor_type="excitatory")
    network = lower(state, 10)
    sim.end()
    return network


def _random(sim, low: float, high: float):
    return sim.RandomDistribution("uniform", (low, high), rng=sim.NumpyRNG(seed=3))


def _from_list(n: int):
    rng = np.random.default_rng(1)
    rows = np.empty((n, 4))
    rows[:, :2] = rng.integers(0, 10_000, (n, 2))
    rows[:, 2], rows[:, 3] = rng.uniform(0, 1, n), rng.uniform(0.1, 5, n)

    def make(sim, neurons):
        return sim.FromListConnector(rows, column_names=["weight", "delay"]), sim.StaticSynapse()

    return make


def _connectors(large: int):
    """Name, connector and synapses, cells, and cells of another source population."""

    def static(sim):
        return sim.StaticSynapse(weight=0.1, delay=1.5)

    def drawn(sim):
        return sim.StaticSynapse(weight=_random(sim, 0, 1), delay=_random(sim, 0.1, 5))

    side = int(large**0.5)
    return [
        ("FromList", _from_list(large), 100_000, None),
        (
            "FixedTotalNumber, drawn",
            lambda sim, n: (
                sim.FixedTotalNumberConnector(n=large, rng=sim.NumpyRNG(seed=2)), drawn(sim)),
            100_000, None,
        ),
        (
            "FixedNumberPre with replacement, drawn",
            lambda sim, n: (
                sim.FixedNumberPreConnector(
                    n=large // n, with_replacement=True, rng=sim.NumpyRNG(seed=2)), drawn(sim)),
            10_000, None,
        ),
        (
            "FixedProbability 0.1, one weight",
            lambda sim, n: (
                sim.FixedProbabilityConnector(0.1, rng=sim.NumpyRNG(seed=2)), static(sim)),
            int((large * 10) ** 0.5), None,
        ),
        ("AllToAll, one weight", lambda sim, n: (sim.AllToAllConnector(), static(sim)), side, side),
        ("AllToAll, drawn", lambda sim, n: (sim.AllToAllConnector(), drawn(sim)), side, side),
    ]  # fmt: skip


def lowering(quick: bool) -> Section:
    section = Section("lowering", "From a PyNN script to arrays, and start-up")
    large = 1_000_000 if quick else 10_000_000
    _lowered(_from_list(1000), 100_000)  # PyNN is imported and its cells exist
    for name, make, neurons, pre in _connectors(large):
        kept: list = []
        seconds = cpu_seconds(
            lambda make=make, neurons=neurons, pre=pre, kept=kept: kept.append(
                _lowered(make, neurons, pre)
            )
        )
        network = kept.pop()
        per_synapse = seconds / network.n_synapses * 1e6
        section.add(f"{name}, {neurons:,} cells", per_synapse, "us/synapse", 1, at_most=True)
    for name, make, *_ in _connectors(1_000_000)[:2]:
        tracemalloc.start()
        network = _lowered(make, 10_000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        size = sum(
            p.indptr.nbytes + p.target.nbytes + p.weight.nbytes + p.delay_ms.nbytes
            for p in network.projections
        )
        section.add(f"peak memory / arrays, {name}", peak / size, "x", 2, at_most=True)
    for name, code in (
        ("import cosim", "import cosim"),
        ("import cosim.pynn", "import cosim.pynn"),
        ("import hwmodels.network", "import hwmodels.network"),
    ):
        seconds = _seconds_of(code) - _seconds_of("pass")
        section.add(name, seconds, "CPU s", 0.5 if name == "import cosim" else None, at_most=True)
    section.add("first tick, warm cache", _seconds_of(_TICK), "CPU s", 1, at_most=True)
    with tempfile.TemporaryDirectory() as folder:
        seconds = _seconds_of(_TICK, 1, {"NUMBA_CACHE_DIR": folder})
    section.add("first tick, nothing compiled yet", seconds, "CPU s", 20, at_most=True)
    return section


#: The first tick of the compiled chip in a new process: lowered arrays are translated, mapped and
#: run, with all imports.
_TICK = """
import numpy as np
from cosim.engines.hardware import HardwareEngine
from hwmodels.network import Network, Population, Projection
n, each = 1000, 10
values = {"v_rest": -65, "v_reset": -65, "v_thresh": -50, "tau_m": 20, "cm": 1, "tau_refrac": 2,
          "i_offset": 0.9, "tau_syn_E": 5, "tau_syn_I": 5}
start = {"v": -65, "isyn_exc": 0, "isyn_inh": 0}
full = lambda values: {name: np.full(n, float(value)) for name, value in values.items()}
cells = Population("cells", "IF_curr_exp", n, full(values), full(start))
target = np.random.default_rng(0).integers(0, n, n * each, dtype=np.int32)
synapses = Projection("p", 0, 0, "excitatory", np.arange(n + 1) * each, target,
                      np.full(n * each, 0.1), np.full(n * each, 1.0))
network = Network(1.0, (cells,), (synapses,))
HardwareEngine("loihi", packets="counted").start(network).advance(network, 1)
"""


def _seconds_of(code: str, runs: int = 4, variables: dict[str, str] | None = None) -> float:
    """Least CPU time of a new interpreter that runs some code; the first of several warms up."""
    measure = f"import resource\n{code}\nu = resource.getrusage(resource.RUSAGE_SELF)\n" \
        "print(u.ru_utime + u.ru_stime)"  # fmt: skip
    said = [
        subprocess.run(
            [sys.executable, "-c", measure], capture_output=True, text=True, check=True,
            env={**os.environ, **(variables or {})},
        )
        for _ in range(runs)
    ]  # fmt: skip
    return min(float(one.stdout.split()[-1]) for one in said[-max(runs - 1, 1) :])
