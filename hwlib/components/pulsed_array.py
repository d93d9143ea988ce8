"""The array of static cells that discharge columns pulse by pulse: inputs as numbers of pulses, weights as words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.analog_parts import SMALLEST_CAPACITOR
from hwlib.components.array_lines import line_capacitance
from hwlib.components.sram_cell import ACCESS, cell_leakage, cell_size
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import chain_delay, inverter, switching_energy, wire_delay
from hwlib.technology.transistors import drain_capacitance, gate_capacitance

SWING = 0.5
"""Of the supply, by which a column falls for the largest sum. Our choice: what keeps a read port's current constant."""


@component("pulsed_sram_array")
@dataclass(frozen=True)
class PulsedSramArray(Component):
    """Cells of eight transistors whose read ports discharge a precharged column once for each pulse of their row.

    The principle is that of sinangil2021macro: a word's bits lie in columns side by side, which share their charges
    through capacitors weighted in binary, so that one conversion has the whole word. The circuit is our choice.

    Parameters
    ----------
    rows, columns : float or array
        Of words.
    bits : float or array
        Of a word.
    capacitance : float or array
        Of the smallest of the weighted capacitors. Our choice: the smallest that can be made. [F]
    """

    rows: Real
    columns: Real
    bits: Real = 4
    capacitance: Real = SMALLEST_CAPACITOR

    TRANSISTORS: ClassVar[int] = 8

    def input_line_capacitance(self, tech: Technology) -> Real:
        """Of a row's read word line. [F]"""
        cells = self.columns * self.bits
        return line_capacitance(
            tech, cells * cell_size(tech, self.TRANSISTORS)[0], cells, gate_capacitance(tech, ACCESS * tech.node)
        )

    def word_capacitance(self, tech: Technology) -> Real:
        """Of the columns of one word, with the capacitors that weigh them. [F]"""
        drain = drain_capacitance(tech, ACCESS * tech.node)
        line = line_capacitance(tech, self.rows * cell_size(tech, self.TRANSISTORS)[1], self.rows, drain)
        return self.bits * line + (2.0 ** np.asarray(self.bits) - 1) * self.capacitance

    def area(self, tech: Technology) -> Real:
        """Of the cells; the capacitors lie above them. [m²]"""
        uses("own_choice", "sinangil2021macro")
        width, height = cell_size(tech, self.TRANSISTORS)
        return self.rows * self.columns * self.bits * width * height

    def leakage(self, tech: Technology) -> Real:
        """Of the cells. [W]"""
        return self.rows * self.columns * self.bits * cell_leakage(tech, 2)

    @action
    def read(
        self, tech: Technology, *, active_rows: Real, stored_ones: Real, columns: Real, longest: Real, pulses: Real
    ) -> Cost:
        """One vector of inputs times all words.

        Parameters
        ----------
        tech : Technology
        active_rows : float or array
            Rows whose input is not zero.
        stored_ones : float or array
            Fraction of the words' bits that are one.
        columns : float or array
            Words in use.
        longest : float or array
            Most pulses of an input.
        pulses : float or array
            Mean pulses of the inputs that are not zero.

        Returns
        -------
        Cost
            Energy of word lines and of precharging what the columns have fallen; latency of the longest train, each
            pulse as long as a word line takes to rise and fall.
        """
        line, driver = self.input_line_capacitance(tech), inverter(tech)
        share = active_rows / self.rows * stored_ones * pulses / longest
        fallen = columns * self.word_capacitance(tech) * SWING * share
        rising = active_rows * pulses * line * columns / self.columns
        length = self.columns * self.bits * cell_size(tech, self.TRANSISTORS)[0]
        slope = chain_delay([(driver, driver.input_capacitance)]) + wire_delay(tech, length, driver.resistance / 16)
        return Cost(switching_energy(tech, rising + fallen), 2 * longest * slope)
