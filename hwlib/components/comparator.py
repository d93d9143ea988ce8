"""Digital comparators."""

from __future__ import annotations

from dataclasses import dataclass

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.assembly import Assembly, Gates, Parts
from hwlib.provenance import uses
from hwlib.technology import Technology

GATES_PER_BIT = 5
"""NAND gates: three for the equality of two bits and two for the carry. Our choice, the textbook ripple comparator."""


@component("digital_comparator")
@dataclass(frozen=True)
class DigitalComparator(Assembly):
    """Tells which of two words is larger, from the lowest bit up.

    Parameters
    ----------
    bits : int or array
        Width of either word.
    """

    bits: Real

    @property
    def _gates(self) -> Gates:
        uses("own_choice")
        return Gates(GATES_PER_BIT * self.bits, 2 * self.bits + 1)

    def parts(self) -> dict[str, Parts]:
        """The gates."""
        return {"gates": Parts(1, self._gates)}

    @action
    def compare(self, tech: Technology) -> Cost:
        """Two words are compared; a quarter of the gates rise, as with random bits."""
        return self._gates.switch(tech)
