"""Plain descent whose outer products are pulsed in the weights themselves, and which rules can update in the arrays."""

from __future__ import annotations

from dataclasses import dataclass

from cimest.rules.in_memory import InMemory
from cimest.rules.plan import Plan
from cimest.rules.rule import Rule
from cimest.rules.sgd import Sgd
from hwlib.component import Real
from hwlib.devices import Device

SGD_SLOTS = 31
"""Longest train of plain descent in the arrays (rasch2021toolkit)."""


@dataclass(frozen=True)
class InMemorySgd(InMemory):
    """`sgd` without a gradient unit.

    Parameters
    ----------
    slots : int
        Longest pulse train.
    """

    slots: int = SGD_SLOTS

    def plan(self, shape: tuple[int, int], device: Device) -> Plan:
        """See `InMemory.plan`."""
        return Plan(slots=self.slots)

    def gain(self, shape: tuple[int, int], device: Device, learning_rate: Real) -> Real:
        """See `InMemory.gain`; as in `Sgd`, the learning rate is in units of half the range."""
        return learning_rate * device.states / 2


def in_array(rule: Rule, train_length: int = SGD_SLOTS) -> InMemory:
    """The rule as one that updates in the arrays.

    Parameters
    ----------
    rule : Rule
    train_length : int
        Longest pulse train of plain descent; the other rules have their own.

    Raises
    ------
    ValueError
        If the rule needs the gradient as numbers.
    """
    if isinstance(rule, InMemory):
        return rule
    if not isinstance(rule, Sgd):
        raise ValueError(f"rule {type(rule).__name__} needs the gradient as numbers and cannot update in the arrays")
    return InMemorySgd(slots=train_length)
