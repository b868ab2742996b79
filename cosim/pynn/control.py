"""Setting up, running and resetting: the functions of PyNN's API that control a simulation.

In: a script's calls. Out: changes of the :data:`~cosim.pynn.simulator.state`. What can be PyNN's
own function is PyNN's own; nothing here knows how a network is stored or lowered.
"""

from __future__ import annotations

import logging
import math
import sys
from typing import Any

from pyNN import common
from pyNN.common.control import DEFAULT_MAX_DELAY, DEFAULT_MIN_DELAY, DEFAULT_TIMESTEP
from pyNN.connectors import FixedProbabilityConnector
from pyNN.recording import get_io

from cosim.pynn import simulator
from cosim.pynn.populations import Population
from cosim.pynn.projections import Projection
from cosim.pynn.synapses import StaticSynapse
from hwmodels.errors import NetworkError

logger = logging.getLogger("cosim")

#: Options under which other backends take a seed; the first one given seeds our own draws.
SEED_OPTIONS = (
    "seed",
    "rng_seed",
    "rng_seeds",
    "rng_seeds_seed",
    "grng_seed",
    "native_rng_baseseed",
)

#: Options of NEST's, NEURON's, Brian2's and SpiNNaker's ``setup`` that mean nothing here.
FOREIGN_OPTIONS = frozenset(
    """
    threads verbosity spike_precision recording_precision rng_type t_flush optimize
    use_cvode cvode rtol atol default_maxstep usetotalarea quit_on_end mpi_rank num_processes
    rank debug extra_params time_scale_factor n_chips_required n_boards_required report_time
    database_socket_addresses hostname machine_json_path allow_violate_delay code_generation
    parallel_safe file master_pop log_level hardware wafer useSystemSim
    """.split()  # noqa: SIM905
)


def setup(
    timestep: float = DEFAULT_TIMESTEP,
    min_delay: float | str = DEFAULT_MIN_DELAY,
    engine: Any = None,
    **options: Any,
) -> int:
    """Begin a new network; whatever was built before is gone.

    Parameters
    ----------
    timestep : float
        In ms.
    min_delay, max_delay : float or "auto"
        In ms. The delay of a synapse that is given none is ``min_delay`` ("auto": one time step);
        there is no upper limit.
    engine : str or Engine, optional
        What executes the network, as for :func:`cosim.engines.get_engine`: ``"brian2"``,
        ``"loihi"``, ``"loihi:effects=none"``. Without it, the engine of
        :func:`cosim.pynn.simulator.configure`, else of the environment variable ``COSIM_ENGINE``,
        else Brian2.
    seed : int, optional
        For the backend's own draws: Poisson spikes, noise currents, RNGs made without a seed.
        ``rng_seed`` and similar names of other backends are taken for it. ``COSIM_SEED`` in the
        environment takes precedence.
    **options
        Of the engine, if ``engine`` is given. Options of other backends are ignored with a note.

    Returns
    -------
    int
        The rank of this process: 0.

    Raises
    ------
    ModelError
        For an unknown engine, or an option it does not have.
    """
    max_delay = options.pop("max_delay", DEFAULT_MAX_DELAY)
    if not (isinstance(timestep, (int, float)) and math.isfinite(timestep) and timestep > 0):
        raise NetworkError(f"time step must be > 0 ms, got {timestep}")
    common.setup(timestep, min_delay, max_delay=max_delay, **options)
    seeds = [options.pop(name) for name in SEED_OPTIONS if name in options]
    # Options of an engine need its name; those of other backends are never an engine's.
    ignored = [n for n in options if not isinstance(engine, str) or n in FOREIGN_OPTIONS]
    if ignored:
        logger.warning("setup: ignored, not an option here: %s", ", ".join(ignored))
    state = simulator.state
    state.clear()
    state.count_rngs_from_setup()
    state.dt = float(timestep)
    state.given_min_delay = None if min_delay == "auto" else float(min_delay)
    state.given_max_delay = None if max_delay == "auto" else float(max_delay)
    state.engine_name = engine
    state.engine_options = {n: value for n, value in options.items() if n not in ignored}
    if seeds:
        first = seeds[0]
        state.script_seed = int(first if isinstance(first, (int, float)) else next(iter(first)))
    if engine is not None:
        # A wrong name or option is the script's mistake: say so on this line of it.
        _ = state.engine
    return rank()


def end(compatible_output: bool = True) -> None:
    """Write what ``record(..., to_file=...)`` asked for."""
    state = simulator.state
    for population, variables, filename in state.write_on_end:
        population.write_data(get_io(filename), variables)
    state.write_on_end = []
    state.count_rngs_before_setup()


run, run_until = common.build_run(simulator)
run_for = run

reset = common.build_reset(simulator)

initialize = common.initialize
set = common.set

(
    get_current_time,
    get_time_step,
    get_min_delay,
    get_max_delay,
    num_processes,
    rank,
) = common.build_state_queries(simulator)

create = common.build_create(Population)
connect = common.build_connect(Projection, FixedProbabilityConnector, StaticSynapse)
record = common.build_record(simulator)


def record_v(source, filename):
    """Record the membrane potential to a file (deprecated: use ``source.record``)."""
    return record(["v"], source, filename)


def record_gsyn(source, filename):
    """Record synaptic conductances to a file (deprecated: use ``source.record``)."""
    return record(["gsyn_exc", "gsyn_inh"], source, filename)


def set_number_of_neurons_per_core(*args, **kwargs) -> None:
    """Accept what SpiNNaker scripts say about placement; the chip models place by themselves."""
    logger.warning("set_number_of_neurons_per_core: ignored, chips are options of the engine here")


def offer_as_pynn_backend(package: str) -> None:
    """Make a loaded package and its modules importable as ``pyNN.cosim`` too.

    Scripts that choose their backend by name (``pyNN.utility.get_simulator``) import
    ``pyNN.<name>``. :mod:`cosim.pynn.pynn_dot_cosim` is installed as that module and imports the
    backend; here its modules are entered under names of that package, so that both are one.
    """
    import pyNN

    for name, module in list(sys.modules.items()):
        if name == package or name.startswith(package + "."):
            sys.modules["pyNN.cosim" + name.removeprefix(package)] = module
    pyNN.cosim = sys.modules[package]
