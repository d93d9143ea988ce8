"""Layers and networks as shapes: all that the mapper, the simulator and the estimate need to agree on."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

Shape = tuple[int, int, int]
"""Channels, height, width; a vector of n values is (n, 1, 1)."""


@dataclass(frozen=True)
class Conv:
    """A convolution with square kernel, stride and zero padding, without bias.

    Its weights form a matrix of `fan_in` rows and `fan_out` columns. Rows are ordered by kernel
    position first, then by channel: row (ky·kernel + kx)·in_channels + c.
    """

    name: str
    input: Shape
    out_channels: int
    kernel: int
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        if min(self.input) < 1 or self.out_channels < 1 or self.kernel < 1 or self.stride < 1 or self.padding < 0:
            raise ValueError(f"layer {self.name}: sizes must be positive, got {self}")
        if self.output[1] < 1 or self.output[2] < 1:
            raise ValueError(
                f"layer {self.name}: a {self.kernel}x{self.kernel} kernel with padding {self.padding} "
                f"does not fit into a map of {self.input[1]}x{self.input[2]}"
            )

    @property
    def output(self) -> Shape:
        """Shape of the output."""
        _, height, width = self.input
        return (
            self.out_channels,
            (height + 2 * self.padding - self.kernel) // self.stride + 1,
            (width + 2 * self.padding - self.kernel) // self.stride + 1,
        )

    @property
    def kernel_positions(self) -> int:
        """Positions within a kernel."""
        return self.kernel**2

    @property
    def fan_in(self) -> int:
        """Inputs of one output: rows of the weight matrix."""
        return self.input[0] * self.kernel_positions

    @property
    def fan_out(self) -> int:
        """Columns of the weight matrix."""
        return self.out_channels

    @property
    def positions(self) -> int:
        """Places of the output map: matrix-vector products for one sample."""
        return self.output[1] * self.output[2]

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.fan_in * self.fan_out

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass of one sample, padded positions included."""
        return self.positions * self.weights


def linear(name: str, in_features: int, out_features: int) -> Conv:
    """A fully connected layer: a 1x1 convolution of a 1x1 map."""
    return Conv(name, (in_features, 1, 1), out_features, kernel=1)


@dataclass(frozen=True)
class Relu:
    """Rectifier."""

    name: str
    input: Shape

    @property
    def output(self) -> Shape:
        """Shape of the output."""
        return self.input


@dataclass(frozen=True)
class MaxPool:
    """Largest value of each non-overlapping window; a border narrower than the window is dropped."""

    name: str
    input: Shape
    window: int

    def __post_init__(self) -> None:
        if not 1 <= self.window <= min(self.input[1:]):
            raise ValueError(f"layer {self.name}: a window of {self.window} does not fit into {self.input[1:]}")

    @property
    def output(self) -> Shape:
        """Shape of the output."""
        channels, height, width = self.input
        return channels, height // self.window, width // self.window


Layer = Conv | Relu | MaxPool


@dataclass(frozen=True)
class Network:
    """Layers, each fed by the one before it; a fully connected layer flattens its input.

    Raises
    ------
    ValueError
        If two layers share a name or one layer's output does not fit the next one's input.
    """

    name: str
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        names = [layer.name for layer in self.layers]
        if len(set(names)) != len(names):
            raise ValueError(f"network {self.name}: layer names must differ, got {names}")
        for before, after in zip(self.layers, self.layers[1:], strict=False):
            flattened = (prod(before.output), 1, 1)
            if after.input not in (before.output, flattened):
                raise ValueError(
                    f"network {self.name}: {after.name} expects {after.input}, but {before.name} gives {before.output}"
                )
        if not self.matrices:
            raise ValueError(f"network {self.name} has no layer with weights")

    @property
    def input(self) -> Shape:
        """Shape of one sample."""
        return self.layers[0].input

    @property
    def output(self) -> Shape:
        """Shape of the result for one sample."""
        return self.layers[-1].output

    @property
    def matrices(self) -> tuple[Conv, ...]:
        """The layers that hold weights, in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, Conv))

    @property
    def weights(self) -> int:
        """Number of weights of all layers."""
        return sum(layer.weights for layer in self.matrices)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass of one sample."""
        return sum(layer.macs for layer in self.matrices)
