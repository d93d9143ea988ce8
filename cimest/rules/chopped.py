"""Tiki-Taka with choppers: signs of inputs flip, so that an error of the reference cancels (rasch2024fast)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from cimest.rules.fast_array import Share
from cimest.rules.plan import Plan
from cimest.rules.registry import RULES
from cimest.rules.tiki_taka import TikiTakaV2
from hwlib.devices import Device


@RULES.register("chopped_tiki_taka")
@dataclass(frozen=True)
class ChoppedTikiTaka(TikiTakaV2):
    """Each row's inputs, and what is read from it, change sign together; what does not change sign averages out.

    Parameters
    ----------
    period : int
        Reads of a row between two flips, if they are regular; 0: by chance.
    flip : float
        Probability of a flip after a read, if they are by chance.
    """

    period: Annotated[int, Field(ge=0, le=1000)] = 5
    flip: Share = 0.1

    @property
    def chopped(self) -> bool:
        """See `InMemory.chopped`."""
        return True

    @property
    def phase(self) -> float:
        """See `InMemory.phase`."""
        return float(self.period or 1 / max(self.flip, 1e-9))

    def plan(self, shape: tuple[int, int], device: Device) -> Plan:
        """See `InMemory.plan`."""
        return super().plan(shape, device)._replace(period=self.period, flip=0.0 if self.period else self.flip)


@RULES.register("agad")
@dataclass(frozen=True)
class Agad(ChoppedTikiTaka):
    """The reference is the mean reading of the chopper's phase before, so that no balance point need be known.

    A row is not written in its first phase, which has no reference yet.

    Parameters
    ----------
    tail : float
        Weight of the latest reading in the running mean.
    """

    tail: Annotated[float, Field(gt=0, le=1)] = 0.5

    tracked: ClassVar[bool] = True

    def plan(self, shape: tuple[int, int], device: Device) -> Plan:
        """See `InMemory.plan`."""
        return super().plan(shape, device)._replace(tail=self.tail)
