"""Maps to the rows of a matrix product and back: im2col and its transpose, channels last."""

from __future__ import annotations

import numpy as np

from cimest.network import Conv


def im2col(maps: np.ndarray, layer: Conv) -> np.ndarray:
    """Input vectors of a layer: one row per sample and output position.

    Parameters
    ----------
    maps : array, shape (samples, height, width, channels)
    layer : Conv

    Returns
    -------
    array, shape (samples · positions, fan-in)
        Columns in the order of the layer's matrix: kernel position first, then channel.
    """
    if layer.input[1:] == (1, 1):
        return maps.reshape(len(maps), layer.fan_in)
    _, height, width = layer.output
    pad, stride = layer.padding, layer.stride
    padded = np.pad(maps, ((0, 0), (pad, pad), (pad, pad), (0, 0))) if pad else maps
    patches = np.empty((len(maps), height, width, layer.kernel, layer.kernel, layer.input[0]), dtype=maps.dtype)
    for y in range(layer.kernel):
        for x in range(layer.kernel):
            rows, columns = slice(y, y + stride * height, stride), slice(x, x + stride * width, stride)
            patches[:, :, :, y, x] = padded[:, rows, columns]
    return patches.reshape(-1, layer.fan_in)


def col2im(columns: np.ndarray, layer: Conv) -> np.ndarray:
    """Sum what every input vector says about the same pixel: the transpose of `im2col`.

    Parameters
    ----------
    columns : array, shape (samples · positions, fan-in)
    layer : Conv

    Returns
    -------
    array, shape (samples, height, width, channels)
    """
    channels, height, width = layer.input
    if (height, width) == (1, 1):
        return columns.reshape(-1, 1, 1, channels)
    _, out_height, out_width = layer.output
    pad, stride = layer.padding, layer.stride
    patches = columns.reshape(-1, out_height, out_width, layer.kernel, layer.kernel, channels)
    padded = np.zeros((len(patches), height + 2 * pad, width + 2 * pad, channels), dtype=columns.dtype)
    for y in range(layer.kernel):
        for x in range(layer.kernel):
            padded[:, y : y + stride * out_height : stride, x : x + stride * out_width : stride] += patches[
                :, :, :, y, x
            ]
    return padded[:, pad : pad + height, pad : pad + width]
