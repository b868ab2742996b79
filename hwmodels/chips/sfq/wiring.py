"""A translated network as a netlist: trees of splitters, delay lines, synapses, mergers, somas.

Each synapse is a line of its own from its source's splitter tree to the merger tree of its target
(one tree for excitation, one for inhibition). A delay line (JTLs, or a passive line between driver
and receiver) makes up what the rest of the way lacks of the synapse's delay; where the way alone
takes longer, the spike comes late.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.sfq.circuits import Ports, counters, multipliers
from hwmodels.chips.sfq.devices import gates
from hwmodels.chips.sfq.spec import SfqSpec
from hwmodels.fabric.pulse import (
    RESET_ONE,
    RESET_THRESHOLD,
    RESET_ZERO,
    WATCH_INPUTS,
    WATCH_OUTPUTS,
)
from hwmodels.fabric.pulse_cells import CellLibrary, femtoseconds
from hwmodels.fabric.pulse_netlist import Netlist

#: Soma cell and reset rule by kind.
SOMAS = {
    "loop": ("LOOP", RESET_ONE),
    "coupled": ("LOOP", RESET_ONE),
    "counter": ("COUNTER", RESET_ZERO),
    "counter_subtract": ("COUNTER", RESET_THRESHOLD),
}


class Lines(NamedTuple):
    """What each line is to be; arrays by line.

    Attributes
    ----------
    source, target : int64
        Global cell numbers.
    inhibitory : bool
    delay_fs : int64
        From the source's spike to that of the target, or to its input.
    pulses, burst_fs : int64
        Pulses made of one.
    charge : float64
        Of each pulse.
    current_uA : float64
        Weight current of stochastic synapses; empty for others.
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    inhibitory: NDArray[np.bool_]
    delay_fs: NDArray[np.int64]
    pulses: NDArray[np.int64]
    burst_fs: NDArray[np.int64]
    charge: NDArray[np.float64]
    current_uA: NDArray[np.float64]


class Ends(NamedTuple):
    """Where cells of the network are in the netlist.

    Attributes
    ----------
    entry, inhibit : int64, shape (cells,)
        Input pins that take a cell's spikes: those that excite, and those that inhibit.
    cell : int64, shape (cells,)
        The soma, the port or the source of each cell of the network.
    exit : int64, shape (cells,)
        Output pin that gives its spikes.
    delay_fs : int64, shape (cells,)
        From input to output.
    """

    entry: NDArray[np.int64]
    inhibit: NDArray[np.int64]
    cell: NDArray[np.int64]
    exit: NDArray[np.int64]
    delay_fs: NDArray[np.int64]


class Style(NamedTuple):
    """How a chip is wired.

    Attributes
    ----------
    chain : bool
        Trees that are rows of cells instead of balanced.
    stagger_ps : float
        Each further line into one merger tree is later by this.
    passive : bool
        Whether delays are passive lines between driver and receiver where these fit.
    timed : bool
        Whether cells take time; if not, ideal wires make up the delays.
    lead_fs : int
        How much sooner than its delay a pulse shall arrive.
    """

    chain: bool
    stagger_ps: float
    passive: bool
    timed: bool
    lead_fs: int = 0


class Wired(NamedTuple):
    """What wiring gave.

    Attributes
    ----------
    latency_fs : int64, shape (lines,)
        From spike to spike, of a pulse that meets no other.
    short : int
        Lines that take longer than their delay.
    hops : int64, shape (lines,)
        Splitters and mergers on the way.
    passive_mm : float
        Length of all passive lines.
    """

    latency_fs: NDArray[np.int64]
    short: int
    hops: NDArray[np.int64]
    passive_mm: float


