"""Named networks for images: fully connected, LeNet-5, VGG and residual ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from cimest.network.graph import Network
from cimest.network.layers import Shape
from cimest.network.registry import NETWORKS
from cimest.network.stack import Stack, classifier, normalised, pooled, rectified
from cimest.network.weightless import GlobalAverage, MaxPool, relu

network = NETWORKS.register

Width = Annotated[float, Field(gt=0, le=16)]
"""Factor on the numbers of channels."""

LARGE = 64
"""Height of an image from which on a network begins as for ImageNet, below as for CIFAR (our choice)."""


def _scaled(channels: int, width: float) -> int:
    return max(1, round(channels * width))


@network("mlp")
def mlp(
    input: Shape,
    classes: int,
    *,
    hidden: Sequence[Annotated[int, Field(ge=1)]] = (256, 128),
    activation: Literal["relu", "tanh", "sigmoid"] = "relu",
) -> Network:
    """Fully connected network; `hidden` gives the widths of the hidden layers, none for a single matrix."""
    stack = Stack(input)
    classifier(stack, [*hidden, classes], activation)
    return stack.network("mlp")


@network("lenet5")
def lenet5(input: Shape, classes: int) -> Network:
    """LeNet-5 with rectifiers and max-pooling: conv 6 and 16 of 5x5, then 120, 84 and the classes.

    28x28 images are padded to 32x32, as in LeCun et al., Proc. IEEE 86(11), 1998.
    """
    stack = Stack(input)
    for i, (channels, padding) in enumerate([(6, 2 if input[1] == 28 else 0), (16, 0)], start=1):
        rectified(stack, i, channels, kernel=5, padding=padding)
        pooled(stack, i)
    classifier(stack, [120, 84, classes])
    return stack.network("lenet5")


@network("vgg8")
def vgg8(input: Shape, classes: int, *, width: Width = 1.0) -> Network:
    """VGG-8: pairs of 3x3 convolutions with 128, 256 and 512 channels, then 1024 and the classes.

    `width` scales all of these numbers (Huang et al. 2022 use 1).
    """
    stack = Stack(input)
    for pair, channels in enumerate([128, 256, 512]):
        for i in (2 * pair + 1, 2 * pair + 2):
            rectified(stack, i, _scaled(channels, width))
        pooled(stack, pair + 1)
    classifier(stack, [_scaled(1024, width), classes])
    return stack.network("vgg8")


@network("vgg16")
def vgg16(input: Shape, classes: int, *, width: Width = 1.0) -> Network:
    """VGG-16: 2, 2, 3, 3, 3 convolutions of 3x3 with 64 to 512 channels, each group pooled, then the classifier.

    The classifier has two layers of 4096 for large images (Simonyan and Zisserman, ICLR 2015) and one of 512 for
    small ones (our choice); `width` scales all of these numbers.
    """
    stack, number = Stack(input), 0
    for group, (count, channels) in enumerate([(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], start=1):
        for _ in range(count):
            number += 1
            rectified(stack, number, _scaled(channels, width))
        pooled(stack, group)
    hidden = [4096, 4096] if input[1] >= LARGE else [512]
    classifier(stack, [*(_scaled(size, width) for size in hidden), classes])
    return stack.network("vgg16")


@network("resnet18")
def resnet18(input: Shape, classes: int, *, width: Width = 1.0) -> Network:
    """ResNet-18: four stages of 2 residual blocks, 64 to 512 channels (He et al., CVPR 2016); `width` scales those."""
    return _residual("resnet18", input, classes, (2, 2, 2, 2), width)


@network("resnet34")
def resnet34(input: Shape, classes: int, *, width: Width = 1.0) -> Network:
    """ResNet-34: stages of 3, 4, 6 and 3 residual blocks (He et al., CVPR 2016); `width` scales the channels."""
    return _residual("resnet34", input, classes, (3, 4, 6, 3), width)


def _residual(name: str, input: Shape, classes: int, blocks: Sequence[int], width: float) -> Network:
    """Residual network; large images begin with 7x7 at stride 2 and max-pooling, small ones with 3x3."""
    stack, large = Stack(input), input[1] >= LARGE
    normalised(stack, "", "1", _scaled(64, width), *((7, 2, 3) if large else (3, 1, 1)))
    stack.put(relu, "relu1")
    if large:
        stack.put(MaxPool, "pool1", 3, stride=2, padding=1)
    for stage, count in enumerate(blocks, start=1):
        for block in range(1, count + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            _block(stack, f"stage{stage}_{block}_", _scaled(32 * 2**stage, width), stride)
    stack.put(GlobalAverage, "average")
    classifier(stack, [classes])
    return stack.network(name)


def _block(stack: Stack, prefix: str, channels: int, stride: int) -> None:
    """Basic block: two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes."""
    before = stack.last
    normalised(stack, prefix, "1", channels, 3, stride, 1)
    stack.put(relu, f"{prefix}relu1")
    after = normalised(stack, prefix, "2", channels, 3, 1, 1)
    if stack.shapes[before] == stack.shapes[after]:
        stack.add(f"{prefix}add", before)
    else:
        normalised(stack.on(before), f"{prefix}shortcut_", "", channels, 1, stride, 0)
        stack.add(f"{prefix}add", after)
    stack.put(relu, f"{prefix}relu2")
