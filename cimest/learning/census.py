"""Collects what the data made the hardware do, layer by layer, for the estimate."""

from __future__ import annotations

import numpy as np

from cimest.activity import Activity, LayerActivity
from cimest.learning.layers import Matrix
from cimest.learning.tile import Errors

MEANS = (
    "input_ones", "error_ones", "input_zeros", "error_zeros", "conductance",
    "cells_up", "cells_down", "pulses_up", "pulses_down", "longest_up", "longest_down", "rows_written",
)  # fmt: skip


def ones(codes: np.ndarray) -> float:
    """Mean number of ones in the magnitudes of the codes."""
    return float(np.bitwise_count(codes).mean(dtype=np.float64))


class Census:
    """Sums over batches; the state is one matrix, layers times quantities.

    Operands are looked at in the batches that calibrate the converters, pulses in every batch.
    """

    def __init__(self, matrices: list[Matrix], input_bits: int, error_bits: int):
        self.matrices, self.input_bits = matrices, input_bits
        self.error_cycles = 2 * (error_bits - 1)
        self.sums = np.zeros((len(matrices), len(MEANS)))
        self.operand_batches = self.update_batches = 0

    def add_operands(self, errors: list[Errors]) -> None:
        """Count the inputs that the matrices hold and the errors of the same batch."""
        self.operand_batches += 1
        for row, matrix, delta in zip(self.sums, self.matrices, errors, strict=True):
            row[:5] += (
                ones(matrix.x) / self.input_bits,
                ones(delta.codes) / self.error_cycles,
                1 - np.count_nonzero(matrix.x) / matrix.x.size,
                1 - np.count_nonzero(delta.codes) / delta.codes.size,
                (1 + float(matrix.tile.weights.mean(dtype=np.float64))) / 2,
            )

    def add_update(self) -> None:
        """Count the pulses of the update just made."""
        self.update_batches += 1
        for row, matrix in zip(self.sums, self.matrices, strict=True):
            counts = matrix.tile.take_counts()
            row[5:] += np.array(
                (
                    counts.cells_up / matrix.layer.weights,
                    counts.cells_down / matrix.layer.weights,
                    counts.pulses_up / matrix.layer.weights,
                    counts.pulses_down / matrix.layer.weights,
                    counts.longest_up.mean(),
                    counts.longest_down.mean(),
                    np.mean((counts.longest_up > 0) | (counts.longest_down > 0)),
                )
            )

    def pulses(self) -> float:
        """Pulses of all cells so far."""
        weights = np.array([matrix.layer.weights for matrix in self.matrices])
        return float(weights @ self.sums[:, MEANS.index("pulses_up") : MEANS.index("pulses_down") + 1].sum(axis=1))

    def activity(self, origin: str) -> Activity:
        """The averages as the estimate takes them."""
        layers = {}
        for row, matrix in zip(self.sums, self.matrices, strict=True):
            batches = np.where(np.arange(len(MEANS)) < 5, self.operand_batches, self.update_batches)
            mean = dict(zip(MEANS, (row / np.maximum(batches, 1)).tolist(), strict=True))
            up, down = mean.pop("cells_up"), mean.pop("cells_down")
            mean["pulses_up"] = mean["pulses_up"] / up if up else 0.0
            mean["pulses_down"] = mean["pulses_down"] / down if down else 0.0
            most = float(matrix.tile.written.max()) / max(self.update_batches, 1)
            layers[matrix.layer.name] = LayerActivity(updated_up=up, updated_down=down, most_written=most, **mean)
        return Activity(origin, layers)
