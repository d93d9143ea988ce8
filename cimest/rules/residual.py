"""Residual learning: the fast array is part of the weights, so that it learns what they still lack (wu2025residual)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from cimest.rules.fast_array import FastArray
from cimest.rules.in_memory import BUFFER_BITS, Bits
from cimest.rules.plan import Plan
from cimest.rules.registry import RULES
from hwlib.devices import Device

Gamma = Annotated[float, Field(gt=0, le=1)]


@RULES.register("residual")
@dataclass(frozen=True)
class Residual(FastArray):
    """Gradients are taken at slow + gamma · fast; readings of the fast array become pulses at once.

    Parameters
    ----------
    gamma : float
        Weight of the fast array. 0.1 (our choice): the authors' 0.4 adds the noise of a device with few states.
    """

    gamma: Gamma = 0.1

    @property
    def shares(self) -> tuple[float, ...]:
        """See `InMemory.shares`."""
        return 1.0, self.gamma


@RULES.register("residual_v2")
@dataclass(frozen=True)
class ResidualV2(Residual):
    """Readings pass a digital filter, which forgets as fast as it learns, and fire where it crosses a step.

    Parameters
    ----------
    bits : int
        Word of the filter: a sign and a fraction of a pulse.
    """

    bits: Bits = BUFFER_BITS

    buffered: ClassVar[bool] = True

    @property
    def word(self) -> int:
        """See `InMemory.word`."""
        return self.bits

    def plan(self, shape: tuple[int, int], device: Device) -> Plan:
        """See `InMemory.plan`; H <- (1 - b) H + b reading, in steps of the device."""
        return super().plan(shape, device)._replace(leak=2 / device.states, keep=-1.0)


@RULES.register("multi_tile")
@dataclass(frozen=True)
class MultiTile(FastArray):
    """Several arrays, each worth `gamma` of the one before; the last sees the gradient (li2025multitile).

    Each array's rows are read in turn, ever more rarely, and move the next slower one at once: no digital matrix.

    Parameters
    ----------
    arrays : int
        Of a layer.
    gamma : float
        About one over the states of a device; 0.2 (our choice) for the few states that the rule is meant for.
    slower : int
        How much rarer each slower array is read.
    """

    arrays: Annotated[int, Field(ge=2, le=8)] = 3
    gamma: Gamma = 0.2
    slower: Annotated[int, Field(ge=1, le=100)] = 5
    every: Annotated[int, Field(ge=1)] = 2

    @property
    def levels(self) -> int:
        """See `InMemory.levels`."""
        return self.arrays

    @property
    def shares(self) -> tuple[float, ...]:
        """See `InMemory.shares`."""
        return tuple(self.gamma**level for level in range(self.arrays))

    @property
    def slower_levels(self) -> int:
        """See `FastArray.slower_levels`."""
        return self.slower
