"""Networks of YAML files: a list of layers, each with its kind, its options, and what it takes its input from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from cimest.config.document import Entry, read_file
from cimest.config.messages import ConfigError, Problem
from cimest.config.sections import options_model, read_options
from cimest.config.validation import expand, explain
from cimest.network.graph import INPUT, Network
from cimest.network.layers import Conv, Lstm, Shape
from cimest.network.stack import Stack
from cimest.network.weightless import (
    Activation,
    Attention,
    AveragePool,
    Embedding,
    GlobalAverage,
    MaxPool,
    Normalise,
    PlaceEmbedding,
    relu,
)
from hwlib.registry import suggestion

Size = Annotated[int, Field(ge=1)]
Padding = Annotated[int, Field(ge=0)]

OWN = ("kind", "name", "from")
"""Keys of every layer; all others are options of its kind."""


class Filing:
    """The kinds of layers of a file: each method puts one on the stack; its keyword-only parameters are its options.

    Parameters
    ----------
    stack : Stack
    classes, vocabulary : int
        Of the data set: what a last layer and an embedding have unless they say otherwise.
    """

    def __init__(self, stack: Stack, classes: int, vocabulary: int):
        self.stack, self.classes, self.vocabulary = stack, classes, vocabulary

    def conv(
        self, name: str, *, out_channels: Size, kernel: Size, stride: Size = 1, padding: Padding = 0, groups: Size = 1
    ) -> None:
        """Convolution with a square kernel."""
        self.stack.put(Conv, name, out_channels, kernel, stride, padding, groups)

    def linear(self, name: str, *, features: Size | None = None) -> None:
        """Fully connected layer on all values; features: none for the classes."""
        self.stack.dense(name, features or self.classes)

    def linear_each_step(self, name: str, *, features: Size | None = None) -> None:
        """Fully connected layer on each vector of a sequence; features: none for the classes."""
        self.stack.each(name, features or self.classes)

    def lstm(self, name: str, *, hidden: Size) -> None:
        """Long short-term memory."""
        self.stack.put(Lstm, name, hidden)

    def relu(self, name: str) -> None:
        """Rectifier."""
        self.stack.put(relu, name)

    def tanh(self, name: str) -> None:
        """Hyperbolic tangent."""
        self.stack.put(Activation, name, "tanh")

    def sigmoid(self, name: str) -> None:
        """Logistic function."""
        self.stack.put(Activation, name, "sigmoid")

    def max_pool(self, name: str, *, window: Size, stride: Size | None = None, padding: Padding = 0) -> None:
        """Largest value of each window."""
        self.stack.put(MaxPool, name, window, stride, padding)

    def average_pool(self, name: str, *, window: Size) -> None:
        """Mean of each window."""
        self.stack.put(AveragePool, name, window)

    def global_average(self, name: str) -> None:
        """Mean over all places or steps."""
        self.stack.put(GlobalAverage, name)

    def normalise(self, name: str, *, over: Literal["batch", "layer"] = "batch") -> None:
        """Batch or layer normalisation."""
        self.stack.put(Normalise, name, over)

    def add(self, name: str) -> None:
        """Sum of the layers after `from`."""
        raise ValueError(f"layer {name} adds: `from` must name two layers or more")

    def embedding(self, name: str, *, width: Size, vocabulary: Size | None = None) -> None:
        """Learned vector for each token; vocabulary: none for the data set's."""
        self.stack.put(Embedding, name, vocabulary or self.vocabulary, width)

    def place_embedding(self, name: str) -> None:
        """Learned vector for each place is added."""
        self.stack.put(PlaceEmbedding, name)

    def attention(self, name: str, *, heads: Size, causal: bool = False) -> None:
        """Scaled dot products of queries, keys and values."""
        self.stack.put(Attention, name, heads, causal)


KINDS = [name for name in vars(Filing) if not name.startswith("_")]


