"""NeuroCoreX-style: an FPGA that computes one neuron a clock cycle, wired all to all.

Read in the order of the datasheet: :mod:`~hwmodels.chips.neurocorex.spec` (the numbers, with the
TOML file), :mod:`~hwmodels.chips.neurocorex.formats` (a network in these numbers) and
:mod:`~hwmodels.chips.neurocorex.learning` (its STDP), :mod:`~hwmodels.chips.neurocorex.datapath`
(the neuron pipeline and STDP in place),
:mod:`~hwmodels.chips.neurocorex.uart` (the serial line), and
:mod:`~hwmodels.chips.neurocorex.chip` (the board, time and energy).

The source is the published VHDL (ORNL/NeuroCoreX): its two revisions differ. Exponential leak and
currents, which the paper's abstract describes, are those of 0696a43; 90 neurons, loading, reading
back, refractory times and STDP flags those of c8f575e, where currents last one step.
"""

from hwmodels.chips.neurocorex.chip import Neurocorex, NeurocorexTransport
from hwmodels.chips.neurocorex.datapath import NeurocorexNeurons
from hwmodels.chips.neurocorex.spec import NeurocorexSpec
from hwmodels.chips.neurocorex.uart import Line, SimPyLine

#: What makes this module a chip (see :mod:`hwmodels.chips`).
CHIP = Neurocorex

__all__ = [
    "CHIP",
    "Line",
    "Neurocorex",
    "NeurocorexNeurons",
    "NeurocorexSpec",
    "NeurocorexTransport",
    "SimPyLine",
]
