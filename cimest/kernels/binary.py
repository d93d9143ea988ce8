"""Matrix products of cells with two states through converters: ones are counted, counts converted in whole numbers.

Sixteen rows of a column make a word. A vector holds the words of 16 columns twice, for two bits of an input at once:
its AND with the input's words of these bits, and the count of ones, do the work of 512 cells. The converter is a
straight line of whole numbers whose steps are checked against the converter's own for every count that can occur
(`stairs`); one instruction then adds both codes, times what their bits are worth, to the sum of their column.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit, types

from cimest.kernels.lanes import (
    convert,
    dotted,
    load,
    load_full,
    mask_bits,
    ones,
    part,
    select,
    splat,
    store,
    total,
    view,
)  # fmt: skip
from cimest.kernels.memory import aligned
from cimest.kernels.reference import convert as converted
from cimest.kernels.threads import shared
from cimest.kernels.types import Quantiser

WIDE, LANES = 32, 16
"""Counts that a vector holds, and columns: each is counted for two bits of the input."""
PAIRS = 4
"""Pairs of an input's bits."""
SIGNIFICANCE = np.array([[2**bit for bit in range(8)], [-(2**bit) for bit in range(8)]], np.int16).view(np.uint32)
"""What the bits of a pair are worth, in the positive phase and in the negative one."""
INPUTS = 64
"""Inputs whose bits are sorted at once: four words of each bit."""
WORDS, HALF = 8, 4
"""Words of a column that stay in registers: 128 rows; half of them if no block is longer than 64."""
VECTORS = 64
"""Input vectors that use the words of a block while they lie in the nearest cache."""


class Stairs(NamedTuple):
    """A converter of counts in whole numbers of 16 bits: code = (min(count, top) · factor + offset) >> shift.

    Counts beyond `limit` are clipped.
    """

    factor: int
    offset: int
    shift: int
    top: int
    limit: int


@lru_cache(maxsize=1024)
def stairs(longest: int, adc: Quantiser) -> Stairs | None:
    """The stairs that give the converter's code for every count up to `longest`; None if 16 bits hold none."""
    counts = np.arange(longest + 1)
    codes = converted(counts, adc)[0].astype(np.int64)
    unclipped = np.floor(counts.astype(np.float32) * adc.scalars()[0] + np.float32(0.5))
    top, limit = int(np.argmax(codes)), int(np.count_nonzero(unclipped <= adc.high)) - 1
    counts, codes = counts[: top + 1], codes[: top + 1]
    if codes[-1] > 255:  # the sum over eight input bits needs more than 16 bits
        return None
    for shift in range(15, 0, -1):
        slope = 2**shift / adc.step
        for factor in range(max(int(slope) - 6, 1), int(slope) + 8):
            if top * factor >= 2**16:
                continue
            least = max(int((codes * 2**shift - counts * factor).max()), 0)
            most = int(((codes + 1) * 2**shift - 1 - counts * factor).min())
            if least <= most and top * factor + least < 2**16:
                return Stairs(factor, least, shift, top, limit)
    return None


@njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def _sort_bits(values, inputs, at, planes):
    """Write the words of 64 inputs, pair after pair of their bits; returns how many pairs are in use."""
    halves = planes.view(np.uint16)
    used = 0
    for bit in range(8):
        planes[bit] = mask_bits((values & np.uint8(1 << bit)) != np.uint8(0))
        if planes[bit] != np.uint64(0):
            used = bit // 2 + 1
    for pair in range(PAIRS):
        low = convert(load(halves, 8 * pair, 4), types.uint32)
        high = convert(load(halves, 8 * pair + 4, 4), types.uint32)
        store(inputs, at + pair * inputs.shape[3], low | (high << np.uint32(16)))
    return used


