"""Outer-product updates by stochastic pulse trains in machine code: a train is a word, coincidences common ones.

A row takes all vectors of a batch before the next one, so that its cells stay in the nearest cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from cimest.kernels import random
from cimest.kernels.elementary import compiled, directions, draw, squared_radius, uniforms
from cimest.kernels.lanes import convert, load, mask_bits, ones, ramp, reduced, splat, total, view
from cimest.kernels.random import LANES
from cimest.kernels.threads import shared
from cimest.kernels.types import Address, TrainCounts
from cimest.kernels.updates import parameters, write
from hwlib.devices.update_law import Steps

GROUP = 2 * LANES


@compiled
def _fire(probabilities, slots, seed, key, step, trains, signs):
    """Trains of all lines of all vectors, and what makes a number negative where they do; returns their pulses."""
    fired = 0
    for vector in range(probabilities.shape[0]):
        early, late = ramp(np.int32(0), LANES) < slots[vector], ramp(np.int32(LANES), LANES) < slots[vector]
        for line in range(probabilities.shape[1]):
            chance = np.float32(abs(probabilities[vector, line]))
            train = np.uint32(0)
            if chance > 0:
                a, b = draw(seed, key, np.uint32(step + vector), ramp(np.uint32(line * 16), LANES))
                first, second = early & (uniforms(a) < chance), late & (uniforms(b) < chance)
                train = np.uint32(mask_bits(first)) | np.uint32(np.uint32(mask_bits(second)) << np.uint32(16))
                fired += total(first) + total(second)
            trains[vector, line] = train
            signs[vector, line] = np.uint32(np.uint32(probabilities[vector, line] < 0) << np.uint32(31))
    return fired


@compiled
def _coincide(train, sign, trains, signs, at):
    """Coincidences of a row with sixteen columns, without and with their sign."""
    size = convert(ones(load(trains, at, LANES) & train), types.float32)
    return size, view(view(size, types.uint32) ^ (load(signs, at, LANES) ^ sign), types.float32)


@compiled
def _update(
    weights, row_trains, row_signs, trains, signs, coefficients, pitch, bounds, bound_pitch, spread, per_pulse,
    seed, key, step, first, last, written,
):  # fmt: skip
    """Rows first to last; returns cells up, cells down, pulses up, pulses down."""
    padded = trains.shape[1]
    counts = np.zeros(4, np.int64)
    zero = splat(np.float32(0), LANES)
    for row in range(first, last):
        for vector in range(trains.shape[0]):
            train, sign = row_trains[vector, row], row_signs[vector, row]
            if train == 0:
                continue
            pulses, net, cells, ups = zero, zero, 0, 0
            for group in range(padded // 32):
                at = vector * padded + group * 32
                size1, one = _coincide(train, sign, trains, signs, at)
                size2, two = _coincide(train, sign, trains, signs, at + LANES)
                some, others = total(size1 > zero), total(size2 > zero)
                if some + others == 0:
                    continue
                cells += some + others
                ups += total(one > zero) + total(two > zero)
                pulses, net = pulses + size1 + size2, net + one + two
                square, along, across = zero, zero, zero
                cell = row * padded + group * 32
                if spread > 0:
                    a, b = draw(seed, key, np.uint32(step + vector), ramp(np.uint32(cell // 2), LANES))
                    square = squared_radius(a)
                    along, across = directions(b)
                if some > 0:
                    write(
                        weights, written, cell, one, square, along,
                        coefficients, pitch, bounds, bound_pitch, spread, per_pulse,
                    )  # fmt: skip
                if others > 0:
                    write(
                        weights, written, cell + LANES, two, square, across,
                        coefficients, pitch, bounds, bound_pitch, spread, per_pulse,
                    )  # fmt: skip
            difference = reduced(convert(net, types.int32))
            pulses_up = (reduced(convert(pulses, types.int32)) + difference) // 2
            counts[0] += ups
            counts[1] += cells - ups
            counts[2] += pulses_up
            counts[3] += pulses_up - difference
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
    row_trains, row_signs = np.empty((2, len(rows), height), dtype=np.uint32)
    trains, signs = np.zeros((2, len(rows), padded), dtype=np.uint32)
    row_pulses = _fire(rows, slots, seed, keys[random.ROW_TRAIN], step, row_trains, row_signs)
    column_pulses = _fire(columns, slots, seed, keys[random.COLUMN_TRAIN], step, trains, signs)

    def work(first: int, last: int) -> np.ndarray:
        return _update(
            cells, row_trains, row_signs, trains, signs, coefficients, pitch, limits, bound_pitch,
            np.float32(2 * sigma), per_pulse, seed, keys[random.NOISE], step, first, last, pulses,
        )  # fmt: skip

    counts = sum(shared(work, height))
    for matrix, copy in ((weights, cells), (written, pulses)):
        if copy is not matrix:
            matrix[...] = copy[:, :width]
    cells_up, cells_down, pulses_up, pulses_down = counts.tolist()
    return TrainCounts(cells_up, cells_down, pulses_up, pulses_down, row_pulses, column_pulses)
