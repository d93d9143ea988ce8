"""The transfer unit of the Tiki-Taka rules: from readings of the fast array to pulses on the slow one."""

from __future__ import annotations

from dataclasses import dataclass

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.adder_tree import Adder
from hwlib.components.assembly import Assembly, Gates, Parts
from hwlib.components.comparator import DigitalComparator
from hwlib.components.multiplier import Multiplier
from hwlib.components.registers import Register
from hwlib.provenance import uses
from hwlib.technology import Technology

GATES_PER_INVERSION = 4
"""NAND gates of an exclusive-or, counted."""


@component("transfer_unit")
@dataclass(frozen=True)
class TransferUnit(Assembly):
    """H <- H + c lambda reading, and a pulse on the weight where H has crossed the threshold (rasch2024fast).

    The chopper c inverts the reading's sign; a multiplier applies the rate lambda. H has a value for each weight,
    kept in a buffer or in DRAM; it, the converter that reads a column and the drivers of the pulse are components of
    their own. AGAD's running reference of the readings is a `MomentumUnit`. The circuit is our choice.

    Parameters
    ----------
    hidden_bits : int or array
        Width of H.
    reading_bits : int or array
        Width of the converter's code.
    rate_bits : int or array
        Width of lambda.
    """

    hidden_bits: Real
    reading_bits: Real
    rate_bits: Real = 8

    @property
    def _chopper(self) -> Gates:
        return Gates(GATES_PER_INVERSION * self.reading_bits, 3)

    @property
    def _rate(self) -> Multiplier:
        return Multiplier(self.reading_bits, self.rate_bits)

    def parts(self) -> dict[str, Parts]:
        """Chopper, multiplier, adder, comparator, and registers of reading, rate, H and the pulse with its sign."""
        return {
            "chopper": Parts(1, self._chopper),
            "multiplier": Parts(1, self._rate),
            "adder": Parts(1, Adder(self.hidden_bits)),
            "comparator": Parts(1, DigitalComparator(self.hidden_bits)),
            "registers": Parts(1, Register(self.reading_bits + self.rate_bits + self.hidden_bits + 2)),
        }

    @action
    def transfer(self, tech: Technology, *, fired: Real) -> Cost:
        """One reading is added to its H and the pulse decided.

        Parameters
        ----------
        tech : Technology
        fired : float or array
            Share of the values that cross the threshold, which is then taken off H by a second addition. The time
            for it is always spent, so that one reading follows another in step.
        """
        uses("rasch2024fast", "own_choice")
        added = Adder(self.hidden_bits).add(tech)
        entered = Register(self.reading_bits).store(tech) + self._chopper.switch(tech)
        summed = self._rate.multiply(tech) + added + DigitalComparator(self.hidden_bits).compare(tech)
        reset = Cost(fired * added.energy, added.latency)
        return entered + summed + reset + Register(self.hidden_bits + 2).store(tech)
