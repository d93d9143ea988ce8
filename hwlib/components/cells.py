"""The resistive array: cells of one transistor and one device, their lines, reads both ways and row writes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
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

SETTLING = 0.2
"""Time constants that a column needs to settle to within what the converter resolves (neurosim_v2_1)."""

GATE_AREA = 2.0
"""Area of a ferroelectric gate, in F² (neurosim_v2_1)."""


def line_capacitance(tech: Technology, length: Real, cells: Real, terminal: Real) -> Real:
    """Capacitance of a line over the array: its wire and one transistor terminal [F] for each cell. [F]"""
    return tech.wire_capacitance * length + cells * terminal


def path_conductance(conductance: Real, series_resistance: Real) -> Real:
    """Conductance [S] of a device and the resistance [ohm] in series with it. [S]"""
    return conductance / (1 + conductance * series_resistance)


def joule(voltage: Real, conductance: Real, time: Real) -> Real:
    """Heat of a voltage [V] over a conductance [S] for a time [s], V² G t. [J]"""
    return voltage**2 * conductance * time


def switched_polarisation(polarisation: Real, area: Real, voltage: Real, states: Real) -> Real:
    """Energy of one of the `states` pulses that together turn a polarisation [C/m²] of an area [m²] around. [J]

    The whole turn moves the charge 2 P A through the voltage [V].
    """
    return 2 * polarisation * area * voltage / states


@component("resistive_array")
@dataclass(frozen=True)
class ResistiveArray(Component):
    """Array of 1T1R cells or ferroelectric transistors, with reference lines at mid conductance.

    Three kinds of line cross it: word lines along the rows (gates), column lines along the columns
    (drains) and, for transposed reads, row lines along the rows (sources). Data and reference cells are alike.

    Parameters
    ----------
    rows, columns : float or array
        Of data cells.
    cell_width, cell_height : float or array
        In F.
    on_resistance, off_resistance : float or array
        Of the device. [ohm]
    read_voltage : float or array
        Over the cells during reads. [V]
    access_voltage : float or array
        On the gate of a cell that is selected. [V]
    write_voltage : float or array
        Amplitude of a pulse. [V]
    pulse_width : float or array
        Of one programming pulse. [s]
    states : float or array
        Pulses for a full sweep.
    series_resistance : float or array
        In the path of each cell. [ohm]
    polarisation : float or array
        Remanent polarisation of a ferroelectric gate, 0 for a resistive device, which decides what a write
        costs: switched charge or heat. [C/m²]
    reference_columns, reference_rows : float or array
        Lines at mid conductance whose current is subtracted in forward and in transposed reads.

    Raises
    ------
    ValueError
        By every method that takes a technology, if the access transistor is wider than the cell.
    """

    rows: Real
    columns: Real
    cell_width: Real
    cell_height: Real
    on_resistance: Real
    off_resistance: Real
    read_voltage: Real
    access_voltage: Real
    write_voltage: Real
    pulse_width: Real
    states: Real
    series_resistance: Real = 0.0
    polarisation: Real = 0.0
    reference_columns: Real = 1
    reference_rows: Real = 1

    @classmethod
    def from_device(
        cls, device: Device, rows: Real, columns: Real, reference_columns: Real = 1, reference_rows: Real = 1
    ) -> ResistiveArray:
        """Array of a device's cells."""
        uses(*device.sources.values())
        return cls(
            rows=rows,
            columns=columns,
            cell_width=device.cell_width,
            cell_height=device.cell_height,
            on_resistance=device.on_resistance,
            off_resistance=device.off_resistance,
            read_voltage=device.read_voltage,
            access_voltage=device.access_voltage,
            write_voltage=device.write_voltage,
            pulse_width=device.pulse_width,
            states=device.states,
            series_resistance=device.series_resistance,
            polarisation=device.polarisation if device.kind == "ferroelectric" else 0.0,
            reference_columns=reference_columns,
            reference_rows=reference_rows,
        )

    @property
    def all_rows(self) -> Real:
        """Rows, those of reference cells included."""
        return self.rows + self.reference_rows

    @property
    def all_columns(self) -> Real:
        """Columns, those of reference cells included."""
        return self.columns + self.reference_columns

    @property
    def cells(self) -> Real:
        """Cells, those of the references included."""
        return self.all_rows * self.all_columns

    @property
    def reference_conductance(self) -> Real:
        """Conductance of a reference cell, the middle of the range. [S]"""
        return (1 / self.on_resistance + 1 / self.off_resistance) / 2

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
        return line_capacitance(tech, self._row_length(tech), self.all_columns, gate)

    def row_line_capacitance(self, tech: Technology) -> Real:
        """Of one row line, the one that collects the current of a transposed read. [F]"""
        drain = drain_capacitance(tech, self.access_width(tech))
        return line_capacitance(tech, self._row_length(tech), self.all_columns, drain)

    def column_line_capacitance(self, tech: Technology) -> Real:
        """Of one column line. [F]"""
        drain = drain_capacitance(tech, self.access_width(tech))
        return line_capacitance(tech, self._column_length(tech), self.all_rows, drain)

    def _row_length(self, tech: Technology) -> Real:
        return self.all_columns * self.cell_width * tech.node

    def _column_length(self, tech: Technology) -> Real:
        return self.all_rows * self.cell_height * tech.node

    def area(self, tech: Technology) -> Real:
        """Of all cells; lines run above them. [m²]"""
        self.access_width(tech)
        return self._row_length(tech) * self._column_length(tech)

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
            Data columns sensed; a column that the mux does not connect draws no current. The reference
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
        energy = (
            active_rows * self.word_line_capacitance(tech) * self.access_voltage**2
            + (columns + self.reference_columns) * self.column_line_capacitance(tech) * self.read_voltage**2
            + self._heat(active_rows, mean_conductance, columns, self.reference_columns, sense_time)
        )
        column = self._settling(tech, self._column_length(tech), self.column_line_capacitance(tech), self.all_rows)
        return Cost(energy, wire_delay(tech, self._row_length(tech)) + groups * column)

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
        """One vector of bits on the columns, currents collected on the row lines; see `read`.

        A row is sensed with its word line on, so each sensed row charges its word line and its row line
        (our choice: rows that are not sensed stay off, else their currents would have to be drained).
        """
        sensed = rows + self.reference_rows
        row_line = self.row_line_capacitance(tech)
        energy = (
            sensed * self.word_line_capacitance(tech) * self.access_voltage**2
            + (active_columns * self.column_line_capacitance(tech) + sensed * row_line) * self.read_voltage**2
            + self._heat(active_columns, mean_conductance, rows, self.reference_rows, sense_time)
        )
        row = self._settling(tech, self._row_length(tech), row_line, self.all_columns)
        return Cost(energy, wire_delay(tech, self._column_length(tech)) + groups * row)

    def _heat(self, inputs: Real, conductance: Real, outputs: Real, references: Real, sense_time: Real) -> Real:
        data = joule(self.read_voltage, path_conductance(conductance, self.series_resistance), sense_time)
        middle = path_conductance(self.reference_conductance, self.series_resistance)
        return inputs * (outputs * data + references * joule(self.read_voltage, middle, sense_time))

    def _settling(self, tech: Technology, length: Real, capacitance: Real, cells: Real) -> Real:
        """Of a line on which half of its cells, at mid resistance, conduct (neurosim_v2_1). [s]"""
        one = ACCESS_SHARE * self.on_resistance + (self.on_resistance + self.off_resistance) / 2
        return SETTLING * capacitance * one / (cells / 2) + wire_delay(tech, length)

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
        In each pulse slot the word line is charged to the access voltage and every column to the write
        voltage: one line of a cell that is pulsed, the opposite one of a cell that is inhibited (neurosim_v2_1).
        A pulse heats a resistive cell by V² G t, or turns its share of a ferroelectric's polarisation.
        """
        area = GATE_AREA * tech.node**2
        switched = switched_polarisation(self.polarisation, area, self.write_voltage, self.states)
        conductance = path_conductance(mean_conductance, self.series_resistance)
        heat = joule(self.write_voltage, conductance, self.pulse_width)
        per_pulse = np.where(np.asarray(self.polarisation) > 0, switched, heat)
        per_slot = (
            self.word_line_capacitance(tech) * self.access_voltage**2
            + self.all_columns * self.column_line_capacitance(tech) * self.write_voltage**2
        )
        slots = longest_up + longest_down
        energy = (cells_up * pulses_up + cells_down * pulses_down) * per_pulse + slots * per_slot
        return Cost(energy, slots * self.pulse_width)
