"""Pooling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.adder_tree import Adder
from hwlib.components.assembly import Assembly, Gates, Parts
from hwlib.components.registers import Register
from hwlib.technology import Technology


@component("max_pool")
@dataclass(frozen=True)
class MaxPool(Assembly):
    """Tree of comparators, each of which passes on the larger of two words, and a register for the result.

    A comparator is a subtractor, which costs as much as an adder, and a multiplexer of three NAND gates a bit
    (our choice).

    Parameters
    ----------
    window : int or array
        Values of which one is kept, at least 2.
    bits : int or array
        Width of one of them.
    """

    window: Real
    bits: Real

    @property
    def _multiplexer(self) -> Gates:
        return Gates(3 * self.bits, 2)

    def parts(self) -> dict[str, Parts]:
        """Subtractors and multiplexers of the comparators, and the register."""
        return {
            "subtractors": Parts(self.window - 1, Adder(self.bits)),
            "multiplexers": Parts(self.window - 1, self._multiplexer),
            "register": Parts(1, Register(self.bits)),
        }

    @action
    def pool(self, tech: Technology) -> Cost:
        """The largest of one window is found; a quarter of the multiplexer's gates rise, as with random bits."""
        compare = Adder(self.bits).add(tech) + self._multiplexer.switch(tech)
        tree = Cost((self.window - 1) * compare.energy, np.ceil(np.log2(self.window)) * compare.latency)
        return tree + Register(self.bits).store(tech)
