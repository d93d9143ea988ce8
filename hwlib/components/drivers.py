"""Drivers of an array's lines: the switch matrix for reads, the write driver for programming voltages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import chain_delay, d_flip_flop, inverter, switching_energy, transmission_gate


@component("switch_matrix")
@dataclass(frozen=True)
class SwitchMatrix(Component):
    """For each line a flip-flop that holds its bit, and pass gates that put voltages on it.

    A plain line has two pass gates, for the read voltage and for ground; a line that also switches word lines
    (`access_voltage` > 0) has four.

    Parameters
    ----------
    lines : float or array
        That it drives.
    voltage : float or array
        Passed to an active line. [V]
    access_voltage : float or array
        Passed to an active word line; 0 where the matrix drives none. [V]
    load : float or array
        Capacitance of one line, for the delay; its energy is charged in the array. [F]
    """

    lines: Real
    voltage: Real
    access_voltage: Real = 0.0
    load: Real = 0.0

    @property
    def _word_lines(self) -> np.ndarray:
        return np.asarray(self.access_voltage) > 0

    def area(self, tech: Technology) -> Real:
        """Of pass gates and flip-flops. [m²]"""
        gates = np.where(self._word_lines, 4, 2)
        uses("neurosim_v2_1")
        return self.lines * (gates * transmission_gate(tech).area + d_flip_flop(tech).area)

    def leakage(self, tech: Technology) -> Real:
        """Of the flip-flops; pass gates do not lie between the supplies. [W]"""
        return self.lines * d_flip_flop(tech).leakage

    @action
    def drive(self, tech: Technology, *, active_lines: Real) -> Cost:
        """New bits in all flip-flops, and the voltage on the active lines.

        Every flip-flop is clocked, those of active lines switch. A plain active line turns one pass gate on and
        charges 3 of its drains; with a word line, 3 pass gates, 2 drains at the access and 5 at the read voltage
        (neurosim_v2_1).
        """
        uses("neurosim_v2_1")
        gate, bit = transmission_gate(tech), d_flip_flop(tech)
        drain = gate.output_capacitance
        word = self._word_lines
        passed = np.where(word, 5, 3) * drain * self.voltage**2 + 2 * drain * self.access_voltage**2
        control = np.where(word, 3, 1) * switching_energy(tech, gate.input_capacitance)
        energy = self.lines * bit.clock_energy + active_lines * (bit.switch_energy + passed + control)
        on_the_line = np.where(word, 5, 3) * drain + self.load
        return Cost(energy, bit.latency + np.log(2.0) * gate.resistance * on_the_line)


@component("write_driver")
@dataclass(frozen=True)
class WriteDriver(Component):
    """Level shifters that raise logic pulses to the programming voltage, one for each line.

    A shifter is four cross-coupled transistors, an inverter before and a driving one behind it. Our choices,
    as the sources give none: a transistor for `voltage` is longer, wider and thicker in oxide by voltage/supply,
    so its area grows with the square of that and its capacitance with the first power; its resistance stays.
    Where `voltage` is below the supply, it is an ordinary transistor.

    Parameters
    ----------
    lines : float or array
        That it drives.
    voltage : float or array
        Of the pulses. [V]
    load : float or array
        Capacitance of one line, for the delay; its energy is charged in the array. [F]
    """

    lines: Real
    voltage: Real
    load: Real = 0.0

    def _stretch(self, tech: Technology) -> Real:
        return np.maximum(self.voltage / tech.vdd, 1.0)

    def area(self, tech: Technology) -> Real:
        """Of a logic inverter and three high-voltage pairs of transistors per line. [m²]"""
        return self.lines * inverter(tech).area * (1 + 3 * self._stretch(tech) ** 2)

    def leakage(self, tech: Technology) -> Real:
        """Of the same; the longer channel of a high-voltage transistor leaks as the short one. [W]"""
        return self.lines * inverter(tech).leakage * (1 + 3 * self._stretch(tech))

    @action
    def pulse(self, tech: Technology, *, lines_driven: Real) -> Cost:
        """One pulse on some lines: each shifter's nodes swing by the supply before and by `voltage` behind."""
        uses("own_choice")
        one, stretch = inverter(tech), self._stretch(tech)
        own = one.input_capacitance + one.output_capacitance
        energy = lines_driven * (switching_energy(tech, own) + 3 * stretch * own * self.voltage**2)
        swollen = stretch * own
        return Cost(energy, chain_delay([(one, swollen), (one, swollen), (one, swollen + self.load)]))


@component("word_line_driver")
@dataclass(frozen=True)
class WordLineDriver(WriteDriver):
    """Level shifters of word lines, as in `WriteDriver`, with the charge of the lines themselves.

    Parameters
    ----------
    lines : float or array
        That it drives.
    voltage : float or array
        Of a line that is up. [V]
    load : float or array
        Capacitance of one line. [F]
    """

    @action
    def pulse(self, tech: Technology, *, lines_driven: Real) -> Cost:
        """Some lines rise."""
        return super().pulse(tech, lines_driven=lines_driven) + Cost(
            lines_driven * self.load * np.asarray(self.voltage) ** 2, 0.0
        )
