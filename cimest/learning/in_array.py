"""The verb of a tile whose rule pulses outer products in its arrays: a batch's vectors, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cimest.config.schema import Chip
from cimest.kernels import in_memory_types as types
from cimest.kernels.types import PulseCounts
from cimest.learning import converter
from cimest.learning.in_memory import InMemoryUpdate
from cimest.rules.in_memory import InMemory
from cimest.rules.rule import State

if TYPE_CHECKING:
    from cimest.learning.tile import AnalogTile

RANGE = 2.0
"""Full scale of a transfer read, in weights: the largest difference between two cells (our choice: one row is on, so
the converter takes the range of a cell instead of that of a sum)."""


def one_row(chip: Chip) -> types.Periphery:
    """Converters of a read whose one input is full."""
    if chip.adc.kind == "ideal":
        return types.IDEAL
    steps = max(converter.codes(chip.adc.bits, signed=True)[1], 1)
    return types.Periphery(0, steps, RANGE, chip.adc.noise * RANGE / steps, 0)


class InArray:
    """A rule's arrays beside those of a tile.

    Parameters
    ----------
    tile : AnalogTile
    rule : InMemory

    Raises
    ------
    ValueError
        If the layer has groups, whose blocks would need trains of their own.
    """

    def __init__(self, tile: AnalogTile, rule: InMemory):
        if tile.layer.groups > 1:
            raise ValueError(f"layer {tile.layer.name}: pulse trains in the arrays know no groups of channels")
        self.tile, self.cells = tile, tile.cells[0]
        self.rule_update = InMemoryUpdate(rule, tile.chip.device, self.cells.law, tile.shape, tile.seed, tile.number)
        self.periphery = one_row(tile.chip)
        self.state: State = {}

    def update(self, state: State, x: np.ndarray, errors: np.ndarray, learning_rate: float) -> State:
        """Vectors of inputs and errors, as codes; the tile's weights change, and the new state is returned."""
        from cimest.kernels import in_memory

        update, weights = self.rule_update, self.cells.weights
        if not len(state["counts"]):
            state = update.start(state, weights)
        before, written = state["counts"].copy(), state["written"][0].copy()
        tile, arrays = update.tile(state, weights)
        rule, shape, device = update.rule, update.shape, update.device
        in_memory.update(
            tile, update.plan, x.astype(np.float32), errors.astype(np.float32),
            rule.gain(shape, device, learning_rate), rule.speed(learning_rate), self.periphery, update.room,
        )  # fmt: skip
        self.state = update.finish(state, arrays)
        self._count(self.state["counts"] - before, self.state["written"][0] - written)
        return self.state

    def _count(self, done: np.ndarray, pulses: np.ndarray) -> None:
        """Pulses of the cells that hold the weights."""
        self.cells.written += pulses
        none = np.zeros_like(self.tile.counts.longest_up)
        up, down = (done[types.UP_SLOW], done[types.DOWN_SLOW]) if done[types.READS] or done[types.PRODUCTS] else (
            done[types.UP_FAST], done[types.DOWN_FAST]
        )  # fmt: skip
        cells = np.count_nonzero(pulses) * up / max(up + down, 1)
        self.tile.counts += PulseCounts(
            int(cells), int(np.count_nonzero(pulses)) - int(cells), int(up), int(down), none, none
        )

    def activity(self, updates: int) -> dict[str, float]:
        """What the arrays have done in so many updates, as entries of `LayerActivity`."""
        if not self.state:
            return {}
        counts, (rows, columns), plan = self.state["counts"], self.rule_update.shape, self.rule_update.plan
        vectors, slots = max(counts[types.VECTORS], 1), max(counts[types.SLOTS], 1)
        offered = vectors / plan.batch * rows if plan.batch else counts[types.READS]
        return {
            "most_written": float(self.state["written"].max()) / max(updates, 1),
            "train_slots": float(counts[types.SLOTS] / vectors),
            "train_rows": float(counts[types.LINES_ROWS] / slots / rows),
            "train_columns": float(counts[types.LINES_COLUMNS] / slots / columns),
            "transferred": float(counts[types.CELLS_SLOW] / max(offered * columns, 1)),
        }
