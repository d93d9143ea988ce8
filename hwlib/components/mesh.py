"""The mesh network: routers and the links between neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.assembly import Assembly, Gates, Parts
from hwlib.components.buffers import RegisterFile
from hwlib.components.interconnect import Bus
from hwlib.provenance import uses
from hwlib.technology import Technology

STAGES = 3
"""Clock periods of a flit in a router: into the queue, arbitration, crossbar. Our choice: the stages of
dally2004interconnection with route and arbitration in one."""

ARBITER_GATES = 12
"""NAND gates for each request of an output's round-robin arbiter. Our choice, by textbook."""


@component("router")
@dataclass(frozen=True)
class Router(Assembly):
    """Queue for each input, crossbar of multiplexers (three NAND gates for each input but one), arbiters.

    Parameters
    ----------
    ports : int or array
        Inputs, and outputs; five in a mesh.
    flit_bits : int or array
        Width of what is sent at once.
    queue : int or array
        Flits that an input holds.
    """

    ports: Real
    flit_bits: Real
    queue: Real = 4

    @property
    def _queue(self) -> RegisterFile:
        return RegisterFile(self.queue * self.flit_bits, self.flit_bits)

    @property
    def _multiplexer(self) -> Gates:
        """Of one output."""
        return Gates(3 * self.flit_bits * (self.ports - 1), 2 * np.ceil(np.log2(self.ports)))

    @property
    def _arbiter(self) -> Gates:
        """Of one output."""
        return Gates(ARBITER_GATES * self.ports, 2 * self.ports)

    def parts(self) -> dict[str, Parts]:
        """Queues, crossbar and arbiters."""
        return {
            "queues": Parts(self.ports, self._queue),
            "crossbar": Parts(self.ports, self._multiplexer),
            "arbiters": Parts(self.ports, self._arbiter),
        }

    @action
    def route(self, tech: Technology) -> Cost:
        """One flit passes: queued, granted, and through the crossbar; the next may follow one clock period later."""
        uses("dally2004interconnection", "own_choice")
        steps = (self._queue.write(tech), self._queue.read(tech), self._multiplexer.switch(tech))
        energy = sum(step.energy for step in steps) + self._arbiter.switch(tech).energy
        return Cost(energy, STAGES / np.asarray(tech.clock))


@component("mesh")
@dataclass(frozen=True)
class Mesh(Component):
    """A router for each unit of a grid, and a link each way between neighbours.

    Parameters
    ----------
    rows, columns : int or array
        Units in the plan.
    unit_width, unit_height : float or array
        Of one unit, along a row and along a column; the length of a link. [m]
    flit_bits : int or array
        Wires of a link.
    queue : int or array
        Flits that a router's input holds.
    """

    rows: Real
    columns: Real
    unit_width: Real
    unit_height: Real
    flit_bits: Real
    queue: Real = 4

    @property
    def router(self) -> Router:
        """One of the routers, with ports to four neighbours and to its unit."""
        return Router(5, self.flit_bits, self.queue)

    @property
    def mean_distance(self) -> tuple[Real, Real]:
        """Links along a row and along a column between two units drawn at random, (n - 1/n) / 3 each.

        That is the mean of |i - j| over all pairs, a unit paired with itself included.
        """
        rows, columns = np.asarray(self.rows), np.asarray(self.columns)
        return (columns - 1 / columns) / 3, (rows - 1 / rows) / 3

    @property
    def _links(self) -> Bus:
        """All links, as one long bus."""
        across, along = self.rows * (self.columns - 1), self.columns * (self.rows - 1)
        return Bus(2 * (across * self.unit_width + along * self.unit_height), self.flit_bits)

    def area(self, tech: Technology) -> Real:
        """Of routers and of the links' repeaters. [m²]"""
        return self.rows * self.columns * self.router.area(tech) + self._links.area(tech)

    def leakage(self, tech: Technology) -> Real:
        """Power drawn while powered and idle. [W]"""
        return self.rows * self.columns * self.router.leakage(tech) + self._links.leakage(tech)

    def cycle_time(self, tech: Technology) -> Real:
        """Time from one flit to the next. [s]"""
        return self._links.cycle_time(tech)

    @action
    def transfer(self, tech: Technology, *, activity: Real = 0.25) -> Cost:
        """One flit goes from one unit to another, over the mean distance, without others in its way.

        It passes the router of each unit on its way, the first and the last included; `activity` is the
        probability that a wire rises.
        """
        across, along = self.mean_distance
        links = Bus(across * self.unit_width + along * self.unit_height, self.flit_bits)
        return self.router.route(tech).times(across + along + 1) + links.transfer(tech, activity=activity)