@njit(nogil=True, cache=True, error_model="numpy")
def _pack_inputs(x, vectors, start, stop, inputs, used):
    """Bits of the inputs of a block: inputs[vector, phase, pair, word], the lower bit of the pair in the lower half.

    Beyond the pairs that are `used`, a vector's phase has no ones.
    """
    phases, words = inputs.shape[1], inputs.shape[3]
    planes = np.empty(8, np.uint64)
    last = np.empty(INPUTS, np.uint8)
    zero = splat(np.uint8(0), INPUTS)
    for m in range(vectors):
        used[m] = 0
        for word in range(0, words, INPUTS // 16):
            row = start + 16 * word
            if stop - row >= INPUTS:
                given = load(x, m * x.shape[1] + row, INPUTS)
            else:
                last[:] = 0
                for i in range(stop - row):
                    last[i] = x[m, row + i]
                given = load(last, 0, INPUTS)
            at = m * phases * PAIRS * words + word
            if phases == 2:
                negative = given > np.uint8(127)
                minus = select(negative, zero - given, zero)
                used[m, 1] = max(used[m, 1], _sort_bits(minus, inputs, at + PAIRS * words, planes))
                given = select(negative, zero, given)
            used[m, 0] = max(used[m, 0], _sort_bits(given, inputs, at, planes))


@njit(nogil=True, cache=True, error_model="numpy")
def _pack_cells(weights, edges, cells):
    """Cells, sixteen rows of a block to a word, which stands twice: cells[block, strip, word, column of the strip]."""
    columns, words = weights.shape[1], cells.shape[2]
    for block in range(edges.shape[0] - 1):
        for strip in range(0, cells.shape[1], 2):
            for word in range(words):
                bits = splat(np.uint16(0), WIDE)
                first = edges[block] + 16 * word
                for row in range(min(16, edges[block + 1] - first)):
                    line = load(weights, (first + row) * columns + strip * LANES, WIDE)
                    bits |= convert(line, types.uint16) << np.uint16(row)
                one, other = convert(part(bits, 0, LANES), types.uint32), convert(part(bits, 1, LANES), types.uint32)
                at = ((block * cells.shape[1] + strip) * words + word) * LANES
                store(cells, at, one | (one << np.uint32(16)))
                store(cells, at + words * LANES, other | (other << np.uint32(16)))


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _ones(cells, pair):
    """Ones of sixteen rows of 16 columns, for both bits of a pair."""
    return ones(view(cells & splat(pair, LANES), types.uint16))


@njit(nogil=True, cache=True, error_model="numpy")
def _count(cells, inputs, used, vectors, line, sums):
    """Add the converted counts of a strip of columns to its sums; returns how many conversions were clipped."""
    phases, words = inputs.shape[1], cells.shape[0]
    c0, c1, c2, c3 = load_full(cells, 0), load_full(cells, 16), load_full(cells, 32), load_full(cells, 48)
    rest = HALF * LANES if words > HALF else 0
    c4, c5 = load_full(cells, rest), load_full(cells, rest + 16)
    c6, c7 = load_full(cells, rest + 32), load_full(cells, rest + 48)
    factors, offsets, shifts = splat(line[0], WIDE), splat(line[1], WIDE), splat(line[2], WIDE)
    highest, limits = splat(line[3], WIDE), splat(line[4], WIDE)
    clipped = 0
    for vector in range(vectors):
        result = load(sums, vector * LANES, LANES)
        for phase in range(phases):
            for pair in range(used[vector, phase]):
                x = inputs[vector, phase, pair]
                count = _ones(c0, x[0]) + _ones(c1, x[1]) + (_ones(c2, x[2]) + _ones(c3, x[3]))
                if words > HALF:
                    count += _ones(c4, x[4]) + _ones(c5, x[5]) + (_ones(c6, x[6]) + _ones(c7, x[7]))
                for word in range(WORDS, words):
                    count += _ones(load_full(cells, word * LANES), x[word])
                clipped += total(count > limits)
                count = select(count > highest, highest, count)
                code = (count * factors + offsets) >> shifts
                worth = view(splat(SIGNIFICANCE[phase, pair], LANES), types.int16)
                result = dotted(result, convert(code, types.int16), worth)
        store(sums, vector * LANES, result)
    return clipped


@njit(nogil=True, cache=True, error_model="numpy")
def _mvm(x, phases, cells, edges, line, step, y):
    """Rows of y for all vectors of x."""
    strips, words = cells.shape[1], cells.shape[2]
    inputs = np.empty((VECTORS, phases, PAIRS, (words + 3) // 4 * 4), np.uint32)
    used = np.empty((VECTORS, phases), np.int64)
    sums = np.empty((strips, VECTORS, LANES), np.int32)
    clipped = 0
    for start in range(0, x.shape[0], VECTORS):
        vectors = min(VECTORS, x.shape[0] - start)
        sums[:, :vectors] = 0
        for block in range(edges.shape[0] - 1):
            _pack_inputs(x[start:], vectors, edges[block], edges[block + 1], inputs, used)
            for strip in range(strips):
                clipped += _count(cells[block, strip], inputs, used, vectors, line, sums[strip])
        for strip in range(strips):
            for m in range(vectors):
                result = convert(load(sums, (strip * VECTORS + m) * LANES, LANES), types.float32)
                store(y, (start + m) * y.shape[1] + strip * LANES, result * step)
    return clipped


def binary_mvm(
    x: np.ndarray, weights: np.ndarray, edges: np.ndarray, line: Stairs, step: float
) -> tuple[np.ndarray, int]:
    """`reference.bit_serial_mvm` for weights of 0 and 1, with the converter's line from `stairs`, and its step."""
    columns = weights.shape[1]
    strips, blocks = 2 * -(-columns // WIDE), len(edges) - 1
    longest = int(np.diff(edges).max())
    words = HALF if longest <= 16 * HALF else max(WORDS, -(-longest // 16))
    cells = aligned((blocks, strips, words, LANES), np.uint32)
    padded = weights if columns % WIDE == 0 else np.pad(weights, ((0, 0), (0, -columns % WIDE)))
    _pack_cells(np.ascontiguousarray(padded, dtype=np.uint8), edges, cells)
    y = aligned((len(x), strips * LANES), np.float32)
    magnitudes, phases = np.ascontiguousarray(x).view(np.uint8), 2 if x.dtype == np.int8 else 1
    numbers = np.array(line, dtype=np.uint16)

    def work(first: int, last: int) -> int:
        return _mvm(magnitudes[first:last], phases, cells, edges, numbers, np.float32(step), y[first:last])

    clipped = sum(shared(work, len(x)))
    return y[:, :columns], clipped
