"""The kernels in machine code by numba, held to the specification in reference.py.

Work is cut into chunks of fixed size that a pool of threads takes from a list, and no number is summed across
chunks but integers: results are the same for any number of threads. The loops release the interpreter lock, which
compiles in a third of the time of numba's own parallel loops and may be called from several threads at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numba import njit
from numba import types as numba_types
from numba.extending import intrinsic

from cimest.kernels import random
from cimest.kernels.reference import phases
from cimest.kernels.types import Address, PulseCounts, Quantiser
from cimest.kernels.vector import LANES, read_columns
from hwlib.devices.update_law import GROWTH_MAX, Steps

VECTORS = 512
"""Input vectors in a chunk."""
CELLS = 1 << 14
"""Cells in a chunk of an update, about."""
LINES, COLUMNS = 2048, 3
"""Stored columns of the weight-gradient unit, and columns of errors, in a chunk."""
GROUP = 32
"""Input vectors that use a block of weights while it lies in the nearest cache."""

_BITS = (np.arange(256, dtype=np.uint8)[:, None] >> np.arange(8, dtype=np.uint8) & 1).astype(np.float32).reshape(-1)

_ROTATIONS = np.array(random.ROTATIONS, dtype=np.uint32)

_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads(count: int) -> None:
    """Use that many threads; results do not depend on it."""
    global _threads
    if count < 1:
        raise ValueError(f"at least one thread is needed, got {count}")
    _threads = count


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="cimest")


def _each(work: Callable[[Any], Any], chunks: Iterable[Any]) -> list[Any]:
    """Results of the work on each chunk, in order."""
    chunks = list(chunks)
    if _threads == 1 or len(chunks) == 1:
        return [work(chunk) for chunk in chunks]
    return list(_pool(_threads).map(work, chunks))


@njit(nogil=True, cache=True, error_model="numpy")
def _mvm(x, signed, weights, columns, edges, longest, inverse, low, high, y):
    """Rows of y for all vectors of x; weights lie in strips of sixteen columns, one after the other."""
    clipped = np.int64(0)
    inputs = x.shape[1]
    rows = np.empty(GROUP * 2 * (longest + 1), np.uint32)
    values = np.empty(GROUP * 2 * (longest + 1), np.uint8)
    ends = np.empty((GROUP, 2), np.int64)
    flat = y.reshape(-1)
    for start in range(0, x.shape[0], GROUP):
        vectors = min(GROUP, x.shape[0] - start)
        for block in range(edges.shape[0] - 1):
            for m in range(vectors):
                plus = np.uint64(m * 2 * (longest + 1))
                minus = np.uint64(plus + longest + 1)
                vector = x[start + m]
                for row in range(np.uint64(edges[block]), np.uint64(edges[block + 1])):
                    value = vector[row]
                    negative = signed and value > 127
                    rows[plus] = row
                    values[plus] = value
                    rows[minus] = row
                    values[minus] = np.uint8(256 - np.int64(value))
                    plus += np.uint64(value != 0 and not negative)
                    minus += np.uint64(negative)
                ends[m, 0] = plus
                ends[m, 1] = minus
            for strip in range(columns // LANES):
                base = strip * inputs * LANES
                for m in range(vectors):
                    offset = (start + m) * columns + strip * LANES
                    for phase in range(2):
                        first = (2 * m + phase) * (longest + 1)
                        if ends[m, phase] > first:
                            sign = np.float32(1 - 2 * phase)
                            clipped += read_columns(
                                weights, base, rows, values, first, ends[m, phase], _BITS, inverse, low, high, sign, flat, offset
                            )  # fmt: skip
    return clipped


def bit_serial_mvm(x: np.ndarray, weights: np.ndarray, edges: np.ndarray, adc: Quantiser) -> tuple[np.ndarray, int]:
    """See `reference.bit_serial_mvm`; equal bit by bit while the sum of codes stays below 2^24."""
    inputs, columns = weights.shape
    padded = -(-columns // LANES) * LANES
    strips = np.zeros((padded // LANES, inputs, LANES), dtype=np.float32)
    for strip in range(padded // LANES):
        part = weights[:, strip * LANES : (strip + 1) * LANES]
        strips[strip, :, : part.shape[1]] = part
    y = np.zeros((x.shape[0], padded), dtype=np.float32)
    magnitudes = np.ascontiguousarray(x).view(np.uint8)
    longest, scalars = int(np.diff(edges).max()), adc.scalars()

    def work(start: int) -> int:
        chunk = slice(start, start + VECTORS)
        signed = x.dtype == np.int8
        return _mvm(magnitudes[chunk], signed, strips.reshape(-1), padded, edges, longest, *scalars, y[chunk])

    clipped = sum(_each(work, range(0, x.shape[0], VECTORS)))
    return y[:, :columns] * np.float32(adc.step), clipped


@intrinsic
def _ones(context, word):
    """Number of ones of a 32-bit word."""

    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return numba_types.uint32(numba_types.uint32), generate


@njit(nogil=True, cache=True, error_model="numpy")
def _pack(x, edges, packed):
    """Bits of x, 32 vectors to a word: packed[block, word, bit, column]; words come in pairs."""
    columns = np.uint64(x.shape[1])
    for block in range(edges.shape[0] - 1):
        for vector in range(edges[block], edges[block + 1]):
            place = np.uint32(vector - edges[block])
            target = packed[block, place >> 5]
            row = x[vector]
            for bit in range(packed.shape[2]):
                line = target[bit]
                for column in range(columns):
                    line[column] |= np.uint32(np.uint32(np.uint32(row[column] >> np.uint8(bit)) & np.uint32(1)) << (place & 31))


def _packed(x: np.ndarray, edges: np.ndarray, bits: int) -> np.ndarray:
    words = 2 * -(-int(np.diff(edges).max()) // 64)
    packed = np.zeros((len(edges) - 1, words, bits, x.shape[1]), dtype=np.uint32)
    blocks = max(1, VECTORS // words // 32)

    def work(start: int) -> None:
        _pack(x, edges[start : start + blocks + 1], packed[start : start + blocks])

    _each(work, range(0, len(edges) - 1, blocks))
    return packed


@njit(nogil=True, cache=True, error_model="numpy")
def _gradient(stored, streamed, sign, inverse, high, lines, columns, total):
    """Add converted counts of ones to total[column of errors, stored column], within the given lines and columns."""
    clipped = np.int64(0)
    first, last = lines
    width = np.uint64(last - first)
    count = np.empty(width, np.uint32)
    for block in range(stored.shape[0]):
        for column in range(columns[0], columns[1]):
            line = total[column, first:last]
            for bit in range(streamed.shape[2]):
                fresh = True
                for word in range(0, stored.shape[1], 2):
                    mask = streamed[block, word, bit, column]
                    next_mask = streamed[block, word + 1, bit, column]
                    if mask | next_mask == 0:
                        continue
                    cells = stored[block, word, first:last]
                    next_cells = stored[block, word + 1, first:last]
                    if fresh:
                        for j in range(width):
                            count[j] = _ones(cells[j] & mask) + _ones(next_cells[j] & next_mask)
                    else:
                        for j in range(width):
                            count[j] += _ones(cells[j] & mask) + _ones(next_cells[j] & next_mask)
                    fresh = False
                if fresh:
                    continue
                weight = np.float32(sign * (1 << bit))
                outside = np.uint32(0)
                for j in range(width):
                    code = np.floor(np.float32(count[j]) * inverse + np.float32(0.5))
                    outside += np.uint32(code > high)
                    line[j] += weight * min(code, high)
                clipped += outside
    return clipped


def weight_gradient(x: np.ndarray, errors: np.ndarray, edges: np.ndarray, adc: Quantiser) -> tuple[np.ndarray, int]:
    """See `reference.weight_gradient`; equal while the sum of codes stays below 2^24."""
    inverse, _, high = adc.scalars()
    stored = _packed(x, edges, 8).reshape(len(edges) - 1, -1, 8 * x.shape[1])
    total = np.zeros((errors.shape[1], stored.shape[2]), dtype=np.float32)
    clipped = 0
    for sign, magnitude in phases(errors):
        streamed = _packed(magnitude, edges, 7)

        def work(chunk: tuple[int, int], sign: int = sign, streamed: np.ndarray = streamed) -> int:
            line, column = chunk
            lines = line, min(line + LINES, stored.shape[2])
            columns = column, min(column + COLUMNS, errors.shape[1])
            return _gradient(stored, streamed, sign, inverse, high, lines, columns, total)

        chunks = [(i, j) for i in range(0, stored.shape[2], LINES) for j in range(0, errors.shape[1], COLUMNS)]
        clipped += sum(_each(work, chunks))
    planes = total.reshape(errors.shape[1], 8, x.shape[1]).astype(np.float64)
    gradient = np.tensordot(2.0 ** np.arange(8), planes, axes=(0, 1))
    return (gradient.T * adc.step).astype(np.float32), clipped


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _threefry(k0, k1, x0, x1):
    """See `random.threefry2x32`; written out in full, since a loop over rotations would not become vectors."""
    k2 = np.uint32(k0 ^ k1 ^ np.uint32(0x1BD11BDA))
    x0 = np.uint32(x0 + k0)
    x1 = np.uint32(x1 + k1)
    for group in range(5):
        for i in range(4):
            turn = np.uint32(_ROTATIONS[4 * (group & 1) + i])
            x0 = np.uint32(x0 + x1)
            x1 = np.uint32(np.uint32(np.uint32(x1 << turn) | np.uint32(x1 >> np.uint32(np.uint32(32) - turn))) ^ x0)
        if group == 0 or group == 3:
            x0 = np.uint32(x0 + k1)
            x1 = np.uint32(x1 + k2)
        elif group == 1 or group == 4:
            x0 = np.uint32(x0 + k2)
            x1 = np.uint32(x1 + k0)
        else:
            x0 = np.uint32(x0 + k0)
            x1 = np.uint32(x1 + k1)
        x1 = np.uint32(x1 + np.uint32(group + 1))
    return x0, x1


@njit(nogil=True, cache=True, error_model="numpy")
def _update(
    weights, amount, s_up, r_up, s_down, r_down, stochastic, spread, per_pulse,
    seed, rounding_key, noise_key, step, first, last, edges, written, longest_up, longest_down,
):  # fmt: skip
    """Rows first to last of `reference.pulsed_update`; returns cells up, pulses up, cells down, pulses down."""
    columns = np.uint64(weights.shape[1])
    pulses = np.empty(columns, np.float32)
    counts = np.zeros(4, np.int64)
    for row in range(first, last):
        wanted = amount[row]
        cell = np.uint32(np.uint64(row) * columns)
        for column in range(columns):
            offset = np.float32(0.5)
            if stochastic:
                word, _ = _threefry(seed, rounding_key, step, np.uint32(cell + np.uint32(column)))
                offset = np.float32(np.float32(np.uint32(word >> np.uint32(8))) * np.float32(2.0**-24))
            pulses[column] = np.floor(np.float32(wanted[column] + offset))
        for block in range(edges.shape[0] - 1):
            for column in range(edges[block], edges[block + 1]):
                count = np.int64(pulses[column])
                if count == 0:
                    continue
                w = np.float64(weights[row, column])
                if count > 0:
                    direction, slope, start = 1.0, np.float64(r_up[row, column]), np.float64(s_up[row, column])
                    longest_up[row, block] = max(longest_up[row, block], count)
                    counts[0] += 1
                    counts[1] += count
                else:
                    count = -count
                    direction, slope, start = -1.0, np.float64(r_down[row, column]), np.float64(s_down[row, column])
                    longest_down[row, block] = max(longest_down[row, block], count)
                    counts[2] += 1
                    counts[3] += count
                speed = max(start - direction * slope * w, 0.0)
                exponent = max(slope * count, -GROWTH_MAX)
                relaxation = 1.0
                if exponent != 0.0:
                    relaxation = -np.expm1(-exponent) / exponent
                w = min(max(w + direction * speed * count * relaxation, -1.0), 1.0)
                if spread > 0:
                    one, two = _threefry(seed, noise_key, step, np.uint32(cell + np.uint32(column)))
                    radius = np.sqrt(-2 * np.log((np.float64(one) + 0.5) * 2.0**-32))
                    draw = np.float64(np.float32(radius * np.cos(2 * np.pi * (np.float64(two) * 2.0**-32))))
                    amplitude = spread
                    if per_pulse:
                        amplitude = spread * np.sqrt(np.float64(count))
                    w = min(max(w + amplitude * draw, -1.0), 1.0)
                weights[row, column] = w
                written[row, column] += count
    return counts


def pulsed_update(
    weights: np.ndarray,
    amount: np.ndarray,
    steps: Steps,
    rounding: str,
    sigma: float,
    per_pulse: bool,
    address: Address,
    column_edges: np.ndarray,
    written: np.ndarray,
) -> PulseCounts:
    """See `reference.pulsed_update`; the same random bits and pulses, weights equal to single precision."""
    rows, columns = weights.shape
    longest_up = np.zeros((rows, len(column_edges) - 1), dtype=np.int64)
    longest_down = np.zeros_like(longest_up)
    coefficients = [np.broadcast_to(np.asarray(value, dtype=np.float64), weights.shape) for value in steps]
    keys = [np.uint32(address.tile * random.STREAMS + stream) for stream in (random.ROUNDING, random.NOISE)]
    height = max(1, CELLS // columns)

    def work(first: int) -> np.ndarray:
        return _update(
            weights, amount, *coefficients, rounding == "stochastic", 2 * sigma, per_pulse,
            np.uint32(address.seed), *keys, np.uint32(address.step), first, min(first + height, rows),
            column_edges, written, longest_up, longest_down,
        )  # fmt: skip

    counts = np.sum(_each(work, range(0, rows, height)), axis=0)
    cells_up, pulses_up, cells_down, pulses_down = (int(count) for count in counts)
    return PulseCounts(cells_up, cells_down, pulses_up, pulses_down, longest_up, longest_down)
