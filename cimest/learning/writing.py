"""How a tile's rows are written: pulses at the cells of all weights, verified writes, and refreshes of pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cimest.kernels import backend
from cimest.kernels.converters import Transfer
from cimest.kernels.random import ROUNDING
from cimest.kernels.types import PulseCounts
from hwlib.devices import Device
from hwlib.devices.stepwise import apply_law

if TYPE_CHECKING:
    from cimest.learning.tile import AnalogTile

LEAST_STEP = 2e-6
"""Of a pair of pulses, up and down, over half the range: with less, a learning rate would ask for millions of pulses,
one after the other (our choice)."""

FULL, EMPTY = 0.75, 0.25
"""Fractions of the range that the larger and the smaller cell of a pair exceed when it is refreshed."""

ROUNDS_MAX = 8
"""Writes of a row after which its controller gives up, be there cells that do not move (our choice)."""


def pulses_per_cell(device: Device) -> float:
    """Pulses that move a cell by half the range of a typical one, at the pace in its middle.

    Raises
    ------
    ValueError
        If pulses do not move it there.
    """
    up, down = apply_law(device.update, device.states, np.zeros(2), np.array([1, -1]))
    if up - down < LEAST_STEP:
        raise ValueError(f"device {device.name}: pulses do not move a cell that is in the middle of its range")
    return float(2 / (up - down))


def write(tile: AnalogTile, amount: np.ndarray, rounding: str) -> PulseCounts:
    """Pulses at every weight; see `AnalogTile.pulse`."""
    verified = tile.chip.write.verify == "row"
    if rounding == "stochastic" and (verified or (tile.pair and not tile.one_sided)):  # once for all cells and rounds
        address = tile.address._replace(step=tile.time)
        amount, rounding = np.floor(amount + backend().uniform(address, ROUNDING, tile.shape)), "nearest"
    if tile.one_sided:
        wanted = [np.maximum(amount, 0), np.maximum(-amount, 0)]
    else:
        wanted = [amount, -amount] if tile.pair else [amount]
    if verified:
        return _verified(tile, wanted)
    return tile.fire(wanted, rounding)


def _verified(tile: AnalogTile, wanted: list[np.ndarray]) -> PulseCounts:
    """Pulses, and those of the rounds after, until each row reads within half a step of what it should hold.

    Rows are read by the forward converter before the first write and after each. A cell should then hold what was read
    plus so many steps of a typical cell in the middle of its range. Cells of a one-sided pair that have gone too far
    stay there.
    """
    step = 1 / pulses_per_cell(tile.chip.device)
    targets = [before + np.rint(amount) * step for before, amount in zip(_read(tile), wanted, strict=True)]
    targets = [np.clip(target, -1, 1) for target in targets]
    counts, amounts = PulseCounts.none(*tile.counts.longest_up.shape), wanted
    for number in range(ROUNDS_MAX):
        update = tile.fire(amounts, "nearest")
        rows = int(np.count_nonzero((update.longest_up > 0) | (update.longest_down > 0)))
        counts += update
        tile.row_writes += rows
        if number == 0:
            tile.rows_written += rows
            touched = [np.rint(amount) != 0 for amount in wanted]
        amounts = [
            np.where(cells, np.rint((target - now) / step), 0)
            for cells, target, now in zip(touched, targets, _read(tile), strict=True)
        ]
        if tile.one_sided:
            amounts = [np.maximum(amount, 0) for amount in amounts]
        if not any(amount.any() for amount in amounts):
            break
    return counts


def refresh(tile: AnalogTile) -> PulseCounts:
    """Write pairs anew whose larger cell is full and whose smaller one is not empty, as in rasch2021toolkit.

    Each cell is read by the forward converter; both are reset by one pulse; the difference goes to one of them in
    pulses of the typical step, unverified.
    """
    read = [(1 + now) / 2 for now in _read(tile)]
    chosen = (np.maximum(*read) > FULL) & (np.minimum(*read) > EMPTY)
    tile.refreshed += int(np.count_nonzero(chosen))
    first, second = (cells.reset(chosen, tile.time + number) for number, cells in enumerate(tile.cells))
    tile.time += len(tile.cells)
    update = first.beside(second)
    difference = np.where(chosen, read[0] - read[1], 0) * tile.chip.device.states
    return update + tile.fire([np.maximum(difference, 0), np.maximum(-difference, 0)], "nearest")


def _read(tile: AnalogTile) -> list[np.ndarray]:
    """Each cell as the forward converter reads it when its row is on alone: its range is that of a typical cell.

    Cells of a pair come to the same converter, one after the other.
    """
    adc, curves = tile.chip.adc, tile.readout.curves["forward"]
    levels, read = 2**adc.bits - 1, []
    blocks = np.repeat(np.arange(len(tile.row_edges) - 1), np.diff(tile.row_edges))
    for cells in tile.cells:
        value, variance = cells.visible, cells.read_variance()
        if variance is not None:
            value = value + np.sqrt(variance) * tile.draw(tile.shape)
        if adc.kind != "ideal":
            u = np.clip(value, -1, 1)
            code = (1 + u) / 2 * levels
            if curves is not None:
                code = code + Transfer(*(entry[blocks] for entry in curves)).error(u)
            if adc.noise:
                code = code + adc.noise * tile.draw(tile.shape)
            value = 2 * np.clip(np.rint(code), 0, levels) / levels - 1
        read.append(np.clip(value, -1, 1))
    return read
