"""The functions of :mod:`hwmodels.lanes` in machine code.

Each says in LLVM's terms, on vectors of 64 lanes and of eight words, what its definition there says
with NumPy; LLVM makes of it what the processor has, from registers of 512 bits to those of 128.
Importing this module tells Numba.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import lower_builtin, type_callable

from hwmodels import lanes

BIT, BYTE, NUMBER, WORD, TWO_WORDS = (ir.IntType(bits) for bits in (1, 8, 32, 64, 128))
#: 64 lanes, a bit for each of them, and eight words.
ALL, MASK = ir.VectorType(NUMBER, lanes.LANES), ir.VectorType(BIT, lanes.LANES)
EIGHT = ir.VectorType(WORD, lanes.WORDS)
NO_LANES, NO_WORDS = ir.Constant(ALL, [0] * lanes.LANES), ir.Constant(EIGHT, [0] * lanes.WORDS)


def number(value: int) -> Any:
    """A constant of 64 bits."""
    return ir.Constant(WORD, value)


class Row:
    """An array: values of some kind are loaded from it, and stored, by where they begin."""

    def __init__(self, builder: Any, data: Any) -> None:
        self._builder, self._data = builder, data

    def _place(self, at: Any, kind: Any) -> Any:
        return self._builder.bitcast(self._builder.gep(self._data, [at]), kind.as_pointer())

    def get(self, at: Any, kind: Any) -> Any:
        """What stands there."""
        value = self._builder.load(self._place(at, kind))
        value.align = 4 if kind is ALL else 8
        return value

    def put(self, at: Any, value: Any) -> None:
        """Have a value there."""
        kind = value.type
        self._builder.store(value, self._place(at, kind), align=4 if kind is ALL else 8)


def each(b: Any, value: Any) -> Any:
    """A number in every lane."""
    first = b.insert_element(ir.Constant(ALL, ir.Undefined), b.trunc(value, NUMBER), number(0))
    zeros = ir.Constant(ir.VectorType(NUMBER, lanes.LANES), [0] * lanes.LANES)
    return b.shuffle_vector(first, ir.Constant(ALL, ir.Undefined), zeros)


def is_any(b: Any, words: Any) -> Any:
    """Whether any of eight words is not empty."""
    found = b.bitcast(b.icmp_unsigned("!=", words, NO_WORDS), BYTE)
    return b.icmp_unsigned("!=", found, ir.Constant(BYTE, 0))


def any_of(b: Any, words: Any) -> Any:
    """The lanes of any of eight words: halves are joined until one is left."""
    half = lanes.WORDS // 2
    while half:
        places = [*range(half, 2 * half), *range(lanes.WORDS - half)]
        turned = ir.Constant(ir.VectorType(NUMBER, lanes.WORDS), places)
        words = b.or_(words, b.shuffle_vector(words, words, turned))
        half //= 2
    return b.extract_element(words, number(0))


@contextmanager
def each_bit(b: Any, mask: Any) -> Iterator[Any]:
    """What follows is done for the number of each bit of a mask.

    Loops that are counted get unrolled, and to prepare that takes longer than a few turns.
    """
    rest = cgutils.alloca_once_value(b, mask)
    test, body, after = (b.append_basic_block() for _ in range(3))
    b.branch(test)
    b.position_at_end(test)
    left = b.load(rest)
    b.cbranch(b.icmp_unsigned("!=", left, number(0)), body, after)
    b.position_at_end(body)
    yield b.cttz(left, ir.Constant(BIT, 1))
    b.store(b.and_(left, b.sub(left, number(1))), rest)
    b.branch(test)
    b.position_at_end(after)


def put_under(b: Any, row: Row, at: Any, mask: Any, new: Any) -> None:
    """Have lanes there, of those that a mask names."""
    row.put(at, b.select(b.bitcast(mask, MASK), new, row.get(at, ALL)))


def machine_code(function: Callable[..., Any], returns: Any = types.void) -> Callable[..., Any]:
    """What follows makes the code of a function: from its builder, arrays and numbers."""
    signature = inspect.signature(function)

    def tell(generate: Callable[..., Any]) -> Callable[..., Any]:
        @type_callable(function)
        def _(_: Any) -> Any:
            def typer(*arguments: Any) -> Any:
                return returns

            typer.__signature__ = signature  # type: ignore[attr-defined]
            return typer

        @lower_builtin(function, types.VarArg(types.Any))
        def _(context: Any, builder: Any, typed: Any, values: Any) -> Any:
            arguments = [
                Row(builder, context.make_array(kind)(context, builder, value).data)
                if isinstance(kind, types.Array)
                else context.cast(builder, value, kind, types.int64)
                for kind, value in zip(typed.args, values, strict=True)
            ]
            made = generate(builder, *arguments)
            return context.get_dummy_value() if made is None else made

        return generate

    return tell


@machine_code(lanes.with_bits, types.int64)
def _(b: Any, row: Row, at: Any, bits: Any) -> Any:
    some = b.and_(row.get(at, ALL), each(b, bits))
    return b.bitcast(b.icmp_unsigned("!=", some, NO_LANES), WORD)


@machine_code(lanes.with_value, types.int64)
def _(b: Any, row: Row, at: Any, bits: Any, value: Any) -> Any:
    some = b.and_(row.get(at, ALL), each(b, bits))
    return b.bitcast(b.icmp_unsigned("==", some, each(b, value)), WORD)


@machine_code(lanes.move)
def _(b: Any, row: Row, to: Any, begin: Any, mask: Any) -> None:
    put_under(b, row, to, mask, row.get(begin, ALL))


@machine_code(lanes.merge)
def _(
    b: Any, row: Row, to: Any, begin: Any, stride: Any, words: Row, given: Any, width: Any,
    sources: Any, mask: Any, less: Any,
) -> None:  # fmt: skip
    merged = cgutils.alloca_once_value(b, NO_LANES)
    with each_bit(b, sources) as k:
        named = words.get(b.add(given, b.mul(k, width)), WORD)
        new = row.get(b.add(begin, b.mul(k, stride)), ALL)
        b.store(b.select(b.bitcast(named, MASK), new, b.load(merged)), merged)
    put_under(b, row, to, mask, b.sub(b.load(merged), each(b, less)))


@machine_code(lanes.word_at, types.int64)
def _(b: Any, words: Row, bit: Any) -> Any:
    at, shift = b.ashr(bit, number(lanes.LANE_BITS)), b.and_(bit, number(lanes.LANES - 1))
    low, high = words.get(at, WORD), words.get(b.add(at, number(1)), WORD)
    # By 64 no word can be shifted.
    high = b.shl(b.shl(high, number(1)), b.sub(number(lanes.LANES - 1), shift))
    return b.or_(b.lshr(low, shift), high)


@machine_code(lanes.lane, types.int64)
def _(b: Any, place: Any) -> Any:
    return b.shl(number(1), place)


@machine_code(lanes.part_of, types.int64)
def _(b: Any, value: Any, share: Any) -> Any:
    product = b.mul(b.zext(value, TWO_WORDS), b.zext(share, TWO_WORDS))
    return b.trunc(b.lshr(product, ir.Constant(TWO_WORDS, lanes.SHARE_BITS)), WORD)


@machine_code(lanes.lowest_bit, types.int64)
def _(b: Any, mask: Any) -> Any:
    return b.cttz(mask, ir.Constant(BIT, 1))


@machine_code(lanes.without_lowest, types.int64)
def _(b: Any, mask: Any) -> Any:
    return b.and_(mask, b.sub(mask, number(1)))


@machine_code(lanes.add_to_ranks, types.boolean)
def _(b: Any, words: Row, at: Any, some: Any) -> Any:
    rank, left = words.get(at, EIGHT), words.get(some, EIGHT)
    words.put(at, b.or_(rank, left))
    left = b.and_(rank, left)
    words.put(some, left)
    return is_any(b, left)


@machine_code(lanes.take_from_ranks, types.boolean)
def _(b: Any, words: Row, at: Any, above: Any, some: Any) -> Any:
    behind, left = words.get(above, EIGHT), words.get(some, EIGHT)
    words.put(at, b.and_(words.get(at, EIGHT), b.or_(behind, b.not_(left))))
    left = b.and_(left, behind)
    words.put(some, left)
    return is_any(b, left)


@machine_code(lanes.join)
def _(b: Any, words: Row, at: Any, some: Any) -> None:
    words.put(at, b.or_(words.get(at, EIGHT), words.get(some, EIGHT)))


@machine_code(lanes.first_half)
def _(b: Any, words: Row, at: Any, some: Any) -> None:
    half = lanes.WORDS // 2
    words.put(at, b.and_(words.get(some, EIGHT), ir.Constant(EIGHT, [-1] * half + [0] * half)))


@machine_code(lanes.toggle)
def _(b: Any, words: Row, at: Any, some: Any) -> None:
    words.put(at, b.xor(words.get(at, EIGHT), words.get(some, EIGHT)))
    words.put(some, NO_WORDS)


@machine_code(lanes.round_robin)
def _(
    b: Any, words: Row, wants: Any, pointers: Any, full: Any, busy: Any, grants: Any, popped: Any,
    inputs: Any, row: Any,
) -> None:  # fmt: skip
    first, last = number(0), b.sub(inputs, number(1))
    every = b.sub(b.shl(number(1), inputs), number(1))
    token, moved = cgutils.alloca_once(b, EIGHT), cgutils.alloca_once(b, EIGHT)

    def place(begin: Any, k: Any, column: Any) -> Any:
        return b.add(begin, b.add(b.mul(k, row), column))

    with each_bit(b, every) as k:
        words.put(b.add(popped, k), first)
    with cgutils.for_range_slice(b, first, row, number(lanes.WORDS), WORD) as (column, _count):
        b.store(NO_WORDS, token)
        b.store(NO_WORDS, moved)
        shut = b.or_(words.get(b.add(full, column), EIGHT), words.get(b.add(busy, column), EIGHT))
        for second in (False, True):
            with each_bit(b, every) as k:
                asks = words.get(place(wants, k, column), EIGHT)
                asks = b.and_(asks, b.not_(shut))
                have, out = b.load(token), place(grants, k, column)
                if not second:
                    have = b.or_(have, words.get(place(pointers, k, column), EIGHT))
                given = b.and_(have, asks)
                b.store(b.and_(have, b.not_(asks)), token)
                b.store(b.or_(b.load(moved), given), moved)
                words.put(out, b.or_(given, words.get(out, EIGHT)) if second else given)
        words.put(place(grants, inputs, column), b.load(moved))
        # What an input was granted moves the pointer to the next one.
        b.store(words.get(place(grants, last, column), EIGHT), token)
        with each_bit(b, every) as k:
            given = words.get(place(grants, k, column), EIGHT)
            at = place(pointers, k, column)
            kept = b.and_(words.get(at, EIGHT), b.not_(b.load(moved)))
            words.put(at, b.or_(kept, b.load(token)))
            b.store(given, token)
            at = b.add(popped, k)
            words.put(at, b.or_(words.get(at, WORD), any_of(b, given)))
