"""The gate unit of an LSTM: what follows the matrix products of one cell."""

from __future__ import annotations

from dataclasses import dataclass

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.adder_tree import Adder
from hwlib.components.assembly import Assembly, Parts
from hwlib.components.lookup_table import LookupTable
from hwlib.components.multiplier import Multiplier
from hwlib.components.registers import Register
from hwlib.provenance import uses
from hwlib.technology import Technology

MULTIPLIERS = 2
"""Multipliers, so that f c and i g are made at once (our choice)."""

BACKWARD_PRODUCTS = 16
"""Counted, of one cell: three each for the errors of o, of c (through tanh), of i, of f and of g, each an error times a
value times a slope, s(1 - s) or 1 - t²; one for the error of the former c."""


@component("lstm_gates")
@dataclass(frozen=True)
class LstmGates(Assembly):
    """c <- f c + i g and h = o tanh(c), with sigmoid gates i, f, o and g = tanh, for one cell after another.

    One table of sigmoid and one of tanh, each used in turn, two multipliers, an adder, and registers for the four
    gates, c and h. The circuit is our choice, as the sources have none.

    Parameters
    ----------
    bits : int or array
        Width of all values.
    """

    bits: Real

    @property
    def _table(self) -> LookupTable:
        """Of the positive half of a function."""
        return LookupTable(self.bits - 1, self.bits)

    @property
    def _multiplier(self) -> Multiplier:
        return Multiplier(self.bits, self.bits)

    def parts(self) -> dict[str, Parts]:
        """Tables, multipliers, adder and registers."""
        return {
            "tables": Parts(2, self._table),
            "multipliers": Parts(MULTIPLIERS, self._multiplier),
            "adder": Parts(1, Adder(self.bits)),
            "registers": Parts(6, Register(self.bits)),
        }

    @action
    def forward(self, tech: Technology) -> Cost:
        """One cell's new c and h: the sigmoids one after the other with g beside them, then c, tanh(c) and h."""
        uses("own_choice")
        looked_up, product = self._table.look_up(tech), self._multiplier.multiply(tech)
        gates = Cost(4 * looked_up.energy, 3 * looked_up.latency)
        cell = product.alongside(2) + Adder(self.bits).add(tech)
        return gates + cell + looked_up + product + Register(self.bits).store(tech).alongside(6)

    @action
    def backward(self, tech: Technology) -> Cost:
        """One cell's errors of its four gates and of its former c, two products at a time; 1 - s is an inversion."""
        uses("own_choice")
        product = self._multiplier.multiply(tech)
        products = product.alongside(MULTIPLIERS).times(BACKWARD_PRODUCTS / MULTIPLIERS)
        return products + Adder(self.bits).add(tech) + Register(self.bits).store(tech).alongside(5)
