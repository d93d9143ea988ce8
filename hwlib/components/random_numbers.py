"""Random words, and stochastic pulse trains for outer-product updates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.assembly import Assembly, Gates, Parts
from hwlib.components.comparator import DigitalComparator
from hwlib.components.registers import Register
from hwlib.provenance import uses
from hwlib.technology import Technology

FEEDBACK = Gates(12, 6)
"""Three exclusive-or gates of four NANDs, enough for a maximal sequence of any width. Our choice, as textbooks do."""


@component("random_generator")
@dataclass(frozen=True)
class RandomGenerator(Assembly):
    """Linear-feedback shift register.

    Parameters
    ----------
    bits : int or array
        Width of a word.
    """

    bits: Real

    def parts(self) -> dict[str, Parts]:
        """Register and feedback."""
        return {"register": Parts(1, Register(self.bits)), "feedback": Parts(1, FEEDBACK)}

    @action
    def draw(self, tech: Technology) -> Cost:
        """The next word; half of its bits change."""
        uses("own_choice")
        return FEEDBACK.switch(tech) + Register(self.bits).store(tech)


@component("stochastic_pulse_generator")
@dataclass(frozen=True)
class StochasticPulseGenerator(Assembly):
    """Trains of pulses whose probability in each slot is a line's value (gokmen2016rpu).

    Each line compares its value with a random word in every slot and fires if it is larger. The pulses themselves,
    which coincide in the cells, are priced by the array and its drivers.

    Parameters
    ----------
    lines : int or array
        Rows or columns that are pulsed.
    bits : int or array
        Width of a value, and of a random word.
    lines_per_generator : int or array
        Lines that share a random word. Lines that do fire together, so rows and columns need generators of their own.
    """

    lines: Real
    bits: Real
    lines_per_generator: Real = 1

    @property
    def generators(self) -> Real:
        """Number of random-number generators."""
        return np.ceil(self.lines / self.lines_per_generator)

    @property
    def _outputs(self) -> Gates:
        """Gate and inversion that pass a line's pulse with its sign."""
        return Gates(2 * self.lines, 2)

    def parts(self) -> dict[str, Parts]:
        """Value registers with signs, random-number generators, comparators and output gates."""
        return {
            "values": Parts(self.lines, Register(self.bits + 1)),
            "generators": Parts(self.generators, RandomGenerator(self.bits)),
            "comparators": Parts(self.lines, DigitalComparator(self.bits)),
            "outputs": Parts(1, self._outputs),
        }

    @action
    def load(self, tech: Technology) -> Cost:
        """The values of all lines are stored, each with its sign."""
        return Register(self.bits + 1).store(tech).alongside(self.lines)

    @action
    def slot(self, tech: Technology) -> Cost:
        """One slot of the trains of all lines is decided."""
        uses("gokmen2016rpu")
        words = RandomGenerator(self.bits).draw(tech).alongside(self.generators)
        compared = DigitalComparator(self.bits).compare(tech).alongside(self.lines)
        return words + compared + self._outputs.switch(tech)
