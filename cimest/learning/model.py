"""A network on the chip: what one batch of samples does, forward, backward and to the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cimest.config import Experiment
from cimest.learning.attention import AttentionPart
from cimest.learning.codes import Codes, Encoder, Errors, Signal, values
from cimest.learning.embedding import EmbeddingPart, PlaceEmbeddingPart
from cimest.learning.layers import ActivationPart, AddPart, AveragePoolPart, MaxPoolPart, Part, PassPart
from cimest.learning.losses import LOSSES, OUTPUT_RANGE, centre
from cimest.learning.matrix import Matrix, WeightedPart
from cimest.learning.normalisation import NormalisePart
from cimest.learning.recurrent import LstmPart
from cimest.learning.tile import AnalogTile
from cimest.network import (
    INPUT,
    Activation,
    Add,
    Attention,
    AveragePool,
    Conv,
    Embedding,
    Layer,
    Lstm,
    MaxPool,
    Network,
    Normalise,
    PlaceEmbedding,
    Shape,
    Weighted,
)
from cimest.rules.in_array import share_of_a_vector
from cimest.rules.in_memory import InMemory

ROOM_TO_GROW, OUTPUTS_GROW = 0.25, 0.5
"""Size of first outputs of hidden layers and of the last one over what it is otherwise, where pulses in the arrays are
the update (our choice: weights there grow until they fill the range of their cells, and functions with an end and the
softmax would saturate). Measured on MNIST, 784-256-128-10 with hyperbolic tangents, 20 states. A quarter in hidden
layers, 15 000 images, a rate of 0.03: 91.4 % instead of 88.6 %. Half at the outputs, all images, 4 epochs, a rate of
0.01, Tiki-Taka v2 and AGAD: 97.0 and 97.1 %; a quarter 96.8 and 96.8 %; all of it 96.9 and 97.1 %."""


@dataclass(frozen=True)
class Batch:
    """What a training step reports.

    Parameters
    ----------
    loss : float
        Mean over the labels.
    accuracy : float
        Share of labels at which the largest output is.
    errors : list of Errors
        Errors at the output of each layer with weights.
    """

    loss: float
    accuracy: float
    errors: list[Errors]


class Model:
    """The layers of a network on the tiles of a chip.

    Values between the layers are digital, in single precision. Where arrays read a layer's output it is encoded as
    soon as it is made, so that whatever else reads it finds the same codes in the buffer.

    Parameters
    ----------
    experiment : Experiment
    network : Network
    stacked : mapping of each layer's name to bool
    stored_once : bool
        See `Trainer`.
    labels : array of int
        Of the training samples.

    Raises
    ------
    ValueError
        If arrays would read tokens, or the labels are not one for each output.
    """

    def __init__(
        self,
        experiment: Experiment,
        network: Network,
        stacked: Mapping[str, bool],
        stored_once: bool,
        labels: np.ndarray,
    ):
        self.training = experiment.training
        self.network, self.loss = network, LOSSES[self.training.loss]
        self.input_bits = experiment.chip.input_bits
        self.takes_tokens = any(isinstance(layer, Embedding) for layer in network.consumers_of(INPUT))
        check(network, labels)
        self.matrices: list[WeightedPart] = []
        self.parts: dict[str, Part] = {}
        tables, read = 0, encoded(network)
        for layer in network.layers:
            if isinstance(layer, Weighted):
                part = _weighted(experiment, network, layer, len(self.matrices), stacked[layer.name], stored_once)
                self.matrices.append(part)
                self.parts[layer.name] = part
            elif isinstance(layer, Embedding | PlaceEmbedding):
                kind: Any = EmbeddingPart if isinstance(layer, Embedding) else PlaceEmbeddingPart
                self.parts[layer.name] = kind(layer, experiment.seed, len(network.matrices) + tables)
                tables += 1
            elif isinstance(layer, Activation) and layer.kind == "relu" and layer.name in read:
                self.parts[layer.name] = PassPart()
            else:
                self.parts[layer.name] = _digital(layer)
        self.encoders = {name: _encoder(network, name, self.input_bits) for name in read}
        for part in self.matrices:
            if isinstance(part, Matrix):
                self._follow(part)
        last = self.parts[network.layers[-1].name]
        if isinstance(last, Matrix):
            last.faces_labels = True
            if experiment.training.loss == "cross_entropy":
                last.centring.offset = centre(labels, network.output[0])
        order = [layer.name for layer in network.layers]
        self.last_use = {
            name: max((order.index(layer.name) for layer in network.consumers_of(name)), default=len(order))
            for name in (INPUT, *order)
        }

    def _follow(self, part: Matrix) -> None:
        """Tell a layer what goes by the size of its output, unless something behind minds that."""
        passing, behind = _behind(self.network, part.layer)
        if all(isinstance(layer, Conv | Normalise) for layer in behind):
            parts = [self.parts[layer.name] for layer in behind]
            part.centring.free = True
            part.centring.followers = [
                *(self.encoders[layer.name] for layer in passing if layer.name in self.encoders),
                *(one.centring if isinstance(one, Matrix) else one for one in parts),
            ]

    def outputs(self, samples: np.ndarray, training: bool = False) -> np.ndarray:
        """Outputs (vectors, classes) for a batch (samples, channels, height, width): one vector for each label."""
        signals: dict[str, Signal] = {INPUT: self._input(samples)}
        for number, layer in enumerate(self.network.layers):
            sources = self.network.sources_of(layer)
            given = [_shaped(signals[source], layer.input) for source in sources]
            result = self.parts[layer.name].forward(*given, training=training)
            if layer.name in self.encoders:
                result = self.encoders[layer.name].forward(values(result), training, self.measuring)
            signals[layer.name] = result
            for source in {*sources}:
                if self.last_use[source] == number:
                    del signals[source]
        return values(result).reshape(-1, self.network.output[0])

    def _input(self, samples: np.ndarray) -> Signal:
        if self.takes_tokens:
            return np.ascontiguousarray(samples.transpose(0, 2, 3, 1))
        return Codes(self.words(samples), self.input_step)

    def words(self, samples: np.ndarray) -> np.ndarray:
        """Images as the arrays take them, channels last."""
        return np.ascontiguousarray(samples.transpose(0, 2, 3, 1)) >> np.uint8(8 - self.input_bits)

    @property
    def input_step(self) -> float:
        """Value of a word of one in an image."""
        return 2.0**-self.input_bits

    def train(self, samples: np.ndarray, labels: np.ndarray, rule: Any, states: list[Any], rate: float) -> Batch:
        """One training step.

        Parameters
        ----------
        samples, labels : array
            A batch.
        rule : Rule
        states : list
            The rule's state of each tile; replaced in place.
        rate : float
            Learning rate.

        Returns
        -------
        Batch
        """
        labels = labels.reshape(-1)
        if self.training.weight_noise:
            for matrix in self.matrices:
                matrix.tile.disturb(self.training.weight_noise)
        outputs = self.outputs(samples, training=True)
        loss, error = self.loss(outputs, labels)
        for part in self._backward(error, len(samples)):
            if isinstance(part, WeightedPart):
                number = self.matrices.index(part)
                part.tile.hold(None)
                share = share_of_a_vector(self.network, part.layer) if isinstance(rule, InMemory) else 1.0
                states[number] = rule.step(part.tile, states[number], part.x, part.delta, rate * share)
                if self.training.clip is not None:
                    part.tile.keep_within(self.training.clip)
            else:
                part.learn(rate)
        accuracy = float((outputs.argmax(axis=1) == labels).mean())
        return Batch(loss, accuracy, [part.delta for part in self.matrices])

    def _backward(self, error: np.ndarray, samples: int) -> Iterator[Part]:
        """Each layer's part, last one first, once errors have passed it."""
        errors = {self.network.layers[-1].name: error}
        for layer in reversed(self.network.layers):
            part, passes = self.parts[layer.name], self.network.passes_error_on(layer)
            if not (layer.learns or passes):
                continue
            channels, height, width = layer.output
            error = errors.pop(layer.name).reshape(-1, height, width, channels)
            if layer.name in self.encoders:
                error = self.encoders[layer.name].backward(error)
            found = part.backward(error)
            for source, above in zip(self.network.sources_of(layer), found if passes else (), strict=False):
                above = above.reshape(samples, -1)
                errors[source] = errors[source] + above if source in errors else above
            yield part

    def calibrate(self, samples: np.ndarray, labels: np.ndarray) -> list[Errors]:
        """Let converters, shifts and codes adapt to some samples that teach nothing; their errors, as in `Batch`."""
        self.measure(True)
        _, error = self.loss(self.outputs(samples, training=True), labels.reshape(-1))
        for part in self._backward(error, len(samples)):
            if isinstance(part, WeightedPart) and part.tile.chip.weight_gradient.unit != "in_array":
                part.tile.weight_gradient(part.x, part.delta)
        return [part.delta for part in self.matrices]

    @property
    def measuring(self) -> bool:
        """Whether converters, shifts and codes adapt to the next batch."""
        return all(part.tile.measuring for part in self.matrices)

    def measure(self, on: bool) -> None:
        """Let them adapt, or not."""
        for part in self.matrices:
            part.tile.measuring = on

    def state(self) -> dict[str, Any]:
        """All that the next batch depends on, but the tiles: of every layer, and of its codes."""
        parts: dict[str, Any] = {**self.parts}
        return {
            "layers": {name: part.state() for name, part in parts.items()},
            "codes": {name: encoder.state() for name, encoder in self.encoders.items()},
        }

    def continue_from(self, other: Model) -> None:
        """Take over what another model of the same network has learned digitally; its words may have other bits.

        Raises
        ------
        ValueError
            If its layers are others.
        """
        if differing := {*self.parts} ^ {*other.parts}:
            raise ValueError(f"training.start_from: only one of the two networks has {', '.join(sorted(differing))}")
        for name, part in self.parts.items():
            before, state = part.state(), other.parts[name].state()
            for key, value in state.items():
                here, there = np.shape(before[key]), np.shape(value)
                if here and there and here != there:  # a mean that is not taken has no shape
                    raise ValueError(f"training.start_from: {key} of {name} is {there} in that run, {here} here")
            part.restore(state)
        for name, encoder in self.encoders.items():
            if encoder.adapts:
                encoder.step = other.encoders[name].full / (encoder.largest + 1)

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        for name, part in self.parts.items():
            part.restore(state["layers"][name])
        for name, encoder in self.encoders.items():
            encoder.restore(state["codes"][name])


