"""A chain of fully connected layers trained in memory, sample by sample, without leaving machine code."""

from __future__ import annotations

import numpy as np
from numba import njit

from cimest.kernels.in_memory import INNER, OPTIONS, converted, update_vector
from cimest.kernels.in_memory_random import normals_from
from cimest.kernels.in_memory_types import BACKWARD, FORWARD, PASSES, RETRIES, TEST

LINEAR, RELU, TANH, SIGMOID = range(4)
"""What follows a layer's products; the last layer's is linear."""

CROSS_ENTROPY, SQUARED_ERROR = range(2)


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
def _rows(weights, d, e):
    """e = W d."""
    rows, columns = weights.shape
    for row in range(rows):
        total = np.float32(0)
        for column in range(columns):
            total += weights[row, column] * d[column]
        e[row] = total


@njit(**INNER)
def _quantised(values, largest, shrink, periphery, out):
    """What the DAC makes of values in units of the largest one times `shrink`."""
    factor = np.float32(1 / (largest * shrink))
    for i in range(len(values)):
        value = values[i] * factor
        if periphery.inputs > 0:
            value = np.floor(value * np.float32(periphery.inputs) + np.float32(0.5)) / np.float32(periphery.inputs)
        out[i] = value


@njit(**OPTIONS)
def read(weights, seed, key, step, values, transposed, periphery, quantised, draws, out):
    """A vector times weights, or their transpose, through the periphery; see `in_memory_reference.read`.

    Returns how often the read was repeated; one backwards is not. Results and room need space for 16 more.
    """
    count = weights.shape[0 if transposed else 1]
    largest = np.float64(0)
    for i in range(len(values)):
        largest = max(largest, abs(values[i]))
    if largest == 0:
        out[:count] = 0
        return 0
    shrink, attempt = 1.0, 0
    while True:
        _quantised(values, largest, shrink, periphery, quantised)
        if transposed:
            _rows(weights, quantised, out)
        else:
            _columns(weights, quantised, out)
        if periphery.noise > 0:
            # repeated reads have counters of their own
            normals_from(attempt << 24, count, seed, key, step, draws)
            for i in range(count):
                out[i] += np.float32(periphery.noise) * draws[i]
        beyond = False
        for i in range(count):
            beyond = beyond or abs(out[i]) >= periphery.bound
            out[i] = converted(out[i], periphery)
        if not beyond or transposed or attempt >= periphery.retries:
            break
        attempt += 1
        shrink *= 2
    factor = np.float32(largest * shrink)
    for i in range(count):
        out[i] *= factor
    return attempt


@njit(**INNER)
def _activate(values, kind):
    for i in range(len(values)):
        if kind == RELU:
            values[i] = max(values[i], np.float32(0))
        elif kind == TANH:
            values[i] = np.tanh(values[i])
        elif kind == SIGMOID:
            values[i] = np.float32(1) / (np.float32(1) + np.exp(-values[i]))


@njit(**INNER)
def _slope(output, kind):
    """Derivative of an activation, from its result."""
    if kind == RELU:
        return np.float32(1) if output > 0 else np.float32(0)
    if kind == TANH:
        return np.float32(1) - output * output
    if kind == SIGMOID:
        return output * (np.float32(1) - output)
    return np.float32(1)


@njit(**INNER)
def _loss(output, label, kind, error):
    """Loss of one sample; `error` becomes its derivative."""
    total, largest = np.float32(0), output.max()
    if kind == SQUARED_ERROR:
        for i in range(len(output)):
            error[i] = output[i] - (np.float32(1) if i == label else np.float32(0))
            total += np.float32(0.5) * error[i] * error[i]
        return total
    for i in range(len(output)):
        error[i] = np.exp(output[i] - largest)
        total += error[i]
    for i in range(len(output)):
        error[i] /= total
    loss = -np.log(max(error[label], np.float32(1e-12)))
    error[label] -= np.float32(1)
    return loss


@njit(**INNER)
def forward(tiles, scales, kinds, values, periphery, stream, step, quantised, draws):
    """Outputs of all layers into `values[1:]`; each layer's vector of inputs ends with a one, its bias."""
    for i in range(len(tiles)):
        tile, kind = tiles[i], kinds[i]
        x, y = values[i], values[i + 1]
        columns = tile.visible.shape[1]
        at = np.uint32(tile.counts[PASSES]) if stream == FORWARD else step
        seed, key = np.uint32(tile.seed), np.uint32(tile.key + stream)
        repeated = read(tile.visible, seed, key, at, x, False, periphery, quantised, draws, y)
        if stream == FORWARD:
            tile.counts[PASSES] += 1
            tile.counts[RETRIES] += repeated
        for j in range(columns):
            y[j] *= scales[i]
        _activate(y[:columns], kind)


@njit(**OPTIONS)
def train(images, labels, order, tiles, scales, kinds, loss, plans, gains, speeds, periphery, transfer, rooms, values,
          errors, quantised, draws):  # fmt: skip
    """Samples `order` one after another; returns the sum of their losses and how many were told right."""
    total, correct, last = 0.0, 0, len(tiles)
    classes = tiles[last - 1].visible.shape[1]
    for number in range(len(order)):
        sample = order[number]
        image = values[0]
        for j in range(images.shape[1]):
            image[j] = images[sample, j]
        forward(tiles, scales, kinds, values, periphery, FORWARD, np.uint32(0), quantised, draws)
        output, error = values[last][:classes], errors[last][:classes]
        total += _loss(output, labels[sample], loss, error)
        correct += output.argmax() == labels[sample]
        for i in range(last - 1, -1, -1):
            tile = tiles[i]
            columns = tile.visible.shape[1]
            d = errors[i + 1][:columns]
            for j in range(columns):
                d[j] *= scales[i]
            if i > 0:
                step = np.uint32(tile.counts[PASSES])
                seed, key = np.uint32(tile.seed), np.uint32(tile.key + BACKWARD)
                read(tile.visible, seed, key, step, d, True, periphery, quantised, draws, errors[i])
                for j in range(tile.visible.shape[0] - 1):
                    errors[i][j] *= _slope(values[i][j], kinds[i - 1])
            update_vector(tile, plans[i], values[i], d, gains[i], speeds[i], transfer, rooms[i])
    return total, correct


@njit(**OPTIONS)
def test(images, tiles, scales, kinds, periphery, values, quantised, draws, found):
    """The largest output of each image, as in training but for the random numbers."""
    last = len(tiles)
    classes = tiles[last - 1].visible.shape[1]
    for number in range(len(images)):
        image = values[0]
        for j in range(images.shape[1]):
            image[j] = images[number, j]
        forward(tiles, scales, kinds, values, periphery, TEST, np.uint32(number), quantised, draws)
        found[number] = values[last][:classes].argmax()
