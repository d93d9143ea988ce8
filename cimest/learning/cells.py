"""One device for each weight of a layer: its conductance, and what pulses, faults and time do to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from cimest.kernels import backend
from cimest.kernels.laws import Writing
from cimest.kernels.laws_compiled import cell_update
from cimest.kernels.random import DEVICE, READING
from cimest.kernels.types import Address, PulseCounts
from hwlib.devices import Device
from hwlib.devices.cell_law import cell_law
from hwlib.devices.cells import make_cells, normalised
from hwlib.devices.laws import AFFINE
from hwlib.devices.retention import drift_exponent, programming_sigma, read_sigma
from hwlib.devices.stepwise import apply_law
from hwlib.devices.update_law import Steps

PROGRAMMED, EXPONENT = 6, 7
"""Numbers of a cell's normal draws after those of `make_cells`: its programming error and its drift exponent."""
DRAWS = 8
"""Draws of a cell."""

FIRST = 2**32 - 1
"""Number of the first write among all of a cell's: the last one that a word holds, which no pulse has."""

END = 1e-4
"""Distance from an end of the range, in half ranges, at which a cell counts as there: arrays that are pulsed as a whole
keep their cells' ends in 16 bits (our choice: three of their units)."""

LEAST = 1e-3
"""Share of the smallest conductance of the typical cell below which wires take none to be (our choice)."""


def device_states(device: Device) -> np.ndarray:
    """Weights that a typical device reaches by whole pulses from either end, in increasing order."""
    law, states, ends, ways = device.update, device.states, np.array([-1.0, 1.0]), np.array([1, -1])
    if law.law in AFFINE:
        return np.unique(apply_law(law, states, ends, np.arange(states + 1.0)[:, None] * ways))
    reached = [ends]
    for _ in range(states):
        reached.append(apply_law(law, states, reached[-1], ways))
    return np.unique(reached)


def nearest(values: np.ndarray, states: np.ndarray) -> np.ndarray:
    """For each value, the state closest to it."""
    return states[np.searchsorted((states[1:] + states[:-1]) / 2, values)].astype(np.float32)


def mean_conductance(weights: np.ndarray) -> float:
    """Mean over cells, from 0 (smallest conductance of the typical cell) to 1 (largest)."""
    return (1 + float(weights.mean(dtype=np.float64))) / 2