def check(network: Network, labels: np.ndarray) -> None:
    """Raise ValueError if arrays would read tokens, or the labels are not one for each output."""
    fed = network.consumers_of(INPUT)
    if any(isinstance(layer, Embedding) for layer in fed) and (
        others := [layer.name for layer in fed if not isinstance(layer, Embedding)]
    ):
        raise ValueError(f"network {network.name}: {', '.join(others)} would take tokens as numbers")
    _, height, width = network.output
    wanted = labels[0].size if len(labels) else height * width
    if height * width != wanted:
        raise ValueError(
            f"network {network.name} gives outputs at {height * width} places, but the data set has {wanted} labels "
            "for a sample (of a network for sequences: predict: every_step or sequence)"
        )


def encoded(network: Network) -> list[str]:
    """Names of the layers whose output is made into codes: those that arrays read, through max-pooling or not.

    A sample is codes already, and so is the hidden state of a recurrent layer.
    """
    found: dict[str, None] = {}
    for matrix in network.matrices:
        (name,) = network.sources_of(matrix)
        while name != INPUT and isinstance(network.layer(name), MaxPool):
            (name,) = network.sources_of(network.layer(name))
        if name != INPUT and not isinstance(network.layer(name), Lstm):
            found[name] = None
    return list(found)


def _encoder(network: Network, name: str, bits: int) -> Encoder:
    """The encoder of a layer's output; full scale is fixed for bounded values, and where a recurrent layer reads."""
    layer, signed = network.layer(name), network.gives_signed(name)
    squashing = isinstance(layer, Activation) and layer.kind in ("tanh", "sigmoid")
    if squashing or isinstance(layer, Embedding):
        return Encoder(bits, signed, full=1.0, adapts=False)
    return Encoder(bits, signed, adapts=not any(isinstance(after, Lstm) for after in network.consumers_of(name)))


