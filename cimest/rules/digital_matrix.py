"""A digital matrix with a word for each weight: its memory, and what reading and writing it in each batch costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cimest.actions import Action
from cimest.config.chip import Chip
from cimest.mapping.part import Part
from cimest.network import Network, Weighted
from hwlib.component import Real
from hwlib.components.buffers import SramBuffer

Storage = Literal["dram", "sram"]


@dataclass(frozen=True)
class DigitalMatrix:
    """Words that a rule keeps for each weight.

    Parameters
    ----------
    name : str
        Of the memory in a result, where it is one of its own.
    bits : int
        Of a word.
    storage : {"dram", "sram"}
        The chip's DRAM, or an SRAM beside the update units.
    """

    name: str
    bits: Real
    storage: Storage

    def parts(self, network: Network, chip: Chip) -> dict[str, Part]:
        """The memory, unless it is the DRAM that the chip has anyway."""
        if self.storage == "dram":
            return {}
        return {self.name: Part(SramBuffer(size=network.weights * self.bits, word=chip.bus_bits), 1, "chip")}

    def actions(self, layer: Weighted, chip: Chip, batch: int, reads: int = 1) -> list[Action]:
        """Each word is read so many times and written once a batch: a sample's share."""
        on_chip = self.storage == "sram"
        part, word = (self.name, chip.bus_bits) if on_chip else ("dram", 1)
        words = layer.weights / batch * self.bits / word
        return [
            Action(layer.name, "weight_update", part, verb, words * n, words * n, pipelined=on_chip, transfer=True)
            for verb, n in (("read", reads), ("write", 1))
        ]
