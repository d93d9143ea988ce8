"""On-chip memories: SRAM and register files, accessed a word at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.array_lines import line_capacitance
from hwlib.components.decoders import RowDecoder
from hwlib.components.interconnect import HTree
from hwlib.components.sram_cell import ACCESS, PULL_DOWN, cell_leakage, cell_size
from hwlib.technology import Technology
from hwlib.technology.gates import (
    CELL_HEIGHT,
    chain_delay,
    d_flip_flop,
    inverter,
    switching_energy,
    transmission_gate,
    wire_delay,
)
from hwlib.technology.transistors import (
    drain_capacitance,
    gate_capacitance,
    off_current_n,
    off_current_p,
    on_resistance_n,
    transconductance,
)

SIDE = 128
"""Most rows and columns of one array unless said otherwise, the core size of neurosim_v2_1."""

SENSE_VOLTAGE = 0.1
"""Difference of two bit lines that a sense amplifier needs (neurosim_v2_1). [V]"""

PRECHARGE = 6.0 + 2 * 2.0
"""Width of the p-types that precharge and equalise a column, in F (neurosim_v2_1)."""

SENSE_N, SENSE_P, SENSE_ENABLE = 7.5, 3.75, 5.0
"""Widths of a sense amplifier's cross-coupled pairs and of its foot, in F (neurosim_v2_1)."""

COLUMN_INVERTERS = 3 + 3
"""Area of a column's three write-driver inverters (neurosim_v2_1) and of its precharge, in minimum inverters
(our choice, by total width)."""

SENSE_INVERTERS = 7
"""Area of a sense amplifier, in minimum inverters. Our choice, by total width."""


class _Geometry(NamedTuple):
    """How an SRAM is cut: into `banks` of `arrays` side by side, which are accessed together."""

    banks: Real
    arrays: Real
    rows: Real
    columns: Real


def _check_word(size: Real, word: Real) -> None:
    if np.any(np.asarray(word) > size):
        raise ValueError(f"word ({np.max(word):g} bit) must not exceed size ({np.min(size):g} bit)")


@dataclass(frozen=True)
class BankedMemory(Component):
    """Memory in banks of equal arrays, joined by an H-tree; the base of memories that differ in their cell.

    A word that is wider than an array lies in several arrays side by side; in a small memory the arrays are about
    square (our choice). Only the bank that holds the word wakes up, and in it every column, whether sensed or not.

    Parameters
    ----------
    size : int or array
        Capacity. [bit]
    word : int or array
        Bits read or written at once, at most `size`.
    array_rows, array_columns : int or array
        The most that one array has; smaller arrays give more banks and shorter lines.

    Raises
    ------
    ValueError
        If a word is larger than the memory.
    """

    size: Real
    word: Real
    array_rows: Real = SIDE
    array_columns: Real = SIDE

    def __post_init__(self) -> None:
        _check_word(self.size, self.word)

    @property
    def geometry(self) -> _Geometry:
        """Banks, arrays in a bank, rows and columns of an array."""
        columns = np.minimum(self.array_columns, np.maximum(self.word, np.ceil(np.sqrt(self.size))))
        arrays = np.ceil(self.word / columns)
        banks = np.maximum(1, np.ceil(self.size / (self.array_rows * columns * arrays)))
        return _Geometry(banks, arrays, np.ceil(self.size / (banks * arrays * columns)), columns)

    def _cell(self, tech: Technology) -> tuple[Real, Real]:
        """Width and height of a cell. [m]"""
        raise NotImplementedError

    def _word_line(self, tech: Technology) -> tuple[Real, Real]:
        """Length [m] and capacitance [F] of an array's word line."""
        raise NotImplementedError

    def _column_area(self, tech: Technology) -> Real:
        """Of the circuits at the foot of an array's columns. [m²]"""
        raise NotImplementedError

    def _decoder(self, tech: Technology) -> RowDecoder:
        return RowDecoder(self.geometry.rows, self._word_line(tech)[1])

    def _array_area(self, tech: Technology) -> Real:
        _, _, rows, columns = self.geometry
        width, height = self._cell(tech)
        return rows * columns * width * height + self._column_area(tech) + self._decoder(tech).area(tech)

    def _tree(self, tech: Technology) -> HTree:
        """Data, address and direction lines to the banks, laid out about square."""
        banks, arrays, _, columns = self.geometry
        bank_area, bank_width = arrays * self._array_area(tech), arrays * columns * self._cell(tech)[0]
        bank_height = bank_area / bank_width
        across = np.maximum(1, np.round(np.sqrt(banks * bank_height / bank_width)))
        wires = self.word + np.ceil(np.log2(self.size / self.word)) + 1
        return HTree(np.ceil(banks / across), across, bank_width, bank_height, wires)

    def area(self, tech: Technology) -> Real:
        """Silicon area. [m²]"""
        banks, arrays, _, _ = self.geometry
        return banks * arrays * self._array_area(tech) + self._tree(tech).area(tech)


