"""Sample-and-hold: a voltage kept for a converter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.analog_parts import Capacitor, PassGate, settling
from hwlib.components.assembly import Assembly, Parts
from hwlib.technology import Technology
from hwlib.technology.gates import switching_energy, transmission_gate
from hwlib.technology.transistors import minimum_width, off_current_n, off_current_p


@component("sample_hold")
@dataclass(frozen=True)
class SampleHold(Assembly):
    """A minimum pass gate and a capacitor as large as noise asks for.

    Parameters
    ----------
    bits : float or array
        Resolution of the converter that follows.
    voltage : float or array
        Full scale. [V]
    """

    bits: Real
    voltage: Real

    @property
    def _capacitor(self) -> Capacitor:
        return Capacitor(self.bits, self.voltage)

    def parts(self) -> dict[str, Parts]:
        """Capacitor and pass gate."""
        return {"capacitor": Parts(1, self._capacitor), "gate": Parts(1, PassGate())}

    def hold_time(self, tech: Technology) -> Real:
        """Time until the off-current of the pass gate moves the voltage by half of a step. [s]"""
        width = minimum_width(tech)
        off = off_current_n(tech, width) + off_current_p(tech, tech.pn_ratio * width)
        return self._capacitor.capacitance(tech) * self.voltage / 2.0 ** (np.asarray(self.bits) + 1) / off

    @action
    def sample(self, tech: Technology) -> Cost:
        """One voltage is taken; the energy is that of full scale, the most it can be."""
        gate = transmission_gate(tech)
        load = self._capacitor.capacitance(tech) + gate.output_capacitance
        energy = load * self.voltage**2 + switching_energy(tech, gate.input_capacitance)
        return Cost(energy, settling(self.bits, gate.resistance * load))
