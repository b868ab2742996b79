"""Synapse types: static ones, and pair STDP with additive changes, which not every engine computes.

Further plasticity adds its types here, and their kinds of
:class:`~hwmodels.network.SynapseDynamics` in :mod:`cosim.pynn.lowering`.
"""

from __future__ import annotations

from pyNN.standardmodels import build_translations, synapses

from cosim.pynn.celltypes import supported
from cosim.pynn.simulator import state
from hwmodels.errors import UnsupportedError
from hwmodels.network import STDP_PAIR

SUPPORTED_SYNAPSE_TYPES = (
    "StaticSynapse", "STDPMechanism", "SpikePairRule", "AdditiveWeightDependence",
)  # fmt: skip


def _minimum_delay(self) -> float:
    """Give a synapse without a delay the minimum of ``setup``, or one time step."""
    return state.dt if state.given_min_delay is None else state.given_min_delay


StaticSynapse = supported(synapses.StaticSynapse, __name__, _get_minimum_delay=_minimum_delay)
SpikePairRule = supported(synapses.SpikePairRule, __name__, possible_models={STDP_PAIR})
AdditiveWeightDependence = supported(
    synapses.AdditiveWeightDependence, __name__, possible_models={STDP_PAIR}
)


class STDPMechanism(synapses.STDPMechanism):  # noqa: D101 (PyNN's docstring)
    __doc__ = synapses.STDPMechanism.__doc__

    _get_minimum_delay = _minimum_delay

    def __init__(self, timing_dependence=None, weight_dependence=None, *args, **kwargs):
        parts = (timing_dependence, SpikePairRule), (weight_dependence, AdditiveWeightDependence)
        for part, known in parts:
            if not isinstance(part, known):
                found = "none" if part is None else type(part).__name__
                raise UnsupportedError(
                    f"STDPMechanism needs SpikePairRule and AdditiveWeightDependence, got {found} "
                    f"in place of {known.__name__}"
                )
        super().__init__(timing_dependence, weight_dependence, *args, **kwargs)
        if self.voltage_dependence is not None:
            raise UnsupportedError("STDPMechanism: a voltage dependence is not supported; leave it")

    @property
    def base_translations(self):
        """Weight and delay as they are; a new one each time, for PyNN adds to it."""
        names = ("weight", "delay", "dendritic_delay_fraction")
        return build_translations(*((name, name) for name in names))

    def _build_translations(self):
        self.translations = self.base_translations
        for component in (self.timing_dependence, self.weight_dependence):
            self.translations.update(component.translations)
