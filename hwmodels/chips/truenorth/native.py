"""The chip's own neuron as a cell type: every register is a parameter, every axon type a receptor.

A population of ``TrueNorthNeuron`` has no units of its own: its potential counts in the chip's. A
synapse is a bit of the crossbar; its projection's receptor is the type of its axon, whose value is
the neuron's. Parameters are whole numbers within the registers, and nothing is rounded.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.truenorth import arithmetic as a
from hwmodels.chips.truenorth.spec import TrueNorthSpec
from hwmodels.errors import UnsupportedError
from hwmodels.network import Network, Population

CELLTYPE = "TrueNorthNeuron"
#: Receptors: the types of axons.
RECEPTORS = tuple(f"axon_type_{kind}" for kind in range(4))


class _Register(NamedTuple):
    column: int
    low: int
    high: int


def _registers(spec: TrueNorthSpec) -> dict[str, _Register]:
    """Register of each parameter but the stochastic bits of synapses, and what it holds."""
    value, leak, level = spec.value_max, spec.leak_max, spec.threshold_max
    return {
        **{f"weight_{kind}": _Register(kind, -value - 1, value) for kind in range(4)},
        "leak": _Register(a.LEAK, -leak - 1, leak),
        "leak_reversal": _Register(a.REVERSAL, 0, 1),
        "stochastic_leak": _Register(a.LEAK_STOCHASTIC, 0, 1),
        "threshold": _Register(a.THRESHOLD, 0, level),
        "threshold_mask": _Register(a.NOISE_MASK, 0, (1 << spec.draw_bits) - 1),
        "negative_threshold": _Register(a.FLOOR, 0, level),
        "negative_saturate": _Register(a.SATURATE, 0, 1),
        "reset_mode": _Register(a.RESET_MODE, a.TO_VALUE, a.NOT_AT_ALL),
        "v_reset": _Register(a.RESET, -level, level),
    }


def registers_of(population: Population, spec: TrueNorthSpec) -> NDArray[np.int32]:
    """Registers of a population of the chip's own neurons; int32, shape (size, REGISTERS).

    Raises
    ------
    UnsupportedError
        For a value that its register does not hold.
    """
    table = a.registers(population.size)
    known = _registers(spec)
    bits = {f"stochastic_weight_{kind}": kind for kind in range(4)}
    for name, values in population.parameters.items():
        column, low, high = known.get(name, _Register(a.STOCHASTIC, 0, 1))
        bad = np.flatnonzero((values != np.rint(values)) | (values < low) | (values > high))
        if len(bad):
            raise UnsupportedError(
                f"population {population.label!r}: {name} of cell {bad[0]} is {values[bad[0]]:g}, "
                f"its register holds whole numbers from {low} to {high}"
            )
        if name in bits:
            table[:, column] |= values.astype(np.int32) << bits[name]
        else:
            table[:, column] = values
    return table


def check_crossbar(network: Network) -> None:
    """Refuse synapses onto the chip's own neurons that are no bits.

    Raises
    ------
    UnsupportedError
        For a weight other than 0 or 1, or one that learns.
    """
    for projection in network.projections:
        if network.populations[projection.post].celltype != CELLTYPE:
            continue
        where = f"projection {projection.label!r} onto {CELLTYPE}"
        bad = np.flatnonzero((projection.weight != 0) & (projection.weight != 1))
        if len(bad):
            raise UnsupportedError(
                f"{where}: a weight of {projection.weight[bad[0]]:g}, a synapse is a bit, 0 or 1, "
                "whose value is the neuron's (weight_0 to weight_3, by receptor_type axon_type_0 "
                "to 3); use weight=1, and leave out effects that change weights"
            )
        if projection.dynamics.kind != "static":
            raise UnsupportedError(f"{where}: a bit does not learn; use StaticSynapse")
