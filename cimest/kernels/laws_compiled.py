"""The update of cells that differ in machine code, sixteen at a time, held to the specification in laws.py.

Pulses that have no closed form are fired in rounds: a round gives one to each of the sixteen cells that still wants it.
"""

from __future__ import annotations

from itertools import zip_longest

import numpy as np
from numba import types

from cimest.kernels import random
from cimest.kernels.elementary import (
    compiled,
    directions,
    draw,
    exponential,
    inlined,
    logarithm,
    squared_radius,
    uniforms,
)
from cimest.kernels.lanes import convert, floor, fused, gather, load, ramp, select, splat, sqrt, store, total
from cimest.kernels.laws import Writing
from cimest.kernels.random import LANES
from cimest.kernels.threads import shared
from cimest.kernels.types import Address, PulseCounts
from cimest.kernels.updates import GROUP, bounded, census, flat, moved, parameters, sections, unflatten
from hwlib.devices.cell_law import FORMS, CellLaw

AFFINE, EXPONENTIAL, POWER = (FORMS.index(form) for form in ("affine", "exponential", "power"))

CURVE = 4
"""Numbers of a curve that is not a table."""


@inlined
def _factor(form, z, first, last, nodes):
    """See `hwlib.devices.cell_law.factor`, by what `_curve` gives: `z` at the weight."""
    zero, one = splat(np.float32(0), LANES), splat(np.float32(1), LANES)
    if form == EXPONENTIAL:
        factor = one - first * exponential(z)
        return select(factor > zero, factor, zero)
    z = select(z > zero, z, zero)  # also where a cell without a range has none
    if form == POWER:
        power = exponential(logarithm(select(z < one, z, one)) * first)
        return select((z > zero) | (first == zero), power, zero)
    node = convert(z, types.int32)
    node = select(node < last, node, last - np.int32(1))
    index = node + convert(first, types.int32)
    before = gather(nodes, index)
    share = z - convert(node, types.float32)
    return fused(select(share < one, share, one), gather(nodes, index + np.int32(1)) - before, before)


@inlined
def _curve(form, up, cells, w, curve, last_up, last_down):
    """The variable z of a curve is a straight line over the way that a weight goes: its slope and its start, and more.

    It is the exponent, the distance from the end, or the place in the table. Also what curves of both directions
    differ in: amplitude, exponent, or node that a table begins with; and its last node.
    """
    _, _, _, _, low, high, origin = cells
    one, zero = splat(np.float32(1), LANES), splat(np.int32(0), LANES)
    span = one / (high - low)
    position, last = (w - low) * span, splat(last_up, LANES)
    first = select(up, splat(curve[0], LANES), splat(curve[1], LANES))
    if form == EXPONENTIAL:
        rate = select(up, splat(curve[2], LANES), splat(np.float32(-curve[3]), LANES))
        return span * curve[4] * rate, ((position + origin) * curve[4] + curve[6]) * rate, first, last
    if form == POWER:
        return select(up, np.float32(0) - span, span), select(up, one - position, position), first, last
    last = select(up, last, splat(last_down, LANES))
    intervals = convert(last, types.float32)
    begin = select(up, zero, splat(np.int32(last_up + 1), LANES))
    return span * intervals, position * intervals, convert(begin, types.float32), last


@inlined
def _further(form, way, fired, size, step, least, most, line, nodes):
    """How far cells have come after one more pulse."""
    slope, start, first, last = line
    factor = _factor(form, fused(way, slope, start), first, last, nodes)
    return select(size > fired, bounded(fused(step, factor, way), least, most), way)


@compiled
def _fired(form, w1, w2, pulses1, pulses2, cells1, cells2, curve, nodes, last_up, last_down):
    """See `hwlib.devices.cell_law.move`, for laws without a closed form; sums of steps lose less than the weight.

    Two times sixteen cells, so that the processor has something to do while it waits for one of them.
    """
    zero = np.float32(0)
    up1, up2 = pulses1 > zero, pulses2 > zero
    size1, size2 = select(up1, pulses1, zero - pulses1), select(up2, pulses2, zero - pulses2)
    step1, step2 = select(up1, cells1[0], zero - cells1[2]), select(up2, cells2[0], zero - cells2[2])
    least1, most1, least2, most2 = cells1[4] - w1, cells1[5] - w1, cells2[4] - w2, cells2[5] - w2
    line1 = _curve(form, up1, cells1, w1, curve, last_up, last_down)
    line2 = _curve(form, up2, cells2, w2, curve, last_up, last_down)
    way1 = way2 = splat(zero, LANES)
    fired = zero
    while total(size1 > fired) + total(size2 > fired) > 0:
        way1 = _further(form, way1, fired, size1, step1, least1, most1, line1, nodes)
        way2 = _further(form, way2, fired, size2, step2, least2, most2, line2, nodes)
        fired += np.float32(1)
    return w1 + way1, w2 + way2


