"""The ledger of a training: what was pulsed, converted, clipped, and what has become of the cells, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from cimest.kernels.types import PulseCounts
from cimest.learning.in_array import Arrays, block_of_each
from cimest.learning.matrix import WeightedPart

VERBS = ("forward", "backward", "weight_gradient")
"""Passes that convert."""

READ = VERBS[:2]
"""Passes in which arrays are read."""

ENTRIES = (
    "pulses_up",
    "pulses_down",
    "selected",
    *(f"{kind}_{verb}" for verb in VERBS for kind in ("converted", "clipped")),
    *(f"{kind}_{verb}" for verb in READ for kind in ("vectors", "reads")),
)


class Ledger:
    """Sums over a training, without its tests: a row for each layer with weights, an entry for each of `ENTRIES`.

    Parameters
    ----------
    matrices : list of WeightedPart
    """

    def __init__(self, matrices: list[WeightedPart]):
        self.matrices = matrices
        self.sums = np.zeros((len(matrices), len(ENTRIES)))

    def add_update(self, counts: list[PulseCounts]) -> None:
        """Pulses of an update.

        `selected` are cells of a row in a slot of its writing, pulsed or not.
        """
        for row, matrix, update in zip(self.sums, self.matrices, counts, strict=True):
            widths = np.diff(matrix.tile.all_column_edges) * len(matrix.tile.cells)
            slots = (update.longest_up + update.longest_down).sum(axis=0)
            row[:3] += update.pulses_up, update.pulses_down, slots @ widths

    def add_conversions(self) -> None:
        """What the tiles have converted since they were last asked."""
        for row, matrix in zip(self.sums, self.matrices, strict=True):
            row[3:] += taken(matrix)

    def reads(self) -> list[dict[str, float]]:
        """Mean reads of a vector, repeated ones with them, of each layer in each of `READ`; 1 where none is counted."""
        found = []
        for row in self.sums:
            sums = dict(zip(ENTRIES, row.tolist(), strict=True))
            vectors = {verb: sums[f"vectors_{verb}"] for verb in READ}
            found.append({verb: sums[f"reads_{verb}"] / count if count else 1.0 for verb, count in vectors.items()})
        return found

    def _half_selected(self, matrix: WeightedPart, selected: float) -> float:
        """Times that a cell saw half of a pulse, where rows are written one by one.

        Where no transistor cuts a cell off, every pulse half-selects the other cells of its column, and every slot
        the cells of the row that get none.
        """
        pulses = sum(cells.written.sum(axis=1, dtype=np.int64) for cells in matrix.tile.cells)
        return float(pulses @ (block_of_each(matrix.tile.row_edges) - 1) + selected - pulses.sum())

    def entries(self, arrays: list[Arrays]) -> dict[str, dict[str, Any]]:
        """The ledger as a result holds it; shares are fractions, of clipped conversions over the whole training.

        Parameters
        ----------
        arrays : list of Arrays
            Of each layer, under a rule that updates in them.
        """
        found, reads = {}, self.reads()
        for number, (row, matrix) in enumerate(zip(self.sums, self.matrices, strict=True)):
            sums, tile = dict(zip(ENTRIES, row.tolist(), strict=True)), matrix.tile
            worn, most = float(np.mean([cells.worn for cells in tile.cells])), int(tile.written.max())
            halves = self._half_selected(matrix, sums["selected"])
            held = None
            if arrays:
                worn, most, halves = arrays[number].worn, arrays[number].most_pulsed, arrays[number].half_selected
                held = arrays[number].state["slow"]
            found[matrix.layer.name] = {
                "pulses_up": sums["pulses_up"],
                "pulses_down": sums["pulses_down"],
                "half_selected": halves if tile.chip.array.cell == "crossbar" else 0.0,
                "refreshed": tile.refreshed,
                "saturated_cells": float(np.mean([cells.saturated(tile.one_sided, held) for cells in tile.cells])),
                "stuck_cells": float(np.mean([cells.stuck for cells in tile.cells])),
                "worn_cells": worn,
                "most_pulsed": most,
                "reads": reads[number],
                "converted": {verb: sums[f"converted_{verb}"] for verb in VERBS},
                "clipped": {verb: sums[f"clipped_{verb}"] / max(sums[f"converted_{verb}"], 1) for verb in VERBS},
            }
        return found


def taken(matrix: WeightedPart) -> list[int]:
    """What a tile has converted and read since the last call: the entries from `converted_forward` on."""
    tile = matrix.tile
    conversions = [(tile.converted.pop(verb, 0), tile.clipped.pop(verb, 0)) for verb in VERBS]
    reads = [(tile.vectors.pop(verb, 0), tile.read_vectors.pop(verb, 0)) for verb in READ]
    return [count for pair in (*conversions, *reads) for count in pair]
