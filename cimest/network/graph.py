"""Networks: layers in order, and which of them feed which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from cimest.network.layers import Conv, Layer, Lstm, Shape, Weighted, flattened, lines
from cimest.network.weightless import Activation, Add, Attention, AveragePool, MaxPool

INPUT = "input"
"""The source that stands for the sample."""


@dataclass(frozen=True)
class Network:
    """Layers, each fed by the one before it unless `sources` says otherwise.

    What a layer takes is the shape of its source, all of it flattened into one vector, or its lines as a sequence.

    Parameters
    ----------
    name : str
    layers : tuple of Layer
        Each after its sources; the last one's output is the network's.
    sources : mapping
        Layer name to the names of the layers that feed it, or `input` for the sample, where it is not simply the
        layer before.

    Raises
    ------
    ValueError
        If two layers share a name, a source is not an earlier layer, shapes do not fit, or an output goes nowhere.
    """

    name: str
    layers: tuple[Layer, ...]
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [layer.name for layer in self.layers]
        if len(set(names)) != len(names) or INPUT in names:
            raise ValueError(f"network {self.name}: layer names must differ, and from {INPUT!r}, got {names}")
        if unknown := set(self.sources) - set(names):
            raise ValueError(f"network {self.name}: sources of {sorted(unknown)}, which are not among its layers")
        if not self.matrices:
            raise ValueError(f"network {self.name} has no layer with weights")
        shapes: dict[str, Shape] = {}
        for layer in self.layers:
            self._check_sources(layer, shapes)
            shapes[layer.name] = layer.output
        unused = [name for name in names[:-1] if not self.consumers_of(name)]
        if unused:
            raise ValueError(f"network {self.name}: nothing takes the output of {', '.join(unused)}")

    def _check_sources(self, layer: Layer, shapes: Mapping[str, Shape]) -> None:
        """Raise ValueError unless the sources of a layer come before it and have its input's shape."""
        given = self.sources_of(layer)
        if len(given) > 1 and not isinstance(layer, Add):
            raise ValueError(f"network {self.name}: {layer.name} takes one source, not {', '.join(given)}")
        if isinstance(layer, Add) and len(given) < 2:
            raise ValueError(f"network {self.name}: {layer.name} adds, but has one source, {', '.join(given)}")
        for source in given:
            if source == INPUT:
                shape = self.input
            elif source in shapes:
                shape = shapes[source]
            else:
                raise ValueError(f"network {self.name}: the source {source!r} of {layer.name} is no layer before it")
            fitting = (shape,) if isinstance(layer, Add) else (shape, flattened(shape), lines(shape))
            if layer.input not in fitting:
                raise ValueError(f"network {self.name}: {layer.name} expects {layer.input}, but {source} gives {shape}")

    @property
    def chain(self) -> bool:
        """Whether it is a chain of convolutions, or linear layers, with rectifiers and pools alone between them."""
        return all(
            isinstance(layer, Conv | MaxPool | AveragePool) or (isinstance(layer, Activation) and layer.kind == "relu")
            for layer in self.layers
        )

    @cached_property
    def _sources(self) -> dict[str, tuple[str, ...]]:
        """Every layer's sources."""
        before = [INPUT, *(layer.name for layer in self.layers)]
        return {
            layer.name: tuple(self.sources.get(layer.name, (source,)))
            for layer, source in zip(self.layers, before, strict=False)
        }

    def sources_of(self, layer: Layer) -> tuple[str, ...]:
        """Names of the layers that feed a layer, or `input`."""
        return self._sources[layer.name]

    def consumers_of(self, name: str) -> tuple[Layer, ...]:
        """Layers that take the output of a layer, or the sample if the name is `input`."""
        return tuple(layer for layer in self.layers if name in self._sources[layer.name])

    def layer(self, name: str) -> Layer:
        """The layer of a name."""
        return next(layer for layer in self.layers if layer.name == name)

    @property
    def input(self) -> Shape:
        """Shape of one sample."""
        return self.layers[0].input

    @property
    def output(self) -> Shape:
        """Shape of the result for one sample."""
        return self.layers[-1].output

    @cached_property
    def matrices(self) -> tuple[Weighted, ...]:
        """The layers that hold weights on arrays, in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, Weighted))

    @cached_property
    def attentions(self) -> tuple[Attention, ...]:
        """The layers that multiply activations by activations, in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, Attention))

    @cached_property
    def _reached(self) -> frozenset[str]:
        """Names of the layers behind, or with, something that learns: an error at their output is of use."""
        reached: set[str] = set()
        for layer in self.layers:
            if layer.learns or not reached.isdisjoint(self._sources[layer.name]):
                reached.add(layer.name)
        return frozenset(reached)

    def passes_error_on(self, layer: Layer) -> bool:
        """Whether anything before a layer learns, so that the layer must give the error at its input."""
        return not self._reached.isdisjoint(self._sources[layer.name])

    def runs_backward(self, layer: Weighted) -> bool:
        """Whether errors go back through a layer's matrix: to what learns before it, or to the step before."""
        return layer.recurrent or self.passes_error_on(layer)

    def takes_signed(self, layer: Layer) -> bool:
        """Whether values that enter a layer may be below zero; images are not, a hidden state is."""
        return isinstance(layer, Lstm) or any(map(self.gives_signed, self.sources_of(layer)))

    def gives_signed(self, name: str) -> bool:
        """Whether values that leave a layer, or are the sample, may be below zero."""
        if name == INPUT:
            return False
        layer = self.layer(name)
        if isinstance(layer, Activation):
            return layer.kind == "tanh"
        return not isinstance(layer, Add | AveragePool | MaxPool) or self.takes_signed(layer)

    @property
    def weights(self) -> int:
        """Number of weights on the arrays, of all layers."""
        return sum(layer.weights for layer in self.matrices)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass of one sample, those of attention included."""
        return sum(layer.macs for layer in self.matrices) + sum(layer.macs for layer in self.attentions)
