"""A chain of fully connected layers that learns in its arrays, one sample after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cimest.kernels import in_memory_types as types
from cimest.learning import in_memory_cells as cells
from cimest.learning.in_memory import InMemoryUpdate
from cimest.rules.in_memory import InMemory
from cimest.rules.rule import State
from hwlib.devices import Device

KINDS = ("linear", "relu", "tanh", "sigmoid")
LOSSES = ("cross_entropy", "squared_error")

PERIPHERY = types.Periphery(inputs=63, outputs=255, bound=12.0, noise=0.06, retries=4)
"""7 bits in, 9 bits out, a range of 12 full inputs, and how often it is left before a read is given up
(rasch2021toolkit)."""

WEIGHT_RANGE = 0.3
"""Largest first weight, over half the range (our choice: more leaves too little room, less drowns in the noise)."""


@dataclass
class Chain:
    """Layers of `sizes` values, each matrix with a row for its bias, under one rule.

    A layer's products are multiplied by one digital number, chosen so that the first weights are as large as usual
    (uniform with the variance 1 / 3 inputs) while their largest takes `WEIGHT_RANGE` of the device.

    Parameters
    ----------
    sizes : tuple of int
    activation : {"relu", "tanh", "sigmoid"}
        Of all layers but the last.
    loss : {"cross_entropy", "squared_error"}
    rule : InMemory
    device : Device
        Of the weights and of the rule's own arrays.
    periphery : Periphery
        Of forward and backward reads; transfer reads take it without its retries.
    seed : int
    balanced : bool
        Whether weights are counted from their cells' balance points.
    """

    sizes: tuple[int, ...]
    activation: str
    loss: str
    rule: InMemory
    device: Device
    periphery: types.Periphery = PERIPHERY
    seed: int = 0
    balanced: bool = False
    updates: list[InMemoryUpdate] = field(init=False)
    states: list[State] = field(init=False)
    visible: list[np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        shapes = [(rows + 1, columns) for rows, columns in zip(self.sizes, self.sizes[1:], strict=False)]
        self.scales = np.array([rows**-0.5 / WEIGHT_RANGE for rows, _ in shapes], dtype=np.float32)
        self.updates, self.states, self.visible = [], [], []
        for number, shape in enumerate(shapes):
            law = cells.draw(self.device, self.seed, number, 0, shape)
            update = InMemoryUpdate(self.rule, self.device, law, shape, self.seed, number, self.balanced)
            weights = WEIGHT_RANGE * (2 * cells.uniform(self.seed, number, types.FIRST, 0, shape) - 1)
            stuck = cells.stuck(self.device, self.seed, number, 0, shape)
            weights = np.where(np.isnan(stuck), np.clip(weights, law.low, law.high), stuck).astype(np.float32)
            self.updates.append(update)
            self.states.append(update.start(self.rule.init(shape), weights))
            self.visible.append(weights.copy())
        longest = max(rows for rows, _ in shapes) + max(columns for _, columns in shapes) + types.SPARE
        self.values = (*(np.ones(rows, np.float32) for rows, _ in shapes), np.ones(self.sizes[-1], np.float32))
        self.errors = tuple(np.zeros_like(value) for value in self.values)
        self.quantised, self.draws = np.empty(longest, np.float32), np.empty(longest, np.float32)
        last = len(shapes) - 1
        self.kinds = np.array(
            [KINDS.index("linear" if number == last else self.activation) for number in range(len(shapes))]
        )

    def train(
        self, images: np.ndarray, labels: np.ndarray, order: np.ndarray, learning_rate: float
    ) -> tuple[float, float]:
        """Samples one after another; returns mean loss and accuracy while training."""
        from cimest.kernels import in_memory_chain

        built = [update.tile(state, visible) for update, state, visible in self._parts()]
        shapes = [update.shape for update in self.updates]
        gains = np.array([self.rule.gain(shape, self.device, learning_rate) for shape in shapes])
        speeds = np.full(len(shapes), self.rule.speed(learning_rate))
        loss, correct = in_memory_chain.train(
            images, labels, order, tuple(tile for tile, _ in built), self.scales, self.kinds, LOSSES.index(self.loss),
            tuple(update.plan for update in self.updates), gains, speeds, self.periphery,
            self.periphery._replace(retries=0), tuple(update.room for update in self.updates), self.values,
            self.errors, self.quantised, self.draws,
        )  # fmt: skip
        self.states = [
            update.finish(state, arrays)
            for update, state, (_, arrays) in zip(self.updates, self.states, built, strict=True)
        ]
        return loss / len(order), correct / len(order)

    def accuracy(self, images: np.ndarray, labels: np.ndarray, weights: list[np.ndarray] | None = None) -> float:
        """Share of images told right, with the arrays' weights or with others in their place."""
        from cimest.kernels import in_memory_chain

        tiles = tuple(
            update.tile(state, visible)[0]._replace(visible=visible)
            for update, state, visible in zip(self.updates, self.states, weights or self.visible, strict=True)
        )
        found = np.empty(len(images), dtype=np.int64)
        in_memory_chain.test(
            images, tiles, self.scales, self.kinds, self.periphery, self.values, self.quantised, self.draws, found
        )
        return float(np.mean(found == labels))

    def _parts(self) -> Any:
        return zip(self.updates, self.states, self.visible, strict=True)

    def counts(self) -> np.ndarray:
        """What the arrays of each layer have done; columns as in `in_memory_types`."""
        return np.array([state["counts"] for state in self.states])
