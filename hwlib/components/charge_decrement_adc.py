"""The neuron that integrates sampled voltages as charge and converts them by taking charge away step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.analog_parts import (
    CAPACITANCE_DENSITY,
    SMALLEST_CAPACITOR,
    Comparator,
    Inverter,
    PassGate,
    noise_limited_capacitance,
)
from hwlib.components.assembly import Assembly, Parts
from hwlib.components.registers import Register
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import d_flip_flop, inverter, switching_energy, transmission_gate

TRANSCONDUCTANCE_PER_CURRENT = 10.0
"""Of an amplifier's transistors in moderate inversion. Our choice, the usual value. [1/V]"""

BRANCHES = 2
"""Of an amplifier, that draw the bias current (our choice: a differential pair)."""

INTEGRATION_RATIO = 8
"""Integrating over sampling capacitor. Our choice: a few samples of full swing fill it."""

SWITCHES = 12
"""Pass gates of a neuron that move charge and close its loops (our choice)."""


@component("charge_decrement_adc")
@dataclass(frozen=True)
class ChargeDecrementAdc(Assembly):
    """Sampling and integrating capacitors, an amplifier that is a comparator too, switches and a latch.

    The principle is that of wan2022neurram: a column's voltage is sampled and its charge integrated, once or more for
    each pulse; then in each step the sign of what is left is decided, and half as much charge as before is added or
    taken away, one step for each bit. The circuit is built for one resolution and is read to another. Sizes are our
    choice: the sampling capacitor as noise asks for; the amplifier's bias so that it settles to the resolution in half
    of an integration; it is on all the time.

    Parameters
    ----------
    bits : float or array
        Of the result, sign included.
    built_bits : float or array
        For which capacitors and bias are made.
    full_scale : float or array
        Of a sampled voltage. [V]
    integration_time : float or array
        Of one sample (andrulis2024cimloop, after wan2022neurram). [s]
    step_time : float or array
        Of one bit, and of the start of a conversion (andrulis2024cimloop, after wan2022neurram). [s]
    """

    bits: Real
    built_bits: Real = 8
    full_scale: Real = 0.5
    integration_time: Real = 0.27e-6
    step_time: Real = 0.3e-6

    @property
    def sense_time(self) -> Real:
        """How long the array conducts for a sample is up to its pulses; a sample takes this long. [s]"""
        return self.integration_time

    def sampling_capacitance(self, tech: Technology) -> Real:
        """[F]"""
        uses("si2019", "own_choice")
        quiet = noise_limited_capacitance(tech.temperature, self.built_bits, self.full_scale)
        return np.maximum(SMALLEST_CAPACITOR, quiet)

    def bias_current(self, tech: Technology) -> Real:
        """Of the amplifier: both capacitors settle to half a step within half of an integration. [A]"""
        load = (1 + INTEGRATION_RATIO) * self.sampling_capacitance(tech)
        time_constant = self.integration_time / 2 / ((np.asarray(self.built_bits) + 1) * np.log(2.0))
        return BRANCHES * load / time_constant / TRANSCONDUCTANCE_PER_CURRENT

    def parts(self) -> dict[str, Parts]:
        """Amplifier, switches, output register and its drivers."""
        return {
            "amplifier": Parts(1, Comparator()),
            "switches": Parts(SWITCHES, PassGate()),
            "code": Parts(1, Register(self.built_bits)),
            "drivers": Parts(SWITCHES, Inverter()),
        }

    def area(self, tech: Technology) -> Real:
        """Of capacitors and parts. [m²]"""
        return super().area(tech) + self.capacitor_area(tech)

    def capacitor_area(self, tech: Technology) -> Real:
        """[m²]"""
        return (1 + INTEGRATION_RATIO) * self.sampling_capacitance(tech) / CAPACITANCE_DENSITY

    def _switched(self, tech: Technology) -> Real:
        """Of an integration or a step: half of the switches with their drivers, and the sampling capacitor. [J]"""
        gate, one = transmission_gate(tech), inverter(tech)
        control = SWITCHES / 2 * (gate.input_capacitance + one.input_capacitance + one.output_capacitance)
        return switching_energy(tech, control) + self.sampling_capacitance(tech) * self.full_scale * tech.vdd

    @action
    def integrate(self, tech: Technology) -> Cost:
        """One voltage is sampled and its charge integrated."""
        uses("wan2022neurram", "andrulis2024cimloop")
        static = self.bias_current(tech) * tech.vdd * self.integration_time
        return Cost(static + self._switched(tech), self.integration_time + 0.0 * static)

    @action
    def convert(self, tech: Technology) -> Cost:
        """A start, and a step for each bit, whose result is stored."""
        uses("wan2022neurram", "andrulis2024cimloop")
        steps, bit = np.asarray(self.bits) + 1, d_flip_flop(tech)
        static = self.bias_current(tech) * tech.vdd * self.step_time
        stored = bit.clock_energy + bit.switch_energy / 2
        return Cost(steps * (static + self._switched(tech) + stored), steps * self.step_time)
