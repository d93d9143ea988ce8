"""Normalisation of batches and of layers: digital, with a learned scale and offset for each channel."""

from __future__ import annotations

import numpy as np

from cimest.learning.codes import Signal, values
from cimest.learning.layers import Part, State, descend
from cimest.learning.matrix import MEAN_MEMORY
from cimest.network import Normalise

LEAST = np.float32(1e-5)
"""Added to each variance, so that a constant does not divide by zero (Ioffe and Szegedy, ICML 2015)."""


class NormalisePart(Part):
    """Values less their mean, over their standard deviation, times a scale plus an offset.

    Batch normalisation takes both over the places and samples of a batch, for each channel, and tests with running
    ones; layer normalisation takes them over the channels of each place.
    """

    def __init__(self, layer: Normalise):
        self.by_batch = layer.kind == "batch"
        self.axis: int | tuple[int, ...] = (0, 1, 2) if self.by_batch else 3
        channels = layer.input[0]
        self.gain, self.offset = np.ones(channels, dtype=np.float32), np.zeros(channels, dtype=np.float32)
        self.mean, self.variance, self.batches = np.zeros_like(self.offset), np.ones_like(self.gain), 0

    def forward(self, *inputs: Signal, training: bool) -> np.ndarray:
        """Normalised values; training follows the mean and the variance of a batch."""
        z = values(inputs[0])
        if self.by_batch and not training:
            return (z - self.mean) * (self.gain / np.sqrt(self.variance + LEAST)) + self.offset
        mean = z.mean(axis=self.axis, keepdims=True, dtype=np.float64).astype(np.float32)
        centred = z - mean
        variance = np.square(centred).mean(axis=self.axis, keepdims=True, dtype=np.float64).astype(np.float32)
        deviation = np.sqrt(variance + LEAST)
        normal = centred / deviation
        if training:
            self.deviation, self.normal = deviation, normal
            if self.by_batch:
                self._follow(mean.reshape(-1), variance.reshape(-1))
        return normal * self.gain + self.offset

    def _follow(self, mean: np.ndarray, variance: np.ndarray) -> None:
        """Take the statistics of a batch into the running ones; the first batch's are taken as they are."""
        self.batches += 1
        share = np.float32(1 if self.batches == 1 else 1 - MEAN_MEMORY)
        self.mean = self.mean + share * (mean - self.mean)
        self.variance = self.variance + share * (variance - self.variance)

    def rescale(self, ratio: float) -> None:
        """What comes in is larger by a ratio from now on."""
        self.mean *= np.float32(ratio)
        self.variance *= np.float32(ratio**2)

    def backward(self, error: np.ndarray) -> tuple[np.ndarray, ...]:
        """The exact derivative, that of mean and deviation included."""
        places = (0, 1, 2)
        self.gain_error = (error * self.normal).sum(axis=places, dtype=np.float64)
        self.offset_error = error.sum(axis=places, dtype=np.float64)
        inner = error * self.gain
        common = inner.mean(axis=self.axis, keepdims=True, dtype=np.float64).astype(np.float32)
        along = (inner * self.normal).mean(axis=self.axis, keepdims=True, dtype=np.float64).astype(np.float32)
        return ((inner - common - self.normal * along) / self.deviation,)

    def learn(self, rate: float) -> None:
        """One step of scale and offset."""
        descend(self.gain, self.gain_error, rate)
        descend(self.offset, self.offset_error, rate)

    def state(self) -> State:
        """All that the next batch depends on."""
        names = ("gain", "offset", "mean", "variance")
        return {name: getattr(self, name) for name in names} | {"batches": self.batches}

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""
        for name in ("gain", "offset", "mean", "variance"):
            setattr(self, name, state[name].copy())
        self.batches = state["batches"]
