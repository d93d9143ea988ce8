"""The array of electrochemical memory cells: read through a channel, written by charge through a gate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.array_lines import check_trains, line_capacitance
from hwlib.components.crosspoint import CrosspointArray
from hwlib.provenance import check_range, uses
from hwlib.technology import Technology
from hwlib.technology.transistors import drain_capacitance, gate_capacitance, minimum_width, off_current_n

SWITCHING_ENERGY = 1e-15 / 100e-9**2
"""Energy of a pulse by channel area: about 1 fJ for 100 nm x 100 nm (tang2018ecram). [J/m²]"""

SHORTEST_PULSE = 5e-9
"""Shortest pulse that has been shown to switch (tang2018ecram). [s]"""

CHANNEL_AREAS = 100e-9**2, 300e-9**2
"""Channel areas between the one that the energy is projected to and the smallest one built (tang2018ecram). [m²]"""


@component("ecram_array")
@dataclass(frozen=True, kw_only=True)
class EcramArray(CrosspointArray):
    """Cells of a channel between row and column line, and a gate that a transistor connects to a write line.

    The transistor is of minimum size; its gate hangs on the column's select line, its drain on the row's write
    line, so that a cell is pulsed where both fire, and half-selected cells draw nothing (our choice of circuit). See
    `AnalogArray` for the parameters that all arrays share.

    Parameters
    ----------
    write_voltage : float or array
        On a write line, during a pulse. [V]
    access_voltage : float or array
        On a select line, during a pulse. [V]
    pulse_width : float or array
        The data begin at 5 ns. [s]
    channel_area : float or array
        Of one device; the data hold from (100 nm)² to (300 nm)². [m²]
    cell_width, cell_height : float or array
        In F. Our choice: 8, since two lines run each way, each as wide as the 4F cell that has one.
    """

    write_voltage: Real
    access_voltage: Real
    pulse_width: Real = SHORTEST_PULSE
    channel_area: Real = CHANNEL_AREAS[0]
    cell_width: Real = 8.0
    cell_height: Real = 8.0

    def cell_size(self, tech: Technology) -> tuple[Real, Real]:
        """Width and height of a cell. [m]"""
        uses("own_choice")
        return self.cell_width * tech.node, self.cell_height * tech.node

    def write_line_capacitance(self, tech: Technology) -> Real:
        """Of one write line, along a row. [F]"""
        drain = drain_capacitance(tech, minimum_width(tech))
        return line_capacitance(tech, self.row_length(tech), self.all_columns, drain)

    def select_line_capacitance(self, tech: Technology) -> Real:
        """Of one select line, along a column. [F]"""
        gate = gate_capacitance(tech, minimum_width(tech))
        return line_capacitance(tech, self.column_length(tech), self.all_rows, gate)

    def leakage(self, tech: Technology) -> Real:
        """Off-current of every write transistor under the read voltage. [W]

        Our choice: write lines idle at ground, while the channels may be at the read voltage.
        """
        return self.cells * off_current_n(tech, minimum_width(tech)) * self.read_voltage

    def pulse_energy(self) -> Real:
        """Of one pulse into one gate. [J]"""
        uses("tang2018ecram")
        check_range("pulse of an ECRAM cell", self.pulse_width, SHORTEST_PULSE, np.inf, "s")
        check_range("channel area of an ECRAM cell", self.channel_area, *CHANNEL_AREAS, "m²")
        return SWITCHING_ENERGY * self.channel_area

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
        """One row written by pulses: its write line fires in every slot, select lines where a cell gets one.

        Parameters as those of `ResistiveArray.write_row`; no current passes the channels, so `mean_conductance`,
        which all arrays are told, does not matter.
        """
        pulses = cells_up * pulses_up + cells_down * pulses_down
        slots = longest_up + longest_down
        row = slots * self.write_line_capacitance(tech) * self.write_voltage**2
        selected = self.select_line_capacitance(tech) * self.access_voltage**2 + self.pulse_energy()
        return Cost(row + pulses * selected, slots * self.pulse_width)

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
        """All write lines and all select lines fire trains at once; a gate is charged where they coincide.

        Parameters and errors as those of `ResistiveArray.pulse_outer_product`; `mean_conductance` does not matter.
        """
        check_trains(train_length, row_probability, column_probability, coincidences)
        rows = self.rows * train_length * row_probability
        columns = self.data_columns * train_length * column_probability
        energy = (
            rows * self.write_line_capacitance(tech) * self.write_voltage**2
            + columns * self.select_line_capacitance(tech) * self.access_voltage**2
            + self.data_cells * coincidences * self.pulse_energy()
        )
        return Cost(energy, train_length * self.pulse_width)
