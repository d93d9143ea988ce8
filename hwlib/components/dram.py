"""Off-chip memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import yaml

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.provenance import uses
from hwlib.registry import UnknownName
from hwlib.technology import Technology


@cache
def kinds() -> dict[str, dict[str, Any]]:
    """Energy per bit [J] and bandwidth [bit/s] of each kind."""
    return yaml.safe_load(resources.files("hwlib.components").joinpath("data", "dram.yaml").read_text())


@component("dram")
@dataclass(frozen=True)
class Dram(Component):
    """A DRAM beside the chip, priced by its energy per bit and its bandwidth, the same for reading and writing.

    Area is zero as it takes none of the chip. Leakage is zero because the data hold no background or refresh power.

    Parameters
    ----------
    kind : str
        `hbm2` or `gddr5`.

    Raises
    ------
    UnknownName
        For another kind.
    """

    kind: str = "hbm2"

    def __post_init__(self) -> None:
        if self.kind not in kinds():
            raise UnknownName("DRAM", self.kind, kinds())

    def area(self, tech: Technology) -> Real:
        """None of the chip. [m²]"""
        return 0.0

    def leakage(self, tech: Technology) -> Real:
        """Not in the data. [W]"""
        return 0.0

    @action
    def read(self, tech: Technology, *, bits: Real = 1) -> Cost:
        """A number of bits is read, as part of a long run."""
        data = kinds()[self.kind]
        uses(data["source"])
        return Cost(data["energy_per_bit"] * np.asarray(bits), np.asarray(bits) / data["bandwidth"])

    @action
    def write(self, tech: Technology, *, bits: Real = 1) -> Cost:
        """A number of bits is written, as part of a long run."""
        return self.read(tech, bits=bits)
