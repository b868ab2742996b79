"""Compiled kernels, made on first use and kept on disk.

A kernel is a plain Python function over arrays. :func:`compiled` gives it as machine code; without
Numba, or where someone wants to step through it, the function itself does the same. Numba is
imported only when the first kernel is asked for.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

#: What tells Numba of vectors of lanes.
_LANES = "hwmodels.lanes_llvm"

#: Bytes of a cache line, and of the widest registers.
LINE = 64


@cache
def can_compile() -> bool:
    """Whether Numba is installed; says so once when it is not."""
    if importlib.util.find_spec("numba") is not None:
        return True
    log.warning("Numba is not installed: plain Python computes the same, more slowly")
    return False


@cache
def has_wide_registers() -> bool:
    """Whether the processor that kernels are compiled for has registers of 512 bits."""
    numba = _numba()
    if numba.config.CPU_FEATURES is not None:
        return "+avx512f" in numba.config.CPU_FEATURES.split(",")
    binding = importlib.import_module("llvmlite.binding")
    return bool(binding.get_host_cpu_features().get("avx512f", False))


@cache
def _numba() -> Any:
    """Numba, told that a loop over many arrays is worth the checks that these do not overlap.

    By default LLVM gives up vectorising a loop over more than a few arrays.
    """
    import llvmlite.binding
    import numba

    llvmlite.binding.set_option("", "--runtime-memory-check-threshold=300")
    _load_array_functions()
    importlib.import_module(_LANES)
    return numba


def _load_array_functions() -> None:
    """Numba's array functions, without the SciPy that kernels of ours have no use for.

    While they are imported, these import SciPy's linear algebra to see whether it is there, which
    takes as long as Numba itself. A kernel that multiplies matrices asks again as it is compiled.
    """
    from numba.np import linalg

    if importlib.util.find_spec("scipy") is None or not hasattr(linalg, "ensure_blas"):
        return
    importing, linalg.ensure_blas = linalg.ensure_blas, lambda: None
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        linalg.ensure_blas = importing


@cache
def compiled(
    function: Callable[..., Any], *parts: Callable[..., Any], allocates: bool = True
) -> Callable[..., Any]:
    """A function as machine code, with the functions it calls.

    The code is cached beside the source file, so it is compiled once for an installation. A
    kernel that allocates no arrays (nor lists) need not count who uses those it is given, which
    costs locked instructions wherever one function hands arrays to another, and becomes one
    with its parts.
    """
    numba = _numba()
    for part in parts:
        numba.extending.register_jitable(forceinline=not allocates)(part)
    kernel = numba.njit(cache=True, nogil=True, _nrt=allocates)(function)
    _watch(kernel, (function, *parts))
    return kernel


def aligned(shape: int | tuple[int, ...], dtype: Any) -> NDArray:
    """Zeros that begin where a cache line does, as wide registers are loaded best."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + LINE, dtype=np.uint8)
    begin = -room.ctypes.data % LINE
    return room[begin : begin + size].view(dtype).reshape(shape)


def _watch(kernel: Any, functions: tuple[Callable[..., Any], ...]) -> None:
    """Have code on disk forgotten when any of these functions changes, not only the first.

    Numba compares the time and size of the first one's file, and offers no way to say what else
    went in: other files, and constants from anywhere.
    """
    kept: Any = getattr(getattr(kernel, "_cache", None), "_cache_file", None)
    lanes = importlib.util.find_spec(_LANES)
    sources = [one.__code__.co_filename for one in functions]
    sources += [lanes.origin] if lanes is not None and lanes.origin else []
    files = sorted({Path(source) for source in sources})
    if not hasattr(kept, "_source_stamp") or not all(file.exists() for file in files):
        return
    states = [(file.name, file.stat()) for file in files]
    constants = sorted(
        f"{name}={one.__globals__[name]!r}"
        for one in functions
        for name in set(one.__code__.co_names) & set(one.__globals__)
        if not (callable(one.__globals__[name]) or isinstance(one.__globals__[name], ModuleType))
    )
    kept._source_stamp = (
        tuple((name, state.st_mtime, state.st_size) for name, state in states), tuple(constants)
    )  # fmt: skip
