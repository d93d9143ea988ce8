"""What pulses do to a weight by the affine update laws: one closed form for all of them.

A weight w in [-1, 1] stands for the position between the ends of the conductance range. The affine laws
(nonlinearity label, linear, soft bounds, linear step) move it, for each pulse, by

    up:    dw/dn =   s_up   - r_up   w
    down:  dw/dn = -(s_down + r_down w)

so that n pulses have the exact solution of `apply_pulses`, and n then m pulses equal n + m. The four
numbers of a cell (`Steps`) are all that the training simulator needs of a cell whose range is the typical one.

The other laws (exponential, power and piecewise step) have no closed form: `stepwise` and `cell_law` go pulse by
pulse.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwlib.component import Real
from hwlib.devices.laws import (
    AFFINE,
    LinearStep,
    NonlinearityLabel,
    SoftBounds,
    StepLaw,
    UpdateLaw,
)
from hwlib.provenance import check_range, uses

GAP_PER_LABEL = 0.098995
"""Largest gap between curve and straight line for a label of 1: 0.07 sqrt(2), the distance from the
diagonal in units of which the label counts (observed in neurosim_v2_1)."""

LABEL_MAX = 9.0
"""Largest label for which the published table gives a curve (neurosim_v2_1)."""

GROWTH_MAX = 80.0
"""Our choice: the exponent after which a growing step has reached the bound from any start: exp(80) times the spacing
of doubles near 1 is far above the range 2, and exp(80) is still a float32."""

CLOSEST_TO_ONE_PULSE = 1 - 1e-6
"""Soft bounds with 2 states cover the distance to the bound in one pulse, an infinite rate; they stop short
of it by one millionth instead (our choice: below the precision of a float32 weight update)."""


class NotAffine(ValueError):
    """An update law that has no closed form."""

    def __init__(self, law: str):
        super().__init__(f"the update law {law} has no closed form; laws that have one: {', '.join(AFFINE)}")


class Steps(NamedTuple):
    """Coefficients of the affine law, each a number or an array with one entry per cell. [per pulse]"""

    s_up: Real
    r_up: Real
    s_down: Real
    r_down: Real


def gap(steepness: Real) -> Real:
    """Largest gap between the normalised exponential curve and the straight line.

    For g(p) = (1 - exp(-k p)) / (1 - exp(-k)), the maximum of g(p) - p over p in [0, 1] lies where
    g'(p) = 1, which gives 1/D - 1/k - ln(k/D)/k with D = 1 - exp(-k).

    Parameters
    ----------
    steepness : float or array
        k = Pmax / A > 0, one over the curvature. Below 1e-3 the difference loses its digits.

    Returns
    -------
    float or array
        Gap, in [0, 1).
    """
    drop = -np.expm1(-steepness)
    return 1 / drop - 1 / steepness - np.log(steepness / drop) / steepness


def _steepness_table() -> tuple[np.ndarray, np.ndarray]:
    """Gap, and log of steepness over gap, which varies so slowly that straight lines between the points
    are good to 1e-6. The limit for the straight line is 8: gap = k/8 - k³/576 + ..."""
    steepness = np.geomspace(1e-3, 50.0, 1 << 14)
    gaps = gap(steepness)
    return np.append(0.0, gaps), np.append(np.log(8.0), np.log(steepness / gaps))


_GAPS, _LOG_RATIOS = _steepness_table()


def steepness(label: Real) -> Real:
    """One over the curvature of a nonlinearity label, with the sign of the label.

    Inverts `gap` = 0.098995 |label|; 0 for label 0, the straight line. Relative error below 1e-6.

    Parameters
    ----------
    label : float or array
        Nonlinearity label. Valid from -9 to 9; beyond, the value at 9 is taken and the extrapolation noted.

    Returns
    -------
    float or array
        k = Pmax / A.
    """
    check_range("nonlinearity label", label, -LABEL_MAX, LABEL_MAX)
    wanted = GAP_PER_LABEL * np.minimum(np.abs(label), LABEL_MAX)
    return np.sign(label) * wanted * np.exp(np.interp(wanted, _GAPS, _LOG_RATIOS))


def curvature(label: Real) -> Real:
    """Curvature a = A / Pmax of a nonlinearity label, infinite for label 0; see `steepness`."""
    k = np.asarray(steepness(label))
    return np.divide(1.0, k, out=np.full(k.shape, np.inf), where=k != 0)[()]


def affine_coefficients(law: UpdateLaw, states: Real, deviation: Real = 0.0) -> Steps:
    """The affine form of an update law.

    Parameters
    ----------
    law : NonlinearityLabel, Linear, SoftBounds or LinearStep
        Update law of a device.
    states : float or array
        Pulses for a full sweep (for laws of a step, range over the step), at least 2.
    deviation : float or array, optional
        How far each cell departs from the typical one: a shift of both labels for `nonlinearity_label`
        (the same shift, in label units), for the other laws see `gain`. Draw it with the standard
        deviation `law.device_to_device`.

    Returns
    -------
    Steps
        s and r for both directions, broadcast over `states` and `deviation`.

    Raises
    ------
    NotAffine
        For the exponential, power and piecewise step.

    Notes
    -----
    Label law: the curve w(p) = B (1 - exp(-k p / P)) - 1 with B = 2 / (1 - exp(-k)) has the slope
    (k / P) (B - 1 - w), so r = k / P and s = (k / P) coth(k / 2), which tends to 2 / P for the straight line.
    Pulses up walk it forwards, pulses down walk the curve of the other label backwards: labels of
    opposite sign saturate each in its own direction, equal labels share one curve.
    Linear step: a pulse adds a - f w (`linear_step`), so w approaches a / f, closing the fraction f of the
    distance with each pulse: r = -ln(1 - f), s = r a / f. Soft bounds and linear are its slopes 1 and 0.
    """
    states = np.asarray(states, dtype=float)
    if isinstance(law, NonlinearityLabel):
        uses("peng2021neurosim_v2", "neurosim_v2_1")
        s_up, r_up = label_step(np.clip(law.up + np.asarray(deviation), -LABEL_MAX, LABEL_MAX), states)
        s_down, r_down = label_step(np.clip(law.down + np.asarray(deviation), -LABEL_MAX, LABEL_MAX), states)
        return Steps(s_up, r_up, s_down, -r_down)
    if law.law not in AFFINE:
        raise NotAffine(law.law)
    uses("rasch2021toolkit", "rasch2024fast")
    step = 2 / states * gain(law, deviation)
    slope_up, slope_down = slopes(law)
    middle, half = (law.low + law.high) / 2, (law.high - law.low) / 2
    up = linear_step(step * law.step_up, slope_up, middle / law.high, half / law.high)
    down = linear_step(step * law.step_down, slope_down, middle / (law.low or -1), -half / (law.low or -1))
    return Steps(*up, *down)


def slopes(law: StepLaw) -> tuple[float, float]:
    """Slopes of both directions of a law whose step is a straight line over the weight."""
    if isinstance(law, LinearStep):
        return law.slope_up, law.slope_down
    return (1.0, 1.0) if isinstance(law, SoftBounds) else (0.0, 0.0)


def gain(law: StepLaw, deviation: Real) -> Real:
    """Step of a cell over that of the typical one: 1 + deviation, at least 0 (the cell does not move), or its
    exponential if the law's spread is log-normal."""
    deviation = np.asarray(deviation, dtype=float)
    return np.exp(deviation) if law.log_normal else np.maximum(1 + deviation, 0)


