"""The update law of each cell of an array in the form that a simulator takes: coefficients instead of records."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwlib.component import Real
from hwlib.devices.cells import Cells, ends
from hwlib.devices.device import Device
from hwlib.devices.laws import AFFINE, ExponentialStep, NonlinearityLabel, PiecewiseStep, PowerStep, SoftBounds, StepLaw
from hwlib.devices.stepwise import exponential_factor, power_factor, table_factor
from hwlib.devices.update_law import Steps, affine_coefficients, apply_pulses, linear_step, slopes
from hwlib.provenance import uses

FORMS = ("affine", "exponential", "power", "table")


class CellLaw(NamedTuple):
    """How the cells of an array move, each entry a number for all cells or an array with one for each of them.

    Parameters
    ----------
    form : {"affine", "exponential", "power", "table"}
    steps : Steps
        Affine coefficients; for the other forms s is the step of a pulse where its factor is 1, and r is 0.
    low, high : float or array
        Ends of the range as weights; [-1, 1] for the typical cell.
    origin : float or array
        Low end over range, in the units of the law, which an exponential step is measured from.
    shape_up, shape_down : array
        Numbers of the curve, for both directions: `amplitude, rate, scale, shift` of an exponential, the exponent of a
        power, the nodes of a table.
    """

    form: str
    steps: Steps
    low: Real
    high: Real
    origin: Real
    shape_up: np.ndarray
    shape_down: np.ndarray


def cell_law(device: Device, cells: Cells) -> CellLaw:
    """The law of a device for cells that differ; equations as in `stepwise.factors` and `affine_coefficients`."""
    law, states = device.update, device.states
    low, high = ends(device, cells)
    nothing = np.zeros(1)
    if isinstance(law, NonlinearityLabel):
        steps = affine_coefficients(law, states, cells.deviation)
        moving = Steps(*(entry * cells.step_up for entry in steps))
        return CellLaw("affine", moving, low, high, 0.0, nothing, nothing)
    uses("rasch2021toolkit", "rasch2024fast")
    up = 2 / states * law.step_up * cells.step_up
    down = 2 / states * law.step_down * cells.step_down
    if law.law in AFFINE:
        return CellLaw("affine", _affine(law, cells, up, down), low, high, 0.0, nothing, nothing)
    steps = Steps(up, 0.0, down, 0.0)
    if isinstance(law, ExponentialStep):
        curve = 2 * law.scale, law.shift
        shapes = (law.amplitude_up, law.rate_up, *curve), (law.amplitude_down, law.rate_down, *curve)
        return CellLaw("exponential", steps, low, high, cells.low / (cells.high - cells.low), *map(np.array, shapes))
    if isinstance(law, PowerStep):
        exponents = np.array([law.exponent_up]), np.array([law.exponent_down])
        return CellLaw("power", steps, low, high, 0.0, *exponents)
    assert isinstance(law, PiecewiseStep)
    return CellLaw("table", steps, low, high, 0.0, np.array(law.nodes_up), np.array(law.nodes_down))


def _affine(law: StepLaw, cells: Cells, up: Real, down: Real) -> Steps:
    """Coefficients of a step that is a straight line; soft bounds are those of the cell, slopes those of the law."""
    middle, half = (law.low + law.high) / 2, (law.high - law.low) / 2
    slope_up, slope_down = slopes(law)
    top, bottom = (cells.high, cells.low) if isinstance(law, SoftBounds) else (law.high, law.low or -1.0)
    steps_up = linear_step(up, slope_up + cells.slope, middle / top, half / top)
    return Steps(*steps_up, *linear_step(down, slope_down + cells.slope, middle / bottom, -half / bottom))


def factor(law: CellLaw, w: Real, up: Real) -> Real:
    """Step over the typical one of a pulse up, or down, by the forms that are not affine. [1]"""
    position = (w - law.low) / (law.high - law.low)
    if law.form == "exponential":
        z = law.shape_up[2] * (position + law.origin) + law.shape_up[3]
        rising, falling = (
            exponential_factor(sign * z, shape[0], shape[1])
            for sign, shape in ((1, law.shape_up), (-1, law.shape_down))
        )
    elif law.form == "power":
        rising, falling = power_factor(1 - position, law.shape_up[0]), power_factor(position, law.shape_down[0])
    else:
        rising, falling = table_factor(position, law.shape_up), table_factor(position, law.shape_down)
    return np.where(up, rising, falling)


def move(w: np.ndarray, n: np.ndarray, law: CellLaw) -> np.ndarray:
    """Weights after whole numbers of pulses without noise, each cell within its own range.

    The affine form is exact in one go, the others go pulse by pulse, for as many rounds as the most pulsed cell has.
    """
    if law.form == "affine":
        return apply_pulses(w, n, law.steps, law.low, law.high)
    count, up = np.abs(n), n > 0
    size = np.where(up, law.steps.s_up, -np.asarray(law.steps.s_down))
    for fired in range(int(np.max(count, initial=0))):
        w = np.where(count > fired, np.clip(w + size * factor(law, w, up), law.low, law.high), w)
    return w
