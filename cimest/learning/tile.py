"""The analog tile: one layer's weights as conductances, with the verbs that training rules act through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cimest.config.chip import Chip
from cimest.kernels import backend
from cimest.kernels.random import CONVERSION, START
from cimest.kernels.types import Address, PulseCounts, Quantiser
from cimest.learning import writing
from cimest.learning.cells import CellArray, mean_conductance
from cimest.learning.codes import Errors
from cimest.learning.gradient_unit import GradientUnit
from cimest.learning.in_array import InArray
from cimest.learning.readout import Readout
from cimest.mapping import operands
from cimest.mapping.blocks import column_edges, row_edges
from cimest.network import Weighted
from cimest.rules.in_memory import InMemory
from cimest.rules.normalise import stored
from cimest.rules.rule import State

COUNTERS = ("time", "reads", "updates", "refreshed", "rows_written", "row_writes")
"""Of a tile: writes and reads that drew random numbers, updates, pairs refreshed, and with verify rows of arrays
written and how often."""


@dataclass
class AnalogTile:
    """Arrays that hold one layer.

    Parameters
    ----------
    layer : Weighted
    chip : Chip
    seed, number : int
        Of the run, and of this tile: the address of all its random numbers.
    initial_range : float
        First weights are uniform within ± this, each programmed to the nearest state of the device.
    stacked : bool
        Whether an array of the weight-gradient unit may hold positions of more than one image.
    gradient_bits : int
        Word in which the weight gradient of a batch is handed to the rule.
    stored_once : bool
        Whether the weight-gradient unit stores the input map once, or its part for each kernel position.
    centred : bool
        Whether the layer's outputs are centred, so that the weight gradient is that of centred inputs.

    Raises
    ------
    ValueError
        If the weight gradient has no unit, or the device's record lacks what training needs.

    Notes
    -----
    A weight is the difference of two conductances, in units of half the range of the typical cell: its own less that
    of the reference, or those of the two cells of a pair. The ratio of largest to smallest conductance so cancels in a
    read, but not in noise, drift and programming error, which go with the conductance itself.
    """

    layer: Weighted
    chip: Chip
    seed: int
    number: int
    initial_range: float
    stacked: bool
    gradient_bits: int
    stored_once: bool = True
    centred: bool = True
    cells: tuple[CellArray, ...] = field(init=False)
    converters: dict[str, Quantiser] = field(init=False, default_factory=dict)
    clipped: dict[str, int] = field(init=False, default_factory=dict)
    converted: dict[str, int] = field(init=False, default_factory=dict)
    vectors: dict[str, int] = field(init=False, default_factory=dict)
    read_vectors: dict[str, int] = field(init=False, default_factory=dict)
    time: int = field(init=False, default=0)
    reads: int = field(init=False, default=0)
    updates: int = field(init=False, default=0)
    refreshed: int = field(init=False, default=0)
    rows_written: int = field(init=False, default=0)
    row_writes: int = field(init=False, default=0)
    measuring: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        chip, layer, groups = self.chip, self.layer, self.layer.groups
        self.in_array: InArray | None = None
        self.address = Address(self.seed, 0, self.number)
        self.row_edges = row_edges(layer, chip.array.rows, chip.mapping)
        self.column_edges = column_edges(layer, chip.array.columns)
        width = layer.fan_out // groups
        ends = [self.column_edges[1:] + group * width for group in range(groups)]
        self.all_column_edges = np.concatenate([[0], *ends]).astype(np.int64)
        start = (2 * backend().uniform(self.address, START, self.shape) - 1) * np.float32(self.initial_range)
        self.pair = chip.array.encoding == "differential_pair"
        self.one_sided = self.pair and chip.array.pair_update == "one_sided"
        self.counts = self._no_pulses()
        self.operands = {"backward": operands.errors(chip), "forward": operands.inputs(chip, signed=False)}
        self.readout = Readout(self)
        self.unit = GradientUnit(self, self.stacked, self.stored_once)
        self.begin(start)

    def begin(self, weights: np.ndarray) -> None:
        """Write first weights (fan-in, fan-out) within ±1 into new cells, each as the nearest state of its device."""
        if self.one_sided:
            wanted = [2 * np.maximum(weights, 0) - 1, 2 * np.maximum(-weights, 0) - 1]
        else:
            wanted = [weights, -weights] if self.pair else [weights]
        self.cells = tuple(
            CellArray(self.chip.device, values, self.seed, self.number, part, self.all_column_edges)
            for part, values in enumerate(wanted)
        )
        self.readout.changed()

    @property
    def shape(self) -> tuple[int, int]:
        """Fan-in and fan-out."""
        return self.layer.fan_in, self.layer.fan_out

    @property
    def pulses_per_weight(self) -> float:
        """Pulses that move a weight by one, at the pace of a typical cell in the middle of its range.

        Training rules scale their steps by it, so that a learning rate means a change of weights, whatever the device.
        A cell of a one-sided pair moves its weight half as far.
        """
        return writing.pulses_per_cell(self.chip.device) * (2 if self.one_sided else 1)

    @property
    def weights(self) -> np.ndarray:
        """Weights as a read without noise sees them."""
        first, *second = self.cells
        return (first.visible - second[0].visible) / np.float32(2) if second else first.visible

    def hold(self, weights: np.ndarray | None) -> None:
        """Read these weights (fan-in, fan-out) instead of the cells', without read noise; None: the cells again."""
        self.readout.held = None if weights is None else np.ascontiguousarray(weights, dtype=np.float32)

    def disturb(self, share: float) -> None:
        """Hold the weights with normal noise, its deviation this share of the largest one."""
        weights = self.weights
        self.hold(weights + np.float32(share * float(np.abs(weights).max())) * self.draw(self.shape))

    def keep_within(self, deviations: float) -> None:
        """Pulse weights that are beyond so many standard deviations of all of them back there."""
        weights = self.weights
        limit = np.float32(deviations * float(weights.std()))
        beyond = np.clip(weights, -limit, limit) - weights
        if beyond.any():
            self.counts += writing.write(self, beyond * np.float32(self.pulses_per_weight), "stochastic")

    @property
    def written(self) -> np.ndarray:
        """Pulses that each weight's cell has had, the more pulsed one of a pair."""
        return np.maximum.reduce([cells.written for cells in self.cells])

    @property
    def conductance(self) -> float:
        """Mean over all cells, from 0 (smallest conductance of the typical cell) to 1 (largest)."""
        mean = np.mean([mean_conductance(cells.visible) for cells in self.cells])
        return float(np.clip(mean, 0, 1))

    def groups(self) -> list[tuple[Any, slice]]:
        """Inputs and columns of each group of the layer; inputs come kernel position by kernel position."""
        layer, groups = self.layer, self.layer.groups
        if groups == 1:
            return [(slice(None), slice(None))]
        width = layer.fan_out // groups
        inputs = np.arange(layer.fan_in * groups).reshape(layer.kernel_positions, groups, -1)
        return [(inputs[:, g].reshape(-1), slice(g * width, (g + 1) * width)) for g in range(groups)]

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Read the arrays: x times the weights, through the forward ADC.

        Parameters
        ----------
        x : array of uint8 or int8, shape (vectors, groups · fan-in)
            With a sign or without; in the order of `im2col`.

        Returns
        -------
        array of float32, shape (vectors, fan-out)
        """
        return self.readout.forward(x)

    def backward(self, delta: Errors) -> np.ndarray:
        """Read the arrays from the other side: errors times the transposed weights, through the backward ADC.

        Returns
        -------
        array of float32, shape (vectors, groups · fan-in)
        """
        return next(self.backward_by(len(delta.codes), delta)) * np.float32(delta.scale)

    def backward_by(self, vectors: int, delta: Errors) -> Iterator[np.ndarray]:
        """`backward`, so many vectors after so many, in units of the errors' scale: results are large."""
        return self.readout.backward_by(vectors, delta)

    def fresh_address(self) -> Address:
        """Of random numbers that no read has used."""
        self.reads += 1
        return self.address._replace(step=self.reads)

    def draw(self, shape: tuple[int, ...]) -> np.ndarray:
        """Normal numbers for the noise of a read."""
        return backend().normal(self.fresh_address(), CONVERSION, shape)

    def weight_gradient(self, x: np.ndarray, delta: Errors) -> np.ndarray:
        """Inputs times errors, summed over all vectors of the batch by the weight-gradient unit.

        Where the layer's output is centred (see `Centring`), inputs count from their mean over the batch: the unit's
        result less the product of mean input and summed error, which counters beside the unit collect.

        Parameters
        ----------
        x : array of uint8 or int8, shape (vectors, groups · fan-in)
        delta : Errors

        Returns
        -------
        array of float32, shape (fan-in, fan-out)
        """
        found = []
        for lines, columns in self.groups():
            inputs, errors = np.ascontiguousarray(x[:, lines]), np.ascontiguousarray(delta.codes[:, columns])
            found.append(self.unit.gradient(inputs, errors, delta.scale))
        return stored(found[0] if len(found) == 1 else np.concatenate(found, axis=1), self.gradient_bits)

    def pulse(self, amount: np.ndarray, rounding: str) -> None:
        """A batch's update: pulses at every weight, `amount` (fan-in, fan-out) of them, rounded to whole numbers.

        Those of a pair are for the cell of their sign alone, or up for one of its cells and down for the other.
        """
        update = writing.write(self, amount, rounding)
        self.updates += 1
        if self.one_sided and self.updates % self.chip.array.refresh_every == 0:
            update += writing.refresh(self)
        self.counts += update

    def fire(self, amounts: list[np.ndarray], rounding: str) -> PulseCounts:
        """Pulses at the cells of all weights, those of a pair in the same slots."""
        counts: list[PulseCounts] = []
        self.readout.changed()
        for cells, amount in zip(self.cells, amounts, strict=True):
            counts.append(cells.pulse(amount, rounding, self.time))
            self.time += 1
        return counts[0] if len(counts) == 1 else counts[0].beside(counts[1])

    def wait(self, seconds: float) -> None:
        """Let time pass for all cells."""
        self.readout.changed()
        for cells in self.cells:
            cells.wait(seconds)

    def update_in_array(
        self, rule: InMemory, state: State, x: np.ndarray, delta: Errors, learning_rate: float
    ) -> State:
        """Pulse each vector's outer product in the arrays, by a rule that forms no gradient; returns its state."""
        self.readout.noise = None
        return self.arrays_of(rule).update(state, x, delta.codes * np.float32(delta.scale), learning_rate)

    def arrays_of(self, rule: InMemory) -> InArray:
        """The arrays of a rule that pulses in them; a tile has one rule."""
        if self.in_array is None:
            self.in_array = InArray(self, rule)
        return self.in_array

    def take_counts(self) -> PulseCounts:
        """Pulses since the last call."""
        counts, self.counts = self.counts, self._no_pulses()
        return counts

    def _no_pulses(self) -> PulseCounts:
        return PulseCounts.none(self.layer.fan_in, len(self.all_column_edges) - 1)

    def count(self, verb: str, clipped: int, converted: int) -> None:
        """Note conversions of a pass, and those of them that were clipped."""
        self.clipped[verb] = self.clipped.get(verb, 0) + clipped
        self.converted[verb] = self.converted.get(verb, 0) + converted

    def count_reads(self, verb: str, vectors: int, reads: int) -> None:
        """Note vectors of a pass, and how often whole vectors were read for them."""
        self.vectors[verb] = self.vectors.get(verb, 0) + vectors
        self.read_vectors[verb] = self.read_vectors.get(verb, 0) + reads

    def state(self) -> dict[str, Any]:
        """All that changes."""
        return {
            "cells": [cells.state() for cells in self.cells],
            "losses": self.readout.losses,
            "converters": {verb: list(adc) for verb, adc in self.converters.items()},
            **{name: getattr(self, name) for name in COUNTERS},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        for cells, saved in zip(self.cells, state["cells"], strict=True):
            cells.restore(saved)
        self.readout.noise, self.readout.losses = None, state["losses"]
        self.converters = {verb: Quantiser(*adc) for verb, adc in state["converters"].items()}
        for name in COUNTERS:
            setattr(self, name, state[name])
