"""The hot loops of the simulator: a plain numpy specification and a compiled version held to it."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Literal


def backend(name: Literal["compiled", "reference"] = "compiled") -> ModuleType:
    """The module with the kernels; see `compiled` for their names, and `reference` for what they do.

    Parameters
    ----------
    name : {"compiled", "reference"}
        `compiled` loads numba; `reference` is the specification: obvious and slow.
    """
    return importlib.import_module(f"cimest.kernels.{name}")
