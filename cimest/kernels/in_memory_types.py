"""What the kernels of in-memory training rules take: a tile with several arrays, its room, the periphery."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

(
    TRAIN_ROWS, TRAIN_COLUMNS, FAST_NOISE, SLOW_NOISE, TRANSFER_READ, TRANSFER_ROUNDING, CHOP, FORWARD, BACKWARD,
    READ_OUT, SPREAD, SEARCH,
) = range(12)  # fmt: skip
"""Streams of random numbers: pulse trains of both sides, noise of pulses on the array that sees the gradient and on
those that transfers write, noise of transfer reads, rounding of their pulses, choppers, noise of reads in training and
of reads that extract weights, how cells differ, and noise of the pulses that find balance points."""

STREAMS = 16
"""Numbers kept free for the streams of a tile."""

MARK = 1 << 31
"""Keeps the keys of these streams apart from those of `kernels.random`."""

LINE, SWEEPS = range(2)
"""Columns of `Tile.position`: next row to be read, and how often all rows have been read, of each pair of arrays."""

(
    VECTORS, SLOTS, LINES_ROWS, LINES_COLUMNS, CELLS_FAST, UP_FAST, DOWN_FAST, READS, CELLS_SLOW, UP_SLOW, DOWN_SLOW,
    ROWS_SLOW, PRODUCTS, PASSES, SLOTS_SLOW,
) = range(15)  # fmt: skip
"""Entries of `Tile.counts`: vectors that updated, slots of their trains, pulses on the lines of either side,
cells pulsed on the fast array and their pulses, transfer reads, cells pulsed by transfers, their pulses and the rows
that were written, digital multiply-accumulates, vectors read forward and backward, and slots of the rows that were
written: the most pulses up of a cell, and then the most down."""

COUNTS = 15

MEMORY = 0.01
"""Weight of the latest vector in the running means of the largest input and error (rasch2021toolkit)."""

READING = 2.0
"""Largest value that a word of a reading holds, in weights: the largest difference between two cells."""

NEVER = 1 << 62
"""Endurance of cells whose record has none."""

UP, UP_SLOPE, DOWN, DOWN_SLOPE, LOW, HIGH = range(6)
CODES = 6
"""Numbers of a cell, of 16 bits each."""


def first_key(tile: int) -> int:
    """Key of a tile's first stream; the others follow it."""
    return MARK + tile * STREAMS


BLOCK = 1 << 12
"""Cells that are pulsed together, so that their noise is drawn in one go."""

SLICE = 256
"""Cells of a block whose numbers are brought together at a time: they stay in the nearest cache."""


class Work(NamedTuple):
    """Room that a tile's kernels work in; nothing in it outlives a call.

    Parameters
    ----------
    lines_x, trains_x, signs_x, lines_d, trains_d, signs_d : array of uint32, uint32 and int32
        Lines of either side that fire, their trains, and -1 for negative values, else 0.
    probability : array of float32
        Of each line of a side.
    cells, pulses : array of uint32 and int32
        Cells to be pulsed and how often, with sign.
    draws : array of float32
        Normal or uniform numbers.
    old, new : array of float32, shape (SLICE,)
        Weights before and after their pulses.
    codes : array of int32, shape (4, SLICE)
        Step and slope in the direction of the pulses, and ends of the range, in units of `Tile.scales`.
    values : array of float32
        Readings of a row.
    """

    lines_x: np.ndarray
    trains_x: np.ndarray
    signs_x: np.ndarray
    lines_d: np.ndarray
    trains_d: np.ndarray
    signs_d: np.ndarray
    probability: np.ndarray
    cells: np.ndarray
    pulses: np.ndarray
    draws: np.ndarray
    old: np.ndarray
    new: np.ndarray
    codes: np.ndarray
    values: np.ndarray


SPARE = 16
"""By which rooms are longer, since vectors are read and random numbers drawn sixteen at a time."""


def work(rows: int, columns: int) -> Work:
    """Room for a tile of that size."""
    longest, listed = max(rows, columns) + SPARE, BLOCK + columns + SPARE
    return Work(
        np.empty(rows + SPARE, np.uint32), np.empty(rows + SPARE, np.uint32), np.empty(rows + SPARE, np.int32),
        np.empty(columns + SPARE, np.uint32), np.empty(columns + SPARE, np.uint32), np.empty(columns + SPARE, np.int32),
        np.empty(longest, np.float32), np.empty(listed, np.uint32), np.empty(listed, np.int32),
        np.empty(max(listed, longest), np.float32), np.empty(SLICE, np.float32), np.empty(SLICE, np.float32),
        np.empty((4, SLICE), np.int32), np.empty(longest, np.float32),
    )  # fmt: skip


class Periphery(NamedTuple):
    """Converters of reads that have one full input.

    Parameters
    ----------
    outputs : int
        Steps of the ADC on either side of zero; 0: outputs as they are.
    bound : float
        Largest output, in weights.
    noise : float
        Standard deviation of an output's noise, in the same unit.
    """

    outputs: int
    bound: float
    noise: float


IDEAL = Periphery(0, np.inf, 0.0)


class Tile(NamedTuple):
    """One layer's arrays and what a rule keeps about them; `rows` are inputs, `columns` are outputs.

    Weights are counted from each cell's reference. Matrices that a rule does not need are empty.

    Parameters
    ----------
    arrays : array of float32, shape (levels, rows, columns)
        The slowest first; the last one sees the gradient.
    shares : array of float32, shape (levels,)
        Weight of each array in the visible one.
    visible : array of float32, shape (rows, columns)
        What a matrix-vector product sees.
    codes : array of int16, shape (levels, rows · columns, 6)
        `UP` to `HIGH` of each cell, in units of `scales`: a pulse up adds up - up_slope · w, one down subtracts
        down + down_slope · w; ends of the range.
    scales : array of float32, shape (levels, 6)
    nodes : array of float32, shape (2, nodes)
        For laws that are no straight line: the factor of a step over the place in the range, up and down; else empty.
    noise : float
        Standard deviation of the noise of one pulse.
    per_pulse : bool
        Whether that noise grows with the root of the number of pulses.
    endurance : int
        Pulses after which a cell no longer moves, though it still gets them.
    hidden : array of float32, shape (rows, columns)
        The digital buffer, in pulses; under `Plan.batch` with the sums that it has not taken yet.
    mean, past : array of float32, shape (rows, columns)
        Running mean of the readings and the reference of the present phase.
    chopper : array of int8, shape (rows,)
    phases : array of int64, shape (rows,)
        Flips of each chopper so far.
    position : array of int64, shape (levels, 2)
    maxima : array of float64, shape (2,)
        Running means of the largest input and the largest error.
    written : array of int32, shape (levels, rows, columns)
        Pulses of each cell so far.
    counts : array of int64, shape (15,)
    seed, key : int
        Address of the random numbers: of the run, and the key of the tile's first stream.
    """

    arrays: np.ndarray
    shares: np.ndarray
    visible: np.ndarray
    codes: np.ndarray
    scales: np.ndarray
    nodes: np.ndarray
    noise: float
    per_pulse: bool
    endurance: int
    hidden: np.ndarray
    mean: np.ndarray
    past: np.ndarray
    chopper: np.ndarray
    phases: np.ndarray
    position: np.ndarray
    maxima: np.ndarray
    written: np.ndarray
    counts: np.ndarray
    seed: int
    key: int