def _weighted(
    experiment: Experiment, network: Network, layer: Weighted, number: int, stacked: bool, stored_once: bool
) -> WeightedPart:
    """The part of a layer with weights; its outputs are shifted to the size of one, the last one's to the loss's."""
    chip, training, centred = experiment.chip, experiment.training, experiment.centred(network.chain)
    bits = experiment.dataflow.gradient.bits
    tile = AnalogTile(
        layer, chip, experiment.seed, number, training.initial_range, stacked, bits, stored_once, centred != "none"
    )
    last, in_array = layer is network.layers[-1], chip.weight_gradient.unit == "in_array"
    target = OUTPUT_RANGE[training.loss] if last else 1.0
    if in_array:
        target *= OUTPUTS_GROW if last else ROOM_TO_GROW
    passes = network.passes_error_on(layer)
    if isinstance(layer, Lstm):
        return LstmPart(layer, tile, target, chip.error_bits, passes, chip.input_bits)
    assert isinstance(layer, Conv), "there are two kinds of layers with weights"
    return Matrix(layer, tile, target, chip.error_bits, passes, centred == "outputs_and_errors")


DIGITAL: dict[type[Layer], Any] = {
    Activation: ActivationPart,
    Add: lambda layer: AddPart(),
    Attention: AttentionPart,
    AveragePool: AveragePoolPart,
    MaxPool: MaxPoolPart,
    Normalise: NormalisePart,
}


def _digital(layer: Layer) -> Part:
    return DIGITAL[type(layer)](layer)


def _behind(network: Network, layer: Layer) -> tuple[list[Layer], list[Layer]]:
    """The layer with rectifiers and pools behind it, which a factor passes unchanged, and what reads them."""
    passing: list[Layer] = [layer]
    behind: list[Layer] = []
    for after in network.consumers_of(layer.name):
        rectifier = isinstance(after, Activation) and after.kind == "relu"
        if rectifier or isinstance(after, MaxPool | AveragePool):
            further = _behind(network, after)
            passing, behind = passing + further[0], behind + further[1]
        else:
            behind.append(after)
    return passing, behind


def _shaped(signal: Signal, shape: Shape) -> Signal:
    """A signal as maps of that shape, channels last."""
    channels, height, width = shape
    if isinstance(signal, Codes):
        return Codes(signal.codes.reshape(-1, height, width, channels), signal.step)
    return signal.reshape(-1, height, width, channels)
