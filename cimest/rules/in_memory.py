"""Rules that update in the arrays: pulse trains of inputs and errors meet in the cells, and no gradient is formed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from cimest.config.chip import Chip
from cimest.mapping.floorplan import place
from cimest.mapping.part import Part, technology
from cimest.mapping.parts import in_array_parts
from cimest.network import Network
from cimest.rules.plan import Plan
from cimest.rules.rule import Rule, State
from hwlib.component import Real
from hwlib.components.buffers import SramBuffer
from hwlib.devices import Device
from hwlib.provenance import uses

Slots = Annotated[int, Field(ge=1, le=31)]
Bits = Annotated[int, Field(ge=4, le=24)]

WORD = 8
"""Bits of a reading times its rate where no digital matrix keeps it (our choice)."""

BUFFER_BITS = 12
"""Default word of a digital matrix (our choice). Tiki-Taka v2 and AGAD lose nothing on MNIST at 8, the width of
rasch2024fast; but layers of few inputs have small rates: on the toy problem of 20 by 20 weights the error of Tiki-Taka
v2 at a learning rate of 0.01 is 0.083 at 8 bits, 0.059 at 12, 0.060 at 24."""


@dataclass(frozen=True)
class InMemory(Rule, ABC):
    """Base of the rules whose gradient is never formed outside the arrays, or only to be pulsed there at once.

    What a rule of one array and no digital matrix is; those that have more say so.
    """

    buffered: ClassVar[bool] = False
    """Whether a digital buffer stands between fast array and weights."""
    tracked: ClassVar[bool] = False
    """Whether the reference is a running mean of the readings."""
    trains: ClassVar[bool] = True
    """Whether outer products are pulse trains that meet in the cells."""

    @property
    def levels(self) -> int:
        """Arrays of a layer."""
        return 1

    @property
    def shares(self) -> tuple[float, ...]:
        """Weight of each array in the visible one, the slowest first."""
        return (1.0,)

    @property
    def chopped(self) -> bool:
        """Whether the signs of inputs are flipped now and then."""
        return False

    @property
    def word(self) -> int:
        """Bits of a digital word."""
        return WORD

    @property
    def matrices(self) -> int:
        """Digital matrices of a word for each weight: the buffer, the running mean and the reference."""
        return (1 if self.buffered else 0) + (2 if self.tracked else 0)

    @property
    def phase(self) -> float:
        """Reads of a row between two flips of its chopper; 0 without."""
        return 0.0

    @property
    def gathered(self) -> int:
        """Vectors whose inputs and errors wait until the weights are written; one where each is pulsed at once."""
        return 1

    @property
    def reads_beside(self) -> int:
        """Fast arrays and references of them whose currents add to the weights' in every product."""
        return 2 * (self.levels - 1) if any(self.shares[1:]) else 0

    @abstractmethod
    def plan(self, shape: tuple[int, int], device: Device) -> Plan:
        """The rule's numbers for a tile of `shape` (fan-in, fan-out)."""

    @abstractmethod
    def gain(self, shape: tuple[int, int], device: Device, learning_rate: Real) -> Real:
        """Expected pulses of the cell whose input and error are the largest, when these are at their running means."""

    def cycles(self, signed: bool) -> int:
        """Trains in which a vector's pulses are fired, one after the other.

        Pulses that meet change all cells in one direction. If only errors have a sign, columns of one sign fire with
        all rows, then those of the other; if inputs, or the choppers at the rows, have one too, there are four pairs.
        """
        return 4 if signed or self.chopped else 2

    def speed(self, learning_rate: Real) -> Real:
        """What the plan's rate is multiplied by; one number, or one for each sample."""
        return learning_rate

    def init(self, shape: tuple[int, int]) -> State:
        """Fast arrays at their references, empty buffer, choppers at plus one."""

        def matrix(kept: bool) -> np.ndarray:
            return np.zeros(shape if kept else (0, 0), dtype=np.float32)

        return {
            "fast": np.zeros((self.levels - 1, *shape), dtype=np.float32),
            "slow": matrix(True),
            "hidden": matrix(self.matrices > 0),
            "mean": matrix(self.tracked),
            "past": matrix(self.tracked),
            "chopper": np.ones(shape[0] if self.chopped else 0, dtype=np.int8),
            "phases": np.zeros(shape[0] if self.chopped else 0, dtype=np.int64),
            "position": np.zeros((self.levels, 2), dtype=np.int64),
            "maxima": np.zeros(2),
            "written": np.zeros((self.levels, *shape), dtype=np.int32),
            "counts": np.zeros(0, dtype=np.int64),
        }

    def parts(self, network: Network, chip: Chip) -> dict[str, Part]:
        """What pulses trains at the arrays, and the digital matrices."""
        parts: dict[str, Part] = {}
        if self.trains:
            parts |= in_array_parts(chip, place(network, chip), technology(chip))
        if self.matrices:
            uses("rasch2024fast", "own_choice")
            memory = SramBuffer(size=network.weights * self.word * self.matrices, word=chip.bus_bits)
            parts["rule_memory"] = Part(memory, 1, "chip")
        return parts

    def step(self, tile: Any, state: State, x: np.ndarray, delta: Any, learning_rate: float) -> State:
        """Vectors of the batch one after another; see `Rule.step`."""
        return tile.update_in_array(self, state, x, delta, learning_rate)
