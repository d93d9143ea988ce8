"""The unit that averages gradients: V <- gamma V + (1 - gamma) G."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Cost, Real, action
from hwlib.components import component
from hwlib.components.adder_tree import Adder
from hwlib.components.assembly import Assembly, Parts
from hwlib.components.multiplier import Multiplier
from hwlib.components.registers import Register
from hwlib.provenance import uses
from hwlib.technology import Technology


def shift_terms(factor: Real, bits: Real) -> Real:
    """Number of signed powers of two that sum to `factor` within half a step of `bits` fractional bits.

    The nearest power of two is taken off again and again; for example 0.1 is 1/8 - 1/32 + 1/128 to 8 bits.

    Parameters
    ----------
    factor : float or array
    bits : int or array
    """
    rest, bits = np.broadcast_arrays(np.asarray(factor, dtype=float), bits)
    tolerance = 0.5 ** (bits + 1.0)
    count = np.zeros(rest.shape)
    while np.any(open_ := np.abs(rest) > tolerance):
        size = np.where(open_, np.abs(rest), 1.0)
        nearest = np.exp2(np.floor(np.log2(size * 4 / 3)))
        rest = np.where(open_, rest - np.sign(rest) * nearest, rest)
        count = count + open_
    return count


@component("momentum_unit")
@dataclass(frozen=True)
class MomentumUnit(Assembly):
    """Averages the gradients of one weight after another, without a multiplier (huang2022momentum).

    V + (1 - gamma)(G - V) takes one subtraction and, since shifts by a constant are wires, one addition for each
    power of two in 1 - gamma. Two registers hold V and G of the weight at hand; the V of all weights are kept in
    a buffer or in DRAM, which are components of their own.

    Parameters
    ----------
    bits : int or array
        Width of V and G.
    gamma : float or array
        From 0 to less than 1.

    Raises
    ------
    ValueError
        If gamma is out of range.
    """

    bits: Real
    gamma: Real = 0.9

    def __post_init__(self) -> None:
        if np.any(np.asarray(self.gamma) < 0) or np.any(np.asarray(self.gamma) >= 1):
            raise ValueError(f"gamma must lie from 0 to less than 1, got {self.gamma}")

    @property
    def additions(self) -> Real:
        """Additions and subtractions of one update, each with an adder of its own."""
        return 1 + shift_terms(1 - np.asarray(self.gamma), self.bits)

    @property
    def _adder(self) -> Adder:
        """One bit wider than its operands, for the difference of two of them."""
        return Adder(self.bits + 1)

    def parts(self) -> dict[str, Parts]:
        """Adders and the registers of V and G."""
        return {"adders": Parts(self.additions, self._adder), "registers": Parts(2, Register(self.bits))}

    @action
    def update(self, tech: Technology) -> Cost:
        """V of one weight is brought up to date; V and G are registered first, at the same time."""
        uses("huang2022momentum")
        return Register(self.bits).store(tech).alongside(2) + self._adder.add(tech).times(self.additions)


@component("momentum_multiplier_unit")
@dataclass(frozen=True)
class MomentumMultiplierUnit(Assembly):
    """Averages the gradients of one weight after another with a multiplier, so that gamma can change (our choice).

    V + (1 - gamma)(G - V) takes a subtraction, a product and an addition. V and G are kept as in `MomentumUnit`; a
    third register holds 1 - gamma.

    Parameters
    ----------
    bits : int or array
        Width of V and G.
    gamma_bits : int or array
        Width of 1 - gamma.
    """

    bits: Real
    gamma_bits: Real = 8

    @property
    def _multiplier(self) -> Multiplier:
        """One bit wider than V, for the difference."""
        return Multiplier(self.bits + 1, self.gamma_bits)

    def parts(self) -> dict[str, Parts]:
        """Subtractor and adder, multiplier, and the registers of V, G and 1 - gamma."""
        return {
            "adders": Parts(2, Adder(self.bits + 1)),
            "multiplier": Parts(1, self._multiplier),
            "registers": Parts(1, Register(2 * self.bits + self.gamma_bits)),
        }

    @action
    def update(self, tech: Technology) -> Cost:
        """V of one weight is brought up to date; V and G are registered first, at the same time."""
        uses("huang2022momentum", "own_choice")
        stored = Register(self.bits).store(tech).alongside(2)
        return stored + Adder(self.bits + 1).add(tech).times(2) + self._multiplier.multiply(tech)
