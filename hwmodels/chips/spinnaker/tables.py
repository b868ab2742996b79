"""Routing keys and tables: one key block for each core that sends, one table for each chip.

A key is a core's base, the neuron's number on it, and the colour bits. A packet that arrives by a
link, matches nothing and goes on straight needs no entry (default routing). A table that has more
entries than the chip is minimised by *ordered covering* (Mundy, Heathcote and Garside, 2016):
entries of one route are merged into more general ones that stand further down, as long as no key
of another entry is taken by a wrong one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import CapacityError
from hwmodels.fabric.torus import LINKS, Torus, opposite
from hwmodels.fabric.torus_trees import Trees

_WORD = (1 << 32) - 1


class Entry(NamedTuple):
    """A row of a routing table: packets with ``key & mask`` go to ``route``.

    Attributes
    ----------
    key, mask : int
    route : int
        Bit ``k``: link ``k``; bit ``6 + k``: core ``k``.
    source : int
        Link by which its packets come in; -1 for several, or the chip's own cores.
    """

    key: int
    mask: int
    route: int
    source: int

    @property
    def general(self) -> int:
        """How many bits it does not look at."""
        return 32 - int(self.mask).bit_count()

    def meets(self, key: int, mask: int) -> bool:
        """Whether a packet can match both."""
        return not (self.key ^ key) & self.mask & mask

    @property
    def straight(self) -> bool:
        """Whether default routing does the same."""
        return self.source >= 0 and self.route == 1 << opposite(self.source)


def allocate_keys(cells: Sequence[int], colour_bits: int) -> list[tuple[int, int]]:
    """Key and mask of each sender of so many cells, aligned blocks without a gap in between.

    Raises
    ------
    CapacityError
        When 32 bits are too few.
    """
    bits = [max(n - 1, 0).bit_length() + colour_bits for n in cells]
    keys = [(0, 0)] * len(bits)
    base = 0
    for k in sorted(range(len(bits)), key=lambda k: -bits[k]):
        keys[k] = base, _WORD ^ ((1 << bits[k]) - 1)
        base += 1 << bits[k]
    if base > 1 << 32:
        raise CapacityError(f"the senders need {base} routing keys of {1 << 32}; use fewer cells")
    return keys


def build_tables(
    shape: Torus, trees: Trees, keys: Sequence[tuple[int, int]]
) -> dict[int, list[Entry]]:
    """The entries of every chip, default-routed ones included."""
    tables: dict[int, list[Entry]] = {}
    source = np.full(len(trees.chip), -1, dtype=np.int64)
    starts = [*trees.root.tolist(), len(trees.chip)]
    for tree, (key, mask) in enumerate(keys):
        for node in range(starts[tree], starts[tree + 1]):
            route = 0
            for link in range(LINKS):
                below = trees.child[node, link]
                if below >= 0:
                    route |= 1 << link
                    source[below] = opposite(link)
            for place in range(int(trees.first[node]), int(trees.own[node])):
                route |= 1 << (LINKS + int(trees.port[place]))
            entry = Entry(key, mask, route, int(source[node]))
            tables.setdefault(int(trees.chip[node]), []).append(entry)
    return tables


def fitted(entries: Sequence[Entry], limit: int) -> list[Entry]:
    """A table that routes the same keys in the same way, small enough where that can be.

    Default-routed entries are left out; only if that is not enough, the table is minimised.
    """
    needed = [entry for entry in entries if not entry.straight]
    return needed if len(needed) <= limit else minimised(entries, limit)


def check_tables(
    shape: Torus, tables: dict[int, list[Entry]], limit: int
) -> tuple[dict[int, list[Entry]], int]:
    """All tables within the limit, and how many entries minimising saved.

    Raises
    ------
    CapacityError
        For a chip whose table does not fit.
    """
    result, saved = {}, 0
    for chip, entries in tables.items():
        table = fitted(entries, limit)
        if len(table) > limit:
            raise CapacityError(
                f"the chip at {tuple(shape.position[chip].tolist())} needs {len(table)} routing "
                f"entries of {limit}, minimised; spread the network over fewer cores or more chips"
            )
        plain = sum(not entry.straight for entry in entries)
        saved += max(plain - len(table), 0)
        result[chip] = table
    return result, saved


def look_up(table: Sequence[Entry], key: int, source: int) -> int:
    """Where a packet goes that came by a link (-1: a core); the first entry that matches wins."""
    for entry in table:
        if key & entry.mask == entry.key:
            return entry.route
    if source < 0:
        raise LookupError(f"a packet of key {key:#010x} from a core matches no entry")
    return 1 << opposite(source)


def minimised(entries: Sequence[Entry], target: int) -> list[Entry]:
    """Ordered covering, until the table has ``target`` entries or nothing more can be merged.

    Entries must not meet each other. The most specific stand first.
    """
    table = sorted(entries, key=lambda entry: entry.general)
    #: What each merged entry stands for, as the keys and masks it was made of.
    covers: dict[tuple[int, int], set[tuple[int, int]]] = {}
    while len(table) > target:
        best: list[int] = []
        groups: dict[int, list[int]] = {}
        for k, entry in enumerate(table):
            groups.setdefault(entry.route, []).append(k)
        for group in sorted(groups.values(), key=len, reverse=True):
            if len(group) <= len(best) or len(group) < 2:
                break
            merge = _allowed(table, group, covers, len(best))
            if len(merge) > len(best):
                best = merge
        if len(best) < 2:
            break
        table = _merged(table, best, covers)
    return table


def _union(table: Sequence[Entry], merge: Sequence[int]) -> Entry:
    """The entry that covers all of a merge."""
    ones = zeros = mask = _WORD
    for k in merge:
        entry = table[k]
        ones &= entry.key
        zeros &= ~entry.key
        mask &= entry.mask
    mask &= ones | zeros
    sources = {table[k].source for k in merge}
    source = sources.pop() if len(sources) == 1 else -1
    return Entry(table[merge[0]].key & mask, mask, table[merge[0]].route, source)


def _place(table: Sequence[Entry], general: int) -> int:
    """Where an entry goes in: before the first that is more general, behind those as general."""
    for k, entry in enumerate(table):
        if entry.general > general:
            return k
    return len(table)


def _allowed(
    table: Sequence[Entry],
    group: Sequence[int],
    covers: dict[tuple[int, int], set[tuple[int, int]]],
    least: int,
) -> list[int]:
    """The part of a group that may be merged: nothing then gets to a wrong entry."""
    merge = list(group)
    while len(merge) > max(least, 1):
        union = _union(table, merge)
        place = _place(table, union.general)
        # Up: what is merged must not be taken by an entry between its old place and the new one.
        taken = [
            k for k in merge
            if any(
                table[j].meets(*one) and table[j].route != union.route
                for j in range(k + 1, place) if j not in merge
                for one in covers.get(table[k][:2], {table[k][:2]})
            )
        ]  # fmt: skip
        if taken:
            merge = [k for k in merge if k not in taken]
            continue
        # Down: nothing further down may lose a key that it stands for to the merged entry.
        hidden = [
            one
            for j in range(place, len(table)) if table[j].route != union.route
            for one in covers.get(table[j][:2], {table[j][:2]})
            if union.meets(*one)
        ]  # fmt: skip
        if not hidden:
            return merge
        merge = _away_from(table, merge, union, hidden[0])
    return []


def _away_from(
    table: Sequence[Entry], merge: list[int], union: Entry, hidden: tuple[int, int]
) -> list[int]:
    """The largest part of a merge that agrees in a bit in which it differs from ``hidden``."""
    best: list[int] = []
    key, mask = hidden
    free = mask & ~union.mask & _WORD
    for bit in range(32):
        if not free >> bit & 1:
            continue
        apart = [
            k for k in merge
            if table[k].mask >> bit & 1 and (table[k].key ^ key) >> bit & 1
        ]  # fmt: skip
        if len(apart) > len(best):
            best = apart
    return best


def _merged(
    table: list[Entry],
    merge: Sequence[int],
    covers: dict[tuple[int, int], set[tuple[int, int]]],
) -> list[Entry]:
    union = _union(table, merge)
    covered: set[tuple[int, int]] = set()
    for k in merge:
        entry = table[k][:2]
        covered |= covers.pop(entry, {entry})
    place = _place(table, union.general)
    gone = set(merge)
    result = [entry for k, entry in enumerate(table[:place]) if k not in gone]
    result.append(union)
    result += [entry for k, entry in enumerate(table[place:], place) if k not in gone]
    covers[union[:2]] = covered | covers.get(union[:2], set())
    return result


def table_sizes(tables: dict[int, list[Entry]]) -> NDArray[np.int64]:
    """Entries of each chip that has any."""
    return np.array([len(table) for table in tables.values()], dtype=np.int64)
