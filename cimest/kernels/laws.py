"""The specification of an update of cells that differ, by any law, with what writing does to them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cimest.kernels.random import NOISE, READING, ROUNDING, normal, uniform
from cimest.kernels.types import Address, PulseCounts
from hwlib.devices.cell_law import CellLaw, move


class Writing(NamedTuple):
    """What a write does beside moving the weight.

    Parameters
    ----------
    sigma : float
        Standard deviation of the noise that a write leaves, fraction of the full range 2.
    per_pulse : bool
        Whether that noise is drawn for each pulse, so that it grows with the root of their number.
    reading : float
        Standard deviation, fraction of the full range, by which a written cell reads wrong until it is written again.
    endurance : float
        Pulses after which a cell no longer moves.
    """

    sigma: float = 0.0
    per_pulse: bool = False
    reading: float = 0.0
    endurance: float = np.inf


def cell_update(
    weights: np.ndarray,
    error: np.ndarray,
    written: np.ndarray,
    amount: np.ndarray,
    law: CellLaw,
    writing: Writing,
    rounding: str,
    address: Address,
    column_edges: np.ndarray,
) -> PulseCounts:
    """Write the weights with a whole number of pulses each, in place.

    Parameters
    ----------
    weights : array of float32, shape (rows, columns)
        Changed; [-1, 1] is the range of the typical cell.
    error : array of float32, same shape
        What a read adds to the weights; drawn anew for each cell that is written, unless `writing.reading` is 0.
    written : array of int32, same shape
        Pulses of each cell so far; this update's are added. A cell that has had its endurance gets pulses, but
        does not move.
    amount : array of float32, same shape
        Wanted pulses, up where positive; rounded here.
    law : CellLaw
    writing : Writing
    rounding : {"stochastic", "nearest"}
        `stochastic` keeps the mean, `nearest` writes nothing below half a pulse.
    address : Address
        Of the random numbers: `ROUNDING`, `NOISE` and `READING` of each cell.
    column_edges : array of int64
        Blocks of columns that form array rows, for the statistics.

    Returns
    -------
    PulseCounts

    Notes
    -----
    Noise of the pulses is drawn once for all of an update, as large as theirs together: exact where the step hardly
    changes from the first pulse to the last.
    """
    shape = weights.shape
    offset: Any = np.float32(0.5)
    if rounding == "stochastic":
        offset = uniform(address, ROUNDING, shape)
    pulses = np.floor(amount + offset).astype(np.int64)
    count = np.abs(pulses)
    can_move = np.where(pulses > 0, law.steps.s_up, law.steps.s_down) > 0
    changed = (count > 0) & can_move & (written < writing.endurance)
    moved = move(weights.astype(np.float64), pulses.astype(np.float64), law)
    spread = 2 * writing.sigma * np.sqrt(np.where(writing.per_pulse, count, 1))
    weights[...] = np.where(
        changed, np.clip(moved + spread * normal(address, NOISE, shape), law.low, law.high), weights
    )
    if writing.reading:
        error[...] = np.where(changed, 2 * writing.reading * normal(address, READING, shape), error)
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