class CellArray:
    """Cells of one kind, one for each weight.

    A weight of -1 stands for the smallest conductance of the typical cell, 1 for the largest.

    Parameters
    ----------
    device : Device
    wanted : array of float32
        First weights, before they are rounded to states of the device and written with its error.
    seed, tile, part : int
        Address of the cells' random numbers: run, tile, and which of a weight's cells these are.
    column_edges : array of int64
        Blocks of columns that form array rows.

    Raises
    ------
    MissingDatum
        If the record lacks what this needs.
    """

    def __init__(self, device: Device, wanted: np.ndarray, seed: int, tile: int, part: int, column_edges: np.ndarray):
        shape = wanted.shape
        self.device, self.column_edges = device, column_edges
        self.address = Address(seed, part * DRAWS, tile)
        cells = make_cells(device, lambda k: self._normal(k, shape), lambda k: self._uniform(k, shape))
        self.law = cell_law(device, cells)
        noise = device.cycle_to_cycle
        self.writing = Writing(noise.sigma, noise.per == "pulse", device.write_noise, device.endurance or np.inf)
        self.weights = self._programmed(nearest(wanted, device_states(device)))
        stuck = normalised(device.update, cells.stuck)
        self.stuck = float(np.mean(~np.isnan(stuck)))
        self.weights = np.where(np.isnan(stuck), self.weights, stuck).astype(np.float32)
        self.written = np.zeros(shape, dtype=np.int32)
        self.error = self._misread(FIRST - self.address.step) if device.write_noise else np.zeros((1, 1), np.float32)
        self.ages = device.drift is not None or (device.read_noise is not None and device.read_noise.spectrum == "1/f")
        self.age = np.zeros(shape if self.ages else (1, 1), dtype=np.float32)
        # An affine law, with ends, says all of a cell that reads as it was written: the quick kernel serves
        self.quick = self.law.form == "affine" and not device.write_noise
        steps = Steps(*(np.asarray(entry, dtype=np.float32) for entry in self.law.steps))
        ends: dict[str, Any] = {
            name: np.asarray(getattr(self.law, name), np.float32) for name in ("low", "high", "origin")
        }
        self.single = self.law._replace(steps=steps, **ends)

    def _normal(self, number: int, shape: tuple[int, ...]) -> np.ndarray:
        address = self.address._replace(step=self.address.step + number)
        return backend().normal(address, DEVICE, shape).astype(np.float64)

    def _uniform(self, number: int, shape: tuple[int, ...]) -> np.ndarray:
        address = self.address._replace(step=self.address.step + number)
        return backend().uniform(address, DEVICE, shape).astype(np.float64)

    def _misread(self, time: int) -> np.ndarray:
        """What all cells, written at that time, read wrong by until they are written again."""
        normal = backend().normal(self.address._replace(step=time), READING, self.weights.shape)
        return np.float32(2 * self.device.write_noise) * normal

    def _programmed(self, weights: np.ndarray) -> np.ndarray:
        """Weights as the first writing leaves them, within the cell's range."""
        if (programming := self.device.programming) is not None:
            target = self._conductance(weights)
            sigma = programming_sigma(programming, target, self.device.conductance_max)
            weights = self._weight(target + sigma * self._normal(PROGRAMMED, weights.shape))
        return np.clip(weights, self.law.low, self.law.high).astype(np.float32)

    def conductance(self) -> np.ndarray:
        """Of each cell, as a read without noise sees it, and more than nothing. [S]"""
        return np.maximum(self._conductance(self.visible), LEAST * self.device.conductance_min)

    def _conductance(self, weights: np.ndarray) -> np.ndarray:
        """Conductances of weights, in double precision; a cell whose range is wide does not go below zero. [S]"""
        low, high = self.device.conductance_min, self.device.conductance_max
        return np.clip(low + (weights.astype(np.float64) + 1) / 2 * (high - low), 0, high)

    def _weight(self, conductance: np.ndarray) -> np.ndarray:
        """Inverse of `_conductance`."""
        low, high = self.device.conductance_min, self.device.conductance_max
        return 2 * (conductance - low) / (high - low) - 1

    def pulse(self, amount: np.ndarray, rounding: str, time: int) -> PulseCounts:
        """Fire so many pulses, rounded, at every cell; `time` is the number of the write among all of the tile's."""
        amount = np.ascontiguousarray(amount, dtype=np.float32)
        before = self.written.copy() if self.ages else None
        address = self.address._replace(step=time)
        if self.quick and not self.worn:
            counts = backend().pulsed_update(
                self.weights, amount, self.single.steps, rounding, self.writing.sigma, self.writing.per_pulse, address,
                self.column_edges, self.written, (self.single.low, self.single.high),
            )  # fmt: skip
        else:
            counts = cell_update(
                self.weights, self.error, self.written, amount, self.single, self.writing, rounding, address,
                self.column_edges,
            )  # fmt: skip
        if before is not None:
            self.age[self.written != before] = 0
        return counts

    def reset(self, chosen: np.ndarray, time: int) -> PulseCounts:
        """Take the chosen cells to the low end of their range with one pulse each; for `time` see `pulse`."""
        movable = chosen & (self.law.steps.s_down > 0) & (self.written < self.writing.endurance)
        self.weights = np.where(movable, self.law.low, self.weights).astype(np.float32)
        self.written += chosen
        if self.ages:
            self.age[chosen] = 0
        if self.device.write_noise:
            self.error = np.where(movable, self._misread(time), self.error)
        count = int(np.count_nonzero(chosen))
        longest = np.maximum.reduceat(chosen, self.column_edges[:-1], axis=1).astype(np.int64)
        return PulseCounts(0, count, 0, count, np.zeros_like(longest), longest)

    def wait(self, seconds: float) -> None:
        """Let time pass: conductances drift, each from the time at which its cell was last written.

        The exponent is that of the present conductance, not of the one that was written (our choice: the same to the
        precision of the fits, and nothing has to be kept).
        """
        if not self.ages or seconds == 0:
            return
        drift = self.device.drift
        if drift is not None:
            conductance = self._conductance(self.weights)
            mean, sigma = drift_exponent(drift, conductance, self.device.conductance_max)
            exponent = np.abs(mean + sigma * self._normal(EXPONENT, self.weights.shape))
            ratio = 1 + seconds / (self.age.astype(np.float64) + drift.start)
            drifted = self._weight(conductance * ratio**-exponent)
            # A wide-ranged cell below zero conductance, and one at its low end, stay where they are.
            kept = np.minimum(self.weights, np.maximum(drifted, self.law.low))
            self.weights = kept.astype(np.float32)
        self.age += np.float32(seconds)

    @property
    def visible(self) -> np.ndarray:
        """Weights as a read without noise sees them."""
        return self.weights + self.error if self.device.write_noise else self.weights

    def read_variance(self) -> np.ndarray | None:
        """Variance of each weight from read to read, None if the record has no read noise.

        Noise of a spectrum of 1/f grows with the time since a cell was written, which counts from where its drift
        starts; a record without drift has it from one read on.
        """
        noise, device = self.device.read_noise, self.device
        if noise is None:
            return None
        since = self.age + (device.drift.start if device.drift is not None else 0.0)
        conductance, time = self._conductance(self.visible), np.maximum(since, noise.read_time)
        sigma = read_sigma(noise, conductance, conductance, device.conductance_max, time.astype(np.float64))
        return np.square(2 * sigma / (device.conductance_max - device.conductance_min))

    def saturated(self, one_sided: bool, held: np.ndarray | None = None) -> float:
        """Share of cells at an end of their range; at the high one if one-sided, since half of a pair is empty then.

        `held` is what the cells hold where other arrays add to it, so that `weights` is the sum.
        """
        weights = self.weights if held is None else held
        low = False if one_sided else weights <= self.single.low + END
        return float(np.mean(low | (weights >= self.single.high - END)))

    @property
    def worn(self) -> float:
        """Share of cells that have had their endurance."""
        if self.writing.endurance > np.iinfo(np.int32).max:
            return 0.0
        return np.count_nonzero(self.written >= int(self.writing.endurance)) / self.written.size

    def state(self) -> dict[str, Any]:
        """All that changes."""
        return {"weights": self.weights, "written": self.written, "error": self.error, "age": self.age}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        for name, value in state.items():
            setattr(self, name, value.copy())
