"""Layers without weights on arrays, as shapes: functions, pooling, normalisation, sums, tables and attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cimest.network.layers import Layer, Shape, check_sequence, check_window, places


@dataclass(frozen=True)
class Activation(Layer):
    """A function of each value: rectifier, hyperbolic tangent or logistic function."""

    kind: Literal["relu", "tanh", "sigmoid"] = "relu"


def relu(name: str, input: Shape) -> Activation:
    """A rectifier."""
    return Activation(name, input, "relu")


@dataclass(frozen=True)
class MaxPool(Layer):
    """Largest value of each window; windows are side by side unless `stride` says otherwise.

    Places of the padding never win; a border narrower than a window is dropped.
    """

    window: int
    stride: int | None = None
    padding: int = 0

    def __post_init__(self) -> None:
        if min(self.window, self.step) < 1 or not 0 <= 2 * self.padding <= self.window:
            raise ValueError(f"layer {self.name}: sizes must be positive, padding at most half a window, got {self}")
        check_window(self, self.window, self.padding, "window")

    @property
    def step(self) -> int:
        """From one window to the next."""
        return self.window if self.stride is None else self.stride

    @property
    def output(self) -> Shape:
        """Shape of the output."""
        return self.input[0], *places(self.input, self.window, self.step, self.padding)


@dataclass(frozen=True)
class AveragePool(Layer):
    """Mean of each window of so many places, side by side, or of all places; a narrower border is dropped."""

    window: int | Literal["global"]

    def __post_init__(self) -> None:
        if self.window != "global":
            if self.window < 1:
                raise ValueError(f"layer {self.name}: sizes must be positive, got {self}")
            check_window(self, self.window, 0, "window")

    @property
    def places(self) -> int:
        """Values of which one mean is taken."""
        return self.input[1] * self.input[2] if self.window == "global" else self.window**2

    @property
    def output(self) -> Shape:
        """Shape of the output."""
        if self.window == "global":
            return self.input[0], 1, 1
        return self.input[0], *places(self.input, self.window, self.window, 0)


def GlobalAverage(name: str, input: Shape) -> AveragePool:
    """The mean over all places of a map, or all steps of a sequence."""
    return AveragePool(name, input, "global")


@dataclass(frozen=True)
class Normalise(Layer):
    """Each value less a mean, over a standard deviation, then a learned scale and offset for each channel, digital.

    Mean and deviation are those of a channel in a batch (`batch`), or of the channels at one place (`layer`).
    """

    kind: Literal["batch", "layer"] = "batch"

    @property
    def parameters(self) -> int:
        """Scale and offset of each channel."""
        return 2 * self.input[0]


@dataclass(frozen=True)
class Add(Layer):
    """Sum of two or more sources of the same shape."""


@dataclass(frozen=True)
class Embedding(Layer):
    """A learned vector of `width` values for each token of a sequence, from a digital table of `vocabulary` vectors."""

    vocabulary: int
    width: int

    def __post_init__(self) -> None:
        if min(*self.input, self.vocabulary, self.width) < 1:
            raise ValueError(f"layer {self.name}: sizes must be positive, got {self}")
        if self.input[0] != 1:
            raise ValueError(f"layer {self.name}: a sequence of tokens has the shape (1, steps, 1), got {self.input}")
        check_sequence(self)

    @property
    def output(self) -> Shape:
        """Shape of the output."""
        return self.width, self.input[1], 1

    @property
    def parameters(self) -> int:
        """The table's values."""
        return self.vocabulary * self.width


@dataclass(frozen=True)
class PlaceEmbedding(Layer):
    """A learned vector for each place of a sequence, from a digital table, is added to the vector there."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sequence(self)

    @property
    def parameters(self) -> int:
        """The table's values."""
        return self.input[0] * self.input[1]


@dataclass(frozen=True)
class Attention(Layer):
    """Scaled dot products: softmax(Q K^T / sqrt(d / heads)) V of each head; activations times activations.

    The input holds, at each place of the sequence, d values each of query, key and value, in this order, each cut
    into equal parts for the heads. With `causal` a place sees only itself and those before it.
    """

    heads: int
    causal: bool = False

    def __post_init__(self) -> None:
        if min(*self.input, self.heads) < 1:
            raise ValueError(f"layer {self.name}: sizes must be positive, got {self}")
        if self.input[0] % (3 * self.heads):
            raise ValueError(
                f"layer {self.name}: {self.input[0]} channels are not query, key and value for {self.heads} heads"
            )
        check_sequence(self)

    @property
    def output(self) -> Shape:
        """Shape of the output."""
        return self.input[0] // 3, self.input[1], 1

    @property
    def steps(self) -> int:
        """Places of the sequence."""
        return self.input[1]

    @property
    def head_width(self) -> int:
        """Values of a query, key or value of one head."""
        return self.output[0] // self.heads

    @property
    def forward_products(self) -> tuple[tuple[int, int, int], ...]:
        """Rows, inner size and columns of the products of one head: scores, and weighted values."""
        steps, width = self.steps, self.head_width
        return (steps, width, steps), (steps, steps, width)

    @property
    def backward_products(self) -> tuple[tuple[int, int, int], ...]:
        """The same of the errors: of values, of weights, of queries and of keys."""
        steps, width = self.steps, self.head_width
        return (steps, steps, width), (steps, width, steps), (steps, steps, width), (steps, steps, width)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass of one sample; a causal mask does not reduce what is credited."""
        return 2 * self.input[1] ** 2 * self.output[0]
