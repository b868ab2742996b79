"""The compiled engine of the router hierarchy: the same rules over flat arrays, with Numba."""

from __future__ import annotations

import heapq
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from hwmodels.fabric.hierarchy import Arrived, Hierarchy, Words, upstream

_NEVER = np.iinfo(np.int64).max


class _State(NamedTuple):
    """Stations and packets. ``held`` and ``held_core`` are rings of ``depth`` places."""

    end_ps: NDArray[np.int64]
    ready_ps: NDArray[np.int64]
    head: NDArray[np.int64]
    n_held: NDArray[np.int64]
    held: NDArray[np.int64]
    held_core: NDArray[np.int64]
    queue_head: NDArray[np.int64]
    queue_tail: NDArray[np.int64]
    queue_length: NDArray[np.int64]
    served: NDArray[np.int64]
    longest: NDArray[np.int64]


class _Packets(NamedTuple):
    """Packets that are not forgotten yet.

    ``pending`` has a bit for each core of the word that has not taken it; ``following`` is the next
    one in the queue of a first station, and from there on how many cores have not served it.
    """

    word: NDArray[np.int64]
    position: NDArray[np.int64]
    pending: NDArray[np.int64]
    following: NDArray[np.int64]


class CompiledHierarchy:
    """Implements :class:`hwmodels.fabric.hierarchy.HierarchyEngine`.

    Parameters
    ----------
    shape : Hierarchy
    words : Words
    """

    def __init__(self, shape: Hierarchy, words: Words) -> None:
        self.shape, self._words = shape, words
        self._service_ps = shape.service_ps
        self._upstream = upstream(shape)
        n, depth = len(self._service_ps), shape.depth
        zeros = np.zeros(n, dtype=np.int64)
        self._state = _State(
            np.full(n, _NEVER), zeros - 1, zeros.copy(), zeros.copy(),
            np.zeros((n, depth), dtype=np.int64), np.zeros((n, depth), dtype=np.int64),
            zeros - 1, zeros - 1, zeros.copy(), zeros.copy(), zeros.copy(),
        )  # fmt: skip
        self._packets = _Packets(*(np.empty(0, dtype=np.int64) for _ in range(4)))
        self._copies = np.diff(words.core_start)
        self._first = 0  # number of the oldest packet that is kept
        self._open = 0
        self._open_copies = 0

    def run(self, word: NDArray[np.int64], time_ps: NDArray[np.int64], until_ps: int) -> Arrived:
        """See :class:`hwmodels.fabric.hierarchy.HierarchyEngine`."""
        if not len(word) and not self._open:
            empty = np.empty(0, dtype=np.int64)
            return Arrived(empty, empty, empty, empty)
        if not self._open:  # all that is kept has arrived
            self._first += len(self._packets.word)
            self._packets = _Packets(*(np.empty(0, dtype=np.int64) for _ in range(4)))
        known = len(self._packets.word)
        new = (word, np.zeros(len(word)), (1 << self._copies[word]) - 1, np.full(len(word), -1))
        self._packets = _Packets(
            *(
                np.concatenate((old, added)).astype(np.int64)
                for old, added in zip(self._packets, new, strict=True)
            )
        )
        out = np.empty((self._open_copies + int(self._copies[word].sum()), 3), dtype=np.int64)
        dropped = np.empty(len(word), dtype=np.int64)
        n_out, n_dropped = _run(
            self._service_ps, *self._upstream, self.shape.depth, self.shape.broadcast(0),
            self.shape.host, self.shape.host_queue, self._words, self._state, self._packets,
            known, np.asarray(time_ps, dtype=np.int64), until_ps, out, dropped,
        )  # fmt: skip
        out, dropped = out[:n_out], dropped[:n_dropped]
        lost = int(self._copies[self._packets.word[dropped]].sum())
        self._open_copies += int(self._copies[word].sum()) - n_out - lost
        self._open += len(word) - n_dropped - int(np.count_nonzero(out[:, 2] < 0))
        packet = np.where(out[:, 2] < 0, -1 - out[:, 2], out[:, 2])
        return Arrived(packet + self._first, out[:, 1], out[:, 0], dropped + self._first)

    @property
    def under_way(self) -> int:
        """See :class:`hwmodels.fabric.hierarchy.HierarchyEngine`."""
        return self._open

    @property
    def served(self) -> NDArray[np.int64]:
        """See :class:`hwmodels.fabric.hierarchy.HierarchyEngine`."""
        return self._state.served

    @property
    def longest_queue(self) -> NDArray[np.int64]:
        """See :class:`hwmodels.fabric.hierarchy.HierarchyEngine`."""
        return self._state.longest


