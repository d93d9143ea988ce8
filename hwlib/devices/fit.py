"""Fits every update law to measured pulses, splits the noise into its kinds, and ranks the laws.

The model is x_k = f(x_{k-1}) + process noise, y_k = x_k + read noise, with f the law, x a conductance in
units of half the measured range. Predictions follow the innovations form of the Kalman filter: after each
measurement the state moves by the gain times the error of the prediction. With independent Gaussian
noises those errors are independent, so that their sum of squares is the likelihood: law and gain
are fitted together, a law is not rewarded for following the noise, and the gain tells write noise, which stays in
the cell (gain 1), from read noise, which does not (gain 0). Textbook: Harvey, Forecasting, Structural
Time Series Models and the Kalman Filter, 1989, chapters 3 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from hwlib.devices.fit_forms import NODES, Form, forms
from hwlib.devices.laws import UpdateLaw
from hwlib.devices.measurement import BadPulseData, Run

RESOLUTION = 1e-4
"""Residuals below this, in units of half the range, count as none (our choice: a 14-bit instrument; without a
floor, data without noise would rank the laws by their rounding)."""


class Series(NamedTuple):
    """Measurements of all runs, padded to one length: arrays of shape (runs, 1) and (runs, length, 1)."""

    up: np.ndarray
    value: np.ndarray
    pulses: np.ndarray


@dataclass(frozen=True)
class LawFit:
    """One law, fitted.

    Parameters
    ----------
    law : UpdateLaw
    states : int
    low, high : float
        Ends of the conductance range. [S]
    parameters : int
        Fitted numbers, gain and variance included.
    rms : float
        Root of the mean square error of the predictions, fraction of the range.
    aic, bic : float
        Akaike's and Schwarz's criteria; the smaller the better.
    cycle_to_cycle : float
        Standard deviation that a pulse adds to the cell, fraction of the range.
    read_noise : float
        Standard deviation that a measurement adds and the next one does not see, fraction of the range.
    errors : list of array
        Error of each prediction, by run; the first measurement of a run has none. [S]
    """

    law: UpdateLaw
    states: int
    low: float
    high: float
    parameters: int
    rms: float
    aic: float
    bic: float
    cycle_to_cycle: float
    read_noise: float
    errors: list[np.ndarray]


def fit_laws(runs: Sequence[Run]) -> list[LawFit]:
    """Every law fitted to measured runs, the best first.

    Parameters
    ----------
    runs : sequence of Run
        At least one in each direction; see `measurement.read_pulses`.

    Returns
    -------
    list of LawFit
        By Schwarz's criterion (BIC); where that is the same to a tenth, in the order of `fit_forms.forms`.

    Raises
    ------
    BadPulseData
        If there are too few measurements, or the conductance does not change.
    """
    low, high = measured_range(runs)
    if sum(len(run.pulses) - 1 for run in runs) < 2 * NODES + 4:
        raise BadPulseData([f"too few measurements to fit: there must be at least {2 * NODES + 4} pulses"])
    if high - low <= RESOLUTION * high:
        raise BadPulseData(["the conductance does not change"])
    middle, half = (low + high) / 2, (high - low) / 2
    series = _series(runs, middle, half)
    fits = [_fit(form, series, runs, middle, half) for form in forms(*_first_steps(series), low / half)]
    return sorted(fits, key=lambda fit: round(fit.bic, 1))


def measured_range(runs: Sequence[Run]) -> tuple[float, float]:
    """Ends of the conductance range. [S]

    Of each run's first and last measurements, a tenth but at least 4, the straight line's value at the end:
    extremes of single measurements would grow with the noise.
    """
    ends = []
    for run in runs:
        count = min(len(run.pulses), max(4, len(run.pulses) // 10))
        for part, end in ((slice(None, count), run.pulses[0]), (slice(-count, None), run.pulses[-1])):
            line = np.polynomial.Polynomial.fit(run.pulses[part], run.conductance[part], min(1, count - 1))
            ends.append(float(line(end)))
    low, high = min(ends), max(ends)
    if low <= 0:
        smallest = min(float(np.min(run.conductance)) for run in runs)
        return smallest, high
    return low, high


def _series(runs: Sequence[Run], middle: float, half: float) -> Series:
    length = max(len(run.pulses) for run in runs)
    value, pulses = np.zeros((len(runs), length, 1)), np.zeros((len(runs), length, 1))
    for index, run in enumerate(runs):
        value[index, : len(run.pulses), 0] = (run.conductance - middle) / half
        pulses[index, 1 : len(run.pulses), 0] = np.diff(run.pulses)
    return Series(np.array([[run.up] for run in runs]), value, pulses)


def predictions(form: Form, theta: np.ndarray, series: Series) -> np.ndarray:
    """Errors of the predictions, for many sets of parameters at once.

    Parameters
    ----------
    form : Form
    theta : array, shape (sets, parameters + 1)
        The last one is the gain.
    series : Series

    Returns
    -------
    array, shape (runs, length - 1, sets)
        0 where a run has no measurement. The state of a run is not known before its first measurement, so
        its gain starts as 1/2, 1/3, ... until that is below the gain; errors are scaled to one variance.
    """
    gain, sign = theta[:, -1], np.where(series.up, 1.0, -1.0)
    state = np.broadcast_to(series.value[:, 0], (len(series.value), len(theta)))
    errors = np.zeros((len(series.value), series.value.shape[1] - 1, len(theta)))
    for index in range(1, series.value.shape[1]):
        pulses = series.pulses[:, index]
        expected = form.move(theta, state, sign * pulses)
        present = np.maximum(gain, 1 / (index + 1))
        error = np.where(pulses > 0, series.value[:, index] - expected, 0.0)
        state = expected + present * error
        errors[:, index - 1] = error * np.sqrt((1 - present) / (1 - gain))
    return errors


def _fit(form: Form, series: Series, runs: Sequence[Run], middle: float, half: float) -> LawFit:
    count = int(np.count_nonzero(series.pulses))
    used = (series.pulses[:, 1:, 0] > 0).ravel()

    def residuals(theta: np.ndarray) -> np.ndarray:
        return predictions(form, np.atleast_2d(theta), series)[..., 0].ravel()[used]

    low, high = np.array((*form.low, 1e-3)), np.array((*form.high, 0.999))

    def slopes(theta: np.ndarray) -> np.ndarray:
        step = 1e-6 * np.maximum(1.0, np.abs(theta))
        step = np.where(theta + step > high, -step, step)
        moved = predictions(form, np.vstack([theta, theta + np.diag(step)]), series)
        moved = moved.reshape(-1, len(theta) + 1)[used]
        return (moved[:, 1:] - moved[:, :1]) / step

    starts = [np.clip((*form.start, gain), low, high) for gain in (0.05, 0.8)]
    tries = [least_squares(residuals, start, slopes, (low, high), x_scale="jac", max_nfev=100) for start in starts]
    best = min(tries, key=lambda found: found.cost)
    theta, parameters = best.x, len(best.x) + 1
    variance = max(2 * best.cost / count, RESOLUTION**2)
    law, states, below, above = form.record(theta[:-1])
    error_sigma = np.sqrt(2 * best.cost / max(count - parameters, 1))
    write, read = _noises(form, theta, series, error_sigma)
    errors = predictions(form, theta[None], series)[..., 0] * half
    reach = (2 + below + above) / 2
    return LawFit(
        law=law,
        states=states,
        low=middle - half * (1 + below),
        high=middle + half * (1 + above),
        parameters=parameters,
        rms=float(np.sqrt(2 * best.cost / count) / 2),
        aic=float(count * np.log(variance) + 2 * parameters),
        bic=float(count * np.log(variance) + parameters * np.log(count)),
        cycle_to_cycle=write / 2 / reach,
        read_noise=read / 2,
        errors=[one[: len(run.pulses) - 1] for one, run in zip(errors, runs, strict=True)],
    )


def _noises(form: Form, theta: np.ndarray, series: Series, sigma: float) -> tuple[float, float]:
    """Write noise of a pulse and read noise of a measurement, from the gain K and the errors' deviation.

    The filter's variance before a measurement is P = K S with S = sigma², read noise has S - P, and a
    pulse that multiplies deviations by d adds P - d² (1 - K) P.
    """
    gain, small = theta[-1], 1e-4
    here = series.pulses[:, 1:] > 0
    value, sign = series.value[:, :-1][here], np.broadcast_to(np.where(series.up, 1.0, -1.0)[:, None], here.shape)[here]
    pulses = series.pulses[:, 1:][here]
    both = [form.move(theta[None], (value + shift)[:, None], (sign * pulses)[:, None]) for shift in (small, -small)]
    kept = np.clip(np.mean((both[0] - both[1]) / (2 * small)), 0, 1)
    added = gain * sigma**2 * (1 - kept**2 * (1 - gain)) / np.mean(pulses)
    return float(np.sqrt(added)), float(sigma * np.sqrt(1 - gain))


def _first_steps(series: Series) -> tuple[float, float]:
    """Mean step of each direction, in x; a direction that does not move gets a thousandth of the range."""
    change = np.diff(series.value[..., 0], axis=1) * (series.pulses[:, 1:, 0] > 0)
    total = [abs(change[series.up[:, 0] == up].sum()) for up in (True, False)]
    fired = [series.pulses[series.up[:, 0] == up].sum() for up in (True, False)]
    return max(total[0] / fired[0], 2e-3), max(total[1] / fired[1], 2e-3)
