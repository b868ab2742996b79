"""Bias margins of Josephson circuits by an own simulation of their junctions (RCSJ).

Each node has a junction of 250 uA to ground with its capacitance and shunt (datasheet 1.1, process
note) and its share of the bias; nodes are joined by inductances. One flux quantum enters at the
first node. A circuit works at a bias when every junction flips exactly once.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

#: mV ps, mA, pF, Ohm; bias over critical current; pH between junctions.
_FLUX, _CRITICAL, _CAPACITANCE, _SHUNT, _BIAS = 2.0678, 0.25, 0.175, 2.744, 0.7
_INDUCTANCE = _FLUX / (2 * _CRITICAL)
_STEP_ps = 0.04

Edges = list[tuple[int, int]]


def chain(edges: Edges, start: int, junctions: int) -> int:
    """Put junctions in a row behind one; returns the last."""
    for _ in range(junctions):
        edges.append((start, 1 + max((b for _, b in edges), default=0)))
        start = edges[-1][1]
    return start


def line(junctions: int) -> Edges:
    """A JTL of so many junctions."""
    edges: Edges = []
    chain(edges, 0, junctions - 1)
    return edges


def tree(leaves: int) -> Edges:
    """Splitters (an input junction joined to two output junctions) with JTLs between."""
    edges: Edges = []
    ends = [chain(edges, 0, 4)]
    while len(ends) < leaves:
        begin = ends.pop(0)
        ends += [chain(edges, begin, 4) for _ in range(2)]
    return edges


@numba.njit(cache=True)
def _flips(edges, nodes, bias, step, steps):
    """How often each junction flipped, rounded."""
    k = _FLUX / (2 * math.pi)
    rest = math.asin(min(_BIAS * bias, 0.999))
    phase, v = np.full(nodes, rest), np.zeros(nodes)
    force = np.zeros((2, nodes))
    p, u = phase.copy(), v.copy()
    for at in range(steps):
        for half in range(2):
            drive = 2 * math.pi * min(max(((at + half) * step - 20.0) / 3.0, 0.0), 1.0)
            for i in range(nodes):
                current = _BIAS * _CRITICAL * bias - _CRITICAL * math.sin(p[i]) - u[i] / _SHUNT
                force[half, i] = current / _CAPACITANCE
            force[half, 0] += k * (drive + rest - p[0]) / _INDUCTANCE / _CAPACITANCE
            for e in range(len(edges)):
                a, b = edges[e, 0], edges[e, 1]
                flow = k * (p[a] - p[b]) / _INDUCTANCE / _CAPACITANCE
                force[half, a] -= flow
                force[half, b] += flow
            if half == 0:
                for i in range(nodes):
                    p[i] = phase[i] + step * v[i] / k
                    u[i] = v[i] + step * force[0, i]
        for i in range(nodes):
            phase[i] += step * (v[i] + u[i]) / (2 * k)
            v[i] += step * (force[0, i] + force[1, i]) / 2
            p[i], u[i] = phase[i], v[i]
    return np.rint((phase - rest) / (2 * math.pi))


def works(edges: Edges, bias: float, duration_ps: float = 200.0) -> bool:
    """Whether a pulse flips every junction once at so many times the nominal bias."""
    joined: NDArray[np.int64] = np.array(edges)
    flips = _flips(joined, int(joined.max()) + 1, bias, _STEP_ps, round(duration_ps / _STEP_ps))
    return bool(np.all(flips == 1))


def margin(edges: Edges) -> tuple[float, float]:
    """Lowest and highest bias, relative to nominal and to 0.5 %, at which a circuit works."""
    found = []
    for outside in (0.1, 1.9):
        inside = 1.0
        while abs(outside - inside) > 0.005:
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if works(edges, middle) else (inside, middle)
        found.append(inside - 1)
    return found[0], found[1]