@numba.njit(cache=True)
def _run(
    service, up_start, up, depth, first_receiver, host, host_queue, words, state, packets,
    known, time_ps, until_ps, out, dropped,
):  # fmt: skip
    """Work off everything before ``until_ps``; returns the numbers of arrivals and drops.

    A row of ``out`` is (time, core, packet); the last core of a packet gives it as ``-1 - packet``.
    """
    heap: list[Any] = [(np.int64(0), np.int64(0))]
    heap.pop()
    for s in range(len(service)):
        if state.end_ps[s] != _NEVER:
            heap.append((state.end_ps[s], np.int64(s)))
    heapq.heapify(heap)
    work = np.empty(len(service), dtype=np.int64)
    listed = np.zeros(len(service), dtype=np.bool_)
    n_out = n_dropped = n_work = given = 0
    while True:
        now: Any = heap[0][0] if len(heap) else _NEVER
        if given < len(time_ps) and time_ps[given] < now:
            now = time_ps[given]
        if now >= until_ps:
            break
        # Services that end.
        while len(heap) and heap[0][0] == now:
            s = heapq.heappop(heap)[1]
            state.end_ps[s] = _NEVER
            state.served[s] += 1
            p = state.held[s, state.head[s]]
            if s >= first_receiver and s != host:
                out[n_out, 0], out[n_out, 1] = now, s - first_receiver
                packets.following[p] -= 1
                last = packets.following[p] == 0
                out[n_out, 2] = -1 - p if last else p
                n_out += 1
                state.head[s] = (state.head[s] + 1) % depth
                state.n_held[s] -= 1
                if state.n_held[s]:
                    state.end_ps[s] = now + service[s]
                    heapq.heappush(heap, (state.end_ps[s], s))
                if not listed[s]:
                    listed[s] = True
                    work[n_work] = s
                    n_work += 1
                continue
            state.ready_ps[s] = now
            w = packets.word[p]
            at = words.route_start[w] + packets.position[p] + 1
            if at < words.route_start[w + 1]:
                t = words.route[at]
                if not listed[t]:
                    listed[t] = True
                    work[n_work] = t
                    n_work += 1
            else:
                for k in range(words.core_start[w], words.core_start[w + 1]):
                    t = first_receiver + words.core[k]
                    if not listed[t]:
                        listed[t] = True
                        work[n_work] = t
                        n_work += 1
        # Packets that ask.
        while given < len(time_ps) and time_ps[given] == now:
            p = known + given
            given += 1
            w = packets.word[p]
            s = words.route[words.route_start[w]]
            if s == host and state.queue_length[s] >= host_queue:
                dropped[n_dropped] = p
                n_dropped += 1
                continue
            if state.queue_length[s] == 0:
                state.queue_head[s] = p
            else:
                packets.following[state.queue_tail[s]] = p
            state.queue_tail[s] = p
            state.queue_length[s] += 1
            state.longest[s] = max(state.longest[s], state.queue_length[s])
            if not listed[s]:
                listed[s] = True
                work[n_work] = s
                n_work += 1
        # Stations take what waits, until nobody can take any more.
        while n_work:
            n_work -= 1
            s = work[n_work]
            listed[s] = False
            while state.n_held[s] < depth:
                core = np.int64(-1)
                if state.queue_length[s]:
                    p = state.queue_head[s]
                    state.queue_head[s] = packets.following[p]
                    state.queue_length[s] -= 1
                    w = packets.word[p]
                    packets.following[p] = words.core_start[w + 1] - words.core_start[w]
                else:
                    giver, since, which = np.int64(-1), _NEVER, np.int64(-1)
                    for k in range(up_start[s], up_start[s + 1]):
                        g = up[k]
                        if state.ready_ps[g] < 0 or state.ready_ps[g] >= since:
                            continue
                        p = state.held[g, state.head[g]]
                        w = packets.word[p]
                        at = words.route_start[w] + packets.position[p] + 1
                        if at < words.route_start[w + 1]:
                            if words.route[at] == s:
                                giver, since, which = g, state.ready_ps[g], np.int64(-1)
                        elif s >= first_receiver:
                            for j in range(words.core_start[w], words.core_start[w + 1]):
                                bit = j - words.core_start[w]
                                if (
                                    words.core[j] == s - first_receiver
                                    and (packets.pending[p] >> bit) & 1
                                ):
                                    giver, since, which = g, state.ready_ps[g], bit
                    if giver < 0:
                        break
                    p = state.held[giver, state.head[giver]]
                    if which < 0:
                        packets.position[p] += 1
                        leaves = True
                    else:
                        packets.pending[p] &= ~(np.int64(1) << which)
                        leaves = packets.pending[p] == 0
                        core = which
                    if leaves:
                        state.head[giver] = (state.head[giver] + 1) % depth
                        state.n_held[giver] -= 1
                        state.ready_ps[giver] = -1
                        if state.n_held[giver]:
                            state.end_ps[giver] = now + service[giver]
                            heapq.heappush(heap, (state.end_ps[giver], np.int64(giver)))
                        if not listed[giver]:
                            listed[giver] = True
                            work[n_work] = giver
                            n_work += 1
                place = (state.head[s] + state.n_held[s]) % depth
                state.held[s, place], state.held_core[s, place] = p, core
                state.n_held[s] += 1
                if state.n_held[s] == 1:
                    state.end_ps[s] = now + service[s]
                    heapq.heappush(heap, (state.end_ps[s], np.int64(s)))
    return n_out, n_dropped
