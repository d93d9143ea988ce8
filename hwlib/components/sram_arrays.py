"""Arrays of static memory cells that compute: six transistors, and eight that can be read from both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.array_lines import line_capacitance
from hwlib.components.sram_cell import ACCESS, PULL_DOWN, cell_leakage, cell_size, storage_capacitance
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import chain_delay, inverter, switching_energy, wire_delay
from hwlib.technology.transistors import drain_capacitance, gate_capacitance, on_resistance_n

SWING = 0.1
"""Fall of a bit line while its current is sensed, the sense voltage of neurosim_v2_1. [V]"""

WRITE_INVERTERS = 3
"""Inverters that drive a pair of bit lines (neurosim_v2_1)."""


@dataclass(frozen=True)
class SramArray(Component):
    """Base of arrays of static cells: size, leakage and writes; a cell holds one bit.

    Parameters
    ----------
    rows, columns : float or array
        Of cells.
    """

    rows: Real
    columns: Real

    TRANSISTORS: ClassVar[int]
    """Of a cell."""
    LEAKING: ClassVar[int]
    """Transistors of the access width that are off in a cell."""

    def row_length(self, tech: Technology) -> Real:
        """Of a word line. [m]"""
        return self.columns * cell_size(tech, self.TRANSISTORS)[0]

    def column_length(self, tech: Technology) -> Real:
        """Of a bit line. [m]"""
        return self.rows * cell_size(tech, self.TRANSISTORS)[1]

    def word_line_capacitance(self, tech: Technology, gates: float = 2) -> Real:
        """Of a word line that drives so many access gates in each cell. [F]"""
        gate = gate_capacitance(tech, ACCESS * tech.node)
        return line_capacitance(tech, self.row_length(tech), self.columns, gates * gate)

    def bit_line_capacitance(self, tech: Technology) -> Real:
        """Of one bit line. [F]"""
        drain = drain_capacitance(tech, ACCESS * tech.node)
        return line_capacitance(tech, self.column_length(tech), self.rows, drain)

    def area(self, tech: Technology) -> Real:
        """Of cells and of the inverters that drive writes. [m²]"""
        cells = self.row_length(tech) * self.column_length(tech)
        return cells + WRITE_INVERTERS * self.columns * inverter(tech).area

    def leakage(self, tech: Technology) -> Real:
        """Of cells and write drivers. [W]"""
        cells = self.rows * self.columns * cell_leakage(tech, self.LEAKING)
        return cells + WRITE_INVERTERS * self.columns * inverter(tech).leakage

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
        bit_line = self.bit_line_capacitance(tech)
        switched = (
            self.word_line_capacitance(tech)
            + self.columns * (bit_line + driver.input_capacitance + driver.output_capacitance)
            + self.columns * flipped * storage_capacitance(tech)
        )
        latency = (
            chain_delay([(driver, driver.input_capacitance), (driver, bit_line)])
            + wire_delay(tech, self.row_length(tech))
            + wire_delay(tech, self.column_length(tech))
            + chain_delay([(driver, driver.input_capacitance)])
        )
        return Cost(switching_energy(tech, switched), latency)


@component("sram_6t_array")
@dataclass(frozen=True)
class Sram6tArray(SramArray):
    """Array of six-transistor cells, read through their own access transistors by many rows at once.

    Our choice of circuit: both bit lines of a pair idle at the supply and fall by at most 0.1 V, which keeps cells
    from being overwritten; the difference of their currents is sensed. Each conducting cell draws from one line of
    its pair, whatever it stores. Write drivers are included, decoder and converters not.

    Parameters
    ----------
    rows, columns : float or array
        Of cells.
    """

    TRANSISTORS = 6
    LEAKING = 1

    def cell_current(self, tech: Technology) -> Real:
        """Of a cell whose word line is up: access and pull-down in series under the supply. [A]"""
        path = on_resistance_n(tech, ACCESS * tech.node) + on_resistance_n(tech, PULL_DOWN * tech.node)
        return tech.vdd / path

    def _read(
        self,
        tech: Technology,
        *,
        active: Real,
        word_line: Real,
        pairs: Real,
        bit_line: Real,
        length: Real,
        sense_time: Real,
        groups: Real,
    ) -> Cost:
        """So many word lines [F] up, and pairs of bit lines [F, m] sensed; without the delay along the word line."""
        uses("neurosim_v2_1", "own_choice")
        current = self.cell_current(tech)
        charge = 2 * bit_line * SWING + active * current * sense_time
        energy = active * switching_energy(tech, word_line) + pairs * charge * tech.vdd
        return Cost(energy, groups * (bit_line * SWING / current + wire_delay(tech, length)))

    @action
    def read(self, tech: Technology, *, active_rows: Real, columns: Real, sense_time: Real, groups: Real = 1) -> Cost:
        """One vector of bits on the word lines, currents collected on the bit lines.

        Parameters
        ----------
        tech : Technology
        active_rows : float or array
            Rows whose bit is one.
        columns : float or array
            Columns sensed.
        sense_time : float or array
            How long a sensed column conducts, `sense_time` of the converter. [s]
        groups : float or array
            Groups of columns sensed one after the other, each of which settles anew.

        Returns
        -------
        Cost
            Energy of word lines, bit lines and cell currents; latency until the current of a single cell shows,
            without the conversion.
        """
        select = Cost(0.0, wire_delay(tech, self.row_length(tech)))
        return select + self._read(
            tech,
            active=active_rows,
            word_line=self.word_line_capacitance(tech),
            pairs=columns,
            bit_line=self.bit_line_capacitance(tech),
            length=self.column_length(tech),
            sense_time=sense_time,
            groups=groups,
        )


@component("sram_8t_array")
@dataclass(frozen=True)
class Sram8tArray(Sram6tArray):
    """Array of cells with a second pair of access transistors, so that rows and columns can change roles.

    The second pair connects the cell to a pair of bit lines along its row and is opened by a word line along its
    column (jiang2020cimat); all else as in `Sram6tArray`.

    Parameters
    ----------
    rows, columns : float or array
        Of cells.
    """

    TRANSISTORS = 8
    LEAKING = 2

    @action
    def read_transposed(
        self, tech: Technology, *, active_columns: Real, rows: Real, sense_time: Real, groups: Real = 1
    ) -> Cost:
        """One vector of bits on the word lines along the columns, currents collected along the rows; see `read`."""
        uses("jiang2020cimat")
        width = ACCESS * tech.node
        row_length, column_length = self.row_length(tech), self.column_length(tech)
        select = Cost(0.0, wire_delay(tech, column_length))
        return select + self._read(
            tech,
            active=active_columns,
            word_line=line_capacitance(tech, column_length, self.rows, 2 * gate_capacitance(tech, width)),
            pairs=rows,
            bit_line=line_capacitance(tech, row_length, self.columns, drain_capacitance(tech, width)),
            length=row_length,
            sense_time=sense_time,
            groups=groups,
        )
