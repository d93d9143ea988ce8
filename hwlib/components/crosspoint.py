"""Arrays whose cells conduct straight from a row line to a column line, and the crossbar with selectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.analog_array import AnalogArray
from hwlib.components.array_lines import half_selected, joule, line_capacitance, lonely_pulses, path_conductance
from hwlib.devices import Device
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import wire_delay

CROSSBAR_CELL = 2.0
"""Side of a crossbar's cell, in F (neurosim_v2_1)."""


@dataclass(frozen=True, kw_only=True)
class CrosspointArray(AnalogArray):
    """Base of arrays that are read from line to line: inputs on one side, the other held at virtual ground.

    No transistor cuts a cell off, so lines that wait for their turn at the converter conduct as well.
    See `AnalogArray` for the parameters.
    """

    def read_terminal(self, tech: Technology) -> Real:
        """Capacitance that a cell adds to each of its read lines. [F]"""
        return 0.0

    def row_line_capacitance(self, tech: Technology) -> Real:
        """Of one row line. [F]"""
        return line_capacitance(tech, self.row_length(tech), self.all_columns, self.read_terminal(tech))

    def column_line_capacitance(self, tech: Technology) -> Real:
        """Of one column line. [F]"""
        return line_capacitance(tech, self.column_length(tech), self.all_rows, self.read_terminal(tech))

    @action
    def read(
        self,
        tech: Technology,
        *,
        active_rows: Real,
        mean_conductance: Real,
        columns: Real,
        sense_time: Real,
        groups: Real = 1,
    ) -> Cost:
        """One vector of input bits as voltages on the row lines, currents collected on the columns.

        Parameters
        ----------
        tech : Technology
        active_rows : float or array
            Rows whose bit is one.
        mean_conductance : float or array
            Of the devices in those rows. [S]
        columns : float or array
            Columns of weights sensed, in `groups` turns; all of them conduct, with the reference columns, during
            every turn.
        sense_time : float or array
            Of one turn, `sense_time` of the converter. [s]
        groups : float or array
            Groups of columns sensed one after the other.

        Returns
        -------
        Cost
            Energy of row lines and cells; latency of settling, without the conversion.
        """
        row_line, column_line = self.row_line_capacitance(tech), self.column_line_capacitance(tech)
        lines = columns * self.cells_per_weight
        heat = self._heat(active_rows, mean_conductance, lines, self.reference_columns, sense_time)
        turn = self._sensing(tech, self.column_length(tech), column_line, self.all_rows, 0.0, sense_time)
        energy = active_rows * row_line * self.read_voltage**2 + groups * heat
        return Cost(energy, wire_delay(tech, self.row_length(tech)) + groups * turn)

    @action
    def read_transposed(
        self,
        tech: Technology,
        *,
        active_columns: Real,
        mean_conductance: Real,
        rows: Real,
        sense_time: Real,
        groups: Real = 1,
    ) -> Cost:
        """One vector of bits on the columns of weights, currents collected on the row lines; see `read`."""
        row_line, column_line = self.row_line_capacitance(tech), self.column_line_capacitance(tech)
        driven = active_columns * self.cells_per_weight
        heat = self._heat(driven, mean_conductance, rows, self.reference_rows, sense_time)
        turn = self._sensing(tech, self.row_length(tech), row_line, self.all_columns, 0.0, sense_time)
        energy = driven * column_line * self.read_voltage**2 + groups * heat
        return Cost(energy, wire_delay(tech, self.column_length(tech)) + groups * turn)


@component("crossbar_array")
@dataclass(frozen=True, kw_only=True)
class CrossbarArray(CrosspointArray):
    """Two-terminal devices, each with a selector, between crossing lines; writes by the half-voltage scheme.

    Unselected lines are held at half the write voltage, so that cells which share one line with a written cell see
    half of it and the rest nothing. See `AnalogArray` for the parameters that all arrays share.

    Parameters
    ----------
    write_voltage : float or array
        Amplitude of a pulse. [V]
    pulse_width : float or array
        Of one programming pulse. [s]
    selectivity : float or array
        Current of a cell at the write voltage over that at its half: 2 without a selector.
    cell_width, cell_height : float or array
        In F.
    """

    write_voltage: Real
    pulse_width: Real
    selectivity: Real
    cell_width: Real = CROSSBAR_CELL
    cell_height: Real = CROSSBAR_CELL

    @classmethod
    def from_device(
        cls, device: Device, rows: Real, columns: Real, encoding: str = "reference_column", **changes: Any
    ) -> CrossbarArray:
        """Array of a device's cells, `selectivity` among the changes; see `AnalogArray.from_device`.

        The device's own cell size is that with a transistor and is not taken.
        """
        size = {"cell_width": CROSSBAR_CELL, "cell_height": CROSSBAR_CELL}
        return super().from_device(device, rows, columns, encoding, **{**size, **changes})

    def cell_size(self, tech: Technology) -> tuple[Real, Real]:
        """Width and height of a cell. [m]"""
        uses("neurosim_v2_1")
        return self.cell_width * tech.node, self.cell_height * tech.node

    def leakage(self, tech: Technology) -> Real:
        """None: idle lines are at ground, and there are no transistors. [W]"""
        return 0.0 * self.cells

    def _pulse(self, conductance: Real) -> tuple[Real, Real]:
        """Heat of a whole and of half a pulse over one cell. [J]"""
        path = path_conductance(conductance, self.series_resistance)
        whole = joule(self.write_voltage, path, self.pulse_width)
        return whole, half_selected(self.write_voltage, path, self.pulse_width, self.selectivity)

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
        """One row written by pulses, first all that raise conductances, then all that lower them.

        Parameters as those of `ResistiveArray.write_row`; `mean_conductance` is also that of the half-selected
        cells.

        Notes
        -----
        In each slot the row rises to the write voltage, columns of pulsed cells stay at ground, all other lines
        rise to its half. Half-selected are the other cells of each pulsed column, and in each slot the cells of the
        row that get no pulse.
        """
        whole, half = self._pulse(mean_conductance)
        pulses = cells_up * pulses_up + cells_down * pulses_down
        slots = longest_up + longest_down
        others = (self.all_rows - 1) * pulses + slots * self.all_columns - pulses
        row_line, column_line = self.row_line_capacitance(tech), self.column_line_capacitance(tech)
        halves = slots * (self.all_rows - 1) * row_line + (slots * self.all_columns - pulses) * column_line
        lines = (slots * row_line + halves / 4) * np.asarray(self.write_voltage) ** 2
        return Cost(pulses * whole + others * half + lines, slots * self.pulse_width)

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
        """All rows and all columns fire trains of half the write voltage at once, of opposite sign.

        Parameters and errors as those of `ResistiveArray.pulse_outer_product`.

        Notes
        -----
        A pulse of one line half-selects every cell on it but those in a coincidence, reference cells included
        (gokmen2016rpu). Lines return to ground after each pulse.
        """
        uses("gokmen2016rpu")
        alone = lonely_pulses(train_length, row_probability, column_probability, coincidences)
        rows = self.rows * train_length * row_probability
        columns = self.data_columns * train_length * column_probability
        lines = rows * self.row_line_capacitance(tech) + columns * self.column_line_capacitance(tech)
        whole, half = self._pulse(mean_conductance)
        references = rows * self.reference_columns + columns * self.reference_rows
        energy = (
            lines * (self.write_voltage / 2) ** 2
            + self.data_cells * (coincidences * whole + alone * half)
            + references * self._pulse(self.reference_conductance)[1]
        )
        return Cost(energy, train_length * self.pulse_width)
