"""The base of all arrays of analog cells: weights as cells, geometry, and what a read heats."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeVar

from hwlib.component import Component, Real
from hwlib.components.array_lines import joule, path_conductance
from hwlib.components.encoding import load_encoding
from hwlib.devices import Device
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import wire_delay

SETTLING = 0.2
"""Time constants that a line needs to settle to within what the converter resolves (neurosim_v2_1)."""

Array = TypeVar("Array", bound="AnalogArray")


@dataclass(frozen=True, kw_only=True)
class AnalogArray(Component):
    """Rows and columns of cells whose conductances are weights; reference and data cells are alike.

    Parameters
    ----------
    rows, columns : float or array
        Of weights. A weight lies in one row and in `cells_per_weight` columns of cells.
    on_resistance, off_resistance : float or array
        Of the device. [ohm]
    read_voltage : float or array
        Over the cells during reads. [V]
    series_resistance : float or array
        In the path of each cell. [ohm]
    cells_per_weight : float or array
        1 with a reference line, 2 in a differential pair, 4 in two pairs (`encoding`).
    significance : float or array
        Of the higher pair over the lower one, 1 unless there are two pairs. It is made by time: the columns of
        the higher pair stay connected for so many times longer (mackin2022programming).
    reference_columns, reference_rows : float or array
        Lines at mid conductance whose current is subtracted in forward and in transposed reads.
    """

    rows: Real
    columns: Real
    on_resistance: Real
    off_resistance: Real
    read_voltage: Real
    series_resistance: Real = 0.0
    cells_per_weight: Real = 1
    significance: Real = 1.0
    reference_columns: Real = 1
    reference_rows: Real = 1

    @classmethod
    def from_device(
        cls: type[Array],
        device: Device,
        rows: Real,
        columns: Real,
        encoding: str = "reference_column",
        **changes: Any,
    ) -> Array:
        """Array of a device's cells.

        Parameters
        ----------
        device : Device
        rows, columns : float or array
            Of weights.
        encoding : str
            A name of `encoding.ENCODINGS`; it sets the cells of a weight and the reference lines.
        **changes
            Parameters that differ from those of the device and the encoding.

        Raises
        ------
        UnknownName
            For an unknown encoding.
        MissingDatum
            If the device's record lacks a parameter that is not among the changes.
        """
        chosen = load_encoding(encoding)
        uses(chosen.source, *device.sources.values())
        known = set(type(device).model_fields) - set(changes)
        shared = [field.name for field in fields(cls) if field.name in known]
        parameters = {
            **{name: getattr(device, name) for name in shared},
            "cells_per_weight": chosen.cells_per_weight,
            "reference_columns": chosen.reference_lines,
            "reference_rows": chosen.reference_lines,
            **changes,
        }
        return cls(rows=rows, columns=columns, **parameters)

    @property
    def all_rows(self) -> Real:
        """Rows of cells, those of references included."""
        return self.rows + self.reference_rows

    @property
    def data_columns(self) -> Real:
        """Columns of cells that hold weights."""
        return self.columns * self.cells_per_weight

    @property
    def all_columns(self) -> Real:
        """Columns of cells, those of references included."""
        return self.data_columns + self.reference_columns

    @property
    def cells(self) -> Real:
        """Cells, those of the references included."""
        return self.all_rows * self.all_columns

    @property
    def data_cells(self) -> Real:
        """Cells that hold weights."""
        return self.rows * self.data_columns

    @property
    def reference_conductance(self) -> Real:
        """Conductance of a reference cell, the middle of the range. [S]"""
        return (1 / self.on_resistance + 1 / self.off_resistance) / 2

    def cell_size(self, tech: Technology) -> tuple[Real, Real]:
        """Width and height of a cell. [m]"""
        raise NotImplementedError

    def row_length(self, tech: Technology) -> Real:
        """Of a line along a row. [m]"""
        return self.all_columns * self.cell_size(tech)[0]

    def column_length(self, tech: Technology) -> Real:
        """Of a line along a column. [m]"""
        return self.all_rows * self.cell_size(tech)[1]

    def area(self, tech: Technology) -> Real:
        """Of all cells; lines run above them. [m²]"""
        return self.row_length(tech) * self.column_length(tech)

    def _heat(self, inputs: Real, conductance: Real, outputs: Real, references: Real, sense_time: Real) -> Real:
        """Of a read of `inputs` x `outputs` data cells, half of which conduct `significance` times as long. [J]"""
        share = (1 + self.significance) / 2
        data = share * joule(self.read_voltage, path_conductance(conductance, self.series_resistance), sense_time)
        middle = path_conductance(self.reference_conductance, self.series_resistance)
        return inputs * (outputs * data + references * joule(self.read_voltage, middle, sense_time))

    def _sensing(
        self, tech: Technology, length: Real, capacitance: Real, cells: Real, resistance: Real, sense_time: Real
    ) -> Real:
        """Time of one group of lines: settling, and what the higher pair takes beyond the converter's sense time. [s]

        Half of the cells of a line conduct, at mid resistance with `resistance` in series (neurosim_v2_1).
        """
        uses("neurosim_v2_1")
        one = resistance + (self.on_resistance + self.off_resistance) / 2
        settling = SETTLING * capacitance * one / (cells / 2) + wire_delay(tech, length)
        return settling + (self.significance - 1) * sense_time
