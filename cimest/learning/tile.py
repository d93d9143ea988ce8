"""The analog tile: one layer's weights as conductances, with the verbs that training rules act through."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from cimest.config.schema import Chip
from cimest.kernels import backend
from cimest.kernels.random import CONVERSION, DEVICE, START, normal, uniform
from cimest.kernels.types import Address, PulseCounts, Quantiser
from cimest.learning import converter
from cimest.mapping.blocks import column_edges, gradient_edges, row_edges, stored_edges
from cimest.network import Conv
from cimest.rules.normalise import stored
from hwlib.devices import Device
from hwlib.devices.update_law import affine_coefficients, apply_pulses


class Errors(NamedTuple):
    """Quantised errors at a layer's output.

    Parameters
    ----------
    codes : array of int8, shape (vectors, columns)
    scale : float
        Value of a code of one: a power of two.
    """

    codes: np.ndarray
    scale: float


def device_states(device: Device) -> np.ndarray:
    """Weights that a typical device reaches by whole pulses from either end, in increasing order."""
    steps = affine_coefficients(device.update, device.states)
    pulses = np.arange(device.states + 1.0)
    return np.unique(np.concatenate([apply_pulses(-1.0, pulses, steps), apply_pulses(1.0, -pulses, steps)]))


def nearest(values: np.ndarray, states: np.ndarray) -> np.ndarray:
    """For each value, the state closest to it."""
    return states[np.searchsorted((states[1:] + states[:-1]) / 2, values)].astype(np.float32)


def column_sums(matrix: np.ndarray) -> np.ndarray:
    """Sums down the columns in double precision; exact for whole numbers, and quick for narrow matrices."""
    height = 64 * (len(matrix) // 64)
    folded = matrix[:height].reshape(-1, 64 * matrix.shape[1]).sum(axis=0, dtype=np.float64)
    return folded.reshape(64, -1).sum(axis=0) + matrix[height:].sum(axis=0, dtype=np.float64)


@dataclass
class AnalogTile:
    """Arrays that hold one layer.

    Parameters
    ----------
    layer : Conv
    chip : Chip
    seed, number : int
        Of the run, and of this tile: the address of all its random numbers.
    initial_range : float
        First weights are uniform within ± this, each programmed to the nearest state of the device.
    stacked : bool
        Whether an array of the weight-gradient unit may hold positions of more than one image.
    gradient_bits : int
        Word in which the weight gradient of a batch is handed to the rule.
    stored_once : bool
        Whether the weight-gradient unit stores the input map once, or its part for each kernel position.
    """

    layer: Conv
    chip: Chip
    seed: int
    number: int
    initial_range: float
    stacked: bool
    gradient_bits: int
    stored_once: bool = True
    weights: np.ndarray = field(init=False)
    written: np.ndarray = field(init=False)
    converters: dict[str, Quantiser] = field(init=False, default_factory=dict)
    clipped: dict[str, int] = field(init=False, default_factory=dict)
    converted: dict[str, int] = field(init=False, default_factory=dict)
    time: int = field(init=False, default=0)
    reads: int = field(init=False, default=0)
    measuring: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        device, shape = self.chip.device, self.shape
        address = Address(self.seed, 0, self.number)
        deviation = device.update.device_to_device
        shift = deviation * normal(address, DEVICE, shape).astype(np.float64) if deviation else 0.0
        self.steps = affine_coefficients(device.update, device.states, shift)
        start = (2 * uniform(address, START, shape) - 1) * np.float32(self.initial_range)
        self.weights = nearest(start, device_states(device))
        self.written = np.zeros(shape, dtype=np.int32)
        self.row_edges = row_edges(self.layer, self.chip.array.rows, self.chip.mapping)
        self.column_edges = column_edges(self.layer, self.chip.array.columns)
        self.kernels = backend()
        self.counts = self._no_pulses()
        self.cycles = {"forward": self.chip.input_bits, "backward": 2 * (self.chip.error_bits - 1)}

    @property
    def shape(self) -> tuple[int, int]:
        """Fan-in and fan-out."""
        return self.layer.fan_in, self.layer.fan_out

    @property
    def states(self) -> int:
        """Pulses for a full sweep of the device."""
        return self.chip.device.states

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Read the arrays: x (vectors, fan-in) of uint8 times the weights, through the forward ADC."""
        return self._read("forward", x, self.weights, self.row_edges, self.chip.adc)

    def backward(self, delta: Errors) -> np.ndarray:
        """Read the arrays from the other side: errors times the transposed weights, through the backward ADC."""
        y = self._read(
            "backward", delta.codes, np.ascontiguousarray(self.weights.T), self.column_edges, self.chip.backward_adc
        )
        return y * np.float32(delta.scale)

    def _read(self, verb: str, x: np.ndarray, weights: np.ndarray, edges: np.ndarray, adc: Any) -> np.ndarray:
        if self.measuring:
            if adc.range == "calibrated":
                self.converters[verb] = converter.measured_mvm(x, weights, edges, adc.bits)
            else:
                low, high = converter.codes(adc.bits, signed=True)
                self.converters[verb] = Quantiser(float(np.diff(edges).max()) / max(high, 1), low, high)
        y, clipped = self.kernels.bit_serial_mvm(x, weights, edges, self.converters[verb])
        if adc.noise:
            y += np.float32(self._noise(verb, adc.noise, len(edges) - 1)) * self._draw(y.shape)
        self._count(verb, clipped, len(x) * self.cycles[verb] * weights.shape[1] * (len(edges) - 1))
        return y

    def _noise(self, verb: str, noise: float, blocks: int) -> float:
        """Standard deviation of an output whose every conversion has a thermal noise of so many steps.

        Conversions are independent and enter with the weight of their bit, so their variances add; drawing them
        once at the output is exact where noise passes the rounding unchanged (our choice: as if it came after).
        """
        bits, signs = (self.chip.input_bits, 1) if verb == "forward" else (self.chip.error_bits - 1, 2)
        return self.converters[verb].step * noise * (blocks * signs * (4.0**bits - 1) / 3) ** 0.5

    def _draw(self, shape: tuple[int, ...]) -> np.ndarray:
        self.reads += 1
        return normal(Address(self.seed, self.reads, self.number), CONVERSION, (shape[0], shape[1]))

    def weight_gradient(self, x: np.ndarray, delta: Errors) -> np.ndarray:
        """Inputs times errors, summed over all vectors of the batch by the weight-gradient unit.

        Since the layer's output is centred (see `Matrix`), inputs count from their mean over the batch: the unit's
        result less the product of mean input and summed error, which counters beside the unit collect.

        Parameters
        ----------
        x : array of uint8, shape (vectors, fan-in)
        delta : Errors

        Returns
        -------
        array of float32, shape (fan-in, fan-out)
        """
        centre = column_sums(x)[:, None] / len(x) * column_sums(delta.codes)
        gradient = ((self._product(x, delta.codes) - centre) * delta.scale).astype(np.float32)
        return stored(gradient, self.gradient_bits)

    def _product(self, x: np.ndarray, errors: np.ndarray) -> np.ndarray:
        """What the weight-gradient unit makes of x (vectors, fan-in) and errors (vectors, fan-out)."""
        unit = self.chip.weight_gradient
        if unit.unit == "digital":
            return x.astype(np.float64).T @ errors.astype(np.float64)
        images = len(x) // self.layer.positions
        # In maps of equal size the shift moves the blocks' borders, not their number: one division stands for all.
        if self.stored_once and self.layer.input[1:] != self.layer.output[1:]:
            by_position = stored_edges(self.layer, images, unit.rows, self.stacked)
            places = self.layer.input[1] * self.layer.input[2]
            blocks = len(gradient_edges(images * places, unit.rows, None if self.stacked else places)) - 1
        else:
            whole = gradient_edges(len(x), unit.rows, None if self.stacked else self.layer.positions)
            by_position, blocks = [whole] * self.layer.kernel_positions, len(whole) - 1
        longest = max(int(np.diff(edges).max()) for edges in by_position)
        low, high = converter.codes(unit.adc_bits, signed=False)
        if longest <= high:
            # every count has a code of its own: the unit is exact, and so is this product of whole numbers
            return x.astype(np.float64).T @ errors.astype(np.float64)
        if self.measuring:
            if unit.adc_range == "calibrated":
                middle = by_position[len(by_position) // 2]
                self.converters["weight_gradient"] = converter.measured_counts(x, errors, middle, unit.adc_bits)
            else:
                self.converters["weight_gradient"] = Quantiser(longest / high, low, high)
        channels, bits = self.layer.input[0], self.chip.input_bits * self.cycles["backward"]
        parts = []
        for same, group in groupby(enumerate(by_position), key=lambda entry: entry[1].tobytes()):
            members = [number for number, _ in group]
            columns = slice(members[0] * channels, (members[-1] + 1) * channels)
            edges = np.frombuffer(same, dtype=np.int64)
            part, clipped = self.kernels.weight_gradient(
                np.ascontiguousarray(x[:, columns]), errors, edges, self.converters["weight_gradient"]
            )
            self._count("weight_gradient", clipped, blocks * bits * len(part) * errors.shape[1])
            parts.append(part)
        return np.concatenate(parts)

    def pulse(self, amount: np.ndarray, rounding: str) -> None:
        """Fire pulses at every cell: `amount` (fan-in, fan-out) of them, rounded to whole numbers."""
        noise = self.chip.device.cycle_to_cycle
        self.counts += self.kernels.pulsed_update(
            self.weights,
            np.ascontiguousarray(amount, dtype=np.float32),
            self.steps,
            rounding,
            noise.sigma,
            noise.per == "pulse",
            Address(self.seed, self.time, self.number),
            self.column_edges,
            self.written,
        )
        self.time += 1

    def take_counts(self) -> PulseCounts:
        """Pulses since the last call."""
        counts, self.counts = self.counts, self._no_pulses()
        return counts

    def _no_pulses(self) -> PulseCounts:
        return PulseCounts.none(self.layer.fan_in, len(self.column_edges) - 1)

    def _count(self, verb: str, clipped: int, converted: int) -> None:
        self.clipped[verb] = self.clipped.get(verb, 0) + clipped
        self.converted[verb] = self.converted.get(verb, 0) + converted
