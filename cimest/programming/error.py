"""The weight error of a strategy, from moments alone: exact, without a draw of random numbers.

The error of a matrix at one time is the mean of (alpha W~ - W)² over its weights and over devices, in units of the
largest weight, with alpha the factor that compensates drift (mackin2022programming).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cimest.programming import compiled
from cimest.programming.encoding import Encoding, by_rule
from cimest.programming.moments import SHAPE_LOW, SHAPE_STEP, Moments, tabulate
from cimest.programming.population import Population
from hwlib.devices.statistics import PolynomialCurve

Compensation = Literal["none", "global", "least_squares"]

KINDS = {"none": compiled.NONE, "global": compiled.MEAN_MAGNITUDE, "least_squares": compiled.LEAST_SQUARES}
"""How drift is compensated: not; by the mean magnitude as written over that of now, which a read-out gives; by the
factor that makes the error smallest, which takes knowledge of the weights."""


@dataclass(frozen=True)
class Strategy:
    """How weights of each magnitude are written.

    Parameters
    ----------
    encoding : Encoding
    weights : array of shape (levels,)
        Magnitudes from 0 to 1, increasing.
    conductances : array of shape (levels, pairs, 2)
        Targets of G+ and G-. [S]
    span : float
        Range of the conductances. [S]
    """

    encoding: Encoding
    weights: np.ndarray
    conductances: np.ndarray
    span: float

    @classmethod
    def by_rule(cls, encoding: Encoding, weights: np.ndarray, rule: str, moments: Moments) -> Strategy:
        """By a rule of thumb, see `encoding.RULES`."""
        return cls(encoding, weights, by_rule(encoding, weights, rule, moments.lowest, moments.span), moments.span)

    def targets(self, weights: np.ndarray) -> np.ndarray:
        """Target conductances (..., pairs, 2) of weights with sign. [S]

        Between two levels every conductance is interpolated, which keeps the weight exact and the range; a weight
        with sign has the devices of its pairs swapped.
        """
        place = np.interp(np.abs(weights), self.weights, np.arange(len(self.weights)))
        below = np.minimum(place.astype(int), len(self.weights) - 2)
        part = (place - below)[..., None, None]
        lower, upper = self.conductances[below], self.conductances[below + 1]
        found = np.clip((1 - part) * lower + part * upper, self.conductances.min(), self.conductances.max())
        return np.where((weights < 0)[..., None, None], found[..., ::-1], found)


@dataclass(frozen=True)
class WeightError:
    """What a strategy leaves.

    Parameters
    ----------
    mean_square : float
        Mean over the times.
    at : array of shape (times,)
        Mean square at each time.
    compensation : array of shape (times,)
        Factor alpha at each time.
    """

    mean_square: float
    at: np.ndarray
    compensation: np.ndarray

    @property
    def rms(self) -> np.ndarray:
        """Root of the mean square at each time, in units of the largest weight."""
        return np.sqrt(self.at)


class Evaluator:
    """Weight errors on one device for one population.

    Parameters
    ----------
    moments : Moments
    population : Population
    compensation : {"none", "global", "least_squares"}
    """

    def __init__(self, moments: Moments, population: Population, compensation: Compensation = "global"):
        self.moments, self.population, self.compensation = moments, population, compensation
        self.kind = KINDS[compensation]
        self.mean, self.variance = np.ascontiguousarray(moments.mean), np.ascontiguousarray(moments.variance)
        self.tables = (np.sqrt(self.variance), np.ascontiguousarray(moments.shapes))
        self.geometry = (moments.lowest, moments.span, moments.clear, SHAPE_LOW, SHAPE_STEP, -SHAPE_LOW)

    def of(self, encoding: Encoding, conductances: np.ndarray) -> WeightError:
        """The error of conductances (levels, pairs, 2) at the levels of the population. [S]"""
        times = len(self.moments.times)
        alpha, errors = np.empty(times), np.empty(times)
        whole = compiled.weight_error(
            self.kind,
            self.population.weights,
            self.population.density,
            conductances,
            np.array(encoding.significance),
            1 / encoding.scale(self.moments.span),
            self.mean,
            self.variance,
            self.tables,
            self.geometry,
            alpha,
            errors,
        )
        return WeightError(whole, errors, alpha)

    def _spread(self, encoding: Encoding, conductances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the weights (levels, 1 + times) without compensation."""
        shape = len(conductances), self.mean.shape[1]
        means, variances = np.empty(shape), np.empty(shape)
        compiled.strategy_moments(
            conductances, np.array(encoding.significance), 1 / encoding.scale(self.moments.span), self.mean,
            self.variance, self.moments.lowest, self.moments.span, means, variances,
        )  # fmt: skip
        return means, variances

    def means(self, encoding: Encoding, conductances: np.ndarray) -> np.ndarray:
        """Mean weights (levels, 1 + times) right after writing and at each time, without compensation."""
        return self._spread(encoding, conductances)[0]

    def coupling(self, encoding: Encoding, conductances: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """What the error, summed over times, gains with each mean weight by way of the compensation, to first order.

        The compensation is the mean of the written weights over that of now, so every weight moves it for all.

        Returns
        -------
        array of shape (1 + times,)
            Derivatives by the mean right after writing and at each time; zero where the compensation does not depend
            on them, or is the best.
        """
        if self.kind != compiled.MEAN_MAGNITUDE:
            return np.zeros(1 + len(alpha))
        means, variances = self._spread(encoding, conductances)
        now, weights, density = means[:, 1:], self.population.weights[:, None], self.population.density
        slope = 2 * density @ (alpha * (variances[:, 1:] + now**2) - weights * now) * alpha
        return np.concatenate([[np.sum(slope) / (density @ means[:, 0])], -slope / (density @ now)])

    def of_strategy(self, strategy: Strategy) -> WeightError:
        """The error of a strategy, whose levels may be others than those of the population."""
        return self.of(strategy.encoding, strategy.targets(self.population.weights))

    def of_rule(self, encoding: Encoding, rule: str) -> WeightError:
        """The error of a rule of thumb."""
        return self.of(
            encoding, by_rule(encoding, self.population.weights, rule, self.moments.lowest, self.moments.span)
        )


def budget(strategy: Strategy, evaluator: Evaluator, window: float | None, largest: float) -> dict[str, np.ndarray]:
    """What the error at each time is made of: the device's mechanisms are added one after the other.

    Parameters
    ----------
    strategy : Strategy
    evaluator : Evaluator
    window, largest
        As given to `moments.tabulate`.

    Returns
    -------
    dict
        `programming` (with clipping and what compensation leaves), `drift_spread` or `relaxation`, `read_noise`:
        mean squares at each time, which sum to the whole.
    """
    device, times = evaluator.moments.device, evaluator.moments.times
    flat = PolynomialCurve(coefficients=(0.0,))
    parts: dict[str, np.ndarray] = {}
    steps = {}
    if device.programming is not None:
        calm = None if device.drift is None else device.drift.model_copy(update={"exponent_sigma": flat})
        steps["programming"] = {"read_noise": None, "drift": calm, "relaxation": None}
    if device.drift is not None:
        steps["drift_spread"] = {"read_noise": None}
    if device.relaxation is not None:
        steps["relaxation"] = {"read_noise": None}
    if device.read_noise is not None:
        steps["read_noise"] = {}
    before = np.zeros(len(times))
    for name, changes in steps.items():
        moments = tabulate(device.model_copy(update=changes), times, window, largest)
        whole = Evaluator(moments, evaluator.population, evaluator.compensation).of_strategy(strategy).at
        parts[name], before = whole - before, whole
    return parts
