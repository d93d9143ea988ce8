"""Matrix products of whole vectors in machine code: with noise, converters, and management of their range."""

from __future__ import annotations

from typing import Any

import numpy as np

from cimest.kernels import random
from cimest.kernels.elementary import compiled, directions, draw, inlined, squared_radius
from cimest.kernels.lanes import floor, largest, load, ramp, select, splat, sqrt, store, total
from cimest.kernels.random import LANES
from cimest.kernels.threads import shared, single_blas
from cimest.kernels.types import Address, MvmCounts, Periphery

GROUP = 2 * LANES

MANY = 8 * LANES
"""Counters drawn from at once, where there are that many: the processor then waits for none of them."""

BLOCK = 8
"""Vectors whose sizes are found before they are driven: few enough to be still in the nearest cache."""

TILE = 256
"""Vectors of a call of BLAS: enough for its full speed, and few enough that two cores share a batch."""


@inlined
def _size(x, vector):
    """Largest size of the inputs of a vector, 1 if they are all zero."""
    rows = x.shape[1]
    least = most = splat(np.float32(0), LANES)
    for row in range(0, rows - rows % LANES, LANES):
        value = load(x, vector * rows + row, LANES)
        least, most = select(value < least, value, least), select(value > most, value, most)
    size = max(largest(most), largest(np.float32(0) - least))
    for row in range(rows - rows % LANES, rows):
        size = max(size, np.float32(abs(x[vector, row])))
    return size if size > 0 else np.float32(1)


@inlined
def _quantise(value, factor, step, inverse, low, high):
    """Inputs through the DAC."""
    value = value * factor
    if step > 0:
        value = floor(value * inverse + np.float32(0.5)) * step
    value = select(value > high, high, value)
    return select(value < low, low, value)


@compiled
def _drive(x, chosen, first, normalise, scale, step, driven, norms):
    """Inputs of the chosen vectors through the DAC, and the sum of their squares; on the first try also the scale."""
    inverse = np.float32(1) / step if step > 0 else np.float32(1)
    rows, long = x.shape[1], driven.shape[1]
    whole = rows - rows % LANES
    low, high, zero = splat(np.float32(-1), LANES), splat(np.float32(1), LANES), splat(np.float32(0), LANES)
    for start in range(0, chosen.shape[0], BLOCK):
        some = range(start, min(start + BLOCK, chosen.shape[0]))
        if first:
            for number in some:
                scale[chosen[number]] = _size(x, chosen[number]) if normalise else np.float32(1)
        for number in some:
            vector, squares = chosen[number], zero
            factor = np.float32(np.float32(1) / scale[vector])
            for row in range(0, whole, LANES):
                value = load(x, vector * rows + row, LANES)
                value = _quantise(value, factor, step, inverse, low, high)
                store(driven, number * long + row, value)
                squares = squares + value * value
            if whole < rows:
                for row in range(whole, rows):
                    driven[number, row] = x[vector, row]
                value = _quantise(load(driven, number * long + whole, LANES), factor, step, inverse, low, high)
                store(driven, number * long + whole, value)
                squares = squares + value * value
            store(norms, number * LANES, squares)


@inlined
def _make(counters, seed, key, step, at, drawn):
    """What counters make normal numbers from: squared radii, and two directions of each, to rows of `drawn`."""
    a, b = draw(seed, key, step, counters)
    along, across = directions(b)
    store(drawn, at, squared_radius(a))
    store(drawn, at + drawn.shape[1], along)
    store(drawn, at + 2 * drawn.shape[1], across)


@compiled
def _make_normals(seed, key, step, first, drawn):
    """`_make` for as many counters from `first` on as `drawn` has places for."""
    many = drawn.shape[1] - drawn.shape[1] % MANY
    for at in range(0, many, MANY):
        _make(ramp(np.uint32(first + at), MANY), seed, key, step, at, drawn)
    for at in range(many, drawn.shape[1], LANES):
        _make(ramp(np.uint32(first + at), LANES), seed, key, step, at, drawn)


