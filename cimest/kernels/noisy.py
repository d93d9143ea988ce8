"""Matrix products of whole vectors in machine code: with noise, converters, and management of their range."""

from __future__ import annotations

from typing import Any

import numpy as np

from cimest.kernels import random
from cimest.kernels.elementary import compiled, directions, draw, squared_radius
from cimest.kernels.lanes import floor, load, select, splat, sqrt, store, total
from cimest.kernels.random import LANES
from cimest.kernels.threads import shared, single_blas
from cimest.kernels.types import Address, MvmCounts, Periphery

GROUP = 2 * LANES

TILE = 256
"""Vectors of a call of BLAS: enough for its full speed, and few enough that two cores share a batch."""


@compiled
def _drive(x, chosen, first, normalise, scale, step, driven, norms):
    """Inputs of the chosen vectors through the DAC, and the sum of their squares; on the first try also the scale."""
    inverse = np.float32(1) / step if step > 0 else np.float32(1)
    rows, long = x.shape[1], driven.shape[1]
    low, high, zero = splat(np.float32(-1), LANES), splat(np.float32(1), LANES), splat(np.float32(0), LANES)
    for number in range(chosen.shape[0]):
        vector = chosen[number]
        if normalise and first:
            largest = zero
            for row in range(0, rows - rows % LANES, LANES):
                value = load(x, vector * rows + row, LANES)
                value = select(value < zero, zero - value, value)
                largest = select(value > largest, value, largest)
            store(norms, number * LANES, largest)
            size = np.float32(0)
            for lane in range(LANES):
                size = max(size, norms[number, lane])
            for row in range(rows - rows % LANES, rows):
                size = max(size, np.float32(abs(x[vector, row])))
            scale[vector] = size if size > 0 else np.float32(1)
        factor = np.float32(np.float32(1) / scale[vector])
        for row in range(rows - rows % LANES, rows):
            driven[number, row] = x[vector, row]
        squares = zero
        for row in range(0, long, LANES):
            at = number * long + row
            value = load(driven, at, LANES) if row + LANES > rows else load(x, vector * rows + row, LANES)
            value = value * factor
            if step > 0:
                value = floor(value * inverse + np.float32(0.5)) * step
            value = select(value > high, high, value)
            value = select(value < low, low, value)
            store(driven, at, value)
            squares = squares + value * value
        store(norms, number * LANES, squares)


@compiled
def _emit(y, variance, each, norms, noise, step, bound, scale, seed, key, at_step, chosen, clipped):
    """Noise and ADC, in place; `clipped` gets the outputs of each vector that were."""
    padded = y.shape[1]
    inverse = np.float32(1) / step if step > 0 else np.float32(1)
    low, high, zero = splat(np.float32(-bound), LANES), splat(bound, LANES), splat(np.float32(0), LANES)
    own = np.float32(noise * noise)
    for vector in range(y.shape[0]):
        power = np.float32(0)
        for lane in range(LANES):
            power = np.float32(power + norms[vector, lane])
        common = np.float32(own + np.float32(variance[0, 0] * power))
        factor = splat(scale[chosen[vector]], LANES)
        losses = 0
        for group in range(padded // 32):
            place = vector * padded + group * 32
            one, two = zero, zero
            if each or common > 0:
                a, b = draw(seed, key, at_step, np.uint32((chosen[vector] * padded + group * 32) // 2))
                square = squared_radius(a)
                along, across = directions(b)
                if each:
                    one = along * sqrt(square * (load(variance, place, LANES) + own))
                    two = across * sqrt(square * (load(variance, place + LANES, LANES) + own))
                else:
                    radius = sqrt(square * common)
                    one, two = along * radius, across * radius
            for half in range(2):
                at = place + half * LANES
                value = load(y, at, LANES) + (one if half == 0 else two)
                if step > 0:
                    value = floor(value * inverse + np.float32(0.5)) * step
                kept = select(value > high, high, value)
                kept = select(kept < low, low, kept)
                losses += total(kept != value)
                store(y, at, kept * factor)
        clipped[chosen[vector]] = losses


def noisy_mvm(
    x: np.ndarray, weights: np.ndarray, variance: Any, periphery: Periphery, address: Address
) -> tuple[np.ndarray, MvmCounts]:
    """See `reference.noisy_mvm`; the same random numbers, sums in single precision."""
    single_blas()
    x, vectors, (rows, columns) = np.ascontiguousarray(x, dtype=np.float32), len(x), weights.shape
    padded, long = -(-columns // GROUP) * GROUP, -(-rows // LANES) * LANES
    each = np.ndim(variance) > 0
    y = np.empty((vectors, padded), dtype=np.float32)
    scale, lost = np.ones(vectors, dtype=np.float32), np.empty(vectors, dtype=np.int64)
    key = np.uint32(address.tile * random.STREAMS + random.CONVERSION)
    step = np.float32(periphery.input_step)
    numbers = [np.float32(value) for value in (periphery.output_noise, periphery.output_step, periphery.output_bound)]
    shared_variance = np.array([[0.0 if each else variance]], dtype=np.float32)

    def read(chosen: np.ndarray, attempt: int) -> None:
        def work(first: int, last: int) -> None:
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
                _emit(
                    out, spread, each, norms, *numbers, scale, np.uint32(address.seed + attempt), key,
                    np.uint32(address.step), some, lost,
                )  # fmt: skip
                if not whole:
                    y[some] = out

        shared(work, len(chosen), TILE)

    chosen, reads = np.arange(vectors), 0
    for attempt in range(periphery.retries + 1):
        read(chosen, attempt)
        reads += len(chosen)
        if attempt < periphery.retries:
            chosen = chosen[lost[chosen] > 0]
            if len(chosen) == 0:
                break
            scale[chosen] *= 2
    return y[:, :columns], MvmCounts(reads, int(lost.sum()))
