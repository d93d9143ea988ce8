"""A device over time: mean and variance of every conductance at every time, tabulated once, without sampling.

A conductance is written with a Gaussian error, decays or relaxes, and is read with noise; it is clamped to what is
physical after writing and after reading. Given the target, error of writing and drift exponent are independent, so
drift and clamp have closed forms and only the error of writing is integrated. Laws: `hwlib.devices.retention`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtr

from hwlib.component import Real
from hwlib.devices import Device
from hwlib.devices.retention import drift_exponent, drift_moment, programming_sigma, read_sigma, relaxation
from hwlib.devices.statistics import RelaxationTable
from hwlib.provenance import uses

TARGETS = 1001
"""Conductances of the table (our choice: finer ones change an error by less than 1e-5 of it)."""
NODES = 48
"""Nodes of the quadrature over the error of writing (our choice: twice as many change less than 1e-6)."""
WIDEST = 6.0
"""Standard deviations beyond which a normal number is not followed (our choice: 2e-9 of them are)."""

SHAPES = 24
"""Small targets whose whole distribution is kept (our choice, as are the next four)."""
SHAPE_STEP, SHAPE_LOW, SHAPE_HIGH = 0.4, -4.0, 10.0
"""Grid of a standardised distribution."""
EXPONENTS = 7
"""Gauss-Hermite nodes of the drift exponent in those distributions."""
CLEAR = 5.0
"""Standard deviations from the clamp from which on a conductance counts as Gaussian."""

SMALLEST = 1e-12
"""Relative variance that stands for none where it is divided by (our choice)."""

EARLIEST = 1.0
"""Relaxation laws start here. [s] (falcone2025cmo, wan2022neurram)"""


@dataclass(frozen=True)
class Moments:
    """What becomes of a conductance, by target and time.

    Parameters
    ----------
    device : Device
    times : tuple of float
        Since the end of programming. [s]
    targets : array of shape (targets,)
        Evenly spaced over the device's range. [S]
    mean, variance : arrays of shape (targets, 1 + times)
        The first column is right after writing, without read noise. [S], [S²]
    shapes : array of shape (small targets, 1 + times, grid)
        Probabilities of the conductance less its mean, in standard deviations on the grid `shape_grid`; small
        targets lie at squares of evenly spaced numbers, up to `clear`.
    clear : float
        Target from which on a conductance counts as Gaussian. [S]
    """

    device: Device
    times: tuple[float, ...]
    targets: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    shapes: np.ndarray
    clear: float

    @property
    def lowest(self) -> float:
        """Smallest conductance that can be aimed at. [S]"""
        return float(self.targets[0])

    @property
    def span(self) -> float:
        """From the smallest target to the largest. [S]"""
        return float(self.targets[-1] - self.targets[0])


def shape_grid() -> np.ndarray:
    """Standard deviations from the mean at which distributions are kept."""
    return np.arange(SHAPE_LOW, SHAPE_HIGH + SHAPE_STEP / 2, SHAPE_STEP)


def clamp(device: Device) -> tuple[float, float]:
    """Conductances that a written cell cannot leave: below nothing; the device's own range if its law says so. [S]

    A logarithmic relaxation was fitted to a cell that stays in its range (falcone2025cmo); the fits of the others
    go down to nothing and have no upper end.
    """
    if device.relaxation is not None and device.relaxation.form == "logarithm":
        return device.conductance_min, device.conductance_max
    return 0.0, 1e3 * device.conductance_max


def check_statistics(device: Device) -> None:
    """Raise ValueError if the record says nothing about writing, or something that has no closed form."""
    if device.programming is None and device.relaxation is None:
        raise ValueError(
            f"device {device.name} has neither programming nor relaxation: its record does not say how far a written "
            f"conductance is from its target; devices that do: pcm_mushroom, pcm_64core_two, reram_wan2022, ..."
        )
    if device.drift is not None and device.read_noise is not None and device.read_noise.relative_to == "largest":
        raise ValueError(f"device {device.name}: read noise of a drifting conductance must be relative to it")
    if device.drift is not None and device.relaxation is not None:
        raise ValueError(f"device {device.name} has both drift and relaxation; give the one that was measured")


def before_clamp(device: Device, target: Real, programmed: Real, time: float) -> tuple[Real, Real]:
    """Mean and standard deviation of the Gaussian whose clamped value is read, drift left out. [S]

    Drift multiplies both, since the read noise of a drifting conductance is relative to it.

    Parameters
    ----------
    device : Device
    target, programmed : float or array
        What was aimed at and what was written. [S]
    time : float
        Since the end of programming. [s]
    """
    largest = device.conductance_max
    mean, variance = programmed, 0.0 * programmed
    if device.relaxation is not None:
        shift, sigma = relaxation(device.relaxation, target, largest, max(time, EARLIEST))
        mean = (target if isinstance(device.relaxation, RelaxationTable) else programmed) + shift + 0.0 * programmed
        variance = variance + sigma**2
    if device.read_noise is not None:
        clock = time + device.drift.start if device.drift else max(time, device.read_noise.read_time)
        variance = variance + read_sigma(device.read_noise, mean, programmed, largest, clock) ** 2
    return mean, np.sqrt(variance)


def clamped_moments(mean: Real, sigma: Real, low: float, high: float) -> tuple[Real, Real]:
    """Mean and mean square of a normal number that is clamped to [low, high]."""
    sigma = np.maximum(sigma, 1e-9 * (high - low))
    a, b = (low - mean) / sigma, (high - mean) / sigma
    below, above = ndtr(a), ndtr(-b)
    inside = 1 - below - above
    at_low, at_high = np.exp(-(a**2) / 2) / np.sqrt(2 * np.pi), np.exp(-(b**2) / 2) / np.sqrt(2 * np.pi)
    first = low * below + high * above + mean * inside + sigma * (at_low - at_high)
    square = low**2 * below + high**2 * above + (mean**2 + sigma**2) * inside
    return first, square + sigma * ((mean + low) * at_low - (mean + high) * at_high)


def written(device: Device, target: np.ndarray, window: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Conductances right after writing, as nodes and probabilities of a quadrature.

    Parameters
    ----------
    device : Device
    target : array of shape (targets,)
        [S]
    window : float, optional
        Writing is repeated until the error is within this many standard deviations of a single write.

    Returns
    -------
    programmed, probability : arrays of shape (targets, nodes)
        [S]; the two last nodes are the ends of the clamp.
    """
    low, high = clamp(device)
    if device.programming is None:
        return np.repeat(target[:, None], 3, 1), np.array([1.0, 0.0, 0.0]) + np.zeros((len(target), 1))
    sigma = np.maximum(programming_sigma(device.programming, target, device.conductance_max), 1e-9 * high)[:, None]
    furthest = WIDEST if window is None else window
    bottom = np.clip((low - target[:, None]) / sigma, -furthest, furthest)
    top = np.clip((high - target[:, None]) / sigma, -furthest, furthest)
    place, share = np.polynomial.legendre.leggauss(NODES)
    xi = (top + bottom) / 2 + (top - bottom) / 2 * place
    density = (top - bottom) / 2 * share * np.exp(-(xi**2) / 2) / np.sqrt(2 * np.pi)
    below, above = ndtr(bottom) - ndtr(-furthest), ndtr(furthest) - ndtr(top)
    probability = np.concatenate([density, below, above], axis=1)
    ends = np.broadcast_to([low, high], (len(target), 2))
    programmed = np.concatenate([target[:, None] + sigma * xi, ends], axis=1)
    return programmed, probability / probability.sum(axis=1, keepdims=True)


