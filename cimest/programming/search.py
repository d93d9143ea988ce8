"""The best strategy: given the compensation the weights separate, so each is searched on its own; significance and
reach around that; a certificate beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from cimest.programming import compiled
from cimest.programming.encoding import RULES, Encoding, by_rule, points, shares
from cimest.programming.error import Evaluator, Strategy, WeightError
from cimest.programming.moments import Moments
from cimest.programming.population import Population

FACTORS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
"""Significances at which the search starts; a pair that is less significant than the next is the same one renamed."""

LARGEST_FACTOR = 8.0
"""The largest that is tried (our choice: twice what populations of a tenth of the largest weight ask for)."""

LEAST_REACH, SMALLEST_REACH, LARGEST_REACH = 0.02, 0.4, 2.5
"""Of the search, under a limit on the current and without one: weights use at least this share of the range; and at
most three fifths of the magnitudes are clipped (our choice)."""

REACHES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.7, 2.0)
"""At which the search starts."""

ROUNDS, FEW_ROUNDS = 4, 2
"""Times that weights and compensation are found in turn, for the result and in the search (our choice)."""

COARSE = 2
"""Every so many levels of a population stand for all in the search for significance and reach."""

GRIDS = {1: (9,), 2: (15, 4, 4), 3: (7, 7, 3, 3, 3), 4: (4, 4, 4, 2, 2, 2, 2)}
FINE = {1: (33,), 2: (25, 7, 7), 3: (9, 9, 4, 4, 4), 4: (5, 5, 5, 2, 2, 2, 2)}
DENSE = {1: (201,), 2: (73, 13, 13), 3: (13, 13, 5, 5, 5), 4: (7, 7, 7, 3, 3, 3, 3)}
"""Points of the scan of one weight by number of pairs: what each pair but the last carries, then where the pairs lie;
in the search, for the result, and for its certificate (our choice)."""

HALVINGS, FINE_HALVINGS = 5, 10
"""Of the step of the refinement."""

DEAREST, BISECTIONS = 1e3, 10
"""Price of a whole range, in squared weights, beyond which a limit counts as out of reach; steps to the right price."""

RESTARTS, SCATTER = 6, 0.2
"""Starts of the certificate's search over the compensation, and how far they scatter."""


class OutOfReach(ValueError):
    """No strategy keeps to a limit."""


@dataclass(frozen=True)
class Limits:
    """What a strategy must keep to.

    Parameters
    ----------
    factor : float
        Largest significance: the most significant pair is read so many times longer.
    conductance : float or None
        Largest mean of the conductances of a weight's devices, summed: the current of a column over read voltage
        and rows. [S]
    """

    factor: float = LARGEST_FACTOR
    conductance: float | None = None


@dataclass(frozen=True)
class Certificate:
    """How far from the best a strategy can be, found numerically.

    Parameters
    ----------
    rescan : float
        Share of the error that a far denser scan of every weight takes off, given the compensation.
    compensation : float
        Share that is left when the compensation is chosen freely and the weights anew: a bound on what any strategy
        with the same significance and reach can gain.
    """

    rescan: float
    compensation: float


@dataclass(frozen=True)
class Optimum:
    """What the search found.

    Parameters
    ----------
    strategy : Strategy
    error : WeightError
    certificate : Certificate or None
        None under a limit on the current, where the weights do not separate.
    """

    strategy: Strategy
    error: WeightError
    certificate: Certificate | None


