"""Small tiles that learn in their arrays, shared by several tests."""

import numpy as np

from cimest.kernels import in_memory_types as types
from cimest.learning import in_memory_cells as cells
from cimest.learning.in_memory import InMemoryUpdate
from cimest.rules import RULES
from cimest.rules.in_array import InMemorySgd
from cimest.rules.in_memory import InMemory
from hwlib.devices import load_device

NAMES = [name for name in RULES.names() if issubclass(RULES.get(name), InMemory)]

LAWS = {
    "soft_bounds": {"law": "soft_bounds", "low": -1, "high": 1, "device_to_device": 0.1},
    "linear": {"law": "linear", "device_to_device": 0.1},
    "linear_step": {"law": "linear_step", "slope_up": 0.6, "slope_down": 0.5},
    "label": {"law": "nonlinearity_label", "up": 1.5, "down": -1.2, "device_to_device": 0.1},
    "power": {"law": "power_step", "exponent_up": 0.7, "exponent_down": 0.5},
    "exponential": {
        "law": "exponential_step", "amplitude_up": 0.2, "amplitude_down": 0.2, "rate_up": 1.5, "rate_down": 1.5,
    },
    "table": {"law": "piecewise_step", "nodes_up": (1.2, 1, 0.3), "nodes_down": (0.4, 1, 1.1)},
}  # fmt: skip


def device(law="soft_bounds", states=20, noise=0.3, **spread):
    """A device of a law; `noise` is that of a pulse over the step, as is usual for published devices."""
    changes = {"states": states, "cycle_to_cycle": {"sigma": noise / states, "per": "pulse"}, "spread": spread}
    return load_device("ideal", {**changes, "update": LAWS[law] if isinstance(law, str) else law})


def challenging(states=20, imbalance=0.3, ends=0.3):
    """Soft bounds with the spreads that Rasch et al. call challenging (rasch2024fast)."""
    law = {**LAWS["soft_bounds"], "device_to_device": 0.3, "log_normal": True}
    return device(law, states, up_down=imbalance, lower_bound=ends, upper_bound=ends)


def rule(name, **options):
    """A rule of the family, or plain descent in the arrays."""
    return InMemorySgd() if name == "sgd" else RULES.get(name)(**options)


class Layer:
    """One tile under a rule, with its state, outside any network."""

    def __init__(self, chosen, device, shape=(6, 5), seed=0, start=0.0):
        self.rule, self.device, self.shape = chosen, device, shape
        self.update = InMemoryUpdate(chosen, device, cells.draw(device, seed, 3, 0, shape), shape, seed, 3)
        self.visible = np.full(shape, start, dtype=np.float32)
        self.state = self.update.start(chosen.init(shape), self.visible)

    def learn(self, kernels, x, d, rate, periphery=types.IDEAL, gain=None):
        """Vectors one after another, by the reference or the compiled kernels."""
        tile, arrays = self.update.tile(self.state, self.visible)
        gain = self.rule.gain(self.shape, self.device, rate) if gain is None else gain
        room = (self.update.room,) if kernels.__name__.endswith("in_memory") else ()
        kernels.update(tile, self.update.plan, x, d, gain, self.rule.speed(rate), periphery, *room)
        self.state = self.update.finish(self.state, arrays)
        return tile
