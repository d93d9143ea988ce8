"""Products by converters with errors of their own in machine code by numba, held to converters.py."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numba import njit

from cimest.kernels.converters import PEAK, Transfer
from cimest.kernels.reference import on_grid, phases
from cimest.kernels.threads import shared
from cimest.kernels.types import Quantiser

ONE, HALF = np.float32(1), np.float32(0.5)


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _code(total, inverse, low, high, middle, scale, offset, bow, skew):
    """See `converters.convert_by`: the code before it is clipped."""
    scaled = total * inverse
    u = min(max((scaled - middle) * scale, -ONE), ONE)
    return np.floor(scaled + (offset + (bow + skew * PEAK * u) * (ONE - u * u)) + HALF)


@njit(nogil=True, cache=True, error_model="numpy")
def _mvm(x, signed, weights, edges, inverse, low, high, middle, scale, offset, bow, skew, bits, y):
    """Rows of y for all vectors of x (bit patterns)."""
    clipped = np.int64(0)
    columns = weights.shape[1]
    sums = np.empty((bits, columns), np.float32)
    for vector in range(len(x)):
        for phase in range(2 if signed else 1):
            for block in range(len(edges) - 1):
                sums[:] = 0
                for row in range(edges[block], edges[block + 1]):
                    value = np.int64(x[vector, row])
                    if signed and (value > 127) != (phase == 1):
                        continue
                    magnitude = 256 - value if phase == 1 else value
                    for bit in range(bits):
                        if magnitude >> bit & 1:
                            line, cells = sums[bit], weights[row]
                            for column in range(columns):
                                line[column] += cells[column]
                for bit in range(bits):
                    factor = np.float32((1 - 2 * phase) * (1 << bit))
                    for column in range(columns):
                        code = _code(
                            sums[bit, column], inverse, low, high, middle, scale,
                            offset[block, column], bow[block, column], skew[block, column],
                        )  # fmt: skip
                        kept = min(max(code, low), high)
                        clipped += code != kept
                        y[vector, column] += factor * kept
    return clipped


def _scalars(adc: Quantiser) -> tuple[np.float32, ...]:
    inverse, low, high = adc.scalars()
    return inverse, low, high, (low + high) / np.float32(2), np.float32(2) / (high - low)


def mvm_by(
    x: np.ndarray, weights: np.ndarray, edges: np.ndarray, adc: Quantiser, transfer: Transfer, bits: int
) -> tuple[np.ndarray, int]:
    """See `converters.mvm_by`; equal while the sum of codes stays below 2^24."""
    y = np.zeros((x.shape[0], weights.shape[1]), dtype=np.float32)
    patterns, scalars = np.ascontiguousarray(x).view(np.uint8), _scalars(adc)
    weights = np.ascontiguousarray(on_grid(weights, int(np.diff(edges).max())))

    def work(first: int, last: int) -> int:
        part = slice(first, last)
        return _mvm(patterns[part], x.dtype == np.int8, weights, edges, *scalars, *transfer, bits, y[part])

    clipped = sum(shared(work, len(x)))
    return y * np.float32(adc.step), clipped


@njit(nogil=True, cache=True, error_model="numpy")
def _ones(word):
    """Ones in a 64-bit word (the usual sum by halves)."""
    word = word - (word >> np.uint64(1) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + (word >> np.uint64(2) & np.uint64(0x3333333333333333))
    word = word + (word >> np.uint64(4)) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return word * np.uint64(0x0101010101010101) >> np.uint64(56)


@njit(nogil=True, cache=True, error_model="numpy")
def _gradient(
    stored, streamed, sign, inverse, low, high, middle, scale, offset, bow, skew, significance, first, last, total
):
    """Add one block's codes to total[row, column] for the rows first to last; operands are packed in words of 64."""
    clipped = np.int64(0)
    words = stored.shape[2]
    for row in range(first, last):
        for bit in range(len(significance)):
            for column in range(streamed.shape[1]):
                for error_bit in range(streamed.shape[0]):
                    count = np.uint64(0)
                    for word in range(words):
                        count += _ones(stored[bit, row, word] & streamed[error_bit, column, word])
                    code = _code(
                        np.float32(count), inverse, low, high, middle, scale,
                        offset[bit, row], bow[bit, row], skew[bit, row],
                    )  # fmt: skip
                    kept = min(max(code, low), high)
                    clipped += code != kept
                    total[row, column] += sign * significance[bit] * (1 << error_bit) * np.float64(kept)
    return clipped


def _packed(values: np.ndarray, bits: int) -> np.ndarray:
    """Bits of (vectors, lines), 64 vectors to a word: packed[bit, line, word]."""
    vectors, lines = values.shape
    padded = np.zeros((lines, -(-vectors // 64) * 64), dtype=np.uint8)
    padded[:, :vectors] = values.T
    return np.stack([np.packbits(padded >> bit & 1, axis=1).view(np.uint64) for bit in range(bits)])


def gradient_by(
    x: np.ndarray,
    errors: np.ndarray,
    edges: np.ndarray,
    adc: Quantiser,
    transfer: Transfer,
    significance: np.ndarray,
    error_bits: int,
) -> tuple[np.ndarray, int]:
    """See `converters.gradient_by`; the same, since sums of whole numbers are exact."""
    total = np.zeros((x.shape[1], errors.shape[1]))
    scalars, clipped = _scalars(adc), 0
    for start, stop in pairwise(edges):
        stored = _packed(x[start:stop], len(significance))
        for sign, magnitude in phases(errors[start:stop]):
            streamed = _packed(magnitude, error_bits)

            def work(
                first: int, last: int, sign: int = sign, stored: np.ndarray = stored, streamed: np.ndarray = streamed
            ) -> int:
                return _gradient(stored, streamed, sign, *scalars, *transfer, significance, first, last, total)

            clipped += sum(shared(work, len(total)))
    return (total * adc.step).astype(np.float32), clipped
