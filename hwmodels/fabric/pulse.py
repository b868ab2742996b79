"""Circuits of superconducting cells in which single flux quanta travel as pulses.

In: cells of a library, wires between them, and pulses at some inputs. Out: when a pulse leaves
which output, and what was absorbed on the way and why. A pulse is a point in time; times are
integer femtoseconds. There is no clock.

Rules, which fix every pulse whatever order processes run in:

1. Pulses that reach a cell at one instant are taken in the order of its inputs; of equals, by
   number of the spike and the synapse they carry.
2. A pulse that breaks a gap of its input (measured from the last pulse that was *taken* at the
   other one) is absorbed, or acts and is counted, as the gap says.
3. A pulse that follows another closely is late (spacings). Then the cell's kind decides what
   leaves it: its state table; chance (``gate``); a burst; or a sum that reaches a threshold
   (``soma``), which may be deaf for a time after it fired.
4. A pulse that a soma fires is a new spike, with the number ``cell + cells * k`` for its k-th.
5. A wire joins one output to one input; a signal is doubled by splitters and joined by mergers.
6. Chance is a hash of the seed, the cell and how often that cell has drawn, so it does not depend
   on the order in which cells are computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hwmodels.fabric.pulse_cells import SOMA, Tables

#: What a row of the log says: a pulse left a watched output; one was taken at a watched input;
#: one was absorbed for coming too close; one came too close and acted; chance blocked it; a soma
#: was deaf; a sum went no lower.
LEFT, TAKEN, TOO_CLOSE, FLAGGED, BLOCKED, DEAF, FLOOR = range(7)
#: Which outputs and inputs of a cell the log keeps.
WATCH_OUTPUTS, WATCH_INPUTS = 1, 2
#: What a soma does when it fires: forget all, take its threshold away, or take one away.
RESET_ZERO, RESET_THRESHOLD, RESET_ONE = range(3)
#: Long before everything.
NEVER = -(1 << 62)
#: Draws are 32 bits; a gate with this chance is always open.
ALWAYS = 1 << 32
#: Static factors of delay are fixed-point numbers with so many bits.
SCALE_BITS = 20

#: One pulse, or its end: a row of the log.
LOG = np.dtype(
    [
        ("time_fs", np.int64),
        ("cell", np.int64),
        ("port", np.int64),
        ("what", np.int64),
        ("spike", np.int64),
        ("synapse", np.int64),
    ]
)

#: Standard normal deviates of 12 bits of a draw, in units of 2**-16.
NORMAL = np.array(
    [round(NormalDist().inv_cdf((k + 0.5) / 4096) * 65536) for k in range(4096)], dtype=np.int64
)
#: exp(-x) for x = k / 1024, beyond which it counts as 0.
DECAY = np.exp(-np.arange(40 * 1024 + 2) / 1024)


def draw(seed: int, cell: int, number: int) -> int:
    """32 bits of chance. Plain integers below 2**63, so it is the same in Python and compiled."""
    x = 0x1E3779B9
    for value in (seed, cell, number):
        x = (x ^ (value & 0xFFFFFFFF)) & 0xFFFFFFFF
        x = ((x >> 16) ^ x) * 0x45D9F3B & 0xFFFFFFFF
        x = ((x >> 16) ^ x) * 0x45D9F3B & 0xFFFFFFFF
        x = ((x >> 16) ^ x) + 0x1E3779B9 & 0xFFFFFFFF
    x = ((x >> 15) ^ x) * 0x2C1B3C6D & 0xFFFFFFFF
    x = ((x >> 12) ^ x) * 0x297A2D39 & 0xFFFFFFFF
    return (x >> 15) ^ x


def decay(elapsed_fs: int, tau_fs: float, table: NDArray[np.float64]) -> float:
    """exp(-elapsed / tau) by interpolation, to 2e-7; 1 where ``tau_fs`` is 0 (no leak)."""
    if tau_fs <= 0.0:
        return 1.0
    x = elapsed_fs / tau_fs * 1024.0
    if x >= 40960.0:
        return 0.0
    k = int(x)
    return float(table[k] + (table[k + 1] - table[k]) * (x - k))


class Circuit(NamedTuple):
    """A netlist as flat arrays, one entry a cell.

    Attributes
    ----------
    type : int64
        Number in the library.
    length : int64
        How many such cells stand in a row.
    scale : int64
        Static factor of its delays, times ``2**SCALE_BITS``; 0 for a cell that takes no time.
    extra_fs, jitter_fs : int64
        Delay beyond that of the table; standard deviation of its delay.
    chance : int64
        Of a gate, times 2**32.
    pulses, burst_fs : int64
        Pulses of a burst and their distance.
    deaf_fs : int64
        How long a soma takes no pulse after it fired, the last instant included (as on PyNN's
        grid, where an input at the end of the refractory time does not act).
    reset : int64
    threshold, floor, tau_fs : float64
        Of a soma, in charges; its time constant, 0 for none.
    state : int64
        At the start.
    held : float64
        What a soma has summed at the start.
    synapse : int64
        Number that pulses carry from here on; -1 for those they have.
    charge : float64
        By number of synapse (not by cell): what a pulse adds to a soma; 1 for none.
    watch : int64
    sink, wire_fs : int64, shape (cells * OUTPUTS,)
        Input that each output goes to (``cell * INPUTS + port``, or -1), and time of the wire.
    """

    type: NDArray[np.int64]
    length: NDArray[np.int64]
    scale: NDArray[np.int64]
    extra_fs: NDArray[np.int64]
    jitter_fs: NDArray[np.int64]
    chance: NDArray[np.int64]
    pulses: NDArray[np.int64]
    burst_fs: NDArray[np.int64]
    deaf_fs: NDArray[np.int64]
    reset: NDArray[np.int64]
    threshold: NDArray[np.float64]
    floor: NDArray[np.float64]
    tau_fs: NDArray[np.float64]
    state: NDArray[np.int64]
    held: NDArray[np.float64]
    synapse: NDArray[np.int64]
    charge: NDArray[np.float64]
    watch: NDArray[np.int64]
    sink: NDArray[np.int64]
    wire_fs: NDArray[np.int64]


@dataclass(frozen=True)
class Conditions:
    """What of reality acts on a circuit.

    Attributes
    ----------
    delays : bool
        Whether cells take time; if not, each takes a femtosecond.
    collisions : bool
        Whether pulses that come too close are absorbed.
    jitter : bool
        Thermal noise on delays and limits.
    chance : bool
        Whether gates block at all.
    spread : float
        Coefficient of variation of the static delay of each cell.
    bias : float
        Bias current over its nominal value; a cell is 1.4 % faster for each 1 % more.
    seed : int
        Of noise and chance.
    specimen : int
        Of what differs from chip to chip.
    """

    delays: bool = True
    collisions: bool = True
    jitter: bool = False
    chance: bool = True
    spread: float = 0.0
    bias: float = 1.0
    seed: int = 1
    specimen: int = 1


class PulseEngine(Protocol):
    """Moves pulses through a circuit by the rules above. Engines agree pulse for pulse."""

    def run(
        self, pins: NDArray[np.int64], times_fs: NDArray[np.int64], spikes: NDArray[np.int64],
        until_fs: int,
    ) -> NDArray:  # fmt: skip
        """Put pulses on inputs and let everything happen that happens before ``until_fs``.

        Parameters
        ----------
        pins, times_fs, spikes : int64, shape (n,)
            Inputs, times (not before the last ``until_fs``), and the number each pulse carries.

        Returns
        -------
        structured array of :data:`LOG`
            Sorted by time, cell, port, what, spike and synapse. A pulse that leaves a cell is known
            when it was taken, so it may leave after ``until_fs``.
        """
        ...

    @property
    def flips(self) -> NDArray[np.int64]:
        """Junctions of each cell that flipped so far, shape (cells,)."""
        ...

    @property
    def under_way(self) -> int:
        """Pulses on wires and in cells."""
        ...

    def charges(self, cells: NDArray[np.int64], now_fs: int) -> NDArray[np.float64]:
        """What somas have summed, leak included, at a time."""
        ...


def pulse_engine(circuit: Circuit, tables: Tables, conditions: Conditions, engine: str):
    """An engine by name: ``"compiled"`` (plain Python without Numba) or ``"reference"`` (SimPy)."""
    if engine == "reference":
        from hwmodels.fabric.pulse_simpy import SimPyPulses

        return SimPyPulses(circuit, tables, conditions)
    from hwmodels.fabric.pulse_compiled import CompiledPulses

    return CompiledPulses(circuit, tables, conditions)


def is_soma(circuit: Circuit, tables: Tables) -> NDArray[np.bool_]:
    """Which cells sum."""
    return tables.kind[circuit.type] == SOMA
