"""Products that add to a matrix: BLAS as scipy exports it, since numpy's own product can only overwrite one."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numba.extending import get_cython_function_address


@cache
def _sgemm() -> Any:
    """The function; a call of it releases the interpreter's lock."""
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 13)(
        get_cython_function_address("scipy.linalg.cython_blas", "sgemm")
    )


def add_product(a: np.ndarray, b: np.ndarray, total: np.ndarray) -> None:
    """Add a.T @ b to `total`, in single precision.

    Parameters
    ----------
    a : array of float32, shape (depth, rows)
    b : array of float32, shape (depth, columns)
    total : array of float32, shape (rows, columns)
        All three contiguous, row by row.
    """
    assert all(matrix.dtype == np.float32 and matrix.flags.c_contiguous for matrix in (a, b, total))
    assert (len(a), *total.shape) == (len(b), a.shape[1], b.shape[1])
    m, n, k = (ctypes.byref(ctypes.c_int(size)) for size in (b.shape[1], a.shape[1], len(a)))
    one = ctypes.byref(ctypes.c_float(1.0))
    # BLAS counts down columns: what it sees of these matrices is transposed, and total.T += b.T @ a
    _sgemm()(b"N", b"T", m, n, k, one, b.ctypes.data, m, a.ctypes.data, n, one, total.ctypes.data, m)
