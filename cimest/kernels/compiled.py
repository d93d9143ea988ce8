"""The kernels in machine code by numba, held to the specification in reference.py.

Threads share the vectors, rows or columns of a result; none of its numbers depends on how they are shared, so results
are the same for any number of threads. The loops release the interpreter lock and are called from a pool of threads:
that compiles faster than numba's own parallel loops, and may be done from several threads at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit

from cimest.kernels import random
from cimest.kernels.reference import phases
from cimest.kernels.types import Address, PulseCounts, Quantiser
from cimest.kernels.vector import LANES, count_columns, read_columns
from hwlib.devices.update_law import GROWTH_MAX, Steps

LINES, COLUMNS = 1024, 4
"""Stored columns of the weight-gradient unit, and columns of errors, that are worked on together."""
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


def _shared(work: Callable[[int, int], Any], items: int) -> list[Any]:
    """Results of work(first, last) on ranges that cover all items, one range for each thread."""
    edges = np.linspace(0, items, min(_threads, items) + 1).astype(int).tolist()
    *others, last = pairwise(edges)
    pending = [_pool(_threads).submit(work, *part) for part in others]
    own = work(*last)
    return [*(future.result() for future in pending), own]


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
                            last = ends[m, phase]
                            clipped += read_columns(  # type: ignore[call-arg]
                                weights, base, rows, values, first, last, _BITS, inverse, low, high, sign, flat, offset
                            )
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

    def work(first: int, last: int) -> int:
        part, signed = slice(first, last), x.dtype == np.int8
        return _mvm(magnitudes[part], signed, strips.reshape(-1), padded, edges, longest, *scalars, y[part])

    clipped = sum(_shared(work, len(x)))
    return y[:, :columns] * np.float32(adc.step), clipped


@njit(nogil=True, cache=True, error_model="numpy")
def _pack(x, edges, packed):
    """Bits of x, 32 vectors to a word: packed[block, word, bit, column]."""
    columns = np.uint64(x.shape[1])
    for block in range(edges.shape[0] - 1):
        for vector in range(edges[block], edges[block + 1]):
            place = np.uint32(vector - edges[block])
            target = packed[block, place >> 5]
            row = x[vector]
            for bit in range(packed.shape[2]):
                line = target[bit]
                for column in range(columns):
                    line[column] |= np.uint32(
                        np.uint32(np.uint32(row[column] >> np.uint8(bit)) & np.uint32(1)) << (place & 31)
                    )


def _packed(x: np.ndarray, edges: np.ndarray, bits: int) -> np.ndarray:
    """See `_pack`; an empty column more where their number is odd, so that eight bits fill whole vectors."""
    words, columns = -(-int(np.diff(edges).max()) // 32), x.shape[1] + x.shape[1] % 2
    packed = np.zeros((len(edges) - 1, words, bits, columns), dtype=np.uint32)

    def work(first: int, last: int) -> None:
        _pack(x, edges[first : last + 1], packed[first:last])

    _shared(work, len(packed))
    return packed


@njit(nogil=True, cache=True, error_model="numpy")
def _gradient(stored, streamed, sign, inverse, high, first_item, last_item, total):
    """Add converted counts of ones to total[column of errors, stored column], for some pieces of that matrix."""
    clipped = np.int64(0)
    blocks, words, lines = stored.shape
    bits, columns = streamed.shape[2:]
    across = (columns + COLUMNS - 1) // COLUMNS
    for item in range(first_item, last_item):
        first_line = item // across * LINES
        first_column = item % across * COLUMNS
        for block in range(blocks):
            for column in range(first_column, min(first_column + COLUMNS, columns)):
                for bit in range(bits):
                    used = np.uint32(0)
                    for word in range(words):
                        used |= streamed[block, word, bit, column]
                    if used != 0:
                        factor = np.float32(sign * (1 << bit))
                        mask, pitch = (block * words * bits + bit) * columns + column, bits * columns
                        for line in range(first_line, min(first_line + LINES, lines), LANES):
                            cells, target = block * words * lines + line, column * lines + line
                            clipped += count_columns(  # type: ignore[call-arg]
                                stored, cells, lines, streamed, mask, pitch, words,
                                inverse, high, factor, total, target,
                            )  # fmt: skip
    return clipped


def weight_gradient(x: np.ndarray, errors: np.ndarray, edges: np.ndarray, adc: Quantiser) -> tuple[np.ndarray, int]:
    """See `reference.weight_gradient`; equal while the sum of codes stays below 2^24."""
    inverse, _, high = adc.scalars()
    packed = _packed(x, edges, 8)
    stored = packed.reshape(*packed.shape[:2], -1)
    total = np.zeros((errors.shape[1] + errors.shape[1] % 2, stored.shape[2]), dtype=np.float32)
    clipped = 0
    for sign, magnitude in phases(errors):
        streamed = _packed(magnitude, edges, 7)

        def work(first: int, last: int, sign: int = sign, streamed: np.ndarray = streamed) -> int:
            return _gradient(stored, streamed, sign, inverse, high, first, last, total)

        clipped += sum(_shared(work, -(-total.shape[0] // COLUMNS) * -(-total.shape[1] // LINES)))
    planes = total.reshape(len(total), 8, -1)[: errors.shape[1], :, : x.shape[1]].astype(np.float64)
    gradient = np.tensordot(2.0 ** np.arange(8), planes, axes=(0, 1))
    return (gradient.T * adc.step).astype(np.float32), clipped


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _threefry(k0, k1, x0, x1):
    """See `random.threefry2x32`; every result is cast, since numba would go on with 64 bits."""
    k2 = np.uint32(k0 ^ k1 ^ np.uint32(random.PARITY))
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
                w = float(weights[row, column])
                if count > 0:
                    direction, slope, start = 1.0, r_up[row, column], s_up[row, column]
                    longest_up[row, block] = max(longest_up[row, block], count)
                    counts[0] += 1
                    counts[1] += count
                else:
                    count = -count
                    direction, slope, start = -1.0, r_down[row, column], s_down[row, column]
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
                    draw = float(np.float32(radius * np.cos(2 * np.pi * (np.float64(two) * 2.0**-32))))
                    growth = np.sqrt(float(count)) if per_pulse else 1.0
                    w = min(max(w + spread * growth * draw, -1.0), 1.0)
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
    rows = len(weights)
    longest_up = np.zeros((rows, len(column_edges) - 1), dtype=np.int64)
    longest_down = np.zeros_like(longest_up)
    coefficients = [np.broadcast_to(np.asarray(value, dtype=np.float64), weights.shape) for value in steps]
    keys = [np.uint32(address.tile * random.STREAMS + stream) for stream in (random.ROUNDING, random.NOISE)]

    def work(first: int, last: int) -> np.ndarray:
        return _update(  # type: ignore[call-arg]
            weights, amount, *coefficients, rounding == "stochastic", 2 * sigma, per_pulse,
            np.uint32(address.seed), *keys, np.uint32(address.step), first, last,
            column_edges, written, longest_up, longest_down,
        )  # fmt: skip

    counts = np.sum(_shared(work, rows), axis=0)
    cells_up, pulses_up, cells_down, pulses_down = (int(count) for count in counts)
    return PulseCounts(cells_up, cells_down, pulses_up, pulses_down, longest_up, longest_down)
