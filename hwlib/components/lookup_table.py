"""Look-up tables: sigmoid, tanh, exponential and other functions of one word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.assembly import Assembly, Parts
from hwlib.components.buffers import SramBuffer
from hwlib.components.registers import Register
from hwlib.technology import Technology


@component("lookup_table")
@dataclass(frozen=True)
class LookupTable(Assembly):
    """Value of a function for each input, in static memory (our choice: it can be loaded), and an output register.

    A function that is odd, or odd about one half as sigmoid, needs a table of its positive half, with one input bit
    less.

    Parameters
    ----------
    input_bits : int or array
        Width of the argument, which is the address.
    output_bits : int or array
        Width of the value.
    """

    input_bits: Real
    output_bits: Real

    @property
    def _memory(self) -> SramBuffer:
        return SramBuffer(np.exp2(self.input_bits) * self.output_bits, self.output_bits)

    def parts(self) -> dict[str, Parts]:
        """Memory and output register."""
        return {"memory": Parts(1, self._memory), "register": Parts(1, Register(self.output_bits))}

    @action
    def look_up(self, tech: Technology) -> Cost:
        """One value is found and registered."""
        return self._memory.read(tech) + Register(self.output_bits).store(tech)

    @action
    def load(self, tech: Technology) -> Cost:
        """One entry of the table is written."""
        return self._memory.write(tech)