@compiled
def _emit(y, variance, each, norms, noise, step, bound, scale, seed, key, at_step, chosen, clipped):
    """Noise and ADC, in place; `clipped` gets the outputs of each vector that were, their number is returned."""
    padded, half = y.shape[1], y.shape[1] // 2
    drawn = np.empty((3, half), np.float32)
    inverse = np.float32(1) / step if step > 0 else np.float32(1)
    low, high, zero = splat(np.float32(-bound), LANES), splat(bound, LANES), splat(np.float32(0), LANES)
    own, lost = np.float32(noise * noise), 0
    for vector in range(y.shape[0]):
        power = np.float32(0)
        for lane in range(LANES):
            power = np.float32(power + norms[vector, lane])
        common = np.float32(own + np.float32(variance[0, 0] * power))
        factor, noisy = scale[chosen[vector]], each or common > 0
        if noisy:
            _make_normals(seed, key, at_step, chosen[vector] * half, drawn)
        losses = 0
        for group in range(padded // GROUP):
            place = vector * padded + group * GROUP
            one, two = zero, zero
            if noisy:
                square = load(drawn, group * LANES, LANES)
                one, two = load(drawn, half + group * LANES, LANES), load(drawn, 2 * half + group * LANES, LANES)
                if each:
                    one = one * sqrt(square * (load(variance, place, LANES) + own))
                    two = two * sqrt(square * (load(variance, place + LANES, LANES) + own))
                else:
                    radius = sqrt(square * common)
                    one, two = one * radius, two * radius
            for side in range(2):
                at = place + side * LANES
                value = load(y, at, LANES) + (one if side == 0 else two)
                if step > 0:
                    value = floor(value * inverse + np.float32(0.5)) * step
                kept = select(value > high, high, value)
                kept = select(kept < low, low, kept)
                losses += total(kept != value)
                store(y, at, kept * factor)
        clipped[chosen[vector]] = losses
        lost += losses
    return lost


def noisy_mvm(
    x: np.ndarray, weights: np.ndarray, variance: Any, periphery: Periphery, address: Address
) -> tuple[np.ndarray, MvmCounts]:
    """See `reference.noisy_mvm`; the same random numbers, sums in single precision."""
    single_blas()
    x, vectors, (rows, columns) = np.ascontiguousarray(x, dtype=np.float32), len(x), weights.shape
    padded, long = -(-columns // GROUP) * GROUP, -(-rows // LANES) * LANES
    each = isinstance(variance, np.ndarray) and variance.ndim > 0
    y = np.empty((vectors, padded), dtype=np.float32)
    scale, lost = np.empty(vectors, dtype=np.float32), np.empty(vectors, dtype=np.int64)
    key = np.uint32(address.tile * random.STREAMS + random.CONVERSION)
    step = np.float32(periphery.input_step)
    numbers = [np.float32(value) for value in (periphery.output_noise, periphery.output_step, periphery.output_bound)]
    shared_variance = np.array([[0.0 if each else variance]], dtype=np.float32)

    def read(chosen: np.ndarray, attempt: int) -> int:
        def work(first: int, last: int) -> int:
            clipped = 0
            for start in range(first, last, TILE):
                some = chosen[start : min(start + TILE, last)]
                driven, norms = np.empty((len(some), long), np.float32), np.empty((len(some), LANES), np.float32)
                if long > rows:
                    driven[:, rows:] = 0
                _drive(x, some, attempt == 0, periphery.normalise, scale, step, driven, norms)
                whole = attempt == 0 and padded == columns
                out = y[some[0] : some[-1] + 1] if whole else np.zeros((len(some), padded), np.float32)
                np.matmul(driven[:, :rows], weights, out=out[:, :columns])
                spread = shared_variance
                if each:
                    spread = np.zeros((len(some), padded), np.float32)
                    np.matmul(np.square(driven[:, :rows]), variance, out=spread[:, :columns])
                clipped += _emit(
                    out, spread, each, norms, *numbers, scale, np.uint32(address.seed + attempt), key,
                    np.uint32(address.step), some, lost,
                )  # fmt: skip
                if not whole:
                    y[some] = out
            return clipped

        return sum(shared(work, len(chosen), TILE))

    chosen, reads = np.arange(vectors), vectors
    clipped = read(chosen, 0)
    for attempt in range(1, periphery.retries + 1):
        if clipped == 0:
            break
        chosen = chosen[lost[chosen] > 0]
        scale[chosen] *= 2
        clipped = read(chosen, attempt)
        reads += len(chosen)
    return y[:, :columns], MvmCounts(reads, clipped)
