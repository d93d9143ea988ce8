"""The table of training rules by name."""

from __future__ import annotations

from cimest.rules.rule import Rule
from hwlib.registry import Registry

RULES: Registry[type[Rule]] = Registry("training rule", "cimest.rules")
