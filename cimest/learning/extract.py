"""Model extraction: weights read through the noisy periphery during late training, and averaged digitally."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cimest.kernels import in_memory_types as types
from cimest.kernels.in_memory_reference import converted
from cimest.learning.cells import CellArray
from cimest.learning.in_array import one_row
from cimest.learning.in_memory_cells import normal
from cimest.learning.trainer import Progress, Trainer
from hwlib.devices import Device


class Average(NamedTuple):
    """Running mean of what was read.

    Parameters
    ----------
    mean : array of float32, shape (rows, columns)
    reads : int
        Times that every row has been read.
    """

    mean: np.ndarray
    reads: int

    @classmethod
    def of(cls, shape: tuple[int, int]) -> Average:
        """Of nothing yet."""
        return cls(np.zeros(shape, dtype=np.float32), 0)

    def add(self, values: np.ndarray) -> Average:
        """With one more reading of all weights."""
        reads = self.reads + 1
        return Average(self.mean + (values - self.mean) / np.float32(reads), reads)


def read_out(weights: np.ndarray, periphery: types.Periphery, seed: int, tile: int, number: int) -> np.ndarray:
    """All weights, row by row with one full input each, through noise and ADC.

    Parameters
    ----------
    weights : array of float32, shape (rows, columns)
    periphery : Periphery
    seed, tile, number : int
        Of the run, the tile and the reading: the address of the noise.
    """
    noise = normal(seed, tile, types.READ_OUT, number, (weights.shape[0], weights.shape[1]))
    return converted((weights + periphery.noise * noise).astype(np.float32), periphery)


def quantised(weights: np.ndarray, bits: int) -> np.ndarray:
    """Weights as words of so many bits with sign, whose full scale is the largest of them."""
    steps = 2 ** (bits - 1) - 1
    largest = float(np.abs(weights).max(initial=0))
    return weights if largest == 0 else (np.rint(weights / largest * steps) * (largest / steps)).astype(np.float32)


@dataclass(frozen=True)
class Extraction:
    """A network's weights as they are, averaged, in words and on other devices.

    Parameters
    ----------
    accuracy : dict
        Share of test labels told right: `last`, `mean`, `mean_N_bits`, `last_written` and `mean_written`.
    readings : int
        Times that all weights were read.
    means : dict
        Averaged weights by layer.
    """

    accuracy: dict[str, float]
    readings: int
    means: dict[str, np.ndarray]


def extract(trainer: Trainer, readings: int, words: tuple[int, ...], device: Device) -> Extraction:
    """Train what is left of the trainer's epochs, reading all weights at even intervals, and test what comes out.

    Parameters
    ----------
    trainer : Trainer
        With epochs left.
    readings : int
        Of all weights.
    words : tuple of int
        Bits of digital copies of the mean.
    device : Device
        Onto which last and mean weights are written, each cell once, with its errors.

    Raises
    ------
    ValueError
        If there are fewer batches than readings, weights are pairs of cells, or converters have errors that only
        reads of whole vectors know.
    """
    matrices = trainer.model.matrices
    batches = (trainer.experiment.training.epochs - len(trainer.history)) * trainer.batches
    if not 1 <= readings <= batches:
        raise ValueError(f"{readings} readings do not fit into {batches} batches that are left to train")
    if trainer.experiment.chip.array.encoding != "reference_column":
        raise ValueError(
            "chip.array.encoding: weights are averaged cell by cell, for which only reference_column will do"
        )
    for error in ("offset", "inl"):
        if getattr(trainer.experiment.chip.adc, error):
            raise ValueError(f"chip.adc.{error}: is not simulated where single rows are read, for which it must be 0")
    periphery, seed = one_row(trainer.experiment.chip), trainer.experiment.seed
    averages = [Average.of(matrix.tile.shape) for matrix in matrices]
    first = len(trainer.history)
    due = {first * trainer.batches + int(batch) for batch in np.linspace(batches / readings, batches, readings)}

    def read(progress: Progress) -> None:
        if (progress.epoch - 1) * progress.batches + progress.batch in due:
            for number, matrix in enumerate(matrices):
                found = read_out(matrix.tile.weights, periphery, seed, number, averages[number].reads)
                averages[number] = averages[number].add(found)

    trainer.run(read, stops=due)
    last, mean = [np.array(matrix.tile.weights) for matrix in matrices], [average.mean for average in averages]

    def accuracy(weights: list[np.ndarray]) -> float:
        for matrix, values in zip(matrices, weights, strict=True):
            matrix.tile.hold(values)
        share = trainer.test(trainer.data.test_images, trainer.data.test_labels)[1]
        for matrix in matrices:
            matrix.tile.hold(None)
        return share

    def written(weights: list[np.ndarray]) -> list[np.ndarray]:
        return [
            CellArray(device, np.clip(values, -1, 1), seed + 1, number, 0, matrix.tile.all_column_edges).visible
            for number, (matrix, values) in enumerate(zip(matrices, weights, strict=True))
        ]

    found = {"last": accuracy(last), "mean": accuracy(mean)}
    found |= {f"mean_{bits}_bits": accuracy([quantised(values, bits) for values in mean]) for bits in words}
    found |= {"last_written": accuracy(written(last)), "mean_written": accuracy(written(mean))}
    names = [matrix.layer.name for matrix in matrices]
    return Extraction(found, averages[0].reads, dict(zip(names, mean, strict=True)))
