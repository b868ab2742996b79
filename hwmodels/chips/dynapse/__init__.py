"""DynapSE-style: analogue silicon neurons on an asynchronous fabric that routes by tags."""

from hwmodels.chips.dynapse.chip import Dynapse, DynapseTransport
from hwmodels.chips.dynapse.spec import DynapseSpec

#: What makes this module a chip (see :mod:`hwmodels.chips`).
CHIP = Dynapse

__all__ = ["CHIP", "Dynapse", "DynapseSpec", "DynapseTransport"]
