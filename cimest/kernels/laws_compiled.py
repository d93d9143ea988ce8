"""The update of cells that differ in machine code by numba, held to the specification in laws.py."""

from __future__ import annotations

import numpy as np
from numba import njit

from cimest.kernels import random
from cimest.kernels.laws import Writing
from cimest.kernels.threads import shared
from cimest.kernels.types import Address, PulseCounts
from hwlib.devices.cell_law import FORMS, CellLaw
from hwlib.devices.update_law import GROWTH_MAX

_ROTATIONS = np.array(random.ROTATIONS, dtype=np.uint32)

AFFINE, EXPONENTIAL, POWER = (FORMS.index(form) for form in ("affine", "exponential", "power"))


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
def _factor(form, position, origin, up, shape):
    """See `hwlib.devices.cell_law.factor`."""
    if form == EXPONENTIAL:
        z = shape[2] * (position + origin) + shape[3]
        return max(0.0, 1 - shape[0] * np.exp(min(shape[1] * (z if up else -z), GROWTH_MAX)))
    position = min(max(position, 0.0), 1.0)
    if form == POWER:
        return (1 - position if up else position) ** shape[0]
    place = position * (len(shape) - 1)
    node = min(int(place), len(shape) - 2)
    return shape[node] + (place - node) * (shape[node + 1] - shape[node])


@njit(nogil=True, cache=True, error_model="numpy")
def _moved(form, w, count, up, step, slope, low, high, origin, shape):
    """See `hwlib.devices.cell_law.move`, for one cell."""
    direction = 1.0 if up else -1.0
    if form == AFFINE:
        speed = max(step - direction * slope * w, 0.0)
        exponent = max(slope * count, -GROWTH_MAX)
        relaxation = 1.0
        if exponent != 0.0:
            relaxation = -np.expm1(-exponent) / exponent
        return min(max(w + direction * speed * count * relaxation, low), high)
    for _ in range(count):
        position = (w - low) / (high - low)
        w = min(max(w + direction * step * _factor(form, position, origin, up, shape), low), high)
    return w


@njit(nogil=True, cache=True, error_model="numpy")
def _update(
    weights, error, written, amount, form, s_up, r_up, s_down, r_down, lows, highs, origins, shape_up, shape_down,
    sigma, per_pulse, reading, endurance, stochastic, seed, rounding_key, noise_key, step, first, last, edges,
    longest_up, longest_down,
):  # fmt: skip
    """Rows first to last of `laws.cell_update`; returns cells up, pulses up, cells down, pulses down.

    Coefficients are flat: one number for all cells, or one for each.
    """
    columns = weights.shape[1]
    counts = np.zeros(4, np.int64)
    for row in range(first, last):
        for block in range(edges.shape[0] - 1):
            for column in range(edges[block], edges[block + 1]):
                index = row * columns + column
                offset = np.float32(0.5)
                if stochastic:
                    word, _ = _threefry(seed, rounding_key, step, np.uint32(index))
                    offset = np.float32(np.float32(np.uint32(word >> np.uint32(8))) * np.float32(2.0**-24))
                count = np.int64(np.floor(np.float32(amount[row, column] + offset)))
                if count == 0:
                    continue
                up = count > 0
                if up:
                    longest_up[row, block] = max(longest_up[row, block], count)
                    counts[0] += 1
                    counts[1] += count
                else:
                    count = -count
                    longest_down[row, block] = max(longest_down[row, block], count)
                    counts[2] += 1
                    counts[3] += count
                before = written[row, column]
                written[row, column] += count
                steps, slopes = (s_up, r_up) if up else (s_down, r_down)
                start = steps[index if len(steps) > 1 else 0]
                if not start > 0 or before >= endurance:
                    continue
                slope = slopes[index if len(slopes) > 1 else 0]
                low, high = lows[index if len(lows) > 1 else 0], highs[index if len(highs) > 1 else 0]
                origin = origins[index if len(origins) > 1 else 0]
                shape = shape_up if up else shape_down
                w = _moved(form, float(weights[row, column]), count, up, start, slope, low, high, origin, shape)
                if sigma > 0 or reading > 0:
                    one, two = _threefry(seed, noise_key, step, np.uint32(index))
                    radius = np.sqrt(-2 * np.log((np.float64(one) + 0.5) * 2.0**-32))
                    angle = 2 * np.pi * (np.float64(two) * 2.0**-32)
                    growth = np.sqrt(float(count)) if per_pulse else 1.0
                    w = min(max(w + 2 * sigma * growth * radius * np.cos(angle), low), high)
                    if reading > 0:
                        error[row, column] = 2 * reading * radius * np.sin(angle)
                weights[row, column] = w
    return counts


def cell_update(
    weights: np.ndarray,
    error: np.ndarray,
    written: np.ndarray,
    amount: np.ndarray,
    law: CellLaw,
    writing: Writing,
    rounding: str,
    address: Address,
    column_edges: np.ndarray,
) -> PulseCounts:
    """See `laws.cell_update`; the same random bits and pulses, weights equal to single precision."""
    rows = len(weights)
    longest_up = np.zeros((rows, len(column_edges) - 1), dtype=np.int64)
    longest_down = np.zeros_like(longest_up)
    flat = [np.ravel(np.asarray(entry, dtype=np.float64)) for entry in (*law.steps, law.low, law.high, law.origin)]
    shapes = [np.array(shape, dtype=np.float64) for shape in (law.shape_up, law.shape_down)]
    keys = [np.uint32(address.tile * random.STREAMS + stream) for stream in (random.ROUNDING, random.NOISE)]

    def work(first: int, last: int) -> np.ndarray:
        return _update(
            weights, error, written, amount, FORMS.index(law.form), *flat, *shapes, *writing[:3],
            float(writing.endurance), rounding == "stochastic", np.uint32(address.seed), *keys, np.uint32(address.step),
            first, last, column_edges, longest_up, longest_down,
        )  # fmt: skip

    counts = np.sum(shared(work, rows), axis=0)
    cells_up, pulses_up, cells_down, pulses_down = (int(count) for count in counts)
    return PulseCounts(cells_up, cells_down, pulses_up, pulses_down, longest_up, longest_down)
