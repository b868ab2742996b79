"""Current sources, lowered to piecewise-constant currents on the network's grid.

In: a source's parameters and the cells it is injected into. Out: for each population it reaches an
:class:`~hwmodels.network.InjectedCurrent`. A change of parameters between two runs acts from the
current time on; what has been executed keeps its values. The current of step ``k`` flows from
``k * dt`` to ``(k + 1) * dt``: a DC source that starts at 5.0 ms shows in ``v`` at 5.1 ms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pyNN.parameters import ParameterSpace, Sequence
from pyNN.standardmodels import StandardCurrentSource, electrodes

from cosim.pynn.celltypes import identity
from cosim.pynn.simulator import NOISE, state
from hwmodels.errors import NetworkError, UnsupportedError
from hwmodels.network import to_steps

SUPPORTED_CURRENT_SOURCES = ("DCSource", "ACSource", "StepCurrentSource", "NoisyCurrentSource")

#: A change of the current: the steps at which it changes, and the values (nA) from then on.
Changes = tuple[NDArray[np.int64], NDArray[np.float64]]


class CurrentSource(StandardCurrentSource):
    """What the four sources share: parameters, targets, the waveform so far, its recording."""

    #: Whether the waveform has no end that could be written down now, so each run extends it.
    extends = False

    # PyNN's base class looks up unknown attributes among the parameters, which need these first.
    _values: dict
    _targets: list

    def __init__(self, **parameters):
        space = ParameterSpace(self.default_parameters, self.get_schema(), shape=(1,))
        space.update(**parameters)
        self.parameter_space = space
        self._values = {}
        self._targets = []
        self._recording = False
        self._index = len(state.current_sources)
        state.current_sources.append(self)
        self.restart()
        self.set_native_parameters(self.translate(space))

    # --- Parameters -----------------------------------------------------------------------------

    def set_native_parameters(self, parameters):
        """Change parameters (PyNN calls this)."""
        parameters.shape = (1,)
        parameters.evaluate(simplify=True)
        values = dict(self._values)
        for name, value in parameters.as_dict().items():
            value = value.flat[0] if isinstance(value, np.ndarray) else value
            values[name] = value.value if isinstance(value, Sequence) else value
        self._values = self._checked(values)
        self._covered = -1

    def get_parameters(self):
        """Names and values of all parameters: numbers, and arrays where PyNN has sequences."""
        return dict(self._values)

    def _checked(self, values: dict) -> dict:
        """Put parameters on the grid; raise an error for those that make no waveform."""
        return values

    # --- Injection ------------------------------------------------------------------------------

    def inject_into(self, cells, location=None):
        """Inject into a Population, PopulationView, Assembly or list of cells."""
        if location is not None:
            raise UnsupportedError("cells have no locations here: all are points")
        reached: dict[object, list[int]] = {}
        for cell in cells:
            if not cell.celltype.injectable:
                raise TypeError("Can't inject current into a spike source.")
            reached.setdefault(cell.parent, []).append(cell.parent.id_to_index(cell))
        for population, indices in reached.items():
            self._targets.append((population, np.unique(indices).astype(np.int32)))

    @property
    def targets(self) -> list:
        """Pairs of a population and the cells in it, int32, ascending."""
        return self._targets

    # --- Waveform -------------------------------------------------------------------------------

    def restart(self) -> None:
        """Begin again at time 0 (after ``reset``); noise is drawn anew."""
        self._steps = np.empty(0, dtype=np.int64)
        self._amplitudes = np.empty(0)
        self._lowered: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        # The waveform is valid up to and including this step; -1: parameters have changed.
        self._covered = -1
        self._generator: np.random.Generator | None = None
        self._noise = np.empty(0)

    def waveform(self, first: int, last: int) -> Changes:
        """Return changes from step ``first`` on, of which the first is at ``first`` itself.

        Those after ``last`` may be left out when :attr:`extends`.
        """
        raise NotImplementedError

    def extend(self, now: int, until: int) -> None:
        """Make the waveform valid up to step ``until``, keeping what lies before ``now``."""
        if self._covered >= until or (self._covered >= 0 and not self.extends):
            return
        past = self._steps < now
        steps, amplitudes = self.waveform(now, until)
        steps = np.concatenate((self._steps[past], steps))
        amplitudes = np.concatenate((self._amplitudes[past], amplitudes))
        changed = np.diff(amplitudes, prepend=0.0) != 0.0
        self._covered = until
        steps, amplitudes = steps[changed], amplitudes[changed]
        same = np.array_equal(steps, self._steps) and np.array_equal(amplitudes, self._amplitudes)
        if not same or self._lowered is None:
            self._steps, self._amplitudes = steps, amplitudes
            self._lowered = (steps * state.dt, amplitudes)

    def lowered(self, now: int, until: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return times (ms) and amplitudes (nA); the same arrays as before if nothing changed."""
        self.extend(now, until)
        assert self._lowered is not None
        return self._lowered

    def record(self):
        """Record the current; :meth:`get_data` gives it as a Neo signal."""
        self._recording = True

    def _get_data(self):
        if not self._recording:
            raise NetworkError("this current source is not recorded: call record() before run()")
        self.extend(state.step, state.step)
        steps = np.arange(state.step + 1)
        values = np.concatenate(([0.0], self._amplitudes))
        current = values[np.searchsorted(self._steps, steps, side="right")]
        return np.round(steps * state.dt, 12), current


