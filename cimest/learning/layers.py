"""The layers of a network as the chip computes them: forward, backward, and what is digital between the arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from cimest.kernels.patches import col2im, im2col
from cimest.learning.tile import AnalogTile, Errors
from cimest.network import Conv, MaxPool, Relu


def power_of_two(value: float) -> float:
    """The power of two nearest to a positive value, on a logarithmic scale."""
    return float(2.0 ** np.rint(np.log2(value)))


def mean_square(values: np.ndarray) -> float:
    """Mean square, by numpy's own pairwise sums: the same for any number of threads."""
    return float(np.square(values, dtype=np.float32).mean(dtype=np.float64))


class Rectifier:
    """ReLU and quantisation to unsigned codes of `bits` bits."""

    def __init__(self, layer: Relu, bits: int):
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
        self.corners = [np.s_[:, y : stops[0] : self.window, x : stops[1] : self.window] for y in offsets for x in offsets]

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
    """A layer with weights: patches, the analog tile, and the digital scale and offset at its output."""

    def __init__(self, layer: Conv, tile: AnalogTile, target: float, error_bits: int, opt):
        self.layer, self.tile, self.target = layer, tile, target
        self.largest_error = 2 ** (error_bits - 1) - 1
        self.scale = 1.0
        self.mean = np.zeros(layer.fan_out, dtype=np.float32)
        self.opt = opt
        self.n = 0

    def forward(self, maps: np.ndarray, training: bool) -> np.ndarray:
        x = im2col(maps, self.layer)
        y = self.tile.forward(x)
        if training:
            self.x = x
            mean = y.mean(axis=0, dtype=np.float64).astype(np.float32)
        _, height, width = self.layer.output
        if self.opt['centre']:
            if training:
                f = max(1/(self.n+1), 1-self.opt.get('mm',.9)); self.n += 1
                self.mean = self.mean + np.float32(f)*(mean-self.mean)
                y = y - mean
            else:
                y = y - self.mean
        if self.tile.measuring:
            self.scale = power_of_two(self.target / max(mean_square(y) ** 0.5, 1e-9))
        y = y * np.float32(self.scale)
        return y.reshape(-1, height, width, self.layer.fan_out)

    def quantise(self, error: np.ndarray) -> Errors:
        flat = error.reshape(-1, self.layer.fan_out)
        if self.opt['emode']=='max': size = float(np.abs(flat).max(initial=0))
        else: size = self.opt['emode']*mean_square(flat)**.5
        if size == 0:
            return Errors(np.zeros(flat.shape, dtype=np.int8), 1.0)
        scale = power_of_two(size) / (self.largest_error+1)
        codes = np.clip(np.rint(flat / np.float32(scale)), -self.largest_error, self.largest_error).astype(np.int8)
        return Errors(codes, scale)

    def backward(self, delta: Errors) -> np.ndarray:
        return col2im(self.tile.backward(delta), self.layer) * np.float32(self.scale)
