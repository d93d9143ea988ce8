"""The successive-approximation converter from its parts: capacitors, comparator, logic; any supply."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.analog_parts import (
    CAPACITANCE_DENSITY,
    SMALLEST_CAPACITOR,
    Inverter,
    PassGate,
    noise_limited_capacitance,
    settling,
)
from hwlib.components.assembly import Assembly, Parts
from hwlib.components.registers import Register
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import d_flip_flop, inverter, switching_energy, transmission_gate

UNITS_PER_GATE = 16
"""Unit capacitors that a minimum pass gate switches. Our choice, by which a step settles in less than a nanosecond."""

LATCH = 6
"""Inverters whose nodes a comparator charges in a comparison: a clocked pair, a latch and its output (our choice)."""


@component("charge_sar_adc")
@dataclass(frozen=True)
class ChargeSarAdc(Assembly):
    """Binary-weighted capacitors, switched one way (monotonic), a dynamic comparator, and a shift register's logic.

    What `sar_adc` has by a fit at the nominal supply and 1 ns, this has from its parts: every node swings by the
    supply, so that energy goes with its square. All choices of circuit are ours: unit capacitors are the smallest
    that can be made, or as large as noise asks for; the comparator's nodes are as large as its noise asks for.

    Parameters
    ----------
    bits : float or array
        Resolution.
    """

    bits: Real

    @property
    def sense_time(self) -> Real:
        """How long an array of currents conducts for one conversion: 1 ns, as that of `sar_adc`. [s]"""
        return 1e-9 + 0.0 * np.asarray(self.bits)

    @property
    def _units(self) -> Real:
        return 2.0 ** np.asarray(self.bits)

    def unit_capacitance(self, tech: Technology) -> Real:
        """The smallest that can be made, or a share of what noise asks for. [F]"""
        uses("si2019", "own_choice")
        quiet = noise_limited_capacitance(tech.temperature, self.bits, tech.vdd)
        return np.maximum(SMALLEST_CAPACITOR, quiet / self._units)

    def parts(self) -> dict[str, Parts]:
        """Gates, comparator, and two registers, for the place in the sequence and for the code."""
        return {
            "gates": Parts(2 * np.maximum(self._units / UNITS_PER_GATE, self.bits), PassGate()),
            "comparator": Parts(LATCH, Inverter()),
            "sequence": Parts(1, Register(np.asarray(self.bits) + 1)),
            "code": Parts(1, Register(self.bits)),
        }

    def area(self, tech: Technology) -> Real:
        """Of capacitors and parts. [m²]"""
        return super().area(tech) + self.capacitor_area(tech)

    def capacitor_area(self, tech: Technology) -> Real:
        """[m²]"""
        return self._units * self.unit_capacitance(tech) / CAPACITANCE_DENSITY

    def comparison(self, tech: Technology) -> Cost:
        """One decision: nodes as large as noise asks for, and those of a latch, which regenerates through `bits`."""
        one = inverter(tech)
        latch = LATCH * (one.input_capacitance + one.output_capacitance)
        quiet = noise_limited_capacitance(tech.temperature, self.bits, tech.vdd)
        slow = one.resistance * (one.input_capacitance + one.output_capacitance + quiet / LATCH)
        return Cost(switching_energy(tech, latch + quiet), settling(self.bits, slow))

    @action
    def convert(self, tech: Technology) -> Cost:
        """One conversion of a charge that is already on the capacitors.

        Notes
        -----
        Switched one way, the bank takes the sum of 2^(bits-2-i) C V² over the steps i = 1 to bits - 1. Each step
        clocks the sequence's flip-flops, moves its one bit, and stores one bit of the code.
        """
        uses("own_choice")
        bits, bit, gate = np.asarray(self.bits), d_flip_flop(tech), transmission_gate(tech)
        unit = self.unit_capacitance(tech)
        bank = switching_energy(tech, unit * (self._units / 4 - 0.5))
        gates = switching_energy(tech, gate.input_capacitance * np.maximum(self._units / UNITS_PER_GATE, bits))
        clocked = (bits + 1) * bit.clock_energy + 2 * bit.switch_energy
        step = self.comparison(tech)
        logic = bits * (clocked + bit.clock_energy + bit.switch_energy / 2)
        settled = settling(bits, gate.resistance * UNITS_PER_GATE * unit)
        return Cost(bank + gates + logic + bits * step.energy, bits * (step.latency + settled))