def read_network(path: Path, input: Shape, classes: int, vocabulary: int = 0) -> Network:
    """A network that a YAML file describes.

    Parameters
    ----------
    path : Path
        A mapping with `layers`, and `name` if it is not the file's. A layer is the name of its kind, or a mapping
        with `kind`, options, `name` (else kind and number) and `from` (else the layer before): the name of an earlier
        layer, `input`, or, for `add`, a list of names.
    input : Shape
        Of a sample.
    classes : int
    vocabulary : int
        Of tokens; 0 if samples are images or vectors.

    Raises
    ------
    ConfigError
        With every problem of the file; layers after the first that does not fit are not looked at.
    """
    root, problems = read_file(path)
    listed = root.at(("layers",))
    if listed is None or not isinstance(listed.value, list) or not listed.value:
        hint = "write `layers:` and a list such as `- {kind: conv, out_channels: 16, kernel: 3}`"
        raise ConfigError([*problems, Problem(root.place, "layers", "a network is a list of layers", hint)])
    problems += [
        Problem(entry.key, key, "unknown key", "allowed: name, layers")
        for key, entry in root.value.items()
        if key not in ("name", "layers")
    ]
    stack = Stack(input)
    filing = Filing(stack, classes, vocabulary)
    for number, entry in enumerate(listed.value, start=1):
        if problems := problems + _put(filing, entry, number):
            raise ConfigError(problems)
    name = root.at(("name",))
    try:
        network = stack.network(str(name.value) if name else path.stem)
    except ValueError as error:
        raise ConfigError([Problem(listed.place, "layers", str(error))]) from None
    check_output(network, classes, lambda text: ConfigError([Problem(listed.value[-1].place, "layers", text)]))
    return network


def check_output(network: Network, classes: int, error: Callable[[str], ValueError]) -> None:
    """Raise an error unless a network has one output for each class, at one place or at every step."""
    if network.output[0] != classes or network.output[2] != 1:
        raise error(f"{network.name} ends with {network.output}, but the data set has {classes} classes")


def _put(filing: Filing, entry: Entry, number: int) -> list[Problem]:
    """Put the layer of an entry on the stack; what is wrong with it comes back."""
    given = entry.value if isinstance(entry.value, dict) else {"kind": entry}
    kind, path = given.get("kind"), ("layers", str(number))
    if kind is None or not isinstance(kind.value, str):
        return [Problem(entry.place, ".".join(path), "kind is missing", f"allowed: {', '.join(KINDS)}")]
    if kind.value not in KINDS:
        message = f"no kind of layer is named {kind.value!r}"
        return [Problem(kind.place, ".".join((*path, "kind")), message, suggestion(kind.value, KINDS), kind.value)]
    name = str(given["name"].value) if "name" in given else f"{kind.value}{number}"
    sources, problems = _sources(filing.stack, given.get("from"), path)
    method: Any = getattr(filing, kind.value)
    model = options_model(method)
    own = Entry({key: child for key, child in given.items() if key not in OWN}, entry.place, entry.key)
    options = expand(own, (model,), path, problems)
    if problems:
        return problems
    try:
        read = read_options(method, options.plain)
        if kind.value == "add" and len(sources) > 1:
            filing.stack.on(sources[0]).add(name, *sources[1:])
        elif len(sources) > 1:
            raise ValueError(f"layer {name} takes one source, not {', '.join(sources)}")
        else:
            filing.stack.last = sources[0]
            method(name, **read)
    except ValidationError as error:
        return explain(error, options, (model,), path)
    except ValueError as error:
        return [Problem(entry.place, ".".join(path), str(error))]
    return []


def _sources(stack: Stack, entry: Entry | None, path: tuple[str, ...]) -> tuple[list[str], list[Problem]]:
    """Names of the layers after `from`, else of the layer before."""
    if entry is None:
        return [stack.layers[-1].name if stack.layers else INPUT], []
    children = entry.value if isinstance(entry.value, list) else [entry]
    names, problems = [str(child.value) for child in children], []
    for child, name in zip(children, names, strict=True):
        if name not in stack.shapes:
            message = f"no layer before it is named {name!r}"
            hint = suggestion(name, stack.shapes)
            problems.append(Problem(child.place, ".".join((*path, "from")), message, hint, child.value))
    return names, problems
