"""Update control: turns a digital weight change into a number of pulses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.adder_tree import Adder
from hwlib.components.registers import Register
from hwlib.technology import Technology
from hwlib.technology.logic import Logic, logic


@component("update_control")
@dataclass(frozen=True)
class UpdateControl(Component):
    """Scales a gradient or momentum value by a power of two and rounds it stochastically to a number of pulses.

    A barrel shifter (log2 of the width multiplexers a bit, of three NAND gates each) scales; a linear-feedback
    shift register as wide as the value gives the random word that an adder adds before the fraction is cut off;
    sign and number go to a register, and from there to the pulse generator of an array. The parts are our choice;
    their gates are those of peng2021neurosim_v2.

    Parameters
    ----------
    value_bits : int or array
        Width of the value.
    pulse_bits : int or array
        Width of the number of pulses, without the sign.
    """

    value_bits: Real
    pulse_bits: Real

    def _shifter(self, tech: Technology) -> Logic:
        levels = np.ceil(np.log2(np.maximum(2, self.value_bits)))
        return logic(tech, 3 * self.value_bits * levels, 2 * levels)

    def _feedback(self, tech: Technology) -> Logic:
        """Three exclusive-or gates, enough for a maximal sequence of any width."""
        return logic(tech, 12, 6)

    def area(self, tech: Technology) -> Real:
        """Silicon area. [m²]"""
        blocks = (self._shifter(tech), self._feedback(tech))
        held = Register(self.value_bits + self.pulse_bits + 1)
        return sum(block.area for block in blocks) + Adder(self.value_bits).area(tech) + held.area(tech)

    def leakage(self, tech: Technology) -> Real:
        """Power drawn while powered and idle. [W]"""
        blocks = (self._shifter(tech), self._feedback(tech))
        held = Register(self.value_bits + self.pulse_bits + 1)
        return sum(block.leakage for block in blocks) + Adder(self.value_bits).leakage(tech) + held.leakage(tech)

    @action
    def convert(self, tech: Technology) -> Cost:
        """One value becomes a signed number of pulses.

        A quarter of the gates rise, as with random bits. The next random word is made beside the shift.
        """
        shifter, feedback = self._shifter(tech), self._feedback(tech)
        step = Register(self.value_bits).store(tech)
        shift = Cost(
            shifter.energy / 4 + feedback.energy / 4 + step.energy,
            np.maximum(shifter.latency, feedback.latency + step.latency),
        )
        return shift + Adder(self.value_bits).add(tech) + Register(self.pulse_bits + 1).store(tech)
