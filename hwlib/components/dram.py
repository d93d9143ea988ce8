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
    """Energy per bit [J], with its spread where it has one, bandwidth [bit/s] and sources of each kind."""
    with resources.files("hwlib.components").joinpath("data", "dram.yaml").open() as file:
        return yaml.safe_load(file)["kinds"]


@component("dram")
@dataclass(frozen=True)
class Dram(Component):
    """A DRAM beside the chip, priced by its energy per bit and its bandwidth, the same for reading and writing.

    Area is zero as it takes none of the chip. Leakage is zero because the data hold no background or refresh power.

    Parameters
    ----------
    kind : str
        `ddr4`, `gddr5`, `hbm2`, `lpddr4` or `lpddr5`.
    devices : int or array
        Stacks, packages or modules side by side, which share the traffic.

    Raises
    ------
    UnknownName
        For another kind.
    """

    kind: str = "hbm2"
    devices: Real = 1

    def __post_init__(self) -> None:
        if self.kind not in kinds():
            raise UnknownName("DRAM", self.kind, kinds())

    def area(self, tech: Technology) -> Real:
        """None of the chip. [m²]"""
        return 0.0

    def leakage(self, tech: Technology) -> Real:
        """Not in the data. [W]"""
        return 0.0

    @property
    def bandwidth(self) -> Real:
        """Of all devices together. [bit/s]"""
        return self.devices * kinds()[self.kind]["bandwidth"]

    @action
    def read(self, tech: Technology, *, bits: Real = 1) -> Cost:
        """A number of bits is read, as part of a long run; the energy is that of the technology's corner."""
        data = kinds()[self.kind]
        uses(*data["sources"])
        return Cost(tech.at_corner(data["energy_per_bit"]) * np.asarray(bits), np.asarray(bits) / self.bandwidth)

    @action
    def write(self, tech: Technology, *, bits: Real = 1) -> Cost:
        """A number of bits is written, as part of a long run."""
        return self.read(tech, bits=bits)
