"""Weights as they come out of the devices: written, aged and read with random numbers, the reference of all moments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cimest.kernels.random import normal
from cimest.kernels.types import Address
from cimest.programming.error import Strategy
from cimest.programming.moments import before_clamp, clamp
from hwlib.devices import Device
from hwlib.devices.retention import drift_exponent, drift_factor, programming_sigma
from hwlib.devices.statistics import RelaxationTable

Normal = Callable[[int, int, tuple[int, ...]], np.ndarray]
"""Draws normal numbers for a device of a weight: for writing (-2), its drift (-1) or one of its reads (0, 1, ...)."""

Order = Literal["physical", "split_again"]
"""physical: every device ages from what was written in it. split_again: the written weights are split into one-sided
pairs anew, the largest of them at the largest conductance, and these age (rasch2021toolkit, to compare with it)."""

WRITE, DRIFT = -2, -1

FIRST_TILE, DEVICES, READS = 2**20, 16, 1024
"""Addresses of random numbers: matrices are numbered from the first, far from the tiles of training; each has room for
so many devices of a weight; a repeat has room for so many reads."""


def addressed(seed: int, repeat: int, matrix: int) -> Normal:
    """Numbers for one matrix that depend on nothing else: not on the order of the draws, nor on other matrices."""

    def drawn(number: int, purpose: int, shape: tuple[int, ...]) -> np.ndarray:
        if number >= DEVICES:
            raise ValueError(f"a weight has more than {DEVICES} devices")
        address = Address(seed, repeat * READS + purpose - WRITE, FIRST_TILE + matrix * DEVICES + number)
        rows = int(np.prod(shape[:-1]))
        return normal(address, 0, (rows, shape[-1])).astype(np.float64).reshape(shape)

    return drawn


def generated(rng: np.random.Generator) -> Normal:
    """Numbers from a generator, in the order of the draws; quicker, for checks of the moments."""
    return lambda number, purpose, shape: rng.standard_normal(shape)


@dataclass
class Programmed:
    """A matrix in its devices.

    Parameters
    ----------
    strategy : Strategy
    device : Device
    targets, written, exponents : arrays of shape (..., pairs, 2)
        What was aimed at, what was written [S], and drift exponents.
    normal : callable
        Draws normal numbers.
    order : {"physical", "split_again"}
    """

    strategy: Strategy
    device: Device
    targets: np.ndarray
    written: np.ndarray
    exponents: np.ndarray
    normal: Normal
    order: Order = "physical"

    def weights(self, conductances: np.ndarray) -> np.ndarray:
        """Weights that conductances (..., pairs, 2) stand for, in units of the largest one wanted."""
        encoding = self.strategy.encoding
        differences = conductances[..., 0] - conductances[..., 1]
        return differences @ np.array(encoding.significance) / encoding.scale(self.strategy.span)

    def right_after(self) -> np.ndarray:
        """Weights as written, without read noise."""
        if isinstance(self.device.relaxation, RelaxationTable):
            return self.read(self.device.relaxation.points[0].time, READS - 3)
        return self.weights(self.written)

    def read(self, time: float, number: int) -> np.ndarray:
        """Weights at a time, without compensation.

        Parameters
        ----------
        time : float
            Since the end of programming. [s]
        number : int
            Of the read: another number draws other noise.
        """
        targets, written = self.targets, self.written
        scale = 1.0
        if self.order == "split_again":
            weights = self.weights(written)
            scale = float(np.abs(weights).max())
            written = self.strategy.targets(weights / scale)
        mean, sigma = before_clamp(self.device, targets, written, time)
        noise = _each(self.normal, number, targets.shape)
        low, high = clamp(self.device)
        conductances = np.clip(mean + sigma * noise, low, high)
        if self.device.drift is not None:
            conductances = conductances * drift_factor(self.device.drift, self.exponents, time)
        return scale * self.weights(conductances)


def _each(normal: Normal, purpose: int, shape: tuple[int, ...]) -> np.ndarray:
    """Normal numbers (..., pairs, 2), drawn device by device."""
    devices = shape[-1] * shape[-2]
    drawn = [normal(number, purpose, shape[:-2]) for number in range(devices)]
    return np.stack(drawn, axis=-1).reshape(shape)


def program(
    weights: np.ndarray,
    strategy: Strategy,
    device: Device,
    normal: Normal,
    window: float | None = None,
    order: Order = "physical",
) -> Programmed:
    """Write a matrix.

    Parameters
    ----------
    weights : array
        In units of the largest magnitude.
    strategy : Strategy
    device : Device
    normal : callable
        See `addressed`.
    window : float, optional
        Writes are repeated until within so many standard deviations of one write.
    order : {"physical", "split_again"}
    """
    from scipy.special import ndtr, ndtri

    targets = strategy.targets(weights)
    low, high = clamp(device)
    written, exponents = targets, np.zeros(0)
    if device.programming is not None:
        xi = _each(normal, WRITE, targets.shape)
        if window is not None:
            edge = ndtr(-window)
            xi = ndtri(edge + (1 - 2 * edge) * ndtr(xi))
        sigma = programming_sigma(device.programming, targets, device.conductance_max)
        written = np.clip(targets + sigma * xi, low, high)
    if device.drift is not None:
        mean, sigma = drift_exponent(device.drift, targets, device.conductance_max)
        exponents = np.abs(mean + sigma * _each(normal, DRIFT, targets.shape))
    return Programmed(strategy, device, targets, written, exponents, normal, order)
