"""The quick way through samples that are learned one by one: fully connected layers, whole vectors, in-memory rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cimest.learning.ledger import READ
from cimest.learning.matrix import Matrix
from cimest.learning.whole_vector import largest_word
from cimest.mapping.operands import errors, inputs
from cimest.network import INPUT, Activation, Conv, Network
from cimest.rules.in_memory import InMemory

if TYPE_CHECKING:
    from cimest.kernels.sample_chain import Converters, Digital
    from cimest.learning.trainer import Trainer

LARGEST = 1 << 24
"""Inputs times outputs of a layer: the random numbers of all its outputs are told apart by 24 bits (our choice of a
bound: a block has one line at least)."""


def _fully_connected(network: Network) -> bool:
    """Whether layers with weights and activations take turns, each reading the one before, from and to weights."""
    before = INPUT
    for number, layer in enumerate(network.layers):
        wanted = Activation if number % 2 else Conv
        if not isinstance(layer, wanted) or tuple(network.sources_of(layer)) != (before,):
            return False
        if isinstance(layer, Conv) and (layer.kernel, layer.positions, layer.groups) != (1, 1, 1):
            return False
        before = layer.name
    return len(network.layers) % 2 == 1


def covers(trainer: Trainer) -> bool:
    """Whether a training is one that `SampleChain` can take; all others go layer by layer."""
    chip, training = trainer.experiment.chip, trainer.experiment.training
    sizes = [layer.fan_in * layer.fan_out for layer in trainer.network.matrices]
    return (
        training.batch == 1
        and isinstance(trainer.rule, InMemory)
        and chip.periphery.kind == "whole_vector"
        and chip.device.read_noise is None
        and training.weight_noise == 0
        and _fully_connected(trainer.network)
        and max(sizes) < LARGEST
    )


class SampleChain:
    """Samples one after another in machine code, on the layers, tiles and states of a trainer.

    It does what the trainer does layer by layer, with the same words, converters, pulses and counts, and leaves all of
    it where the trainer would. Random numbers of reads are others, so that results agree in distribution, not bit by
    bit. What adapts, ranges of converters, shifts and scales of words, stays as it is: a trainer takes the samples at
    which they are measured itself.
    """

    def __init__(self, trainer: Trainer):
        from cimest.kernels import sample_chain

        assert isinstance(trainer.rule, InMemory), "see covers"
        self.trainer, self.rule, model = trainer, trainer.rule, trainer.model
        self.parts = [part for part in model.matrices if isinstance(part, Matrix)]
        self.tiles = [part.tile for part in self.parts]
        self.arrays = [tile.arrays_of(self.rule) for tile in self.tiles]
        self.room = sample_chain.room([tile.shape for tile in self.tiles])
        self.row_edges = tuple(tile.row_edges for tile in self.tiles)
        self.column_edges = tuple(tile.column_edges for tile in self.tiles)
        self.images = model.words(trainer.data.train_images).reshape(len(trainer.data.train_images), -1)
        self.labels = trainer.data.train_labels.astype(np.int64).reshape(-1)

    def train(self, order: np.ndarray, rates: np.ndarray) -> tuple[float, int]:
        """Samples `order`, each at its learning rate; returns the sum of losses and how many were told right."""
        from cimest.kernels import sample_chain

        rule, states, device = self.rule, self.trainer.states, self.trainer.experiment.chip.device
        count, updates = len(order), [array.rule_update for array in self.arrays]
        begun = [array.begin(state) for array, state in zip(self.arrays, states, strict=True)]
        gains = [np.broadcast_to(rule.gain(tile.shape, device, rates), count) for tile in self.tiles]
        speeds = np.broadcast_to(np.asarray(rule.speed(rates)), count)
        stats = np.zeros((len(self.tiles), 2, 3), dtype=np.int64)
        loss, correct = sample_chain.train(
            self.images, self.labels, order, tuple(one.tile for one in begun), self.row_edges, self.column_edges,
            self._converters(), self._digital(), tuple(update.plan for update in updates),
            np.stack(gains, axis=1).astype(float), np.ascontiguousarray(speeds, dtype=float),
            self.arrays[0].periphery, tuple(update.room for update in updates), self.room, stats,
        )  # fmt: skip
        for number, (tile, array, one) in enumerate(zip(self.tiles, self.arrays, begun, strict=True)):
            states[number] = array.end(one, count)
            blocks = len(tile.row_edges) - 1, len(tile.column_edges) - 1
            for way, verb in enumerate(READ):
                vectors, reads, clipped = stats[number, way].tolist()
                if vectors:
                    tile.count_reads(verb, vectors, reads)
                    tile.count(verb, clipped, reads * tile.shape[1 - way] * blocks[way])
        return float(loss), int(correct)

    def _converters(self) -> Converters:
        """Those of all layers as they are now."""
        from cimest.kernels.sample_chain import Converters

        choice = self.trainer.experiment.chip.periphery
        sides = [[tile.readout.whole_periphery(verb) for tile in self.tiles] for verb in READ]
        chip, signed = self.trainer.experiment.chip, self.trainer.network.takes_signed
        words = [[inputs(chip, signed(part.layer)) for part in self.parts], [errors(chip)] * len(self.parts)]
        full = [[largest_word(operand) for operand in way] for way in words]
        step, bound, noise = (
            np.array([[getattr(side, f"output_{name}") for side in way] for way in sides], dtype=np.float32)
            for name in ("step", "bound", "noise")
        )
        retries = choice.retries if choice.bound_management == "iterative" else 0
        return Converters(
            sides[0][0].input_step,
            np.array(full, dtype=np.float32),
            step,
            bound,
            noise,
            choice.noise_management == "abs_max",
            retries,
        )

    def _digital(self) -> Digital:
        """Shifts and words as they are now."""
        from cimest.kernels.activations import KINDS, LOSSES
        from cimest.kernels.sample_chain import Digital

        model, layers = self.trainer.model, self.trainer.network.layers
        hidden = [layer for layer in layers if isinstance(layer, Activation)]
        encoders = [model.encoders[layer.name] for layer in hidden]
        units = [model.input_step, *(encoder.step for encoder in encoders)]
        back = np.array([part.centring.scale for part in self.parts], dtype=np.float32)

        def numbers(values: list[float]) -> np.ndarray:
            return np.array(values, dtype=np.float32)

        return Digital(
            np.array([KINDS.index(layer.kind) for layer in hidden] + [0]),
            back * numbers(units),
            back,
            tuple(part.centring.constant for part in self.parts),
            numbers([1 / encoder.step for encoder in encoders]),
            numbers([encoder.low for encoder in encoders]),
            numbers([encoder.largest for encoder in encoders]),
            float(2 ** (self.trainer.experiment.chip.error_bits - 1) - 1),
            LOSSES.index(self.trainer.experiment.training.loss),
        )
