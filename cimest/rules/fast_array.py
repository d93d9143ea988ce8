"""Rules whose gradient goes to a fast array of its own, and from there, row by row, to the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from cimest.config.chip import Chip
from cimest.mapping.floorplan import place
from cimest.mapping.part import Part
from cimest.mapping.parts import weight_array
from cimest.network import Network
from cimest.rules.in_memory import InMemory, Slots
from cimest.rules.plan import Plan
from hwlib.component import Real
from hwlib.components.momentum import MomentumMultiplierUnit
from hwlib.components.tiki_taka import TransferUnit
from hwlib.devices import Device
from hwlib.provenance import uses

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]

STRENGTH_PER_STATE = 0.005
"""Automatic strength over the states of a device: the fast array forgets after as many pulses as it has states, so
that finer devices need more of them to forget in the same time, which should be that of a read sweep (our choice)."""

STRENGTHS = 0.03, 1.0
"""Least and largest automatic strength."""


@dataclass(frozen=True)
class FastArray(InMemory):
    """Base of the rules with fast arrays.

    Every vector pulses the fast array, which is counted from its cells' balance points; pulses of both signs pull each
    cell back there, so that it holds a mean of the latest gradients. Rows of it are read in turn, and become pulses on
    the weights at the learning rate times `pace`: the share of half the range by which a weight would move in a vector
    if its fast cell read one.

    Parameters
    ----------
    slots : int
        Longest pulse train.
    strength : float or "auto"
        Expected pulses, over `slots`, of the cell with the largest input and error; auto: in proportion to
        the states of the device.
    pace : float
        Over the learning rate.
    reads : int
        Rows read at a time.
    every : int
        Vectors between reads.
    reference : {"exact", "alternating"}
        How balance points are known: exactly, or from where `reference_pulses` alternating pulses leave each cell.
    reference_pulses : int
        Of each cell, half of them in each direction.
    reference_error : float
        Standard deviation of an error of the reference, over half the range.
    """

    slots: Slots = 5
    strength: Annotated[float, Field(gt=0, le=10)] | Literal["auto"] = "auto"
    pace: Annotated[float, Field(gt=0, le=1)] = 0.01
    reads: Count = 2
    every: Count = 1
    reference: Literal["exact", "alternating"] = "exact"
    reference_pulses: Annotated[int, Field(ge=2, le=100_000)] = 400
    reference_error: Annotated[float, Field(ge=0, le=1)] = 0.0

    @property
    def levels(self) -> int:
        """See `InMemory.levels`."""
        return 2

    @property
    def shares(self) -> tuple[float, ...]:
        """See `InMemory.shares`."""
        return 1.0, 0.0

    @property
    def slower_levels(self) -> int:
        """How much rarer each slower array is read than the one before it."""
        return 1

    def effective_strength(self, device: Device) -> Real:
        """`strength`, or what `auto` makes of it."""
        if self.strength != "auto":
            return self.strength
        return np.clip(STRENGTH_PER_STATE * device.states, *STRENGTHS)

    def plan(self, shape: tuple[int, int], device: Device) -> Plan:
        """See `InMemory.plan`."""
        return Plan(
            slots=self.slots, every=self.every, reads=self.reads, buffered=self.buffered,
            rate=shape[0] * self.every / self.reads * device.states / 2, slower=self.slower_levels, bits=self.word,
        )  # fmt: skip

    def gain(self, shape: tuple[int, int], device: Device, learning_rate: Real) -> Real:
        """See `InMemory.gain`."""
        return self.effective_strength(device) * self.slots

    def speed(self, learning_rate: Real) -> Real:
        """See `InMemory.speed`."""
        return learning_rate * self.pace

    @property
    def reference_pulses_of_a_cell(self) -> int:
        """Pulses of each fast cell that it takes to find the references."""
        return 2 * (self.reference_pulses // 2) if self.reference == "alternating" else 0

    def parts(self, network: Network, chip: Chip) -> dict[str, Part]:
        """Also the fast arrays and those that hold their references, and what works on readings.

        The fast arrays share the drivers and converters of the weights'; lanes follow the bus (our choice).
        """
        uses("rasch2024fast", "own_choice")
        parts, arrays, array = super().parts(network, chip), place(network, chip).arrays, weight_array(chip)
        parts["fast_array"] = Part(array, arrays * (self.levels - 1), "macro")
        if not self.tracked:
            parts["reference_array"] = Part(array, arrays * (self.levels - 1), "macro")
        lanes = np.maximum(1, chip.bus_bits // self.word)
        parts["transfer_unit"] = Part(TransferUnit(self.word, chip.adc.bits), lanes, "chip")
        if self.tracked:
            parts["reference_unit"] = Part(MomentumMultiplierUnit(self.word), lanes, "chip")
        return parts
