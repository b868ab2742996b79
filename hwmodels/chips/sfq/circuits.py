"""Synapses and counting somas straight from library cells, to which single cells stand up.

A network uses one cell for each multiplying synapse and each counting soma, because gates cost ten
events a pulse; ``circuits=gates`` builds these circuits instead. A test holds the two together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.fabric.pulse import RESET_ZERO, WATCH_INPUTS, WATCH_OUTPUTS
from hwmodels.fabric.pulse_netlist import Netlist

_Pins = NDArray[np.int64]


class Ports(NamedTuple):
    """Where circuits take and give pulses.

    Attributes
    ----------
    entry, exit : int64, shape (n,)
        Input and output pins.
    cell : int64, shape (n,)
        The cell that gives.
    delay_fs : int64, shape (n,)
        From a pulse taken to the first that it makes the circuit give.
    """

    entry: _Pins
    exit: _Pins
    cell: _Pins
    delay_fs: NDArray[np.int64]


def multipliers(
    net: Netlist, pulses: NDArray[np.int64], spacing_fs: NDArray[np.int64], **out: object
) -> Ports:
    """Synapses S2: each a gated ring that a counter opens after so many rounds.

    A pulse sets a gate (NDRO) and enters a ring, in which it passes the gate once a round and
    leaves a copy outside. The counter, whose threshold is set by a bias current, resets the gate
    after the last; the pulse in the ring then finds it shut and is gone.

    Parameters
    ----------
    net : Netlist
    pulses : int64, shape (n,)
        At least 1.
    spacing_fs : int64, shape (n,)
        Of a round: the nearest that JTLs give, and not so short that the counter comes too late
        (31.3 ps with the cells of ``rsfqlib``).
    **out
        Fields of the last cell, which every pulse passes.
    """
    library, n = net.library, len(pulses)
    begin, copy, again = (net.add("SPLIT", n) for _ in range(3))
    gate, merge = net.add("NDRO", n), net.add("MERGE", n)
    count = net.add("COUNTER", n, threshold=pulses.astype(np.float64), reset=RESET_ZERO)
    last = net.add("JTL", n, **out)

    def time(*names: str) -> int:
        return sum(library[name].delay_fs for name in names)

    jtl_fs = time("JTL")
    wanted = np.rint((spacing_fs - time("MERGE", "NDRO", "SPLIT")) / jtl_fs).astype(np.int64)
    # The last pulse must come back to the gate after the counter has shut it.
    missing_fs = time("SPLIT", "SPLIT", "COUNTER") - time("SPLIT", "MERGE")
    line = net.add("JTL", n, length=np.maximum(wanted, max(missing_fs // jtl_fs + 1, 1)))
    # The gate is set before the pulse reaches it through the merger.
    net.wire(net.output(begin, "SPLIT", "l"), net.input(gate, "NDRO", "a"))
    net.wire(net.output(begin, "SPLIT", "r"), net.input(merge, "MERGE", "a"))
    net.wire(net.output(merge, "MERGE"), net.input(gate, "NDRO", "clk"))
    net.wire(net.output(gate, "NDRO"), net.input(again, "SPLIT"))
    net.wire(net.output(again, "SPLIT", "l"), net.input(line, "JTL"))
    net.wire(net.output(line, "JTL"), net.input(merge, "MERGE", "b"))
    net.wire(net.output(again, "SPLIT", "r"), net.input(copy, "SPLIT"))
    net.wire(net.output(copy, "SPLIT", "l"), net.input(count, "COUNTER", "a"))
    net.wire(net.output(count, "COUNTER"), net.input(gate, "NDRO", "b"))
    net.wire(net.output(copy, "SPLIT", "r"), net.input(last, "JTL"))
    delay = time("SPLIT", "MERGE", "NDRO", "SPLIT", "SPLIT", "JTL")
    return Ports(
        net.input(begin, "SPLIT"), net.output(last, "JTL"), last, np.full(n, delay, np.int64)
    )


def counters(
    net: Netlist, thresholds: NDArray[np.int64], held: NDArray[np.int64] | None = None
) -> Ports:
    """Counting somas: chains of toggles that start so far below their overflow.

    The carry of the last toggle is the spike; its copies set the toggles back to where they
    started, by pulses into those that are to be 1. Toggles add whatever the order, so pulses that
    arrive meanwhile are counted too, unless two meet in a merger or come too close to a toggle.

    Parameters
    ----------
    net : Netlist
    thresholds : int64, shape (n,)
        At least 1.
    held : int64, shape (n,), optional
        Pulses counted at the start.
    """
    library, n = net.library, len(thresholds)
    held = np.zeros(n, dtype=np.int64) if held is None else held
    first = net.add("JTL", n, watch=WATCH_INPUTS)
    last = net.add("OUT", n, watch=WATCH_OUTPUTS)
    delay = np.zeros(n, dtype=np.int64)
    for threshold in np.unique(thresholds).tolist():
        here = np.flatnonzero(thresholds == threshold)
        stages = (threshold - 1).bit_length()
        start = (1 << stages) - threshold
        begins = np.clip(start + held[here], 0, (1 << stages) - 1)
        at = net.output(first[here], "JTL")
        delay[here] = library["JTL"].delay_fs + library["OUT"].delay_fs
        back: list[_Pins] = []
        for stage in range(stages):
            toggle = net.add("T1", len(here), state=begins >> stage & 1)
            into = net.input(toggle, "T1", "a")
            if start >> stage & 1:
                merge = net.add("MERGE", len(here))
                net.wire(at, net.input(merge, "MERGE", "a"))
                net.wire(net.output(merge, "MERGE"), into)
                back.append(net.input(merge, "MERGE", "b"))
                delay[here] += library["MERGE"].delay_fs
            else:
                net.wire(at, into)
            at = net.output(toggle, "T1", "carry")
            delay[here] += library["T1"].delay_fs
        ends = np.stack([net.input(last[here], "OUT"), *back], axis=1)
        group = np.repeat(np.arange(len(here)), ends.shape[1])
        pins, depth = net.split(at, group)
        net.wire(pins, ends.ravel())
        delay[here] += depth[:: ends.shape[1]] * library["SPLIT"].delay_fs
    return Ports(net.input(first, "JTL"), net.output(last, "OUT"), last, delay)
