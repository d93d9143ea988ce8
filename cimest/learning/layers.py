"""The layers of a network as the chip computes them: forward, backward, and what is digital between the arrays."""

from __future__ import annotations

import numpy as np

from cimest.kernels.patches import col2im, im2col
from cimest.learning.tile import AnalogTile, Errors, column_sums
from cimest.network import Conv, MaxPool

ERROR_RANGE = 8.0
"""Full scale of quantised errors in units of their root mean square: errors are heavy-tailed, and with the maximum
as full scale a few samples would leave the others no codes (our choice)."""

MEAN_MEMORY = 0.9
"""Share of the running mean of a channel that stays after a batch (our choice)."""


def power_of_two(value: float) -> float:
    """The power of two nearest to a positive value, on a logarithmic scale."""
    return float(2.0 ** np.rint(np.log2(value)))


def mean_square(values: np.ndarray) -> float:
    """Mean square, by numpy's own pairwise sums: the same for any number of threads."""
    return float(np.square(values, dtype=np.float32).mean(dtype=np.float64))


class Rectifier:
    """ReLU and quantisation to unsigned codes of `bits` bits."""

    def __init__(self, bits: int):
        self.largest = 2**bits - 1

    def forward(self, z: np.ndarray, training: bool) -> np.ndarray:
        """Codes from 0 to 2^bits - 1."""
        codes = np.clip(np.rint(z), 0, self.largest).astype(np.uint8)
        if training:
            self.open = (z > 0) & (z < self.largest)
        return codes

    def backward(self, error: np.ndarray) -> np.ndarray:
        """Errors pass where the input was neither below zero nor beyond the largest code."""
        return np.where(self.open, error, np.float32(0))


class Pool:
    """Max-pooling of maps, channels last; a border narrower than the window is dropped."""

    def __init__(self, layer: MaxPool):
        self.input, self.window = layer.input, layer.window
        _, height, width = layer.output
        stops, offsets = (height * self.window, width * self.window), range(self.window)
        self.corners = [
            np.s_[:, y : stops[0] : self.window, x : stops[1] : self.window] for y in offsets for x in offsets
        ]

    def forward(self, maps: np.ndarray, training: bool) -> np.ndarray:
        """Largest value of each window."""
        largest = maps[self.corners[0]].copy()
        for corner in self.corners[1:]:
            np.maximum(largest, maps[corner], out=largest)
        if training:
            self.maps, self.largest = maps, largest
        return largest

    def backward(self, error: np.ndarray) -> np.ndarray:
        """Each error goes to the first of the largest values of its window."""
        channels, height, width = self.input
        result = np.zeros((len(error), height, width, channels), dtype=error.dtype)
        waiting = np.ones(error.shape, dtype=bool)
        for corner in self.corners:
            winner = waiting & (self.maps[corner] == self.largest)
            result[corner] = np.where(winner, error, np.float32(0))
            waiting &= ~winner
        return result


class Matrix:
    """A layer with weights: its analog tile, with a digital offset and shift at the output.

    Each output channel is centred: its running mean over the batches before is subtracted, so that no batch has
    to wait for its own. Device asymmetry drives all weights of a column together, which shifts whole channels and
    ends with rectifiers that never open; centring removes just that (our choice; there is no learned bias or gain).

    Parameters
    ----------
    layer : Conv
    tile : AnalogTile
    target : float
        Root mean square of the output that the shift aims at. [codes of the next layer's inputs]
    error_bits : int
        Of the errors, with sign.
    """

    def __init__(self, layer: Conv, tile: AnalogTile, target: float, error_bits: int):
        self.layer, self.tile, self.target = layer, tile, target
        self.largest_error = 2 ** (error_bits - 1) - 1
        self.scale, self.batches = 1.0, 0
        self.next: Matrix | None = None
        self.mean = np.zeros(layer.fan_out, dtype=np.float32)

    def forward(self, maps: np.ndarray, training: bool) -> np.ndarray:
        """Scaled and centred products; training remembers the inputs and follows the mean."""
        x = im2col(maps, self.layer)
        y = self.tile.forward(x)
        mean = self.mean
        if training:
            self.x = x
            latest = (column_sums(y) / len(y)).astype(np.float32)
            self.batches += 1
            if self.batches == 1:
                mean = latest
            self.mean = mean + np.float32(1 - MEAN_MEMORY) * (latest - mean)
        y -= mean
        if self.tile.measuring and training:
            self._adjust(mean_square(y) ** 0.5)
        y *= np.float32(self.scale)
        return y.reshape(len(maps), *self.layer.output[1:], self.layer.fan_out)

    def _adjust(self, size: float) -> None:
        """Choose the shift for outputs of that root mean square, unless the present one is within a factor of two.

        The next layer's inputs change with it, and so does the mean of its outputs.
        """
        if size > 0 and not self.target / 2 <= self.scale * size <= self.target * 2:
            before, self.scale = self.scale, power_of_two(self.target / size)
            if self.next is not None:
                self.next.mean *= np.float32(self.scale / before)

    def quantise(self, error: np.ndarray) -> Errors:
        """Errors at the output as the arrays take them: in units of a power of two near 8 root mean squares."""
        flat = error.reshape(-1, self.layer.fan_out)
        size = ERROR_RANGE * mean_square(flat) ** 0.5
        scale = power_of_two(size) / (self.largest_error + 1) if size > 0 else 1.0
        codes = np.clip(np.rint(flat * np.float32(1 / scale)), -self.largest_error, self.largest_error)
        return Errors(codes.astype(np.int8), scale)

    def backward(self, delta: Errors) -> np.ndarray:
        """Errors at the input."""
        return col2im(self.tile.backward(delta), self.layer) * np.float32(self.scale)
