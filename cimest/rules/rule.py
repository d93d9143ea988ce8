"""The contract of every training rule: what it does to a tile, and what it makes the hardware do."""

from __future__ import annotations

from typing import Any

import numpy as np

from cimest.actions import Action
from cimest.config.chip import Chip
from cimest.mapping.part import Part
from cimest.network import Network, Weighted

State = dict[str, np.ndarray]
"""All that a rule remembers about one tile; a checkpoint holds it as it is."""


class Rule:
    """Base of all rules, which are frozen dataclasses of their options.

    `init` and `step` are the rule itself; `step` acts through the verbs of the tile it is given.
    `parts` and `actions` are its price: circuits beside those that every rule needs, and how often
    they act. The pulses themselves are counted by the dataflow, from measured activity.
    """

    @property
    def scales_gradient(self) -> bool:
        """Whether a layer's summed gradient has to be there as a whole, for its scale, before any of it is used."""
        return True

    def init(self, shape: tuple[int, int]) -> State:
        """What the rule remembers about a tile of `shape` (fan-in, fan-out) before the first step."""
        raise NotImplementedError

    def start_epoch(self, state: State) -> State:
        """What becomes of the state when an epoch starts: by default nothing."""
        return state

    def step(self, tile: Any, state: State, x: np.ndarray, delta: np.ndarray, learning_rate: float) -> State:
        """One update of a tile from a batch of inputs `x` and errors `delta`; returns the new state."""
        raise NotImplementedError

    def parts(self, network: Network, chip: Chip) -> dict[str, Part]:
        """Circuits that the rule adds to the chip, by name."""
        return {}

    def actions(self, layer: Weighted, chip: Chip, batch: int) -> list[Action]:
        """What the rule makes them do in one layer, a batch's share for one training sample."""
        return []
