"""The array of the weight-gradient unit: SRAM cells that multiply stored activations by streamed errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.sram_arrays import SramArray
from hwlib.components.sram_cell import ACCESS, PULL_DOWN
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import switching_energy, wire_delay
from hwlib.technology.transistors import LINEAR_REGION, on_resistance_n

CLAMP = 0.1
"""Voltage of a read bit line while its current is sensed, the sense voltage of neurosim_v2_1. [V]"""


@component("sram_cim_array")
@dataclass(frozen=True)
class SramCimArray(SramArray):
    """Array of eight-transistor cells with a read port of two transistors, whose currents add up on the column.

    Our choice of circuit: the read bit lines are held at 0.1 V and their current is sensed, so that the same
    converters serve here as behind the resistive arrays. Write drivers are included, decoder and converters not.

    Parameters
    ----------
    rows, columns : float or array
        Of cells.
    """

    TRANSISTORS = 8
    LEAKING = 2

    def read_resistance(self, tech: Technology) -> Real:
        """Of a read port that conducts: access and pull-down in series, passing a small voltage. [ohm]"""
        return LINEAR_REGION * (
            on_resistance_n(tech, ACCESS * tech.node) + on_resistance_n(tech, PULL_DOWN * tech.node)
        )

    @action
    def read(
        self,
        tech: Technology,
        *,
        active_rows: Real,
        stored_ones: Real,
        columns: Real,
        sense_time: Real,
        groups: Real = 1,
    ) -> Cost:
        """One vector of bits on the read word lines, currents collected on the read bit lines.

        Parameters
        ----------
        tech : Technology
        active_rows : float or array
            Rows whose bit is one.
        stored_ones : float or array
            Fraction of the cells of those rows that store a one, and so conduct.
        columns : float or array
            Columns sensed.
        sense_time : float or array
            How long a sensed column conducts, `sense_time` of the converter. [s]
        groups : float or array
            Groups of columns sensed one after the other, each of which settles anew.

        Returns
        -------
        Cost
            Energy of word lines, bit lines and cell currents, all drawn from the supply; latency of settling
            with half of the rows conducting, without the conversion.
        """
        uses("neurosim_v2_1")
        resistance, bit_line = self.read_resistance(tech), self.bit_line_capacitance(tech)
        charge = bit_line * CLAMP + active_rows * stored_ones * CLAMP / resistance * sense_time
        energy = active_rows * switching_energy(tech, self.word_line_capacitance(tech, 1)) + columns * charge * tech.vdd
        settle = np.log(2.0) * bit_line * resistance / (self.rows / 2) + wire_delay(tech, self.column_length(tech))
        return Cost(energy, wire_delay(tech, self.row_length(tech)) + groups * settle)
