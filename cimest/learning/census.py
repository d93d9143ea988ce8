"""Collects what the data made the hardware do, layer by layer, for the estimate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cimest.activity import Activity, LayerActivity
from cimest.kernels.types import PulseCounts
from cimest.learning.codes import Errors
from cimest.learning.converter import spread
from cimest.learning.in_array import Arrays
from cimest.learning.matrix import WeightedPart
from cimest.learning.periphery import patterns
from cimest.learning.tile import AnalogTile
from cimest.learning.whole_vector import levels
from cimest.mapping.operands import Operand

MEANS = (
    "input_ones", "error_ones", "input_zeros", "error_zeros", "conductance",
    "input_power", "error_power",
    "cells_up", "cells_down", "pulses_up", "pulses_down", "longest_up", "longest_down", "rows_written",
)  # fmt: skip

OPERANDS = MEANS.index("cells_up")
"""Entries that are means over batches whose operands were looked at."""


VECTORS = 1000
"""Vectors of a batch whose levels are looked at (our choice)."""


def driven(codes: np.ndarray, operand: Operand) -> float:
    """Probability that a line is driven in a cycle: ones of the words, or of their magnitudes, over the cycles."""
    words = patterns(codes, operand.bits) if operand.signs == "twos_complement" else codes
    return float(np.bitwise_count(words).mean(dtype=np.float64)) / operand.cycles


def power(codes: np.ndarray, operand: Operand, tile: AnalogTile, groups: Sequence[Any]) -> float:
    """Mean square of the level of a line that takes whole words, over full scale; 0 where bits are applied.

    Each group of lines is a vector of its own.
    """
    choice = tile.chip.periphery
    if choice.kind == "bit_serial":
        return 0.0
    some = codes[spread(len(codes), VECTORS)]
    return float(np.mean([np.square(levels(some[:, lines], operand, choice)).mean() for lines in groups]))


class Census:
    """Sums over batches; the state is one matrix, layers times quantities.

    Operands are looked at in the batches that calibrate the converters, pulses in every batch.
    """

    def __init__(self, matrices: list[WeightedPart]):
        self.matrices = matrices
        self.sums = np.zeros((len(matrices), len(MEANS)))
        self.operand_batches = self.update_batches = 0

    def add_operands(self, errors: list[Errors], arrays: list[Arrays]) -> None:
        """Count the inputs that the matrices hold and the errors of the same batch; for `arrays` see `Ledger`."""
        self.operand_batches += 1
        held: list[Any] = [*arrays] or [matrix.tile for matrix in self.matrices]
        for row, matrix, delta, cells in zip(self.sums, self.matrices, errors, held, strict=True):
            forward, backward = matrix.tile.operands["forward"], matrix.tile.operands["backward"]
            inputs, outputs = zip(*matrix.tile.groups(), strict=True)
            row[:OPERANDS] += (
                driven(matrix.x, forward),
                driven(delta.codes, backward),
                1 - np.count_nonzero(matrix.x) / matrix.x.size,
                1 - np.count_nonzero(delta.codes) / delta.codes.size,
                cells.conductance,
                power(matrix.x, forward, matrix.tile, inputs),
                power(delta.codes, backward, matrix.tile, outputs),
            )

    def add_update(self, updates: int = 1) -> list[PulseCounts]:
        """Count the pulses of the updates just made, and return them for each layer."""
        self.update_batches += updates
        found = [matrix.tile.take_counts() for matrix in self.matrices]
        for row, matrix, counts in zip(self.sums, self.matrices, found, strict=True):
            cells = matrix.layer.weights * len(matrix.tile.cells)
            row[OPERANDS:] += np.array(
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

    def activity(self, origin: str, arrays: list[Arrays], reads: list[dict[str, float]]) -> Activity:
        """The averages as the estimate takes them.

        Parameters
        ----------
        origin : str
            See `Activity`.
        arrays : list of Arrays
            Of each layer under a rule that updates in them.
        reads : list of dict
            See `Ledger.reads`.
        """
        layers = {}
        for number, (row, matrix) in enumerate(zip(self.sums, self.matrices, strict=True)):
            batches = np.where(np.arange(len(MEANS)) < OPERANDS, self.operand_batches, self.update_batches)
            mean = dict(zip(MEANS, (row / np.maximum(batches, 1)).tolist(), strict=True))
            up, down = mean.pop("cells_up"), mean.pop("cells_down")
            mean["pulses_up"] = mean["pulses_up"] / up if up else 0.0
            mean["pulses_down"] = mean["pulses_down"] / down if down else 0.0
            most = float(matrix.tile.written.max()) / max(self.update_batches, 1)
            rounds = matrix.tile.row_writes / max(matrix.tile.rows_written, 1)
            measured = dict(updated_up=up, updated_down=down, most_written=most, write_rounds=rounds, **mean)
            if matrix.tile.chip.periphery.kind == "bit_serial":
                del measured["input_power"], measured["error_power"]
            measured |= {f"{verb}_reads": mean_reads for verb, mean_reads in reads[number].items()}
            if arrays:
                measured |= arrays[number].activity(self.update_batches)
            layers[matrix.layer.name] = LayerActivity(**measured)
        return Activity(origin, layers)
