"""Pooling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.adder_tree import Adder
from hwlib.components.registers import Register
from hwlib.technology import Technology
from hwlib.technology.logic import Logic, logic


@component("max_pool")
@dataclass(frozen=True)
class MaxPool(Component):
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

    def _multiplexer(self, tech: Technology) -> Logic:
        return logic(tech, 3 * self.bits, 2)

    def area(self, tech: Technology) -> Real:
        """Silicon area. [m²]"""
        comparator = Adder(self.bits).area(tech) + self._multiplexer(tech).area
        return (self.window - 1) * comparator + Register(self.bits).area(tech)

    def leakage(self, tech: Technology) -> Real:
        """Power drawn while powered and idle. [W]"""
        comparator = Adder(self.bits).leakage(tech) + self._multiplexer(tech).leakage
        return (self.window - 1) * comparator + Register(self.bits).leakage(tech)

    @action
    def pool(self, tech: Technology) -> Cost:
        """The largest of one window is found; a quarter of the multiplexer's gates rise, as with random bits."""
        multiplexer = self._multiplexer(tech)
        compare = Adder(self.bits).add(tech) + Cost(multiplexer.energy / 4, multiplexer.latency)
        tree = Cost((self.window - 1) * compare.energy, np.ceil(np.log2(self.window)) * compare.latency)
        return tree + Register(self.bits).store(tech)
