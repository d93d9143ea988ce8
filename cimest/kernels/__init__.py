"""The hot loops of the simulator: a plain numpy specification and a compiled version held to it."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Literal


def backend(name: Literal["compiled", "reference"] = "compiled") -> ModuleType:
    """The module with the kernels `bit_serial_mvm`, `weight_gradient` and `pulsed_update`.

    Parameters
    ----------
    name : {"compiled", "reference"}
        `compiled` loads numba; `reference` is the specification: obvious and slow.
    """
    return importlib.import_module(f"cimest.kernels.{name}")
