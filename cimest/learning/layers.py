"""The digital layers between the arrays: what every layer of a model is, activations, pooling and sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cimest.kernels.digital import unpool
from cimest.learning.codes import Codes, Signal, values
from cimest.network import Activation, AveragePool, MaxPool
from cimest.rules.normalise import normalised

State = dict[str, Any]


class Part:
    """A layer of a model: base of all of them.

    `forward` takes the signals of the layer's sources and, in training, remembers what `backward` needs.
    """

    def forward(self, *inputs: Signal, training: bool) -> Signal:
        """The output for one batch."""
        raise NotImplementedError

    def backward(self, error: np.ndarray) -> tuple[np.ndarray, ...]:
        """Errors at the inputs, one for each, from the errors at the output, which nobody else has."""
        raise NotImplementedError

    def learn(self, rate: float) -> None:
        """Change what digital circuits have learned, by what the last `backward` found."""

    def state(self) -> State:
        """All that the next batch depends on, but the tiles."""
        return {}

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""


def descend(learned: np.ndarray, gradient: np.ndarray, rate: float) -> None:
    """A step of plain gradient descent, in place, with the gradient normalised as that of the arrays is."""
    learned -= np.float32(rate) * normalised(gradient, "rms")


def _rectified(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, np.float32(0))


def logistic(z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-z)), by the hyperbolic tangent, which does not overflow."""
    return np.float32(0.5) * (np.tanh(np.float32(0.5) * z) + np.float32(1))


FUNCTIONS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "relu": (_rectified, lambda y: y > 0),
    "tanh": (np.tanh, lambda y: 1 - y * y),
    "sigmoid": (logistic, lambda y: y * (1 - y)),
}
"""Each kind's function, and its slope as a function of its value."""


class ActivationPart(Part):
    """A function of each value."""

    def __init__(self, layer: Activation):
        self.function, self.slope = FUNCTIONS[layer.kind]

    def forward(self, *inputs: Signal, training: bool) -> np.ndarray:
        """The function's values."""
        result = self.function(values(inputs[0]))
        if training:
            self.result = result
        return result

    def backward(self, error: np.ndarray) -> tuple[np.ndarray, ...]:
        """Errors times the slope."""
        return (error * self.slope(self.result),)


class PassPart(Part):
    """A rectifier whose output is made into codes without a sign: they are the rectified values' without it."""

    def forward(self, *inputs: Signal, training: bool) -> Signal:
        """The input."""
        return inputs[0]

    def backward(self, error: np.ndarray) -> tuple[np.ndarray, ...]:
        """The error, which passed where the codes were above zero."""
        return (error,)


class MaxPoolPart(Part):
    """Max-pooling of maps, channels last, of codes or values; a border narrower than a window is dropped."""

    def __init__(self, layer: MaxPool):
        self.input, self.padding, self.window, self.step = layer.input, layer.padding, layer.window, layer.step
        _, height, width = layer.output
        down, across = height * layer.step, width * layer.step
        offsets = range(layer.window)
        self.corners = [
            np.s_[:, y : y + down : layer.step, x : x + across : layer.step] for y in offsets for x in offsets
        ]

    def forward(self, *inputs: Signal, training: bool) -> Signal:
        """Largest value of each window."""
        (signal,) = inputs
        maps = signal.codes if isinstance(signal, Codes) else signal
        if self.padding:
            lowest = -np.inf if maps.dtype.kind == "f" else np.iinfo(maps.dtype).min
            pad = (self.padding, self.padding)
            maps = np.pad(maps, ((0, 0), pad, pad, (0, 0)), constant_values=lowest)
        largest = maps[self.corners[0]].copy()
        for corner in self.corners[1:]:
            np.maximum(largest, maps[corner], out=largest)
        if training:
            self.maps, self.largest = maps, largest
        return Codes(largest, signal.step) if isinstance(signal, Codes) else largest

    def backward(self, error: np.ndarray) -> tuple[np.ndarray, ...]:
        """Each error goes to the first of the largest values of its window."""
        _, height, width = self.input
        result, border = unpool(error, self.maps, self.largest, self.window, self.step), self.padding
        return (result[:, border : border + height, border : border + width],)


class AveragePoolPart(Part):
    """Means of windows side by side, or of whole maps; a border narrower than a window is dropped."""

    def __init__(self, layer: AveragePool):
        self.input, self.output = layer.input, layer.output
        self.window = layer.input[1:] if layer.window == "global" else (layer.window, layer.window)

    def forward(self, *inputs: Signal, training: bool) -> np.ndarray:
        """Mean of each window."""
        (channels, height, width), (down, across) = self.output, self.window
        maps = values(inputs[0])[:, : height * down, : width * across]
        return maps.reshape(-1, height, down, width, across, channels).mean(axis=(2, 4), dtype=np.float32)

    def backward(self, error: np.ndarray) -> tuple[np.ndarray, ...]:
        """Each error is shared by the places of its window."""
        (channels, height, width), (down, across) = self.input, self.window
        result = np.zeros((len(error), height, width, channels), dtype=np.float32)
        shared = np.repeat(np.repeat(error, down, axis=1), across, axis=2) / np.float32(down * across)
        result[:, : shared.shape[1], : shared.shape[2]] = shared
        return (result,)


class AddPart(Part):
    """Sum of two or more sources."""

    def forward(self, *inputs: Signal, training: bool) -> np.ndarray:
        """The sum."""
        self.sources = len(inputs)
        total = values(inputs[0]) + values(inputs[1])
        for signal in inputs[2:]:
            total += values(signal)
        return total

    def backward(self, error: np.ndarray) -> tuple[np.ndarray, ...]:
        """The same error for every source."""
        return (error, *(error.copy() for _ in range(1, self.sources)))
