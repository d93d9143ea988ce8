"""Training rules: each one updates a tile through the tile's own verbs, and says what it makes the hardware do."""

from cimest.rules.registry import RULES
from cimest.rules.rule import Rule, State

__all__ = ["RULES", "Rule", "State"]
