"""Reads of whole vectors: every line at the level of its word, one conversion of each column and block of lines."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from cimest.config.chip import Adc, Chip
from cimest.config.chip import Periphery as Choice
from cimest.kernels import backend
from cimest.kernels.digital import largest, reaching, scale_rows
from cimest.kernels.types import Address, Periphery, Quantiser
from cimest.learning import converter
from cimest.learning.periphery import full_range
from cimest.mapping.operands import Operand

PIECE = 6_000_000
"""Levels of lines that are in memory at the same time."""


class Product(NamedTuple):
    """What some vectors gave.

    Parameters
    ----------
    y : array of float32, shape (vectors, columns)
        In units of inputs times weights.
    reads : int
        Of vectors, those repeated with them.
    clipped : int
        Conversions at an end of the range in the last read of each vector.
    """

    y: np.ndarray
    reads: int
    clipped: int


def dac_step(choice: Choice) -> float:
    """Step of the DACs, over full scale: as many levels on either side of zero."""
    return 1 / converter.codes(choice.dac_bits, signed=True)[1]


def largest_word(operand: Operand) -> int:
    """Largest magnitude of a word."""
    return 2**operand.magnitude_bits - 1


def scales(x: np.ndarray, operand: Operand, choice: Choice) -> np.ndarray:
    """What stands for a full input in each vector: its own largest magnitude, or the largest word; single precision."""
    if choice.noise_management == "none":
        return np.full(len(x), largest_word(operand), dtype=np.float32)
    return np.maximum(largest(x), np.float32(1))


def levels(x: np.ndarray, operand: Operand, choice: Choice) -> np.ndarray:
    """What the lines take, over full scale."""
    step = np.float32(dac_step(choice))
    return np.rint(x / scales(x, operand, choice)[:, None] / step) * step


def range_of(
    x: np.ndarray, weights: np.ndarray, edges: np.ndarray, adc: Adc, operand: Operand, choice: Choice
) -> Quantiser:
    """The converter's range for products of x and the weights, in full inputs times weights; codes are symmetric."""
    _, high = converter.codes(adc.bits, signed=True)
    if choice.output_range is not None:
        return Quantiser(choice.output_range / high, -high, high)
    if adc.range != "calibrated":
        return full_range(adc.range, int(np.diff(edges).max()), -high, high)
    some = x[np.flatnonzero(x.any(axis=1))]
    driven = levels(some[converter.spread(len(some))], operand, choice).astype(np.float64) if len(some) else some
    columns = weights[:, converter.spread(weights.shape[1])].astype(np.float64)
    sums = np.concatenate([(driven[:, a:b] @ columns[a:b]).reshape(-1) for a, b in pairwise(edges)])
    best = converter.best(sums, np.ones_like(sums), adc.bits, signed=True)
    return Quantiser(best.step, -high, high)


def converters(chip: Chip, adc: Adc, quantiser: Quantiser | None) -> Periphery:
    """What the kernels take for one side of the arrays; without a quantiser there are no converters."""
    if quantiser is None:
        return Periphery(input_step=dac_step(chip.periphery))
    step = quantiser.step
    return Periphery(dac_step(chip.periphery), step, step * quantiser.high, step * adc.noise)


def product(
    x: np.ndarray,
    weights: np.ndarray,
    variance: np.ndarray | None,
    edges: np.ndarray,
    operand: Operand,
    choice: Choice,
    periphery: Periphery,
    address: Callable[[], Address],
) -> Product:
    """Matrix-vector products, each block of lines converted by itself.

    Under bound management a vector is read again, all blocks of it, with half the inputs if any of its conversions was
    at an end of the range: a code does not tell whether its sum was beyond.

    Parameters
    ----------
    x : array of uint8 or int8, shape (vectors, rows)
    weights : array of float32, shape (rows, columns)
    variance : array of float32, shape (rows, columns), optional
        Of the weights from read to read.
    edges : array of int64
        Blocks of rows.
    operand : Operand
    choice : Periphery of the schema
    periphery : Periphery of the kernels
        Of one read.
    address : function
        Fresh address of random numbers.
    """
    y = np.empty((len(x), weights.shape[1]), dtype=np.float32)
    reads = clipped = 0
    attempts = 1 + (choice.retries if choice.bound_management == "iterative" else 0)
    together = max(1, PIECE // x.shape[1])
    for start in range(0, len(x), together):
        some, out = x[start : start + together], y[start : start + together]
        full, left = scales(some, operand, choice), np.arange(len(some))
        for attempt in range(attempts):
            given, factors = (some, full) if attempt == 0 else (some[left], full[left])
            sums, ended = _read(scale_rows(given, 1 / factors), weights, variance, edges, periphery, address)
            out[left] = sums * factors[:, None]
            reads += len(left)
            last = attempt == attempts - 1
            clipped += int(ended.sum() if last else 0)
            left = left[ended > 0]
            if last or not len(left):
                break
            full[left] *= 2
    return Product(y, reads, clipped)


def _read(
    driven: np.ndarray,
    weights: np.ndarray,
    variance: np.ndarray | None,
    edges: np.ndarray,
    periphery: Periphery,
    address: Callable[[], Address],
) -> tuple[np.ndarray, np.ndarray]:
    """Sums over all blocks, and each vector's conversions at an end of the range."""
    ended, sums = np.zeros(len(driven), dtype=np.int64), np.zeros((len(driven), weights.shape[1]), dtype=np.float32)
    for first, last in pairwise(edges):
        spread = 0.0 if variance is None else np.ascontiguousarray(variance[first:last], dtype=np.float32)
        part, _ = backend().noisy_mvm(driven[:, first:last], weights[first:last], spread, periphery, address())
        if np.isfinite(periphery.output_bound):
            ended += reaching(part, periphery.output_bound - periphery.output_step / 2)
        sums += part
    return sums, ended
