"""The digital weight-gradient unit: outer products of activations and errors, with zeros skipped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.assembly import Gates
from hwlib.components.interconnect import Bus
from hwlib.components.multiplier import MultiplyAccumulate
from hwlib.components.registers import Register
from hwlib.provenance import uses
from hwlib.technology import Technology


@component("outer_product_unit")
@dataclass(frozen=True)
class OuterProductUnit(Component):
    """Lanes in a square that each multiply an activation by an error and add the product to a gradient.

    Each activation goes to a row of lanes and each error to a column, over wires as long as the square. Where a factor
    is zero a lane's operands stay as they are and its clock is gated, which saves energy but no time. The circuit is
    our choice; gradients that do not stay in the lanes lie in buffers, components of their own.

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

    def _lane_parts(self) -> tuple[Component, ...]:
        """Of every lane: multiply-accumulate unit, operand registers and zero detector."""
        return self._lane, self._operands, self._zero_detector

    def _wires(self, tech: Technology) -> Bus:
        """Of all rows and columns of the largest square of lanes."""
        side = np.sqrt(self.lanes * sum(part.area(tech) for part in self._lane_parts()))
        return Bus(side, np.floor(np.sqrt(self.lanes)) * (self.activation_bits + self.error_bits))

    def area(self, tech: Technology) -> Real:
        """Silicon area, of lanes and of the wires' repeaters. [m²]"""
        lanes = self.lanes * sum(part.area(tech) for part in self._lane_parts())
        return lanes + self._wires(tech).area(tech)

    def leakage(self, tech: Technology) -> Real:
        """Power drawn while powered and idle. [W]"""
        lanes = self.lanes * sum(part.leakage(tech) for part in self._lane_parts())
        return lanes + self._wires(tech).leakage(tech)

    def cycle_time(self, tech: Technology) -> Real:
        """Time from one product to the next; the wires' flip-flops let operands follow one another. [s]"""
        return self._zero_detector.switch(tech).latency + self._product(tech).latency

    def _product(self, tech: Technology) -> Cost:
        """One product in a lane that does not skip it."""
        return self._operands.store(tech) + self._lane.multiply_accumulate(tech)

    @action
    def accumulate(self, tech: Technology, *, executed: Real = 1.0) -> Cost:
        """One product in every lane, of which the share `executed` is not skipped; 1 prices a unit that skips none.

        New operands come in for all rows and columns.
        """
        uses("own_choice")
        detected, product = self._zero_detector.switch(tech), self._product(tech)
        lanes = (detected + Cost(executed * product.energy, product.latency)).alongside(self.lanes)
        return self._wires(tech).transfer(tech) + lanes
