"""The softmax unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.adder_tree import Accumulator, Adder
from hwlib.components.assembly import Assembly, Parts
from hwlib.components.comparator import DigitalComparator
from hwlib.components.lookup_table import LookupTable
from hwlib.components.multiplier import Multiplier
from hwlib.components.registers import Register
from hwlib.provenance import uses
from hwlib.technology import Technology


@component("softmax")
@dataclass(frozen=True)
class Softmax(Assembly):
    """Exponentials of a vector over their sum, one value after another.

    Three passes: the largest value; exponentials of the differences from it and their sum; products with the
    reciprocal of the sum, which is found once by restoring division, a bit a step. The vector lies in a buffer, a
    component of its own. The circuit is our choice, as the sources have none.

    Parameters
    ----------
    bits : int or array
        Width of the values and of the results.
    most_values : int or array
        Longest vector, which sets the width of the sum.
    """

    bits: Real
    most_values: Real = 1024

    @property
    def sum_bits(self) -> Real:
        """Width of the sum of exponentials."""
        return self.bits + np.ceil(np.log2(self.most_values))

    @property
    def _exponential(self) -> LookupTable:
        return LookupTable(self.bits, self.bits)

    def parts(self) -> dict[str, Parts]:
        """Comparator and register of the largest value, table, accumulator, divider and multiplier."""
        return {
            "comparator": Parts(1, DigitalComparator(self.bits)),
            "largest": Parts(1, Register(self.bits)),
            "subtractor": Parts(1, Adder(self.bits)),
            "exponential": Parts(1, self._exponential),
            "sum": Parts(1, Accumulator(self.sum_bits)),
            "divider": Parts(1, Accumulator(self.sum_bits)),
            "quotient": Parts(1, Register(self.bits)),
            "multiplier": Parts(1, Multiplier(self.bits, self.bits)),
        }

    @action
    def normalise(self, tech: Technology, *, values: Real) -> Cost:
        """One vector of a number of `values` goes through all passes."""
        uses("own_choice")
        largest = DigitalComparator(self.bits).compare(tech) + Register(self.bits).store(tech)
        exponential = Adder(self.bits).add(tech) + self._exponential.look_up(tech)
        summed = exponential + Accumulator(self.sum_bits).accumulate(tech)
        division = Accumulator(self.sum_bits).accumulate(tech).times(self.bits) + Register(self.bits).store(tech)
        each = largest + summed + Multiplier(self.bits, self.bits).multiply(tech)
        return each.times(values) + division
