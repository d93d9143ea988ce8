"""Shift-and-add: joins the codes of successive input bits to one sum."""

from __future__ import annotations

from dataclasses import dataclass

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.adder_tree import Adder
from hwlib.components.assembly import Assembly, Parts
from hwlib.components.registers import Register
from hwlib.technology import Technology


@component("shift_add")
@dataclass(frozen=True)
class ShiftAdd(Assembly):
    """Adder as wide as a code, and a shift register as wide as the sum (peng2021neurosim_v2).

    Each code is added to the upper part of the sum, which moves down by one bit.

    Parameters
    ----------
    adc_bits : int or array
        Width of one code.
    input_bits : int or array
        Codes that make one sum.
    """

    adc_bits: Real
    input_bits: Real

    @property
    def output_bits(self) -> Real:
        """Width of the sum."""
        return self.adc_bits + self.input_bits

    def parts(self) -> dict[str, Parts]:
        """Adder and shift register."""
        return {"adder": Parts(1, Adder(self.adc_bits)), "register": Parts(1, Register(self.output_bits))}

    @action
    def shift_add(self, tech: Technology) -> Cost:
        """One code is added to the running sum."""
        return Adder(self.adc_bits).add(tech) + Register(self.output_bits).store(tech)
