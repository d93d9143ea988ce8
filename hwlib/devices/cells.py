"""Cells of a device that differ: how they are drawn, and the specification of noisy pulses fired at them.

Plain and slow on purpose, one pulse after the other: what a fast kernel is held to.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwlib.devices.device import Device
from hwlib.devices.laws import LinearStep, NonlinearityLabel, StepLaw
from hwlib.devices.stepwise import factors
from hwlib.devices.update_law import affine_coefficients, apply_pulses, gain


class Cells(NamedTuple):
    """What tells the cells of one array apart, each an array of its shape.

    Parameters
    ----------
    deviation : array
        See `update_law.affine_coefficients`.
    step_up, step_down : array
        Step over that of the typical cell; 0 for a cell that does not move. The label law has no steps: 0 or 1.
    low, high : array
        Ends of the range, in the units of the law.
    slope : array
        What is added to both slopes of a linear step.
    """

    deviation: np.ndarray
    step_up: np.ndarray
    step_down: np.ndarray
    low: np.ndarray
    high: np.ndarray
    slope: np.ndarray


def draw_cells(device: Device, shape: tuple[int, ...], rng: np.random.Generator) -> Cells:
    """Cells of an array.

    A cell whose step would be negative, or whose ends would change places, does not move (our choice; aihwkit
    takes magnitudes, which turns a weak cell into a strong one).
    """
    law, spread = device.update, device.spread
    deviation, imbalance, low, high, slope = rng.standard_normal((5, *shape))
    deviation *= law.device_to_device
    moves = rng.random(shape) >= spread.corrupt
    if isinstance(law, NonlinearityLabel):
        one = moves.astype(float)
        return Cells(deviation, one, one, np.full(shape, -1.0), np.full(shape, 1.0), np.zeros(shape))
    size, imbalance = gain(law, deviation), spread.up_down * imbalance
    low, high = law.low * (1 + spread.lower_bound * low), law.high * (1 + spread.upper_bound * high)
    moves &= (low <= 0) & (high > 0) & (low < high)
    low, high = np.where(moves, low, law.low), np.where(moves, high, law.high)
    up, down = np.maximum(size + imbalance, 0), np.maximum(size - imbalance, 0)
    return Cells(deviation, up * moves, down * moves, low, high, spread.slope * slope)


def fire(device: Device, w: np.ndarray, n: np.ndarray, cells: Cells, rng: np.random.Generator) -> np.ndarray:
    """Weights after noisy pulses.

    Parameters
    ----------
    device : Device
    w : array
        Weights; [-1, 1] is the range of the typical cell.
    n : array of int
        Pulses of each cell, up where positive.
    cells : Cells
    rng : Generator

    Returns
    -------
    array
        With cycle-to-cycle noise, each pulse's or one per write, within each cell's own range. What a read
        sees is this plus `Device.write_noise` times the range 2 times a Gaussian drawn at each write.
    """
    law, noise, count = device.update, device.cycle_to_cycle, np.abs(n)
    low, high = (-1.0, 1.0) if isinstance(law, NonlinearityLabel) else _ends(law, cells)
    for fired in range(int(np.max(count, initial=0))):
        moved = _pulse(device, w, n, cells)
        last = (count == fired + 1) if noise.per == "write" else True
        moved = moved + 2 * noise.sigma * last * rng.standard_normal(np.shape(w))
        can_move = np.where(n > 0, cells.step_up, cells.step_down) > 0
        w = np.where((count > fired) & can_move, np.clip(moved, low, high), w)
    return w


def _ends(law: StepLaw, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    middle, half = (law.low + law.high) / 2, (law.high - law.low) / 2
    return (cells.low - middle) / half, (cells.high - middle) / half


def _pulse(device: Device, w: np.ndarray, n: np.ndarray, cells: Cells) -> np.ndarray:
    law = device.update
    if isinstance(law, NonlinearityLabel):
        return apply_pulses(w, np.sign(n), affine_coefficients(law, device.states, cells.deviation))
    v = (law.low + law.high) / 2 + (law.high - law.low) / 2 * w
    up, down = factors(law, v, cells.low, cells.high)
    if isinstance(law, LinearStep):
        up, down = up - cells.slope * v / law.high, down - cells.slope * v / (law.low or -1)
    size = np.where(n > 0, law.step_up * cells.step_up * up, -law.step_down * cells.step_down * down)
    return w + 2 / device.states * size
