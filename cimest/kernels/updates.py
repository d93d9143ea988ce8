"""Updates of weights by pulses in machine code, 32 cells at a time: as many as two draws of random words serve."""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np
from numba import types

from cimest.kernels import random
from cimest.kernels.elementary import compiled, directions, draw, relaxation, squared_radius, uniforms
from cimest.kernels.lanes import convert, floor, load, ramp, select, splat, sqrt, store, total
from cimest.kernels.random import LANES
from cimest.kernels.threads import shared
from cimest.kernels.types import Address, PulseCounts
from hwlib.devices.update_law import Steps

GROUP = 2 * LANES


@compiled
def moved(w, pulses, up, s_up, r_up, s_down, r_down):
    """`apply_pulses` without bounds, for numbers of pulses without sign, and whether they go up."""
    slope = select(up, r_up, np.float32(0) - r_down)
    speed = select(up, s_up, s_down) - slope * w
    zero = splat(np.float32(0), LANES)
    speed = select(speed > zero, speed, zero)
    slope = select(up, r_up, r_down)
    distance = speed * pulses * relaxation(slope * pulses)
    return w + select(up, distance, zero - distance)


@compiled
def bounded(w, low, high):
    """Within the ends."""
    w = select(w < low, low, w)
    return select(w > high, high, w)


@compiled
def write(
    weights, written, cell, count, square, direction, coefficients, pitch, bounds, bound_pitch, spread, per_pulse
):  # fmt: skip
    """Fire `count` pulses, with sign, at sixteen cells; the noise is the root of `square` times `direction`.

    A cell without a step in that direction stays where it is, without noise.
    """
    zero = splat(np.float32(0), LANES)
    up = count > zero
    size = select(up, count, zero - count)
    w, before = load(weights, cell, LANES), load(written, cell, LANES)
    at = cell * pitch
    s_up, r_up = load(coefficients[0], at, LANES), load(coefficients[1], at, LANES)
    s_down, r_down = load(coefficients[2], at, LANES), load(coefficients[3], at, LANES)
    low, high = load(bounds[0], cell * bound_pitch, LANES), load(bounds[1], cell * bound_pitch, LANES)
    new = bounded(moved(w, size, up, s_up, r_up, s_down, r_down), low, high)
    if spread > 0:
        if per_pulse:
            square = square * size
        new = bounded(new + sqrt(square) * (direction * spread), low, high)
    moves = select(up, s_up, s_down) > zero
    store(weights, cell, select(size > zero, select(moves, new, w), w))
    store(written, cell, before + convert(size, types.int32))


@compiled
def _update(
    weights, amount, coefficients, pitch, bounds, bound_pitch, stochastic, spread, per_pulse,
    seed, rounding_key, noise_key, step, first, last, written, pulses,
):  # fmt: skip
    """Groups first to last of `reference.pulsed_update`; their pulses go to the start of `pulses`."""
    half = splat(np.float32(0.5), LANES)
    for group in range(first, last):
        cell = group * 32
        one, two = load(amount, cell, LANES), load(amount, cell + LANES, LANES)
        if stochastic:
            a, b = draw(seed, rounding_key, step, ramp(np.uint32(group * 16), LANES))
            one, two = floor(one + uniforms(a)), floor(two + uniforms(b))
        else:
            one, two = floor(one + half), floor(two + half)
        store(pulses, cell - first * 32, convert(one, types.int32))
        store(pulses, cell - first * 32 + LANES, convert(two, types.int32))
        zero = splat(np.float32(0), LANES)
        some, others = total(one != zero), total(two != zero)
        if some + others > 0:
            square, along, across = zero, zero, zero
            if spread > 0:
                a, b = draw(seed, noise_key, step, ramp(np.uint32(group * 16), LANES))
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


@compiled
def census(pulses, columns, first, last, edges, longest_up, longest_down, counts):
    """Add cells up, pulses up, cells down and pulses down of rows first to last, and note the longest of array rows."""
    for row in range(first, last):
        start = (row - first) * columns
        for block in range(edges.shape[0] - 1):
            most, least, cells, sum_up, sum_down = np.int32(0), np.int32(0), np.int32(0), np.int32(0), np.int32(0)
            ups = np.int32(0)
            for cell in range(np.uint64(start + edges[block]), np.uint64(start + edges[block + 1])):
                count = pulses[cell]
                most = max(most, count)
                least = min(least, count)
                cells = np.int32(cells + np.int32(count != 0))
                ups = np.int32(ups + np.int32(count > 0))
                sum_up = np.int32(sum_up + max(count, np.int32(0)))
                sum_down = np.int32(sum_down + min(count, np.int32(0)))
            longest_up[row, block] = most
            longest_down[row, block] = -least
            counts[0] += ups
            counts[1] += sum_up
            counts[2] += cells - ups
            counts[3] -= sum_down


