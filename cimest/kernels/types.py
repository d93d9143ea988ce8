"""What the kernels take and give: an ADC's thresholds, and the statistics of an update."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np


class Quantiser(NamedTuple):
    """A converter: code = clip(floor(partial sum / step + 1/2), low, high).

    Parameters
    ----------
    step : float
        Partial sum between two codes, in weights times input bits.
    low, high : int
        Smallest and largest code; low <= 0 <= high, so that an empty sum reads zero.
    """

    step: float
    low: int
    high: int

    def scalars(self) -> tuple[np.float32, np.float32, np.float32]:
        """One over the step and the two bounds in single precision, as every backend computes with them."""
        return np.float32(1 / self.step), np.float32(self.low), np.float32(self.high)


class Address(NamedTuple):
    """Where random numbers come from: seed of the run, step of the training, number of the tile."""

    seed: int
    step: int
    tile: int


@dataclass(frozen=True)
class PulseCounts:
    """What an update made the write circuits do.

    Parameters
    ----------
    cells_up, cells_down : int
        Cells that got pulses of that direction.
    pulses_up, pulses_down : int
        Sum of those pulses.
    longest_up, longest_down : array of int64, shape (rows, column blocks)
        Largest number of pulses in each array row, which sets its write time.
    """

    cells_up: int
    cells_down: int
    pulses_up: int
    pulses_down: int
    longest_up: np.ndarray
    longest_down: np.ndarray

    @classmethod
    def none(cls, rows: int, blocks: int) -> PulseCounts:
        """No pulses at all."""
        return cls(0, 0, 0, 0, np.zeros((rows, blocks), dtype=np.int64), np.zeros((rows, blocks), dtype=np.int64))

    def beside(self, other: PulseCounts) -> PulseCounts:
        """Two updates of cells in the same rows, in the same slots."""
        both = self + other
        longest = np.maximum(self.longest_up, other.longest_up), np.maximum(self.longest_down, other.longest_down)
        return PulseCounts(both.cells_up, both.cells_down, both.pulses_up, both.pulses_down, *longest)

    def __add__(self, other: PulseCounts) -> PulseCounts:
        """Two updates, one after the other."""
        return PulseCounts(*(getattr(self, entry.name) + getattr(other, entry.name) for entry in fields(self)))


class Periphery(NamedTuple):
    """Converters of an array that takes a vector at a time, at the full resolution of its inputs.

    Parameters
    ----------
    input_step : float
        Step of the DAC, whose full scale is 1; 0: no DAC.
    output_step : float
        Step of the ADC; 0: no ADC.
    output_bound : float
        Largest output; beyond, it is clipped. [inputs of full scale times weights]
    output_noise : float
        Standard deviation of the noise at the output, in the same unit.
    normalise : bool
        Whether inputs are divided by the largest of their vector (noise management), or are in full scales as they are.
    retries : int
        How often a vector that was clipped is read again with half the inputs (bound management).
    """

    input_step: float = 0.0
    output_step: float = 0.0
    output_bound: float = float("inf")
    output_noise: float = 0.0
    normalise: bool = False
    retries: int = 0


class MvmCounts(NamedTuple):
    """What reads of whole vectors took: reads, repeated ones with them, and outputs that stayed clipped."""

    reads: int
    clipped: int
