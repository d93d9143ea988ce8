"""The pulse generator: how many programming pulses each line of an array lets through, and when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.comparator import GATES_PER_BIT
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import d_flip_flop
from hwlib.technology.logic import Logic, logic


@component("pulse_generator")
@dataclass(frozen=True)
class PulseGenerator(Component):
    """Counters for the pulse slots and the pulse width, and per line a register, a comparator and a gate.

    A line passes the pulse of a slot while its register exceeds the number of the slot. All gates are of our
    choice; the sources give no circuit.

    Parameters
    ----------
    lines : float or array
        That it pulses.
    pulse_width : float or array
        Timed in clock periods. [s]
    count_bits : float or array
        Of a line's number of pulses.
    """

    lines: Real
    pulse_width: Real
    count_bits: Real = 6

    def _timer_bits(self, tech: Technology) -> Real:
        return np.ceil(np.log2(np.maximum(self.pulse_width * tech.clock, 2)))

    def _comparator(self, tech: Technology) -> Logic:
        """Of one line, with the gate that passes the pulse; the carry goes through two gates per bit."""
        return logic(tech, GATES_PER_BIT * self.count_bits + 1, 2 * self.count_bits + 1)

    def area(self, tech: Technology) -> Real:
        """Of counters, registers, comparators and gates. [m²]"""
        uses("own_choice")
        bit = d_flip_flop(tech).area
        shared = (self._timer_bits(tech) + self.count_bits) * bit
        return shared + self.lines * (self.count_bits * bit + self._comparator(tech).area)

    def leakage(self, tech: Technology) -> Real:
        """Of the same. [W]"""
        uses("own_choice")
        bit = d_flip_flop(tech).leakage
        shared = (self._timer_bits(tech) + self.count_bits) * bit
        return shared + self.lines * (self.count_bits * bit + self._comparator(tech).leakage)

    @action
    def load(self, tech: Technology) -> Cost:
        """Every line's number of pulses stored; half of the bits change."""
        uses("own_choice")
        bit = d_flip_flop(tech)
        energy = self.lines * self.count_bits * (bit.clock_energy + bit.switch_energy / 2)
        return Cost(energy, bit.latency)

    @action
    def pulse(self, tech: Technology) -> Cost:
        """One pulse slot for all lines; the pulse itself takes its time in the array.

        The timer counts clock periods and the slot counter one step, each switching two bits per count (the mean
        of a binary counter). Each line compares once, in which a quarter of its gates rise, as with random bits.
        """
        uses("own_choice")
        bit, comparator = d_flip_flop(tech), self._comparator(tech)
        counts = np.maximum(self.pulse_width * tech.clock, 1)
        timer = counts * (self._timer_bits(tech) * bit.clock_energy + 2 * bit.switch_energy)
        slot = self.count_bits * bit.clock_energy + 2 * bit.switch_energy
        return Cost(timer + slot + self.lines * comparator.energy / 4, bit.latency + comparator.latency)
