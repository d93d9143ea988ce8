"""The ledger of a training: what was pulsed, converted, clipped, and what has become of the cells, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from cimest.kernels.types import PulseCounts
from cimest.learning.matrix import WeightedPart

VERBS = ("forward", "backward", "weight_gradient")
"""Passes that convert."""

ENTRIES = (
    "pulses_up",
    "pulses_down",
    "half_selected",
    *(f"{kind}_{verb}" for verb in VERBS for kind in ("converted", "clipped")),
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

        Where no transistor cuts a cell off, every pulse half-selects the other cells of its column, and every slot
        the cells of the row that get none.
        """
        for row, matrix, update in zip(self.sums, self.matrices, counts, strict=True):
            tile, pulses = matrix.tile, update.pulses_up + update.pulses_down
            halves = 0
            if tile.chip.array.cell == "crossbar":
                slots = int((update.longest_up + update.longest_down).sum())
                columns = min(tile.chip.array.columns, matrix.layer.fan_out) * len(tile.cells)
                halves = pulses * (min(tile.chip.array.rows, matrix.layer.fan_in) - 1) + slots * columns - pulses
            row[:3] += update.pulses_up, update.pulses_down, halves

    def add_conversions(self) -> None:
        """What the tiles have converted since they were last asked."""
        for row, matrix in zip(self.sums, self.matrices, strict=True):
            for number, (converted, clipped) in enumerate(taken(matrix)):
                row[3 + 2 * number : 5 + 2 * number] += converted, clipped

    def entries(self) -> dict[str, dict[str, Any]]:
        """The ledger as a result holds it; shares are fractions, of clipped conversions over the whole training."""
        found = {}
        for row, matrix in zip(self.sums, self.matrices, strict=True):
            sums, tile = dict(zip(ENTRIES, row.tolist(), strict=True)), matrix.tile
            found[matrix.layer.name] = {
                "pulses_up": sums["pulses_up"],
                "pulses_down": sums["pulses_down"],
                "half_selected": sums["half_selected"],
                "refreshed": tile.refreshed,
                "saturated_cells": float(np.mean([cells.saturated(tile.one_sided) for cells in tile.cells])),
                "stuck_cells": float(np.mean([cells.stuck for cells in tile.cells])),
                "worn_cells": float(np.mean([cells.worn for cells in tile.cells])),
                "most_pulsed": int(tile.written.max()),
                "converted": {verb: sums[f"converted_{verb}"] for verb in VERBS},
                "clipped": {verb: sums[f"clipped_{verb}"] / max(sums[f"converted_{verb}"], 1) for verb in VERBS},
            }
        return found


def taken(matrix: WeightedPart) -> list[tuple[int, int]]:
    """Conversions of a tile since the last call, and those clipped, of each of `VERBS`."""
    tile = matrix.tile
    return [(tile.converted.pop(verb, 0), tile.clipped.pop(verb, 0)) for verb in VERBS]
