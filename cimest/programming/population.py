"""Populations of weights: named densities and histograms, of magnitudes in units of the largest weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEVELS = 101
"""Magnitudes that stand for a population (our choice: 20 times as many change an error by less than 1e-4 of it)."""

DENSITIES = ("uniform", "gaussian", "laplace", "bimodal")

SPREAD = {"uniform": 1.0, "gaussian": 0.3, "laplace": 0.15, "bimodal": 0.12}
"""Usual spread over the largest weight: standard deviation, of a Laplace density its scale (our choice: what trained
layers show; bimodal weights lie around ± 0.6). All densities end at the largest weight."""

MODE = 0.6
"""Of bimodal weights."""


@dataclass(frozen=True)
class Population:
    """Magnitudes of weights and how many weights have them.

    Parameters
    ----------
    weights : array of shape (levels,)
        From 0 to 1, in increasing order.
    density : array of shape (levels,)
        Share of the weights at each; sums to 1.
    """

    weights: np.ndarray
    density: np.ndarray


def named(name: str, spread: float | None = None, levels: int = LEVELS) -> Population:
    """A named population; see `SPREAD`.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if name not in DENSITIES:
        from hwlib.registry import suggestion

        raise ValueError(f"no density of weights is named {name!r}; {suggestion(name, DENSITIES)}")
    weights = np.linspace(0, 1, levels)
    fine = np.linspace(0, 1, 20 * (levels - 1) + 1)
    value = _density(name, fine, SPREAD[name] if spread is None else spread)
    # each level's share: the density times the hat that falls to zero at its neighbours
    hats = np.maximum(0, 1 - np.abs(fine[None, :] - weights[:, None]) * (levels - 1))
    edges = np.full(len(fine), 1.0)
    edges[[0, -1]] = 0.5
    share = hats @ (value * edges)
    return Population(weights, share / share.sum())


def _density(name: str, magnitude: np.ndarray, spread: float) -> np.ndarray:
    """Not normalised."""
    if name == "uniform":
        return np.ones_like(magnitude)
    if name == "gaussian":
        return np.exp(-0.5 * (magnitude / spread) ** 2)
    if name == "laplace":
        return np.exp(-magnitude / spread)
    both = [np.exp(-0.5 * ((magnitude - mode) / spread) ** 2) for mode in (MODE, -MODE)]
    return both[0] + both[1]


def histogram(matrices: list[np.ndarray], levels: int = LEVELS) -> Population:
    """The population of matrices, each in units of its own largest magnitude; every weight counts the same.

    Raises
    ------
    ValueError
        If there is no weight, or none but zeros.
    """
    sizes = [np.abs(matrix, dtype=np.float64).ravel() for matrix in matrices]
    sizes = [size / size.max() for size in sizes if size.size and size.max() > 0]
    if not sizes:
        raise ValueError("there are no weights to program, or all are zero")
    place = np.concatenate(sizes) * (levels - 1)
    below = np.minimum(place.astype(int), levels - 2)
    share = np.bincount(below, 1 - (place - below), levels) + np.bincount(below + 1, place - below, levels)
    return Population(np.linspace(0, 1, levels), share / share.sum())


def draw(name: str, count: int, rng: np.random.Generator, spread: float | None = None) -> np.ndarray:
    """Weights of a named population, with sign, drawn by inverting its distribution."""
    fine = np.linspace(0, 1, 20001)
    value = _density(name, fine, SPREAD[name] if spread is None else spread)
    cumulative = np.concatenate([[0], np.cumsum((value[1:] + value[:-1]) / 2)])
    magnitude = np.interp(rng.random(count), cumulative / cumulative[-1], fine)
    return magnitude * rng.choice([-1.0, 1.0], count)
