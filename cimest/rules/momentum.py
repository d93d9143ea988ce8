"""Momentum: gradients are averaged in a digital matrix before they become pulses (Huang et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from cimest.actions import Action
from cimest.config.schema import Chip
from cimest.mapping.parts import Part
from cimest.network import Conv, Network
from cimest.rules.normalise import Measure, normalised, stored
from cimest.rules.registry import RULES
from cimest.rules.rule import Rule, State
from hwlib.components.buffers import SramBuffer
from hwlib.components.momentum import MomentumUnit
from hwlib.provenance import uses

UPDATE = "weight_update"


@RULES.register("momentum")
@dataclass(frozen=True)
class Momentum(Rule):
    """V <- gamma V + (1 - gamma) G, and pulses = -learning rate · V / 2 · states with V normalised.

    Under asymmetric devices every pair of opposite pulses pulls a weight towards a fixed point; averaging
    cancels the alternating part of the gradient before any pulse is fired.

    Parameters
    ----------
    gamma : float
        Share of the old average that stays.
    rounding : {"stochastic", "nearest"}
        How pulses become whole: keeping their mean, or none below half a pulse.
    normalise : {"rms", "max"}
        What full scale is set by: `max` as published, or four times the root mean square.
    bits : int
        Word of V in memory, with sign; full scale is the power of two above its largest magnitude.
    storage : {"dram", "sram"}
        Memory that holds V.
    """

    gamma: Annotated[float, Field(ge=0, lt=1)] = 0.9
    rounding: Literal["stochastic", "nearest"] = "stochastic"
    normalise: Measure = "rms"
    bits: Annotated[int, Field(ge=4, le=24)] = 12
    storage: Literal["dram", "sram"] = "dram"

    def init(self, shape: tuple[int, int]) -> State:
        """An average of zero."""
        return {"average": np.zeros(shape, dtype=np.float32)}

    def step(self, tile: Any, state: State, x: np.ndarray, delta: Any, learning_rate: float) -> State:
        """One update; see `Rule.step`."""
        uses("huang2022momentum")
        average = state["average"] * np.float32(self.gamma)
        average += np.float32(1 - self.gamma) * tile.weight_gradient(x, delta)
        average = stored(average, self.bits)
        tile.pulse(normalised(average, self.normalise) * np.float32(-learning_rate / 2 * tile.states), self.rounding)
        return {"average": average}

    def parts(self, network: Network, chip: Chip) -> dict[str, Part]:
        """The averaging units, as many as the bus feeds, and their memory unless that is the DRAM."""
        lanes = np.maximum(1, chip.bus_bits // self.bits)
        parts = {"momentum": Part(MomentumUnit(self.bits, self.gamma), lanes, "chip")}
        if self.storage == "sram":
            memory = SramBuffer(size=network.weights * self.bits, word=chip.bus_bits)
            parts["momentum_memory"] = Part(memory, 1, "chip")
        return parts

    def actions(self, layer: Conv, chip: Chip, batch: int) -> list[Action]:
        """Each weight's average is read, updated and written once a batch."""
        name, share = layer.name, layer.weights / batch
        lanes = np.maximum(1, chip.bus_bits // self.bits)
        memory, word = ("dram", 1) if self.storage == "dram" else ("momentum_memory", chip.bus_bits)
        words = share * self.bits / word
        streamed = self.storage == "sram"
        return [
            Action(name, UPDATE, "momentum", "update", share, share / lanes, pipelined=True),
            Action(name, UPDATE, memory, "read", words, words, pipelined=streamed, transfer=True),
            Action(name, UPDATE, memory, "write", words, words, pipelined=streamed, transfer=True),
        ]
