"""The near-memory datapath: what turns a column's codes into the next layer's input beside the array."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.activation import Relu
from hwlib.components.adder_tree import Accumulator, Adder
from hwlib.components.assembly import Assembly, Gates, Parts
from hwlib.components.multiplier import Multiplier
from hwlib.components.registers import Register
from hwlib.provenance import uses
from hwlib.technology import Technology

MUX_GATES = 3
"""NAND gates of a multiplexer of two, for each bit (counted)."""


@component("near_memory_datapath")
@dataclass(frozen=True)
class NearMemoryDatapath(Assembly):
    """Barrel shifter and accumulator for codes of input bits and weight columns, then scale, offset and rectifier.

    The functions are those of jia2020programmable, the circuits our choice: a shifter of multiplexers over the sum's
    width, a multiplier by a scale, an adder for an offset, and a register for scale and offset.

    Parameters
    ----------
    adc_bits : float or array
        Of a code.
    input_bits, weight_bits : float or array
        Codes that are joined: one for each bit of the input and each column of the weight.
    scale_bits : float or array
        Of the scale and of the result. Our choice: 8, as the widest activations.
    """

    adc_bits: Real
    input_bits: Real
    weight_bits: Real
    scale_bits: Real = 8

    @property
    def sum_bits(self) -> Real:
        """Width of the sum of all codes."""
        return self.adc_bits + self.input_bits + self.weight_bits

    @property
    def _shifter(self) -> Gates:
        levels = np.ceil(np.log2(self.input_bits + self.weight_bits))
        return Gates(MUX_GATES * levels * self.sum_bits, 2 * levels)

    def parts(self) -> dict[str, Parts]:
        """Shifter, accumulator, multiplier, adder, rectifier, and the registers in front of each step."""
        return {
            "code": Parts(1, Register(self.adc_bits)),
            "shifter": Parts(1, self._shifter),
            "accumulator": Parts(1, Accumulator(self.sum_bits)),
            "constants": Parts(1, Register(self.scale_bits + self.sum_bits)),
            "multiplier": Parts(1, Multiplier(self.sum_bits, self.scale_bits)),
            "product": Parts(1, Register(self.sum_bits + self.scale_bits)),
            "adder": Parts(1, Adder(self.sum_bits + self.scale_bits)),
            "rectifier": Parts(1, Relu(self.scale_bits)),
        }

    @action
    def accumulate(self, tech: Technology) -> Cost:
        """One code is stored, shifted and added."""
        uses("own_choice", "jia2020programmable")
        stored = Register(self.adc_bits).store(tech)
        return stored + self._shifter.switch(tech) + Accumulator(self.sum_bits).accumulate(tech)

    @action
    def finish(self, tech: Technology) -> Cost:
        """A whole sum is scaled, offset and rectified."""
        wide = self.sum_bits + self.scale_bits
        product = Multiplier(self.sum_bits, self.scale_bits).multiply(tech, activity=0.5)
        offset = Adder(wide).add(tech, activity=0.5)
        return product + Register(wide).store(tech) + offset + Relu(self.scale_bits).apply(tech)
