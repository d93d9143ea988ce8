"""Where a weight matrix is cut: the row and column blocks whose partial sums meet a converter.

The simulator quantises exactly these blocks, and the estimate prices exactly these arrays.
"""

from __future__ import annotations

import numpy as np

from cimest.network import Weighted


def by_kernel_position(layer: Weighted, rows: int, mapping: str) -> bool:
    """Whether a layer is cut into one sub-matrix per kernel position.

    Under the mapping `kernel_position` this holds for kernels larger than 1x1 whose unrolled matrix
    fills at least one array; smaller layers stay unrolled (Peng et al. 2021).
    """
    return mapping == "kernel_position" and layer.kernel > 1 and layer.fan_in >= rows


def row_edges(layer: Weighted, rows: int, mapping: str) -> np.ndarray:
    """Edges of the row blocks of a layer's matrix, or of each group's: block i holds rows edges[i] to edges[i + 1].

    Parameters
    ----------
    layer : Weighted
    rows : int
        Data rows of an array.
    mapping : {"unrolled", "kernel_position"}

    Returns
    -------
    array of int64, shape (blocks + 1,)
        Starts with 0 and ends with the fan-in.
    """
    group = layer.channels // layer.groups if by_kernel_position(layer, rows, mapping) else layer.fan_in
    starts = [start + offset for start in range(0, layer.fan_in, group) for offset in range(0, group, rows)]
    return np.array([*starts, layer.fan_in], dtype=np.int64)


def column_edges(layer: Weighted, columns: int) -> np.ndarray:
    """Edges of the column blocks of a layer's matrix, or of each group's, which a transposed read sums over."""
    width = layer.fan_out // layer.groups
    return np.array([*range(0, width, columns), width], dtype=np.int64)


def gradient_edges(vectors: int, rows: int, per_image: int | None) -> np.ndarray:
    """Edges of the blocks of positions that the weight-gradient unit sums before a converter.

    Parameters
    ----------
    vectors : int
        Input vectors of the whole batch: samples times positions.
    rows : int
        Rows of an array of the weight-gradient unit.
    per_image : int or None
        Positions of one image if an array never holds two images; None if images share arrays.

    Returns
    -------
    array of int64
    """
    group = vectors if per_image is None else per_image
    starts = [start + offset for start in range(0, vectors, group) for offset in range(0, group, rows)]
    return np.array([*starts, vectors], dtype=np.int64)


def stored_edges(layer: Weighted, images: int, rows: int, stacked: bool) -> list[np.ndarray]:
    """Edges of the same blocks where the input map stays stored and the errors are shifted over it.

    The rows of an array then hold places of the input map, and which output positions meet in a block depends on
    the kernel position. Places in the padding, which are not stored, count to the block of the nearest place.

    Parameters
    ----------
    layer : Weighted
    images : int
        Of the batch.
    rows : int
        Rows of an array of the weight-gradient unit.
    stacked : bool
        Whether an array may hold two images.

    Returns
    -------
    list of arrays of int64
        For each kernel position, edges over the vectors (image by image, position by position).
    """
    _, height, width = layer.input
    down, across = (np.arange(count) * layer.stride - layer.padding for count in layer.output[1:])
    places = height * width
    first = np.arange(images) * (places if stacked else rows * -(-places // rows))
    edges = []
    for y, x in np.ndindex(layer.kernel, layer.kernel):
        row, column = np.clip(down + y, 0, height - 1), np.clip(across + x, 0, width - 1)
        place = (row[:, None] * width + column).reshape(-1)
        block = ((first[:, None] + place) // rows).reshape(-1)
        starts = np.flatnonzero(np.diff(block, prepend=-1))
        edges.append(np.append(starts, len(block)).astype(np.int64))
    return edges
