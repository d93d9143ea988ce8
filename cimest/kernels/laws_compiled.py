"""The update of cells that differ in machine code by numba, held to the specification in laws.py."""

from __future__ import annotations

import numpy as np
from numba import njit

from cimest.kernels.draws import normal, uniform
from cimest.kernels.laws import Writing
from cimest.kernels.random import NOISE, READING, ROUNDING
from cimest.kernels.threads import shared
from cimest.kernels.types import Address, PulseCounts
from hwlib.devices.cell_law import FORMS, CellLaw
from hwlib.devices.update_law import GROWTH_MAX

AFFINE, EXPONENTIAL, POWER = (FORMS.index(form) for form in ("affine", "exponential", "power"))


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
    sigma, per_pulse, reading, endurance, offsets, noise, readings, first, last, edges, longest_up, longest_down,
):  # fmt: skip
    """Rows first to last of `laws.cell_update`; returns cells up, pulses up, cells down, pulses down.

    Coefficients are flat: one number for all cells, or one for each. So are random numbers, or there are none.
    """
    columns = weights.shape[1]
    counts = np.zeros(4, np.int64)
    for row in range(first, last):
        for block in range(edges.shape[0] - 1):
            for column in range(edges[block], edges[block + 1]):
                index = row * columns + column
                offset = offsets[index] if len(offsets) else np.float32(0.5)
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
                if sigma > 0:
                    growth = np.sqrt(float(count)) if per_pulse else 1.0
                    w = min(max(w + 2 * sigma * growth * noise[index], low), high)
                if reading > 0:
                    error[row, column] = 2 * reading * readings[index]
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
    nothing = np.empty(0, dtype=np.float32)
    offsets = uniform(address, ROUNDING, (amount.size,)) if rounding == "stochastic" else nothing
    noise = normal(address, NOISE, (amount.size,)) if writing.sigma else nothing
    readings = normal(address, READING, (amount.size,)) if writing.reading else nothing

    def work(first: int, last: int) -> np.ndarray:
        return _update(
            weights, error, written, amount, FORMS.index(law.form), *flat, *shapes, *writing[:3],
            float(writing.endurance), offsets, noise, readings, first, last, column_edges, longest_up, longest_down,
        )  # fmt: skip

    counts = np.sum(shared(work, rows), axis=0)
    cells_up, pulses_up, cells_down, pulses_down = (int(count) for count in counts)
    return PulseCounts(cells_up, cells_down, pulses_up, pulses_down, longest_up, longest_down)
