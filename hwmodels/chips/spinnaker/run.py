"""A run on the machine's own cores: each core has its own timer, and no step is common to all.

A spike's time is that of the tick in which its core computed it, as the toolchain records it;
when it acts is up to the fabric and to how far the receiving core is by then.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hwmodels.chip import Progress, Translation
from hwmodels.chips.spinnaker import arithmetic as a
from hwmodels.chips.spinnaker.formats import (
    Format,
    accum,
    assign,
    constants_of,
    initial_state,
)
from hwmodels.chips.spinnaker.layout import Layout
from hwmodels.currents import CurrentSchedule
from hwmodels.errors import UnsupportedError
from hwmodels.network import Network
from hwmodels.result import HardwareReport, Result, Spikes, Trace, spikes_from_steps

if TYPE_CHECKING:
    from hwmodels.chips.spinnaker.chip import Spinnaker

#: Columns of a trace of the kernel, and what each variable is divided by.
_VARIABLES = {
    "v": (0, a.ONE), "u": (1, a.ONE), "isyn_exc": (2, a.ONE), "isyn_inh": (3, -a.ONE),
    "gsyn_exc": (2, a.ONE << a.CONDUCTANCE_SHIFT), "gsyn_inh": (3, a.ONE << a.CONDUCTANCE_SHIFT),
}  # fmt: skip
_NOT_SAMPLED = np.iinfo(np.int64).min


class SpinnakerRun:
    """Implements :class:`hwmodels.chip.Run`.

    Parameters
    ----------
    chip : Spinnaker
    translation : Translation
    layout : Layout

    Raises
    ------
    UnsupportedError
        For a recording of what a cell does not have.
    """

    def __init__(self, chip: Spinnaker, translation: Translation, layout: Layout) -> None:
        network = translation.network
        network.check_start()
        _check_recordings(network)
        self._chip, self._network, self._layout = chip, network, layout
        formats: dict[int, Format] = dict(translation.formats)
        self._machine = chip.machine(network, layout, formats, True)
        self._formats = formats
        for index in formats:
            cells = self._cells(index)
            population = network.populations[index]
            self._machine.constants[cells] = constants_of(
                population, network.timestep_ms, chip.spec
            )
            self._machine.state[cells] = initial_state(population)
            if population.celltype == "Izhikevich":
                self._machine.state[cells, a.STEP] = self._machine.constants[cells, a.H]
        self._step = -1
        #: Time 0 is the initial state, and takes none.
        self._step_ps = [np.zeros(1, dtype=np.int64)]
        self._set_traces()

    def _cells(self, population: int) -> slice:
        offsets = self._network.offsets
        return slice(int(offsets[population]), int(offsets[population + 1]))

    def _set_traces(self) -> None:
        """Keep the state of cells of which anything is recorded, what was kept before too."""
        machine, offsets = self._machine, self._network.offsets
        wanted = np.zeros(len(machine.trace_of), dtype=bool)
        for recording in self._network.recordings:
            if recording.variable != "spikes":
                wanted[recording.cells + offsets[recording.population]] = True
        new = np.flatnonzero(wanted & (machine.trace_of < 0))
        known = machine.trace.shape[1]
        machine.trace_of[new] = known + np.arange(len(new))
        added = np.full((machine.trace.shape[0], len(new), 4), _NOT_SAMPLED, dtype=np.int64)
        machine.trace = np.concatenate((machine.trace, added), axis=1)

    def advance(self, network: Network, until_step: int, progress: Progress | None = None) -> None:
        """Execute up to and including ``until_step``; see :class:`hwmodels.chip.Run`.

        All cores stop at the end of that tick and start again together, as the toolchain pauses
        between two calls of ``run``.
        """
        if network is not self._network:
            self._take_over(network)
        if until_step <= self._step:
            return
        machine = self._machine
        steps = until_step + 1 - len(machine.trace)
        fresh = np.full((steps, machine.trace.shape[1], 4), _NOT_SAMPLED, dtype=np.int64)
        machine.trace = np.concatenate((machine.trace, fresh))
        self._stimulate(until_step)
        machine.start_ticks(until_step)
        tick, begin = machine.conditions.tick_ps, machine.now_ps
        for step in range(self._step + 1, until_step + 1, 100):
            machine.run(begin + (step - self._step - 1) * tick)
            if progress is not None:
                progress(step)
        machine.run()
        # Cores that cannot keep up make the run longer; it is spread over its steps.
        steps = until_step - self._step
        end = max(begin + steps * tick, machine.last_ps)
        first = max(self._step, 0)
        points = begin + (end - begin) * np.arange(until_step - first + 1) // max(steps, 1)
        self._step_ps.append(np.diff(points))
        machine.now_ps = end
        self._step = until_step

    def _stimulate(self, until_step: int) -> None:
        """Spikes of the sources and changes of injected currents up to a step."""
        network, offsets = self._network, self._network.offsets
        none = np.empty(0, dtype=np.int64)
        steps, cells = [none], [none]
        for index, population in enumerate(network.populations):
            if population.stimulus is not None:
                at, which = population.stimulus.events(network.timestep_ms)
                chosen = (at > self._step) & (at <= until_step)
                steps.append(at[chosen])
                cells.append(which[chosen] + offsets[index])
        self._machine.give(np.concatenate(steps), np.concatenate(cells))
        # A current that flows from a step on moves the membrane to the next one.
        schedule = CurrentSchedule(network)
        steps, cells, values = [none], [none], [none]
        for step in range(max(self._step, 0), until_step):
            for index, total_nA in (schedule.change(step) or {}).items():
                if index not in self._formats:
                    continue
                of = network.populations[index]
                unit = 1000.0 if of.celltype == "Izhikevich" else 1.0
                steps.append(np.full(of.size, step + 1))
                cells.append(np.arange(of.size) + offsets[index])
                values.append(accum(total_nA * unit))
        self._machine.drive(*(np.concatenate(part) for part in (steps, cells, values)))

    def _take_over(self, network: Network) -> None:
        _check_recordings(network)
        machine, dt = self._machine, network.timestep_ms
        for index in self._formats:
            old, new = self._network.populations[index], network.populations[index]
            cells = self._cells(index)
            if any(old.parameters[name] is not x for name, x in new.parameters.items()):
                machine.constants[cells] = constants_of(new, dt, self._chip.spec)
            table = machine.state[cells]
            for name, values in new.initial_values.items():
                if old.initial_values.get(name) is not values:
                    assign(new, table, name, values)
        machine.set_words(network)
        self._network = network
        self._set_traces()

    def result(self, engine: str, translation: Translation, host_seconds: float) -> Result:
        """Everything since time 0."""
        steps = max(self._step, 0)
        return Result.of_run(
            engine,
            self._network,
            steps,
            {**translation.counts, **self._machine.counts()},
            spikes=self._spikes(),
            traces=self._traces(),
            host_seconds=host_seconds,
            hardware=self._report(translation, steps),
        )

    def _report(self, translation: Translation, steps: int) -> HardwareReport:
        taken = np.concatenate(self._step_ps)[: steps + 1]
        report = self._chip.report(self._machine, self._network, taken)
        return replace(report, quantisation=translation.quantisation)

    def _spikes(self) -> tuple[Spikes, ...]:
        cells, ticks = self._machine.spikes
        recorded = np.zeros(len(self._layout.core_of), dtype=bool)
        for recording in self._network.recordings:
            if recording.variable == "spikes":
                recorded[recording.cells + self._network.offsets[recording.population]] = True
        cells, ticks = cells[recorded[cells]], ticks[recorded[cells]]
        trains = []
        for index in range(len(self._network.populations)):
            whole = self._cells(index)
            here = (cells >= whole.start) & (cells < whole.stop)
            trains.append(
                spikes_from_steps(
                    ticks[here],
                    (cells[here] - whole.start).astype(np.int32),
                    self._network.timestep_ms,
                )
            )
        return tuple(trains)

    def _traces(self) -> tuple[Trace, ...]:
        traces, network, machine = [], self._network, self._machine
        for recording in network.recordings:
            population = network.populations[recording.population]
            if recording.variable == "spikes" or population.is_source or not len(machine.trace):
                continue
            column, unit = _VARIABLES[recording.variable]
            every = round(recording.interval_ms / network.timestep_ms)
            at = machine.trace_of[recording.cells + network.offsets[recording.population]]
            raw = machine.trace[::every][:, at, column]
            values = np.where(raw == _NOT_SAMPLED, np.nan, raw / unit)
            traces.append(
                Trace(
                    recording.population, recording.variable, recording.cells,
                    recording.interval_ms, values,
                )
            )  # fmt: skip
        return tuple(traces)


def _check_recordings(network: Network) -> None:
    """Refuse what a cell does not have."""
    have = {
        "IF_curr_exp": ("v", "isyn_exc", "isyn_inh"),
        "IF_cond_exp": ("v", "gsyn_exc", "gsyn_inh"),
        "IF_curr_alpha": ("v", "isyn_exc", "isyn_inh"),
        "IF_curr_delta": ("v",),
        "Izhikevich": ("v", "u"),
    }
    for recording in network.recordings:
        population = network.populations[recording.population]
        allowed = have.get(population.celltype, ("v",))
        if recording.variable != "spikes" and not population.is_source:
            if recording.variable in allowed:
                continue
            raise UnsupportedError(
                f"population {population.label!r}: {recording.variable!r} cannot be recorded from "
                f"SpiNNaker's {population.celltype}; record {', '.join(allowed)} or spikes, or run "
                "with neurons=exact"
            )
