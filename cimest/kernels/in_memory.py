"""In-memory training rules in machine code by numba: one vector's update of a tile, held to in_memory_reference.py."""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import cgutils
from numba.extending import intrinsic

from cimest.kernels.in_memory_pulses import INNER, OPTIONS, PART, fire
from cimest.kernels.in_memory_random import normals_from, trains, uniforms_from
from cimest.kernels.in_memory_types import (
    BLOCK,
    CELLS_FAST,
    CELLS_SLOW,
    CHOP,
    DOWN_FAST,
    DOWN_SLOW,
    FAST_NOISE,
    LINE,
    LINES_COLUMNS,
    LINES_ROWS,
    MEMORY,
    PRODUCTS,
    READING,
    READS,
    ROWS_SLOW,
    SLOTS,
    SLOTS_SLOW,
    SLOW_NOISE,
    SWEEPS,
    TRAIN_COLUMNS,
    TRAIN_ROWS,
    TRANSFER_READ,
    TRANSFER_ROUNDING,
    UP_FAST,
    UP_SLOW,
    VECTORS,
    Tile,
    Work,
)  # fmt: skip
from cimest.kernels.lanes import load, ones, store_where, total, view
from cimest.kernels.random import LANES


@njit(**PART)
def _largest(values):
    """Largest magnitude: four at a time, none of which waits for the others."""
    a = b = c = d = np.float32(0)
    fours = len(values) // 4 * 4
    for i in range(0, fours, 4):
        a, b = max(a, abs(values[i])), max(b, abs(values[i + 1]))
        c, d = max(c, abs(values[i + 2])), max(d, abs(values[i + 3]))
    for i in range(fours, len(values)):
        a = max(a, abs(values[i]))
    return np.float64(max(max(a, b), max(c, d)))


@njit(**INNER)
def _ones(word):
    """Ones of a word."""
    word = np.uint32(word - np.uint32(np.uint32(word >> np.uint32(1)) & np.uint32(0x55555555)))
    word = np.uint32((word & np.uint32(0x33333333)) + (np.uint32(word >> np.uint32(2)) & np.uint32(0x33333333)))
    word = np.uint32(np.uint32(word + np.uint32(word >> np.uint32(4))) & np.uint32(0x0F0F0F0F))
    return np.int64(np.uint32(word * np.uint32(0x01010101)) >> np.uint32(24))


@njit(**INNER)
def _lines(values, factor, slots, seed, key, step, lines, fired, signs, probability):
    """Lists the lines of one side that fire at least once, their trains and -1 for negative ones, else 0.

    Returns their number and that of the pulses. Behind the last one are trains without pulses, as many as a vector
    reads too far.
    """
    count, factor = len(values), np.float32(factor)
    for i in range(count):
        probability[i] = min(abs(values[i]) * factor, np.float32(1))
    trains(probability, count, slots, seed, key, step, fired)
    found = pulses = np.int64(0)
    for i in range(count):
        train = fired[i]
        lines[found], fired[found], signs[found] = i, train, -np.int32(values[i] < 0)
        found += train != 0
        pulses += _ones(train)
    fired[found : found + LANES] = 0
    return found, pulses


@njit(**PART)
def _trained(tile, plan, x, d, gain, room):
    """Running means, and the expected pulses of the largest product; 0 if there is nothing to update."""
    largest_d = _largest(d)  # errors first: most of those behind a pooling are zero
    largest_x = _largest(x) if largest_d > 0 else 0.0
    if largest_x == 0:
        return 0.0, largest_x, largest_d
    maxima = tile.maxima
    maxima[0] = largest_x if maxima[0] == 0 else maxima[0] + MEMORY * (largest_x - maxima[0])
    maxima[1] = largest_d if maxima[1] == 0 else maxima[1] + MEMORY * (largest_d - maxima[1])
    k = gain * largest_x * largest_d
    return k / (maxima[0] * maxima[1]) if plan.running else k, largest_x, largest_d


