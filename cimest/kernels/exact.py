"""Products without converters by BLAS, in pieces of a fixed size: no sum depends on the number of threads."""

from __future__ import annotations

import numpy as np

from cimest.kernels.threads import shared, single_blas

TILE = 256
"""Vectors of a call of BLAS: enough for its full speed, and few enough that two cores share a batch."""

EXACT = 512
"""Vectors whose products of 8-bit numbers, at most 255 · 127, sum to less than 2^24."""


def matmul(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """See `reference.matmul`; equal but for the order of sums."""
    single_blas()
    y = np.empty((len(x), weights.shape[1]), dtype=np.float32)

    def work(first: int, last: int) -> None:
        for start in range(first, last, TILE):
            part = slice(start, min(start + TILE, last))
            np.matmul(x[part].astype(np.float32, copy=False), weights, out=y[part])

    shared(work, len(x), TILE)
    return y


def outer_product_sum(x: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """See `reference.outer_product_sum`; equal: single precision holds the sums of a piece, and double those of all."""
    single_blas()

    def work(first: int, last: int) -> np.ndarray:
        total = np.zeros((x.shape[1], errors.shape[1]))
        for start in range(first, last, EXACT):
            part = slice(start, min(start + EXACT, last))
            total += x[part].astype(np.float32).T @ errors[part].astype(np.float32)
        return total

    return np.sum(shared(work, len(x), EXACT), axis=0)
