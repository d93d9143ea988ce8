"""Voltage lost along the lines of the arrays: how much of each weight reaches the converters."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from cimest.config.chip import Chip
from cimest.kernels import backend
from cimest.mapping.arrays import weight_array
from hwlib.technology import load_technology


def segment_resistance(chip: Chip) -> float:
    """Of a line from one cell to the next; 0 if wires are perfect. [ohm]

    From the technology it is that of a wire of minimum width, the mean of both directions (our choice: the solution
    knows one resistance).
    """
    if chip.array.wire_resistance != "technology":
        return chip.array.wire_resistance
    tech = load_technology(chip.technology, chip.roadmap, chip.temperature, chip.supply, chip.clock)
    array = weight_array(chip)
    along, across = array.row_length(tech) / array.all_columns, array.column_length(tech) / array.all_rows
    return float(tech.wire_resistance * (along + across) / 2)


def losses(
    cells: list[np.ndarray], resistance: float, exact: bool, row_edges: np.ndarray, column_edges: np.ndarray
) -> np.ndarray:
    """What each weight counts for at the converters, over its value.

    Currents are linear in the voltages, so that wires act as a change of the conductances. The dummy line lies beside
    the line that it is subtracted from, and loses the same (our choice). Rows end at the first column, columns at the
    last row, on whichever side the drivers are: resistors work both ways, so that one answer serves both.

    Parameters
    ----------
    cells : list of array, shape (fan-in, fan-out)
        Conductances of the cell of each weight, or of both of a pair, which lie side by side. [S]
    resistance : float
        Of a wire segment. [ohm]
    exact : bool
        From the currents of every row driven alone, or fitted by `ir_drop_correction`, in a hundredth of the time.
    row_edges, column_edges : array of int64
        The layer's arrays.

    Returns
    -------
    array of float32, shape (fan-in, fan-out)
    """
    found = np.empty(cells[0].shape, dtype=np.float32)
    for rows in pairwise(row_edges):
        for columns in pairwise(column_edges):
            place = slice(*rows), slice(*columns)
            array = np.stack([each[place] for each in cells], axis=-1)
            block = array.reshape(len(array), -1)
            if exact:
                factors = backend().ir_drop(block, np.eye(len(block)), resistance) / block
            else:
                factors = backend().ir_drop_correction(block, resistance)
            found[place] = factors.reshape(array.shape).mean(axis=-1)
    return found