@njit(**PART)
def outer_pulses(tile, plan, x, d, gain, room):
    """Pulse trains of both sides meet in the cells of the last array, against the gradient x dᵀ.

    k expected pulses of the largest product need ceil(k) slots, at most `plan.slots`; what is beyond is clipped on
    the side of the errors.
    """
    k, largest_x, largest_d = _trained(tile, plan, x, d, gain, room)
    if k == 0:
        return
    slots = max(1, min(int(np.ceil(k)), plan.slots))
    root = np.sqrt(min(k / slots, 1.0))
    seed, counts = np.uint32(tile.seed), tile.counts
    step = np.uint32(counts[VECTORS])
    rows, row_pulses = _lines(
        x, root / largest_x, slots, seed, np.uint32(tile.key + TRAIN_ROWS), step,
        room.lines_x, room.trains_x, room.signs_x, room.probability,
    )  # fmt: skip
    columns, column_pulses = _lines(
        d, root / largest_d * max(1.0, k / plan.slots), slots, seed, np.uint32(tile.key + TRAIN_COLUMNS), step,
        room.lines_d, room.trains_d, room.signs_d, room.probability,
    )  # fmt: skip
    counts[SLOTS] += slots
    counts[LINES_ROWS] += row_pulses
    counts[LINES_COLUMNS] += column_pulses
    key, level, found = np.uint32(tile.key + FAST_NOISE), np.int64(len(tile.arrays) - 1), np.int64(0)
    chopper, width = tile.chopper, np.uint32(tile.visible.shape[1])
    for i in range(rows):
        row, train, sign = room.lines_x[i], room.trains_x[i], np.int32(~room.signs_x[i])
        if len(chopper) > 0 and chopper[row] < 0:
            sign = np.int32(~sign)
        for j in range(0, columns, LANES):
            both = load(room.trains_d, j, LANES) & train
            met = both != np.uint32(0)
            if total(met) > 0:
                turn = load(room.signs_d, j, LANES) ^ sign
                store_where(room.cells, found, load(room.lines_d, j, LANES) + row * width, met)
                store_where(room.pulses, found, (view(ones(both), np.int32) ^ turn) - turn, met)
                found += total(met)
        if found >= BLOCK or (found > 0 and i == rows - 1):
            up, down = fire(tile, level, room, found, key, step)
            counts[CELLS_FAST] += found
            counts[UP_FAST] += up
            counts[DOWN_FAST] += down
            found = np.int64(0)


@njit(**INNER)
def converted(value, periphery):
    """What an ADC makes of an output."""
    bound = np.float32(periphery.bound)
    if periphery.outputs > 0:
        step = np.float32(periphery.bound / periphery.outputs)
        value = np.floor(value / step + np.float32(0.5)) * step
    return min(max(value, -bound), bound)


@njit(**INNER)
def _word(value, top, places):
    """What a digital word keeps of a value; `top` steps on either side of zero, `places` steps to one."""
    steps = np.floor(value * places + np.float32(0.5))
    return min(max(steps, np.float32(1) - top), top - np.float32(1)) / places


@njit(**INNER)
def _slow_pulses(tile, level, room, found, step):
    """Pulse the listed cells, all of one row, of the array that a transfer or a digital gradient writes."""
    counts, pulses = tile.counts, room.pulses
    up, down = fire(tile, level, room, found, np.uint32(tile.key + SLOW_NOISE), step)
    longest_up = longest_down = np.int64(0)
    for i in range(found):
        longest_up, longest_down = max(longest_up, pulses[i]), max(longest_down, -pulses[i])
    counts[SLOTS_SLOW] += longest_up + longest_down
    counts[CELLS_SLOW] += found
    counts[UP_SLOW] += up
    counts[DOWN_SLOW] += down
    counts[ROWS_SLOW] += 1


