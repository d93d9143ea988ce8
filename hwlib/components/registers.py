"""Registers: words held in flip-flops."""

from __future__ import annotations

from dataclasses import dataclass

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.technology import Technology
from hwlib.technology.gates import d_flip_flop


@component("register")
@dataclass(frozen=True)
class Register(Component):
    """One word in D flip-flops, whose clock is gated while nothing is stored.

    Parameters
    ----------
    bits : int or array
        Width of the word.
    """

    bits: Real

    def area(self, tech: Technology) -> Real:
        """Silicon area. [m²]"""
        return self.bits * d_flip_flop(tech).area

    def leakage(self, tech: Technology) -> Real:
        """Power drawn while powered and idle. [W]"""
        return self.bits * d_flip_flop(tech).leakage

    @action
    def store(self, tech: Technology, *, activity: Real = 0.5) -> Cost:
        """One word is stored; `activity` is the share of its bits that change."""
        flip_flop = d_flip_flop(tech)
        return Cost(self.bits * (flip_flop.clock_energy + activity * flip_flop.switch_energy), flip_flop.latency)
