"""Mixed precision: exact outer products add up in a digital matrix, whose whole steps are written now and then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from cimest.config.chip import Chip
from cimest.mapping.part import Part, technology
from cimest.mapping.parts import multiplier_parts
from cimest.network import Network
from cimest.rules.in_memory import BUFFER_BITS, Bits, InMemory
from cimest.rules.plan import Plan
from cimest.rules.registry import RULES
from hwlib.component import Real
from hwlib.devices import Device

PULSES = 31
"""Most pulses of a cell in one write (our choice)."""


@RULES.register("mixed_precision")
@dataclass(frozen=True)
class MixedPrecision(InMemory):
    """Digital gradients in units of the device's step; what is not yet a whole step waits (nandakumar2020mixed).

    Multipliers sum the outer products of all vectors between two writes without rounding. Then the matrix takes the
    sums, rounded to its words, and gives the whole pulses.

    Parameters
    ----------
    vectors : int
        Between two writes.
    pace : float
        Over the learning rate: share of half the range by which the largest product moves a weight in a vector.
    bits : int
        Word of the digital matrix: a sign, whole pulses up to 32, and a fraction of one.
    """

    vectors: Annotated[int, Field(ge=1, le=100_000)] = 100
    pace: Annotated[float, Field(gt=0, le=10)] = 0.1
    bits: Bits = BUFFER_BITS

    trains: ClassVar[bool] = False

    @property
    def word(self) -> int:
        """See `InMemory.word`."""
        return self.bits

    @property
    def matrices(self) -> int:
        """See `InMemory.matrices`."""
        return 1

    @property
    def gathered(self) -> int:
        """See `InMemory.gathered`."""
        return self.vectors

    def plan(self, shape: tuple[int, int], device: Device) -> Plan:
        """See `InMemory.plan`."""
        return Plan(slots=PULSES, batch=self.vectors, bits=self.bits, pulses=PULSES + 1)

    def parts(self, network: Network, chip: Chip) -> dict[str, Part]:
        """The digital matrix, and multipliers whose sums hold all products between two writes."""
        return super().parts(network, chip) | multiplier_parts(chip, technology(chip), self.vectors)

    def gain(self, shape: tuple[int, int], device: Device, learning_rate: Real) -> Real:
        """See `InMemory.gain`."""
        return learning_rate * self.pace * device.states / 2
