"""Arrays of static cells that multiply by charge: a capacitor in each cell, or a C-2C ladder for each word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.analog_parts import CAPACITANCE_DENSITY, SMALLEST_CAPACITOR, settling
from hwlib.components.array_lines import line_capacitance
from hwlib.components.sram_cell import cell_leakage, computing_cell_size
from hwlib.provenance import uses
from hwlib.registry import suggestion
from hwlib.technology import Technology
from hwlib.technology.gates import nand, switching_energy, transmission_gate, wire_delay

OPERATIONS = ("and", "xnor")
"""Products of a one-bit cell: of bits 0 and 1, or of bits -1 and +1."""

LADDER_UNITS = 3
"""Unit capacitors of a ladder's bit: C to its switch and 2C to the next node (wang2023c2c)."""

LADDER_SEEN = 2 / 3
"""Of C, what a branch of a C-2C ladder sees: in series with C to the one side and C to the other (counted)."""

SIGNAL_BITS = 8
"""Resolution to which charges settle. Our choice: that of the converters of jia2020programmable and wang2023c2c."""


def shared_charge(capacitance: Real, high: Real, cells: Real, stray: Real) -> Real:
    """Charge that the supply gives to a floating column while some of its cells rise, over the supply voltage. [F]

    `high` cells of `cells` drive their capacitors from 0 to the supply V. The column, which was at 0, floats up to
    V high C / (cells C + stray), so that each of the driven capacitors takes C (V - that).

    Parameters
    ----------
    capacitance : float or array
        C of a cell. [F]
    high, cells : float or array
        Driven cells, and all cells, of the column.
    stray : float or array
        From the column to ground. [F]
    """
    total = cells * capacitance + stray
    return high * capacitance * (1 - high * capacitance / total)


@component("capacitor_sram_array")
@dataclass(frozen=True)
class CapacitorSramArray(Component):
    """Static cells of ten transistors and a capacitor, whose products are joined as charge on the column.

    The principle is that of jia2020programmable; the transistors are our choice. Two pass gates, steered by the cell,
    put one of a row's two input lines on the cell's node, and a capacitor above the cell joins this node to the
    column. All input lines rest at ground. For one bit of all inputs at once, `xnor` raises one of the two lines of
    each row, `and` the line of each row whose bit is one; the column, which was reset, floats to the mean of its
    products. All transistors are of minimum size.

    Parameters
    ----------
    rows, columns : float or array
        Of cells.
    capacitance : float or array
        Of a cell. Our choice: the smallest that can be made. [F]
    operation : {"and", "xnor"}
        Of an input bit and a cell.

    Raises
    ------
    ValueError
        For another `operation`.
    """

    rows: Real
    columns: Real
    capacitance: Real = SMALLEST_CAPACITOR
    operation: Literal["and", "xnor"] = "xnor"

    TRANSISTORS: ClassVar[int] = 10

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise ValueError(
                f"capacitor_sram_array: operation is {self.operation!r}; {suggestion(self.operation, OPERATIONS)}"
            )

    def cell(self, tech: Technology) -> tuple[Real, Real]:
        """Width and height of a cell, large enough for its transistors and for its capacitor. [m]"""
        uses("own_choice", "jia2020programmable")
        width, height = computing_cell_size(tech, self.TRANSISTORS)
        grown = np.sqrt(np.maximum(1.0, self.capacitance / CAPACITANCE_DENSITY / (width * height)))
        return width * grown, height * grown

    def input_line_capacitance(self, tech: Technology) -> Real:
        """Of one of the two input lines of a row: wire and one side of a pass gate in each cell. [F]"""
        length = self.columns * self.cell(tech)[0]
        return line_capacitance(tech, length, self.columns, transmission_gate(tech).output_capacitance)

    def node_capacitance(self, tech: Technology) -> Real:
        """Of a cell's node: the drains of both pass gates; the capacitor comes besides. [F]"""
        return 2 * transmission_gate(tech).output_capacitance

    def column_capacitance(self, tech: Technology) -> Real:
        """Stray capacitance of a column: its wire and the switch that resets it. [F]"""
        length = self.rows * self.cell(tech)[1]
        return line_capacitance(tech, length, 1, transmission_gate(tech).output_capacitance)

    def area(self, tech: Technology) -> Real:
        """Of the cells. [m²]"""
        width, height = self.cell(tech)
        return self.rows * self.columns * width * height

    def leakage(self, tech: Technology) -> Real:
        """Of the cells; pass gates do not lie between the supplies. [W]"""
        return self.rows * self.columns * cell_leakage(tech)

    @action
    def read(self, tech: Technology, *, active_rows: Real, used_rows: Real, stored_ones: Real, columns: Real) -> Cost:
        """One bit of all inputs, multiplied with all cells and joined on the columns.

        Parameters
        ----------
        tech : Technology
        active_rows : float or array
            Rows whose bit is one.
        used_rows : float or array
            Rows with an input; the lines of the others rest, and their cells only load the columns.
        stored_ones : float or array
            Fraction of the cells that store a one.
        columns : float or array
            Columns in use; the others are gated off.

        Returns
        -------
        Cost
            Energy of lines, nodes, capacitors and column resets; latency until the charge has settled.
        """
        ones = active_rows * stored_ones
        if self.operation == "xnor":
            driven = used_rows + 0.0 * active_rows
            high = ones + (used_rows - active_rows) * (1 - stored_ones)
        else:
            driven, high = active_rows, ones
        stray, gate = self.column_capacitance(tech), transmission_gate(tech)
        lines = driven * self.input_line_capacitance(tech) * columns / self.columns
        share = shared_charge(self.capacitance, high, self.rows, stray)
        a_column = high * self.node_capacitance(tech) + share + gate.input_capacitance
        load = self.node_capacitance(tech) + self.capacitance
        delay = wire_delay(tech, self.columns * self.cell(tech)[0]) + settling(SIGNAL_BITS, gate.resistance * load)
        return Cost(switching_energy(tech, lines + columns * a_column), delay)


