"""What is digital between the arrays, each in one pass over the values: sums, shifts, codes, errors through pools."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from cimest.kernels.elementary import compiled
from cimest.kernels.lanes import convert, load, rint, select, splat, store
from cimest.kernels.random import LANES
from cimest.kernels.threads import shared

SQUARES = 4096
"""Numbers whose squares are summed in single precision."""
ROWS = 1 << 15
"""Rows of whole numbers whose sums 32 bits hold."""
BLOCK = 32
"""Rows and columns that are transposed together."""
GRAIN = 1 << 16
"""Numbers, at least, that are worth a thread."""


@compiled
def _column_sums(matrix, first, last, partial, sums):
    """Sums of columns first to last; whole numbers are summed in `partial`, as many rows at a time as it holds."""
    rows, columns, width = matrix.shape[0], matrix.shape[1], np.uint64(last - first)
    flat = matrix.reshape(-1)
    for start in range(0, rows, ROWS):
        partial[:] = 0
        for row in range(start, min(start + ROWS, rows)):
            place = np.uint64(row * columns + first)
            for column in range(width):
                partial[column] += flat[place + column]
        for column in range(width):
            sums[first + column] += partial[column]


def column_sums(matrix: np.ndarray) -> np.ndarray:
    """Sums down the columns in double precision, row after row; exact for whole numbers of 8 bits."""
    matrix = np.ascontiguousarray(matrix)
    sums, kind = np.zeros(matrix.shape[1]), np.float64 if matrix.dtype.kind == "f" else np.int32

    def work(first: int, last: int) -> None:
        _column_sums(matrix, first, last, np.empty(last - first, kind), sums)

    shared(work, matrix.shape[1], max(LANES, -(-GRAIN // max(len(matrix), 1))))
    return sums


@compiled
def _loads(matrix, piece, first, last, result):
    """Largest sum of magnitudes down a column of pieces first to last."""
    sums = np.empty(matrix.shape[1], np.int32)
    for number in range(first, last):
        sums[:] = 0
        for row in range(number * piece, min((number + 1) * piece, matrix.shape[0])):
            for column in range(matrix.shape[1]):
                sums[column] += abs(np.int32(matrix[row, column]))
        result[number] = sums.max()


def loads(matrix: np.ndarray, piece: int) -> np.ndarray:
    """Largest sum of magnitudes down a column, of every `piece` rows; for whole numbers of 8 bits."""
    result = np.empty(-(-len(matrix) // piece), np.int64)
    shared(
        lambda first, last: _loads(matrix, piece, first, last, result),
        len(result), -(-GRAIN // (piece * matrix.shape[1])),
    )  # fmt: skip
    return result


@compiled
def _squares(values, first, last, sums):
    """Sums of the squares of blocks first to last."""
    lanes = np.empty(LANES, np.float32)
    for block in range(first, last):
        start, stop = block * SQUARES, min((block + 1) * SQUARES, values.shape[0])
        total = splat(np.float32(0), LANES)
        whole = start + (stop - start) // LANES * LANES
        for place in range(start, whole, LANES):
            value = load(values, place, LANES)
            total = total + value * value
        store(lanes, 0, total)
        for lane in range(LANES):
            sums[block] += lanes[lane]
        for place in range(whole, stop):
            sums[block] += values[place] * values[place]


def mean_square(values: np.ndarray) -> float:
    """Mean square of numbers in single precision, summed block by block: the same for any number of threads."""
    flat = np.ascontiguousarray(values, dtype=np.float32).reshape(-1)
    sums = np.zeros(-(-flat.size // SQUARES))
    shared(lambda first, last: _squares(flat, first, last, sums), len(sums), GRAIN // SQUARES)
    return float(sums.sum() / flat.size)


@compiled
def add(total, part, first):
    """Add a part to the total, or begin it."""
    sums, summands = total.reshape(-1), part.reshape(-1)
    for place in range(np.uint64(sums.shape[0])):
        sums[place] = summands[place] if first else sums[place] + summands[place]


@compiled
def centre(product, means, sums, scale, gradient):
    """Products of inputs and errors, less those of mean inputs and summed errors, times `scale`, as `gradient`."""
    for row in range(product.shape[0]):
        for column in range(product.shape[1]):
            gradient[row, column] = (product[row, column] - means[row] * sums[column]) * scale


@compiled
def _shift(y, factor, offset, first, last):
    for row in range(first, last):
        for column in range(y.shape[1]):
            y[row, column] = y[row, column] * factor + offset[column]


def shift(y: np.ndarray, factor: float, offset: np.ndarray) -> None:
    """Multiply outputs (vectors, channels) by a power of two and add each channel's offset, in place."""
    shared(lambda first, last: _shift(y, np.float32(factor), offset, first, last), len(y), -(-GRAIN // y.shape[1]))


@compiled
def _encode(values, factor, low, high, first, last, codes, within):
    remember = within.shape[0] > 0
    bottom, top = splat(low, LANES), splat(high, LANES)
    one, none = splat(np.int32(1), LANES), splat(np.int32(0), LANES)
    whole = first + (last - first) // LANES * LANES
    for place in range(first, whole, LANES):
        scaled = load(values, place, LANES) * factor
        above, below = select(scaled > bottom, scaled, bottom), scaled < top
        if remember:
            inside = select(below, select(scaled > bottom, one, none), none)
            store(within, place, convert(inside, types.uint8))
        store(codes, place, convert(convert(rint(select(below, above, top)), types.int32), types.uint8))
    for place in range(whole, last):
        scaled = values[place] * factor
        if remember:
            within[place] = (scaled > low) & (scaled < high)
        codes[place] = np.uint8(np.int32(np.rint(min(max(scaled, low), high))))


def encode(
    values: np.ndarray, factor: float, low: int, high: int, dtype: Any, remember: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Values times a factor as whole numbers from low to high, and which of them were between the two.

    Parameters
    ----------
    values : array of float32
    factor : float
    low, high : int
    dtype : type
        Of the codes: uint8 or int8.
    remember : bool
        Whether the second result is wanted; else it is None.
    """
    flat = np.ascontiguousarray(values, dtype=np.float32).reshape(-1)
    codes, within = np.empty(flat.size, np.uint8), np.empty(flat.size if remember else 0, np.uint8)
    numbers = np.float32(factor), np.float32(low), np.float32(high)
    shared(lambda first, last: _encode(flat, *numbers, first, last, codes, within), flat.size, GRAIN)
    return codes.view(dtype).reshape(values.shape), within.reshape(values.shape) if remember else None


@compiled
def _mask(values, kept, first, last):
    for place in range(np.uint64(first), np.uint64(last)):
        values[place] *= kept[place]


def mask(values: np.ndarray, kept: np.ndarray) -> None:
    """Zero what is not kept, in place."""
    flat, chosen = values.reshape(-1), kept.reshape(-1)
    shared(lambda first, last: _mask(flat, chosen, first, last), flat.size, GRAIN)


@compiled
def _unpool(error, maps, largest, window, step, first, last, result):
    """Errors of samples first to last, to the first of the largest values of their windows."""
    height, width, channels = error.shape[1:]
    waiting = np.empty(channels, np.bool_)
    for sample in range(first, last):
        for y in range(height):
            for x in range(width):
                waiting[:] = True
                for row in range(y * step, y * step + window):
                    for column in range(x * step, x * step + window):
                        for channel in range(channels):
                            hit = maps[sample, row, column, channel] == largest[sample, y, x, channel]
                            hit &= waiting[channel]
                            waiting[channel] ^= hit
                            result[sample, row, column, channel] += (
                                error[sample, y, x, channel] if hit else np.float32(0)
                            )


def unpool(error: np.ndarray, maps: np.ndarray, largest: np.ndarray, window: int, step: int) -> np.ndarray:
    """Errors at the inputs of max-pooling, channels last.

    Parameters
    ----------
    error, largest : array, shape (samples, height, width, channels)
        Errors at the outputs, and the outputs.
    maps : array
        The inputs, with their border.
    window, step : int
    """
    error, maps = np.ascontiguousarray(error, dtype=np.float32), np.ascontiguousarray(maps)
    result = np.zeros(maps.shape, dtype=np.float32)
    shared(
        lambda first, last: _unpool(error, maps, largest, window, step, first, last, result),
        len(error), -(-GRAIN // maps[0].size),
    )  # fmt: skip
    return result


@compiled
def _largest(matrix, first, last, result):
    for row in range(first, last):
        largest = np.int32(0)
        for column in range(matrix.shape[1]):
            largest = max(largest, abs(np.int32(matrix[row, column])))
        result[row] = np.float32(largest)


def largest(matrix: np.ndarray) -> np.ndarray:
    """Largest magnitude in each row of whole numbers of 8 bits; single precision."""
    matrix, result = np.ascontiguousarray(matrix), np.empty(len(matrix), dtype=np.float32)
    shared(lambda first, last: _largest(matrix, first, last, result), len(matrix), rows_for(matrix))
    return result


@compiled
def _scale_rows(matrix, factors, first, last, result):
    for row in range(first, last):
        for column in range(matrix.shape[1]):
            result[row, column] = np.float32(matrix[row, column]) * factors[row]


def scale_rows(matrix: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Rows times a factor each, in single precision."""
    matrix, result = np.ascontiguousarray(matrix), np.empty(matrix.shape, dtype=np.float32)
    shared(lambda first, last: _scale_rows(matrix, factors, first, last, result), len(matrix), rows_for(matrix))
    return result


@compiled
def _reaching(matrix, size, first, last, result):
    for row in range(first, last):
        count = np.int32(0)
        for column in range(matrix.shape[1]):
            count += np.int32(abs(matrix[row, column]) >= size)
        result[row] = count


def reaching(matrix: np.ndarray, size: float) -> np.ndarray:
    """How many numbers of each row of single precision are at least so large, whatever their sign."""
    result = np.empty(len(matrix), dtype=np.int64)
    shared(lambda first, last: _reaching(matrix, np.float32(size), first, last, result), len(matrix), rows_for(matrix))
    return result


def rows_for(matrix: np.ndarray) -> int:
    """Rows that are worth a thread."""
    return -(-GRAIN // max(matrix.shape[1], 1))


@compiled
def _transpose(matrix, first, last, result):
    """Rows first to last of the result, block by block, so that lines that were fetched are used whole."""
    rows = matrix.shape[0]
    for row in range(0, rows, BLOCK):
        for column in range(first, last, BLOCK):
            for to in range(column, min(column + BLOCK, last)):
                for at in range(row, min(row + BLOCK, rows)):
                    result[to, at] = matrix[at, to]


def transposed(matrix: np.ndarray) -> np.ndarray:
    """The transposed matrix in memory of its own."""
    matrix = np.ascontiguousarray(matrix)
    rows, columns = matrix.shape
    result = np.empty((columns, rows), dtype=matrix.dtype)
    grain = -(-GRAIN // (max(rows, 1) * BLOCK)) * BLOCK
    shared(lambda first, last: _transpose(matrix, first, last, result), columns, grain)
    return result
