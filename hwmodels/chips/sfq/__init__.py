"""SFQ-style hardware: a network as a circuit of superconducting cells, pulses in picoseconds.

Read from the numbers to the run: :mod:`spec`, :mod:`devices` (synapses and somas by their bias
currents), :mod:`configuration` and :mod:`translation` (quanta and thresholds), :mod:`wiring`
(trees and delay lines), :mod:`chip`, then :mod:`run` (the whole network as one circuit) or
:mod:`transport` (other neurons on its wiring). Cells and pulses are in
:mod:`hwmodels.fabric.pulse`.
"""

from hwmodels.chips.sfq.chip import Sfq
from hwmodels.chips.sfq.spec import SfqSpec

CHIP = Sfq

__all__ = ["CHIP", "Sfq", "SfqSpec"]
