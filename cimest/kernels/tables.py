"""Partial sums of arrays through converters in machine code, by tables of subset sums ("four Russians").

An array's rows are taken in fours. All sixteen sums of four rows go into a table, a vector of columns each, so that
for each input bit one addition does the work of four; groups whose inputs are all zero are left out. With whole cell
states a vector holds 64 or 32 columns instead of 16. Sums are exact (see `reference.on_grid`), so that neither their
order nor the number of threads matters.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from cimest.kernels.lanes import (
    convert,
    floor,
    full,
    fused,
    load,
    load_full,
    part,
    reduced,
    select,
    splat,
    store,
    total,
)  # fmt: skip
from cimest.kernels.memory import SPREAD, aligned

LANES = 16
"""Columns that a converter takes at once."""
PAIR = 2 * LANES
"""The same for a converter of whole numbers."""
VECTORS = 128
"""Input vectors that use a table while it lies in the nearest cache."""


def work_space(longest: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Memory for a table of that many rows, and for the sums of eight input bits."""
    wide = 64 // np.dtype(dtype).itemsize
    return aligned((16 * (-(-longest // 4) + 1), wide), dtype), aligned((8, wide), dtype)


@njit(nogil=True, cache=True, error_model="numpy")
def list_groups(x, vectors, start, stop, phases, numbers, words, ends, tops):
    """Groups of four rows with an input that is not zero, for each vector and phase: where, and their bits.

    Byte b of a word holds bit b of the four inputs, times 16. The list of a vector and a phase, which begins at
    (vector·phases + phase)·pitch, stops before `ends`; `tops` bits are in use.
    """
    pitch = numbers.shape[0] // (2 * VECTORS)
    for m in range(vectors):
        vector = x[m]
        first = m * phases * pitch
        plus = first
        minus = first + pitch
        ups = np.uint64(0)
        downs = np.uint64(0)
        for group in range((stop - start + 3) // 4):
            up = np.uint64(0)
            down = np.uint64(0)
            row = start + 4 * group
            for i in range(min(4, stop - row)):
                value = np.int64(vector[row + i])
                if phases == 2 and value > 127:
                    down |= np.uint64(SPREAD[256 - value] << np.uint64(4 + i))
                else:
                    up |= np.uint64(SPREAD[value] << np.uint64(4 + i))
            numbers[plus] = group
            words[plus] = up
            plus += np.int64(up != np.uint64(0))
            ups |= up
            if phases == 2:
                numbers[minus] = group
                words[minus] = down
                minus += np.int64(down != np.uint64(0))
                downs |= down
        for phase in range(phases):
            used = downs if phase == 1 else ups
            top = 0
            while used != np.uint64(0):
                top += 1
                used >>= np.uint64(8)
            ends[m * phases + phase] = minus if phase == 1 else plus
            tops[m * phases + phase] = top


@njit(nogil=True, cache=True, error_model="numpy")
def tabulate(lines, rows, table):
    """All sums of four lines, group by group: table[16·group + subset], each a whole vector."""
    wide = full(table)
    for group in range((rows + 3) // 4):
        to = group * 16 * wide
        zero = load_full(lines, 0) - load_full(lines, 0)
        store(table, to, zero)
        size = 1
        for i in range(4):
            row = 4 * group + i
            line = zero
            if row < rows:
                line = load_full(lines, row * wide)
            for subset in range(size):
                store(table, to + (size + subset) * wide, load_full(table, to + subset * wide) + line)
            size *= 2


@njit(nogil=True, cache=True, error_model="numpy")
def _sum(table, numbers, bytes, first, last, sums):
    """Sums of a strip of columns for each of eight input bits, by the groups that an entry lists."""
    wide = full(table)
    scale = wide // LANES
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = load_full(table, 0)
    for i in range(first, last):
        base = np.int64(numbers[i]) * 16 * wide
        s0 += load_full(table, base + scale * np.int64(bytes[i, 0]))
        s1 += load_full(table, base + scale * np.int64(bytes[i, 1]))
        s2 += load_full(table, base + scale * np.int64(bytes[i, 2]))
        s3 += load_full(table, base + scale * np.int64(bytes[i, 3]))
        s4 += load_full(table, base + scale * np.int64(bytes[i, 4]))
        s5 += load_full(table, base + scale * np.int64(bytes[i, 5]))
        s6 += load_full(table, base + scale * np.int64(bytes[i, 6]))
        s7 += load_full(table, base + scale * np.int64(bytes[i, 7]))
    store(sums, 0, s0)
    store(sums, wide, s1)
    store(sums, 2 * wide, s2)
    store(sums, 3 * wide, s3)
    store(sums, 4 * wide, s4)
    store(sums, 5 * wide, s5)
    store(sums, 6 * wide, s6)
    store(sums, 7 * wide, s7)


@njit(nogil=True, cache=True, error_model="numpy")
def place(entry, phases):
    """Vector of an entry, and the sign of its phase."""
    vector = np.int64(entry)
    if phases == 2:
        return vector >> 1, np.float32(1 - 2 * (vector & 1))
    return vector, np.float32(1)


@njit(nogil=True, cache=True, error_model="numpy")
def accumulate(table, numbers, bytes, ends, tops, vectors, phases, sums, parts, inverse, low, high, y, offset, pitch):
    """Add the converted sums of a strip of columns to y; returns how many conversions were clipped."""
    wide = full(table)
    longest = numbers.shape[0] // (2 * VECTORS)
    inverses, lows, highs = splat(inverse, LANES), splat(low, LANES), splat(high, LANES)
    twos = splat(np.float32(2), LANES)
    clipped = splat(np.int32(0), LANES)
    for entry in range(np.uint64(phases * vectors)):
        first, last = entry * np.uint64(longest), np.uint64(ends[entry])
        if last == first:
            continue
        _sum(table, numbers, bytes, first, last, sums)
        vector, sign = place(entry, phases)
        for k in range(parts):
            result = splat(np.float32(0), LANES)
            for bit in range(tops[entry] - 1, -1, -1):
                value = convert(load(sums, bit * wide + k * LANES, LANES), types.float32)
                code = floor(value * inverses + np.float32(0.5))
                kept = select(code > highs, highs, code)
                kept = select(kept < lows, lows, kept)
                clipped = select(kept != code, clipped + 1, clipped)
                result = fused(result, twos, kept)
            at = vector * pitch + offset + k * LANES
            store(y, at, load(y, at, LANES) + result * sign)
    return reduced(clipped)


@njit(nogil=True, cache=True, error_model="numpy")
def accumulate_counts(table, numbers, bytes, ends, tops, vectors, phases, sums, parts, line, y, offset, pitch):
    """`accumulate` for sums in bytes and a converter of whole numbers (`stairs`), 32 columns at a time."""
    wide = full(table)
    longest = numbers.shape[0] // (2 * VECTORS)
    factors, offsets, shifts = splat(line[0], PAIR), splat(line[1], PAIR), splat(line[2], PAIR)
    highest, limits = splat(line[3], PAIR), splat(line[4], PAIR)
    clipped = 0
    for entry in range(np.uint64(phases * vectors)):
        first, last = entry * np.uint64(longest), np.uint64(ends[entry])
        if last == first:
            continue
        _sum(table, numbers, bytes, first, last, sums)
        vector, sign = place(entry, phases)
        for k in range(parts):
            result = splat(np.uint16(0), PAIR)
            for bit in range(tops[entry] - 1, -1, -1):
                count = convert(load(sums, bit * wide + k * PAIR, PAIR), types.uint16)
                clipped += total(count > limits)
                count = select(count > highest, highest, count)
                result = result + result + ((count * factors + offsets) >> shifts)
            at = vector * pitch + offset + k * PAIR
            low, high = convert(part(result, 0, LANES), types.float32), convert(part(result, 1, LANES), types.float32)
            store(y, at, load(y, at, LANES) + low * sign)
            store(y, at + LANES, load(y, at + LANES, LANES) + high * sign)
    return clipped
