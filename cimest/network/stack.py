"""`Stack`: layers put one on the other, or on an earlier one that is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from cimest.network.graph import INPUT, Network
from cimest.network.layers import Conv, Layer, Shape, linear
from cimest.network.weightless import Activation, Add, MaxPool, Normalise, relu


class Stack:
    """A network in the making.

    Parameters
    ----------
    input : Shape
        Of a sample, as the first layer takes it.
    """

    def __init__(self, input: Shape):
        self.layers: list[Layer] = []
        self.sources: dict[str, tuple[str, ...]] = {}
        self.shapes: dict[str, Shape] = {INPUT: input}
        self.last = INPUT

    @property
    def shape(self) -> Shape:
        """Shape of the last output."""
        return self.shapes[self.last]

    def on(self, name: str) -> Stack:
        """The next layer takes the output of the one that is named."""
        self.last = name
        return self

    def put(self, kind: Callable[..., Layer], name: str, *sizes: Any, **options: Any) -> str:
        """Put a layer on the last one; its name comes back."""
        return self._append(kind(name, self.shape, *sizes, **options), (self.last,))

    def dense(self, name: str, width: int) -> str:
        """A fully connected layer on all values of the last output."""
        return self._append(linear(name, prod(self.shape), width), (self.last,))

    def each(self, name: str, width: int) -> str:
        """A fully connected layer on each vector of a sequence."""
        features, steps, _ = self.shape
        return self._append(linear(name, features, width, steps), (self.last,))

    def add(self, name: str, *others: str) -> str:
        """The sum of the last output and others."""
        return self._append(Add(name, self.shape), (self.last, *others))

    def _append(self, layer: Layer, sources: tuple[str, ...]) -> str:
        before = self.layers[-1].name if self.layers else INPUT
        if sources != (before,):
            self.sources[layer.name] = sources
        self.layers.append(layer)
        self.shapes[layer.name], self.last = layer.output, layer.name
        return layer.name

    def network(self, name: str) -> Network:
        """All of it."""
        return Network(name, tuple(self.layers), self.sources)


def classifier(stack: Stack, widths: Sequence[int], activation: str = "relu") -> None:
    """Fully connected layers fc1, fc2, ... with rectifiers, or another activation, between them."""
    for i, width in enumerate(widths, start=1):
        stack.dense(f"fc{i}", width)
        if i < len(widths):
            stack.put(Activation, f"fc{i}_{activation}", activation)


def rectified(stack: Stack, number: int, channels: int, kernel: int = 3, padding: int = 1) -> None:
    """A convolution conv1, conv2, ... and its rectifier."""
    stack.put(Conv, f"conv{number}", channels, kernel, padding=padding)
    stack.put(relu, f"conv{number}_relu")


def pooled(stack: Stack, number: int) -> None:
    """Max-pooling pool1, pool2, ... over windows of two by two."""
    stack.put(MaxPool, f"pool{number}", 2)


def normalised(stack: Stack, prefix: str, number: str, channels: int, kernel: int, stride: int, padding: int) -> str:
    """A convolution and its batch normalisation."""
    stack.put(Conv, f"{prefix}conv{number}", channels, kernel, stride, padding)
    return stack.put(Normalise, f"{prefix}norm{number}")
