"""Activation functions."""

from __future__ import annotations

from dataclasses import dataclass

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.registers import Register
from hwlib.technology import Technology
from hwlib.technology.logic import logic


@component("relu")
@dataclass(frozen=True)
class Relu(Component):
    """Rectifier: the sign bit clears the word, which is then stored.

    The source (peng2021neurosim_v2) has the register alone; one NAND gate and its inversion a bit are our choice.

    Parameters
    ----------
    bits : int or array
        Width of the word.
    """

    bits: Real

    def area(self, tech: Technology) -> Real:
        """Silicon area. [m²]"""
        return logic(tech, 2 * self.bits, 2).area + Register(self.bits).area(tech)

    def leakage(self, tech: Technology) -> Real:
        """Power drawn while powered and idle. [W]"""
        return logic(tech, 2 * self.bits, 2).leakage + Register(self.bits).leakage(tech)

    @action
    def apply(self, tech: Technology, *, activity: Real = 0.5) -> Cost:
        """One word is rectified; `activity` is the share of its bits that change."""
        gates = logic(tech, 2 * self.bits, 2)
        # whichever way a bit changes, one of its two gates rises
        return Cost(activity * gates.energy / 2, gates.latency) + Register(self.bits).store(tech, activity=activity)
