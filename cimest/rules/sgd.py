"""Plain stochastic gradient descent: each batch's gradient becomes pulses at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cimest.rules.normalise import Measure, normalised
from cimest.rules.registry import RULES
from cimest.rules.rule import Rule, State


@RULES.register("sgd")
@dataclass(frozen=True)
class Sgd(Rule):
    """Pulses = -learning rate · G · pulses per unit of weight, with G normalised by a power of two.

    Parameters
    ----------
    rounding : {"stochastic", "nearest"}
        How pulses become whole: keeping their mean, or none below half a pulse.
    normalise : {"rms", "max"}
        What full scale is set by.
    """

    rounding: Literal["stochastic", "nearest"] = "stochastic"
    normalise: Measure = "rms"

    def init(self, shape: tuple[int, int]) -> State:
        """Nothing to remember."""
        return {}

    def step(self, tile: Any, state: State, x: np.ndarray, delta: Any, learning_rate: float) -> State:
        """One update; see `Rule.step`."""
        pulses = normalised(tile.weight_gradient(x, delta), self.normalise)
        pulses *= np.float32(-learning_rate * tile.pulses_per_weight)
        tile.pulse(pulses, self.rounding)
        return state
