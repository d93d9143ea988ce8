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

    Each activation goes to a row of lanes and each error to a column, over wires as long as the square, with a bit that
    says whether it is zero: that is found once, where the row or column starts, and then its wires stay as they are.
    Lanes with a zero keep their operands and gate their clock, which saves energy but no time. The circuit is our
    choice; gradients that do not stay in the lanes lie in buffers, components of their own.

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
    def _edge(self) -> Real:
        """Rows, and columns, of the largest square of lanes."""
        return np.floor(np.sqrt(self.lanes))

    @staticmethod
    def _zero_detector(bits: Real) -> Gates:
        """Tree of NANDs and inversions over the bits of a factor."""
        return Gates(2 * bits, 2 * np.ceil(np.log2(bits)))

    @property
    def _gate(self) -> Gates:
        """A lane's NAND and inverter of the two bits that say what is zero."""
        return Gates(2, 2)

    @property
    def _operands(self) -> Register:
        return Register(self.activation_bits + self.error_bits)

    def _lane_parts(self) -> tuple[Component, ...]:
        """Of every lane: multiply-accumulate unit, operand registers and the gate of its clock."""
        return self._lane, self._operands, self._gate

    def _wires(self, tech: Technology, bits: Real) -> Bus:
        """Over the square, for so many bits of each row or column."""
        side = np.sqrt(self.lanes * sum(part.area(tech) for part in self._lane_parts()))
        return Bus(side, self._edge * bits)

    def _edges(self, tech: Technology) -> tuple[Component, ...]:
        """Wires of all rows and columns, with those that say what is zero."""
        return self._wires(tech, self.activation_bits + self.error_bits), self._wires(tech, 2)

    def _around(self, tech: Technology, quantity: str) -> Real:
        """Area or leakage of what is not in the lanes."""
        detectors = (self._zero_detector(bits) for bits in (self.activation_bits, self.error_bits))
        zeros = self._edge * sum(getattr(one, quantity)(tech) for one in detectors)
        return zeros + sum(getattr(part, quantity)(tech) for part in self._edges(tech))

    def area(self, tech: Technology) -> Real:
        """Silicon area, of lanes, zero detectors and the wires' repeaters. [m²]"""
        return self.lanes * sum(part.area(tech) for part in self._lane_parts()) + self._around(tech, "area")

    def leakage(self, tech: Technology) -> Real:
        """Power drawn while powered and idle. [W]"""
        return self.lanes * sum(part.leakage(tech) for part in self._lane_parts()) + self._around(tech, "leakage")

    def cycle_time(self, tech: Technology) -> Real:
        """Time from one product to the next; the wires' flip-flops let operands follow one another. [s]"""
        return self._gate.switch(tech).latency + self._product(tech).latency

    def _product(self, tech: Technology) -> Cost:
        """One product in a lane that does not skip it."""
        return self._operands.store(tech) + self._lane.multiply_accumulate(tech)

    @action
    def accumulate(
        self, tech: Technology, *, executed: Real = 1.0, activations: Real = 1.0, errors: Real = 1.0
    ) -> Cost:
        """One product in every lane, of which the share `executed` is not skipped; 1 prices a unit that skips none.

        New operands come in for all rows and columns; `activations` and `errors` are the shares that are not zero.
        """
        uses("own_choice")
        product = self._product(tech)
        lanes = self._gate.switch(tech) + Cost(executed * product.energy, product.latency)
        total = lanes.alongside(self.lanes)
        for bits, moved in ((self.activation_bits, activations), (self.error_bits, errors)):
            found, sent = self._zero_detector(bits).switch(tech), self._wires(tech, bits).transfer(tech)
            total += Cost(self._edge * found.energy + moved * sent.energy, 0.0)
        flags = self._wires(tech, 2).transfer(tech)
        widest = self._zero_detector(np.maximum(self.activation_bits, self.error_bits))
        return total + Cost(flags.energy, flags.latency + widest.switch(tech).latency)