def linear_step(step: Real, slope: Real, middle: Real, half: Real) -> tuple[Real, Real]:
    """s and r of pulses of step (1 - slope (middle + half |w|)), which adds a - f |w| with |w| along the pulses.

    Parameters
    ----------
    step : float or array
        In w.
    slope : float or array
        Loss of the step from v = 0 to the bound.
    middle, half : float or array
        Middle and half of the range, over the bound that is approached.

    Returns
    -------
    s, r : float or array
        See `affine_coefficients`.
    """
    start, fraction = step * (1 - slope * middle), step * slope * half
    rate = -np.log1p(-np.minimum(fraction, CLOSEST_TO_ONE_PULSE))
    straight = fraction == 0
    return start * np.where(straight, 1.0, rate / np.where(straight, 1.0, fraction)), rate


def label_step(label: Real, states: Real) -> tuple[Real, Real]:
    """s and r of one direction of the label law; see `affine_coefficients`."""
    k = steepness(label)
    straight = k == 0
    half = np.where(straight, 1.0, k) / 2
    return np.where(straight, 2.0, k / np.tanh(half)) / states, k / states


def apply_pulses(w: Real, n: Real, steps: Steps, low: Real = -1.0, high: Real = 1.0) -> np.ndarray:
    """Weights after pulses, in closed form.

    Parameters
    ----------
    w : float or array
        Weights in [-1, 1].
    n : float or array
        Pulses of each cell, up where positive, down where negative; fractions are allowed.
    steps : Steps
        From `affine_coefficients`.
    low, high : float or array
        Ends of each cell's range.

    Returns
    -------
    array
        w + (s - r w) n g(r n), g(z) = (1 - exp(-z)) / z, mirrored for n < 0, clipped to the range.

    Notes
    -----
    A curve that starts flat (label of the sign opposite to saturation) has steps near its start below
    the resolution of the weight from |label| of about 7 (double) and 5 (single precision): there the cell
    stays where it is, as it does for all practical numbers of pulses.
    """
    direction, count = np.sign(n), np.abs(n)
    up = direction > 0
    slope = np.where(up, steps.r_up, steps.r_down)
    speed = np.maximum(np.where(up, steps.s_up, steps.s_down) - direction * slope * w, 0)
    exponent = np.maximum(slope * count, -GROWTH_MAX)
    straight = exponent == 0
    relaxation = np.where(straight, 1.0, -np.expm1(-exponent) / np.where(straight, 1.0, exponent))
    return np.clip(w + direction * speed * count * relaxation, low, high)
