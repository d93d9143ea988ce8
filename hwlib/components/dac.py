"""Digital-to-analog converters for the inputs of an array: weighted capacitors, and a resistor ladder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.analog_parts import Capacitor, PassGate, Resistor, settling
from hwlib.components.assembly import Assembly, Parts
from hwlib.components.registers import Register
from hwlib.technology import Technology
from hwlib.technology.gates import switching_energy, transmission_gate


@component("capacitive_dac")
@dataclass(frozen=True)
class CapacitiveDac(Assembly):
    """Binary-weighted capacitors with a common plate, each with two pass gates on the other plate, and a register.

    Parameters
    ----------
    bits : float or array
        Resolution.
    voltage : float or array
        Full scale, the reference. [V]
    """

    bits: Real
    voltage: Real

    @property
    def _bank(self) -> Capacitor:
        return Capacitor(self.bits, self.voltage, units=2.0 ** np.asarray(self.bits))

    def parts(self) -> dict[str, Parts]:
        """Capacitors, pass gates and register."""
        return {
            "capacitors": Parts(1, self._bank),
            "gates": Parts(2 * self.bits, PassGate()),
            "register": Parts(1, Register(self.bits)),
        }

    @action
    def convert(self, tech: Technology) -> Cost:
        """One code becomes a voltage, from a common plate that was reset.

        For a code of a fraction x of full scale, x C charges in series with (1 - x) C: x (1 - x) C V², whose mean
        over all codes is C V² / 6. The largest capacitor, half of the bank, settles through its gate.
        """
        gate, total = transmission_gate(tech), self._bank.capacitance(tech)
        energy = total * self.voltage**2 / 6 + self.bits * switching_energy(tech, gate.input_capacitance)
        charge = Cost(energy, settling(self.bits, gate.resistance * total / 2))
        return Register(self.bits).store(tech) + charge


@component("r2r_dac")
@dataclass(frozen=True)
class R2rDac(Assembly):
    """Ladder of R and 2R whose legs steer their currents between ground and a virtual ground, and a register.

    The reference sees R whatever the code, so that the ladder draws V²/R for as long as the output is held; it is
    switched off in between (our choice).

    Parameters
    ----------
    bits : float or array
        Resolution.
    voltage : float or array
        Reference. [V]
    resistance : float or array
        R. [ohm]
    load : float or array
        Capacitance that is driven, for the delay; its energy is charged where it is. [F]
    """

    bits: Real
    voltage: Real
    resistance: Real
    load: Real = 0.0

    def parts(self) -> dict[str, Parts]:
        """Resistors of 2R and of R, two pass gates for each bit, and the register."""
        return {
            "legs": Parts(np.asarray(self.bits) + 1, Resistor(2 * self.resistance)),
            "ladder": Parts(np.asarray(self.bits) - 1, Resistor(self.resistance)),
            "gates": Parts(2 * self.bits, PassGate()),
            "register": Parts(1, Register(self.bits)),
        }

    @action
    def convert(self, tech: Technology, *, hold_time: Real = 1e-9) -> Cost:
        """One code becomes a voltage and is held.

        Parameters
        ----------
        tech : Technology
        hold_time : float or array
            How long the output is needed after it has settled. [s]
        """
        time = settling(self.bits, self.resistance * self.load) + hold_time
        switched = self.bits * switching_energy(tech, transmission_gate(tech).input_capacitance)
        ladder = Cost(self.voltage**2 / self.resistance * time + switched, time)
        return Register(self.bits).store(tech) + ladder
