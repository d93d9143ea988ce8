"""Update control: turns a digital weight change into a number of pulses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.adder_tree import Adder
from hwlib.components.assembly import Assembly, Gates, Parts
from hwlib.components.random_numbers import RandomGenerator
from hwlib.components.registers import Register
from hwlib.technology import Technology


@component("update_control")
@dataclass(frozen=True)
class UpdateControl(Assembly):
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

    @property
    def _shifter(self) -> Gates:
        levels = np.ceil(np.log2(np.maximum(2, self.value_bits)))
        return Gates(3 * self.value_bits * levels, 2 * levels)

    @property
    def _random(self) -> RandomGenerator:
        return RandomGenerator(self.value_bits)

    def parts(self) -> dict[str, Parts]:
        """Shifter, random-number generator, adder, and the register of sign and number."""
        return {
            "shifter": Parts(1, self._shifter),
            "random_generator": Parts(1, self._random),
            "adder": Parts(1, Adder(self.value_bits)),
            "register": Parts(1, Register(self.pulse_bits + 1)),
        }

    @action
    def convert(self, tech: Technology) -> Cost:
        """One value becomes a signed number of pulses.

        A quarter of the gates rise, as with random bits. The next random word is made beside the shift.
        """
        shifted, drawn = self._shifter.switch(tech), self._random.draw(tech)
        shift = Cost(shifted.energy + drawn.energy, np.maximum(shifted.latency, drawn.latency))
        return shift + Adder(self.value_bits).add(tech) + Register(self.pulse_bits + 1).store(tech)
