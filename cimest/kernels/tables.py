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
    view,
)  # fmt: skip
from cimest.kernels.memory import aligned

LANES = 16
"""Columns that a converter takes at once."""
PAIR = 2 * LANES
"""The same for a converter of whole numbers."""
VECTORS = 128
"""Input vectors that use a table while it lies in the nearest cache."""

GROUPS, INPUTS = 16, 64
"""Groups of four inputs, and inputs, whose bits are sorted at once."""
ONES = np.uint32(0x01010101)
GATHER = np.uint32(0x10204080)
"""Takes the lowest bits of the four bytes of a word to its four highest bits, in order."""


def work_space(longest: int, dtype: Any, blocks: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Memory for a table of that many rows, for the sums of eight input bits, and for lists of so many blocks."""
    wide, groups = 64 // np.dtype(dtype).itemsize, -(-longest // 4) + 1
    places = np.empty((blocks, 2 * VECTORS * groups, 8), np.uint16 if 8 * 16 * groups < 1 << 16 else np.uint32)
    return aligned((16 * groups, wide), dtype), aligned((8, wide), dtype), places


@njit(nogil=True, cache=True, error_model="numpy")
def _bits(inputs):
    """Bits of sixteen groups of four inputs: byte b of a word holds bit b of the four."""
    lows = highs = splat(np.uint32(0), GROUPS)
    for bit in range(4):
        # No two products of the ones with the factor fall on one bit, and the four inputs' come to stand at the top
        low = ((inputs >> np.uint32(bit)) & ONES) * GATHER >> np.uint32(28)
        high = ((inputs >> np.uint32(bit + 4)) & ONES) * GATHER >> np.uint32(28)
        lows, highs = lows | (low << np.uint32(8 * bit)), highs | (high << np.uint32(8 * bit))
    return convert(lows, types.uint64) | (convert(highs, types.uint64) << np.uint64(32))


@njit(nogil=True, cache=True, error_model="numpy")
def _list(found, groups, group, place, places):
    """Append places in the table of groups found, the first of which has the number `group`, that are not zero."""
    used = np.uint64(0)
    subsets = found.view(np.uint8)
    for i in range(groups):
        lines = convert(load(subsets, 8 * i, 8), places.dtype) + 16 * (group + i)
        store(places, 8 * place, lines * 8)
        place += np.int64(found[i] != np.uint64(0))
        used |= found[i]
    return place, used


@njit(nogil=True, cache=True, error_model="numpy")
def _used_bits(used):
    """How many bits, from the lowest on, the words of which `used` is the union have."""
    top = 0
    while used != np.uint64(0):
        top += 1
        used >>= np.uint64(8)
    return top


@njit(nogil=True, cache=True, error_model="numpy")
def list_groups(x, vectors, start, stop, phases, places, ends, tops):
    """Where sums lie in the table for each vector and phase: of groups of four rows, unless their inputs are all zero.

    places[i, bit] is in units of 8 bytes. The list of a vector and a phase, which begins at
    (vector·phases + phase)·pitch, stops before `ends`; `tops` bits are in use.
    """
    pitch = places.shape[0] // (2 * VECTORS)
    inputs = x.shape[1]
    last = np.zeros(INPUTS, np.uint8)
    found = np.empty(GROUPS, np.uint64)
    for m in range(vectors):
        plus = m * phases * pitch
        minus = plus + pitch
        ups = downs = np.uint64(0)
        for row in range(start, stop, INPUTS):
            rows = min(INPUTS, stop - row)
            if rows == INPUTS:
                given = load(x, m * inputs + row, INPUTS)
            else:
                for i in range(rows):
                    last[i] = x[m, row + i]
                given = load(last, 0, INPUTS)
            groups, group = (rows + 3) // 4, (row - start) // 4
            if phases == 2:
                negative, zero = given > np.uint8(127), splat(np.uint8(0), INPUTS)
                store(found, 0, _bits(view(select(negative, zero - given, zero), types.uint32)))
                minus, used = _list(found, groups, group, minus, places)
                downs |= used
                given = select(negative, zero, given)
            store(found, 0, _bits(view(given, types.uint32)))
            plus, used = _list(found, groups, group, plus, places)
            ups |= used
        ends[m * phases], tops[m * phases] = plus, _used_bits(ups)
        if phases == 2:
            ends[m * phases + 1], tops[m * phases + 1] = minus, _used_bits(downs)


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
def _sums(table, places, first, last):
    """Sums of a strip of columns for each of eight input bits, by the groups that an entry lists."""
    scale = full(table) // 8
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = load_full(table, 0)
    for i in range(first, last):
        s0 += load_full(table, scale * np.int64(places[i, 0]))
        s1 += load_full(table, scale * np.int64(places[i, 1]))
        s2 += load_full(table, scale * np.int64(places[i, 2]))
        s3 += load_full(table, scale * np.int64(places[i, 3]))
        s4 += load_full(table, scale * np.int64(places[i, 4]))
        s5 += load_full(table, scale * np.int64(places[i, 5]))
        s6 += load_full(table, scale * np.int64(places[i, 6]))
        s7 += load_full(table, scale * np.int64(places[i, 7]))
    return s0, s1, s2, s3, s4, s5, s6, s7


@njit(nogil=True, cache=True, error_model="numpy")
def _store_sums(table, places, first, last, sums):
    """`_sums` in memory."""
    wide = full(table)
    s0, s1, s2, s3, s4, s5, s6, s7 = _sums(table, places, first, last)
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
def _kept(sums, inverses, lows, highs, clipped):
    """Codes of a converter, and how many were clipped so far."""
    code = floor(sums * inverses + np.float32(0.5))
    kept = select(code > highs, highs, code)
    kept = select(kept < lows, lows, kept)
    return kept, select(kept != code, clipped + 1, clipped)


@njit(nogil=True, cache=True, error_model="numpy")
def _reals(sums):
    """The first sixteen, for the compiler, which meets whole numbers here that never come."""
    return convert(part(sums, 0, LANES), types.float32)


@njit(nogil=True, cache=True, error_model="numpy")
def accumulate_reals(table, places, ends, vectors, phases, inverse, low, high, y, offset, pitch):
    """`accumulate` for real numbers: a strip is one vector, and its sums never leave the registers."""
    longest = places.shape[0] // (2 * VECTORS)
    inverses, lows, highs = splat(inverse, LANES), splat(low, LANES), splat(high, LANES)
    two, four, sixteen = splat(np.float32(2), LANES), splat(np.float32(4), LANES), splat(np.float32(16), LANES)
    clipped = splat(np.int32(0), LANES)
    for entry in range(np.uint64(phases * vectors)):
        first, last = entry * np.uint64(longest), np.uint64(ends[entry])
        if last == first:
            continue
        s0, s1, s2, s3, s4, s5, s6, s7 = _sums(table, places, first, last)
        k7, clipped = _kept(_reals(s7), inverses, lows, highs, clipped)
        k6, clipped = _kept(_reals(s6), inverses, lows, highs, clipped)
        k5, clipped = _kept(_reals(s5), inverses, lows, highs, clipped)
        k4, clipped = _kept(_reals(s4), inverses, lows, highs, clipped)
        k3, clipped = _kept(_reals(s3), inverses, lows, highs, clipped)
        k2, clipped = _kept(_reals(s2), inverses, lows, highs, clipped)
        k1, clipped = _kept(_reals(s1), inverses, lows, highs, clipped)
        k0, clipped = _kept(_reals(s0), inverses, lows, highs, clipped)
        upper = fused(fused(k7, two, k6), four, fused(k5, two, k4))
        lower = fused(fused(k3, two, k2), four, fused(k1, two, k0))
        vector, sign = place(entry, phases)
        at = vector * pitch + offset
        store(y, at, load(y, at, LANES) + fused(upper, sixteen, lower) * sign)
    return reduced(clipped)


@njit(nogil=True, cache=True, error_model="numpy")
def accumulate(table, places, ends, tops, vectors, phases, sums, parts, inverse, low, high, y, offset, pitch):
    """Add the converted sums of a strip of columns to y; returns how many conversions were clipped."""
    wide = full(table)
    longest = places.shape[0] // (2 * VECTORS)
    inverses, lows, highs = splat(inverse, LANES), splat(low, LANES), splat(high, LANES)
    twos = splat(np.float32(2), LANES)
    clipped = splat(np.int32(0), LANES)
    for entry in range(np.uint64(phases * vectors)):
        first, last = entry * np.uint64(longest), np.uint64(ends[entry])
        if last == first:
            continue
        _store_sums(table, places, first, last, sums)
        vector, sign = place(entry, phases)
        for k in range(parts):
            result = splat(np.float32(0), LANES)
            for bit in range(tops[entry] - 1, -1, -1):
                value = convert(load(sums, bit * wide + k * LANES, LANES), types.float32)
                kept, clipped = _kept(value, inverses, lows, highs, clipped)
                result = fused(result, twos, kept)
            at = vector * pitch + offset + k * LANES
            store(y, at, load(y, at, LANES) + result * sign)
    return reduced(clipped)


@njit(nogil=True, cache=True, error_model="numpy")
def accumulate_counts(table, places, ends, tops, vectors, phases, sums, parts, line, y, offset, pitch):
    """`accumulate` for sums in bytes and a converter of whole numbers (`stairs`), 32 columns at a time."""
    wide = full(table)
    longest = places.shape[0] // (2 * VECTORS)
    factors, offsets, shifts = splat(line[0], PAIR), splat(line[1], PAIR), splat(line[2], PAIR)
    highest, limits = splat(line[3], PAIR), splat(line[4], PAIR)
    clipped = 0
    for entry in range(np.uint64(phases * vectors)):
        first, last = entry * np.uint64(longest), np.uint64(ends[entry])
        if last == first:
            continue
        _store_sums(table, places, first, last, sums)
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
