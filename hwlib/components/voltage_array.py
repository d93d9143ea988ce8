"""The resistive array that is sensed by voltage: columns settle at the mean of the inputs, weighted by conductances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.analog_array import SETTLING, AnalogArray
from hwlib.components.array_lines import joule, line_capacitance, path_conductance
from hwlib.devices import Device
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import wire_delay
from hwlib.technology.transistors import drain_capacitance, gate_capacitance, minimum_width, off_current_n


@component("voltage_sensed_array")
@dataclass(frozen=True, kw_only=True)
class VoltageSensedArray(AnalogArray):
    """Array of cells with a transistor, two rows for each row of weights, whose columns float while they are read.

    The principle is that of wan2022neurram: the rows of a pair get opposite voltages, all word lines are opened for
    each pulse, and a column settles without a current into a converter. Access transistors are of minimum width (our
    choice). See `AnalogArray` for the parameters that all arrays share.

    Parameters
    ----------
    cell_width, cell_height : float or array
        In F.
    access_voltage : float or array
        On the word lines. [V]
    """

    cell_width: Real
    cell_height: Real
    access_voltage: Real

    @classmethod
    def from_device(
        cls, device: Device, rows: Real, columns: Real, encoding: str = "differential_pair", **changes: Any
    ) -> VoltageSensedArray:
        """Array of a device's cells; see `AnalogArray.from_device`. A pair lies in two rows of one column."""
        return super().from_device(device, rows, columns, encoding, **changes)

    @property
    def all_rows(self) -> Real:
        """Rows of cells."""
        return self.rows * self.cells_per_weight

    @property
    def data_columns(self) -> Real:
        """Columns of cells."""
        return self.columns

    @property
    def all_columns(self) -> Real:
        """Columns of cells."""
        return self.columns

    @property
    def data_cells(self) -> Real:
        """Cells that hold weights: all."""
        return self.cells

    def cell_size(self, tech: Technology) -> tuple[Real, Real]:
        """Width and height of a cell. [m]"""
        return self.cell_width * tech.node, self.cell_height * tech.node

    def word_line_capacitance(self, tech: Technology) -> Real:
        """Of one word line. [F]"""
        gate = gate_capacitance(tech, minimum_width(tech))
        return line_capacitance(tech, self.row_length(tech), self.all_columns, gate)

    def input_line_capacitance(self, tech: Technology) -> Real:
        """Of one input line, along a row. [F]"""
        drain = drain_capacitance(tech, minimum_width(tech))
        return line_capacitance(tech, self.row_length(tech), self.all_columns, drain)

    def column_line_capacitance(self, tech: Technology) -> Real:
        """Of one column, which floats. [F]"""
        drain = drain_capacitance(tech, minimum_width(tech))
        return line_capacitance(tech, self.column_length(tech), self.all_rows, drain)

    def leakage(self, tech: Technology) -> Real:
        """Off-current of every access transistor under the read voltage. [W]"""
        return self.cells * off_current_n(tech, minimum_width(tech)) * self.read_voltage

    @action
    def read(self, tech: Technology, *, active_rows: Real, mean_conductance: Real, columns: Real, pulse: Real) -> Cost:
        """One pulse on the pairs of input lines of some rows, with all word lines up.

        Parameters
        ----------
        tech : Technology
        active_rows : float or array
            Rows of weights whose input is not zero.
        mean_conductance : float or array
            Of the cells. [S]
        columns : float or array
            Columns in use, which were precharged to the middle.
        pulse : float or array
            How long the voltages stay. [s]

        Notes
        -----
        A cell has the whole read voltage over it, as the mean of many inputs of both signs lies in the middle.
        """
        uses("wan2022neurram", "own_choice")
        lines = active_rows * self.cells_per_weight
        charged = lines * self.input_line_capacitance(tech) + columns * self.column_line_capacitance(tech)
        path = path_conductance(mean_conductance, self.series_resistance)
        heat = lines * columns * joule(self.read_voltage, path, pulse)
        one = (self.on_resistance + self.off_resistance) / 2 + self.series_resistance
        settle = SETTLING * self.column_line_capacitance(tech) * one / self.all_rows
        delay = wire_delay(tech, self.row_length(tech)) + wire_delay(tech, self.column_length(tech)) + settle
        return Cost(charged * np.asarray(self.read_voltage) ** 2 + heat, np.maximum(delay, pulse))
