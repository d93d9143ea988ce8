"""A network on the chip: what one batch of images does, forward, backward and to the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cimest.config import Experiment
from cimest.learning.layers import Matrix, Pool, Rectifier
from cimest.learning.tile import AnalogTile, Errors
from cimest.network import Conv, MaxPool, Network, Relu

OUTPUT_RANGE = {"cross_entropy": 2.0, "squared_error": 0.25}
"""Root mean square that the network's outputs start with, by loss (our choice: a softmax that is neither flat nor
saturated; targets of one in ten classes have 0.3)."""


def probabilities(outputs: np.ndarray) -> np.ndarray:
    """Softmax of outputs (samples, classes)."""
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def cross_entropy(outputs: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean loss, and errors: probability minus one at the label."""
    errors = probabilities(outputs)
    chosen = np.arange(len(labels)), labels
    loss = float(-np.log(np.maximum(errors[chosen], np.finfo(np.float32).tiny)).mean())
    errors[chosen] -= 1
    return loss, errors


def squared_error(outputs: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean over samples of half the squared distance to one at the label, and errors."""
    errors = outputs - np.eye(outputs.shape[1], dtype=np.float32)[labels]
    return float(0.5 * np.square(errors).sum(axis=1).mean()), errors


LOSSES = {"cross_entropy": cross_entropy, "squared_error": squared_error}


@dataclass(frozen=True)
class Batch:
    """What a training step reports.

    Parameters
    ----------
    loss : float
        Mean over the samples.
    correct : int
        Samples whose largest output is at the label.
    errors : list of Errors
        Errors at the output of each layer with weights.
    """

    loss: float
    correct: int
    errors: list[Errors]


def check_rectified(network: Network) -> None:
    """Raise ValueError if two layers with weights have no rectifier between them: inputs of an array have no sign."""
    waiting = ""
    for layer in network.layers:
        if isinstance(layer, Relu):
            waiting = ""
        elif isinstance(layer, Conv):
            if waiting:
                raise ValueError(f"network {network.name}: no rectifier between {waiting} and {layer.name}")
            waiting = layer.name


class Model:
    """The layers of a network on the tiles of a chip.

    Parameters
    ----------
    experiment : Experiment
    network : Network
    stacked, stored_once : bool
        See `Trainer`.

    Raises
    ------
    ValueError
        If two layers with weights have no rectifier between them.
    """

    def __init__(self, experiment: Experiment, network: Network, stacked: bool, stored_once: bool):
        chip, training = experiment.chip, experiment.training
        check_rectified(network)
        self.network, self.input_bits = network, chip.input_bits
        self.loss = LOSSES[training.loss]
        self.matrices: list[Matrix] = []
        self.layers: list[Matrix | Pool | Rectifier] = []
        for layer in network.layers:
            if isinstance(layer, Conv):
                number, bits = len(self.matrices), experiment.dataflow.gradient.bits
                tile = AnalogTile(
                    layer, chip, experiment.seed, number, training.initial_range, stacked, bits, stored_once
                )
                last = layer is network.matrices[-1]
                # hidden layers: full scale of the codes is four root mean squares, so that few are clipped
                target = OUTPUT_RANGE[training.loss] if last else 2.0**chip.input_bits / 4
                self.matrices.append(Matrix(layer, tile, target, chip.error_bits))
                if len(self.matrices) > 1:
                    self.matrices[-2].next = self.matrices[-1]
                self.layers.append(self.matrices[-1])
            elif isinstance(layer, MaxPool):
                self.layers.append(Pool(layer))
            else:
                self.layers.append(Rectifier(chip.input_bits))

    def outputs(self, images: np.ndarray, training: bool = False) -> np.ndarray:
        """Outputs (samples, classes) for uint8 images (samples, channels, height, width)."""
        maps = np.ascontiguousarray(images.transpose(0, 2, 3, 1)) >> np.uint8(8 - self.input_bits)
        for layer, part in zip(self.network.layers, self.layers, strict=True):
            channels, height, width = layer.input
            maps = part.forward(maps.reshape(-1, height, width, channels), training)
        return maps.reshape(len(images), -1)

    def train(self, images: np.ndarray, labels: np.ndarray, rule: Any, states: list[Any], rate: float) -> Batch:
        """One training step.

        Parameters
        ----------
        images, labels : array
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
        outputs = self.outputs(images, training=True)
        loss, errors = self.loss(outputs, labels)
        quantised: list[Errors] = []
        for layer, part in zip(reversed(self.network.layers), reversed(self.layers), strict=True):
            channels, height, width = layer.output
            errors = errors.reshape(-1, height, width, channels)
            if isinstance(part, Matrix):
                delta = part.quantise(errors)
                quantised.insert(0, delta)
                if part is not self.matrices[0]:
                    errors = part.backward(delta)
                number = self.matrices.index(part)
                states[number] = rule.step(part.tile, states[number], part.x, delta, rate)
            else:
                errors = part.backward(errors)
        return Batch(loss, int((outputs.argmax(axis=1) == labels).sum()), quantised)

    def measure(self, on: bool) -> None:
        """Whether converters and shifts adapt to the next batch."""
        for matrix in self.matrices:
            matrix.tile.measuring = on
