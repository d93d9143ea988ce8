"""Embedded DRAM: cells of one transistor and one trench capacitor, which must be refreshed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.array_lines import line_capacitance
from hwlib.components.buffers import PRECHARGE, SENSE_ENABLE, SENSE_INVERTERS, SENSE_N, SENSE_P, BankedMemory
from hwlib.provenance import check_range, uses
from hwlib.technology import Technology
from hwlib.technology.gates import inverter, switching_energy, wire_delay
from hwlib.technology.transistors import (
    drain_capacitance,
    gate_capacitance,
    minimum_width,
    off_current_n,
    off_current_p,
    on_resistance_n,
    transconductance,
)

NODES, CELL_AREAS = (22.0, 32.0, 65.0), (0.026, 0.039, 0.127)
"""Area of a cell by node, nm and µm² (pei2014edram, butt2010edram, wang2006edram); in F² interpolated linearly
between these nodes and constant beyond."""

CELL_CAPACITANCE = 20e-15
"""Of a trench. Our choice, the order of published ones; a read adds it to a bit line of about half as much. [F]"""

WORD_LINE_SWING = 2.1
"""From -0.4 V, which keeps a cell shut, to 1.7 V, which lets a full level through (barth2011edram). [V]"""


@component("edram_buffer")
@dataclass(frozen=True)
class EdramBuffer(BankedMemory):
    """Embedded DRAM in the banks of `BankedMemory`, one sense amplifier a column.

    A read destroys what a row holds, so that each access, read, write or refresh, senses and restores all of it. Bit
    lines rest at half the supply. Access transistors are those of logic; the thick oxide of published cells is slower
    (barth2011edram), so that latencies are a lower bound.

    Parameters
    ----------
    retention : float or array
        Within which each row is refreshed, whatever the temperature. Our choice: 40 µs, the order of published
        macros when hot. [s]
    """

    retention: Real = 40e-6

    def _cell(self, tech: Technology) -> tuple[Real, Real]:
        """Width and height of a cell, taken as square. [m]"""
        uses("wang2006edram", "butt2010edram", "pei2014edram", "own_choice")
        node = tech.node * 1e9
        check_range("node of an embedded DRAM", node, NODES[0], NODES[-1], "nm")
        squares = 1e6 * np.array(CELL_AREAS) / np.array(NODES) ** 2
        side = np.sqrt(np.interp(node, NODES, squares)) * tech.node
        return side, side

    def _word_line(self, tech: Technology) -> tuple[Real, Real]:
        columns = self.geometry.columns
        length = columns * self._cell(tech)[0]
        return length, line_capacitance(tech, length, columns, gate_capacitance(tech, minimum_width(tech)))

    def _bit_line(self, tech: Technology) -> tuple[Real, Real]:
        """Length [m] and capacitance [F] of a bit line."""
        rows = self.geometry.rows
        length = rows * self._cell(tech)[1]
        return length, line_capacitance(tech, length, rows, drain_capacitance(tech, minimum_width(tech)))

    def _column_area(self, tech: Technology) -> Real:
        """Of a sense amplifier and a precharge of three inverters for each column (our choice, by width)."""
        return (SENSE_INVERTERS + 3) * self.geometry.columns * inverter(tech).area

    def _sense_load(self, tech: Technology) -> Real:
        """Of a sense amplifier on its own nodes. [F]"""
        widths = (SENSE_N * tech.node, SENSE_P * tech.node)
        return sum(gate_capacitance(tech, width) + drain_capacitance(tech, width) for width in widths)

    def _row(self, tech: Technology) -> Cost:
        """A row is opened, sensed, restored, and the bit lines brought back to the middle."""
        _, arrays, _, columns = self.geometry
        uses("barth2011edram")
        word_length, word_line = self._word_line(tech)
        bit_length, bit_line = self._bit_line(tech)
        load = self._sense_load(tech)
        precharge = switching_energy(tech, gate_capacitance(tech, PRECHARGE * tech.node))
        # a column swings by half the supply, all of whose charge the supply delivers
        column = (bit_line + CELL_CAPACITANCE + load) * tech.vdd**2 / 2 + precharge
        shared = CELL_CAPACITANCE * bit_line / (CELL_CAPACITANCE + bit_line)
        signal = tech.vdd / 2 * CELL_CAPACITANCE / (CELL_CAPACITANCE + bit_line)
        share = np.log(2.0) * on_resistance_n(tech, minimum_width(tech)) * shared
        sense = (load + bit_line) / transconductance(tech, SENSE_N * tech.node) * np.log(tech.vdd / 2 / signal)
        settle = wire_delay(tech, word_length) + share + wire_delay(tech, bit_length) + sense
        opened = Cost(word_line * WORD_LINE_SWING**2 + columns * column, settle)
        return (self._decoder(tech).decode(tech) + opened).alongside(arrays)

    def refresh_power(self, tech: Technology) -> Real:
        """Mean power of restoring every row once in each retention time. [W]"""
        banks, _, rows, _ = self.geometry
        return banks * rows * self._row(tech).energy / self.retention

    def leakage(self, tech: Technology) -> Real:
        """Of refresh, sense amplifiers, decoders and tree; the cells' own leakage is what refresh makes good. [W]"""
        banks, arrays, _, columns = self.geometry
        sense = off_current_n(tech, SENSE_ENABLE * tech.node) + off_current_p(tech, PRECHARGE * tech.node)
        array = columns * sense * tech.vdd + self._decoder(tech).leakage(tech)
        return self.refresh_power(tech) + banks * arrays * array + self._tree(tech).leakage(tech)

    @action
    def read(self, tech: Technology) -> Cost:
        """One word is read: its row is opened, sensed and restored, and the word comes back through the tree."""
        tree = self._tree(tech).transfer(tech)
        return tree + self._row(tech) + Cost(0.0, tree.latency)

    @action
    def write(self, tech: Technology) -> Cost:
        """One word is written: its row is opened, the word's bit lines are driven, and the rest is restored."""
        return self._tree(tech).transfer(tech) + self._row(tech)
