"""The edge of the arrays: products through converters with a range, errors of their own, and noise."""

from __future__ import annotations

import numpy as np

from cimest.config.chip import Adc, WeightGradient
from cimest.kernels import backend
from cimest.kernels.converters import Transfer
from cimest.kernels.converters_compiled import gradient_by, mvm_by
from cimest.kernels.random import DEVICE, normal, uniform
from cimest.kernels.reference import by_edges
from cimest.kernels.types import Address, Quantiser
from cimest.learning import converter
from cimest.mapping.operands import Operand

FIRST_DRAW = 64
"""Number of the first draw of a tile's converters; those of its cells lie below."""

EXACT_BITS = 52
"""Bits of a sum that double precision holds exactly."""


def exact_product(x: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Product of whole numbers x of up to 16 bits and a matrix, in double precision.

    The matrix is rounded to a grid so fine that it is good to nine digits of its largest entry, and so coarse that
    all sums are exact: the result does not depend on their order, and so not on the number of threads.
    """
    largest = float(np.abs(matrix).max(initial=0))
    if largest == 0:
        return np.zeros((len(x), matrix.shape[1]))
    top = int(np.ceil(np.log2(largest))) + int(np.ceil(np.log2(max(len(matrix), 2))))
    top += int(np.ceil(np.log2(max(float(np.abs(x).max(initial=0)), 1.0) + 1)))
    grid = 2.0 ** (top - EXACT_BITS)
    return x.astype(np.float64) @ (np.rint(matrix.astype(np.float64) / grid) * grid)


def positions(edges: np.ndarray, shared: int) -> np.ndarray:
    """Number of the converter that each line has, where so many neighbours of an array share one."""
    array = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    group = (np.arange(edges[-1]) - edges[array]) // shared
    return np.unique(array * edges[-1] + group, return_inverse=True)[1]


def transfer(
    offset: float, inl: float, address: Address, draw: int, blocks: int, converters: np.ndarray
) -> Transfer | None:
    """Errors of converters; None if they have none.

    Parameters
    ----------
    offset : float
        Standard deviation. [steps]
    inl : float
        No converter is further from a straight line than this. [steps]
    address : Address
        Of the tile.
    draw : int
        Distinguishes the sides of the arrays.
    blocks : int
        Arrays that lie one behind the other, each with converters of its own.
    converters : array of int
        Number of each line's converter.

    Notes
    -----
    Which share of the nonlinearity has one maximum, and which is of both signs, is uniform for each converter (our
    choice; the record says only how large it is).
    """
    if offset == inl == 0:
        return None
    shape, first = (blocks, int(converters.max()) + 1), FIRST_DRAW + 4 * draw
    share = 2 * uniform(address._replace(step=first + 1), DEVICE, shape) - 1
    sign = np.sign(uniform(address._replace(step=first + 2), DEVICE, shape) - np.float32(0.5))
    each = (
        np.float32(offset) * normal(address._replace(step=first), DEVICE, shape),
        np.float32(inl) * share,
        np.float32(inl) * sign * (1 - np.abs(share)),
    )
    return Transfer(*(np.ascontiguousarray(entry[:, converters], dtype=np.float32) for entry in each))


def full_range(fraction: float | str, longest: int, low: int, high: int) -> Quantiser:
    """Converter whose full scale is the largest possible sum of so many rows, or a fraction of that."""
    return Quantiser((1.0 if fraction == "full" else float(fraction)) * longest / max(high, 1), low, high)


def patterns(x: np.ndarray, bits: int) -> np.ndarray:
    """Bit patterns of words with or without a sign, as uint8."""
    return np.ascontiguousarray(x).view(np.uint8) & np.uint8(2**bits - 1)


def range_of(x: np.ndarray, weights: np.ndarray, edges: np.ndarray, adc: Adc, operand: Operand) -> Quantiser:
    """The converter's range for products of x and the weights."""
    if adc.range != "calibrated":
        return full_range(adc.range, int(np.diff(edges).max()), *converter.codes(adc.bits, signed=True))
    applied = patterns(x, operand.bits) if operand.signs == "twos_complement" else x
    return converter.measured_mvm(applied, weights, edges, adc.bits)


def product(
    x: np.ndarray,
    weights: np.ndarray,
    edges: np.ndarray,
    quantiser: Quantiser,
    curves: Transfer | None,
    operand: Operand,
) -> tuple[np.ndarray, int]:
    """Matrix-vector products, every partial sum of every cycle converted, and conversions that were clipped.

    In two's complement the sign's bit is a cycle like the others, which counts negative.
    """

    def by_phases(codes: np.ndarray, bits: int) -> tuple[np.ndarray, int]:
        if curves is None:
            return backend().bit_serial_mvm(codes, weights, edges, quantiser)
        return mvm_by(codes, weights, edges, quantiser, curves, bits)

    if operand.signs != "twos_complement":
        return by_phases(x, operand.magnitude_bits)
    words, top = patterns(x, operand.bits), operand.bits - 1
    lower, clipped = by_phases(words & np.uint8(2**top - 1), top)
    sign, more = by_phases(words >> np.uint8(top), 1)
    return lower - np.float32(2**top) * sign, clipped + more


def read_variance(x: np.ndarray, variance: np.ndarray, operand: Operand, white: bool) -> np.ndarray:
    """Variance of products of x and cells that each read with a variance.

    Noise that stays through the cycles of a vector enters with the square of the word, white noise with the squares
    of what its bits count for.
    """
    if not white:
        weight = np.square(x.astype(np.int64))
    elif operand.signs == "twos_complement":
        weight = _squares(patterns(x, operand.bits), operand.bits)
    else:
        weight = _squares(np.abs(x.astype(np.int64)), operand.magnitude_bits)
    return exact_product(weight, variance)


def _squares(words: np.ndarray, bits: int) -> np.ndarray:
    """Sum of 4^bit over the bits that are one."""
    return sum((words.astype(np.int64) >> bit & 1) << 2 * bit for bit in range(bits))  # type: ignore[return-value]


def gradient(
    x: np.ndarray,
    errors: np.ndarray,
    edges_by_position: list[np.ndarray],
    quantiser: Quantiser,
    curves: Transfer | None,
    bits: tuple[int, int],
) -> tuple[np.ndarray, int]:
    """Weight gradients by the unit, and conversions that were clipped.

    Parameters
    ----------
    x : array of uint8 or int8, shape (vectors, rows)
        Stored bit by bit; the uppermost bit of a word with a sign is added up with a negative weight.
    errors : array of int8, shape (vectors, columns)
    edges_by_position : list of arrays
        Blocks of vectors, for each kernel position.
    quantiser : Quantiser
    curves : Transfer, optional
        Of shape (1, bits · channels): one line for each stored bit, channel by channel.
    bits : pair of int
        Of the inputs, and of the errors' magnitudes.
    """
    words, top = patterns(x, bits[0]), bits[0] - 1
    signed = x.dtype == np.int8
    if curves is not None:
        significance = 2.0 ** np.arange(bits[0]) * np.where((np.arange(bits[0]) == top) & signed, -1, 1)
        return _gradient_by(words, errors, edges_by_position, quantiser, curves, significance, bits[1])
    kernel = backend().weight_gradient
    if not signed:
        return kernel(words, errors, edges_by_position, quantiser)
    lower, clipped = kernel(words & np.uint8(2**top - 1), errors, edges_by_position, quantiser)
    sign, more = kernel(words >> np.uint8(top), errors, edges_by_position, quantiser)
    return lower - np.float32(2**top) * sign, clipped + more


def _gradient_by(
    words: np.ndarray,
    errors: np.ndarray,
    edges_by_position: list[np.ndarray],
    quantiser: Quantiser,
    curves: Transfer,
    significance: np.ndarray,
    error_bits: int,
) -> tuple[np.ndarray, int]:
    """`gradient` by converters with errors of their own."""
    channels, bits = words.shape[1] // len(edges_by_position), len(significance)
    parts, clipped = [], 0
    for columns, edges in by_edges(words.shape[1], edges_by_position):
        positions = (columns.stop - columns.start) // channels
        own = Transfer(*(np.ascontiguousarray(np.tile(entry.reshape(channels, bits).T, positions)) for entry in curves))
        stored = np.ascontiguousarray(words[:, columns])
        part, count = gradient_by(stored, errors, edges, quantiser, own, significance, error_bits)
        parts.append(part)
        clipped += count
    return np.concatenate(parts), clipped


def unit_curves(unit: WeightGradient, address: Address, bits: int, channels: int) -> Transfer | None:
    """Errors of the converters of the weight-gradient unit, of shape (1, bits · channels).

    Arrays that hold the same columns of different positions are taken for one (our choice: the unit is small, and is
    filled again and again).
    """
    lines = bits * channels
    edges = np.array([*range(0, lines, unit.columns), lines])
    return transfer(unit.adc_offset, unit.adc_inl, address, 2, 1, positions(edges, unit.columns_per_adc))
