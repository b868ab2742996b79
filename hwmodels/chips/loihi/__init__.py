"""Loihi-style: asynchronous cores of integer neurons on a mesh, in step by a barrier.

Read in the order of the datasheet: :mod:`~hwmodels.chips.loihi.spec` (the numbers, with the TOML
files of the parameter sets), :mod:`~hwmodels.chips.loihi.formats` (a network in these numbers),
:mod:`~hwmodels.chips.loihi.arithmetic` (a compartment, step by step),
:mod:`~hwmodels.chips.loihi.memory` (synapses in words), :mod:`~hwmodels.chips.loihi.chip` (mapping)
and :mod:`~hwmodels.chips.loihi.transport` (time and energy).

A script's network is expressed as current-based compartments with one unit of state, ``q`` mV::

    u(n) = D(u(n-1), du) + w        D(x, d) = x (4096 - d) / 4096, rounded toward zero
    v(n) = D(v(n-1), dv) + u(n) + bias            v = 0 at v_reset; spike if v > threshold

``du`` and ``dv`` are the nearest 12-bit decays to ``1 - exp(-dt / tau)``. The weight
of a synaptic current is scaled so that the time integral of its postsynaptic potential is that of
the exact membrane, and a bias so that the potential it settles at is; rates then agree as well as
the decays allow. A jump of the potential (``IF_curr_delta``) keeps its height instead; its
integral is then off by the error of the decay (2 % for 20 ms at steps of 0.1 ms). The resting
potential is a bias too, since the chip can only reset to zero. Cells whose two synaptic time
constants differ take a second compartment for inhibition, joined to the first (recalled, not
verified: the datasheet marks dendritic trees R).

On PyNN's grid a synaptic current jumps at spike time plus delay and first moves the membrane one
step later; here it moves it in the step in which it is added, so input is added one step later.
"""

from hwmodels.chips.loihi.arithmetic import (
    Compartments,
    decayed,
    noise_draws,
    update_compartments,
    wrapped,
)
from hwmodels.chips.loihi.chip import Loihi
from hwmodels.chips.loihi.formats import Scale, quantise_bias, quantise_weights, scale_population
from hwmodels.chips.loihi.memory import SynapticMemory, synaptic_words
from hwmodels.chips.loihi.neurons import LoihiNeurons
from hwmodels.chips.loihi.spec import CoreSettings, LoihiSpec
from hwmodels.chips.loihi.transport import LoihiTransport

#: What makes this module a chip (see :mod:`hwmodels.chips`).
CHIP = Loihi

__all__ = [
    "CHIP",
    "Compartments",
    "CoreSettings",
    "Loihi",
    "LoihiNeurons",
    "LoihiSpec",
    "LoihiTransport",
    "Scale",
    "SynapticMemory",
    "decayed",
    "noise_draws",
    "quantise_bias",
    "quantise_weights",
    "scale_population",
    "synaptic_words",
    "update_compartments",
    "wrapped",
]
