"""The single-slope converter: one ramp and one counter for many columns, a comparator and a latch for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.analog_parts import Capacitor, Comparator
from hwlib.components.assembly import Assembly, Parts
from hwlib.components.registers import Register
from hwlib.components.sample_hold import SampleHold
from hwlib.technology import Technology
from hwlib.technology.gates import d_flip_flop, inverter, switching_energy


@component("ramp_adc")
@dataclass(frozen=True)
class RampAdc(Assembly):
    """One column's converter, with its share of the ramp and of the counter.

    Our choice of circuit: the ramp is the charge of a capacitor as large as noise asks for, and drives every
    comparator; the counter's bits run to every latch. A comparator is strobed in each cycle until it trips.

    Parameters
    ----------
    bits : float or array
        Resolution.
    full_scale : float or array
        Of the voltage that is sampled, and of the ramp. [V]
    columns_per_ramp : float or array
        Converters that share the ramp and the counter.
    cycle : float or array
        Of one count. The comparators' fit is at 1 ns. [s]
    """

    bits: Real
    full_scale: Real = 0.5
    columns_per_ramp: Real = 128
    cycle: Real = 1e-9

    @property
    def sense_time(self) -> Real:
        """How long the array conducts for one conversion: while it is sampled, one cycle (our choice). [s]"""
        return self.cycle

    @property
    def _ramp(self) -> Capacitor:
        return Capacitor(self.bits, self.full_scale)

    def parts(self) -> dict[str, Parts]:
        """Comparator, latch and sample-and-hold, and shares of the ramp's capacitor and the counter."""
        share = 1 / np.asarray(self.columns_per_ramp)
        return {
            "comparator": Parts(1, Comparator()),
            "latch": Parts(1, Register(self.bits)),
            "hold": Parts(1, SampleHold(self.bits, self.full_scale)),
            "ramp": Parts(share, self._ramp),
            "counter": Parts(share, Register(self.bits)),
        }

    @action
    def convert(self, tech: Technology, *, code: Real = 0.5) -> Cost:
        """One conversion; the current of the column that it samples is charged in the array.

        Parameters
        ----------
        tech : Technology
        code : float or array
            Mean output as a fraction of full scale: when comparators trip.

        Notes
        -----
        The counter and the ramp run to the end. Two of the counter's bits change per count, of which one rises,
        each on a line that every latch loads as an inverter does; the ramp is loaded so by every comparator.
        """
        levels, bit, load = 2.0 ** np.asarray(self.bits), d_flip_flop(tech), inverter(tech).input_capacitance
        ramp = self._ramp.capacitance(tech) / self.columns_per_ramp + load
        counter = (self.bits * bit.clock_energy + 2 * bit.switch_energy) / self.columns_per_ramp
        running = code * Comparator().compare(tech).energy + counter + switching_energy(tech, load)
        once = SampleHold(self.bits, self.full_scale).sample(tech).energy + Register(self.bits).store(tech).energy
        energy = levels * running + once + ramp * np.asarray(self.full_scale) * tech.vdd
        return Cost(energy, (levels + 1) * self.cycle)
