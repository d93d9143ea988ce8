"""The specification of products whose every conversion is by a converter with an offset and a nonlinearity of its own.

Plain numpy; `converters_compiled` is held to it. The kernels without such errors are in `reference`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from cimest.kernels.reference import on_grid, phases
from cimest.kernels.types import Quantiser

PEAK = np.float32(1.5 * 3**0.5)
"""One over the largest value of u (1 - u²)."""


class Transfer(NamedTuple):
    """How converters depart from a straight line, in steps; float32 arrays of one shape.

    Over the full scale u from -1 to 1, a code is taken from the sum plus offset + bow (1 - u²) + skew PEAK u (1 - u²):
    curves that leave the ends of the range where they are, with one maximum, and with one of each sign.
    """

    offset: np.ndarray
    bow: np.ndarray
    skew: np.ndarray

    def error(self, u: np.ndarray) -> np.ndarray:
        """By how much codes at these places of the full scale, -1 to 1, are off. [steps]"""
        return self.offset + (self.bow + self.skew * PEAK * u) * (1 - u * u)


def convert_by(sums: np.ndarray, adc: Quantiser, transfer: Transfer) -> tuple[np.ndarray, int]:
    """Codes, in single precision, and how many of them were clipped."""
    inverse, low, high = adc.scalars()
    scaled = sums.astype(np.float32) * inverse
    u = np.clip((scaled - (low + high) / 2) * (2 / (high - low)), np.float32(-1), np.float32(1))
    codes = np.floor(scaled + transfer.error(u) + np.float32(0.5))
    clipped = np.clip(codes, low, high)
    return clipped, int(np.count_nonzero(codes != clipped))


def mvm_by(
    x: np.ndarray, weights: np.ndarray, edges: np.ndarray, adc: Quantiser, transfer: Transfer, bits: int
) -> tuple[np.ndarray, int]:
    """Matrix-vector products; as `reference.bit_serial_mvm`, but for the converters.

    Parameters
    ----------
    x : array of uint8 or int8, shape (vectors, rows)
    weights : array of float32, shape (rows, columns)
    edges : array of int64, shape (blocks + 1,)
    adc : Quantiser
    transfer : Transfer
        Of shape (blocks, columns).
    bits : int
        Of the magnitudes: so many cycles are converted in each phase, also those in which nothing is driven.

    Returns
    -------
    y : array of float32, shape (vectors, columns)
    clipped : int
    """
    y = np.zeros((x.shape[0], weights.shape[1]), dtype=np.float32)
    clipped, cells = 0, on_grid(weights, int(np.diff(edges).max())).astype(np.float64)
    for sign, magnitude in phases(x):
        for block, (start, stop) in enumerate(pairwise(edges)):
            curve = Transfer(*(entry[block] for entry in transfer))
            for bit in range(bits):
                sums = (magnitude[:, start:stop] >> bit & 1) @ cells[start:stop]
                codes, count = convert_by(sums, adc, curve)
                y += np.float32(sign * 2**bit) * codes
                clipped += count
    return y * np.float32(adc.step), clipped


def gradient_by(
    x: np.ndarray,
    errors: np.ndarray,
    edges: np.ndarray,
    adc: Quantiser,
    transfer: Transfer,
    significance: np.ndarray,
    error_bits: int,
) -> tuple[np.ndarray, int]:
    """Weight gradients; as `reference.weight_gradient`, but for the converters.

    Parameters
    ----------
    x : array of uint8, shape (vectors, rows of the layer)
        Bit patterns of the activations.
    errors : array of int8, shape (vectors, columns of the layer)
    edges : array of int64, shape (blocks + 1,)
    adc : Quantiser
    transfer : Transfer
        Of shape (bits, rows of the layer): that of the stored column of each bit.
    significance : array of float64, shape (bits,)
        What each stored bit counts for.
    error_bits : int
        Of the magnitudes of the errors.

    Returns
    -------
    gradient : array of float32, shape (rows, columns)
    clipped : int
    """
    total = np.zeros((x.shape[1], errors.shape[1]))
    clipped = 0
    for start, stop in pairwise(edges):
        for sign, magnitude in phases(errors):
            for bit, weight in enumerate(significance):
                curve = Transfer(*(entry[bit][:, None] for entry in transfer))
                for error_bit in range(error_bits):
                    stored = (x[start:stop] >> bit & 1).astype(np.float64)
                    streamed = (magnitude[start:stop] >> error_bit & 1).astype(np.float64)
                    codes, count = convert_by(stored.T @ streamed, adc, curve)
                    total += sign * weight * 2.0**error_bit * codes
                    clipped += count
    return (total * adc.step).astype(np.float32), clipped
