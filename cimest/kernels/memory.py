"""Memory as vector instructions like it."""

from __future__ import annotations

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
