"""What the mesh kernel has of axons, and what it says of packets.

Its functions work on lists as well as on arrays (:mod:`hwmodels.fabric.mesh_tables`), and are
written so that Numba can compile them: there may be millions of axons.
"""

from __future__ import annotations

from hwmodels.fabric.mesh_ports import row_of
from hwmodels.fabric.mesh_tables import (
    ARRIVE,
    AXON,
    COLUMN_BIT,
    FLIT_BITS,
    INJECT,
    PATH,
    PORT_BIT,
    RECEIVER_BITS,
    SERVICE,
    SOUTH_BIT,
    WEST_BIT,
)


def fill_ways(ports, core, target, service_ps, begin, end, paths, hops):  # type: ignore[no-untyped-def]
    """Fill in the rows of axons, and how many hops each goes.

    ``begin`` and ``end`` have a column and a row for each axon, one after the other.
    """
    for k in range(len(core)):
        row, column = end[2 * k] - begin[2 * k], end[2 * k + 1] - begin[2 * k + 1]
        path = 4 + ports[target[k]] << PORT_BIT | (row < 0) << WEST_BIT | abs(row)
        path |= (column < 0) << SOUTH_BIT | abs(column) << COLUMN_BIT
        paths[k * AXON + PATH] = (core[k] + 1) << FLIT_BITS | path
        paths[k * AXON + SERVICE] = service_ps[k] << RECEIVER_BITS | target[k]
        hops[k] = abs(row) + abs(column)


def describe(traffic, axon, lasting, step, skipped_ps, packets):  # type: ignore[no-untyped-def]
    """Fill in the packets that arrived in a step under a barrier, by time of arrival."""
    source, core, target, synapses, hops = lasting
    for i in range(len(packets)):
        slot, packet = traffic.delivered[i], packets[i]
        row, message = axon[slot], row_of(slot)
        packet["step"] = step
        packet["source"] = source[row]
        packet["source_core"] = core[row]
        packet["destination_core"] = target[row]
        packet["synapses"] = synapses[row]
        packet["hops"] = hops[row]
        packet["late_steps"] = 0
        packet["inject_ps"] = traffic.messages[message + INJECT] - skipped_ps
        packet["arrive_ps"] = traffic.messages[message + ARRIVE] - skipped_ps
