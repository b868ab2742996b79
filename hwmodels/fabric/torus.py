"""Multicast routers on a triangular torus: SpiNNaker's fabric, shape and rules.

In: packets, each over one *tree* (the chips and cores it goes to), with the time at which its core
hands it over. Out: when each copy is at its core, or where it was dropped. Times are integer
picoseconds. Each chip has (datasheet 3.1, 3.2, and the buffers of TickySim):

* for each of its six links an input buffer, and one transmit register for each core;
* a tree of two-input arbiters that makes one stream of them: ``(E, S)`` with ``(NE, N)``, and
  ``(W, SW)`` with the cores, in three levels that hold 1, 1 and 2 packets;
* a router pipeline, one packet a cycle;
* for each link an output buffer and the wire, and for each core a receive register.

Rules, which fix every arrival whatever order processes run in. Everything at one instant happens
in this order, and each phase sees what the ones before it did:

1. *Ends*: transfers through the tree, wires and receivers finish; heads reach the router's end;
   waits expire. After them, cores hand over new packets.
2. *Delivery*: what a wire has carried enters the input buffer behind it, if that has room. Until
   then the packet stays on the wire.
3. *Output*: the packet at the router's end leaves when **all** of its outputs are free; a copy goes
   to each. Otherwise the whole pipeline stands still. One that has waited for ``wait`` is dropped,
   with everything it would have become. So is one launched two time phases ago.
4. *Wires*: an idle one takes the next packet of its buffer.
5. *Entry*: a pipeline that moves takes the next packet, one a cycle of its own time.
6. *Arbiters*: one with room begins to take a packet, by turns where both inputs have one; the
   packet leaves its old place when the transfer ends, a cycle later.

A dead link takes nothing: its output is never free. Nothing else loses a packet, apart from a core
whose transmit queue is finite and full, which does not send at all.

*Emergency routing*, where ``emergency`` is not 0: after ``wait`` a packet may go another way round
each link ``i`` that is not free: over link ``i - 1``, and from that neighbour over link ``i + 1``
(where these two work, so that nothing is sent where it can never go on).
Where a copy goes over ``i - 1`` anyway, one packet is both ("combined"). What is on its second leg
alone is not diverted again. After ``emergency`` more the packet is dropped.

*Re-injection*, where ``poll`` is not 0: what a router drops after its wait stays in its one dump
register until a monitor core reads it, ``read`` later; what is dropped in the meantime overflows
and is lost. The monitor keeps up to ``queue`` packets. At multiples of ``poll``, if the router does
not stand still, it begins to send them, one ``send`` after the other has left it, until there are
no more or the router stands still again. At one instant the register is read before the monitor
sends. What a time phase has killed is not put back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import ModelError

EAST, NORTH_EAST, NORTH, WEST, SOUTH_WEST, SOUTH = range(6)
LINKS = 6
#: What each link adds to the column and the row of a chip.
STEP = ((1, 0), (1, 1), (0, 1), (-1, 0), (-1, -1), (0, -1))
#: Arbiters of a chip: three pairs of links, the cores, and the two levels above.
EAST_SOUTH, NORTHS, WESTS, CORES, LEFT, RIGHT, ROOT = range(7)
ARBITERS = 7
#: The arbiter that each link's input buffer feeds.
ARBITER_OF_LINK = (EAST_SOUTH, NORTHS, NORTHS, WESTS, WESTS, EAST_SOUTH)
#: The arbiter that each arbiter feeds, and which of its two inputs it is.
ABOVE = {
    EAST_SOUTH: (LEFT, 0), NORTHS: (LEFT, 1), WESTS: (RIGHT, 0), CORES: (RIGHT, 1),
    LEFT: (ROOT, 0), RIGHT: (ROOT, 1),
}  # fmt: skip
#: A wait that never ends.
FOREVER = -1
#: Rows of a 48-chip board from south to north: its first and last column.
_BOARD_ROWS = ((0, 4), (0, 5), (0, 6), (0, 7), (1, 7), (2, 7), (3, 7), (4, 7))
#: Where the three boards of a triad stand in their 12 x 12 chips.
_TRIAD = ((0, 0), (4, 8), (8, 4))


def second_leg(link: int) -> int:
    """The link that leads from the end of ``link - 1`` to where ``link`` leads."""
    return (link + 1) % LINKS


def opposite(link: int) -> int:
    """The link by which a packet sent over ``link`` comes in, and by default goes on."""
    return (link + 3) % LINKS


def wait_cycles(code: int) -> int:
    """Router cycles of an 8-bit wait: mantissa in the low nibble, exponent in the high one.

    0x00 is no wait at all, 0xFF waits for ever (:data:`FOREVER`). Datasheet 3.2.
    """
    if not 0 <= code <= 0xFF:
        raise ModelError(f"a router wait is a code of 8 bits, 0 to 255, got {code}")
    if code == 0xFF:
        return FOREVER
    mantissa, exponent = code & 15, code >> 4
    if exponent <= 4:
        return int(mantissa + 16 - (1 << (4 - exponent))) << exponent
    return (mantissa + 16) << exponent


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Times and room of every chip, in picoseconds and packets.

    Attributes
    ----------
    cycle_ps : int
        Router cycle; a transfer through one arbiter takes one.
    pipeline : int
        Cycles from entry to the router's end.
    wait_ps : int
        How long the packet at the router's end waits before it is dropped (:data:`FOREVER`).
    link_ps, board_link_ps : int
        A packet on a wire within a board, and between two.
    receive_ps : int
        Until a core has emptied its receive register.
    phase_ps : int
        Length of a time phase; 0 switches their check off.
    output_room, input_room : int
        Packets that an output buffer (beside the one on the wire) and an input buffer hold.
    arbiter_room : tuple of int
        Packets that an arbiter of the three levels holds, the outermost first.
    source_room : int
        Packets that wait in a core to be sent; 0 for any number.
    emergency_ps : int
        How long a packet tries other ways after its wait; 0: none.
    poll_ps, read_ps, send_ps : int
        Of re-injection: how often the monitor looks, how long it takes to empty the dump register
        and to send the next packet. No re-injection where ``poll_ps`` is 0.
    queue_room : int
        Packets that the monitor keeps.
    """

    cycle_ps: int
    pipeline: int
    wait_ps: int
    link_ps: int
    board_link_ps: int
    receive_ps: int
    phase_ps: int = 0
    output_room: int = 2
    input_room: int = 2
    arbiter_room: tuple[int, int, int] = (1, 1, 2)
    source_room: int = 0
    emergency_ps: int = 0
    poll_ps: int = 0
    read_ps: int = 1
    send_ps: int = 1
    queue_room: int = 4096

    def __post_init__(self) -> None:
        least_one = {
            name: getattr(self, name)
            for name in ("cycle_ps", "pipeline", "link_ps", "board_link_ps", "receive_ps",
                         "output_room", "input_room")
        }  # fmt: skip
        least_one["arbiter_room"] = min(self.arbiter_room)
        if self.poll_ps:
            least_one |= {
                name: getattr(self, name) for name in ("read_ps", "send_ps", "queue_room")
            }
        for name, value in least_one.items():
            if value < 1:
                raise ModelError(f"torus: {name} must be at least 1, got {value}")
        if self.wait_ps < FOREVER or self.phase_ps < 0 or self.source_room < 0:
            raise ModelError("torus: wait_ps, phase_ps and source_room must not be negative")
        if self.emergency_ps < 0 or self.poll_ps < 0:
            raise ModelError("torus: emergency_ps and poll_ps must not be negative")

    @property
    def arbiter_rooms(self) -> NDArray[np.int64]:
        """Room of each of the :data:`ARBITERS` of a chip."""
        outer, middle, root = self.arbiter_room
        return np.array([outer] * 4 + [middle] * 2 + [root], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Torus:
    """Chips and the links between them.

    Attributes
    ----------
    position : int64, shape (chips, 2)
        Column and row of each chip.
    neighbour : int64, shape (chips, 6)
        The chip behind each link; -1 where there is none.
    board : int64, shape (chips,)
        Board of each chip; links between boards are slower.
    dead : bool, shape (chips, 6)
        Links that take nothing.
    wrap : tuple of int or None
        Columns and rows after which the torus begins again; None for a board with open edges.
    """

    position: NDArray[np.int64]
    neighbour: NDArray[np.int64]
    board: NDArray[np.int64]
    dead: NDArray[np.bool_] = field(repr=False)
    wrap: tuple[int, int] | None = None

    @property
    def chips(self) -> int:
        """Number of chips."""
        return len(self.position)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Links that lead somewhere and work, shape (chips, 6)."""
        return (self.neighbour >= 0) & ~self.dead

    @property
    def rounds(self) -> NDArray[np.bool_]:
        """Links that packets can go round by two others, shape (chips, 6)."""
        usable, way = self.usable, np.arange(LINKS)
        first = (way - 1) % LINKS
        return usable[:, first] & usable[self.neighbour[:, first], (way + 1) % LINKS]

    def between_boards(self) -> NDArray[np.bool_]:
        """Links whose ends are on different boards, shape (chips, 6)."""
        return (self.neighbour >= 0) & (self.board[self.neighbour] != self.board[:, None])

    def at(self, column: int, row: int) -> int:
        """The chip at a column and row."""
        here = np.flatnonzero(np.all(self.position == (column, row), axis=1))
        if not len(here):
            raise ModelError(f"there is no chip at ({column}, {row})")
        return int(here[0])

    def with_dead(self, links: Sequence[tuple[int, int]]) -> Torus:
        """The same chips with some links, (chip, link), dead in both directions."""
        dead = self.dead.copy()
        for chip, link in links:
            dead[chip, link] = True
            if self.neighbour[chip, link] >= 0:
                dead[self.neighbour[chip, link], opposite(link)] = True
        return Torus(self.position, self.neighbour, self.board, dead, self.wrap)


def torus(columns: int, rows: int) -> Torus:
    """A torus of one board: every edge wraps round.

    Raises
    ------
    ModelError
        For less than one column or row.
    """
    if columns < 1 or rows < 1:
        raise ModelError(f"a torus has at least one chip, got {columns} x {rows}")
    places = [(x, y) for x in range(columns) for y in range(rows)]
    return _joined(places, (columns, rows), dict.fromkeys(places, 0))


def boards(count: int) -> Torus:
    """SpiNNaker machines: 1 board of 48 chips with open edges, or triads of three that wrap.

    Raises
    ------
    ModelError
        For numbers of boards that no such machine has.
    """
    if count == 1:
        places = [(x, y) for y, (first, last) in enumerate(_BOARD_ROWS)
                  for x in range(first, last + 1)]  # fmt: skip
        return _joined(sorted(places), None, dict.fromkeys(places, 0))
    if count < 1 or count % 3:
        raise ModelError(f"SpiNNaker boards come as 1 or in threes that wrap round, got {count}")
    triads = count // 3
    # The squarest rectangle of triads.
    high = max(n for n in range(1, int(triads**0.5) + 1) if triads % n == 0)
    columns, rows = 12 * (triads // high), 12 * high
    board = {}
    for triad in range(triads):
        left, bottom = 12 * (triad // high), 12 * (triad % high)
        for which, (x, y) in enumerate(_TRIAD):
            for row, (first, last) in enumerate(_BOARD_ROWS):
                for column in range(first, last + 1):
                    place = (left + x + column) % columns, (bottom + y + row) % rows
                    board[place] = 3 * triad + which
    return _joined(sorted(board), (columns, rows), board)


def _joined(
    places: list[tuple[int, int]],
    wrap: tuple[int, int] | None,
    board: dict[tuple[int, int], int],
) -> Torus:
    number = {place: chip for chip, place in enumerate(places)}
    neighbour = np.full((len(places), LINKS), -1, dtype=np.int64)
    for chip, (x, y) in enumerate(places):
        for link, (right, up) in enumerate(STEP):
            place = (x + right, y + up)
            if wrap is not None:
                place = place[0] % wrap[0], place[1] % wrap[1]
            neighbour[chip, link] = number.get(place, -1)
    return Torus(
        np.array(places, dtype=np.int64),
        neighbour,
        np.array([board[place] for place in places], dtype=np.int64),
        np.zeros((len(places), LINKS), dtype=bool),
        wrap,
    )


class Fates(NamedTuple):
    """What became of packets in one call.

    Attributes
    ----------
    packet, destination : int64, shape (n,)
        Copies that arrived: the packet by its number (in the order in which they were given, from
        0), and which destination of its tree.
    time_ps : int64, shape (n,)
        When the core had it in its receive register.
    dropped, dropped_destination, dropped_ps : int64, shape (k,)
        Copies that were dropped, and when.
    refused : int64, shape (j,)
        Packets that found the transmit queue of their core full.
    """

    packet: NDArray[np.int64]
    destination: NDArray[np.int64]
    time_ps: NDArray[np.int64]
    dropped: NDArray[np.int64]
    dropped_destination: NDArray[np.int64]
    dropped_ps: NDArray[np.int64]
    refused: NDArray[np.int64]


@dataclass(frozen=True)
class Counted:
    """What routers, monitors and links have counted so far.

    Attributes
    ----------
    visits : int64, shape (chips,)
        Packets that each router has sent on or dropped.
    drops : int64, shape (chips,)
        Packets that each router has dropped after its wait.
    aged : int64, shape (chips,)
        Packets that each router has dropped for their time phase.
    diverted : int64, shape (chips,)
        Copies that each router has sent round a link by an emergency route.
    reinjected : int64, shape (chips,)
        Packets that each monitor has sent again.
    overflowed, queue_full : int64, shape (chips,)
        Packets dropped while the dump register was full, and read when the monitor's queue was.
    carried : int64, shape (chips, 6)
        Packets that each link has delivered.
    longest : int64, shape (chips, 6)
        Most packets that were in an output buffer and on its wire at once.
    """

    visits: NDArray[np.int64]
    drops: NDArray[np.int64]
    aged: NDArray[np.int64]
    diverted: NDArray[np.int64]
    reinjected: NDArray[np.int64]
    overflowed: NDArray[np.int64]
    queue_full: NDArray[np.int64]
    carried: NDArray[np.int64]
    longest: NDArray[np.int64]


class TorusEngine(Protocol):
    """Carries packets by the rules of this module; engines agree packet for packet."""

    counted: Counted

    def run(
        self,
        tree: NDArray[np.int64],
        port: NDArray[np.int64],
        time_ps: NDArray[np.int64],
        until_ps: int,
    ) -> Fates:
        """Take packets and work off everything before a time.

        Parameters
        ----------
        tree : int64, shape (n,)
        port : int64, shape (n,)
            Core that sends, on the chip of the tree's root.
        time_ps : int64, shape (n,)
            Ascending, and not before the last ``until_ps``.
        until_ps : int
        """
        ...
