"""`Design`: what the passes of a training step need to know about chip, schedule and batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from math import ceil, log2, prod

import numpy as np

from cimest.config.schema import Chip
from cimest.dataflow.schedule import Schedule
from cimest.mapping.floorplan import FloorPlan, Placement
from cimest.mapping.parts import Part
from cimest.network import Conv, MaxPool, Network, Relu
from hwlib.component import Real


@dataclass(frozen=True)
class Design:
    """A network on a chip under a schedule.

    Parameters
    ----------
    network : Network
    chip : Chip
    plan : FloorPlan
    schedule : Schedule
    batch : int
        Samples between two weight updates.
    parts : mapping
        The chip's inventory by name.
    """

    network: Network
    chip: Chip
    plan: FloorPlan
    schedule: Schedule
    batch: int
    parts: Mapping[str, Part]

    @property
    def gradient_arrays(self) -> Real:
        """Arrays of the weight-gradient unit."""
        return self.parts["gradient_array"].count

    def units(self, part: str, places: Real = 1) -> Real:
        """Instances of a part that work side by side, at one of so many places. At least one."""
        return np.maximum(1, self.parts[part].count / places)

    def conductance(self, fraction: Real) -> Real:
        """Conductance at a fraction of the device's range. [S]"""
        device = self.chip.device
        return device.conductance_min + fraction * (device.conductance_max - device.conductance_min)

    def sense_time(self, adc: str) -> Real:
        """How long an array conducts for one conversion of that ADC. [s]"""
        return self.parts[adc].component.sense_time  # type: ignore[attr-defined]

    @property
    def error_cycles(self) -> int:
        """Cycles of one error vector: the bits of its magnitudes, once for each sign."""
        return 2 * (self.chip.error_bits - 1)

    @property
    def images_at_once(self) -> int:
        """Images whose weight gradients are formed together before they leave the unit."""
        return self.batch if self.schedule.stacked else 1

    def following(self, placement: Placement) -> tuple[Relu | MaxPool, ...]:
        """Layers without weights between this layer and the next one with weights."""
        layers = self.network.layers
        after = layers[layers.index(placement.layer) + 1 :]
        return tuple(takewhile(lambda layer: not isinstance(layer, Conv), after))  # type: ignore[arg-type]

    def input_values(self, placement: Placement) -> int:
        """Activations that enter a layer, per sample."""
        return prod(placement.layer.input)

    def output_values(self, placement: Placement) -> int:
        """Pre-activations at a layer's output, per sample."""
        return prod(placement.layer.output)

    def stored_values(self, placement: Placement) -> int:
        """Activations that leave a layer after rectifier and pooling, and errors that come back to it, per sample."""
        return prod((self.following(placement) or (placement.layer,))[-1].output)

    def index_bits(self, placement: Placement) -> int:
        """Bits that remember which value of each pooling window was the largest, per sample."""
        return sum(
            prod(layer.output) * ceil(2 * log2(layer.window))
            for layer in self.following(placement)
            if isinstance(layer, MaxPool)
        )

    def error_bits(self, placement: Placement) -> int:
        """Bits of a layer's errors as they travel: in the pooled map, with the places of the largest values."""
        return self.stored_values(placement) * self.chip.error_bits + self.index_bits(placement)

    def spill(self) -> Real:
        """Fraction of activations and errors kept for the weight gradient that the global buffer has no room for.

        Under `image_outer` those of one image wait there, under `slice_outer` those of the whole batch.
        """
        if self.schedule.activations == "dram":
            return 1.0
        bits = sum(
            self.input_values(p) * self.chip.input_bits + self.stored_values(p) * self.chip.error_bits
            for p in self.plan.placements
        )
        return np.maximum(0.0, 1 - self.chip.global_buffer.size / (bits * self.images_at_once))

    def gradient_word_spill(self) -> Real:
        """Fraction of each image's weight gradients that goes to DRAM and comes back."""
        if self.schedule.accumulate == "dram":
            return 1.0
        if self.schedule.stacked:
            return 0.0
        bits = self.network.weights * self.schedule.gradient_bits
        return np.maximum(0.0, 1 - self.chip.weight_gradient.buffer / bits)

    def gradient_slices(self, placement: Placement) -> Real:
        """Slices into which a layer's weight gradient is cut so that each fits into the gradient buffer."""
        if not self.schedule.stacked or self.schedule.accumulate == "dram":
            return 1.0
        return np.ceil(placement.layer.weights * self.schedule.gradient_bits / self.chip.weight_gradient.buffer)
