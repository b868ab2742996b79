"""TrueNorth-style: crossbar cores of integer neurons on a mesh, with a global tick.

Read in the order of the datasheet: :mod:`~hwmodels.chips.truenorth.spec` (the numbers, with the
TOML files of the parameter sets), :mod:`~hwmodels.chips.truenorth.arithmetic` (a neuron, step by
step), :mod:`~hwmodels.chips.truenorth.cores` (crossbars),
:mod:`~hwmodels.chips.truenorth.scheduler`, :mod:`~hwmodels.chips.truenorth.transport` (packets,
time, energy). Then how a network gets there: :mod:`~hwmodels.chips.truenorth.formats` (cells),
:mod:`~hwmodels.chips.truenorth.native` (the chip's own neuron, register by register),
:mod:`~hwmodels.chips.truenorth.weights` (four values a neuron),
:mod:`~hwmodels.chips.truenorth.merging` (fan-in), :mod:`~hwmodels.chips.truenorth.layout` and
:mod:`~hwmodels.chips.truenorth.placing` (cores, axons, relays),
:mod:`~hwmodels.chips.truenorth.translation`, and the loop, :mod:`~hwmodels.chips.truenorth.run`.
"""

from hwmodels.chips.truenorth.chip import TrueNorth
from hwmodels.chips.truenorth.cores import Cores
from hwmodels.chips.truenorth.spec import TrueNorthSpec

#: What makes this module a chip (see :mod:`hwmodels.chips`).
CHIP = TrueNorth

__all__ = ["CHIP", "Cores", "TrueNorth", "TrueNorthSpec"]
