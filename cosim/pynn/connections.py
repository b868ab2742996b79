"""The connections of one projection, as columns of arrays.

In: chunks, as connectors make them (one a postsynaptic cell, or all at once). Out: one array for
each of presynaptic index, postsynaptic index and synaptic parameter, in the order of creation, or
row by row as the lowered network has them. There is never an object for each connection. Indices
are those of the projection's own pre and post; :mod:`cosim.pynn.lowering` knows which cells these
are when they are views or assemblies.

Once someone asks for rows, columns are kept row by row alone, with the place of each connection,
so that the network and the script share one set of arrays; columns in the order of creation are
then made when a script looks at them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodels.compiling import can_compile, compiled

#: Indices converted to NumPy's own width at once, which takes eight bytes each.
_BLOCK = 1 << 18
#: Connections from which on machine code is worth being loaded.
_MANY = 1 << 18
_NONE = np.empty(0)


class Rows(NamedTuple):
    """Where connections are when they are sorted by presynaptic index and then as created.

    Attributes
    ----------
    indptr : int64, shape (n_pre + 1,)
    target : int32, shape (n,)
        Postsynaptic index.
    place : int32 (int64 from 2**31 connections on), shape (n,)
        Position of each connection, in the order of creation.
    """

    indptr: NDArray[np.int64]
    target: NDArray[np.int32]
    place: NDArray[np.signedinteger]


class Connections:
    """Columns ``pre``, ``post`` (int32) and one (float64) for each synaptic parameter."""

    def __init__(self) -> None:
        self._chunks: list[tuple[NDArray, NDArray | int, Mapping[str, NDArray | float]]] = []
        self._columns: dict[str, NDArray] = {
            "pre": np.empty(0, dtype=np.int32),
            "post": np.empty(0, dtype=np.int32),
        }
        #: Where columns of parameters are sorted by row, and there are no others.
        self._rows: Rows | None = None
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(
        self, pre: NDArray, post: NDArray | int, parameters: Mapping[str, NDArray | float]
    ) -> None:
        """Add connections; a number instead of an array holds for all of them."""
        self._chunks.append((pre, post, parameters))
        self._length += len(pre)

    def __getitem__(self, name: str) -> NDArray:
        """Return a whole column in the order of creation; not to be changed in place."""
        self._join()
        if self._rows is None:
            return self._columns[name]
        if name == "pre":
            indptr = self._rows.indptr
            return self.created(np.repeat(np.arange(len(indptr) - 1), np.diff(indptr)))
        return self.created(self._rows.target if name == "post" else self._columns[name])

    def __setitem__(self, name: str, values: NDArray[np.float64]) -> None:
        """Replace a column of a parameter, given in the order of creation."""
        self._join()
        if np.shape(values) != (self._length,):
            raise ValueError(f"{name}: {self._length} values are needed, got {np.shape(values)}")
        self._columns[name] = values if self._rows is None else moved(values, self._rows.place)

    def value(self, name: str, index: int) -> float:
        """One value of a column."""
        self._join()
        if self._rows is None:
            return self._columns[name][index]
        place = self._rows.place[index]
        if name == "pre":
            return int(np.searchsorted(self._rows.indptr, place, side="right")) - 1
        return (self._rows.target if name == "post" else self._columns[name])[place]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        self._join()
        return ("pre", "post", *(name for name in self._columns if name not in ("pre", "post")))

    # --- Row by row -----------------------------------------------------------------------------

    def rows(self, n_pre: int) -> Rows:
        """Where connections are; the same object until there are more of them."""
        self._join()
        if self._rows is None:
            pre, indptr = self._columns.pop("pre"), np.zeros(n_pre + 1, dtype=np.int64)
            for first in range(0, len(pre), _BLOCK):
                indptr[1:] += np.bincount(pre[first : first + _BLOCK], minlength=n_pre)
            np.cumsum(indptr, out=indptr)
            place = places(pre, indptr)
            del pre
            # One after the other, so that at most one column is there twice.
            target = moved(self._columns.pop("post"), place)
            for name in tuple(self._columns):
                self._columns[name] = moved(self._columns.pop(name), place)
            self._rows = Rows(indptr, target, place)
        return self._rows

    def unordered(self, name: str) -> NDArray[np.float64]:
        """A parameter as it is kept: in the order of :meth:`rows`, once someone has asked for it.

        It is the same object as long as nothing changes; empty where there is no connection.
        """
        self._join()
        return self._columns.get(name, _NONE)

    def created(self, values: NDArray) -> NDArray:
        """Values given row by row, in the order of creation."""
        assert self._rows is not None
        if values.strides == (0,):
            return values
        place, out = self._rows.place, np.empty_like(values)
        for first in range(0, len(out), _BLOCK):
            out[first : first + _BLOCK] = values[place[first : first + _BLOCK]]
        return out

    # --- Chunks to columns ----------------------------------------------------------------------

    def _join(self) -> None:
        if not self._chunks:
            return
        if self._rows is not None:
            chunks, self._chunks = self._chunks, []
            columns = {name: self[name] for name in self.names}
            self._columns, self._rows, self._chunks = columns, None, chunks
        chunks, self._chunks = self._chunks, []
        lengths = np.array([len(pre) for pre, _, _ in chunks])
        self._extend("pre", [pre for pre, _, _ in chunks], lengths, np.int32)
        self._extend("post", [post for _, post, _ in chunks], lengths, np.int32)
        for name in chunks[0][2]:
            self._extend(name, [values[name] for _, _, values in chunks], lengths, np.float64)

    def _extend(self, name: str, parts: list, lengths: NDArray, dtype: type) -> None:
        before = self._columns.get(name)
        if not any(np.ndim(part) for part in parts):
            values: NDArray = np.asarray(parts, dtype=dtype)
            if np.all(values == values[0]) and not (before is not None and len(before)):
                # One value for all takes no room.
                joined: NDArray = np.broadcast_to(values[:1], (int(lengths.sum()),))
            else:
                joined = np.repeat(values, lengths)
        elif len(parts) == 1 and len(parts[0]) == lengths[0]:
            joined = np.asarray(parts[0], dtype=dtype)
        else:
            joined = np.empty(int(lengths.sum()), dtype=dtype)
            end = 0
            for part, length in zip(parts, lengths.tolist(), strict=True):
                joined[end : end + length] = part
                end += length
        if before is not None and len(before):
            joined = np.concatenate((before, joined))
        self._columns[name] = joined


def places(index: NDArray, indptr: NDArray[np.int64]) -> NDArray[np.signedinteger]:
    """Position of each item when all are sorted by index, and equal ones stay in order.

    Parameters
    ----------
    index : integer, shape (n,)
    indptr : int64
        How many have a smaller index than 0, 1, 2 ...
    """
    place: NDArray = np.empty(len(index), dtype=np.int32 if len(index) < 2**31 else np.int64)
    if len(index) >= _MANY and can_compile():
        compiled(count_off)(index, indptr[:-1].copy(), place)
    else:
        place[np.argsort(index, kind="stable")] = np.arange(len(index))
    return place


def count_off(index, following, place):  # type: ignore[no-untyped-def]
    """Give each item the next place of its index: a kernel."""
    for k in range(len(index)):
        place[k] = following[index[k]]
        following[index[k]] += 1


def moved(values: NDArray, place: NDArray[np.signedinteger]) -> NDArray:
    """Values with each at its place."""
    if values.strides == (0,):  # one value for all
        return values
    out = np.empty_like(values)
    for first in range(0, len(values), _BLOCK):
        out[place[first : first + _BLOCK]] = values[first : first + _BLOCK]
    return out
