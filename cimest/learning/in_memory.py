"""A rule that updates in the arrays, on one layer: its state and its cells as the kernels take them."""

from __future__ import annotations

import numpy as np

from cimest.kernels import in_memory_types as types
from cimest.learning import in_memory_cells as cells
from cimest.rules import in_array as rules
from cimest.rules.fast_array import FastArray
from cimest.rules.in_array import SGD_SLOTS
from cimest.rules.in_memory import InMemory
from cimest.rules.plan import Plan
from cimest.rules.rule import Rule, State
from hwlib.devices import Device
from hwlib.devices.cell_law import CellLaw


def in_array(rule: Rule, train_length: int = SGD_SLOTS) -> InMemory:
    """The rule as one that updates in the arrays, and that can be trained; see `cimest.rules.in_array`.

    Raises
    ------
    ValueError
        If the rule needs the gradient as numbers, or trains are longer than a word of 31 bits.
    """
    found = rules.in_array(rule, train_length)
    if isinstance(found, rules.InMemorySgd) and found.slots > SGD_SLOTS:
        raise ValueError(f"chip.weight_gradient.train_length: {train_length} can be priced; training takes {SGD_SLOTS}")
    return found


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
    """

    def __init__(
        self, rule: InMemory, device: Device, weights: CellLaw, shape: tuple[int, int], seed: int, number: int
    ):
        self.rule, self.device, self.shape, self.seed, self.number = rule, device, shape, seed, number
        self.plan: Plan = rule.plan(shape, device)
        self.noise, self.per_pulse = cells.pulse_noise(device)
        self.endurance = types.NEVER if device.endurance is None else int(device.endurance)
        self.room = types.work(*shape)
        slow = cells.one_pulse(weights, shape)
        middle = np.zeros(shape, dtype=np.float32)  # weights are counted from the middle of the range
        drawn = [cells.shifted(slow, middle)]
        self.references = [middle]
        self.first = np.zeros((rule.levels - 1, *shape), dtype=np.float32)
        for level in range(1, rule.levels):
            assert isinstance(rule, FastArray), "others have one array"
            fast = cells.one_pulse(cells.draw(device, seed, number, level, shape), shape)
            stuck = cells.stuck(device, seed, number, level, shape)
            self.references.append(self._reference(rule, fast, stuck, level))
            self.first[level - 1] = np.where(np.isnan(stuck), 0, stuck - self.references[-1])
            drawn.append(cells.shifted(fast, self.references[-1]))
        pairs = [cells.packed(each) for each in drawn]
        self.codes = np.array([codes for codes, _ in pairs])
        self.scales = np.array([scales for _, scales in pairs])
        self.nodes = slow.nodes

    def _reference(self, rule: FastArray, fast: cells.Cells, stuck: np.ndarray, level: int) -> np.ndarray:
        """Where the readings of a fast array are counted from; pulses find a stuck cell where it is."""
        number = self.number
        found = cells.symmetry_points(fast)
        if rule.reference == "alternating":
            found = cells.alternated(fast, rule.reference_pulses // 2, self.noise, self.seed, number, level)
            found = np.where(np.isnan(stuck), found, stuck)
        if rule.reference_error:
            error = cells.normal(self.seed, number, *cells.spread(cells.REFERENCE, level), self.shape)
            found = found + np.float32(rule.reference_error) * error.astype(np.float32)
        return found.astype(np.float32)

    def start(self, state: State, weights: np.ndarray) -> State:
        """A fresh state with the weights in it, which change by what stuck cells of the fast arrays add to them."""
        slow = weights.copy()
        weights += np.tensordot(np.array(self.rule.shares[1:], dtype=np.float32), self.first, 1)
        return state | {"slow": slow, "fast": self.first.copy(), "counts": np.zeros(types.COUNTS, dtype=np.int64)}

    def tile(self, state: State, visible: np.ndarray) -> tuple[types.Tile, np.ndarray]:
        """The layer as kernels take it, and its arrays, which `finish` takes apart again."""
        arrays = np.concatenate([state["slow"][None], state["fast"]])
        tile = types.Tile(
            arrays, np.array(self.rule.shares, dtype=np.float32), visible, self.codes, self.scales, self.nodes,
            float(self.noise), bool(self.per_pulse), self.endurance, **{name: state[name] for name in KEPT},
            seed=self.seed, key=types.first_key(self.number),
        )  # fmt: skip
        return tile, arrays

    def finish(self, state: State, arrays: np.ndarray) -> State:
        """The state after an update."""
        return state | {"slow": arrays[0], "fast": arrays[1:]}


KEPT = ("hidden", "mean", "past", "chopper", "phases", "position", "maxima", "written", "counts")
"""Entries of a rule's state that kernels take as they are, and change in place."""
