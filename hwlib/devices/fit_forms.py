"""The update laws as a fit sees them: numbers to start from, their bounds, pulses, and the record that they make.

A conductance x is in units of half the measured range, from -1 to 1. Functions take many sets of
parameters at once, one in each column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwlib.devices.laws import (
    ExponentialStep,
    Linear,
    LinearStep,
    NonlinearityLabel,
    PiecewiseStep,
    PowerStep,
    SoftBounds,
    UpdateLaw,
)
from hwlib.devices.stepwise import exponential_factor, power_factor, table_factor
from hwlib.devices.update_law import LABEL_MAX, Steps, apply_pulses, label_step, linear_step

NODES = 5
"""Nodes of a piecewise table in each direction (our choice: more than the parameters of any curve)."""

FARTHEST_BOUND = 0.5
"""Soft bounds lie at most this far beyond the measured range, in units of its half (our choice: a bound that is
farther shows in the data as a slope only, which `linear_step` has)."""


@dataclass(frozen=True)
class Form:
    """How one law is fitted.

    Parameters
    ----------
    start, low, high : sequence of float
        First values and bounds of the parameters. The first two are the logarithms of the steps up and down.
    move : function
        Parameters (one row each), x and signed pulses to the x after them.
    record : function
        Parameters to law, states, and how far the range reaches beyond the measured one at either end.
    """

    start: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    move: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    record: Callable[[np.ndarray], tuple[UpdateLaw, int, float, float]]


def forms(up: float, down: float, lowest: float) -> list[Form]:
    """The laws, from plain to rich.

    Parameters
    ----------
    up, down : float
        Mean step of a pulse in each direction, in units of half the range.
    lowest : float
        Smallest conductance in units of half the range: soft bounds stay above nine tenths below it.
    """
    steps, least, most = (np.log(up), np.log(down)), (-16.0, -16.0), (np.log(4.0), np.log(4.0))
    states = np.log(2 / np.sqrt(up * down))
    nodes = (np.log(up),) * NODES + (np.log(down),) * NODES
    farthest = (FARTHEST_BOUND, max(min(FARTHEST_BOUND, 0.9 * lowest), 1e-9))
    label = (np.log(2.0), -LABEL_MAX, -LABEL_MAX), (16.0, LABEL_MAX, LABEL_MAX)
    exponential = (*least, -50, -50, 0.05, 0.05), (*most, 5, 5, 12, 12)
    return [
        Form(steps, least, most, _move(_constant), _linear_record),
        Form((states, 1.0, -1.0), *label, _move(_label), _label_record),
        Form((*steps, 0.1, 0.1), (*least, 0, 0), (0, 0, *farthest), _move(_soft), _soft_record),
        Form((*steps, 0.3, 0.3), (*least, 0, 0), (*most, 5, 5), _move(_slopes), _slopes_record),
        Form((*steps, 0.5, 0.5), (*least, 0, 0), (*most, 10, 10), _pulse_by_pulse(_power), _power_record),
        Form((*steps, 0.1, 0.1, 2, 2), *exponential, _pulse_by_pulse(_exponential), _exponential_record),
        Form(nodes, least * NODES, most * NODES, _pulse_by_pulse(_table), _table_record),
    ]


def _move(steps: Callable[[np.ndarray], Steps]) -> Any:
    """Pulses by the closed form."""
    return lambda theta, x, n: apply_pulses(x, n, steps(theta.T))


def _pulse_by_pulse(factors: Callable[..., tuple[np.ndarray, np.ndarray]]) -> Any:
    """Pulses one after the other, each of the sizes up and down that the function gives."""

    def move(theta: np.ndarray, x: np.ndarray, n: np.ndarray) -> np.ndarray:
        count = np.abs(n)
        for fired in range(int(np.max(count, initial=0))):
            up, down = factors(theta.T, x)
            x = np.where(count > fired, np.clip(x + np.where(n > 0, up, -down), -1, 1), x)
        return x

    return move


def _constant(p: np.ndarray) -> Steps:
    return Steps(np.exp(p[0]), 0 * p[0], np.exp(p[1]), 0 * p[1])


def _label(p: np.ndarray) -> Steps:
    s_up, r_up = label_step(p[1], np.exp(p[0]))
    s_down, r_down = label_step(p[2], np.exp(p[0]))
    return Steps(s_up, r_up, s_down, -r_down)


def _soft(p: np.ndarray) -> Steps:
    r_up, r_down = -np.log1p(-np.minimum(np.exp(p[:2]), 1 - 1e-6))
    return Steps(r_up * (1 + p[2]), r_up, r_down * (1 + p[3]), r_down)


def _slopes(p: np.ndarray) -> Steps:
    return Steps(*linear_step(np.exp(p[0]), p[2], 0.0, 1.0), *linear_step(np.exp(p[1]), p[3], 0.0, 1.0))


def _power(p: np.ndarray, x: np.ndarray) -> tuple[Any, Any]:
    return np.exp(p[0]) * power_factor((1 - x) / 2, p[2]), np.exp(p[1]) * power_factor((1 + x) / 2, p[3])


def _exponential(p: np.ndarray, x: np.ndarray) -> tuple[Any, Any]:
    return np.exp(p[0]) * exponential_factor(x, p[2], p[4]), np.exp(p[1]) * exponential_factor(-x, p[3], p[5])


def _table(p: np.ndarray, x: np.ndarray) -> tuple[Any, Any]:
    position = (1 + x) / 2
    return table_factor(position, np.exp(p[:NODES].T)), table_factor(position, np.exp(p[NODES : 2 * NODES].T))


def _steps(up: float, down: float) -> tuple[int, dict[str, float]]:
    """Whole states, and the exact steps in units of the range over them."""
    states = max(2, round(float(2 / np.sqrt(up * down))))
    return states, {"step_up": float(up * states / 2), "step_down": float(down * states / 2)}


def _linear_record(p: np.ndarray) -> tuple[UpdateLaw, int, float, float]:
    states, steps = _steps(*np.exp(p))
    return Linear(**steps), states, 0.0, 0.0


def _label_record(p: np.ndarray) -> tuple[UpdateLaw, int, float, float]:
    return NonlinearityLabel(up=float(p[1]), down=float(p[2])), max(2, round(float(np.exp(p[0])))), 0.0, 0.0


def _soft_record(p: np.ndarray) -> tuple[UpdateLaw, int, float, float]:
    states, steps = _steps(*np.exp(p[:2]))
    return SoftBounds(**steps), states, float(p[3]), float(p[2])


def _slopes_record(p: np.ndarray) -> tuple[UpdateLaw, int, float, float]:
    states, steps = _steps(*np.exp(p[:2]))
    return LinearStep(**steps, slope_up=float(p[2]), slope_down=float(p[3])), states, 0.0, 0.0


def _power_record(p: np.ndarray) -> tuple[UpdateLaw, int, float, float]:
    states, steps = _steps(*np.exp(p[:2]))
    return PowerStep(**steps, exponent_up=float(p[2]), exponent_down=float(p[3])), states, 0.0, 0.0


def _exponential_record(p: np.ndarray) -> tuple[UpdateLaw, int, float, float]:
    states, steps = _steps(*np.exp(p[:2]))
    names = ("amplitude_up", "amplitude_down", "rate_up", "rate_down")
    return ExponentialStep(**steps, **dict(zip(names, map(float, p[2:]), strict=True))), states, 0.0, 0.0


def _table_record(p: np.ndarray) -> tuple[UpdateLaw, int, float, float]:
    """Nodes are in units of the mean step of their direction."""
    up, down = np.exp(p[:NODES]), np.exp(p[NODES:])
    states, steps = _steps(up.mean(), down.mean())
    nodes = {"nodes_up": tuple(map(float, up / up.mean())), "nodes_down": tuple(map(float, down / down.mean()))}
    return PiecewiseStep(**steps, **nodes), states, 0.0, 0.0
