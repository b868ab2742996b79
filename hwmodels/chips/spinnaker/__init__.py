"""SpiNNaker-style: ARM cores in software real time on a torus of multicast routers.

Read in the order of the datasheet: :mod:`~hwmodels.chips.spinnaker.spec` (the numbers, with the
TOML files of the parameter sets), :mod:`~hwmodels.chips.spinnaker.formats` (a network in these
numbers),
:mod:`~hwmodels.chips.spinnaker.arithmetic` (a cell, tick by tick),
:mod:`~hwmodels.chips.spinnaker.layout` and :mod:`~hwmodels.chips.spinnaker.tables` (where
everything goes), and what cores and fabric do: :mod:`~hwmodels.chips.spinnaker.reference` (as SimPy
processes) and :mod:`~hwmodels.chips.spinnaker.kernel` (the same, event by event).
"""

from hwmodels.chips.spinnaker.chip import Spinnaker
from hwmodels.chips.spinnaker.spec import SpinnakerSpec

#: What makes this module a chip (see :mod:`hwmodels.chips`).
CHIP = Spinnaker

__all__ = ["CHIP", "Spinnaker", "SpinnakerSpec"]
