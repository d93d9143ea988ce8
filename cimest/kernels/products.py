"""Matrix products and weight gradients through converters in machine code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from cimest.kernels.binary import binary_mvm, stairs
from cimest.kernels.lanes import full
from cimest.kernels.memory import SPREAD, aligned
from cimest.kernels.reference import by_edges, grid_spacing, largest_sum
from cimest.kernels.tables import LANES, VECTORS, accumulate, accumulate_counts, list_groups, tabulate, work_space
from cimest.kernels.threads import shared
from cimest.kernels.types import Quantiser

BLOCKS = 8
"""Blocks of the weight-gradient unit between two additions to the gradient."""


@njit(nogil=True, cache=True, error_model="numpy")
def _mvm(x, phases, strips, edges, table, sums, inverse, low, high, y):
    """Rows of y for all vectors of x; weights lie in strips of columns, one after the other."""
    wide = full(strips)
    pitch = table.shape[0] // 16
    numbers = np.empty(2 * VECTORS * pitch, np.uint32)
    words = np.empty(2 * VECTORS * pitch, np.uint64)
    bytes = words.view(np.uint8).reshape((words.shape[0], 8))
    ends = np.zeros(2 * VECTORS, np.int64)
    tops = np.zeros(2 * VECTORS, np.int64)
    columns = y.shape[1]
    clipped = 0
    for start in range(0, x.shape[0], VECTORS):
        vectors = min(VECTORS, x.shape[0] - start)
        for block in range(edges.shape[0] - 1):
            rows = edges[block + 1] - edges[block]
            list_groups(x[start:], vectors, edges[block], edges[block + 1], phases, numbers, words, ends, tops)
            for strip in range(strips.shape[0]):
                tabulate(strips[strip, edges[block] : edges[block + 1]], rows, table)
                clipped += accumulate(
                    table, numbers, bytes, ends, tops, vectors, phases, sums,
                    min(wide, columns - strip * wide) // LANES,
                    inverse, low, high, y, start * columns + strip * wide, columns,
                )  # fmt: skip
    return clipped


@njit(nogil=True, cache=True, error_model="numpy")
def _in_strips(weights, scale, spacing, strips):
    """Weights, rounded to whole multiples of the spacing, sixteen columns after the other."""
    for row in range(weights.shape[0]):
        for column in range(weights.shape[1]):
            value = np.rint(np.float32(weights[row, column] * scale))
            strips[column // LANES, row, column % LANES] = np.float32(value * spacing)


def bit_serial_mvm(x: np.ndarray, weights: np.ndarray, edges: np.ndarray, adc: Quantiser) -> tuple[np.ndarray, int]:
    """See `reference.bit_serial_mvm`; equal bit by bit while the sum of codes stays below 2^24."""
    inputs, columns = weights.shape
    longest = int(np.diff(edges).max())
    if (
        weights.dtype != np.float32
        and weights.max(initial=0) == 1
        and longest < 256
        and (line := stairs(longest, adc)) is not None
    ):
        y, clipped = binary_mvm(x, weights, edges, line)
        y *= np.float32(adc.step)
        return y, clipped
    if weights.dtype == np.float32:
        strips = aligned((-(-columns // LANES), inputs, LANES), np.float32)
        spacing = grid_spacing(weights, longest)
        _in_strips(weights, np.float32(1 / spacing), spacing, strips)
    else:
        cells = weights.astype(np.uint8 if largest_sum(weights, longest) < 256 else np.uint16)
        wide = 64 // cells.itemsize
        strips = aligned((-(-columns // wide), inputs, wide), cells.dtype)
        for number, strip in enumerate(strips):
            part = cells[:, number * wide : (number + 1) * wide]
            strip[:, : part.shape[1]] = part
    y = aligned((x.shape[0], -(-columns // LANES) * LANES), np.float32)
    magnitudes, phases = np.ascontiguousarray(x).view(np.uint8), 2 if x.dtype == np.int8 else 1

    def work(first: int, last: int) -> int:
        part, space = slice(first, last), work_space(longest, strips.dtype)
        return _mvm(magnitudes[part], phases, strips, edges, *space, *adc.scalars(), y[part])

    clipped = sum(shared(work, len(x)))
    y *= np.float32(adc.step)
    return y[:, :columns], clipped


@njit(nogil=True, cache=True, error_model="numpy")
def _gradient(
    x, errors, first_column, last_column, edges, inverse, high, line, first, last, lines, table, sums, gradient
):  # fmt: skip
    """Add the codes of blocks first to last to gradient[column of errors, column of x]."""
    pitch = table.shape[0] // 16
    lists = 2 * VECTORS * pitch
    numbers = np.empty((BLOCKS, lists), np.uint32)
    words = np.empty((BLOCKS, lists), np.uint64)
    bytes = words.view(np.uint8).reshape((BLOCKS, lists, 8))
    ends = np.zeros((BLOCKS, 2 * VECTORS), np.int64)
    tops = np.zeros((BLOCKS, 2 * VECTORS), np.int64)
    wide = full(lines)
    quick = lines.view(np.uint64)
    y = np.empty((VECTORS, wide), np.float32)
    clipped = 0
    for from_block in range(first, last, BLOCKS):
        blocks = min(BLOCKS, last - from_block)
        for start in range(0, errors.shape[0], VECTORS):
            vectors = min(VECTORS, errors.shape[0] - start)
            for block in range(blocks):
                at, until = edges[from_block + block], edges[from_block + block + 1]
                list_groups(
                    errors[start:], vectors, at, until, 2, numbers[block], words[block], ends[block], tops[block]
                )
            for column in range(first_column, last_column, wide // 8):
                width = min(wide // 8, last_column - column)
                if width < wide // 8:
                    lines[:] = 0
                y[:] = 0
                for block in range(blocks):
                    at = edges[from_block + block]
                    rows = edges[from_block + block + 1] - at
                    for row in range(rows):
                        for i in range(width):
                            if wide == 64:
                                quick[row, i] = SPREAD[x[at + row, column + i]]
                            else:
                                for bit in range(8):
                                    lines[row, 8 * i + bit] = x[at + row, column + i] >> np.uint8(bit) & np.uint8(1)
                    tabulate(lines, rows, table)
                    if line[0] > 0 and wide == 64:
                        clipped += accumulate_counts(
                            table, numbers[block], bytes[block], ends[block], tops[block], vectors, 2, sums,
                            (width * 8 + 2 * LANES - 1) // (2 * LANES), line, y, 0, wide,
                        )  # fmt: skip
                    else:
                        clipped += accumulate(
                            table, numbers[block], bytes[block], ends[block], tops[block], vectors, 2, sums,
                            (width * 8 + LANES - 1) // LANES, inverse, np.float32(0), high, y, 0, wide,
                        )  # fmt: skip
                for m in range(vectors):
                    for i in range(width):
                        value = 0.0
                        for bit in range(7, -1, -1):
                            value = 2 * value + np.float64(y[m, 8 * i + bit])
                        gradient[start + m, column + i] += value
    return clipped


def weight_gradient(
    x: np.ndarray, errors: np.ndarray, edges: np.ndarray | Sequence[np.ndarray], adc: Quantiser
) -> tuple[np.ndarray, int]:
    """See `reference.weight_gradient`; equal bit by bit."""
    inverse, _, high = adc.scalars()
    streamed = np.ascontiguousarray(errors.T).view(np.uint8)
    gradient = np.zeros((errors.shape[1], x.shape[1]))
    clipped = 0
    for columns, blocks in by_edges(x.shape[1], edges):
        longest = int(np.diff(blocks).max())
        shape, dtype = ((longest, 64), np.uint8) if longest < 256 else ((longest, 32), np.uint16)
        line = np.array(stairs(longest, adc) or (0,) * 5, dtype=np.uint16)
        settings = (columns.start, columns.stop, blocks, inverse, high, line)

        def work(first: int, last: int, settings: Any = settings, shape: Any = shape, dtype: Any = dtype) -> Any:
            part, lines = np.zeros((errors.shape[1], x.shape[1])), aligned(shape, dtype)
            return part, _gradient(x, streamed, *settings, first, last, lines, *work_space(len(lines), dtype), part)

        for part, lost in shared(work, len(blocks) - 1):
            gradient += part
            clipped += lost
    return (gradient.T * adc.step).astype(np.float32), clipped
