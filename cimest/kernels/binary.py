"""Matrix products of cells with two states through converters: ones are counted, counts converted in whole numbers.

Sixteen rows of a column make a word, and 32 columns a vector of words: its AND with the same bits of an input, and
the count of ones, do the work of 512 cells. A processor repeats pairs of words over a vector more quickly than single
ones; so the words of odd columns change places in pairs, and inputs come in both orders. The converter is a straight
line of whole numbers whose steps are checked against the converter's own for every count that can occur (`stairs`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit, types

from cimest.kernels.lanes import convert, load, load_full, ones, part, ramp, select, splat, store, total, view
from cimest.kernels.memory import SPREAD, aligned
from cimest.kernels.reference import convert as converted
from cimest.kernels.tables import place
from cimest.kernels.threads import shared
from cimest.kernels.types import Quantiser

WIDE, LANES = 32, 16
"""Columns that are counted together, and outputs that are written together."""
WORDS = 8
"""Words of a column that stay in registers: 128 rows."""
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


@njit(nogil=True, cache=True, error_model="numpy")
def _pack_inputs(x, vectors, start, stop, phases, packed, tops):
    """Bits of the inputs, eight rows to a byte: packed[vector, phase, bit, word, byte of a pair of words]."""
    for m in range(vectors):
        packed[m] = 0
        for phase in range(phases):
            used = np.uint64(0)
            for byte in range((stop - start + 7) // 8):
                word = np.uint64(0)
                row = start + 8 * byte
                for i in range(min(8, stop - row)):
                    value = np.int64(x[m, row + i])
                    negative = phases == 2 and value > 127
                    if negative == (phase == 1):
                        word |= np.uint64(SPREAD[256 - value if negative else value] << np.uint64(i))
                used |= word
                for bit in range(8):
                    ones = np.uint8(word >> np.uint64(8 * bit) & np.uint64(255))
                    packed[m, phase, bit, byte // 2, byte % 2] = ones
                    packed[m, phase, bit, byte // 2 ^ 1, 2 + byte % 2] = ones
            top = 0
            while used != np.uint64(0):
                top += 1
                used >>= np.uint64(8)
            tops[m, phase] = top


@njit(nogil=True, cache=True, error_model="numpy")
def _pack_cells(weights, edges, cells):
    """Cells, sixteen rows of a block to a word: cells[block, strip, word, column of the strip]."""
    columns = weights.shape[1]
    odd = (ramp(np.uint16(0), WIDE) & np.uint16(1)) != np.uint16(0)
    for block in range(edges.shape[0] - 1):
        for strip in range(cells.shape[1]):
            for pair in range(cells.shape[2] // 2):
                one = other = splat(np.uint16(0), WIDE)
                first = edges[block] + 32 * pair
                for row in range(min(16, edges[block + 1] - first)):
                    line = load(weights, (first + row) * columns + strip * WIDE, WIDE)
                    one |= convert(line, types.uint16) << np.uint16(row)
                for row in range(16, min(32, edges[block + 1] - first)):
                    line = load(weights, (first + row) * columns + strip * WIDE, WIDE)
                    other |= convert(line, types.uint16) << np.uint16(row - 16)
                at = ((block * cells.shape[1] + strip) * cells.shape[2] + 2 * pair) * WIDE
                store(cells, at, select(odd, other, one))
                store(cells, at + WIDE, select(odd, one, other))


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _ones(cells, pair):
    """Ones of sixteen rows of 32 columns."""
    return ones(view(cells & splat(pair, LANES), types.uint16))


@njit(nogil=True, cache=True, error_model="numpy")
def _count(cells, inputs, tops, vectors, phases, line, y, at, pitch):
    """Add the converted counts of a strip of columns to y; returns how many conversions were clipped."""
    words = cells.shape[0]
    c0, c1, c2, c3 = load_full(cells, 0), load_full(cells, 16), load_full(cells, 32), load_full(cells, 48)
    c4, c5, c6, c7 = load_full(cells, 64), load_full(cells, 80), load_full(cells, 96), load_full(cells, 112)
    factors, offsets, shifts = splat(line[0], WIDE), splat(line[1], WIDE), splat(line[2], WIDE)
    highest, limits = splat(line[3], WIDE), splat(line[4], WIDE)
    clipped = 0
    for entry in range(np.uint64(vectors * phases)):
        vector, sign = place(entry, phases)
        phase = np.int64(sign < 0)
        row = inputs[vector, phase]
        result = splat(np.uint16(0), WIDE)
        for bit in range(tops[vector, phase] - 1, -1, -1):
            x = row[bit]
            count = _ones(c0, x[0]) + _ones(c1, x[1]) + (_ones(c2, x[2]) + _ones(c3, x[3]))
            count += _ones(c4, x[4]) + _ones(c5, x[5]) + (_ones(c6, x[6]) + _ones(c7, x[7]))
            for word in range(WORDS, words):
                count += _ones(load_full(cells, word * LANES), x[word])
            clipped += total(count > limits)
            count = select(count > highest, highest, count)
            result = result + result + ((count * factors + offsets) >> shifts)
        to = vector * pitch + at
        low, high_half = convert(part(result, 0, LANES), types.float32), convert(part(result, 1, LANES), types.float32)
        store(y, to, load(y, to, LANES) + low * sign)
        store(y, to + LANES, load(y, to + LANES, LANES) + high_half * sign)
    return clipped


@njit(nogil=True, cache=True, error_model="numpy")
def _mvm(x, phases, cells, edges, line, y):
    """Rows of y for all vectors of x."""
    words = cells.shape[2]
    packed = np.zeros((VECTORS, phases, 8, words, 4), np.uint8)
    inputs = packed.view(np.uint32)[:, :, :, :, 0]
    tops = np.zeros((VECTORS, phases), np.int64)
    clipped = 0
    for start in range(0, x.shape[0], VECTORS):
        vectors = min(VECTORS, x.shape[0] - start)
        for block in range(edges.shape[0] - 1):
            _pack_inputs(x[start:], vectors, edges[block], edges[block + 1], phases, packed, tops)
            for strip in range(cells.shape[1]):
                clipped += _count(
                    cells[block, strip], inputs, tops, vectors, phases, line,
                    y, start * y.shape[1] + strip * WIDE, y.shape[1],
                )  # fmt: skip
    return clipped


def binary_mvm(x: np.ndarray, weights: np.ndarray, edges: np.ndarray, line: Stairs) -> tuple[np.ndarray, int]:
    """`reference.bit_serial_mvm` for weights of 0 and 1 and a step of one, with the converter's line from `stairs`."""
    columns = weights.shape[1]
    strips, blocks = -(-columns // WIDE), len(edges) - 1
    words = max(WORDS, 2 * -(-int(np.diff(edges).max()) // 32))
    cells = aligned((blocks, strips, words, WIDE), np.uint16)
    padded = weights if columns % WIDE == 0 else np.pad(weights, ((0, 0), (0, -columns % WIDE)))
    _pack_cells(np.ascontiguousarray(padded, dtype=np.uint8), edges, cells)
    pairs = cells.view(np.uint32)
    y = aligned((len(x), strips * WIDE), np.float32)
    magnitudes, phases = np.ascontiguousarray(x).view(np.uint8), 2 if x.dtype == np.int8 else 1
    numbers = np.array(line, dtype=np.uint16)

    def work(first: int, last: int) -> int:
        return _mvm(magnitudes[first:last], phases, pairs, edges, numbers, y[first:last])

    clipped = sum(shared(work, len(x)))
    return y[:, :columns], clipped
