"""The standard models of PyNN which this version does not have.

They exist under their names, so that ``from cosim.pynn import *`` and a script that never uses them
work, and say what is missing the moment one is instantiated. They are made from PyNN's own list;
none is written down here, so a type that gains support needs no change in this file.
"""

from __future__ import annotations

from types import ModuleType

from pyNN.standardmodels import (
    StandardModelType,
    base,
    cells,
    electrodes,
    ion_channels,
    receptors,
    synapses,
)

from cosim.pynn import celltypes
from cosim.pynn.celltypes import NATIVE_CELL_TYPES, SUPPORTED_CELL_TYPES
from cosim.pynn.electrodes import SUPPORTED_CURRENT_SOURCES
from cosim.pynn.synapses import SUPPORTED_SYNAPSE_TYPES
from hwmodels.errors import UnsupportedError

_KINDS: tuple[tuple[ModuleType, str, tuple[str, ...]], ...] = (
    (cells, "cell types", SUPPORTED_CELL_TYPES),
    (synapses, "synapse types", SUPPORTED_SYNAPSE_TYPES),
    (receptors, "cell types", SUPPORTED_CELL_TYPES),
    (ion_channels, "cell types", SUPPORTED_CELL_TYPES),
    (electrodes, "current sources", SUPPORTED_CURRENT_SOURCES),
)


#: Short names that backends give to some of PyNN's models.
_ALIASES = {
    "AlphaPSR": "CondAlphaPostSynapticResponse",
    "BetaPSR": "CondBetaPostSynapticResponse",
    "ExpPSR": "CondExpPostSynapticResponse",
}


def _refuse(model: type, kind: str, supported: tuple[str, ...]) -> type:
    def __init__(self, *args, **kwargs):
        raise UnsupportedError(
            f"{model.__name__} is not supported by this version of cosim; it has the {kind} "
            f"{', '.join(supported)}. Use one of these, or run the script on another PyNN backend"
        )

    body = {"__init__": __init__, "__module__": __name__, "__doc__": model.__doc__}
    return type(model)(model.__name__, (model,), body)


def unsupported_models() -> dict[str, type]:
    """Make a refusing class for each standard model that is not supported, by name."""
    bases = {model for model in vars(base).values() if isinstance(model, type)}
    refusing = {}
    for module, kind, supported in _KINDS:
        for name, model in vars(module).items():
            is_model = isinstance(model, type) and issubclass(model, StandardModelType)
            if is_model and model not in bases and name not in supported:
                refusing[name] = _refuse(model, kind, supported)
    for alias, name in _ALIASES.items():
        if name in refusing:
            refusing[alias] = refusing[name]
    return refusing


def native_cell_type(model_name: str):
    """Find a chip's own cell; refuse what one simulator alone has, for no other engine has it."""
    if model_name in NATIVE_CELL_TYPES:
        return getattr(celltypes, model_name)
    return native_synapse_type(model_name)


def native_synapse_type(model_name: str):
    """Refuse: what one simulator alone has, no other engine can execute."""
    raise UnsupportedError(
        f"native model {model_name!r} belongs to one simulator; use a standard model of PyNN "
        f"({', '.join(SUPPORTED_CELL_TYPES)}) or one of the chips' own "
        f"({', '.join(NATIVE_CELL_TYPES)})"
    )


native_electrode_type = native_synapse_type
