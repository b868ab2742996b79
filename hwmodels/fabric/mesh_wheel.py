"""Which routers have something to do when, for :mod:`hwmodels.fabric.mesh_kernel`.

Time is cut into windows. A wheel lists the routers of each of the next ones (each router in the
list of its earliest one), and a heap has those whose time is farther away.
"""

from __future__ import annotations

from hwmodels.compiling import lowest_bit
from hwmodels.fabric.mesh_tables import (
    ACTING,
    ARRIVING,
    BEFORE,
    FAR,
    INDEX,
    NEVER,
    NEXT,
    NOW,
    POSITION,
    ROUTER_WINDOWS,
    ROUTERS,
    SIZE,
    WINDOW,
    WINDOWS,
    WORD_BITS,
    WORDS,
)


def heap_put(state, router, at):  # type: ignore[no-untyped-def]
    """Have a router in the heap, at this time or earlier."""
    mesh, heap_ps, heap_router = state.mesh, state.heap_ps, state.heap_router
    place = mesh[router + POSITION]
    if place < 0:
        place = state.wheel[SIZE]
        state.wheel[SIZE] = place + 1
    elif heap_ps[place] <= at:
        return
    while place > 0:
        above = (place - 1) >> 1
        if heap_ps[above] <= at:
            break
        heap_ps[place], heap_router[place] = heap_ps[above], heap_router[above]
        mesh[heap_router[place] + POSITION] = place
        place = above
    heap_ps[place], heap_router[place], mesh[router + POSITION] = at, router, place


def heap_take(state):  # type: ignore[no-untyped-def]
    """Take the router with the earliest time out of the heap."""
    mesh, heap_ps, heap_router = state.mesh, state.heap_ps, state.heap_router
    router, last = heap_router[0], state.wheel[SIZE] - 1
    state.wheel[SIZE] = last
    mesh[router + POSITION] = -1
    if last > 0:
        at, moved = heap_ps[last], heap_router[last]
        place, below = 0, 1
        while below < last:
            if below + 1 < last and heap_ps[below + 1] < heap_ps[below]:
                below += 1
            if heap_ps[below] >= at:
                break
            heap_ps[place], heap_router[place] = heap_ps[below], heap_router[below]
            mesh[heap_router[place] + POSITION] = place
            place, below = below, 2 * below + 1
        heap_ps[place], heap_router[place], mesh[moved + POSITION] = at, moved, place
    return router


def unlink(mesh, wheel, router):  # type: ignore[no-untyped-def]
    """Take a router out of the list of its window."""
    before, behind = mesh[router + BEFORE], mesh[router + NEXT]
    if behind >= 0:
        mesh[behind + BEFORE] = before
    if before >= 0:
        mesh[before + NEXT] = behind
        return
    slot = mesh[router + WINDOW] & (ROUTER_WINDOWS - 1)
    wheel[ROUTERS + slot] = behind
    if behind < 0:
        unmark(wheel, slot)


def unmark(wheel, slot):  # type: ignore[no-untyped-def]
    """No router is looked at in a window of the wheel."""
    word = slot >> WORD_BITS
    wheel[WORDS + word] ^= 1 << (slot & (WINDOWS - 1))
    if not wheel[WORDS + word]:
        wheel[ACTING] ^= 1 << word


def wake(shape, state, router, at):  # type: ignore[no-untyped-def]
    """Look at a router at some time, which is not before the window at hand."""
    mesh, wheel, window = state.mesh, state.wheel, at >> shape.window
    if window >= mesh[router + WINDOW]:
        return
    if window - wheel[NOW] >= ROUTER_WINDOWS:
        if at < NEVER:
            heap_put(state, router, at)
        return
    if mesh[router + WINDOW] != FAR:
        unlink(mesh, wheel, router)
    slot = window & (ROUTER_WINDOWS - 1)
    behind, word = wheel[ROUTERS + slot], slot >> WORD_BITS
    wheel[ROUTERS + slot] = router
    mesh[router + WINDOW], mesh[router + NEXT], mesh[router + BEFORE] = window, behind, -1
    if behind >= 0:
        mesh[behind + BEFORE] = router
    wheel[WORDS + word] |= 1 << (slot & (WINDOWS - 1))
    wheel[ACTING] |= 1 << word


def ahead(mask, here):  # type: ignore[no-untyped-def]
    """How far behind a bit the next one is set in a mask of windows, that bit included."""
    return lowest_bit((mask >> here | mask << (WINDOWS - here)) & INDEX)


def next_window(shape, state, until_ps):  # type: ignore[no-untyped-def]
    """The first window in which anything happens; what does is in the wheel.

    Past any number where this is not before ``until_ps``.
    """
    wheel = state.wheel
    while True:
        window, now = FAR, wheel[NOW]
        if wheel[ARRIVING]:
            window = now + ahead(wheel[ARRIVING], now & (WINDOWS - 1))
        if wheel[ACTING]:
            word, bit = (now & (ROUTER_WINDOWS - 1)) >> WORD_BITS, now & (WINDOWS - 1)
            rest = wheel[WORDS + word] >> bit
            if rest:
                first = now + lowest_bit(rest)
            else:
                # The word at hand comes last: it has windows of the next turn.
                others = wheel[ACTING] & ~(1 << word)
                far = ahead(others, word) if others else WINDOWS
                word = (word + far) & (WINDOWS - 1)
                first = now - bit + (far << WORD_BITS) + lowest_bit(wheel[WORDS + word])
            window = min(window, first)
        at = state.heap_ps[0] if wheel[SIZE] else FAR
        if at >> shape.window > window or at >= until_ps:
            return window
        wheel[NOW] = at >> shape.window
        wake(shape, state, heap_take(state) & INDEX, at)
