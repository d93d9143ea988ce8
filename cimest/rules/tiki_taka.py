"""Tiki-Taka, first and second version: readings of a fast array move the weights, at once or through a buffer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cimest.rules.fast_array import FastArray, Share
from cimest.rules.in_memory import BUFFER_BITS, Bits
from cimest.rules.plan import Plan
from cimest.rules.registry import RULES
from hwlib.devices import Device


@RULES.register("tiki_taka")
@dataclass(frozen=True)
class TikiTaka(FastArray):
    """Readings become pulses on the weights at once, rounded stochastically (gokmen2020algorithm)."""


@RULES.register("tiki_taka_v2")
@dataclass(frozen=True)
class TikiTakaV2(FastArray):
    """Readings add up in a digital buffer, and a value that crosses one fires one pulse (gokmen2021enabling).

    The buffer takes the noise out of the reads, and lets the weights see whole steps only.

    Parameters
    ----------
    keep : float
        Share of a buffer's value that stays after its pulse.
    bits : int
        Word of the buffer: a sign and a fraction of a pulse. A reading below half of its last place is lost.
    """

    keep: Share = 0.1
    bits: Bits = BUFFER_BITS

    buffered: ClassVar[bool] = True

    @property
    def word(self) -> int:
        """See `InMemory.word`."""
        return self.bits

    def plan(self, shape: tuple[int, int], device: Device) -> Plan:
        """See `InMemory.plan`."""
        return super().plan(shape, device)._replace(keep=self.keep)
