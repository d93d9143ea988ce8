"""Components made of components: area and leakage are sums over the parts, which can be looked at one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from hwlib.component import Component, Cost, Real
from hwlib.technology import Technology
from hwlib.technology.logic import Logic, logic


class Parts(NamedTuple):
    """Instances of one component.

    Parameters
    ----------
    number : float or array
    component : Component
    """

    number: Real
    component: Component


class Assembly(Component):
    """Base of components that are wholly made of others."""

    def parts(self) -> dict[str, Parts]:
        """What it is made of, by name."""
        raise NotImplementedError

    def area(self, tech: Technology) -> Real:
        """Silicon area, the sum of the parts'. [m²]"""
        return sum(number * part.area(tech) for number, part in self.parts().values())

    def leakage(self, tech: Technology) -> Real:
        """Power drawn while powered and idle, the sum of the parts'. [W]"""
        return sum(number * part.leakage(tech) for number, part in self.parts().values())


@dataclass(frozen=True)
class Gates(Component):
    """Block of NAND gates, for the logic between an assembly's larger parts.

    Parameters
    ----------
    count : float or array
    depth : float or array
        Most that lie in a row.
    """

    count: Real
    depth: Real

    def _logic(self, tech: Technology) -> Logic:
        return logic(tech, self.count, self.depth)

    def area(self, tech: Technology) -> Real:
        """Silicon area. [m²]"""
        return self._logic(tech).area

    def leakage(self, tech: Technology) -> Real:
        """Power drawn while powered and idle. [W]"""
        return self._logic(tech).leakage

    def switch(self, tech: Technology, rising: Real = 0.25) -> Cost:
        """New inputs pass through; `rising` is the share of outputs that rise, a quarter with random bits."""
        block = self._logic(tech)
        return Cost(rising * block.energy, block.latency)
