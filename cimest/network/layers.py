"""Layers as shapes, and those whose weights are on arrays: what mapper, simulator and estimate need to agree on."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

Shape = tuple[int, int, int]
"""Channels, height, width; a vector of n values is (n, 1, 1), a sequence of T vectors is (n, T, 1)."""


@dataclass(frozen=True)
class Layer:
    """Base of all layers: a name and the shape of what enters it.

    Raises
    ------
    ValueError
        If a size is not positive.
    """

    name: str
    input: Shape

    @property
    def parameters(self) -> int:
        """Number of learned values that digital circuits hold."""
        return 0

    @property
    def learns(self) -> bool:
        """Whether a training step changes it."""
        return self.parameters > 0

    def __post_init__(self) -> None:
        if min(self.input) < 1:
            raise ValueError(f"layer {self.name}: sizes must be positive, got {self}")

    @property
    def output(self) -> Shape:
        """Shape of the output."""
        return self.input


class Weighted(Layer):
    """Base of the layers whose weights form a matrix of `fan_in` rows and `fan_out` columns on the arrays."""

    kernel: int
    stride: int
    padding: int
    groups: int
    recurrent: ClassVar[bool] = False
    """Whether each matrix-vector product needs the result of the one before."""
    learns = True

    @property
    def channels(self) -> int:
        """Inputs at one kernel position, of all groups."""
        return self.input[0]

    @property
    def kernel_positions(self) -> int:
        """Positions within a kernel."""
        return self.kernel**2

    @property
    def fan_in(self) -> int:
        """Inputs of one output: rows of the weight matrix, or of each group's block of it."""
        return self.channels // self.groups * self.kernel_positions

    @property
    def fan_out(self) -> int:
        """Columns of the weight matrix, of all groups."""
        raise NotImplementedError

    @property
    def positions(self) -> int:
        """Places of the output map: matrix-vector products for one sample."""
        return self.output[1] * self.output[2]

    @property
    def operands(self) -> int:
        """Values that enter the products of one sample, each counted once."""
        return self.channels * self.input[1] * self.input[2]

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.fan_in * self.fan_out

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass of one sample, padded positions included."""
        return self.positions * self.weights


@dataclass(frozen=True)
class Conv(Weighted):
    """A convolution with square kernel, stride and zero padding, without bias.

    Rows of its matrix are ordered by kernel position first, then by channel: row (ky·kernel + kx)·channels + c. With
    `groups` the matrix is one such block for each group: output channel j of `out_channels` sees the channels of
    group j // (out_channels / groups) only.

    Raises
    ------
    ValueError
        If the kernel does not fit into the padded map, or the groups do not divide the channels.
    """

    out_channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1

    def __post_init__(self) -> None:
        sizes = (*self.input, self.out_channels, self.kernel, self.stride, self.groups)
        if min(sizes) < 1 or self.padding < 0:
            raise ValueError(f"layer {self.name}: sizes must be positive, got {self}")
        if self.input[0] % self.groups or self.out_channels % self.groups:
            raise ValueError(
                f"layer {self.name}: {self.groups} groups do not divide {self.input[0]} input and "
                f"{self.out_channels} output channels"
            )
        check_window(self, self.kernel, self.padding, "kernel")

    @property
    def output(self) -> Shape:
        """Shape of the output."""
        return self.out_channels, *places(self.input, self.kernel, self.stride, self.padding)

    @property
    def fan_out(self) -> int:
        """Columns of the weight matrix, of all groups."""
        return self.out_channels


def linear(name: str, in_features: int, out_features: int, positions: int = 1) -> Conv:
    """A fully connected layer: a 1x1 convolution of a 1x1 map, or of each vector of a sequence."""
    return Conv(name, (in_features, positions, 1), out_features, kernel=1)


@dataclass(frozen=True)
class Lstm(Weighted):
    """A long short-term memory layer over a sequence, one step after the other, without bias.

    One matrix of (features + hidden) rows, the inputs of a step above the hidden state of the step before, and
    4 · hidden columns: the gates i, f, g and o, in this order. What follows the products is digital.
    """

    hidden: int

    kernel: ClassVar[int] = 1  # type: ignore[misc]
    stride: ClassVar[int] = 1  # type: ignore[misc]
    padding: ClassVar[int] = 0  # type: ignore[misc]
    groups: ClassVar[int] = 1  # type: ignore[misc]
    recurrent = True

    def __post_init__(self) -> None:
        if min(*self.input, self.hidden) < 1:
            raise ValueError(f"layer {self.name}: sizes must be positive, got {self}")
        check_sequence(self)

    @property
    def output(self) -> Shape:
        """Shape of the output: the hidden state of each step."""
        return self.hidden, self.input[1], 1

    @property
    def channels(self) -> int:
        """Inputs of a step and hidden state of the step before."""
        return self.input[0] + self.hidden

    @property
    def fan_out(self) -> int:
        """Columns of the weight matrix: four gates."""
        return 4 * self.hidden


def places(input: Shape, window: int, stride: int, padding: int) -> tuple[int, int]:
    """Height and width of the map that windows of a map give."""
    _, height, width = input
    return (height + 2 * padding - window) // stride + 1, (width + 2 * padding - window) // stride + 1


def check_window(layer: Layer, window: int, padding: int, what: str) -> None:
    """Raise ValueError if a window does not fit into the padded map, or sizes are not positive."""
    if min(layer.input) < 1:
        raise ValueError(f"layer {layer.name}: sizes must be positive, got {layer}")
    if window > min(layer.input[1:]) + 2 * padding:
        raise ValueError(
            f"layer {layer.name}: a {window}x{window} {what} with padding {padding} "
            f"does not fit into a map of {layer.input[1]}x{layer.input[2]}"
        )


def check_sequence(layer: Layer) -> None:
    """Raise ValueError if the input is no sequence of vectors."""
    if layer.input[2] != 1:
        raise ValueError(f"layer {layer.name}: a sequence has the shape (features, steps, 1), got {layer.input}")


def flattened(shape: Shape) -> Shape:
    """All values of a map as one vector."""
    return prod(shape), 1, 1


def lines(shape: Shape) -> Shape:
    """A map as a sequence of its lines, from top to bottom."""
    channels, height, width = shape
    return channels * width, height, 1
