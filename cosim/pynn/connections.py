"""The connections of one projection, as columns of arrays.

In: chunks, as connectors make them (one a postsynaptic cell, or all at once). Out: one array for
each of presynaptic index, postsynaptic index and synaptic parameter, in the order of creation.
There is never an object for each connection. Indices are those of the projection's own pre and
post; :mod:`cosim.pynn.lowering` knows which cells these are when they are views or assemblies.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


class Connections:
    """Columns ``pre``, ``post`` (int32) and one (float64) for each synaptic parameter."""

    def __init__(self) -> None:
        self._chunks: list[tuple[NDArray, NDArray | int, Mapping[str, NDArray | float]]] = []
        self._columns: dict[str, NDArray] = {
            "pre": np.empty(0, dtype=np.int32),
            "post": np.empty(0, dtype=np.int32),
        }
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
        """Return a whole column; not to be changed in place."""
        if self._chunks:
            self._join()
        return self._columns[name]

    def __setitem__(self, name: str, values: NDArray[np.float64]) -> None:
        """Replace a column of a parameter."""
        if self._chunks:
            self._join()
        if np.shape(values) != (self._length,):
            raise ValueError(f"{name}: {self._length} values are needed, got {np.shape(values)}")
        self._columns[name] = values

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        if self._chunks:
            self._join()
        return tuple(self._columns)

    def _join(self) -> None:
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
