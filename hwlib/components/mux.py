"""The column multiplexer: which of several columns a shared converter sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.decoders import RowDecoder
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import Gate, switching_energy, transmission_gate, transmission_gate_width

SHARE = 0.25
"""Resistance of a pass gate over the smallest resistance of the line behind it (neurosim_v2_1)."""

TIME_CONSTANTS = 2.3
"""Until 90 % of a step has passed, ln 10 (neurosim_v2_1)."""


@component("column_mux")
@dataclass(frozen=True)
class ColumnMux(Component):
    """One pass gate per line, `ratio` lines to one converter, and the decoder that selects.

    Parameters
    ----------
    columns : float or array
        Lines that come in.
    ratio : float or array
        Lines for each converter.
    line_resistance : float or array
        Smallest resistance of a line, all of its cells on; a pass gate has a quarter of it. [ohm]
    voltage : float or array
        Passed. [V]
    """

    columns: Real
    ratio: Real
    line_resistance: Real
    voltage: Real

    @property
    def outputs(self) -> Real:
        """Converters that it feeds."""
        return np.ceil(self.columns / self.ratio)

    def _gate(self, tech: Technology) -> Gate:
        uses("neurosim_v2_1")
        return transmission_gate(tech, transmission_gate_width(tech, SHARE * self.line_resistance))

    def _decoder(self, tech: Technology) -> RowDecoder:
        return RowDecoder(rows=self.ratio, load=self.outputs * self._gate(tech).input_capacitance)

    def area(self, tech: Technology) -> Real:
        """Of pass gates and decoder. [m²]"""
        return self.columns * self._gate(tech).area + self._decoder(tech).area(tech)

    def leakage(self, tech: Technology) -> Real:
        """Of the decoder; pass gates do not lie between the supplies. [W]"""
        return self._decoder(tech).leakage(tech) + 0 * self.columns

    @action
    def select(self, tech: Technology) -> Cost:
        """One line of each group connected to its converter.

        Each pass gate that opens charges its gates and, on both sides, its drains; the step passes after 2.3
        time constants of twice the gate's resistance (neurosim_v2_1).
        """
        gate = self._gate(tech)
        drains = 2 * gate.output_capacitance * np.asarray(self.voltage) ** 2
        energy = self.outputs * (switching_energy(tech, gate.input_capacitance) + drains)
        through = TIME_CONSTANTS * 2 * gate.resistance * (gate.output_capacitance + gate.input_capacitance / 2)
        return self._decoder(tech).decode(tech) + Cost(energy, through)
