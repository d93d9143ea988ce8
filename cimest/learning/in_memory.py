"""A rule that updates in the arrays, on one layer: its state and its cells as the kernels take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cimest.kernels import in_memory_types as types
from cimest.learning import in_memory_cells as cells
from cimest.rules.in_memory import InMemory
from cimest.rules.plan import Plan
from cimest.rules.rule import Rule, State
from cimest.rules.sgd import Sgd
from hwlib.devices import Device
from hwlib.devices.cell_law import CellLaw

SGD_SLOTS = 31
"""Longest train of plain descent in the arrays (rasch2021toolkit)."""


@dataclass(frozen=True)
class InMemorySgd(InMemory):
    """Plain descent whose outer products are pulsed in the weights themselves: `sgd` without a gradient unit."""

    slots: int = SGD_SLOTS

    @property
    def levels(self) -> int:
        """See `InMemory.levels`."""
        return 1

    @property
    def shares(self) -> tuple[float, ...]:
        """See `InMemory.shares`."""
        return (1.0,)

    def gain(self, shape: tuple[int, int], device: Device, learning_rate: float) -> float:
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
        If the rule needs the gradient as numbers, or trains are longer than a word of 31 bits.
    """
    if isinstance(rule, InMemory):
        return rule
    if not isinstance(rule, Sgd):
        raise ValueError(f"rule {type(rule).__name__} needs the gradient as numbers and cannot update in the arrays")
    if train_length > SGD_SLOTS:
        raise ValueError(f"chip.weight_gradient.train_length: {train_length} can be priced; training takes {SGD_SLOTS}")
    return InMemorySgd(slots=train_length)


class InMemoryUpdate:
    """What one layer's rule keeps, and the cells that it acts on.

    Parameters
    ----------
    rule : InMemory
    device : Device
    weights : CellLaw
        Of the cells that hold the weights; what else the rule has differs as the device's record says.
    shape : tuple of int
        Fan-in and fan-out.
    seed, number : int
        Of the run and the tile.
    balanced : bool
        Whether weights too are counted from their cells' balance points, instead of from the middle of the range.
    """

    def __init__(
        self, rule: InMemory, device: Device, weights: CellLaw, shape: tuple[int, int], seed: int, number: int,
        balanced: bool = False,
    ):  # fmt: skip
        self.rule, self.device, self.shape, self.seed, self.number = rule, device, shape, seed, number
        self.plan: Plan = rule.plan(shape, device)
        self.noise, self.per_pulse = cells.pulse_noise(device)
        self.room = types.work(*shape)
        slow = cells.one_pulse(weights, shape)
        middle = cells.symmetry_points(slow) if balanced else np.zeros(shape, dtype=np.float32)
        drawn = [cells.shifted(slow, middle)]
        self.references = [middle]
        for level in range(1, rule.levels):
            fast = cells.one_pulse(cells.draw(device, seed, number, level, shape), shape)
            self.references.append(self._reference(fast, level))
            drawn.append(cells.shifted(fast, self.references[-1]))
        pairs = [cells.packed(each) for each in drawn]
        self.codes = np.array([codes for codes, _ in pairs])
        self.scales = np.array([scales for _, scales in pairs])
        self.nodes = slow.nodes

    def _reference(self, fast: cells.Cells, level: int) -> np.ndarray:
        """Where the readings of a fast array are counted from."""
        rule, number = self.rule, self.number
        found = cells.symmetry_points(fast)
        if rule.reference == "alternating":
            found = cells.alternated(fast, rule.reference_pulses // 2, self.noise, self.seed, number, level)
        if rule.reference_error:
            error = cells.normal(self.seed, number, level, cells.REFERENCE, self.shape)
            found = found + np.float32(rule.reference_error) * error.astype(np.float32)
        return found.astype(np.float32)

    @property
    def reference_pulses(self) -> int:
        """Pulses of all cells that it took to find the references."""
        rule = self.rule
        searched = rule.levels - 1 if rule.reference == "alternating" else 0
        return searched * 2 * (rule.reference_pulses // 2) * self.shape[0] * self.shape[1]

    def start(self, state: State, weights: np.ndarray) -> State:
        """A fresh state with the weights in it."""
        return state | {"slow": weights.copy(), "counts": np.zeros(types.COUNTS, dtype=np.int64)}

    def tile(self, state: State, visible: np.ndarray) -> tuple[types.Tile, np.ndarray]:
        """The layer as kernels take it, and its arrays, which `finish` takes apart again."""
        arrays = np.concatenate([state["slow"][None], state["fast"]])
        tile = types.Tile(
            arrays, np.array(self.rule.shares, dtype=np.float32), visible, self.codes, self.scales, self.nodes,
            float(self.noise), bool(self.per_pulse), **{name: state[name] for name in KEPT},
            seed=self.seed, key=types.first_key(self.number),
        )  # fmt: skip
        return tile, arrays

    def finish(self, state: State, arrays: np.ndarray) -> State:
        """The state after an update."""
        return state | {"slow": arrays[0], "fast": arrays[1:]}

    def effective(self, learning_rate: float) -> dict[str, Any]:
        """The numbers that the rule works with here, for a report."""
        rule, device, plan = self.rule, self.device, self.plan
        speed = rule.speed(learning_rate)
        strength = rule.gain(self.shape, device, learning_rate) / plan.slots
        found = {"strength": strength, "slots": plan.slots, "step": 2 / device.states}
        if rule.levels > 1:
            sweep = self.shape[0] * plan.every / plan.reads
            found |= {"transfer_rate": speed * plan.rate, "sweep_vectors": sweep}
        if plan.period:
            found["chopper_vectors"] = sweep * plan.period
        return found


KEPT = ("hidden", "mean", "past", "chopper", "phases", "position", "maxima", "written", "counts")
"""Entries of a rule's state that kernels take as they are, and change in place."""