@component("sram_buffer")
@dataclass(frozen=True)
class SramBuffer(BankedMemory):
    """Static memory of six-transistor cells, in arrays of 128 rows and columns unless said otherwise."""

    def _cell(self, tech: Technology) -> tuple[Real, Real]:
        """Width and height of a cell. [m]"""
        return cell_size(tech)

    def _word_line(self, tech: Technology) -> tuple[Real, Real]:
        """Length [m] and capacitance [F] of an array's word line."""
        columns = self.geometry.columns
        length = columns * self._cell(tech)[0]
        return length, line_capacitance(tech, length, columns, 2 * gate_capacitance(tech, ACCESS * tech.node))

    def _bit_line(self, tech: Technology) -> tuple[Real, Real]:
        """Length [m] and capacitance [F] of one bit line of a pair."""
        rows = self.geometry.rows
        length = rows * self._cell(tech)[1]
        return length, line_capacitance(tech, length, rows, drain_capacitance(tech, ACCESS * tech.node))

    def _column_area(self, tech: Technology) -> Real:
        _, arrays, _, columns = self.geometry
        return (COLUMN_INVERTERS * columns + SENSE_INVERTERS * self.word / arrays) * inverter(tech).area

    def leakage(self, tech: Technology) -> Real:
        """Of cells (half of each transistor pair is off), column circuits, decoders and tree. [W]"""
        banks, arrays, rows, columns = self.geometry
        column = 3 * inverter(tech).leakage + off_current_p(tech, PRECHARGE * tech.node) * tech.vdd
        sense = self.word / arrays * off_current_n(tech, SENSE_ENABLE * tech.node) * tech.vdd
        array = rows * columns * cell_leakage(tech) + columns * column + sense + self._decoder(tech).leakage(tech)
        return banks * arrays * array + self._tree(tech).leakage(tech)

    def _open_row(self, tech: Technology) -> Cost:
        """Word to its bank, row decoded, word line up, and every bit line of the bank down by the sense voltage."""
        _, arrays, _, columns = self.geometry
        length, word_line = self._word_line(tech)
        bit_line = self._bit_line(tech)[1]
        precharge = switching_energy(tech, gate_capacitance(tech, PRECHARGE * tech.node))
        row = switching_energy(tech, word_line) + columns * (precharge + bit_line * SENSE_VOLTAGE * tech.vdd)
        path = on_resistance_n(tech, ACCESS * tech.node) + on_resistance_n(tech, PULL_DOWN * tech.node)
        fall = bit_line * SENSE_VOLTAGE * path / tech.vdd
        opened = self._decoder(tech).decode(tech) + Cost(row, wire_delay(tech, length) + fall)
        return self._tree(tech).transfer(tech) + opened.alongside(arrays)

    @action
    def read(self, tech: Technology) -> Cost:
        """One word is read: a row is opened, sensed, and the word comes back through the tree."""
        load = sum(
            capacitance(tech, width * tech.node)
            for capacitance in (gate_capacitance, drain_capacitance)
            for width in (SENSE_N, SENSE_P)
        )
        sensing = load / transconductance(tech, SENSE_N * tech.node) * np.log(tech.vdd / SENSE_VOLTAGE)
        back = self._tree(tech).transfer(tech).latency
        return self._open_row(tech) + Cost(self.word * switching_energy(tech, load), sensing + back)

    @action
    def write(self, tech: Technology) -> Cost:
        """One word is written: a row is opened and one bit line of each pair of the word pulled down fully."""
        driver = inverter(tech)
        length, bit_line = self._bit_line(tech)
        driven = driver.input_capacitance + driver.output_capacitance + bit_line
        pull = chain_delay([(driver, driver.input_capacitance), (driver, bit_line)]) + wire_delay(tech, length)
        return self._open_row(tech) + Cost(self.word * switching_energy(tech, driven), pull)


