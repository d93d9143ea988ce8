"""The array of static cells that multiplies and adds by gates: digital compute-in-memory, bit-serial inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.adder_tree import AdderTree
from hwlib.components.array_lines import line_capacitance
from hwlib.components.sram_cell import cell_leakage, cell_size
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import nor, switching_energy, wire_delay


@component("digital_sram_array")
@dataclass(frozen=True)
class DigitalSramArray(Component):
    """Words of static cells, a gate for each bit of the chosen words, and for each column an adder tree over the rows.

    The principle is that of chih2021digital: one bit of each input is multiplied with a word by NOR gates, and the
    products of all rows are added at once. What joins the sums of successive bits comes behind it.

    Parameters
    ----------
    rows, columns : float or array
        Of words that are multiplied at once.
    bits : float or array
        Of a word.
    stored_words : float or array
        For each product.
    """

    rows: Real
    columns: Real
    bits: Real = 4
    stored_words: Real = 1

    TRANSISTORS: ClassVar[int] = 6

    @property
    def sum_bits(self) -> Real:
        """Width of a column's sum."""
        return self.bits + np.ceil(np.log2(self.rows))

    @property
    def _tree(self) -> AdderTree:
        return AdderTree(inputs=self.rows, bits=self.bits)

    def _side(self, tech: Technology) -> Real:
        """Of a square as large as what belongs to one product. [m]"""
        return np.sqrt(self.area(tech) / (self.rows * self.columns))

    def input_line_capacitance(self, tech: Technology) -> Real:
        """Of a row's line: its wire, and a gate for each bit of each column. [F]"""
        return line_capacitance(
            tech, self.columns * self._side(tech), self.columns * self.bits, nor(tech).input_capacitance
        )

    def area(self, tech: Technology) -> Real:
        """Of cells, gates and trees. [m²]"""
        uses("own_choice", "chih2021digital")
        width, height = cell_size(tech, self.TRANSISTORS)
        word = self.bits * (self.stored_words * width * height + nor(tech).area)
        return self.columns * (self.rows * word + self._tree.area(tech))

    def leakage(self, tech: Technology) -> Real:
        """Of cells, gates and trees. [W]"""
        word = self.bits * (self.stored_words * cell_leakage(tech) + nor(tech).leakage)
        return self.columns * (self.rows * word + self._tree.leakage(tech))

    @action
    def read(self, tech: Technology, *, active_rows: Real, used_rows: Real, stored_ones: Real, columns: Real) -> Cost:
        """One bit of all inputs times all words, summed in each column.

        Parameters
        ----------
        tech : Technology
        active_rows : float or array
            Rows whose bit is one.
        used_rows : float or array
            Rows with an input; the products of the others rest at zero.
        stored_ones : float or array
            Fraction of the words' bits that are one.
        columns : float or array
            Columns in use.

        Notes
        -----
        A line rises where a zero is followed by a one, and so does a product. With products that are independent from
        bit to bit, one of probability p changes with 2 p (1 - p), for which the trees are charged in the share of
        their words that are used.
        """
        inputs = active_rows / used_rows
        product = inputs * stored_ones
        gate, changes = nor(tech), 2 * product * (1 - product) * used_rows / self.rows
        lines = used_rows * inputs * (1 - inputs) * self.input_line_capacitance(tech) * columns / self.columns
        products = used_rows * columns * self.bits * product * (1 - product) * gate.output_capacitance
        tree = self._tree.add(tech, activity=changes)
        delay = wire_delay(tech, self.columns * self._side(tech)) + tree.latency
        return Cost(switching_energy(tech, lines + products) + columns * tree.energy, delay)
