"""Networks of ONNX files: shapes of the layers; weights stay in the file, since a chip's are its own."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

from cimest.network.graph import INPUT, Network
from cimest.network.layers import Conv, Shape
from cimest.network.stack import Stack
from cimest.network.weightless import Activation, AveragePool, GlobalAverage, MaxPool, Normalise, relu
from cimest.network.yaml_file import check_output
from hwlib.registry import suggestion

PASSED = ("Flatten", "Identity", "Dropout", "Squeeze", "Unsqueeze", "Softmax", "LogSoftmax")
"""Operators without work of their own here: shapes are taken as they are needed, and the loss has the softmax."""


def read_onnx(path: Path, input: Shape, classes: int) -> Network:
    """The network of an ONNX file; biases are left out, since columns are centred digitally.

    Parameters
    ----------
    path : Path
    input : Shape
        Of a sample of the data set.
    classes : int

    Raises
    ------
    ValueError
        If onnx is not installed, the file is no model, it does not fit the data set, or nodes cannot be mapped, of
        which each is named with its operator.
    """
    try:
        import onnx
    except ImportError:
        raise ValueError(f'{path}: reading ONNX needs the package onnx: pip install "cimest[models]"') from None
    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except Exception as error:  # the parser of protocol buffers has an exception of its own
        raise ValueError(f"{path} is no ONNX model: {error}") from None
    reader = _Reader(str(path), graph, input)
    if unknown := [node for node in graph.node if node.op_type not in reader.known]:
        listed = [
            f"node {_name(node)!r} is {node.op_type}, {suggestion(node.op_type, reader.known)}" for node in unknown
        ]
        raise ValueError(f"{path} has operators that are not known: {'; '.join(listed)}")
    for node in graph.node:
        reader.take(node)
    last = reader.stack.layers[-1].name if reader.stack.layers else INPUT
    if [reader.layers.get(value.name) for value in graph.output] != [last]:
        raise ValueError(f"{path}: a network has one output, that of its last layer, {last!r}")
    network = reader.stack.network(path.stem)
    check_output(network, classes, lambda text: ValueError(f"{path}: {text}"))
    return network


def _name(node: Any) -> str:
    """A node's name, or its operator and output if it has none."""
    return node.name or f"{node.op_type}_{node.output[0]}"


