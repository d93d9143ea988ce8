"""The row decoder: from an address to one line of many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import Gate, chain_delay, inverter, nand, nor, switching_energy

DRIVER_SIZE = 3.0
"""Size of the two inverters that drive a line, in minimum ones (neurosim_v2_1)."""


@component("row_decoder")
@dataclass(frozen=True)
class RowDecoder(Component):
    """Address inverters, NANDs that decode address bits in pairs, a NOR and two driving inverters per line.

    Parameters
    ----------
    rows : float or array
        Lines to choose from; only these have a NOR (our choice where `rows` is no power of two).
    load : float or array
        Capacitance of one line, for the delay; its energy is charged where the line is. [F]
    """

    rows: Real
    load: Real = 0.0

    @property
    def address_bits(self) -> Real:
        """Bits of an address, at least 1."""
        return np.maximum(np.ceil(np.log2(self.rows)), 1)

    @property
    def _pairs(self) -> Real:
        return np.floor(self.address_bits / 2)

    def _gates(self, tech: Technology) -> tuple[Gate, Gate, Gate, Gate]:
        uses("neurosim_v2_1")
        return inverter(tech), nand(tech, 2), nor(tech, np.ceil(self.address_bits / 2)), inverter(tech, DRIVER_SIZE)

    def _sum(self, tech: Technology, of: Callable[[Gate], Real]) -> Real:
        address, pair, line, driver = self._gates(tech)
        return self.address_bits * of(address) + 4 * self._pairs * of(pair) + self.rows * (of(line) + 2 * of(driver))

    def area(self, tech: Technology) -> Real:
        """Of all gates. [m²]"""
        return self._sum(tech, lambda gate: gate.area)

    def leakage(self, tech: Technology) -> Real:
        """Of all gates. [W]"""
        return self._sum(tech, lambda gate: gate.leakage)

    @action
    def decode(self, tech: Technology) -> Cost:
        """One line chosen: every address bit, one NAND of each four, one NOR and its driver switch."""
        address, pair, line, driver = self._gates(tech)
        pair_load = self.rows / 4 * line.input_capacitance
        energy = switching_energy(
            tech,
            self.address_bits * (address.input_capacitance + address.output_capacitance + 2 * pair.input_capacitance)
            + self._pairs * (pair.output_capacitance + pair_load)
            + line.output_capacitance
            + 2 * (driver.input_capacitance + driver.output_capacitance),
        )
        stages = [
            (address, 2 * pair.input_capacitance),
            (pair, pair_load),
            (line, driver.input_capacitance),
            (driver, driver.input_capacitance),
            (driver, self.load),
        ]
        return Cost(energy, chain_delay(stages))
