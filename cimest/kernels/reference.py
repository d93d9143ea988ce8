"""The specification of the kernels: plain numpy, obvious and slow."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from cimest.kernels.random import CONVERSION, LANES, NOISE, ROUNDING, normal, uniform
from cimest.kernels.types import Address, MvmCounts, Periphery, PulseCounts, Quantiser
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


def largest_sum(weights: np.ndarray, longest: int) -> float:
    """No sum of `longest` of the weights is beyond it in size."""
    return longest * float(max(weights.max(initial=0), -weights.min(initial=0)))


def grid_spacing(weights: np.ndarray, longest: int) -> np.float32:
    """Spacing of a grid of weights on which all partial sums of `longest` rows fit the 24 bits of single precision."""
    return np.float32(np.exp2(np.ceil(np.log2(max(largest_sum(weights, longest), longest))) - 24))


def on_grid(weights: np.ndarray, longest: int) -> np.ndarray:
    """Weights on a grid so fine that converters hardly see it, and so coarse that all partial sums are exact.

    For 128 rows of weights up to 1 the grid is 2^-17: sums move by 3e-5, and fewer than one in 10 000 codes changes.
    In return sums do not depend on the order in which they are taken.
    """
    spacing = grid_spacing(weights, longest)
    return np.rint(weights / spacing) * spacing


def bit_serial_mvm(x: np.ndarray, weights: np.ndarray, edges: np.ndarray, adc: Quantiser) -> tuple[np.ndarray, int]:
    """Matrix-vector products by an array of cells whose every partial sum passes a converter.

    Inputs are applied bit by bit. For each block of rows and each bit, the rows whose bit is one are
    summed on the column, and the sum is converted; codes are shifted and added over bits and blocks.
    Signed inputs take two phases, positive magnitudes and negative ones, each with its own conversions.

    Parameters
    ----------
    x : array of uint8 or int8, shape (vectors, rows)
        Inputs; int8 from -127 to 127.
    weights : array of float32 or uint8, shape (rows, columns)
        Normalised conductances, taken `on_grid`; or whole states of cells, which is quicker. Sums of states up to
        65535.
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
    if weights.dtype == np.float32:
        weights = on_grid(weights, int(np.diff(edges).max()))
    cells = weights.astype(np.float64)
    for sign, magnitude in phases(x):
        for start, stop in pairwise(edges):
            for bit in range(8):
                sums = (magnitude[:, start:stop] >> bit & 1) @ cells[start:stop]
                codes, count = convert(sums, adc)
                y += np.float32(sign * 2**bit) * codes
                clipped += count
    return y * np.float32(adc.step), clipped


def by_edges(columns: int, edges: np.ndarray | Sequence[np.ndarray]) -> list[tuple[slice, np.ndarray]]:
    """Columns that share blocks, and the blocks; a list of edges is for as many equal parts of the columns."""
    if isinstance(edges, np.ndarray):
        return [(slice(0, columns), edges)]
    width = columns // len(edges)
    found: list[tuple[slice, np.ndarray]] = []
    for number, own in enumerate(edges):
        start = number * width
        if found and np.array_equal(found[-1][1], own):
            start = found.pop()[0].start
        found.append((slice(start, (number + 1) * width), own))
    return found


def weight_gradient(
    x: np.ndarray, errors: np.ndarray, edges: np.ndarray | Sequence[np.ndarray], adc: Quantiser
) -> tuple[np.ndarray, int]:
    """Weight gradients by arrays that hold activations as binary cells and take errors bit by bit.

    An array holds a block of vectors in its rows and one bit of one activation in each column. For each
    bit of the error magnitudes, and each sign, the ones in a column are counted and converted.

    Parameters
    ----------
    x : array of uint8, shape (vectors, rows of the layer)
        Activations.
    errors : array of int8, shape (vectors, columns of the layer)
        Errors from -127 to 127.
    edges : array of int64, shape (blocks + 1,), or sequence of such
        Blocks of vectors that share an array; one for each kernel position if they differ.
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
    for columns, blocks in by_edges(x.shape[1], edges):
        for start, stop in pairwise(blocks):
            for sign, magnitude in phases(errors):
                for bit in range(8):
                    for error_bit in range(7):
                        stored = (x[start:stop, columns] >> bit & 1).astype(np.float64)
                        streamed = (magnitude[start:stop] >> error_bit & 1).astype(np.float64)
                        codes, count = convert(stored.T @ streamed, adc)
                        total[columns] += sign * 2.0 ** (bit + error_bit) * codes
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
    bounds: tuple[Any, Any] = (-1.0, 1.0),
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
    bounds : pair of floats or arrays
        Lowest and highest weight within [-1, 1], of all cells or of each.

    Returns
    -------
    PulseCounts
    """
    shape = weights.shape
    offset = uniform(address, ROUNDING, shape) if rounding == "stochastic" else np.float32(0.5)
    pulses = np.floor(amount + offset).astype(np.int64)
    count = np.abs(pulses)
    moved = np.clip(apply_pulses(weights.astype(np.float64), pulses.astype(np.float64), steps), *bounds)
    spread = 2 * sigma * np.sqrt(np.where(per_pulse, count, 1))
    noisy = np.clip(moved + spread * normal(address, NOISE, shape).astype(np.float64), *bounds)
    weights[...] = np.where((count > 0) & movable(pulses, steps), noisy, weights)
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


