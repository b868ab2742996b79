"""The software reference: a Network executed by Brian2, on NEST's time grid.

In: a :class:`~hwmodels.network.Network`. Out: a :class:`~hwmodels.result.Result`. Brian2 compiles
the neurons (:mod:`cosim.engines.cells`) and the synapses; this module builds its objects from
arrays and calls them step by step itself. That gives what Brian2's own ``run`` does not: spikes
stamped on NEST's grid, source spikes at time 0 and twice at one time, cheap repeated runs, and
neurons that can be advanced in lock-step with a hardware fabric (:mod:`cosim.engines.exact`).

Step 0 only emits source spikes and takes samples; neurons move from step 1 on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import brian2
import numpy as np
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from numpy.typing import NDArray

from cosim.engines import Progress
from cosim.engines.cells import CellModel, cell_model
from cosim.engines.plasticity import LearningPathway
from hwmodels.currents import CurrentSchedule
from hwmodels.errors import ModelError
from hwmodels.network import (
    Network,
    Population,
    Projection,
    to_delay_steps,
)
from hwmodels.recorder import Recorder
from hwmodels.result import Result

log = logging.getLogger(__name__)

#: Without re-association or fused multiply-add a compiled step equals NumPy's bit for bit.
_COMPILER_FLAGS = ["-w", "-O3", "-ffp-contract=off", "-fno-math-errno"]


class Brian2Engine:
    """Runs networks in Brian2.

    Parameters
    ----------
    codegen : {"auto", "cython", "numpy"}
        How Brian2 executes; ``auto`` compiles where there is a C++ compiler and falls back to
        NumPy, with one line that says so.

    Raises
    ------
    ModelError
        For an unknown option or value.
    """

    name = "brian2"

    def __init__(self, codegen: str = "auto", **unknown: Any) -> None:
        if unknown:
            raise ModelError(f"the brian2 engine has no option {next(iter(unknown))!r} (codegen)")
        if codegen not in ("auto", "cython", "numpy"):
            raise ModelError(f"codegen must be auto, cython or numpy, got {codegen!r}")
        self.codegen = codegen

    def start(self, network: Network) -> Brian2Simulation:
        """Build all Brian2 objects of a network."""
        choose_code_generation(self.codegen)
        return Brian2Simulation(network)


class Brian2Simulation:
    """One network in Brian2; see :class:`cosim.engines.Simulation`."""

    def __init__(self, network: Network) -> None:
        started = time.perf_counter()
        network.check_start()
        self._cells = Brian2Cells(network)
        self._pathways = [
            _Pathway(network, projection, self._cells)
            if projection.dynamics.kind == "static"
            else LearningPathway(network, projection, self._cells.groups.get(projection.post))
            for projection in network.projections
        ]
        self._network = network
        self._recorder = Recorder(network)
        self._step = -1
        self._stimuli = _events_by_step(network, after=-1)
        self._host_seconds = time.perf_counter() - started

    def advance(self, network: Network, until_step: int, progress: Progress | None = None) -> None:
        """Execute up to and including ``until_step``."""
        started = time.perf_counter()
        if network is not self._network:
            self._take_over(network)
        cells, pathways, recorder = self._cells, self._pathways, self._recorder
        while self._step < until_step:
            self._step += 1
            step = self._step
            fired = cells.advance(step) if step > 0 else {}
            for population, sources in self._stimuli.pop(step, ()):
                fired[population] = sources
            for pathway in pathways:
                pathway.run(step, fired)
            for population, spiking in fired.items():
                recorder.spikes(step, population, spiking)
            recorder.samples(step, cells.sample)
            if progress is not None and step % 100 == 0:
                progress(step)
        self._host_seconds += time.perf_counter() - started

    def _take_over(self, network: Network) -> None:
        self._cells.update(network)
        for pathway, projection in zip(self._pathways, network.projections, strict=True):
            pathway.update(projection)
        self._recorder.update(network)
        self._stimuli = _events_by_step(network, after=self._step)
        self._network = network

    def result(self) -> Result:
        """Everything since time 0."""
        result = self._recorder.result(
            "brian2",
            self._network,
            max(self._step, 0),
            counts=self._network.rounding(),
            host_seconds=self._host_seconds,
        )
        pathways = zip(self._network.projection_names, self._pathways, strict=True)
        learned = {n: p.weight.copy() for n, p in pathways if isinstance(p, LearningPathway)}
        return replace(result, weights=learned)


class Brian2Cells:
    """The computed cells of a network as Brian2 groups, advanced one step at a time.

    Parameters
    ----------
    network : Network

    Raises
    ------
    UnsupportedError
        For a cell type without a model.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._clock = brian2.Clock(dt=network.timestep_ms * brian2.ms)
        self.groups: dict[int, _Group] = {}
        for index, population in enumerate(network.populations):
            if population.is_source:
                continue
            model = cell_model(population.celltype, population.label)
            model.check(network, population)
            if population.size:
                first = int(network.offsets[index])
                self.groups[index] = _Group(
                    population, model, network.timestep_ms, self._clock, first
                )
        self._currents = CurrentSchedule(network)

    @property
    def clock(self) -> brian2.Clock:
        """The clock all objects share."""
        return self._clock

    def advance(self, step: int) -> dict[int, NDArray[np.int32]]:
        """Take all cells to time ``step``; return who fires, for each population."""
        for index, total in (self._currents.change(step - 1) or {}).items():
            if index in self.groups:
                self.groups[index].arrays["i_inj"][:] = total
        fired = {}
        for index, group in self.groups.items():
            spiking = group.advance(step)
            if len(spiking):
                fired[index] = spiking
        return fired

    def sample(self, population: int, variable: str, cells: NDArray[np.int32]) -> NDArray:
        """A state variable of some cells, in PyNN's units."""
        return self.groups[population].arrays[variable][cells]

    def update(self, network: Network) -> None:
        """Take over changed parameters, state and currents."""
        for index, group in self.groups.items():
            group.model.check(network, network.populations[index])
            group.update(network.populations[index], network.timestep_ms)
        if network.currents is not self._network.currents:
            self._currents = CurrentSchedule(network)
        self._network = network