@component("c2c_sram_array")
@dataclass(frozen=True)
class C2cSramArray(Component):
    """Words of static cells, each set of which steers a C-2C ladder from one analog input to one column.

    The principle is that of wang2023c2c. Each bit of the chosen word puts the row's input voltage, or ground, on its
    branch of the ladder by a pass gate, once all nodes have been reset: a gate for each bit joins it with the phase
    (our choice). The ladder's output shares its charge with those of the other rows of the column. `stored_words`
    words of nine-transistor cells wait beside each ladder.

    Parameters
    ----------
    rows, columns : float or array
        Of ladders.
    bits : float or array
        Of a word.
    stored_words : float or array
        For each ladder.
    capacitance : float or array
        C of the ladder. Our choice: the smallest that can be made. [F]
    """

    rows: Real
    columns: Real
    bits: Real = 8
    stored_words: Real = 1
    capacitance: Real = SMALLEST_CAPACITOR

    TRANSISTORS: ClassVar[int] = 9

    def unit_area(self, tech: Technology) -> Real:
        """Of a ladder with its words: cells and gates below, the capacitors above them or beyond. [m²]"""
        uses("own_choice", "wang2023c2c")
        width, height = computing_cell_size(tech, self.TRANSISTORS)
        gates = 3 * transmission_gate(tech).area + nand(tech).area
        below = self.bits * (self.stored_words * width * height + gates)
        return np.maximum(below, self.bits * LADDER_UNITS * self.capacitance / CAPACITANCE_DENSITY)

    def input_line_capacitance(self, tech: Technology) -> Real:
        """Of a row's line, along square units: its wire and one side of a pass gate for each bit of each word. [F]"""
        length = self.columns * np.sqrt(self.unit_area(tech))
        gates = self.columns * self.bits
        return line_capacitance(tech, length, gates, transmission_gate(tech).output_capacitance)

    def ladder_capacitance(self, tech: Technology, stored_ones: Real) -> Real:
        """What one ladder loads its input with: for each bit that is one, its branch and its gate's far side. [F]"""
        branch = LADDER_SEEN * self.capacitance + 2 * transmission_gate(tech).output_capacitance
        return self.bits * stored_ones * branch

    def phase_capacitance(self, tech: Technology, stored_ones: Real) -> Real:
        """What the phases charge in one ladder: reset gates, a gate's input, and what a bit that is one steers. [F]"""
        gate, joined = transmission_gate(tech), nand(tech)
        steered = joined.output_capacitance + 2 * gate.input_capacitance
        wire = tech.wire_capacitance * np.sqrt(self.unit_area(tech))
        return self.bits * (gate.input_capacitance + joined.input_capacitance + stored_ones * steered) + 2 * wire

    def area(self, tech: Technology) -> Real:
        """Of all ladders with their words. [m²]"""
        return self.rows * self.columns * self.unit_area(tech)

    def leakage(self, tech: Technology) -> Real:
        """Of the cells. [W]"""
        return self.rows * self.columns * self.bits * self.stored_words * cell_leakage(tech)

    @action
    def read(self, tech: Technology, *, active_rows: Real, stored_ones: Real, columns: Real, level: Real = 0.5) -> Cost:
        """One vector of analog inputs times all chosen words.

        Parameters
        ----------
        tech : Technology
        active_rows : float or array
            Rows whose input is not zero.
        stored_ones : float or array
            Fraction of the words' bits that are one.
        columns : float or array
            Columns in use.
        level : float or array
            Mean of those inputs, over the supply, at which their charge is drawn.

        Returns
        -------
        Cost
            Energy of charging lines and ladders from reset, drawn from the supply at the input's level; latency until
            the charge has settled.
        """
        gate = transmission_gate(tech)
        line = self.input_line_capacitance(tech) * columns / self.columns
        column = line_capacitance(tech, self.rows * np.sqrt(self.unit_area(tech)), self.rows, gate.output_capacitance)
        charged = active_rows * (line + columns * self.ladder_capacitance(tech, stored_ones)) * level
        reset = columns * (column * level + self.rows * self.phase_capacitance(tech, stored_ones))
        load = self.capacitance * LADDER_UNITS + gate.output_capacitance
        length = self.columns * np.sqrt(self.unit_area(tech))
        delay = wire_delay(tech, length) + self.bits * settling(SIGNAL_BITS, gate.resistance * load) / 2
        return Cost(switching_energy(tech, charged + reset), delay)
