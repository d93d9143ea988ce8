"""The arrays of weights: which of hwlib's arrays an experiment's cell is, and what its lines need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cimest.config.chip import Chip
from hwlib.component import Component, Real
from hwlib.components.cells import ResistiveArray
from hwlib.components.crosspoint import CrossbarArray, CrosspointArray
from hwlib.components.ecram import EcramArray
from hwlib.technology import Technology


def weight_array(chip: Chip) -> Any:
    """The array component of a chip.

    Raises
    ------
    MissingDatum
        If the device's record lacks what the cell needs.
    """
    choice, device = chip.array, chip.device
    where = device, choice.rows, choice.columns, choice.encoding
    if choice.cell == "crossbar":
        return CrossbarArray.from_device(*where, selectivity=choice.selectivity)
    if choice.cell == "ecram":
        # the size in the record is that of a cell with a transistor, unless it was given
        own: Any = {name: 8.0 for name in ("cell_width", "cell_height") if name not in device.model_fields_set}
        return EcramArray.from_device(*where, **own)
    return ResistiveArray.from_device(*where)


def waiting_lines_conduct(array: Component) -> bool:
    """Whether lines that wait for their turn at a converter conduct, since no transistor cuts their cells off."""
    return isinstance(array, CrosspointArray)


@dataclass(frozen=True)
class Lines:
    """What the circuits at the edge of an array drive.

    Parameters
    ----------
    rows, columns : float or array
        Lines of cells, without references.
    row_load, column_load : float or array
        Of a line that is driven in a read. [F]
    write_load : float or array
        Of a column line that is driven in a write. [F]
    select_voltage : float or array
        On a row's word lines, 0 where it has none. [V]
    write_voltage : float or array
        On a column in a write. [V]
    """

    rows: Real
    columns: Real
    row_load: Real
    column_load: Real
    write_load: Real
    select_voltage: Real
    write_voltage: Real


def lines_of(chip: Chip, tech: Technology) -> Lines:
    """The lines of the chip's arrays."""
    array, device = weight_array(chip), chip.device
    column = array.column_line_capacitance(tech)
    if isinstance(array, ResistiveArray):
        row, write, select, voltage = array.word_line_capacitance(tech), column, device.access_voltage, None
    elif isinstance(array, EcramArray):
        row, write, select = array.row_line_capacitance(tech), array.select_line_capacitance(tech), 0.0
        voltage = device.access_voltage
    else:
        row, write, select, voltage = array.row_line_capacitance(tech), column, 0.0, None
    return Lines(
        rows=array.rows,
        columns=array.data_columns,
        row_load=row,
        column_load=column,
        write_load=write,
        select_voltage=select,
        write_voltage=device.write_voltage if voltage is None else voltage,
    )
