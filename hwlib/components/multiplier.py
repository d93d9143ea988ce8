"""Multipliers and the multiply-accumulate unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.adder_tree import Accumulator, Adder
from hwlib.components.assembly import Assembly, Gates, Parts
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.logic import path_delay

CARRY_GATES, SUM_GATES = 2, 6
"""Counted: NAND gates in a row from a full adder's carry to its carry, and from an operand to its sum, of its nine."""


@component("multiplier")
@dataclass(frozen=True)
class Multiplier(Assembly):
    """Array multiplier: an AND of each pair of bits, and an adder for each bit of the narrower word but one.

    Parameters
    ----------
    first_bits, second_bits : int or array
        Widths of the two words; the product is as wide as both.

    Notes
    -----
    The longest path runs down the rows of adders through sums and along two of them through carries,
    (rows + width - 3) carries and (rows - 1) sums (rabaey2003digital).
    """

    first_bits: Real
    second_bits: Real

    @property
    def _rows(self) -> Real:
        return np.minimum(self.first_bits, self.second_bits)

    @property
    def _row(self) -> Adder:
        return Adder(np.maximum(self.first_bits, self.second_bits))

    @property
    def _products(self) -> Gates:
        """A NAND and its inversion for each pair of bits."""
        return Gates(2 * np.asarray(self.first_bits) * self.second_bits, 2)

    def parts(self) -> dict[str, Parts]:
        """Bit products and adders."""
        return {"bit_products": Parts(1, self._products), "adders": Parts(self._rows - 1, self._row)}

    @action
    def multiply(self, tech: Technology, *, activity: Real = 1.0) -> Cost:
        """Two words are multiplied; `activity` is the share of bits for which an addition is charged."""
        uses("rabaey2003digital")
        products, added = self._products.switch(tech), self._row.add(tech, activity=activity)
        further = self._rows - 1
        carries, sums = CARRY_GATES * (self._rows + self._row.bits - 3), SUM_GATES * further
        ripple = path_delay(tech, np.where(further > 0, carries + sums, 0))
        return products + Cost(further * added.energy, ripple)


@component("multiply_accumulate")
@dataclass(frozen=True)
class MultiplyAccumulate(Assembly):
    """Multiplier whose products are added to a running sum.

    Parameters
    ----------
    first_bits, second_bits : int or array
        Widths of the factors.
    sum_bits : int or array
        Width of the running sum.
    """

    first_bits: Real
    second_bits: Real
    sum_bits: Real

    def parts(self) -> dict[str, Parts]:
        """Multiplier and accumulator."""
        return {
            "multiplier": Parts(1, Multiplier(self.first_bits, self.second_bits)),
            "accumulator": Parts(1, Accumulator(self.sum_bits)),
        }

    @action
    def multiply_accumulate(self, tech: Technology, *, activity: Real = 1.0) -> Cost:
        """One product is made and added; `activity` is that of `Multiplier.multiply`."""
        product = Multiplier(self.first_bits, self.second_bits).multiply(tech, activity=activity)
        return product + Accumulator(self.sum_bits).accumulate(tech)
