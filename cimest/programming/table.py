"""A strategy as a table in a file: what `cimest program` writes, and what it takes as a strategy of one's own."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from cimest.programming.encoding import Encoding
from cimest.programming.error import Strategy
from cimest.programming.moments import Moments

TOLERANCE = 1e-6
"""Of conductances beyond the range, and of weights that they do not add up to, relative (our choice)."""


def header(pairs: int) -> list[str]:
    """Columns: magnitude of the weight in units of the largest, then for each pair its factor, G+ and G-. [S]"""
    names = [[f"factor{pair}", f"plus{pair}_s", f"minus{pair}_s"] for pair in range(1, pairs + 1)]
    return ["weight", *(name for pair in names for name in pair)]


def save_table(strategy: Strategy, path: Path) -> None:
    """Write a strategy."""
    factors = strategy.encoding.significance
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header(len(factors)))
        for weight, pairs in zip(strategy.weights, strategy.conductances, strict=True):
            cells = [[repr(float(f)), repr(float(p)), repr(float(m))] for f, (p, m) in zip(factors, pairs, strict=True)]
            writer.writerow([repr(float(weight)), *(cell for pair in cells for cell in pair)])


def load_table(path: Path, moments: Moments) -> Strategy:
    """Read a strategy for a device.

    Raises
    ------
    ValueError
        If the file is no such table, its weights do not rise from 0 to 1, or a conductance leaves the device's range.
    """
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    pairs = (len(rows[0]) - 1) // 3 if rows else 0
    if not rows or pairs < 1 or rows[0] != header(pairs):
        raise ValueError(f"{path}: the first line of a strategy is {','.join(header(max(pairs, 1)))}")
    try:
        values = np.array(rows[1:], dtype=float)
    except ValueError:
        raise ValueError(f"{path}: all lines but the first are {1 + 3 * pairs} numbers") from None
    if len(values) < 2 or values[0, 0] != 0 or values[-1, 0] != 1 or np.any(np.diff(values[:, 0]) <= 0):
        raise ValueError(f"{path}: weights must rise from 0 in the first line to 1 in the last")
    columns = values[:, 1:].reshape(len(values), pairs, 3)
    factors, conductances = columns[:, :, 0], columns[:, :, 1:]
    if np.any(factors != factors[0]):
        raise ValueError(f"{path}: the factor of a pair is the same for all weights")
    low, high = moments.lowest, moments.lowest + moments.span
    if conductances.min() < low * (1 - TOLERANCE) or conductances.max() > high * (1 + TOLERANCE):
        raise ValueError(
            f"{path}: conductances from {conductances.min():.4g} to {conductances.max():.4g} S leave the range of "
            f"{moments.device.name}, {low:.4g} to {high:.4g} S"
        )
    carried = (conductances[..., 0] - conductances[..., 1]) @ factors[0]
    # a clipped table is level at its end, so its scale is that of the first weights
    slope = float(carried[1] / values[1, 0])
    if slope <= 0:
        raise ValueError(f"{path}: the conductances of the smallest weights do not rise with the weight")
    reach = slope / (moments.span * float(factors[0].sum()))
    return Strategy(Encoding(tuple(factors[0].tolist()), reach), values[:, 0], conductances, moments.span)
