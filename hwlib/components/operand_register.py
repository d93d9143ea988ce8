"""The register that holds the word of one line of an array while its bits are applied one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.registers import Register
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import inverter, switching_energy, transmission_gate

RISES = 0.25
"""Probability that a node rises where another random bit is selected: it changes every other time, half of these
times upwards (our choice)."""


@component("operand_register")
@dataclass(frozen=True)
class OperandRegister(Component):
    """One line's word in flip-flops, which keep it, and a tree of multiplexers by which one bit after the other leaves.

    The circuit is our choice: a shift register would clock all of its flip-flops for each bit. The wires that select
    are common to the lines of an array; each passes a word over the side of a square as large as it. The multiplexers
    are pairs of pass gates, which leak nothing as they do not lie between the supplies; an inverter restores the
    output. Inverters that drive the selection, and the counter behind them, serve a whole array and are left out.

    Parameters
    ----------
    bits : int or array
        Width of the word.
    """

    bits: Real

    def area(self, tech: Technology) -> Real:
        """Silicon area. [m²]"""
        multiplexers = (self.bits - 1) * 2 * transmission_gate(tech).area
        return Register(self.bits).area(tech) + multiplexers + inverter(tech).area

    def leakage(self, tech: Technology) -> Real:
        """Power drawn while powered and idle. [W]"""
        return Register(self.bits).leakage(tech) + inverter(tech).leakage

    @action
    def store(self, tech: Technology, *, activity: Real = 0.5) -> Cost:
        """A word is stored; `activity` is the share of its bits that change."""
        return Register(self.bits).store(tech, activity=activity)

    @action
    def select(self, tech: Technology) -> Cost:
        """The next bit leaves the word, which stays as it is.

        Notes
        -----
        The selection counts in binary. Level j of the tree, from the output, has 2^j multiplexers, the last level
        those that remain, and changes with every 2^j-th selection. Then one of its two wires rises and loads one gate
        terminal of either kind in each multiplexer; a multiplexer's output, with the drains of its two pass gates and
        of the next one, changes as random bits do. The latency is Elmore's, from a flip-flop through all levels.
        """
        uses("own_choice")
        gate, out = transmission_gate(tech), inverter(tech)
        levels = np.ceil(np.log2(self.bits))
        changing = levels - 2 + self.bits / 2 ** (levels - 1)  # multiplexers, in the mean of many selections
        wires = 2 * (1 - 0.5**levels)  # 1 + 1/2 + 1/4 ...
        wire = tech.wire_capacitance * np.sqrt(self.area(tech))
        node = 3 * gate.output_capacitance
        restored = out.input_capacitance + out.output_capacitance
        switched = changing * (gate.input_capacitance + RISES * node) + wires * wire + RISES * restored
        level_by_level = node * (levels * out.resistance + gate.resistance * levels * (levels + 1) / 2)
        at_the_end = (out.resistance + levels * gate.resistance) * out.input_capacitance
        delay = np.log(2.0) * (level_by_level + at_the_end + out.resistance * out.output_capacitance)
        return Cost(switching_energy(tech, switched), delay)
