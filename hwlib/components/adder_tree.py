"""Adders, trees of adders, and accumulators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwlib.component import NOTHING, Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.assembly import Assembly, Parts
from hwlib.components.registers import Register
from hwlib.technology import Technology
from hwlib.technology.gates import nand, switching_energy
from hwlib.technology.logic import path_delay


@component("adder")
@dataclass(frozen=True)
class Adder(Component):
    """Ripple-carry adder of nine NAND gates a bit (peng2021neurosim_v2).

    Parameters
    ----------
    bits : int or array
        Width of either operand.
    """

    bits: Real

    def area(self, tech: Technology) -> Real:
        """Silicon area. [m²]"""
        return 9 * self.bits * nand(tech).area

    def leakage(self, tech: Technology) -> Real:
        """Power drawn while powered and idle. [W]"""
        return 9 * self.bits * nand(tech).leakage

    @action
    def add(self, tech: Technology, *, activity: Real = 1.0) -> Cost:
        """Two words are added.

        The carry ripples through 2 bits + 2 gates. The inputs and outputs that rise are the source's count,
        14 and 7 in the lowest bit, 13 and 7 in the others; `activity` is the share of bits for which it is charged.
        """
        gate = nand(tech)
        charged = (13 * self.bits + 1) * gate.input_capacitance + 7 * self.bits * gate.output_capacitance
        return Cost(activity * switching_energy(tech, charged), path_delay(tech, 2 * self.bits + 2))


@component("adder_tree")
@dataclass(frozen=True)
class AdderTree(Component):
    """Binary tree that adds words at once; a sum is one bit wider at each stage, an odd word waits for the next.

    Parameters
    ----------
    inputs : int or array
        Words that are added.
    bits : int or array
        Width of one of them.
    """

    inputs: Real
    bits: Real

    def stages(self) -> Iterator[tuple[Real, Adder]]:
        """Number of adders of each stage, and the adder; the numbers sum to inputs - 1."""
        words, width = np.asarray(self.inputs), self.bits
        while np.any(words > 1):
            yield words // 2, Adder(width)
            words, width = (words + 1) // 2, width + 1

    def area(self, tech: Technology) -> Real:
        """Silicon area. [m²]"""
        return sum((count * adder.area(tech) for count, adder in self.stages()), start=0.0 * np.asarray(self.bits))

    def leakage(self, tech: Technology) -> Real:
        """Power drawn while powered and idle. [W]"""
        return sum((count * adder.leakage(tech) for count, adder in self.stages()), start=0.0 * np.asarray(self.bits))

    @action
    def add(self, tech: Technology, *, activity: Real = 1.0) -> Cost:
        """All inputs are added once; each stage waits for the whole word of the one before."""
        total = NOTHING
        for count, adder in self.stages():
            once = adder.add(tech, activity=activity)
            total += Cost(count * once.energy, np.minimum(count, 1) * once.latency)
        return total


@component("accumulator")
@dataclass(frozen=True)
class Accumulator(Assembly):
    """Adder whose sum goes back into a register.

    Parameters
    ----------
    bits : int or array
        Width of the running sum.
    """

    bits: Real

    def parts(self) -> dict[str, Parts]:
        """Adder and register."""
        return {"adder": Parts(1, Adder(self.bits)), "register": Parts(1, Register(self.bits))}

    @action
    def accumulate(self, tech: Technology) -> Cost:
        """One word is added to the running sum."""
        return Adder(self.bits).add(tech) + Register(self.bits).store(tech)
