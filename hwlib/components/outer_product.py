"""The digital weight-gradient unit: outer products of activations and errors, with zeros skipped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.assembly import Assembly, Gates, Parts
from hwlib.components.multiplier import MultiplyAccumulate
from hwlib.components.registers import Register
from hwlib.provenance import uses
from hwlib.technology import Technology


@component("outer_product_unit")
@dataclass(frozen=True)
class OuterProductUnit(Assembly):
    """Lanes that each multiply an activation by an error and add the product to a gradient.

    Where a factor is zero a lane's operands stay as they are and its clock is gated, which saves energy but no time.
    The circuit is our choice; gradients that do not stay in the lanes lie in buffers, components of their own.

    Parameters
    ----------
    activation_bits, error_bits : int or array
        Widths of the factors.
    sum_bits : int or array
        Width of a gradient.
    lanes : int or array
        Products at once.
    """

    activation_bits: Real
    error_bits: Real
    sum_bits: Real
    lanes: Real = 1

    @property
    def _lane(self) -> MultiplyAccumulate:
        return MultiplyAccumulate(self.activation_bits, self.error_bits, self.sum_bits)

    @property
    def _zero_detector(self) -> Gates:
        """Tree of NANDs and inversions over the bits of both factors."""
        widest = np.maximum(self.activation_bits, self.error_bits)
        return Gates(2 * (self.activation_bits + self.error_bits), 2 * np.ceil(np.log2(widest)) + 2)

    @property
    def _operands(self) -> Register:
        return Register(self.activation_bits + self.error_bits)

    def parts(self) -> dict[str, Parts]:
        """Of every lane: multiply-accumulate unit, operand registers and zero detector."""
        return {
            "multiply_accumulate": Parts(self.lanes, self._lane),
            "operands": Parts(self.lanes, self._operands),
            "zero_detectors": Parts(self.lanes, self._zero_detector),
        }

    @action
    def accumulate(self, tech: Technology, *, executed: Real = 1.0) -> Cost:
        """One product in every lane, of which the share `executed` is not skipped; 1 prices a unit that skips none."""
        uses("own_choice")
        detected = self._zero_detector.switch(tech)
        product = self._operands.store(tech) + self._lane.multiply_accumulate(tech)
        return (detected + Cost(executed * product.energy, product.latency)).alongside(self.lanes)