def _pulse(first: int, on: int, off: int, amplitude: float) -> Changes:
    """``amplitude`` from step ``on`` to step ``off``, seen from step ``first``."""
    steps = np.array(sorted({first, max(first, on), max(first, off)}), dtype=np.int64)
    return steps, np.where((steps >= on) & (steps < off), amplitude, 0.0)


def _on_off(values: dict) -> tuple[int, int]:
    on, off = to_steps(np.array([values["start"], values["stop"]]), state.dt)
    return int(on), int(off)


class DCSource(CurrentSource, electrodes.DCSource):  # noqa: D101 (PyNN's docstring)
    __doc__ = electrodes.DCSource.__doc__
    translations = identity(electrodes.DCSource)

    def waveform(self, first: int, last: int) -> Changes:
        """Return one pulse."""
        return _pulse(first, *_on_off(self._values), float(self._values["amplitude"]))


class StepCurrentSource(CurrentSource, electrodes.StepCurrentSource):  # noqa: D101 (PyNN's docstring)
    __doc__ = electrodes.StepCurrentSource.__doc__
    translations = identity(electrodes.StepCurrentSource)

    def _checked(self, values: dict) -> dict:
        times = np.asarray(values["times"], dtype=float)
        amplitudes = np.asarray(values["amplitudes"], dtype=float)
        if len(times) != len(amplitudes):
            raise ValueError("Step current needs as many amplitudes as times.")
        if np.any(times < 0):
            raise ValueError("Step current cannot accept negative timestamps.")
        if np.any(np.diff(times) <= 0):
            raise ValueError("Step current timestamps should be monotonically increasing.")
        # Of several times that round to one grid point, the last one counts.
        steps = to_steps(times, state.dt)
        last_of_equal = np.append(np.diff(steps) > 0, True)[: len(steps)]
        return {"times": steps[last_of_equal] * state.dt, "amplitudes": amplitudes[last_of_equal]}

    def waveform(self, first: int, last: int) -> Changes:
        """Return the steps as they were given."""
        given = to_steps(self._values["times"], state.dt)
        amplitudes = self._values["amplitudes"]
        later = given > first
        at_first = np.concatenate(([0.0], amplitudes))[np.searchsorted(given, first, side="right")]
        return (
            np.concatenate(([first], given[later])),
            np.concatenate(([at_first], amplitudes[later])),
        )


class ACSource(CurrentSource, electrodes.ACSource):  # noqa: D101 (PyNN's docstring)
    __doc__ = electrodes.ACSource.__doc__
    translations = identity(electrodes.ACSource)
    extends = True

    def waveform(self, first: int, last: int) -> Changes:
        """Take a sample a step, the phase counted from the start."""
        on, off = _on_off(self._values)
        steps = np.arange(first, last + 1)
        since_start = (steps - on) * state.dt
        angle = (
            2
            * np.pi
            * (self._values["frequency"] * since_start / 1000.0 + self._values["phase"] / 360.0)
        )
        wave = self._values["offset"] + self._values["amplitude"] * np.sin(angle)
        return steps, np.where((steps >= on) & (steps < off), wave, 0.0)


class NoisyCurrentSource(CurrentSource, electrodes.NoisyCurrentSource):  # noqa: D101 (PyNN's docstring)
    __doc__ = electrodes.NoisyCurrentSource.__doc__
    translations = identity(electrodes.NoisyCurrentSource)
    extends = True

    def waveform(self, first: int, last: int) -> Changes:
        """Make one draw an interval. Splitting a run in two draws the same numbers."""
        on, off = _on_off(self._values)
        # The default of dt, 0.1 ms, means the time step where that is longer.
        interval = max(1, round(self._values["dt"] / state.dt))
        steps = np.arange(first, last + 1)
        number = np.maximum(steps - on, 0) // interval
        if self._generator is None:
            self._generator = state.draws(NOISE, self._index)
        missing = int(number.max(initial=-1)) + 1 - len(self._noise)
        if missing > 0:
            self._noise = np.append(self._noise, self._generator.standard_normal(missing))
        current = self._values["mean"] + self._values["stdev"] * self._noise[number]
        return steps, np.where((steps >= on) & (steps < off), current, 0.0)
