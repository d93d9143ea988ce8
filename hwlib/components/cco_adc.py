"""The converter by a current-controlled oscillator: a column's current sets a frequency, a counter counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.analog_parts import Inverter
from hwlib.components.assembly import Assembly, Parts
from hwlib.components.registers import Register
from hwlib.provenance import check_range, uses
from hwlib.technology import Technology
from hwlib.technology.gates import d_flip_flop, inverter, switching_energy

STAGES = 3
"""Inverters of the ring, the fewest that oscillate (our choice)."""

FASTEST = 1 / 300e-12
"""Frequency up to which such an oscillator has been linearised, 300 ps a count at 14 nm (khaddam2022hermes). [Hz]"""

GAIN = 35e12
"""Frequency over current of such oscillators: a spread of 2.48 MHz/µA is 7.09 % of it (khaddam2022hermes). [Hz/A]"""

MIRROR = 4
"""Pairs of transistors that hold the column's voltage and mirror its current (our choice)."""


@component("cco_adc")
@dataclass(frozen=True)
class CcoAdc(Assembly):
    """Integrating converter for inputs that are pulse widths: current mirror, ring oscillator, ripple counter.

    The column conducts for the whole of the integration. Its mirrored current charges the nodes of the ring, which
    are as large as current and frequency ask for. The circuit is our choice, after khaddam2022hermes.

    Parameters
    ----------
    bits : float or array
        Of the counter.
    frequency : float or array
        Of the oscillator at the largest current. The data hold to 3.33 GHz. [Hz]
    current : float or array
        Of the oscillator at that frequency, to which the mirror divides that of a column; by default 95 µA at the gain
        of khaddam2022hermes. [A]
    """

    bits: Real
    frequency: Real = FASTEST
    current: Real = FASTEST / GAIN

    @property
    def sense_time(self) -> Real:
        """How long the array conducts for one conversion: the counter's range at the highest frequency. [s]"""
        return 2.0 ** np.asarray(self.bits) / self.frequency

    def parts(self) -> dict[str, Parts]:
        """Mirror, ring, counter, and the register that holds its result."""
        return {
            "mirror": Parts(MIRROR, Inverter()),
            "ring": Parts(STAGES, Inverter()),
            "counter": Parts(1, Register(self.bits)),
            "register": Parts(1, Register(self.bits)),
        }

    def ring_capacitance(self, tech: Technology) -> Real:
        """What the mirrored current charges to the supply once in a period, at least that of minimum inverters. [F]"""
        smallest = STAGES * (inverter(tech).input_capacitance + inverter(tech).output_capacitance)
        return np.maximum(smallest, self.current / (self.frequency * tech.vdd))

    @action
    def hold(self, tech: Technology, *, current: Real, voltage: Real, time: Real) -> Cost:
        """What a column's cells draw from the supply beyond their own heat while its voltage is held.

        Parameters
        ----------
        tech : Technology
        current : float or array
            Of all cells of the column, whatever its direction. [A]
        voltage : float or array
            Over the cells. [V]
        time : float or array
            [s]

        Notes
        -----
        Lines lie by the read voltage above or below that of the column: half of the current comes from the supply, and
        what is not heat in the cells is heat in the transistors that hold the voltages.
        """
        uses("own_choice")
        dropped = np.maximum(tech.vdd / 2 - np.asarray(voltage), 0.0)
        return Cost(current * time * dropped, 0.0 * np.asarray(time))

    @action
    def convert(self, tech: Technology, *, code: Real = 0.5) -> Cost:
        """One integration.

        Parameters
        ----------
        tech : Technology
        code : float or array
            Mean output as a fraction of full scale.

        Notes
        -----
        Each count charges the ring once and clocks, in the ripple counter, two flip-flops that change
        (1 + 1/2 + 1/4 + ...).
        """
        uses("own_choice", "khaddam2022hermes")
        check_range("frequency of a current-controlled oscillator", self.frequency, 0.0, FASTEST, "Hz")
        bit, stored = d_flip_flop(tech), Register(self.bits).store(tech)
        count = switching_energy(tech, self.ring_capacitance(tech)) + 2 * (bit.clock_energy + bit.switch_energy)
        energy = code * 2.0 ** np.asarray(self.bits) * count + stored.energy
        return Cost(energy, self.sense_time + stored.latency)
