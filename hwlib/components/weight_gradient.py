"""The array of the weight-gradient unit: SRAM cells that multiply stored activations by streamed errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.cells import line_capacitance
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import chain_delay, inverter, switching_energy, wire_delay
from hwlib.technology.transistors import (
    LINEAR_REGION,
    drain_capacitance,
    gate_capacitance,
    off_current_n,
    off_current_p,
    on_resistance_n,
)

PULL_DOWN, PULL_UP, ACCESS = 2.08, 1.23, 1.31
"""Widths of the transistors of a cell, in F (neurosim_v2_1)."""

WIDTH, HEIGHT = 20.0, 8.0
"""Size of a six-transistor cell down to 22 nm, in F (neurosim_v2_1)."""

NODES, CELL_AREAS = (7.0, 10.0, 14.0, 22.0), (600.0, 400.0, 300.0, 160.0)
"""Area of a six-transistor cell by node, nm and F²; 160 F² above 22 nm (neurosim_v2_1)."""

EIGHT_TRANSISTORS = 8 / 6
"""Area of the cell with its own read port, over that without. Our choice: by the number of transistors."""

CLAMP = 0.1
"""Voltage of a read bit line while its current is sensed, the sense voltage of neurosim_v2_1. [V]"""


@component("sram_cim_array")
@dataclass(frozen=True)
class SramCimArray(Component):
    """Array of eight-transistor cells with a read port of two transistors, whose currents add up on the column.

    Our choice of circuit: the read bit lines are held at 0.1 V and their current is sensed, so that the same
    converters serve here as behind the resistive arrays. Write drivers are included, decoder and converters not.

    Parameters
    ----------
    rows, columns : float or array
    """

    rows: Real
    columns: Real

    def _scale(self, tech: Technology) -> Real:
        """Side of the cell over that of the six-transistor cell at 22 nm."""
        area = np.interp(tech.node * 1e9, NODES, CELL_AREAS)
        return np.sqrt(EIGHT_TRANSISTORS * area / (WIDTH * HEIGHT))

    def _row_length(self, tech: Technology) -> Real:
        return self.columns * WIDTH * self._scale(tech) * tech.node

    def _column_length(self, tech: Technology) -> Real:
        return self.rows * HEIGHT * self._scale(tech) * tech.node

    def _row_capacitance(self, tech: Technology, gates: float) -> Real:
        gate = gate_capacitance(tech, ACCESS * tech.node)
        return line_capacitance(tech, self._row_length(tech), self.columns, gates * gate)

    def _column_capacitance(self, tech: Technology) -> Real:
        drain = drain_capacitance(tech, ACCESS * tech.node)
        return line_capacitance(tech, self._column_length(tech), self.rows, drain)

    def read_resistance(self, tech: Technology) -> Real:
        """Of a read port that conducts: access and pull-down in series, passing a small voltage. [ohm]"""
        return LINEAR_REGION * (
            on_resistance_n(tech, ACCESS * tech.node) + on_resistance_n(tech, PULL_DOWN * tech.node)
        )

    def area(self, tech: Technology) -> Real:
        """Of cells and of three inverters per column that drive writes. [m²]"""
        uses("neurosim_v2_1")
        return self._row_length(tech) * self._column_length(tech) + 3 * self.columns * inverter(tech).area

    def leakage(self, tech: Technology) -> Real:
        """Of cells (one transistor of each inverter, one access, the read port) and write drivers. [W]"""
        uses("neurosim_v2_1")
        off = (
            off_current_n(tech, PULL_DOWN * tech.node)
            + off_current_p(tech, PULL_UP * tech.node)
            + 2 * off_current_n(tech, ACCESS * tech.node)
        )
        return self.rows * self.columns * off * tech.vdd + 3 * self.columns * inverter(tech).leakage

    @action
    def write_row(self, tech: Technology, *, flipped: Real = 0.5) -> Cost:
        """One row of `columns` bits written.

        Parameters
        ----------
        tech : Technology
        flipped : float or array
            Fraction of the cells whose bit changes.

        Notes
        -----
        The word line drives both access gates of each cell; one bit line of each pair rises; a cell that flips
        charges one inverter's gates and drains.
        """
        uses("neurosim_v2_1")
        driver = inverter(tech)
        cell = (
            gate_capacitance(tech, PULL_DOWN * tech.node)
            + gate_capacitance(tech, PULL_UP * tech.node)
            + drain_capacitance(tech, PULL_DOWN * tech.node)
            + drain_capacitance(tech, PULL_UP * tech.node)
        )
        bit_line = self._column_capacitance(tech)
        switched = (
            self._row_capacitance(tech, 2)
            + self.columns * (bit_line + driver.input_capacitance + driver.output_capacitance)
            + self.columns * flipped * cell
        )
        latency = (
            chain_delay([(driver, driver.input_capacitance), (driver, bit_line)])
            + wire_delay(tech, self._row_length(tech))
            + wire_delay(tech, self._column_length(tech))
            + chain_delay([(driver, driver.input_capacitance)])
        )
        return Cost(switching_energy(tech, switched), latency)

    @action
    def read(
        self,
        tech: Technology,
        *,
        active_rows: Real,
        stored_ones: Real,
        columns: Real,
        sense_time: Real,
        groups: Real = 1,
    ) -> Cost:
        """One vector of bits on the read word lines, currents collected on the read bit lines.

        Parameters
        ----------
        tech : Technology
        active_rows : float or array
            Rows whose bit is one.
        stored_ones : float or array
            Fraction of the cells of those rows that store a one, and so conduct.
        columns : float or array
            Columns sensed.
        sense_time : float or array
            How long a sensed column conducts, `sense_time` of the converter. [s]
        groups : float or array
            Groups of columns sensed one after the other, each of which settles anew.

        Returns
        -------
        Cost
            Energy of word lines, bit lines and cell currents, all drawn from the supply; latency of settling
            with half of the rows conducting, without the conversion.
        """
        uses("neurosim_v2_1")
        resistance, bit_line = self.read_resistance(tech), self._column_capacitance(tech)
        charge = bit_line * CLAMP + active_rows * stored_ones * CLAMP / resistance * sense_time
        energy = active_rows * switching_energy(tech, self._row_capacitance(tech, 1)) + columns * charge * tech.vdd
        settle = np.log(2.0) * bit_line * resistance / (self.rows / 2) + wire_delay(tech, self._column_length(tech))
        return Cost(energy, wire_delay(tech, self._row_length(tech)) + groups * settle)
