"""Momentum: gradients are averaged in a digital matrix before they become pulses (Huang et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from cimest.actions import Action
from cimest.config.chip import Chip
from cimest.mapping.part import Part
from cimest.network import Network, Weighted
from cimest.rules.digital_matrix import DigitalMatrix, Storage
from cimest.rules.normalise import exponent, shifted, stored
from cimest.rules.registry import RULES
from cimest.rules.rule import Rule, State
from hwlib.components.momentum import MomentumUnit
from hwlib.provenance import uses


@RULES.register("momentum")
@dataclass(frozen=True)
class Momentum(Rule):
    """V <- gamma V + (1 - gamma) G, and pulses = -learning rate · V · pulses per unit of weight, with V normalised.

    Under asymmetric devices every pair of opposite pulses pulls a weight towards a fixed point; averaging
    cancels the alternating part of the gradient before any pulse is fired.

    A factor before G other than 1 - gamma would change nothing where V is normalised, so there is none.

    Parameters
    ----------
    gamma : float
        Share of the old average that stays.
    rounding : {"stochastic", "nearest"}
        How pulses become whole: keeping their mean, or none below half a pulse.
    normalise : {"rms", "max", "running_max"}
        What full scale is set by: `max` as published, the largest V of all updates so far, or four times the root
        mean square.
    scale : {"own", "previous"}
        Update that sets full scale. Its own is known when all of V is there, so that V is read once more to become
        pulses; that of the update before was found while V passed, and serves from the next one on (our choice).
    normalised : {"average", "gradient"}
        What is divided by it: V before it becomes pulses, as published, or each G before it is averaged.
    reset : {"never", "epoch"}
        When V, and the largest V so far, start again from zero.
    bits : int
        Word of V in memory, with sign; full scale is twice the power of two nearest to its largest magnitude. Where no
        gradient comes any more, rounding to the nearest word keeps V at up to 0.5 / (1 - gamma) last places.
    storage : {"dram", "sram"}
        Memory that holds V.
    """

    gamma: Annotated[float, Field(ge=0, lt=1)] = 0.9
    rounding: Literal["stochastic", "nearest"] = "stochastic"
    normalise: Literal["rms", "max", "running_max"] = "rms"
    scale: Literal["own", "previous"] = "own"
    normalised: Literal["average", "gradient"] = "average"
    reset: Literal["never", "epoch"] = "never"
    bits: Annotated[int, Field(ge=4, le=24)] = 12
    storage: Storage = "dram"

    @property
    def scales_gradient(self) -> bool:
        """See `Rule.scales_gradient`; the scale of the average is found once that lies in its memory."""
        return self.normalised == "gradient" and self.scale == "own"

    def init(self, shape: tuple[int, int]) -> State:
        """An average of zero."""
        return {"average": np.zeros(shape, dtype=np.float32), "largest": np.zeros(1), "previous": np.full(1, np.nan)}

    def start_epoch(self, state: State) -> State:
        """See `Rule.start_epoch`."""
        return self.init(state["average"].shape) if self.reset == "epoch" else state

    def step(self, tile: Any, state: State, x: np.ndarray, delta: Any, learning_rate: float) -> State:
        """One update; see `Rule.step`."""
        uses("huang2022momentum")
        gradient, scales = tile.weight_gradient(x, delta), {name: state[name] for name in ("largest", "previous")}
        if self.normalised == "gradient":
            gradient, scales = self._scaled(gradient, scales)
        average = self.averaged(state["average"], gradient)
        pulses = average
        if self.normalised == "average":
            pulses, scales = self._scaled(average, scales)
        tile.pulse(pulses * np.float32(-learning_rate * tile.pulses_per_weight), self.rounding)
        return {"average": average, **scales}

    def averaged(self, average: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """The new average in its word."""
        average = average * np.float32(self.gamma)
        average += np.float32(1 - self.gamma) * gradient
        return stored(average, self.bits)

    def _scaled(self, values: np.ndarray, scales: State) -> tuple[np.ndarray, State]:
        """Normalised values, the largest magnitude so far, and the shift that serves from the next update on.

        Before there was any update, or where the one before was all zeros, the scale is the update's own.
        """
        largest, previous = scales["largest"], scales["previous"]
        if self.normalise == "running_max":
            largest = np.maximum(largest, np.abs(values).max(initial=0))
            own = exponent(largest, "max")
        else:
            own = exponent(values, self.normalise)
        known = self.scale == "previous" and np.isfinite(previous[0])
        found = np.full(1, np.nan if own is None else own)
        return shifted(values, int(previous[0]) if known else own), {"largest": largest, "previous": found}

    @property
    def _read_again(self) -> bool:
        """Whether the average waits in its memory for its own scale."""
        return self.normalised == "average" and self.scale == "own"

    @property
    def _memory(self) -> DigitalMatrix:
        return DigitalMatrix("momentum_memory", self.bits, self.storage)

    def parts(self, network: Network, chip: Chip) -> dict[str, Part]:
        """The averaging units, as many as the bus feeds, and their memory unless that is the DRAM."""
        lanes = np.maximum(1, chip.bus_bits // self.bits)
        unit = Part(MomentumUnit(self.bits, self.gamma), lanes, "chip")
        return {"momentum": unit, **self._memory.parts(network, chip)}

    def actions(self, layer: Weighted, chip: Chip, batch: int) -> list[Action]:
        """Each weight's average is read, updated and written once a batch, and read again if its own scale is used."""
        share = layer.weights / batch
        lanes = np.maximum(1, chip.bus_bits // self.bits)
        average = Action(layer.name, "weight_update", "momentum", "update", share, share / lanes, pipelined=True)
        return [average, *self._memory.actions(layer, chip, batch, reads=2 if self._read_again else 1)]
