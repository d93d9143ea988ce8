"""Products without converters by BLAS, in pieces of a fixed size: no sum depends on the number of threads."""

from __future__ import annotations

import numpy as np

from cimest.kernels.digital import add, centre, column_sums
from cimest.kernels.threads import shared, single_blas

PIECE = 512
"""Vectors of a call of BLAS: enough for its full speed, and few enough that products of 8-bit numbers, at most
255 · 127, sum to less than 2^24."""

STRIP = 1 << 20
"""Entries of a gradient that are summed together: few enough to stay close to the processor."""


def even(items: int, most: int) -> int:
    """Size of equal parts of at most so many items."""
    return -(-items // max(1, -(-items // most)))


def matmul(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """See `reference.matmul`; equal but for the order of sums."""
    single_blas()
    y = np.empty((len(x), weights.shape[1]), dtype=np.float32)
    piece = int(np.clip(weights.size // PIECE, PIECE, 4 * PIECE))  # large weights are seldom to be fetched again
    piece = even(len(x), piece)

    def work(first: int, last: int) -> None:
        driven = np.empty((min(piece, last - first), x.shape[1]), dtype=np.float32)
        for start in range(first, last, piece):
            part = slice(start, min(start + piece, last))
            given = x[part]
            if x.dtype != np.float32:
                given = driven[: len(given)]
                np.copyto(given, x[part])
            np.matmul(given, weights, out=y[part])

    shared(work, len(x), piece)
    return y


def centred_gradient(x: np.ndarray, errors: np.ndarray, scale: float) -> np.ndarray:
    """See `reference.centred_gradient`; equal: single precision holds the sums of a piece, and double those of all."""
    single_blas()
    gradient = np.empty((x.shape[1], errors.shape[1]), dtype=np.float32)
    means, sums = column_sums(x) / len(x), column_sums(errors)
    strip = even(len(means), max(1, STRIP // len(sums)))

    def work(first: int, last: int) -> None:
        rows = min(strip, last - first)
        stored, streamed = np.empty((PIECE, rows), np.float32), np.empty((PIECE, len(sums)), np.float32)
        product, total = np.empty((rows, len(sums)), np.float32), np.zeros((rows, len(sums)))
        for row in range(first, last, strip):
            lines = slice(row, min(row + strip, last))
            count = lines.stop - row
            for start in range(0, len(x), PIECE):
                vectors = min(PIECE, len(x) - start)
                np.copyto(stored[:vectors, :count], x[start : start + vectors, lines])
                np.copyto(streamed[:vectors], errors[start : start + vectors])
                np.matmul(stored[:vectors, :count].T, streamed[:vectors], out=product[:count])
                if len(x) > PIECE:
                    add(total, product, start == 0)
            centre(total[:count] if len(x) > PIECE else product[:count], means[lines], sums, scale, gradient[lines])

    shared(work, x.shape[1])
    return gradient
