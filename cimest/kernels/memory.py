"""Memory as vector instructions like it."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

SPREAD = (
    (np.arange(256, dtype=np.uint64)[:, None] >> np.arange(8, dtype=np.uint64) & np.uint64(1))
    << (8 * np.arange(8, dtype=np.uint64))
).sum(axis=1, dtype=np.uint64)
"""Bit b of a byte as byte b of a word."""


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of zeros at an address divisible by 64, so that no vector spans two cache lines."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 64, dtype=np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Numbers of two settings of glibc's malloc."""


@cache
def keep_freed() -> None:
    """Let the C library keep freed memory of any size for the next array, from now on; does nothing without glibc.

    Every batch takes and frees the same large arrays. Pages fresh from the system cost more than the work on them.
    """
    try:
        setting = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    setting(_MMAP_MAX, 0)
    setting(_TRIM_THRESHOLD, 2**31 - 1)
