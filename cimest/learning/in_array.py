"""The verb of a tile whose rule pulses outer products in its arrays, and what the arrays have done in a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cimest.config.chip import Chip
from cimest.kernels import in_memory_types as types
from cimest.kernels.types import PulseCounts
from cimest.learning import converter
from cimest.learning.cells import mean_conductance
from cimest.learning.in_memory import InMemoryUpdate
from cimest.rules.in_memory import InMemory
from cimest.rules.rule import State
from hwlib.devices import Device
from hwlib.devices.retention import read_sigma

if TYPE_CHECKING:
    from cimest.learning.cells import CellArray
    from cimest.learning.tile import AnalogTile

RANGE = types.READING
"""Full scale of a transfer read, in weights, unless chip.periphery fixes the range of all reads (our choice: one row
is on, so the converter takes the range of a cell instead of that of a sum)."""


def one_row(chip: Chip, cells: int = 1) -> types.Periphery:
    """Converters of a read whose one input is full.

    Parameters
    ----------
    chip : Chip
    cells : int
        Whose read noise a value has: two where a reference is subtracted.
    """
    read = cells**0.5 * _read_noise(chip.device)
    if chip.adc.kind == "ideal":
        return types.IDEAL._replace(noise=read)
    steps = max(converter.codes(chip.adc.bits, signed=True)[1], 1)
    bound = RANGE if chip.periphery.output_range is None else chip.periphery.output_range
    return types.Periphery(steps, bound, float(np.hypot(chip.adc.noise * bound / steps, read)))


def _read_noise(device: Device) -> float:
    """Standard deviation of a weight from read to read, at the middle conductance (our choice: one for all cells)."""
    noise, low, high = device.read_noise, device.conductance_min, device.conductance_max
    if noise is None:
        return 0.0
    middle = np.array((low + high) / 2)
    return float(2 * read_sigma(noise, middle, middle, high, np.array(noise.read_time)) / (high - low))


def variance_beside(rule: InMemory, device: Device) -> float:
    """Variance of a weight from read to read by arrays whose currents join those of its own, and their references."""
    return 2 * _read_noise(device) ** 2 * float(np.square(rule.shares[1:]).sum())


class Begun(NamedTuple):
    """What an update starts from: the state, its counts and the pulses of the weights' cells, and the kernels' tile."""

    state: State
    counts: np.ndarray
    written: np.ndarray
    tile: types.Tile
    arrays: np.ndarray


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
        self.tile = tile
        self.rule_update = InMemoryUpdate(rule, tile.chip.device, self.cells.law, tile.shape, tile.seed, tile.number)
        self.periphery = one_row(tile.chip, 1 if rule.tracked else 2)

    @property
    def cells(self) -> CellArray:
        """Those of the weights; a tile that begins anew gets others."""
        return self.tile.cells[0]

    def update(self, state: State, x: np.ndarray, errors: np.ndarray, learning_rate: float) -> State:
        """Vectors of inputs, as words, and of errors; the tile's weights change, and the new state is returned.

        How large errors are counts, not only over one another: pulses are in proportion to them over their running
        mean, so that a batch with smaller errors changes less.
        """
        from cimest.kernels import in_memory

        begun, update = self.begin(state), self.rule_update
        rule, shape, device = update.rule, update.shape, update.device
        in_memory.update(
            begun.tile, update.plan, x.astype(np.float32), errors,
            rule.gain(shape, device, learning_rate), rule.speed(learning_rate), self.periphery, update.room,
        )  # fmt: skip
        return self.end(begun)

    def begin(self, state: State) -> Begun:
        """The tile as kernels take it, whose arrays `end` puts back."""
        update, weights = self.rule_update, self.cells.weights
        if not len(state["counts"]):
            state = update.start(state, weights)
        counts, written = state["counts"].copy(), state["written"][0].copy()
        return Begun(state, counts, written, *update.tile(state, weights))

    def end(self, begun: Begun, updates: int = 1) -> State:
        """The state after so many updates of what `begin` gave."""
        after = self.rule_update.finish(begun.state, begun.arrays)
        self._count(after["counts"] - begun.counts, after["written"][0] - begun.written, updates)
        return after

    def _count(self, done: np.ndarray, pulses: np.ndarray, updates: int) -> None:
        """Pulses of the cells that hold the weights, up and down as those of all arrays that are written alike.

        Cells that several updates pulse count for each, as the kernels count them.
        """
        self.cells.written += pulses
        none = np.zeros_like(self.tile.counts.longest_up)
        directly = self.rule_update.rule.levels == 1 and not self.rule_update.plan.batch
        up, down = (types.UP_FAST, types.DOWN_FAST) if directly else (types.UP_SLOW, types.DOWN_SLOW)
        share, total = float(done[up] / max(done[up] + done[down], 1)), int(pulses.sum())
        pulsed = int(done[types.CELLS_FAST if directly else types.CELLS_SLOW])
        cells = min(pulsed, total) if updates > 1 else int(np.count_nonzero(pulses))
        cells_up, pulses_up = round(cells * share), round(total * share)
        self.tile.counts += PulseCounts(cells_up, cells - cells_up, pulses_up, total - pulses_up, none, none)


class Arrays(NamedTuple):
    """What the arrays of a layer have done in a training under a rule that updates in them.

    Parameters
    ----------
    rule : InMemory
    device : Device
    state : State
        Of the rule, after at least one update.
    signed : bool
        Whether inputs of the layer have a sign.
    row_edges : array of int64
        Blocks of rows that lie in an array.
    """

    rule: InMemory
    device: Device
    state: State
    signed: bool
    row_edges: np.ndarray

    def activity(self, updates: int) -> dict[str, float]:
        """Entries of `LayerActivity`, means over all vectors; `updates` are the batches."""
        counts, (rows, columns) = self.state["counts"], self.state["slow"].shape
        batch = self.rule.plan((rows, columns), self.device).batch
        vectors, slots = max(counts[types.VECTORS], 1), max(counts[types.SLOTS], 1)
        offered = vectors // batch * rows if batch else counts[types.READS]
        cells, written = max(counts[types.CELLS_SLOW], 1), counts[types.ROWS_SLOW]
        return {
            "most_written": float(self.most_pulsed) / max(updates, 1),
            "train_slots": float(counts[types.SLOTS] / vectors),
            "train_rows": float(counts[types.LINES_ROWS] / slots / rows),
            "train_columns": float(counts[types.LINES_COLUMNS] / slots / columns),
            "train_coincidences": float(
                (counts[types.UP_FAST] + counts[types.DOWN_FAST]) / slots / (rows * columns)
            ),
            "transferred": float(counts[types.CELLS_SLOW] / max(offered * columns, 1)),
            "transfer_pulses": float((counts[types.UP_SLOW] + counts[types.DOWN_SLOW]) / cells),
            "transfer_slots": float(counts[types.SLOTS_SLOW] / max(written, 1)),
            "transfer_rows": float(written / max(offered, 1)),
        }  # fmt: skip

    @property
    def conductance(self) -> float:
        """Mean of the cells that hold the weights, without what other arrays add to them; see `mean_conductance`."""
        return float(np.clip(mean_conductance(self.state["slow"]), 0, 1))

    @property
    def most_pulsed(self) -> int:
        """Pulses of the most pulsed cell of all arrays."""
        return int(self.state["written"].max())

    @property
    def worn(self) -> float:
        """Share of the cells of all arrays that have had their endurance."""
        endurance = self.device.endurance
        return 0.0 if endurance is None else float(np.mean(self.state["written"] >= endurance))

    @property
    def half_selected(self) -> float:
        """Times that a cell without a selecting transistor saw half of a pulse.

        In trains a line that fires half-selects all its cells but those whose other line fires too; where a row is
        written, see `Ledger`.
        """
        counts, (rows, columns) = self.state["counts"], self.state["slow"].shape
        both = int(counts[types.UP_FAST] + counts[types.DOWN_FAST])
        fired_rows = 2 * int(counts[types.LINES_ROWS])  # with errors of either sign
        fired_columns = self.rule.cycles(self.signed) // 2 * int(counts[types.LINES_COLUMNS])
        trains = fired_rows * columns + fired_columns * rows - 2 * both
        levels = self.rule.levels - 1 or (1 if self.rule.matrices else 0)
        pulses = self.state["written"][:levels].sum(axis=(0, 2), dtype=np.int64)
        others = pulses @ (block_of_each(self.row_edges) - 1)
        return float(trains + others + counts[types.SLOTS_SLOW] * columns - pulses.sum())


def block_of_each(edges: np.ndarray) -> np.ndarray:
    """Lines of the block that each line is in."""
    lines = np.diff(edges)
    return np.repeat(lines, lines)