@compiled
def _update_rows(
    weights, amount, coefficients, pitch, bounds, bound_pitch, stochastic, spread, per_pulse,
    seed, rounding_key, noise_key, step, first, last, grain, edges, written, longest_up, longest_down,
):  # fmt: skip
    """Rows first to last, `grain` at a time, which make whole groups."""
    columns = edges[-1]
    pulses = np.empty(grain * columns + GROUP, np.int32)
    counts = np.zeros(4, np.int64)
    for row in range(first, last, grain):
        until = min(row + grain, last)
        _update(
            weights, amount, coefficients, pitch, bounds, bound_pitch, stochastic, spread, per_pulse,
            seed, rounding_key, noise_key, step, row * columns // 32, (until * columns + 31) // 32, written, pulses,
        )  # fmt: skip
        census(pulses, columns, row, until, edges, longest_up, longest_down, counts)
    return counts


def flat(matrix: np.ndarray, cells: int) -> np.ndarray:
    """The matrix in one row of `cells` numbers; a copy, with zeros behind, where they are more than it has."""
    row = matrix.reshape(-1)
    return row if row.size == cells else np.concatenate([row, np.zeros(cells - row.size, row.dtype)])


def unflatten(matrix: np.ndarray, row: np.ndarray) -> None:
    """Write back what `flat` made, unless it is the matrix itself."""
    if not np.may_share_memory(matrix, row):
        matrix[...] = row[: matrix.size].reshape(matrix.shape)


def sections(shape: tuple[int, int]) -> tuple[int, int]:
    """Cells of a matrix in whole groups, and how many of its rows make whole groups."""
    return -(-shape[0] * shape[1] // GROUP) * GROUP, GROUP // gcd(shape[1], GROUP)


def parameters(values: Any, shape: tuple[int, int], columns: int) -> tuple[tuple[np.ndarray, ...], int]:
    """Parameters of the cells in single precision, and how far they go on from cell to cell: 0 if all share them.

    Rows have `columns` cells, those behind the last column without meaning.
    """
    singles = [np.asarray(value, dtype=np.float32) for value in values]
    if all(value.ndim == 0 for value in singles):
        return tuple(np.repeat(value, GROUP) for value in singles), 0
    matrices = (value if value.shape == shape else np.broadcast_to(value, shape) for value in singles)
    matrices = (np.ascontiguousarray(matrix) for matrix in matrices)
    behind = ((0, 0), (0, columns - shape[1]))
    return tuple(matrix if columns == shape[1] else np.pad(matrix, behind) for matrix in matrices), 1


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
    bounds: tuple[Any, Any] = (-1.0, 1.0),
) -> PulseCounts:
    """See `reference.pulsed_update`; the same random numbers and pulses, weights in single precision."""
    rows, columns = weights.shape
    cells, grain = sections(weights.shape)
    held, total_written, wanted = flat(weights, cells), flat(written, cells), flat(amount, cells)
    coefficients, pitch = parameters(steps, weights.shape, columns)
    limits, bound_pitch = parameters(bounds, weights.shape, columns)
    if pitch:
        coefficients = tuple(flat(matrix, cells) for matrix in coefficients)
    if bound_pitch:
        limits = tuple(flat(matrix, cells) for matrix in limits)
    longest_up, longest_down = np.zeros((2, rows, len(column_edges) - 1), dtype=np.int64)
    keys = [np.uint32(address.tile * random.STREAMS + stream) for stream in (random.ROUNDING, random.NOISE)]

    def work(first: int, last: int) -> np.ndarray:
        return _update_rows(
            held, wanted, coefficients, pitch, limits, bound_pitch, rounding == "stochastic", np.float32(2 * sigma),
            per_pulse, np.uint32(address.seed), *keys, np.uint32(address.step), first, last, grain,
            column_edges, total_written, longest_up, longest_down,
        )  # fmt: skip

    counts = sum(shared(work, rows, grain))
    unflatten(weights, held)
    unflatten(written, total_written)
    cells_up, pulses_up, cells_down, pulses_down = counts.tolist()
    return PulseCounts(cells_up, cells_down, pulses_up, pulses_down, longest_up, longest_down)
