"""Differential evolution of a strategy: the published way to optimise weight programming (mackin2022programming).

A few weight magnitudes are written in any valid way, the others are interpolated between them; significance and reach
evolve with them. The objective is exact, so luck is not selected.
"""

from __future__ import annotations

import numpy as np

from cimest.programming.encoding import Encoding
from cimest.programming.error import Evaluator, Strategy
from cimest.programming.search import LARGEST_FACTOR, Limits, Optimum, decoded

POINTS = 6
"""Magnitudes that are written freely (mackin2022programming)."""

POPULATION, GENERATIONS, MUTATION, CROSSOVER = 15, 1000, 0.1, 0.3
"""Candidates for each unknown and generations at most (our choice: a hundred candidates, as published, end up to 1 %
lower and take six times as long), and the published rates (rasch2021toolkit)."""

SMALLEST_REACH = 0.05
"""Of the search (rasch2021toolkit)."""


def evolve(
    evaluator: Evaluator,
    pairs: int = 2,
    limits: Limits | None = None,
    points: int = POINTS,
    population: int = POPULATION,
    generations: int = GENERATIONS,
    seed: int = 0,
) -> Optimum:
    """Search by differential evolution.

    Parameters
    ----------
    evaluator : Evaluator
    pairs : int
    limits : Limits, optional
        Only the one on the significance is kept to.
    points : int
        Magnitudes that are written freely, evenly spaced from 0 to the largest.
    population, generations, seed : int
        Of `scipy.optimize.differential_evolution`.
    """
    from scipy.optimize import differential_evolution

    moments = evaluator.moments
    coordinates = 2 * pairs - 1
    weights = np.linspace(0, 1, points)
    most = min(LARGEST_FACTOR, (limits or Limits()).factor)

    def strategy(x: np.ndarray) -> Strategy:
        reach = SMALLEST_REACH + (1 - SMALLEST_REACH) * float(x[-1])
        encoding = Encoding.of(pairs, 1 + (most - 1) * float(x[-2]), reach)
        cube = np.ascontiguousarray(x[:-2].reshape(points, coordinates))
        factors = np.array(encoding.significance)
        return Strategy(encoding, weights, decoded(cube, encoding.carried(weights), factors, moments), moments.span)

    found = differential_evolution(
        lambda x: evaluator.of_strategy(strategy(x)).mean_square,
        [(0.0, 1.0)] * (points * coordinates + 2),
        popsize=population,
        maxiter=generations,
        mutation=MUTATION,
        recombination=CROSSOVER,
        init="latinhypercube",
        tol=1e-6,
        polish=False,
        rng=seed,
    )
    best = strategy(found.x)
    return Optimum(best, evaluator.of_strategy(best), None)
