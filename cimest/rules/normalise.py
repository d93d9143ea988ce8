"""From gradients to pulses: division by a power of two, which hardware does with a shift."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

Measure = Literal["max", "rms"]

BOUND = np.float32(2**0.5)
"""Largest normalised value: what rounding a maximum to the nearest power of two leaves (neurosim_v2_1)."""

RMS_MULTIPLE = 4.0
"""Full scale in units of the root mean square where that is the measure (our choice: a maximum makes one outlier
decide the step of a whole layer, four times the root mean square clips few)."""


LEAST = 2.0**-90
"""Sizes that are zero for all purposes, so that powers of two fit single precision."""

PIECE = 1 << 16
"""Values that are worked on together: few enough to stay close to the processor."""


def exponent(values: np.ndarray, measure: Measure) -> int | None:
    """The power of two nearest to the largest magnitude, or four times the root mean square; None if all are zero,
    or below `LEAST`.
    """
    flat = values.reshape(-1)
    if measure == "max":
        size = float(max(flat.max(initial=0), -flat.min(initial=0)))
    else:
        # Pairwise sums of numpy, not a dot product: BLAS may give another last digit with another number of threads
        total = sum(float(np.square(piece, dtype=np.float64).sum()) for (piece,) in pieces(flat))
        size = RMS_MULTIPLE * (total / max(flat.size, 1)) ** 0.5
    return int(np.rint(np.log2(size))) if size > LEAST else None


def pieces(*matrices: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Views of the same values of contiguous matrices."""
    # A copy in their stead would take what is written to it, and lose it
    assert all(matrix.flags.c_contiguous for matrix in matrices), "matrices must be contiguous, row by row"
    flat = [matrix.reshape(-1) for matrix in matrices]
    for start in range(0, flat[0].size, PIECE):
        yield tuple(row[start : start + PIECE] for row in flat)


def normalised(values: np.ndarray, measure: Measure) -> np.ndarray:
    """Values over the power of two of `exponent`, clipped to ±sqrt(2); zeros stay."""
    return shifted(values, exponent(values, measure))


def shifted(values: np.ndarray, shift: int | None) -> np.ndarray:
    """Values over 2^shift, clipped to ±sqrt(2); zeros for no shift, which means that there are no others."""
    if shift is None:
        return np.zeros_like(values, dtype=np.float32)
    result, factor = np.empty(values.shape, dtype=np.float32), np.float32(2.0**-shift)
    for given, piece in pieces(values, result):
        np.multiply(given, factor, out=piece)
        np.clip(piece, -BOUND, BOUND, out=piece)
    return result


def stored(values: np.ndarray, bits: int) -> np.ndarray:
    """Values, changed in place, as words of `bits` bits with sign hold them; full scale is a power of two.

    Hardware finds that power while the values pass, and uses it from the next update on; here it is used at once.
    """
    shift = exponent(values, "max")
    if shift is None:
        return values
    least = shift + 2 - bits  # a nearest power of two may lie below the maximum; one bit is the sign
    unit = np.float32(2.0**least)
    for (piece,) in pieces(values):
        piece /= unit
        np.rint(piece, out=piece)
        piece *= unit
    return values
