"""Collects what the data made the hardware do, layer by layer, for the estimate."""

from __future__ import annotations

import numpy as np

from cimest.activity import Activity, LayerActivity
from cimest.kernels.types import PulseCounts
from cimest.learning.in_array import Arrays
from cimest.learning.matrix import WeightedPart
from cimest.learning.periphery import patterns
from cimest.learning.tile import Errors
from cimest.mapping.operands import Operand

MEANS = (
    "input_ones", "error_ones", "input_zeros", "error_zeros", "conductance",
    "cells_up", "cells_down", "pulses_up", "pulses_down", "longest_up", "longest_down", "rows_written",
)  # fmt: skip


def driven(codes: np.ndarray, operand: Operand) -> float:
    """Probability that a line is driven in a cycle: ones of the words, or of their magnitudes, over the cycles."""
    words = patterns(codes, operand.bits) if operand.signs == "twos_complement" else codes
    return float(np.bitwise_count(words).mean(dtype=np.float64)) / operand.cycles


class Census:
    """Sums over batches; the state is one matrix, layers times quantities.

    Operands are looked at in the batches that calibrate the converters, pulses in every batch.
    """

    def __init__(self, matrices: list[WeightedPart]):
        self.matrices = matrices
        self.sums = np.zeros((len(matrices), len(MEANS)))
        self.operand_batches = self.update_batches = 0

    def add_operands(self, errors: list[Errors]) -> None:
        """Count the inputs that the matrices hold and the errors of the same batch."""
        self.operand_batches += 1
        for row, matrix, delta in zip(self.sums, self.matrices, errors, strict=True):
            row[:5] += (
                driven(matrix.x, matrix.tile.operands["forward"]),
                driven(delta.codes, matrix.tile.operands["backward"]),
                1 - np.count_nonzero(matrix.x) / matrix.x.size,
                1 - np.count_nonzero(delta.codes) / delta.codes.size,
                matrix.tile.conductance,
            )

    def add_update(self) -> list[PulseCounts]:
        """Count the pulses of the update just made, and return them for each layer."""
        self.update_batches += 1
        found = [matrix.tile.take_counts() for matrix in self.matrices]
        for row, matrix, counts in zip(self.sums, self.matrices, found, strict=True):
            cells = matrix.layer.weights * len(matrix.tile.cells)
            row[5:] += np.array(
                (
                    counts.cells_up / cells,
                    counts.cells_down / cells,
                    counts.pulses_up / cells,
                    counts.pulses_down / cells,
                    counts.longest_up.mean(),
                    counts.longest_down.mean(),
                    np.mean((counts.longest_up > 0) | (counts.longest_down > 0)),
                )
            )
        return found

    def pulses(self) -> float:
        """Pulses of all cells so far."""
        weights = np.array([matrix.layer.weights for matrix in self.matrices])
        return float(weights @ self.sums[:, MEANS.index("pulses_up") : MEANS.index("pulses_down") + 1].sum(axis=1))

    def activity(self, origin: str, arrays: list[Arrays]) -> Activity:
        """The averages as the estimate takes them; `arrays` of each layer under a rule that updates in them."""
        layers = {}
        for number, (row, matrix) in enumerate(zip(self.sums, self.matrices, strict=True)):
            batches = np.where(np.arange(len(MEANS)) < 5, self.operand_batches, self.update_batches)
            mean = dict(zip(MEANS, (row / np.maximum(batches, 1)).tolist(), strict=True))
            up, down = mean.pop("cells_up"), mean.pop("cells_down")
            mean["pulses_up"] = mean["pulses_up"] / up if up else 0.0
            mean["pulses_down"] = mean["pulses_down"] / down if down else 0.0
            most = float(matrix.tile.written.max()) / max(self.update_batches, 1)
            rounds = matrix.tile.row_writes / max(matrix.tile.rows_written, 1)
            measured = dict(updated_up=up, updated_down=down, most_written=most, write_rounds=rounds, **mean)
            if arrays:
                measured |= arrays[number].activity(self.update_batches)
            layers[matrix.layer.name] = LayerActivity(**measured)
        return Activity(origin, layers)
