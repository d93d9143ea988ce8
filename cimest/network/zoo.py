"""Named networks: functions from the shape of a sample and the number of classes to a `Network`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from cimest.network.layers import Conv, Layer, MaxPool, Network, Relu, Shape, linear
from hwlib.registry import Registry

NETWORKS: Registry[Callable[..., Network]] = Registry("network", "cimest.network")
network = NETWORKS.register


def _dense(layers: list[Layer], widths: Sequence[int], shape: Shape) -> list[Layer]:
    """Append fully connected layers with rectifiers between them."""
    for i, width in enumerate(widths, start=1):
        layers.append(linear(f"fc{i}", prod(shape), width))
        shape = layers[-1].output
        if i < len(widths):
            layers.append(Relu(f"fc{i}_relu", shape))
    return layers


@network("mlp")
def mlp(input: Shape, classes: int, *, hidden: Sequence[int] = (256, 128)) -> Network:
    """Fully connected network; `hidden` gives the widths of the hidden layers."""
    return Network("mlp", tuple(_dense([], [*hidden, classes], input)))


@network("lenet5")
def lenet5(input: Shape, classes: int) -> Network:
    """LeNet-5 with rectifiers and max-pooling: conv 6 and 16 of 5x5, then 120, 84 and the classes.

    28x28 images are padded to 32x32, as in LeCun et al., Proc. IEEE 86(11), 1998.
    """
    layers: list[Layer] = []
    for i, (channels, padding) in enumerate([(6, 2 if input[1] == 28 else 0), (16, 0)], start=1):
        layers.append(Conv(f"conv{i}", layers[-1].output if layers else input, channels, kernel=5, padding=padding))
        layers.append(Relu(f"conv{i}_relu", layers[-1].output))
        layers.append(MaxPool(f"pool{i}", layers[-1].output, 2))
    return Network("lenet5", tuple(_dense(layers, [120, 84, classes], layers[-1].output)))


@network("vgg8")
def vgg8(input: Shape, classes: int, *, width: float = 1.0) -> Network:
    """VGG-8: pairs of 3x3 convolutions with 128, 256 and 512 channels, then 1024 and the classes.

    `width` scales all of these numbers (Huang et al. 2022 use 1).
    """
    layers: list[Layer] = []
    shape = input
    for pair, full in enumerate([128, 256, 512]):
        channels = max(1, round(full * width))
        for i in (2 * pair + 1, 2 * pair + 2):
            layers.append(Conv(f"conv{i}", shape, channels, kernel=3, padding=1))
            shape = layers[-1].output
            layers.append(Relu(f"conv{i}_relu", shape))
        layers.append(MaxPool(f"pool{pair + 1}", shape, 2))
        shape = layers[-1].output
    return Network("vgg8", tuple(_dense(layers, [max(1, round(1024 * width)), classes], shape)))