@component("register_file")
@dataclass(frozen=True)
class RegisterFile(Component):
    """Flip-flops in rows of one word, read through pass gates onto a line for each bit.

    Only the row that is written is clocked.

    Parameters
    ----------
    size : int or array
        Capacity. [bit]
    word : int or array
        Bits read or written at once, at most `size`.

    Raises
    ------
    ValueError
        If a word is larger than the memory.
    """

    size: Real
    word: Real

    def __post_init__(self) -> None:
        _check_word(self.size, self.word)

    @property
    def words(self) -> Real:
        """Number of rows."""
        return np.ceil(self.size / self.word)

    def _bit_area(self, tech: Technology) -> Real:
        return d_flip_flop(tech).area + transmission_gate(tech).area

    def _row(self, tech: Technology) -> tuple[Real, Real]:
        """Length [m] and capacitance [F] of the line that selects a row."""
        length = self.word * self._bit_area(tech) / (CELL_HEIGHT * tech.node)
        return length, line_capacitance(tech, length, self.word, transmission_gate(tech).input_capacitance)

    def _column(self, tech: Technology) -> tuple[Real, Real]:
        """Length [m] and capacitance [F] of the line of a bit."""
        length = self.words * CELL_HEIGHT * tech.node
        return length, line_capacitance(tech, length, self.words, transmission_gate(tech).output_capacitance)

    def _decoder(self, tech: Technology) -> RowDecoder:
        return RowDecoder(self.words, self._row(tech)[1])

    def area(self, tech: Technology) -> Real:
        """Silicon area. [m²]"""
        return self.words * self.word * self._bit_area(tech) + self._decoder(tech).area(tech)

    def leakage(self, tech: Technology) -> Real:
        """Power drawn while powered and idle. [W]"""
        return self.words * self.word * d_flip_flop(tech).leakage + self._decoder(tech).leakage(tech)

    def _select(self, tech: Technology) -> Cost:
        """A row is decoded and its line rises; a quarter of the bits' lines rise, as with random bits."""
        driver, gate = inverter(tech), transmission_gate(tech)
        row_length, row = self._row(tech)
        length, column = self._column(tech)
        resistance = driver.resistance + gate.resistance
        lines = switching_energy(tech, row) + self.word / 4 * switching_energy(tech, column)
        through = np.log(2.0) * resistance * column + wire_delay(tech, length) + wire_delay(tech, row_length)
        return self._decoder(tech).decode(tech) + Cost(lines, through)

    @action
    def read(self, tech: Technology) -> Cost:
        """One word is read."""
        return self._select(tech)

    @action
    def write(self, tech: Technology, *, activity: Real = 0.5) -> Cost:
        """One word is written; `activity` is the share of its bits that change."""
        flip_flop = d_flip_flop(tech)
        stored = self.word * (flip_flop.clock_energy + activity * flip_flop.switch_energy)
        return self._select(tech) + Cost(stored, flip_flop.latency)
