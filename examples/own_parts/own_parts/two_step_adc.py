"""A two-step converter: a coarse and a fine flash converter of half the bits each, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.adc import FlashAdc
from hwlib.technology import Technology


@component("two_step_adc")
@dataclass(frozen=True)
class TwoStepAdc(Component):
    """Twice 2^(bits/2) - 1 comparators instead of 2^bits - 1, for twice the time.

    The residue amplifier between the steps is left out; a real design adds it here.

    Parameters
    ----------
    bits : float or array
        Resolution; an odd one gives the coarse step the larger half.
    """

    bits: Real

    @property
    def _steps(self) -> tuple[FlashAdc, FlashAdc]:
        return FlashAdc(np.ceil(np.asarray(self.bits) / 2)), FlashAdc(np.floor(np.asarray(self.bits) / 2))

    @property
    def sense_time(self) -> Real:
        """How long the array conducts for one conversion: the coarse step, during which it is sampled. [s]"""
        return self._steps[0].sense_time

    def area(self, tech: Technology) -> Real:
        """Of both steps. [m²]"""
        return sum(step.area(tech) for step in self._steps)

    def leakage(self, tech: Technology) -> Real:
        """Of both steps. [W]"""
        return sum(step.leakage(tech) for step in self._steps)

    @action
    def convert(self, tech: Technology) -> Cost:
        """One conversion: coarse, then fine."""
        coarse, fine = self._steps
        return coarse.convert(tech) + fine.convert(tech)
