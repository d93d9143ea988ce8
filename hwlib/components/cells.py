"""The resistive array: cells of one transistor and one device, reads both ways, row writes and parallel updates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.analog_array import AnalogArray
from hwlib.components.array_lines import (
    half_selected,
    joule,
    line_capacitance,
    lonely_pulses,
    path_conductance,
    switched_polarisation,
)
from hwlib.devices import Device
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import wire_delay
from hwlib.technology.transistors import (
    LINEAR_REGION,
    drain_capacitance,
    gate_capacitance,
    minimum_width,
    off_current_n,
    on_resistance_n,
)

ACCESS_SHARE = 0.25
"""Resistance of the access transistor over that of the device when on (neurosim_v2_1)."""

GATE_AREA = 2.0
"""Area of a ferroelectric gate, in F² (neurosim_v2_1)."""


@component("resistive_array")
@dataclass(frozen=True, kw_only=True)
class ResistiveArray(AnalogArray):
    """Array of 1T1R cells (RRAM, PCM) or ferroelectric transistors.

    Three kinds of line cross it: word lines along the rows (gates), column lines along the columns
    (drains) and, for transposed reads, row lines along the rows (sources). See `AnalogArray` for the parameters
    that all arrays share.

    Parameters
    ----------
    cell_width, cell_height : float or array
        In F.
    access_voltage : float or array
        On the gate of a cell that is selected. [V]
    write_voltage : float or array
        Amplitude of a pulse. [V]
    pulse_width : float or array
        Of one programming pulse. [s]
    states : float or array
        Pulses for a full sweep.
    polarisation : float or array
        Remanent polarisation of a ferroelectric gate, 0 for a resistive device, which decides what a write
        costs: switched charge or heat. [C/m²]

    Raises
    ------
    ValueError
        By every method that takes a technology, if the access transistor is wider than the cell.
    """

    cell_width: Real
    cell_height: Real
    access_voltage: Real
    write_voltage: Real
    pulse_width: Real
    states: Real
    polarisation: Real = 0.0

    @classmethod
    def from_device(
        cls, device: Device, rows: Real, columns: Real, encoding: str = "reference_column", **changes: Any
    ) -> ResistiveArray:
        """Array of a device's cells; see `AnalogArray.from_device`."""
        if device.kind != "ferroelectric":
            changes = {"polarisation": 0.0, **changes}
        return super().from_device(device, rows, columns, encoding, **changes)

    def cell_size(self, tech: Technology) -> tuple[Real, Real]:
        """Width and height of a cell. [m]"""
        return self.cell_width * tech.node, self.cell_height * tech.node

    def access_width(self, tech: Technology) -> Real:
        """Drawn width of the access transistor, a quarter of the device's on-resistance, at least the minimum. [m]"""
        uses("neurosim_v2_1")
        smallest = minimum_width(tech)
        size = LINEAR_REGION * on_resistance_n(tech, smallest) / (ACCESS_SHARE * self.on_resistance)
        width = smallest * np.maximum(1.0, size)
        if np.any(width > self.cell_width * tech.node):
            raise ValueError(
                f"resistive_array: an on_resistance of {np.min(self.on_resistance):g} ohm needs an access transistor "
                f"of {np.max(width / tech.node):.3g} F at {tech.name}, which exceeds cell_width "
                f"({np.min(self.cell_width):g} F); allowed: a wider cell or a larger on_resistance"
            )
        return width

    def word_line_capacitance(self, tech: Technology) -> Real:
        """Of one word line. [F]"""
        gate = gate_capacitance(tech, self.access_width(tech))
        return line_capacitance(tech, self.row_length(tech), self.all_columns, gate)

    def row_line_capacitance(self, tech: Technology) -> Real:
        """Of one row line, the one that collects the current of a transposed read. [F]"""
        drain = drain_capacitance(tech, self.access_width(tech))
        return line_capacitance(tech, self.row_length(tech), self.all_columns, drain)

    def column_line_capacitance(self, tech: Technology) -> Real:
        """Of one column line. [F]"""
        drain = drain_capacitance(tech, self.access_width(tech))
        return line_capacitance(tech, self.column_length(tech), self.all_rows, drain)

    def area(self, tech: Technology) -> Real:
        """Of all cells; lines run above them. [m²]"""
        self.access_width(tech)
        return super().area(tech)

    def leakage(self, tech: Technology) -> Real:
        """Off-current of every access transistor under the read voltage. [W]

        Our choice: the lines stay at the read voltage between reads, so that the next one need not wait.
        """
        return self.cells * off_current_n(tech, self.access_width(tech)) * self.read_voltage

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
        """One vector of input bits on the word lines, currents collected on the columns.

        Parameters
        ----------
        tech : Technology
        active_rows : float or array
            Rows whose bit is one.
        mean_conductance : float or array
            Of the devices in those rows. [S]
        columns : float or array
            Columns of weights sensed; one that the mux does not connect draws no current. The reference
            columns are sensed once besides.
        sense_time : float or array
            How long a sensed column conducts, `sense_time` of the converter. [s]
        groups : float or array
            Groups of columns sensed one after the other, each of which settles anew.

        Returns
        -------
        Cost
            Energy of word lines, column lines and cells; latency of settling, without the conversion.
        """
        lines, column_line = columns * self.cells_per_weight, self.column_line_capacitance(tech)
        energy = (
            active_rows * self.word_line_capacitance(tech) * self.access_voltage**2
            + (lines + self.reference_columns) * column_line * self.read_voltage**2
            + self._heat(active_rows, mean_conductance, lines, self.reference_columns, sense_time)
        )
        length, access = self.column_length(tech), ACCESS_SHARE * self.on_resistance
        column = self._sensing(tech, length, column_line, self.all_rows, access, sense_time)
        return Cost(energy, wire_delay(tech, self.row_length(tech)) + groups * column)

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
        """One vector of bits on the columns of weights, currents collected on the row lines; see `read`.

        A row is sensed with its word line on, so each sensed row charges its word line and its row line
        (our choice: rows that are not sensed stay off, else their currents would have to be drained). The two
        columns of a differential pair get opposite voltages, so that their currents subtract on the row.
        """
        sensed, driven = rows + self.reference_rows, active_columns * self.cells_per_weight
        row_line = self.row_line_capacitance(tech)
        energy = (
            sensed * self.word_line_capacitance(tech) * self.access_voltage**2
            + (driven * self.column_line_capacitance(tech) + sensed * row_line) * self.read_voltage**2
            + self._heat(driven, mean_conductance, rows, self.reference_rows, sense_time)
        )
        length, access = self.row_length(tech), ACCESS_SHARE * self.on_resistance
        row = self._sensing(tech, length, row_line, self.all_columns, access, sense_time)
        return Cost(energy, wire_delay(tech, self.column_length(tech)) + groups * row)

    def _pulse_energy(self, tech: Technology, mean_conductance: Real) -> Real:
        """Of one pulse in one cell: heat, or the share of the polarisation that it turns. [J]"""
        area = GATE_AREA * tech.node**2
        switched = switched_polarisation(self.polarisation, area, self.write_voltage, self.states)
        conductance = path_conductance(mean_conductance, self.series_resistance)
        heat = joule(self.write_voltage, conductance, self.pulse_width)
        return np.where(np.asarray(self.polarisation) > 0, switched, heat)

    def _half_pulse_energy(self, conductance: Real) -> Real:
        """Of half a pulse's voltage over one cell: heat; a ferroelectric does not turn. [J]"""
        heat = half_selected(
            self.write_voltage, path_conductance(conductance, self.series_resistance), self.pulse_width
        )
        return np.where(np.asarray(self.polarisation) > 0, 0.0, heat)

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

        Parameters
        ----------
        tech : Technology
        cells_up, cells_down : float or array
            Cells that get pulses of each direction.
        pulses_up, pulses_down : float or array
            Mean number of pulses of those cells.
        longest_up, longest_down : float or array
            Largest number of pulses in the row, which sets the time.
        mean_conductance : float or array
            Of the cells that are written, averaged over their pulses. [S]

        Returns
        -------
        Cost

        Notes
        -----
        In each pulse slot the word line is charged to the access voltage. A resistive cell has two terminals, so
        every column is charged to the write voltage: one line of a cell that is pulsed, the opposite one of a cell
        that is inhibited (neurosim_v2_1). A ferroelectric cell is written through its gate, which the access
        transistor joins to the column: only the columns of pulsed cells are charged, the others stay at ground (our
        choice of the cell with one transistor and one ferroelectric transistor).
        A pulse heats a resistive cell by V² G t, or turns its share of a ferroelectric's polarisation. No cell is
        half-selected, since the access transistors of the other rows are off.
        """
        slots = longest_up + longest_down
        pulses = cells_up * pulses_up + cells_down * pulses_down
        columns = np.where(np.asarray(self.polarisation) > 0, pulses, slots * self.all_columns)
        energy = (
            slots * self.word_line_capacitance(tech) * self.access_voltage**2
            + columns * self.column_line_capacitance(tech) * self.write_voltage**2
            + pulses * self._pulse_energy(tech, mean_conductance)
        )
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
        """All rows and all columns fire trains of pulses at once; a cell changes where its two lines coincide.

        Parameters
        ----------
        tech : Technology
        train_length : float or array
            Slots of the trains, of both signs together.
        row_probability, column_probability : float or array
            Mean probability that a row line, or a column line, fires in a slot.
        coincidences : float or array
            Mean number of slots, per data cell, in which both of its lines fire.
        mean_conductance : float or array
            Of the data cells. [S]

        Returns
        -------
        Cost

        Raises
        ------
        ValueError
            See `check_trains`.

        Notes
        -----
        Rows fire half the write voltage and columns the opposite half (gokmen2016rpu): a cell sees all of
        it in a coincidence, and half in a pulse of one line, which heats but does not switch. The word lines of
        the data rows are up for the whole train; so the cells of the reference columns see the rows' pulses, while
        those of the reference rows are off. Lines return to ground after each pulse.
        """
        uses("gokmen2016rpu")
        alone = lonely_pulses(train_length, row_probability, column_probability, coincidences)
        rows = self.rows * train_length * row_probability
        columns = self.data_columns * train_length * column_probability
        lines = rows * self.row_line_capacitance(tech) + columns * self.column_line_capacitance(tech)
        whole, half = self._pulse_energy(tech, mean_conductance), self._half_pulse_energy(mean_conductance)
        energy = (
            self.rows * self.word_line_capacitance(tech) * self.access_voltage**2
            + lines * (self.write_voltage / 2) ** 2
            + self.data_cells * (coincidences * whole + alone * half)
            + rows * self.reference_columns * self._half_pulse_energy(self.reference_conductance)
        )
        return Cost(energy, train_length * self.pulse_width)
