"""The pulse-width driver: input values as lengths of pulses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.analog_parts import PassGate
from hwlib.components.assembly import Assembly, Gates, Parts
from hwlib.components.comparator import GATES_PER_BIT, DigitalComparator
from hwlib.components.registers import Register
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import d_flip_flop, switching_energy, transmission_gate


@component("pulse_width_driver")
@dataclass(frozen=True)
class PulseWidthDriver(Assembly):
    """A counter for all lines, and for each a register, a comparator and pass gates for its voltage and for ground.

    A line is on while its register exceeds the counter, which advances once a clock period. All gates are our
    choice; the sources give no circuit.

    Parameters
    ----------
    lines : float or array
        That it drives.
    bits : float or array
        Of a value, without a sign.
    voltage : float or array
        Passed to an active line. [V]
    """

    lines: Real
    bits: Real
    voltage: Real

    def parts(self) -> dict[str, Parts]:
        """Counter, registers, comparators and pass gates."""
        return {
            "counter": Parts(1, Register(self.bits)),
            "values": Parts(self.lines, Register(self.bits)),
            "comparators": Parts(self.lines, DigitalComparator(self.bits)),
            "gates": Parts(2 * self.lines, PassGate()),
        }

    def longest_pulse(self, tech: Technology) -> Real:
        """Length of the pulse of the largest value, a clock period for each count. [s]"""
        return 2.0 ** np.asarray(self.bits) / tech.clock

    @action
    def load(self, tech: Technology) -> Cost:
        """Every line's value is stored."""
        return Register(self.bits).store(tech).alongside(self.lines)

    @action
    def drive(self, tech: Technology, *, active_lines: Real) -> Cost:
        """One vector of pulses; the line's own charge is that of the array.

        Parameters
        ----------
        tech : Technology
        active_lines : float or array
            Lines whose value is not zero.

        Notes
        -----
        Two of the counter's bits change per count (the mean of a binary counter), and in the comparators of all
        lines half of the gates of those two bits rise. An active line turns a pass gate on once and charges 3
        drains (the switch matrix of neurosim_v2_1).
        """
        uses("own_choice", "neurosim_v2_1")
        bit, gate = d_flip_flop(tech), transmission_gate(tech)
        counts = 2.0 ** np.asarray(self.bits)
        counter = self.bits * bit.clock_energy + 2 * bit.switch_energy
        compared = Gates(2 * GATES_PER_BIT, 0).switch(tech, rising=0.5).energy
        pulse = switching_energy(tech, gate.input_capacitance) + 3 * gate.output_capacitance * self.voltage**2
        energy = counts * (counter + self.lines * compared) + active_lines * pulse
        delay = DigitalComparator(self.bits).compare(tech).latency
        return Cost(energy, self.longest_pulse(tech) + delay)
