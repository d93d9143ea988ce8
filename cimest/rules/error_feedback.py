"""Error feedback: steps are collected in a digital matrix until they are whole pulses (Nandakumar et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from cimest.actions import Action
from cimest.config.chip import Chip
from cimest.mapping.part import Part
from cimest.network import Network, Weighted
from cimest.rules.digital_matrix import DigitalMatrix, Storage
from cimest.rules.momentum import Momentum
from cimest.rules.normalise import Measure, normalised
from cimest.rules.registry import RULES
from cimest.rules.rule import Rule, State
from hwlib.components.adder_tree import Accumulator
from hwlib.provenance import uses


@RULES.register("error_feedback")
@dataclass(frozen=True)
class ErrorFeedback(Rule):
    """R <- R - learning rate · G · pulses per unit of weight, G normalised; whole pulses in R are fired and taken out.

    The digital accumulator of mixed-precision training (nandakumar2020mixed). A weight gets a pulse only when the
    steps of many batches have agreed on one, so that opposite pulses, each of which pulls the weight of an asymmetric
    device towards a fixed point, cancel before they are fired. What is not fired is kept, not rounded away; so
    averaging the gradients first, as momentum does, changes little in the long run.

    Parameters
    ----------
    gamma : float
        With more than zero, G is first averaged as by the rule `momentum`, in a second matrix of the same words.
    normalise : {"rms", "max"}
        What full scale is set by.
    bits : int
        Word of R in memory: a sign and a fraction of a pulse. A step below half of its last place is lost.
    storage : {"dram", "sram"}
        Memory that holds R.
    """

    gamma: Annotated[float, Field(ge=0, lt=1)] = 0.0
    normalise: Measure = "rms"
    bits: Annotated[int, Field(ge=4, le=24)] = 12
    storage: Storage = "dram"

    @property
    def _memory(self) -> DigitalMatrix:
        return DigitalMatrix("residual_memory", self.bits, self.storage)

    @property
    def _momentum(self) -> Momentum:
        return Momentum(gamma=self.gamma, bits=self.bits, storage=self.storage)

    @property
    def scales_gradient(self) -> bool:
        """See `Rule.scales_gradient`; with momentum the average has a scale instead."""
        return not self.gamma

    def init(self, shape: tuple[int, int]) -> State:
        """Nothing collected."""
        state = {"residual": np.zeros(shape, dtype=np.float32)}
        return state | {"average": np.zeros(shape, dtype=np.float32)} if self.gamma else state

    def step(self, tile: Any, state: State, x: np.ndarray, delta: Any, learning_rate: float) -> State:
        """One update; see `Rule.step`."""
        uses("nandakumar2020mixed")
        gradient, kept = tile.weight_gradient(x, delta), {}
        if self.gamma:
            gradient = self._momentum.averaged(state["average"], gradient)
            kept = {"average": gradient}
        wanted = normalised(gradient, self.normalise) * np.float32(-learning_rate * tile.pulses_per_weight)
        places = np.float32(2.0 ** (self.bits - 1))
        collected = np.rint((state["residual"] + wanted) * places) / places
        pulses = np.trunc(collected)
        tile.pulse(pulses, "nearest")
        return {"residual": collected - pulses, **kept}

    def parts(self, network: Network, chip: Chip) -> dict[str, Part]:
        """The adders, as many as the bus feeds, and the memory unless that is the DRAM."""
        adder = Accumulator(self.bits + np.ceil(np.log2(chip.device.states)))
        parts = {"residual": Part(adder, self._lanes(chip), "chip"), **self._memory.parts(network, chip)}
        return parts | self._momentum.parts(network, chip) if self.gamma else parts

    def actions(self, layer: Weighted, chip: Chip, batch: int) -> list[Action]:
        """Each weight's residual is read, added to and written once a batch."""
        share = layer.weights / batch
        add = Action(
            layer.name, "weight_update", "residual", "accumulate", share, share / self._lanes(chip), pipelined=True
        )
        averaging = self._momentum.actions(layer, chip, batch) if self.gamma else []
        return [*averaging, add, *self._memory.actions(layer, chip, batch)]

    def _lanes(self, chip: Chip) -> Any:
        return np.maximum(1, chip.bus_bits // self.bits)