@dataclass
class Search:
    """The search on one device for one population.

    Parameters
    ----------
    evaluator : Evaluator
    pairs : int
        1 to 4.
    limits : Limits
    """

    evaluator: Evaluator
    pairs: int
    limits: Limits = field(default_factory=Limits)

    def run(
        self,
        factor: float | None = None,
        reach: float | None = 1.0,
        certify: bool = True,
        known: Encoding | None = None,
    ) -> Optimum:
        """Search.

        Parameters
        ----------
        factor : float, optional
            Significance of each pair over the next; searched without it.
        reach : float, optional
            Of the encoding; without it weights may be clipped, as far as it pays.
        certify : bool
            Whether to work the certificate out.
        known : Encoding, optional
            One that is good already, the best of a rule of thumb; it is searched as well.
        """
        found: dict[tuple[float, float], float] = {}
        coarse = self._coarse()

        def error(factor: float, reach: float) -> float:
            key = (round(factor, 4), round(reach, 4))
            if key not in found:
                try:
                    solved = coarse._solve(Encoding.of(self.pairs, *key), FEW_ROUNDS, GRIDS, HALVINGS)
                    found[key] = solved[1].mean_square
                except OutOfReach:
                    found[key] = np.inf
            return found[key]

        most = min(LARGEST_FACTOR, self.limits.factor)
        best_factor, best_reach = factor or min(2.0, most), reach or 1.0
        # a limit on the current may leave a part of the range only
        lowest, highest = (LEAST_REACH if self.limits.conductance else SMALLEST_REACH), reach or LARGEST_REACH
        free_reach = reach is None or self.limits.conductance is not None
        for _ in range(1 + free_reach):
            if free_reach:
                starts = [start for start in REACHES if lowest <= start <= highest]
                best_reach = minimum(partial(error, best_factor), starts, lowest, highest)
            if factor is None and self.pairs > 1:
                starts = [start for start in FACTORS if start <= most] + [most] * (most < FACTORS[-1])
                best_factor = minimum(partial(error, reach=best_reach), starts, 1.0, most)
        candidates = [Encoding.of(self.pairs, best_factor, best_reach)] + ([] if known is None else [known])
        solved = [(encoding, *self._solve(encoding, ROUNDS, FINE, FINE_HALVINGS)) for encoding in candidates]
        encoding, conductances, result = min(solved, key=lambda entry: entry[2].mean_square)
        moments = self.evaluator.moments
        strategy = Strategy(encoding, self.evaluator.population.weights, conductances, moments.span)
        certificate = self.certificate(strategy, result) if certify and self.limits.conductance is None else None
        return Optimum(strategy, result, certificate)

    def _coarse(self) -> Search:
        """The same search for fewer levels."""
        population = self.evaluator.population
        weights = population.weights[::COARSE]
        if len(weights) < 3 or weights[-1] != population.weights[-1]:
            return self
        hats = np.stack([np.interp(population.weights, weights, one) for one in np.eye(len(weights))])
        fewer = Population(weights, hats @ population.density)
        return Search(Evaluator(self.evaluator.moments, fewer, self.evaluator.compensation), self.pairs, self.limits)

    def _solve(
        self, encoding: Encoding, rounds: int, grids: dict[int, tuple[int, ...]], halvings: int
    ) -> tuple[np.ndarray, WeightError]:
        """Best conductances and their error."""

        def solved(price: float) -> tuple[np.ndarray, WeightError]:
            return self._rounds(encoding, self._best_rule(encoding), rounds, grids, halvings, price)

        best, most, span = solved(0.0), self.limits.conductance, self.evaluator.moments.span
        if most is None or self._drawn(best[0]) <= most:
            return best
        # a price on conductance that is just high enough
        low, high = 0.0, 1e-4 / span
        while self._drawn((trial := solved(high))[0]) > most:
            low, high = high, 10 * high
            if high * span > DEAREST:
                drawn = self._drawn(trial[0])
                raise OutOfReach(
                    "no way to write the weights draws less than the limit on the current: "
                    f"{drawn:.3g} S for {most:.3g} S"
                )
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            if self._drawn((between := solved(middle))[0]) <= most:
                high, trial = middle, between
            else:
                low = middle
        return trial

    def _best_rule(self, encoding: Encoding) -> tuple[np.ndarray, WeightError]:
        """Conductances and error of the best rule of thumb, from whose compensation a search starts."""
        moments, weights = self.evaluator.moments, self.evaluator.population.weights
        each = [by_rule(encoding, weights, rule, moments.lowest, moments.span) for rule in RULES]
        errors = [self.evaluator.of(encoding, conductances) for conductances in each]
        best = min(range(len(RULES)), key=lambda number: errors[number].mean_square)
        return each[best], errors[best]

    def _drawn(self, conductances: np.ndarray) -> float:
        """Mean over weights of the summed conductance of their devices. [S]"""
        return float(self.evaluator.population.density @ conductances.sum(axis=(1, 2)))

    def _rounds(
        self,
        encoding: Encoding,
        start: tuple[np.ndarray, WeightError],
        rounds: int,
        grids: dict[int, tuple[int, ...]],
        halvings: int,
        price: float,
    ) -> tuple[np.ndarray, WeightError]:
        """Weights given the compensation, the compensation given the weights, in turn, from a start; the best of all.

        Under a price the last: the start knows nothing of it.
        """
        best, (conductances, error) = start, start
        for _ in range(rounds):
            alpha = error.compensation
            coupling = self.evaluator.coupling(encoding, conductances, alpha)
            conductances, _ = self.given(encoding, alpha, coupling, grids[self.pairs], halvings, price)
            error = self.evaluator.of(encoding, conductances)
            if price > 0 or error.mean_square < best[1].mean_square:
                best = conductances, error
        return best

    def given(
        self,
        encoding: Encoding,
        alpha: np.ndarray,
        coupling: np.ndarray,
        grid: tuple[int, ...],
        halvings: int,
        price: float = 0.0,
    ) -> tuple[np.ndarray, float]:
        """Best conductances (levels, pairs, 2) given the compensation, and their mean square error and prices.

        Parameters
        ----------
        coupling : array of shape (1 + times,)
            See `Evaluator.coupling`.
        price : float
            Of the summed conductance of a weight, in squared weights. [1/S]
        """
        moments, population = self.evaluator.moments, self.evaluator.population
        prices = self.evaluator.mean @ coupling
        table = np.column_stack([self.evaluator.variance[:, 1:] @ alpha**2, prices, self.evaluator.mean[:, 1:] * alpha])
        factors, unit = np.array(encoding.significance), 1 / encoding.scale(moments.span)
        carried = encoding.carried(population.weights)
        starts = np.stack([points(encoding, shares(encoding, population.weights, rule)) for rule in RULES])
        found, costs = np.empty((len(carried), len(grid))), np.empty(len(carried))
        compiled.best_points(
            population.weights, carried, factors, unit, table, moments.lowest, moments.span, price * len(alpha),
            starts, np.array(grid), halvings, found, costs,
        )  # fmt: skip
        return decoded(found, carried, factors, moments), float(population.density @ costs) / len(alpha)

    def certificate(self, strategy: Strategy, error: WeightError) -> Certificate:
        """Scan every weight again, far more densely, with this compensation and with free ones."""
        grid = DENSE[self.pairs]
        coupling = self.evaluator.coupling(strategy.encoding, strategy.conductances, error.compensation)
        _, dense = self.given(strategy.encoding, error.compensation, coupling, grid, FINE_HALVINGS)
        means = self.evaluator.means(strategy.encoding, strategy.conductances)
        priced = float(self.evaluator.population.density @ means @ coupling) / len(error.at)
        free = Search(Evaluator(self.evaluator.moments, self.evaluator.population, "least_squares"), self.pairs)
        best, rng = np.inf, np.random.default_rng(0)
        for start in range(RESTARTS):
            scatter = np.exp(SCATTER * rng.standard_normal(len(error.compensation)) * (start > 0))
            scattered = replace(error, compensation=error.compensation * scatter)
            _, found = free._rounds(strategy.encoding, (strategy.conductances, scattered), ROUNDS, GRIDS, HALVINGS, 0.0)
            best = min(best, found.mean_square)
        return Certificate(max(0.0, 1 - (dense - priced) / error.mean_square), max(0.0, 1 - best / error.mean_square))


def decoded(points: np.ndarray, carried: np.ndarray, factors: np.ndarray, moments: Moments) -> np.ndarray:
    """Conductances of points of the unit cube, one for each level."""
    conductances = np.empty((len(points), len(factors), 2))
    for point, what, result in zip(points, carried, conductances, strict=True):
        compiled.decode(point, what, factors, moments.lowest, moments.span, result)
    return conductances


def minimum(function: Callable[[float], float], starts: list[float], low: float, high: float) -> float:
    """Where a function of one variable is smallest: the best of some starts, then between its neighbours."""
    from scipy.optimize import minimize_scalar

    values = [function(start) for start in starts]
    best = int(np.argmin(values))
    left = starts[best - 1] if best else low
    right = starts[best + 1] if best + 1 < len(starts) else high
    if right - left < 1e-6:
        return starts[best]
    found = minimize_scalar(function, bounds=(left, right), method="bounded", options={"xatol": 0.02, "maxiter": 8})
    return float(found.x) if found.fun < values[best] else starts[best]
