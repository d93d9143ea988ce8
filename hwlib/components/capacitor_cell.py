"""The array of capacitor cells: weights as charges that both steer a read transistor and leak; for fast arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.analog_parts import CAPACITANCE_DENSITY
from hwlib.components.array_lines import check_trains, line_capacitance
from hwlib.components.crosspoint import CrosspointArray
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import inverter, nand, nor, switching_energy
from hwlib.technology.transistors import (
    drain_capacitance,
    gate_capacitance,
    minimum_width,
    off_current_n,
    off_current_p,
)


@component("capacitor_array")
@dataclass(frozen=True, kw_only=True)
class CapacitorArray(CrosspointArray):
    """Cells of a capacitor on the gate of a read transistor, with two current sources that move its charge.

    The kind of cell is that of li2018capacitor; the gates are our choice. A NAND turns the p-type source on where
    the row and the column's up line fire, a NOR the n-type source where the row and the column's down line do.
    All transistors are of minimum size; the capacitor lies above them. See `AnalogArray` for the parameters that all
    arrays share; the resistances are those of the read transistor at both ends of the swing.

    Parameters
    ----------
    capacitance : float or array
        [F]
    swing : float or array
        Of the capacitor's voltage, from the smallest to the largest weight. [V]
    states : float or array
        Pulses for a full swing.
    pulse_width : float or array
        [s]
    capacitance_density : float or array
        [F/m²]
    """

    capacitance: Real
    swing: Real
    states: Real
    pulse_width: Real
    capacitance_density: Real = CAPACITANCE_DENSITY

    def cell_size(self, tech: Technology) -> tuple[Real, Real]:
        """Width and height of a cell, a square large enough for its transistors and for its capacitor. [m]"""
        uses("own_choice", "li2018capacitor")
        transistors = nand(tech).area + nor(tech).area + 1.5 * inverter(tech).area
        side = np.sqrt(np.maximum(transistors, self.capacitance / self.capacitance_density))
        return side, side

    def read_terminal(self, tech: Technology) -> Real:
        """One side of the read transistor. [F]"""
        return drain_capacitance(tech, minimum_width(tech))

    def update_row_capacitance(self, tech: Technology) -> Real:
        """Of the line that fires along a row, one input of each of a cell's two gates. [F]"""
        both = nand(tech).input_capacitance + nor(tech).input_capacitance
        return line_capacitance(tech, self.row_length(tech), self.all_columns, both)

    def update_column_capacitance(self, tech: Technology) -> Real:
        """Of the line that fires along a column, up or down, one input of one gate of each cell (their mean). [F]"""
        one = (nand(tech).input_capacitance + nor(tech).input_capacitance) / 2
        return line_capacitance(tech, self.column_length(tech), self.all_rows, one)

    def leakage(self, tech: Technology) -> Real:
        """Of the gates, and of the current sources in series between the supplies. [W]"""
        source = off_current_n(tech, minimum_width(tech)) * tech.vdd
        return self.cells * (nand(tech).leakage + nor(tech).leakage + source)

    def retention(self, tech: Technology) -> Real:
        """Time in which the larger off-current of the two sources moves a weight from an end to the middle. [s]"""
        width = minimum_width(tech)
        off = np.maximum(off_current_n(tech, width), off_current_p(tech, tech.pn_ratio * width))
        return self.capacitance * self.swing / 2 / off

    def _pulse(self, tech: Technology) -> tuple[Real, Real]:
        """Energy of a gate that fires its source, and of a step's charge, drawn from the supply on the way up. [J]"""
        output = (nand(tech).output_capacitance + nor(tech).output_capacitance) / 2
        gate = switching_energy(tech, output + gate_capacitance(tech, minimum_width(tech)))
        return gate, self.capacitance * self.swing / self.states * tech.vdd

    @action
    def write_row(
        self,
        tech: Technology,
        *,
        cells_up: Real,
        cells_down: Real,
        pulses_up: Real,
        pulses_down: Real,
        longest_up: Real,
        longest_down: Real,
        mean_conductance: Real,
    ) -> Cost:
        """One row written by pulses: its line fires in every slot, a column's where its cell gets one.

        Parameters as those of `ResistiveArray.write_row`; `mean_conductance`, which all arrays are told, does not
        matter.
        """
        gate, charge = self._pulse(tech)
        up, down = cells_up * pulses_up, cells_down * pulses_down
        slots = longest_up + longest_down
        lines = slots * self.update_row_capacitance(tech) + (up + down) * self.update_column_capacitance(tech)
        energy = switching_energy(tech, lines) + (up + down) * gate + up * charge
        return Cost(energy, slots * self.pulse_width)

    @action
    def pulse_outer_product(
        self,
        tech: Technology,
        *,
        train_length: Real,
        row_probability: Real,
        column_probability: Real,
        coincidences: Real,
        mean_conductance: Real,
    ) -> Cost:
        """All rows and all columns fire trains at once; a charge moves where they coincide, half of them upwards.

        Parameters and errors as those of `ResistiveArray.pulse_outer_product`; `mean_conductance` does not matter.
        """
        check_trains(train_length, row_probability, column_probability, coincidences)
        gate, charge = self._pulse(tech)
        rows = self.rows * train_length * row_probability
        columns = self.data_columns * train_length * column_probability
        lines = rows * self.update_row_capacitance(tech) + columns * self.update_column_capacitance(tech)
        cells = self.data_cells * coincidences * (gate + charge / 2)
        return Cost(switching_energy(tech, lines) + cells, train_length * self.pulse_width)
