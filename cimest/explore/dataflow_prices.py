"""The price of a design in the dataflow's search: its objective within the limits, each design priced once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cimest.activity import Activity
from cimest.compare import allowed
from cimest.dataflow import conflicts
from cimest.estimate import energies
from cimest.explore.dataflow_space import value_at, with_sizes, without_idle
from cimest.pricing import Priced, price_experiment
from hwlib.component import Real

OBJECTIVES: dict[str, Callable[[Priced], Real]] = {
    "energy": lambda priced: energies(priced.estimate)["system"],
    "latency": lambda priced: priced.estimate.time(),
    "energy_delay": lambda priced: energies(priced.estimate)["system"] * priced.estimate.time(),
}
"""Per training sample, at the system boundary."""


@dataclass
class Prices:
    """The objective of designs, and how many have been priced.

    Parameters
    ----------
    activity : Activity or None
    value_of : callable
        From a priced design to the objective.
    area_limit : float
        [m²]
    buffer_limit : float
        Of all buffers together. [bit]
    """

    activity: Activity | None
    value_of: Callable[[Priced], Real]
    area_limit: float = np.inf
    buffer_limit: float = np.inf
    points: int = 0
    feasible: int = 0
    smallest: float = np.inf
    known: dict[str, np.ndarray] = field(default_factory=dict)

    def __call__(self, data: dict[str, Any], swept: dict[str, np.ndarray]) -> np.ndarray:
        """Objective of one set of choices over arrays of sizes that broadcast; infinite where it is not allowed.

        Parameters
        ----------
        data : dict
            The experiment, every choice spelled out.
        swept : dict
            Key path to an array of its values, always the same for the same paths.
        """
        data = without_idle(data)
        asked = json.dumps([data, list(swept)])
        if asked not in self.known:
            self.known[asked] = self._priced(data, swept)
        return self.known[asked]

    def _priced(self, data: dict[str, Any], swept: dict[str, np.ndarray]) -> np.ndarray:
        shape = np.broadcast_shapes(*(values.shape for values in swept.values()))
        point = allowed(data)
        if point is None:
            return np.full(shape, np.inf)
        point = with_sizes(point, swept)
        if next(conflicts(point), None):
            return np.full(shape, np.inf)
        priced = price_experiment(point, self.activity)
        area = np.broadcast_to(sum(priced.estimate.area.values()), shape)
        names = ("global_buffer.size", "weight_gradient.buffer", "weight_gradient.operand_buffer")
        buffers = np.broadcast_to(sum(value_at(point, f"chip.{name}") for name in names), shape)
        value = np.broadcast_to(self.value_of(priced), shape)
        within = (area <= self.area_limit) & (buffers <= self.buffer_limit)
        self.points, self.feasible = self.points + area.size, self.feasible + int(within.sum())
        self.smallest = min(self.smallest, float(area.min()))
        return np.where(within, value, np.inf)