class _Group:
    """One population as a Brian2 NeuronGroup."""

    def __init__(
        self,
        population: Population,
        model: CellModel,
        timestep_ms: float,
        clock: brian2.Clock,
        first: int,
    ) -> None:
        self.model = model
        self._first = first
        self._population = population
        self._substeps = model.substeps(timestep_ms)
        constants = model.constants(population.parameters, timestep_ms / self._substeps)
        names = [*model.state, "hold_left", "i_inj", "fires", *constants]
        # Groups of one cell type share a name, and with it their compiled code.
        # Each compiled piece costs seconds once: the update says who fires, and the reset, which
        # comes seldom, is done in NumPy.
        self.group = brian2.NeuronGroup(
            population.size,
            "\n".join(f"{name} : 1" for name in names),
            threshold=model.threshold,
            reset=model.reset,
            clock=clock,
            codeobj_class=NumpyCodeObject,
            name=f"cosim_{population.celltype}",
        )
        self._resetter = self.group.resetter["spike"]
        self._resetter.before_run({})
        self._updater: Any = None
        if isinstance(model.update, str):
            self._updater = self.group.run_regularly(
                f"{model.update}\nfires = int({model.threshold})",
                when="groups",
                codeobj_class=brian2.get_device().code_object_class(),
                name=f"cosim_{population.celltype}_update",
            )
            self._updater.before_run({})
        #: Views of Brian2's own memory.
        self.arrays = {name: self.group.variables[name].get_value() for name in names}
        for name, values in constants.items():
            self.arrays[name][:] = values
        for name, values in population.initial_values.items():
            self._assign(name, values)
        self._fires = self.arrays["fires"]
        self._spikespace = self.group.variables["_spikespace"].get_value()

    def advance(self, step: int) -> NDArray[np.int32]:
        if not isinstance(self.model.update, str):
            self.model.update(self.arrays, self._first, step)
        else:
            for _ in range(self._substeps):
                self._updater.run()
        spiking = self._fires.nonzero()[0].astype(np.int32)
        if len(spiking):
            self._spikespace[: len(spiking)] = spiking
            self._spikespace[-1] = len(spiking)
            self._resetter.run()
        return spiking

    def update(self, population: Population, timestep_ms: float) -> None:
        before, self._population = self._population, population
        if any(before.parameters[k] is not v for k, v in population.parameters.items()):
            constants = self.model.constants(population.parameters, timestep_ms / self._substeps)
            for name, values in constants.items():
                self.arrays[name][:] = values
        for name, values in population.initial_values.items():
            if before.initial_values.get(name) is not values:
                self._assign(name, values)

    def _assign(self, name: str, values: NDArray[np.float64]) -> None:
        """Set a state variable; NaN leaves a cell as it is."""
        if name in self.arrays:
            given = ~np.isnan(values)
            self.arrays[name][given] = values[given]


