"""What converters are assembled from: capacitors that thermal noise asks for, pass gates, inverters, comparators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Component, Cost, Real
from hwlib.components.adc import fitted_power, transistor_area, transistor_leakage, transistors
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import inverter, transmission_gate

BOLTZMANN = 1.380649e-23
"""Exact by the definition of the kelvin (si2019). [J/K]"""

CAPACITANCE_DENSITY = 2e-3
"""Of a capacitor between metal layers. Our choice: 2 fF/µm², which plain CMOS has without further masks. [F/m²]"""

SMALLEST_CAPACITOR = 1e-15
"""Our choice: some 5 µm of wire at the 0.2 fF/µm of every node; smaller ones drown in the wires that join them. [F]"""

SHEET_RESISTANCE = 1e3
"""Of a high-resistance polysilicon film. Our choice, its usual order of magnitude. [ohm]"""

FILM_WIDTH = 0.4e-6
"""Of a resistor. Our choice: several times the smallest line, for the sake of matching. [m]"""

FIT_TIME = 1e-9
"""Conversion time that the comparators' power fits describe (neurosim_v2_1). [s]"""


def noise_limited_capacitance(temperature: Real, bits: Real, voltage: Real) -> Real:
    """Capacitance whose sampled thermal noise equals the quantisation noise of a converter. [F]

    From k T / C = (voltage / 2^bits)² / 12.

    Parameters
    ----------
    temperature : float or array
        [K]
    bits : float or array
    voltage : float or array
        Full scale. [V]
    """
    return 12 * BOLTZMANN * temperature * 4.0 ** np.asarray(bits) / np.asarray(voltage) ** 2


def settling(bits: Real, time_constant: Real) -> Real:
    """Time in which a full step comes within half of a step of `bits`. [s]"""
    return (np.asarray(bits) + 1) * np.log(2.0) * time_constant


@dataclass(frozen=True)
class Capacitor(Component):
    """A capacitor, or a binary-weighted bank, between metal layers that is good for a resolution.

    Parameters
    ----------
    bits : float or array
        Resolution that its noise allows.
    voltage : float or array
        Full scale. [V]
    units : float or array
        Of the smallest capacitor of which it is made at least.
    """

    bits: Real
    voltage: Real
    units: Real = 1

    def capacitance(self, tech: Technology) -> Real:
        """What noise asks for, or what can be made. [F]"""
        uses("si2019", "own_choice")
        quiet = noise_limited_capacitance(tech.temperature, self.bits, self.voltage)
        return np.maximum(quiet, self.units * SMALLEST_CAPACITOR)

    def area(self, tech: Technology) -> Real:
        """[m²]"""
        return self.capacitance(tech) / CAPACITANCE_DENSITY

    def leakage(self, tech: Technology) -> Real:
        """None. [W]"""
        return 0.0 * self.capacitance(tech)


@dataclass(frozen=True)
class Resistor(Component):
    """A film resistor.

    Parameters
    ----------
    resistance : float or array
        [ohm]
    """

    resistance: Real

    def area(self, tech: Technology) -> Real:
        """Of as many squares as the film's resistance asks for. [m²]"""
        uses("own_choice")
        return self.resistance / SHEET_RESISTANCE * FILM_WIDTH**2

    def leakage(self, tech: Technology) -> Real:
        """None. [W]"""
        return 0.0 * self.resistance


@dataclass(frozen=True)
class PassGate(Component):
    """A minimum pass gate."""

    def area(self, tech: Technology) -> Real:
        """[m²]"""
        return transmission_gate(tech).area

    def leakage(self, tech: Technology) -> Real:
        """None, as it does not lie between the supplies. [W]"""
        return transmission_gate(tech).leakage


@dataclass(frozen=True)
class Inverter(Component):
    """A minimum inverter, or a pair of transistors as large."""

    def area(self, tech: Technology) -> Real:
        """[m²]"""
        return inverter(tech).area

    def leakage(self, tech: Technology) -> Real:
        """[W]"""
        return inverter(tech).leakage


@dataclass(frozen=True)
class Comparator(Component):
    """The comparator of the voltage-sensing flash converter, by itself."""

    def area(self, tech: Technology) -> Real:
        """[m²]"""
        return transistor_area(tech, *transistors("flash_voltage"))

    def leakage(self, tech: Technology) -> Real:
        """[W]"""
        return transistor_leakage(tech, *transistors("flash_voltage"))

    def compare(self, tech: Technology) -> Cost:
        """One comparison. The delay is that of the fits, so a faster clock is not believed."""
        return Cost(fitted_power(tech, "flash_voltage") * FIT_TIME, FIT_TIME)
