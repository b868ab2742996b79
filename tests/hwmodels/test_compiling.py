"""Compiled kernels compute the same, and are made anew when anything in them changes."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from hwmodels.compiling import can_compile, compiled
from hwmodels.lanes import lowest_bit


@pytest.mark.skipif(not can_compile(), reason="Numba is not installed")
def test_a_kernel_follows_the_functions_and_constants_that_it_calls(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "kernel_limits.py").write_text("LIMIT = 10\n")
    inner = "from kernel_limits import LIMIT\n\n\ndef part(x):\n    return x + LIMIT\n"
    (tmp_path / "kernel_inner.py").write_text(inner)
    (tmp_path / "kernel_outer.py").write_text(
        "from kernel_inner import part\n\n\ndef whole(x):\n    return 2 * part(x)\n"
    )
    names = ("kernel_limits", "kernel_inner", "kernel_outer")

    def result() -> int:
        importlib.invalidate_caches()
        for name in names:
            sys.modules.pop(name, None)
        outer = importlib.import_module("kernel_outer")
        return compiled(outer.whole, outer.part)(1)

    assert result() == 22
    (tmp_path / "kernel_inner.py").write_text(inner.replace("x + LIMIT", "x - LIMIT "))
    assert result() == -18
    (tmp_path / "kernel_limits.py").write_text("LIMIT = 20_0\n")
    assert result() == -398
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.skipif(not can_compile(), reason="Numba is not installed")
def test_scipy_is_imported_for_kernels_that_multiply_matrices_only(tmp_path):
    (tmp_path / "kernels.py").write_text("""
import sys
import numpy as np
from hwmodels.compiling import compiled
def twice(x): return 2 * x
def squared(matrix): return np.dot(matrix, matrix)
assert compiled(twice)(2) == 4
assert "scipy.linalg" not in sys.modules
np.testing.assert_array_equal(compiled(squared)(2 * np.eye(3)), 4 * np.eye(3))
assert "scipy.linalg" in sys.modules
""")
    subprocess.run([sys.executable, "kernels.py"], check=True, cwd=tmp_path)


def _lowest(mask):
    return lowest_bit(mask)


@pytest.mark.skipif(not can_compile(), reason="Numba is not installed")
def test_the_lowest_bit_is_the_same_in_machine_code():
    in_machine_code = compiled(_lowest, allocates=False)
    for bit in range(63):
        for mask in (1 << bit, 5 << bit & (1 << 63) - 1, (1 << 63) - (1 << bit)):
            assert lowest_bit(mask) == in_machine_code(mask) == bit
