"""Synapse types: only static ones today.

Plasticity adds its types here, and their kinds of :class:`~hwmodels.network.SynapseDynamics` in
:mod:`cosim.pynn.lowering`.
"""

from __future__ import annotations

from pyNN.standardmodels import synapses

from cosim.pynn.celltypes import supported
from cosim.pynn.simulator import state

SUPPORTED_SYNAPSE_TYPES = ("StaticSynapse",)


def _minimum_delay(self) -> float:
    """Give a synapse without a delay the minimum of ``setup``, or one time step."""
    return state.dt if state.given_min_delay is None else state.given_min_delay


StaticSynapse = supported(synapses.StaticSynapse, __name__, _get_minimum_delay=_minimum_delay)
