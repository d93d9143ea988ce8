"""Cells of a device that differ: how they are drawn, and the specification of noisy pulses fired at them.

Plain and slow on purpose, one pulse after the other: what a fast kernel is held to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hwlib.component import Real
from hwlib.devices.device import Device
from hwlib.devices.laws import LinearStep, NonlinearityLabel, UpdateLaw
from hwlib.devices.stepwise import factors
from hwlib.devices.update_law import affine_coefficients, apply_pulses, gain


class Cells(NamedTuple):
    """What tells the cells of one array apart, each a number that holds for all of them, or an array of its shape.

    Parameters
    ----------
    deviation : float or array
        See `update_law.affine_coefficients`.
    step_up, step_down : float or array
        Step over that of the typical cell; 0 for a cell that does not move. The label law has no steps: 0 or 1.
    low, high : float or array
        Ends of the range, in the units of the law.
    slope : float or array
        What is added to both slopes of a linear step.
    stuck : float or array
        Weight, in the units of the law, at which a faulty cell stays; not a number for the others.
    """

    deviation: Real
    step_up: Real
    step_down: Real
    low: Real
    high: Real
    slope: Real
    stuck: Real


Draw = Callable[[int], np.ndarray]


def make_cells(device: Device, normal: Draw, uniform: Draw) -> Cells:
    """Cells of an array from given random numbers.

    A cell whose step would be negative, or whose ends would change places, does not move (our choice; aihwkit
    takes magnitudes, which turns a weak cell into a strong one).

    Parameters
    ----------
    device : Device
    normal, uniform : function
        Numbers of stream 0 to 4 (normal) and 5 (uniform), one for each cell; called only for what the record has.
    """
    law, spread = device.update, device.spread

    def spread_by(deviation: float, stream: int) -> Real:
        return deviation * normal(stream) if deviation else 0.0

    deviation = spread_by(law.device_to_device, 0)
    faulty = spread.corrupt + spread.stuck_low + spread.stuck_high
    chance: Real = uniform(5) if faulty else 1.0
    moves = np.asarray(chance >= faulty)
    if isinstance(law, NonlinearityLabel):
        one = np.where(moves, 1.0, 0.0)
        return Cells(deviation, one, one, -1.0, 1.0, 0.0, _stuck(device, chance, -1.0, 1.0))
    size, imbalance = gain(law, deviation), spread_by(spread.up_down, 1)
    low, high = (
        law.low * (1 + spread_by(spread.lower_bound, 2)),
        law.high * (1 + spread_by(spread.upper_bound, 3)),
    )
    moves = np.asarray(moves & np.asarray(low <= 0) & np.asarray(high > 0) & np.asarray(low < high))
    low, high = np.where(moves, low, law.low), np.where(moves, high, law.high)
    up, down = np.maximum(size + imbalance, 0), np.maximum(size - imbalance, 0)
    slope = spread_by(spread.slope, 4)
    return Cells(deviation, up * moves, down * moves, low, high, slope, _stuck(device, chance, law.low, law.high))


def _stuck(device: Device, chance: Real, low: float, high: float) -> Real:
    """See `Cells.stuck`; `chance` decides the kind of fault, and where in the range a corrupt cell is stuck."""
    spread = device.spread
    anywhere = low + (high - low) * chance / (spread.corrupt or 1.0)
    others = np.where(chance < spread.corrupt + spread.stuck_low + spread.stuck_high, high, np.nan)
    others = np.where(chance < spread.corrupt + spread.stuck_low, low, others)
    return np.where(chance < spread.corrupt, anywhere, others)


def draw_cells(device: Device, shape: tuple[int, ...], rng: np.random.Generator) -> Cells:
    """Cells of an array, each entry an array of its shape; see `make_cells`."""
    numbers = rng.standard_normal((5, *shape))
    cells = make_cells(device, numbers.__getitem__, lambda _: rng.random(shape))
    return Cells(*(np.broadcast_to(entry, shape) for entry in cells))


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
    noise, count = device.cycle_to_cycle, np.abs(n)
    low, high = ends(device, cells)
    for fired in range(int(np.max(count, initial=0))):
        moved = _pulse(device, w, n, cells)
        last = (count == fired + 1) if noise.per == "write" else True
        moved = moved + 2 * noise.sigma * last * rng.standard_normal(np.shape(w))
        can_move = np.where(n > 0, cells.step_up, cells.step_down) > 0
        w = np.where((count > fired) & can_move, np.clip(moved, low, high), w)
    return w


def normalised(law: UpdateLaw, v: Real) -> Real:
    """Weight of which [-1, 1] is the range of the typical cell, from one in the units of the law."""
    if isinstance(law, NonlinearityLabel):
        return v
    return (v - (law.low + law.high) / 2) / ((law.high - law.low) / 2)


def ends(device: Device, cells: Cells) -> tuple[Real, Real]:
    """Each cell's range as weights; [-1, 1] for the typical cell."""
    return normalised(device.update, cells.low), normalised(device.update, cells.high)


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
