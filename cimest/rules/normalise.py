"""From gradients to pulses: division by a power of two, which hardware does with a shift."""

from __future__ import annotations

from typing import Literal

import numpy as np

Measure = Literal["max", "rms"]

BOUND = np.float32(2**0.5)
"""Largest normalised value: what rounding a maximum to the nearest power of two leaves (neurosim_v2_1)."""

RMS_MULTIPLE = 4.0
"""Full scale in units of the root mean square where that is the measure (our choice: a maximum makes one outlier
decide the step of a whole layer, four times the root mean square clips few)."""


def exponent(values: np.ndarray, measure: Measure) -> int | None:
    """The power of two nearest to the largest magnitude, or four times the root mean square; None if all are zero."""
    flat = values.reshape(-1)
    if measure == "max":
        size = float(np.abs(flat).max(initial=0))
    else:
        # Pairwise sums of numpy, not a dot product: BLAS may give another last digit with another number of threads
        size = RMS_MULTIPLE * float(np.sqrt(np.square(flat, dtype=np.float64).mean()))
    return int(np.rint(np.log2(size))) if size > 0 else None


def normalised(values: np.ndarray, measure: Measure) -> np.ndarray:
    """Values over the power of two of `exponent`, clipped to ±sqrt(2); zeros stay."""
    return shifted(values, exponent(values, measure))


def shifted(values: np.ndarray, shift: int | None) -> np.ndarray:
    """Values over 2^shift, clipped to ±sqrt(2); zeros for no shift, which means that there are no others."""
    if shift is None:
        return np.zeros_like(values, dtype=np.float32)
    return np.clip(np.ldexp(values, -shift), -BOUND, BOUND).astype(np.float32, copy=False)


def stored(values: np.ndarray, bits: int) -> np.ndarray:
    """Values as words of `bits` bits with sign hold them, whose full scale is the power of two above the largest.

    Hardware finds that power, like the one of `normalised`, while the values pass, and uses it from the next update
    on; here it is used at once.
    """
    shift = exponent(values, "max")
    if shift is None:
        return values
    least = shift + 2 - bits  # a nearest power of two may lie below the maximum; one bit is the sign
    return np.ldexp(np.rint(np.ldexp(values, -least)), least)
