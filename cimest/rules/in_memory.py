"""Rules that update in the arrays: pulse trains of inputs and errors meet in the cells, and no gradient is formed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from cimest.config.chip import Chip
from cimest.mapping.floorplan import place
from cimest.mapping.part import Part
from cimest.mapping.parts import weight_array
from cimest.network import Network
from cimest.rules.plan import Plan
from cimest.rules.rule import Rule, State
from hwlib.component import Real
from hwlib.components.buffers import SramBuffer
from hwlib.components.momentum import MomentumMultiplierUnit
from hwlib.components.tiki_taka import TransferUnit
from hwlib.devices import Device
from hwlib.provenance import uses

Slots = Annotated[int, Field(ge=1, le=31)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Bits = Annotated[int, Field(ge=4, le=24)]

STRENGTH_PER_STATE = 0.005
"""Automatic strength over the states of a device: the fast array forgets after as many pulses as it has states, so
that finer devices need more of them to forget in the same time, which should be that of a read sweep (our choice)."""

WORD = 8
"""Bits of a reading times its rate where no digital matrix keeps it (our choice)."""

BUFFER_BITS = 12
"""Default word of a digital matrix (our choice). Measured on 5 000 MNIST digits with 20 and 200 states: mixed
precision, whose word also holds whole pulses, loses up to all of its accuracy at 8 and 10 bits and nothing at 12. The
others lose nothing at 8, the width of rasch2024fast; but layers of few inputs have small rates: on the toy problem of
20 by 20 weights the error of Tiki-Taka v2 at a learning rate of 0.01 is 0.083 at 8 bits, 0.059 at 12, 0.060 at 24."""

STRENGTHS = 0.03, 1.0
"""Least and largest automatic strength."""

DIGITAL_PULSES = 31
"""Most pulses of a cell in one write of a digital gradient (our choice)."""


@dataclass(frozen=True)
class InMemory(Rule):
    """Base of the rules whose gradient goes to a fast array of its own, and from there, row by row, to the weights.

    Every vector pulses the fast array, which is counted from its cells' balance points; pulses of both signs pull each
    cell back there, so that it holds a mean of the latest gradients. Rows of it are read in turn, and become pulses on
    the weights at the learning rate times `pace`: the share of half the range by which a weight would move in a vector
    if its fast cell read one.

    Parameters
    ----------
    slots : int
        Longest pulse train.
    strength : float or "auto"
        Expected pulses, over `slots`, of the cell with the largest input and error; auto: in proportion to
        the states of the device.
    pace : float
        Over the learning rate.
    reads : int
        Rows read at a time.
    every : int
        Vectors between reads.
    reference : {"exact", "alternating"}
        How balance points are known: exactly, or from where `reference_pulses` alternating pulses leave each cell.
    reference_pulses : int
        Of each cell, half of them in each direction.
    reference_error : float
        Standard deviation of an error of the reference, over half the range.
    """

    slots: Slots = 5
    strength: Annotated[float, Field(gt=0, le=10)] | Literal["auto"] = "auto"
    pace: Annotated[float, Field(gt=0, le=1)] = 0.01
    reads: Count = 2
    every: Count = 1
    reference: Literal["exact", "alternating"] = "exact"
    reference_pulses: Annotated[int, Field(ge=2, le=100_000)] = 400
    reference_error: Annotated[float, Field(ge=0, le=1)] = 0.0

    buffered: ClassVar[bool] = False
    """Whether a digital buffer stands between fast array and weights."""
    tracked: ClassVar[bool] = False
    """Whether the reference is a running mean of the readings."""

    @property
    def levels(self) -> int:
        """Arrays of a layer."""
        return 2

    @property
    def shares(self) -> tuple[float, ...]:
        """Weight of each array in the visible one, the slowest first."""
        return 1.0, 0.0

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
    def slower_levels(self) -> int:
        """How much rarer each slower array is read than the one before it."""
        return 1

    def effective_strength(self, device: Device) -> Real:
        """`strength`, or what `auto` makes of it."""
        if self.strength != "auto":
            return self.strength
        return np.clip(STRENGTH_PER_STATE * device.states, *STRENGTHS)

    def plan(self, shape: tuple[int, int], device: Device) -> Plan:
        """The rule's numbers for a tile of `shape` (fan-in, fan-out)."""
        return Plan(
            slots=self.slots, running=True, every=self.every, reads=self.reads,
            rate=shape[0] * self.every / self.reads * device.states / 2, buffered=self.buffered, leak=0.0, keep=0.1,
            period=0, flip=0.0, tail=0.0, batch=0, slower=self.slower_levels, bits=self.word, pulses=1,
        )  # fmt: skip

    def gain(self, shape: tuple[int, int], device: Device, learning_rate: Real) -> Real:
        """Expected pulses of the cell whose input and error are the largest, when these are at their running means."""
        return self.effective_strength(device) * self.slots

    def cycles(self, signed: bool) -> int:
        """Trains in which a vector's pulses are fired, one after the other.

        Pulses that meet change all cells in one direction. If only errors have a sign, columns of one sign fire with
        all rows, then those of the other; if inputs, or the choppers at the rows, have one too, there are four pairs.
        """
        return 4 if signed or self.chopped else 2

    def speed(self, learning_rate: Real) -> Real:
        """What the plan's rate is multiplied by; one number, or one for each sample."""
        return learning_rate * self.pace

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

    @property
    def reference_pulses_of_a_cell(self) -> int:
        """Pulses of each fast cell that it takes to find the references."""
        return 2 * (self.reference_pulses // 2) if self.reference == "alternating" else 0

    def parts(self, network: Network, chip: Chip) -> dict[str, Part]:
        """Fast arrays and those that hold their references, and the digital matrices with what works on them.

        The fast arrays share the drivers and converters of the weights'; lanes follow the bus (our choice).
        """
        parts: dict[str, Part] = {}
        if not self.matrices and self.levels == 1:
            return parts
        uses("rasch2024fast", "own_choice")
        arrays, array = place(network, chip).arrays, weight_array(chip)
        if self.levels > 1:
            parts["fast_array"] = Part(array, arrays * (self.levels - 1), "macro")
            if not self.tracked:
                parts["reference_array"] = Part(array, arrays * (self.levels - 1), "macro")
        if self.matrices:
            memory = SramBuffer(size=network.weights * self.word * self.matrices, word=chip.bus_bits)
            parts["rule_memory"] = Part(memory, 1, "chip")
        lanes = np.maximum(1, chip.bus_bits // self.word)
        if self.levels > 1:
            parts["transfer_unit"] = Part(TransferUnit(self.word, chip.adc.bits), lanes, "chip")
        if self.tracked:
            parts["reference_unit"] = Part(MomentumMultiplierUnit(self.word), lanes, "chip")
        return parts

    def step(self, tile: Any, state: State, x: np.ndarray, delta: Any, learning_rate: float) -> State:
        """Vectors of the batch one after another; see `Rule.step`."""
        return tile.update_in_array(self, state, x, delta, learning_rate)
