"""`Stage`: a layer with weights and the layers without that work on its results, what enters it and what leaves.

What passes from one stage to another lies in a buffer in between; what stays inside one is never stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2, prod

from cimest.network.graph import INPUT, Network
from cimest.network.layers import Layer, Weighted
from cimest.network.weightless import Activation, Add, Attention, AveragePool, MaxPool, Normalise, PlaceEmbedding


@dataclass(frozen=True)
class Stage:
    """All layers from one layer with weights to the next, in the order of the network; see `stages`.

    Parameters
    ----------
    network : Network
    matrix : Weighted
    before : tuple of Layer
        Layers without weights in front of the first layer with weights; empty in all other stages.
    after : tuple of Layer
        Layers without weights behind.
    """

    network: Network
    matrix: Weighted
    before: tuple[Layer, ...]
    after: tuple[Layer, ...]

    @property
    def digital(self) -> tuple[Layer, ...]:
        """Its layers without weights."""
        return self.before + self.after

    def _outside(self, name: str) -> tuple[Layer, ...]:
        """Consumers of a layer's output beyond the stage, and the layer with weights, which reads from the buffer."""
        inside = {layer.name for layer in self.digital}
        return tuple(layer for layer in self.network.consumers_of(name) if layer.name not in inside)

    def _read(self, layers: tuple[Layer, ...]) -> tuple[tuple[Layer, int], ...]:
        """Those of the layers whose output is stored, each with the number of its readers; the loss is one."""
        last = self.network.layers[-1]
        counted = [(layer, len(self._outside(layer.name)) + (layer is last)) for layer in layers]
        return tuple((layer, count) for layer, count in counted if count)

    @property
    def results(self) -> tuple[tuple[Layer, int], ...]:
        """Layers from the matrix on whose output is stored, each with the number of its readers; the loss is one."""
        return self._read((self.matrix, *self.after))

    @property
    def operands(self) -> tuple[str, ...]:
        """What its layers without weights read from the buffer beside the matrix's results: names of sources."""
        inside = {self.matrix.name, *(layer.name for layer in self.digital)}
        return tuple(
            source for layer in self.digital for source in self.network.sources_of(layer) if source not in inside
        )

    def values(self, name: str) -> int:
        """Values of a layer's output, or of the sample, per sample."""
        return prod(self.network.input if name == INPUT else self.network.layer(name).output)

    @property
    def operand_values(self) -> int:
        """Values of all operands, per sample."""
        return sum(self.values(name) for name in self.operands)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its layers from the matrix on."""
        return self.matrix.name, *(layer.name for layer in self.after)

    @property
    def takes_sample(self) -> bool:
        """Whether the sample itself enters the matrix."""
        return INPUT in self.network.sources_of(self.matrix)

    @property
    def sample_values(self) -> int:
        """Values of the sample that the stage reads."""
        return self.values(INPUT) * (self.takes_sample + self.operands.count(INPUT))

    @property
    def error_takers(self) -> tuple[str, ...]:
        """Sources of operands for which its layers without weights leave errors."""
        return tuple(name for name in self.operands if name != INPUT and self.network.layer(name) not in self.before)

    @property
    def result_values(self) -> int:
        """Values that it leaves in the buffer from its matrix on, per sample."""
        return sum(prod(layer.output) for layer, _ in self.results)

    @property
    def stored_values(self) -> int:
        """Values that it leaves in the buffer, per sample."""
        return self.result_values + sum(prod(layer.output) for layer, _ in self._read(self.before))

    @property
    def returned_values(self) -> int:
        """Values of the errors that come back: one for each reader of each stored value from the matrix on."""
        return sum(prod(layer.output) * readers for layer, readers in self.results)

    @property
    def returned_before(self) -> int:
        """The same of the layers in front of the matrix, if anything there learns."""
        if not self.network.passes_error_on(self.matrix):
            return 0
        return sum(prod(layer.output) * readers for layer, readers in self._read(self.before))

    @property
    def delivered_values(self) -> int:
        """Values of the network's output, where it is made here, per sample; they go to the loss unit."""
        return prod(self.network.output) if self.network.layers[-1] in (self.matrix, *self.after) else 0

    @property
    def shares_input(self) -> bool:
        """Whether an earlier layer with weights has the same source, whose values are kept for it already."""
        source = self.network.sources_of(self.matrix)
        first = next(matrix for matrix in self.network.matrices if self.network.sources_of(matrix) == source)
        return first is not self.matrix

    @property
    def remembered_values(self) -> int:
        """Values kept for the backward passes of its layers without weights, beside what is stored anyway."""
        steps = self.matrix.positions
        cells = 6 * self.matrix.output[0] * steps if self.matrix.recurrent else 0  # four gates, c and tanh(c)
        return cells + sum(self._remembered(layer) for layer in self.digital)

    def _remembered(self, layer: Layer) -> int:
        if isinstance(layer, Normalise):
            return prod(layer.input)
        if isinstance(layer, Attention):
            return prod(layer.input) + layer.heads * layer.steps**2
        if isinstance(layer, Activation) and layer.kind != "relu":
            return 0 if self._outside(layer.name) else prod(layer.output)
        return 0

    @property
    def compact(self) -> bool:
        """Whether the errors behind its matrix follow from those that come back without arithmetic.

        Then they wait for the weight gradient as they came, in the pooled map; else as they are at the matrix.
        """
        passive = all(
            isinstance(layer, MaxPool | AveragePool | Add | PlaceEmbedding)
            or (isinstance(layer, Activation) and layer.kind == "relu")
            for layer in self.after
        )
        return passive and [readers for _, readers in self.results] == [1] and not self.matrix.recurrent

    @property
    def route_bits(self) -> int:
        """Bits that remember which way errors go back, per sample.

        They say which value of each pooling window was the largest, and which values a rectifier let pass; where
        it is followed by pooling, of the largest only.
        """
        return sum(
            prod(layer.output) * ceil(2 * log2(layer.window)) if isinstance(layer, MaxPool) else self._signs(layer)
            for layer in self.after
        )

    def _signs(self, layer: Layer) -> int:
        """Values whose sign a layer's backward pass needs."""
        if not isinstance(layer, Activation) or layer.kind != "relu":
            return 0
        following = self.network.consumers_of(layer.name)
        pooled = following[0] if len(following) == 1 and isinstance(following[0], MaxPool) else layer
        return prod(pooled.output)

    @property
    def sloped_values(self) -> int:
        """Values of functions whose slope follows from what is stored for the next stage anyway, per sample."""
        return sum(
            prod(layer.output)
            for layer in self.digital
            if isinstance(layer, Activation) and layer.kind != "relu" and self._outside(layer.name)
        )


def stages(network: Network) -> tuple[Stage, ...]:
    """A network cut into stages, one for each layer with weights.

    A layer without weights belongs to the last layer with weights before it in the list; those in front of the first
    one belong to that.
    """
    starts = [i for i, layer in enumerate(network.layers) if isinstance(layer, Weighted)]
    ends = [*starts[1:], len(network.layers)]
    return tuple(
        Stage(network, matrix, network.layers[: starts[0]] if i == 0 else (), network.layers[start + 1 : end])
        for i, (matrix, start, end) in enumerate(zip(network.matrices, starts, ends, strict=True))
    )