@njit(**PART)
def _transfer(tile, plan, level, rate, periphery, room):
    """Read the next row of an array, and pulse what follows from it into the next slower one."""
    # Arrays are taken from their tuples once: each time costs a count of references, which is more than what is done
    rows, columns = tile.visible.shape
    position, counts, chopper, phases = tile.position[level], tile.counts, tile.chopper, tile.phases
    row = np.uint64(position[LINE])
    seed, step = np.uint32(tile.seed), np.uint32(counts[READS])
    chop = np.float32(chopper[row]) if len(chopper) > 0 else np.float32(1)
    values, draws, fast = room.values, room.draws, tile.arrays[level, row]
    noise, bound, outputs = np.float32(periphery.noise), np.float32(periphery.bound), periphery.outputs
    if noise > 0:
        normals_from(0, columns, seed, np.uint32(tile.key + TRANSFER_READ), step, draws)
    unit = np.float32(periphery.bound / outputs) if outputs > 0 else np.float32(1)
    for column in range(columns):
        value = fast[column] + noise * draws[column] if noise > 0 else fast[column]
        if outputs > 0:
            value = np.floor(value / unit + np.float32(0.5)) * unit
        values[column] = min(max(value, -bound), bound)
    top = np.float32(1 << (plan.bits - 1))
    places = top / np.float32(plan.pulses)
    tracked, tail, waiting = plan.tail > 0, np.float32(plan.tail), False
    if tracked:
        waiting = phases[row] == 0
        past, mean = tile.past[row], tile.mean[row]
        for column in range(columns):
            reading = values[column]
            values[column] = reading - past[column]
            mean[column] = _word(mean[column] + tail * (reading - mean[column]), top, np.float32(top / READING))
    if not waiting:
        factor = np.float32(rate) * chop
        found = _due(tile, plan, row, rate, factor, top, places, seed, step, room)
        if found > 0:
            _slow_pulses(tile, level - 1, room, found, step)
    counts[READS] += 1
    flips = plan.period > 0 and (position[SWEEPS] + 1) % plan.period == 0
    if plan.flip > 0:
        uniforms_from(row, 1, seed, np.uint32(tile.key + CHOP), step, draws)
        flips = draws[0] < plan.flip
    if flips:
        chopper[row] = -chopper[row]
        phases[row] += 1
        if tracked:
            tile.past[row][:] = tile.mean[row]
    position[LINE] = (row + np.uint64(1)) % np.uint64(rows)
    if row + np.uint64(1) == np.uint64(rows):
        position[SWEEPS] += 1


@njit(**PART)
def _due(tile, plan, row, rate, factor, top, places, seed, step, room):
    """List the pulses that the readings of a row add up to; returns of how many cells."""
    columns, values, cells, pulses = tile.visible.shape[1], room.values, room.cells, room.pulses
    found, base = np.int64(0), row * np.uint64(columns)
    if plan.buffered:
        hidden, keep, stays = tile.hidden[row], np.float32(plan.keep), np.float32(max(1 - plan.leak * rate, 0.0))
        for column in range(columns):
            h, n = stays * hidden[column] + factor * values[column], np.int64(0)
            if abs(h) >= 1:
                n = np.int64(1 if h > 0 else -1)
                h = keep * h if keep >= 0 else h - np.float32(n)
            hidden[column] = _word(h, top, places)
            cells[found], pulses[found] = np.uint32(base + np.uint64(column)), n
            found += n != 0
        return found
    draws = room.draws
    uniforms_from(0, columns, seed, np.uint32(tile.key + TRANSFER_ROUNDING), step, draws)
    for column in range(columns):
        n = np.int64(min(max(np.floor(factor * values[column] + draws[column]), -plan.slots), plan.slots))
        cells[found], pulses[found] = np.uint32(base + np.uint64(column)), n
        found += n != 0
    return found