@compiled
def _closed(w, pulses, cells):
    """`_fired` for the affine law, which has a closed form."""
    s_up, r_up, s_down, r_down, _, _, _ = cells
    up = pulses > np.float32(0)
    return moved(w, select(up, pulses, np.float32(0) - pulses), up, s_up, r_up, s_down, r_down)


@compiled
def _noisy(new, size, square, direction, low, high, sigma, per_pulse):
    """Weights within their ends, with the noise of a write; it is the root of `square` times `direction`."""
    new = bounded(new, low, high)
    if sigma > 0:
        if per_pulse:
            square = square * size
        new = bounded(new + sqrt(square) * (direction * sigma), low, high)
    return new


@compiled
def _cells(at, s_ups, r_ups, s_downs, r_downs, lows, highs, origins, pitches):
    """Coefficients of sixteen cells."""
    return (
        load(s_ups, at * pitches[0], LANES), load(r_ups, at * pitches[1], LANES),
        load(s_downs, at * pitches[2], LANES), load(r_downs, at * pitches[3], LANES),
        load(lows, at * pitches[4], LANES), load(highs, at * pitches[5], LANES),
        load(origins, at * pitches[6], LANES),
    )  # fmt: skip


@compiled
def _normal(drawn, spread, seed, key, step, counter):
    """What makes 32 normal numbers times a spread, if one is wanted: squared radii, and two kinds of directions."""
    square = along = across = splat(np.float32(0), LANES)
    if drawn:
        a, b = draw(seed, key, step, ramp(counter, LANES))
        square = squared_radius(a)
        along, across = directions(b)
    return square, along * spread, across * spread


@compiled
def _update(
    form, weights, error, written, amount, s_ups, r_ups, s_downs, r_downs, lows, highs, origins, pitches,
    curve, nodes, last_up, last_down, stochastic, sigma, per_pulse, reading, endurance,
    seed, rounding_key, noise_key, reading_key, step, first, last, pulses,
):  # fmt: skip
    """Groups first to last of `laws.cell_update`; their pulses go to the start of `pulses`.

    No function that has a loop takes an array: what keeps arrays alive would cost more than the work.
    """
    zero, middle = splat(np.float32(0), LANES), splat(np.float32(0.5), LANES)
    for group in range(first, last):
        cell, counter = group * 32, np.uint32(group * 16)
        one, two = load(amount, cell, LANES), load(amount, cell + LANES, LANES)
        if stochastic:
            a, b = draw(seed, rounding_key, step, ramp(counter, LANES))
            one, two = floor(one + uniforms(a)), floor(two + uniforms(b))
        else:
            one, two = floor(one + middle), floor(two + middle)
        store(pulses, cell - first * 32, convert(one, types.int32))
        store(pulses, cell - first * 32 + LANES, convert(two, types.int32))
        if total(one != zero) + total(two != zero) > 0:
            square, along, across = _normal(sigma > 0, np.float32(1), seed, noise_key, step, counter)
            other, cosine, sine = _normal(reading > 0, reading, seed, reading_key, step, counter)
            cells1 = _cells(cell, s_ups, r_ups, s_downs, r_downs, lows, highs, origins, pitches)
            cells2 = _cells(cell + LANES, s_ups, r_ups, s_downs, r_downs, lows, highs, origins, pitches)
            w1, w2 = load(weights, cell, LANES), load(weights, cell + LANES, LANES)
            if form == AFFINE:
                new1, new2 = _closed(w1, one, cells1), _closed(w2, two, cells2)
            else:
                new1, new2 = _fired(form, w1, w2, one, two, cells1, cells2, curve, nodes, last_up, last_down)
            for half in range(2):
                at = cell + half * LANES
                count, w, new = (one, w1, new1) if half == 0 else (two, w2, new2)
                direction, misreading = (along, cosine) if half == 0 else (across, sine)
                s_up, _, s_down, _, low, high, _ = cells1 if half == 0 else cells2
                up = count > zero
                size = select(up, count, zero - count)
                new = _noisy(new, size, square, direction, low, high, sigma, per_pulse)
                before = load(written, at, LANES)
                changed = (select(up, s_up, s_down) > zero) & (size > zero) & (before < endurance)
                store(weights, at, select(changed, new, w))
                store(written, at, before + convert(size, types.int32))
                if reading > 0:
                    store(error, at, select(changed, sqrt(other) * misreading, load(error, at, LANES)))


