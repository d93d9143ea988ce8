"""Outer-product updates by stochastic pulse trains in machine code: a train is a word, coincidences common ones.

A row takes all vectors of a batch before the next one, so that its cells stay in the nearest cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from cimest.kernels import random
from cimest.kernels.elementary import compiled, directions, draw, squared_radius, uniforms
from cimest.kernels.lanes import convert, load, mask_bits, ones, reduced, select, splat, total
from cimest.kernels.random import LANES
from cimest.kernels.threads import shared
from cimest.kernels.types import Address, TrainCounts
from cimest.kernels.updates import parameters, write
from hwlib.devices.update_law import Steps

GROUP = 2 * LANES


@compiled
def _fire(probabilities, slots, seed, key, step, trains):
    """Trains of all lines of all vectors."""
    for vector in range(probabilities.shape[0]):
        kept = np.uint32((np.uint64(1) << np.uint64(slots[vector])) - np.uint64(1))
        for line in range(probabilities.shape[1]):
            chance = np.float32(abs(probabilities[vector, line]))
            train = np.uint32(0)
            if chance > 0:
                a, b = draw(seed, key, np.uint32(step + vector), np.uint32(line * 16))
                early, late = mask_bits(uniforms(a) < chance), mask_bits(uniforms(b) < chance)
                train = np.uint32(np.uint32(np.uint32(early) | np.uint32(np.uint32(late) << np.uint32(16))) & kept)
            trains[vector, line] = train


@compiled
def _coincide(train, down, trains, downs, at):
    """Coincidences of a row with sixteen columns, negative where they lead down."""
    count = convert(ones(load(trains, at, LANES) & train), types.float32)
    return select(load(downs, at, LANES) == down, count, np.float32(0) - count)


@compiled
def _update(
    weights, row_trains, row_downs, trains, downs, coefficients, pitch, bounds, bound_pitch, spread, per_pulse,
    seed, key, step, first, last, written,
):  # fmt: skip
    """Rows first to last; returns cells up, cells down, pulses up, pulses down."""
    padded = trains.shape[1]
    counts = np.zeros(4, np.int64)
    zero = splat(np.float32(0), LANES)
    for row in range(first, last):
        for vector in range(trains.shape[0]):
            train, down = row_trains[vector, row], row_downs[vector, row]
            if train == 0:
                continue
            sum_up, sum_down = zero, zero
            for group in range(padded // 32):
                at = vector * padded + group * 32
                one, two = _coincide(train, down, trains, downs, at), _coincide(train, down, trains, downs, at + LANES)
                some, others = total(one != zero), total(two != zero)
                if some + others == 0:
                    continue
                square, along, across = zero, zero, zero
                cell = row * padded + group * 32
                if spread > 0:
                    a, b = draw(seed, key, np.uint32(step + vector), np.uint32(cell // 2))
                    square = squared_radius(a)
                    along, across = directions(b)
                if some > 0:
                    counts[0] += total(one > zero)
                    counts[1] += total(one < zero)
                    sum_up = sum_up + select(one > zero, one, zero)
                    sum_down = sum_down + select(one < zero, one, zero)
                    write(
                        weights, written, cell, one, square, along,
                        coefficients, pitch, bounds, bound_pitch, spread, per_pulse,
                    )  # fmt: skip
                if others > 0:
                    counts[0] += total(two > zero)
                    counts[1] += total(two < zero)
                    sum_up = sum_up + select(two > zero, two, zero)
                    sum_down = sum_down + select(two < zero, two, zero)
                    write(
                        weights, written, cell + LANES, two, square, across,
                        coefficients, pitch, bounds, bound_pitch, spread, per_pulse,
                    )  # fmt: skip
            counts[2] += reduced(convert(sum_up, types.int32))
            counts[3] -= reduced(convert(sum_down, types.int32))
    return counts


def _padded(matrix: np.ndarray, columns: int) -> np.ndarray:
    """The matrix itself if it has that many columns one after the other, or a copy with columns of zeros behind."""
    if matrix.shape[1] == columns:
        return np.ascontiguousarray(matrix)
    return np.pad(matrix, ((0, 0), (0, columns - matrix.shape[1])))


def outer_product_update(
    weights: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    slots: np.ndarray,
    steps: Steps,
    sigma: float,
    per_pulse: bool,
    address: Address,
    written: np.ndarray,
    bounds: tuple[Any, Any] = (-1.0, 1.0),
) -> TrainCounts:
    """See `reference.outer_product_update`; the same trains and coincidences, weights in single precision."""
    height, width = weights.shape
    padded = -(-width // GROUP) * GROUP
    cells, pulses = _padded(weights, padded), _padded(written, padded)
    coefficients, pitch = parameters(steps, weights.shape, padded)
    limits, bound_pitch = parameters(bounds, weights.shape, padded)
    seed, step = np.uint32(address.seed), np.uint32(address.step)
    keys = {
        stream: np.uint32(address.tile * random.STREAMS + stream)
        for stream in (random.ROW_TRAIN, random.COLUMN_TRAIN, random.NOISE)
    }
    row_trains = np.zeros((len(rows), height), dtype=np.uint32)
    trains = np.zeros((len(rows), padded), dtype=np.uint32)
    _fire(rows, slots, seed, keys[random.ROW_TRAIN], step, row_trains)
    _fire(columns, slots, seed, keys[random.COLUMN_TRAIN], step, trains)
    row_downs, downs = (rows < 0).astype(np.int32), _padded((columns < 0).astype(np.int32), padded)

    def work(first: int, last: int) -> np.ndarray:
        return _update(
            cells, row_trains, row_downs, trains, downs, coefficients, pitch, limits, bound_pitch,
            np.float32(2 * sigma), per_pulse, seed, keys[random.NOISE], step, first, last, pulses,
        )  # fmt: skip

    counts = np.sum(shared(work, height), axis=0)
    for matrix, copy in ((weights, cells), (written, pulses)):
        if copy is not matrix:
            matrix[...] = copy[:, :width]
    fired = (int(np.bitwise_count(lines).sum(dtype=np.int64)) for lines in (row_trains, trains))
    return TrainCounts(*(int(count) for count in counts), *fired)
