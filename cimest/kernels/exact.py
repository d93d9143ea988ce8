"""Products without converters by BLAS, in pieces of a fixed size: no sum depends on the number of threads."""

from __future__ import annotations

import numpy as np

from cimest.kernels.blas import add_product
from cimest.kernels.digital import add, centre, column_sums, loads
from cimest.kernels.threads import shared, single_blas

PIECE = 512
"""Vectors of a call of BLAS, at least: enough for its full speed."""

DEPTH = 256
"""Vectors that are added to a gradient in one call of BLAS: few enough to stay close to the processor."""

WHOLE = 1 << 24
"""Single precision adds whole numbers exactly while the sum of their magnitudes stays below this."""

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


def runs(x: np.ndarray, errors: np.ndarray) -> list[range]:
    """First vectors of the pieces of a gradient's sum, in runs that single precision sums exactly."""
    largest, load = 127 if x.dtype == np.int8 else 255, 0
    found: list[list[int]] = [[]]
    for start, piece in zip(range(0, len(x), DEPTH), loads(errors, DEPTH) * largest, strict=True):
        if load + piece >= WHOLE:
            found.append([])
            load = 0
        found[-1].append(start)
        load += piece
    return [range(run[0], run[-1] + 1, DEPTH) for run in found]


def exact_gradient(x: np.ndarray, errors: np.ndarray, scale: float, centred: bool) -> np.ndarray:
    """See `reference.exact_gradient`; equal: single precision holds the sums of a run, and double those of all."""
    single_blas()
    gradient = np.empty((x.shape[1], errors.shape[1]), dtype=np.float32)
    means, sums = column_sums(x) / len(x) * centred, column_sums(errors)
    strip, exact = even(len(means), max(1, STRIP // len(sums))), runs(x, errors)

    def work(first: int, last: int) -> None:
        rows = min(strip, last - first)
        stored, streamed = np.empty(DEPTH * rows, np.float32), np.empty((DEPTH, len(sums)), np.float32)
        product = np.empty((rows, len(sums)), np.float32)
        total = np.empty((rows if len(exact) > 1 else 0, len(sums)))
        for row in range(first, last, strip):
            lines = slice(row, min(row + strip, last))
            count = lines.stop - row
            for number, run in enumerate(exact):
                product[:count] = 0
                for start in run:
                    part = slice(start, min(start + DEPTH, len(x)))
                    vectors = part.stop - start
                    given = stored[: vectors * count].reshape(vectors, count)
                    np.copyto(given, x[part, lines])
                    np.copyto(streamed[:vectors], errors[part])
                    add_product(given, streamed[:vectors], product[:count])
                if len(exact) > 1:
                    add(total, product, number == 0)
            centre((total if len(exact) > 1 else product)[:count], means[lines], sums, scale, gradient[lines])

    shared(work, x.shape[1])
    return gradient
