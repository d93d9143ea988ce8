"""How layers occupy the chip: arrays, copies, tiles, and how much of them is used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cimest.config.chip import Chip
from cimest.mapping.blocks import by_kernel_position
from cimest.network import Network, Weighted
from hwlib.component import Real

TILE_SIZES = (1, 2, 4, 8, 16)
"""PEs of a tile among which `auto` chooses."""

GOOD_UTILISATION = 0.8
"""What `auto` calls a full chip (our choice): a larger tile shortens the way of partial sums, an empty array leaks."""


@dataclass(frozen=True)
class Placement:
    """One layer on the chip.

    Parameters
    ----------
    layer : Weighted
    row_blocks, column_blocks : float or array
        Blocks into which the arrays cut the layer's matrix.
    copies : float or array
        How often the whole layer is stored; copies work on different positions of the map.
    tiles : float or array
        Tiles that belong to the layer.
    tile_rows, tile_columns : float or array
        Tiles over which the row blocks of one column block, and the column blocks, of one copy spread.
    """

    layer: Weighted
    row_blocks: Real
    column_blocks: Real
    copies: Real
    tiles: Real
    tile_rows: Real
    tile_columns: Real

    @property
    def arrays(self) -> Real:
        """Arrays of one copy that hold weights."""
        return self.row_blocks * self.column_blocks


@dataclass(frozen=True)
class FloorPlan:
    """All layers on the chip.

    Parameters
    ----------
    placements : tuple of Placement
        In the order of the network's layers with weights.
    arrays_per_tile : float or array
    """

    placements: tuple[Placement, ...]
    arrays_per_tile: Real

    @property
    def tiles(self) -> Real:
        """Tiles of the chip."""
        return sum(placement.tiles for placement in self.placements)

    @property
    def arrays(self) -> Real:
        """Arrays of the chip, used or not."""
        return self.tiles * self.arrays_per_tile

    @property
    def utilisation(self) -> Real:
        """Arrays that hold weights over all arrays."""
        return sum(placement.arrays * placement.copies for placement in self.placements) / self.arrays


def blocks(layer: Weighted, chip: Chip) -> tuple[Real, Real]:
    """Row blocks of each group of a layer's matrix, as many as `row_edges` cuts, and column blocks of all groups.

    Each group has arrays of its own, in which `column_edges` cuts.
    """
    rows = chip.array.rows
    unrolled = np.ceil(layer.fan_in / rows)
    split = layer.kernel_positions * np.ceil(layer.channels / layer.groups / rows)
    per_position = by_kernel_position(layer, rows, chip.mapping)
    columns = layer.groups * np.ceil(layer.fan_out / layer.groups / chip.array.columns)
    return np.where(per_position, split, unrolled)[()], columns


def _arrays_per_tile(used: list[Real], chip: Chip) -> Real:
    """Arrays of a tile; see `Hierarchy.pes` for what `auto` means."""
    per_pe = chip.tile.arrays_per_pe
    if chip.tile.pes != "auto":
        return per_pe * chip.tile.pes
    best_size: Real = TILE_SIZES[0] * per_pe
    best: Real = 0.0
    for size in (pes * per_pe for pes in TILE_SIZES):
        utilisation = sum(used) / sum(np.ceil(arrays / size) * size for arrays in used)
        better = np.minimum(utilisation, GOOD_UTILISATION) >= np.minimum(best, GOOD_UTILISATION)
        best_size, best = np.where(better, size, best_size)[()], np.where(better, utilisation, best)[()]
    return best_size


def place(network: Network, chip: Chip) -> FloorPlan:
    """Give each layer its arrays and tiles.

    A tile belongs to one layer. With `duplication: fill_tile` a layer is stored as often as its
    tiles have room.
    """
    cuts = [blocks(layer, chip) for layer in network.matrices]
    size = _arrays_per_tile([rows * columns for rows, columns in cuts], chip)
    placements = []
    for layer, (rows, columns) in zip(network.matrices, cuts, strict=True):
        tiles = np.ceil(rows * columns / size)
        copies = np.maximum(1, tiles * size // (rows * columns)) if chip.duplication == "fill_tile" else 1
        tile_rows = np.ceil(rows / size)
        tile_columns = np.ceil(tiles / tile_rows)
        placements.append(Placement(layer, rows, columns, copies, tiles, tile_rows, tile_columns))
    return FloorPlan(tuple(placements), size)


def gradient_blocks(positions: Real, channels: int, chip: Chip) -> tuple[Real, Real]:
    """Blocks, down and across, that `positions` rows of `channels` activations fill in the weight-gradient unit."""
    unit = chip.weight_gradient
    return np.ceil(positions / unit.rows), np.ceil(channels * chip.input_bits / unit.columns)
