"""What pulses do to a weight by any update law: the size of one pulse, and any number of them.

The exponential, power and piecewise step have no closed form and go pulse by pulse; the affine laws take that
of `update_law`. A weight w in [-1, 1] stands for the position between the ends of the conductance range.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwlib.component import Real
from hwlib.devices.laws import AFFINE, ExponentialStep, PiecewiseStep, PowerStep, SoftBounds, StepLaw, UpdateLaw
from hwlib.devices.update_law import GROWTH_MAX, affine_coefficients, apply_pulses, gain, slopes
from hwlib.provenance import uses


def exponential_factor(z: Real, amplitude: Real, rate: Real) -> Real:
    """Step over the typical one, max(0, 1 - amplitude exp(rate z)) (Rasch et al. 2021). [1]"""
    return np.maximum(0, 1 - amplitude * np.exp(np.minimum(rate * z, GROWTH_MAX)))


def power_factor(distance: Real, exponent: Real) -> Real:
    """Step over the typical one, a power of the distance to the bound in units of the range. [1]"""
    return np.clip(distance, 0, 1) ** exponent


def table_factor(position: Real, nodes: Sequence[float] | np.ndarray) -> Real:
    """Step over the typical one, by straight lines between nodes equally spaced over the range. [1]

    Parameters
    ----------
    position : float or array
        0 at the low end to 1 at the high end.
    nodes : sequence or array
        The last axis holds the nodes; the others broadcast against `position`.
    """
    table = np.asarray(nodes, dtype=float)
    place = np.clip(position, 0, 1)[..., None] * (table.shape[-1] - 1)
    return np.sum(table * np.maximum(0, 1 - np.abs(place - np.arange(table.shape[-1]))), axis=-1)


def factors(law: StepLaw, v: Real, low: Real, high: Real) -> tuple[Real, Real]:
    """Size of a pulse up and of one down, in units of the typical step.

    Parameters
    ----------
    law : StepLaw
        Any law but the nonlinearity label.
    v : float or array
        Weight in the units of the law.
    low, high : float or array
        Ends of the cell's range; a linear step keeps to the ends of the typical cell (Rasch et al. 2021).
    """
    uses("rasch2021toolkit")
    v = np.asarray(v, dtype=float)
    if isinstance(law, ExponentialStep):
        z = 2 * law.scale * v / (high - low) + law.shift
        down = exponential_factor(-z, law.amplitude_down, law.rate_down)
        return exponential_factor(z, law.amplitude_up, law.rate_up), down
    position = (v - low) / (high - low)
    if isinstance(law, PowerStep):
        return power_factor(1 - position, law.exponent_up), power_factor(position, law.exponent_down)
    if isinstance(law, PiecewiseStep):
        return table_factor(position, law.nodes_up), table_factor(position, law.nodes_down)
    if isinstance(law, SoftBounds):
        return 1 - v / high, 1 - v / low
    slope_up, slope_down = slopes(law)
    return 1 - slope_up * v / law.high, 1 - (slope_down * v / law.low if slope_down else np.zeros_like(v))


def apply_law(law: UpdateLaw, states: float, w: Real, n: Real, deviation: Real = 0.0) -> np.ndarray:
    """Weights after pulses, by any law, without noise.

    Parameters
    ----------
    law : UpdateLaw
    states : float
        Pulses for a full sweep, or range over the step.
    w : float or array
        Weights in [-1, 1].
    n : float or array
        Whole numbers of pulses, up where positive; they broadcast against `w`.
    deviation : float or array, optional
        See `affine_coefficients`.

    Returns
    -------
    array
        In closed form for the affine laws; otherwise pulse by pulse, for as many rounds as the most pulsed
        cell has pulses. Either way exact, and clipped to [-1, 1].
    """
    if law.law in AFFINE:
        return apply_pulses(w, n, affine_coefficients(law, states, deviation))
    assert isinstance(law, StepLaw)
    w, n, size = np.broadcast_arrays(np.asarray(w, dtype=float), n, 2 / states * gain(law, deviation))
    middle, half = (law.low + law.high) / 2, (law.high - law.low) / 2
    count = np.abs(n)
    for fired in range(int(np.max(count, initial=0))):
        up, down = factors(law, middle + half * w, law.low, law.high)
        moved = w + size * np.where(n > 0, law.step_up * up, -law.step_down * down)
        w = np.where(count > fired, np.clip(moved, -1, 1), w)
    return w