class _Pathway:
    """One projection as a Brian2 Synapses object."""

    def __init__(self, network: Network, projection: Projection, cells: Brian2Cells) -> None:
        self.pre = projection.pre
        self._timestep_ms = network.timestep_ms
        self._projection = projection
        self._synapses: Any = None
        target = cells.groups.get(projection.post)
        if target is None or projection.n_synapses == 0:
            return
        model = target.model
        variable = model.receptors[projection.receptor]
        gain = model.gain.get(projection.receptor)
        contribution = f"weight * {gain}_post" if gain else "weight"
        # A voltage jump is applied by the next update, which takes it to its own time.
        self._early = int(model.jump)
        source = cells.groups.get(projection.pre)
        self._synapses = brian2.Synapses(
            _spike_source(network.populations[projection.pre].size, cells.clock)
            if source is None
            else source.group,
            target.group,
            "weight : 1",
            on_pre=f"{variable}_post += {contribution}",
            name=f"cosim_synapses_{variable}",
            clock=cells.clock,
        )
        with _code_generation("numpy"):
            self._synapses.connect(i=projection.source, j=projection.target)
        self._pathway = self._synapses.pre
        self._set_weight_and_delay(projection)
        self._deliver = self._pathway.create_default_code_object({})
        self._pathway.initialise_queue()

    def _set_weight_and_delay(self, projection: Projection) -> None:
        steps = to_delay_steps(projection.delay_ms, self._timestep_ms) - self._early
        dt_s = float(self._pathway.source.clock.dt_)
        self._synapses.variables["weight"].set_value(projection.weight)
        self._pathway.variables["delay"].set_value(steps * dt_s)

    def update(self, projection: Projection) -> None:
        before, self._projection = self._projection, projection
        if self._synapses is None:
            return
        if before.weight is not projection.weight or before.delay_ms is not projection.delay_ms:
            self._set_weight_and_delay(projection)
        if before.delay_ms is not projection.delay_ms:
            self._pathway.initialise_queue()

    def run(self, step: int, fired: Mapping[int, NDArray[np.int32]]) -> None:
        """Queue the spikes of a step and apply the input that is due."""
        if self._synapses is None:
            return
        if self.pre in fired:
            self._pathway.queue.push(fired[self.pre])
        self._deliver()


def _spike_source(size: int, clock: brian2.Clock) -> brian2.SpikeGeneratorGroup:
    """A group that never spikes by itself; its pathways are given their spikes."""
    return brian2.SpikeGeneratorGroup(
        size, [], [] * brian2.second, clock=clock, name="cosim_spike_source"
    )


def _events_by_step(network: Network, after: int) -> dict[int, list[tuple[int, NDArray[np.int32]]]]:
    """Source spikes of all populations later than step ``after``, grouped by step."""
    schedule: dict[int, list[tuple[int, NDArray[np.int32]]]] = {}
    for index, population in enumerate(network.populations):
        if population.stimulus is None:
            continue
        steps, cells = population.stimulus.events(network.timestep_ms)
        first = int(np.searchsorted(steps, after, side="right"))
        steps, cells = steps[first:], cells[first:]
        if not len(steps):
            continue
        starts = np.flatnonzero(np.diff(steps, prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(steps)], strict=True):
            schedule.setdefault(int(steps[start]), []).append((index, cells[start:end]))
    return schedule


@contextmanager
def _code_generation(target: str) -> Iterator[None]:
    """Another code generation target for a while."""
    before = brian2.prefs.codegen.target
    brian2.prefs.codegen.target = target
    try:
        yield
    finally:
        brian2.prefs.codegen.target = before


_announced = False


def choose_code_generation(codegen: str) -> None:
    """Set Brian2's code generation for this process."""
    global _announced
    # Brian2 warns of objects outside a Network of its own; ours are stepped by this module. What
    # it says in many lines of a missing compiler, one line below says.
    brian2.BrianLogger.suppress_name("unused_brian_object")
    brian2.BrianLogger.suppress_name("failed_compile_test")
    brian2.BrianLogger.suppress_hierarchy("brian2.codegen.cpp_prefs")
    if codegen == "auto":
        from brian2.codegen.runtime.cython_rt import CythonCodeObject

        codegen = "cython" if CythonCodeObject.is_available() else "numpy"
        if codegen == "numpy" and not _announced:
            log.warning("no working C++ compiler: Brian2 runs in NumPy, correct but slower")
            _announced = True
    log.info("Brian2 %s, code generation %s", brian2.__version__, codegen)
    brian2.prefs.codegen.target = codegen
    brian2.prefs.codegen.cpp.extra_compile_args_gcc = _COMPILER_FLAGS
    # Both would change the order of additions and with it the last bit.
    brian2.prefs.codegen.loop_invariant_optimisations = False
    brian2.prefs.core.network.default_schedule = [
        *("start", "groups", "thresholds", "synapses", "resets", "end")
    ]
