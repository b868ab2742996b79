"""The state of the backend: the clock, what the script has built, and the engine that runs it.

In: the objects a script creates, and what a command line configured (:func:`configure`). Out: one
:class:`~cosim.experiment.Stage` for each ``run``, and the :class:`~hwmodels.result.Result` of the
engine. It must not know how a network is lowered (:mod:`cosim.pynn.lowering`) nor what any engine
does with it.

PyNN's own functions reach the backend through the names ``name`` and ``state`` of this module.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from pyNN import common

from cosim.engines import Engine, Progress, Simulation, get_engine
from cosim.experiment import Experiment, Stage
from cosim.pynn.lowering import lower
from hwmodels.errors import ModelError, UnsupportedError
from hwmodels.network import Network
from hwmodels.result import Result


class BackendName(str):
    """A name that can also be called for: ``sim.name`` in most backends, ``sim.name()`` in some."""

    def __call__(self) -> str:
        """Return the name itself."""
        return str(self)


name = BackendName("cosim")
logger = logging.getLogger("cosim")

#: Seeds the backend's own draws where neither the user nor the script gives a seed.
DEFAULT_SEED = 20260113
DEFAULT_ENGINE = "brian2"

# What a stream of random numbers is for: part of its seed, so streams never overlap.
POISSON, NOISE, UNSEEDED_EARLY, UNSEEDED = range(4)


class ID(int, common.IDMixin):
    """The number of one cell; parameters are its attributes: ``population[3].tau_m = 10.0``."""

    # There is one process, so every cell is local; asking the parent costs a microsecond a cell.
    local = True

    def __init__(self, n: int) -> None:
        common.IDMixin.__init__(self)


class State(common.control.BaseState):
    """Everything that ``setup`` clears. There is one, :data:`state`.

    Attributes
    ----------
    dt : float
        The time step in ms.
    step : int
        The clock, in steps.
    populations, projections, current_sources : list
        In the order of creation, which is their order in the Network.
    """

    mpi_rank = 0
    num_processes = 1

    def __init__(self) -> None:
        super().__init__()
        self.configured: dict[str, Any] = {"engine": None, "options": {}, "seed": None}
        self.progress: Progress | None = None
        self._finished: list[Experiment] = []
        self._stages: list[Stage] = []
        self._early_rngs = 0
        self.clear()

    # --- Life cycle -----------------------------------------------------------------------------

    def clear(self) -> None:
        """Forget the network (what ``setup`` does)."""
        self.dt = common.control.DEFAULT_TIMESTEP
        self.given_min_delay: float | None = None
        self.given_max_delay: float | None = None
        self.engine_name: str | None = None
        self.engine_options: dict[str, Any] = {}
        self.script_seed: int | None = None
        self._engine: Engine | None = None
        self._rngs: int | None = None
        self.populations: list[Any] = []
        self.projections: list[Any] = []
        self.current_sources: list[Any] = []
        self.recorders: set[Any] = set()
        self.write_on_end: list[tuple] = []
        self.assemblies = 0
        self.id_counter = 1
        self.segment_counter = -1
        self.reset()

    def reset(self) -> None:
        """Set the clock to zero; the next ``run`` begins a new experiment."""
        self._finish_experiment()
        self.running = False
        self.t_start = 0
        self.step = 0
        self.segment_counter += 1
        self._simulation: Simulation | None = None
        self._result: Result | None = None
        for built in (*self.populations, *self.current_sources):
            built.restart()

    def _finish_experiment(self) -> None:
        if self._stages:
            self._finished.append(Experiment(tuple(self._stages)))
        self._stages = []

    # --- The clock ------------------------------------------------------------------------------

    @property
    def t(self) -> float:
        """The current time in ms."""
        return round(self.step * self.dt, 12)

    @property
    def min_delay(self) -> float:
        """In ms: as given to ``setup``, else the shortest there is (without any, one step)."""
        if self.given_min_delay is not None:
            return self.given_min_delay
        return min((delays.min() for delays in self._delays()), default=self.dt)

    @property
    def max_delay(self) -> float:
        """In ms: as given to ``setup`` (nothing enforces it), else the longest there is."""
        if self.given_max_delay is not None:
            return self.given_max_delay
        return max((delays.max() for delays in self._delays()), default=self.dt)

    def _delays(self) -> list[np.ndarray]:
        return [p.columns.unordered("delay") for p in self.projections if len(p.columns)]

    def run(self, simtime: float) -> None:
        """Advance by ``simtime`` ms."""
        self.run_until(self.t + simtime)

    def run_until(self, tstop: float) -> None:
        """Advance to the grid point nearest to ``tstop`` ms."""
        until_step = round(tstop / self.dt)
        if abs(tstop - until_step * self.dt) > 1e-6 * self.dt:
            logger.warning(
                "run until %g ms: rounded to %g ms, the nearest multiple of the time step %g ms",
                tstop, until_step * self.dt, self.dt,
            )  # fmt: skip
        if until_step <= self.step:
            return
        network = lower(self, until_step)
        self._check_shape(network)
        if self._simulation is None:
            self._simulation = self.engine.start(network)
        self._simulation.advance(network, until_step, self.progress)
        self._stages.append(Stage(network, until_step))
        self._result = None
        self.step = until_step
        self.running = True
        for recorder in self.recorders:
            recorder.clear_flag = False

    def _check_shape(self, network: Network) -> None:
        if not self._stages:
            return
        before = self._stages[-1].network
        for kind in ("populations", "projections"):
            if len(getattr(before, kind)) != len(getattr(network, kind)):
                raise UnsupportedError(
                    f"{kind} were added after the clock moved (now {self.t} ms): create "
                    "everything before the first run() or call reset()"
                )

    @property
    def result(self) -> Result:
        """What the engine recorded since time 0."""
        if self._simulation is None:
            raise ModelError("nothing has been run yet: there is no recorded data")
        if self._result is None:
            self._result = self._simulation.result()
        return self._result

    # --- Engine and seed ------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """The engine: of ``setup``, else of :func:`configure`, else ``COSIM_ENGINE``, else Brian2.

        Raises
        ------
        ModelError
            For an unknown name or option.
        """
        if self._engine is None:
            options = self.engine_options
            engine: Any = self.engine_name
            if engine is None:
                options = self.configured["options"]
                engine = self.configured["engine"] or os.environ.get("COSIM_ENGINE")
            engine = engine or DEFAULT_ENGINE
            self._engine = get_engine(engine, **options) if isinstance(engine, str) else engine
        return self._engine

    @property
    def seed(self) -> int:
        """The user's (:func:`configure`, ``COSIM_SEED``), else ``setup``'s, else the default."""
        seed = self.configured["seed"]
        if seed is None:
            seed = os.environ.get("COSIM_SEED") or None
        if seed is None:
            seed = self.script_seed
        try:
            return DEFAULT_SEED if seed is None else int(seed)
        except (TypeError, ValueError):
            raise ModelError(f"the seed must be an integer, got {seed!r}") from None

    def draws(self, purpose: int, index: int) -> np.random.Generator:
        """Make a stream for one thing that the backend draws itself, anew after each ``reset``."""
        entropy = (self.seed % 2**64, purpose, index, self.segment_counter)
        return np.random.default_rng(np.random.SeedSequence(entropy))

    def next_rng_seed(self) -> int:
        """Make a seed for an RNG which the script made without one.

        RNGs made before ``setup`` are counted apart from those made after it, so a second pass of
        the same script in one process gets the same seeds, whatever the first pass made.
        """
        if self._rngs is None:
            purpose, index = UNSEEDED_EARLY, self._early_rngs
            self._early_rngs += 1
        else:
            purpose, index = UNSEEDED, self._rngs
            self._rngs += 1
        return int(np.random.SeedSequence((self.seed % 2**64, purpose, index)).generate_state(1)[0])

    def count_rngs_from_setup(self) -> None:
        """Count unseeded RNGs from zero, from here on (``setup``)."""
        self._rngs = 0
        self._early_rngs = 0

    def count_rngs_before_setup(self) -> None:
        """Count what follows as another script's (``end``)."""
        self._rngs = None

    # --- What was run ---------------------------------------------------------------------------

    @property
    def experiments(self) -> list[Experiment]:
        """What was run since the process began or since :meth:`clear_experiments`.

        The networks in it stay in memory; a program that runs very many should clear them.
        """
        current = [Experiment(tuple(self._stages))] if self._stages else []
        return [*self._finished, *current]

    def clear_experiments(self) -> None:
        """Forget the finished experiments and the stages so far of the current one."""
        self._finished = []
        self._stages = []


state = State()


def configure(
    engine: str | Engine | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Say on which engine scripts run that do not choose one in ``setup``.

    Parameters
    ----------
    engine : str or Engine, optional
        As for :func:`cosim.engines.get_engine`, or an engine itself.
    options : mapping, optional
        Options of the engine.
    seed : int, optional
        Takes precedence over ``COSIM_SEED`` and over the seed a script gives in ``setup``. It
        shifts the draws of the backend (Poisson spikes, noise currents) and of RNGs that the
        script made without a seed; RNGs with a seed of their own are left alone.
    progress : callable, optional
        Called by the engine with the number of steps done.
    """
    state.configured = {"engine": engine, "options": dict(options or {}), "seed": seed}
    state.progress = progress
    state._engine = None
