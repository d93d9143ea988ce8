"""The specification of the kernels: plain numpy, obvious and slow."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from cimest.kernels.random import NOISE, ROUNDING, normal, uniform
from cimest.kernels.types import Address, PulseCounts, Quantiser
from hwlib.devices.update_law import Steps, apply_pulses


def phases(x: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Signs and magnitudes of the phases in which inputs are applied: one if unsigned, two if signed."""
    if x.dtype == np.uint8:
        return [(1, x)]
    wide = x.astype(np.int16)
    return [(1, np.maximum(wide, 0).astype(np.uint8)), (-1, np.maximum(-wide, 0).astype(np.uint8))]


def convert(partial_sums: np.ndarray, adc: Quantiser) -> tuple[np.ndarray, int]:
    """Codes of a converter, in single precision, and how many of them were clipped."""
    inverse, low, high = adc.scalars()
    codes = np.floor(partial_sums.astype(np.float32) * inverse + np.float32(0.5))
    clipped = np.clip(codes, low, high)
    return clipped, int(np.count_nonzero(codes != clipped))


def bit_serial_mvm(x: np.ndarray, weights: np.ndarray, edges: np.ndarray, adc: Quantiser) -> tuple[np.ndarray, int]:
    """Matrix-vector products by an array of cells whose every partial sum passes a converter.

    Inputs are applied bit by bit. For each block of rows and each bit, the rows whose bit is one are
    summed on the column, and the sum is converted; codes are shifted and added over bits and blocks.
    Signed inputs take two phases, positive magnitudes and negative ones, each with its own conversions.

    Parameters
    ----------
    x : array of uint8 or int8, shape (vectors, rows)
        Inputs; int8 from -127 to 127.
    weights : array of float32, shape (rows, columns)
        Normalised conductances.
    edges : array of int64, shape (blocks + 1,)
        Block i holds rows edges[i] to edges[i + 1].
    adc : Quantiser

    Returns
    -------
    y : array of float32, shape (vectors, columns)
        step · sum over blocks, bits and phases of ± 2^bit · code. [weights times inputs]
    clipped : int
        Conversions beyond the range of the converter.
    """
    y = np.zeros((x.shape[0], weights.shape[1]), dtype=np.float32)
    clipped = 0
    for sign, magnitude in phases(x):
        for start, stop in pairwise(edges):
            for bit in range(8):
                sums = np.zeros_like(y)
                for row in range(start, stop):  # row by row, so that the order of summation is defined
                    sums += (magnitude[:, row : row + 1] >> bit & 1) * weights[row]
                codes, count = convert(sums, adc)
                y += np.float32(sign * 2**bit) * codes
                clipped += count
    return y * np.float32(adc.step), clipped


def weight_gradient(x: np.ndarray, errors: np.ndarray, edges: np.ndarray, adc: Quantiser) -> tuple[np.ndarray, int]:
    """Weight gradients by arrays that hold activations as binary cells and take errors bit by bit.

    An array holds a block of vectors in its rows and one bit of one activation in each column. For each
    bit of the error magnitudes, and each sign, the ones in a column are counted and converted.

    Parameters
    ----------
    x : array of uint8, shape (vectors, rows of the layer)
        Activations.
    errors : array of int8, shape (vectors, columns of the layer)
        Errors from -127 to 127.
    edges : array of int64, shape (blocks + 1,)
        Blocks of vectors that share an array.
    adc : Quantiser

    Returns
    -------
    gradient : array of float32, shape (rows, columns)
        step · sum over blocks, bits, signs of ± 2^(both bits) · code. [activations times errors]
    clipped : int
        Conversions beyond the range of the converter.
    """
    total = np.zeros((x.shape[1], errors.shape[1]))
    clipped = 0
    for start, stop in pairwise(edges):
        for sign, magnitude in phases(errors):
            for bit in range(8):
                for error_bit in range(7):
                    stored = (x[start:stop] >> bit & 1).astype(np.float64)
                    streamed = (magnitude[start:stop] >> error_bit & 1).astype(np.float64)
                    codes, count = convert(stored.T @ streamed, adc)
                    total += sign * 2.0 ** (bit + error_bit) * codes
                    clipped += count
    return (total * adc.step).astype(np.float32), clipped


def pulsed_update(
    weights: np.ndarray,
    amount: np.ndarray,
    steps: Steps,
    rounding: str,
    sigma: float,
    per_pulse: bool,
    address: Address,
    column_edges: np.ndarray,
    written: np.ndarray,
) -> PulseCounts:
    """Write the weights with a whole number of pulses each, in place.

    Parameters
    ----------
    weights : array of float32, shape (rows, columns)
        Normalised conductances in [-1, 1]; changed.
    amount : array of float32, same shape
        Wanted pulses, up where positive; rounded here.
    steps : Steps
        Affine coefficients of the device law, numbers or one per cell.
    rounding : {"stochastic", "nearest"}
        `stochastic` keeps the mean, `nearest` writes nothing below half a pulse.
    sigma : float
        Standard deviation of the noise of a write, fraction of the full range 2.
    per_pulse : bool
        Whether the noise is drawn for each pulse, so that it grows with the root of their number.
    address : Address
        Of the random numbers: `ROUNDING` and `NOISE` of each cell.
    column_edges : array of int64
        Blocks of columns that form array rows, for the statistics.
    written : array of int32, shape of the weights
        Pulses of each cell so far; this update's are added.

    Returns
    -------
    PulseCounts
    """
    shape = weights.shape
    offset = uniform(address, ROUNDING, shape) if rounding == "stochastic" else np.float32(0.5)
    pulses = np.floor(amount + offset).astype(np.int64)
    count = np.abs(pulses)
    moved = apply_pulses(weights.astype(np.float64), pulses.astype(np.float64), steps)
    spread = 2 * sigma * np.sqrt(np.where(per_pulse, count, 1))
    noisy = np.clip(moved + spread * normal(address, NOISE, shape).astype(np.float64), -1, 1)
    weights[...] = np.where(count > 0, noisy, weights)
    written += count.astype(np.int32)
    up, down = np.maximum(pulses, 0), np.maximum(-pulses, 0)
    return PulseCounts(
        cells_up=int(np.count_nonzero(up)),
        cells_down=int(np.count_nonzero(down)),
        pulses_up=int(up.sum()),
        pulses_down=int(down.sum()),
        longest_up=np.maximum.reduceat(up, column_edges[:-1], axis=1),
        longest_down=np.maximum.reduceat(down, column_edges[:-1], axis=1),
    )
