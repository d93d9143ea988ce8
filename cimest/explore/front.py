"""Pareto fronts over any objectives, and how much of each metric each axis explains."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def pareto(values: Mapping[str, np.ndarray], objectives: Mapping[str, str]) -> np.ndarray:
    """Points that no other point beats in every objective.

    Parameters
    ----------
    values : mapping
        Metric to values, all of one shape.
    objectives : mapping
        Metric to `min` or `max`.

    Returns
    -------
    array of bool
        Of the values' shape. A point without a number in some objective is never on the front; of equal points
        all are.
    """
    columns = [np.asarray(values[name]) * (1 if better == "min" else -1) for name, better in objectives.items()]
    shape = columns[0].shape
    points = np.stack([column.reshape(-1) for column in columns], axis=1)
    left = np.flatnonzero(~np.isnan(points).any(axis=1))
    left = left[np.lexsort(points[left].T[::-1])]  # nothing later can dominate what comes before
    front = np.zeros(len(points), bool)
    while left.size:
        first = points[left[0]]
        equal = (points[left] == first).all(axis=1)
        front[left[equal]] = True
        left = left[~equal & ~(points[left] >= first).all(axis=1)]
    return front.reshape(shape)


def sensitivities(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance-based sensitivities of a quantity on a grid (Sobol indices, from all points instead of a sample).

    Parameters
    ----------
    values : array
        One dimension for each axis; points that are not a number are left out, and their weight with them.

    Returns
    -------
    first, total : array of shape (axes,)
        Share of the variance that an axis explains alone, and together with the others. Not a number where the
        quantity does not vary.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        known = ~np.isnan(values)
        whole = _variance(values, known, tuple(range(values.ndim)))
        first, total = [], []
        for axis in range(values.ndim):
            others = tuple(other for other in range(values.ndim) if other != axis)
            inside = _variance(values, known, others)
            total_inside = _variance(values, known, (axis,))
            first.append(1 - _mean(inside, known.sum(others)) / whole)
            total.append(_mean(total_inside, known.sum(axis)) / whole)
    if not whole > 1e-24 * np.nanmax(np.square(values), initial=0.0):
        return np.full(values.ndim, np.nan), np.full(values.ndim, np.nan)
    return np.clip(first, 0, 1), np.clip(total, 0, 1)


def _variance(values: np.ndarray, known: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Variance over some axes, of the known values; 0 where there are none."""
    count = np.maximum(known.sum(axes, keepdims=True), 1)
    filled = np.where(known, values, 0.0)
    mean = filled.sum(axes, keepdims=True) / count
    return (np.where(known, np.square(filled - mean), 0.0).sum(axes, keepdims=True) / count).squeeze(axes)


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    return float((values * weights).sum() / np.maximum(weights.sum(), 1))
