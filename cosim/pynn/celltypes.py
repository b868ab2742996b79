"""Cell types: PyNN's standard models, under PyNN's own parameter names and units.

Each supported type is PyNN's class with the identity as translation. To support a further one, add
its name here, teach the engines its equations, and it appears everywhere; all others are made by
:mod:`cosim.pynn.unsupported`.
"""

from __future__ import annotations

from pyNN.models import BaseModelType
from pyNN.standardmodels import build_translations, cells

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


#: Synaptic currents under PyNN's names, and under those that sPyNNaker gives them.
SYNAPTIC_CURRENTS = {
    "isyn_exc": "isyn_exc",
    "isyn_inh": "isyn_inh",
    "gsyn_exc": "isyn_exc",
    "gsyn_inh": "isyn_inh",
}


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