def wire(
    net: Netlist,
    begin: Ends,
    end: Ends,
    lines: Lines,
    spec: SfqSpec,
    synapse: str | None,
    style: Style,
) -> Wired:
    """Put all lines into a netlist.

    Parameters
    ----------
    net : Netlist
        With the cells at both ends.
    begin, end : Ends
        Where spikes come from and go to.
    lines : Lines
    spec : SfqSpec
    synapse : {"burst", "ring", "gate", "stochastic"} or None
        Kind of synapse cell, or a ring of gates; none where neurons are exact.
    style : Style
    """
    library, n = net.library, len(lines.source)
    order = np.argsort(lines.source, kind="stable")
    sources, group = np.unique(lines.source[order], return_inverse=True)
    pins, depth = net.split(begin.exit[sources], group, style.chain)
    out, splits = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    out[order], splits[order] = pins, depth

    # Mergers: a tree for each target and sign.
    key = lines.target * 2 + lines.inhibitory
    order = np.argsort(key, kind="stable")
    trees, group = np.unique(key[order], return_inverse=True)
    roots = np.where(trees % 2, end.inhibit[trees // 2], end.entry[trees // 2])
    pins, depth = net.merge(roots, group, style.chain)
    into, merges = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    into[order], merges[order] = pins, depth
    first = np.searchsorted(group, group)
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n) - first

    def time(name: str) -> int:
        return library[name].delay_fs if style.timed else 1

    way = begin.delay_fs[lines.source] + splits * time("SPLIT") + merges * time("MERGE")
    way = way + end.delay_fs[lines.target]
    if synapse is not None and n:
        made = _synapses(net, lines, spec, library, synapse)
        way = way + (made.delay_fs if style.timed else 1)
        net.wire(made.exit, into)
        into = made.entry
    wanted = lines.delay_fs - style.lead_fs + rank * femtoseconds(style.stagger_ps)
    missing = np.maximum(wanted - way, 0)
    passive_fs = 0
    if style.timed:
        passive_fs, added = _delay_lines(net, out, missing, style.passive)
        net.wire(out, into)
    else:
        added = missing
        net.wire(out, into, missing)
    return Wired(
        way + added,
        int(np.count_nonzero(way + added > lines.delay_fs)),
        splits + merges,
        passive_fs / femtoseconds(spec.passive_ps_per_mm),
    )


def _delay_lines(
    net: Netlist, out: NDArray[np.int64], missing: NDArray[np.int64], passive: bool
) -> tuple[int, NDArray[np.int64]]:
    """Lines that take what is missing, between outputs and whatever follows; changes ``out``.

    Returns the time on passive lines, and what each line takes.
    """
    library = net.library
    jtl, ends = library["JTL"].delay_fs, library["PTLTX"].delay_fs + library["PTLRX"].delay_fs
    on_passive = missing >= ends if passive else np.zeros(len(missing), dtype=bool)
    length = np.where(on_passive, 0, missing // jtl)
    there = length > 0
    line = net.add("JTL", int(np.count_nonzero(there)), length=length[there])
    net.wire(out[there], net.input(line, "JTL"))
    out[there] = net.output(line, "JTL")
    n = int(np.count_nonzero(on_passive))
    driver, receiver = net.add("PTLTX", n), net.add("PTLRX", n)
    wire_fs = missing[on_passive] - ends
    net.wire(out[on_passive], net.input(driver, "PTLTX"))
    net.wire(net.output(driver, "PTLTX"), net.input(receiver, "PTLRX"), wire_fs)
    out[on_passive] = net.output(receiver, "PTLRX")
    return int(wire_fs.sum()), np.where(on_passive, missing, length * jtl)


def _synapses(
    net: Netlist, lines: Lines, spec: SfqSpec, library: CellLibrary, synapse: str
) -> Ports:
    """One synapse a line."""
    n = len(lines.source)
    mark = np.arange(n)
    if synapse == "ring":
        return multipliers(net, lines.pulses, lines.burst_fs, synapse=mark)
    name, port = {"burst": ("BURST", None), "gate": ("NDRO", "clk")}.get(synapse, ("GATE", None))
    delay = np.full(n, library[name].delay_fs)
    if synapse == "burst":
        cells = net.add(name, n, pulses=lines.pulses, burst_fs=lines.burst_fs, synapse=mark)
    elif synapse == "gate":
        cells = net.add(name, n, state=1, synapse=mark)
    else:
        current = lines.current_uA
        if not len(current):
            current = np.full(n, spec.weight_half_uA + 4 * spec.weight_grey_uA)
        settings = gates(current, spec, library)
        cells = net.add(name, n, **settings._asdict(), synapse=mark)
        delay = delay + settings.extra_fs
    return Ports(net.input(cells, name, port), net.output(cells, name), cells, delay)


def source_ends(net: Netlist, n_cells: int, cells: NDArray[np.int64], timed: bool) -> Ends:
    """Converters from current to pulses for some cells of the network."""
    made = net.add("DCSFQ", len(cells))
    ends = empty_ends(n_cells)
    ends.cell[cells], ends.entry[cells] = made, net.input(made, "DCSFQ")
    ends.exit[cells] = net.output(made, "DCSFQ")
    ends.delay_fs[cells] = net.library["DCSFQ"].delay_fs if timed else 1
    return ends


def port_ends(net: Netlist, n_cells: int, cells: NDArray[np.int64]) -> Ends:
    """Ends of merger trees where neurons are not on the chip; a spike is there at once."""
    made = net.add("JTL", len(cells), watch=WATCH_INPUTS)
    ends = empty_ends(n_cells)
    ends.cell[cells], ends.entry[cells] = made, net.input(made, "JTL")
    return ends


def soma_ends(
    net: Netlist, n_cells: int, cells: NDArray[np.int64], kind: str, timed: bool, **fields: NDArray
) -> Ends:
    """Somas for some cells of the network; fields are those of a circuit."""
    name, reset = SOMAS[kind]
    watch = WATCH_INPUTS | WATCH_OUTPUTS
    made = net.add(name, len(cells), watch=watch, reset=reset, **fields)
    ends = empty_ends(n_cells)
    ends.cell[cells], ends.entry[cells] = made, net.input(made, name, "a")
    ends.inhibit[cells] = net.input(made, name, "b")
    ends.exit[cells] = net.output(made, name)
    ends.delay_fs[cells] = net.library[name].delay_fs if timed else 1
    return ends


def gate_soma_ends(
    net: Netlist, n_cells: int, cells: NDArray[np.int64], threshold: NDArray, held: NDArray
) -> Ends:
    """Counting somas made of gates for some cells of the network."""
    whole = np.ceil(threshold - 1e-9).astype(np.int64)
    made = counters(net, whole, np.rint(held).astype(np.int64))
    ends = empty_ends(n_cells)
    ends.cell[cells], ends.entry[cells], ends.exit[cells] = made.cell, made.entry, made.exit
    ends.delay_fs[cells] = made.delay_fs
    return ends


def with_vetoes(net: Netlist, ends: Ends, cells: NDArray[np.int64], timed: bool) -> Ends:
    """An inhibit cell before the somas of some cells: a pulse stops the next one that excites."""
    made = net.add("NOT", len(cells), watch=WATCH_INPUTS)
    net.wire(net.output(made, "NOT"), ends.entry[cells])
    ends.entry[cells] = net.input(made, "NOT", "clk")
    ends.inhibit[cells] = net.input(made, "NOT", "a")
    ends.delay_fs[cells] += net.library["NOT"].delay_fs if timed else 1
    return ends


def empty_ends(n_cells: int) -> Ends:
    """Ends of no cell."""
    entry, inhibit, cell, leave = np.full((4, n_cells), -1, dtype=np.int64)
    return Ends(entry, inhibit, cell, leave, np.zeros(n_cells, dtype=np.int64))
