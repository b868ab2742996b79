"""Cell types: PyNN's standard models, under PyNN's own parameter names and units.

Each supported type is PyNN's class with the identity as translation. To support a further one, add
its name here, teach the engines its equations, and it appears everywhere; all others are made by
:mod:`cosim.pynn.unsupported`.
"""

# ruff: noqa: RUF012 (class attributes are PyNN's way to declare a model)

from __future__ import annotations

from pyNN.models import BaseModelType
from pyNN.parameters import Sequence
from pyNN.standardmodels import StandardCellType, build_translations, cells

#: Everything the engines compute, and the sources they are fed from.
SUPPORTED_CELL_TYPES = (
    "IF_curr_exp",
    "IF_curr_delta",
    "IF_curr_alpha",
    "IF_cond_exp",
    "IF_cond_alpha",
    "Izhikevich",
    "EIF_cond_exp_isfa_ista",
    "SpikeSourceArray",
    "SpikeSourcePoisson",
)

#: What standard PyNN does not have: a chip's own cells, and sources of graded spikes. The software
#: reference computes them with the same meaning.
NATIVE_CELL_TYPES = ("TrueNorthNeuron", "GradedSpikeSourceArray")
#: Their names in the Network, where these are others.
_LOWERED = {"GradedSpikeSourceArray": "SpikeSourceArray"}

#: Synaptic currents under PyNN's names, and under those that sPyNNaker gives them.
SYNAPTIC_CURRENTS = {
    "isyn_exc": "isyn_exc",
    "isyn_inh": "isyn_inh",
    "gsyn_exc": "isyn_exc",
    "gsyn_inh": "isyn_inh",
}


def network_name(celltype: BaseModelType) -> str:
    """Name of a cell type in the Network."""
    name = type(celltype).__name__
    return _LOWERED.get(name, name)


def state_variable(celltype: BaseModelType, recorded: str) -> str:
    """Name in the Network of what a script records under ``recorded``."""
    if "gsyn_exc" in celltype.default_initial_values:
        return recorded
    return SYNAPTIC_CURRENTS.get(recorded, recorded)


def with_synaptic_currents(model: type[BaseModelType]) -> dict:
    """Attributes that make the synaptic currents of a current-based model recordable."""
    return {
        "recordable": [*model.recordable, *SYNAPTIC_CURRENTS],
        "units": {**model.units, **dict.fromkeys(SYNAPTIC_CURRENTS, "nA")},
    }


def identity(model: type[BaseModelType]) -> dict:
    """Return translations that leave every parameter as it is."""
    return build_translations(*((name, name) for name in model.default_parameters))


def supported(model: type[BaseModelType], module: str, **attributes) -> type:
    """Make this backend's class for one of PyNN's standard models."""
    body = {"__doc__": model.__doc__, "__module__": module, "translations": identity(model)}
    return type(model.__name__, (model,), body | attributes)


IF_curr_exp = supported(cells.IF_curr_exp, __name__, **with_synaptic_currents(cells.IF_curr_exp))
IF_curr_delta = supported(cells.IF_curr_delta, __name__)
IF_curr_alpha = supported(
    cells.IF_curr_alpha, __name__, **with_synaptic_currents(cells.IF_curr_alpha)
)
IF_cond_exp = supported(cells.IF_cond_exp, __name__)
IF_cond_alpha = supported(cells.IF_cond_alpha, __name__)
Izhikevich = supported(cells.Izhikevich, __name__)
EIF_cond_exp_isfa_ista = supported(cells.EIF_cond_exp_isfa_ista, __name__)
SpikeSourceArray = supported(cells.SpikeSourceArray, __name__)
SpikeSourcePoisson = supported(cells.SpikeSourcePoisson, __name__)


class GradedSpikeSourceArray(cells.SpikeSourceArray):
    """Spikes that carry a whole number, by which each of their synapses is multiplied.

    A spike of payload ``n`` means what ``n`` spikes at one time mean, and is that on hardware whose
    spikes carry nothing. Loihi 2 sends one message, and adds once at each synapse.

    Parameters
    ----------
    spike_times : Sequence
        In ms.
    payloads : Sequence
        One number a spike, 0 or more; 1 for all if there are none.
    """

    default_parameters = {"spike_times": Sequence([]), "payloads": Sequence([])}
    translations = build_translations(*((name, name) for name in default_parameters))


class TrueNorthNeuron(StandardCellType):
    """The neuron of TrueNorth, register by register: integrate, leak, fire and reset.

    A synapse is a bit of a crossbar: its weight is 1, and what it adds is the neuron's own value
    for the type of the axon, which the projection's ``receptor_type`` says (``axon_type_0`` to
    ``axon_type_3``). All parameters are whole numbers; ``v`` counts in the chip's units, and a time
    step is a tick.

    Parameters
    ----------
    weight_0, weight_1, weight_2, weight_3
        Value of each axon type, -256 to 255.
    stochastic_weight_0, stochastic_weight_1, stochastic_weight_2, stochastic_weight_3
        1: an event adds the value's sign if its magnitude is at least an 8-bit draw.
    leak, leak_reversal, stochastic_leak
        Added in each tick, -256 to 255; 1: times the sign of ``v``, which stops at 0; 1: its sign,
        or nothing, by a draw.
    threshold, threshold_mask
        Fires at the threshold plus a draw AND the mask, 0 to 255.
    negative_threshold, negative_saturate
        ``v`` is held above minus the threshold; 0: it is reset there instead.
    reset_mode, v_reset
        0: to ``v_reset``; 1: by subtraction; 2: not at all.

    References
    ----------
    Cassidy et al., IJCNN 2013; Merolla et al., Science 345:668, 2014, table S2.
    """

    _weights = {f"weight_{kind}": 0.0 for kind in range(4)}
    default_parameters = {
        **_weights,
        **{f"stochastic_{name}": 0.0 for name in _weights},
        "leak": 0.0,
        "leak_reversal": 0.0,
        "stochastic_leak": 0.0,
        "threshold": 1.0,
        "threshold_mask": 0.0,
        "negative_threshold": 0.0,
        "negative_saturate": 1.0,
        "reset_mode": 0.0,
        "v_reset": 0.0,
    }
    translations = build_translations(*((name, name) for name in default_parameters))
    recordable = ["spikes", "v"]
    default_initial_values = {"v": 0.0}
    units = {"v": "dimensionless"}
    receptor_types = [f"axon_type_{kind}" for kind in range(4)]
    conductance_based = True  # as PyNN sees it: no weight is negative
    injectable = False
