"""Matrix products and weight gradients through converters in machine code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from cimest.kernels.binary import binary_mvm, stairs
from cimest.kernels.digital import transposed
from cimest.kernels.lanes import full, load, rint, store
from cimest.kernels.memory import SPREAD, aligned
from cimest.kernels.reference import by_edges, grid_spacing, largest_sum
from cimest.kernels.tables import (
    LANES,
    VECTORS,
    accumulate,
    accumulate_counts,
    accumulate_reals,
    list_groups,
    tabulate,
    work_space,
)
from cimest.kernels.threads import shared
from cimest.kernels.types import Quantiser

BLOCKS = 8
"""Blocks of the weight-gradient unit between two additions to the gradient."""


@njit(nogil=True, cache=True, error_model="numpy")
def _mvm(x, phases, strips, edges, table, sums, places, inverse, low, high, y):
    """Rows of y for all vectors of x; weights lie in strips of columns, one after the other."""
    wide = full(strips)
    ends = np.zeros(2 * VECTORS, np.int64)
    tops = np.zeros(2 * VECTORS, np.int64)
    columns = y.shape[1]
    clipped = 0
    for start in range(0, x.shape[0], VECTORS):
        vectors = min(VECTORS, x.shape[0] - start)
        for block in range(edges.shape[0] - 1):
            rows = edges[block + 1] - edges[block]
            list_groups(x[start:], vectors, edges[block], edges[block + 1], phases, places[0], ends, tops)
            for strip in range(strips.shape[0]):
                tabulate(strips[strip, edges[block] : edges[block + 1]], rows, table)
                at = start * columns + strip * wide
                if wide == LANES:
                    clipped += accumulate_reals(
                        table, places[0], ends, vectors, phases, inverse, low, high, y, at, columns
                    )
                else:
                    parts = min(wide, columns - strip * wide) // LANES
                    clipped += accumulate(
                        table, places[0], ends, tops, vectors, phases, sums, parts,
                        inverse, low, high, y, at, columns,
                    )  # fmt: skip
    return clipped


@njit(nogil=True, cache=True, error_model="numpy")
def _in_strips(weights, scale, spacing, strips):
    """Weights, rounded to whole multiples of the spacing, sixteen columns after the other."""
    rows, columns = weights.shape
    whole = columns // LANES
    for strip in range(whole):
        for row in range(rows):
            values = rint(load(weights, row * columns + strip * LANES, LANES) * scale)
            store(strips, (strip * rows + row) * LANES, values * spacing)
    for column in range(whole * LANES, columns):
        for row in range(rows):
            value = np.rint(np.float32(weights[row, column] * scale))
            strips[whole, row, column - whole * LANES] = np.float32(value * spacing)


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
        return binary_mvm(x, weights, edges, line, adc.step)
    if weights.dtype == np.float32:
        strips = aligned((-(-columns // LANES), inputs, LANES), np.float32)
        spacing = grid_spacing(weights, longest)
        _in_strips(np.ascontiguousarray(weights), np.float32(1 / spacing), spacing, strips)
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
    x, errors, first_column, last_column, edges, inverse, high, line, lines, table, sums, places, gradient
):  # fmt: skip
    """Add the codes of all blocks to the gradient's rows, one for each of the chosen columns of x."""
    ends = np.zeros((BLOCKS, 2 * VECTORS), np.int64)
    tops = np.zeros((BLOCKS, 2 * VECTORS), np.int64)
    wide = full(lines)
    quick = lines.view(np.uint64)
    y = np.empty((VECTORS, wide), np.float32)
    clipped = 0
    for from_block in range(0, edges.shape[0] - 1, BLOCKS):
        blocks = min(BLOCKS, edges.shape[0] - 1 - from_block)
        for start in range(0, errors.shape[0], VECTORS):
            vectors = min(VECTORS, errors.shape[0] - start)
            for block in range(blocks):
                at, until = edges[from_block + block], edges[from_block + block + 1]
                list_groups(errors[start:], vectors, at, until, 2, places[block], ends[block], tops[block])
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
                            table, places[block], ends[block], tops[block], vectors, 2, sums,
                            (width * 8 + 2 * LANES - 1) // (2 * LANES), line, y, 0, wide,
                        )  # fmt: skip
                    else:
                        clipped += accumulate(
                            table, places[block], ends[block], tops[block], vectors, 2, sums,
                            (width * 8 + LANES - 1) // LANES, inverse, np.float32(0), high, y, 0, wide,
                        )  # fmt: skip
                for i in range(width):
                    for m in range(vectors):
                        value = 0.0
                        for bit in range(7, -1, -1):
                            value = 2 * value + np.float64(y[m, 8 * i + bit])
                        gradient[column - first_column + i, start + m] += value
    return clipped


def weight_gradient(
    x: np.ndarray, errors: np.ndarray, edges: np.ndarray | Sequence[np.ndarray], adc: Quantiser
) -> tuple[np.ndarray, int]:
    """See `reference.weight_gradient`; equal bit by bit."""
    inverse, _, high = adc.scalars()
    streamed = transposed(errors).view(np.uint8)
    gradient = np.empty((x.shape[1], errors.shape[1]), dtype=np.float32)
    clipped = 0
    for columns, blocks in by_edges(x.shape[1], edges):
        longest = int(np.diff(blocks).max())
        shape, dtype = ((longest, 64), np.uint8) if longest < 256 else ((longest, 32), np.uint16)
        line = np.array(stairs(longest, adc) or (0,) * 5, dtype=np.uint16)

        def work(
            first: int, last: int, start: int = columns.start, blocks: Any = blocks, line: Any = line,
            shape: Any = shape, dtype: Any = dtype,
        ) -> int:  # fmt: skip
            total, lines = np.zeros((last - first, errors.shape[1])), aligned(shape, dtype)
            space = work_space(len(lines), dtype, BLOCKS)
            lost = _gradient(
                x, streamed, start + first, start + last, blocks, inverse, high, line, lines, *space, total
            )
            np.multiply(total, adc.step, out=gradient[start + first : start + last], casting="same_kind")
            return int(lost)

        clipped += sum(shared(work, columns.stop - columns.start, shape[1] // 8))
    return gradient, clipped
