"""Wires with repeaters, buses, and H-trees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import d_flip_flop, inverter, switching_energy

WIDTH = 2.0
"""Width and height of a long wire, over the minimum; its capacitance per length stays. Our choice, as such wires
run in the middle metal layers."""

SLACK = 1.1
"""Delay of the repeaters over the shortest possible, given up for energy (peng2021neurosim_v2)."""

STEPS = 8
"""Most halvings of a repeater (our choice of a bound); at every node the slack ends them earlier."""


@dataclass(frozen=True)
class Line:
    """One bit's wire with repeaters, and a flip-flop wherever a signal has travelled for one clock period.

    Parameters
    ----------
    size : float or array
        Of a repeater, in minimum inverters.
    spacing : float or array
        From one repeater to the next. [m]
    delay : float or array
        [s/m]
    capacitance : float or array
        Of wire and repeaters. [F/m]
    area : float or array
        [m²/m]
    leakage : float or array
        [W/m]
    """

    size: Real
    spacing: Real
    delay: Real
    capacitance: Real
    area: Real
    leakage: Real


def repeated_delay(tech: Technology, size: Real, spacing: Real) -> Real:
    """Delay per length of a wire with inverters of a size each `spacing` [m], by Elmore's formula. [s/m]"""
    repeater = inverter(tech, size)
    wire_r, wire_c = tech.wire_resistance / WIDTH**2, tech.wire_capacitance
    own = repeater.resistance * (repeater.input_capacitance + repeater.output_capacitance + wire_c * spacing)
    wire = wire_r * spacing * (wire_c * spacing / 2 + repeater.input_capacitance)
    return np.log(2.0) * (own + wire) / spacing


def line(tech: Technology) -> Line:
    """The repeated wire of a technology.

    Size and spacing start from those of least delay and shrink together, the size to a half and the spacing to
    nine tenths, as long as the delay stays within `SLACK` of the first (peng2021neurosim_v2).
    """
    uses("peng2021neurosim_v2")
    smallest = inverter(tech)
    wire_r, wire_c = tech.wire_resistance / WIDTH**2, tech.wire_capacitance
    resistance = 2 * smallest.resistance  # of one rise and one fall
    fastest = np.sqrt(resistance * wire_c / (smallest.input_capacitance * wire_r))
    load = smallest.input_capacitance + smallest.output_capacitance
    size, spacing = np.maximum(1.0, np.floor(fastest)), np.sqrt(2 * resistance * load / (wire_r * wire_c))
    limit = SLACK * repeated_delay(tech, size, spacing)
    within = np.asarray(True)
    for _ in range(STEPS):
        smaller, closer = np.maximum(1.0, np.floor(size / 2)), 0.9 * spacing
        within = within & (repeated_delay(tech, smaller, closer) <= limit)
        size, spacing = np.where(within, smaller, size), np.where(within, closer, spacing)
    repeater, flip_flop = inverter(tech, size), d_flip_flop(tech)
    delay = repeated_delay(tech, size, spacing)
    flip_flops = delay * tech.clock
    return Line(
        size=size,
        spacing=spacing,
        delay=delay,
        capacitance=wire_c + (repeater.input_capacitance + repeater.output_capacitance) / spacing,
        area=repeater.area / spacing + flip_flops * flip_flop.area,
        leakage=repeater.leakage / spacing + flip_flops * flip_flop.leakage,
    )


def wire_cost(tech: Technology, length: Real, activity: Real = 0.25) -> Cost:
    """Cost of one bit over a repeated wire.

    Parameters
    ----------
    tech : Technology
    length : float or array
        [m]
    activity : float or array
        Probability that the wire rises; 0.25 with random bits.

    Returns
    -------
    Cost
        Energy of wire, repeaters and flip-flops, and the time from one end to the other.
    """
    wire, flip_flop = line(tech), d_flip_flop(tech)
    flip_flops = wire.delay * tech.clock * (flip_flop.clock_energy + 2 * activity * flip_flop.switch_energy)
    return Cost(length * (activity * switching_energy(tech, wire.capacitance) + flip_flops), length * wire.delay)


@component("bus")
@dataclass(frozen=True)
class Bus(Component):
    """Parallel wires from one place to another. Only repeaters and flip-flops take area, not the metal above.

    Parameters
    ----------
    length : float or array
        [m]
    bits : int or array
        Number of wires.
    """

    length: Real
    bits: Real

    def area(self, tech: Technology) -> Real:
        """Silicon area. [m²]"""
        return self.bits * self.length * line(tech).area

    def leakage(self, tech: Technology) -> Real:
        """Power drawn while powered and idle. [W]"""
        return self.bits * self.length * line(tech).leakage

    def cycle_time(self, tech: Technology) -> Real:
        """Time from one word to the next. [s]"""
        return 1 / np.asarray(tech.clock)

    @action
    def transfer(self, tech: Technology, *, activity: Real = 0.25) -> Cost:
        """One word of the bus's width goes from end to end; the next may follow one `cycle_time` later."""
        return wire_cost(tech, self.length, activity).alongside(self.bits)


@component("h_tree")
@dataclass(frozen=True)
class HTree(Component):
    """Tree of buses from the middle of one side of a floor plan of equal units to each of them.

    A trunk leads to the centre of the plan; from there the tree splits in two along the rows, then along the
    columns, and so on. A number of units that is no power of two takes the tree of the next power, in the same
    plan. A single unit is reached by the trunk alone.

    Parameters
    ----------
    rows, columns : int or array
        Units in the plan.
    unit_width, unit_height : float or array
        Of one unit, along a row and along a column. [m]
    bus_bits : int or array
        Wires of each bus.
    """

    rows: Real
    columns: Real
    unit_width: Real
    unit_height: Real
    bus_bits: Real

    def _segments(self) -> Iterator[tuple[Real, Real]]:
        """Number and length of the buses of each level, from the trunk on. [m]"""
        width, height = self.columns * self.unit_width, self.rows * self.unit_height
        splits_x, splits_y = (np.ceil(np.log2(count)) for count in (self.columns, self.rows))
        buses: Real = 1.0
        yield buses, np.asarray(width) / 2
        for level in range(int(max(np.max(splits_x), np.max(splits_y)))):
            for splits, side in ((splits_x, width), (splits_y, height)):
                split = level < splits
                buses = np.where(split, 2 * buses, buses)
                yield np.where(split, buses, 0), np.where(split, side / 2.0 ** (level + 2), 0.0)

    @property
    def path_length(self) -> Real:
        """From the root to a unit. [m]"""
        return sum((length for _, length in self._segments()), start=np.asarray(0.0))

    @property
    def total_length(self) -> Real:
        """Of all buses together. [m]"""
        return sum((count * length for count, length in self._segments()), start=np.asarray(0.0))

    def area(self, tech: Technology) -> Real:
        """Silicon area, of repeaters and flip-flops. [m²]"""
        return self._all_buses.area(tech)

    def leakage(self, tech: Technology) -> Real:
        """Power drawn while powered and idle. [W]"""
        return self._all_buses.leakage(tech)

    @property
    def _all_buses(self) -> Bus:
        return Bus(self.total_length, self.bus_bits)

    def cycle_time(self, tech: Technology) -> Real:
        """Time from one word to the next. [s]"""
        return self._all_buses.cycle_time(tech)

    @action
    def transfer(self, tech: Technology, *, activity: Real = 0.25) -> Cost:
        """One word of the bus's width goes from the root to one unit, or back.

        Branches off the path keep still. The next word may follow one `cycle_time` later.
        """
        return Bus(self.path_length, self.bus_bits).transfer(tech, activity=activity)
