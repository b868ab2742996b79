"""Dataclasses of arrays to one file and back: a NumPy ``.npz`` with a JSON header inside.

The header holds the tree of names and plain values; arrays stand beside it under running names.
Nothing is pickled, so a file from a stranger cannot run code. The header carries the content
hash, so a damaged file is noticed even where zip's own checksum would pass.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hwmodels.errors import ArchiveError

#: Raised when the layout of the dataclasses changes so that old files cannot be read.
FORMAT = 1

T = TypeVar("T")


def save(instance: Any, path: str | Path) -> None:
    """Write a dataclass of arrays, mappings, tuples and plain values to ``path``."""
    arrays: list[np.ndarray] = []
    header = {
        "format": FORMAT,
        "kind": type(instance).__name__,
        "hash": content_hash(instance),
        "content": _encode(instance, arrays),
    }
    named = {f"array{i}": array for i, array in enumerate(arrays)}
    with open(path, "wb") as file:
        np.savez_compressed(file, header=np.array(json.dumps(header)), **named)  # type: ignore[arg-type]


def load(kind: type[T], path: str | Path) -> T:
    """Read an instance of ``kind`` that :func:`save` wrote.

    Raises
    ------
    ArchiveError
        When the file is missing, damaged, of another kind or of another format.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            arrays = [file[f"array{i}"] for i in range(len(file.files) - 1)]
    except FileNotFoundError:
        raise ArchiveError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, TypeError) as error:
        raise ArchiveError(
            f"{path}: not a readable {kind.__name__} file ({type(error).__name__})"
        ) from None
    if not isinstance(header, dict) or header.get("kind") != kind.__name__:
        found = header.get("kind") if isinstance(header, dict) else "something else"
        raise ArchiveError(f"{path}: holds a {found}, not a {kind.__name__}")
    if header.get("format") != FORMAT:
        raise ArchiveError(
            f"{path}: format {header.get('format')}, this version reads format {FORMAT}"
        )
    try:
        instance = _decode(header["content"], kind, arrays)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ArchiveError(f"{path}: damaged header ({error})") from None
    if content_hash(instance) != header["hash"]:
        raise ArchiveError(f"{path}: content does not match its hash; the file is damaged")
    return typing.cast(T, instance)


def content_hash(instance: Any) -> str:
    """SHA-256 over names, plain values, dtypes, shapes and bytes, in a fixed order."""
    arrays: list[np.ndarray] = []
    tree = json.dumps(_encode(instance, arrays), sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(tree.encode())
    for array in arrays:
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{little.dtype.descr}{little.shape}".encode())
        digest.update(np.ascontiguousarray(little).tobytes())
    return digest.hexdigest()


def _encode(value: Any, arrays: list[np.ndarray]) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _encode(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"__array__": len(arrays) - 1}
    if isinstance(value, Mapping):
        return {str(k): _encode(value[k], arrays) for k in sorted(value)}
    if isinstance(value, (tuple, list)):
        return [_encode(item, arrays) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"cannot archive a {type(value).__name__}")


def _decode(value: Any, annotation: Any, arrays: list[np.ndarray]) -> Any:
    """Rebuild a value by the annotation of the field it belongs to."""
    if isinstance(value, dict) and "__array__" in value:
        return arrays[value["__array__"]]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        (annotation,) = [a for a in arguments if a is not type(None)]
        return _decode(value, annotation, arrays)
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        hints = typing.get_type_hints(annotation)
        return annotation(**{name: _decode(v, hints[name], arrays) for name, v in value.items()})
    if origin is tuple:
        inner = arguments[0]
        return tuple(_decode(item, inner, arrays) for item in value)
    if isinstance(value, dict):
        inner = arguments[1] if len(arguments) == 2 else Any
        return {k: _decode(v, inner, arrays) for k, v in value.items()}
    return value
