"""Synapses and dividers straight from library cells, to which single cells of the model stand up.

A network uses one cell for each multiplying synapse and each counting soma, because a ring of
gates costs ten events a pulse. The circuits here do the same with gates alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwmodels.fabric.pulse import RESET_ZERO
from hwmodels.fabric.pulse_cells import femtoseconds
from hwmodels.fabric.pulse_netlist import Netlist


class Port(NamedTuple):
    """Where a circuit takes and gives pulses: an input pin and an output pin."""

    entry: int
    exit: int


def multiplier(net: Netlist, pulses: int, spacing_ps: float) -> Port:
    """A synapse S2: a gated ring that a counter opens after so many rounds.

    A pulse sets a gate (NDRO) and enters a ring, in which it passes the gate once a round and
    leaves a copy outside. The counter, whose threshold is set by a bias current, resets the gate
    after the last; the pulse in the ring then finds it shut and is gone.

    Parameters
    ----------
    net : Netlist
    pulses : int
        At least 1.
    spacing_ps : float
        Of a round: the nearest that JTLs give, and not so short that the counter comes too late
        (31.3 ps with the cells of ``rsfqlib``).

    Returns
    -------
    Port
    """
    library = net.library
    begin, out = net.add("SPLIT"), net.add("SPLIT")
    gate, again = net.add("NDRO"), net.add("SPLIT")
    merge = net.add("MERGE")
    count = net.add("COUNTER", threshold=float(pulses), reset=RESET_ZERO)
    ring_fs = sum(library[name].delay_fs for name in ("MERGE", "NDRO", "SPLIT"))
    jtl_fs = library["JTL"].delay_fs
    # The last pulse must come back to the gate after the counter has shut it.
    shut_fs = 2 * library["SPLIT"].delay_fs + library["COUNTER"].delay_fs
    back_fs = library["SPLIT"].delay_fs + library["MERGE"].delay_fs
    jtls = max(
        round((femtoseconds(spacing_ps) - ring_fs) / jtl_fs), (shut_fs - back_fs) // jtl_fs + 1, 0
    )
    # The gate is set before the pulse reaches it through the merger.
    net.wire(net.output(begin, "SPLIT", "l"), net.input(gate, "NDRO", "a"))
    net.wire(net.output(begin, "SPLIT", "r"), net.input(merge, "MERGE", "a"))
    net.wire(net.output(merge, "MERGE"), net.input(gate, "NDRO", "clk"))
    net.wire(net.output(gate, "NDRO"), net.input(again, "SPLIT"))
    back = net.output(again, "SPLIT", "l")
    if jtls:
        line = net.add("JTL", length=jtls)
        net.wire(back, net.input(line, "JTL"))
        back = net.output(line, "JTL")
    net.wire(back, net.input(merge, "MERGE", "b"))
    net.wire(net.output(again, "SPLIT", "r"), net.input(out, "SPLIT"))
    net.wire(net.output(out, "SPLIT", "l"), net.input(count, "COUNTER", "a"))
    net.wire(net.output(count, "COUNTER"), net.input(gate, "NDRO", "b"))
    return Port(
        int(net.input(begin, "SPLIT")[0]), int(net.output(out, "SPLIT", "r")[0])
    )  # fmt: skip


def divider(net: Netlist, stages: int) -> Port:
    """A chain of toggles: one pulse out of ``2**stages``, as in a counting soma.

    Parameters
    ----------
    net : Netlist
    stages : int
        At least 1.

    Returns
    -------
    Port
    """
    toggles = net.add("T1", stages)
    outputs = net.output(toggles, "T1", "carry")
    inputs = net.input(toggles, "T1", "a")
    net.wire(outputs[:-1], inputs[1:])
    return Port(int(inputs[0]), int(np.asarray(outputs)[-1]))