def tabulate(
    device: Device, times: tuple[float, ...], window: float | None = None, largest: float | None = None
) -> Moments:
    """Mean, variance and small-conductance distributions of a device at some times.

    Parameters
    ----------
    device : Device
    times : tuple of float
        Since the end of programming, at least one. [s]
    window : float, optional
        See `written`.
    largest : float, optional
        Largest conductance that is aimed at, by default the device's own. [S]

    Raises
    ------
    ValueError
        If the device's record does not say enough, see `check_statistics`; if a window is given for a record whose
        deviations include the writing.
    """
    check_statistics(device)
    if window is not None and device.programming is None:
        raise ValueError(f"device {device.name}: its deviations include the writing, which cannot be repeated")
    uses(*device.sources.values(), "mackin2022programming")
    top = device.conductance_max if largest is None else largest
    targets = np.linspace(device.conductance_min, top, TARGETS)
    programmed, probability = written(device, targets, window)
    columns = [_right_after(device, targets, programmed, probability)]
    columns += [_at(device, targets, programmed, probability, time) for time in times]
    mean, square = (np.stack(each, axis=1) for each in zip(*columns, strict=True))
    moments = Moments(device, tuple(times), targets, mean, np.maximum(square - mean**2, 0), np.zeros((0, 0, 0)), 0.0)
    return _with_shapes(moments, window)


def _first_read(device: Device) -> float | None:
    """Time of the deviation that stands for the error of writing, of a record that has no such error. [s]"""
    return device.relaxation.points[0].time if isinstance(device.relaxation, RelaxationTable) else None


