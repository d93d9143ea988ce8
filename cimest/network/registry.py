"""Networks by name: functions from a data set's shape and classes to a `Network`, of the zoo or from a file."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from cimest.config.schema import NETWORK_FILES
from cimest.network.graph import Network
from cimest.network.layers import Shape
from hwlib.registry import Registry

Builder = Callable[..., Network]
"""Takes the shape of a sample, the number of classes and, if it can read tokens, the size of their vocabulary, 0 if
samples are no tokens; its keyword-only parameters are its options."""

NETWORKS: Registry[Builder] = Registry("network", "cimest.network")


class Samples(Protocol):
    """What a network needs to know of a data set."""

    @property
    def shape(self) -> Shape: ...

    @property
    def classes(self) -> int: ...

    @property
    def vocabulary(self) -> int: ...


def builder(name: str) -> Builder:
    """The network of that name, or the one that a file describes if the name ends as one does.

    Raises
    ------
    UnknownName
        If there is no such network; the message names the closest one.
    """
    if not name.endswith(NETWORK_FILES):
        return NETWORKS.get(name)

    def from_file(input: Shape, classes: int, vocabulary: int = 0) -> Network:
        if name.endswith(".onnx"):
            from cimest.network.onnx_file import read_onnx

            return read_onnx(Path(name), input, classes)
        from cimest.network.yaml_file import read_network

        return read_network(Path(name), input, classes, vocabulary)

    return from_file


def arguments(make: Builder, data: Samples) -> tuple[Any, ...]:
    """What a builder takes of a data set.

    Raises
    ------
    ValueError
        If samples are tokens and the network cannot read those.
    """
    if "vocabulary" in inspect.signature(make).parameters:
        return data.shape, data.classes, data.vocabulary
    if data.vocabulary:
        raise ValueError("this network reads images, but samples of the data set are tokens: take lstm or transformer")
    return data.shape, data.classes
