"""Fully connected layers trained in memory sample by sample, through converters of whole vectors, in machine code.

It does what the layers of `learning` do one by one: words of activations and errors, the digital shift at each output,
every block of lines converted by itself. Only its random numbers are others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from cimest.kernels.activations import activate, loss_of, slope
from cimest.kernels.in_memory import INNER, OPTIONS, update_vector
from cimest.kernels.in_memory_random import normals_from
from cimest.kernels.in_memory_types import BACKWARD, FORWARD, PASSES, SPARE

ERROR_RANGE = np.float64(8)
"""As `learning.codes.ERROR_RANGE`; of one vector that faces a label `LABEL_RANGE` there comes to the largest error."""

VECTORS, READS, CLIPPED = range(3)
"""Entries of what a layer's reads in one direction took: vectors, reads with those repeated, outputs that stayed at an
end of the range."""

FIRST_RETRY = 24
"""Bit of the counter of random numbers from which repetitions count; outputs of all blocks lie below."""


class Converters(NamedTuple):
    """DACs and ADCs of all layers; the first axis of the arrays is the direction, forward and backward.

    Parameters
    ----------
    input_step : float
        Of a DAC, whose full scale is 1.
    full : array of float32, shape (2, layers)
        Largest word of an input.
    step, bound, noise : array of float32, shape (2, layers)
        Of the ADC, in full inputs times weights; step 0: no ADC.
    normalise : bool
        Whether the largest input of a vector is full.
    retries : int
        How often a vector at the bound is read again with half the inputs.
    """

    input_step: float
    full: np.ndarray
    step: np.ndarray
    bound: np.ndarray
    noise: np.ndarray
    normalise: bool
    retries: int


class Digital(NamedTuple):
    """What is digital between the arrays, layer by layer.

    Parameters
    ----------
    kinds : array of int64
        Activation behind each layer, as in `activations`.
    scale, back : array of float32
        By which outputs are multiplied, inputs being words, and errors on their way back.
    offset : tuple of arrays of float32
        Added to outputs.
    factor, low, high : array of float32
        Of the words that the next layer takes.
    largest : float
        Word of an error.
    loss : int
        As in `activations`.
    """

    kinds: np.ndarray
    scale: np.ndarray
    back: np.ndarray
    offset: tuple[np.ndarray, ...]
    factor: np.ndarray
    low: np.ndarray
    high: np.ndarray
    largest: float
    loss: int


class Room(NamedTuple):
    """Room that samples are worked on in; nothing in it outlives a call."""

    words: tuple[np.ndarray, ...]
    outputs: tuple[np.ndarray, ...]
    errors: tuple[np.ndarray, ...]
    driven: np.ndarray
    part: np.ndarray
    draws: np.ndarray


def room(shapes: list[tuple[int, int]]) -> Room:
    """Room for layers of so many inputs and outputs."""
    longest = max(max(shape) for shape in shapes) + SPARE

    def each(sizes: list[int]) -> tuple[np.ndarray, ...]:
        return tuple(np.zeros(size, np.float32) for size in sizes)

    rows, columns = [shape[0] for shape in shapes], [shape[1] for shape in shapes]
    return Room(each(rows), each([size + SPARE for size in columns]), each([max(rows) + SPARE, *columns]),
                *each([longest] * 3))  # fmt: skip


@njit(**INNER)
def _columns(weights, x, y):
    """y = xᵀ W, rows whose input is zero skipped, four rows at a time."""
    rows, columns = weights.shape
    y[:columns] = 0
    waiting, chosen = 0, np.zeros(4, np.int64)
    for row in range(rows):
        if x[row] != 0:
            chosen[waiting] = row
            waiting += 1
        if waiting == 4:
            a, b, c, d = chosen
            xa, xb, xc, xd = x[a], x[b], x[c], x[d]
            wa, wb, wc, wd = weights[a], weights[b], weights[c], weights[d]
            for column in range(columns):
                y[column] += xa * wa[column] + xb * wb[column] + xc * wc[column] + xd * wd[column]
            waiting = 0
    for i in range(waiting):
        row = chosen[i]
        value = x[row]
        for column in range(columns):
            y[column] += value * weights[row, column]


@njit(**INNER)
def _transposed(weights, d, first, last, e):
    """e = W d over columns first to last."""
    used = d[first:last]  # indices from zero, so that none can be negative: only then are there lanes
    for row in range(weights.shape[0]):
        line, total = weights[row][first:last], np.float32(0)
        for column in range(len(used)):
            total += line[column] * used[column]
        e[row] = total


@njit(**OPTIONS)
def read(weights, seed, key, at, x, way, layer, edges, converters, room, out, stats):
    """A vector of words times the weights, or their transpose, block by block, in words times weights."""
    inputs, count = len(x), weights.shape[1 - way]
    full = converters.full[way, layer]
    if converters.normalise:
        full = np.float32(1)
        for i in range(inputs):
            full = max(full, abs(x[i]))
    step, retries = np.float32(converters.input_step), converters.retries
    inverse = np.float32(1) / step
    unit, bound, noise = converters.step[way, layer], converters.bound[way, layer], converters.noise[way, layer]
    end = bound - unit / np.float32(2)
    driven, part, draws = room.driven, room.part, room.draws
    attempt = 0
    while True:
        factor = np.float32(1) / full
        for i in range(inputs):
            value = np.floor(x[i] * factor * inverse + np.float32(0.5)) * step
            driven[i] = min(max(value, np.float32(-1)), np.float32(1))
        for j in range(count):
            out[j] = 0
        ended = 0
        for block in range(len(edges) - 1):
            first, last = edges[block], edges[block + 1]
            if way == 0:
                _columns(weights[first:last], driven[first:last], part)
            else:
                _transposed(weights, driven, first, last, part)
            if noise > 0:
                start = (attempt << FIRST_RETRY) + block * (count + SPARE - 1) // SPARE * SPARE
                normals_from(start, count, seed, key, at, draws)
                for j in range(count):
                    part[j] += noise * draws[j]
            for j in range(count):
                value = part[j]
                if unit > 0:
                    value = np.floor(value / unit + np.float32(0.5)) * unit
                value = min(max(value, -bound), bound)
                ended += abs(value) >= end
                out[j] += value
        stats[READS] += 1
        if ended == 0 or attempt == retries:
            break
        attempt += 1
        full *= np.float32(2)
    stats[VECTORS] += 1
    stats[CLIPPED] += ended
    for j in range(count):
        out[j] *= full


@njit(**INNER)
def _forward(tiles, row_edges, converters, digital, room, stats):
    """Outputs of all layers, and the words that the next one takes."""
    for i in range(len(tiles)):
        tile, y = tiles[i], room.outputs[i]
        columns, seed, step = tile.visible.shape[1], np.uint32(tile.seed), np.uint32(tile.counts[PASSES])
        read(tile.visible, seed, np.uint32(tile.key + FORWARD), step, room.words[i], 0, i, row_edges[i], converters,
              room, y, stats[i, 0])  # fmt: skip
        tile.counts[PASSES] += 1
        scale, offset = digital.scale[i], digital.offset[i]
        for j in range(columns):
            y[j] = y[j] * scale + offset[j]
        if i + 1 < len(tiles):
            activate(y[:columns], digital.kinds[i])
            words, factor = room.words[i + 1], digital.factor[i]
            for j in range(columns):
                words[j] = np.rint(min(max(y[j] * factor, digital.low[i]), digital.high[i]))


@njit(**INNER)
def _error_words(error, largest, of_labels):
    """Errors as words, in place; returns what a word of one is worth, a power of two."""
    squares, size = np.float64(0), np.float64(0)
    for j in range(len(error)):
        if of_labels:
            size = max(size, np.float64(abs(error[j])))
        squares += np.float64(error[j]) * np.float64(error[j])
    unit = 1.0
    if squares > 0:
        size = max(size, ERROR_RANGE * np.sqrt(squares / len(error)))
        unit = 2.0 ** np.rint(np.log2(size)) / (largest + 1)
    factor, top = np.float32(1 / unit), np.float32(largest)
    for j in range(len(error)):
        error[j] = np.rint(min(max(error[j] * factor, -top), top))
    return np.float32(unit)


@njit(**OPTIONS)
def train(images, labels, order, tiles, row_edges, column_edges, converters, digital, plans, gains, speeds, transfer,
          rooms, room, stats):  # fmt: skip
    """Samples `order` one after another; returns the sum of their losses and how many were told right.

    Parameters
    ----------
    images : array of uint8, shape (samples, inputs)
        Words.
    labels, order : arrays of int64
    tiles, plans, rooms : tuples
        Of each layer, as in `in_memory`.
    row_edges, column_edges : tuples of arrays of int64
        Blocks that are converted by themselves, forward and backward.
    converters : Converters
    digital : Digital
    gains : array of float64, shape (samples, layers)
    speeds : array of float64, shape (samples,)
        Of the rule, at each of the samples.
    transfer : in_memory_types.Periphery
        Of transfer reads.
    room : Room
    stats : array of int64, shape (layers, 2, 3)
        Reads of each layer, forward and backward; see `VECTORS`. Added to.
    """
    total, correct, last = 0.0, 0, len(tiles) - 1
    classes = tiles[last].visible.shape[1]
    for number in range(len(order)):
        sample = order[number]
        first = room.words[0]
        for j in range(images.shape[1]):
            first[j] = images[sample, j]
        _forward(tiles, row_edges, converters, digital, room, stats)
        output, error = room.outputs[last][:classes], room.errors[last + 1][:classes]
        total += loss_of(output, labels[sample], digital.loss, error)
        correct += output.argmax() == labels[sample]
        for i in range(last, -1, -1):
            tile = tiles[i]
            d = room.errors[i + 1][: tile.visible.shape[1]]
            unit = _error_words(d, digital.largest, i == last)
            if i > 0:
                e, rows = room.errors[0], tile.visible.shape[0]
                seed, step = np.uint32(tile.seed), np.uint32(tile.counts[PASSES])
                read(tile.visible, seed, np.uint32(tile.key + BACKWARD), step, d, 1, i, column_edges[i], converters,
                      room, e, stats[i, 1])  # fmt: skip
                before, y, scale = room.errors[i], room.outputs[i - 1], unit * digital.back[i]
                factor, low, high = digital.factor[i - 1], digital.low[i - 1], digital.high[i - 1]
                for j in range(rows):
                    word = y[j] * factor
                    within = word > low and word < high
                    before[j] = e[j] * scale * slope(y[j], digital.kinds[i - 1]) if within else np.float32(0)
            for j in range(len(d)):
                d[j] *= unit
            update_vector(tile, plans[i], room.words[i], d, gains[number, i], speeds[number], transfer, rooms[i])
    return total, correct
