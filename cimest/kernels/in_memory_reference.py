"""The specification of in-memory training rules: plain numpy, obvious and slow."""

from __future__ import annotations

import numpy as np

from cimest.kernels import in_memory_types as types
from cimest.kernels.in_memory_types import Periphery, Tile
from cimest.kernels.random import threefry2x32
from cimest.rules.plan import Plan


def words(tile: Tile, stream: int, step: int, counters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two random words for each counter of a tile's stream."""
    return threefry2x32((np.uint32(tile.seed), np.uint32(tile.key + stream)), (np.uint32(step), counters))


def normals(tile: Tile, stream: int, step: int, counters: np.ndarray) -> np.ndarray:
    """Normal numbers by the transform of Box and Muller."""
    first, second = words(tile, stream, step, counters)
    radius = np.sqrt(-2 * np.log((first + 0.5) * 2.0**-32))
    return (radius * np.cos(2 * np.pi * (second * 2.0**-32))).astype(np.float32)


def uniforms(tile: Tile, stream: int, step: int, counters: np.ndarray) -> np.ndarray:
    """Uniform numbers in [0, 1), multiples of 2^-24."""
    return (words(tile, stream, step, counters)[0] >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def trains(tile: Tile, stream: int, step: int, probability: np.ndarray, slots: int) -> np.ndarray:
    """Whether each line fires in each slot, shape (slots, lines); a slot takes 16 of the 64 bits of a call."""
    lines = np.arange(len(probability), dtype=np.uint32)
    limit = (probability * np.float32(65536) + np.float32(0.5)).astype(np.uint32)
    fires = []
    for slot in range(slots):
        word = words(tile, stream, step, lines + np.uint32(slot // 4 << 24))[slot % 4 // 2]
        fires.append(((word >> np.uint32(16)) if slot & 1 else (word & np.uint32(0xFFFF))) < limit)
    return np.array(fires)


def pulse(tile: Tile, level: int, pulses: np.ndarray, stream: int, step: int) -> None:
    """Fire whole numbers of pulses at the cells of an array, one pulse after the other, with their noise at the end."""
    shape = tile.visible.shape
    numbers = tile.codes[level].reshape(*shape, types.CODES).astype(np.float32) * tile.scales[level]
    up, up_slope, down, down_slope, low, high = np.moveaxis(numbers, -1, 0)[:6]
    old = tile.arrays[level].copy()
    w, count = old.copy(), np.abs(pulses)
    size, slope = np.where(pulses > 0, up, down), np.where(pulses > 0, up_slope, down_slope)
    for fired in range(int(count.max(initial=0))):
        if tile.nodes.shape[1]:
            place, grid = np.clip((w - low) / (high - low), 0, 1), np.linspace(0, 1, tile.nodes.shape[1])
            factor = np.where(pulses > 0, np.interp(place, grid, tile.nodes[0]), np.interp(place, grid, tile.nodes[1]))
            moved = w + np.sign(pulses) * size * factor
        else:
            moved = w + np.sign(pulses) * np.maximum(size - np.sign(pulses) * slope * w, 0)
        w = np.where(count > fired, np.clip(moved, low, high), w)
    cells = np.arange(pulses.size, dtype=np.uint32).reshape(shape)
    growth = np.sqrt(count) if tile.per_pulse else 1.0
    w = np.clip(w + tile.noise * growth * normals(tile, stream, step, cells), low, high)
    moves = (count > 0) & (size != 0) & (tile.written[level] < tile.endurance)
    tile.arrays[level] = np.where(moves, w, old)
    tile.visible[...] += tile.shares[level] * (tile.arrays[level] - old)
    tile.written[level] += count.astype(np.int32)


def strength(tile: Tile, plan: Plan, x: np.ndarray, d: np.ndarray, gain: float) -> float:
    """Expected pulses of the largest product of input and error, 0 if all are zero; follows the running means."""
    largest = np.abs(x).max(), np.abs(d).max()
    if min(largest) == 0:
        return 0.0
    for i, size in enumerate(largest):
        tile.maxima[i] = size if tile.maxima[i] == 0 else tile.maxima[i] + types.MEMORY * (size - tile.maxima[i])
    return gain * float(largest[0]) * float(largest[1]) / (tile.maxima.prod() if plan.running else 1.0)


def outer_pulses(tile: Tile, plan: Plan, x: np.ndarray, d: np.ndarray, gain: float) -> None:
    """Pulse trains of both sides meet in the cells of the last array, against the gradient x dᵀ.

    k expected pulses of the largest product need ceil(k) slots, at most `plan.slots`, in each of which a line fires
    with a probability in proportion to its value; what is beyond is clipped on the side of the errors.
    """
    k = strength(tile, plan, x, d, gain)
    if k == 0:
        return
    slots, step, counts = max(1, min(int(np.ceil(k)), plan.slots)), int(tile.counts[types.VECTORS]), tile.counts
    root = np.sqrt(min(k / slots, 1.0))
    factors = root / np.abs(x).max(), root / np.abs(d).max() * max(1.0, k / plan.slots)
    fired = [
        trains(tile, stream, step, np.minimum(np.abs(values) * np.float32(factor), 1).astype(np.float32), slots)
        for stream, values, factor in zip((types.TRAIN_ROWS, types.TRAIN_COLUMNS), (x, d), factors, strict=True)
    ]
    together = np.einsum("sr,sc->rc", fired[0].astype(int), fired[1].astype(int))
    chopper = tile.chopper if len(tile.chopper) else 1
    pulses = -together * (np.sign(x) * chopper)[:, None].astype(int) * np.sign(d).astype(int)
    pulse(tile, len(tile.arrays) - 1, pulses, types.FAST_NOISE, step)
    counts[types.SLOTS] += slots
    counts[types.LINES_ROWS] += fired[0].sum()
    counts[types.LINES_COLUMNS] += fired[1].sum()
    counts[types.CELLS_FAST] += np.count_nonzero(pulses)
    counts[types.UP_FAST] += np.maximum(pulses, 0).sum()
    counts[types.DOWN_FAST] += np.maximum(-pulses, 0).sum()


def converted(values: np.ndarray, periphery: Periphery) -> np.ndarray:
    """What an ADC makes of outputs."""
    if periphery.outputs:
        step = np.float32(periphery.bound / periphery.outputs)
        values = np.floor(values / step + np.float32(0.5)) * step
    return np.clip(values, -periphery.bound, periphery.bound).astype(np.float32)


def word(values: np.ndarray, bits: int, full: float) -> np.ndarray:
    """What digital words with sign keep of values, whose range is `full` on either side of zero."""
    top = 2 ** (bits - 1)
    places = np.float32(top / full)
    steps = np.floor(values.astype(np.float32) * places + np.float32(0.5))
    return np.clip(steps, 1 - top, top - 1) / places


def transfer(tile: Tile, plan: Plan, level: int, rate: float, periphery: Periphery) -> None:
    """Read the next row of an array, and pulse what follows from it into the next slower one."""
    row, step = int(tile.position[level, types.LINE]), int(tile.counts[types.READS])
    lines = np.arange(tile.visible.shape[1], dtype=np.uint32)
    reading = tile.arrays[level, row] + np.float32(periphery.noise) * normals(tile, types.TRANSFER_READ, step, lines)
    reading = converted(reading, periphery)
    chop = tile.chopper[row] if len(tile.chopper) else 1
    change = reading
    if plan.tail:
        change = reading - tile.past[row]
        mean = tile.mean[row] + np.float32(plan.tail) * (reading - tile.mean[row])
        tile.mean[row] = word(mean, plan.bits, types.READING)
    pulses = np.zeros(tile.visible.shape, dtype=int)
    if not (plan.tail and tile.phases[row] == 0):
        amount = np.float32(rate) * chop * change
        if plan.buffered:
            h = np.float32(max(1 - plan.leak * rate, 0)) * tile.hidden[row] + amount
            pulses[row] = np.where(np.abs(h) >= 1, np.sign(h), 0)
            after = np.float32(plan.keep) * h if plan.keep >= 0 else h - pulses[row]
            tile.hidden[row] = word(np.where(pulses[row] != 0, after, h), plan.bits, plan.pulses)
        else:
            offset = uniforms(tile, types.TRANSFER_ROUNDING, step, lines)
            pulses[row] = np.clip(np.floor(amount + offset), -plan.slots, plan.slots)
    write(tile, level - 1, pulses, step)
    tile.counts[types.READS] += 1
    flips = plan.period > 0 and (tile.position[level, types.SWEEPS] + 1) % plan.period == 0
    if plan.flip:
        flips = uniforms(tile, types.CHOP, step, np.array([row]))[0] < plan.flip
    if flips:
        tile.chopper[row] *= -1
        tile.phases[row] += 1
        if plan.tail:
            tile.past[row] = tile.mean[row]
    tile.position[level, types.LINE] = (row + 1) % len(tile.visible)
    tile.position[level, types.SWEEPS] += row + 1 == len(tile.visible)


def write(tile: Tile, level: int, pulses: np.ndarray, step: int) -> None:
    """Pulse an array that a transfer or a digital gradient writes."""
    pulse(tile, level, pulses, types.SLOW_NOISE, step)
    tile.counts[types.CELLS_SLOW] += np.count_nonzero(pulses)
    tile.counts[types.UP_SLOW] += np.maximum(pulses, 0).sum()
    tile.counts[types.DOWN_SLOW] += np.maximum(-pulses, 0).sum()
    tile.counts[types.ROWS_SLOW] += np.count_nonzero(pulses.any(axis=1))
    tile.counts[types.SLOTS_SLOW] += sum(np.maximum(way * pulses, 0).max(axis=1).sum() for way in (1, -1))


def digital(tile: Tile, plan: Plan, x: np.ndarray, d: np.ndarray, gain: float) -> None:
    """Add up exact outer products; at the end of a batch the digital matrix takes their words, and whole pulses go."""
    k = strength(tile, plan, x, d, gain)
    if k > 0:
        factor = np.float32(k / (np.abs(x).max().astype(float) * np.abs(d).max()))
        tile.hidden[...] -= (factor * x)[:, None] * d
        tile.counts[types.PRODUCTS] += np.count_nonzero(x) * len(d)
    if (tile.counts[types.VECTORS] + 1) % plan.batch == 0:
        whole = word(tile.hidden, plan.bits, plan.pulses)
        pulses = np.clip(np.trunc(whole), -plan.slots, plan.slots).astype(int)
        tile.hidden[...] = whole - pulses
        write(tile, 0, pulses, int(tile.counts[types.VECTORS]))


def update_vector(
    tile: Tile, plan: Plan, x: np.ndarray, d: np.ndarray, gain: float, speed: float, periphery: Periphery
) -> None:
    """One vector's update of a tile, in place.

    Parameters
    ----------
    tile : Tile
    plan : Plan
    x : array of float32, shape (rows,)
        Inputs.
    d : array of float32, shape (columns,)
        Errors: derivatives of the loss by the outputs.
    gain : float
        Expected pulses of the cell with the largest product, when that is at its running mean; see `Plan.running`.
    speed : float
        What the plan's rate is multiplied by.
    periphery : Periphery
        Of the transfer reads, whose one input is full.
    """
    if plan.batch:
        digital(tile, plan, x, d, gain)
    else:
        outer_pulses(tile, plan, x, d, gain)
    tile.counts[types.VECTORS] += 1
    every = plan.every
    for level in range(len(tile.arrays) - 1, 0, -1):
        if tile.counts[types.VECTORS] % every == 0:
            for _ in range(plan.reads):
                transfer(tile, plan, level, speed * plan.rate, periphery)
        every *= plan.slower


def update(
    tile: Tile, plan: Plan, x: np.ndarray, d: np.ndarray, gain: float, speed: float, periphery: Periphery
) -> None:
    """Vectors (vectors, rows) and (vectors, columns) one after another."""
    for inputs, errors in zip(x, d, strict=True):
        update_vector(tile, plan, inputs, errors, gain, speed, periphery)
