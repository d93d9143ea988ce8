"""Maps to the rows of a matrix product and back: im2col and its transpose, channels last.

With channels last, a row of a kernel is one run of numbers in the map and in the matrix alike.
"""

from __future__ import annotations

import numpy as np

from cimest.kernels.elementary import compiled
from cimest.kernels.threads import shared
from cimest.network import Conv


@compiled
def _runs(kernel, stride, pad, shape, x, y, row):
    """First place in the map of a row of a kernel, and which part of it lies inside: from `first`, `count` numbers."""
    height, width, channels = shape
    line, left = y * stride - pad + row, x * stride - pad
    if line < 0 or line >= height:
        return 0, 0, 0
    first = max(0, -left)
    count = max(0, min(kernel, width - left) - first)
    return (line * width + left + first) * channels, first * channels, count * channels


@compiled
def _gather(maps, samples, shape, kernel, stride, pad, out_height, out_width, patches):
    """Rows of kernels one after the other; the border reads zero."""
    height, width, channels = shape
    long, target = kernel * channels, np.uint64(0)
    for sample in range(samples):
        for y in range(out_height):
            for x in range(out_width):
                for row in range(kernel):
                    source, first, count = _runs(kernel, stride, pad, shape, x, y, row)
                    start = np.uint64(sample * height * width * channels + source)
                    if count < long:
                        for i in range(np.uint64(long)):
                            patches[target + i] = 0
                    for i in range(np.uint64(count)):
                        patches[target + np.uint64(first) + i] = maps[start + i]
                    target += np.uint64(long)


@compiled
def _scatter(patches, samples, shape, kernel, stride, pad, out_height, out_width, factor, maps):
    """Add rows of kernels, times a factor, to their places in the maps."""
    height, width, channels = shape
    long, source = kernel * channels, np.uint64(0)
    for sample in range(samples):
        for y in range(out_height):
            for x in range(out_width):
                for row in range(kernel):
                    target, first, count = _runs(kernel, stride, pad, shape, x, y, row)
                    start = np.uint64(sample * height * width * channels + target)
                    for i in range(np.uint64(count)):
                        maps[start + i] += factor * patches[source + np.uint64(first) + i]
                    source += np.uint64(long)


def im2col(maps: np.ndarray, layer: Conv) -> np.ndarray:
    """Input vectors of a layer: one row per sample and output position.

    Parameters
    ----------
    maps : array, shape (samples, height, width, channels)
    layer : Conv

    Returns
    -------
    array, shape (samples · positions, kernel positions · channels)
        Columns in the order of the layer's matrix: kernel position first, then channel, of all groups.
    """
    if layer.kernel == 1 and layer.input[1:] == (1, 1):
        return maps.reshape(len(maps), layer.channels)
    maps = np.ascontiguousarray(maps)
    patches = np.empty((len(maps) * layer.positions, layer.kernel_positions * layer.channels), dtype=maps.dtype)

    def work(first: int, last: int) -> None:
        part = patches[first * layer.positions : last * layer.positions].reshape(-1)
        _gather(maps[first:last].reshape(-1), last - first, *_geometry(layer), part)

    shared(work, len(maps))
    return patches


def _geometry(layer: Conv) -> tuple:
    _, height, width = layer.input
    return (height, width, layer.channels), layer.kernel, layer.stride, layer.padding, *layer.output[1:]


def col2im(columns: np.ndarray, layer: Conv) -> np.ndarray:
    """Sum what every input vector says about the same pixel: the transpose of `im2col`.

    Parameters
    ----------
    columns : array, shape (samples · positions, kernel positions · channels)
    layer : Conv

    Returns
    -------
    array, shape (samples, height, width, channels)
    """
    channels, height, width = layer.input
    maps = np.zeros((len(columns) // layer.positions, height, width, channels), dtype=columns.dtype)
    add_columns(maps, columns, layer)
    return maps


def add_columns(maps: np.ndarray, columns: np.ndarray, layer: Conv, factor: float = 1.0) -> None:
    """Add to maps what `col2im` makes of columns, times a power of two."""
    if layer.kernel == 1 and layer.input[1:] == (1, 1):
        maps += columns.reshape(maps.shape) * maps.dtype.type(factor)
        return
    patches = np.ascontiguousarray(columns)

    def work(first: int, last: int) -> None:
        part = patches[first * layer.positions : last * layer.positions].reshape(-1)
        _scatter(part, last - first, *_geometry(layer), maps.dtype.type(factor), maps[first:last].reshape(-1))

    shared(work, len(maps))