@njit(**PART)
def _digital(tile, plan, x, d, gain, room):
    """Add up exact outer products; at the end of a batch the digital matrix takes their words, and whole pulses go."""
    rows, columns = tile.visible.shape
    k, largest_x, largest_d = _trained(tile, plan, x, d, gain, room)
    if k > 0:
        factor = np.float32(k / (largest_x * largest_d))
        for row in range(rows):
            if x[row] != 0:
                tile.counts[PRODUCTS] += columns
                scaled = factor * x[row]
                for column in range(columns):
                    tile.hidden[row, column] -= scaled * d[column]
    if (tile.counts[VECTORS] + 1) % plan.batch == 0:
        top = np.float32(1 << (plan.bits - 1))
        places = top / np.float32(plan.pulses)
        for row in range(rows):
            found = np.int64(0)
            for column in range(columns):
                h = _word(tile.hidden[row, column], top, places)
                n = min(max(int(h), -plan.slots), plan.slots)
                tile.hidden[row, column] = h - np.float32(n)
                room.cells[found], room.pulses[found] = np.uint32(row * columns + column), n
                found += n != 0
            if found > 0:
                _slow_pulses(tile, np.int64(0), room, found, np.uint32(tile.counts[VECTORS]))


@intrinsic
def _lent(_, array):
    """The same array without an owner: nobody counts references to it, the one who lends it keeps it alive."""

    def code(context, builder, signature, arguments):
        found = context.make_array(array)(context, builder, arguments[0])
        found.meminfo = cgutils.get_null_value(found.meminfo.type)
        found.parent = cgutils.get_null_value(found.parent.type)
        return found._getvalue()

    return array(array), code


@njit(**INNER)
def _lent_tile(tile):
    """A tile of such arrays; counting took two thirds of the time of small tiles."""
    return Tile(
        _lent(tile.arrays), _lent(tile.shares), _lent(tile.visible), _lent(tile.codes), _lent(tile.scales),
        _lent(tile.nodes), tile.noise, tile.per_pulse, tile.endurance, _lent(tile.hidden), _lent(tile.mean),
        _lent(tile.past), _lent(tile.chopper), _lent(tile.phases), _lent(tile.position), _lent(tile.maxima),
        _lent(tile.written), _lent(tile.counts), tile.seed, tile.key,
    )  # fmt: skip


@njit(**INNER)
def _lent_room(room):
    """Likewise."""
    return Work(
        _lent(room.lines_x), _lent(room.trains_x), _lent(room.signs_x), _lent(room.lines_d), _lent(room.trains_d),
        _lent(room.signs_d), _lent(room.probability), _lent(room.cells), _lent(room.pulses), _lent(room.draws),
        _lent(room.old), _lent(room.new), _lent(room.codes), _lent(room.values),
    )  # fmt: skip


@njit(**PART)
def _update_vector(tile, plan, x, d, gain, speed, periphery, room):
    counts = tile.counts
    if plan.batch > 0:
        _digital(tile, plan, x, d, gain, room)
    else:
        outer_pulses(tile, plan, x, d, gain, room)
    counts[VECTORS] += 1
    every = plan.every
    for level in range(len(tile.arrays) - 1, 0, -1):
        if counts[VECTORS] % every == 0:
            for _ in range(plan.reads):
                _transfer(tile, plan, level, speed * plan.rate, periphery, room)
        every *= plan.slower


@njit(**INNER)
def update_vector(tile, plan, x, d, gain, speed, periphery, room):
    """See `in_memory_reference.update_vector`."""
    _update_vector(_lent_tile(tile), plan, _lent(x), _lent(d), gain, speed, periphery, _lent_room(room))


@njit(**OPTIONS)
def update(tile, plan, x, d, gain, speed, periphery, room):
    """Vectors one after another; see `in_memory_reference.update`."""
    lent, used, inputs, errors = _lent_tile(tile), _lent_room(room), _lent(x), _lent(d)
    for i in range(len(x)):
        _update_vector(lent, plan, inputs[i], errors[i], gain, speed, periphery, used)
