"""What writing a conductance and waiting do to it: programming error, drift, read noise, relaxation.

Pure functions of conductances and times; the coefficients are sections of a device's record. Equations:
Nandakumar et al. 2019 as published in Rasch et al. 2021 (aihwkit), and the sources of each device.
"""

from __future__ import annotations

import numpy as np

from hwlib.component import Real
from hwlib.devices.statistics import (
    Curve,
    Drift,
    LogarithmCurve,
    PolynomialCurve,
    Programming,
    ReadNoise,
    Relaxation,
    RelaxationTable,
    TableCurve,
)
from hwlib.provenance import check_range

SMALLEST_RATIO = 1e-7
"""Floor of the conductance over the largest one, which keeps logarithms finite (rasch2021toolkit)."""

SMALLEST_SPREAD = 1e-12
"""Stands for a spread of nothing where it is divided by (our choice: far below what any fit resolves)."""


def normal_probability(x: Real) -> Real:
    """Probability that a normal number is below x."""
    from scipy.special import ndtr  # not loaded by an estimate

    return ndtr(x)


def polynomial(coefficients: tuple[float, ...], ratio: Real) -> Real:
    """c0 + c1 r + c2 r² + ..."""
    return np.polynomial.polynomial.polyval(ratio, np.asarray(coefficients))


def evaluate(curve: Curve, ratio: Real) -> Real:
    """A curve of a device's record at conductances over the largest one. [1]"""
    r = np.maximum(ratio, SMALLEST_RATIO)
    if isinstance(curve, PolynomialCurve):
        return polynomial(curve.coefficients, r)
    if isinstance(curve, TableCurve):
        return np.interp(r, curve.ratios, curve.values)
    if isinstance(curve, LogarithmCurve):
        value = np.clip(curve.slope * np.log(r) + curve.offset, curve.low, curve.high)
        return np.where(r >= curve.until, polynomial(curve.polynomial, r), value)[()] if curve.polynomial else value
    return np.minimum(curve.scale * r**curve.exponent, curve.high)


def programming_sigma(programming: Programming, target: Real, largest: float) -> Real:
    """Standard deviation of a conductance right after it was written.

    Parameters
    ----------
    programming : Programming
    target : float or array
        Wanted conductance, from 0 to `largest`. [S]
    largest : float
        Largest conductance of the device. [S]

    Returns
    -------
    float or array
        [S]
    """
    check_range("conductance that is programmed", target, 0, largest, "S")
    return largest / programming.largest * np.maximum(polynomial(programming.sigma, target / largest), 0)


def drift_exponent(drift: Drift, target: Real, largest: float) -> tuple[Real, Real]:
    """Mean and standard deviation of the Gaussian whose magnitude is a cell's drift exponent.

    Parameters
    ----------
    drift : Drift
    target : float or array
        Conductance that was aimed at. [S]
    largest : float
        Largest conductance of the device. [S]
    """
    return evaluate(drift.exponent_mean, target / largest), evaluate(drift.exponent_sigma, target / largest)


def drift_factor(drift: Drift, exponent: Real, time: Real) -> Real:
    """Conductance after a time over that at its start.

    Parameters
    ----------
    drift : Drift
    exponent : float or array
        Drift exponent of the cell.
    time : float or array
        Since the end of programming. [s]
    """
    return ((time + drift.start) / drift.start) ** -exponent


def drift_moment(drift: Drift, target: Real, largest: float, time: Real, order: int) -> Real:
    """Mean of a power of the drift factor over the cells that aimed at one conductance.

    The moment-generating function of the magnitude of a Gaussian, in closed form.

    Parameters
    ----------
    drift : Drift
    target : float or array
        Conductance that was aimed at. [S]
    largest : float
        Largest conductance of the device. [S]
    time : float or array
        Since the end of programming. [s]
    order : int
        Of the power.
    """
    mean, sigma = drift_exponent(drift, target, largest)
    decades = order * np.log((time + drift.start) / drift.start)
    sigma = np.maximum(sigma, SMALLEST_SPREAD)
    shift, half = decades * sigma, np.exp((decades * sigma) ** 2 / 2)
    kept = np.exp(-decades * mean) * normal_probability(mean / sigma - shift)
    folded = np.exp(decades * mean) * normal_probability(-mean / sigma - shift)
    return half * (kept + folded)


def read_sigma(noise: ReadNoise, conductance: Real, programmed: Real, largest: float, time: Real) -> Real:
    """Standard deviation of a read.

    Parameters
    ----------
    noise : ReadNoise
    conductance : float or array
        At the time of the read. [S]
    programmed : float or array
        Right after programming; the coefficient is that of this one. [S]
    largest : float
        Largest conductance of the device. [S]
    time : float or array
        On the clock of the device's fit, which for a drifting one starts with `drift.start`; at least `read_time`. [s]

    Returns
    -------
    float or array
        [S]
    """
    size = conductance if noise.relative_to == "conductance" else largest
    if noise.spectrum == "white":
        return np.abs(size) * np.maximum(evaluate(noise.coefficient, programmed / largest), 0)
    check_range("time of a read", time, noise.read_time, np.inf, "s")
    grown = np.log((np.maximum(time, noise.read_time) + noise.read_time) / (2 * noise.read_time))
    return np.abs(size) * np.maximum(evaluate(noise.coefficient, programmed / largest), 0) * np.sqrt(grown)


def relaxation(law: Relaxation, target: Real, largest: float, time: Real) -> tuple[Real, Real]:
    """Shift of the mean and standard deviation of a conductance that was written some time ago.

    Parameters
    ----------
    law : Relaxation
    target : float or array
        Wanted conductance, from 0 to `largest`. [S]
    largest : float
        Largest conductance of the device. [S]
    time : float or array
        Since programming, at least 1 s for the logarithm. [s] Between two points of a table deviations
        change linearly with the logarithm of time (our choice); outside the nearest point holds, and is noted.

    Returns
    -------
    shift, sigma : float or array
        [S] The deviation is from the target; a table's includes the programming error, a logarithm's does not.
    """
    if isinstance(law, RelaxationTable):
        times = np.array([point.time for point in law.points])
        check_range("time since programming", time, times[0], times[-1], "s")
        place = np.interp(np.log(time), np.log(times), np.arange(len(times)))
        each = [np.maximum(polynomial(point.sigma, target / largest), 0) for point in law.points]
        sigma = sum(one * np.maximum(0, 1 - np.abs(place - index)) for index, one in enumerate(each))
        return np.zeros_like(sigma), sigma
    check_range("time since programming", time, 1.0, np.inf, "s")
    elapsed = np.log(np.maximum(time, 1.0)) + np.zeros_like(target, dtype=float)
    return law.mean_slope * elapsed, law.sigma_slope * elapsed + law.sigma_offset
