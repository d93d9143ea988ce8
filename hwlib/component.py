"""The contract of every circuit component: area, leakage, and a cost for each action."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from hwlib.technology import Technology

Real = float | np.ndarray
"""An SI quantity: one number, or an array of them that broadcasts against the others."""

Method = TypeVar("Method", bound=Callable[..., "Cost"])


@dataclass(frozen=True)
class Cost:
    """What one action takes.

    Parameters
    ----------
    energy : float or array
        Energy drawn from the supplies. [J]
    latency : float or array
        Time from the start of the action to its end. [s]
    """

    energy: Real
    latency: Real

    def __add__(self, other: Cost) -> Cost:
        """Cost of one action after the other."""
        return Cost(self.energy + other.energy, self.latency + other.latency)

    def times(self, count: Real) -> Cost:
        """Cost of `count` such actions in sequence."""
        return Cost(self.energy * count, self.latency * count)

    def alongside(self, count: Real) -> Cost:
        """Cost of `count` such actions at the same time, by as many instances."""
        return Cost(self.energy * count, self.latency)


NOTHING = Cost(0.0, 0.0)


def action(method: Method) -> Method:
    """Mark a component's method as an action: something that happens, is counted, and has a `Cost`."""
    method.is_action = True  # type: ignore[attr-defined]
    return method


class Component:
    """Base of all components.

    A component is a frozen dataclass of SI parameters; numbers may be arrays, and then every
    result is an array of the broadcast shape. It keeps no state and caches nothing.
    """

    def area(self, tech: Technology) -> Real:
        """Silicon area. [m²]"""
        raise NotImplementedError

    def leakage(self, tech: Technology) -> Real:
        """Power drawn while powered and idle. [W]"""
        raise NotImplementedError

    @classmethod
    def actions(cls) -> tuple[str, ...]:
        """Names of the methods marked with `action`, in alphabetical order."""
        return tuple(name for name in dir(cls) if getattr(getattr(cls, name), "is_action", False))

    def cost(self, tech: Technology, action_name: str, **arguments: Any) -> Cost:
        """Cost of one action by its name."""
        return getattr(self, action_name)(tech, **arguments)