@compiled
def _update_rows(
    form, weights, error, written, amount, s_ups, r_ups, s_downs, r_downs, lows, highs, origins, pitches,
    curve, nodes, last_up, last_down, stochastic, sigma, per_pulse, reading, endurance,
    seed, rounding_key, noise_key, reading_key, step, first, last, grain, edges, longest_up, longest_down,
):  # fmt: skip
    """Rows first to last, `grain` at a time, which make whole groups."""
    columns = edges[-1]
    pulses = np.empty(grain * columns + GROUP, np.int32)
    counts = np.zeros(4, np.int64)
    address = nodes.ctypes.data
    for row in range(first, last, grain):
        until = min(row + grain, last)
        _update(
            form, weights, error, written, amount, s_ups, r_ups, s_downs, r_downs, lows, highs, origins, pitches,
            curve, address, last_up, last_down, stochastic, sigma, per_pulse, reading, endurance,
            seed, rounding_key, noise_key, reading_key, step,
            row * columns // 32, (until * columns + 31) // 32, pulses,
        )  # fmt: skip
        census(pulses, columns, row, until, edges, longest_up, longest_down, counts)
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
    """See `laws.cell_update`; the same random bits and pulses, weights and laws in single precision."""
    shape, (size, grain) = weights.shape, sections(weights.shape)
    matrices = [weights, written, error] if writing.reading else [weights, written]
    rows = [flat(matrix, size) for matrix in matrices]
    wanted, misread = flat(amount, size), rows[2] if writing.reading else np.zeros(GROUP, np.float32)
    entries = [parameters((entry,), shape, shape[1]) for entry in (*law.steps, law.low, law.high, law.origin)]
    cells = [flat(entry, size) if pitch else entry for (entry,), pitch in entries]
    pitches = np.array([pitch for _, pitch in entries])
    nodes = np.concatenate([law.shape_up, law.shape_down]).astype(np.float32)
    paired = zip_longest(law.shape_up[:CURVE], law.shape_down[:CURVE], range(CURVE), fillvalue=0.0)
    curve = tuple(np.float32(number) for *pair, _ in paired for number in pair)
    last_up, last_down = np.int32(len(law.shape_up) - 1), np.int32(len(law.shape_down) - 1)
    longest_up, longest_down = np.zeros((2, shape[0], len(column_edges) - 1), dtype=np.int64)
    streams = (random.ROUNDING, random.NOISE, random.READING)
    keys = [np.uint32(address.tile * random.STREAMS + stream) for stream in streams]
    endurance = np.int32(min(np.ceil(writing.endurance), np.iinfo(np.int32).max))

    def work(first: int, last: int) -> np.ndarray:
        return _update_rows(
            FORMS.index(law.form), rows[0], misread, rows[1], wanted, *cells, pitches, curve, nodes, last_up, last_down,
            rounding == "stochastic", np.float32(2 * writing.sigma), writing.per_pulse,
            np.float32(2 * writing.reading), endurance, np.uint32(address.seed), *keys, np.uint32(address.step),
            first, last, grain, column_edges, longest_up, longest_down,
        )  # fmt: skip

    counts = sum(shared(work, shape[0], grain))
    for matrix, row in zip(matrices, rows, strict=True):
        unflatten(matrix, row)
    cells_up, pulses_up, cells_down, pulses_down = counts.tolist()
    return PulseCounts(cells_up, cells_down, pulses_up, pulses_down, longest_up, longest_down)
