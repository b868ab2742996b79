"""A PyNN backend: ``import cosim.pynn as sim`` in place of ``pyNN.nest``, and the script runs.

In: an ordinary PyNN script. Out: at each ``run`` a :class:`~hwmodels.network.Network`, executed by
an engine (``sim.setup(engine="loihi")``; Brian2 by default), and Neo data from its Result. Nothing
here simulates. Everything PyNN defines is PyNN's own (connectors, parameters, random numbers, the
base classes); what this package adds is arrays and lowering. ``sim.simulator.state.experiments``
holds what was run, for a replay on other engines.
"""

# ruff: noqa: F401, F403 (the names are for scripts)

from pyNN import errors, random, space
from pyNN.connectors import *
from pyNN.network import Network
from pyNN.random import GSLRNG
from pyNN.space import Cuboid, Grid2D, Grid3D, Line, RandomStructure, Space, Sphere
from pyNN.standardmodels import StandardCellType

from cosim.pynn import simulator
from cosim.pynn.celltypes import (
    SUPPORTED_CELL_TYPES,
    EIF_cond_exp_isfa_ista,
    GradedSpikeSourceArray,
    IF_cond_alpha,
    IF_cond_exp,
    IF_curr_alpha,
    IF_curr_delta,
    IF_curr_exp,
    Izhikevich,
    SpikeSourceArray,
    SpikeSourcePoisson,
    TrueNorthNeuron,
)
from cosim.pynn.connectors import FromListConnector
from cosim.pynn.control import (
    connect,
    create,
    end,
    get_current_time,
    get_max_delay,
    get_min_delay,
    get_time_step,
    initialize,
    num_processes,
    offer_as_pynn_backend,
    rank,
    record,
    record_gsyn,
    record_v,
    reset,
    run,
    run_for,
    run_until,
    set,
    set_number_of_neurons_per_core,
    setup,
)
from cosim.pynn.draws import NativeRNG, NumpyRNG, RandomDistribution
from cosim.pynn.electrodes import ACSource, DCSource, NoisyCurrentSource, StepCurrentSource
from cosim.pynn.populations import Assembly, Population, PopulationView
from cosim.pynn.projections import Projection
from cosim.pynn.recording import Recorder, get_io
from cosim.pynn.simulator import state
from cosim.pynn.synapses import (
    AdditiveWeightDependence,
    SpikePairRule,
    StaticSynapse,
    STDPMechanism,
)
from cosim.pynn.unsupported import (
    native_cell_type,
    native_electrode_type,
    native_synapse_type,
    unsupported_models,
)

name = simulator.name

for _name, _model in unsupported_models().items():
    globals().setdefault(_name, _model)


def list_standard_models() -> list[str]:
    """Names of the standard cell types that can be used."""
    return list(SUPPORTED_CELL_TYPES)


offer_as_pynn_backend(__name__)
