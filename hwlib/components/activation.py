"""Activation functions."""

from __future__ import annotations

from dataclasses import dataclass

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.assembly import Assembly, Gates, Parts
from hwlib.components.registers import Register
from hwlib.technology import Technology


@component("relu")
@dataclass(frozen=True)
class Relu(Assembly):
    """Rectifier: the sign bit clears the word, which is then stored.

    The source (peng2021neurosim_v2) has the register alone; one NAND gate and its inversion a bit are our choice.

    Parameters
    ----------
    bits : int or array
        Width of the word.
    """

    bits: Real

    @property
    def _gates(self) -> Gates:
        return Gates(2 * self.bits, 2)

    def parts(self) -> dict[str, Parts]:
        """Gates and register."""
        return {"gates": Parts(1, self._gates), "register": Parts(1, Register(self.bits))}

    @action
    def apply(self, tech: Technology, *, activity: Real = 0.5) -> Cost:
        """One word is rectified; `activity` is the share of its bits that change."""
        # whichever way a bit changes, one of its two gates rises
        cleared = self._gates.switch(tech, rising=activity / 2)
        return cleared + Register(self.bits).store(tech, activity=activity)