def movable(pulses: np.ndarray, steps: Steps) -> np.ndarray:
    """Whether cells move at all, noise included, in the direction of their pulses: those with a step do."""
    return np.where(pulses > 0, steps.s_up, steps.s_down) > 0


def matmul(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The product without converters, in single precision; x may hold whole numbers."""
    return x.astype(np.float32) @ weights


def exact_gradient(x: np.ndarray, errors: np.ndarray, scale: float, centred: bool) -> np.ndarray:
    """Exact weight gradient, times `scale`.

    Parameters
    ----------
    x, errors : array of uint8, or of int8 from -127 to 127, shapes (vectors, rows) and (vectors, columns)
    scale : float
        A power of two.
    centred : bool
        Whether inputs count from their mean over the vectors.

    Returns
    -------
    array of float32, shape (rows, columns)
    """
    exact, sums = x.astype(np.float64).T @ errors.astype(np.float64), errors.sum(axis=0, dtype=np.float64)
    means = x.sum(axis=0, dtype=np.float64) / len(x) * centred
    return ((exact - means[:, None] * sums) * scale).astype(np.float32)


def scales(x: np.ndarray, periphery: Periphery) -> np.ndarray:
    """What the inputs of each vector are divided by; single precision."""
    if not periphery.normalise:
        return np.ones(len(x), dtype=np.float32)
    largest = np.maximum(x.max(axis=1, initial=0), -x.min(axis=1, initial=0)).astype(np.float32)
    return np.where(largest > 0, largest, np.float32(1))


def noisy_mvm(
    x: np.ndarray, weights: np.ndarray, variance: Any, periphery: Periphery, address: Address
) -> tuple[np.ndarray, MvmCounts]:
    """Matrix-vector products of whole vectors by noisy cells between a DAC and an ADC.

    The noise of every cell is independent and new with each read, so that of a column is normal with the variance
    sum of input² · variance: it is drawn once at the output, exact in distribution.

    Parameters
    ----------
    x : array of float32, shape (vectors, rows)
    weights : array of float32, shape (rows, columns)
    variance : float or array of float32, shape (rows, columns)
        Variance of the read noise of all cells, or of each.
    periphery : Periphery
    address : Address
        Of the random numbers of the first reads; those of repetition n have the seed address.seed + n.

    Returns
    -------
    y : array of float32, shape (vectors, columns)
    counts : MvmCounts
    """
    scale, rows = scales(x, periphery), np.arange(len(x))
    y, lost = np.zeros((len(x), weights.shape[1]), dtype=np.float32), np.zeros(len(x), dtype=np.int64)
    padded = -(-weights.shape[1] // (2 * LANES)) * 2 * LANES
    step, reads = periphery.output_step, 0
    for attempt in range(periphery.retries + 1):
        driven = x[rows] * (1 / scale[rows])[:, None]
        if periphery.input_step:
            inverse = np.float32(1) / np.float32(periphery.input_step)
            driven = np.floor(driven * inverse + np.float32(0.5)) * np.float32(periphery.input_step)
        driven = np.clip(driven, -1, 1).astype(np.float64)
        spread = np.sqrt(periphery.output_noise**2 + np.square(driven) @ np.broadcast_to(variance, weights.shape))
        drawn = normal(address._replace(seed=address.seed + attempt), CONVERSION, (len(x), padded))
        value = driven @ weights + spread * drawn[rows, : weights.shape[1]]
        if step:
            value = np.floor(value / step + 0.5) * step
        kept = np.clip(value, -periphery.output_bound, periphery.output_bound)
        y[rows], lost[rows] = kept * scale[rows, None], np.count_nonzero(kept != value, axis=1)
        reads += len(rows)
        rows = rows[lost[rows] > 0]
        if attempt < periphery.retries:
            scale[rows] *= 2
    return y, MvmCounts(reads, int(lost.sum()))


def ir_drop(conductance: np.ndarray, voltages: np.ndarray, resistance: float) -> np.ndarray:
    """Output currents of an array whose wires have resistance, by a sparse solution of all its nodes.

    Rows are driven at their left ends, columns end at the bottom in virtual ground; every cell has a wire segment
    before it on its row and one behind it on its column.

    Parameters
    ----------
    conductance : array, shape (rows, columns)
        Of the cells. [S]
    voltages : array, shape (vectors, rows)
        [V]
    resistance : float
        Of a wire segment. [ohm]

    Returns
    -------
    array, shape (vectors, columns)
        Current into each column's end. [A]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import splu

    rows, columns = conductance.shape
    row_nodes = np.arange(rows * columns).reshape(rows, columns)
    column_nodes = row_nodes + rows * columns
    wire = 1 / resistance
    pairs = [
        (row_nodes, column_nodes, conductance),
        (row_nodes[:, :-1], row_nodes[:, 1:], np.full((rows, columns - 1), wire)),
        (column_nodes[:-1], column_nodes[1:], np.full((rows - 1, columns), wire)),
    ]
    one, other, value = (np.concatenate([np.ravel(pair[k]) for pair in pairs]) for k in range(3))
    sources, grounds = row_nodes[:, 0], column_nodes[-1]
    diagonal = np.concatenate([one, other, sources, grounds])
    entries = np.concatenate([value, value, np.full(rows + columns, wire), -value, -value])
    places = np.concatenate([diagonal, one, other]), np.concatenate([diagonal, other, one])
    drive = np.zeros((2 * rows * columns, len(voltages)))
    drive[sources] = wire * voltages.T
    return (wire * splu(coo_array((entries, places)).tocsc()).solve(drive)[grounds]).T