class _Reader:
    """Follows a graph node by node.

    Parameters
    ----------
    file : str
    graph : onnx.GraphProto
    input : Shape
        Of a sample of the data set.
    """

    def __init__(self, file: str, graph: Any, input: Shape):
        self.file, self.stack = file, Stack(input)
        self.constants: dict[str, Any] = {tensor.name: tensor for tensor in graph.initializer}
        self.layers: dict[str, str] = {}  # name of a value to that of the layer whose output it is
        inputs = [value for value in graph.input if value.name not in self.constants]
        if len(inputs) != 1:
            raise ValueError(f"{file}: a network has one input, not {len(inputs)}")
        sizes = [dimension.dim_value for dimension in inputs[0].type.tensor_type.shape.dim][1:]
        if sizes and all(sizes) and prod(sizes) != prod(input):
            raise ValueError(f"{file}: its samples are {'x'.join(map(str, sizes))}, those of the data set {input}")
        if len(sizes) == 3 and all(sizes) and tuple(sizes) != input:
            raise ValueError(f"{file}: its samples are {tuple(sizes)}, those of the data set {input}")
        self.layers[inputs[0].name] = INPUT
        self.takers: dict[str, Callable[[Any, str, dict[str, Any]], None]] = {
            "Add": self._add,
            "AveragePool": self._average_pool,
            "BatchNormalization": lambda node, name, _: self._put(node, Normalise, name, "batch"),
            "Constant": self._constant,
            "Conv": self._conv,
            "Gemm": self._gemm,
            "GlobalAveragePool": lambda node, name, _: self._put(node, GlobalAverage, name),
            "MatMul": self._matmul,
            "MaxPool": self._max_pool,
            "Relu": lambda node, name, _: self._put(node, relu, name),
            "Reshape": self._reshape,
            "Sigmoid": lambda node, name, _: self._put(node, Activation, name, "sigmoid"),
            "Tanh": lambda node, name, _: self._put(node, Activation, name, "tanh"),
        }

    @property
    def known(self) -> list[str]:
        """Operators that can be read."""
        return sorted((*self.takers, *PASSED))

    def take(self, node: Any) -> None:
        """One node; what is wrong with it is said with its name and operator."""
        import onnx

        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        try:
            if node.op_type in PASSED:
                self.layers[node.output[0]] = self._source(node)
            else:
                self.takers[node.op_type](node, _name(node), attributes)
        except ValueError as error:
            raise ValueError(f"{self.file}: node {_name(node)!r} ({node.op_type}): {error}") from None

    def _source(self, node: Any, place: int = 0) -> str:
        """The layer that an input of a node comes from."""
        value = node.input[place]
        if value not in self.layers:
            raise ValueError(f"input {value!r} is not computed from the sample; products of constants are not read")
        return self.layers[value]

    def _weights(self, node: Any, what: str) -> list[int]:
        """Sizes of a node's second input, which must be constant."""
        if node.input[1] not in self.constants:
            raise ValueError(f"{what} must be constant, but {node.input[1]!r} is computed")
        return list(self.constants[node.input[1]].dims)

    def _put(self, node: Any, kind: Callable[..., Any], name: str, *sizes: Any) -> None:
        """A layer on the node's first input."""
        self.layers[node.output[0]] = self.stack.on(self._source(node)).put(kind, name, *sizes)

    def _constant(self, node: Any, name: str, attributes: dict[str, Any]) -> None:
        self.constants[node.output[0]] = attributes.get("value")

    def _conv(self, node: Any, name: str, attributes: dict[str, Any]) -> None:
        out_channels, of_group, *kernel = self._weights(node, "a kernel")
        if any(size != 1 for size in attributes.get("dilations", [1])):
            raise ValueError("dilation is not supported")
        size, stride, padding = _window(attributes, kernel)
        groups = attributes.get("group", 1)
        channels = self.stack.shapes[self._source(node)][0]
        if of_group * groups != channels:
            raise ValueError(f"its kernel takes {of_group * groups} channels, but there are {channels}")
        self._put(node, Conv, name, out_channels, size, stride, padding, groups)

    def _max_pool(self, node: Any, name: str, attributes: dict[str, Any]) -> None:
        _refuse_ceil(attributes)
        self._put(node, MaxPool, name, *_window(attributes, attributes["kernel_shape"]))

    def _average_pool(self, node: Any, name: str, attributes: dict[str, Any]) -> None:
        _refuse_ceil(attributes)
        size, stride, padding = _window(attributes, attributes["kernel_shape"])
        if stride != size or padding:
            raise ValueError("windows must lie side by side, without padding")
        self._put(node, AveragePool, name, size)

    def _gemm(self, node: Any, name: str, attributes: dict[str, Any]) -> None:
        if attributes.get("transA"):
            raise ValueError("a transposed input is not supported")
        sizes = self._weights(node, "the matrix")
        self._linear(node, name, sizes[::-1] if attributes.get("transB") else sizes)

    def _matmul(self, node: Any, name: str, attributes: dict[str, Any]) -> None:
        if node.input[0] in self.constants or node.input[1] not in self.constants:
            raise ValueError(
                "its second operand must be constant, the first computed: attention is read from YAML only"
            )
        self._linear(node, name, self._weights(node, "the matrix"))

    def _linear(self, node: Any, name: str, sizes: list[int]) -> None:
        """A fully connected layer on all values of the source."""
        if len(sizes) != 2:
            raise ValueError(f"a matrix has two sizes, not {sizes}")
        stack = self.stack.on(self._source(node))
        if prod(stack.shape) != sizes[0]:
            raise ValueError(f"its matrix takes {sizes[0]} values, but there are {prod(stack.shape)}")
        self.layers[node.output[0]] = stack.dense(name, sizes[1])

    def _add(self, node: Any, name: str, attributes: dict[str, Any]) -> None:
        """A residual sum, or a bias, which is left out."""
        computed = [i for i, value in enumerate(node.input) if value not in self.constants]
        first, *others = (self._source(node, i) for i in computed)
        self.layers[node.output[0]] = self.stack.on(first).add(name, *others) if others else first

    def _reshape(self, node: Any, name: str, attributes: dict[str, Any]) -> None:
        """Only what makes vectors of maps; the next layer says how many values it takes."""
        import onnx

        target = onnx.numpy_helper.to_array(self.constants[node.input[1]]) if node.input[1] in self.constants else None
        if target is None or len(target) != 2:
            raise ValueError("maps can only be reshaped into one vector for each sample")
        self.layers[node.output[0]] = self._source(node)


def _refuse_ceil(attributes: dict[str, Any]) -> None:
    if attributes.get("ceil_mode"):
        raise ValueError("ceil_mode is not supported: a border narrower than a window is dropped")


def _window(attributes: dict[str, Any], kernel: list[int]) -> tuple[int, int, int]:
    """Size, stride and padding of a square window.

    Raises
    ------
    ValueError
        If it is not square, or padded differently on different sides.
    """
    strides, pads = attributes.get("strides", [1] * len(kernel)), attributes.get("pads", [0] * 2 * len(kernel))
    automatic = attributes.get("auto_pad", b"NOTSET").decode()
    if len(kernel) != 2 or len(set(kernel)) > 1 or len(set(strides)) > 1:
        raise ValueError(f"windows must be square, in two dimensions, got {list(kernel)} with stride {list(strides)}")
    size, stride = kernel[0], strides[0]
    if automatic.startswith("SAME"):
        if stride > 1 or size % 2 == 0:
            raise ValueError(f"auto_pad {automatic} pads both sides alike only for odd windows with stride 1")
        pads = [size // 2]
    if len(set(pads)) > 1:
        raise ValueError(f"all sides must be padded alike, got {list(pads)}")
    return size, stride, pads[0]
