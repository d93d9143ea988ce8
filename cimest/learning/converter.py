"""The range of a converter: from measured partial sums, or from the largest possible one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from cimest.kernels.reference import phases
from cimest.kernels.types import Quantiser

SAMPLES = 64
"""Vectors, columns and blocks from which a range is measured (our choice: some 100 000 partial sums)."""
SUMS = 1 << 14
"""Partial sums that candidates are compared on."""
PER_OCTAVE = 8
"""Candidate steps in each factor of two; a fixed grid, so that no rounding of a sum can move the step."""


def codes(bits: int, signed: bool) -> tuple[int, int]:
    """Smallest and largest code."""
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def spread(count: int, limit: int = SAMPLES) -> np.ndarray:
    """At most `limit` numbers below `count`, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).astype(np.int64))


def best(sums: np.ndarray, significance: np.ndarray, bits: int, signed: bool, least: float = 0.0) -> Quantiser:
    """The converter that loses the least on a sample of partial sums.

    Parameters
    ----------
    sums : array
        Partial sums.
    significance : array, same shape
        Weight of each sum's squared error: 4^bit.
    bits : int
        Of the converter.
    signed : bool
        Whether codes have a sign.
    least : float
        Smallest step; 1 where sums are counts, since there is nothing below.

    Returns
    -------
    Quantiser
        With the step, on a grid of 8 to the octave, of the smallest weighted mean squared error.
    """
    low, high = codes(bits, signed)
    largest = float(np.abs(sums).max(initial=0))
    if largest == 0:
        return Quantiser(max(least, 1.0), low, high)
    top = int(np.ceil(PER_OCTAVE * np.log2(largest / max(high, 1))))
    chosen = spread(sums.size, SUMS)
    sums, significance = sums.reshape(-1)[chosen], significance.reshape(-1)[chosen]
    steps = np.maximum(2.0 ** (np.arange(top, top - 5 * PER_OCTAVE, -1) / PER_OCTAVE), least)
    errors = [
        np.sum(significance * np.square(step * np.clip(np.floor(sums / step + 0.5), low, high) - sums))
        for step in steps
    ]
    return Quantiser(float(steps[int(np.argmin(errors))]), low, high)


def measured_mvm(x: np.ndarray, weights: np.ndarray, edges: np.ndarray, bits: int) -> Quantiser:
    """Converter for `bit_serial_mvm`, from the partial sums of some of the vectors; empty sums do not count."""
    x = x[np.flatnonzero(x.any(axis=1))]
    if len(x) == 0:
        return Quantiser(1.0, *codes(bits, signed=True))
    columns = weights[:, spread(weights.shape[1])].astype(np.float64)
    sums, significance = [], []
    for _, magnitude in phases(x[spread(len(x))]):
        for bit in range(8):
            ones = (magnitude >> bit & 1).astype(np.float64)
            for start, stop in pairwise(edges):
                part = ones[:, start:stop]
                found = part[part.any(axis=1)] @ columns[start:stop]
                sums.append(found.reshape(-1))
                significance.append(np.full(found.size, 4.0**bit))
    return best(np.concatenate(sums), np.concatenate(significance), bits, signed=True)


def measured_counts(x: np.ndarray, errors: np.ndarray, edges: np.ndarray, bits: int) -> Quantiser:
    """Converter for `weight_gradient`, from the counts of some blocks and columns; empty cycles do not count."""
    left, right = x[:, spread(x.shape[1])], errors[:, spread(errors.shape[1])]
    sums, significance = [], []
    for block in spread(len(edges) - 1, 8):
        rows = slice(edges[block], edges[block + 1])
        stored = np.stack([left[rows] >> bit & 1 for bit in range(8)]).astype(np.float64)
        for _, magnitude in phases(right[rows]):
            for bit in range(7):
                streamed = (magnitude >> bit & 1).astype(np.float64)
                found = np.moveaxis(stored, 1, 2) @ streamed[:, streamed.any(axis=0)]
                sums.append(found.reshape(-1))
                significance.append(
                    np.broadcast_to(4.0 ** (np.arange(8)[:, None, None] + bit), found.shape).reshape(-1)
                )
    return best(np.concatenate(sums), np.concatenate(significance), bits, signed=False, least=1.0)
