"""The two printed reports of DNN+NeuroSim V2.1, and the chip and the work that they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import yaml

from cimest.mapping import column_edges, row_edges
from cimest.network import NETWORKS, Weighted
from hwlib.components.adc import FlashAdc
from hwlib.components.adder_tree import AdderTree
from hwlib.components.cells import ResistiveArray
from hwlib.components.decoders import RowDecoder
from hwlib.components.drivers import SwitchMatrix
from hwlib.components.mux import ColumnMux
from hwlib.components.shift_add import ShiftAdd
from hwlib.devices import Device, load_device
from hwlib.provenance import uses
from hwlib.technology import Technology, load_technology


@cache
def printed() -> dict[str, Any]:
    """All figures taken from the reports, with the chip's configuration."""
    with resources.files("cimest.validate").joinpath("neurosim_v2_1.yaml").open() as file:
        return yaml.safe_load(file)


@dataclass(frozen=True)
class Work:
    """What one layer makes the chip do for one image, as the reference counts it.

    Parameters
    ----------
    layer : Weighted
    vectors : int
        Places of the kernel without padding, which the reference leaves out.
    row_blocks, column_blocks : int
        Blocks into which the arrays cut the layer's matrix.
    ones : float
        Share of input bits that are one. The reference's share is averaged over the padded places too, for which
        its trace is zero; that is undone here.
    """

    layer: Weighted
    vectors: int
    row_blocks: int
    column_blocks: int
    ones: float

    @property
    def passes(self) -> int:
        """Forward and, but for the first layer, backward; each reads every column, as the reference counts it."""
        return 1 if self.layer.name == "conv1" else 2

    @property
    def blocks(self) -> int:
        """Arrays that hold the layer once."""
        return self.row_blocks * self.column_blocks

    @property
    def rows_per_array(self) -> float:
        """Rows in use."""
        return self.layer.fan_in / self.row_blocks

    @property
    def conversions(self) -> int:
        """Of one pass: every used column, for each input bit and row block."""
        return self.vectors * printed()["chip"]["input_bits"] * self.row_blocks * self.layer.fan_out


@cache
def work() -> tuple[Work, ...]:
    """Of the eight layers."""
    data = printed()
    rows, columns = data["chip"]["rows"], data["chip"]["columns"]
    layers = NETWORKS.get(data["range"]["network"])((3, 32, 32), 10).matrices
    found = []
    for layer, ones in zip(layers, data["activity"]["ones"], strict=True):
        vectors = (layer.input[1] - layer.kernel + 1) * (layer.input[2] - layer.kernel + 1)
        blocks = len(row_edges(layer, rows, "kernel_position")) - 1, len(column_edges(layer, columns)) - 1
        found.append(Work(layer, vectors, *blocks, ones * layer.positions / vectors))
    return tuple(found)


@dataclass(frozen=True)
class Report:
    """One report, and the parts of its chip as our components.

    The arrays have no reference lines, as the reference has none.

    Parameters
    ----------
    name : str
    tech : Technology
    device : Device
    area : mapping
        Of groups of parts. [mm²]
    phases : mapping
        Energy of each pass of all layers per epoch, with DRAM. [J]
    energy, latency : mapping
        Per layer and epoch. [J], [s]
    """

    name: str
    tech: Technology
    device: Device
    area: Mapping[str, float]
    phases: Mapping[str, float]
    energy: Mapping[str, list[float]]
    latency: Mapping[str, list[float]]

    def per_image(self, quantity: str) -> np.ndarray:
        """Energy per layer and image. [J]"""
        return np.array(self.energy[quantity]) / printed()["images"]

    def per_update(self, quantity: str) -> np.ndarray:
        """Energy per layer and update. [J]"""
        return np.array(self.energy[quantity]) / printed()["updates"]

    @property
    def array(self) -> ResistiveArray:
        """The cells of one array."""
        chip = printed()["chip"]
        return ResistiveArray.from_device(
            self.device, chip["rows"], chip["columns"], reference_columns=0, reference_rows=0
        )

    @property
    def converters(self) -> int:
        """On one side of an array."""
        chip = printed()["chip"]
        return chip["columns"] // chip["columns_per_adc"]

    @property
    def adc(self) -> FlashAdc:
        """Of both directions."""
        return FlashAdc(printed()["chip"]["adc_bits"])

    @property
    def shift_add(self) -> ShiftAdd:
        """Behind each converter."""
        return ShiftAdd(printed()["chip"]["adc_bits"], printed()["chip"]["input_bits"])

    @property
    def mux(self) -> ColumnMux:
        """On one side of an array."""
        chip = printed()["chip"]
        resistance = self.device.on_resistance / chip["rows"]
        return ColumnMux(chip["columns"], chip["columns_per_adc"], resistance, self.device.read_voltage)

    @property
    def word_lines(self) -> SwitchMatrix:
        """Drives the rows."""
        return SwitchMatrix(printed()["chip"]["rows"], self.device.read_voltage, self.device.access_voltage)

    @property
    def bit_lines(self) -> SwitchMatrix:
        """Drives the columns."""
        return SwitchMatrix(printed()["chip"]["columns"], self.device.read_voltage)

    @property
    def pe_side(self) -> float:
        """Of a square PE of sixteen arrays with what belongs to them and its adder trees. [m]"""
        chip = printed()["chip"]
        on_one_side = [(self.mux, 1), (self.adc, self.converters), (self.shift_add, self.converters)]
        others = [self.array, self.word_lines, self.bit_lines, RowDecoder(chip["rows"])]
        array = 2 * sum(number * part.area(self.tech) for part, number in on_one_side)
        array = array + sum(part.area(self.tech) for part in others)
        trees = pe_columns() * pe_tree().area(self.tech)
        return float(np.sqrt(chip["arrays_per_pe"] * array + trees))


def pe_columns() -> int:
    """Columns of a PE, whose arrays lie in a square; each has an adder tree."""
    chip = printed()["chip"]
    return int(np.sqrt(chip["arrays_per_pe"])) * chip["columns"]


def pe_tree(inputs: int | None = None) -> AdderTree:
    """Adds a column's words of the PE's rows of arrays, or of some of them."""
    chip = printed()["chip"]
    return AdderTree(inputs or int(np.sqrt(chip["arrays_per_pe"])), chip["word_bits"])


def tile_tree(inputs: int) -> AdderTree:
    """Adds a column's words of a tile's PEs, which the PE's tree has made wider."""
    chip = printed()["chip"]
    return AdderTree(inputs, chip["word_bits"] + int(np.log2(chip["arrays_per_pe"])) // 2)


def running_sum_bits() -> int:
    """Word in which the gradients of a batch are summed: a gradient's, wider by the bits that a batch of 200 adds."""
    return printed()["chip"]["gradient_word_bits"] + printed()["chip"]["batch_bits"]


def reports() -> list[Report]:
    """Both."""
    uses(printed()["source"])
    return [
        Report(
            one["name"],
            load_technology(one["technology"]),
            load_device(one["device"]),
            one["area"],
            one["phases"],
            one["energy"],
            one["latency"],
        )
        for one in printed()["reports"]
    ]