def _right_after(
    device: Device, targets: np.ndarray, programmed: np.ndarray, probability: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if (first := _first_read(device)) is not None:
        return _at(device, targets, programmed, probability, first)
    return (programmed * probability).sum(1), (programmed**2 * probability).sum(1)


def _at(
    device: Device, targets: np.ndarray, programmed: np.ndarray, probability: np.ndarray, time: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and mean square of the conductances read at a time."""
    low, high = clamp(device)
    first, square = clamped_moments(*before_clamp(device, targets[:, None], programmed, time), low, high)
    mean, mean_square = (first * probability).sum(1), (square * probability).sum(1)
    if device.drift is not None:
        mean = mean * drift_moment(device.drift, targets, device.conductance_max, time, 1)
        mean_square = mean_square * drift_moment(device.drift, targets, device.conductance_max, time, 2)
    return mean, mean_square


def _with_shapes(moments: Moments, window: float | None) -> Moments:
    """Add the distributions of small conductances, which the clamp makes other than Gaussian."""
    device, low = moments.device, clamp(moments.device)[0]
    sigma = np.sqrt(moments.variance)
    near = np.flatnonzero(np.any(moments.mean - low < CLEAR * sigma, axis=1))
    clear = moments.targets[min(near[-1] + 1, TARGETS - 1)] if len(near) else moments.targets[1]
    small = moments.lowest + (clear - moments.lowest) * np.linspace(0, 1, SHAPES) ** 2
    programmed, probability = written(device, small, window)
    grid = shape_grid()
    shapes = np.empty((SHAPES, 1 + len(moments.times), len(grid)))
    for column in range(shapes.shape[1]):
        time = _first_read(device) if column == 0 else moments.times[column - 1]
        if time is None:
            mean, square = _right_after(device, small, programmed, probability)
            parts = programmed, 0.0 * programmed, probability
        else:
            mean, square = _at(device, small, programmed, probability, time)
            parts = _drifted(device, small, *before_clamp(device, small[:, None], programmed, time), probability, time)
        spread = np.sqrt(np.maximum(square - mean**2, SMALLEST * mean**2))
        shapes[:, column] = _projected(*parts, mean, spread, clamp(device), grid)
    return replace(moments, shapes=shapes, clear=float(clear))


def _drifted(
    device: Device, targets: np.ndarray, centre: Any, noise: Any, share: np.ndarray, time: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The Gaussians of a read with those of every drift exponent (targets, nodes x exponents)."""
    if device.drift is None or time == 0:
        return centre, noise, share
    mean, sigma = drift_exponent(device.drift, targets[:, None], device.conductance_max)
    place, weight = np.polynomial.hermite_e.hermegauss(EXPONENTS)
    exponents = np.abs(mean + sigma * place)
    factor = ((time + device.drift.start) / device.drift.start) ** -exponents
    wide = (len(targets), -1)
    chance = share[:, :, None] * (weight / weight.sum())
    return (
        (centre[:, :, None] * factor[:, None, :]).reshape(wide),
        (noise[:, :, None] * factor[:, None, :]).reshape(wide),
        chance.reshape(wide),
    )


def _projected(
    centre: np.ndarray,
    noise: np.ndarray,
    share: np.ndarray,
    mean: np.ndarray,
    sigma: np.ndarray,
    ends: tuple[float, float],
    grid: np.ndarray,
) -> np.ndarray:
    """Mixtures of clamped Gaussians as probabilities on a standardised grid, each mass shared by its two neighbours.

    Such sharing keeps the mean; a probability is the second difference of the mean shortfall E max(0, x - g).
    """
    low, high = ends
    wider = np.concatenate([[grid[0] - SHAPE_STEP], grid, [grid[-1] + SHAPE_STEP]])
    x = mean[:, None] + sigma[:, None] * wider
    noise = np.maximum(noise, 1e-9 * mean.max())

    def shortfall(point: np.ndarray) -> np.ndarray:
        z = (point - centre[:, None, :]) / noise[:, None, :]
        inner = noise[:, None, :] * (z * ndtr(z) + np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))
        return (inner * share[:, None, :]).sum(-1)

    inside = np.clip(x, low, high)
    value = shortfall(inside[:, :, None]) - shortfall(np.full((len(mean), 1, 1), low)) + np.maximum(x - high, 0)
    probability = np.diff(value, 2, axis=1) / (sigma[:, None] * SHAPE_STEP)
    return probability / probability.sum(axis=1, keepdims=True)
