"""The cells of in-memory rules: how they differ, where they balance, and all of it in sixteen bits a number."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cimest.kernels import in_memory_types as types
from cimest.kernels.random import threefry2x32
from hwlib.devices import Device
from hwlib.devices import cells as device_cells
from hwlib.devices.cell_law import CellLaw, cell_law, factor
from hwlib.devices.cells import normalised

LARGEST = np.iinfo(np.int16).max

NODES = 65
"""Points of a curve that is no straight line (our choice: straight lines between them are good to 1e-3 of a step for
the published exponents)."""

BISECTIONS = 24
"""Halvings of the range in which a balance point is sought: to single precision."""


class Cells(NamedTuple):
    """The cells of one array.

    Parameters
    ----------
    numbers : array of float32, shape (6, rows, columns)
        In the order `UP` to `HIGH` of `in_memory_types`.
    nodes : array of float32, shape (2, nodes)
        Empty for straight lines.
    """

    numbers: np.ndarray
    nodes: np.ndarray


REFERENCE = 6
"""Number of a cell's draw after those of `make_cells`: error of its reference."""

LEVELS = 8
"""Largest number of arrays of a layer."""


def _words(seed: int, tile: int, stream: int, step: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    counter = np.arange(shape[0] * shape[1], dtype=np.uint32).reshape(shape)
    return threefry2x32((np.uint32(seed), np.uint32(types.first_key(tile) + stream)), (np.uint32(step), counter))


def normal(seed: int, tile: int, stream: int, step: int, shape: tuple[int, int]) -> np.ndarray:
    """A normal number for each cell of a tile, from a step of one of the streams of `in_memory_types`."""
    first, second = _words(seed, tile, stream, step, shape)
    return np.sqrt(-2 * np.log((first + 0.5) * 2.0**-32)) * np.cos(2 * np.pi * (second * 2.0**-32))


def uniform(seed: int, tile: int, stream: int, step: int, shape: tuple[int, int]) -> np.ndarray:
    """A number between zero and one for each cell of a tile, likewise."""
    return (_words(seed, tile, stream, step, shape)[0] + 0.5) * 2.0**-32


def spread(number: int, level: int) -> tuple[int, int]:
    """Stream and step of a draw that tells the cells of an array apart."""
    return types.SPREAD, number * LEVELS + level


def draw(device: Device, seed: int, tile: int, level: int, shape: tuple[int, int]) -> CellLaw:
    """Cells of an array beside the weights', which differ as the device's record says."""
    return cell_law(device, _differing(device, seed, tile, level, shape))


def stuck(device: Device, seed: int, tile: int, level: int, shape: tuple[int, int]) -> np.ndarray:
    """Weights at which faulty cells of that array stay; not a number for the others."""
    found = normalised(device.update, _differing(device, seed, tile, level, shape).stuck)
    return np.broadcast_to(np.asarray(found, dtype=np.float32), shape)


def _differing(device: Device, seed: int, tile: int, level: int, shape: tuple[int, int]) -> device_cells.Cells:
    return device_cells.make_cells(
        device,
        lambda number: normal(seed, tile, *spread(number, level), shape),
        lambda number: uniform(seed, tile, *spread(number, level), shape),
    )


def one_pulse(law: CellLaw, shape: tuple[int, int]) -> Cells:
    """A law's single pulses: straight lines over the weight, or a curve between the ends of each cell's range."""
    full = [np.broadcast_to(np.asarray(entry, dtype=float), shape) for entry in (*law.steps, law.low, law.high)]
    start_up, rate_up, start_down, rate_down, low, high = full
    if law.form == "affine":
        up, up_slope = _whole(start_up, rate_up)
        down, down_slope = _whole(start_down, rate_down)
        return Cells(
            np.array([up, up_slope, down, down_slope, low, high], dtype=np.float32), np.empty((2, 0), np.float32)
        )
    place = np.linspace(0, 1, NODES)
    typical = law._replace(low=-1.0, high=1.0, origin=float(np.mean(law.origin)))
    nodes = np.array([factor(typical, 2 * place - 1, direction) for direction in (True, False)], dtype=np.float32)
    nothing = np.zeros(shape)
    return Cells(np.array([start_up, nothing, start_down, nothing, low, high], dtype=np.float32), nodes)


def _whole(start: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Step and slope of one pulse whose rate of change is start - rate · w; see `update_law.apply_pulses`."""
    slope = -np.expm1(-rate)
    straight = rate == 0
    return np.where(straight, start, start * slope / np.where(straight, 1.0, rate)), slope


def steps(cells: Cells, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Size of a pulse up and of one down, at weights w."""
    up, up_slope, down, down_slope, low, high = cells.numbers.astype(float)
    if cells.nodes.shape[1] == 0:
        return np.maximum(up - up_slope * w, 0), np.maximum(down + down_slope * w, 0)
    place, grid = np.clip((w - low) / (high - low), 0, 1), np.linspace(0, 1, cells.nodes.shape[1])
    return up * np.interp(place, grid, cells.nodes[0]), down * np.interp(place, grid, cells.nodes[1])


def symmetry_points(cells: Cells) -> np.ndarray:
    """Weights at which a pulse up and one down are of the same size, within each cell's range.

    Where the two curves do not cross it is the end to which pairs of pulses drive the cell. Constant steps lead nowhere
    else and hardly there: they are counted from the middle of the range (our choice).
    """
    low, high = cells.numbers[4].astype(float), cells.numbers[5].astype(float)
    flat = cells.nodes.shape[1] == 0
    if flat:
        up, up_slope, down, down_slope = cells.numbers[:4].astype(float)
        slope = up_slope + down_slope
        balanced = np.divide(up - down, slope, out=np.zeros_like(up), where=slope > 1e-9)
        return np.clip(np.where(slope > 1e-9, balanced, (low + high) / 2), low, high).astype(np.float32)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        up, down = steps(cells, middle)
        low, high = np.where(up > down, middle, low), np.where(up > down, high, middle)
    return ((low + high) / 2).astype(np.float32)


def alternated(cells: Cells, pairs: int, noise: float, seed: int, tile: int, level: int) -> np.ndarray:
    """Where so many pairs of a pulse up and one down from the middle of the range lead, each with its noise.

    That is the mean of what the last pulse up and the last one down left: after either alone a cell is half a step off.
    """
    low, high = cells.numbers[4].astype(float), cells.numbers[5].astype(float)
    w = before = np.clip(np.zeros_like(low), low, high)
    moves = cells.numbers[0] > 0, cells.numbers[2] > 0
    for pulse in range(2 * pairs):
        up, down = steps(cells, w)
        draw = normal(seed, tile, types.SEARCH, pulse * LEVELS + level, low.shape) if noise else 0.0
        down_now = pulse % 2
        moved = np.clip(w + (-down if down_now else up) + noise * draw, low, high)
        before, w = w, np.where(moves[down_now], moved, w)
    return ((before + w) / 2).astype(np.float32)


def shifted(cells: Cells, reference: np.ndarray) -> Cells:
    """The same cells with weights counted from a reference."""
    up, up_slope, down, down_slope, low, high = cells.numbers
    moved = [up - up_slope * reference, up_slope, down + down_slope * reference, down_slope]
    return Cells(np.array([*moved, low - reference, high - reference], dtype=np.float32), cells.nodes)


def packed(cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of all cells in 16 bits with sign, and what a unit of each is worth; see `in_memory_types.Tile`."""
    count = cells.numbers[0].size
    codes = np.zeros((count, types.CODES), dtype=np.int16)
    scales = np.zeros(types.CODES, dtype=np.float32)
    for place, values in enumerate(cells.numbers.reshape(len(cells.numbers), -1)):
        largest = float(np.abs(values).max(initial=0))
        scales[place] = largest / LARGEST if largest > 0 else 1.0
        codes[:, place] = np.rint(values / scales[place])
    return codes, scales


def pulse_noise(device: Device) -> tuple[float, bool]:
    """Standard deviation of the noise of a pulse, in weights, and whether each pulse of a train has its own."""
    return 2 * device.cycle_to_cycle.sigma, device.cycle_to_cycle.per == "pulse"
